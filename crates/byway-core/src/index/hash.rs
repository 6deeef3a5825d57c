//! A frozen hash table of 64-byte buckets: sixteen bits of the hash and a reference for each entry.
//!
//! An entry that finds its bucket full goes to the next one; the table has room at its end and never wraps. Entries of one key
//! stay in the order in which they were given, so the first hit is the one to try first. A lookup costs one cache line, and the
//! lines of its candidates.

use crate::wire::{Put, u16_at, u32_at};

const BUCKET: usize = 64;
const SLOTS: usize = 10;
const REFS: usize = 2 * SLOTS;
const COUNT: usize = 60;
const OVERFLOW: usize = 61;
/// Entries a bucket is planned for; the rest of its slots takes up what chance piles there.
const LOAD: usize = 8;

/// One entry before the table is frozen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    low: u32,
    high: u32,
    reference: u32,
}

impl Entry {
    pub(crate) fn new(hash: u64, reference: u32) -> Entry {
        Entry { low: hash as u32, high: (hash >> 32) as u32, reference }
    }

    fn tag(self) -> u16 {
        self.low as u16
    }
}

fn home(high: u32, buckets: u32) -> usize {
    ((u64::from(high) * u64::from(buckets)) >> 32) as usize
}

/// Freezes entries into `out`. Entries with the same hash are tried by `weight`, greater first, then in the order given.
pub(crate) fn freeze(entries: Vec<Entry>, weight: impl Fn(u32) -> u16, out: &mut Vec<u8>) {
    let buckets = entries.len().div_ceil(LOAD).max(1) as u32;
    let sorted = by_bucket(entries, buckets, weight);
    let head = out.len();
    out.put_u32(buckets);
    out.put_u32(0);
    // The buckets begin on a cache line, if their section does.
    out.resize(head + BUCKET, 0);
    let start = out.len();
    out.resize(start + buckets as usize * BUCKET, 0);
    let mut at = 0;
    for entry in sorted {
        at = at.max(home(entry.high, buckets));
        loop {
            let bucket = start + at * BUCKET;
            if bucket == out.len() {
                out.resize(bucket + BUCKET, 0);
            }
            let count = usize::from(out[bucket + COUNT]);
            if count < SLOTS {
                out[bucket + 2 * count..bucket + 2 * count + 2].copy_from_slice(&entry.tag().to_le_bytes());
                let place = bucket + REFS + 4 * count;
                out[place..place + 4].copy_from_slice(&entry.reference.to_le_bytes());
                out[bucket + COUNT] += 1;
                break;
            }
            out[bucket + OVERFLOW] = 1;
            at += 1;
        }
    }
    let total = ((out.len() - start) / BUCKET) as u32;
    out[head + 4..head + 8].copy_from_slice(&total.to_le_bytes());
}

/// Counting sort by home bucket, stable; equal hashes inside a bucket by weight.
fn by_bucket(entries: Vec<Entry>, buckets: u32, weight: impl Fn(u32) -> u16) -> Vec<Entry> {
    let mut ends = vec![0u32; buckets as usize + 1];
    for entry in &entries {
        ends[home(entry.high, buckets) + 1] += 1;
    }
    for at in 1..ends.len() {
        ends[at] += ends[at - 1];
    }
    let mut sorted = vec![Entry { low: 0, high: 0, reference: 0 }; entries.len()];
    for entry in &entries {
        let place = &mut ends[home(entry.high, buckets)];
        sorted[*place as usize] = *entry;
        *place += 1;
    }
    drop(entries);
    let mut from = 0;
    for &end in &ends[..buckets as usize] {
        let group = &mut sorted[from..end as usize];
        let alike = (1..group.len()).any(|at| group[..at].iter().any(|entry| entry.low == group[at].low));
        if alike {
            group.sort_by_key(|entry| (entry.low, u16::MAX - weight(entry.reference), entry.reference));
        }
        from = end as usize;
    }
    sorted
}

/// A frozen table, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashTable<'s> {
    bytes: &'s [u8],
    buckets: u32,
    total: u32,
}

impl<'s> HashTable<'s> {
    pub(crate) fn new(section: &'s [u8]) -> HashTable<'s> {
        HashTable {
            bytes: section.get(BUCKET..).unwrap_or_default(),
            buckets: u32_at(section, 0),
            total: u32_at(section, 4),
        }
    }

    /// Whether the counts fit the section.
    pub(crate) fn is_sound(&self) -> bool {
        self.bytes.len() == self.total as usize * BUCKET && self.buckets <= self.total
    }

    /// How many entries fit at most.
    pub(crate) fn slots(&self) -> usize {
        self.bytes.len() / BUCKET * SLOTS
    }

    /// The references of entries that may have this hash, in order.
    #[inline]
    pub(crate) fn probe(&self, hash: u64) -> Probe<'s> {
        let at = home((hash >> 32) as u32, self.buckets) * BUCKET;
        Probe { bytes: self.bytes.get(at..).unwrap_or_default(), tag: hash as u16, slot: 0 }
    }

    /// All references, for checks when a file is opened.
    pub(crate) fn references(&self) -> impl Iterator<Item = u32> + 's {
        self.bytes.chunks_exact(BUCKET).flat_map(|bucket| {
            (0..usize::from(bucket[COUNT]).min(SLOTS)).map(move |slot| u32_at(bucket, REFS + 4 * slot))
        })
    }
}

/// The candidates of one lookup.
pub(crate) struct Probe<'s> {
    bytes: &'s [u8],
    tag: u16,
    slot: usize,
}

impl Iterator for Probe<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            let bucket: &[u8; BUCKET] = self.bytes.first_chunk()?;
            let count = usize::from(bucket[COUNT]).min(SLOTS);
            while self.slot < count {
                let slot = self.slot;
                self.slot += 1;
                if u16_at(bucket, 2 * slot) == self.tag {
                    return Some(u32_at(bucket, REFS + 4 * slot));
                }
            }
            if bucket[OVERFLOW] == 0 {
                return None;
            }
            self.bytes = &self.bytes[BUCKET..];
            self.slot = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_in_its_order() {
        let mut state = 7u64;
        let mut hashes = Vec::new();
        for _ in 0..5_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            hashes.push(state ^ (state >> 29));
        }
        hashes.extend([42; 40]);
        let entries = hashes.iter().enumerate().map(|(at, &hash)| Entry::new(hash, at as u32)).collect();
        let mut bytes = Vec::new();
        freeze(entries, |_| 0, &mut bytes);
        let table = HashTable::new(&bytes);
        assert!(table.is_sound());
        for (at, &hash) in hashes.iter().enumerate() {
            assert!(table.probe(hash).any(|found| found == at as u32));
        }
        let equal: Vec<u32> = table.probe(42).filter(|&found| hashes[found as usize] == 42).collect();
        assert_eq!(equal, (5_000..5_040).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let mut bytes = Vec::new();
        freeze(Vec::new(), |_| 0, &mut bytes);
        assert_eq!(HashTable::new(&bytes).probe(1).next(), None);
        assert_eq!(HashTable::new(&[]).probe(u64::MAX).next(), None);
    }
}
