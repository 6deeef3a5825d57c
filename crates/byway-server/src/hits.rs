//! Hits per rule: by method and with the last second, written by one thread each, read by whoever asks.
//!
//! A rule's tally is 32 bytes, so that a hit touches one line of the cache. Tallies come in blocks that are allocated when the
//! first rule of a block is hit: ten million rules of which a few are used cost a few kilobytes. A block remembers that it
//! changed, so that keeping hits on a disk costs what was hit and not what there is.

use std::collections::HashMap;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::method::MethodClass;

/// How many rules share a block.
pub(crate) const BLOCK: usize = 128;

const METHODS: usize = MethodClass::ALL.len();

/// How often a rule decided, by method, and when it did last.
///
/// ```
/// let hits = byway_server::Hits { methods: [3, 0, 2, 0, 0, 0, 0], last: Some(1_795_370_210) };
/// assert_eq!(hits.total(), 5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// In the order of [`MethodClass::ALL`].
    pub methods: [u64; METHODS],
    /// The last second in which it decided, since 1970 UTC.
    pub last: Option<i64>,
}

impl Hits {
    /// Over all methods.
    pub fn total(&self) -> u64 {
        self.methods.iter().sum()
    }

    /// Adds hits counted elsewhere.
    pub fn add(&mut self, other: &Hits) {
        self.methods.iter_mut().zip(other.methods).for_each(|(sum, more)| *sum += more);
        self.last = self.last.max(other.last);
    }
}

struct Tally {
    methods: [AtomicU32; METHODS],
    /// Seconds since 1970; good until 2106.
    last: AtomicU32,
}

impl Tally {
    fn new() -> Tally {
        Tally { methods: [const { AtomicU32::new(0) }; METHODS], last: AtomicU32::new(0) }
    }
}

struct Block {
    changed: AtomicBool,
    tallies: [Tally; BLOCK],
}

impl Block {
    fn new() -> Box<Block> {
        Box::new(Block { changed: AtomicBool::new(false), tallies: std::array::from_fn(|_| Tally::new()) })
    }
}

/// Hits per rule of one thread in one generation.
pub(crate) struct RuleHits {
    blocks: Box<[OnceLock<Box<Block>>]>,
    /// What did not fit a counter any more: 2³² at a time.
    carried: Mutex<HashMap<(u32, usize), u64>>,
}

impl RuleHits {
    pub(crate) fn new(rules: usize) -> RuleHits {
        let blocks = (0..rules.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect();
        RuleHits { blocks, carried: Mutex::default() }
    }

    /// Counts a hit; only the thread that owns these counters may.
    pub(crate) fn hit(&self, rule: u32, method: MethodClass, second: i64) {
        let (number, at) = (rule as usize / BLOCK, rule as usize % BLOCK);
        let Some(block) = self.blocks.get(number) else { return };
        let block = block.get_or_init(Block::new);
        let tally = &block.tallies[at];
        let counter = &tally.methods[method as usize];
        match counter.load(Relaxed).checked_add(1) {
            Some(more) => counter.store(more, Relaxed),
            None => self.carry(rule, method, counter),
        }
        tally.last.store(u32::try_from(second).unwrap_or(0), Relaxed);
        // After the counts, so that whoever sees it sees them.
        block.changed.store(true, Release);
    }

    #[cold]
    fn carry(&self, rule: u32, method: MethodClass, counter: &AtomicU32) {
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        *carried.entry((rule, method as usize)).or_insert(0) += 1 << 32;
        counter.store(0, Relaxed);
    }

    pub(crate) fn get(&self, rule: u32) -> Hits {
        let mut hits = Hits::default();
        let Some(block) = self.blocks.get(rule as usize / BLOCK).and_then(OnceLock::get) else { return hits };
        let tally = &block.tallies[rule as usize % BLOCK];
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        for (method, counter) in tally.methods.iter().enumerate() {
            let more = if carried.is_empty() { 0 } else { carried.get(&(rule, method)).copied().unwrap_or(0) };
            hits.methods[method] = u64::from(counter.load(Relaxed)) + more;
        }
        hits.last = Some(i64::from(tally.last.load(Relaxed))).filter(|&last| last > 0);
        hits
    }

    /// How many blocks there are, of which most may be empty.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Whether a block was ever hit.
    pub(crate) fn is_touched(&self, block: usize) -> bool {
        self.blocks.get(block).is_some_and(|block| block.get().is_some())
    }

    /// Whether a block was hit since somebody asked last.
    pub(crate) fn take_changed(&self, block: usize) -> bool {
        self.blocks.get(block).and_then(OnceLock::get).is_some_and(|block| block.changed.swap(false, AcqRel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_rules_cost_no_block() {
        let hits = RuleHits::new(2_000_000);
        hits.hit(1_000_000, MethodClass::Get, 7);
        hits.hit(1_000_000, MethodClass::Post, 9);
        hits.hit(9_000_000, MethodClass::Get, 9);
        assert_eq!((0..hits.blocks()).filter(|&block| hits.is_touched(block)).count(), 1);
        assert_eq!(hits.get(1_000_000), Hits { methods: [1, 0, 1, 0, 0, 0, 0], last: Some(9) });
        assert_eq!(hits.get(7), Hits::default());
    }

    #[test]
    fn a_block_says_once_that_it_changed() {
        let hits = RuleHits::new(1_000);
        hits.hit(200, MethodClass::Get, 7);
        assert_eq!([hits.take_changed(0), hits.take_changed(1), hits.take_changed(1)], [false, true, false]);
        hits.hit(201, MethodClass::Get, 7);
        assert!(hits.take_changed(1));
    }

    #[test]
    fn a_full_counter_is_carried() {
        let hits = RuleHits::new(1);
        hits.hit(0, MethodClass::Put, 7);
        let block = hits.blocks[0].get().expect("a block that was hit");
        block.tallies[0].methods[MethodClass::Put as usize].store(u32::MAX, Relaxed);
        hits.hit(0, MethodClass::Put, 7);
        hits.hit(0, MethodClass::Put, 7);
        assert_eq!(hits.get(0).methods[MethodClass::Put as usize], (1 << 32) + 1);
    }
}
