//! The origins that rules can send to: how many rules lead there, whether bodies may go, whether the name resolves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use byway_core::{Action, RuleSet};
use serde_json::{Value, json};

/// How long all names together may take to resolve.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names that are looked up at a time.
const AT_ONCE: usize = 16;

/// One origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `https://www.example.com`, or words for one that a request chooses.
    pub(crate) origin: String,
    /// How many rules lead there.
    pub(crate) rules: u64,
    /// How many of them keep method and body.
    pub(crate) with_bodies: u64,
    /// The pools of which it is a member.
    pub(crate) pools: BTreeSet<String>,
    /// Whether its name has an address; nothing where there is no name, or no answer in time.
    pub(crate) resolves: Option<bool>,
}

const SAME: &str = "(the origin that was asked)";
const CHOSEN: &str = "(chosen by the request)";

/// Every origin, by name, resolved.
pub(crate) fn origins(rules: &RuleSet) -> Vec<Origin> {
    let mut found: BTreeMap<String, Origin> = BTreeMap::new();
    for rule in rules.rules() {
        let Action::Redirect { status, .. } = rule.action() else { continue };
        let pool = rule.pool();
        let leads_to = match &pool {
            // A member may stand in two tiers.
            Some(pool) => pool.members().map(|(_, member)| member.origin.clone()).collect::<BTreeSet<_>>(),
            None => BTreeSet::from([origin_of(&rule.target_text())]),
        };
        for origin in leads_to {
            let entry = found.entry(origin).or_default();
            entry.rules += 1;
            entry.with_bodies += u64::from(status.other.preserves_method());
            entry.pools.extend(pool.as_ref().map(|pool| pool.name.clone()));
        }
    }
    found.iter_mut().for_each(|(name, origin)| origin.origin.clone_from(name));
    let mut origins: Vec<Origin> = found.into_values().collect();
    resolve(&mut origins);
    origins
}

/// The origin of a target as written; `{name}` in it is the request's.
pub(crate) fn origin_of(target: &str) -> String {
    let Some((scheme, rest)) = target.split_once("://").filter(|(scheme, _)| !scheme.contains(['/', '?', '#'])) else {
        return SAME.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.contains('{') || scheme.contains('{') {
        true => format!("{CHOSEN} {scheme}://{authority}"),
        false => format!("{scheme}://{authority}"),
    }
}

/// Looks names up beside each other; one that hangs keeps nobody waiting beyond the patience.
fn resolve(origins: &mut [Origin]) {
    let named: Vec<(usize, String)> = origins
        .iter()
        .enumerate()
        .filter_map(|(at, origin)| host_and_port(&origin.origin).map(|place| (at, place)))
        .collect();
    let deadline = Instant::now() + PATIENCE;
    let (tell, told) = channel();
    let (mut waiting, mut queue) = (0, named.into_iter());
    loop {
        for (at, place) in queue.by_ref().take(AT_ONCE - waiting) {
            let tell = tell.clone();
            waiting += 1;
            // Whoever stopped listening does not want to know any more.
            std::thread::spawn(move || {
                _ = tell.send((at, place.to_socket_addrs().is_ok_and(|mut found| found.next().is_some())))
            });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok((at, resolves)) if waiting > 0 => {
                origins[at].resolves = Some(resolves);
                waiting -= 1;
            }
            _ => return,
        }
        if waiting == 0 && queue.len() == 0 {
            return;
        }
    }
}

fn host_and_port(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://").filter(|(scheme, _)| !scheme.starts_with('('))?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|sign| sign.is_ascii_digit()));
    let port = if scheme == "https" { 443 } else { 80 };
    Some(if has_port { authority.to_owned() } else { format!("{authority}:{port}") })
}

/// For people.
pub(crate) fn text(origins: &[Origin]) -> String {
    let mut text = format!("{:>7}  {:<20}  {:<8}  {}\n", "rules", "bodies may go there", "resolves", "origin");
    for Origin { origin, rules, with_bodies, pools, resolves } in origins {
        let bodies = match with_bodies {
            0 => "no".to_owned(),
            all if all == rules => "yes".to_owned(),
            some => format!("by {some} of them"),
        };
        let resolves = match resolves {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        let pools: Vec<&str> = pools.iter().map(String::as_str).collect();
        let pools = if pools.is_empty() { String::new() } else { format!("  (pool {})", pools.join(", ")) };
        text.push_str(&format!("{rules:>7}  {bodies:<20}  {resolves:<8}  {origin}{pools}\n"));
    }
    text
}

/// For programs.
pub(crate) fn json(origins: &[Origin]) -> Value {
    let row = |origin: &Origin| {
        json!({
            "origin": origin.origin,
            "rules": origin.rules,
            "bodies": origin.with_bodies > 0,
            "rules_with_bodies": origin.with_bodies,
            "resolves": origin.resolves,
            "pools": origin.pools,
        })
    };
    origins.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_stands_before_the_path() {
        assert_eq!(origin_of("https://a.example:8443/x?y=http://z/"), "https://a.example:8443");
        assert_eq!(origin_of("/go?to=http://z/"), SAME);
        assert_eq!(origin_of("https://{host}/x"), "(chosen by the request) https://{host}");
        assert_eq!(host_and_port("https://[::1]"), Some("[::1]:443".to_owned()));
        assert_eq!(host_and_port("http://a.example:81"), Some("a.example:81".to_owned()));
    }
}
