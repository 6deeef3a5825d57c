//! What becomes of a request that satisfies a rule: letter case, slashes, escapes, queries, hosts, ports and methods changed, one
//! or two at a time, so that the edges of every rule are asked.

use super::ask::Ask;
use super::draw::Draw;

/// Pieces that are put into a path, as sent.
const PIECES: &[&str] = &[
    "%20", "%2F", "%2f", "%3F", "%3f", "%25", "%23", "%0d%0a", "%0A", "%00", "%C3%A9", "%22", "%3C", "+", "&", ";",
    "=", "%2E", "%2e%2e", "//", "/./", "/../", "/x/../", "/", ".", "~", "%7E", "!", "'", "(", ")", "*", ",", ":", "@",
    "%5B", "%5C", "%7C", "%26", "%2B", "%3D", "%3A", "%ff", "%", "%zz", "a", "A", "0",
];
const QUERIES: &[&str] = &[
    "",
    "a=1",
    "a=1&b=2",
    "x=%20",
    "x=a+b",
    "q=%C3%A9",
    "u=https://evil.test/",
    "a=1&a=2",
    "a",
    "=",
    "&&",
    "x=%2F",
    "x=%0d%0aX-Evil:1",
    "id=7&lang=de",
    "a=1?b=2",
    "x=%",
    "a[]=1",
];
const HOSTS: &[&str] = &["other.test", "evil.test", "127.0.0.1", "a.b.c.test"];

/// The request as it is sent.
pub(crate) fn mutated(
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    host: Option<String>,
    method: &'static str,
    fields: Vec<(String, String)>,
    draw: &mut Draw,
) -> Ask {
    let mut path = encoded(&path);
    let changes = [0, 0, 0, 1, 1, 1, 2, 2, 3][draw.below(9)];
    for _ in 0..changes {
        change(&mut path, draw);
    }
    if path.first() != Some(&b'/') {
        path.insert(0, b'/');
    }
    path.truncate(3_000);
    let query = match draw.below(5) {
        0 => Some(draw.word(QUERIES).as_bytes().to_vec()),
        1 => None,
        _ => query.map(|query| encoded_query(&query)),
    };
    let mut target = path;
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(&query);
    }
    let mut host = host.unwrap_or_else(|| draw.word(HOSTS).to_owned());
    if !host.contains(':') {
        match draw.below(16) {
            0 => host.push_str(":8080"),
            1 => host.push_str(":80"),
            2 => host = host.to_ascii_uppercase(),
            _ => {}
        }
    }
    Ask { method, target, host, fields }
}

fn change(path: &mut Vec<u8>, draw: &mut Draw) {
    let at = draw.below(path.len() + 1);
    match draw.below(8) {
        0 => {
            if let Some(byte) = path.get_mut(at) {
                match byte.is_ascii_lowercase() {
                    true => byte.make_ascii_uppercase(),
                    false => byte.make_ascii_lowercase(),
                }
            }
        }
        1 => match path.last() {
            Some(b'/') if path.len() > 1 => _ = path.pop(),
            _ => path.push(b'/'),
        },
        2 => {
            // A byte as an escape, in either case of hex.
            if let Some(byte) = path.get(at).copied().filter(|byte| *byte != b'%') {
                let escape = if draw.one_in(2) { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
                path.splice(at..=at, escape.into_bytes());
            }
        }
        3 => path.truncate(at.max(1)),
        4 => path.extend_from_slice(draw.word(PIECES).as_bytes()),
        5 => {
            if let Some(slash) = path.iter().skip(at).position(|byte| *byte == b'/') {
                path.insert(at + slash, b'/');
            }
        }
        _ => {
            // Never inside of an escape: a broken one is a piece of its own.
            let inside = (1..=2).any(|back| at >= back && path.get(at - back) == Some(&b'%'));
            let at = if inside { path.len() } else { at };
            path.splice(at..at, draw.word(PIECES).bytes());
        }
    }
}

/// A decoded path as a client sends it.
pub(super) fn encoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        match byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@".contains(&byte) {
            true => out.push(byte),
            false => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

fn encoded_query(query: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(query.len());
    for &byte in query {
        match byte.is_ascii_graphic() && !b"#\"<>".contains(&byte) {
            true => out.push(byte),
            false => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_repeats_with_its_seed_and_is_one_line() {
        let made = |seed| {
            let mut draw = Draw::new(seed);
            mutated(b"/a b/\r\nc".to_vec(), None, None, "GET", Vec::new(), &mut draw)
        };
        for seed in 0..500 {
            let ask = made(seed);
            assert_eq!(ask, made(seed));
            assert!(ask.target.iter().all(|byte| byte.is_ascii_graphic()), "{}", ask.words());
        }
    }
}
