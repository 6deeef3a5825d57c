//! The three orders in which a table is tried: the most specific first, as listed, as nginx chooses a location.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Flow, Walk, Watch};
use crate::ruleset::shape::Kind;
use crate::ruleset::{Cell, HostKind, Plane, RuleRef, Table};
use crate::source::Segment;

/// The kinds of sources, the most specific first.
const KINDS: [Kind; 5] = [Kind::Exact, Kind::Prefix, Kind::BytePrefix, Kind::Segments, Kind::Regex];

impl<'w, W: Watch> Walk<'w, W> {
    pub(super) fn specific(&mut self, table: &Table<'_>) -> Flow {
        let (start, len) = table.planes;
        let mut from = start;
        while from < start + len {
            let priority = self.rules.plane(from).priority;
            let mut to = from + 1;
            while to < start + len && self.rules.plane(to).priority == priority {
                to += 1;
            }
            match self.hosts(table, from..to) {
                Flow::On => from = to,
                flow => return flow,
            }
        }
        Flow::On
    }

    /// Planes of one priority: hosts before no host, then the kinds of sources.
    fn hosts(&mut self, table: &Table<'_>, planes: Range<u32>) -> Flow {
        let (rules, host) = (self.rules, self.host);
        let some = |test: fn(&Plane) -> bool| planes.clone().any(|at| test(&rules.plane(at)));
        if !host.is_empty() && some(|plane| plane.has_exact_hosts) {
            match self.kinds(table, planes.clone(), HostKind::Exact, host) {
                Flow::On => {}
                flow => return flow,
            }
        }
        if !host.is_empty() && some(|plane| plane.has_wildcard_hosts) {
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

    fn kinds(&mut self, table: &Table<'_>, planes: Range<u32>, kind: HostKind, host: &str) -> Flow {
        let mut found = planes.clone().filter_map(|at| {
            let plane = self.rules.plane(at);
            self.find_cell(&plane, kind, host).map(|cell| (plane, cell))
        });
        let Some(first) = found.next() else { return Flow::On };
        let second = found.next();
        let cells: Vec<(Plane, Cell<'w>)> = match second {
            None => Vec::new(),
            Some(second) => [first, second].into_iter().chain(found).collect(),
        };
        for source in KINDS {
            let flow = match cells.as_slice() {
                [] => {
                    self.look(table, &first.0);
                    self.candidates(&first.1, &first.0, source)
                }
                cells => self.merged(table, cells, source),
            };
            match flow {
                Flow::On => {}
                flow => return flow,
            }
        }
        Flow::On
    }

    /// Rules that look at the path in different ways (case, last slash) are one list: their candidates are put in order here.
    fn merged(&mut self, table: &Table<'_>, cells: &[(Plane, Cell<'w>)], kind: Kind) -> Flow {
        let mut ranked = Vec::new();
        for (at, (plane, cell)) in cells.iter().enumerate() {
            self.look(table, plane);
            let mut proposed = Vec::new();
            self.propose(cell, plane, kind, &mut proposed);
            ranked.extend(proposed.into_iter().map(|rule| (self.rank(RuleRef(rule), kind), rule, at)));
        }
        ranked.sort_unstable();
        for (_, rule, at) in ranked {
            self.look(table, &cells[at].0);
            if self.source_matches(RuleRef(rule)) {
                match self.consider(RuleRef(rule)) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        Flow::On
    }

    /// What orders rules of one kind that match the same path, before the order given: the longer prefix, literals before
    /// captures segment by segment, then what asks more.
    fn rank(&self, rule: RuleRef, kind: Kind) -> (Vec<u8>, Reverse<u16>) {
        let blob = self.rules.blob(rule);
        let shape = match kind {
            Kind::Exact | Kind::Regex => Vec::new(),
            Kind::Prefix | Kind::BytePrefix => (u16::MAX - blob.key.len() as u16).to_be_bytes().to_vec(),
            Kind::Segments => {
                let (segments, tail) = crate::ruleset::segments_of(blob.key);
                let tags = segments.map(|segment| u8::from(!matches!(segment, Segment::Literal(_))));
                // A deeper pattern comes before the tail that covers it, the end before a tail.
                tags.chain([2 + u8::from(tail)]).collect()
            }
        };
        (shape, Reverse(self.rules.shape(blob.shape).weight()))
    }

    pub(super) fn listed(&mut self, table: &Table<'_>) -> Flow {
        let mut after: Option<RuleRef> = None;
        loop {
            let Some(rule) = self.next_listed(table, after) else { return Flow::Leave };
            match self.consider(rule) {
                Flow::On => after = Some(rule),
                Flow::Next(rule) => after = Some(rule),
                flow => return flow,
            }
        }
    }

    /// The first rule behind `after`, in the order given, whose source matches.
    fn next_listed(&mut self, table: &Table<'_>, after: Option<RuleRef>) -> Option<RuleRef> {
        let (start, len) = table.planes;
        let mut found: Option<RuleRef> = None;
        for at in start..start + len {
            let plane = self.rules.plane(at);
            for cell in self.cells_of(&plane) {
                self.look(table, &plane);
                let mut proposed = std::mem::take(&mut self.scratch.candidates);
                proposed.clear();
                for kind in KINDS {
                    self.propose(&cell, &plane, kind, &mut proposed);
                }
                proposed.sort_unstable();
                let first = proposed
                    .iter()
                    .map(|&rule| RuleRef(rule))
                    .filter(|&rule| after.is_none_or(|after| rule > after) && found.is_none_or(|found| rule < found))
                    .find(|&rule| self.source_matches(rule));
                self.scratch.candidates = proposed;
                found = first.or(found);
            }
        }
        // What matched last left its groups behind; the one to take must have its own.
        if let Some(rule) = found {
            let plane = self.plane_of(rule);
            self.look(table, &plane);
            self.source_matches(rule);
        }
        found
    }

    pub(super) fn nginx_location(&mut self, table: &Table<'_>) -> Flow {
        let (start, len) = table.planes;
        let planes: Vec<Plane> = (start..start + len).map(|at| self.rules.plane(at)).collect();
        for plane in &planes {
            for cell in self.cells_of(plane) {
                self.look(table, plane);
                match self.candidates(&cell, plane, Kind::Exact) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        let longest = self.longest_location(table, &planes);
        if let Some(rule) = longest
            && self.shape_of(rule).is_final()
        {
            return self.take_location(table, rule);
        }
        if let Some(rule) = self.first_regex(table, &planes) {
            return self.consider(rule);
        }
        match longest {
            Some(rule) => self.take_location(table, rule),
            None => Flow::Leave,
        }
    }

    fn take_location(&mut self, table: &Table<'_>, rule: RuleRef) -> Flow {
        let plane = self.plane_of(rule);
        self.look(table, &plane);
        self.source_matches(rule);
        self.consider(rule)
    }

    fn longest_location(&mut self, table: &Table<'_>, planes: &[Plane]) -> Option<RuleRef> {
        let mut longest: Option<(usize, RuleRef)> = None;
        for plane in planes {
            for cell in self.cells_of(plane) {
                self.look(table, plane);
                let mut proposed = Vec::new();
                self.propose(&cell, plane, Kind::BytePrefix, &mut proposed);
                for rule in proposed.into_iter().map(RuleRef) {
                    let len = self.rules.blob(rule).key.len();
                    if longest.is_none_or(|(held, _)| len > held) && self.source_matches(rule) {
                        longest = Some((len, rule));
                    }
                }
            }
        }
        longest.map(|(_, rule)| rule)
    }

    fn first_regex(&mut self, table: &Table<'_>, planes: &[Plane]) -> Option<RuleRef> {
        let mut proposed = Vec::new();
        for plane in planes {
            for cell in self.cells_of(plane) {
                self.look(table, plane);
                self.propose(&cell, plane, Kind::Regex, &mut proposed);
            }
        }
        proposed.sort_unstable();
        proposed.into_iter().map(RuleRef).find(|&rule| {
            let plane = self.plane_of(rule);
            self.look(table, &plane);
            self.source_matches(rule)
        })
    }
}
