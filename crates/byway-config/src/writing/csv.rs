//! The writer of lists: a row for each redirect, with the columns that any of them needs.

use std::borrow::Cow;

use byway_core::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::ruleset::RuleView;

use super::Writing;
use super::own::{Does, OwnRule, Plan, instant, own};
use crate::remarks::Verdict;

/// The columns, in the order in which people read them; the first three are always there.
const COLUMNS: [&str; 10] = ["from", "to", "status", "query", "id", "group", "owner", "note", "since", "until"];
const ALWAYS: usize = 3;

type Cells = [String; COLUMNS.len()];

/// Writes all rules.
pub(crate) fn write(writing: &mut Writing<'_>) {
    let plan = Plan::of(writing.rules);
    let rules = writing.rules;
    let mut used = [false; COLUMNS.len()];
    used[..ALWAYS].fill(true);
    for cells in rules.rules().filter_map(|view| rows(view, &plan).ok()).flat_map(|(rows, _)| rows) {
        used.iter_mut().zip(&cells).for_each(|(used, cell)| *used |= !cell.is_empty());
    }
    line(&mut writing.text, &COLUMNS.map(str::to_owned), &used);
    for view in rules.rules() {
        match rows(view, &plan) {
            Ok((rows, verdict)) => {
                rows.iter().for_each(|cells| line(&mut writing.text, cells, &used));
                writing.say(&view, verdict);
            }
            Err(why) => writing.say(&view, Verdict::Refused(why)),
        }
    }
}

fn rows(view: RuleView<'_>, plan: &Plan) -> Result<(Vec<Cells>, Verdict), Cow<'static, str>> {
    let (rules, verdict) = own(view, plan)?;
    let rows: Result<Vec<Cells>, _> = rules.iter().map(cells).collect();
    Ok((rows?, verdict))
}

fn cells(rule: &OwnRule<'_>) -> Result<Cells, Cow<'static, str>> {
    let view = &rule.view;
    let (status, to, query) = match &rule.does {
        Does::Redirect { status, .. } if status.get != status.other => {
            return Err("a row has one status for all methods".into());
        }
        Does::Redirect { status, to, query } => (status.get, to, query),
        Does::Reply { .. } => return Err("a list has redirects only, no replies".into()),
        Does::Pass => return Err("a list has redirects only, no exceptions".into()),
    };
    if !rule.conditions.is_empty() {
        return Err("a row has no conditions".into());
    }
    if rule.priority != 0 {
        return Err("a list has no priorities, and its most specific rule would go first".into());
    }
    if rule.slash == TrailingSlash::Either {
        return Err("a row does not say that a trailing slash makes no difference".into());
    }
    if rule.case == LetterCase::Ignored && !rule.from.contains("~*") {
        return Err("a row does not say that letter case makes no difference".into());
    }
    if view.cache_control().is_some() {
        return Err("a row does not say how long an answer may be kept".into());
    }
    let query = match query {
        QueryPolicy::Keep => String::new(),
        QueryPolicy::Drop => "drop".to_owned(),
        QueryPolicy::Replace => "replace".to_owned(),
        QueryPolicy::Merge(MergeWinner::Target) => "merge=target".to_owned(),
        QueryPolicy::Merge(MergeWinner::Request) => "merge=request".to_owned(),
        QueryPolicy::Only(names) if names.iter().any(|name| name.contains(char::is_whitespace)) => {
            return Err("a name of a query pair with a blank in it".into());
        }
        QueryPolicy::Only(names) => format!("only={}", names.join(" ")),
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let time = |seconds: Option<i64>| match seconds {
        None => Ok(String::new()),
        Some(seconds) => instant(seconds).ok_or("an instant that no calendar has"),
    };
    Ok([
        rule.from.clone(),
        to.clone(),
        status.number().to_string(),
        query,
        text(view.id()),
        text(view.group()),
        text(view.owner()),
        text(view.note()),
        time(view.since())?,
        time(view.until())?,
    ])
}

fn line(text: &mut String, cells: &Cells, used: &[bool; COLUMNS.len()]) {
    let mut is_first = true;
    for (cell, _) in cells.iter().zip(used).filter(|(_, used)| **used) {
        if !std::mem::take(&mut is_first) {
            text.push(',');
        }
        // A row that begins with `#` is a comment; blanks at the edges are cut from cells without quotes.
        let needs_quotes = cell.contains(['"', ',', ';', '\t', '\n', '\r', '#']) || cell.trim() != cell;
        match needs_quotes {
            true => text.push_str(&format!("\"{}\"", cell.replace('"', "\"\""))),
            false => text.push_str(cell),
        }
    }
    text.push('\n');
}
