//! Locations: the type that cannot be wrong, and how a target becomes one.
//!
//! Only this file makes a [`Location`]. Whatever the request held, it has no control byte, no blank and nothing above 0x7E, begins
//! with one `/` or with `http://` or `https://` and a host, and carries no user name. Text of the request lands escaped for its
//! place and cannot end that place: a capture in the path opens no query, one in the query opens no second pair, and only a
//! piece that the target puts into the host can touch the host.

use std::fmt;

use crate::decision::Refusal;
use crate::dialect::{CaptureForm, QueryPolicy, RelativeForm};
use crate::path::{is_escape, is_path_byte, is_query_byte, push_escaped, push_escaped_lower, raw_offset};
use crate::query::{self, push_by_policy, push_query};
use crate::regex::Span;
use crate::request::{Request, Scheme};
use crate::ruleset::shape;
use crate::target::{Landing, Part, Piece, What};

/// The longest Location that is sent (RFC 9110 §4.1 asks everyone to take as much).
pub const LENGTH_LIMIT: usize = 8_000;

/// The value of a `Location` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a>(&'a str);

impl<'a> Location<'a> {
    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    pub(crate) fn of_written(bytes: &'a [u8]) -> Option<Location<'a>> {
        if !is_sound(bytes) {
            return None;
        }
        std::str::from_utf8(bytes).ok().map(Location)
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether bytes may be a Location; hosts are looked at where they are made.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    // Without early exit: a few wide instructions.
    let printable = bytes.iter().fold(true, |fits, byte| fits & (byte.wrapping_sub(0x21) <= 0x5D));
    let begins = match bytes {
        [b'/', b'/' | b'\\', ..] => false,
        [b'/', ..] => true,
        _ => match bytes.strip_prefix(b"https://").or_else(|| bytes.strip_prefix(b"http://")) {
            Some(rest) => {
                let end = rest.iter().position(|&b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
                end > 0 && !rest[..end].iter().any(|&b| matches!(b, b'@' | b'\\'))
            }
            None => false,
        },
    };
    printable && begins && bytes.len() <= LENGTH_LIMIT
}

/// What a target is expanded with.
pub(crate) struct Expansion<'e> {
    pub(crate) request: &'e Request<'e>,
    /// The request's host in its compared form.
    pub(crate) host: &'e str,
    /// The path that captures are taken from, as sent.
    pub(crate) raw: &'e [u8],
    /// The path as the pattern saw it.
    pub(crate) text: &'e [u8],
    /// Whether each byte of `text` is the byte of `raw` at the same place.
    pub(crate) same_places: bool,
    /// Where the groups matched in `text`; the whole first.
    pub(crate) spans: &'e [Span],
    /// The groups of the last pattern condition that held.
    pub(crate) condition_groups: &'e [Vec<u8>],
    /// The working path, decoded.
    pub(crate) working_path: &'e [u8],
    /// The working query.
    pub(crate) query: Option<&'e [u8]>,
    pub(crate) form: CaptureForm,
    pub(crate) relative: RelativeForm,
}

/// The bytes of a target in a rule set.
#[derive(Clone, Copy)]
pub(crate) enum TargetBytes<'t> {
    Constant(&'t [u8]),
    Template(&'t [u8]),
}

/// Writes the Location of a target into `out`.
pub(crate) fn write(
    target: TargetBytes<'_>,
    with: &Expansion<'_>,
    policy: &QueryPolicy,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    write_parts(target, with, policy, out)?;
    if with.relative != RelativeForm::AsWritten && out.first() == Some(&b'/') {
        make_absolute(with, out);
    } else if out.len() > 1 && out[0] == b'/' && out[1] == b'/' {
        let slashes = out.iter().take_while(|&&b| b == b'/').count();
        out.drain(..slashes - 1);
    }
    match out.len() {
        0 => Err(Refusal::InvalidLocation),
        1..=LENGTH_LIMIT => Ok(()),
        _ => Err(Refusal::LocationTooLong),
    }
}

/// Writes a target without asking what a Location asks: for the working path of a rewrite, and for the text of a condition.
pub(crate) fn write_parts(
    target: TargetBytes<'_>,
    with: &Expansion<'_>,
    policy: &QueryPolicy,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.clear();
    match target {
        TargetBytes::Constant(text) => {
            let end = memchr::memchr(b'#', text).unwrap_or(text.len());
            out.extend_from_slice(&text[..end]);
            push_by_policy(policy, with.query, 0, out);
            out.extend_from_slice(&text[end..]);
            Ok(())
        }
        TargetBytes::Template(bytes) => Writer { with, out, host: None, path: None, has_capture_in_host: false }
            .template(bytes, policy),
    }
}

fn make_absolute(with: &Expansion<'_>, out: &mut Vec<u8>) {
    let request = with.request;
    let port = match with.relative {
        RelativeForm::HostAndListenerPort => request.local_port,
        _ => request.port,
    };
    let mut head = format!("{}://{}", request.scheme.as_str(), with.host);
    if port != request.scheme.default_port() {
        head.push_str(&format!(":{port}"));
    }
    out.splice(0..0, head.into_bytes());
}

struct Writer<'w, 'e> {
    with: &'w Expansion<'e>,
    out: &'w mut Vec<u8>,
    /// Where the host begins and ends.
    host: Option<(usize, usize)>,
    /// Where the path begins.
    path: Option<usize>,
    has_capture_in_host: bool,
}

impl Writer<'_, '_> {
    fn template(mut self, bytes: &[u8], policy: &QueryPolicy) -> Result<(), Refusal> {
        let mut before = Landing::Scheme;
        let mut swallow_slash = false;
        let mut fragment_at = None;
        for piece in shape::pieces(bytes) {
            if piece.place == Landing::Path && self.path.is_none() {
                self.begin_path();
            }
            if piece.place >= Landing::Query && before < Landing::Query {
                self.end_path();
            }
            if piece.place == Landing::Fragment && fragment_at.is_none() {
                push_by_policy(policy, self.with.query, self.path.unwrap_or(0), self.out);
                fragment_at = Some(self.out.len());
            }
            before = piece.place;
            let from = self.out.len();
            match &piece.what {
                What::Literal(text) => {
                    let text = if swallow_slash { text.strip_prefix('/').unwrap_or(text) } else { text };
                    self.out.extend_from_slice(text.as_bytes());
                }
                _ => self.insert(&piece)?,
            }
            // An empty capture between two slashes leaves one.
            swallow_slash = piece.place == Landing::Path
                && self.out.len() == from
                && (swallow_slash || self.out.last() == Some(&b'/'))
                && !matches!(piece.what, What::Literal(_));
            if piece.place == Landing::Host {
                let start = self.host.map_or(from, |(start, _)| start);
                self.host = Some((start, self.out.len()));
                self.has_capture_in_host |= !matches!(piece.what, What::Literal(_));
            }
        }
        if before < Landing::Query {
            self.end_path();
        }
        if fragment_at.is_none() {
            push_by_policy(policy, self.with.query, self.path.unwrap_or(0), self.out);
        }
        self.check_host()
    }

    fn begin_path(&mut self) {
        self.path = Some(self.out.len());
    }

    /// A host is followed by a path that begins with `/`.
    fn end_path(&mut self) {
        let start = self.path.unwrap_or(self.out.len());
        if self.host.is_some() && self.out.get(start) != Some(&b'/') {
            self.out.insert(start, b'/');
        }
        if self.host.is_none() && self.out.len() == start && self.path.is_some() {
            self.out.push(b'/');
        }
        self.path = Some(start);
    }

    fn check_host(&self) -> Result<(), Refusal> {
        let Some((start, end)) = self.host.filter(|_| self.has_capture_in_host) else { return Ok(()) };
        let host = std::str::from_utf8(&self.out[start..end]).unwrap_or_default();
        match crate::host::normalise(host) {
            Ok(normal) if normal == host => Ok(()),
            _ => Err(Refusal::InvalidLocation),
        }
    }

    fn insert(&mut self, piece: &Piece<'_>) -> Result<(), Refusal> {
        let with = self.with;
        match &piece.what {
            What::Literal(_) => {}
            What::Capture(index) => self.text_of(capture(with, *index, false), piece.place, with.form)?,
            What::Tail(index) => self.text_of(capture(with, *index, true), piece.place, with.form)?,
            What::TailText(index) => {
                let tail = capture(with, *index, true);
                self.text_of(tail.strip_prefix(b"/").unwrap_or(tail), piece.place, with.form)?;
            }
            What::ConditionCapture(index) => {
                let group = with.condition_groups.get(usize::from(*index)).map(Vec::as_slice).unwrap_or_default();
                self.text_of(group, piece.place, with.form)?;
            }
            What::Part(part) => self.part(*part, piece.place)?,
            What::QueryValue(name) => {
                let found = query::pairs(with.query.unwrap_or_default())
                    .find(|(_, key, _)| query::is_same(key, name.as_bytes()))
                    .map(|(_, _, value)| value)
                    .unwrap_or_default();
                match piece.place {
                    Landing::Query => push_query(found, self.out),
                    Landing::Path => push_value_in_path(found, self.out),
                    place => self.text_of(found, place, CaptureForm::Raw)?,
                }
            }
            What::Field(name) => {
                let mut value = Vec::new();
                with.request.fields.for_each(name, &mut |line| {
                    if !value.is_empty() {
                        value.extend_from_slice(b", ");
                    }
                    value.extend_from_slice(line);
                });
                self.text_of(&value, piece.place, CaptureForm::Decoded)?;
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Part, place: Landing) -> Result<(), Refusal> {
        let with = self.with;
        match part {
            Part::Scheme => self.out.extend_from_slice(with.request.scheme.as_str().as_bytes()),
            Part::Host if with.host.is_empty() => return Err(Refusal::InvalidLocation),
            Part::Host => self.out.extend_from_slice(with.host.as_bytes()),
            Part::Port if place == Landing::Port => {
                if with.request.port != with.request.scheme.default_port() {
                    self.out.extend_from_slice(format!(":{}", with.request.port).as_bytes());
                }
            }
            Part::Port => self.out.extend_from_slice(with.request.port.to_string().as_bytes()),
            Part::Path => {
                let path = with.request.path;
                let slash = place == Landing::Path && self.out.last() == Some(&b'/') && self.path != Some(self.out.len());
                let path = if slash { path.strip_prefix(b"/").unwrap_or(path) } else { path };
                self.text_of(path, place, CaptureForm::Raw)?;
            }
            Part::Query => push_query(with.request.query.unwrap_or_default(), self.out),
            Part::PathAndQuery => {
                self.text_of(with.request.path, place, CaptureForm::Raw)?;
                if let Some(query) = with.request.query {
                    self.out.push(b'?');
                    push_query(query, self.out);
                }
            }
            Part::WorkingPath => self.text_of(with.working_path, place, with.form)?,
            Part::WorkingQuery => push_query(with.query.unwrap_or_default(), self.out),
            Part::HostField => {
                let mut host = with.request.host.to_owned();
                with.request.fields.for_each("host", &mut |field| host = String::from_utf8_lossy(field).into_owned());
                self.text_of(host.as_bytes(), place, CaptureForm::Decoded)?;
            }
        }
        Ok(())
    }

    /// Text of the request, escaped for its place.
    fn text_of(&mut self, text: &[u8], place: Landing, form: CaptureForm) -> Result<(), Refusal> {
        match (place, form) {
            (Landing::Scheme | Landing::Host | Landing::Port, _) => {
                let fits = text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b)) && !text.is_empty();
                if !fits {
                    return Err(Refusal::InvalidLocation);
                }
                self.out.extend(text.iter().map(u8::to_ascii_lowercase));
            }
            (Landing::Path, CaptureForm::Raw) => push_raw(text, is_path_byte, self.out),
            (_, CaptureForm::Raw) => push_raw(text, |b| is_query_byte(b) && !b"&=+".contains(&b), self.out),
            (_, CaptureForm::Decoded) => push_if(text, |b| (0x21..=0x7E).contains(&b), push_escaped, self.out),
            (Landing::Path, CaptureForm::NginxRewrite) => {
                push_if(text, |b| (0x21..=0x7E).contains(&b) && !b"%#".contains(&b), push_escaped, self.out);
            }
            (_, CaptureForm::NginxRewrite) => {
                let quoted = self.with.request.path.iter().any(|&b| b == b'%' || b == b'+');
                let kept = |b: u8| (0x21..=0x7E).contains(&b) && !(quoted && b"%#&+;?\"".contains(&b));
                push_if(text, kept, push_escaped, self.out);
            }
            (_, CaptureForm::Apache) => {
                let kept = |b: u8| b.is_ascii_alphanumeric() || b"$-_.+!*'(),:;@&=/~".contains(&b);
                push_if(text, kept, push_escaped_lower, self.out);
            }
        }
        Ok(())
    }
}

/// The text of a capture: as sent where the form asks for it, else as the pattern saw it.
fn capture<'e>(with: &Expansion<'e>, index: u8, is_tail: bool) -> &'e [u8] {
    let Some(Some((start, end))) = with.spans.get(usize::from(index) + 1).copied() else { return b"" };
    let (start, end) = (start as usize, end as usize);
    if with.form != CaptureForm::Raw {
        return with.text.get(start..end).unwrap_or_default();
    }
    let place = |at: usize| if with.same_places { at } else { raw_offset(with.raw, at) };
    // A slash at the end that the comparison did not count is part of the rest.
    let end = if is_tail && end == with.text.len() { with.raw.len() } else { place(end) };
    with.raw.get(place(start)..end).unwrap_or_default()
}

/// Appends bytes that are escaped already, escaping what may not stand there; a lone `%` becomes `%25`.
fn push_raw(text: &[u8], fits: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if fits(byte) {
            out.push(byte);
            at += 1;
        } else if is_escape(text, at) {
            out.extend_from_slice(&text[at..at + 3]);
            at += 3;
        } else {
            push_escaped(byte, out);
            at += 1;
        }
    }
}

fn push_if(text: &[u8], fits: impl Fn(u8) -> bool, escape: fn(u8, &mut Vec<u8>), out: &mut Vec<u8>) {
    for &byte in text {
        if fits(byte) { out.push(byte) } else { escape(byte, out) }
    }
}

/// A value of a query in a path: it stays one segment, and its `+` was a blank.
fn push_value_in_path(value: &[u8], out: &mut Vec<u8>) {
    for piece in value.split_inclusive(|&b| b == b'+') {
        let (text, plus) = match piece.split_last() {
            Some((b'+', text)) => (text, true),
            _ => (piece, false),
        };
        push_raw(text, |b| is_path_byte(b) && b != b'/', out);
        if plus {
            out.extend_from_slice(b"%20");
        }
    }
}

/// How a Location relates to the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It asks the same again, fragment ignored.
    Same,
    /// It asks the same again over https, and the request came over http.
    Upgrade,
    /// It asks something else.
    Other,
}

/// Compares a Location with the request that it answers.
pub(crate) fn relation(location: &[u8], request: &Request<'_>, host: &str) -> Relation {
    let end = memchr::memchr(b'#', location).unwrap_or(location.len());
    let location = &location[..end];
    if location.first() == Some(&b'/') {
        return if is_same_path(location, request) { Relation::Same } else { Relation::Other };
    }
    let (scheme, rest) = match location.strip_prefix(b"https://") {
        Some(rest) => (Scheme::Https, rest),
        None => (Scheme::Http, location.strip_prefix(b"http://").unwrap_or_default()),
    };
    let slash = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    if !is_same_path(path, request) {
        return Relation::Other;
    }
    let authority = std::str::from_utf8(authority).unwrap_or_default();
    let Ok((name, port)) = crate::host::split_authority(authority) else { return Relation::Other };
    if name != host {
        return Relation::Other;
    }
    let port = port.unwrap_or(scheme.default_port());
    match scheme == request.scheme {
        true if port == request.port => Relation::Same,
        false if scheme == Scheme::Https && port == scheme.default_port() => Relation::Upgrade,
        _ => Relation::Other,
    }
}

fn is_same_path(path_and_query: &[u8], request: &Request<'_>) -> bool {
    let path = request.path;
    match (path_and_query.strip_prefix(path), request.query) {
        (Some([]), None) => true,
        (Some([]), Some(query)) => query.is_empty(),
        (Some([b'?', rest @ ..]), Some(query)) => rest == query,
        _ => false,
    }
}
