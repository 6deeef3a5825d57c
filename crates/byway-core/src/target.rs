//! The target of a rule: the template from which a Location is made.
//!
//! A target begins with `/`, `http://` or `https://`. `{name}` inserts a capture or a part of the request; in the path, a segment
//! `*` or `:name` mirrors the source. What was written is parsed into [`Piece`]s, each with its place; how a piece is escaped for
//! its place is in [`crate::location`].

mod change;
mod parse;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::host::{HostPattern, normalise, split_authority};
use crate::path::{is_path_byte, is_query_byte};
use crate::request::Scheme;
use crate::source::Source;
pub use change::Change;
use parse::Parser;

/// The most bytes of a target.
pub const TARGET_LIMIT: usize = 8_000;

/// A template for Locations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target<'a> {
    pub(crate) pieces: Pieces<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pieces<'a> {
    /// A Location as it is sent, but for the request's query.
    Constant(Cow<'a, str>),
    /// To be put together.
    Template(Vec<Piece<'a>>),
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Piece<'a> {
    /// Where it lands.
    pub place: Landing,
    /// What it is.
    pub what: What<'a>,
}

/// Where in a URI a piece lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Landing {
    /// `https://`, written or taken from the request.
    Scheme = 0,
    /// The host.
    Host = 1,
    /// `:` and the port.
    Port = 2,
    /// The path.
    Path = 3,
    /// The query, with its `?`.
    Query = 4,
    /// The fragment, with its `#`.
    Fragment = 5,
}

/// Where a numbered group stands in a text that nginx's `set` keeps: a text that no client sees has no port, and what stands there is
/// escaped as nginx escapes it.
pub const GROUP_OF_SET: Landing = Landing::Port;

impl Landing {
    pub(crate) const ALL: [Landing; 6] =
        [Landing::Scheme, Landing::Host, Landing::Port, Landing::Path, Landing::Query, Landing::Fragment];
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What<'a> {
    /// Text, escaped for its place already.
    Literal(Cow<'a, str>),
    /// A capture of the source, by its position.
    Capture(u8),
    /// The rest of the path below a prefix, with its slash: the capture of a final `/*`, by its position.
    Tail(u8),
    /// The rest without its slash.
    TailText(u8),
    /// A group of the last pattern condition that held (Apache's `%1`); of our own rules, of the only one.
    ConditionCapture(u8),
    /// A part of the request.
    Part(Part),
    /// The first value of this name in the request's query, as sent.
    QueryValue(Cow<'a, str>),
    /// Imported rules only: the value of a header field.
    Field(Cow<'a, str>),
    /// Imported rules only: a text kept by [`crate::Action::Set`].
    Slot(u16),
    /// Imported rules only: the port of the Host field, else this one (Apache's, with a port in `ServerName`); 0 is the scheme's.
    PortElse(u16),
    /// Imported rules only: the first value of this name, whatever its case, in the working query, as sent (nginx's `$arg_x`).
    Argument(Cow<'a, str>),
    /// Imported rules only: the value of the first cookie of this name, whatever its case (nginx's `$cookie_x`).
    Cookie(Cow<'a, str>),
    /// Imported rules only: a text kept by [`crate::Action::Set`], changed (Apache's `${lower:…}`).
    Changed(Change, u16),
}

/// A part of the request that a target may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Part {
    /// The effective scheme.
    Scheme = 0,
    /// The host in its compared form, without port.
    Host = 1,
    /// The effective port.
    Port = 2,
    /// The path as sent.
    Path = 3,
    /// The query as sent, without `?`.
    Query = 4,
    /// Imported rules only: path and query as sent (nginx's `$request_uri`).
    PathAndQuery = 5,
    /// Imported rules only: the working path, decoded (nginx's `$uri`).
    WorkingPath = 6,
    /// Imported rules only: the Host field as sent (nginx's `$http_host`).
    HostField = 7,
    /// Imported rules only: the working query (nginx's `$args`).
    WorkingQuery = 8,
    /// Imported rules only: the method (nginx's `$request_method`).
    Method = 9,
    /// Imported rules only: the port that the connection came in on (nginx's `$server_port`).
    LocalPort = 10,
    /// Imported rules only: the client's address (nginx's `$remote_addr`).
    Address = 11,
    /// Imported rules only: `?` where the working query is not empty (nginx's `$is_args`).
    QueryMark = 12,
    /// Imported rules only: `on` or `off`, whether the scheme is https (Apache's `%{HTTPS}`).
    Https = 13,
}

impl Part {
    pub(crate) const ALL: [Part; 14] = [
        Part::Scheme,
        Part::Host,
        Part::Port,
        Part::Path,
        Part::Query,
        Part::PathAndQuery,
        Part::WorkingPath,
        Part::HostField,
        Part::WorkingQuery,
        Part::Method,
        Part::LocalPort,
        Part::Address,
        Part::QueryMark,
        Part::Https,
    ];

    const NAMED: [(&'static str, Part); 5] = [
        ("scheme", Part::Scheme),
        ("host", Part::Host),
        ("port", Part::Port),
        ("path", Part::Path),
        ("query", Part::Query),
    ];

    fn name(self) -> &'static str {
        match self {
            Part::Scheme => "scheme",
            Part::Host => "host",
            Part::Port => "port",
            Part::Path => "path",
            Part::Query => "query",
            Part::PathAndQuery => "path-and-query",
            Part::WorkingPath => "working-path",
            Part::HostField => "host-field",
            Part::WorkingQuery => "working-query",
            Part::Method => "method",
            Part::LocalPort => "local-port",
            Part::Address => "address",
            Part::QueryMark => "query-mark",
            Part::Https => "https",
        }
    }
}

/// Where the host of a target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHost<'t> {
    /// There is none: the request's own.
    Relative,
    /// It is written.
    Fixed(&'t str),
    /// It is the host of the request.
    FromRequest,
    /// A capture or another text of the client's has a part in it.
    FromCapture,
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for InvalidTarget {}

fn invalid<T>(at: Range<usize>, what: impl Into<String>, help: impl Into<Option<String>>) -> Result<T, InvalidTarget> {
    Err(InvalidTarget { at, what: what.into(), help: help.into() })
}

impl<'a> Target<'a> {
    /// Reads a target as byway's own files write it, with the captures of its source.
    ///
    /// ```
    /// use byway_core::source::Source;
    /// use byway_core::target::Target;
    /// let source = Source::parse("/:year/docs/*").unwrap();
    /// assert!(Target::parse("https://t.test/{year}/*", &source).is_ok());
    /// let error = Target::parse("/x/{slug}", &source).unwrap_err();
    /// assert_eq!(error.at, 3..9);
    /// assert!(error.help.unwrap().contains("`{year}`"));
    /// ```
    pub fn parse(text: &'a str, source: &Source<'_>) -> Result<Target<'a>, InvalidTarget> {
        if is_plain(text) && !(text.contains('$') && matches!(source.path, crate::source::PathPattern::Regex(_))) {
            return Ok(Target { pieces: Pieces::Constant(Cow::Borrowed(text)) });
        }
        let target = Target { pieces: folded(Parser::new(text, source).parse()?) };
        match target.constant().is_some_and(|text| text.len() > TARGET_LIMIT) {
            true => {
                invalid(0..text.len(), format!("the target is longer than {TARGET_LIMIT} bytes once escaped"), None)
            }
            false => Ok(target),
        }
    }

    /// A target put together by the reader of another server's file.
    pub fn of_pieces(pieces: Vec<Piece<'a>>) -> Target<'a> {
        Target { pieces: folded(pieces) }
    }

    /// Whether it is the same for every request, but for the request's query.
    pub fn is_constant(&self) -> bool {
        matches!(self.pieces, Pieces::Constant(_))
    }

    /// The text, where it is the same for every request.
    pub fn constant(&self) -> Option<&str> {
        match &self.pieces {
            Pieces::Constant(text) => Some(text),
            Pieces::Template(_) => None,
        }
    }

    /// Whether it uses what is below a prefix.
    pub fn uses_tail(&self) -> bool {
        self.pieces()
            .iter()
            .any(|piece| matches!(piece.what, What::Tail(_) | What::TailText(_) | What::Part(Part::Path)))
    }

    /// Whether it uses any text of the request.
    pub fn uses_request(&self) -> bool {
        self.pieces().iter().any(|piece| !matches!(piece.what, What::Literal(_)))
    }

    /// Its parts, in order; none where it is [`Target::constant`].
    pub fn pieces(&self) -> &[Piece<'a>] {
        match &self.pieces {
            Pieces::Constant(_) => &[],
            Pieces::Template(pieces) => pieces,
        }
    }

    /// The scheme that is written; `None` where it is the request's.
    pub fn scheme(&self) -> Option<Scheme> {
        let text = match &self.pieces {
            Pieces::Constant(text) => text,
            Pieces::Template(pieces) => match pieces.first() {
                Some(Piece { place: Landing::Scheme, what: What::Literal(text) }) => text,
                _ => return None,
            },
        };
        match text {
            text if text.starts_with("https://") => Some(Scheme::Https),
            text if text.starts_with("http://") => Some(Scheme::Http),
            _ => None,
        }
    }

    /// Where its host comes from.
    pub fn host(&self) -> TargetHost<'_> {
        let pieces = match &self.pieces {
            Pieces::Constant(text) => return constant_host(text),
            Pieces::Template(pieces) => pieces,
        };
        let mut hosts = pieces.iter().filter(|piece| piece.place == Landing::Host);
        match (hosts.next().map(|piece| &piece.what), hosts.next()) {
            (None, _) => TargetHost::Relative,
            (Some(What::Literal(host)), None) => TargetHost::Fixed(host),
            (Some(What::Part(Part::Host | Part::HostField)), None) => TargetHost::FromRequest,
            _ => TargetHost::FromCapture,
        }
    }
}

fn constant_host(text: &str) -> TargetHost<'_> {
    match text.split_once("://") {
        Some((_, rest)) if !text.starts_with('/') => {
            let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
            TargetHost::Fixed(split_authority(authority).map_or(authority, |(host, _)| host))
        }
        _ => TargetHost::Relative,
    }
}

/// Whether no rule with this target can send anyone to a host that is not on the list (`[policy] target_hosts`).
///
/// ```
/// use byway_core::{host::HostPattern, source::Source, target::{Target, target_allowed}};
/// let source = Source::parse("/x").unwrap();
/// let allowed = [HostPattern::parse("*.example.com").unwrap()];
/// assert!(target_allowed(&Target::parse("https://a.example.com/", &source).unwrap(), &allowed));
/// assert!(!target_allowed(&Target::parse("https://{host}/", &source).unwrap(), &allowed));
/// ```
pub fn target_allowed(target: &Target<'_>, allowed: &[HostPattern<'_>]) -> bool {
    match target.host() {
        TargetHost::Relative => true,
        TargetHost::Fixed(host) => allowed.iter().any(|pattern| pattern.matches(host)),
        TargetHost::FromRequest | TargetHost::FromCapture => {
            allowed.contains(&HostPattern::Any) || ends_inside(target, allowed)
        }
    }
}

/// Whether a host that begins with a capture ends, after a dot, in a host of the list: `{tenant}.example.com`.
fn ends_inside(target: &Target<'_>, allowed: &[HostPattern<'_>]) -> bool {
    let last = target.pieces().iter().rev().find(|piece| piece.place == Landing::Host);
    let Some(Piece { what: What::Literal(end), .. }) = last else { return false };
    allowed.iter().any(|pattern| match pattern {
        HostPattern::Below(parent) => end.strip_suffix(&**parent).is_some_and(|rest| rest.ends_with('.')),
        _ => false,
    })
}

/// Whether a text is a Location as it stands: nothing to insert, escape or mend. This is the common case of long lists, and
/// costs no allocation there.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let path = match bytes {
        [b'/'] => return true,
        [b'/', b'/', ..] => return false,
        [b'/', ..] => bytes,
        _ => {
            let rest = bytes.strip_prefix(b"https://").or_else(|| bytes.strip_prefix(b"http://")).unwrap_or_default();
            let Some(end) = memchr::memchr(b'/', rest) else { return false };
            let host = &rest[..end];
            let letters = host.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || *b == b'.');
            let Ok(host) = std::str::from_utf8(host) else { return false };
            if !letters || !matches!(normalise(host), Ok(Cow::Borrowed(same)) if same.len() == host.len()) {
                return false;
            }
            &rest[end..]
        }
    };
    let (path, query) = match memchr::memchr(b'?', path) {
        Some(mark) => path.split_at(mark),
        None => (path, &b""[..]),
    };
    path.iter().all(|&b| is_path_byte(b) && b != b'*' && b != b':')
        && query.iter().all(|&b| is_query_byte(b))
        && text.len() <= TARGET_LIMIT
}

/// Joins neighbouring texts; a template of texts alone is a constant.
fn folded(mut pieces: Vec<Piece<'_>>) -> Pieces<'_> {
    if let [Piece { what: What::Literal(text), .. }] = &mut *pieces {
        return Pieces::Constant(std::mem::take(text));
    }
    if pieces.iter().all(|piece| matches!(piece.what, What::Literal(_))) {
        let text = pieces.iter().map(|piece| match &piece.what {
            What::Literal(text) => &**text,
            _ => "",
        });
        return Pieces::Constant(Cow::Owned(text.collect()));
    }
    let mut out: Vec<Piece<'_>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), &piece.what) {
            (Some(Piece { place, what: What::Literal(before) }), What::Literal(text)) if *place == piece.place => {
                before.to_mut().push_str(text);
            }
            _ => out.push(piece),
        }
    }
    Pieces::Template(out)
}

impl Target<'_> {
    /// The target as a person would write it for a source with these captures.
    pub fn text(&self, captures: &[String]) -> String {
        let pieces = match &self.pieces {
            Pieces::Constant(text) => return text.to_string(),
            Pieces::Template(pieces) => pieces,
        };
        let mut out = String::new();
        for piece in pieces {
            let named = |index: u8| match captures.get(usize::from(index)).map(String::as_str) {
                Some("*") if captures.iter().filter(|name| *name == "*").count() > 1 => {
                    format!("{{{}}}", u16::from(index) + 1)
                }
                Some(name) => format!("{{{name}}}"),
                None => format!("{{{}}}", u16::from(index) + 1),
            };
            match &piece.what {
                What::Literal(text) => out.push_str(text),
                What::Capture(index) | What::TailText(index) => out.push_str(&named(*index)),
                What::Tail(_) => out.push_str("/*"),
                What::ConditionCapture(index) => out.push_str(&format!("{{when.{index}}}")),
                What::Part(Part::Port) if piece.place == Landing::Port => out.push_str(":{port}"),
                What::Part(part) => out.push_str(&format!("{{{}}}", part.name())),
                What::QueryValue(name) => out.push_str(&format!("{{query.{name}}}")),
                What::Field(name) => out.push_str(&format!("{{field.{name}}}")),
                What::Slot(slot) => out.push_str(&format!("{{slot.{slot}}}")),
                What::PortElse(port) => out.push_str(&format!(":{{port-or-{port}}}")),
                What::Argument(name) => out.push_str(&format!("{{argument.{name}}}")),
                What::Cookie(name) => out.push_str(&format!("{{cookie.{name}}}")),
                What::Changed(change, slot) => out.push_str(&format!("{{{}.slot.{slot}}}", change.name())),
            }
        }
        out
    }
}

/// As [`Target::text`], with captures by number.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&[]))
    }
}

impl Piece<'_> {
    pub(crate) fn into_owned(self) -> Piece<'static> {
        let what = match self.what {
            What::Literal(text) => What::Literal(Cow::Owned(text.into_owned())),
            What::QueryValue(name) => What::QueryValue(Cow::Owned(name.into_owned())),
            What::Field(name) => What::Field(Cow::Owned(name.into_owned())),
            What::Capture(index) => What::Capture(index),
            What::Tail(index) => What::Tail(index),
            What::TailText(index) => What::TailText(index),
            What::ConditionCapture(index) => What::ConditionCapture(index),
            What::Part(part) => What::Part(part),
            What::Slot(slot) => What::Slot(slot),
            What::PortElse(port) => What::PortElse(port),
            What::Argument(name) => What::Argument(Cow::Owned(name.into_owned())),
            What::Cookie(name) => What::Cookie(Cow::Owned(name.into_owned())),
            What::Changed(change, slot) => What::Changed(change, slot),
        };
        Piece { place: self.place, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_mended_or_refused() {
        let source = Source::parse("/u/*").unwrap();
        for (text, read) in [
            ("https://T.test:443/a b", "https://t.test/a%20b"),
            ("https://bücher.test", "https://xn--bcher-kva.test/"),
            ("HTTP://t.test?x=1", "http://t.test/?x=1"),
            ("/é?q=é#é", "/%C3%A9?q=%C3%A9#%C3%A9"),
            ("/x#", "/x#"),
            ("/a/*", "/a/*"),
            ("/a/:splat", "/a/*"),
            ("/a/{*}/b", "/a/{*}/b"),
            ("/a/*/b", "/a/{*}/b"),
            ("https://{host}:{port}/x", "https://{host}:{port}/x"),
            ("https://t.test{path}", "https://t.test{path}"),
            ("/{{x}}", "/%7Bx%7D"),
            ("/x?u={path}", "/x?u={path}"),
            ("https://{when.1}.t.test/{when.9}", "https://{when.1}.t.test/{when.9}"),
            ("/\"<", "/%22%3C"),
        ] {
            let target = Target::parse(text, &source).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(target.text(&source.capture_names()), read, "{text}");
        }
        for (text, what) in [
            ("//x", "`//` at the beginning sends people to another host"),
            ("/\\x", "`/\\` at the beginning sends people to another host"),
            ("www.x.test/y", "`www.x.test/y` is relative to the page that was asked"),
            ("x", "`x` is relative to the page that was asked"),
            ("?x", "`?x` is relative to the page that was asked"),
            ("../x", "`../x` is relative to the page that was asked"),
            ("ftp://x", "the scheme `ftp` is no target of a redirect"),
            ("https://u@t.test/", "a user name in a target"),
            ("https://t.test{*}", "a capture would lengthen the host"),
            ("https://t.test:0/", "`0` is no port"),
            ("/x ", "a space at the edge of a target"),
            ("/{nope}", "`{nope}` is no capture of the source"),
            ("/{when.0}", "`{when.0}` is no capture of the source"),
            ("/x/:nope", "`:nope` is no capture of the source"),
            ("/a*", "`*` beside other text"),
            ("/100%", "a `%` without two hexadecimal digits"),
            ("/{x", "`{` without `}`"),
            ("", "the target is empty"),
        ] {
            let error = Target::parse(text, &source).expect_err(text);
            assert_eq!(error.what, what, "{text}");
        }
    }

    #[test]
    fn hosts_are_told_by_where_they_come_from() {
        let source = Source::parse("/:tenant/*").unwrap();
        let host = |text: &'static str| format!("{:?}", Target::parse(text, &source).unwrap().host());
        assert_eq!(host("/x"), "Relative");
        assert_eq!(host("https://t.test:8443/x"), "Fixed(\"t.test\")");
        assert_eq!(host("https://{host}/x"), "FromRequest");
        assert_eq!(host("https://{tenant}.t.test/*"), "FromCapture");
    }
}
