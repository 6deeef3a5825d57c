//! Where a URL goes that a rule of mod_rewrite made without `L`: which of the rules below may take it.

use std::rc::Rc;

use byway_core::dialect::LetterCase;
use byway_core::target::{Piece, What};

use super::expand;
use super::pattern::{Shape, pattern, shape};
use super::rule::RewriteRule;
use super::steps;

/// What a substitution begins with that is no path (mod_rewrite's own list).
const SCHEMES: [&str; 17] = [
    "ajp:",
    "balancer:",
    "fcgi:",
    "ftp:",
    "gopher:",
    "h2:",
    "h2c:",
    "http:",
    "https:",
    "ldap:",
    "mailto:",
    "news:",
    "nntp:",
    "scgi:",
    "unix:",
    "uwsgi:",
    "ws",
];

/// The rules that may take a URL which a rule before them made; most patterns begin as no URL does.
pub(super) fn takers(rules: &[Rc<RewriteRule>]) -> Vec<usize> {
    if !rules.iter().any(|rule| steps::substitutes(rule) && !steps::stops(rule)) {
        return Vec::new();
    }
    let may = |rule: &RewriteRule| {
        let does = rule.substitution != "-" || rule.flags.status.is_some();
        let fits = || match shape(&rule.pattern) {
            Shape::Any | Shape::Other(None) => true,
            Shape::Exact(text) | Shape::Begins(text) | Shape::Other(Some(text)) => {
                let text = text.to_ascii_lowercase();
                SCHEMES.iter().any(|scheme| scheme.starts_with(&text) || text.starts_with(scheme))
            }
        };
        does && (rule.is_negated || fits())
    };
    rules.iter().enumerate().filter(|(_, rule)| may(rule)).map(|(at, _)| at).collect()
}

/// Whether a rule writes a path inside, whatever there was before.
pub(super) fn writes_inside(rule: &RewriteRule) -> bool {
    let is_url = SCHEMES.iter().any(|scheme| rule.substitution.to_ascii_lowercase().starts_with(scheme));
    steps::substitutes(rule) && rule.flags.redirect.is_none() && !is_url
}

/// Whether among some rules is one that makes a URL and goes on, and one that writes a path inside.
pub(super) fn may_take_back<'r>(rules: impl Iterator<Item = &'r Rc<RewriteRule>> + Clone) -> bool {
    let mut makes = rules.clone().filter(|rule| {
        let is_url =
            rule.flags.redirect.is_some() || rule.substitution.contains("://") || rule.substitution.starts_with('%');
        steps::substitutes(rule) && !steps::stops(rule) && is_url
    });
    makes.next().is_some() && rules.clone().any(|rule| writes_inside(rule))
}

/// Whether a rule further down may fit the URL that a redirect without `L` left behind.
/// In a folder, what stood behind the file follows it.
pub(super) fn may_go_on<'r>(
    mut rules: impl Iterator<Item = &'r Rc<RewriteRule>>,
    placed: &expand::Placed,
    in_folder: bool,
) -> bool {
    let beginning = placed.beginning.split('?').next().unwrap_or_default();
    let whole = constant(&placed.pieces).filter(|_| !in_folder);
    rules.any(|rule| {
        let case = if rule.flags.nocase { LetterCase::Ignored } else { LetterCase::Significant };
        if rule.is_negated {
            return true;
        }
        match (&whole, placed.is_url) {
            (Some(url), true) => {
                let path = url.split('?').next().unwrap_or_default();
                pattern(&rule.pattern, case).finds(path.as_bytes()).unwrap_or(true)
            }
            _ => {
                let beginning = if placed.is_url && !beginning.is_empty() { beginning } else { "http" };
                shape(&rule.pattern).may_fit_behind(beginning, case)
            }
        }
    })
}

/// The text of pieces that hold nothing of the request.
pub(super) fn constant<'p>(pieces: impl IntoIterator<Item = &'p Piece<'static>>) -> Option<String> {
    pieces
        .into_iter()
        .map(|piece| match &piece.what {
            What::Literal(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}
