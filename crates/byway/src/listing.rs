//! The list that `byway rules` prints, as text and as JSON.

use std::collections::BTreeSet;

use byway_core::rule::{Probing, Review};
use byway_core::ruleset::RuleView;
use byway_core::{Action, RuleSet};
use byway_server::MethodClass;
use serde_json::{Map, Value, json};

use crate::hits::store::{Kept, TargetState};
use crate::probe;
use crate::sources::Known;

const DAY: i64 = 86_400;

/// `90d`, `12w`: a time in seconds.
pub(crate) fn parse_days(text: &str) -> Result<i64, String> {
    let help = || "write days or weeks, as 90d or 12w".to_owned();
    let (number, unit) = text.split_at(text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len()));
    let number: i64 = number.parse().ok().filter(|number| (0..=36_500).contains(number)).ok_or_else(help)?;
    match unit {
        "d" => Ok(number * DAY),
        "w" => Ok(number * 7 * DAY),
        _ => Err(help()),
    }
}

/// Whether a rule is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unused,
    /// Nobody has watched for long enough.
    Unknown,
}

/// The rules, with what is known of them.
pub(crate) struct Listing<'r> {
    rows: Vec<Row<'r>>,
    has_hits: bool,
    now: i64,
}

struct Row<'r> {
    rule: RuleView<'r>,
    kept: Kept,
    verdict: Option<Verdict>,
    target: Option<&'r TargetState>,
}

impl<'r> Listing<'r> {
    /// All rules, or those without a hit for so many seconds.
    pub(crate) fn of(rules: &'r RuleSet, known: &'r Known, now: i64, unused: Option<i64>) -> Listing<'r> {
        let numbers = rules.identity_numbers();
        let row = |rule: RuleView<'r>| {
            let kept = known.rules.get(&numbers.of(rule)).copied().unwrap_or_default();
            let verdict = match unused {
                None => None,
                Some(time) if kept.hits.last.is_some_and(|last| last > now - time) => return None,
                Some(time) if kept.observed_since.is_some_and(|since| since <= now - time) => Some(Verdict::Unused),
                Some(_) => Some(Verdict::Unknown),
            };
            // Of several the dead one is what counts.
            let asked = if known.targets.is_empty() { BTreeSet::new() } else { probe::urls(rule, None) };
            let target = asked.iter().filter_map(|url| known.targets.get(url)).max_by_key(|state| state.is_dead);
            let target = target.filter(|_| rule.probing() == Probing::Allowed);
            Some(Row { rule, kept, verdict, target })
        };
        Listing { rows: rules.rules().filter_map(row).collect(), has_hits: known.sources > 0, now }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let heads = ["hits", "last hit", "observed since", "age", "until", "owner", "rule"];
        let mut table = vec![heads.map(str::to_owned)];
        table.extend(self.rows.iter().map(|row| self.cells(row)));
        let widths: Vec<usize> =
            (0..heads.len() - 1).map(|at| table.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &table {
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(&format!("{cell:>width$}  "));
            }
            text.push_str(&row[heads.len() - 1]);
            text.push('\n');
        }
        text
    }

    fn cells(&self, row: &Row<'_>) -> [String; 7] {
        let Row { rule, kept, verdict, target } = row;
        let none = || "-".to_owned();
        let hits = if self.has_hits { kept.hits.total().to_string() } else { "?".to_owned() };
        let age = self.age(row).map_or_else(none, |age| format!("{}d", age / DAY));
        let verdict = match verdict {
            None => "",
            Some(Verdict::Unused) => "unused: ",
            Some(Verdict::Unknown) => "unknown: ",
        };
        [
            hits,
            kept.hits.last.map_or_else(none, day),
            kept.observed_since.map_or_else(none, day),
            age,
            rule.until().map_or_else(none, day),
            rule.owner().unwrap_or("-").to_owned(),
            format!("{verdict}{}{}{}", named(*rule), self.due(row), target.map(dead).unwrap_or_default()),
        ]
    }

    /// When somebody wants to look at it again; counted from when it was seen first where it does not say since when it holds.
    fn review(row: &Row<'_>) -> Option<i64> {
        row.rule.review_on().or_else(|| match row.rule.review()? {
            Review::After(seconds) => Some(row.kept.first_seen?.saturating_add(seconds)),
            Review::On(second) => Some(second),
        })
    }

    fn due(&self, row: &Row<'_>) -> String {
        match Self::review(row).filter(|second| *second <= self.now) {
            Some(second) => format!("  to be looked at since {}", day(second)),
            None => String::new(),
        }
    }

    /// Since `since`, else since it was seen first.
    fn age(&self, row: &Row<'_>) -> Option<i64> {
        let began = row.rule.since().or(row.kept.first_seen)?;
        Some((self.now - began).max(0))
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row<'_>| {
            let mut value = rule_json(row.rule);
            let kept = &row.kept;
            value["hits"] = if self.has_hits { hits_json(kept) } else { Value::Null };
            value["last_hit"] = kept.hits.last.map(instant).into();
            value["first_seen"] = kept.first_seen.map(instant).into();
            value["observed_since"] = kept.observed_since.map(instant).into();
            value["unchanged_since"] = kept.unchanged_since.map(instant).into();
            value["review"] = Self::review(row).map(instant).into();
            value["target"] = row.target.map(target_json).into();
            value["age_days"] = self.age(row).map(|age| age / DAY).into();
            if let Some(verdict) = row.verdict {
                value["verdict"] = if verdict == Verdict::Unused { "unused" } else { "unknown" }.into();
            }
            value
        };
        self.rows.iter().map(row).collect()
    }
}

fn dead(state: &TargetState) -> String {
    match state.is_dead {
        true => format!("  its target is dead since {}: {}", day(state.since), state.said),
        false => String::new(),
    }
}

fn target_json(state: &TargetState) -> Value {
    json!({
        "url": state.url,
        "dead": state.is_dead,
        "since": instant(state.since),
        "asked": instant(state.asked),
        "said": state.said,
    })
}

/// Hits by method and over all.
pub(crate) fn hits_json(kept: &Kept) -> Value {
    let by_method: Map<String, Value> = MethodClass::ALL
        .iter()
        .zip(kept.hits.methods)
        .filter(|(_, count)| *count > 0)
        .map(|(method, count)| (method.as_str().to_owned(), count.into()))
        .collect();
    json!({ "total": kept.hits.total(), "by_method": by_method })
}

/// What a rule says of itself.
pub(crate) fn rule_json(rule: RuleView<'_>) -> Value {
    let (action, status) = match rule.action() {
        Action::Redirect { status, .. } if status.get == status.other => ("redirect", json!(status.get.number())),
        Action::Redirect { status, .. } => {
            ("redirect", json!({ "get": status.get.number(), "other": status.other.number() }))
        }
        Action::Reply { status, .. } => ("reply", json!(status.number())),
        Action::Pass => ("pass", Value::Null),
        Action::Rewrite { .. } => ("rewrite", Value::Null),
        // Steps of imported rules on the way to one that decides.
        _ => ("step", Value::Null),
    };
    let to = rule.target_text();
    json!({
        "identity": rule.identity().to_string(),
        "id": rule.id(),
        "action": action,
        "from": rule.source().to_string(),
        "to": Some(to).filter(|to| !to.is_empty()),
        "status": status,
        "file": rule.file_name(),
        "line": rule.place().line,
        "group": rule.group(),
        "owner": rule.owner(),
        "note": rule.note(),
        "since": rule.since().map(instant),
        "until": rule.until().map(instant),
    })
}

/// A rule in one line: its source, where it leads, where it is written.
pub(crate) fn named(rule: RuleView<'_>) -> String {
    let to = match rule.action() {
        Action::Redirect { status, .. } if status.get == status.other => {
            format!(" -> {} {}", status.get.number(), rule.target_text())
        }
        Action::Redirect { status, .. } => {
            format!(" -> {}/{} {}", status.get.number(), status.other.number(), rule.target_text())
        }
        Action::Reply { status, .. } => format!(" -> {}", status.number()),
        Action::Pass => " -> pass".to_owned(),
        _ => String::new(),
    };
    let id = rule.id().map(|id| format!("{id}: ")).unwrap_or_default();
    format!("{id}{}{to}  ({}:{})", rule.source(), rule.file_name(), rule.place().line)
}

/// A moment for programs.
pub(crate) fn instant(second: i64) -> String {
    jiff::Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string())
}

/// A moment for people.
pub(crate) fn day(second: i64) -> String {
    let text = instant(second);
    text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_weeks() {
        assert_eq!((parse_days("90d"), parse_days("2w")), (Ok(90 * DAY), Ok(14 * DAY)));
        assert!(["", "d", "90", "-1d", "90x", "é"].iter().all(|text| parse_days(text).is_err()));
    }
}
