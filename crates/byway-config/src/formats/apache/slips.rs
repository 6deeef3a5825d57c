//! What httpd takes without a word and nobody means: a variable that it does not know, a brace that is open, a group that is not
//! there, `[OR]` behind which no condition stands, quotes of a word processor.
//!
//! Each of these starts and answers: what is misspelt is the empty text, or stands for its own letters. Nothing here changes what
//! a rule decides. What is found is noted beside its statement; the words for it are those of the lints.

use super::alias::{Alias, AliasSource};
use super::expand::{Token, alias_tokens, closings, tokens};
use super::pattern::translated;
use super::rule::{Cond, RewriteRule};
use crate::diagnostic::{Diagnostic, grouped};
use crate::own::suggest::misspelt;
use crate::pcre;
use crate::span::Span;
use crate::written::{MissingGroup, Mistaken, Slip, Words, Written};

/// How many are noted of one load, and of one statement.
const KEPT: usize = 100_000;
const KEPT_OF_ONE: usize = 32;

/// The variables that mod_rewrite knows.
const VARIABLES: &[&str] = &[
    "API_VERSION",
    "AUTH_TYPE",
    "CONN_REMOTE_ADDR",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "DOCUMENT_ROOT",
    "HTTPS",
    "HTTP_ACCEPT",
    "HTTP_COOKIE",
    "HTTP_FORWARDED",
    "HTTP_HOST",
    "HTTP_PROXY_CONNECTION",
    "HTTP_REFERER",
    "HTTP_USER_AGENT",
    "IPV6",
    "IS_SUBREQ",
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_FILENAME",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_GROUP",
    "SCRIPT_USER",
    "SERVER_ADDR",
    "SERVER_ADMIN",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "THE_REQUEST",
    "TIME",
    "TIME_DAY",
    "TIME_HOUR",
    "TIME_MIN",
    "TIME_MON",
    "TIME_SEC",
    "TIME_WDAY",
    "TIME_YEAR",
];

/// What is noted of one load.
pub(super) struct Slips {
    left: usize,
}

impl Default for Slips {
    fn default() -> Slips {
        Slips { left: KEPT }
    }
}

impl Slips {
    /// What is said where there were more than are noted.
    pub(super) fn more(&self) -> Option<Diagnostic> {
        let what =
            format!("of words that httpd takes for something else, the first {} are noted", grouped(KEPT as u64));
        (self.left == 0).then(|| Diagnostic::note("not-all-looked-at", what).help("check the files one by one"))
    }

    /// Looks at a rule and its conditions.
    pub(super) fn of_rule(&mut self, rule: &RewriteRule, written: &Written) -> Vec<Slip> {
        let mut look = Look::new(rule.is_negated);
        look.quotes(&Place::of(written, &written.source));
        look.own = if rule.is_negated { Some(0) } else { groups(&rule.pattern) };
        look.behind = groups_of_conditions(&rule.conds);
        let target = Place::of(written, &written.target);
        look.text(&target);
        for value in rule.flags.env.iter().filter_map(|(_, value)| value.as_deref()) {
            let at = written.flags.as_ref().map_or(&written.span, |flags| flags.at.as_ref().unwrap_or(&written.span));
            look.text(&Place { text: value, at, begin: begin_within(written.flags.as_ref(), value) });
        }
        look.quotes(&target);
        for (at, cond) in rule.conds.iter().enumerate().filter(|(_, cond)| !is_expression(cond)) {
            look.behind = groups_of_conditions(&rule.conds[..at]);
            look.condition(cond, cond.span.as_ref().unwrap_or(&rule.span));
        }
        if let Some(last) = rule.conds.last().filter(|last| last.or_next) {
            let flags = last.words.as_ref().and_then(|words| words.flags.as_ref());
            look.note(flags.or(last.span.as_ref()).unwrap_or(&rule.span).clone(), Mistaken::LastOr);
        }
        self.kept(look.found)
    }

    /// Looks at a rule of mod_alias.
    pub(super) fn of_alias(&mut self, alias: &Alias, written: &Written) -> Vec<Slip> {
        let mut look = Look::new(false);
        let target = Place::of(written, &written.target);
        match &alias.source {
            AliasSource::Prefix(_) => look.quotes(&Place::of(written, &written.source)),
            AliasSource::Pattern(pattern) => {
                look.quotes(&Place::of(written, &written.source));
                look.own = groups(pattern);
                look.groups(&target, &alias_tokens(target.text));
            }
            AliasSource::Section => {}
        }
        look.quotes(&target);
        self.kept(look.found)
    }

    fn kept(&mut self, mut found: Vec<Slip>) -> Vec<Slip> {
        found.sort_by_key(|slip| slip.at.start);
        found.truncate(self.left);
        self.left -= found.len();
        found
    }
}

/// A text, and where it stands.
struct Place<'a> {
    text: &'a str,
    /// Its word, or its statement.
    at: &'a Span,
    /// Where the text begins in the word, where the word is known.
    begin: Option<usize>,
}

impl<'a> Place<'a> {
    fn of(written: &'a Written, words: &'a Words) -> Place<'a> {
        // Where a backslash was undone, the text does not stand there as it is read.
        let begin = words.at.as_ref().filter(|at| at.range().len() == words.text.len()).map(|_| 0);
        Place { text: &words.text, at: words.at.as_ref().unwrap_or(&written.span), begin }
    }

    /// A text of a condition at the end of its word, as a pattern behind its `!`.
    fn within(text: &'a str, word: Option<&'a Span>, statement: &'a Span) -> Place<'a> {
        let begin = word.and_then(|word| word.range().len().checked_sub(text.len()));
        Place { text, at: word.unwrap_or(statement), begin }
    }

    /// The place of a part of the text; a sign that a backslash keeps begins none.
    fn find(&self, part: &str) -> Span {
        let is_kept = |at: &usize| self.text[..*at].ends_with('\\');
        let at = self.text.match_indices(part).map(|(at, _)| at).find(|at| !is_kept(at));
        let Some((begin, at)) = self.begin.zip(at) else { return self.at.clone() };
        let ahead = u32::try_from(begin + self.text[..at].chars().count()).unwrap_or(u32::MAX);
        let (column, start) = (self.at.column.saturating_add(ahead), self.at.start + begin + at);
        Span { column, start, end: start + part.len(), ..self.at.clone() }
    }
}

/// Where a value begins in the flags that hold it.
fn begin_within(flags: Option<&Words>, value: &str) -> Option<usize> {
    let flags = flags.filter(|flags| flags.at.is_some())?;
    // What stands before it is flags, which are ASCII wherever httpd takes them.
    flags.text.find(value).filter(|at| flags.text[..*at].is_ascii())
}

fn is_expression(cond: &Cond) -> bool {
    cond.test.eq_ignore_ascii_case("expr")
}

/// How many groups a pattern numbers, where that can be known.
fn groups(pattern: &str) -> Option<usize> {
    pcre::groups(&translated(pattern))
}

/// How many groups the conditions leave at the most: those of the last pattern that fits, and a pattern with `!` leaves none.
fn groups_of_conditions(conds: &[Cond]) -> Option<usize> {
    let mut most = 0;
    for cond in conds {
        if is_expression(cond) {
            return None;
        }
        if !cond.is_negated && !cond.pattern.starts_with(['=', '<', '>', '-']) {
            most = most.max(groups(&cond.pattern)?);
        }
    }
    Some(most)
}

/// What is found in one statement.
struct Look {
    found: Vec<Slip>,
    /// Whether the rule runs where its pattern does not fit.
    is_negated: bool,
    /// How many groups the rule's own pattern has; how many there are is not always known.
    own: Option<usize>,
    /// How many the conditions leave that stand before.
    behind: Option<usize>,
}

impl Look {
    fn new(is_negated: bool) -> Look {
        Look { found: Vec::new(), is_negated, own: None, behind: None }
    }

    /// Notes one; what a word holds twice is said once.
    fn note(&mut self, at: Span, mistaken: Mistaken) {
        let is_new = self.found.iter().all(|slip| slip.at != at || slip.mistaken != mistaken);
        if is_new && self.found.len() < KEPT_OF_ONE {
            self.found.push(Slip { at, mistaken });
        }
    }

    fn condition(&mut self, cond: &Cond, span: &Span) {
        let words = cond.words.as_ref();
        let test = Place::within(&cond.test, words.map(|words| &words.test), span);
        let pattern = Place::within(&cond.pattern, words.map(|words| &words.pattern), span);
        self.text(&test);
        self.quotes(&test);
        self.quotes(&pattern);
    }

    /// A text with variables.
    fn text(&mut self, place: &Place<'_>) {
        let tokens = tokens(place.text);
        self.braces(place);
        self.variables(place, &tokens);
        self.groups(place, &tokens);
    }

    fn variables(&mut self, place: &Place<'_>, tokens: &[Token]) {
        for token in tokens {
            match token {
                Token::Variable(name) if !is_known(name) => {
                    let meant = misspelt(name, VARIABLES.iter().copied());
                    let at = place.find(&format!("%{{{name}}}"));
                    self.note(at, Mistaken::Variable { name: name.as_str().into(), meant });
                }
                Token::Map { key, default, .. } => {
                    self.variables(place, key);
                    self.variables(place, default);
                }
                _ => {}
            }
        }
    }

    /// Braces that nothing closes, and names in braces without their sign.
    fn braces(&mut self, place: &Place<'_>) {
        let text = place.text;
        let closings = closings(text);
        let bytes = text.as_bytes();
        for (at, _) in text.match_indices('{') {
            let sign = at.checked_sub(1).map(|before| bytes[before]).filter(|sign| matches!(sign, b'%' | b'$'));
            let is_kept = at >= 2 && bytes[at - 2] == b'\\';
            match (sign, closings.get(&at)) {
                (Some(_), None) if !is_kept => {
                    let open = &text[at - 1..];
                    let name =
                        open[2..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(byte));
                    let name = &open[..2 + name.count()];
                    return self.note(place.find(name), Mistaken::OpenBrace(name.into()));
                }
                (None, Some(&end)) if VARIABLES.contains(&&text[at + 1..end]) => {
                    let name = &text[at..=end];
                    self.note(place.find(name), Mistaken::Signless(name.into()));
                }
                _ => {}
            }
        }
    }

    /// Groups that no pattern has.
    fn groups(&mut self, place: &Place<'_>, tokens: &[Token]) {
        for (at, token) in tokens.iter().enumerate() {
            let (sign, number, most) = match token {
                Token::Group(number) => ('$', *number, self.own),
                Token::CondGroup(number) => ('%', *number, self.behind),
                Token::Map { key, default, .. } => {
                    self.groups(place, key);
                    self.groups(place, default);
                    continue;
                }
                _ => continue,
            };
            let Some(most) = most.filter(|most| usize::from(number) > *most) else { continue };
            let next = match tokens.get(at + 1) {
                Some(Token::Text(text)) => text.chars().next(),
                _ => None,
            };
            let digit = next.filter(|next| sign == '%' && next.is_ascii_hexdigit());
            let is_negated = self.is_negated && sign == '$';
            let written = digit.map_or_else(|| format!("{sign}{number}"), |digit| format!("{sign}{number}{digit}"));
            let group = MissingGroup { sign, number, most, is_negated, digit };
            self.note(place.find(&written), Mistaken::Group(group));
        }
    }

    /// Quotes that are letters to httpd.
    fn quotes(&mut self, place: &Place<'_>) {
        let is_quote = |sign: &char| matches!(sign, '“' | '”' | '„' | '‟' | '«' | '»' | '‘' | '’' | '‚' | '″');
        let (first, last) = (place.text.chars().next(), place.text.chars().next_back());
        let Some(quote) = first.filter(is_quote).or(last.filter(is_quote)) else { return };
        self.note(place.at.clone(), Mistaken::Quote { quote, word: place.text.into() });
    }
}

/// Whether mod_rewrite knows a variable: by its name, or as one of the many that another part of httpd has.
fn is_known(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let has_kind = ["HTTP:", "ENV:", "SSL:", "LA-U:", "LA-F:"].iter().any(|kind| upper.starts_with(kind));
    has_kind || VARIABLES.contains(&&*upper)
}
