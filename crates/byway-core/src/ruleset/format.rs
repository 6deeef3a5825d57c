//! The layout of a compiled rule set, and what is checked when one is opened.
//!
//! A header of [`HEADER`] bytes: magic, version, byte order, seed, hash of everything behind the header, length, number of
//! rules, what some rule needs, then place and length of each section. Everything is little-endian. Opening checks the header, the hash, and every
//! reference from one section into another, so that reading afterwards cannot go astray; reading is total all the same.

use std::fmt;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::outline::Outline;
use super::shape::{self, Kind, Shape};
use super::traits;
use super::{After, Data, Memory, RuleRef, RuleSet, TableId};
use crate::index::hash::HashTable;
use crate::index::pairs::Beginnings;
use crate::index::trie::Trie;
use crate::pool::Pool;
use crate::split::RawSplit;
use crate::window::Window;
use crate::wire::{Cursor, slice, u16_at, u32_at, u64_at};

/// The first eight bytes of a compiled rule set.
pub const MAGIC: &[u8; 8] = b"BYWAY\x0d\x0a\x1a";
pub(super) const VERSION: u32 = 4;
pub(super) const BYTE_ORDER: u32 = 0x0102_0304;
pub(super) const HEADER: usize = 48 + Section::COUNT * 16;
/// Bytes of a rule before its texts.
pub(super) const BLOB_HEAD: usize = 20;
pub(super) const CELL: usize = 64;
/// Bytes of a cache line.
const LINE: usize = 64;
pub(super) const PLANE: usize = 24;
pub(super) const TABLE: usize = 24;

/// The sections, in the order of the header.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Section {
    Rules,
    Exact,
    Prefix,
    Hosts,
    Cells,
    Nodes,
    Edges,
    Grams,
    GramBits8,
    GramBits4,
    GramBits2,
    Postings,
    Shapes,
    ShapePlaces,
    Planes,
    Tables,
    Roots,
    Files,
    Texts,
    Beginnings,
    Pools,
    Windows,
    Splits,
}

impl Section {
    pub(super) const COUNT: usize = Section::Splits as usize + 1;
}

/// Where each section is.
pub(super) type Places = [(usize, usize); Section::COUNT];

/// Why bytes are no rule set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// They do not begin as one.
    Foreign,
    /// They were written by another version of byway.
    Version(u32),
    /// They were written on a machine of the other byte order.
    ByteOrder,
    /// They begin as a rule set and are shorter than its header.
    Short(u64),
    /// They end before they should, or go on behind their end.
    Length {
        /// What the header says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Their hash is not the one in the header: they were changed or damaged.
    Hash,
    /// A part refers to what is not there.
    Broken(&'static str),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Foreign => f.write_str("this is no compiled rule set"),
            OpenError::Short(found) => write!(f, "the rule set was cut short: {found} bytes are not even its header"),
            OpenError::Version(found) => {
                write!(
                    f,
                    "the rule set was compiled for format {found}, and this is format {VERSION}: compile it again"
                )
            }
            OpenError::ByteOrder => f.write_str("the rule set was compiled for the other byte order: compile it again"),
            OpenError::Length { expected, found } => {
                write!(f, "the rule set should have {expected} bytes and has {found}: it was cut short or changed")
            }
            OpenError::Hash => f.write_str("the rule set is damaged: its hash does not fit its bytes"),
            OpenError::Broken(what) => write!(f, "the rule set is damaged: {what}"),
        }
    }
}

impl std::error::Error for OpenError {}

pub(super) fn hash_of(body: &[u8], seed: u64) -> u64 {
    rapidhash_v3_seeded(body, &RapidSecrets::seed(seed))
}

/// Puts the right hash over bytes that were changed, so that a fuzzer gets behind it.
#[cfg(fuzzing)]
pub fn reseal(bytes: &mut [u8]) {
    if bytes.len() >= HEADER {
        let hash = hash_of(&bytes[32..], u64_at(bytes, 16));
        bytes[24..32].copy_from_slice(&hash.to_le_bytes());
    }
}

impl RuleSet {
    /// Opens the bytes of a file. Every offset in them is checked.
    ///
    /// ```
    /// use byway_core::ruleset::{Builder, OpenError, RuleSet};
    /// let bytes = Builder::new(7).finish().as_bytes().to_vec();
    /// assert!(RuleSet::open(bytes.clone()).is_ok());
    /// assert_eq!(RuleSet::open(bytes[..40].to_vec()).unwrap_err(), OpenError::Short(40));
    /// ```
    pub fn open(bytes: impl Into<Memory>) -> Result<RuleSet, OpenError> {
        RuleSet::of(Data::Owned(bytes.into())).and_then(RuleSet::checked)
    }

    /// Opens bytes that live elsewhere, such as a mapped file. Header and hash are checked; references are not, since that
    /// would read all of it once more: reading is total, so a forged file answers wrongly at worst.
    pub fn open_shared(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<RuleSet, OpenError> {
        RuleSet::of(Data::Shared(Box::new(bytes)))
    }

    fn of(data: Data) -> Result<RuleSet, OpenError> {
        let bytes = match &data {
            Data::Owned(bytes) => bytes,
            Data::Shared(bytes) => (**bytes).as_ref(),
        };
        if !bytes.starts_with(MAGIC) {
            return Err(OpenError::Foreign);
        }
        if bytes.len() < HEADER {
            return Err(OpenError::Short(bytes.len() as u64));
        }
        match (u32_at(bytes, 8), u32_at(bytes, 12)) {
            (_, order) if order == BYTE_ORDER.swap_bytes() => return Err(OpenError::ByteOrder),
            (VERSION, BYTE_ORDER) => {}
            (version, _) => return Err(OpenError::Version(version)),
        }
        let (expected, found) = (u64_at(bytes, 32), bytes.len() as u64);
        if expected != found {
            return Err(OpenError::Length { expected, found });
        }
        let seed = u64_at(bytes, 16);
        // The hash covers the header behind its own place as well.
        if hash_of(&bytes[32..], seed) != u64_at(bytes, 24) {
            return Err(OpenError::Hash);
        }
        let mut places = [(0, 0); Section::COUNT];
        for (at, place) in places.iter_mut().enumerate() {
            let (from, len) = (u64_at(bytes, 48 + 16 * at) as usize, u64_at(bytes, 56 + 16 * at) as usize);
            if from.checked_add(len).is_none_or(|end| end > bytes.len()) {
                return Err(OpenError::Broken("a section ends behind the file"));
            }
            *place = (from, len);
        }
        let serial = u64_at(bytes, 24);
        let secrets = RapidSecrets::seed(seed);
        let outline = Outline::read(Sections::new(bytes, &places, &secrets, &Outline::NONE));
        Ok(RuleSet { data, serial, secrets, places, outline })
    }

    pub(super) fn of_built(bytes: Memory) -> Result<RuleSet, OpenError> {
        RuleSet::of(Data::Owned(bytes))
    }

    fn checked(self) -> Result<RuleSet, OpenError> {
        self.sections().check()?;
        Ok(self)
    }
}

/// The sections of a rule set, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Sections<'s> {
    bytes: &'s [u8],
    places: &'s Places,
    secrets: &'s RapidSecrets,
    outline: &'s Outline,
}

/// One rule in the section of rules.
#[derive(Clone, Copy)]
pub(crate) struct Blob<'s> {
    pub(crate) reference: RuleRef,
    pub(crate) number: u32,
    pub(crate) line: u32,
    pub(crate) shape: u32,
    pub(crate) cell: u32,
    pub(crate) key: &'s [u8],
    pub(crate) target: &'s [u8],
}

impl<'s> Sections<'s> {
    pub(super) fn new(
        bytes: &'s [u8],
        places: &'s Places,
        secrets: &'s RapidSecrets,
        outline: &'s Outline,
    ) -> Sections<'s> {
        Sections { bytes, places, secrets, outline }
    }

    pub(super) fn outline(&self) -> &'s Outline {
        self.outline
    }

    #[inline]
    pub(super) fn section(&self, section: Section) -> &'s [u8] {
        let (from, len) = self.places[section as usize];
        slice(self.bytes, from, len)
    }

    pub(super) fn rule_count(&self) -> u32 {
        u32_at(self.bytes, 40)
    }

    /// The splits, one after the other.
    pub(crate) fn splits(&self) -> impl Iterator<Item = RawSplit<'s>> + use<'s> {
        let section = self.section(Section::Splits);
        let mut cursor = Cursor::new(section);
        std::iter::from_fn(move || {
            let split = (cursor.left() > 0).then(|| RawSplit::read(&mut cursor))?;
            cursor.is_sound().then_some(split)
        })
    }

    /// The split of this name.
    pub(crate) fn split(&self, name: &str) -> Option<RawSplit<'s>> {
        self.splits().find(|split| split.name == name)
    }

    /// Whether some rule answers preflights.
    pub(crate) fn has_cors(&self) -> bool {
        self.traits() & traits::CORS != 0
    }

    /// Whether some rule asks where addresses are.
    pub(super) fn needs_places(&self) -> bool {
        self.traits() & traits::PLACES != 0
    }

    /// Whether some rule divides visitors.
    pub(super) fn needs_draws(&self) -> bool {
        self.traits() & traits::SPLITS != 0
    }

    fn traits(&self) -> u32 {
        u32_at(self.bytes, 44)
    }

    /// The hash of a text with the seed of this rule set.
    #[inline]
    pub(crate) fn hash(&self, text: &[u8]) -> u64 {
        rapidhash_v3_seeded(text, self.secrets)
    }

    #[inline]
    pub(crate) fn blob(&self, reference: RuleRef) -> Blob<'s> {
        let at = reference.0 as usize * 4;
        let rule = self.section(Section::Rules).get(at..).unwrap_or_default();
        let (head, texts) = rule.split_first_chunk().unwrap_or((&[0; BLOB_HEAD], &[]));
        let (key, target) = (usize::from(u16_at(head, 16)), usize::from(u16_at(head, 18)));
        // Complete or nothing, as all that is read.
        let texts = texts.get(..key + target).unwrap_or_default();
        let (key, target) = texts.split_at_checked(key).unwrap_or_default();
        Blob {
            reference,
            number: u32_at(head, 0),
            line: u32_at(head, 4),
            shape: u32_at(head, 8),
            cell: u32_at(head, 12),
            key,
            target,
        }
    }

    /// The same of a rule that is likely to be taken. Its head says where its texts are, so they would be fetched once that is
    /// here; the cache lines behind the head are asked for at once with it.
    #[inline]
    pub(crate) fn blob_ahead(&self, reference: RuleRef) -> Blob<'s> {
        let rule = self.section(Section::Rules).get(reference.0 as usize * 4..).unwrap_or_default();
        std::hint::black_box([LINE, 2 * LINE - 4].map(|at| rule.get(at).copied()));
        self.blob(reference)
    }

    pub(crate) fn blobs(&self) -> impl Iterator<Item = RuleRef> + use<'s> {
        let rules = self.section(Section::Rules);
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = rules.get(at..at + BLOB_HEAD)?;
            let reference = RuleRef((at / 4) as u32);
            at += (BLOB_HEAD + usize::from(u16_at(head, 16)) + usize::from(u16_at(head, 18))).next_multiple_of(4);
            Some(reference)
        })
    }

    #[inline]
    pub(crate) fn shape(&self, shape: u32) -> Shape<'s> {
        let places = self.section(Section::ShapePlaces);
        let at = shape as usize * 8;
        Shape(slice(self.section(Section::Shapes), u32_at(places, at) as usize, u32_at(places, at + 4) as usize))
    }

    pub(crate) fn exact(&self) -> HashTable<'s> {
        HashTable::new(self.section(Section::Exact))
    }

    pub(crate) fn prefix(&self) -> HashTable<'s> {
        HashTable::new(self.section(Section::Prefix))
    }

    pub(crate) fn hosts(&self) -> HashTable<'s> {
        HashTable::new(self.section(Section::Hosts))
    }

    pub(crate) fn grams(&self) -> HashTable<'s> {
        HashTable::new(self.section(Section::Grams))
    }

    pub(crate) fn gram_bits(&self) -> [&'s [u8]; 3] {
        [Section::GramBits8, Section::GramBits4, Section::GramBits2].map(|section| self.section(section))
    }

    pub(crate) fn trie(&self) -> Trie<'s> {
        Trie { nodes: self.section(Section::Nodes), edges: HashTable::new(self.section(Section::Edges)) }
    }

    pub(crate) fn postings(&self, (start, len): (u32, u32)) -> impl Iterator<Item = u32> + use<'s> {
        let postings = slice(self.section(Section::Postings), start as usize * 4, len as usize * 4);
        postings.chunks_exact(4).map(|bytes| u32_at(bytes, 0))
    }

    pub(crate) fn beginnings(&self) -> Beginnings<'s> {
        Beginnings(HashTable::new(self.section(Section::Beginnings)))
    }

    pub(super) fn table_count(&self) -> usize {
        self.section(Section::Tables).len() / TABLE
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        let mut cursor = Cursor::new(self.section(Section::Files));
        let count = cursor.u32();
        (0..count).map_while(move |_| cursor.is_sound().then(|| cursor.str()))
    }

    pub(crate) fn pools(&self) -> impl Iterator<Item = Pool> + use<'s> {
        let mut cursor = Cursor::new(self.section(Section::Pools));
        let count = cursor.u32();
        (0..count).map_while(move |_| cursor.is_sound().then(|| Pool::decode(&mut cursor)))
    }

    pub(crate) fn windows(&self) -> impl Iterator<Item = Window> + use<'s> {
        let mut cursor = Cursor::new(self.section(Section::Windows));
        let count = cursor.u32();
        (0..count).map_while(move |_| {
            let window = Window { name: cursor.str().to_owned(), when: cursor.str().to_owned() };
            cursor.is_sound().then_some(window)
        })
    }

    fn check(&self) -> Result<(), OpenError> {
        let broken = |what| Err(OpenError::Broken(what));
        let tables =
            [Section::Exact, Section::Prefix, Section::Hosts, Section::Grams, Section::Edges, Section::Beginnings];
        if !tables.iter().all(|&section| HashTable::new(self.section(section)).is_sound()) {
            return broken("a hash table does not fit its section");
        }
        self.check_rules()?;
        let postings = self.section(Section::Postings).len() / 4;
        if !self.trie().is_sound(postings) {
            return broken("the tree of patterns leads nowhere");
        }
        let cells = self.section(Section::Cells).len() / CELL;
        let planes = self.section(Section::Planes).len() / PLANE;
        let nodes = self.trie().nodes.len() / 32;
        let fits = |(start, len): (u32, u32)| start as usize + len as usize <= postings;
        for id in 0..cells as u32 {
            let cell = self.cell(id);
            let sound = usize::from(cell.plane) < planes && cell.root.is_none_or(|root| (root as usize) < nodes);
            if !sound || !fits(cell.always) || !fits(cell.byte_lengths) {
                return broken("a host leads nowhere");
            }
        }
        if !self.follow_to_an_end() {
            return broken("tables follow one another in a circle");
        }
        for id in 0..self.table_count() as u16 {
            let table = self.table(TableId(id));
            let after = match table.after {
                After::NextRoot => true,
                After::Table(next) => usize::from(next.0) < self.table_count(),
            };
            let written = u32_at(self.section(Section::Tables), usize::from(id) * TABLE + 20);
            if !after || table.planes.0 as usize > planes || table.planes.1 != written {
                return broken("a table leads nowhere");
            }
        }
        let splits = Cursor::new(self.section(Section::Splits));
        if !crate::split::are_sound(splits) {
            return broken("a split is cut short");
        }
        match self.roots().all(|root| usize::from(root.0) < self.table_count()) {
            true => Ok(()),
            false => broken("a root is no table"),
        }
    }

    fn check_rules(&self) -> Result<(), OpenError> {
        let broken = |what| Err(OpenError::Broken(what));
        let (pools, windows) = (self.pools().count(), self.windows().count());
        let rules = self.section(Section::Rules);
        let cells = (self.section(Section::Cells).len() / CELL) as u32;
        let shapes = (self.section(Section::ShapePlaces).len() / 8) as u32;
        for shape in 0..shapes {
            let shape = self.shape(shape);
            if shape.0.len() < shape::HEAD
                || !shape.cold().is_sound
                || usize::from(shape.table().0) >= self.table_count()
            {
                return broken("the description of a rule is cut short");
            }
            let known = |number: Option<u16>, count: usize| number.is_none_or(|number| usize::from(number) < count);
            if !known(shape.pool(), pools) || !known(shape.window(), windows) || !known(shape.unless_window(), windows)
            {
                return broken("a rule names a pool or a window that is not there");
            }
        }
        let mut count = 0u32;
        let mut end = 0;
        for reference in self.blobs() {
            let blob = self.blob(reference);
            end = reference.0 as usize * 4 + (BLOB_HEAD + blob.key.len() + blob.target.len()).next_multiple_of(4);
            let head = slice(rules, reference.0 as usize * 4, BLOB_HEAD);
            let complete =
                blob.key.len() == usize::from(u16_at(head, 16)) && blob.target.len() == usize::from(u16_at(head, 18));
            if blob.number != count || blob.cell >= cells || blob.shape >= shapes || !complete {
                return broken("a rule refers to what is not there");
            }
            let shape = self.shape(blob.shape);
            // Targets are not judged here: what a dialect makes of one is, whenever it is sent.
            if shape.kind() == Kind::Regex && std::str::from_utf8(shape::split_program(blob.key).0).is_err() {
                return broken("a rule holds text that it must not");
            }
            count += 1;
        }
        if count != self.rule_count() || end != rules.len() {
            return broken("the number of rules is not the one in the header");
        }
        Ok(())
    }
}
