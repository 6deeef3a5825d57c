//! Locations: the type that cannot be wrong, and how a target becomes one.
//!
//! Only this file makes a [`Location`]. Whatever the request held, it has no control byte, no blank and nothing above 0x7E, begins
//! with one `/` or with `http://` or `https://` and a host, and carries no user name. Text of the request lands escaped for its
//! place and cannot end that place: in our own rules a capture in the path opens no query, one in the query opens no second pair,
//! and only a piece that the target puts into the host can touch the host.
//!
//! Long because how every kind of text is escaped for every place stands side by side, so that no pair is forgotten.

use std::borrow::Cow;
use std::fmt;

use crate::decision::Refusal;
use crate::dialect::{CaptureForm, Dialect, QueryPolicy, QuestionMark, RelativeForm, View};
use crate::path::{
    all_bytes, is_escape, is_path_byte, is_query_byte, is_unreserved, push_escaped, push_escaped_lower, raw_offset,
};
use crate::query::{self, push_by_policy, push_query};
use crate::regex::Span;
use crate::request::{Request, Scheme};
use crate::ruleset::shape;
use crate::target::{GROUP_OF_SET, Landing, Part, Piece, What};

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

    /// Of bytes that passed [`is_sent_as_written`].
    pub(crate) fn of_looked_at(bytes: &'a [u8]) -> Option<Location<'a>> {
        debug_assert!(is_sent_as_written(bytes));
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
    all_bytes(bytes, is_printable) && begins_well(bytes) && bytes.len() <= LENGTH_LIMIT
}

/// Whether a constant target may be a Location, and is that of a request without query byte for byte, as most are: it has no
/// query and no fragment.
pub(crate) fn is_sent_as_written(target: &[u8]) -> bool {
    let fits = |byte: u8| is_printable(byte) & (byte != b'?') & (byte != b'#');
    all_bytes(target, fits) && begins_well(target) && target.len() <= LENGTH_LIMIT
}

fn is_printable(byte: u8) -> bool {
    byte.wrapping_sub(0x21) <= 0x5D
}

/// Whether it begins with one slash, or with a scheme and a host without user name.
fn begins_well(bytes: &[u8]) -> bool {
    let rest = match bytes {
        [b'/', b'/' | b'\\', ..] => return false,
        [b'/', ..] => return true,
        _ => match bytes.strip_prefix(b"https://").or_else(|| bytes.strip_prefix(b"http://")) {
            Some(rest) => rest,
            None => return false,
        },
    };
    let mut host = 0;
    for &byte in rest {
        match byte {
            b'/' | b'?' | b'#' => break,
            b'@' | b'\\' => return false,
            _ => host += 1,
        }
    }
    host > 0
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
    /// Where the groups matched in `text`; the whole first.
    pub(crate) spans: &'e [Span],
    /// The groups of the last pattern condition that held.
    pub(crate) condition_groups: &'e Groups,
    /// The working path, decoded, where a rule has written one.
    pub(crate) working: Option<&'e [u8]>,
    /// Texts that rules have kept.
    pub(crate) slots: &'e [Vec<u8>],
    /// The working query.
    pub(crate) query: Option<&'e [u8]>,
    pub(crate) form: CaptureForm,
    pub(crate) relative: RelativeForm,
    pub(crate) dialect: &'e Dialect,
}

/// The groups of a pattern that a condition asked for.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    text: Vec<u8>,
    spans: Vec<Span>,
}

impl Groups {
    pub(crate) fn clear(&mut self) {
        self.spans.clear();
    }

    pub(crate) fn hold(&mut self, text: &[u8], spans: &[Span]) {
        self.text.clear();
        self.text.extend_from_slice(text);
        self.spans.clear();
        self.spans.extend_from_slice(spans);
    }

    fn get(&self, index: u8) -> &[u8] {
        match self.spans.get(usize::from(index)) {
            Some(Some((start, end))) => self.text.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => &[],
        }
    }
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
    // Where the request names no host (HTTP/1.0), a path is all that can be said: `http:///a` would make a host of it.
    if with.relative != RelativeForm::AsWritten && !with.host.is_empty() && out.first() == Some(&b'/') {
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

/// Writes a target without asking what a Location asks: for the working path of a rewrite, and for texts. Returns where the
/// query's `?` is.
pub(crate) fn write_parts(
    target: TargetBytes<'_>,
    with: &Expansion<'_>,
    policy: &QueryPolicy,
    out: &mut Vec<u8>,
) -> Result<Option<usize>, Refusal> {
    out.clear();
    match target {
        TargetBytes::Constant(text) => {
            // Inside, mod_rewrite knows no fragments.
            let has_none = with.form == CaptureForm::Verbatim && with.dialect.question == QuestionMark::Forbidden;
            let end = memchr::memchr(b'#', text).filter(|_| !has_none).unwrap_or(text.len());
            out.extend_from_slice(&text[..end]);
            let own = memchr::memchr(b'?', &text[..end]);
            let mark = with_policy(policy, with, own, end == text.len(), out);
            if end < text.len() {
                out.extend_from_slice(&text[end..]);
                close_query(policy, with, own.or(memchr::memchr(b'?', out)), out);
            }
            Ok(mark)
        }
        TargetBytes::Template(bytes) => Writer {
            with,
            out,
            host: None,
            path: None,
            query: None,
            fragment: None,
            has_capture_in_host: false,
            is_whole_host: false,
        }
        .template(bytes, policy),
    }
}

/// Adds the request's query to what a target wrote, whose own `?` is at `own`; `is_end` says that no fragment follows.
fn with_policy(
    policy: &QueryPolicy,
    with: &Expansion<'_>,
    own: Option<usize>,
    is_end: bool,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let before = out.len();
    match with.query {
        // A text that no client sees keeps the query as it came.
        Some(query)
            if with.form == CaptureForm::Verbatim
                && (*policy == QueryPolicy::Keep || *policy == QueryPolicy::Replace && own.is_none()) =>
        {
            if !query.is_empty() {
                match own {
                    None => out.push(b'?'),
                    Some(own) if own + 1 == out.len() => {}
                    Some(_) => out.push(b'&'),
                }
                out.extend_from_slice(query);
            }
        }
        // mod_rewrite escapes what it has put together, the request's part of it once more.
        Some(query)
            if *policy == QueryPolicy::Keep
                && own.is_some_and(|own| own + 1 < out.len())
                && !query.is_empty()
                && matches!(with.form, CaptureForm::Apache | CaptureForm::ApacheEscapedTwice) =>
        {
            out.push(b'&');
            push_apache(query, out);
        }
        // nginx joins with `&` whatever stands before it, as mod_rewrite does.
        Some(query)
            if *policy == QueryPolicy::Keep
                && own.is_some_and(|own| own + 1 < out.len())
                && !query.is_empty()
                && (with.dialect.captures == CaptureForm::NginxRewrite
                    || with.dialect.question == QuestionMark::Forbidden) =>
        {
            out.push(b'&');
            push_query(query, out);
        }
        query => push_by_policy(policy, query, own, out),
    }
    if is_end {
        close_query(policy, with, own, out);
    }
    // No bare `?` is left where the target's own query was empty; mod_rewrite never sends one.
    let is_never_bare = *policy == QueryPolicy::Keep || with.dialect.question == QuestionMark::Forbidden;
    if is_never_bare && own.is_some_and(|own| own + 1 == out.len()) {
        out.pop();
    }
    Some(own.unwrap_or(before)).filter(|&mark| out.get(mark) == Some(&b'?'))
}

/// mod_rewrite takes one `&` from the end of what a rule wrote behind a `?`, and knows no fragments.
fn close_query(policy: &QueryPolicy, with: &Expansion<'_>, own: Option<usize>, out: &mut Vec<u8>) {
    let adds = *policy != QueryPolicy::Keep || with.query.is_some_and(|query| !query.is_empty());
    let is_written = own.is_some_and(|own| own + 1 < out.len());
    if with.dialect.question == QuestionMark::Forbidden && out.last() == Some(&b'&') && is_written && adds {
        out.pop();
    }
}

fn make_absolute(with: &Expansion<'_>, out: &mut Vec<u8>) {
    let request = with.request;
    let port = match with.relative {
        RelativeForm::HostAndListenerPort => request.local_port,
        RelativeForm::HostAndItsPort => written_port(request).unwrap_or(request.local_port),
        RelativeForm::AsWritten => request.port,
        RelativeForm::Host => request.scheme.default_port(),
    };
    // Written behind the path and turned to its front.
    let path = out.len();
    out.extend_from_slice(request.scheme.as_str().as_bytes());
    out.extend_from_slice(b"://");
    out.extend_from_slice(with.host.as_bytes());
    if port != request.scheme.default_port() {
        out.extend_from_slice(format!(":{port}").as_bytes());
    }
    out.rotate_left(path);
}

/// The Host field as sent.
fn host_field(request: &Request<'_>) -> Vec<u8> {
    let mut host = Vec::new();
    request.each_field("host", &mut |field| host = field.to_vec());
    host
}

/// The port that the Host field names.
fn written_port(request: &Request<'_>) -> Option<u16> {
    let field = host_field(request);
    crate::host::split_authority(std::str::from_utf8(&field).ok()?).ok()?.1
}

struct Writer<'w, 'e> {
    with: &'w Expansion<'e>,
    out: &'w mut Vec<u8>,
    /// Where the host begins and ends.
    host: Option<(usize, usize)>,
    /// Where the path begins.
    path: Option<usize>,
    /// Where the target's own query begins.
    query: Option<usize>,
    /// Where its fragment begins.
    fragment: Option<usize>,
    has_capture_in_host: bool,
    /// Whether the piece that is written is all of it.
    is_whole_host: bool,
}

impl Writer<'_, '_> {
    fn template(mut self, bytes: &[u8], policy: &QueryPolicy) -> Result<Option<usize>, Refusal> {
        let mut before = Landing::Scheme;
        let mut swallow_slash = false;
        let mut mark = None;
        let mut is_closed = false;
        let mut pieces = shape::pieces(bytes);
        while let Some(piece) = pieces.next() {
            if piece.place == Landing::Path && self.path.is_none() {
                self.begin_path();
            }
            if piece.place >= Landing::Query && before < Landing::Query {
                self.end_path();
            }
            if piece.place == Landing::Query && self.query.is_none() {
                self.query = Some(self.out.len());
            }
            if piece.place == Landing::Fragment && self.fragment.is_none() {
                mark = self.with_policy(policy, false);
                self.fragment = Some(self.out.len());
            }
            let is_first = before < Landing::Host;
            before = piece.place;
            self.is_whole_host = piece.place == Landing::Host
                && is_first
                && pieces.clone().next().is_none_or(|next| next.place > Landing::Host);
            let from = self.out.len();
            // A query that is sent as it stands lost its last `&` when it was written.
            is_closed |= piece.place == Landing::Query && piece.what == What::Part(Part::QueryMark);
            match &piece.what {
                What::Literal(text) => {
                    let text = if swallow_slash { text.strip_prefix('/').unwrap_or(text) } else { text };
                    self.out.extend_from_slice(text.as_bytes());
                }
                _ => match self.insert(&piece) {
                    Err(Refusal::InvalidLocation) => return Err(self.refused(pieces)),
                    done => done?,
                },
            }
            // An empty capture between two slashes leaves one.
            swallow_slash = piece.place == Landing::Path
                && self.out.len() == from
                && (swallow_slash || self.out.last() == Some(&b'/'))
                && self.with.form == CaptureForm::Raw
                && !matches!(piece.what, What::Literal(_));
            if piece.place == Landing::Host {
                let start = self.host.map_or(from, |(start, _)| start);
                // A damaged file may have a path before its host.
                let end = self.path.filter(|&path| path >= start).unwrap_or(self.out.len());
                self.host = Some((start, end));
                self.has_capture_in_host |= !matches!(piece.what, What::Literal(_));
            }
        }
        if before < Landing::Query {
            self.end_path();
        }
        match self.fragment {
            // To nginx a fragment is a part of the path.
            Some(start) if self.with.form == CaptureForm::NginxRewrite && self.query.is_none() => {
                let undone = undone_by_nginx(&self.out[start..]);
                self.out.truncate(start);
                self.out.extend_from_slice(&undone);
            }
            Some(start) => {
                let opened = self.query.or(memchr::memchr(b'?', &self.out[start..]).map(|at| start + at));
                close_query(policy, self.with, opened, self.out);
            }
            None => mark = self.with_policy(policy, !is_closed),
        }
        self.check_host().map(|()| mark)
    }

    /// Why a Location with a host that is none is refused: mod_rewrite would have seen a `?` behind it first.
    fn refused<'p>(&self, mut rest: impl Iterator<Item = Piece<'p>>) -> Refusal {
        let text = |piece: &Piece<'_>| match &piece.what {
            What::Capture(index) => capture(self.with, *index, false).contains(&b'?'),
            What::ConditionCapture(index) => self.with.condition_groups.get(*index).contains(&b'?'),
            _ => false,
        };
        let is_forbidden = self.with.dialect.question == QuestionMark::Forbidden
            && rest.by_ref().take_while(|piece| piece.place < Landing::Query).any(|piece| text(&piece));
        if is_forbidden { Refusal::QuestionMark } else { Refusal::InvalidLocation }
    }

    fn with_policy(&mut self, policy: &QueryPolicy, is_end: bool) -> Option<usize> {
        if self.with.form == CaptureForm::NginxRewrite
            && let Some(path) = self.path
        {
            let end = self.query.unwrap_or(self.out.len());
            if self.out[path..end].contains(&b'%') {
                let undone = undone_by_nginx(&self.out[path..end]);
                self.query = self.query.map(|_| path + undone.len());
                self.out.splice(path..end, undone);
            }
        }
        with_policy(policy, self.with, self.query, is_end, self.out)
    }

    fn begin_path(&mut self) {
        self.path = Some(self.out.len());
    }

    /// A host is followed by a path that begins with `/`.
    fn end_path(&mut self) {
        let start = self.path.unwrap_or(self.out.len());
        let is_text = self.with.form == CaptureForm::Verbatim;
        if self.host.is_some() && self.out.get(start) != Some(&b'/') && !is_text {
            self.out.insert(start, b'/');
        }
        // nginx sends what is empty as it is: that is no Location.
        let is_kept = matches!(self.with.form, CaptureForm::Decoded | CaptureForm::NginxRewrite)
            && self.with.relative != RelativeForm::HostAndItsPort;
        if self.host.is_none() && self.out.len() == start && self.path.is_some() && !is_text && !is_kept {
            self.out.push(b'/');
        }
        self.path = Some(start);
    }

    fn check_host(&self) -> Result<(), Refusal> {
        let is_location = self.with.form != CaptureForm::Verbatim;
        let Some((start, end)) = self.host.filter(|_| self.has_capture_in_host && is_location) else { return Ok(()) };
        let host = std::str::from_utf8(&self.out[start..end]).unwrap_or_default();
        // Only what was taken of the Host field brings a port along.
        let host = crate::host::split_authority(host).map_or("", |(host, _)| host);
        match crate::host::normalise(host) {
            Ok(normal) if normal == host && !host.is_empty() => Ok(()),
            _ => Err(Refusal::InvalidLocation),
        }
    }

    fn insert(&mut self, piece: &Piece<'_>) -> Result<(), Refusal> {
        let with = self.with;
        match &piece.what {
            What::Literal(_) => {}
            What::Capture(index) => self.capture(capture(with, *index, false), piece.place)?,
            What::Tail(index) => self.text_of(capture(with, *index, true), piece.place, with.form)?,
            What::TailText(index) => {
                let tail = capture(with, *index, true);
                self.text_of(tail.strip_prefix(b"/").unwrap_or(tail), piece.place, with.form)?;
            }
            What::ConditionCapture(index) => {
                let group = with.condition_groups.get(*index);
                match piece.place {
                    // A group of the Host field may bring its port along.
                    Landing::Host if group.contains(&b':') => self.slot(group, Landing::Host)?,
                    place => self.capture(group, place)?,
                }
            }
            What::Part(part) => self.part(*part, piece.place)?,
            What::QueryValue(name) => {
                let found = query::pairs(with.query.unwrap_or_default())
                    .find(|(_, key, _)| query::is_same(key, name.as_bytes()))
                    .map(|(_, _, value)| value)
                    .unwrap_or_default();
                match piece.place {
                    _ if with.form == CaptureForm::Verbatim => self.out.extend_from_slice(found),
                    Landing::Query => push_query(found, self.out),
                    Landing::Path => push_value_in_path(found, self.out),
                    place => self.text_of(found, place, CaptureForm::Raw)?,
                }
            }
            What::Field(name) => {
                let mut value = Vec::new();
                with.request.each_field(name, &mut |line| {
                    if !value.is_empty() {
                        value.extend_from_slice(b", ");
                    }
                    value.extend_from_slice(line);
                });
                self.variable(&value, piece.place)?;
            }
            What::Slot(slot) => {
                let kept = with.slots.get(usize::from(*slot)).map(Vec::as_slice).unwrap_or_default();
                self.slot(kept, piece.place)?;
            }
            What::Changed(change, slot) => {
                let kept = with.slots.get(usize::from(*slot)).map(Vec::as_slice).unwrap_or_default();
                self.slot(&change.of(kept), piece.place)?;
            }
            What::Argument(name) => {
                let found = query::argument(with.query.unwrap_or_default(), name.as_bytes());
                self.variable(found, piece.place)?;
            }
            What::Cookie(name) => {
                let mut value = Vec::new();
                let mut is_found = false;
                with.request.fields.for_each("cookie", &mut |line| {
                    if let Some(found) = query::cookie(line, name.as_bytes()).filter(|_| !is_found) {
                        value.extend_from_slice(found);
                        is_found = true;
                    }
                });
                self.variable(&value, piece.place)?;
            }
            What::PortElse(port) => {
                let port = written_port(with.request).unwrap_or(*port);
                let scheme = if self.out.starts_with(b"https:") { Scheme::Https } else { Scheme::Http };
                let port = if port == 0 { with.request.scheme.default_port() } else { port };
                if port != scheme.default_port() {
                    self.out.extend_from_slice(format!(":{port}").as_bytes());
                }
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Part, place: Landing) -> Result<(), Refusal> {
        let with = self.with;
        match part {
            Part::Scheme => self.out.extend_from_slice(with.request.scheme.as_str().as_bytes()),
            Part::Host if with.host.is_empty() && with.form != CaptureForm::Verbatim => {
                return Err(Refusal::InvalidLocation);
            }
            // A number stands for an address in the place of a host; elsewhere nginx writes what was sent, in small letters.
            Part::Host if place >= Landing::Path && writes_variables_as_they_are(with.dialect) => {
                let host = with.request.host.strip_suffix('.').unwrap_or(with.request.host);
                self.out.extend(host.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
            Part::Host => self.out.extend_from_slice(with.host.as_bytes()),
            Part::Port if place == Landing::Port => {
                if with.request.port != with.request.scheme.default_port() {
                    self.out.extend_from_slice(format!(":{}", with.request.port).as_bytes());
                }
            }
            Part::Port => self.out.extend_from_slice(with.request.port.to_string().as_bytes()),
            Part::Path => {
                let path = with.request.path;
                let slash =
                    place == Landing::Path && self.out.last() == Some(&b'/') && self.path != Some(self.out.len());
                let path = if slash { path.strip_prefix(b"/").unwrap_or(path) } else { path };
                self.text_of(path, place, self.as_sent())?;
            }
            // In a path it is one segment, and cannot open a query of its own.
            Part::Query if place == Landing::Path && with.form != CaptureForm::Verbatim => {
                push_value_in_path(with.request.query.unwrap_or_default(), self.out);
            }
            Part::Query if place < Landing::Path => {
                self.text_of(with.request.query.unwrap_or_default(), place, CaptureForm::Raw)?;
            }
            Part::Query => self.query_text(with.request.query.unwrap_or_default()),
            // mod_rewrite escapes what it has put together, be it the request's own line.
            Part::PathAndQuery if self.is_put_together() => {
                let query = with.request.query.map(|query| [b"?", query].concat()).unwrap_or_default();
                self.variable(&[with.request.path, &query].concat(), place)?;
            }
            Part::PathAndQuery => {
                self.text_of(with.request.path, place, self.as_sent())?;
                if let Some(query) = with.request.query {
                    self.out.push(b'?');
                    self.query_text(query);
                }
            }
            Part::WorkingPath => {
                let path = match with.working {
                    Some(path) => path.into(),
                    None => normalised(with.request.path, with.dialect),
                };
                self.variable(&path, place)?;
            }
            Part::WorkingQuery if place == Landing::Path && self.is_put_together() => {
                self.variable(with.query.unwrap_or_default(), place)?;
            }
            Part::WorkingQuery => self.query_text(with.query.unwrap_or_default()),
            Part::Method => self.variable(with.request.method.as_bytes(), place)?,
            Part::LocalPort => self.out.extend_from_slice(with.request.local_port.to_string().as_bytes()),
            Part::Address => self.variable(with.request.address.to_string().as_bytes(), place)?,
            Part::Https => {
                let is_https = with.request.scheme == Scheme::Https;
                self.out.extend_from_slice(if is_https { b"on" } else { b"off" });
            }
            Part::QueryMark => {
                if with.query.is_some_and(|query| !query.is_empty()) {
                    self.out.push(b'?');
                }
            }
            Part::HostField => {
                let field = host_field(with.request);
                match std::str::from_utf8(&field).map(crate::host::split_authority) {
                    Ok(Ok((_, port))) if place == Landing::Host && with.form != CaptureForm::Verbatim => {
                        self.part(Part::Host, place)?;
                        if let Some(port) = port {
                            self.out.extend_from_slice(format!(":{port}").as_bytes());
                        }
                    }
                    _ => self.text_of(&field, place, with.form)?,
                }
            }
        }
        Ok(())
    }

    /// A numbered group in a text that nginx's `set` keeps: nginx escapes it as in a redirect's query, and only where the path of the
    /// request has an escape or a `+`.
    fn group_of_set(&mut self, text: &[u8]) {
        match self.with.request.path.iter().any(|&b| b == b'%' || b == b'+') {
            true => push_if(text, is_kept_by_nginx, push_escaped, self.out),
            false => self.out.extend_from_slice(text),
        }
    }

    /// A text that a rule kept; in the place of the host it may bring a port along, as the value of a `map` does.
    fn slot(&mut self, text: &[u8], place: Landing) -> Result<(), Refusal> {
        if place == GROUP_OF_SET && self.with.form == CaptureForm::Verbatim {
            self.group_of_set(text);
            return Ok(());
        }
        let colon = text.iter().rposition(|&b| b == b':');
        match colon {
            Some(at)
                if place == Landing::Host
                    && self.with.form != CaptureForm::Verbatim
                    && (1..=5).contains(&(text.len() - at - 1))
                    && text[at + 1..].iter().all(u8::is_ascii_digit) =>
            {
                self.text_of(&text[..at], place, self.with.form)?;
                self.out.extend_from_slice(&text[at..]);
                Ok(())
            }
            _ => self.variable(text, place),
        }
    }

    /// A group of a pattern. In the query of a path that goes on inside nginx, it is escaped as in a redirect.
    fn capture(&mut self, text: &[u8], place: Landing) -> Result<(), Refusal> {
        let inside = self.with.form == CaptureForm::Verbatim && self.with.dialect.captures == CaptureForm::NginxRewrite;
        match (inside, place) {
            (true, Landing::Query) if self.with.request.path.iter().any(|&b| b == b'%' || b == b'+') => {
                push_if(text, is_kept_by_nginx, push_escaped, self.out);
                Ok(())
            }
            _ if place == GROUP_OF_SET && self.with.form == CaptureForm::Verbatim => {
                self.group_of_set(text);
                Ok(())
            }
            _ => self.text_of(text, place, self.with.form),
        }
    }

    /// A text that is no capture: nginx's `rewrite` escapes captures alone.
    fn variable(&mut self, text: &[u8], place: Landing) -> Result<(), Refusal> {
        match (self.with.form, place) {
            (CaptureForm::NginxRewrite, place) => self.text_of(text, place, CaptureForm::Decoded),
            // Apache's `[B]` escapes captures alone.
            (CaptureForm::ApacheEscaped, place) => self.text_of(text, place, CaptureForm::Decoded),
            (CaptureForm::ApacheEscapedTwice, place) => self.text_of(text, place, CaptureForm::Apache),
            (form, place) => self.text_of(text, place, form),
        }
    }

    /// The form of what is sent on as it came.
    fn as_sent(&self) -> CaptureForm {
        if self.with.form == CaptureForm::Verbatim { CaptureForm::Verbatim } else { CaptureForm::Raw }
    }

    /// Whether it is a Location of mod_rewrite.
    fn is_put_together(&self) -> bool {
        self.with.dialect.question == QuestionMark::Forbidden && self.with.form != CaptureForm::Verbatim
    }

    fn query_text(&mut self, query: &[u8]) {
        match self.with.form {
            CaptureForm::Verbatim => self.out.extend_from_slice(query),
            CaptureForm::Apache | CaptureForm::ApacheEscapedTwice => push_apache(query, self.out),
            _ => push_query(query, self.out),
        }
    }

    /// Whether mod_rewrite answers a text with 403: a `?` before the target's own, a blank or a control left in the query.
    fn is_forbidden(&self, text: &[u8], place: Landing, form: CaptureForm) -> bool {
        if self.with.dialect.question == QuestionMark::Kept {
            return false;
        }
        let is_bare = |&b: &u8| b <= b' ' || b == 0x7F;
        // The request's own query stands before a fragment here, and opens nothing.
        let opened = || {
            let fragment = self.fragment.and_then(|start| self.out.get(start..)).unwrap_or_default();
            self.query.is_some() || fragment.contains(&b'?')
        };
        match (place, form) {
            // mod_rewrite looks for a `?` wherever it stands, and what follows is its query.
            (Landing::Fragment, CaptureForm::Decoded) if opened() => text.iter().any(is_bare),
            (Landing::Path | Landing::Fragment, CaptureForm::Apache | CaptureForm::Decoded) => {
                self.query.is_none() && text.contains(&b'?')
            }
            (Landing::Scheme | Landing::Host | Landing::Port, CaptureForm::Apache | CaptureForm::Decoded) => {
                text.contains(&b'?')
            }
            (Landing::Query, CaptureForm::Decoded) => text.iter().any(is_bare),
            _ => false,
        }
    }

    /// Text of the request, escaped for its place.
    fn text_of(&mut self, text: &[u8], place: Landing, form: CaptureForm) -> Result<(), Refusal> {
        if self.is_forbidden(text, place, form) {
            return Err(Refusal::QuestionMark);
        }
        // What `RedirectMatch` puts into a path opens a query with its first `?`, and nothing behind that is escaped.
        if form == CaptureForm::ApacheMatch && place == Landing::Path && self.query.is_none() {
            let mark = memchr::memchr(b'?', text).unwrap_or(text.len());
            push_apache(&text[..mark], self.out);
            if mark < text.len() {
                self.query = Some(self.out.len());
                push_if(&text[mark..], |b| (0x21..=0x7E).contains(&b), push_escaped, self.out);
            }
            return Ok(());
        }
        match (place, form) {
            (_, CaptureForm::Verbatim) => self.out.extend_from_slice(text),
            // Who writes the whole host writes a path behind it as well.
            (Landing::Host, CaptureForm::Apache) if self.is_whole_host && text.contains(&b'/') => {
                let (host, path) = text.split_at(memchr::memchr(b'/', text).unwrap_or(text.len()));
                self.is_whole_host = false;
                self.text_of(host, place, form)?;
                self.begin_path();
                push_apache(path, self.out);
            }
            (Landing::Scheme | Landing::Host | Landing::Port, _) => {
                let fits = text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b)) && !text.is_empty();
                if !fits {
                    return Err(Refusal::InvalidLocation);
                }
                self.out.extend(text.iter().map(u8::to_ascii_lowercase));
            }
            (Landing::Path, CaptureForm::Raw) => push_raw(text, is_path_byte, self.out),
            (_, CaptureForm::Raw) => {
                let opens = !writes_variables_as_they_are(self.with.dialect);
                push_raw(text, |b| is_query_byte(b) && !(opens && b"&=+".contains(&b)), self.out);
            }
            (_, CaptureForm::Decoded | CaptureForm::ApacheMatch) => {
                push_if(text, |b| (0x21..=0x7E).contains(&b), push_escaped, self.out)
            }
            (_, CaptureForm::NginxRewrite) => {
                let quoted = self.with.request.path.iter().any(|&b| b == b'%' || b == b'+');
                let kept = |b: u8| (0x21..=0x7E).contains(&b) && !(quoted && NGINX_ARGUMENT.contains(&b));
                push_if(text, kept, push_escaped, self.out);
            }
            (_, CaptureForm::Apache) => push_apache(text, self.out),
            (_, CaptureForm::ApacheEscaped | CaptureForm::ApacheEscapedTwice) => {
                let twice = form == CaptureForm::ApacheEscapedTwice;
                for &byte in text {
                    match byte {
                        b' ' => self.out.push(b'+'),
                        byte if byte.is_ascii_alphanumeric() || byte == b'_' => self.out.push(byte),
                        byte => {
                            let from = self.out.len();
                            push_escaped_lower(byte, self.out);
                            if twice {
                                self.out.splice(from + 1..from + 1, *b"25");
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether rules are nginx's: what its variables hold may open further pairs of a query there, and so it does here.
fn writes_variables_as_they_are(dialect: &Dialect) -> bool {
    matches!(dialect.captures, CaptureForm::Decoded | CaptureForm::NginxRewrite)
        && dialect.question == QuestionMark::Kept
}

/// A path decoded and normalised.
fn normalised<'p>(path: &'p [u8], dialect: &Dialect) -> Cow<'p, [u8]> {
    if crate::path::is_straight(path) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    match dialect.view {
        View::Apart => crate::path::push_apart(path, &mut out),
        _ => crate::path::push_normalised(path, dialect.encoded_slash, &mut out),
    }
    Cow::Owned(out)
}

/// The text of a capture: as sent where the form asks for it, else as the pattern saw it.
fn capture<'e>(with: &Expansion<'e>, index: u8, is_tail: bool) -> &'e [u8] {
    let Some(Some((start, end))) = with.spans.get(usize::from(index) + 1).copied() else { return b"" };
    let (start, end) = (start as usize, end as usize);
    if with.form != CaptureForm::Raw {
        return with.text.get(start..end).unwrap_or_default();
    }
    // Each byte of the text is the byte of the raw path at the same place, where that is in normal form.
    let is_same = with.working.is_some() || is_unreserved(with.raw);
    let place = |at: usize| if is_same { at } else { raw_offset(with.raw, at) };
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

/// What nginx escapes of a capture behind `?`, beside controls, blanks and bytes above 0x7E (`NGX_ESCAPE_ARGS`).
const NGINX_ARGUMENT: &[u8] = b"%#&+;?\"<>\\^`{|}";

/// Whether nginx leaves a byte of a group alone where it escapes groups.
fn is_kept_by_nginx(byte: u8) -> bool {
    (0x21..=0x7E).contains(&byte) && !NGINX_ARGUMENT.contains(&byte)
}

/// What becomes of the path of a redirect of nginx's `rewrite`: escapes of what needs none are undone up to the first `?`, a
/// broken one goes (`NGX_UNESCAPE_REDIRECT`).
fn undone_by_nginx(text: &[u8]) -> Vec<u8> {
    let hex = |at: usize| text.get(at).copied().filter(u8::is_ascii_hexdigit);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'%' => {
                if hex(at).is_none() {
                    continue;
                }
                if is_escape(text, at - 1) {
                    let mut decoded = Vec::new();
                    crate::path::push_decoded(&text[at - 1..at + 2], &mut decoded);
                    match decoded.first() {
                        Some(&byte @ b'&'..0x7F) => out.push(byte),
                        _ => out.extend_from_slice(&text[at - 1..at + 2]),
                    }
                }
                at += 2;
            }
            byte => out.push(byte),
        }
        if out.last() == Some(&b'?') {
            out.extend_from_slice(text.get(at..).unwrap_or_default());
            break;
        }
    }
    out
}

/// Appends bytes as Apache's `ap_escape_uri` does.
pub(crate) fn push_apache(text: &[u8], out: &mut Vec<u8>) {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"$-_.+!*'(),:;@&=/~".contains(&b);
    push_if(text, kept, push_escaped_lower, out);
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
    let whole = |text: &[u8]| memchr::memchr(b'#', text).unwrap_or(text.len());
    if location.first() == Some(&b'/') {
        let same = is_same_path(&location[..whole(location)], request);
        return if same { Relation::Same } else { Relation::Other };
    }
    let (scheme, rest) = match location.strip_prefix(b"https://") {
        Some(rest) => (Scheme::Https, rest),
        None => (Scheme::Http, location.strip_prefix(b"http://").unwrap_or_default()),
    };
    // Most go to another host, and that is seen soonest.
    if host.is_empty() || !rest.starts_with(host.as_bytes()) {
        return Relation::Other;
    }
    let rest = &rest[..whole(rest)];
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
        false if scheme == Scheme::Https => Relation::Upgrade,
        _ => Relation::Other,
    }
}

fn is_same_path(path_and_query: &[u8], request: &Request<'_>) -> bool {
    if same_bytes(path_and_query, request.path, request.query) {
        return true;
    }
    // What browsers send unescaped is escaped in every Location, and asks the same all the same.
    let plain_query = request.query.unwrap_or_default().iter().all(|&b| is_query_byte(b) || b == b'%');
    let is_plain = || is_unreserved(request.path) || request.path.iter().all(|&b| is_path_byte(b) || b == b'%');
    if plain_query && is_plain() {
        return false;
    }
    let (mut path, mut query) = (Vec::new(), Vec::new());
    push_raw(request.path, is_path_byte, &mut path);
    push_query(request.query.unwrap_or_default(), &mut query);
    same_bytes(path_and_query, &path, request.query.map(|_| query.as_slice()))
}

fn same_bytes(path_and_query: &[u8], path: &[u8], query: Option<&[u8]>) -> bool {
    match (path_and_query.strip_prefix(path), query) {
        (Some([]), None) => true,
        (Some([]), Some(query)) => query.is_empty(),
        (Some([b'?', rest @ ..]), Some(query)) => rest == query,
        _ => false,
    }
}
