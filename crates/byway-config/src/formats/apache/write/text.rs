//! Words of an Apache file: patterns in which every byte stands for itself, targets that come out as they were, quotes where
//! blanks need them.

use byway_core::query::decoded;

use super::super::expand::escape_uri;

/// A path of our own, in its normal form, as Apache's patterns see it.
pub(super) fn seen(path: &[u8]) -> Result<Vec<u8>, &'static str> {
    let sent: Vec<u8> = path.iter().flat_map(|&b| if b == b'+' { b"%2B".to_vec() } else { vec![b] }).collect();
    let path = decoded(&sent);
    let has = |escape: &[u8]| memchr::memmem::find(&sent, escape).is_some();
    if has(b"%2F") || has(b"%00") {
        return Err("its path has an escaped slash or a NUL, and Apache answers 404 before any rule");
    }
    match memchr::memmem::find(&path, b"//") {
        Some(_) => Err("its path has a doubled slash, which Apache makes one before any rule: no request would fit"),
        None => Ok(path),
    }
}

/// Whether a word can be no part of a line: what ends a line ends a directive, and a backslash at its end takes the next one in.
fn breaks_line(text: &str) -> bool {
    text.contains(['\n', '\r', '\0']) || text.ends_with('\\')
}

const BREAKS: &str = "a text with a line break, a NUL or a backslash at its end: no line of Apache holds it";

/// A word of mod_rewrite: it undoes no backslash, and a quote inside of quotes would end them.
pub(crate) fn word(text: &str) -> Result<String, &'static str> {
    if breaks_line(text) {
        return Err(BREAKS);
    }
    let needs_quotes = text.is_empty() || text.contains(char::is_whitespace) || text.starts_with(['"', '\'']);
    match (needs_quotes, text.contains('"'), text.contains('\'')) {
        (false, ..) => Ok(text.to_owned()),
        (true, false, _) => Ok(format!("\"{text}\"")),
        (true, true, false) => Ok(format!("'{text}'")),
        (true, true, true) => {
            Err("it holds a blank and both kinds of quotes, and Apache's lines quote with one of them")
        }
    }
}

/// A word of mod_alias, where it has one: two backslashes are one there.
pub(crate) fn alias_word(text: &str) -> Option<String> {
    if breaks_line(text) {
        return None;
    }
    let text = text.replace("\\\\", "\\\\\\\\");
    Some(match text.contains(char::is_whitespace) || text.contains(['"', '\'']) {
        true => format!("\"{}\"", text.replace('"', "\\\"")),
        false => text,
    })
}

/// Literal text of a substitution: `$1`, `%1` and a backslash would mean something.
pub(super) fn kept(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('%', "\\%")
}

/// Whether Apache leaves a URL alone that it escapes before it sends it.
pub(super) fn is_left_alone(url: &str) -> bool {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    escape_uri(path) == path && escape_uri(query) == query
}

/// Text of a target that Apache's escaping makes of what it is to be.
pub(super) fn unescaped(text: &str) -> Result<String, &'static str> {
    if escape_uri(text) == text {
        return Ok(text.to_owned());
    }
    let plain = decoded(text.replace('+', "%2B").as_bytes());
    let plain =
        String::from_utf8(plain).map_err(|_| "its target has an escape that is no UTF-8 beside text of the request")?;
    match escape_uri(&plain).eq_ignore_ascii_case(text) && !plain.contains(['?', '\\']) {
        true => Ok(plain),
        false => Err("its target has an escape beside text of the request, which Apache would write otherwise"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_for_themselves() {
        assert_eq!(seen(b"/a%20b+c").as_deref(), Ok(&b"/a b+c"[..]));
        assert!(seen(b"/a%2Fb").is_err() && seen(b"/a//b").is_err());
        assert_eq!(kept("/a%20b$1"), "/a\\%20b\\$1");
    }

    #[test]
    fn escapes_come_out_as_they_were() {
        assert_eq!(unescaped("/a%20b").as_deref(), Ok("/a b"));
        assert!(unescaped("/a%26b").is_err() && unescaped("/a%3Fb").is_err());
        assert!(is_left_alone("/a?b=1&c") && !is_left_alone("/a%20b") && !is_left_alone("/a#b"));
    }

    #[test]
    fn words_are_quoted_where_they_must() {
        assert_eq!(word("^/a$").as_deref(), Ok("^/a$"));
        assert_eq!(word("^/a b$").as_deref(), Ok("\"^/a b$\""));
        assert_eq!(alias_word("^/a\\\\b c$").as_deref(), Some("\"^/a\\\\\\\\b c$\""));
        for text in ["a\nb", "a\rb", "a\0b", "/a\\"] {
            assert!(word(text).is_err() && alias_word(text).is_none(), "{text}");
        }
    }
}
