//! Request targets and paths as bytes: the forms of a target, the views that patterns see, and which byte may stand where.
//!
//! One normalisation is byway's own ([`unreserved`]): percent-encoded unreserved characters are undone, the hex of every other
//! escape is in capitals, and a byte that no URI may hold is escaped. Rule and request are both compared in that form, so that
//! `/%61pi` does not slip past `/api`; `%2F` stays what it is and `//` is not merged (RFC 3986 §6.2.2).

use std::borrow::Cow;
use std::fmt;

use crate::decision::Refusal;
use crate::dialect::{Dialect, EncodedSlash, View};
use crate::request::Scheme;

const UNRESERVED: u8 = 1;
const SUB_DELIM: u8 = 2;
const PATH: u8 = 4;
const QUERY: u8 = 8;
const HEX: u8 = 16;
const SENT: u8 = 32;
const SENT_IN_QUERY: u8 = 64;

/// What each byte may be: the classes of RFC 3986 §2 and §3.3 to §3.4, and what browsers send beside them ([`request_target`]).
const CLASSES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            table[byte] |= UNRESERVED | PATH | QUERY;
        }
        if matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=') {
            table[byte] |= SUB_DELIM | PATH | QUERY;
        }
        if matches!(b, b':' | b'@' | b'/') {
            table[byte] |= PATH | QUERY;
        }
        if b == b'?' {
            table[byte] |= QUERY;
        }
        if b.is_ascii_hexdigit() {
            table[byte] |= HEX;
        }
        if matches!(b, b'[' | b']' | b'|' | b'^') {
            table[byte] |= SENT;
        }
        if matches!(b, b'[' | b']' | b'|' | b'^' | b'{' | b'}' | b'\\' | b'`') {
            table[byte] |= SENT_IN_QUERY;
        }
        byte += 1;
    }
    table
};

const fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Whether a byte may stand unescaped in a path (`pchar` or `/`).
pub(crate) const fn is_path_byte(byte: u8) -> bool {
    is(byte, PATH)
}

/// Whether a byte may stand unescaped in a query or fragment.
pub(crate) const fn is_query_byte(byte: u8) -> bool {
    is(byte, QUERY)
}

/// Whether `bytes[at]` begins a `%XX`.
pub(crate) fn is_escape(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..at + 3), Some([b'%', high, low]) if is(*high, HEX) && is(*low, HEX))
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10) & 15,
    }
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Writes `%XX` in capitals.
pub(crate) fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'%', UPPER[usize::from(byte >> 4)], UPPER[usize::from(byte & 15)]]);
}

/// Writes `%xx` in small letters, as Apache does.
pub(crate) fn push_escaped_lower(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'%', LOWER[usize::from(byte >> 4)], LOWER[usize::from(byte & 15)]]);
}

/// The target of a request in its four forms (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm<'a> {
    /// `/path?query`
    Origin(PathQuery<'a>),
    /// `http://host:port/path?query`
    Absolute {
        /// The scheme written.
        scheme: Scheme,
        /// `host[:port]`, without userinfo.
        authority: &'a str,
        /// Path and query; the path is `/` where none was written.
        path_query: PathQuery<'a>,
    },
    /// `host:port`, of CONNECT.
    Authority(&'a str),
    /// `*`, of OPTIONS.
    Asterisk,
}

/// A path and a query, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathQuery<'a> {
    /// Beginning with `/`.
    pub path: &'a [u8],
    /// Without `?`; `None` where there is none.
    pub query: Option<&'a [u8]>,
}

/// Why a request target is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTarget {
    /// It is in none of the four forms.
    Form,
    /// A byte that may not stand in a target.
    Byte(u8),
    /// `%` without two hexadecimal digits in the path.
    Escape,
    /// `user@` before the host (RFC 9110 §4.2.4).
    Userinfo,
    /// A scheme that is neither `http` nor `https`.
    Scheme,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadTarget::Form => f.write_str("the request target is in no form of RFC 9112 section 3.2"),
            BadTarget::Byte(b'#') => f.write_str("a request target holds no fragment"),
            BadTarget::Byte(byte) => write!(f, "the byte 0x{byte:02X} may not stand in a request target"),
            BadTarget::Escape => f.write_str("a `%` in the path without two hexadecimal digits"),
            BadTarget::Userinfo => f.write_str("a user name in the authority"),
            BadTarget::Scheme => f.write_str("a scheme that is neither http nor https"),
        }
    }
}

impl std::error::Error for BadTarget {}

/// Reads a request target.
///
/// Beside what RFC 3986 allows, what every browser sends unescaped is taken (URL Standard, percent-encode sets): `[`, `]`, `|`
/// and `^` in a path, in a query also `{`, `}`, `\`, a backtick and a lone `%`. A Location never carries them unescaped. `#`, controls, spaces and
/// bytes above 0x7E are refused.
///
/// ```
/// use byway_core::path::{BadTarget, PathQuery, TargetForm, request_target};
/// let form = request_target(b"/a%20b?x[]=1").unwrap();
/// assert_eq!(form, TargetForm::Origin(PathQuery { path: b"/a%20b", query: Some(b"x[]=1") }));
/// assert_eq!(request_target(b"/a#b"), Err(BadTarget::Byte(b'#')));
/// ```
pub fn request_target(target: &[u8]) -> Result<TargetForm<'_>, BadTarget> {
    if target.first() == Some(&b'/') {
        return path_query(target).map(TargetForm::Origin);
    }
    if target == b"*" {
        return Ok(TargetForm::Asterisk);
    }
    let text = std::str::from_utf8(target).map_err(|error| BadTarget::Byte(target[error.valid_up_to()]))?;
    let Some((scheme, rest)) = text.split_once("://") else { return authority_form(text) };
    let scheme = match scheme {
        s if s.eq_ignore_ascii_case("http") => Scheme::Http,
        s if s.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => return Err(BadTarget::Scheme),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    check_authority(authority)?;
    let path_query = match tail.as_bytes() {
        [] => PathQuery { path: b"/", query: None },
        [b'?', query @ ..] => PathQuery { path: b"/", query: Some(check_query(query)?) },
        tail => path_query(tail)?,
    };
    Ok(TargetForm::Absolute { scheme, authority, path_query })
}

fn authority_form(text: &str) -> Result<TargetForm<'_>, BadTarget> {
    check_authority(text)?;
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(TargetForm::Authority(text))
        }
        _ => Err(BadTarget::Form),
    }
}

fn check_authority(authority: &str) -> Result<(), BadTarget> {
    match authority {
        "" => Err(BadTarget::Form),
        a if a.contains('@') => Err(BadTarget::Userinfo),
        a => a.bytes().find(|b| !b.is_ascii_graphic()).map_or(Ok(()), |b| Err(BadTarget::Byte(b))),
    }
}

fn path_query(bytes: &[u8]) -> Result<PathQuery<'_>, BadTarget> {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if is(byte, PATH | SENT) {
            at += 1;
        } else if byte == b'?' {
            let (path, query) = bytes.split_at(at);
            return Ok(PathQuery { path, query: Some(check_query(&query[1..])?) });
        } else if is_escape(bytes, at) {
            at += 3;
        } else {
            return Err(if byte == b'%' { BadTarget::Escape } else { BadTarget::Byte(byte) });
        }
    }
    Ok(PathQuery { path: bytes, query: None })
}

fn check_query(query: &[u8]) -> Result<&[u8], BadTarget> {
    match query.iter().find(|&&byte| !is(byte, QUERY | SENT_IN_QUERY) && byte != b'%') {
        Some(&byte) => Err(BadTarget::Byte(byte)),
        None => Ok(query),
    }
}

/// byway's one normalisation of a path: borrowed where nothing changes.
///
/// ```
/// use byway_core::path::unreserved;
/// assert_eq!(unreserved(b"/%61pi/%2f/a|b"), &b"/api/%2F/a%7Cb"[..]);
/// assert_eq!(unreserved(b"/straight"), &b"/straight"[..]);
/// ```
pub fn unreserved(path: &[u8]) -> Cow<'_, [u8]> {
    match path.iter().position(|&byte| !is(byte, PATH)) {
        None => Cow::Borrowed(path),
        Some(first) => {
            let mut out = path[..first].to_vec();
            push_unreserved(&path[first..], &mut out);
            Cow::Owned(out)
        }
    }
}

/// Whether all bytes fit. No early exit and no table, so that the compiler makes it a few wide instructions; the last sixteen
/// bytes overlap with those before, so that nothing is left over.
#[inline(always)] // each caller's question is compiled into wide instructions of its own
pub(crate) fn all_bytes(bytes: &[u8], fits: impl Fn(u8) -> bool) -> bool {
    let whole = |chunk: &[u8]| chunk.iter().fold(true, |all, &byte| all & fits(byte));
    match bytes.last_chunk::<16>() {
        Some(last) => bytes.as_chunks::<16>().0.iter().fold(whole(last), |all, chunk| all & whole(chunk)),
        None => whole(bytes),
    }
}

/// Whether [`unreserved`] would change nothing; the test below holds it to the table.
pub(crate) fn is_unreserved(path: &[u8]) -> bool {
    all_bytes(path, |b| {
        let graphic = b.wrapping_sub(0x21) <= 0x5D;
        let other = (b == b'"') | (b == b'#') | (b == b'%') | (b == b'<') | (b == b'>') | (b == b'?');
        let brackets = (b.wrapping_sub(b'[') <= 3) & (b != b'_') | (b == b'`') | (b.wrapping_sub(b'{') <= 2);
        graphic & !other & !brackets
    })
}

/// Appends the normal form of `path`.
pub(crate) fn push_unreserved(path: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < path.len() {
        at += push_unit(path, at, out);
    }
}

/// As [`push_unreserved`], with a look first whether there is anything to do.
pub(crate) fn push_unreserved_quickly(path: &[u8], out: &mut Vec<u8>) {
    match is_unreserved(path) {
        true => out.extend_from_slice(path),
        false => push_unreserved(path, out),
    }
}

/// Appends the normal form of the unit at `at` and returns how many raw bytes it took.
fn push_unit(path: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    if is_escape(path, at) {
        let byte = hex_value(path[at + 1]) << 4 | hex_value(path[at + 2]);
        if is(byte, UNRESERVED) {
            out.push(byte)
        } else {
            push_escaped(byte, out)
        }
        3
    } else {
        if is(path[at], PATH) {
            out.push(path[at])
        } else {
            push_escaped(path[at], out)
        }
        1
    }
}

/// Where in the raw path the byte at `wanted` of its normal form comes from.
pub(crate) fn raw_offset(path: &[u8], wanted: usize) -> usize {
    let mut normal = 0;
    let mut at = 0;
    while at < path.len() && normal < wanted {
        let escape = is_escape(path, at);
        let (raw, byte) =
            if escape { (3, hex_value(path[at + 1]) << 4 | hex_value(path[at + 2])) } else { (1, path[at]) };
        let plain = if escape { is(byte, UNRESERVED) } else { is(byte, PATH) };
        normal += if plain { 1 } else { 3 };
        at += raw;
    }
    at
}

/// Appends `path` with every `%XX` undone.
pub(crate) fn push_decoded(path: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < path.len() {
        if is_escape(path, at) {
            out.push(hex_value(path[at + 1]) << 4 | hex_value(path[at + 2]));
            at += 3;
        } else {
            out.push(path[at]);
            at += 1;
        }
    }
}

/// Why a server that decodes paths refuses one, if it does.
pub(crate) fn refused_when_normalised(path: &[u8], dialect: &Dialect) -> Option<Refusal> {
    if is_straight(path) {
        return None;
    }
    if dialect.encoded_slash != EncodedSlash::Decoded {
        let Some(path) = resolved(path) else { return Some(Refusal::InvalidPath) };
        return match dialect.encoded_slash {
            EncodedSlash::NotFound if holds(&path, b'/') || holds(&path, 0) => Some(Refusal::EncodedSlash),
            _ if holds(&path, 0) => Some(Refusal::InvalidPath),
            _ => None,
        };
    }
    if holds(path, 0) {
        return Some(Refusal::InvalidPath);
    }
    let merges = dialect.view != View::Apart;
    let mut decoded = Vec::new();
    push_decoded(path, &mut decoded);
    let mut depth = 0i32;
    for segment in decoded.split(|&b| b == b'/') {
        match segment {
            b"" if merges => {}
            b"." => {}
            b".." if depth == i32::from(!merges) => return Some(Refusal::InvalidPath),
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    None
}

/// Whether a path holds a byte as an escape.
fn holds(path: &[u8], wanted: u8) -> bool {
    memchr::memchr_iter(b'%', path)
        .any(|at| is_escape(path, at) && hex_value(path[at + 1]) << 4 | hex_value(path[at + 2]) == wanted)
}

/// A path with runs of `/` merged and dot segments resolved before it is decoded, as httpd does it (`ap_normalize_path`): a
/// segment that goes takes its escapes along. `None` where it would leave the root.
pub(crate) fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut segments = path.split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match dots(segment) {
            None if segment.is_empty() && !last => {}
            None => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
            Some(count) => {
                if count == 2 {
                    out.truncate(out.iter().rposition(|&b| b == b'/')?);
                }
                if last {
                    out.push(b'/');
                }
            }
        }
    }
    Some(out)
}

/// How many dots a segment is, escaped or not, where it is one or two.
fn dots(segment: &[u8]) -> Option<usize> {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'E' | b'e', rest @ ..] => rest,
            _ => return None,
        };
        count += 1;
    }
    (1..=2).contains(&count).then_some(count)
}

/// Whether decoding and resolving would change nothing: no escape, no empty segment, none that begins with a dot. Without early
/// exit, so that the compiler makes it a few wide instructions.
pub(crate) fn is_straight(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else { return false };
    rest.iter().zip(path).fold(true, |fits, (&byte, &before)| {
        fits & (byte != b'%') & !((before == b'/') & ((byte == b'/') | (byte == b'.')))
    })
}

/// Appends `path` decoded, with runs of `/` merged and `.` and `..` resolved.
pub(crate) fn push_normalised(path: &[u8], slash: EncodedSlash, out: &mut Vec<u8>) {
    if is_straight(path) {
        return out.extend_from_slice(path);
    }
    let before = match slash {
        EncodedSlash::Decoded => None,
        EncodedSlash::NotFound | EncodedSlash::Kept => resolved(path),
    };
    let path = before.as_deref().unwrap_or(path);
    let start = out.len();
    let mut decoded = Vec::with_capacity(path.len());
    match slash {
        EncodedSlash::Kept => {
            let mut from = 0;
            for at in
                memchr::memchr_iter(b'%', path).filter(|&at| matches!(path.get(at..at + 3), Some(b"%2F" | b"%2f")))
            {
                push_decoded(&path[from..at], &mut decoded);
                decoded.extend_from_slice(&path[at..at + 3]);
                from = at + 3;
            }
            push_decoded(&path[from..], &mut decoded);
        }
        _ => push_decoded(path, &mut decoded),
    }
    let mut segments = decoded.split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" | b"." if !last => {}
            b"." => ensure_slash(out, start),
            b".." => {
                let parent = out[start..].iter().rposition(|&b| b == b'/').unwrap_or(0);
                out.truncate(start + parent);
                if last {
                    ensure_slash(out, start);
                }
            }
            b"" => ensure_slash(out, start),
            segment => {
                if out.last() != Some(&b'/') || out.len() == start {
                    out.push(b'/');
                }
                out.extend_from_slice(segment);
            }
        }
    }
    if out.len() == start {
        out.push(b'/');
    }
}

/// Appends `path` decoded, with `.` and `..` resolved and every slash kept.
pub(crate) fn push_apart(path: &[u8], out: &mut Vec<u8>) {
    if is_straight(path) {
        return out.extend_from_slice(path);
    }
    let start = out.len();
    let mut decoded = Vec::with_capacity(path.len());
    push_decoded(path, &mut decoded);
    let mut segments = decoded.strip_prefix(b"/").unwrap_or(&decoded).split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." if !last => {}
            b"." => out.push(b'/'),
            b".." => {
                let parent = out[start..].iter().rposition(|&b| b == b'/').unwrap_or(0);
                out.truncate(start + parent);
                if last {
                    out.push(b'/');
                }
            }
            segment => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if out.len() == start {
        out.push(b'/');
    }
}

fn ensure_slash(out: &mut Vec<u8>, start: usize) {
    if out.len() == start || out.last() != Some(&b'/') {
        out.push(b'/');
    }
}

/// Whether a path in normal form holds a segment `.` or `..` (RFC 3986 §3.3).
///
/// ```
/// use byway_core::path::has_dot_segment;
/// assert!(has_dot_segment(b"/a/../b") && has_dot_segment(b"/a/."));
/// assert!(!has_dot_segment(b"/a/.well-known/..."));
/// ```
pub fn has_dot_segment(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(dot) = memchr::memchr(b'.', rest) {
        let begins = dot == 0 || rest[dot - 1] == b'/';
        let mut after = &rest[dot + 1..];
        if begins {
            if let [b'.', more @ ..] = after {
                after = more;
            }
            if after.is_empty() || after[0] == b'/' {
                return true;
            }
        }
        // Go on behind this run of dots, so that `..` in the middle of a name is not read as a beginning.
        let skip = after.iter().position(|&b| b == b'/').unwrap_or(after.len());
        rest = &after[skip..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_test_agrees_with_the_table() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_unreserved(&[byte]), is(byte, PATH), "{byte:#x}");
            for place in [0, 15, 16, 20, 36] {
                let mut path = [b'a'; 37];
                path[place] = byte;
                assert_eq!(is_unreserved(&path), is(byte, PATH), "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn the_normal_form_maps_back_to_raw_places() {
        let raw = b"/%61/%2f|x";
        let normal = unreserved(raw);
        assert_eq!(&*normal, b"/a/%2F%7Cx");
        assert_eq!(raw_offset(raw, 1), 1);
        assert_eq!(raw_offset(raw, 2), 4);
        assert_eq!(raw_offset(raw, 6), 8);
        assert_eq!(raw_offset(raw, 9), 9);
        assert_eq!(raw_offset(raw, 10), 10);
    }

    #[test]
    fn paths_are_normalised_as_nginx_does() {
        for (raw, normal) in [
            ("/a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/..", "/"),
            ("/a%2Fb%20c", "/a/b c"),
            ("/", "/"),
            ("//", "/"),
        ] {
            let mut out = b"x".to_vec();
            push_normalised(raw.as_bytes(), EncodedSlash::Decoded, &mut out);
            assert_eq!(String::from_utf8_lossy(&out[1..]), normal, "{raw}");
        }
    }

    #[test]
    fn targets_are_told_apart() {
        assert_eq!(request_target(b"*"), Ok(TargetForm::Asterisk));
        assert_eq!(request_target(b"t.test:443"), Ok(TargetForm::Authority("t.test:443")));
        assert_eq!(request_target(b"http://u@t.test/"), Err(BadTarget::Userinfo));
        assert_eq!(request_target(b"ftp://t.test/"), Err(BadTarget::Scheme));
        assert_eq!(request_target(b"/a b"), Err(BadTarget::Byte(b' ')));
        assert_eq!(request_target(b"/%zz"), Err(BadTarget::Escape));
        assert_eq!(request_target(b"x"), Err(BadTarget::Form));
        assert!(matches!(request_target(b"/q?100%"), Ok(TargetForm::Origin(_))));
        assert!(matches!(request_target(b"HTTP://T.test?q"), Ok(TargetForm::Absolute { scheme: Scheme::Http, .. })));
    }
}
