//! The source of a rule: the scheme, host, port, path and query pairs that it is for.
//!
//! `from = [scheme://][host[:port]]/path[?query]`. `//host/…` is any scheme, no host is any host, no port is any port. A literal
//! path is exact; a final `/*` is the path itself and everything below it by whole segments; an inner `*` is one segment;
//! `:name` is one segment with a name; after `~` stands a regular expression over the whole path. How a source is written back
//! is [`Source`]'s `Display`, and reading that gives the same source.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::dialect::{LetterCase, TrailingSlash};
pub use crate::host::HostPattern;
use crate::host::{BadAuthority, InvalidHost};
use crate::path::{has_dot_segment, unreserved};
use crate::query;
use crate::regex::{InvalidRegex, Pattern};
use crate::request::Scheme;

/// The most bytes of a path in a source.
pub const PATH_LIMIT: usize = 8_000;

/// What a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source<'a> {
    /// The effective scheme; `None` is any.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: HostPattern<'a>,
    /// The effective port; `None` is any.
    pub port: Option<u16>,
    /// The path.
    pub path: PathPattern<'a>,
    /// Pairs that the query must hold, decoded, in any order beside others.
    pub query: Vec<QueryPair<'a>>,
    /// Whether a slash at the end counts.
    pub slash: TrailingSlash,
    /// Whether case counts in the path.
    pub case: LetterCase,
}

/// A pattern for paths. Literal text is in the form of the view that it is compared with ([`crate::dialect::View`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern<'a> {
    /// This path.
    Exact(Cow<'a, [u8]>),
    /// This path and everything below it by whole segments; empty for every path. `/docs/*` is `Prefix("/docs")`.
    Prefix(Cow<'a, [u8]>),
    /// Imported rules only: every path that begins with these bytes.
    BytePrefix {
        /// The bytes.
        prefix: Cow<'a, [u8]>,
        /// nginx's `^~`: if this is the longest, regexes are not asked.
        is_final: bool,
    },
    /// One pattern a segment, and perhaps everything below.
    Segments {
        /// The segments, without slashes.
        segments: Vec<Segment<'a>>,
        /// Whether a final `/*` takes the rest.
        tail: bool,
    },
    /// A regular expression.
    Regex(Pattern<'a>),
}

/// A pattern for one segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment<'a> {
    /// This text.
    Literal(Cow<'a, [u8]>),
    /// Any segment that is not empty, kept under this name.
    Named(Cow<'a, str>),
    /// Any segment that is not empty.
    Star,
}

/// A pair that a query must hold, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryPair<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// Why a text is no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSource {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for InvalidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for InvalidSource {}

fn invalid<T>(at: Range<usize>, what: impl Into<String>, help: impl Into<Option<String>>) -> Result<T, InvalidSource> {
    Err(InvalidSource { at, what: what.into(), help: help.into() })
}

impl<'a> Source<'a> {
    /// A source for a path alone.
    pub fn of_path(path: PathPattern<'a>) -> Source<'a> {
        Source {
            scheme: None,
            host: HostPattern::Any,
            port: None,
            path,
            query: Vec::new(),
            slash: TrailingSlash::Significant,
            case: LetterCase::Significant,
        }
    }

    /// Reads a source as byway's own files write it.
    ///
    /// ```
    /// use byway_core::source::{PathPattern, Source};
    /// let source = Source::parse("https://*.Example.com/docs/*?lang=de").unwrap();
    /// assert_eq!(source.path, PathPattern::Prefix(b"/docs"[..].into()));
    /// assert_eq!(source.to_string(), "https://*.example.com/docs/*?lang=de");
    /// assert_eq!(Source::parse("/a*").unwrap_err().at, 2..3);
    /// ```
    pub fn parse(text: &'a str) -> Result<Source<'a>, InvalidSource> {
        let (scheme, rest) = split_scheme(text)?;
        let begins_path = rest.starts_with(['/', '~']) && scheme == SchemePart::Absent;
        let (authority, path_at) = if begins_path {
            ("", 0)
        } else {
            let start = text.len() - rest.len();
            (&rest[..rest.find(['/', '~', '?', '#']).unwrap_or(rest.len())], start)
        };
        let mut source = Source::of_path(PathPattern::Exact(Cow::Borrowed(b"/")));
        source.scheme = match scheme {
            SchemePart::Written(scheme) => Some(scheme),
            _ => None,
        };
        if !begins_path {
            (source.host, source.port) = parse_authority(authority, path_at, scheme)?;
        }
        let path_at = path_at + authority.len();
        let path = &text[path_at..];
        match path.strip_prefix('~') {
            Some(pattern) => source.path = PathPattern::Regex(parse_regex(pattern, path_at + 1, &mut source.case)?),
            None => source.parse_path_and_query(path, path_at)?,
        }
        Ok(source)
    }

    fn parse_path_and_query(&mut self, text: &'a str, at: usize) -> Result<(), InvalidSource> {
        let bytes = text.as_bytes();
        if let Some(hash) = memchr::memchr(b'#', bytes) {
            let help = "a fragment never reaches a server: leave it out".to_owned();
            return invalid(at + hash..at + text.len(), "`#` in a source", help);
        }
        let (path, query) = match memchr::memchr(b'?', bytes) {
            Some(mark) => (&text[..mark], Some(&text[mark + 1..])),
            None => (text, None),
        };
        if path.len() > PATH_LIMIT {
            return invalid(at..at + path.len(), format!("the path is longer than {PATH_LIMIT} bytes"), None);
        }
        self.path = parse_path(path, at)?;
        if let Some(query) = query {
            self.query = parse_pairs(query, at + path.len() + 1)?;
        }
        Ok(())
    }

    /// The names by which a target may use what this source captures, in the order of the captures: `*` for what a star took,
    /// and the number of an unnamed group.
    ///
    /// ```
    /// use byway_core::source::Source;
    /// let source = Source::parse("/:year/*/x/*").unwrap();
    /// assert_eq!(source.capture_names(), ["year", "*", "*"]);
    /// ```
    pub fn capture_names(&self) -> Vec<String> {
        match &self.path {
            PathPattern::Exact(_) | PathPattern::BytePrefix { .. } => Vec::new(),
            PathPattern::Prefix(_) => vec!["*".to_owned()],
            PathPattern::Segments { segments, tail } => segments
                .iter()
                .filter_map(|segment| match segment {
                    Segment::Literal(_) => None,
                    Segment::Named(name) => Some(name.to_string()),
                    Segment::Star => Some("*".to_owned()),
                })
                .chain(tail.then(|| "*".to_owned()))
                .collect(),
            PathPattern::Regex(pattern) => pattern.group_names().unwrap_or_default(),
        }
    }

    /// Whether the last capture is the rest of the path, with its slash.
    pub(crate) fn has_tail(&self) -> bool {
        matches!(self.path, PathPattern::Prefix(_) | PathPattern::Segments { tail: true, .. })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SchemePart {
    Absent,
    Any,
    Written(Scheme),
}

fn split_scheme(text: &str) -> Result<(SchemePart, &str), InvalidSource> {
    if let Some(rest) = text.strip_prefix("//") {
        return Ok((SchemePart::Any, rest));
    }
    if text.starts_with(['/', '~']) {
        return Ok((SchemePart::Absent, text));
    }
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok((SchemePart::Written(Scheme::Http), rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok((SchemePart::Written(Scheme::Https), rest)),
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => invalid(
            0..scheme.len(),
            format!("the scheme `{scheme}` is not served"),
            "write `http`, `https`, or `//` for both".to_owned(),
        ),
        _ if text.is_empty() => invalid(0..0, "the source is empty", "a source begins with `/`".to_owned()),
        _ => without_scheme(text),
    }
}

/// The URL that `http//x`, `http:/x`, `https:x` was meant to be.
pub(crate) fn misspelt_scheme(text: &str) -> Option<String> {
    let end = text.find([':', '/']).filter(|&end| end > 0)?;
    let (scheme, rest) = text.split_at(end);
    let is_scheme = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let rest = rest.trim_start_matches([':', '/']);
    (is_scheme && !text[end..].starts_with("://") && rest.contains('.'))
        .then(|| format!("{}://{rest}", scheme.to_ascii_lowercase()))
}

/// The text without the typographic quotes that an editor put around it; `None` where it begins with none.
///
/// ```
/// assert_eq!(byway_core::source::unquoted("“/a”"), Some("/a"));
/// assert_eq!(byway_core::source::unquoted("/a"), None);
/// ```
pub fn unquoted(text: &str) -> Option<&str> {
    let is_quote = |c: char| matches!(c, '“' | '”' | '„' | '‘' | '’' | '«' | '»');
    text.starts_with(is_quote).then(|| text.trim_matches(is_quote))
}

/// `host/path` without a scheme is taken where the first part can only be a host.
fn without_scheme(text: &str) -> Result<(SchemePart, &str), InvalidSource> {
    if let Some(url) = misspelt_scheme(text) {
        let what = format!("`{text}` is no URL: the scheme is followed by `://`");
        return invalid(0..text.len(), what, format!("write `{url}`"));
    }
    if let Some(bare) = unquoted(text) {
        let what = format!("`{text}` begins with a typographic quote");
        return invalid(0..text.len(), what, format!("write `{bare}` between straight quotes"));
    }
    let head = &text[..text.find(['/', '?', '~']).unwrap_or(text.len())];
    let looks_like_host = head.contains(['.', ':']) || head == "localhost" || head.starts_with('[');
    match looks_like_host && head.len() < text.len() {
        true => Ok((SchemePart::Any, text)),
        false => invalid(
            0..text.len(),
            format!("`{text}` begins neither with `/` nor with a host"),
            format!("write `/{text}`"),
        ),
    }
}

fn parse_authority(text: &str, at: usize, scheme: SchemePart) -> Result<(HostPattern<'_>, Option<u16>), InvalidSource> {
    if text.is_empty() {
        let help = match scheme {
            SchemePart::Written(scheme) => format!("write `{}://*/…` for any host", scheme.as_str()),
            _ => "write the path with one `/` for any host".to_owned(),
        };
        return invalid(at..at, "the host is empty", help);
    }
    let range = at..at + text.len();
    let (host, port) = split_port(text).or_else(|error| invalid(range.clone(), error.to_string(), None))?;
    let host =
        HostPattern::parse(host).or_else(|InvalidHost { what, help, .. }| invalid(at..at + host.len(), what, help))?;
    Ok((host, port))
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), BadAuthority> {
    match crate::host::split_authority(text) {
        // What is wrong with the host, `HostPattern::parse` says better.
        Err(BadAuthority::Host) => Ok((text, None)),
        other => other,
    }
}

fn parse_regex<'a>(text: &'a str, at: usize, case: &mut LetterCase) -> Result<Pattern<'a>, InvalidSource> {
    let (text, at) = match text.strip_prefix('*') {
        Some(rest) => {
            *case = LetterCase::Ignored;
            (rest, at + 1)
        }
        None => (text, at),
    };
    let pattern = Pattern { case: *case, ..Pattern::own(text) };
    match pattern.group_names() {
        Ok(_) => Ok(pattern),
        Err(InvalidRegex { at: inner, what, help }) => invalid(at + inner.start..at + inner.end, what, help),
    }
}

fn parse_path(text: &str, at: usize) -> Result<PathPattern<'_>, InvalidSource> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Ok(PathPattern::Exact(Cow::Borrowed(b"/")));
    }
    check_literal(text, at)?;
    let special = memchr::memchr2(b'*', b':', bytes).is_some();
    let path = if special { parse_segments(text, at)? } else { PathPattern::Exact(unreserved(bytes)) };
    let dotted = match &path {
        PathPattern::Exact(path) | PathPattern::Prefix(path) => has_dot_segment(path),
        _ => text.split('/').any(|segment| has_dot_segment(&unreserved(segment.as_bytes()))),
    };
    if dotted {
        let help = "clients resolve `.` and `..` before they ask: write the path without them".to_owned();
        return invalid(at..at + text.len(), "a dot segment in a source", help);
    }
    Ok(path)
}

/// Refuses what no path holds even as people write it: controls, spaces at the ends, a `%` that is no escape.
fn check_literal(text: &str, at: usize) -> Result<(), InvalidSource> {
    let bytes = text.as_bytes();
    if crate::path::is_unreserved(bytes) {
        return Ok(());
    }
    for (place, &byte) in bytes.iter().enumerate() {
        if byte.is_ascii_control() {
            return invalid(at + place..at + place + 1, format!("a control byte (0x{byte:02X}) in a path"), None);
        }
        if byte == b'%' && !crate::path::is_escape(bytes, place) {
            let help = "write `%25` for a percent sign".to_owned();
            return invalid(at + place..at + place + 1, "a `%` without two hexadecimal digits", help);
        }
    }
    match text.ends_with(' ') {
        true => invalid(
            at + text.len() - 1..at + text.len(),
            "a space at the end of a source",
            "write `%20` if it is meant".to_owned(),
        ),
        false => Ok(()),
    }
}

fn parse_segments(text: &str, at: usize) -> Result<PathPattern<'_>, InvalidSource> {
    let (body, tail) = match text.strip_suffix("/*") {
        Some(body) => (body, true),
        None => (text, false),
    };
    let mut segments = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut place = at + 1;
    for text in body.split('/').skip(1) {
        let segment = parse_segment(text, place)?;
        if let Segment::Named(_) = &segment {
            let name = &text[1..];
            if names.contains(&name) || name == "splat" && tail {
                return invalid(
                    place..place + text.len(),
                    format!("`:{name}` is captured twice"),
                    "give each its own name".to_owned(),
                );
            }
            names.push(name);
        }
        segments.push(segment);
        place += text.len() + 1;
    }
    let literal = segments.iter().all(|segment| matches!(segment, Segment::Literal(_)));
    if !literal {
        return Ok(PathPattern::Segments { segments, tail });
    }
    let mut path = Vec::with_capacity(body.len());
    for segment in &segments {
        path.push(b'/');
        if let Segment::Literal(text) = segment {
            path.extend_from_slice(text);
        }
    }
    Ok(match tail {
        true => PathPattern::Prefix(Cow::Owned(path)),
        false => PathPattern::Exact(Cow::Owned(path)),
    })
}

fn parse_segment(text: &str, at: usize) -> Result<Segment<'_>, InvalidSource> {
    if text == "*" {
        return Ok(Segment::Star);
    }
    if let Some(star) = text.find('*') {
        let help =
            "`*` stands for a whole segment; for a part of one write a regex after `~`, as in `~/a[^/]*`".to_owned();
        return invalid(at + star..at + star + 1, "`*` beside other text", help);
    }
    match text.strip_prefix(':') {
        Some(rest) if rest.starts_with(':') => Ok(Segment::Literal(unreserved(rest.as_bytes()))),
        Some(name) if is_capture_name(name) => Ok(Segment::Named(Cow::Borrowed(name))),
        Some(name) => {
            let help = format!("a name is letters, digits and `_`; write `::{name}` for a literal `:`");
            invalid(at..at + text.len(), format!("`:{name}` is no capture"), help)
        }
        None => Ok(Segment::Literal(unreserved(text.as_bytes()))),
    }
}

/// Whether a text may name a capture.
pub(crate) fn is_capture_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn parse_pairs(text: &str, at: usize) -> Result<Vec<QueryPair<'_>>, InvalidSource> {
    if text.is_empty() {
        return invalid(at - 1..at, "`?` without a pair", "leave it out: other pairs are allowed as it is".to_owned());
    }
    let mut found = Vec::new();
    for (_, name, value) in query::pairs(text.as_bytes()) {
        let (Ok(name), Ok(value)) = (String::from_utf8(query::decoded(name)), String::from_utf8(query::decoded(value)))
        else {
            return invalid(at..at + text.len(), "a pair of the query is not UTF-8", None);
        };
        if name.is_empty() {
            return invalid(at..at + text.len(), "a query pair without a name", "write `?name=value`".to_owned());
        }
        found.push(QueryPair { name: Cow::Owned(name), value: Cow::Owned(value) });
    }
    found.sort();
    found.dedup();
    Ok(found)
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string();
        match (self.scheme, &self.host, self.port) {
            // A path of two slashes alone would read as a host.
            (None, HostPattern::Any, None) if !path.starts_with("//") => {}
            (scheme, host, port) => {
                match scheme {
                    Some(scheme) => write!(f, "{}://{host}", scheme.as_str())?,
                    None => write!(f, "//{host}")?,
                }
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
            }
        }
        f.write_str(&path)?;
        for (index, pair) in self.query.iter().enumerate() {
            let mut text = Vec::new();
            push_pair(pair, &mut text);
            write!(f, "{}{}", if index == 0 { '?' } else { '&' }, String::from_utf8_lossy(&text))?;
        }
        Ok(())
    }
}

/// Appends a pair in the one spelling that keys and `Display` share.
pub(crate) fn push_pair(pair: &QueryPair<'_>, out: &mut Vec<u8>) {
    push_part(&pair.name, out);
    if !pair.value.is_empty() {
        out.push(b'=');
        push_part(&pair.value, out);
    }
}

fn push_part(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            b'&' | b'=' | b'+' | b'%' | b'#' => crate::path::push_escaped(byte, out),
            b if crate::path::is_query_byte(b) => out.push(b),
            b => crate::path::push_escaped(b, out),
        }
    }
}

impl fmt::Display for PathPattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathPattern::Exact(path) => write_literal(path, f),
            PathPattern::Prefix(path) => {
                write_literal(path, f)?;
                f.write_str("/*")
            }
            PathPattern::BytePrefix { prefix, is_final } => {
                f.write_str(if *is_final { "^~ " } else { "" })?;
                write_literal(prefix, f)
            }
            PathPattern::Segments { segments, tail } => {
                for segment in segments {
                    match segment {
                        Segment::Literal(text) => {
                            f.write_str("/")?;
                            write_literal_segment(text, f)?;
                        }
                        Segment::Named(name) => write!(f, "/:{name}")?,
                        Segment::Star => f.write_str("/*")?,
                    }
                }
                f.write_str(if *tail { "/*" } else { "" })
            }
            PathPattern::Regex(pattern) => {
                write!(f, "~{}{}", if pattern.case == LetterCase::Ignored { "*" } else { "" }, pattern.text)
            }
        }
    }
}

fn write_literal(path: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, segment) in path.split(|&b| b == b'/').enumerate() {
        if index > 0 {
            f.write_str("/")?;
        }
        write_literal_segment(segment, f)?;
    }
    Ok(())
}

fn write_literal_segment(text: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if text.first() == Some(&b':') {
        f.write_str(":")?;
    }
    match text.contains(&b'*') {
        true => f.write_str(&String::from_utf8_lossy(text).replace('*', "%2A")),
        false => f.write_str(&String::from_utf8_lossy(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_and_written_back() {
        for (text, back) in [
            ("/docs", "/docs"),
            ("/docs/*", "/docs/*"),
            ("/*", "/*"),
            ("/:year/:slug", "/:year/:slug"),
            ("/a/*/b", "/a/*/b"),
            ("/a/*/b/*", "/a/*/b/*"),
            ("/::x/y:z", "/::x/y:z"),
            ("/%61pi/straße", "/api/stra%C3%9Fe"),
            ("//Example.com:8443/a", "//example.com:8443/a"),
            ("http://*/a", "http://*/a"),
            ("example.com/a", "//example.com/a"),
            ("https://example.com", "https://example.com/"),
            (r"~/old/(\d+)", r"~/old/(\d+)"),
            (r"~*/old", r"~*/old"),
            (r"//example.com~/old/(?<id>\d+)", r"//example.com~/old/(?<id>\d+)"),
            ("/p.php?b=2&a=1", "/p.php?a=1&b=2"),
        ] {
            let source = Source::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(source.to_string(), back, "{text}");
            assert_eq!(Source::parse(back).unwrap(), source, "{back}");
        }
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        for (text, at, what) in [
            ("/a*", 2..3, "`*` beside other text"),
            ("/a#b", 2..4, "`#` in a source"),
            ("/:a/:a", 4..6, "`:a` is captured twice"),
            ("ftp://x/", 0..3, "the scheme `ftp` is not served"),
            ("http//t.test/a", 0..14, "`http//t.test/a` is no URL: the scheme is followed by `://`"),
            ("https:/t.test", 0..13, "`https:/t.test` is no URL: the scheme is followed by `://`"),
            ("“/a”", 0..8, "`“/a”` begins with a typographic quote"),
            ("docs/old", 0..8, "`docs/old` begins neither with `/` nor with a host"),
            ("http:///x", 7..7, "the host is empty"),
            ("//t.test:99999/x", 2..14, "the port is no number from 1 to 65535"),
            ("/a/../b", 0..7, "a dot segment in a source"),
            ("/100%", 4..5, "a `%` without two hexadecimal digits"),
            ("~/a(b", 3..4, "the pattern does not parse: unclosed group"),
            ("", 0..0, "the source is empty"),
        ] {
            let error = Source::parse(text).expect_err(text);
            assert_eq!((error.at, error.what.as_str()), (at, what), "{text}");
        }
    }
}
