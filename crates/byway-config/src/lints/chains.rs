//! What happens after a rule was followed: the walk that [`super::loops`] and [`super::long_chain`] share.
//!
//! Each rule's own sample is asked, and where its location leads is asked again, until nothing redirects. Most rules lead to a
//! place that no rule takes, which two decisions show; only what goes on is followed as a client would ([`FETCH`]). A location at
//! a host that no source names is somebody else's: nothing is known of it.

use std::collections::{BTreeSet, HashSet};

use byway_core::chain::{Chain, End};
use byway_core::client::{Answer, Asked, FETCH};
use byway_core::follow::to_rest;
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::Action;
use byway_core::ruleset::{RuleRef, RuleSet, Scratch};

use super::{Scene, Seen, Watcher, long_chain, loops};
use crate::examples::{Case, Expected};
use crate::sample::{ANY_HOST, sample};
use crate::trials::Trials;

/// The walk.
#[derive(Default)]
pub(super) struct Chains {
    scratch: Scratch,
    hosts: HashSet<String>,
    parents: HashSet<String>,
    /// The loops that were reported, by the least of their rules.
    reported: BTreeSet<u32>,
    /// Whether some rules are another server's.
    has_foreign: bool,
}

/// Which ports of a host the rules answer for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    /// All.
    All,
    /// The one that was asked: rules of another server that ask for no scheme are those of one listener.
    Own,
}

/// A chain that ends elsewhere than after one redirect, with the rules that made it.
pub(super) struct Walked {
    pub(super) chain: Chain,
    pub(super) rules: Vec<RuleRef>,
}

impl Watcher for Chains {
    fn see(&mut self, seen: &Seen<'_>, _scene: &mut Scene<'_, '_>) {
        match &seen.source.host {
            HostPattern::Any => {}
            HostPattern::Exact(host) if self.hosts.contains(host.as_ref()) => {}
            HostPattern::Exact(host) => {
                self.hosts.insert(host.to_string());
            }
            HostPattern::Below(parent) => {
                self.parents.insert(parent.to_string());
            }
        }
    }

    fn end(&mut self, scene: &mut Scene<'_, '_>) {
        let rules = scene.rules;
        for rule in rules.rules() {
            let seen = Seen::of(rule);
            self.has_foreign |= !seen.is_own();
            if !seen.is_own() || !matches!(seen.action, Action::Redirect { .. }) || !seen.rule.conditions().is_empty() {
                continue;
            }
            if let Some(walked) = self.walk(&seen, rules, scene.now) {
                self.report(&seen, &walked, scene);
            }
        }
        if self.has_foreign {
            self.try_foreign(scene);
        }
    }
}

impl Chains {
    /// The chain from a rule's sample, where it goes on after the rule.
    fn walk(&mut self, seen: &Seen<'_>, rules: &RuleSet, now: i64) -> Option<Walked> {
        let case = sample(&seen.source)?;
        let (first, rule) = case.decide(rules, now, &mut self.scratch);
        if rule != Some(seen.rule.reference()) {
            return None;
        }
        self.go_on(&case, &first, Ports::All, rules, now)
    }

    /// What begins at the rules of other servers, which are known by what requests get: one chain for each rule that answers.
    fn try_foreign(&mut self, scene: &mut Scene<'_, '_>) {
        let rules = scene.rules;
        let trials = Trials::of(rules, "x");
        let ports = if trials.asks_scheme { Ports::All } else { Ports::Own };
        let mut begun = BTreeSet::new();
        for case in trials.cases() {
            let (first, Some(rule)) = case.decide(rules, scene.now, &mut self.scratch) else { continue };
            let seen = Seen::of(rules.rule(rule));
            // One rule may answer for many paths, some of them for ever.
            if seen.is_own() || begun.contains(&seen.rule.number()) {
                continue;
            }
            if let Some(walked) = self.go_on(&case, &first, ports, rules, scene.now) {
                begun.insert(seen.rule.number());
                self.report(&seen, &walked, scene);
            }
        }
    }

    /// The chain from a first answer on, where it goes on.
    fn go_on(&mut self, case: &Case, first: &Expected, ports: Ports, rules: &RuleSet, now: i64) -> Option<Walked> {
        let Expected::Redirect { location: Some(location), .. } = first else { return None };
        let next = resolved(case, location)?;
        if !self.is_ours(&next, case, ports) {
            return None;
        }
        let Expected::Redirect { .. } = next.decide(rules, now, &mut self.scratch).0 else { return None };
        let start = url_of(case).parse().ok()?;
        let mut made = Vec::new();
        let chain = to_rest(&FETCH, Asked::new("GET", start), |asked| {
            let Some(next) = case_of(asked.url.as_str()) else { return Answer::new(200) };
            if !self.is_ours(&next, case, ports) {
                return Answer::new(200);
            }
            let (answer, rule) = next.decide(rules, now, &mut self.scratch);
            match answer {
                Expected::Redirect { status, location } => {
                    made.extend(rule);
                    Answer::redirect(status, location.unwrap_or_default())
                }
                Expected::Reply(status) => Answer::new(status),
                _ => Answer::new(200),
            }
        });
        Some(Walked { chain, rules: made })
    }

    /// Whether the rules answer for a request: its host is the one that was asked, or a source names it.
    fn is_ours(&self, next: &Case, asked: &Case, ports: Ports) -> bool {
        let host = next.host.as_str();
        if ports == Ports::Own && (next.scheme, next.port) != (asked.scheme, asked.port) {
            return false;
        }
        let below = || host.match_indices('.').any(|(dot, _)| self.parents.contains(&host[dot + 1..]));
        host == asked.host || self.hosts.contains(host) || below()
    }

    fn report(&mut self, seen: &Seen<'_>, walked: &Walked, scene: &mut Scene<'_, '_>) {
        if let End::Loop { first } = walked.chain.end {
            let rules = scene.rules;
            // What leads into a loop is not part of it.
            let ring = walked.rules.get(first..).unwrap_or_default();
            let least = ring.iter().map(|rule| rules.rule(*rule).number()).min().unwrap_or_default();
            if self.reported.insert(least) {
                loops::report(&walked.chain, ring, scene);
            }
        } else if let End::TooMany { .. } = walked.chain.end {
            // It grows with every round: no address comes twice, and none is the last.
            if self.reported.insert(seen.rule.number()) {
                loops::report(&walked.chain, &walked.rules[..walked.rules.len().min(1)], scene);
            }
        } else if walked.chain.redirects() > byway_core::problem::LONGEST {
            long_chain::report(seen, walked, scene);
        }
    }
}

/// The URL of a case, as a client writes it.
fn url_of(case: &Case) -> String {
    let port = if case.port == case.scheme.default_port() { String::new() } else { format!(":{}", case.port) };
    let query = case.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}://{}{port}{}{query}", case.scheme.as_str(), case.host, case.path)
}

/// The request for a location, read from where it was sent.
fn resolved(case: &Case, location: &str) -> Option<Case> {
    let location = location.split_once('#').map_or(location, |(location, _)| location);
    if !location.starts_with('/') {
        return case_of(location);
    }
    let (path, query) =
        location.split_once('?').map_or((location, None), |(path, query)| (path, Some(query.to_owned())));
    Some(Case {
        path: path.to_owned(),
        query,
        host: case.host.clone(),
        port: case.port,
        scheme: case.scheme,
        ..Case::get("")
    })
}

fn case_of(url: &str) -> Option<Case> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (scheme, rest) = match url.split_once("://")? {
        ("http", rest) => (Scheme::Http, rest),
        ("https", rest) => (Scheme::Https, rest),
        _ => return None,
    };
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, port) = byway_core::host::split_authority(&rest[..path_at]).ok()?;
    let (path, query) = match rest[path_at..].split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (&rest[path_at..], None),
    };
    let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    Some(Case {
        path,
        query,
        host: host.to_owned(),
        port: port.unwrap_or(scheme.default_port()),
        scheme,
        ..Case::get("")
    })
}

/// The requests of a chain as a line: `/a → /b → /a`, with hosts only where one was named.
pub(super) fn line(chain: &Chain) -> String {
    let any = format!("://{ANY_HOST}");
    let short = |url: &str| match url.find(&any) {
        Some(at) => url[at + any.len()..].to_owned(),
        None => url.to_owned(),
    };
    let mut steps: Vec<String> = chain.requests().map(|asked| short(asked.url.as_str())).collect();
    if steps.len() > 8 {
        let last = steps.split_off(steps.len() - 1);
        steps.truncate(6);
        steps.push("…".to_owned());
        steps.extend(last);
    }
    steps.join(" → ")
}
