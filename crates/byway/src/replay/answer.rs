//! Answers compared: status, every Location byte for byte; and the differences that have a name.
//!
//! A difference with a name is one that byway makes on purpose: what the server sends is no Location, or the request is no HTTP.
//! The table has the reason; `docs/differences.md` the measured bytes of both.

use byway_core::rule::Place;

/// What a server, or byway, answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A status with a Location.
    Redirect(u16, Vec<u8>),
    /// A status without one.
    Status(u16),
    /// No rule has anything to say: the server's own content.
    Passes,
    /// The connection was closed without a word.
    Closed,
}

impl Answer {
    /// As a person reads it.
    pub(crate) fn words(&self) -> String {
        match self {
            Answer::Redirect(status, location) => format!("{status} {}", location.escape_ascii()),
            Answer::Status(status) => status.to_string(),
            Answer::Passes => "pass".to_owned(),
            Answer::Closed => "closes the connection".to_owned(),
        }
    }
}

/// What byway says.
#[derive(Clone, Debug)]
pub(crate) struct Ours {
    pub(crate) answer: Answer,
    /// Whether the edge refused it before any rule.
    pub(crate) edge: bool,
    /// Whether what was asked holds the escape of a control character.
    pub(crate) has_control: bool,
    /// Where the rule that decided was written.
    pub(crate) rule: Option<Place>,
}

/// What came of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same.
    Agree,
    /// Not the same, in a way that has a name.
    Named(&'static str),
    /// Not the same.
    Differ,
}

/// A difference that byway makes on purpose.
pub(crate) struct Difference {
    /// Its name, in `docs/differences.md` too.
    pub(crate) name: &'static str,
    /// What becomes of the server's Location.
    mend: fn(&[u8]) -> Vec<u8>,
}

/// The ways in which a Location of byway's is safer: each makes of the server's what byway sends. As few as will do are used,
/// in this order, and the last of them names the difference. Where byway leaves a sign as the server does, so be it: the first two
/// are done to both.
pub(crate) const MENDED: &[Difference] = &[
    Difference { name: "raw-bytes", mend: escaped },
    Difference { name: "unsafe-signs", mend: without_unsafe_signs },
    Difference { name: "bare-question-mark", mend: without_bare_mark },
    Difference { name: "query-behind-fragment", mend: before_fragment },
    Difference { name: "host-spelling", mend: host_in_small_letters },
    Difference { name: "host-spelling", mend: without_own_port },
    Difference { name: NO_PATH, mend: with_slash },
    Difference { name: "two-slashes", mend: one_slash },
];
/// How many of them are about single bytes.
const OF_BYTES: usize = 2;

/// The names of differences in which it is not the Location that differs.
pub(crate) const EDGE: &str = "no-http";
pub(crate) const NO_LOCATION: &str = "no-location";
pub(crate) const TOO_LONG: &str = "too-long";
pub(crate) const OPENS_QUERY: &str = "capture-opens-query";
pub(crate) const HOST_GROWS: &str = "host-grows";
pub(crate) const CONTROL: &str = "control-bytes";
pub(crate) const AS_SEEN: &str = "path-as-seen";
pub(crate) const NO_ANSWER: &str = "no-answer";
pub(crate) const LAST_AMPERSAND: &str = "last-ampersand";
pub(crate) const MACHINE: &str = "machine-path";
pub(crate) const NO_HOST: &str = "no-host";

/// The most bytes of a Location that byway sends.
const LOCATION_LIMIT: usize = 8_000;

/// Compares.
pub(crate) fn compare(theirs: &Answer, ours: &Ours) -> Verdict {
    match (theirs, &ours.answer) {
        (theirs, ours) if theirs == ours => Verdict::Agree,
        (_, Answer::Status(400)) if ours.edge => Verdict::Named(EDGE),
        // The rule is the one that nothing was made of.
        (Answer::Closed, Answer::Passes) if ours.rule.is_some() => Verdict::Named(NO_ANSWER),
        // Content, or none: 404 of a folder without files, 405 of a file that takes no POST, and so on.
        (Answer::Status(status), Answer::Passes) if is_content(*status) => Verdict::Agree,
        (Answer::Redirect(_, location), Answer::Status(414)) if location.len() > LOCATION_LIMIT => {
            Verdict::Named(TOO_LONG)
        }
        (Answer::Redirect(_, location), Answer::Status(400)) if !is_location(location) => Verdict::Named(NO_LOCATION),
        // A redirect that leads nowhere, since a rule took the URL back: whoever begins anew for its sake passes, or never ends.
        (Answer::Status(301 | 302 | 303 | 307 | 308), Answer::Passes | Answer::Status(500)) => {
            Verdict::Named(NO_LOCATION)
        }
        (Answer::Redirect(_, location), Answer::Status(400)) if is_ended(location) => Verdict::Named(HOST_GROWS),
        (Answer::Redirect(status, theirs), Answer::Redirect(our_status, ours)) if status == our_status => {
            mended(theirs, ours)
        }
        // In a host such a character is none that byway could escape.
        (Answer::Status(500), Answer::Status(400)) if ours.has_control => Verdict::Named(CONTROL),
        (Answer::Status(400 | 500), Answer::Redirect(_, ours)) if holds_control(ours) => Verdict::Named(CONTROL),
        _ => Verdict::Differ,
    }
}

/// What a server answers where no rule decided: its files, the lack of them, and what stands behind it being down.
fn is_content(status: u16) -> bool {
    matches!(status, 200 | 204 | 403 | 404 | 405 | 416 | 502 | 503 | 504)
}

fn mended(theirs: &[u8], ours: &[u8]) -> Verdict {
    let opens = opened(ours);
    // The fewest changes first: numbers with one bit, then with two, and so on.
    let mut choices: Vec<u32> = (1..1 << MENDED.len()).collect();
    choices.sort_by_key(|choice| choice.count_ones());
    for choice in choices {
        let chosen = || MENDED.iter().enumerate().filter(move |(at, _)| choice >> at & 1 == 1);
        let changes_bytes = chosen().any(|(at, one)| at < OF_BYTES && (one.mend)(theirs) != theirs);
        let mend = |location: &[u8], most: usize| {
            let mended = chosen().take_while(|(at, _)| *at < most);
            let text = mended.fold(location.to_vec(), |text, (_, one)| (one.mend)(&text));
            // Escapes of ours may have small letters where the server's text has none.
            if changes_bytes { hex_in_capitals(text) } else { text }
        };
        let Some((_, last)) = chosen().next_back() else { continue };
        let (theirs, ours) = (mend(theirs, MENDED.len()), mend(ours, OF_BYTES));
        if theirs == ours {
            return Verdict::Named(last.name);
        }
        if is_cut(&theirs, &ours) {
            return Verdict::Named(MENDED[0].name);
        }
        if grown(&theirs, &ours) || grown(&theirs, &mend(&opens, OF_BYTES)) {
            return Verdict::Named(HOST_GROWS);
        }
        if is_opened(&theirs, &ours) {
            return Verdict::Named(OPENS_QUERY);
        }
    }
    match () {
        () if is_cut(theirs, ours) => Verdict::Named(MENDED[0].name),
        () if grown(theirs, ours) || grown(theirs, &opens) => Verdict::Named(HOST_GROWS),
        () if is_opened(theirs, ours) => Verdict::Named(OPENS_QUERY),
        () => Verdict::Differ,
    }
}

/// Whether the server's Location ends at a line break of byway's: what follows became a field of its own, or the body.
fn is_cut(theirs: &[u8], ours: &[u8]) -> bool {
    ours.strip_prefix(theirs).is_some_and(|rest| rest.starts_with(b"%0D%0A")) || is_folded(theirs, ours)
}

/// Whether the server's Location is byway's with a line break before a blank, which continues the field (RFC 9112, section 5.2).
fn is_folded(theirs: &[u8], ours: &[u8]) -> bool {
    let text = String::from_utf8_lossy(ours);
    text.contains("%0D%0A%20") && text.replace("%0D%0A%20", " ").replace("%20", " ").as_bytes() == theirs
}

/// Whether byway's Location is the server's with a slash behind the host, where the server let a capture make the host longer.
fn grown(theirs: &[u8], ours: &[u8]) -> bool {
    authority(ours).is_some_and(|authority| {
        let rest = ours.get(authority.end + 1..).unwrap_or_default();
        let begins_path = rest.first().is_some_and(|sign| !b"?#".contains(sign));
        ours.get(authority.end) == Some(&b'/') && begins_path && [&ours[..authority.end], rest].concat() == theirs
    })
}

/// Whether a capture with a `#` ended the host of the server's Location.
fn is_ended(location: &[u8]) -> bool {
    authority(location).is_some_and(|authority| location.get(authority.end) == Some(&b'#'))
}

/// Whether the server's Location is byway's with what a capture opened, and without the request's query behind a query.
fn is_opened(theirs: &[u8], ours: &[u8]) -> bool {
    let mut rest = ours;
    for &sign in theirs {
        let escape: &[u8] = match sign {
            b'?' => b"%3F",
            b'#' => b"%23",
            _ => b"",
        };
        rest = match rest.split_first() {
            Some((own, behind)) if *own == sign => behind,
            _ if !escape.is_empty() && rest.get(..3).is_some_and(|three| three.eq_ignore_ascii_case(escape)) => {
                &rest[3..]
            }
            _ => return false,
        };
    }
    rest.is_empty() || rest.starts_with(b"?") && theirs.contains(&b'?')
}

/// Whether a Location holds the escape of a control character.
pub(crate) fn holds_control(location: &[u8]) -> bool {
    let is_control = |three: &[u8]| matches!(three, [b'%', b'0' | b'1', b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F'] | [b'%', b'7', b'f' | b'F']);
    location.windows(3).any(is_control)
}

/// byway's Location with question and hash marks as a server leaves them that does not escape what it decoded.
fn opened(location: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(location);
    text.replace("%3F", "?").replace("%3f", "?").replace("%23", "#").into_bytes()
}

/// Whether some bytes begin as a Location that a client follows: a path, or a scheme and a host.
fn is_location(location: &[u8]) -> bool {
    let rest = match location {
        [b'/', b'/' | b'\\', ..] => return false,
        [b'/', ..] => return true,
        _ => location.strip_prefix(b"https://").or_else(|| location.strip_prefix(b"http://")),
    };
    let Some(rest) = rest else { return false };
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let authority = String::from_utf8_lossy(&rest[..end]);
    let host = byway_core::host::split_authority(&authority).map(|(host, _)| host);
    host.is_ok_and(|host| !host.is_empty() && byway_core::host::normalise(host).is_ok())
}

/// Controls, blanks and bytes above 0x7E escaped.
fn escaped(location: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(location.len());
    for &byte in location {
        match byte {
            0x21..=0x7E => out.push(byte),
            byte => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

fn hex_in_capitals(mut text: Vec<u8>) -> Vec<u8> {
    for at in memchr::memchr_iter(b'%', &text.clone()) {
        if let Some(hex) = text.get_mut(at + 1..at + 3).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            hex.make_ascii_uppercase();
        }
    }
    text
}

/// Signs that no URI may hold escaped (RFC 3986 §2), and a percent sign that escapes nothing.
fn without_unsafe_signs(location: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(location.len());
    for (at, &byte) in location.iter().enumerate() {
        let is_escape =
            |at: usize| location.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' => {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            b'%' if !is_escape(at) => out.extend_from_slice(b"%25"),
            byte => out.push(byte),
        }
    }
    out
}

fn without_bare_mark(location: &[u8]) -> Vec<u8> {
    location.strip_suffix(b"?").unwrap_or(location).to_vec()
}

/// The name of a difference in which one has no slash behind the host, and the other a bare question mark.
pub(crate) const NO_PATH: &str = "host-without-path";

/// A Location with a slash behind its host, and without a bare question mark.
pub(crate) fn ended(location: &[u8]) -> Vec<u8> {
    with_slash(&without_bare_mark(location))
}

fn before_fragment(location: &[u8]) -> Vec<u8> {
    let Some(hash) = location.iter().position(|byte| *byte == b'#') else { return location.to_vec() };
    let (before, fragment) = location.split_at(hash);
    match fragment.iter().position(|byte| *byte == b'?') {
        Some(mark) if !before.contains(&b'?') => [before, &fragment[mark..], &fragment[..mark]].concat(),
        _ => location.to_vec(),
    }
}

/// Where the authority of a whole URL lies.
fn authority(location: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = location.windows(3).position(|window| window == b"://")? + 3;
    let rest = &location[start..];
    Some(start..start + rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len()))
}

fn host_in_small_letters(location: &[u8]) -> Vec<u8> {
    let mut out = location.to_vec();
    let Some(authority) = authority(location).filter(|_| !location.starts_with(b"/")) else { return out };
    out[..authority.end].make_ascii_lowercase();
    let end = authority.end;
    // A host that is a number is the address that it stands for.
    let named = String::from_utf8_lossy(&out[authority.start..end]).into_owned();
    if let Ok((host, _)) = byway_core::host::split_authority(&named)
        && let Ok(normal) = byway_core::host::normalise(host)
    {
        out.splice(authority.start..authority.start + host.len(), normal.bytes());
    }
    out
}

/// Without a port that goes without saying.
fn without_own_port(location: &[u8]) -> Vec<u8> {
    let mut out = location.to_vec();
    let Some(authority) = authority(location).filter(|_| !location.starts_with(b"/")) else { return out };
    let port = match &out[..authority.start] {
        b"http://" => &b":80"[..],
        b"https://" => b":443",
        _ => return out,
    };
    if out[..authority.end].ends_with(port) {
        out.drain(authority.end - port.len()..authority.end);
    }
    out
}

fn with_slash(location: &[u8]) -> Vec<u8> {
    match authority(location).filter(|_| !location.starts_with(b"/")) {
        Some(authority) if location.get(authority.end) != Some(&b'/') => {
            [&location[..authority.end], b"/", &location[authority.end..]].concat()
        }
        _ => location.to_vec(),
    }
}

fn one_slash(location: &[u8]) -> Vec<u8> {
    match location {
        [b'/', b'/', ..] => {
            let slashes = location.iter().take_while(|byte| **byte == b'/').count();
            location[slashes - 1..].to_vec()
        }
        _ => location.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(theirs: &[u8], ours: &[u8]) -> Verdict {
        let ours = Ours { answer: Answer::Redirect(307, ours.to_vec()), edge: false, has_control: false, rule: None };
        compare(&Answer::Redirect(307, theirs.to_vec()), &ours)
    }

    #[test]
    fn differences_have_names() {
        assert_eq!(verdict(b"/a", b"/a"), Verdict::Agree);
        assert_eq!(verdict(b"/a b\r\n", b"/a%20b%0D%0A"), Verdict::Named("raw-bytes"));
        assert_eq!(verdict(b"/a\"<", b"/a%22%3C"), Verdict::Named("unsafe-signs"));
        assert_eq!(verdict(b"https://T.test?x", b"https://t.test/?x"), Verdict::Named("host-without-path"));
        assert_eq!(verdict(b"//evil.test", b"/evil.test"), Verdict::Named("two-slashes"));
        assert_eq!(verdict(b"/a?b?x", b"/a%3Fb?x"), Verdict::Named("capture-opens-query"));
        assert_eq!(verdict(b"/%23?q=/#&x", b"/%23?q=/%23&x"), Verdict::Named("capture-opens-query"));
        assert_eq!(verdict(b"/%23?q=/%23&x", b"/%23?q=/#&x"), Verdict::Differ);
        assert_eq!(verdict(b"/a b?|", b"/a%20b?|"), Verdict::Named("raw-bytes"));
        assert_eq!(verdict(b"https://T.test/#{?x=1", b"https://t.test/?x=1#{"), Verdict::Named("host-spelling"));
        assert_eq!(verdict(b"https://t.testevil/x", b"https://t.test/evil/x"), Verdict::Named("host-grows"));
        assert_eq!(verdict(b"https://t.test/evil", b"https://t.test/x/evil"), Verdict::Differ);
        assert_eq!(verdict(b"/a", b"/a%0D%0AX:1"), Verdict::Named("raw-bytes"));
        assert_eq!(verdict(b"/a#b|", b"/a%23b|?x=1"), Verdict::Differ);
        assert_eq!(verdict(b"/a", b"/b"), Verdict::Differ);
        assert_eq!(verdict(b"/a%20b", b"/a%20B"), Verdict::Differ);
    }

    #[test]
    fn what_passes_is_content() {
        let ours = Ours { answer: Answer::Passes, edge: false, has_control: false, rule: None };
        assert_eq!(compare(&Answer::Status(404), &ours), Verdict::Agree);
        assert_eq!(compare(&Answer::Status(410), &ours), Verdict::Differ);
        assert_eq!(compare(&Answer::Redirect(301, b"/x".to_vec()), &ours), Verdict::Differ);
    }

    #[test]
    fn a_500_has_a_name_where_a_control_character_was_asked() {
        let ours = |has_control| Ours { answer: Answer::Status(400), edge: false, has_control, rule: None };
        assert_eq!(compare(&Answer::Status(500), &ours(true)), Verdict::Named(CONTROL));
        assert_eq!(compare(&Answer::Status(500), &ours(false)), Verdict::Differ);
    }

    #[test]
    fn every_difference_is_documented() {
        let page = include_str!("../../../../docs/differences.md");
        let names =
            [EDGE, NO_LOCATION, TOO_LONG, OPENS_QUERY, HOST_GROWS, CONTROL, AS_SEEN, LAST_AMPERSAND, MACHINE, NO_HOST]
                .into_iter()
                .chain(MENDED.iter().map(|difference| difference.name));
        for name in names {
            assert!(page.contains(&format!("## `{name}`")), "docs/differences.md has no heading for {name}");
        }
    }
}
