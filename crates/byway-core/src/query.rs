//! Query strings as the pairs that rules speak of, and the policies by which the request's query reaches a Location.
//!
//! Pairs are separated by `&` and compared by name with percent-encoding and `+` undone; they are written out as the bytes that
//! were sent.

use crate::dialect::{MergeWinner, QueryPolicy};
use crate::location::LENGTH_LIMIT;
use crate::path::{is_escape, is_query_byte, push_decoded, push_escaped};

/// The pairs of a query as sent: the whole pair, its name, its value.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    query.split(|&b| b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (pair, &pair[..end], pair.get(end + 1..).unwrap_or_default())
    })
}

/// A name or value with percent-encoding and `+` undone.
///
/// ```
/// assert_eq!(byway_core::query::decoded(b"a%20b+c"), b"a b c");
/// ```
pub fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    push_decoded(text, &mut out);
    // `+` was written for a space; an encoded plus has become one just now, so it is told apart by decoding in pieces.
    if text.contains(&b'+') {
        out.clear();
        for (index, piece) in text.split(|&b| b == b'+').enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            push_decoded(piece, &mut out);
        }
    }
    out
}

/// Whether decoding would change nothing.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    memchr::memchr2(b'%', b'+', text).is_none()
}

/// Whether a name or value as sent, decoded, is `plain`.
pub(crate) fn is_same(sent: &[u8], plain: &[u8]) -> bool {
    match is_plain(sent) {
        true => sent == plain,
        false => decoded(sent) == plain,
    }
}

/// The value of the first argument of this name as nginx finds it: letters without case, nothing decoded, a `=` required.
pub(crate) fn argument<'q>(query: &'q [u8], name: &[u8]) -> &'q [u8] {
    let named = |pair: &&'q [u8]| pair.get(name.len()) == Some(&b'=') && pair[..name.len()].eq_ignore_ascii_case(name);
    query.split(|&b| b == b'&').find(named).map_or(&[], |pair| &pair[name.len() + 1..])
}

/// The value of the first cookie of this name in one `Cookie` field as nginx finds it: letters without case.
pub(crate) fn cookie<'c>(field: &'c [u8], name: &[u8]) -> Option<&'c [u8]> {
    let mut rest = field.trim_ascii_start();
    while !rest.is_empty() {
        if rest.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
            && let Some(value) = rest[name.len()..].trim_ascii_start().strip_prefix(b"=")
        {
            let value = value.trim_ascii_start();
            return Some(&value[..memchr::memchr(b';', value).unwrap_or(value.len())]);
        }
        let next = memchr::memchr2(b';', b',', rest).map_or(rest.len(), |at| at + 1);
        rest = rest[next..].trim_ascii_start();
    }
    None
}

/// Appends query bytes, escaping what no URI may hold; a lone `%` becomes `%25`.
pub(crate) fn push_query(query: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    let mut at = 0;
    while at < query.len() {
        let byte = query[at];
        if is_query_byte(byte) {
            at += 1;
        } else if is_escape(query, at) {
            at += 3;
        } else {
            out.extend_from_slice(&query[from..at]);
            push_escaped(byte, out);
            at += 1;
            from = at;
        }
    }
    out.extend_from_slice(&query[from..]);
}

/// Appends the request's query to a Location without fragment, by the policy; `own` is where the `?` of the target's own query is.
pub(crate) fn push_by_policy(policy: &QueryPolicy, request: Option<&[u8]>, own: Option<usize>, out: &mut Vec<u8>) {
    let request = request.unwrap_or_default();
    match policy {
        QueryPolicy::Drop => {}
        QueryPolicy::Replace if own.is_some() => {}
        QueryPolicy::Keep | QueryPolicy::Replace => append(request, own, out),
        QueryPolicy::Only(names) => {
            let mut own = own;
            for (pair, name, _) in pairs(request) {
                if names.iter().any(|wanted| is_same(name, wanted.as_bytes())) {
                    append(pair, own, out);
                    own = own.or(Some(0));
                }
            }
        }
        QueryPolicy::Merge(winner) => merge(*winner, request, own, out),
    }
}

fn append(query: &[u8], own: Option<usize>, out: &mut Vec<u8>) {
    if query.is_empty() {
        return;
    }
    match own {
        None => out.push(b'?'),
        Some(_) if matches!(out.last(), Some(b'?' | b'&')) => {}
        Some(_) => out.push(b'&'),
    }
    push_query(query, out);
}

fn merge(winner: MergeWinner, request: &[u8], own: Option<usize>, out: &mut Vec<u8>) {
    let Some(mark) = own else { return append(request, None, out) };
    // Both together are longer than any Location: comparing each name with each would only cost time before the refusal.
    if out.len() + request.len() > LENGTH_LIMIT {
        return append(request, own, out);
    }
    let target: Vec<u8> = out[mark + 1..].to_vec();
    let named_in = |query: &[u8], name: &[u8]| {
        let name = decoded(name);
        pairs(query).any(|(_, other, _)| is_same(other, &name))
    };
    out.truncate(mark);
    let mut own = None;
    for (pair, name, _) in pairs(&target) {
        if winner == MergeWinner::Target || !named_in(request, name) {
            append(pair, own, out);
            own = Some(mark);
        }
    }
    for (pair, name, _) in pairs(request) {
        if winner == MergeWinner::Request || !named_in(&target, name) {
            append(pair, own, out);
            own = Some(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(policy: QueryPolicy, target: &str, request: &str) -> String {
        let mut out = target.as_bytes().to_vec();
        push_by_policy(&policy, Some(request.as_bytes()), target.find('?'), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_policy_does_what_it_says() {
        use MergeWinner::{Request, Target};
        for (policy, target, request, expected) in [
            (QueryPolicy::Keep, "/x", "a=1&b=%26+", "/x?a=1&b=%26+"),
            (QueryPolicy::Keep, "/x?own=1", "a=1", "/x?own=1&a=1"),
            (QueryPolicy::Keep, "/x", "", "/x"),
            (QueryPolicy::Drop, "/x?own=1", "a=1", "/x?own=1"),
            (QueryPolicy::Replace, "/x?own=1", "a=1", "/x?own=1"),
            (QueryPolicy::Replace, "/x", "a=1", "/x?a=1"),
            (QueryPolicy::Merge(Target), "/x?a=1", "a=2&b=3", "/x?a=1&b=3"),
            (QueryPolicy::Merge(Request), "/x?a=1&c=4", "a=2&b=3", "/x?c=4&a=2&b=3"),
            (QueryPolicy::Merge(Request), "/x?a=1", "%61=2", "/x?%61=2"),
            (QueryPolicy::Only(vec!["id".into()]), "/x", "a=1&id=7&id=8", "/x?id=7&id=8"),
            (QueryPolicy::Only(vec!["id".into()]), "/x?o=1", "a=1", "/x?o=1"),
            (QueryPolicy::Keep, "/x", "a[]=1&q=100%", "/x?a%5B%5D=1&q=100%25"),
        ] {
            assert_eq!(apply(policy.clone(), target, request), expected, "{policy:?} {target} {request}");
        }
    }
}
