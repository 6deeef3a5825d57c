//! The writer of lists: a row for each redirect, with the columns that any of them needs.

use std::borrow::Cow;
use std::collections::HashMap;

use byway_core::dialect::{BYWAY, LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::source::{PathPattern, Source};

use super::Writing;
use super::nearer::may_meet;
use super::own::{Does, OwnRule, Plan, Said, in_ours, instant, own};
use super::perl::fitting;
use super::rank::{Rank, Region, region};
use crate::remarks::Verdict;

/// The columns, in the order in which people read them; the first three are always there.
const COLUMNS: [&str; 10] = ["from", "to", "status", "query", "id", "group", "owner", "note", "since", "until"];
const ALWAYS: usize = 3;

type Cells = [String; COLUMNS.len()];

/// Writes all rules.
pub(crate) fn write(writing: &mut Writing<'_>) {
    let plan = Plan::of(writing.rules);
    let rules = writing.rules;
    let made: Vec<Result<Said<'_>, Why>> = rules.rules().map(|view| own(view, &plan).and_then(in_ours)).collect();
    let turns = Turns::of(made.iter().filter_map(|made| made.as_ref().ok()).flat_map(|(rules, _)| rules));
    let mut at = 0;
    let mut said = Vec::with_capacity(made.len());
    for made in &made {
        said.push(made.as_ref().map_err(Clone::clone).and_then(|(rules, verdict)| {
            let first = at;
            at += rules.len();
            rows(rules, verdict, first, &turns)
        }));
    }
    let mut used = [false; COLUMNS.len()];
    used[..ALWAYS].fill(true);
    for cells in said.iter().flatten().flat_map(|(rows, _)| rows) {
        used.iter_mut().zip(cells).for_each(|(used, cell)| *used |= !cell.is_empty());
    }
    line(&mut writing.text, &COLUMNS.map(str::to_owned), &used);
    for (view, said) in rules.rules().zip(said) {
        match said {
            Ok((rows, verdict)) => {
                rows.iter().for_each(|cells| line(&mut writing.text, cells, &used));
                writing.say(&view, verdict);
            }
            Err(why) => writing.say(&view, Verdict::Refused(why)),
        }
    }
}

type Why = Cow<'static, str>;

fn rows(rules: &[OwnRule<'_>], verdict: &Verdict, first: usize, turns: &Turns) -> Result<(Vec<Cells>, Verdict), Why> {
    let mut out = Vec::new();
    let mut verdict = verdict.clone();
    for (at, rule) in rules.iter().enumerate() {
        match rule.does {
            // What no row goes on to take needs no exception.
            Does::Pass if *rule.view.dialect() != BYWAY && turns.keeps(first + at) => {
                if verdict != Verdict::Exact {
                    verdict = Verdict::Approximated(NEEDLESS.into());
                }
            }
            _ => out.push(cells(rule, turns.keeps(first + at))?),
        }
    }
    Ok((out, verdict))
}

const NEEDLESS: &str = "it leaves requests alone that no row of the list takes: no row is written for it";

/// Which rules come in their turn without priorities: a list has none, and its most specific row goes first.
struct Turns {
    rules: Vec<Turn>,
    exacts: HashMap<Vec<u8>, Vec<usize>>,
    wide: Vec<usize>,
}

/// A rule in its turn.
struct Turn {
    priority: i32,
    rank: Option<Rank>,
    scheme: Option<Scheme>,
    host: HostPattern<'static>,
    port: Option<u16>,
    region: Region,
    is_row: bool,
}

/// The most pairs of rules that are compared.
const PAIRS: usize = 20_000_000;

impl Turns {
    fn of<'r, 's: 'r>(all: impl Iterator<Item = &'r OwnRule<'s>>) -> Turns {
        let mut turns = Turns { rules: Vec::new(), exacts: HashMap::new(), wide: Vec::new() };
        for (at, rule) in all.enumerate() {
            let turn = Turn::of(rule, at);
            match turn.region.is_exact {
                true => turns.exacts.entry(turn.region.prefix.clone()).or_default().push(at),
                false => turns.wide.push(at),
            }
            turns.rules.push(turn);
        }
        turns
    }

    /// Whether a rule takes what it took, with the most specific row going first.
    fn keeps(&self, at: usize) -> bool {
        let own = &self.rules[at];
        if own.priority == 0 && self.rules.iter().all(|turn| turn.priority == 0) {
            return true;
        }
        if self.wide.len().saturating_mul(self.rules.len()) > PAIRS {
            return own.priority == 0;
        }
        let everywhere = 0..self.rules.len();
        let near = self.exacts.get(&own.region.prefix).into_iter().flatten().chain(&self.wide).copied();
        let others: Box<dyn Iterator<Item = usize>> =
            if own.region.is_exact { Box::new(near) } else { Box::new(everywhere) };
        !others.filter(|other| *other != at).any(|other| own.is_out_of_turn(&self.rules[other]))
    }
}

impl Turn {
    fn of(rule: &OwnRule<'_>, at: usize) -> Turn {
        let source = Source::parse(&rule.from).ok();
        let everywhere = Region::new(b"", false);
        let host = source.as_ref().and_then(|source| HostPattern::parse(&source.host.to_string()).ok().map(owned));
        Turn {
            priority: rule.priority,
            rank: source
                .as_ref()
                .map(|source| Rank::of_source(source, 0, rule.conditions.len(), (rule.view.number(), at))),
            scheme: source.as_ref().and_then(|source| source.scheme),
            host: host.unwrap_or(HostPattern::Any),
            port: source.as_ref().and_then(|source| source.port),
            region: source.as_ref().map_or(everywhere, region),
            is_row: matches!(rule.does, Does::Redirect { .. }) && rule.conditions.is_empty(),
        }
    }

    /// Whether another rule takes the same requests in another turn than by priority.
    fn is_out_of_turn(&self, other: &Turn) -> bool {
        let differ = |one: Option<u16>, other: Option<u16>| one.is_some() && other.is_some() && one != other;
        let is_apart = self.scheme.is_some() && other.scheme.is_some() && self.scheme != other.scheme
            || differ(self.port, other.port)
            || !may_meet(&self.host, &other.host)
            || !self.region.may_meet(&other.region);
        if is_apart || self.priority == other.priority && self.is_row == other.is_row {
            return false;
        }
        match (self.is_row, other.is_row) {
            (true, true) => (self.priority > other.priority) != (self.rank < other.rank),
            // What is no row goes before none.
            (true, false) => other.priority > self.priority,
            (false, true) => self.priority > other.priority,
            (false, false) => false,
        }
    }
}

fn owned(host: HostPattern<'_>) -> HostPattern<'static> {
    match host {
        HostPattern::Any => HostPattern::Any,
        HostPattern::Exact(host) => HostPattern::Exact(Cow::Owned(host.into_owned())),
        HostPattern::Below(parent) => HostPattern::Below(Cow::Owned(parent.into_owned())),
    }
}

fn cells(rule: &OwnRule<'_>, is_in_turn: bool) -> Result<Cells, Why> {
    let view = &rule.view;
    let (status, to, query) = match &rule.does {
        Does::Redirect { status, .. } if status.get != status.other => {
            return Err("GET and other methods get two statuses, and a row holds one: keep it in a byway.toml".into());
        }
        Does::Redirect { status, to, query } => (status.get, to, query),
        Does::Reply { .. } => return Err("it answers without a redirect, and a list holds redirects only: keep it as `[[reply]]` in a byway.toml".into()),
        Does::Rewrite { .. } => return Err(super::toml::INSIDE.into()),
        Does::Pass => return Err("it leaves requests alone that another row takes, and a list has no exceptions: keep it as `[[pass]]` in a byway.toml".into()),
    };
    if !rule.conditions.is_empty() {
        return Err("it asks for more than host and path, and a row has no conditions: keep it in a byway.toml".into());
    }
    if !is_in_turn && (rule.priority != 0 || *view.dialect() != BYWAY) {
        return Err(
            "another rule takes the same requests: a list has no priorities, and its most specific row would go first"
                .into(),
        );
    }
    if rule.slash == TrailingSlash::Either {
        return Err("it takes a path with and without its last slash, which a row does not say: write two rows".into());
    }
    let from = from(rule)?;
    if view.cache_control().is_some() {
        return Err("it says how long the answer may be kept, and a row has no column for it".into());
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
        Some(seconds) => instant(seconds).ok_or("a time that no calendar has"),
    };
    Ok([
        from,
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

/// The source of a row: letter case is ignored by patterns alone.
fn from(rule: &OwnRule<'_>) -> Result<String, Why> {
    if rule.case != LetterCase::Ignored || rule.from.contains("~*") {
        return Ok(rule.from.clone());
    }
    let source = Source::parse(&rule.from).ok();
    let path = source.as_ref().and_then(|source| match &source.path {
        PathPattern::Exact(path) if source.query.is_empty() => std::str::from_utf8(path).ok(),
        _ => None,
    });
    let begin = path.and_then(|path| Some((rule.from.strip_suffix(path)?, fitting(path.as_bytes()))));
    let (begin, pattern) = begin.ok_or("it ignores letter case, which a row says of a pattern alone (`~*`)")?;
    Ok(format!("{begin}~*{pattern}"))
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
