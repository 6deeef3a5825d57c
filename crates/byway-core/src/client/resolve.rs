//! How clients turn the bytes of `Location` into a URL: as the URL Standard says, or as curl does.
//!
//! Both begin from bytes, since that is what a server sends. Bytes above ASCII are escaped as they stand, as Chromium does.

use crate::chain::BadLocation;
use std::borrow::Cow;
use std::fmt::Write;
use url::Url;

/// A way of resolving Location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The URL Standard: a backslash is a slash, tabs and line ends vanish, `http:x` may be relative.
    UrlStandard,
    /// curl: close to RFC 3986, but a scheme or a `//` may be followed by one slash too many or too few.
    Curl,
}

impl Resolution {
    /// The URL that this Location means to such a client.
    ///
    /// ```
    /// use byway_core::client::Resolution;
    /// let base = "https://site.test/dir/page".parse().unwrap();
    /// let standard = Resolution::UrlStandard.resolve(&base, b"/\\evil.test/").unwrap();
    /// assert_eq!(standard.host_str(), Some("evil.test"));
    /// let curl = Resolution::Curl.resolve(&base, b"/\\evil.test/").unwrap();
    /// assert_eq!(curl.as_str(), "https://site.test/%5Cevil.test/");
    /// ```
    pub fn resolve(self, base: &Url, location: &[u8]) -> Result<Url, BadLocation> {
        let text = ascii(location);
        match self {
            Resolution::UrlStandard => base.join(&two_slashes(&text)).map_err(|_| BadLocation::NotAUrl),
            Resolution::Curl => curl(base, text.trim_matches([' ', '\t'])).ok_or(BadLocation::NotAUrl),
        }
    }
}

/// The URL Standard skips any number of slashes before a host (special authority ignore slashes state); the `url` crate, in
/// 2.5.8, takes a third for an empty host and fails. So a host behind three slashes would go unseen, though browsers go there.
fn two_slashes(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let is_skipped = |c: char| matches!(c, '/' | '\\' | '\t' | '\r' | '\n');
    let rest = text.trim_start_matches(is_skipped);
    let slashes = text[..text.len() - rest.len()].chars().filter(|c| matches!(c, '/' | '\\')).count();
    if slashes > 2 { Cow::Owned(format!("//{rest}")) } else { Cow::Borrowed(text) }
}

/// Whether clients are known to read this Location in different ways, so that what one checks is not where another goes.
///
/// ```
/// use byway_core::client::reads_differently;
/// assert!(reads_differently(b"/\\evil.test") && reads_differently(b"///evil.test") && reads_differently(b"http:x"));
/// assert!(!reads_differently(b"//a.test/x") && !reads_differently(b"https://a.test/?u=a\\b") && !reads_differently(b"?x"));
/// ```
pub fn reads_differently(location: &[u8]) -> bool {
    let text = ascii(location);
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    let after_scheme = split_scheme(before_query).filter(|(scheme, _)| is_web(scheme));
    let slashes = |text: &str| text.bytes().take_while(|b| *b == b'/').count();
    let odd_slashes = match after_scheme {
        Some((_, rest)) => slashes(rest) != 2,
        None => slashes(before_query) > 2,
    };
    odd_slashes || before_query.contains('\\') || text.contains(['\t', '\r', '\n'])
}

/// The bytes as text, with everything above ASCII escaped.
fn ascii(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().fold(String::new(), |mut text, byte| {
            push_escaped(&mut text, *byte, !byte.is_ascii());
            text
        })),
    }
}

fn push_escaped(text: &mut String, byte: u8, escaped: bool) {
    if escaped {
        let _ = write!(text, "%{byte:02X}"); // writing to a String cannot fail
    } else {
        text.push(char::from(byte));
    }
}

/// Measured with curl 7.88.1, and 8.23 where they differ.
fn curl(base: &Url, text: &str) -> Option<Url> {
    match split_scheme(text) {
        Some((scheme, rest)) if is_web(scheme) => with_authority(scheme, rest, 1),
        Some(_) => Url::parse(text).ok(),
        None if text.starts_with("//") => with_authority(base.scheme(), text, 2),
        None => base.join(&escape_path(text)).ok(),
    }
}

/// From `fewest` to three slashes, then the host.
fn with_authority(scheme: &str, rest: &str, fewest: usize) -> Option<Url> {
    let slashes = rest.bytes().take_while(|b| *b == b'/').count();
    if !(fewest..=3).contains(&slashes) {
        return None;
    }
    let rest = &rest[slashes..];
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let clean = !authority.bytes().any(|b| b.is_ascii_control() || b == b' ');
    let authority = authority.replace('\\', "%5C"); // never a slash to curl: before `@` part of the user, else no host
    let url = format!("{scheme}://{authority}{}", escape_path(path));
    clean.then(|| Url::parse(&url).ok()).flatten()
}

/// Control bytes and backslashes escaped, and a space as `%20` in the path and `+` in the query.
fn escape_path(text: &str) -> String {
    let query = text.find('?').unwrap_or(text.len());
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b' ' if at > query => out.push('+'),
            b'\\' => push_escaped(&mut out, byte, at < query),
            _ => push_escaped(&mut out, byte, byte.is_ascii_control() || byte == b' '),
        }
    }
    out
}

/// RFC 3986 §3.1.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let goes_on = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    (begins && goes_on).then_some((scheme, rest))
}

fn is_web(scheme: &str) -> bool {
    ["http", "https", "ftp", "ftps"].iter().any(|web| scheme.eq_ignore_ascii_case(web))
}
