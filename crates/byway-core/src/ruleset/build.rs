//! Building a rule set: one borrowed rule after the other goes straight into the bytes that it will live in.
//!
//! Beside those bytes there is an entry of twelve bytes for each rule until the tables are frozen, and what patterns need; a
//! list of rules never exists.

use std::collections::HashMap;
use std::fmt;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::format::{BLOB_HEAD, CELL, HEADER, Section};
use super::named::Named;
use super::rule_error::{RuleError, check_groups, refused};
use super::shape::{self, Kind};
use super::traits;
use super::writing::{Writing, looked_up, write_blob};
use super::{After, Memory, Order, RuleRef, RuleSet, TableId, TableSpec};
use crate::dialect::{BYWAY, DIALECTS, LetterCase, TrailingSlash, View};
use crate::host::HostPattern;
use crate::index::grams::{self, Filed};
use crate::index::hash::{self, Entry};
use crate::index::pairs;
use crate::index::trie::{NONE, TrieBuilder};
use crate::rule::{Action, FileId, Rule, Then};
use crate::source::{PathPattern, Source};
use crate::walk::{cell_hash, key_hash};
use crate::wire::Put;

/// The most segments of one pattern; a walk goes as deep.
const SEGMENT_LIMIT: usize = crate::index::trie::DEPTH as usize;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PlaneKey {
    table: u16,
    priority: i32,
    view: View,
    case: LetterCase,
    slash: TrailingSlash,
}

struct TableBuilding {
    dialect: u16,
    order: Order,
    after: After,
    strip: (u32, u32),
    view: View,
}

#[derive(Default)]
struct CellBuilding {
    plane: u16,
    kind: u8,
    host: (u32, u16),
    has_exact: bool,
    has_grams: bool,
    root: Option<u32>,
    depths: u64,
    always: Vec<u32>,
    has_pairs: bool,
    byte_lengths: Vec<u32>,
}

/// Builds a rule set.
///
/// ```
/// use byway_core::{Action, Builder, Rule, Surroundings};
/// use byway_core::dialect::QueryPolicy;
/// use byway_core::ruleset::TableSpec;
/// use byway_core::source::Source;
/// use byway_core::status::{RedirectStatus, StatusByMethod};
/// use byway_core::target::Target;
///
/// let mut builder = Builder::new(1);
/// let table = builder.table(&TableSpec::OWN);
/// builder.root(table);
/// let source = Source::parse("/api/v1/*").unwrap();
/// let target = Target::parse("/api/v2/*", &source).unwrap();
/// let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
/// let rule = Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep });
/// builder.push(table, &rule).unwrap();
/// assert_eq!(builder.finish().len(), 1);
/// ```
pub struct Builder {
    seed: u64,
    secrets: RapidSecrets,
    /// The header's room, then the rules.
    bytes: Memory,
    /// The rule that is being written.
    blob: Vec<u8>,
    count: u32,
    files: Vec<String>,
    tables: Vec<TableBuilding>,
    roots: Vec<u16>,
    planes: HashMap<PlaneKey, u16>,
    plane_keys: Vec<PlaneKey>,
    cells: Vec<CellBuilding>,
    cell_of: HashMap<(u16, u8, String), u32>,
    /// The cell that the last rule fell into, since neighbours share it.
    last_cell: Option<(u16, u32)>,
    texts: Vec<u8>,
    shapes: Vec<u8>,
    shape_places: Vec<(u32, u32)>,
    shape_of: HashMap<Vec<u8>, u32>,
    last_shape: Option<u32>,
    weights_differ: bool,
    /// What some rule needs, see [`traits`].
    traits: u32,
    scratch: Vec<u8>,
    exact: Vec<Entry>,
    prefix: Vec<Entry>,
    trie: TrieBuilder,
    regexes: Vec<Filed>,
    rows: pairs::Rows,
    pub(super) named: Named,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("rules", &self.count).finish_non_exhaustive()
    }
}

impl Builder {
    /// An empty rule set. The seed keeps strangers from knowing which paths share a bucket: draw it.
    pub fn new(seed: u64) -> Builder {
        Builder {
            seed,
            secrets: RapidSecrets::seed(seed),
            bytes: Memory::with_len(HEADER),
            blob: Vec::new(),
            count: 0,
            files: Vec::new(),
            tables: Vec::new(),
            roots: Vec::new(),
            planes: HashMap::new(),
            plane_keys: Vec::new(),
            cells: Vec::new(),
            cell_of: HashMap::new(),
            last_cell: None,
            texts: Vec::new(),
            shapes: Vec::new(),
            shape_places: Vec::new(),
            shape_of: HashMap::new(),
            last_shape: None,
            weights_differ: false,
            traits: 0,
            scratch: Vec::new(),
            exact: Vec::new(),
            prefix: Vec::new(),
            trie: TrieBuilder::default(),
            regexes: Vec::new(),
            rows: pairs::Rows::default(),
            named: Named::default(),
        }
    }

    /// Room for that many bytes of rules, where it is known beforehand.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Notes a file that rules are read from.
    pub fn file(&mut self, name: &str) -> FileId {
        self.files.push(name.to_owned());
        FileId((self.files.len() - 1).min(usize::from(u16::MAX)) as u16)
    }

    /// Makes a table.
    pub fn table(&mut self, spec: &TableSpec<'_>) -> TableId {
        let start = self.texts.len() as u32;
        self.texts.extend_from_slice(spec.strip);
        let dialect = DIALECTS.iter().position(|known| *known == spec.dialect).unwrap_or(0) as u16;
        self.tables.push(TableBuilding {
            dialect,
            order: spec.order,
            after: spec.after,
            strip: (start, spec.strip.len() as u32),
            view: spec.dialect.view,
        });
        TableId(self.tables.len() as u16 - 1)
    }

    /// Sets what comes after a table, where that was made later.
    pub fn set_after(&mut self, table: TableId, after: After) {
        if let Some(table) = self.tables.get_mut(usize::from(table.0)) {
            table.after = after;
        }
    }

    /// Adds a table to those that are tried, in this order, until one does not pass.
    pub fn root(&mut self, table: TableId) {
        self.roots.push(table.0);
    }

    /// How many rules it has taken.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has taken none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes a rule into a table.
    pub fn push(&mut self, table: TableId, rule: &Rule<'_>) -> Result<RuleRef, RuleError> {
        let Some(spec) = self.tables.get(usize::from(table.0)) else { return refused("there is no such table", None) };
        let source = &rule.source;
        let key = PlaneKey {
            table: table.0,
            priority: if spec.order == Order::Specific { rule.priority } else { 0 },
            view: spec.view,
            case: source.case,
            slash: source.slash,
        };
        if DIALECTS.get(usize::from(spec.dialect)).is_some_and(|dialect| **dialect == BYWAY) {
            check_groups(rule)?;
        }
        self.check(table, spec.view, rule)?;
        let plane = self.plane(key)?;
        let cell = self.cell(plane, &source.host);
        let shape = self.shape(rule, table);
        self.traits |= traits::of(rule);
        let reference = (self.bytes.len() - HEADER) / 4;
        if reference > u32::MAX as usize - 65_536 {
            return refused("the rules take more than 16 GiB", Some("serve them from several processes"));
        }
        let reference = reference as u32;
        let mut blob = std::mem::take(&mut self.blob);
        let key_len = write_blob(rule, [self.count, rule.place.line, shape, cell], &mut blob);
        if let Some(key_len) = key_len {
            self.bytes.append(&blob);
            self.count += 1;
            self.file_in_index(source, cell, reference, &blob[BLOB_HEAD..BLOB_HEAD + key_len]);
        }
        self.blob = blob;
        match key_len {
            Some(_) => Ok(RuleRef(reference)),
            None => refused("source or target is longer than 65,535 bytes", None),
        }
    }

    fn check(&self, table: TableId, view: View, rule: &Rule<'_>) -> Result<(), RuleError> {
        if let PathPattern::Segments { segments, .. } = &rule.source.path
            && segments.len() > SEGMENT_LIMIT
        {
            return refused(format!("a pattern has at most {SEGMENT_LIMIT} segments"), Some("write a regex after `~`"));
        }
        if matches!(rule.source.path, PathPattern::Regex(_)) && rule.source.slash == TrailingSlash::Either {
            return refused(
                "`slash = \"either\"` says nothing of a regex",
                Some("write `/?` at the end of the pattern"),
            );
        }
        if !rule.cache_control.is_none_or(shape::is_field_value) {
            return refused("`Cache-Control` holds a character that no header field may hold", None);
        }
        if rule.source.query.len() > pairs::LIMIT {
            let what = format!("a source asks for at most {} query pairs", pairs::LIMIT);
            return refused(what, Some("ask for the others in conditions"));
        }
        if let PathPattern::Exact(path) = &rule.source.path {
            if !rule.source.query.is_empty() && path.contains(&b'?') {
                return refused("a path that holds `?` cannot ask for query pairs", Some("ask for them in conditions"));
            }
            // A path as sent that equals a key is in normal form because keys are.
            if view == View::Unreserved && *crate::path::unreserved(path) != **path {
                return refused("the path is not in its normal form", Some("bring it there with `path::unreserved`"));
            }
        }
        if rule.conditions.len() > 1_000 {
            return refused("a rule has at most 1,000 conditions", None);
        }
        if self.count == u32::MAX - 1 {
            return refused("a rule set has at most 4,294,967,294 rules", None);
        }
        self.named.check(rule)?;
        match &rule.action {
            // Tables are entered downwards only, so that a walk ends.
            Action::Enter(next) if next.0 <= table.0 => {
                refused("a table is entered from one made before it only", None)
            }
            // A call may go anywhere: how deep calls go, and how many tables a walk sees, is bounded.
            Action::Enter(next) | Action::Call { table: next, .. } if usize::from(next.0) >= self.tables.len() => {
                refused("there is no such table", None)
            }
            Action::Rewrite { then: Then::Table(next), .. } | Action::Set { then: Then::Table(next), .. }
                if usize::from(next.0) >= self.tables.len() =>
            {
                refused("there is no such table", None)
            }
            _ => Ok(()),
        }
    }

    fn plane(&mut self, key: PlaneKey) -> Result<u16, RuleError> {
        if let Some(&plane) = self.planes.get(&key) {
            return Ok(plane);
        }
        let Ok(plane) = u16::try_from(self.plane_keys.len()) else {
            return refused("there are more than 65,535 different priorities", None);
        };
        self.plane_keys.push(key);
        self.planes.insert(key, plane);
        Ok(plane)
    }

    fn cell(&mut self, plane: u16, host: &HostPattern<'_>) -> u32 {
        let (kind, name) = match host {
            HostPattern::Any => (0, ""),
            HostPattern::Exact(host) => (1, &**host),
            HostPattern::Below(parent) => (2, &**parent),
        };
        if let Some((last_plane, last)) = self.last_cell
            && last_plane == plane
            && self.is_cell(last, kind, name)
        {
            return last;
        }
        let key = (plane, kind, name.to_owned());
        let cell = match self.cell_of.get(&key) {
            Some(&cell) => cell,
            None => {
                let place = (self.texts.len() as u32, name.len() as u16);
                self.texts.extend_from_slice(name.as_bytes());
                self.cells.push(CellBuilding { plane, kind, host: place, ..CellBuilding::default() });
                let cell = self.cells.len() as u32 - 1;
                self.cell_of.insert(key, cell);
                cell
            }
        };
        self.last_cell = Some((plane, cell));
        cell
    }

    fn is_cell(&self, cell: u32, kind: u8, name: &str) -> bool {
        let cell = &self.cells[cell as usize];
        let from = cell.host.0 as usize;
        let same_host = || self.texts.get(from..from + name.len()) == Some(name.as_bytes());
        cell.kind == kind && usize::from(cell.host.1) == name.len() && (name.is_empty() || same_host())
    }

    fn shape(&mut self, rule: &Rule<'_>, table: TableId) -> u32 {
        let mut encoded = std::mem::take(&mut self.scratch);
        encoded.clear();
        let weight = shape::encode(rule, table, &mut encoded);
        self.weights_differ |= weight > 0;
        let shape = match self.last_shape {
            Some(last) if self.shape_bytes(last) == encoded.as_slice() => last,
            _ => match self.shape_of.get(&encoded) {
                Some(&shape) => shape,
                None => {
                    self.shape_places.push((self.shapes.len() as u32, encoded.len() as u32));
                    self.shapes.extend_from_slice(&encoded);
                    let shape = self.shape_places.len() as u32 - 1;
                    self.shape_of.insert(encoded.clone(), shape);
                    shape
                }
            },
        };
        self.scratch = encoded;
        self.last_shape = Some(shape);
        shape
    }

    fn shape_bytes(&self, shape: u32) -> &[u8] {
        let (from, len) = self.shape_places[shape as usize];
        &self.shapes[from as usize..from as usize + len as usize]
    }

    fn file_in_index(&mut self, source: &Source<'_>, cell: u32, reference: u32, key: &[u8]) {
        let hash = |text: &[u8]| rapidhash_v3_seeded(text, &self.secrets);
        let building = &mut self.cells[cell as usize];
        match &source.path {
            PathPattern::Exact(_) if source.query.is_empty() => {
                self.exact.push(Entry::new(key_hash(hash(key), cell, Kind::Exact), reference));
                building.has_exact = true;
            }
            PathPattern::Exact(_) => {
                let path = &key[..memchr::memchr(b'?', key).unwrap_or(key.len())];
                let asked = source.query.iter();
                let asked = asked.map(|pair| pairs::pair(hash(pair.name.as_bytes()), hash(pair.value.as_bytes())));
                let filed = self.rows.note(pairs::beginning(hash(path), cell), asked);
                self.exact.push(Entry::new(filed, reference));
                building.has_pairs = true;
            }
            PathPattern::Prefix(_) => {
                self.prefix.push(Entry::new(key_hash(hash(key), cell, Kind::Prefix), reference));
                let depth = key.iter().filter(|&&b| b == b'/').count();
                building.depths |= 1 << depth.min(63);
            }
            PathPattern::BytePrefix { .. } => {
                self.prefix.push(Entry::new(key_hash(hash(key), cell, Kind::BytePrefix), reference));
                if let Err(at) = building.byte_lengths.binary_search_by(|held| (key.len() as u32).cmp(held)) {
                    building.byte_lengths.insert(at, key.len() as u32);
                }
            }
            PathPattern::Segments { segments, tail } => {
                let root = *building.root.get_or_insert_with(|| self.trie.root());
                let secrets = &self.secrets;
                let folds = source.case == LetterCase::Ignored;
                let segments = looked_up(source, segments, *tail);
                self.trie.insert(root, segments, *tail, reference, |text| match folds {
                    true => rapidhash_v3_seeded(&text.to_ascii_lowercase(), secrets),
                    false => rapidhash_v3_seeded(text, secrets),
                });
            }
            PathPattern::Regex(pattern) => {
                self.regexes.push(Filed { rule: reference, cell, literal: pattern.required_literal(source.case) });
            }
        }
    }

    /// Freezes the tables and hands the rule set over.
    pub fn finish(mut self) -> RuleSet {
        let mut file = Writing {
            places: [(0, 0); Section::COUNT],
            bytes: std::mem::replace(&mut self.bytes, Memory::with_len(0)),
        };
        file.places[Section::Rules as usize] = (HEADER, file.bytes.len() - HEADER);
        let shapes = std::mem::take(&mut self.shapes);
        let shape_places = std::mem::take(&mut self.shape_places);
        let orders: Vec<Order> = self.tables.iter().map(|table| table.order).collect();
        let weights = Weights { differ: self.weights_differ, shapes: &shapes, places: &shape_places, orders: &orders };
        let weight = |reference: u32| weights.of(&file.bytes, reference);
        let mut postings: Vec<u32> = Vec::new();

        let grams::Filing { by_run, always } = grams::file(&self.regexes);
        let (nodes, edges) = std::mem::take(&mut self.trie).freeze(weight, &mut postings);
        let mut exact = Vec::new();
        hash::freeze(std::mem::take(&mut self.exact), weight, &mut exact);
        let mut prefix = Vec::new();
        hash::freeze(std::mem::take(&mut self.prefix), weight, &mut prefix);
        for regex in &self.regexes {
            self.cells[regex.cell as usize].has_grams |= regex.literal.len() > 1;
        }
        for (cell, rule) in always {
            self.cells[cell as usize].always.push(rule);
        }
        let mut beginnings = Vec::new();
        std::mem::take(&mut self.rows).freeze(&mut beginnings);
        file.add(Section::Exact, exact);
        file.add(Section::Beginnings, beginnings);
        file.add(Section::Prefix, prefix);
        file.add(Section::Nodes, nodes);
        file.add(Section::Edges, edges);
        self.add_grams(&by_run, &mut file);
        self.add_cells(&mut postings, &mut file);
        file.add(Section::Postings, postings.iter().flat_map(|rule| rule.to_le_bytes()).collect());
        let (seed, count, traits) = (self.seed, self.count, self.traits);
        file.add(Section::Shapes, shapes);
        self.add_descriptions(&shape_places, &mut file);
        file.seal(seed, count, traits)
    }

    fn add_grams(&self, filed: &[(u64, u32)], file: &mut Writing) {
        let mut table = Vec::new();
        hash::freeze(filed.iter().map(|&(hash, rule)| Entry::new(hash, rule)).collect(), |_| 0, &mut table);
        file.add(Section::Grams, table);
        let by_rule: HashMap<u32, usize> = self.regexes.iter().map(|regex| (regex.rule, regex.literal.len())).collect();
        let sections = [Section::GramBits8, Section::GramBits4, Section::GramBits2];
        for (length, section) in grams::LENGTHS.into_iter().zip(sections) {
            let of_length = |len: usize| grams::LENGTHS.into_iter().find(|&known| known <= len) == Some(length);
            let hashes: Vec<u64> =
                filed.iter().filter(|(_, rule)| of_length(by_rule[rule])).map(|&(hash, _)| hash).collect();
            file.add(section, grams::bitmap(hashes.into_iter()));
        }
    }

    fn add_cells(&mut self, postings: &mut Vec<u32>, file: &mut Writing) {
        let mut cells = Vec::with_capacity(self.cells.len() * CELL);
        let mut hosts = Vec::new();
        let mut list = |items: &mut Vec<u32>, out: &mut Vec<u8>| {
            out.put_u32(postings.len() as u32);
            out.put_u32(items.len() as u32);
            postings.append(items);
        };
        let mut planes: Vec<(u8, u32)> = vec![(0, NONE); self.plane_keys.len()];
        for (id, cell) in self.cells.iter_mut().enumerate() {
            let from = cell.host.0 as usize;
            let host = &self.texts[from..from + usize::from(cell.host.1)];
            let plane = &mut planes[usize::from(cell.plane)];
            match cell.kind {
                0 => plane.1 = id as u32,
                kind => {
                    plane.0 |= kind;
                    let hash = rapidhash_v3_seeded(host, &self.secrets);
                    hosts.push(Entry::new(cell_hash(hash, cell.plane, kind), id as u32));
                }
            }
            cells.put_u32(cell.host.0);
            cells.put_u16(cell.host.1);
            cells.put_u8(cell.kind);
            cells.put_u8(u8::from(cell.has_exact) | u8::from(cell.has_grams) << 1 | u8::from(cell.has_pairs) << 2);
            cells.put_u16(cell.plane);
            cells.put_u16(0);
            cells.put_u32(cell.root.unwrap_or(NONE));
            cells.put_u64(cell.depths);
            list(&mut cell.always, &mut cells);
            list(&mut cell.byte_lengths, &mut cells);
            cells.resize((id + 1) * CELL, 0);
        }
        let mut table = Vec::new();
        hash::freeze(hosts, |_| 0, &mut table);
        file.add(Section::Hosts, table);
        file.add(Section::Cells, cells);
        self.add_planes_and_tables(&planes, file);
    }

    /// Planes lie by table and falling priority; rules know them by cell, so only cells hold the new numbers.
    fn add_planes_and_tables(&self, found: &[(u8, u32)], file: &mut Writing) {
        let mut planes = Vec::new();
        let mut lists = vec![(0u32, 0u32); self.tables.len()];
        let mut order: Vec<usize> = (0..self.plane_keys.len()).collect();
        order.sort_by_key(|&at| {
            let key = self.plane_keys[at];
            (key.table, std::cmp::Reverse(key.priority), at)
        });
        for (place, &at) in order.iter().enumerate() {
            let key = self.plane_keys[at];
            let list = &mut lists[usize::from(key.table)];
            if list.1 == 0 {
                list.0 = place as u32;
            }
            list.1 += 1;
            planes.extend_from_slice(&[key.view as u8, key.case as u8, key.slash as u8, found[at].0]);
            planes.put_u32(key.priority as u32);
            planes.put_u32(found[at].1);
            planes.put_u32(at as u32);
            planes.put_u64(0);
        }
        let mut tables = Vec::new();
        for (table, (start, len)) in self.tables.iter().zip(lists) {
            tables.put_u16(table.dialect);
            tables.put_u16(table.order as u16);
            tables.put_u16(match table.after {
                After::NextRoot => 0,
                After::Table(next) => next.0 + 1,
            });
            tables.put_u16(0);
            tables.put_u32(table.strip.0);
            tables.put_u32(table.strip.1);
            tables.put_u32(start);
            tables.put_u32(len);
        }
        file.add(Section::Planes, planes);
        file.add(Section::Tables, tables);
    }

    fn add_descriptions(self, shape_places: &[(u32, u32)], file: &mut Writing) {
        let mut places = Vec::with_capacity(shape_places.len() * 8);
        for (from, len) in shape_places {
            places.put_u32(*from);
            places.put_u32(*len);
        }
        file.add(Section::ShapePlaces, places);
        file.add(Section::Roots, self.roots.iter().flat_map(|&root| u32::from(root).to_le_bytes()).collect());
        let mut files = Vec::new();
        files.put_u32(self.files.len() as u32);
        self.files.iter().for_each(|name| files.put_bytes(name.as_bytes()));
        file.add(Section::Files, files);
        file.add(Section::Texts, self.texts);
        file.add(Section::Pools, self.named.pools());
        file.add(Section::Windows, self.named.windows());
        file.add(Section::Splits, self.named.splits());
    }
}

/// How much more a rule asks than its source alone, found through its bytes.
struct Weights<'b> {
    differ: bool,
    shapes: &'b [u8],
    places: &'b [(u32, u32)],
    orders: &'b [Order],
}

impl Weights<'_> {
    fn of(&self, bytes: &[u8], reference: u32) -> u16 {
        if !self.differ {
            return 0;
        }
        let at = HEADER + reference as usize * 4;
        let (from, len) = self.places[crate::wire::u32_at(bytes, at + 8) as usize];
        let shape = shape::Shape(&self.shapes[from as usize..from as usize + len as usize]);
        match self.orders[usize::from(shape.table().0)] {
            Order::Specific => shape.weight(),
            _ => 0,
        }
    }
}
