//! Ways to spell one request that servers do not take for the same: what nginx and Apache make of a path before any rule sees it.
//!
//! Our own rules look at a path as it was sent. Where rules are written for another server, no wording brings that back; so a
//! difference is counted by name where the server answers what the rules say of the path as the server sees it, or where it takes
//! an odd spelling for no path of a rule.

use super::answer::Answer;
use super::ask::Ask;

/// The request with its path as nginx and Apache see it, decoded, with one slash for several and without dot segments; `None` where
/// that is what was sent.
pub(super) fn as_seen(ask: &Ask) -> Option<Ask> {
    let (path, query) = parts(&ask.target);
    let mut target = seen_path(path);
    let is_same = target == path;
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    (!is_same).then(|| Ask { target, ..ask.clone() })
}

/// A path as nginx and Apache see it, escaped where it must be.
fn seen_path(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let decoded = byway_core::query::decoded(&without_plus(path));
    let ends_open = matches!(decoded.rsplit(|byte| *byte == b'/').next(), Some(b"" | b"." | b".."));
    for segment in decoded.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => _ = segments.pop(),
            segment => segments.push(segment.to_vec()),
        }
    }
    let mut target = Vec::new();
    for segment in &segments {
        target.push(b'/');
        for &byte in segment {
            match byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@".contains(&byte) {
                true => target.push(byte),
                false => target.extend(format!("%{byte:02X}").bytes()),
            }
        }
    }
    if ends_open || target.is_empty() {
        target.push(b'/');
    }
    target
}

/// An answer with the path of its Location as nginx and Apache would see it: what of a request is sent on may be spelt oddly too.
pub(super) fn plain(answer: &Answer) -> Answer {
    let Answer::Redirect(status, location) = answer else { return answer.clone() };
    let begin = location.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
    let path = location[begin..].iter().position(|byte| *byte == b'/').map_or(location.len(), |at| begin + at);
    let (path_only, rest) = parts(&location[path..]);
    let mut out = location[..path].to_vec();
    out.extend(seen_path(path_only));
    if let Some(rest) = rest {
        out.push(b'?');
        out.extend_from_slice(rest);
    }
    Answer::Redirect(*status, out)
}

/// Whether a control character is sent escaped in a path.
pub(super) fn has_control(target: &[u8]) -> bool {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    path.windows(3).any(|three| {
        let hex = three.strip_prefix(b"%").and_then(|hex| std::str::from_utf8(hex).ok());
        hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).is_some_and(|byte| byte.is_ascii_control())
    })
}

/// Whether Apache takes a Host field for a number that is no address: its last name begins with a digit.
pub(super) fn is_half_a_number(host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    last.starts_with(|sign: char| sign.is_ascii_digit()) && host.parse::<std::net::Ipv4Addr>().is_err()
}

/// Whether a path could have been sent more plainly: escapes of what needs none, `%2F`, doubled slashes, dot segments.
pub(super) fn is_odd_path(target: &[u8]) -> bool {
    let (path, _) = parts(target);
    let needless = |three: &[u8]| match three {
        [b'%', hex @ ..] => {
            let byte = std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
            byte.is_none_or(|byte| byte.is_ascii_alphanumeric() || b"-_.~/\0!$&'()*+,;=:@".contains(&byte))
        }
        _ => false,
    };
    let ends_in_escape = path.len() >= 2 && path[path.len() - 2..].contains(&b'%');
    let is_dotted = |segment: &[u8]| matches!(segment, b"." | b"..");
    path.windows(3).any(needless)
        || ends_in_escape
        || path.windows(2).any(|two| two == b"//")
        || path.split(|byte| *byte == b'/').any(is_dotted)
}

/// Whether servers may disagree about what was asked, where a rule was said to be carried over nearly: about the spelling of the
/// path or of the query, its letter case, or fields that are empty or come several times.
pub(super) fn is_odd(ask: &Ask) -> bool {
    let (path, query) = parts(&ask.target);
    let is_field = |(at, (name, value)): (usize, &(String, String))| {
        value.is_empty() || ask.fields[..at].iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    path.contains(&b'%')
        || path.iter().any(u8::is_ascii_uppercase)
        || path.windows(2).any(|two| two == b"//" || two == b"/.")
        || query.is_some_and(|query| query.iter().any(|byte| b"%+[]".contains(byte)))
        || ask.fields.iter().enumerate().any(is_field)
}

fn parts(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    }
}

/// A path in which no `+` stands for a blank.
fn without_plus(path: &[u8]) -> Vec<u8> {
    path.iter().flat_map(|byte| if *byte == b'+' { b"%2B".to_vec() } else { vec![*byte] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(target: &str) -> Ask {
        Ask { method: "GET", target: target.as_bytes().to_vec(), host: "a.test".to_owned(), fields: Vec::new() }
    }

    #[test]
    fn paths_are_seen_as_servers_see_them() {
        for (sent, seen) in [
            ("/a//b?x=//", "/a/b?x=//"),
            ("/%61/./b/", "/a/b/"),
            ("/x/../a", "/a"),
            ("/a%2Fb", "/a/b"),
            ("/a%20b+c/..", "/"),
        ] {
            assert_eq!(as_seen(&ask(sent)).map(|ask| ask.target), Some(seen.as_bytes().to_vec()), "{sent}");
        }
        assert_eq!(as_seen(&ask("/a%20b/c+d?%61")), None);
        let sent = Answer::Redirect(307, b"https://a.test/b/.//%63/../d/..?x=/../".to_vec());
        assert_eq!(plain(&sent), Answer::Redirect(307, b"https://a.test/b/?x=/../".to_vec()));
    }

    #[test]
    fn odd_spellings_are_known() {
        for odd in ["/%61", "/a//b", "/a/.", "/a%2Fb", "/a%2", "/%zz"] {
            assert!(is_odd_path(odd.as_bytes()), "{odd}");
        }
        for plain in ["/a%20b", "/a/.b", "/%C3%A9?x=//"] {
            assert!(!is_odd_path(plain.as_bytes()), "{plain}");
        }
    }
}
