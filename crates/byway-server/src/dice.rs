//! Draws for visitors whom nobody has seen: a keyed hash of a counter, with a key that each thread gets from the system.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use byway_core::split::Draws;

/// One thread's.
#[derive(Debug, Default)]
pub(crate) struct Dice {
    key: RandomState,
    drawn: Cell<u64>,
}

impl Draws for Dice {
    fn draw(&self) -> u64 {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        self.key.hash_one(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike_and_no_two_threads() {
        let (one, other) = (Dice::default(), Dice::default());
        let mut drawn: Vec<u64> = (0..1_000).flat_map(|_| [one.draw(), other.draw()]).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 2_000);
    }
}
