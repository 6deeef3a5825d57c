//! `Redirect`, `RedirectPermanent`, `RedirectTemp`, `RedirectMatch` as text: statuses, paths, targets, and what httpd says of
//! those that it refuses.

use super::lines::Word;
use super::rule::{Wrong, wrong};
use crate::pcre;
use crate::span::Span;

/// One rule of mod_alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) span: Span,
    /// The line, for remarks.
    pub(super) text: String,
    /// Whether it stands in its file just so, so that its words have places there.
    pub(super) is_plain: bool,
    pub(super) status: u16,
    /// Whether a status is written.
    pub(super) is_default: bool,
    pub(super) source: AliasSource,
    /// Where to; none where the status does not redirect.
    pub(super) target: Option<String>,
    /// Whether its line is no UTF-8, so that each letter of its path stands for a byte.
    pub(super) is_odd: bool,
}

/// What a rule of mod_alias is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AliasSource {
    /// A path and all below it.
    Prefix(String),
    /// A pattern over the path.
    Pattern(String),
    /// The section that it stands in.
    Section,
}

/// Which directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Redirect,
    Permanent,
    Temp,
    Match,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Redirect => "Redirect",
            Kind::Permanent => "RedirectPermanent",
            Kind::Temp => "RedirectTemp",
            Kind::Match => "RedirectMatch",
        }
    }
}

/// Reads the words of a directive; inside `<Location>` one argument may be missing.
pub(super) fn read(kind: Kind, line: &str, words: &[Word], span: Span, in_location: bool) -> Result<Alias, Wrong> {
    let name = kind.name();
    let all = words.first().map_or(0..line.len(), |first| first.at.start..line.len());
    let texts: Vec<&Word> = words.iter().collect();
    let count = texts.len();
    let (status, rest): (Option<&Word>, &[&Word]) = match kind {
        Kind::Permanent | Kind::Temp => {
            if count != 2 {
                let what = format!("{name} takes two arguments, a document to be redirected, then the destination URL");
                let help = format!("write a path, then where to: `{name} /old https://example.com/new`");
                return wrong(all, what, Some(&help));
            }
            (None, &texts)
        }
        _ => {
            if !(1..=3).contains(&count) {
                let what = format!(
                    "{name} takes one, two or three arguments, an optional status, then document to be redirected and destination URL"
                );
                let help = match texts.iter().any(|word| word.text.starts_with('#')) {
                    true => "a comment has a line of its own",
                    false => "put quotes around a path or a target with blanks",
                };
                return wrong(all, what, Some(help));
            }
            match texts.as_slice() {
                [first, rest @ ..]
                    if count == 3 || status_of(&first.text).is_some() && !first.text.starts_with('/') =>
                {
                    (Some(*first), rest)
                }
                rest => (None, rest),
            }
        }
    };
    let number = match (kind, status) {
        (Kind::Permanent, _) => 301,
        (_, None) => 302,
        (_, Some(word)) => match status_of(&word.text) {
            Some(number) => number,
            None => {
                let what = format!("{name}: invalid first argument (of three)");
                let help = "a status is a number, or `permanent`, `temp`, `seeother` or `gone`";
                return wrong(word.at.clone(), what, Some(help));
            }
        },
    };
    if kind == Kind::Match && !in_location && count < 2 {
        let what = format!(
            "{name} takes two or three arguments, an optional status, then a regular expression and destination URL"
        );
        return wrong(all, what, Some("write a pattern, then where to: `RedirectMatch 307 ^/old$ /new`"));
    }
    let redirects = (300..400).contains(&number);
    let (source, target) = match rest {
        [target] if in_location && redirects => (None, Some(*target)),
        [] if in_location => (None, None),
        [source] => (Some(*source), None),
        [source, target] => (Some(*source), Some(*target)),
        _ => (None, None),
    };
    if redirects && target.is_none() {
        let help = match (status, source) {
            (Some(_), _) => "write where to behind the path",
            _ => "write the path, then where to",
        };
        return wrong(all, "URL to redirect to is missing", Some(help));
    }
    if let (false, Some(target)) = (redirects, target) {
        let help = format!("{number} sends nobody anywhere: leave the target out, or write 307 or 308");
        return wrong(target.at.clone(), "Redirect URL not valid for this status", Some(&help));
    }
    if let Some(target) = target
        && kind != Kind::Match
        && !is_url(&target.text)
        && !target.text.starts_with('/')
    {
        let help = format!("write `/{}` or a whole URL", target.text);
        return wrong(target.at.clone(), "Redirect to non-URL", Some(&help));
    }
    if let (Kind::Match, Some(word)) = (kind, source)
        && let Some(refused) = pcre::refused_by_httpd(&word.text)
    {
        let help = format!("{}: {}", refused.what, refused.help());
        return wrong(word.at.clone(), "Regular expression could not be compiled.", Some(&help));
    }
    let source = match (source, kind) {
        (None, _) => AliasSource::Section,
        (Some(word), Kind::Match) => AliasSource::Pattern(word.text.clone()),
        (Some(word), _) => AliasSource::Prefix(word.text.clone()),
    };
    Ok(Alias {
        span,
        text: line.to_owned(),
        is_plain: false,
        status: number,
        is_default: status.is_none() && matches!(kind, Kind::Redirect | Kind::Match),
        source,
        target: target.map(|word| word.text.clone()),
        is_odd: false,
    })
}

/// A status as a word or a number.
fn status_of(text: &str) -> Option<u16> {
    match text.to_ascii_lowercase().as_str() {
        "permanent" => Some(301),
        "temp" => Some(302),
        "seeother" => Some(303),
        "gone" => Some(410),
        _ if text.starts_with(|c: char| c.is_ascii_digit()) => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            text[..digits].parse().ok()
        }
        _ => None,
    }
}

/// Whether a text begins with a scheme.
pub(super) fn is_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) => {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::words;
    use super::*;
    use crate::span::FileId;

    fn read_line(kind: Kind, line: &str) -> Result<Alias, Wrong> {
        let span = Span { file: FileId(0), line: 1, column: 1, start: 0, end: line.len() };
        read(kind, line, &words(line, kind.name().len()), span, false)
    }

    #[test]
    fn statuses_are_words_or_numbers() {
        let read = |line| read_line(Kind::Redirect, line).expect("a rule");
        assert_eq!(read("Redirect /a /b").status, 302);
        assert!(read("Redirect /a /b").is_default);
        assert_eq!(read("Redirect 308 /a /b").status, 308);
        assert_eq!(read("Redirect seeother /a https://t.test/").status, 303);
        assert_eq!(read("Redirect gone /a").target, None);
        assert_eq!(read_line(Kind::Match, "RedirectMatch 307 ^/a $1").expect("a rule").target.as_deref(), Some("$1"));
    }

    #[test]
    fn mistakes_are_said_as_httpd_says_them() {
        for (line, what) in [
            ("Redirect /a", "URL to redirect to is missing"),
            ("Redirect 301 /a", "URL to redirect to is missing"),
            ("Redirect /a b", "Redirect to non-URL"),
            ("Redirect 410 /a /b", "Redirect URL not valid for this status"),
            ("Redirect foo /a /b", "Redirect: invalid first argument (of three)"),
            (
                "Redirect 301 /a /b c",
                "Redirect takes one, two or three arguments, an optional status, then document to be redirected and destination URL",
            ),
        ] {
            assert_eq!(read_line(Kind::Redirect, line).expect_err(line).what, what, "{line}");
        }
    }
}
