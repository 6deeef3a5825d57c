//! Where a redirect leads to the URL that was asked: our own rules stand aside there, other servers would send it again and again.

use byway_core::dialect::{QueryPolicy, TrailingSlash};
use byway_core::source::{PathPattern, Source};
use byway_core::target::Target;

use super::rank::region;

/// When a rule stands aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aside {
    /// For no request that it takes.
    Never,
    /// For every one whose origin is this; an empty one is any.
    Always {
        /// Scheme, host and port as written in the target.
        origin: String,
    },
    /// At one path.
    At {
        /// As above.
        origin: String,
        /// The path.
        path: String,
        /// The query that the request must have; `None` is any.
        query: Option<String>,
    },
    /// Where captures say so.
    Perhaps,
}

/// When a rule with this target stands aside.
pub(crate) fn aside(source: &Source<'_>, target: &Target<'_>, query: &QueryPolicy) -> Aside {
    let text = target.text(&source.capture_names());
    let (before, behind) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let (authority, rest) = behind.split_at(behind.find(['/', '?', '#']).unwrap_or(behind.len()));
    let host = authority.split(':').next().unwrap_or_default();
    if !host.is_empty() && !host.contains('{') && !source.host.matches(host)
        || source.scheme.is_some_and(|scheme| !before.is_empty() && before != format!("{}://", scheme.as_str()))
    {
        return Aside::Never;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, own_query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let path = if path.is_empty() { "/" } else { path };
    let origin = format!("{before}{authority}");
    if target.constant().is_none() {
        let is_same = path == source.path.to_string() && own_query.is_none() && *query != QueryPolicy::Drop;
        return match is_same && !origin.contains('{') {
            true => Aside::Always { origin },
            // The rest below one prefix put below another is never what it was.
            false if is_moved(source, path) => Aside::Never,
            // What has a pair of its own before the request's query is never the request.
            false if own_query.is_some_and(|own| !own.is_empty()) && *query == QueryPolicy::Keep => Aside::Never,
            false if may_meet(source, path) => Aside::Perhaps,
            false => Aside::Never,
        };
    }
    if !covers(source, path.as_bytes()) || own_query.is_some() && *query == QueryPolicy::Keep {
        return Aside::Never;
    }
    let has_query = own_query.is_some() || *query == QueryPolicy::Drop;
    Aside::At { origin, path: path.to_owned(), query: has_query.then(|| own_query.unwrap_or_default().to_owned()) }
}

/// Whether a target is the rest of a source's prefix below another one.
fn is_moved(source: &Source<'_>, target: &str) -> bool {
    let (PathPattern::Prefix(own), Some(other)) = (&source.path, target.strip_suffix("/*")) else { return false };
    !other.contains('{') && !own.eq_ignore_ascii_case(other.as_bytes())
}

/// Whether a source may fit a path that is the same for every request.
fn covers(source: &Source<'_>, path: &[u8]) -> bool {
    let bare = |path: &[u8]| path.strip_suffix(b"/").unwrap_or(path).to_ascii_lowercase();
    match &source.path {
        PathPattern::Exact(own) if source.slash == TrailingSlash::Either => bare(own) == bare(path),
        PathPattern::Exact(own) => own.eq_ignore_ascii_case(path),
        PathPattern::Prefix(prefix) => {
            path.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
                && matches!(path.get(prefix.len()), None | Some(b'/'))
        }
        PathPattern::Regex(pattern) => pattern.finds(path).unwrap_or(true),
        PathPattern::Segments { .. } | PathPattern::BytePrefix { .. } => {
            may_meet(source, &String::from_utf8_lossy(path))
        }
    }
}

/// Whether a path with captures may be one that the source fits: not where the texts before them differ.
fn may_meet(source: &Source<'_>, target: &str) -> bool {
    let literal = target.split('{').next().unwrap_or_default();
    let is_whole = literal.len() == target.len() && !target.ends_with("/*");
    if is_whole && matches!(source.path, PathPattern::Regex(_)) {
        return covers(source, target.as_bytes());
    }
    let literal = literal.trim_end_matches("/*").to_ascii_lowercase().into_bytes();
    let own = region(source).prefix;
    let is_below = |path: &[u8], prefix: &[u8]| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    is_below(&literal, &own) || !is_whole && own.starts_with(&literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: &str, to: &str) -> Aside {
        let source = Source::parse(from).unwrap();
        aside(&source, &Target::parse(to, &source).unwrap(), &QueryPolicy::Keep)
    }

    #[test]
    fn rules_stand_aside_where_they_lead_to_what_was_asked() {
        for (from, to) in [
            ("/a", "/b"),
            ("/old/*", "/new/*"),
            ("/old/*", "/*"),
            ("~/p/(\\d+)", "/product/{1}"),
            ("//a.test/*", "https://b.test/*"),
            ("~/a/(.*)", "/b"),
            ("/:year/:slug", "/a/{slug}?y={year}"),
        ] {
            assert_eq!(of(from, to), Aside::Never, "{from} {to}");
        }
        let at = |path: &str| Aside::At { origin: String::new(), path: path.to_owned(), query: None };
        assert_eq!(of("/a/*", "/a/b"), at("/a/b"));
        assert_eq!(of("~/a/(.*)", "/a/b"), at("/a/b"));
        assert_eq!(of("/*", "https://b.test/*"), Aside::Always { origin: "https://b.test".to_owned() });
        assert_eq!(of("~/a/(.*)", "/a/x{1}"), Aside::Perhaps);
    }
}
