//! `RewriteRule` and `RewriteCond` as text: words, flags, and what httpd says of those that it refuses.

use std::ops::Range;
use std::rc::Rc;

use byway_core::dialect::LetterCase;

use super::lines::{Word, raw_words};
use crate::own::suggest::misspelt;
use crate::pcre;
use crate::span::Span;

/// Why httpd does not start with a line, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The bytes of the line at fault.
    pub(super) at: Range<usize>,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

pub(super) fn wrong<T>(at: Range<usize>, what: impl Into<String>, help: Option<&str>) -> Result<T, Wrong> {
    Err(Wrong { at, what: what.into(), help: help.map(str::to_owned) })
}

/// A condition of a rule.
#[derive(Clone, Debug)]
pub(super) struct Cond {
    /// What is looked at, with its variables.
    pub(super) test: String,
    /// What is asked of it, without its `!`.
    pub(super) pattern: String,
    pub(super) is_negated: bool,
    pub(super) case: LetterCase,
    pub(super) or_next: bool,
    /// Its line, where it has one.
    pub(super) span: Option<Span>,
    /// Whether bytes that are no UTF-8 stand where no text of ours holds them.
    pub(super) is_odd: bool,
    /// Its words in that line, where it stands in its file just so.
    pub(super) words: Option<CondWords>,
}

/// Where the words of a condition stand in its file.
#[derive(Clone, Debug)]
pub(super) struct CondWords {
    pub(super) test: Span,
    /// With its `!`.
    pub(super) pattern: Span,
    pub(super) flags: Option<Span>,
}

impl CondWords {
    /// Finds them in a line that stands in its file as it is read.
    pub(super) fn of(line: &str, from: usize, span: &Span) -> Option<CondWords> {
        let words = raw_words(line, from);
        let mut places = words.iter().map(|word| within(span, line, word.at.clone()));
        Some(CondWords { test: places.next()?, pattern: places.next()?, flags: places.next() })
    }
}

/// The place of some bytes of a line that stands in its file as it is read.
pub(super) fn within(span: &Span, line: &str, at: Range<usize>) -> Span {
    let ahead = line[..at.start].chars().count();
    let column = span.column.saturating_add(u32::try_from(ahead).unwrap_or(u32::MAX));
    Span { column, start: span.start + at.start, end: span.start + at.end, ..span.clone() }
}

/// A rule with its conditions.
#[derive(Clone, Debug)]
pub(super) struct RewriteRule {
    pub(super) span: Span,
    /// The line, for remarks.
    pub(super) text: String,
    /// Whether it stands in its file just so, so that its words have places there.
    pub(super) is_plain: bool,
    pub(super) conds: Vec<Cond>,
    /// The pattern without its `!`.
    pub(super) pattern: String,
    pub(super) is_negated: bool,
    pub(super) substitution: String,
    pub(super) flags: Flags,
}

/// Rules are shared by the folders that inherit them.
pub(super) type Rules = Vec<Rc<RewriteRule>>;

/// The flags of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// `R` with a status that redirects.
    pub(super) redirect: Option<u16>,
    /// `F`, `G`, or `R` with a status that does not redirect: no substitution, and the end.
    pub(super) status: Option<u16>,
    pub(super) last: bool,
    pub(super) end: bool,
    pub(super) nocase: bool,
    pub(super) noescape: bool,
    pub(super) qsa: bool,
    pub(super) qsd: bool,
    pub(super) qsl: bool,
    pub(super) escape_captures: bool,
    /// `B=…`, `BNE=…`, `BCTLS`: only some characters are escaped.
    pub(super) escapes_some: bool,
    /// `BNP`: a blank as `%20`.
    pub(super) blank_as_escape: bool,
    pub(super) again: bool,
    pub(super) skip: u32,
    pub(super) chain: bool,
    pub(super) passes_on: bool,
    pub(super) discards_path_info: bool,
    pub(super) proxy: bool,
    pub(super) cookie: bool,
    pub(super) unsafe_question: bool,
    /// `R` with whatever status, or `NS`: not for what httpd asks of itself.
    pub(super) outside_alone: bool,
    /// No flag: whether bytes that are no UTF-8 stand where no text of ours holds them.
    pub(super) is_odd: bool,
    /// `E=name:value`, or `E=!name` without a value.
    pub(super) env: Vec<(String, Option<String>)>,
}

/// Reads the words behind `RewriteCond`.
pub(super) fn read_cond(line: &str, from: usize) -> Result<Cond, Wrong> {
    let words = raw_words(line, from);
    let [test, pattern, rest @ ..] = words.as_slice() else {
        let help = "write what is looked at, then what is asked of it: `RewriteCond %{HTTP_HOST} ^www\\.`";
        return wrong(
            from..line.len(),
            format!("RewriteCond: bad argument line '{}'", line[from..].trim_start()),
            Some(help),
        );
    };
    let (mut case, mut or_next) = (LetterCase::Significant, false);
    if let Some(flags) = rest.first() {
        for (name, _, at) in flag_words(flags, "RewriteCond")? {
            match name.to_ascii_lowercase().as_str() {
                "nc" | "nocase" => case = LetterCase::Ignored,
                "or" | "ornext" => or_next = true,
                "nv" | "novary" => {}
                _ => {
                    let what = format!("RewriteCond: unknown flag '{name}'");
                    return wrong(at, what, Some("conditions have NC, OR and NV"));
                }
            }
        }
    }
    // `expr` is an expression and takes no `!`.
    let (is_negated, pattern) = match pattern.text.strip_prefix('!') {
        Some(rest) if !test.text.eq_ignore_ascii_case("expr") => (true, rest.to_owned()),
        _ => (false, pattern.text.clone()),
    };
    if !pattern.starts_with(['=', '<', '>', '-']) && !test.text.eq_ignore_ascii_case("expr") {
        compiles(&pattern, &words[1], "RewriteCond")?;
    }
    Ok(Cond { test: test.text.clone(), pattern, is_negated, case, or_next, span: None, is_odd: false, words: None })
}

/// Reads the words behind `RewriteRule`; the conditions before it are handed in.
pub(super) fn read_rule(line: &str, from: usize, span: Span, conds: Vec<Cond>) -> Result<RewriteRule, Wrong> {
    let words = raw_words(line, from);
    let [pattern, substitution, rest @ ..] = words.as_slice() else {
        let help = "write a pattern, a target, and flags: `RewriteRule ^old$ /new [R=307,L]`";
        return wrong(
            from..line.len(),
            format!("RewriteRule: bad argument line '{}'", line[from..].trim_start()),
            Some(help),
        );
    };
    let mut flags = Flags::default();
    if let Some(word) = rest.first() {
        for (name, value, at) in flag_words(word, "RewriteRule")? {
            flag(&name, value.as_deref(), at, &mut flags)?;
        }
    }
    let (is_negated, pattern) = match pattern.text.strip_prefix('!') {
        Some(rest) => (true, rest.to_owned()),
        None => (false, pattern.text.clone()),
    };
    compiles(&pattern, &words[0], "RewriteRule")?;
    Ok(RewriteRule {
        span,
        text: line.to_owned(),
        is_plain: false,
        conds,
        pattern,
        is_negated,
        substitution: substitution.text.clone(),
        flags,
    })
}

/// Refuses a pattern that PCRE does not compile.
fn compiles(pattern: &str, word: &Word, directive: &str) -> Result<(), Wrong> {
    let Some(refused) = pcre::refused_by_httpd(pattern) else { return Ok(()) };
    let what = format!("{directive}: cannot compile regular expression '{pattern}'");
    wrong(word.at.clone(), what, Some(&format!("{}: {}", refused.what, refused.help())))
}

/// A flag's name, its value, and where it stands.
type FlagWord = (String, Option<String>, Range<usize>);

/// `[a,b=c]` as names and values, each with its place.
fn flag_words(word: &Word, directive: &str) -> Result<Vec<FlagWord>, Wrong> {
    let Some(inner) = word.text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        let help = match (word.text.starts_with('['), word.text.starts_with('#')) {
            (true, _) => "flags stand in brackets without a blank between them: `[R=307,L]`",
            (_, true) => "a comment has a line of its own",
            _ => "flags stand in brackets: `[R=307,L]`",
        };
        return wrong(word.at.clone(), format!("{directive}: bad flag delimiters"), Some(help));
    };
    let mut out = Vec::new();
    let mut at = word.at.start + 1;
    for part in inner.split(',') {
        let place = at..at + part.len();
        at += part.len() + 1;
        let part = part.trim();
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().to_owned())),
            None => (part, None),
        };
        if name.is_empty() {
            let what = format!("{directive}: unknown flag ''");
            return wrong(place, what, Some("there is a comma too many"));
        }
        out.push((name.to_owned(), value, place));
    }
    Ok(out)
}

fn flag(name: &str, value: Option<&str>, at: Range<usize>, flags: &mut Flags) -> Result<(), Wrong> {
    match name.to_ascii_lowercase().as_str() {
        "r" | "redirect" => {
            flags.outside_alone = true;
            match redirect_status(value) {
                Some(status @ 300..=399) => flags.redirect = Some(status),
                Some(status) => flags.status = Some(status),
                None => {
                    let what =
                        format!("RewriteRule: invalid HTTP response code '{}' for flag 'R'", value.unwrap_or_default());
                    let help = "write 307 for now or 308 for good, so that POST stays POST";
                    return wrong(at, what, Some(help));
                }
            }
        }
        "f" | "forbidden" => flags.status = Some(403),
        "g" | "gone" => flags.status = Some(410),
        "l" | "last" => flags.last = true,
        "end" => flags.end = true,
        "nc" | "nocase" => flags.nocase = true,
        "ne" | "noescape" => flags.noescape = true,
        "qsa" | "qsappend" => flags.qsa = true,
        "qsd" | "qsdiscard" => flags.qsd = true,
        "qsl" | "qslast" => flags.qsl = true,
        "b" | "escapebackreferences" => {
            flags.escape_captures = true;
            flags.escapes_some |= value.is_some_and(|value| !value.is_empty());
        }
        "bne" | "bctls" | "escapectls" => {
            flags.escape_captures = true;
            flags.escapes_some = true;
        }
        "bnp" | "backrefnoplus" => flags.blank_as_escape = true,
        "n" | "next" => flags.again = true,
        "s" | "skip" => flags.skip = value.map_or(0, leading_number),
        "c" | "chain" => flags.chain = true,
        "pt" | "passthrough" => flags.passes_on = true,
        "dpi" | "discardpath" | "discardpathinfo" => flags.discards_path_info = true,
        "p" | "proxy" => flags.proxy = true,
        "co" | "cookie" => flags.cookie = true,
        "ns" | "nosubreq" => flags.outside_alone = true,
        "t" | "type" | "h" | "handler" | "unsafeprefixstat" => {}
        "unsafeallow3f" => flags.unsafe_question = true,
        "e" | "env" => {
            let value = value.unwrap_or_default();
            let pair = match (value.strip_prefix('!'), value.split_once(':')) {
                (Some(name), _) => (name.to_owned(), None),
                (None, Some((name, value))) => (name.to_owned(), Some(value.to_owned())),
                (None, None) => (value.to_owned(), Some(String::new())),
            };
            flags.env.push(pair);
        }
        _ => {
            let what = format!("RewriteRule: unknown flag '{name}'");
            return wrong(at, what, Some(&flag_instead(name)));
        }
    }
    Ok(())
}

/// The flags, as people write them.
const FLAGS: &[&str] = &[
    "B",
    "BCTLS",
    "BNE",
    "BNP",
    "C",
    "CO",
    "DPI",
    "E",
    "END",
    "F",
    "G",
    "H",
    "L",
    "N",
    "NC",
    "NE",
    "NS",
    "P",
    "PT",
    "QSA",
    "QSD",
    "QSL",
    "R",
    "S",
    "T",
    "backrefnoplus",
    "chain",
    "cookie",
    "discardpath",
    "env",
    "escapebackreferences",
    "forbidden",
    "gone",
    "handler",
    "last",
    "next",
    "nocase",
    "noescape",
    "nosubreq",
    "passthrough",
    "proxy",
    "qsappend",
    "qsdiscard",
    "qslast",
    "redirect",
    "skip",
    "type",
    "UnsafeAllow3F",
    "UnsafePrefixStat",
];

/// What to write for a flag that httpd does not know.
fn flag_instead(name: &str) -> String {
    let bare = name.trim_end_matches(']');
    if bare.len() < name.len() {
        return "there is one `]` too many".to_owned();
    }
    // Of one or two letters nearly every flag is an edit away.
    let meant = misspelt(name, FLAGS.iter().copied().filter(|flag| flag.len() > 2)).filter(|_| name.len() > 2);
    match (meant, name.parse::<u16>()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Ok(status @ 300..=399)) => format!("a status stands behind `R`: `R={status}`"),
        (None, _) => "those that redirect are R=307 or R=308, with L to stop there".to_owned(),
    }
}

/// The number at the beginning of a text, as C's `atoi` takes it.
fn leading_number(text: &str) -> u32 {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().unwrap_or(0)
}

/// The status behind `R=`: a word, or a number of which httpd knows the status line.
fn redirect_status(value: Option<&str>) -> Option<u16> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Some(302) };
    match value.to_ascii_lowercase().as_str() {
        "permanent" => return Some(301),
        "temp" => return Some(302),
        "seeother" => return Some(303),
        _ => {}
    }
    if !value.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(302);
    }
    u16::try_from(leading_number(value)).ok().filter(|status| is_known(*status))
}

/// Whether httpd has a status line of its own for a number.
pub(super) fn is_known(status: u16) -> bool {
    matches!(status, 100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308)
        || matches!(status, 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;

    fn read(line: &str) -> Result<RewriteRule, Wrong> {
        let span = Span { file: FileId(0), line: 1, column: 1, start: 0, end: line.len() };
        read_rule(line, "RewriteRule".len(), span, Vec::new())
    }

    #[test]
    fn flags_are_read() {
        let rule = read("RewriteRule !^a$ /b [R=permanent,L,QSA,E=x:y,E=!z,nocase]").expect("a rule");
        assert!(rule.is_negated && rule.flags.last && rule.flags.qsa && rule.flags.nocase);
        assert_eq!(rule.flags.redirect, Some(301));
        assert_eq!(rule.flags.env, [("x".to_owned(), Some("y".to_owned())), ("z".to_owned(), None)]);
        assert_eq!(read("RewriteRule a b [R=410]").expect("a rule").flags.status, Some(410));
    }

    #[test]
    fn mistakes_are_said_as_httpd_says_them() {
        for (line, what) in [
            ("RewriteRule ^a$", "RewriteRule: bad argument line '^a$'"),
            ("RewriteRule ^a$ /b [R=399]", "RewriteRule: invalid HTTP response code '399' for flag 'R'"),
            ("RewriteRule ^a$ /b [X=1]", "RewriteRule: unknown flag 'X'"),
            ("RewriteRule ^a$ /b [R, L]", "RewriteRule: bad flag delimiters"),
            ("RewriteRule ^a$ /b [R=301,]", "RewriteRule: unknown flag ''"),
            ("RewriteRule ^a[ /b", "RewriteRule: cannot compile regular expression '^a['"),
            ("RewriteRule ^*a /b", "RewriteRule: cannot compile regular expression '^*a'"),
        ] {
            assert_eq!(read(line).expect_err(line).what, what, "{line}");
        }
        let cond = "RewriteCond %{HTTP_HOST} ^a NC";
        assert_eq!(read_cond(cond, 11).expect_err(cond).what, "RewriteCond: bad flag delimiters");
    }
}
