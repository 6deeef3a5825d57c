//! Why a rule is not taken into a rule set, in words.

use std::fmt;

/// Why a rule cannot be taken into a rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RuleError {}

pub(super) fn refused<T>(what: impl Into<String>, help: Option<&str>) -> Result<T, RuleError> {
    Err(RuleError { what: what.into(), help: help.map(str::to_owned) })
}
