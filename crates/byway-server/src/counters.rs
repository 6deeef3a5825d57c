//! Counts per rule, status and refusal: written by one thread each, summed when somebody asks.
//!
//! No cache line is shared on the way of a request: every thread has counters in an allocation of its own, writes them without
//! a locked instruction, and others only read. Hits per rule come in blocks that are allocated when the first rule of a block is
//! hit, so that ten million rules of which a few are used cost a few kilobytes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use byway_core::Refusal;

const BLOCK: usize = 512;
type Block = Box<[AtomicU64; BLOCK]>;

/// Hits per rule of one thread in one generation.
pub(crate) struct RuleHits {
    blocks: Box<[OnceLock<Block>]>,
}

impl RuleHits {
    pub(crate) fn new(rules: usize) -> RuleHits {
        RuleHits { blocks: (0..rules.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect() }
    }

    /// Counts a hit; only the thread that owns these counters may.
    pub(crate) fn hit(&self, rule: u32) {
        let (block, at) = (rule as usize / BLOCK, rule as usize % BLOCK);
        if let Some(block) = self.blocks.get(block) {
            bump(&block.get_or_init(|| Box::new([const { AtomicU64::new(0) }; BLOCK]))[at], 1);
        }
    }

    pub(crate) fn get(&self, rule: u32) -> u64 {
        let block = self.blocks.get(rule as usize / BLOCK).and_then(OnceLock::get);
        block.map_or(0, |block| block[rule as usize % BLOCK].load(Relaxed))
    }

    /// The rules that were hit, with their hits, in the order of their numbers.
    pub(crate) fn each(&self, mut visit: impl FnMut(u32, u64)) {
        for (number, block) in self.blocks.iter().enumerate() {
            for (at, hits) in block.get().into_iter().flat_map(|block| block.iter().enumerate()) {
                match hits.load(Relaxed) {
                    0 => {}
                    hits => visit((number * BLOCK + at) as u32, hits),
                }
            }
        }
    }
}

/// Adds without a locked instruction: there is one writer.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// How reading on after an early answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingered {
    /// There was no body, or it had arrived with the head.
    NotNeeded,
    /// The body was read to its end, and the connection lives on.
    Read,
    /// The budget was spent: too slow, too long, or too many.
    Cut,
    /// The client gave up first, or broke the framing.
    Broken,
    /// The client waited for `100 Continue`; no byte of the body was sent.
    Spared,
}

impl Lingered {
    const ALL: [Lingered; 5] = [Lingered::NotNeeded, Lingered::Read, Lingered::Cut, Lingered::Broken, Lingered::Spared];

    /// The word in logs and metrics.
    ///
    /// ```
    /// assert_eq!(byway_server::Lingered::Read.as_str(), "read");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Lingered::NotNeeded => "none",
            Lingered::Read => "read",
            Lingered::Cut => "cut",
            Lingered::Broken => "broken",
            Lingered::Spared => "spared",
        }
    }
}

const STATUSES: usize = 600;

/// Everything one thread counts beside hits per rule.
pub(crate) struct CoreCounters {
    statuses: [AtomicU64; STATUSES],
    refusals: [AtomicU64; Refusal::ALL.len()],
    lingered: [AtomicU64; Lingered::ALL.len()],
    malformed: AtomicU64,
    accepted: AtomicU64,
    closed: AtomicU64,
}

impl CoreCounters {
    pub(crate) fn new() -> CoreCounters {
        CoreCounters {
            statuses: [const { AtomicU64::new(0) }; STATUSES],
            refusals: [const { AtomicU64::new(0) }; Refusal::ALL.len()],
            lingered: [const { AtomicU64::new(0) }; Lingered::ALL.len()],
            malformed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    pub(crate) fn status(&self, status: u16) {
        if let Some(counter) = self.statuses.get(usize::from(status)) {
            bump(counter, 1);
        }
    }

    pub(crate) fn refusal(&self, refusal: Refusal) {
        if let Some(at) = Refusal::ALL.iter().position(|&one| one == refusal) {
            bump(&self.refusals[at], 1);
        }
    }

    pub(crate) fn lingered(&self, lingered: Lingered) {
        bump(&self.lingered[lingered as usize], 1);
    }

    pub(crate) fn malformed(&self) {
        bump(&self.malformed, 1);
    }

    pub(crate) fn accepted(&self) {
        bump(&self.accepted, 1);
    }

    pub(crate) fn closed(&self) {
        bump(&self.closed, 1);
    }
}

/// What was counted since the start, summed over all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers per status that was sent at least once, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// Requests that a rule took and could not carry out, in the order of [`Refusal::ALL`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// Requests that were malformed and never decided.
    pub malformed: u64,
    /// How reading on after an early answer ended: none, read, cut, broken, spared.
    pub lingered: [u64; Lingered::ALL.len()],
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
}

impl Counts {
    pub(crate) fn sum<'c>(cores: impl Iterator<Item = &'c CoreCounters> + Clone) -> Counts {
        let sum = |of: &dyn Fn(&CoreCounters) -> u64| cores.clone().map(of).sum::<u64>();
        let status = |at: usize| sum(&|core| core.statuses[at].load(Relaxed));
        let accepted = sum(&|core| core.accepted.load(Relaxed));
        Counts {
            statuses: (0..STATUSES).map(|at| (at as u16, status(at))).filter(|&(_, count)| count > 0).collect(),
            refusals: std::array::from_fn(|at| sum(&|core| core.refusals[at].load(Relaxed))),
            malformed: sum(&|core| core.malformed.load(Relaxed)),
            lingered: std::array::from_fn(|at| sum(&|core| core.lingered[at].load(Relaxed))),
            accepted,
            open: accepted.saturating_sub(sum(&|core| core.closed.load(Relaxed))),
        }
    }

    /// How often a status was answered.
    ///
    /// ```
    /// let counts = byway_server::Counts { statuses: vec![(307, 5)], ..Default::default() };
    /// assert_eq!((counts.of(307), counts.of(404)), (5, 0));
    /// ```
    pub fn of(&self, status: u16) -> u64 {
        self.statuses.iter().find(|(one, _)| *one == status).map_or(0, |(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_rules_cost_no_block() {
        let hits = RuleHits::new(2_000_000);
        hits.hit(1_000_000);
        hits.hit(1_000_000);
        hits.hit(9_000_000);
        let mut seen = Vec::new();
        hits.each(|rule, count| seen.push((rule, count)));
        assert_eq!(seen, [(1_000_000, 2)]);
        assert_eq!(hits.blocks.iter().filter(|block| block.get().is_some()).count(), 1);
        assert_eq!((hits.get(1_000_000), hits.get(7)), (2, 0));
    }
}
