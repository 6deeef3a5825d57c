//! Regular expressions of PCRE as our engines read them, and plain text where a pattern is nothing more.
//!
//! Most patterns of real files are a literal between `^` and `$`; as keys they cost the index nothing. The rest is brought into
//! the syntax of our engines: what both write differently (a `{` that counts nothing, `[` in a class, `\<`) is escaped, what
//! only PCRE can say is left to the backtracking engine, or refused.

use byway_core::dialect::LetterCase;
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::source::PathPattern;

/// A pattern as Apache reads it: found anywhere, `.` is any byte, `$` is the end alone.
pub(super) fn pattern(text: &str, case: LetterCase) -> Pattern<'static> {
    Pattern { text: translated(text).into(), case, anchoring: Anchoring::Anywhere, flavour: Flavour::PcreDotAll }
}

/// What a pattern is when it is looked at closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every text; its first group is all of it.
    Any,
    /// This text alone.
    Exact(String),
    /// What begins with this text; the first group, if there is one, is the rest.
    Begins(String),
    /// Something else, and the text that every match begins with.
    Other(Option<String>),
}

/// Looks at a pattern closely.
pub(super) fn shape(text: &str) -> Shape {
    if matches!(text, "" | "^" | ".*" | "^.*" | "^.*$" | ".*$" | "(.*)" | "^(.*)" | "^(.*)$" | "(.*)$" | ".?" | "/*") {
        return Shape::Any;
    }
    let Some(anchored) = text.strip_prefix('^') else { return Shape::Other(None) };
    let (literal, rest) = literal(anchored);
    match rest {
        "$" => Shape::Exact(literal),
        "" | ".*" | ".*$" | "(.*)" | "(.*)$" => Shape::Begins(literal),
        _ => Shape::Other(Some(literal).filter(|_| !text.contains('|'))),
    }
}

impl Shape {
    /// Whether a pattern of this shape may fit a text that begins so; for what is known of it alone.
    pub(super) fn may_fit_behind(&self, beginning: &str, case: LetterCase) -> bool {
        let folded = |text: &str| match case {
            LetterCase::Ignored => text.to_ascii_lowercase(),
            LetterCase::Significant => text.to_owned(),
        };
        let literal = match self {
            Shape::Any | Shape::Other(None) => return true,
            Shape::Exact(text) | Shape::Begins(text) | Shape::Other(Some(text)) => folded(text),
        };
        let beginning = folded(beginning);
        beginning.starts_with(&literal) || literal.starts_with(&beginning)
    }

    /// The source of a rule whose pattern this is; the number of the pattern's groups that it keeps is that of the pattern.
    pub(super) fn path(&self, text: &str, case: LetterCase) -> PathPattern<'static> {
        let plain = case == LetterCase::Significant;
        match self {
            Shape::Any => PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false },
            Shape::Exact(text) if plain => PathPattern::Exact(text.clone().into_bytes().into()),
            Shape::Begins(text) if plain => {
                PathPattern::BytePrefix { prefix: text.clone().into_bytes().into(), is_final: false }
            }
            _ => PathPattern::Regex(pattern(text, case)),
        }
    }
}

/// The text at the beginning of a pattern that stands for itself, and what follows.
fn literal(pattern: &str) -> (String, &str) {
    let mut out = String::new();
    let mut rest = pattern;
    loop {
        let mut chars = rest.chars();
        let (taken, after) = match chars.next() {
            Some('\\') => match chars.next() {
                Some(c) if !c.is_ascii_alphanumeric() => (c, chars.as_str()),
                _ => return (out, rest),
            },
            Some(c) if !".^$*+?()[]{}|".contains(c) => (c, chars.as_str()),
            _ => return (out, rest),
        };
        // What is repeated does not stand for itself.
        if after.starts_with(['*', '+', '?', '{']) {
            return (out, rest);
        }
        out.push(taken);
        rest = after;
    }
}

/// A pattern of PCRE in the syntax of our engines.
pub(super) fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut class: Option<usize> = None;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let Some(next) = after.chars().next() else {
                    out.push('\\');
                    break;
                };
                match next {
                    c if c.is_ascii_alphanumeric() => out.extend(['\\', c]),
                    c if "\\.+*?()|[]{}^$#&-~".contains(c) => out.extend(['\\', c]),
                    c => out.push(c),
                }
                rest = &after[next.len_utf8()..];
                class = class.map(|members| members + 1);
                continue;
            }
            '[' if class.is_none() => {
                out.push('[');
                let negated = after.starts_with('^');
                out.push_str(if negated { "^" } else { "" });
                rest = &after[usize::from(negated)..];
                // A bracket at the beginning of a class stands for itself.
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                    class = Some(1);
                } else {
                    class = Some(0);
                }
                continue;
            }
            '[' if crate::pcre::named_class(after).is_some() => {
                let end = crate::pcre::named_class(after).unwrap_or(0);
                out.push('[');
                out.push_str(&after[..end]);
                rest = &after[end..];
                class = class.map(|members| members + 1);
                continue;
            }
            '[' => out.push_str("\\["),
            ']' if class.is_some() => {
                class = None;
                out.push(']');
            }
            ']' => out.push_str("\\]"),
            '&' | '~' if class.is_some() => out.extend(['\\', c]),
            '-' if class.is_some() && (after.starts_with(['-', ']']) || class == Some(0) || out.ends_with('-')) => {
                out.push_str("\\-");
            }
            '{' if class.is_none() && !is_count(after) => out.push_str("\\{"),
            '}' if class.is_none() && !ends_count(&out) => out.push_str("\\}"),
            c => out.push(c),
        }
        class = class.map(|members| members + 1);
        rest = after;
    }
    out
}

/// Whether a text goes on as `3}`, `3,}` or `3,5}`.
fn is_count(text: &str) -> bool {
    // No further than numbers go: a text may hold very many braces that none closes.
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != ',').unwrap_or(text.len());
    if !text[end..].starts_with('}') {
        return false;
    }
    let (least, most) = text[..end].split_once(',').unwrap_or((&text[..end], "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// Whether the `{` of a count is open.
fn ends_count(out: &str) -> bool {
    let tail = out.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    tail.ends_with('{') && !tail.ends_with("\\{")
}

/// A text of which every byte stands for itself.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_seen() {
        for (text, expected) in [
            ("^old$", Shape::Exact("old".into())),
            (r"^a\.b/c$", Shape::Exact("a.b/c".into())),
            ("^$", Shape::Exact(String::new())),
            ("^old/(.*)$", Shape::Begins("old/".into())),
            ("^old", Shape::Begins("old".into())),
            ("^(.*)$", Shape::Any),
            ("old", Shape::Other(None)),
            ("^old/?$", Shape::Other(Some("old".into()))),
            (r"^ab\d$", Shape::Other(Some("ab".into()))),
            ("^a|b$", Shape::Other(None)),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn pcre_is_brought_into_our_syntax() {
        for (text, expected) in [
            ("[a-z[]", r"[a-z\[]"),
            ("[]a]", r"[\]a]"),
            ("[^]a]", r"[^\]a]"),
            ("[a&&b]", r"[a\&\&b]"),
            ("[[:alpha:]_]", "[[:alpha:]_]"),
            ("a{b}", r"a\{b\}"),
            ("a{2,3}", "a{2,3}"),
            (r"\<a\ b\/", "<a b/"),
            ("[\\w-]", r"[\w\-]"),
            ("a]", r"a\]"),
            ("[+--]", r"[+\-\-]"),
        ] {
            assert_eq!(translated(text), expected, "{text}");
        }
    }
}
