//! Rules as nginx says them: a server for each host, `location` and `return`, `$request_uri` where bytes must survive.
//!
//! Exact paths are `location =`, prefixes `location =` and `location ^~`. Patterns of our own are asked of the path as it was sent,
//! below `location /`; those of another server see it decoded, as locations do, and are locations ([`chains`]). nginx takes one
//! location and asks no other: where the rules of a place do not take every request, those that byway would ask next stand there
//! too. A long list is a `map` ([`lists`]). `rewrite`, which has no 307, is written only for captures that the server of a rule
//! escapes as it does. What cannot be said is left out by name.

mod chains;
mod conditions;
mod lists;
mod names;
mod places;
mod rule;
mod servers;
mod statements;
mod target;
mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use byway_core::dialect::BYWAY;
use byway_core::host::HostPattern;

use self::names::Names;
use self::rule::Said;
use self::servers::{Servers, listens};
pub(crate) use self::words::word;
use crate::remarks::Verdict;
use crate::writing::own::{AS_SENT, OwnRule, Plan, own};
use crate::writing::{Writing, foreign, is_as_seen};

/// How many rules for all hosts, or for all below one, are written again in the servers of single hosts.
const AGAIN: usize = 10_000;

const OWN_RULES_ONLY: &str = "where no rule of this host fits, nginx does not ask the rules of all hosts";
const OWN_HOSTS_ONLY: &str = "a server for a host of its own does not ask the rules of all hosts";

type Why = Cow<'static, str>;

/// What becomes of all rules while servers are written.
struct Output {
    names: Names,
    servers: String,
    /// By the number of a rule: what writing it left out.
    left_out: BTreeMap<u32, &'static str>,
    /// The longest key of a list, and the most keys of one.
    longest: usize,
    most: usize,
}

/// Writes all rules.
pub(super) fn write(writing: &mut Writing<'_>) {
    let now = writing.loaded.and_then(|loaded| loaded.now);
    let plan = Plan::of(writing.rules);
    let made: Vec<Result<(Vec<OwnRule<'_>>, Verdict), Why>> =
        writing.rules.rules().map(|view| own(view, &plan)).collect();
    let said: Vec<Result<Vec<Said<'_>>, Why>> = made
        .iter()
        .map(|made| made.as_ref().map_err(Clone::clone).and_then(|(rules, _)| all_said(rules, now)))
        .collect();
    let mut all: Vec<&Said<'_>> = said.iter().filter_map(|said| said.as_ref().ok()).flatten().collect();
    all.sort_by(|one, other| one.rank.cmp(&other.rank));
    let hosts = Hosts::of(&all);
    let mut output =
        Output { names: Names::default(), servers: String::new(), left_out: BTreeMap::new(), longest: 0, most: 0 };
    let doors = writing.loaded.map(|loaded| loaded.doors.as_slice()).unwrap_or_default();
    let mut servers = Servers::default();
    for listens in listens(&all, doors) {
        let is_asked = |rule: &&&Said<'_>| listens.takes(rule);
        for host in &hosts.servers {
            let own = all.iter().filter(is_asked).copied().filter(|rule| hosts.reaches(rule, host));
            servers.add(host, &listens, &own.collect::<Vec<_>>(), doors, &mut output);
        }
    }
    servers.write(&mut output.servers);
    head(writing, &hosts, &output);
    writing.text.push_str(&output.names.text);
    writing.text.push_str(&output.servers);
    for ((view, said), made) in writing.rules.rules().zip(&said).zip(&made) {
        let why = |said: &[Said<'_>]| {
            let own = said.iter().find_map(|rule| rule.why.clone());
            let left_out = output.left_out.get(&view.number()).map(|why| Why::from(*why));
            let verdict = made.as_ref().map_or(&Verdict::Exact, |(_, verdict)| verdict);
            // Path and query are asked here as its server asks them.
            let is_asked_so = made.as_ref().is_ok_and(|(rules, _)| rules.iter().all(|rule| rule.as_sent.is_some()));
            let is_as_sent = is_asked_so && matches!(verdict, Verdict::Approximated(why) if why == AS_SENT);
            let is_same = said.iter().all(|rule| rule.is_same) && (is_as_seen(verdict) || is_as_sent);
            let foreign =
                (*view.dialect() != BYWAY && !said.is_empty() && !is_same).then(|| foreign(verdict, &view, "nginx"));
            let hosts = said.iter().find_map(|rule| hosts.why(rule)).map(Why::from);
            own.or(hosts).or(left_out).or(foreign)
        };
        let verdict = match said {
            Ok(said) => why(said).map_or(Verdict::Exact, Verdict::Approximated),
            Err(why) => Verdict::Refused(why.clone()),
        };
        writing.say(&view, verdict);
    }
}

fn all_said<'r>(rules: &'r [OwnRule<'r>], now: Option<i64>) -> Result<Vec<Said<'r>>, Why> {
    rules.iter().enumerate().map(|(at, rule)| rule::said(rule, at, now)).collect()
}

/// The hosts that have a server, and whether the rules of all hosts stand in each.
struct Hosts {
    servers: Vec<HostPattern<'static>>,
    is_shared: bool,
}

impl Hosts {
    fn of(all: &[&Said<'_>]) -> Hosts {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for rule in all {
            *counts.entry(host_text(&rule.host)).or_default() += 1;
        }
        let shared: usize = counts.iter().filter(|(host, _)| is_shared(host)).map(|(_, count)| count).sum();
        let named: BTreeSet<&str> = counts.keys().map(String::as_str).filter(|host| !host.is_empty()).collect();
        let parse = |host: &&str| HostPattern::parse(host).ok().map(owned);
        let is_shared = shared * named.len() <= AGAIN;
        // nginx sends requests for hosts without a server to the first: that one is for any host.
        let servers = std::iter::once(HostPattern::Any).chain(named.iter().filter_map(parse)).collect();
        Hosts { servers, is_shared }
    }

    /// Whether a rule is asked in the server of a host.
    fn reaches(&self, rule: &Said<'_>, host: &HostPattern<'_>) -> bool {
        match (&rule.host, host) {
            (one, other) if one == other => true,
            _ if !self.is_shared => false,
            (HostPattern::Any, _) => true,
            (HostPattern::Below(_), HostPattern::Exact(host)) => rule.host.matches(host),
            (HostPattern::Below(parent), HostPattern::Below(below)) => {
                below.strip_suffix(&**parent).is_some_and(|rest| rest.ends_with('.'))
            }
            _ => false,
        }
    }

    fn why(&self, rule: &Said<'_>) -> Option<&'static str> {
        match rule.host {
            _ if self.is_shared => None,
            HostPattern::Exact(_) => Some(OWN_RULES_ONLY),
            _ => Some(OWN_HOSTS_ONLY),
        }
    }
}

fn host_text(host: &HostPattern<'_>) -> String {
    match host {
        HostPattern::Any => String::new(),
        host => host.to_string(),
    }
}

fn is_shared(host: &str) -> bool {
    host.is_empty() || host.starts_with("*.")
}

fn owned(host: HostPattern<'_>) -> HostPattern<'static> {
    match host {
        HostPattern::Any => HostPattern::Any,
        HostPattern::Exact(host) => HostPattern::Exact(Cow::Owned(host.into_owned())),
        HostPattern::Below(parent) => HostPattern::Below(Cow::Owned(parent.into_owned())),
    }
}

/// What stands above all servers: where the file belongs, and what nginx must be told for it.
fn head(writing: &mut Writing<'_>, hosts: &Hosts, output: &Output) {
    let uses = |name: &str| output.servers.contains(name) || output.names.text.contains(name);
    writing.headline();
    let out = &mut writing.text;
    out.push_str("# It belongs inside `http { … }`, as a file in conf.d.\n");
    if uses("listen 443") {
        out.push_str("# Where it says `listen 443`, add `ssl` and the certificates.\n");
    }
    let longest = hosts.servers.iter().map(|host| host_text(host).len()).max().unwrap_or(0);
    for (name, longest) in [("server_names_hash", longest), ("map_hash", output.longest)] {
        // An entry is a pointer, a length and the key, and its bucket ends with a pointer more.
        let size = (longest + 2).next_multiple_of(8) + 16;
        if size > 64 {
            _ = writeln!(out, "{name}_bucket_size {};", size.next_power_of_two());
        }
    }
    if output.most > 1_000 {
        _ = writeln!(out, "map_hash_max_size {};", (output.most * 2).next_power_of_two());
    }
    if uses("${dollar}") {
        out.push_str("\n# nginx has no other way to write a dollar sign.\ngeo $dollar {\n    default \"$\";\n}\n");
    }
    if uses("$and_args") {
        out.push_str("\n# The query behind another one.\nmap $args $and_args {\n    \"\"      \"\";\n    default \"&$args\";\n}\n");
    }
    if uses("$request_path") || uses("${request_path}") {
        out.push_str(PATH);
    }
}

/// A path with dot segments fits no pattern of ours.
const PATH: &str = r#"
# The path as it was sent, without the query; none where `.` and `..` lead elsewhere.
map $request_uri $request_path {
    "~*^[^?]*/(?:\.|%2e)(?:\.|%2e)?(?:[/?]|$)" "";
    "~^([^?]*)" $1;
}
"#;
