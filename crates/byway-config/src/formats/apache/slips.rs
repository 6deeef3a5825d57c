//! What httpd takes without a word and nobody means: a variable that it does not know, a brace that is open, a group that is not
//! there, `[OR]` behind which no condition stands, quotes of a word processor.
//!
//! Each of these starts and answers: what is misspelt is the empty text, or stands for its own letters. Nothing here changes what
//! a rule decides.

use super::alias::{Alias, AliasSource};
use super::expand::{Token, alias_tokens, closings, tokens};
use super::pattern::translated;
use super::rule::{Cond, RewriteRule};
use crate::diagnostic::Severity;
use crate::foreign::Reading;
use crate::own::suggest::misspelt;
use crate::pcre;
use crate::span::Span;

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

/// Looks at a rule and its conditions.
pub(super) fn of_rule(rule: &RewriteRule, reading: &mut Reading<'_>) {
    let mut at_rule = Slips { reading, span: &rule.span, is_negated: rule.is_negated };
    at_rule.quotes(&rule.pattern);
    let own = if rule.is_negated { Some(0) } else { groups(&rule.pattern) };
    let behind = groups_of_conditions(&rule.conds);
    for text in written_by(rule) {
        at_rule.text(text);
        at_rule.groups_of_text(&tokens(text), own, behind);
    }
    at_rule.quotes(&rule.substitution);
    for (at, cond) in rule.conds.iter().enumerate() {
        let span = cond.span.as_ref().unwrap_or(&rule.span);
        let mut at_cond = Slips { reading: &mut *reading, span, is_negated: rule.is_negated };
        if is_expression(cond) {
            continue;
        }
        at_cond.text(&cond.test);
        at_cond.groups_of_text(&tokens(&cond.test), own, groups_of_conditions(&rule.conds[..at]));
        [&cond.test, &cond.pattern].into_iter().for_each(|text| at_cond.quotes(text));
    }
    if let Some(last) = rule.conds.last().filter(|last| last.or_next) {
        let span = last.span.as_ref().unwrap_or(&rule.span);
        Slips { reading, span, is_negated: rule.is_negated }.say("or-at-the-end", || {
            let what = "no condition follows this `[OR]`, so it asks nothing: the rule runs whether it holds or not";
            (what.to_owned(), "take the `OR` out, or write the condition that it stands before".to_owned())
        });
    }
}

/// Looks at a rule of mod_alias.
pub(super) fn of_alias(alias: &Alias, reading: &mut Reading<'_>) {
    let mut slips = Slips { reading, span: &alias.span, is_negated: false };
    let target = alias.target.as_deref().unwrap_or_default();
    match &alias.source {
        AliasSource::Prefix(path) => slips.quotes(path),
        AliasSource::Pattern(pattern) => {
            slips.quotes(pattern);
            slips.groups_of_text(&alias_tokens(target), groups(pattern), None);
        }
        AliasSource::Section => {}
    }
    slips.quotes(target);
}

/// The texts that a rule puts together.
fn written_by(rule: &RewriteRule) -> impl Iterator<Item = &str> {
    let values = rule.flags.env.iter().filter_map(|(_, value)| value.as_deref());
    std::iter::once(rule.substitution.as_str()).chain(values)
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

/// What is said at one place.
struct Slips<'a, 'r> {
    reading: &'a mut Reading<'r>,
    span: &'a Span,
    /// Whether the rule runs where its pattern does not fit.
    is_negated: bool,
}

impl Slips<'_, '_> {
    fn say(&mut self, code: &'static str, what: impl FnOnce() -> (String, String)) {
        self.reading.say_often(self.span, Severity::Warning, code, || {
            let (message, help) = what();
            (message, Some(help))
        });
    }

    /// A text with variables.
    fn text(&mut self, text: &str) {
        self.braces(text);
        self.variables(&tokens(text));
    }

    fn variables(&mut self, tokens: &[Token]) {
        for token in tokens {
            match token {
                Token::Variable(name) if !is_known(name) => {
                    let meant = misspelt(name, VARIABLES.iter().copied());
                    self.say("unknown-variable", || {
                        let what = format!("httpd knows no variable `%{{{name}}}` and takes it for the empty text");
                        match meant {
                            Some(meant) => {
                                (format!("{what}: did you mean `%{{{meant}}}`?"), format!("write `%{{{meant}}}`"))
                            }
                            None => (what, written_right(name)),
                        }
                    });
                }
                Token::Map { key, default, .. } => {
                    self.variables(key);
                    self.variables(default);
                }
                _ => {}
            }
        }
    }

    /// Braces that nothing closes, and names in braces without their sign.
    fn braces(&mut self, text: &str) {
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
                    return self.say("open-brace", || {
                        let what =
                            format!("nothing closes `{name}`: httpd takes it for these letters, and for no variable");
                        (what, format!("write `{name}}}`"))
                    });
                }
                (None, Some(&end)) if VARIABLES.contains(&&text[at + 1..end]) => {
                    let name = &text[at..=end];
                    self.say("unknown-variable", || {
                        let what =
                            format!("httpd takes `{name}` for these letters: a variable has a `%` before its brace");
                        (what, format!("write `%{name}`"))
                    });
                }
                _ => {}
            }
        }
    }

    /// Groups that no pattern has; how many there are is not always known.
    fn groups_of_text(&mut self, tokens: &[Token], own: Option<usize>, behind: Option<usize>) {
        for (at, token) in tokens.iter().enumerate() {
            let (sign, number, most) = match token {
                Token::Group(number) => ('$', *number, own),
                Token::CondGroup(number) => ('%', *number, behind),
                Token::Map { key, default, .. } => {
                    self.groups_of_text(key, own, behind);
                    self.groups_of_text(default, own, behind);
                    continue;
                }
                _ => continue,
            };
            let Some(most) = most.filter(|most| usize::from(number) > *most) else { continue };
            let next = match tokens.get(at + 1) {
                Some(Token::Text(text)) => text.chars().next(),
                _ => None,
            };
            let escape = next.filter(|next| sign == '%' && next.is_ascii_hexdigit());
            let is_negated = self.is_negated && sign == '$';
            self.say("missing-group", || {
                let count = match most {
                    0 => "no group".to_owned(),
                    1 => "one group".to_owned(),
                    _ => format!("{most} groups"),
                };
                let why = match sign {
                    '$' if is_negated => "a pattern with `!` leaves no group".to_owned(),
                    '$' => format!("the pattern of this rule has {count}"),
                    _ => format!("the patterns of the conditions before it have {count}"),
                };
                let help = match escape {
                    Some(digit) => {
                        format!("for the escape `%{number}{digit}` write `\\%{number}{digit}`, and add the flag `NE`")
                    }
                    None if is_negated => format!("take `{sign}{number}` out, or ask for it in a condition"),
                    None => format!("put what `{sign}{number}` stands for in parentheses, or take it out"),
                };
                (format!("`{sign}{number}` is the empty text: {why}"), help)
            });
        }
    }

    /// Quotes that are letters to httpd.
    fn quotes(&mut self, text: &str) {
        let is_quote = |sign: &char| matches!(sign, '“' | '”' | '„' | '‟' | '«' | '»' | '‘' | '’' | '‚' | '″');
        let found = text.chars().next().filter(is_quote).or(text.chars().next_back().filter(is_quote));
        let Some(quote) = found else { return };
        self.say("typographic-quote", || {
            let what = format!("`{quote}` is a letter to httpd, and not a quote: `{text}` is taken with it");
            (what, "write straight quotes (`\"`), or none where no blank stands between them".to_owned())
        });
    }
}

/// Whether mod_rewrite knows a variable: by its name, or as one of the many that another part of httpd has.
fn is_known(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let has_kind = ["HTTP:", "ENV:", "SSL:", "LA-U:", "LA-F:"].iter().any(|kind| upper.starts_with(kind));
    has_kind || VARIABLES.contains(&&*upper)
}

/// How a text is written that is no variable of mod_rewrite, and may be something else.
fn written_right(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    match upper.strip_prefix("HTTP_").filter(|field| !field.is_empty()) {
        Some(field) => {
            let words = field.split('_').map(|word| {
                let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
                first.to_owned() + &rest.to_ascii_lowercase()
            });
            format!("for the header field write `%{{HTTP:{}}}`", words.collect::<Vec<_>>().join("-"))
        }
        None if upper.starts_with("SSL_") => format!("write `%{{SSL:{upper}}}`"),
        None if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) && !name.is_empty() => {
            format!("if it is a variable of the environment, write `%{{ENV:{name}}}`")
        }
        None => "look at how it is spelt".to_owned(),
    }
}
