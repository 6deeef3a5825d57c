//! A request that a source is for.
//!
//! Exact paths are asked as they are; what a pattern leaves open is filled in with `x`. A regex has no sample: nothing is guessed.

use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::source::{PathPattern, Segment, Source};

use crate::examples::Case;

/// The host that is asked where a source names none: no rule and no target names it either (RFC 6761).
pub(crate) const ANY_HOST: &str = "any.invalid";

/// A GET that the source takes.
pub(crate) fn sample(source: &Source<'_>) -> Option<Case> {
    let mut path = Vec::new();
    match &source.path {
        PathPattern::Exact(exact) => path.extend_from_slice(exact),
        PathPattern::Prefix(prefix) => {
            path.extend_from_slice(prefix);
            path.extend_from_slice(b"/x");
        }
        PathPattern::Segments { segments, tail } => {
            for segment in segments {
                path.push(b'/');
                match segment {
                    Segment::Literal(text) => path.extend_from_slice(text),
                    Segment::Named(_) | Segment::Star => path.push(b'x'),
                }
            }
            path.extend_from_slice(if *tail { b"/x" } else { b"" });
        }
        PathPattern::BytePrefix { .. } | PathPattern::Regex(_) => return None,
    }
    let mut case = Case::get("");
    case.path = String::from_utf8(path).ok()?;
    case.scheme = source.scheme.unwrap_or(Scheme::Https);
    case.host = match &source.host {
        HostPattern::Any => ANY_HOST.to_owned(),
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Below(parent) => format!("x.{parent}"),
    };
    case.port = source.port.unwrap_or(case.scheme.default_port());
    if !source.query.is_empty() {
        let whole = Source { path: PathPattern::Exact(b"/"[..].into()), ..source.clone() }.to_string();
        case.query = whole.split_once('?').map(|(_, query)| query.to_owned());
    }
    Some(case)
}
