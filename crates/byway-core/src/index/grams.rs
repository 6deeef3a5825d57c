//! Regexes behind text that they require: each is filed under one short run of bytes that every match holds.
//!
//! Runs have one of three lengths. A request's path is looked through once for each length in use; a bitmap says for almost
//! every place that nothing is filed there. Regexes without such text are tried always.

use std::collections::HashMap;

/// Lengths of the runs, longest first.
pub(crate) const LENGTHS: [usize; 3] = [8, 4, 2];

/// A regex to be filed: its rule, its cell, the text it requires.
pub(crate) struct Filed {
    pub(crate) rule: u32,
    pub(crate) cell: u32,
    pub(crate) literal: Vec<u8>,
}

/// The hash of a run in a cell. Short runs are padded with their length, so that lengths do not meet.
#[inline]
pub(crate) fn hash(cell: u32, run: &[u8]) -> u64 {
    let mut word = [0u8; 8];
    word[..run.len()].copy_from_slice(run);
    let word = u64::from_le_bytes(word) ^ ((run.len() as u64) << 61);
    let mixed = (word ^ u64::from(cell).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Where regexes are found.
#[derive(Default)]
pub(crate) struct Filing {
    /// The hash of a run, and the rule that requires it.
    pub(crate) by_run: Vec<(u64, u32)>,
    /// A cell, and a rule that is always tried there.
    pub(crate) always: Vec<(u32, u32)>,
}

/// Chooses for each regex the rarest run of the text it requires.
pub(crate) fn file(regexes: &[Filed]) -> Filing {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for regex in regexes {
        for run in runs(&regex.literal) {
            *counts.entry(hash(regex.cell, run)).or_default() += 1;
        }
    }
    let mut filing = Filing::default();
    for regex in regexes {
        let rarest = runs(&regex.literal).map(|run| hash(regex.cell, run)).min_by_key(|hash| counts[hash]);
        match rarest {
            Some(hash) => filing.by_run.push((hash, regex.rule)),
            None => filing.always.push((regex.cell, regex.rule)),
        }
    }
    filing
}

fn runs(literal: &[u8]) -> impl Iterator<Item = &[u8]> {
    let length = LENGTHS.into_iter().find(|&length| length <= literal.len());
    literal.windows(length.unwrap_or(usize::MAX))
}

/// The bitmap over hashes: a power of two of bits, sixteen for each run.
pub(crate) fn bitmap(hashes: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
    if hashes.len() == 0 {
        return Vec::new();
    }
    let bits = (hashes.len() * 16).next_power_of_two().max(64);
    let mut map = vec![0u8; bits / 8];
    for hash in hashes {
        let bit = hash as usize & (bits - 1);
        map[bit / 8] |= 1 << (bit % 8);
    }
    map
}

/// Whether something may be filed under this hash.
#[inline]
pub(crate) fn may_hold(map: &[u8], hash: u64) -> bool {
    let bit = hash as usize & (map.len() * 8).wrapping_sub(1);
    map.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}
