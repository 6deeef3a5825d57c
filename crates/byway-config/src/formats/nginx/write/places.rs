//! Locations: what is written of the places of a server.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

use byway_core::host::HostPattern;
use byway_core::request::Scheme;

use super::Output;
use super::chains::{Chains, Place, aside_at, beginning, is_location};
use super::conditions::Asked;
use super::rule::{Answer, Fitting, Path, Said};
use super::statements::{ALONE, Server};
use super::words::{bare_pattern, literal};
use crate::writing::aside::Aside;
use crate::writing::rank::Taken;

/// Writes the locations of a server.
pub(super) fn write(
    rules: &[&Said<'_>],
    listed: &BTreeSet<usize>,
    host: &HostPattern<'_>,
    scheme: Scheme,
    output: &mut Output,
    body: &mut String,
) {
    // What stands behind a rule for every request is asked of none.
    let end = rules.iter().position(|rule| is_for_all(rule)).map_or(rules.len(), |at| at + 1);
    let rules = &rules[..end];
    let mut server = Server::new(host, scheme);
    let needless = needless(rules);
    let out = listed.union(&needless).copied().collect();
    let listed = &out;
    let early = Chains::of(rules, listed).early(listed);
    if !early.is_empty() {
        let chain: Vec<usize> = early.iter().copied().collect();
        body.push('\n');
        let statements = server.statements(rules, &chain, &Place::Below(Vec::new()), output);
        statements.iter().for_each(|text| _ = writeln!(body, "    {text}"));
    }
    let without: BTreeSet<usize> = listed.union(&early).copied().collect();
    asked_again(rules, &without, output);
    let chains = Chains::of(rules, &without);
    let places: Vec<(Place, Vec<usize>)> = chains
        .places()
        .into_iter()
        .map(|place| (chains.at(&place), place))
        .filter(|(chain, place)| is_needed(rules, chain, place))
        .map(|(chain, place)| (place, chain))
        .collect();
    let is_one = places.len() == 1;
    for (place, chain) in &places {
        let behind = chains.behind_patterns(place, chain);
        let Some(name) = name(rules, place, behind.is_some()) else { continue };
        let chain = &behind.unwrap_or_else(|| chain.clone());
        let mut statements = server.statements(rules, chain, place, output);
        let is_root = *place == Place::Below(Vec::new());
        if is_root && statements == [ALONE] {
            continue;
        }
        if statements.is_empty() {
            statements.push("# left alone: what leads here is here".to_owned());
        }
        let is_return = |text: &String| text.starts_with("return ") || text.starts_with("# ");
        // One answer for all that a server is asked needs no location.
        if is_one && is_root && statements.iter().all(is_return) {
            statements.iter().for_each(|text| _ = writeln!(body, "    {text}"));
            return;
        }
        _ = writeln!(body, "\n    location {name} {{");
        statements.iter().for_each(|text| _ = writeln!(body, "        {text}"));
        body.push_str("    }\n");
    }
}

/// Whether a rule takes every request that comes to it.
fn is_for_all(rule: &Said<'_>) -> bool {
    let is_wide = matches!(&rule.path, Path::Prefix(path) if path.is_empty());
    is_wide && rule.asked.is_empty() && matches!(rule.aside, Aside::Never | Aside::Perhaps)
}

/// The places in which rules stand that do something, so that those who leave the rest of them alone are their ends.
struct Ends<'a> {
    patterns: HashSet<(&'a str, bool)>,
    begins: BTreeSet<Vec<u8>>,
}

impl<'a> Ends<'a> {
    fn of(rules: &[&'a Said<'_>]) -> Ends<'a> {
        let does = || rules.iter().filter(|rule| !matches!(rule.answer, Answer::Pass) && !rule.is_of_server);
        let asked = does().flat_map(|rule| rule.asked.iter().filter_map(Asked::path_pattern));
        let patterns = does().filter_map(|rule| rule.path.seen_pattern()).chain(asked).collect();
        let inner = does().filter(|rule| !is_location(rule));
        Ends { patterns, begins: inner.map(|rule| beginning(rule)).collect() }
    }

    fn holds(&self, path: &Path<'_>) -> bool {
        let is_inside = |text: &[u8]| {
            self.begins.range(text.to_vec()..).next().is_some_and(|begin| begin.starts_with(text)) && text.len() > 1
        };
        match path {
            Path::Begins(text) | Path::Prefix(text) => is_inside(text),
            path => path.seen_pattern().is_some_and(|pattern| self.patterns.contains(&pattern)),
        }
    }
}

/// Rules that leave alone what no rule behind them takes.
fn needless(rules: &[&Said<'_>]) -> BTreeSet<usize> {
    let ends = Ends::of(rules);
    let mut taken = Taken::default();
    let mut out = BTreeSet::new();
    for (at, rule) in rules.iter().enumerate().rev() {
        let regions = rule.path.regions();
        let is_pass = matches!(rule.answer, Answer::Pass);
        let is_end = rule.asked.is_empty() && ends.holds(&rule.path);
        if is_pass && !is_end && rule.comment.is_none() && !regions.iter().any(|region| taken.meets(region)) {
            out.insert(at);
        } else if !is_pass {
            regions.into_iter().for_each(|region| taken.take(region));
        }
    }
    out
}

/// Notes which rules of a server are asked in its locations, and so once more where a path is written anew.
fn asked_again(rules: &[&Said<'_>], without: &BTreeSet<usize>, output: &mut Output) {
    if rules.iter().any(|rule| matches!(rule.answer, Answer::Rewrite(..))) {
        let again = rules.iter().enumerate().filter(|(at, rule)| rule.is_of_server && !without.contains(at));
        again.for_each(|(_, rule)| _ = output.left_out.entry(rule.number).or_insert(AGAIN));
    }
}

const AGAIN: &str = "it is asked in locations, and so once more where the path is written anew inside";

/// Whether a place is more than what lies around it.
fn is_needed(rules: &[&Said<'_>], chain: &[usize], place: &Place) -> bool {
    let is_at_home = |at: &usize| match (&rules[*at].path, place) {
        (Path::Exact(paths), Place::Exact(path)) => paths.contains(path),
        (Path::Prefix(own), Place::Exact(path) | Place::Below(path)) => own == path,
        (Path::Begins(own), Place::Begins(path)) => own == path,
        (Path::Pattern(_), Place::Fits(own)) => own == at,
        (Path::Pattern(_), Place::Below(path)) => path.is_empty(),
        _ => false,
    };
    let is_aside =
        |rule: &&Said<'_>| matches!((aside_at(rule), place), (Some(own), Place::Exact(path)) if own == *path);
    chain.iter().any(is_at_home) || rules.iter().any(is_aside)
}

/// `is_open` says that nginx asks patterns before it.
fn name(rules: &[&Said<'_>], place: &Place, is_open: bool) -> Option<String> {
    match place {
        Place::Below(path) if is_open => literal(&[path, &b"/"[..]].concat()).ok(),
        Place::Begins(path) if is_open => literal(path).ok(),
        Place::Exact(path) => literal(path).ok().map(|path| format!("= {path}")),
        Place::Below(path) if path.is_empty() => Some("/".to_owned()),
        Place::Below(path) => literal(&[path, &b"/"[..]].concat()).ok().map(|path| format!("^~ {path}")),
        Place::Begins(path) => literal(path).ok().map(|path| format!("^~ {path}")),
        Place::Fits(at) => match &rules[*at].path {
            Path::Pattern(Fitting { pattern, ignores_case, .. }) => {
                Some(format!("~{} {}", if *ignores_case { "*" } else { "" }, bare_pattern(pattern)))
            }
            _ => None,
        },
    }
}
