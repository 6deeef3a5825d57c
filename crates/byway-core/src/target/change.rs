//! What is done to a kept text before it is written or looked at: Apache's maps `int:tolower`, `int:toupper`, `int:escape`,
//! `int:unescape`; the number by which nginx's `split_clients` divides visitors; and what Apache makes of a path before it is decoded.

use crate::location::push_apache;
use crate::path::{push_decoded, resolved};

/// What becomes of a text.
///
/// ```
/// use byway_core::target::Change;
/// assert_eq!(Change::Lower.of("/Ä/B".as_bytes()), "/Ä/b".as_bytes());
/// assert_eq!(Change::Escape.of(b"a b?"), b"a%20b%3f");
/// assert_eq!(Change::Unescape.of(b"a%20b%"), b"a b%");
/// assert_eq!(Change::Hash.of(b"192.0.2.1"), b"3369748723");
/// assert_eq!(Change::Resolve.of(b"//a/%2F/../b"), b"/a/b");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Change {
    /// ASCII letters become small.
    Lower = 0,
    /// ASCII letters become large.
    Upper = 1,
    /// What a path may not hold is escaped, as `ap_escape_uri` does.
    Escape = 2,
    /// Escapes are undone.
    Unescape = 3,
    /// Its 32-bit MurmurHash2 (seed 0), as a decimal number.
    Hash = 4,
    /// Slashes of a path are merged and its dot segments resolved, with their escapes; nothing is left where they lead out of it.
    Resolve = 5,
}

impl Change {
    pub(crate) const ALL: [Change; 6] =
        [Change::Lower, Change::Upper, Change::Escape, Change::Unescape, Change::Hash, Change::Resolve];

    /// The text that comes of one.
    pub fn of(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        match self {
            Change::Lower => return text.to_ascii_lowercase(),
            Change::Upper => return text.to_ascii_uppercase(),
            Change::Escape => push_apache(text, &mut out),
            Change::Resolve => return resolved(text).unwrap_or_default(),
            // What is behind a zero byte is not there to a program in C.
            Change::Unescape => {
                push_decoded(text, &mut out);
                let end = memchr::memchr(0, &out).unwrap_or(out.len());
                out.truncate(end);
            }
            Change::Hash => return murmur(text).to_string().into_bytes(),
        }
        out
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Change::Lower => "lower",
            Change::Upper => "upper",
            Change::Escape => "escape",
            Change::Unescape => "unescape",
            Change::Hash => "hash",
            Change::Resolve => "resolve",
        }
    }
}

/// MurmurHash2 by Austin Appleby, 32 bits, seed 0, of little-endian words.
fn murmur(text: &[u8]) -> u32 {
    const MULTIPLIER: u32 = 0x5bd1_e995;
    let mut hash = text.len() as u32;
    let (words, rest) = text.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, &byte| last << 8 | u32::from(byte));
        hash = (hash ^ last).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}
