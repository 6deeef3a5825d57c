//! The one walk over the rules: what a server says of a request, and, with someone watching, why.
//!
//! `decide` and `explain` are the same code; [`Watch`] has an empty implementation, so that serving pays nothing for it. The
//! walk goes from table to table, in each takes the candidates that the index proposes in the table's order, matches them
//! against their source, asks their conditions, and carries out the first that holds.

use crate::condition::{Depends, SUBJECTS, Tried, glob_matches};
use crate::decision::{Decision, Outcome, Redirect, Refusal, Reply, Storing};
use crate::dialect::{Dialect, LetterCase, Preflight, QueryPolicy, SelfRedirect, TrailingSlash, View};
use crate::index::grams;
use crate::location::{self, Expansion, Location, Relation, TargetBytes};
use crate::path;
use crate::query;
use crate::regex::{Match, MatcherCache, Span};
use crate::request::Request;
use crate::rule::Then;
use crate::ruleset::shape::{self, Does, Kind, RawCondition, RawTest, Shape};
use crate::ruleset::{After, Blob, Cell, HostKind, Order, Plane, RuleRef, RuleSet, Sections, Table, TableId};
use crate::source::Segment;
use crate::status::{RedirectStatus, ReplyStatus};
use crate::surroundings::Surroundings;

/// Why a rule whose source matched stood aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// Its source is for the other scheme.
    Scheme,
    /// Its source is for another port.
    Port,
    /// A query pair that its source asks for is missing.
    QueryPair(String),
    /// It holds from this second on.
    NotYet(i64),
    /// It held before this second.
    Over(i64),
    /// This condition does not hold, by its place in the rule.
    Condition(usize),
    /// Its Location is the very URI that was asked.
    SelfRedirect,
    /// It says pass: the table has nothing to say.
    Pass,
}

/// Someone who watches a walk.
pub trait Watch {
    /// A table is entered.
    fn table(&mut self, _table: TableId) {}
    /// A table was left out: the request is a CORS preflight.
    fn preflight(&mut self, _table: TableId) {}
    /// A rule whose source matched stood aside.
    fn aside(&mut self, _rule: RuleRef, _why: Aside) {}
    /// A rule rewrote the working path and query.
    fn rewritten(&mut self, _rule: RuleRef, _path: &[u8], _query: Option<&[u8]>) {}
    /// A rule decided; its captures by position, as the pattern saw them.
    fn taken(&mut self, _rule: RuleRef, _captures: &[&[u8]]) {}
}

/// Nobody watches.
impl Watch for () {}

/// The space in which decisions are made: buffers, and matchers already built. One for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    host: String,
    text: Vec<u8>,
    text_of: Option<(View, LetterCase, TrailingSlash)>,
    spare: Vec<u8>,
    spans: Vec<Span>,
    condition_groups: Vec<Vec<u8>>,
    candidates: Vec<u32>,
    location: Vec<u8>,
    vary: String,
    working: Option<Vec<u8>>,
    working_query: Option<Option<Vec<u8>>>,
    matchers: MatcherCache,
}

impl Scratch {
    /// An empty one.
    pub fn new() -> Scratch {
        Scratch::default()
    }
}

impl RuleSet {
    /// What the rules say of a request. Total, and free of allocation once the scratch space is warm.
    ///
    /// ```
    /// use byway_core::{NO_FIELDS, Outcome, Request, RuleSet, Scheme, Scratch, Surroundings};
    /// let rules = RuleSet::default();
    /// let request = Request {
    ///     method: "POST",
    ///     scheme: Scheme::Http,
    ///     host: "example.com",
    ///     port: 80,
    ///     path: b"/old",
    ///     query: None,
    ///     fields: NO_FIELDS,
    ///     address: [127, 0, 0, 1].into(),
    ///     local_port: 80,
    /// };
    /// let mut scratch = Scratch::new();
    /// let decision = rules.decide(&request, &Surroundings { now: 0 }, &mut scratch);
    /// assert_eq!(decision.outcome, Outcome::Pass);
    /// ```
    pub fn decide<'s>(&'s self, request: &Request<'_>, around: &Surroundings, scratch: &'s mut Scratch) -> Decision<'s> {
        self.decide_watched(request, around, scratch, &mut ())
    }

    /// The same, with someone watching.
    pub fn decide_watched<'s, W: Watch>(
        &'s self,
        request: &Request<'_>,
        around: &Surroundings,
        scratch: &'s mut Scratch,
        watch: &mut W,
    ) -> Decision<'s> {
        scratch.matchers.belong_to(self.serial());
        scratch.host.clear();
        scratch.vary.clear();
        scratch.text_of = None;
        scratch.working = None;
        scratch.working_query = None;
        if !crate::host::push_normalised(request.host, &mut scratch.host) {
            return Decision {
                outcome: Outcome::Refuse(Refusal::InvalidLocation),
                rule: None,
                vary: "",
                storing: Storing::Forbidden,
            };
        }
        let rules = self.sections();
        let mut walk =
            Walk { rules, request, around, scratch, watch, storing: Storing::Allowed, rewrites: 0, pattern_failed: false };
        let verdict = walk.run();
        let storing = walk.storing;
        verdict.decision(rules, &scratch.location, &scratch.vary, storing)
    }
}

/// How the search of a table goes on after a candidate.
enum Flow {
    /// With the next candidate.
    On,
    /// Nowhere: the verdict is found.
    Done(Verdict),
    /// In another table, from its beginning.
    Goto(TableId),
    /// In this table, with the rules behind this one.
    Next(RuleRef),
    /// The table has nothing to say.
    Leave,
}

struct Verdict {
    rule: Option<RuleRef>,
    what: What,
}

enum What {
    Redirect(RedirectStatus),
    Reply(ReplyStatus, Option<u32>),
    Pass,
    Refuse(Refusal),
}

const PERMANENT_CACHE: &str = "max-age=3600";
const TEMPORARY_CACHE: &str = "no-store";

impl Verdict {
    fn pass() -> Verdict {
        Verdict { rule: None, what: What::Pass }
    }

    fn refuse(rule: RuleRef, why: Refusal) -> Verdict {
        Verdict { rule: Some(rule), what: What::Refuse(why) }
    }

    fn decision<'s>(self, rules: Sections<'s>, location: &'s [u8], vary: &'s str, storing: Storing) -> Decision<'s> {
        let cache_control = || match self.rule {
            _ if storing == Storing::Forbidden => TEMPORARY_CACHE,
            Some(rule) => rules.shape(rules.blob(rule).shape).cache_control(),
            None => "",
        };
        let outcome = match self.what {
            What::Pass => Outcome::Pass,
            What::Refuse(why) => Outcome::Refuse(why),
            What::Reply(status, retry_after) => {
                let cache_control = Some(cache_control()).filter(|text| !text.is_empty()).unwrap_or(TEMPORARY_CACHE);
                Outcome::Reply(Reply { status, retry_after, cache_control })
            }
            What::Redirect(status) => match Location::of_written(location) {
                None => Outcome::Refuse(Refusal::InvalidLocation),
                Some(location) => {
                    let usual = if status.is_permanent() { PERMANENT_CACHE } else { TEMPORARY_CACHE };
                    let cache_control = Some(cache_control()).filter(|text| !text.is_empty()).unwrap_or(usual);
                    Outcome::Redirect(Redirect { status, location, cache_control })
                }
            },
        };
        Decision { outcome, rule: self.rule, vary, storing }
    }
}

struct Walk<'w, W> {
    rules: Sections<'w>,
    request: &'w Request<'w>,
    around: &'w Surroundings,
    scratch: &'w mut Scratch,
    watch: &'w mut W,
    storing: Storing,
    rewrites: u8,
    pattern_failed: bool,
}

impl<'w, W: Watch> Walk<'w, W> {
    fn run(&mut self) -> Verdict {
        let mut roots = self.rules.roots();
        while let Some(root) = roots.next() {
            let mut at = Some(root);
            while let Some(table) = at {
                match self.table(table) {
                    Flow::Done(verdict) => return verdict,
                    Flow::Goto(next) => at = Some(next),
                    _ => {
                        at = match self.rules.table(table).after {
                            After::Table(next) => Some(next),
                            After::NextRoot => None,
                        }
                    }
                }
            }
        }
        Verdict::pass()
    }

    fn table(&mut self, id: TableId) -> Flow {
        let table = self.rules.table(id);
        self.watch.table(id);
        if table.dialect.preflight == Preflight::Passes && is_preflight(self.request) {
            self.watch.preflight(id);
            return Flow::Leave;
        }
        match table.order {
            Order::Specific => self.specific(&table),
            Order::Listed => self.listed(&table),
            Order::NginxLocation => self.nginx_location(&table),
        }
    }

    // The three orders.

    fn specific(&mut self, table: &Table<'_>) -> Flow {
        let (start, len) = table.planes;
        let mut from = start;
        while from < start + len {
            let priority = self.rules.plane(from).priority;
            let mut to = from + 1;
            while to < start + len && self.rules.plane(to).priority == priority {
                to += 1;
            }
            match self.plane_group(table, from..to) {
                Flow::On => from = to,
                flow => return flow,
            }
        }
        Flow::On
    }

    /// Planes of one priority: hosts before no host, then the kinds of sources.
    fn plane_group(&mut self, table: &Table<'_>, planes: std::ops::Range<u32>) -> Flow {
        let host = std::mem::take(&mut self.scratch.host);
        let flow = self.hosts(table, planes, &host);
        self.scratch.host = host;
        flow
    }

    fn hosts(&mut self, table: &Table<'_>, planes: std::ops::Range<u32>, host: &str) -> Flow {
        let rules = self.rules;
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

    fn kinds(&mut self, table: &Table<'_>, planes: std::ops::Range<u32>, kind: HostKind, host: &str) -> Flow {
        for source in [Kind::Exact, Kind::Prefix, Kind::BytePrefix, Kind::Segments, Kind::Regex] {
            for at in planes.clone() {
                let plane = self.rules.plane(at);
                let Some(cell) = self.find_cell(&plane, kind, host) else { continue };
                self.look(table, &plane);
                match self.candidates(&cell, &plane, source) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        Flow::On
    }

    fn listed(&mut self, table: &Table<'_>) -> Flow {
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
                for kind in [Kind::Exact, Kind::Prefix, Kind::BytePrefix, Kind::Segments, Kind::Regex] {
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

    fn nginx_location(&mut self, table: &Table<'_>) -> Flow {
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

    // Cells and what they propose.

    fn find_cell(&self, plane: &Plane, kind: HostKind, host: &str) -> Option<Cell<'w>> {
        let wanted = match kind {
            HostKind::Any => return plane.any.map(|cell| self.rules.cell(cell)),
            HostKind::Exact => plane.has_exact_hosts,
            HostKind::Below => plane.has_wildcard_hosts,
        };
        if !wanted {
            return None;
        }
        let hash = cell_hash(self.rules.hash(host.as_bytes()), plane.id, kind as u8);
        self.rules
            .hosts()
            .probe(hash)
            .map(|id| self.rules.cell(id))
            .find(|cell| cell.plane == plane.id && cell.kind == kind && cell.host == host)
    }

    /// The cells of a plane that the request's host falls into, the nearest first.
    fn cells_of(&self, plane: &Plane) -> Vec<Cell<'w>> {
        let host = self.scratch.host.as_str();
        let mut cells = Vec::new();
        if !host.is_empty() {
            cells.extend(self.find_cell(plane, HostKind::Exact, host));
            let mut parent = host;
            while let Some((_, rest)) = parent.split_once('.') {
                parent = rest;
                cells.extend(self.find_cell(plane, HostKind::Below, parent));
            }
        }
        cells.extend(self.find_cell(plane, HostKind::Any, ""));
        cells
    }

    fn plane_of(&self, rule: RuleRef) -> Plane {
        let blob = self.rules.blob(rule);
        let shape = self.rules.shape(blob.shape);
        let cell = self.rules.cell(blob.cell);
        let (start, len) = self.rules.table(shape.table()).planes;
        (start..start + len)
            .map(|at| self.rules.plane(at))
            .find(|plane| plane.id == cell.plane)
            .unwrap_or_else(|| self.rules.plane(start))
    }

    /// Tries the candidates of one kind in the order of specificity.
    fn candidates(&mut self, cell: &Cell<'_>, plane: &Plane, kind: Kind) -> Flow {
        if kind == Kind::Exact && cell.query_sets.1 == 0 {
            return if cell.has_exact { self.plain_exact(cell) } else { Flow::On };
        }
        if !cell.holds(kind) {
            return Flow::On;
        }
        let mut proposed = std::mem::take(&mut self.scratch.candidates);
        proposed.clear();
        self.propose(cell, plane, kind, &mut proposed);
        let mut flow = Flow::On;
        for &rule in &proposed {
            if self.source_matches(RuleRef(rule)) {
                flow = self.consider(RuleRef(rule));
                if !matches!(flow, Flow::On) {
                    break;
                }
            }
        }
        self.scratch.candidates = proposed;
        flow
    }

    /// The common case, without a list of candidates.
    fn plain_exact(&mut self, cell: &Cell<'_>) -> Flow {
        let hash = key_hash(self.rules.hash(&self.scratch.text), cell.id, Kind::Exact);
        for rule in self.rules.exact().probe(hash) {
            let blob = self.rules.blob(RuleRef(rule));
            if blob.cell == cell.id && blob.key == self.scratch.text {
                self.scratch.spans.clear();
                match self.consider(RuleRef(rule)) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        Flow::On
    }

    /// Lists candidates of one kind, in the order of specificity.
    fn propose(&mut self, cell: &Cell<'_>, plane: &Plane, kind: Kind, out: &mut Vec<u32>) {
        if !cell.holds(kind) {
            return;
        }
        let text = std::mem::take(&mut self.scratch.text);
        // A path with a dot segment is another path once a client resolves it: only what names it exactly takes it.
        let dotted = plane.view == View::Unreserved && kind != Kind::Exact && path::has_dot_segment(&text);
        if !dotted {
            match kind {
                Kind::Exact => self.propose_exact(cell, &text, out),
                Kind::Prefix => self.propose_prefixes(cell, &text, out),
                Kind::BytePrefix => self.propose_byte_prefixes(cell, &text, out),
                Kind::Segments => self.propose_segments(cell, &text, out),
                Kind::Regex => self.propose_regexes(cell, &text, out),
            }
        }
        self.scratch.text = text;
    }

    fn propose_key(&self, cell: &Cell<'_>, kind: Kind, key: &[u8], out: &mut Vec<u32>) {
        let table = if kind == Kind::Exact { self.rules.exact() } else { self.rules.prefix() };
        let hash = key_hash(self.rules.hash(key), cell.id, kind);
        out.extend(table.probe(hash).filter(|&rule| {
            let blob = self.rules.blob(RuleRef(rule));
            blob.cell == cell.id && blob.key == key
        }));
    }

    fn propose_exact(&mut self, cell: &Cell<'_>, text: &[u8], out: &mut Vec<u32>) {
        let query = self.query().map(<[u8]>::to_vec).unwrap_or_default();
        if cell.query_sets.1 != 0 && !query.is_empty() {
            let mut sets: Vec<Vec<&str>> =
                self.rules.postings(cell.query_sets).map(|set| self.rules.query_set(set).collect()).collect();
            sets.sort_by_key(|names| std::cmp::Reverse(names.len()));
            for names in sets {
                each_key(text, &names, &query, &mut |key| self.propose_key(cell, Kind::Exact, key, out));
            }
        }
        if cell.has_exact {
            self.propose_key(cell, Kind::Exact, text, out);
        }
    }

    fn propose_prefixes(&mut self, cell: &Cell<'_>, text: &[u8], out: &mut Vec<u32>) {
        let total = text.iter().filter(|&&b| b == b'/').count();
        let (mut depth, mut end) = (total, text.len());
        // A path that ends in a slash is below the prefix without it at the same depth less one; boundaries are the slashes.
        loop {
            if cell.depths >> depth.min(63) & 1 == 1 {
                self.propose_key(cell, Kind::Prefix, &text[..end], out);
            }
            if depth == 0 {
                return;
            }
            end = text[..end].iter().rposition(|&b| b == b'/').unwrap_or(0);
            depth -= 1;
        }
    }

    fn propose_byte_prefixes(&mut self, cell: &Cell<'_>, text: &[u8], out: &mut Vec<u32>) {
        for len in self.rules.postings(cell.byte_lengths) {
            if let Some(prefix) = text.get(..len as usize) {
                self.propose_key(cell, Kind::BytePrefix, prefix, out);
            }
        }
    }

    fn propose_segments(&mut self, cell: &Cell<'_>, text: &[u8], out: &mut Vec<u32>) {
        let (Some(root), Some(rest)) = (cell.root, text.strip_prefix(b"/")) else { return };
        let rules = self.rules;
        rules.trie().walk(root, Some(rest), &|segment| rules.hash(segment), &mut |list| {
            out.extend(rules.postings((list.start, list.len)));
            false
        });
    }

    fn propose_regexes(&mut self, cell: &Cell<'_>, text: &[u8], out: &mut Vec<u32>) {
        let from = out.len();
        if cell.has_grams {
            let table = self.rules.grams();
            for (length, map) in grams::LENGTHS.into_iter().zip(self.rules.gram_bits()) {
                if map.is_empty() {
                    continue;
                }
                for run in text.windows(length) {
                    let hash = grams::hash(cell.id, run);
                    if grams::may_hold(map, hash) {
                        out.extend(table.probe(hash).filter(|&rule| self.rules.blob(RuleRef(rule)).cell == cell.id));
                    }
                }
            }
        }
        out.extend(self.rules.postings(cell.always));
        let regexes = &mut out[from..];
        if regexes.len() > 1 {
            let rules = self.rules;
            let weight = |rule: u32| rules.shape(rules.blob(RuleRef(rule)).shape).weight();
            regexes.sort_unstable_by_key(|&rule| (std::cmp::Reverse(weight(rule)), rule));
            let mut kept = from;
            for at in from..out.len() {
                if at == from || out[at] != out[kept - 1] {
                    out[kept] = out[at];
                    kept += 1;
                }
            }
            out.truncate(kept);
        }
    }

    // What a pattern sees.

    fn raw_path(&self) -> &[u8] {
        self.scratch.working.as_deref().unwrap_or(self.request.path)
    }

    fn query(&self) -> Option<&[u8]> {
        match &self.scratch.working_query {
            Some(query) => query.as_deref(),
            None => self.request.query,
        }
    }

    /// Brings the path into the form that a plane sees, unless it is in it.
    fn look(&mut self, table: &Table<'_>, plane: &Plane) {
        let form = (plane.view, plane.case, plane.slash);
        if self.scratch.text_of == Some(form) && table.strip.is_empty() {
            return;
        }
        let mut text = std::mem::take(&mut self.scratch.text);
        text.clear();
        self.write_view(plane.view, &mut text);
        if !table.strip.is_empty() && text.starts_with(table.strip) {
            text.drain(..table.strip.len());
        }
        if plane.case == LetterCase::Ignored {
            text.make_ascii_lowercase();
        }
        if plane.slash == TrailingSlash::Either && text.len() > 1 && text.last() == Some(&b'/') {
            text.pop();
        }
        self.scratch.text = text;
        self.scratch.text_of = table.strip.is_empty().then_some(form);
    }

    fn write_view(&self, view: View, out: &mut Vec<u8>) {
        let raw = self.raw_path();
        let is_working = self.scratch.working.is_some();
        match view {
            View::Raw => out.extend_from_slice(raw),
            // What a rule has written is decoded already.
            _ if is_working => out.extend_from_slice(raw),
            View::Unreserved => path::push_unreserved_quickly(raw, out),
            View::Decoded => path::push_decoded(raw, out),
            View::Normalised => path::push_normalised(raw, out),
            View::PathAndQuery | View::Url => {
                if view == View::Url {
                    out.extend_from_slice(self.request.scheme.as_str().as_bytes());
                    out.extend_from_slice(b"://");
                    out.extend_from_slice(self.request.host.as_bytes());
                    if self.request.port != self.request.scheme.default_port() {
                        out.extend_from_slice(format!(":{}", self.request.port).as_bytes());
                    }
                }
                out.extend_from_slice(raw);
                if let Some(query) = self.query() {
                    out.push(b'?');
                    out.extend_from_slice(query);
                }
            }
        }
    }

    // One rule.

    fn shape_of(&self, rule: RuleRef) -> Shape<'w> {
        self.rules.shape(self.rules.blob(rule).shape)
    }

    /// Whether the path pattern of a rule fits the text, with its groups left in `spans`.
    fn source_matches(&mut self, rule: RuleRef) -> bool {
        let blob = self.rules.blob(rule);
        let shape = self.rules.shape(blob.shape);
        let text = std::mem::take(&mut self.scratch.text);
        let mut spans = std::mem::take(&mut self.scratch.spans);
        let matched = match shape.kind() {
            Kind::Exact => {
                spans.clear();
                let path = &blob.key[..memchr::memchr(b'?', blob.key).unwrap_or(blob.key.len())];
                path == text
            }
            Kind::Prefix => match_prefix(blob.key, &text, &mut spans),
            Kind::BytePrefix => {
                spans.clear();
                text.starts_with(blob.key)
            }
            Kind::Segments => match_segments(blob.key, &text, &mut spans),
            Kind::Regex => {
                let matcher = self.scratch.matchers.get(u64::from(rule.0) << 1, || shape::decode_pattern(blob.key));
                match matcher.map(|matcher| matcher.run(&text, &mut spans)) {
                    Some(Match::Yes) => true,
                    Some(Match::No) => false,
                    // A pattern that was built at load builds again; one that runs out of steps is an answer of its own.
                    Some(Match::TooCostly) | None => {
                        self.pattern_failed = true;
                        true
                    }
                }
            }
        };
        self.scratch.text = text;
        self.scratch.spans = spans;
        matched
    }

    /// A rule whose source matched: asks the rest, and carries it out.
    fn consider(&mut self, rule: RuleRef) -> Flow {
        let blob = self.rules.blob(rule);
        let shape = self.rules.shape(blob.shape);
        if std::mem::take(&mut self.pattern_failed) {
            return Flow::Done(Verdict::refuse(rule, Refusal::PatternTooCostly));
        }
        if shape.is_gated()
            && let Some(why) = self.gate(rule, shape)
        {
            if std::mem::take(&mut self.pattern_failed) {
                return Flow::Done(Verdict::refuse(rule, Refusal::PatternTooCostly));
            }
            self.watch.aside(rule, why);
            return Flow::On;
        }
        match shape.does() {
            Does::Redirect => self.redirect(rule, &blob, shape),
            Does::Reply => {
                self.tell_taken(rule);
                Flow::Done(Verdict { rule: Some(rule), what: What::Reply(shape.reply_status(), shape.retry_after()) })
            }
            Does::Pass => {
                self.watch.aside(rule, Aside::Pass);
                Flow::Leave
            }
            Does::Enter => Flow::Goto(shape.table_argument()),
            Does::Rewrite => self.rewrite(rule, &blob, shape),
        }
    }

    fn tell_taken(&mut self, rule: RuleRef) {
        let text = &self.scratch.text;
        let captures = self.scratch.spans.iter().skip(1).map(|span| match span {
            Some((start, end)) => text.get(*start as usize..*end as usize).unwrap_or_default(),
            None => &[],
        });
        // Nobody watching costs nothing: the list is made only for a watcher that has a size.
        if size_of::<W>() > 0 {
            self.watch.taken(rule, &captures.collect::<Vec<_>>());
        }
    }

    fn redirect(&mut self, rule: RuleRef, blob: &Blob<'_>, shape: Shape<'_>) -> Flow {
        let dialect = self.rules.table(shape.table()).dialect;
        if let Err(why) = self.expand(blob, shape, dialect) {
            self.tell_taken(rule);
            return Flow::Done(Verdict::refuse(rule, why));
        }
        match location::relation(&self.scratch.location, self.request, &self.scratch.host) {
            Relation::Same if dialect.self_redirect == SelfRedirect::StandsAside => {
                self.watch.aside(rule, Aside::SelfRedirect);
                return Flow::On;
            }
            Relation::Upgrade if dialect.self_redirect == SelfRedirect::StandsAside && says_https(self.request) => {
                self.tell_taken(rule);
                return Flow::Done(Verdict::refuse(rule, Refusal::UpgradeLoop));
            }
            _ => {}
        }
        self.tell_taken(rule);
        Flow::Done(Verdict { rule: Some(rule), what: What::Redirect(shape.status().of(self.request.method)) })
    }

    fn expand(&mut self, blob: &Blob<'_>, shape: Shape<'_>, dialect: &Dialect) -> Result<(), Refusal> {
        let mut out = std::mem::take(&mut self.scratch.location);
        let target = target_bytes(blob, shape);
        let result = location::write(target, &self.expansion(dialect), &shape.query_policy(), &mut out);
        self.scratch.location = out;
        result
    }

    fn expansion<'e>(&'e self, dialect: &Dialect) -> Expansion<'e> {
        let raw = self.raw_path();
        let text = &self.scratch.text;
        Expansion {
            request: self.request,
            host: &self.scratch.host,
            raw,
            text,
            same_places: self.scratch.working.is_some() || path::is_unreserved(raw),
            spans: &self.scratch.spans,
            condition_groups: &self.scratch.condition_groups,
            working_path: self.scratch.working.as_deref().unwrap_or(text),
            query: self.query(),
            form: dialect.captures,
            relative: dialect.relative,
        }
    }

    fn rewrite(&mut self, rule: RuleRef, blob: &Blob<'_>, shape: Shape<'_>) -> Flow {
        let dialect = self.rules.table(shape.table()).dialect;
        // The limit is on starting again, not on rewriting: rules that follow one another may each do their part.
        if matches!(shape.then(), Then::Table(_)) {
            self.rewrites += 1;
            if self.rewrites > dialect.rewrite_limit {
                return Flow::Done(Verdict::refuse(rule, Refusal::RewriteLimit));
            }
        }
        let mut out = std::mem::take(&mut self.scratch.spare);
        let written = {
            let plain = Dialect { captures: crate::dialect::CaptureForm::Decoded, ..*dialect };
            let with = self.expansion(&plain);
            location::write_parts(target_bytes(blob, shape), &with, &shape.query_policy(), &mut out)
        };
        if let Err(why) = written {
            self.scratch.spare = out;
            return Flow::Done(Verdict::refuse(rule, why));
        }
        let mark = memchr::memchr(b'?', &out);
        let mut decoded = Vec::with_capacity(out.len());
        path::push_decoded(&out[..mark.unwrap_or(out.len())], &mut decoded);
        self.scratch.working_query = Some(mark.map(|mark| out[mark + 1..].to_vec()));
        self.watch.rewritten(rule, &decoded, mark.map(|mark| &out[mark + 1..]));
        self.scratch.working = Some(decoded);
        self.scratch.text_of = None;
        self.scratch.spare = out;
        match shape.then() {
            Then::Next => Flow::Next(rule),
            Then::Table(table) => Flow::Goto(table),
            Then::End => Flow::Done(Verdict { rule: Some(rule), what: What::Pass }),
        }
    }

    // What more a rule asks.

    fn gate(&mut self, rule: RuleRef, shape: Shape<'_>) -> Option<Aside> {
        if shape.scheme().is_some_and(|scheme| scheme != self.request.scheme) {
            return Some(Aside::Scheme);
        }
        if shape.port().is_some_and(|port| port != self.request.port) {
            return Some(Aside::Port);
        }
        let (since, until) = shape.span();
        if self.around.now < since {
            return Some(Aside::NotYet(since));
        }
        if self.around.now >= until {
            return Some(Aside::Over(until));
        }
        for (name, value) in shape.pairs() {
            let sent = query::pairs(self.query().unwrap_or_default())
                .any(|(_, n, v)| query::is_same(n, name.as_bytes()) && query::is_same(v, value.as_bytes()));
            if !sent {
                return Some(Aside::QueryPair(name.to_owned()));
            }
        }
        self.conditions(rule)
    }

    /// The first condition that does not hold; of conditions joined by or, the last.
    fn conditions(&mut self, rule: RuleRef) -> Option<Aside> {
        let rules = self.rules;
        let mut already = false;
        for (at, condition) in rules.shape(rules.blob(rule).shape).conditions().enumerate() {
            let holds = already || self.holds(rule, at, &condition);
            already = condition.or_next && holds;
            if !holds && !condition.or_next {
                return Some(Aside::Condition(at));
            }
        }
        None
    }

    fn holds(&mut self, rule: RuleRef, at: usize, condition: &RawCondition<'_>) -> bool {
        // Matchers of conditions are known by rule and place, odd where those of sources are even.
        let key = (u64::from(rule.0) << 1 | 1) ^ ((at as u64 + 1) << 40);
        let mut found = false;
        let Some(row) = SUBJECTS.get(usize::from(condition.row)) else {
            let mut value = std::mem::take(&mut self.scratch.spare);
            let dialect = Dialect { captures: crate::dialect::CaptureForm::Decoded, ..crate::dialect::APACHE };
            let mut bytes = Vec::new();
            let text = TargetBytes::Template(condition.name);
            let _ = location::write_parts(text, &self.expansion(&dialect), &QueryPolicy::Drop, &mut bytes);
            value.clear();
            path::push_decoded(&bytes, &mut value);
            found = self.passes(key, &condition.test, &value, |value, wanted| value == wanted.as_bytes());
            self.scratch.spare = value;
            return found != condition.negate;
        };
        let name = std::str::from_utf8(condition.name).unwrap_or_default();
        self.note_dependence(row.depends, name);
        let request = self.request;
        (row.values)(request, name, &mut |value| {
            found = found || self.passes(key, &condition.test, value, row.equals);
        });
        found != condition.negate
    }

    fn passes(&mut self, key: u64, test: &RawTest<'_>, value: &[u8], equals: fn(&[u8], &str) -> bool) -> bool {
        let tried = match test {
            RawTest::Present => Tried::Holds,
            RawTest::Is(wanted) => tried(equals(value, wanted)),
            RawTest::In(list) => tried(list.texts().any(|wanted| equals(value, wanted))),
            RawTest::Glob(glob) => tried(glob_matches(glob.as_bytes(), value)),
            RawTest::Range(first, last) => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
                tried(number.is_some_and(|number| (first..=last).contains(&&number)))
            }
            RawTest::Regex(pattern) => self.regex_test(key, pattern, value),
        };
        self.pattern_failed |= tried == Tried::TooCostly;
        tried == Tried::Holds
    }

    fn regex_test(&mut self, key: u64, pattern: &[u8], value: &[u8]) -> Tried {
        let mut spans = Vec::new();
        let matched =
            self.scratch.matchers.get(key, || shape::decode_pattern(pattern)).map(|matcher| matcher.run(value, &mut spans));
        match matched {
            Some(Match::Yes) => {
                self.scratch.condition_groups.clear();
                self.scratch.condition_groups.extend(spans.iter().map(|span| match span {
                    Some((start, end)) => value[*start as usize..*end as usize].to_vec(),
                    None => Vec::new(),
                }));
                Tried::Holds
            }
            Some(Match::No) => Tried::Fails,
            Some(Match::TooCostly) | None => Tried::TooCostly,
        }
    }

    fn note_dependence(&mut self, depends: Depends, name: &str) {
        let field = match depends {
            Depends::OnNothing => return,
            Depends::OnClient => {
                self.storing = Storing::Forbidden;
                return;
            }
            Depends::OnField(field) => field,
            Depends::OnNamedField => name,
        };
        let vary = &mut self.scratch.vary;
        if !vary.split(", ").any(|held| held == field) {
            if !vary.is_empty() {
                vary.push_str(", ");
            }
            vary.push_str(field);
        }
    }
}

fn tried(holds: bool) -> Tried {
    if holds { Tried::Holds } else { Tried::Fails }
}

fn target_bytes<'t>(blob: &Blob<'t>, shape: Shape<'_>) -> TargetBytes<'t> {
    match shape.is_constant() {
        true => TargetBytes::Constant(blob.target),
        false => TargetBytes::Template(blob.target),
    }
}

/// Whether a request is a CORS preflight (Fetch, "CORS-preflight request").
fn is_preflight(request: &Request<'_>) -> bool {
    let mut asked = false;
    if request.method == "OPTIONS" {
        request.fields.for_each("access-control-request-method", &mut |_| asked = true);
    }
    asked
}

/// Whether someone in front says that the client came over https. Where that one is trusted, the scheme is https already.
fn says_https(request: &Request<'_>) -> bool {
    let mut says = false;
    request.fields.for_each("x-forwarded-proto", &mut |value| {
        let last = value.rsplit(|&b| b == b',').next().unwrap_or_default();
        says |= last.trim_ascii().eq_ignore_ascii_case(b"https");
    });
    says
}

/// The hash by which a key is filed: that of its text, its cell and its kind.
#[inline]
pub(crate) fn key_hash(text: u64, cell: u32, kind: Kind) -> u64 {
    let salt = (u64::from(cell) << 8 | kind as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (text ^ salt).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32)
}

/// The hash by which a cell is filed.
pub(crate) fn cell_hash(host: u64, plane: u16, kind: u8) -> u64 {
    let salt = (u64::from(plane) << 8 | u64::from(kind)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (host ^ salt).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32)
}

fn match_prefix(key: &[u8], text: &[u8], spans: &mut Vec<Span>) -> bool {
    spans.clear();
    let fits = text.starts_with(key) && matches!(text.get(key.len()), None | Some(b'/'));
    if fits {
        let end = text.len() as u32;
        spans.extend([Some((0, end)), Some((key.len() as u32, end))]);
    }
    fits
}

fn match_segments(key: &[u8], text: &[u8], spans: &mut Vec<Span>) -> bool {
    let (segments, tail) = crate::ruleset::segments_of(key);
    spans.clear();
    spans.push(Some((0, text.len() as u32)));
    let mut at = 0;
    for pattern in segments {
        if text.get(at) != Some(&b'/') {
            return false;
        }
        let start = at + 1;
        let end = memchr::memchr(b'/', &text[start..]).map_or(text.len(), |slash| start + slash);
        let segment = &text[start..end];
        match pattern {
            Segment::Literal(literal) if literal != segment => return false,
            Segment::Literal(_) => {}
            Segment::Named(_) | Segment::Star if segment.is_empty() => return false,
            Segment::Named(_) | Segment::Star => spans.push(Some((start as u32, end as u32))),
        }
        at = end;
    }
    if tail {
        spans.push(Some((at as u32, text.len() as u32)));
        return matches!(text.get(at), None | Some(b'/'));
    }
    at == text.len()
}

/// Calls `visit` with each key that a path, with pairs of these names from the query, may be filed under; at most sixteen.
fn each_key(path: &[u8], names: &[&str], query: &[u8], visit: &mut impl FnMut(&[u8])) {
    let values: Vec<Vec<Vec<u8>>> = names
        .iter()
        .map(|name| {
            let of_name = query::pairs(query).filter(|(_, key, _)| query::is_same(key, name.as_bytes()));
            of_name.map(|(_, _, value)| query::decoded(value)).take(16).collect()
        })
        .collect();
    let total: usize = values.iter().map(Vec::len).product();
    let mut key = Vec::with_capacity(path.len() + 32);
    for turn in 0..total.min(16) {
        key.clear();
        key.extend_from_slice(path);
        let mut rest = turn;
        for (index, (name, values)) in names.iter().zip(&values).enumerate() {
            key.push(if index == 0 { b'?' } else { b'&' });
            let value = String::from_utf8_lossy(&values[rest % values.len()]).into_owned();
            rest /= values.len();
            crate::source::push_pair(&crate::source::QueryPair { name: (*name).into(), value: value.into() }, &mut key);
        }
        visit(&key);
    }
}
