//! The name by which a rule is counted, which outlives its line.
//!
//! A rule's identity is its `id`, or else a hash of its dialect, source and conditions; equal ones are numbered in order by
//! whoever lists them ([`Identity::numbered`]). Hits, logs and findings hang on it.

use std::fmt;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

/// The identity of a rule.
///
/// ```
/// use byway_core::identity::Identity;
/// assert_eq!(Identity::Named("checkout").to_string(), "checkout");
/// assert_eq!(Identity::Hashed(0xab).to_string(), "00000000000000ab");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity<'a> {
    /// The name a person gave the rule.
    Named(&'a str),
    /// A hash of dialect, source and conditions.
    Hashed(u64),
}

impl Identity<'_> {
    /// One number for the identity, for tables that compare many.
    pub fn number(&self) -> u64 {
        match self {
            Identity::Named(name) => hash(format!("id:{name}").as_bytes()),
            Identity::Hashed(hash) => *hash,
        }
    }

    /// The number of the `nth` rule (from 0) with this identity.
    pub fn numbered(&self, nth: u32) -> u64 {
        match nth {
            0 => self.number(),
            nth => self.number().wrapping_add(u64::from(nth).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        }
    }
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Named(name) => f.write_str(name),
            Identity::Hashed(hash) => write!(f, "{hash:016x}"),
        }
    }
}

/// The hash of identities: the same in every process and every version of the format.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    rapidhash_v3_seeded(bytes, &RapidSecrets::seed(0))
}
