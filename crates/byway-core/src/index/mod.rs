//! Finding the rules that may be for a request: flat tables over the bytes of a rule set.
//!
//! What is here proposes candidates and never decides: every candidate is matched once more against its source
//! ([`crate::walk`]). So a wrong proposal costs time, and a missing one is the only mistake that an index can make.

pub(crate) mod grams;
pub(crate) mod hash;
pub(crate) mod pairs;
pub(crate) mod trie;
