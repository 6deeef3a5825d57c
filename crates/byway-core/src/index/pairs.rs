//! Exact sources that ask for query pairs: filed under their path and their pairs, found one pair after the other.
//!
//! The pairs of a source are put in order by their hash. Its rule is filed under the path followed by all of them, and every
//! shorter beginning of that row is noted in a table of its own. A request goes from the path to those beginnings that are
//! noted: never from one combination of its pairs to the next, so that pairs which repeat a name cost what the rules under
//! that path cost, and no rule is left out.

use std::collections::HashSet;

use super::hash::{self, Entry, HashTable};

/// The most pairs that one source asks for.
pub(crate) const LIMIT: usize = 16;

/// The hash of a pair from those of its name and its value, decoded.
#[inline]
pub(crate) fn pair(name: u64, value: u64) -> u64 {
    (name.rotate_left(17) ^ value).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Where a row of pairs begins: at a path in a cell.
#[inline]
pub(crate) fn beginning(path: u64, cell: u32) -> u64 {
    (path ^ !u64::from(cell).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32)
}

/// One pair further.
#[inline]
pub(crate) fn step(at: u64, pair: u64) -> u64 {
    (at.rotate_left(23) ^ pair).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

/// The beginnings of the rows of a rule set that is being built.
#[derive(Default)]
pub(crate) struct Rows {
    beginnings: HashSet<u64>,
    row: Vec<u64>,
}

impl Rows {
    /// Notes the row of a source, and returns the hash that its rule is filed under.
    pub(crate) fn note(&mut self, beginning: u64, pairs: impl Iterator<Item = u64>) -> u64 {
        self.row.clear();
        self.row.extend(pairs);
        self.row.sort_unstable();
        self.row.dedup();
        let mut at = beginning;
        for &pair in &self.row {
            self.beginnings.insert(at);
            at = step(at, pair);
        }
        at
    }

    /// Freezes the beginnings.
    pub(crate) fn freeze(self, out: &mut Vec<u8>) {
        let mut beginnings: Vec<u64> = self.beginnings.into_iter().collect();
        // The same rules make the same bytes.
        beginnings.sort_unstable();
        hash::freeze(beginnings.into_iter().map(|at| Entry::new(at, witness(at))).collect(), |_| 0, out);
    }
}

/// The beginnings of a rule set.
#[derive(Clone, Copy)]
pub(crate) struct Beginnings<'s>(pub(crate) HashTable<'s>);

impl Beginnings<'_> {
    /// Whether any row goes on from here. A wrong yes costs a look.
    #[inline]
    pub(crate) fn hold(&self, at: u64) -> bool {
        self.0.probe(at).any(|found| found == witness(at))
    }

    /// More steps than rows allow: only a forged table comes so far.
    pub(crate) fn steps(&self) -> usize {
        self.0.slots() + LIMIT
    }
}

/// What of a hash neither bucket nor tag holds, in the place of a reference.
fn witness(hash: u64) -> u32 {
    (hash >> 16) as u32
}
