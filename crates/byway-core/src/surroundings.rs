//! What a decision depends on beside the request and the rules: a snapshot that the edge makes.
//!
//! The core has no clock and draws nothing; whoever decides hands the moment in.

/// The moment in which a request is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Now, in seconds since 1970-01-01T00:00:00Z.
    pub now: i64,
}
