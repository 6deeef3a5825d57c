//! Why a rule is not taken into a rule set, in words.

use std::fmt;

use crate::condition::Test;
use crate::rule::{Action, Rule};
use crate::target::What;

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

/// Whether a target of our own takes groups out of the one pattern that its rule asks.
pub(super) fn check_groups(rule: &Rule<'_>) -> Result<(), RuleError> {
    let Action::Redirect { target, .. } = &rule.action else { return Ok(()) };
    let groups = target.pieces().iter().filter_map(|piece| match piece.what {
        What::ConditionCapture(number) => Some(number),
        _ => None,
    });
    let Some(highest) = groups.max() else { return Ok(()) };
    let mut patterns = rule.conditions.iter().filter_map(|condition| match &condition.test {
        Test::Regex(pattern) if !condition.negate => Some(pattern),
        _ => None,
    });
    match (patterns.next(), patterns.next()) {
        (None, _) => refused(
            format!("`{{when.{highest}}}` is no group of a condition: no pattern is asked"),
            Some("ask for one, as in `when = { host = { regex = '^www\\.(.+)$' } }`"),
        ),
        (Some(_), Some(_)) => refused(
            format!("`{{when.{highest}}}` may be a group of several conditions"),
            Some("leave one `regex` in `when`, and ask for the rest with `is`, `in` or `glob`"),
        ),
        (Some(pattern), None) => {
            let count = pattern.group_names().map_or(9, |names| names.len());
            match usize::from(highest) <= count {
                true => Ok(()),
                false => refused(
                    format!("`{{when.{highest}}}` is no group of the condition: its pattern has {count}"),
                    Some("put parentheses around what the target takes"),
                ),
            }
        }
    }
}
