//! The head of an HTTP/1.1 request: found, parsed and held to RFC 9112, so that nothing malformed is ever decided.
//!
//! `httparse` reads the fields; what it lets pass (bare LF, a second Host, Content-Length beside Transfer-Encoding) is ours to
//! refuse, since two readers that disagree about where a request ends are how requests are smuggled. The end of the head is
//! found first, line by line, so that a slow sender cannot make us parse the same bytes again and again.

use std::mem::MaybeUninit;

use byway_core::Fields;
use httparse::Header;

use crate::forwarded::Lines;
use crate::settings::Settings;

/// A head that is whole and well-formed.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) version: Version,
    pub(crate) fields: HeadFields<'a, 'a>,
    /// The value of Host; `None` where HTTP/1.0 sent none.
    pub(crate) host: Option<&'a str>,
    pub(crate) framing: Framing,
    pub(crate) expects_continue: bool,
    pub(crate) persistence: Persistence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// How the body that follows ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// Whether the client wants to go on with this connection (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// HTTP/1.1 as it is.
    Keep,
    /// HTTP/1.0 that asked for it, and must be told so.
    KeepAndSay,
    Close,
}

/// Why a head is refused. The connection ends with the answer: where the next request begins is anyone's guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHead {
    Syntax(&'static str),
    TargetTooLong,
    HeadTooLarge,
    UnknownCoding,
    Version,
    TimedOut,
    Method,
    Misdirected,
}

impl BadHead {
    pub(crate) fn status(self) -> u16 {
        match self {
            BadHead::Syntax(_) => 400,
            BadHead::Method => 405,
            BadHead::TimedOut => 408,
            BadHead::TargetTooLong => 414,
            BadHead::Misdirected => 421,
            BadHead::HeadTooLarge => 431,
            BadHead::UnknownCoding => 501,
            BadHead::Version => 505,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            BadHead::Syntax(what) => what,
            BadHead::Method => "This method is not served here.",
            BadHead::Misdirected => "This scheme is not served on this connection.",
            BadHead::TimedOut => "The head of the request took too long.",
            BadHead::TargetTooLong => "The request line is too long.",
            BadHead::HeadTooLarge => "The head of the request is too large.",
            BadHead::UnknownCoding => "This transfer coding is not known here.",
            BadHead::Version => "This version of HTTP is not served here.",
        }
    }
}

/// Looks for the empty line that ends a head, going on where the last look ended.
///
/// Returns the length of the head with that line, or `None` where it is still to come. `scanned` remembers how many whole lines
/// were looked at. A line that ends without CR is refused: recipients that accept it are how requests are smuggled.
pub(crate) fn find_end(bytes: &[u8], scanned: &mut usize, limits: &Settings) -> Result<Option<usize>, BadHead> {
    while let Some(length) = memchr::memchr(b'\n', &bytes[*scanned..]) {
        let (start, end) = (*scanned, *scanned + length);
        if end == 0 || bytes[end - 1] != b'\r' {
            return Err(BadHead::Syntax("A line ends without CR."));
        }
        if start == 0 && length > limits.request_line {
            return Err(BadHead::TargetTooLong);
        }
        *scanned = end + 1;
        if length == 1 {
            return if end < limits.head { Ok(Some(end + 1)) } else { Err(BadHead::HeadTooLarge) };
        }
    }
    match *scanned {
        0 if bytes.len() > limits.request_line => Err(BadHead::TargetTooLong),
        _ if bytes.len() > limits.head => Err(BadHead::HeadTooLarge),
        _ => Ok(None),
    }
}

/// How many bytes of empty lines stand in front of a request line (RFC 9112 §2.2 lets a server skip them).
pub(crate) fn empty_lines(bytes: &[u8]) -> usize {
    let mut skipped = 0;
    while bytes[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    skipped
}

/// Room for the fields of one head, on the stack and not initialised.
pub(crate) type Room<'a> = [MaybeUninit<Header<'a>>; Settings::FIELDS_MOST];

/// Parses the bytes of one whole head.
pub(crate) fn parse<'a>(bytes: &'a [u8], room: &'a mut Room<'a>, limits: &Settings) -> Result<Head<'a>, BadHead> {
    let mut request = httparse::Request::new(&mut []);
    let most = limits.fields.min(Settings::FIELDS_MOST);
    match request.parse_with_uninit_headers(bytes, &mut room[..most]) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(BadHead::Syntax("The head does not end where it seems to.")),
        Err(error) => return Err(refused(error, bytes)),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(BadHead::Syntax("The request line is not whole."));
    };
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let headers: &'a [Header<'a>] = request.headers;
    let seen = Seen::of(headers)?;
    Ok(Head {
        method,
        target,
        version,
        fields: HeadFields(headers),
        host: seen.host_for(version)?,
        framing: seen.framing(version)?,
        expects_continue: seen.expects_continue && version == Version::Http11,
        persistence: seen.persistence(version),
    })
}

fn refused(error: httparse::Error, bytes: &[u8]) -> BadHead {
    match error {
        httparse::Error::HeaderName => BadHead::Syntax("A field name is not valid."),
        httparse::Error::HeaderValue => BadHead::Syntax("A field value is not valid."),
        httparse::Error::NewLine => BadHead::Syntax("A line does not end as it must."),
        httparse::Error::Token => BadHead::Syntax("The request line is not valid."),
        httparse::Error::TooManyHeaders => BadHead::HeadTooLarge,
        httparse::Error::Version if is_of_another_version(bytes) => BadHead::Version,
        _ => BadHead::Syntax("The request is not valid."),
    }
}

/// Whether a request line is one but for its version: three parts, the last `HTTP/` and two digits.
fn is_of_another_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|&byte| byte == b' ').skip(2);
    matches!((parts.next(), parts.next()), (Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']), None))
}

/// Whether bytes can be the beginning of a request line: a method is a token (RFC 9110 §5.6.2). What speaks TLS to us is told
/// so at once, and not when the time for its head is up.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(b'\r') => bytes.len() == 1,
        Some(first) => first.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(first),
        None => true,
    }
}

/// What can be told of a request line that is refused, for the log: as far as it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Glimpse<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a [u8],
    pub(crate) version: &'a str,
}

/// The longest target that a log writes of a request that was refused.
const GLIMPSE: usize = 1_024;

impl<'a> Glimpse<'a> {
    /// Looks at the first line of what arrived, which may be anything. What does not look like a method shows nothing.
    pub(crate) fn of(bytes: &'a [u8]) -> Glimpse<'a> {
        let line = bytes.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        let (method, target, version) = (parts.next(), parts.next(), parts.next());
        let is_method = |method: &&[u8]| {
            method.len() <= 32 && method.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        };
        let (Some(method), Some(target)) = (method.filter(is_method), target) else { return Glimpse::default() };
        let version = version.filter(|version| version.len() == 8 && version.starts_with(b"HTTP/"));
        Glimpse {
            method: str::from_utf8(method).unwrap_or_default(),
            target: &target[..target.len().min(GLIMPSE)],
            version: version.and_then(|version| str::from_utf8(version).ok()).unwrap_or_default(),
        }
    }
}

/// The fields that say how the message is framed and where it is for, collected in one pass.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    coding: Option<&'a [u8]>,
    expects_continue: bool,
    close: bool,
    keep_alive: bool,
}

impl<'a> Seen<'a> {
    fn of(headers: &'a [Header<'a>]) -> Result<Seen<'a>, BadHead> {
        let mut seen = Seen::default();
        for header in headers {
            // The length of the name rules out nearly all fields before any letter is compared.
            match header.name.len() {
                4 if is(header, "host") => seen.see_host(header.value)?,
                6 if is(header, "expect") => {
                    seen.expects_continue |= header.value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
                }
                10 if is(header, "connection") => seen.see_connection(header.value),
                14 if is(header, "content-length") => seen.see_length(header.value)?,
                17 if is(header, "transfer-encoding") => seen.see_coding(header.value)?,
                _ => {}
            }
        }
        Ok(seen)
    }

    fn see_host(&mut self, value: &'a [u8]) -> Result<(), BadHead> {
        match self.host.replace(value) {
            None => Ok(()),
            Some(_) => Err(BadHead::Syntax("There are two Host fields.")),
        }
    }

    fn see_coding(&mut self, value: &'a [u8]) -> Result<(), BadHead> {
        match self.coding.replace(value.trim_ascii()) {
            None => Ok(()),
            Some(_) => Err(BadHead::Syntax("There are two Transfer-Encoding fields.")),
        }
    }

    fn see_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// A second Content-Length is refused even when it says the same: RFC 9112 §6.3 allows that, and nobody honest sends it.
    fn see_length(&mut self, value: &[u8]) -> Result<(), BadHead> {
        match self.length.replace(decimal(value.trim_ascii())?) {
            None => Ok(()),
            Some(_) => Err(BadHead::Syntax("There are two Content-Length fields.")),
        }
    }

    /// A request of HTTP/1.1 needs a Host (RFC 9112 §3.2).
    fn host_for(&self, version: Version) -> Result<Option<&'a str>, BadHead> {
        match self.host {
            None if version == Version::Http11 => Err(BadHead::Syntax("There is no Host field.")),
            None => Ok(None),
            Some(host) => match str::from_utf8(host) {
                Ok(host) => Ok(Some(host)),
                Err(_) => Err(BadHead::Syntax("The Host field is not valid.")),
            },
        }
    }

    fn framing(&self, version: Version) -> Result<Framing, BadHead> {
        match (self.coding, self.length) {
            (Some(_), Some(_)) => Err(BadHead::Syntax("There are both Content-Length and Transfer-Encoding.")),
            (Some(_), None) if version == Version::Http10 => Err(BadHead::Syntax("HTTP/1.0 has no Transfer-Encoding.")),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(_), None) => Err(BadHead::UnknownCoding),
            (None, None | Some(0)) => Ok(Framing::None),
            (None, Some(length)) => Ok(Framing::Length(length)),
        }
    }

    fn persistence(&self, version: Version) -> Persistence {
        match version {
            _ if self.close => Persistence::Close,
            Version::Http11 => Persistence::Keep,
            Version::Http10 if self.keep_alive => Persistence::KeepAndSay,
            Version::Http10 => Persistence::Close,
        }
    }
}

fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// `1*DIGIT`: no sign, no list, nothing beyond 64 bits.
fn decimal(text: &[u8]) -> Result<u64, BadHead> {
    const INVALID: BadHead = BadHead::Syntax("The Content-Length is not a number.");
    if text.is_empty() {
        return Err(INVALID);
    }
    text.iter().try_fold(0u64, |sum, &byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(byte - b'0'))).ok_or(INVALID),
        _ => Err(INVALID),
    })
}

/// The fields of a head, as conditions ask for them.
pub(crate) struct HeadFields<'h, 'b>(&'h [Header<'b>]);

impl Fields for HeadFields<'_, '_> {
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        for header in self.0 {
            if header.name.eq_ignore_ascii_case(name) {
                visit(header.value);
            }
        }
    }
}

impl<'b> Lines<'b> for HeadFields<'_, 'b> {
    fn lines(&self, name: &str, mut visit: impl FnMut(&'b [u8])) {
        self.0.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).for_each(|header| visit(header.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &str) -> Result<(Framing, Persistence), BadHead> {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut room = [MaybeUninit::uninit(); Settings::FIELDS_MOST];
        parse(text.as_bytes(), &mut room, &Settings::default()).map(|head| (head.framing, head.persistence))
    }

    #[test]
    fn framing_is_certain_or_refused() {
        assert_eq!(framing("Content-Length: 3\r\n"), Ok((Framing::Length(3), Persistence::Keep)));
        assert_eq!(
            framing("Transfer-Encoding: Chunked\r\nConnection: x, Close\r\n"),
            Ok((Framing::Chunked, Persistence::Close))
        );
        for bad in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Host: b\r\n",
            "Space : a\r\n",
            "Folded: a\r\n b\r\n",
            "Null: a\0b\r\n",
            "Return: a\rb\r\n",
        ] {
            assert!(matches!(framing(bad), Err(BadHead::Syntax(_))), "{bad:?}");
        }
        assert_eq!(framing("Transfer-Encoding: gzip, chunked\r\n"), Err(BadHead::UnknownCoding));
    }

    #[test]
    fn of_what_is_refused_the_line_is_seen_as_far_as_it_is_one() {
        let of = |text: &'static [u8]| {
            let Glimpse { method, target, version } = Glimpse::of(text);
            (method, str::from_utf8(target).unwrap_or("?"), version)
        };
        assert_eq!(of(b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"), ("GET", "/a?b", "HTTP/1.1"));
        assert_eq!(of(b"GET /a b HTTP/1.1\r\n"), ("GET", "/a", ""));
        assert_eq!(of(b"GET /a\n"), ("GET", "/a", ""));
        assert_eq!(of(b"\x16\x03\x01 x y"), ("", "", ""));
        assert_eq!(of(b""), ("", "", ""));
        let long = [b"GET /".as_slice(), &[b'a'; 5_000]].concat();
        assert_eq!(Glimpse::of(&long).target.len(), GLIMPSE);
    }

    #[test]
    fn the_end_is_found_byte_by_byte() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let mut scanned = 0;
        for length in 0..text.len() - 5 {
            assert_eq!(find_end(&text[..length], &mut scanned, &Settings::default()), Ok(None), "{length}");
        }
        assert_eq!(find_end(text, &mut scanned, &Settings::default()), Ok(Some(text.len() - 4)));
        assert!(find_end(b"GET / HTTP/1.1\nHost: a\n\n", &mut 0, &Settings::default()).is_err());
    }

    #[test]
    fn limits_hold_before_the_head_is_whole() {
        let limits = Settings { request_line: 20, head: 40, ..Settings::default() };
        assert_eq!(find_end(&[b'a'; 21], &mut 0, &limits), Err(BadHead::TargetTooLong));
        assert_eq!(
            find_end(b"GET / HTTP/1.1\r\nA: aaaaaaaaaaaaaaaaaaaaaaaaaaaa", &mut 0, &limits),
            Err(BadHead::HeadTooLarge)
        );
    }
}
