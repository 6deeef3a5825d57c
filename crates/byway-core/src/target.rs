//! The target of a rule: the template from which a Location is made.
//!
//! A target begins with `/`, `http://` or `https://`. `{name}` inserts a capture or a part of the request; in the path, a segment
//! `*` or `:name` mirrors the source. What was written is parsed into [`Piece`]s, each with its place; how a piece is escaped for
//! its place is in [`crate::location`].

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::host::{HostPattern, normalise, split_authority};
use crate::path::{is_escape, is_path_byte, is_query_byte, push_escaped};
use crate::request::Scheme;
use crate::source::{Source, is_capture_name};

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
    /// Imported rules only: a group of the last pattern condition that held (Apache's `%1`).
    ConditionCapture(u8),
    /// A part of the request.
    Part(Part),
    /// The first value of this name in the request's query, as sent.
    QueryValue(Cow<'a, str>),
    /// Imported rules only: the value of a header field.
    Field(Cow<'a, str>),
    /// Imported rules only: a text kept by [`crate::Action::Set`].
    Slot(u8),
    /// Imported rules only: the port of the Host field, else this one (Apache's, with a port in `ServerName`).
    PortElse(u16),
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
}

impl Part {
    pub(crate) const ALL: [Part; 10] = [
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
        let pieces = Parser::new(text, source).parse()?;
        Ok(Target { pieces: folded(pieces) })
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

    fn pieces(&self) -> &[Piece<'a>] {
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
fn folded(pieces: Vec<Piece<'_>>) -> Pieces<'_> {
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

struct Parser<'a, 's> {
    text: &'a str,
    at: usize,
    captures: Vec<String>,
    tail: Option<u8>,
    numbered: bool,
    source: &'s Source<'s>,
    stars: usize,
    pieces: Vec<Piece<'a>>,
}

impl<'a, 's> Parser<'a, 's> {
    fn new(text: &'a str, source: &'s Source<'s>) -> Parser<'a, 's> {
        let captures = source.capture_names();
        let tail = source.has_tail().then(|| captures.len().saturating_sub(1) as u8);
        let numbered = matches!(source.path, crate::source::PathPattern::Regex(_));
        Parser { text, at: 0, captures, tail, numbered, source, stars: 0, pieces: Vec::new() }
    }

    fn parse(mut self) -> Result<Vec<Piece<'a>>, InvalidTarget> {
        self.check_whole()?;
        if !self.text.starts_with('/') {
            self.authority()?;
        }
        let rest = &self.text[self.at..];
        let fragment = find_outside(rest, b'#');
        let query = find_outside(&rest[..fragment], b'?');
        let base = self.at;
        if query == 0 && base > 0 {
            self.literal(Landing::Path, "/");
        }
        self.path(base, base + query)?;
        self.text_part(Landing::Query, base + query, base + fragment)?;
        self.text_part(Landing::Fragment, base + fragment, self.text.len())?;
        Ok(self.pieces)
    }

    fn check_whole(&self) -> Result<(), InvalidTarget> {
        let text = self.text;
        let whole = 0..text.len();
        if text.len() > TARGET_LIMIT {
            return invalid(whole, format!("the target is longer than {TARGET_LIMIT} bytes"), None);
        }
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return invalid(at..at + c.len_utf8(), "a control character in a target", None);
        }
        if text.trim() != text {
            let help = "take the space away: clients fail on a Location that ends in one".to_owned();
            return invalid(whole, "a space at the edge of a target", help);
        }
        if self.numbered
            && let Some(at) = text.as_bytes().windows(2).position(|w| w[0] == b'$' && w[1].is_ascii_digit())
        {
            let help = format!("write `{{{}}}`", &text[at + 1..at + 2]);
            return invalid(at..at + 2, format!("`{}` is not how a capture is written", &text[at..at + 2]), help);
        }
        if text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\") {
            return Ok(());
        }
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        if lower.starts_with("https://") || lower.starts_with("http://") || text.starts_with("{scheme}://") {
            return Ok(());
        }
        self.wrong_beginning()
    }

    fn wrong_beginning(&self) -> Result<(), InvalidTarget> {
        let text = self.text;
        let whole = 0..text.len();
        if text.is_empty() {
            return invalid(
                whole,
                "the target is empty",
                "a target begins with `/`, `http://` or `https://`".to_owned(),
            );
        }
        if text.starts_with("//") || text.starts_with("/\\") {
            let help = format!("write `https:{}` for another host, or one `/` for a path", text.replace('\\', "/"));
            return invalid(0..2, format!("`{}` at the beginning sends people to another host", &text[..2]), help);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let help = "a redirect goes to `http://` or `https://`".to_owned();
            return invalid(0..scheme.len(), format!("the scheme `{scheme}` is no target of a redirect"), help);
        }
        let head = text.split(['/', '?', '#']).next().unwrap_or_default();
        let help = match head {
            "" | "." | ".." => "write the whole path, beginning with `/`".to_owned(),
            head if head.contains('.') && !head.starts_with('.') => format!("write `https://{text}`"),
            head if head.contains(':') => "a redirect goes to `http://` or `https://`".to_owned(),
            _ => format!("write `/{text}`"),
        };
        invalid(whole, format!("`{text}` is relative to the page that was asked"), help)
    }

    fn authority(&mut self) -> Result<(), InvalidTarget> {
        let text = self.text;
        let scheme_end = text.find("://").unwrap_or(0) + 3;
        match &text[..scheme_end] {
            "{scheme}://" => {
                self.push(Landing::Scheme, What::Part(Part::Scheme));
                self.literal(Landing::Scheme, "://");
            }
            scheme => {
                let lower = scheme.to_ascii_lowercase();
                self.push(Landing::Scheme, What::Literal(Cow::Owned(lower)));
            }
        }
        let rest = &text[scheme_end..];
        let mut end = ['/', '?', '#'].iter().map(|&c| find_outside(rest, c as u8)).min().unwrap_or(rest.len());
        if let Some(path) = rest[..end].find("{path}") {
            end = path;
        }
        let authority = &rest[..end];
        self.at = scheme_end + end;
        self.host_and_port(authority, scheme_end)
    }

    fn host_and_port(&mut self, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let range = at..at + text.len();
        if let Some(user) = text.find('@') {
            let help = "RFC 9110 section 4.2.4 forbids user names in a Location: take it away".to_owned();
            return invalid(at..at + user + 1, "a user name in a target", help);
        }
        let colon = match text.rfind(':') {
            Some(colon) if !text[colon..].contains(']') => colon,
            _ => text.len(),
        };
        let (host, port) = text.split_at(colon);
        if host.is_empty() {
            return invalid(range, "the host of the target is empty", None);
        }
        if !host.contains('{') {
            let host = normalise(host).or_else(|error| invalid(at..at + host.len(), error.what, error.help))?;
            self.push(Landing::Host, What::Literal(host));
        } else {
            self.host_template(host, at)?;
        }
        match port {
            "" | ":" => {}
            ":{port}" => {
                self.push(Landing::Port, What::Part(Part::Port));
            }
            port => {
                let place = at + colon + 1..at + text.len();
                let Ok(number @ 1..) = port[1..].parse::<u16>() else {
                    return invalid(
                        place,
                        format!("`{}` is no port", &port[1..]),
                        "a port is a number from 1 to 65535".to_owned(),
                    );
                };
                let written = self.pieces.first().map(|piece| &piece.what);
                let default = match written {
                    Some(What::Literal(text)) if text == "https://" => 443,
                    Some(What::Literal(_)) => 80,
                    _ => 0,
                };
                if number != default {
                    self.push(Landing::Port, What::Literal(Cow::Owned(format!(":{number}"))));
                }
            }
        }
        Ok(())
    }

    fn host_template(&mut self, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let mut from = 0;
        while from < text.len() {
            let open = text[from..].find('{').map_or(text.len(), |found| from + found);
            if open > from {
                let literal = &text[from..open];
                let label = literal.trim_matches('.');
                if !label.is_empty() && !matches!(normalise(label), Ok(Cow::Borrowed(_))) {
                    return invalid(
                        at + from..at + open,
                        format!("`{literal}` is no part of a host"),
                        "write it in small letters".to_owned(),
                    );
                }
                self.push(Landing::Host, What::Literal(Cow::Borrowed(literal)));
            }
            if open == text.len() {
                break;
            }
            let close = self.closing(at + open)?;
            let whole_label = (open == 0 || text.as_bytes()[open - 1] == b'.')
                && matches!(text.as_bytes().get(close + 1 - at), None | Some(b'.'));
            if !whole_label {
                let help = "write `/` between the host and the capture, or `.` on either side of it".to_owned();
                return invalid(at + open..close + 1, "a capture would lengthen the host", help);
            }
            let what = self.lookup(at + open, close)?;
            self.push(Landing::Host, what);
            from = close + 1 - at;
        }
        Ok(())
    }

    fn path(&mut self, from: usize, to: usize) -> Result<(), InvalidTarget> {
        let text = &self.text[from..to];
        let mut at = from;
        let mut segments = text.split('/').peekable();
        let mut first = true;
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let slash = if first { "" } else { "/" };
            self.segment(slash, segment, at, last)?;
            at += segment.len() + 1;
            first = false;
        }
        Ok(())
    }

    fn segment(&mut self, slash: &'static str, text: &'a str, at: usize, last: bool) -> Result<(), InvalidTarget> {
        if text == "*" || text == ":splat" && !self.captures.iter().any(|name| name == "splat") {
            return self.star(slash, at, text.len(), last);
        }
        self.literal(Landing::Path, slash);
        if let Some(name) = text.strip_prefix(':') {
            if let Some(literal) = name.strip_prefix(':') {
                self.literal(Landing::Path, ":");
                return self.inserts(Landing::Path, literal, at + 2);
            }
            if is_capture_name(name) {
                let index = self.capture(name).map_or_else(|| self.unknown(name, at..at + text.len(), ':'), Ok)?;
                self.push(Landing::Path, What::Capture(index));
                return Ok(());
            }
        }
        if let Some(star) = text.find('*').filter(|&star| !text[..star].ends_with('{')) {
            let help = "`*` stands for a whole segment; `{*}` inserts what it took beside other text".to_owned();
            return invalid(at + star..at + star + 1, "`*` beside other text", help);
        }
        self.inserts(Landing::Path, text, at)
    }

    fn star(&mut self, slash: &'static str, at: usize, len: usize, last: bool) -> Result<(), InvalidTarget> {
        let what = match self.tail {
            Some(tail) if last => What::Tail(tail),
            _ => {
                let nth = self.stars;
                self.stars += 1;
                let found = self.captures.iter().enumerate().filter(|(_, name)| *name == "*").nth(nth);
                match found {
                    None => return self.no_star(at..at + len),
                    Some((index, _)) if self.tail == Some(index as u8) => What::TailText(index as u8),
                    Some((index, _)) => What::Capture(index as u8),
                }
            }
        };
        if !matches!(what, What::Tail(_)) {
            self.literal(Landing::Path, slash);
        }
        self.push(Landing::Path, what);
        Ok(())
    }

    fn no_star(&self, at: Range<usize>) -> Result<(), InvalidTarget> {
        let help = match self.captures.as_slice() {
            [] => format!("`{}` captures nothing; write `{}/*` there to take what is below", self.source, self.source),
            names => format!("the source has {}", listed(names)),
        };
        invalid(at, "`*` in the target has no `*` in the source", help)
    }

    fn text_part(&mut self, place: Landing, from: usize, to: usize) -> Result<(), InvalidTarget> {
        self.inserts(place, &self.text[from..to], from)
    }

    /// Text with `{name}` in it.
    fn inserts(&mut self, place: Landing, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let mut from = 0;
        while let Some(found) = text[from..].find(['{', '}']).map(|found| from + found) {
            self.escaped(place, &text[from..found], at + from)?;
            if text[found..].starts_with("{{") || text[found..].starts_with("}}") {
                self.push(
                    place,
                    What::Literal(Cow::Borrowed(if text.as_bytes()[found] == b'{' { "%7B" } else { "%7D" })),
                );
                from = found + 2;
                continue;
            }
            if text.as_bytes()[found] == b'}' {
                return invalid(at + found..at + found + 1, "`}` without `{`", "write `}}` for a brace".to_owned());
            }
            let close = self.closing(at + found)?;
            let what = self.lookup(at + found, close)?;
            self.push(place, what);
            from = close + 1 - at;
        }
        self.escaped(place, &text[from..], at + from)
    }

    fn closing(&self, open: usize) -> Result<usize, InvalidTarget> {
        // A name holds none of these, and what belongs to the next segment cannot close this one.
        match self.text[open + 1..].find(['}', '{', '/', '?', '#']).map(|found| open + 1 + found) {
            Some(close) if self.text.as_bytes()[close] == b'}' => Ok(close),
            _ => invalid(open..self.text.len(), "`{` without `}`", "write `{{` for a brace".to_owned()),
        }
    }

    fn lookup(&self, open: usize, close: usize) -> Result<What<'a>, InvalidTarget> {
        let name = &self.text[open + 1..close];
        if let Some(index) = self.capture(name) {
            return Ok(if self.tail == Some(index) { What::TailText(index) } else { What::Capture(index) });
        }
        if let Some((_, part)) = Part::NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(What::Part(*part));
        }
        match name.strip_prefix("query.") {
            Some(key) if !key.is_empty() => Ok(What::QueryValue(Cow::Borrowed(key))),
            _ => self.unknown(name, open..close + 1, '{'),
        }
    }

    fn capture(&self, name: &str) -> Option<u8> {
        let found = self.captures.iter().position(|known| known == name);
        let splat = || match name {
            "splat" | "*" => self.tail.map(usize::from).or_else(|| self.captures.iter().position(|known| known == "*")),
            _ => None,
        };
        let numbered = || name.parse::<usize>().ok()?.checked_sub(1).filter(|&index| index < self.captures.len());
        match name {
            "*" => splat(),
            _ => found.or_else(splat).or_else(numbered),
        }
        .map(|index| index as u8)
    }

    fn unknown<T>(&self, name: &str, at: Range<usize>, form: char) -> Result<T, InvalidTarget> {
        let written = if form == ':' { format!(":{name}") } else { format!("{{{name}}}") };
        let help = match self.captures.as_slice() {
            [] => "the source captures nothing; of the request there are `{scheme}`, `{host}`, `{port}`, `{path}`, `{query}` and `{query.NAME}`".to_owned(),
            names => format!("the source has {}; of the request there are `{{scheme}}`, `{{host}}`, `{{port}}`, `{{path}}`, `{{query}}` and `{{query.NAME}}`", listed(names)),
        };
        invalid(at, format!("`{written}` is no capture of the source"), help)
    }

    /// Literal text, escaped for its place.
    fn escaped(&mut self, place: Landing, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let bytes = text.as_bytes();
        let fits = |byte: u8| match place {
            Landing::Path => is_path_byte(byte),
            // The mark that opens the part stands in its text.
            _ => is_query_byte(byte) || byte == b'#',
        };
        if bytes.iter().all(|&byte| fits(byte)) {
            self.push(place, What::Literal(Cow::Borrowed(text)));
            return Ok(());
        }
        let mut out = Vec::with_capacity(bytes.len() + 8);
        for (index, &byte) in bytes.iter().enumerate() {
            match byte {
                b'%' if !is_escape(bytes, index) => {
                    let range = at + index..at + index + 1;
                    return invalid(
                        range,
                        "a `%` without two hexadecimal digits",
                        "write `%25` for a percent sign".to_owned(),
                    );
                }
                b'#' if place == Landing::Fragment && index > 0 => push_escaped(byte, &mut out),
                byte if fits(byte) || byte == b'%' => out.push(byte),
                byte => push_escaped(byte, &mut out),
            }
        }
        let text = String::from_utf8(out).unwrap_or_default();
        self.push(place, What::Literal(Cow::Owned(text)));
        Ok(())
    }

    fn literal(&mut self, place: Landing, text: &'static str) {
        self.push(place, What::Literal(Cow::Borrowed(text)));
    }

    fn push(&mut self, place: Landing, what: What<'a>) {
        if !matches!(&what, What::Literal(text) if text.is_empty()) {
            self.pieces.push(Piece { place, what });
        }
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
    shown.join(", ")
}

/// Where `wanted` stands outside of braces, or the length.
fn find_outside(text: &str, wanted: u8) -> usize {
    let mut inside = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => inside = true,
            b'}' => inside = false,
            byte if byte == wanted && !inside => return at,
            _ => {}
        }
    }
    text.len()
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
                What::ConditionCapture(index) => out.push_str(&format!("%{index}")),
                What::Part(Part::Port) if piece.place == Landing::Port => out.push_str(":{port}"),
                What::Part(part) => out.push_str(&format!("{{{}}}", part.name())),
                What::QueryValue(name) => out.push_str(&format!("{{query.{name}}}")),
                What::Field(name) => out.push_str(&format!("{{field.{name}}}")),
                What::Slot(slot) => out.push_str(&format!("{{slot.{slot}}}")),
                What::PortElse(port) => out.push_str(&format!(":{{port-or-{port}}}")),
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
