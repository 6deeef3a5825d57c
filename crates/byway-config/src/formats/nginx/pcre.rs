//! Regular expressions as PCRE reads them, in the words of our engines.
//!
//! What both read alike stays as it is. What our engine would read as something else (set operators in a class, a brace that
//! repeats nothing) is escaped; what it cannot read goes to the backtracking engine of the core, which knows look-around and
//! back-references.

use std::borrow::Cow;

use byway_core::dialect::LetterCase;
use byway_core::regex::{Anchoring, Flavour, Pattern};

/// A pattern, its groups by name, and whether letter case counts.
#[derive(Clone, Debug)]
pub(super) struct Regex {
    pub(super) pattern: Pattern<'static>,
    /// Whether it fits every path, so that nothing is asked.
    pub(super) fits_all: bool,
    /// The name of each group, from 1.
    pub(super) groups: Vec<Option<String>>,
}

impl Regex {
    /// Reads a pattern; what is wrong with it is said in words.
    pub(super) fn read(text: &str, case: LetterCase) -> Result<Regex, String> {
        let pattern = Pattern {
            text: Cow::Owned(translated(text)),
            case,
            anchoring: Anchoring::Anywhere,
            flavour: Flavour::Pcre,
        };
        match pattern.group_names() {
            Ok(_) => {
                Ok(Regex { groups: groups(text), pattern, fits_all: case == LetterCase::Significant && fits_all(text) })
            }
            Err(error) => Err(error.what),
        }
    }

    /// The number of a named group.
    pub(super) fn named(&self) -> impl Iterator<Item = (usize, &str)> {
        self.groups.iter().enumerate().filter_map(|(at, name)| name.as_deref().map(|name| (at + 1, name)))
    }
}

/// Whether a pattern fits every path.
fn fits_all(text: &str) -> bool {
    matches!(text, "^" | "^/" | "/" | ".*" | "^.*" | "(.*)" | "^(.*)" | "^/.*" | "^/(.*)")
}

/// A pattern with what our engine reads otherwise escaped.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut class = 0usize;
    let mut at = 0;
    while let Some(sign) = text[at..].chars().next() {
        let rest = &text[at..];
        let next = rest[sign.len_utf8()..].chars().next();
        match sign {
            '\\' => {
                out.push(sign);
                if let Some(next) = next {
                    // `\<`, `\>` are letters to PCRE and word ends to our engine.
                    if matches!(next, '<' | '>') {
                        out.pop();
                    }
                    out.push(next);
                    at += next.len_utf8();
                }
            }
            '[' if class == 0 => {
                class = 1;
                out.push('[');
                let negated = next == Some('^');
                if negated {
                    out.push('^');
                    at += 1;
                }
                // A bracket that closes at once is a letter.
                if rest[1 + usize::from(negated)..].starts_with(']') {
                    out.push_str("\\]");
                    at += 1;
                }
            }
            '[' if crate::pcre::named_class(&rest[1..]).is_some() => {
                let end = 1 + crate::pcre::named_class(&rest[1..]).unwrap_or(0);
                out.push_str(&rest[..end]);
                at += end - 1;
            }
            '[' => out.push_str("\\["),
            ']' if class > 0 => {
                class = 0;
                out.push(']');
            }
            '&' | '~' if class > 0 => {
                out.push('\\');
                out.push(sign);
            }
            '-' if class > 0 && (next == Some('-') || rest.starts_with("-]")) => out.push_str("\\-"),
            '{' if class == 0 && !is_repetition(rest) => out.push_str("\\{"),
            // PCRE's end is also before a last line feed.
            '$' if class == 0 => out.push_str("(?:\\n?$)"),
            _ => out.push(sign),
        }
        at += sign.len_utf8();
    }
    out
}

/// Whether a text begins with `{3}`, `{3,}` or `{3,5}`.
fn is_repetition(rest: &str) -> bool {
    // No further than numbers go: a text may hold very many braces that none closes.
    let end = rest[1..].find(|sign: char| !sign.is_ascii_digit() && sign != ',').unwrap_or(rest.len() - 1);
    let Some(inside) = rest[1 + end..].starts_with('}').then(|| &rest[1..1 + end]) else { return false };
    let (first, second) = inside.split_once(',').unwrap_or((inside, ""));
    !first.is_empty() && [first, second].iter().all(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// The groups of a pattern, in order.
fn groups(text: &str) -> Vec<Option<String>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut in_class) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' if !in_class => {
                in_class = true;
                at += usize::from(bytes.get(at + 1) == Some(&b'^'));
                at += usize::from(bytes.get(at + 1) == Some(&b']'));
            }
            b']' => in_class = false,
            b'(' if !in_class => {
                let rest = &text[at + 1..];
                let name = ["?<", "?P<", "?'"].iter().find_map(|mark| rest.strip_prefix(mark));
                match name {
                    Some(name) if !name.starts_with(['=', '!']) => {
                        found.push(name.split(['>', '\'']).next().map(str::to_owned));
                    }
                    _ if rest.starts_with('?') || rest.starts_with('*') => {}
                    _ => found.push(None),
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_otherwise_is_escaped() {
        for (text, read) in [
            (r"^/a{2}$", r"^/a{2}(?:\n?$)"),
            (r"^/{id}/a{,3}", r"^/\{id}/a\{,3}"),
            (r"[[]", r"[\[]"),
            (r"[a&&b~~--]", r"[a\&\&b\~\~\-\-]"),
            (r"[]a]", r"[\]a]"),
            (r"[[:alpha:]_-]+", r"[[:alpha:]_\-]+"),
            (r"\<a\/\.", r"<a\/\."),
        ] {
            assert_eq!(translated(text), read, "{text}");
            assert!(Regex::read(text, LetterCase::Significant).is_ok(), "{text}");
        }
        assert!(Regex::read("^/(?!dist/)x", LetterCase::Significant).is_ok());
        assert!(Regex::read("^/(a", LetterCase::Significant).is_err());
    }

    #[test]
    fn groups_are_counted_and_named() {
        let names = |text: &str| groups(text).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(",");
        assert_eq!(names(r"^/(?<id>\d+)/(?:x|y)/(.*)[(]\((?P<b>.)(?!z)"), "id,,b");
    }
}
