//! Where a rule stands among others: its place in the order of our own dialect, and the paths that it may fit.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use byway_core::host::HostPattern;
use byway_core::regex::Anchoring;
use byway_core::source::{PathPattern, Segment, Source};

use super::own::OwnRule;
use super::perl::has_alternatives;

/// Paths that a rule may fit, in small letters and without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) prefix: Vec<u8>,
    pub(crate) is_exact: bool,
}

impl Region {
    /// Whether one path may be in both.
    pub(crate) fn may_meet(&self, other: &Region) -> bool {
        let is_below = |path: &Region, above: &Region| {
            let rest = path.prefix.strip_prefix(&above.prefix[..]);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") && !above.is_exact)
        };
        is_below(self, other) || is_below(other, self)
    }

    pub(crate) fn new(path: &[u8], is_exact: bool) -> Region {
        let path = path.to_ascii_lowercase();
        Region { prefix: path.strip_suffix(b"/").unwrap_or(&path).to_vec(), is_exact }
    }
}

/// Where some rules may fit.
#[derive(Default)]
pub(crate) struct Taken {
    exacts: BTreeSet<Vec<u8>>,
    prefixes: BTreeSet<Vec<u8>>,
}

impl Taken {
    pub(crate) fn take(&mut self, region: Region) {
        match region.is_exact {
            true => self.exacts.insert(region.prefix),
            false => self.prefixes.insert(region.prefix),
        };
    }

    /// Whether one of them may fit a path of this region.
    pub(crate) fn meets(&self, region: &Region) -> bool {
        let path = &region.prefix;
        let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
        let above = || ends.clone().any(|end| self.prefixes.contains(&path[..end]));
        if self.exacts.contains(path) || above() {
            return true;
        }
        let below = [path, b"/".as_slice()].concat();
        let is_below =
            |set: &BTreeSet<Vec<u8>>| set.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below));
        !region.is_exact && (is_below(&self.exacts) || is_below(&self.prefixes))
    }
}

/// The place of a rule in the order of our own dialect: priority, host, kind of path, what it asks more, then as given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    priority: Reverse<i32>,
    host: (u8, Reverse<usize>),
    kind: u8,
    len: Reverse<usize>,
    segments: Vec<u8>,
    asks: Reverse<usize>,
    given: (u32, usize),
}

impl Rank {
    /// Whether nothing but the order in which they were given puts one before the other.
    pub(crate) fn is_beside(&self, other: &Rank) -> bool {
        Rank { given: other.given, ..self.clone() } == *other
    }

    /// The rank of a rule in words of our own; `at` is its place among those that came of one rule.
    pub(crate) fn of(rule: &OwnRule<'_>, at: usize) -> Result<Rank, &'static str> {
        let source =
            Source::parse(&rule.from).map_err(|_| "its host and path make no `from` that byway.toml can hold")?;
        Ok(Rank::of_source(&source, rule.priority, rule.conditions.len(), (rule.view.number(), at)))
    }

    /// The rank of a source with so many conditions.
    pub(crate) fn of_source(source: &Source<'_>, priority: i32, conditions: usize, given: (u32, usize)) -> Rank {
        let host = match &source.host {
            HostPattern::Exact(_) => (0, Reverse(0)),
            HostPattern::Below(parent) => (1, Reverse(parent.len())),
            HostPattern::Any => (2, Reverse(0)),
        };
        let (kind, len, segments) = match &source.path {
            PathPattern::Exact(_) => (0, 0, Vec::new()),
            PathPattern::Prefix(prefix) => (1, prefix.len(), Vec::new()),
            PathPattern::BytePrefix { prefix, .. } => (2, prefix.len(), Vec::new()),
            PathPattern::Segments { segments, tail } => {
                let tags = segments.iter().map(|segment| u8::from(!matches!(segment, Segment::Literal(_))));
                (3, 0, tags.chain([2 + u8::from(*tail)]).collect())
            }
            PathPattern::Regex(_) => (4, 0, Vec::new()),
        };
        let asks =
            conditions + usize::from(source.scheme.is_some()) + usize::from(source.port.is_some()) + source.query.len();
        Rank { priority: Reverse(priority), host, kind, len: Reverse(len), segments, asks: Reverse(asks), given }
    }
}

/// Where a source may fit.
pub(crate) fn region(source: &Source<'_>) -> Region {
    let (path, is_exact) = match &source.path {
        PathPattern::Exact(path) => (path.to_vec(), true),
        PathPattern::Prefix(path) | PathPattern::BytePrefix { prefix: path, .. } => (path.to_vec(), false),
        PathPattern::Segments { segments, .. } => {
            let literals = segments.iter().map_while(|segment| match segment {
                Segment::Literal(text) => Some([b"/", &text[..]].concat()),
                _ => None,
            });
            (literals.collect::<Vec<_>>().concat(), false)
        }
        // What is found anywhere has no beginning.
        PathPattern::Regex(pattern) if pattern.anchoring == Anchoring::Anywhere && !pattern.text.starts_with('^') => {
            (Vec::new(), false)
        }
        PathPattern::Regex(pattern) => (literal_begin(&pattern.text).to_vec(), false),
    };
    Region::new(&path, is_exact)
}

/// The whole segments with which everything begins that a pattern over the whole path fits.
fn literal_begin(pattern: &str) -> &[u8] {
    if has_alternatives(pattern) {
        return b"";
    }
    let text = pattern.strip_prefix('^').unwrap_or(pattern).as_bytes();
    let plain = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/-_~".contains(byte)).count();
    // What stands before a sign of repetition may be missing; only whole segments count anyway.
    let end = text[..plain].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let is_optional = matches!(text.get(plain), Some(b'?' | b'*' | b'{')) && end + 1 == plain;
    match is_optional {
        true => &text[..text[..end].iter().rposition(|byte| *byte == b'/').unwrap_or(0)],
        false => &text[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_begin_with_whole_segments() {
        for (pattern, begin) in [
            ("/blog/(\\d+)", "/blog"),
            ("/a/blo+g", "/a"),
            ("/a/?", ""),
            ("/a/b/?", "/a"),
            ("/a|/b", ""),
            (".*", ""),
            ("/p(?:x|y)/z", ""),
        ] {
            assert_eq!(literal_begin(pattern), begin.as_bytes(), "{pattern}");
        }
    }
}
