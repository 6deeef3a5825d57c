//! What some rule of a set needs, so that sets without such rules pay nothing: bits in the header.

use crate::condition::Depends;
use crate::rule::Rule;

/// A preflight is answered.
pub(super) const CORS: u32 = 1;
/// The place of an address is asked.
pub(super) const PLACES: u32 = 2;
/// Visitors are divided.
pub(super) const SPLITS: u32 = 4;

/// What a rule needs.
pub(super) fn of(rule: &Rule<'_>) -> u32 {
    let cors = if rule.extras.is_some_and(|extras| extras.cors.is_some()) { CORS } else { 0 };
    rule.conditions.iter().fold(cors, |traits, condition| {
        traits
            | match condition.subject.row().map(|row| row.depends) {
                Some(Depends::OnPlace) => PLACES,
                Some(Depends::OnVisitor) => SPLITS,
                _ => 0,
            }
    })
}
