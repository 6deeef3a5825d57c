//! `cache`: what an answer may say in `Cache-Control`.
//!
//! A directive that nobody knows is ignored by every cache, so that a misspelt `no-store` keeps nothing from being stored.

use std::ops::Range;

use super::page::shortened;
use super::suggest::nearest;

/// What stands behind the name of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    /// Nothing.
    None,
    /// A number of seconds.
    Seconds,
    /// Nothing, or the names of header fields between quotes.
    Fields,
}

/// The directives of responses (RFC 9111 section 5.2.2, RFC 5861, RFC 8246).
const DIRECTIVES: &[(&str, Argument)] = &[
    ("no-store", Argument::None),
    ("no-cache", Argument::Fields),
    ("private", Argument::Fields),
    ("public", Argument::None),
    ("max-age", Argument::Seconds),
    ("s-maxage", Argument::Seconds),
    ("must-revalidate", Argument::None),
    ("proxy-revalidate", Argument::None),
    ("must-understand", Argument::None),
    ("no-transform", Argument::None),
    ("immutable", Argument::None),
    ("stale-while-revalidate", Argument::Seconds),
    ("stale-if-error", Argument::Seconds),
];

const HELP: &str = "write `no-store`, `max-age=60`, or a number of seconds";

/// What is wrong with a value, where, and what to write; `None` where nothing is.
pub(crate) fn fault(text: &str) -> Option<(Range<usize>, String, String)> {
    pieces(text).find_map(|at| {
        let piece = &text[at.clone()];
        let bare = piece.trim();
        let start = at.start + (piece.len() - piece.trim_start().len());
        let (what, help) = fault_of(bare)?;
        Some((start..start + bare.len(), what, help))
    })
}

/// The directives between commas; a comma between quotes belongs to a list of fields.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let mut is_quoted = false;
    let signs = text.char_indices().map(Some).chain([None]);
    signs.filter_map(move |sign| match sign {
        Some((_, '"')) => {
            is_quoted = !is_quoted;
            None
        }
        Some((at, ',')) if !is_quoted => Some(std::mem::replace(&mut start, at + 1)..at),
        Some(_) => None,
        None => Some(start..text.len()),
    })
}

fn fault_of(directive: &str) -> Option<(String, String)> {
    let (name, value) = match directive.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value)),
        None => (directive, None),
    };
    let Some((known, argument)) = DIRECTIVES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        let help = meant(name).map_or(HELP.to_owned(), |near| format!("did you mean `{near}`?"));
        return Some((format!("`{}` is no directive of `Cache-Control`", shortened(name)), help));
    };
    let is_number = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match (argument, value) {
        (Argument::None | Argument::Fields, None) => None,
        (Argument::Seconds, Some(value)) if is_number(value) => None,
        (Argument::Fields, Some(value)) if is_list(value) => None,
        (Argument::Seconds, _) => Some((format!("`{known}` takes a number of seconds"), format!("write `{known}=60`"))),
        (Argument::Fields, Some(_)) => Some((
            format!("`{known}` takes names of header fields, between quotes"),
            format!("write `{known}`, or in single quotes `'{known}=\"set-cookie\"'`"),
        )),
        (Argument::None, Some(_)) => Some((format!("`{known}` takes no value"), format!("write `{known}`"))),
    }
}

/// The directive that a word is near to, however its parts are joined.
fn meant(name: &str) -> Option<String> {
    let bare = name.replace(['-', '_', ' '], "").to_ascii_lowercase();
    let names: Vec<String> = DIRECTIVES.iter().map(|(known, _)| known.replace('-', "_")).collect();
    let same = names.iter().find(|known| known.replace('_', "") == bare).map(String::as_str);
    let near = same.or_else(|| nearest(name, names.iter().map(String::as_str)))?;
    Some(near.replace('_', "-"))
}

/// Whether a text is names of header fields between quotes.
fn is_list(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(&byte);
    inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(is_sign))
}

#[cfg(test)]
mod tests {
    use super::{HELP, fault};

    #[test]
    fn what_caches_know_passes() {
        for text in [
            "no-store",
            "Private, Max-Age=60",
            "public,s-maxage=1, immutable",
            "no-cache=\"set-cookie, x\", stale-if-error=5",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn the_rest_is_named_with_what_was_meant() {
        for (text, at, help) in [
            ("nostore", 0..7, "did you mean `no-store`?"),
            ("private, max_age=5", 9..18, "did you mean `max-age`?"),
            ("maybe", 0..5, HELP),
            ("max-age", 0..7, "write `max-age=60`"),
            ("max-age=1h", 0..10, "write `max-age=60`"),
            ("no-store=1", 0..10, "write `no-store`"),
            ("public,", 7..7, HELP),
        ] {
            let (found, _, said) = fault(text).expect(text);
            assert_eq!((found, said.as_str()), (at, help), "{text}");
        }
    }
}
