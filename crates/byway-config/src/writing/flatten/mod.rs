//! Rules of another server in words of our own: its tables laid flat, one rule before the next by priority.
//!
//! What leads to a table by host alone is a host in front of the source; a table that follows another comes after it. Texts that
//! are kept and tables that are called are followed as far as conditions and sources can say them; a path that is written anew
//! between rules is refused. Own rules compare the path as it is sent,
//! so that what comes of this is approximated at best, and says so.

// Long because each kind of table is walked here, with what one walk leaves to the next.

mod conditions;
mod doors;
mod held;
mod ours;
mod paths;
mod said;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use byway_core::RuleSet;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy, View};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::{Action, Place, Then};
use byway_core::ruleset::{After, Order, RuleView, TableId, TableView};
use byway_core::source::PathPattern;
use byway_core::status::StatusByMethod;
use byway_core::target::{Part, Piece, Target, What};

pub(crate) use self::conditions::in_our_words;
use self::doors::{Door, door, is_choice_by_path, is_choice_by_scheme, leads_by_host};
pub(crate) use self::held::AS_SENT;
use self::held::{Entry, Held, Key, Within, owned_piece};
use self::paths::{is_any_path, owned_path};
use self::said::End;
use super::own::{Does, OwnRule};
use super::rank::Region;
use crate::formats::nginx::KIND;

type Why = Cow<'static, str>;

/// Why a rule that was laid flat is not exact.
pub(crate) const SEEN: &str =
    "byway compares the path as it is sent, with its escapes, double slashes and dots; its server decodes it first";

/// Why nothing is written of a rule that nothing leads to.
pub(super) const NOT_FOLLOWED: &str = "no request was followed to it: a rule before it takes them, or one that cannot be said stands in the way, as a page for an error or a path changed inside";

/// Why nothing is written of a rule whose table nothing leads to.
const NOT_LED: &str = "nothing that could be read leads to it, as where a `try_files` is refused because files on the disk decide it: write both there by hand";

/// Where a rule is tried: the host and scheme that lead there, the step, and what was taken from the front of the path.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    way: Way,
    step: usize,
    strip: String,
    within: Rc<Within>,
}

/// What a request must be to come here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Way {
    host: String,
    scheme: Option<Scheme>,
    /// A port that is not the scheme's own.
    port: Option<u16>,
}

/// Where the rules of other servers lie once their tables are flat.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// By the number of the rule.
    spots: HashMap<u32, Vec<Spot>>,
    /// Rules that only lead to a table whose rules have spots.
    leads: HashSet<u32>,
    /// Rules that lead past all others: what they take is left alone.
    passes: HashSet<u32>,
    /// Rules that write a URL that is sent once the rules behind have been asked, with the status.
    sent: HashMap<u32, StatusByMethod>,
    /// Rules of that kind whose URL another rule takes, with its line.
    unfinished: HashMap<u32, u32>,
    /// Prefixes that stand before the regexes that their server asks first.
    early: HashSet<u32>,
    /// Rules that look something up which no rule here says.
    unsaid: HashSet<u32>,
    /// Lists that nobody asks.
    unasked: HashSet<TableId>,
    /// Tables that no rule leads to.
    unled: HashSet<TableId>,
    /// Whether the rules of a list are gone through.
    is_in_list: bool,
    /// For the rule that leads to a host: what no rule under that host took is left alone.
    ends: HashMap<u32, Vec<Spot>>,
    steps: usize,
    /// How often a table was entered.
    entered: usize,
    /// Where every request was taken, so that what comes behind is dead.
    closed: HashMap<Way, Closed>,
    /// Rules behind one that takes every request, with its place.
    dead: HashMap<u32, Place>,
    /// Where rules may fit that decide something, by their step.
    regions: Vec<(usize, Way, Region, u32)>,
}

/// Where rules take every request, or every one at a path and below it, and which do.
#[derive(Debug, Default)]
struct Closed {
    all: Option<Place>,
    below: HashMap<Vec<u8>, Place>,
}

impl Closed {
    /// What takes all that a rule at a path would.
    fn by(&self, path: Option<&[u8]>) -> Option<Place> {
        let above = |path: &[u8]| {
            let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
            { ends }.find_map(|end| self.below.get(&path[..end]).copied())
        };
        self.all.or_else(|| path.filter(|_| !self.below.is_empty()).and_then(above))
    }
}

/// The tables of a rule set with their rules.
struct Tables<'s> {
    views: HashMap<TableId, TableView<'s>>,
    members: HashMap<TableId, Vec<RuleView<'s>>>,
}

/// How many tables one leads to another before nothing more is looked at.
const DEPTH: usize = 64;
/// How many steps there may be: tables that are entered from many places are said as often.
const STEPS: usize = 200_000;
/// How many tables are gone through.
const WAYS: usize = 100_000;

impl<'s> Tables<'s> {
    fn members(&self, table: TableId) -> &[RuleView<'s>] {
        self.members.get(&table).map(Vec::as_slice).unwrap_or_default()
    }

    fn after(&self, table: TableId) -> Option<TableId> {
        match self.views.get(&table)?.after {
            After::Table(next) => Some(next),
            After::NextRoot => None,
        }
    }

    /// The table of all hosts that the next table leads to, where that does nothing else: it need not be told of single hosts.
    fn default_behind(&self, table: TableId, until: Option<TableId>) -> Option<TableId> {
        let next = self.after(table).filter(|next| Some(*next) != until)?;
        let [door] = self.members(next) else { return None };
        let source = door.source();
        let is_plain = source.host == HostPattern::Any && source.scheme.is_none() && source.port.is_none();
        match door.action() {
            Action::Enter(to) if is_plain && leads_by_host(door) => Some(to),
            _ => None,
        }
    }

    /// A table and those after it.
    fn chain(&self, first: TableId) -> Vec<TableId> {
        let mut out = Vec::new();
        let mut next = Some(first);
        while let Some(table) = next.filter(|table| !out.contains(table) && out.len() < DEPTH) {
            out.push(table);
            next = self.after(table);
        }
        out
    }

    /// Whether nothing that a person wrote comes from here on.
    fn is_barren(&self, first: TableId) -> bool {
        let mut next = Some(first);
        for _ in 0..DEPTH {
            let Some(table) = next else { return true };
            if !self.members(table).is_empty() {
                return false;
            }
            next = self.after(table);
        }
        false
    }
}

impl Flat {
    pub(super) fn of(rules: &RuleSet) -> Flat {
        let mut tables =
            Tables { views: rules.tables().map(|table| (table.id, table)).collect(), members: HashMap::new() };
        for rule in rules.rules() {
            tables.members.entry(rule.table()).or_default().push(rule);
        }
        let mut flat = Flat::default();
        // What Apache keeps of its own accord (a file's name, the path as it was) is never empty because it was not followed.
        let is_kept = |rule: &RuleView<'_>| rule.place().line == 0 && rule.dialect().name.starts_with("apache");
        let kept = rules.rules().filter(is_kept).filter_map(|rule| match rule.action() {
            Action::Set { slot, .. } => Some((slot, Held::Unknown)),
            _ => None,
        });
        flat.unasked = unasked(rules, &tables);
        let led = led(rules, &tables);
        flat.unled = tables.members.keys().filter(|table| !led.contains(table)).copied().collect();
        let begin = Rc::new(Within { held: kept.collect(), ..Within::default() });
        for root in rules.roots() {
            flat.enter(root, &[Way::default()], None, &begin, &tables, DEPTH);
        }
        flat
    }

    /// Goes through a table and those after it, up to `until`.
    fn enter(
        &mut self,
        first: TableId,
        ways: &[Way],
        until: Option<TableId>,
        within: &Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) {
        // Jumps over jumps have more ways than anybody can follow: rules that were not come to are refused.
        self.entered += 1;
        if self.entered > WAYS {
            return;
        }
        let mut within = Rc::clone(within);
        let mut next = Some(first).filter(|first| Some(*first) != until);
        let mut left = tables.views.len();
        while let Some(table) =
            next.filter(|table| left > 0 && depth > 0 && self.steps < STEPS && tables.views.contains_key(table))
        {
            left -= 1;
            let own = tables.members(table);
            let is_choice = !own.is_empty() && own.iter().all(leads_by_host);
            let ends = match (is_choice, is_choice_by_path(own)) {
                _ if is_choice_by_scheme(own) => self.by_scheme(table, ways, until, &within, tables, depth),
                (true, _) => self.by_host(table, ways, until, &within, tables, depth),
                (false, true) => self.by_path(table, ways, &within, tables, depth),
                (false, false) => self.listed(table, ways, until, &mut within, tables, depth),
            };
            next = tables.after(table).filter(|next| !ends && Some(*next) != until);
        }
    }

    /// A table of doors, each for a host: what comes behind the door of any host is only for hosts without one.
    fn by_host(
        &mut self,
        table: TableId,
        ways: &[Way],
        until: Option<TableId>,
        within: &Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let doors: Vec<(Way, TableId)> = tables
            .members(table)
            .iter()
            .filter_map(|rule| {
                self.leads.insert(rule.number());
                let Action::Enter(next) = rule.action() else { return None };
                let source = rule.source();
                let (scheme, port) = match (source.scheme, source.port) {
                    (Some(scheme), _) => (Some(scheme), None),
                    (None, Some(443)) => (Some(Scheme::Https), None),
                    (None, Some(80)) => (Some(Scheme::Http), None),
                    (None, port) => (None, port),
                };
                Some((Way { host: host_text(&source.host), scheme, port }, next))
            })
            .collect();
        let default = doors.iter().find(|(way, _)| *way == Way::default()).map(|(_, next)| *next);
        let default = default.or(doors.first().filter(|(way, _)| way.host.is_empty()).map(|(_, next)| *next));
        let mut done: Vec<TableId> = Vec::new();
        let behind = if default.is_none() { tables.default_behind(table, until) } else { None };
        for (_, next) in &doors {
            if done.contains(next) || Some(*next) == default || Some(*next) == behind {
                continue;
            }
            done.push(*next);
            let own = doors.iter().filter(|(_, to)| to == next).map(|(way, _)| way);
            let behind = Way::behind(own, ways);
            let before = self.steps;
            self.enter(*next, &behind, until, within, tables, depth - 1);
            // What these hosts leave must not fall to the rules of any host.
            let falls = default.is_some() || tables.after(table).is_some_and(|next| !tables.is_barren(next));
            // Hosts that have no rules are told of where other hosts' rules would be theirs.
            let is_ruled = self.steps > before || default.is_some_and(|default| self.decides_alone(default, tables));
            if let Some(lead) = tables.members(table).first().filter(|_| falls && is_ruled) {
                let is_open = |way: &&Way| self.closed_by(way, None).is_none();
                let at = |way: &Way| Spot {
                    way: way.clone(),
                    step: self.steps,
                    strip: String::new(),
                    within: Rc::default(),
                };
                let spots: Vec<Spot> = behind.iter().filter(is_open).map(at).collect();
                self.ends.entry(lead.number()).or_default().extend(spots);
                self.steps += 1;
            }
        }
        if let Some(next) = default {
            self.enter(next, ways, until, within, tables, depth - 1);
        }
        default.is_some()
    }

    /// Whether a table, or one that it leads to, holds a rule of a person's that decides something.
    fn decides_alone(&self, first: TableId, tables: &Tables<'_>) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![first];
        while let Some(table) = open.pop().filter(|_| seen.len() < DEPTH) {
            if !seen.insert(table) {
                continue;
            }
            for rule in tables.members(table) {
                match rule.action() {
                    Action::Redirect { .. } | Action::Reply { .. } if rule.place().line > 0 => return true,
                    Action::Enter(next)
                    | Action::Call { table: next, .. }
                    | Action::Set { then: Then::Table(next), .. }
                    | Action::Rewrite { then: Then::Table(next), .. } => open.push(next),
                    _ => {}
                }
            }
            open.extend(tables.after(table));
        }
        false
    }

    /// A table of doors, each for a port or a scheme: for us a port is a scheme, and what the first door of one leaves no other takes.
    fn by_scheme(
        &mut self,
        table: TableId,
        ways: &[Way],
        until: Option<TableId>,
        within: &Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let mut open = vec![Scheme::Http, Scheme::Https];
        // A port goes before a scheme, which would take its requests as well.
        let (ports, others): (Vec<&RuleView<'_>>, Vec<&RuleView<'_>>) =
            tables.members(table).iter().partition(|rule| matches!(door(rule), Some(Door::Port(_))));
        // Where servers listen on ports without a scheme, nobody listens on those that no server names.
        let is_listed = !ports.is_empty();
        for rule in ports.into_iter().chain(others) {
            self.leads.insert(rule.number());
            let Action::Enter(next) = rule.action() else { continue };
            let of = |scheme| Way { scheme: Some(scheme), ..Way::default() };
            let own: Vec<Way> = match door(rule) {
                Some(Door::Of(scheme)) => open.extract_if(.., |one| *one == scheme).map(of).collect(),
                Some(Door::Port(port)) => vec![Way { port: Some(port), ..Way::default() }],
                Some(Door::Else(_) | Door::Rest) if is_listed => continue,
                Some(Door::Else(scheme)) => open.extract_if(.., |one| *one == scheme).map(of).collect(),
                Some(Door::Rest) => std::mem::take(&mut open).into_iter().map(of).collect(),
                None => continue,
            };
            let behind = Way::behind(&own, ways);
            if !behind.is_empty() {
                self.enter(next, &behind, until, within, tables, depth - 1);
            }
        }
        is_listed || open.is_empty()
    }

    /// A table of doors, each for a folder: the deeper ones first.
    fn by_path(
        &mut self,
        table: TableId,
        ways: &[Way],
        within: &Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let mut doors: Vec<(usize, TableId)> = Vec::new();
        for rule in tables.members(table) {
            self.leads.insert(rule.number());
            match (rule.action(), rule.source().path) {
                (Action::Enter(next), PathPattern::Prefix(path)) => doors.push((path.len(), next)),
                (Action::Enter(next), any) if is_any_path(&any) => doors.push((0, next)),
                _ => {}
            }
        }
        doors.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
        let behind = tables.after(table);
        for (_, next) in doors {
            self.enter(next, ways, behind, within, tables, depth - 1);
        }
        false
    }

    /// Rules one after the other; true where nothing behind the table is reached.
    fn listed(
        &mut self,
        table: TableId,
        ways: &[Way],
        until: Option<TableId>,
        within: &mut Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let Some(view) = tables.views.get(&table) else { return false };
        if view.order == Order::NginxLocation {
            Rc::make_mut(within).is_located = true;
        }
        let strip = String::from_utf8_lossy(view.strip).into_owned();
        if view.order == Order::NginxLocation && tables.members(table).iter().any(|rule| has_regex(rule)) {
            self.early.extend(before_regexes(tables.members(table)));
        }
        let ordered = in_order(tables.members(table), view.order);
        for (at, rule) in ordered.iter().enumerate() {
            let source = rule.source();
            if asks_mark(rule, within, &ordered[at + 1..]) {
                self.leads.insert(rule.number());
                continue;
            }
            match rule.action() {
                Action::Enter(next)
                    if leads_by_host(rule)
                        && source.host == HostPattern::Any
                        && source.port.is_none()
                        && source.scheme.is_none() =>
                {
                    self.leads.insert(rule.number());
                    self.enter(next, ways, until, within, tables, depth - 1);
                    return true;
                }
                Action::Rewrite { target, query: QueryPolicy::Keep, then: Then::Table(next) }
                    if is_same_path(&target) && self.inside(rule, next, ways, until, within, tables, depth) =>
                {
                    self.leads.insert(rule.number());
                    continue;
                }
                Action::Enter(next) | Action::Set { then: Then::Table(next), .. } => {
                    let is_left = tables.is_barren(next) || self.inside(rule, next, ways, until, within, tables, depth);
                    // What is left there is left by all.
                    if is_left {
                        self.passes.insert(rule.number());
                    }
                }
                Action::Call { table: called, text: None }
                    if self.inside(rule, called, ways, None, within, tables, depth) =>
                {
                    self.leads.insert(rule.number());
                    hold_all(Rc::make_mut(within), rule, called, tables);
                    continue;
                }
                Action::Call { table: list, text: Some(text) } if decides(list, tables) => {
                    self.leads.insert(rule.number());
                    self.answered(rule, list, &text, ways, within, tables, depth);
                    continue;
                }
                Action::Call { table: list, text: Some(text) } => {
                    self.leads.insert(rule.number());
                    let pieces: Result<Vec<_>, Why> = match text.constant() {
                        Some(text) => Ok(held::literal(text)),
                        None => text.pieces().iter().map(owned_piece).collect(),
                    };
                    self.look_up(Rc::make_mut(within), list, pieces.ok(), tables);
                    continue;
                }
                Action::Set { slot, text, then: Then::Next } => {
                    self.leads.insert(rule.number());
                    let pieces = match text.constant() {
                        Some(text) => held::literal(text),
                        None => text.pieces().to_vec(),
                    };
                    Rc::make_mut(within).hold(rule, slot, &pieces);
                    continue;
                }
                Action::Set { then: Then::End, .. } => _ = self.passes.insert(rule.number()),
                Action::Rewrite { target, then: Then::Table(next), .. } if is_url(&target) => {
                    self.send(rule, next, tables);
                }
                _ => {}
            }
            if let Some(letter) = asked_kind(rule)
                && within.under(rule, strip.is_empty()).is_ok_and(|inner| inner.alternatives.is_empty())
            {
                Rc::make_mut(within).without_file(letter);
            }
            self.place(rule, ways, &strip, within);
        }
        false
    }

    /// Gives a rule its spots, one for each way, unless another rule takes every request before it.
    fn place(&mut self, rule: &RuleView<'_>, ways: &[Way], strip: &str, within: &Rc<Within>) {
        let source = rule.source();
        let path = match &source.path {
            PathPattern::Exact(path) | PathPattern::Prefix(path) if source.case == LetterCase::Significant => {
                Some([strip.as_bytes(), path].concat())
            }
            _ => None,
        };
        let closing = |way: &Way| self.closed_by(way, path.as_deref());
        let open: Vec<&Way> = ways.iter().filter(|way| closing(way).is_none()).collect();
        if let (true, Some(by)) = (open.is_empty(), ways.iter().find_map(closing)) {
            self.dead.entry(rule.number()).or_insert(by);
            return;
        }
        // Paths that it leaves alone are an exception of our own before it.
        self.steps += usize::from(conditions::leaves_paths(&rule.conditions()));
        let at = |way: &&Way| Spot {
            way: (*way).clone(),
            step: self.steps,
            strip: strip.to_owned(),
            within: Rc::clone(within),
        };
        self.spots.entry(rule.number()).or_default().extend(open.iter().map(at));
        let decides = matches!(rule.action(), Action::Redirect { .. } | Action::Reply { .. });
        if decides {
            let region = paths::region_of(&source.path, strip, within);
            let number = rule.number();
            self.regions.extend(open.iter().map(|way| (self.steps, (*way).clone(), region.clone(), number)));
        }
        if self.is_in_list {
            return;
        }
        let is_plain = source.host == HostPattern::Any && source.scheme.is_none() && source.port.is_none();
        let takes_all = decides
            && is_plain
            && source.query.is_empty()
            && rule.conditions().is_empty()
            && within.is_everywhere()
            && rule.place().line > 0
            && !self.passes.contains(&rule.number());
        let below = match (&source.path, path) {
            (any, _) if is_any_path(any) && strip.len() < 2 => Some(None),
            (PathPattern::Prefix(_), Some(path)) => Some(Some(path)),
            _ => None,
        };
        if let (true, Some(below)) = (takes_all, below) {
            for way in open {
                let closed = self.closed.entry(way.clone()).or_default();
                match &below {
                    None => _ = closed.all.get_or_insert(rule.place()),
                    Some(below) => _ = closed.below.entry(below.clone()).or_insert(rule.place()),
                }
            }
        }
        self.steps += 1;
    }

    /// What takes all that a rule at a path would, for requests that come this way.
    fn closed_by(&self, way: &Way, path: Option<&[u8]>) -> Option<Place> {
        self.closed.get(way).and_then(|closed| closed.by(path))
    }

    /// Whether another rule behind a step may take requests for a path, before what is left there is left to nobody.
    fn is_taken_behind(&self, number: u32, step: usize, way: &Way, own: &Region) -> bool {
        let ends = self.ends.values().flatten().filter(|end| end.way == *way && end.step > step);
        let end = ends.map(|end| end.step).min().unwrap_or(usize::MAX);
        let mut behind = self.regions.iter().filter(|(at, ..)| *at > step && *at < end);
        behind.any(|(_, other, region, by)| *by != number && way.and(other).is_some() && own.may_meet(region))
    }

    /// A rule with what our own files say in its place, where they cannot say it.
    fn with_ours<'s>(&self, rule: OwnRule<'s>, spot: &Spot) -> OwnRule<'s> {
        if !rule.conditions.iter().any(|one| matches!(one.subject, Subject::Text(_))) {
            return rule;
        }
        let is_taken = |region: &Region| self.is_taken_behind(rule.view.number(), spot.step, &spot.way, region);
        let ours = ours::ours(&rule, &is_taken, &|path| spot.way.text(path));
        OwnRule { ours: Some(Box::new(ours)), ..rule }
    }

    /// What no rule under a host took, as exceptions.
    fn left_to_nobody<'s>(&self, rule: RuleView<'s>) -> Vec<OwnRule<'s>> {
        let ends = self.ends.get(&rule.number()).into_iter().flatten();
        ends.map(|spot| OwnRule { from: spot.way.text("/*"), ..made_at(rule, spot, self.steps) }).collect()
    }

    /// Notes with which status a URL is sent that a rule has written; the rules behind it are asked for its path as well, and
    /// are not said twice.
    fn send(&mut self, rule: &RuleView<'_>, next: TableId, tables: &Tables<'_>) {
        let sends = |member: &RuleView<'_>| match member.action() {
            Action::Redirect { status, .. } if member.place().line == 0 => Some(status),
            _ => None,
        };
        let mut seen = Vec::new();
        let url = match rule.action() {
            Action::Rewrite { target, .. } => url_of(&target),
            _ => String::new(),
        };
        let takes = |member: &&RuleView<'_>| match member.source().path {
            PathPattern::Regex(pattern) if member.place().line > 0 => pattern.finds(url.as_bytes()).unwrap_or(true),
            _ => false,
        };
        for table in tables.chain(next) {
            if let Some(other) = tables.members(table).iter().find(takes) {
                self.unfinished.entry(rule.number()).or_insert(other.place().line);
            }
            seen.extend(tables.members(table).iter().map(RuleView::number));
            if let Some(status) = tables.members(table).iter().find_map(sends) {
                self.sent.insert(rule.number(), status);
                self.leads.extend(seen);
                return;
            }
        }
    }

    /// Goes through the tables that a rule leads to; whether it is known what holds there.
    #[allow(clippy::too_many_arguments, reason = "the place of the rule that leads there")]
    fn inside(
        &mut self,
        rule: &RuleView<'_>,
        next: TableId,
        ways: &[Way],
        until: Option<TableId>,
        within: &Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let source = rule.source();
        let Ok(inner) = within.under(rule, is_whole(tables, rule)) else { return false };
        if !source.query.is_empty() {
            return false;
        }
        let own = Way { host: host_text(&source.host), scheme: source.scheme, port: source.port };
        let ways: Vec<Way> = ways.iter().filter_map(|way| way.and(&own)).collect();
        // Where no request comes, nothing is to be said.
        if !inner.alternatives.is_empty() {
            self.enter(next, &ways, until, &Rc::new(inner), tables, depth - 1);
        }
        true
    }

    /// Goes through a list of paths that says itself what is answered, where what is looked up is the path; else it is refused.
    #[allow(clippy::too_many_arguments, reason = "the place of the rule that looks up")]
    fn answered(
        &mut self,
        rule: &RuleView<'_>,
        list: TableId,
        text: &Target<'_>,
        ways: &[Way],
        within: &Rc<Within>,
        tables: &Tables<'_>,
        depth: usize,
    ) {
        let is_path = match text.pieces() {
            [Piece { what: What::Part(Part::Path | Part::WorkingPath), .. }] => true,
            [Piece { what: What::Capture(0), .. }] => match &rule.source().path {
                PathPattern::Regex(pattern) => is_one_group(&pattern.text),
                _ => false,
            },
            _ => false,
        };
        let is_whole = is_whole(tables, rule);
        // The paths of a list exclude one another, and are one step.
        let outer = std::mem::replace(&mut self.is_in_list, true);
        let is_said = is_path && is_whole && self.inside(rule, list, ways, None, within, tables, depth);
        self.is_in_list = outer;
        self.steps += 1;
        if !is_said {
            self.unsaid.insert(rule.number());
            let entries = tables.chain(list).into_iter().flat_map(|table| tables.members(table));
            self.leads.extend(entries.map(RuleView::number));
        }
    }

    /// Notes what a list says, under the slot that it keeps its answer in.
    fn look_up(&mut self, within: &mut Within, list: TableId, on: Option<held::Pieces>, tables: &Tables<'_>) {
        let mut entries = Some(Vec::new());
        let (mut slots, mut beside) = (HashSet::new(), HashSet::new());
        // Groups that an entry's pattern keeps for its own value.
        let mut groups: HashMap<u16, What<'static>> = HashMap::new();
        for table in tables.chain(list) {
            for rule in tables.members(table) {
                self.leads.insert(rule.number());
                let Action::Set { slot, text, then } = rule.action() else {
                    entries = None;
                    continue;
                };
                // Groups of an entry's pattern, for whoever reads one behind the list.
                if then == Then::Next {
                    if let [Piece { what: What::Capture(group), .. }] = text.pieces() {
                        groups.insert(slot, What::Capture(*group));
                    }
                    beside.insert(slot);
                    continue;
                }
                slots.insert(slot);
                let entry = (then == Then::End).then(|| entry(rule, &text, &std::mem::take(&mut groups))).flatten();
                match (entry, &mut entries) {
                    (Some(entry), Some(entries)) => entries.push(entry),
                    _ => entries = None,
                }
            }
        }
        let held = match (on, entries) {
            (Some(on), Some(entries)) if slots.len() == 1 => Held::List { on, entries: Rc::new(entries) },
            _ => Held::Unknown,
        };
        slots.into_iter().for_each(|slot| _ = within.held.insert(slot, held.clone()));
        beside.into_iter().for_each(|slot| _ = within.held.insert(slot, Held::Unknown));
    }

    /// Whether a rule does something of its own, and does not only lead on.
    pub(super) fn has_words(&self, rule: &RuleView<'_>) -> bool {
        !self.leads.contains(&rule.number()) && rule.place().line > 0
    }

    /// The rule in our own words, once for each host, or why it has none; and why that is not quite the rule.
    pub(super) fn own<'s>(&self, rule: RuleView<'s>) -> Result<said::Translated<'s>, Why> {
        if self.unsaid.contains(&rule.number()) {
            return Err(LOOKED_UP.into());
        }
        // What nobody wrote is a step of the server's own, as between two rounds.
        if self.leads.contains(&rule.number()) || rule.place().line == 0 {
            return Ok((self.left_to_nobody(rule), None));
        }
        if let Some(line) = self.unfinished.get(&rule.number()) {
            let why = format!(
                "without `L` line {line} takes the URL that this line makes, and sends what comes of both: write `[R,L]` if that is not meant"
            );
            return Err(why.into());
        }
        if self.unasked.contains(&rule.table()) {
            return Ok((Vec::new(), Some(UNASKED.into())));
        }
        let mut made = Vec::new();
        let spots = match self.spots.get(&rule.number()) {
            Some(spots) => spots,
            None if let Some(by) = self.dead.get(&rule.number()) => return Ok((Vec::new(), Some(dead(*by)))),
            None if rule.dialect().name == "nginx" && self.unled.contains(&rule.table()) => return Err(NOT_LED.into()),
            None => return Err(NOT_FOLLOWED.into()),
        };
        let (mut why, mut refused) = (None, None);
        let mut found = false;
        let mut seen = Seen::default();
        for spot in spots {
            let end = match (self.passes.contains(&rule.number()), self.sent.get(&rule.number())) {
                (true, _) => End::Passed,
                (false, Some(status)) => End::Sent(*status),
                (false, None) => End::Own,
            };
            match said::translated(rule, spot, self.steps, end) {
                Ok((rules, other)) => {
                    found = true;
                    why = why.or(other);
                    let rules = rules.into_iter().filter(|rule| !seen.is_hidden(rule));
                    made.extend(rules.map(|rule| self.with_ours(rule, spot)));
                }
                Err(other) => refused = refused.or(Some(other)),
            }
        }
        if self.early.contains(&rule.number()) {
            why = why
                .or(Some("its server asks its regexes before this prefix, and here they are asked behind it".into()));
        }
        match refused {
            Some(why) if !found => return Err(why),
            // What keeps people out of a place keeps them out of all of it, or somebody must look.
            Some(why) if matches!(rule.action(), Action::Reply { .. }) => return Err(why),
            Some(other) => why = Some(format!("some of the requests that it takes are left out: {other}").into()),
            None => {}
        }
        Ok((made, why))
    }
}

/// Why nothing is written of an entry of such a list.
const UNASKED: &str = "no redirect asks this list: it is left out";

/// The lists that no rule asks for a text, as a `map` whose variable is only sent to a server behind this one.
fn unasked(rules: &RuleSet, tables: &Tables<'_>) -> HashSet<TableId> {
    let called = rules.rules().filter_map(|rule| match rule.action() {
        Action::Call { table, text: Some(_) } => Some(table),
        _ => None,
    });
    let asked: HashSet<TableId> = called.flat_map(|table| tables.chain(table)).collect();
    let lists = rules.rules().filter(|rule| rule.dialect().view == View::Given);
    lists.map(|rule| rule.table()).filter(|table| !asked.contains(table)).collect()
}

/// The tables that requests may come to, whatever rules ask.
fn led(rules: &RuleSet, tables: &Tables<'_>) -> HashSet<TableId> {
    let mut out = HashSet::new();
    let mut open: Vec<TableId> = rules.roots().collect();
    while let Some(table) = open.pop() {
        if !out.insert(table) {
            continue;
        }
        open.extend(tables.after(table));
        open.extend(tables.members(table).iter().filter_map(|rule| match rule.action() {
            Action::Enter(next)
            | Action::Call { table: next, .. }
            | Action::Set { then: Then::Table(next), .. }
            | Action::Rewrite { then: Then::Table(next), .. } => Some(next),
            _ => None,
        }));
    }
    out
}

/// Why nothing is written of a rule.
fn dead(by: Place) -> Why {
    format!("dead: line {} takes every request that it would, and goes first; it is left out", by.line).into()
}

/// What a rule was written for so far: of one rule the earlier goes before the later, which then takes nothing.
#[derive(Default)]
struct Seen(HashSet<(String, String)>);

impl Seen {
    /// Whether a rule is hidden behind one that was there before.
    fn is_hidden(&mut self, rule: &OwnRule<'_>) -> bool {
        let how = format!("{:?} {:?} {:?}", rule.slash, rule.case, rule.conditions);
        let is_there = |from: &str| self.0.contains(&(from.to_owned(), how.clone()));
        // One for both schemes hides one for either.
        let without = rule.from.strip_prefix("https:").or_else(|| rule.from.strip_prefix("http:"));
        let without = without.map(|from| from.strip_prefix("//*").unwrap_or(from).to_owned());
        is_there(&rule.from) || without.is_some_and(|from| is_there(&from)) || !self.0.insert((rule.from.clone(), how))
    }
}

/// Why a rule is left out that looks up a text that is no whole path.
const LOOKED_UP: &str = "it looks up a part of the request in a list and sends what it finds there: look up the whole path, as with `^(/.*)$` and `$1`";

/// Whether entries of a list say themselves what is answered.
fn decides(list: TableId, tables: &Tables<'_>) -> bool {
    let all = tables.chain(list).into_iter().flat_map(|table| tables.members(table));
    all.into_iter().any(|rule| matches!(rule.action(), Action::Redirect { .. } | Action::Reply { .. }))
}

/// Whether a pattern is one group over the whole path.
fn is_one_group(text: &str) -> bool {
    let text = text.strip_suffix("(?:\\n?$)").or_else(|| text.strip_suffix('$')).unwrap_or_default();
    let inner = text.strip_prefix("^(").and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|inner| inner.starts_with('/') && !inner.contains(['(', ')', '|', '\\']))
}

/// Whether a path is written that is what it was, as where nginx goes on in a named location.
fn is_same_path(target: &Target<'_>) -> bool {
    matches!(target.pieces(), [Piece { what: What::Part(Part::WorkingPath), .. }])
}

/// Whether a path that is written is a URL, as of a redirect whose server goes on with the rules behind it.
fn is_url(target: &Target<'_>) -> bool {
    let begin = match target.pieces().first() {
        Some(Piece { what: What::Literal(text), .. }) => text,
        _ => target.constant().unwrap_or_default(),
    };
    begin.starts_with("http://") || begin.starts_with("https://")
}

/// A URL that is written, with a letter for each text of the request.
fn url_of(target: &Target<'_>) -> String {
    match target.constant() {
        Some(text) => text.to_owned(),
        None => target
            .pieces()
            .iter()
            .map(|piece| match &piece.what {
                What::Literal(text) => text.to_string(),
                What::Slot(_) => String::new(),
                _ => "x".to_owned(),
            })
            .collect(),
    }
}

/// Whether a rule is httpd's own word on a `?` that a text of the request brings into what the rule of that line writes, and not
/// that rule: no other server asks so.
fn asks_mark(rule: &RuleView<'_>, within: &Within, behind: &[&RuleView<'_>]) -> bool {
    let of_request = |piece: &Piece<'_>| match piece.what {
        What::Slot(slot) => !within.knows(slot),
        What::Capture(_) | What::ConditionCapture(_) | What::Part(_) => true,
        _ => false,
    };
    let is_mark = |condition: &Condition| match (&condition.subject, &condition.test) {
        (Subject::Text(pieces), Test::Regex(pattern)) => pattern.text == "\\?" && pieces.iter().any(of_request),
        _ => false,
    };
    rule.dialect().name.starts_with("apache")
        && behind.first().is_some_and(|next| next.place() == rule.place())
        && rule.conditions().last().is_some_and(is_mark)
}

/// The letter of what a rule of nginx's `try_files` takes where it is there: a file or a folder.
fn asked_kind(rule: &RuleView<'_>) -> Option<char> {
    let of = |condition: &Condition| match (&condition.subject, &condition.test) {
        (Subject::Text(pieces), Test::Is(kind)) if !condition.negate => {
            let is_kind = matches!(pieces.as_slice(), [Piece { what: What::Slot(KIND), .. }]);
            kind.chars().next().filter(|_| is_kind && rule.dialect().name.starts_with("nginx"))
        }
        _ => None,
    };
    rule.conditions().iter().find_map(of)
}

/// Whether the patterns of a rule's table see the whole path.
fn is_whole(tables: &Tables<'_>, rule: &RuleView<'_>) -> bool {
    tables.views.get(&rule.table()).is_none_or(|view| view.strip.is_empty())
}

/// An entry of a list, where it is a key with a value.
fn entry(rule: &RuleView<'_>, text: &Target<'_>, groups: &HashMap<u16, What<'static>>) -> Option<Entry> {
    let own = |piece: &Piece<'_>| match &piece.what {
        What::Slot(slot) if groups.contains_key(slot) => {
            Ok(Piece { place: piece.place, what: groups.get(slot).cloned().unwrap_or(What::Slot(*slot)) })
        }
        _ => owned_piece(piece),
    };
    let value = match text.constant() {
        Some(text) => held::literal(text),
        None => text.pieces().iter().map(own).collect::<Result<_, _>>().ok()?,
    };
    let conditions = rule.conditions();
    let key = match owned_path(&rule.source().path).ok()? {
        any if is_any_path(&any) && conditions.is_empty() => Key::Else,
        any if is_any_path(&any) => Key::Asks(conditions),
        _ if !conditions.is_empty() => return None,
        PathPattern::Exact(key) => Key::Text(String::from_utf8(key.into_owned()).ok()?),
        PathPattern::Regex(pattern) => Key::Fits(pattern),
        _ => return None,
    };
    Some(Entry { key, value, ignores_case: rule.dialect().name.starts_with("nginx") })
}

/// Keeps what a table that was called has set.
fn hold_all(within: &mut Within, rule: &RuleView<'_>, called: TableId, tables: &Tables<'_>) {
    let outer: Vec<Condition> = rule.conditions();
    for table in tables.chain(called) {
        for member in tables.members(table) {
            let Action::Set { slot, text, .. } = member.action() else { continue };
            let pieces = match text.constant() {
                Some(text) => held::literal(text),
                None => text.pieces().to_vec(),
            };
            let conditions = outer.iter().cloned().chain(member.conditions()).collect();
            within.hold_where(member, slot, &pieces, conditions);
        }
    }
}

impl Way {
    /// The ways behind doors, each for one of these, that are come to by those above; each once.
    fn behind<'w>(doors: impl IntoIterator<Item = &'w Way>, above: &[Way]) -> Vec<Way> {
        let mut out: Vec<Way> = Vec::new();
        for door in doors {
            let under = above.iter().filter_map(|above| above.and(door));
            under.for_each(|way| out.extend((!out.contains(&way)).then_some(way)));
        }
        out
    }

    /// What holds for both; none where they exclude each other.
    fn and(&self, other: &Way) -> Option<Way> {
        let host = match (self.host.as_str(), other.host.as_str()) {
            (one, "") => one,
            ("", other) => other,
            (one, other) if one == other => one,
            _ => return None,
        };
        let scheme = match (self.scheme, other.scheme) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        let port = match (self.port, other.port) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        Some(Way { host: host.to_owned(), scheme, port })
    }

    /// A source with this path.
    fn text(&self, path: &str) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = if self.host.is_empty() { "*" } else { &self.host };
        match (self.scheme, self.host.as_str()) {
            (None, "") if port.is_empty() => path.to_owned(),
            (None, _) => format!("//{host}{port}{path}"),
            (Some(scheme), _) => format!("{}://{host}{port}{path}", scheme.as_str()),
        }
    }
}

/// The rules of a table in the order in which they are tried, as far as one list can say it.
fn in_order<'s, 'r>(rules: &'r [RuleView<'s>], order: Order) -> Vec<&'r RuleView<'s>> {
    let mut sorted: Vec<&RuleView<'_>> = rules.iter().collect();
    if order == Order::NginxLocation {
        let early = before_regexes(rules);
        // Exact; prefixes that keep regexes out; regexes as listed; prefixes; the longest prefix first.
        sorted.sort_by_key(|rule| match rule.source().path {
            PathPattern::Exact(_) => (0, 0),
            PathPattern::BytePrefix { prefix, is_final } if is_final || early.contains(&rule.number()) => {
                (1, usize::MAX - prefix.len())
            }
            PathPattern::BytePrefix { prefix, .. } => (3, usize::MAX - prefix.len()),
            _ => (2, 0),
        });
    }
    sorted
}

/// The prefixes below one that keeps regexes out: as they are longer they go before it, and in one list before all regexes too.
fn before_regexes(rules: &[RuleView<'_>]) -> HashSet<u32> {
    let prefixes = || {
        rules.iter().filter_map(|rule| match rule.source().path {
            PathPattern::BytePrefix { prefix, is_final } => Some((rule.number(), prefix, is_final)),
            _ => None,
        })
    };
    let keepers: HashSet<Vec<u8>> =
        prefixes().filter(|(.., is_final)| *is_final).map(|(_, prefix, _)| prefix.into_owned()).collect();
    let is_below = |prefix: &[u8]| !keepers.is_empty() && (0..prefix.len()).any(|len| keepers.contains(&prefix[..len]));
    prefixes().filter(|(_, prefix, is_final)| !is_final && is_below(prefix)).map(|(rule, ..)| rule).collect()
}

fn has_regex(rule: &RuleView<'_>) -> bool {
    matches!(rule.source().path, PathPattern::Regex(_))
}

fn host_text(host: &HostPattern<'_>) -> String {
    match host {
        HostPattern::Any => String::new(),
        host => host.to_string(),
    }
}

fn made_at<'s>(view: RuleView<'s>, spot: &Spot, steps: usize) -> OwnRule<'s> {
    OwnRule {
        view,
        from: String::new(),
        slash: byway_core::dialect::TrailingSlash::Significant,
        case: LetterCase::Significant,
        does: Does::Pass,
        conditions: Vec::new(),
        ours: None,
        as_sent: None,
        seen: None,
        is_of_server: view.dialect().name.starts_with("nginx") && !spot.within.is_located && view.place().line > 0,
        priority: i32::try_from(steps - 1 - spot.step.min(steps - 1)).unwrap_or(i32::MAX),
    }
}
