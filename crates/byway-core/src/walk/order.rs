//! The three orders in which a table is tried: the most specific first, as listed, as nginx chooses a location.
//!
//! Lists of cells and of candidates live on stacks in the scratch space: whoever pushes takes off again what it pushed, so that
//! a rule which leads through another table finds its own list as it left it, and nothing is allocated once they are warm.

use std::cmp::Ordering;
use std::ops::Range;

use super::{Flow, Walk, Watch};
use crate::ruleset::shape::Kind;
use crate::ruleset::{Cell, HostKind, Plane, RuleRef, Sections, Table};
use crate::source::Segment;

/// The kinds of sources, the most specific first.
const KINDS: [Kind; 5] = [Kind::Exact, Kind::Prefix, Kind::BytePrefix, Kind::Segments, Kind::Regex];

impl<'w, W: Watch> Walk<'w, W> {
    pub(super) fn specific(&mut self, table: &Table) -> Flow {
        let (start, len) = table.planes;
        let mut from = start;
        let planes = self.rules.planes(start, start + len);
        while let Some(first) = planes.get((from - start) as usize) {
            let (mut exact, mut below) = (false, false);
            let mut to = from;
            for plane in &planes[(from - start) as usize..] {
                if plane.priority != first.priority {
                    break;
                }
                exact |= plane.has_exact_hosts;
                below |= plane.has_wildcard_hosts;
                to += 1;
            }
            match self.hosts(table, from..to, exact, below) {
                Flow::On => from = to,
                flow => return flow,
            }
        }
        Flow::On
    }

    /// Planes of one priority: hosts before no host, then the kinds of sources.
    fn hosts(&mut self, table: &Table, planes: Range<u32>, exact: bool, below: bool) -> Flow {
        let host = self.host;
        if exact && !host.is_empty() {
            match self.kinds(table, planes.clone(), HostKind::Exact, host) {
                Flow::On => {}
                flow => return flow,
            }
        }
        if below && !host.is_empty() {
            let mut parent = host;
            while let Some((_, rest)) = parent.split_once('.') {
                parent = rest;
                match self.kinds(table, planes.clone(), HostKind::Below, parent) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        self.kinds(table, planes, HostKind::Any, "")
    }

    fn kinds(&mut self, table: &Table, planes: Range<u32>, kind: HostKind, host: &str) -> Flow {
        let base = self.scratch.cells.len();
        let mut only = None;
        for (plane, at) in self.rules.planes(planes.start, planes.end).iter().zip(planes.start..) {
            let Some(cell) = find_cell(self.rules, plane, kind, host) else { continue };
            match only.replace((plane, at, cell)) {
                Some((_, first, held)) if self.scratch.cells.len() == base => {
                    self.scratch.cells.extend([(first, held), (at, cell)]);
                }
                Some(_) => self.scratch.cells.push((at, cell)),
                None => {}
            }
        }
        let Some((plane, _, cell)) = only else { return Flow::On };
        let cells = base..self.scratch.cells.len();
        let mut flow = Flow::On;
        for source in KINDS {
            flow = match cells.is_empty() {
                true if cell.holds(source) => self.in_cell(table, plane, &cell, source),
                true => Flow::On,
                false => self.merged(table, cells.clone(), source),
            };
            if !matches!(flow, Flow::On) {
                break;
            }
        }
        self.scratch.cells.truncate(base);
        flow
    }

    /// The rules of one kind in one cell.
    fn in_cell(&mut self, table: &Table, plane: &Plane, cell: &Cell, kind: Kind) -> Flow {
        if kind == Kind::Exact && !table.strips() && self.is_seen_as_sent(plane, cell) {
            // Keys are in normal form: one that equals the path as sent proves that to be in it, and nothing need be looked at.
            let sent = self.request.path;
            match self.exact(cell, sent) {
                Flow::On => {}
                flow => return flow,
            }
            self.look(table, plane);
            return if self.scratch.text == sent { Flow::On } else { self.candidates(cell, plane, kind) };
        }
        self.look(table, plane);
        self.candidates(cell, plane, kind)
    }

    /// Rules that look at the path in different ways (case, last slash) are one list: their candidates are put in order here.
    fn merged(&mut self, table: &Table, cells: Range<usize>, kind: Kind) -> Flow {
        let ranked = self.list_in_cells(table, cells, &[kind]);
        let rules = self.rules;
        self.scratch.ranked[ranked.clone()].sort_unstable_by(|one, other| by_rank(rules, kind, one.0, other.0));
        self.try_ranked(table, ranked)
    }

    /// Lists what the index proposes in some cells, each rule with the place of its cell.
    fn list_in_cells(&mut self, table: &Table, cells: Range<usize>, kinds: &[Kind]) -> Range<usize> {
        let from = self.scratch.ranked.len();
        for at in cells {
            let (plane, cell) = self.scratch.cells[at];
            let Some(plane) = self.rules.plane(plane) else { continue };
            for &kind in kinds {
                if !cell.holds(kind) {
                    continue;
                }
                self.look(table, plane);
                let proposed = self.gather(&cell, plane, kind);
                let rules = self.scratch.candidates.drain(proposed);
                self.scratch.ranked.extend(rules.map(|rule| (RuleRef(rule), at as u32)));
            }
        }
        from..self.scratch.ranked.len()
    }

    /// Tries a list that is in order, and takes it off the stack.
    fn try_ranked(&mut self, table: &Table, ranked: Range<usize>) -> Flow {
        let mut flow = Flow::On;
        for at in ranked.clone() {
            let (rule, cell) = self.scratch.ranked[at];
            if self.fits_in(table, rule, cell) {
                flow = self.consider(rule);
                if !matches!(flow, Flow::On) {
                    break;
                }
            }
        }
        self.scratch.ranked.truncate(ranked.start);
        flow
    }

    /// Whether a rule of a cell on the stack fits the path as that cell looks at it.
    fn fits_in(&mut self, table: &Table, rule: RuleRef, cell: u32) -> bool {
        let Some(plane) = self.rules.plane(self.scratch.cells[cell as usize].0) else { return false };
        self.look(table, plane);
        self.source_matches(rule)
    }

    pub(super) fn listed(&mut self, table: &Table) -> Flow {
        let cells = self.enter_cells(table);
        let mut after = None;
        let flow = loop {
            match self.listed_behind(table, cells.clone(), after) {
                // The path is another one now: what is behind that rule is looked up anew.
                Flow::Next(rule) => after = Some(rule),
                Flow::On => break Flow::Leave,
                flow => break flow,
            }
        };
        self.scratch.cells.truncate(cells.start);
        flow
    }

    /// Tries the rules behind `after` in the order given, until one decides or writes another path.
    fn listed_behind(&mut self, table: &Table, cells: Range<usize>, after: Option<RuleRef>) -> Flow {
        let ranked = self.list_in_cells(table, cells, &KINDS);
        self.scratch.ranked[ranked.clone()].sort_unstable();
        let path = self.paths;
        let mut flow = Flow::On;
        for at in ranked.clone() {
            let (rule, cell) = self.scratch.ranked[at];
            if after.is_some_and(|after| rule <= after) || !self.fits_in(table, rule, cell) {
                continue;
            }
            flow = match self.consider(rule) {
                Flow::On => continue,
                Flow::Next(_) if self.paths == path => continue,
                flow => flow,
            };
            break;
        }
        self.scratch.ranked.truncate(ranked.start);
        flow
    }

    pub(super) fn nginx_location(&mut self, table: &Table) -> Flow {
        let cells = self.enter_cells(table);
        let flow = self.location(table, cells.clone());
        self.scratch.cells.truncate(cells.start);
        match flow {
            Flow::On => Flow::Leave,
            flow => flow,
        }
    }

    fn location(&mut self, table: &Table, cells: Range<usize>) -> Flow {
        for at in cells.clone() {
            let (plane, cell) = self.scratch.cells[at];
            let Some(plane) = self.rules.plane(plane) else { continue };
            if cell.holds(Kind::Exact) {
                self.look(table, plane);
                match self.candidates(&cell, plane, Kind::Exact) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        let longest = self.longest_location(table, cells.clone());
        if !longest.is_some_and(|(rule, _)| self.shape_of(rule).is_final())
            && let Some(rule) = self.first_regex(table, cells)
        {
            return self.consider(rule);
        }
        match longest {
            Some((rule, cell)) if self.fits_in(table, rule, cell) => self.consider(rule),
            _ => Flow::On,
        }
    }

    fn longest_location(&mut self, table: &Table, cells: Range<usize>) -> Option<(RuleRef, u32)> {
        let mut longest: Option<(usize, RuleRef, u32)> = None;
        for at in cells {
            let (plane, cell) = self.scratch.cells[at];
            let Some(plane) = self.rules.plane(plane) else { continue };
            if !cell.holds(Kind::BytePrefix) {
                continue;
            }
            self.look(table, plane);
            let found = self.longest_byte_prefix(&cell);
            if let Some((len, rule)) = found
                && longest.is_none_or(|(held, ..)| len > held)
            {
                longest = Some((len, rule, at as u32));
            }
        }
        longest.map(|(_, rule, cell)| (rule, cell))
    }

    /// The first regex in the order given that fits, its groups left in `spans`.
    fn first_regex(&mut self, table: &Table, cells: Range<usize>) -> Option<RuleRef> {
        let ranked = self.list_in_cells(table, cells, &[Kind::Regex]);
        self.scratch.ranked[ranked.clone()].sort_unstable();
        let mut found = None;
        for at in ranked.clone() {
            let (rule, cell) = self.scratch.ranked[at];
            if self.fits_in(table, rule, cell) {
                found = Some(rule);
                break;
            }
        }
        self.scratch.ranked.truncate(ranked.start);
        found
    }

    /// Puts the cells that the request's host falls into on the stack, plane by plane, the nearest host first.
    fn enter_cells(&mut self, table: &Table) -> Range<usize> {
        let (start, len) = table.planes;
        let (host, from) = (self.host, self.scratch.cells.len());
        for (plane, at) in self.rules.planes(start, start + len).iter().zip(start..) {
            let mut enter = |cell: Option<Cell>| self.scratch.cells.extend(cell.map(|cell| (at, cell)));
            if !host.is_empty() && plane.has_exact_hosts {
                enter(find_cell(self.rules, plane, HostKind::Exact, host));
            }
            let mut parent = host;
            while plane.has_wildcard_hosts
                && let Some((_, rest)) = parent.split_once('.')
            {
                parent = rest;
                enter(find_cell(self.rules, plane, HostKind::Below, parent));
            }
            enter(find_cell(self.rules, plane, HostKind::Any, ""));
        }
        from..self.scratch.cells.len()
    }
}

fn find_cell(rules: Sections<'_>, plane: &Plane, kind: HostKind, host: &str) -> Option<Cell> {
    let wanted = match kind {
        HostKind::Any => return plane.any,
        HostKind::Exact => plane.has_exact_hosts,
        HostKind::Below => plane.has_wildcard_hosts,
    };
    if !wanted {
        return None;
    }
    let hash = super::cell_hash(rules.hash(host.as_bytes()), plane.id, kind as u8);
    rules
        .hosts()
        .probe(hash)
        .map(|id| rules.cell(id))
        .find(|cell| cell.plane == plane.id && cell.kind == kind && rules.host_of(cell) == host)
}

/// The order of rules of one kind that match the same path: the longer prefix, literals before captures segment by segment,
/// then what asks more, then the order given.
fn by_rank(rules: Sections<'_>, kind: Kind, one: RuleRef, other: RuleRef) -> Ordering {
    let (left, right) = (rules.blob(one), rules.blob(other));
    let shape = match kind {
        Kind::Exact | Kind::Regex => Ordering::Equal,
        Kind::Prefix | Kind::BytePrefix => right.key.len().cmp(&left.key.len()),
        Kind::Segments => tags(left.key).cmp(tags(right.key)),
    };
    let weight = |shape: u32| rules.shape(shape).weight();
    shape.then_with(|| weight(right.shape).cmp(&weight(left.shape))).then(one.cmp(&other))
}

/// A deeper pattern comes before the tail that covers it, the end before a tail.
fn tags(key: &[u8]) -> impl Iterator<Item = u8> {
    let (segments, tail) = crate::ruleset::segments_of(key);
    let tags = segments.map(|segment| u8::from(!matches!(segment, Segment::Literal(_))));
    tags.chain([2 + u8::from(tail)])
}
