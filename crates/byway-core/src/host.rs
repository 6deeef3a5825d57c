//! Hosts: how they are written, how they compare, and the patterns of sources.
//!
//! Hosts compare as lower-case A-labels without the last dot. What people write (capitals, umlauts, a final dot) is brought into
//! that form once, by the rules of the URL Standard (UTS 46 for names, one spelling for addresses).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A pattern for hosts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern<'a> {
    /// Any host, or none.
    Any,
    /// This host.
    Exact(Cow<'a, str>),
    /// One or more labels before this host, not the host itself: `*.example.com` is `Below("example.com")`.
    Below(Cow<'a, str>),
}

/// Why a text is no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for InvalidHost {}

fn invalid(text: &str, what: impl Into<String>, help: Option<&str>) -> InvalidHost {
    InvalidHost { at: 0..text.len(), what: what.into(), help: help.map(str::to_owned) }
}

/// Brings a host into the form in which hosts compare.
///
/// ```
/// use byway_core::host::normalise;
/// assert_eq!(normalise("Bücher.Example.").unwrap(), "xn--bcher-kva.example");
/// assert_eq!(normalise("[::0001]").unwrap(), "[::1]");
/// assert!(normalise("ex ample.test").is_err());
/// ```
pub fn normalise(text: &str) -> Result<Cow<'_, str>, InvalidHost> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    if is_plain(bare) {
        return Ok(Cow::Borrowed(bare));
    }
    if bare.ends_with('.') {
        return Err(invalid(text, format!("`{text}` has an empty label"), None));
    }
    let parsed = url::Host::parse(bare)
        .map_err(|error| invalid(text, format!("`{text}` is no host: {error}"), Some(help_for(text))))?
        .to_string();
    match parsed.strip_suffix('.').unwrap_or(&parsed) {
        "" => Err(invalid(text, "the host is empty", None)),
        host if host.split('.').any(str::is_empty) => Err(invalid(text, format!("`{text}` has an empty label"), None)),
        host if !host.starts_with('[') && !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => {
            Err(invalid(
                text,
                format!("`{text}` is no host: it holds more than letters, digits, `-`, `_` and dots"),
                Some(help_for(text)),
            ))
        }
        host if host.len() > 253 => Err(invalid(text, "a host has at most 253 bytes", None)),
        host => Ok(Cow::Owned(host.to_owned())),
    }
}

/// What to write instead of what is no host.
fn help_for(text: &str) -> &'static str {
    match text {
        _ if text.contains(['{', '}']) => "leave the host out for any host, or write `*.example.com` for all below one",
        _ if text.contains(char::is_whitespace) => "take the blank out",
        _ => "write a name as `www.example.com`, or an address as `192.0.2.1` or `[2001:db8::1]`",
    }
}

/// Whether a host is in its compared form already: small letters, digits, `-`, `_`, dots between labels, a letter at the end
/// (so that it is no address), and no label that IDNA would look into. One pass, since every request asks.
fn is_plain(host: &str) -> bool {
    let bytes = host.as_bytes();
    let mut label = 0usize;
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
            b'.' if (1..=63).contains(&label) => label = 0,
            _ => return false,
        }
    }
    (1..=63).contains(&label)
        && bytes.len() <= 253
        && bytes.last().is_some_and(u8::is_ascii_lowercase)
        && !(bytes.contains(&b'-') && host.contains("xn--"))
        && !ends_in_hexadecimal(bytes)
}

/// Whether a host is an IPv4 address in its one spelling.
fn is_plain_address(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Whether the last label is a number such as `0xa`, which makes the whole an address.
fn ends_in_hexadecimal(host: &[u8]) -> bool {
    let start = host.iter().rposition(|&b| b == b'.').map_or(0, |dot| dot + 1);
    host[start..].starts_with(b"0x")
}

/// Writes the compared form of a request's host into `out`; `false` where it is no host.
pub(crate) fn push_normalised(host: &str, out: &mut String) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let start = out.len();
    out.push_str(bare);
    out[start..].make_ascii_lowercase();
    if host.is_empty() || is_plain(&out[start..]) || is_plain_address(&out[start..]) {
        return true;
    }
    out.truncate(start);
    match normalise(host) {
        Ok(host) => {
            out.push_str(&host);
            true
        }
        Err(_) => false,
    }
}

/// Why `host[:port]` is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAuthority {
    /// `user@` stands before the host.
    Userinfo,
    /// The port is no number from 1 to 65535.
    Port,
    /// The host is empty or broken.
    Host,
}

impl fmt::Display for BadAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadAuthority::Userinfo => "a user name may not stand before the host (RFC 9110 section 4.2.4)",
            BadAuthority::Port => "the port is no number from 1 to 65535",
            BadAuthority::Host => "the host is empty or no host",
        })
    }
}

impl std::error::Error for BadAuthority {}

/// Splits `host[:port]`; an IPv6 address keeps its brackets.
///
/// ```
/// use byway_core::host::{BadAuthority, split_authority};
/// assert_eq!(split_authority("[::1]:8307"), Ok(("[::1]", Some(8307))));
/// assert_eq!(split_authority("t.test:"), Ok(("t.test", None)));
/// assert_eq!(split_authority("a@t.test"), Err(BadAuthority::Userinfo));
/// ```
pub fn split_authority(text: &str) -> Result<(&str, Option<u16>), BadAuthority> {
    if text.contains('@') {
        return Err(BadAuthority::Userinfo);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']').ok_or(BadAuthority::Host)? + 2;
            (&text[..end], &text[end..])
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    // A lone dot is an empty label, and no way to send no host.
    if host.is_empty()
        || host == "."
        || !host.bytes().all(|b| b.is_ascii_graphic() && !b"\\/?#<>\"`{}|^".contains(&b) || b >= 0x80)
    {
        return Err(BadAuthority::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        Some("") => Ok((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
            Ok(port @ 1..) => Ok((host, Some(port))),
            _ => Err(BadAuthority::Port),
        },
        Some(_) => Err(BadAuthority::Port),
        None => Err(BadAuthority::Host),
    }
}

impl<'a> HostPattern<'a> {
    /// Reads `example.com`, `*.example.com` or `*`.
    ///
    /// ```
    /// use byway_core::host::HostPattern;
    /// assert_eq!(HostPattern::parse("*.Example.com").unwrap(), HostPattern::Below("example.com".into()));
    /// assert!(HostPattern::parse("a.*.com").is_err());
    /// ```
    pub fn parse(text: &'a str) -> Result<HostPattern<'a>, InvalidHost> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        if let Some(parent) = text.strip_prefix("*.") {
            return Ok(HostPattern::Below(normalise(parent)?));
        }
        if text.contains('*') {
            let help = "a host pattern is a whole host, `*.example.com` for everything below one, or `*` for any";
            return Err(invalid(text, format!("`*` stands inside the host `{text}`"), Some(help)));
        }
        Ok(HostPattern::Exact(normalise(text)?))
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> HostPattern<'static> {
        match self {
            HostPattern::Any => HostPattern::Any,
            HostPattern::Exact(host) => HostPattern::Exact(Cow::Owned(host.into_owned())),
            HostPattern::Below(parent) => HostPattern::Below(Cow::Owned(parent.into_owned())),
        }
    }

    /// Whether a host in its compared form fits.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Exact(exact) => host == exact,
            HostPattern::Below(parent) => is_below(host, parent),
        }
    }
}

/// Whether `host` has one or more labels before `parent`.
pub(crate) fn is_below(host: &str, parent: &str) -> bool {
    host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl fmt::Display for HostPattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => f.write_str("*"),
            HostPattern::Exact(host) => f.write_str(host),
            HostPattern::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_compare_as_browsers_compare_them() {
        for (text, normal) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("faß.test", "xn--fa-hia.test"),
            ("evil。test", "evil.test"),
            ("127.1", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("my_host.test", "my_host.test"),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(normal), "{text}");
            let mut out = String::new();
            assert!(push_normalised(text, &mut out));
            assert_eq!(out, normal);
        }
        for text in ["", ".", "a..", "a%00b", "a b", "x/y"] {
            assert!(normalise(text).is_err(), "{text}");
            assert_eq!(push_normalised(text, &mut String::new()), text.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_is_labels_and_not_the_apex() {
        let below = HostPattern::parse("*.example.com").unwrap();
        assert!(below.matches("a.example.com") && below.matches("a.b.example.com"));
        assert!(!below.matches("example.com") && !below.matches("xexample.com") && !below.matches(".example.com"));
    }

    #[test]
    fn authorities_are_split() {
        assert_eq!(split_authority("t.test:8443"), Ok(("t.test", Some(8443))));
        assert_eq!(split_authority("t.test:70000"), Err(BadAuthority::Port));
        assert_eq!(split_authority("t.test:0"), Err(BadAuthority::Port));
        assert_eq!(split_authority("[::1"), Err(BadAuthority::Host));
        assert_eq!(split_authority(""), Err(BadAuthority::Host));
        assert_eq!(split_authority("."), Err(BadAuthority::Host));
        assert_eq!(split_authority(".:80"), Err(BadAuthority::Host));
        assert_eq!(split_authority("t.test:8a"), Err(BadAuthority::Port));
    }
}
