//! Words of an nginx file: paths as a `location` takes them, quotes where nginx needs them, patterns on the path as it was sent.

use byway_core::dialect::LetterCase;
use byway_core::regex::{Anchoring, Pattern};
use byway_core::source::{PathPattern, Segment, Source};

use crate::writing::perl::{as_nginx, either_case, has_alternatives, perl};

type Why = &'static str;

/// A path as nginx sees it.
pub(super) fn decoded(path: &[u8]) -> Result<String, Why> {
    let sent: Vec<u8> = path.iter().flat_map(|&b| if b == b'+' { b"%2B".to_vec() } else { vec![b] }).collect();
    let text = String::from_utf8(byway_core::query::decoded(&sent)).map_err(|_| "a path that is not UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("its path holds a control character");
    }
    if memchr::memmem::find(path, b"%2F").is_some() || text.contains("//") {
        return Err(
            "its path has an escaped or doubled slash, which nginx makes one slash before it compares: no request would fit",
        );
    }
    Ok(text)
}

/// A path as the words of a `location`: decoded, quoted where nginx needs it.
pub(super) fn literal(path: &[u8]) -> Result<String, Why> {
    let text = decoded(path)?;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~!,=@&+:%()*".contains(&b));
    Ok(if plain { text } else { quoted(&text) })
}

/// A word in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A word that needs quotes only where it holds what would end it.
pub(crate) fn word(text: &str) -> String {
    // The braces of a variable are no block's.
    let mut bare = text.to_owned();
    while let Some(begin) = bare.find("${") {
        let Some(len) = bare[begin..].find('}') else { break };
        bare.replace_range(begin..=begin + len, "v");
    }
    let ends = |sign: char| sign.is_whitespace() || ";{}()\"'\\".contains(sign);
    match bare.is_empty() || bare.starts_with('#') || bare.contains(ends) {
        true => quoted(text),
        false => text.to_owned(),
    }
}

/// A pattern, in quotes: of two backslashes nginx makes one, and leaves a single one alone before most letters.
pub(super) fn pattern_word(pattern: &str) -> String {
    format!("\"{}\"", doubled(pattern))
}

/// A pattern behind a `location` or a `rewrite`: in quotes only where it holds what would end it.
pub(super) fn bare_pattern(pattern: &str) -> String {
    match pattern.is_empty() || pattern.contains(|sign: char| sign.is_whitespace() || ";{}\"'".contains(sign)) {
        true => pattern_word(pattern),
        false => doubled(pattern),
    }
}

/// A pattern as it must stand in the file, so that nginx reads it: what it takes away is written twice.
fn doubled(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        match (sign, if sign == '\\' { signs.next() } else { None }) {
            ('\\', Some('\\')) => out.push_str("\\\\\\\\"),
            ('"', _) => out.push_str("\\\""),
            (sign, next) => out.extend(std::iter::once(sign).chain(next)),
        }
    }
    out
}

/// What every path begins with that a pattern fits, where it asks nothing else.
pub(super) fn begins(pattern: &Pattern<'_>) -> Option<Vec<u8>> {
    let is_seen = pattern.anchoring == Anchoring::Anywhere;
    let text = match is_seen {
        true => pattern.text.strip_prefix('^').map(|text| text.strip_suffix(".*").unwrap_or(text))?,
        false => pattern.text.strip_prefix('^').unwrap_or(&pattern.text).strip_suffix(".*")?,
    };
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'\\' => rest.next().filter(u8::is_ascii_punctuation)?,
            byte if byte.is_ascii_alphanumeric() || b"/-_~%,=@&:!;".contains(&byte) || !byte.is_ascii() => byte,
            _ => return None,
        };
        out.push(byte);
        // Paths of places are written as they are sent.
        out.extend_from_slice(if is_seen && byte == b'%' { b"25" } else { b"" });
    }
    (pattern.case == LetterCase::Significant && out.first() == Some(&b'/')).then_some(out)
}

/// A pattern in which what our own sources write as an escape stands as itself.
pub(super) fn decoded_pattern(pattern: &str) -> String {
    let mut out = Vec::new();
    let mut rest = pattern.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let hex = behind.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|byte| !byte.is_ascii_control()) {
            Some(byte) => {
                out.extend((byte.is_ascii_punctuation() && byte != b'/').then_some(b'\\'));
                out.push(byte);
                rest = &behind[2..];
            }
            None => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| pattern.to_owned())
}

/// A path as it was sent, as a part of a pattern.
pub(super) fn fitting(path: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        at += 1;
        match byte {
            b'%' => {
                let escape = path.get(at..at + 2).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                out.push('%');
                if let Some(byte) = byte {
                    out.push_str(&either_case(byte));
                    at += 2;
                }
            }
            byte if byte.is_ascii_alphanumeric() || b"/-_~".contains(&byte) => out.push(char::from(byte)),
            byte => out.extend(['\\', char::from(byte)]),
        }
    }
    out
}

/// A pattern on the path as it was sent.
pub(super) struct Sent {
    /// The pattern, over the whole path.
    pub(super) pattern: String,
    /// The number of the group that the rest is, where [`REST`] stands at the end.
    pub(super) rest: u8,
    /// Whether it is a pattern of nginx's on the path as nginx sees it.
    pub(super) is_seen: bool,
}

/// How the rest below a prefix is asked for, until it is known what of it is sent on.
pub(super) const REST: &str = "(/(.*))?$";

/// A pattern without the names of its groups: nginx would make variables of them, and some names are its own.
pub(super) fn unnamed(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find("(?") {
        let (before, group) = rest.split_at(at);
        out.push_str(before);
        let name = group.strip_prefix("(?P<").or_else(|| group.strip_prefix("(?<"));
        let is_escaped = (before.len() - before.trim_end_matches('\\').len()) % 2 == 1;
        match name.and_then(|name| name.split_once('>')) {
            Some((name, behind)) if !is_escaped && !name.starts_with(['=', '!']) => {
                out.push('(');
                rest = behind;
            }
            _ => {
                out.push_str("(?");
                rest = &group[2..];
            }
        }
    }
    out + rest
}

/// A source as a pattern; `follows` says that its first segment must not open another host where it is sent on.
pub(super) fn pattern(source: &Source<'_>, follows: bool) -> Result<Sent, Why> {
    if let PathPattern::Regex(pattern) = &source.path
        && pattern.anchoring == Anchoring::Anywhere
    {
        return Ok(Sent { pattern: unnamed(&as_nginx(pattern)?), rest: 0, is_seen: true });
    }
    let one = if follows { "([^/\\\\][^/]*)" } else { "([^/]+)" };
    let (mut groups, mut rest) = (0, 0);
    let path = match &source.path {
        PathPattern::Exact(path) => {
            let bare = path.strip_suffix(b"/").filter(|bare| !bare.is_empty()).unwrap_or(path);
            match source.slash == byway_core::dialect::TrailingSlash::Either && &**path != b"/" {
                true => format!("{}/?", fitting(bare)),
                false => fitting(path),
            }
        }
        PathPattern::Prefix(path) => {
            rest = 1;
            format!("{}(/(.*))?", fitting(path))
        }
        PathPattern::Segments { segments, tail } => {
            let mut out = String::new();
            for segment in segments {
                out.push('/');
                match segment {
                    Segment::Literal(text) => out.push_str(&fitting(text)),
                    Segment::Named(_) | Segment::Star => {
                        groups += 1;
                        out.push_str(if groups == 1 { one } else { "([^/]+)" });
                    }
                }
            }
            rest = groups + 1;
            match (tail, source.slash) {
                (true, _) => out + "(/(.*))?",
                (false, byway_core::dialect::TrailingSlash::Either) => out + "/?",
                (false, _) => out,
            }
        }
        PathPattern::Regex(pattern) => match unnamed(perl(pattern)?) {
            text if has_alternatives(&text) => format!("(?:{text})"),
            text => text,
        },
        PathPattern::BytePrefix { .. } => {
            return Err("its prefix ends in the middle of a name, as `/doc` for `/docs`: write a pattern after `~`");
        }
    };
    let path = path.strip_prefix('^').unwrap_or(&path);
    // A rest that nobody asks for needs no words.
    let open =
        path.strip_suffix(".*").filter(|open| !open.is_empty() && !open.ends_with('\\') && !has_alternatives(open));
    let pattern = open.map_or_else(|| format!("^{path}$"), |open| format!("^{open}"));
    Ok(Sent { pattern, rest, is_seen: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must() {
        for (text, written) in [
            ("/a$is_args$args", "/a$is_args$args"),
            ("/a${dollar}b", "/a${dollar}b"),
            ("/a b", "\"/a b\""),
            ("/a;b", "\"/a;b\""),
            ("/a#b", "/a#b"),
            ("/a(b)", "\"/a(b)\""),
            ("/a}b", "\"/a}b\""),
            ("", "\"\""),
        ] {
            assert_eq!(word(text), written);
        }
    }

    #[test]
    fn paths_are_compared_as_they_were_sent() {
        assert_eq!(fitting(b"/stra%C3%9Fe.x"), "/stra%[Cc]3%9[Ff]e\\.x");
        assert_eq!(unnamed(r"/(?<host>\d+)/(?P<b>x)/(?:y|(?i)z)\(?<a>"), r"/(\d+)/(x)/(?:y|(?i)z)\(?<a>");
        assert_eq!(pattern_word(r"^[^/\\]\d$"), r#""^[^/\\\\]\d$""#);
        let source = Source::parse("/a/:b/*").unwrap();
        let sent = pattern(&source, false).unwrap();
        assert_eq!((sent.pattern.as_str(), sent.rest), ("^/a/([^/]+)(/(.*))?$", 2));
    }
}
