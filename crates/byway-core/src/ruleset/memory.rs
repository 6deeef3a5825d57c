//! The memory that a rule set lives in: on page boundaries and in huge pages, where the system gives them.
//!
//! A decision among a million rules is a few cache misses, and with pages of 4 KiB each of them costs a second one in the page
//! tables. Small rule sets live in ordinary memory.

use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut, MmapOptions};

/// Smaller ones gain nothing from pages of their own.
const MAPPED_FROM: usize = 4 << 20;

/// Bytes that a rule set is built in, or read into.
///
/// ```
/// use byway_core::ruleset::Memory;
/// let mut memory = Memory::with_len(3);
/// memory.copy_from_slice(b"abc");
/// assert_eq!(&memory[..], b"abc");
/// ```
#[derive(Debug)]
pub struct Memory {
    held: Held,
    len: usize,
}

#[derive(Debug)]
enum Held {
    Small(Vec<u8>),
    Mapped(MmapMut),
}

impl Held {
    fn of_capacity(capacity: usize) -> Held {
        if capacity >= MAPPED_FROM
            && let Ok(map) = MmapOptions::new().len(capacity).map_anon()
        {
            // Without huge pages all works the same, a little slower.
            let _ = map.advise(Advice::HugePage);
            return Held::Mapped(map);
        }
        Held::Small(vec![0; capacity])
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Held::Small(bytes) => bytes,
            Held::Mapped(map) => map,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Held::Small(bytes) => bytes,
            Held::Mapped(map) => map,
        }
    }
}

impl Memory {
    /// That many zeros.
    pub fn with_len(len: usize) -> Memory {
        Memory { held: Held::of_capacity(len), len }
    }

    /// Sees to it that so many bytes fit without moving; what is not written costs nothing.
    pub(crate) fn reserve(&mut self, additional: usize) {
        let wanted = self.len.saturating_add(additional);
        if wanted <= self.held.bytes().len() {
            return;
        }
        let mut larger = Held::of_capacity(wanted.max(self.len * 3 / 2).next_multiple_of(4_096));
        larger.bytes_mut()[..self.len].copy_from_slice(&self.held.bytes()[..self.len]);
        self.held = larger;
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.len + bytes.len();
        self.held.bytes_mut()[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Zeros up to the next multiple of `boundary`.
    pub(crate) fn align(&mut self, boundary: usize) {
        let end = self.len.next_multiple_of(boundary);
        self.reserve(end - self.len);
        self.held.bytes_mut()[self.len..end].fill(0);
        self.len = end;
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.held.bytes()[..self.len]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.held.bytes_mut()[..len]
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Memory {
        Memory { len: bytes.len(), held: Held::Small(bytes) }
    }
}
