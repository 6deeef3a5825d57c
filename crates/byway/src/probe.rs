//! Are the targets still there? Each distinct one is asked now and then, politely.
//!
//! GET without reading the body, one request a second to each host, under a name of its own. What answers is alive, 401, 403,
//! 405 and 429 among them: somebody is there and says no to us. 404, 410, 5xx and nothing at all are bad, but only after several
//! attempts; a target counts as dead after bad rounds in a row, and as alive after good ones. Only targets that stand fast are
//! asked: what a request fills in, nobody can guess.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use byway_core::rule::Probing;
use byway_core::ruleset::RuleView;
use byway_core::{Action, RuleSet};
use byway_net::{Ask, Blame, Fault, Limits, Transport};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::exit::Failure;
use crate::hits::store::TargetState;
use crate::listing::{instant, rule_json};
use crate::rules::now;

/// Attempts at a target before it is called bad.
const ATTEMPTS: usize = 3;
/// The pause between two requests to one host.
const PAUSE: Duration = Duration::from_secs(1);
/// Hosts that are asked at a time.
const HOSTS: usize = 16;
/// Rounds in a row after which a target counts as dead, or as alive again.
const ROUNDS: u32 = 2;
const AGENT: &str = concat!("byway-probe/", env!("CARGO_PKG_VERSION"));

/// A URL, and the rules that lead there, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// What is asked.
    pub(crate) url: String,
    /// Who leads there.
    pub(crate) rules: Vec<u32>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Somebody is there.
    Alive(u16),
    /// It answers that there is nothing.
    Bad(u16),
    /// Nothing came, and why.
    Nothing(String),
    /// It cannot be asked from here, and why.
    Unasked(String),
}

impl Said {
    fn is_bad(&self) -> bool {
        matches!(self, Said::Bad(_) | Said::Nothing(_))
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Said::Alive(status) | Said::Bad(status) => status.to_string(),
            Said::Nothing(why) | Said::Unasked(why) => why.clone(),
        }
    }

    fn verdict(&self) -> &'static str {
        match self {
            Said::Alive(_) => "alive",
            Said::Bad(_) | Said::Nothing(_) => "dead",
            Said::Unasked(_) => "unknown",
        }
    }
}

/// The distinct targets of a rule set, and the rules whose target a request fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// To be asked.
    pub(crate) targets: Vec<Target>,
    /// Rules that lead to no place that stands fast.
    pub(crate) open: Vec<u32>,
    /// Rules that say `probe = false`.
    pub(crate) alone: Vec<u32>,
}

/// What there is to ask; an origin stands before targets that begin with `/`.
pub(crate) fn plan(rules: &RuleSet, origin: Option<&str>) -> Result<Plan, Failure> {
    if let Some(origin) = origin
        && !is_origin(origin)
    {
        return Err(Failure::usage(format!("`{origin}` is no origin")).help("write https://www.example.com"));
    }
    let (mut found, mut open, mut alone) = (BTreeMap::<String, Vec<u32>>::new(), Vec::new(), Vec::new());
    for rule in rules.rules() {
        if !matches!(rule.action(), Action::Redirect { .. }) {
            continue;
        }
        if rule.probing() == Probing::Refused {
            alone.push(rule.number());
            continue;
        }
        let urls = urls(rule, origin);
        if urls.is_empty() {
            open.push(rule.number());
        }
        for url in urls {
            found.entry(url).or_default().push(rule.number());
        }
    }
    Ok(Plan { targets: found.into_iter().map(|(url, rules)| Target { url, rules }).collect(), open, alone })
}

/// Where a rule leads, if that stands fast: one place, or with a pool one for each member. A fragment stays at home.
pub(crate) fn urls(rule: RuleView<'_>, origin: Option<&str>) -> BTreeSet<String> {
    let Action::Redirect { target, .. } = rule.action() else { return BTreeSet::new() };
    let Some(text) = target.constant() else { return BTreeSet::new() };
    let text = text.split('#').next().unwrap_or_default();
    match (rule.pool(), text.starts_with('/'), origin) {
        (Some(pool), ..) => pool.members().map(|(_, member)| format!("{}{text}", member.origin)).collect(),
        (None, true, Some(origin)) => BTreeSet::from([format!("{}{text}", origin.trim_end_matches('/'))]),
        (None, true, None) => BTreeSet::new(),
        (None, false, _) => BTreeSet::from([text.to_owned()]),
    }
}

fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|host| !host.trim_end_matches('/').is_empty() && !host.trim_end_matches('/').contains('/'))
}

/// What came of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The targets, with what they said.
    pub(crate) targets: Vec<(Target, Said)>,
    /// As in the plan.
    pub(crate) open: Vec<u32>,
    /// As in the plan.
    pub(crate) alone: Vec<u32>,
}

/// Asks them all; hosts beside each other, the targets of one host one after the other.
pub(crate) fn ask_all(plan: Plan) -> Result<Asked, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::no_verdict(format!("targets cannot be asked: {error}")))?;
    let mut hosts: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    for target in plan.targets {
        hosts.entry(crate::targets::origin_of(&target.url)).or_default().push(target);
    }
    let mut targets = runtime.block_on(async {
        let limits = Limits { body: 0, body_time: Duration::ZERO, ..Limits::default() };
        let transport = Transport::new(AGENT, limits);
        let (mut tasks, mut done) = (tokio::task::JoinSet::new(), Vec::new());
        for (_, targets) in hosts {
            if tasks.len() >= HOSTS
                && let Some(Ok(said)) = tasks.join_next().await
            {
                done.push(said);
            }
            tasks.spawn(ask_host(transport.clone(), targets));
        }
        done.extend(tasks.join_all().await);
        done.into_iter().flatten().collect::<Vec<_>>()
    });
    targets.sort_by(|(one, _), (other, _)| one.url.cmp(&other.url));
    Ok(Asked { targets, open: plan.open, alone: plan.alone })
}

async fn ask_host(transport: Transport, targets: Vec<Target>) -> Vec<(Target, Said)> {
    let mut said = Vec::with_capacity(targets.len());
    let mut is_first = true;
    for target in targets {
        let mut last = Said::Unasked(String::new());
        for _ in 0..ATTEMPTS {
            if !std::mem::take(&mut is_first) {
                sleep(PAUSE).await;
            }
            last = ask(&transport, &target.url).await;
            if !last.is_bad() {
                break;
            }
        }
        said.push((target, last));
    }
    said
}

async fn ask(transport: &Transport, url: &str) -> Said {
    let Ok(uri) = url.parse() else { return Said::Unasked("this is no URL that can be asked".to_owned()) };
    match transport.send(Ask::get(uri)).await {
        Ok(answer) => verdict(answer.status),
        Err(Fault { blame: Blame::Us, what, .. }) => Said::Unasked(what),
        Err(fault) => Said::Nothing(fault.to_string()),
    }
}

fn verdict(status: u16) -> Said {
    match status {
        404 | 410 | 500.. => Said::Bad(status),
        status => Said::Alive(status),
    }
}

/// What is known of a target after one round more.
pub(crate) fn next(before: Option<&TargetState>, url: &str, said: &Said, now: i64) -> TargetState {
    let mut state = before.cloned().unwrap_or(TargetState {
        url: url.to_owned(),
        asked: now,
        said: String::new(),
        bad: 0,
        good: 0,
        is_dead: false,
        since: now,
    });
    (state.asked, state.said) = (now, said.words());
    match said {
        Said::Unasked(_) => return state,
        said if said.is_bad() => (state.bad, state.good) = (state.bad.saturating_add(1), 0),
        _ => (state.good, state.bad) = (state.good.saturating_add(1), 0),
    }
    let turns = if state.is_dead { state.good >= ROUNDS } else { state.bad >= ROUNDS };
    if turns {
        (state.is_dead, state.since) = (!state.is_dead, now);
    }
    state
}

/// For people: what is dead first.
pub(crate) fn text(rules: &RuleSet, asked: &Asked) -> String {
    let mut text = String::new();
    let by_number = views(rules);
    let mut targets: Vec<&(Target, Said)> = asked.targets.iter().collect();
    targets.sort_by_key(|(_, said)| !said.is_bad());
    for (target, said) in targets {
        text.push_str(&format!("{:<7}  {}  ({})\n", said.verdict(), target.url, said.words()));
        if said.is_bad() {
            for rule in &target.rules {
                text.push_str(&format!("         from {}\n", crate::listing::named(by_number[rule])));
            }
        }
    }
    let dead = asked.targets.iter().filter(|(_, said)| said.is_bad()).count();
    let count = |number: usize, thing| crate::rules::count(number as u64, thing);
    text.push_str(&format!("{}, {dead} dead", count(asked.targets.len(), "target")));
    if !asked.open.is_empty() {
        text.push_str(&format!("; {} not asked: a request decides where they lead", count(asked.open.len(), "rule")));
    }
    if !asked.alone.is_empty() {
        text.push_str(&format!("; {} left alone: `probe = false`", count(asked.alone.len(), "rule")));
    }
    text.push('\n');
    text
}

/// For programs.
pub(crate) fn json(rules: &RuleSet, asked: &Asked) -> Value {
    let by_number = views(rules);
    let named = |numbers: &[u32]| numbers.iter().map(|number| rule_json(by_number[number])).collect::<Value>();
    let target = |(target, said): &(Target, Said)| {
        json!({
            "url": target.url,
            "verdict": said.verdict(),
            "said": said.words(),
            "rules": named(&target.rules),
        })
    };
    json!({
        "at": instant(now()),
        "targets": asked.targets.iter().map(target).collect::<Value>(),
        "not_asked": named(&asked.open),
        "left_alone": named(&asked.alone),
    })
}

fn views(rules: &RuleSet) -> BTreeMap<u32, RuleView<'_>> {
    rules.rules().map(|rule| (rule.number(), rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_kills_nobody_and_one_good_one_raises_nobody() {
        let mut state: Option<TargetState> = None;
        let mut dead = Vec::new();
        for (at, status) in [200, 404, 200, 503, 404, 200, 404, 200, 200].into_iter().enumerate() {
            let next = next(state.as_ref(), "http://a/", &verdict(status), at as i64);
            dead.push(next.is_dead);
            state = Some(next);
        }
        assert_eq!(dead, [false, false, false, false, true, true, true, true, false]);
        assert_eq!(state.map(|state| (state.since, state.said)), Some((8, "200".to_owned())));
    }

    #[test]
    fn those_who_say_no_are_alive() {
        assert!([200, 204, 301, 307, 400, 401, 403, 405, 429].iter().all(|&status| !verdict(status).is_bad()));
        assert!([404, 410, 500, 502, 503, 599].iter().all(|&status| verdict(status).is_bad()));
    }
}
