//! What a decision depends on beside the request and the rules: a snapshot that the edge makes.
//!
//! The core has no clock and draws nothing; whoever decides hands the moment in.

/// The moment in which a request is decided.
///
/// ```
/// use byway_core::Surroundings;
/// assert_eq!(Surroundings::at(0).now, 0); // 1970-01-01T00:00:00Z
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Surroundings {
    /// Now, in seconds since 1970-01-01T00:00:00Z.
    pub now: i64,
}

impl Surroundings {
    /// This moment, in seconds since 1970-01-01T00:00:00Z, and nothing else known.
    pub const fn at(now: i64) -> Surroundings {
        Surroundings { now }
    }
}
