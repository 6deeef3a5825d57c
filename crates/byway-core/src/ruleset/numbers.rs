//! One number for each rule of a set: that of its identity, and where several share one, of its place among them.

use std::collections::HashMap;

use super::{RuleSet, RuleView};

/// The numbers by which the rules of one set are counted; no two are the same but by accident of a 64-bit hash.
///
/// ```
/// use byway_core::{Action, Builder, Rule, ruleset::TableSpec, source::Source, status::ReplyStatus};
/// let mut builder = Builder::new(1);
/// let table = builder.table(&TableSpec::OWN);
/// let gone = Rule::new(Source::parse("/a").unwrap(), Action::Reply { status: ReplyStatus::Gone, retry_after: None });
/// builder.push(table, &gone).unwrap();
/// builder.push(table, &gone).unwrap();
/// let rules = builder.finish();
/// let numbers = rules.identity_numbers();
/// let found: Vec<u64> = rules.rules().map(|rule| numbers.of(rule)).collect();
/// assert_eq!(found[0], rules.rules().next().unwrap().identity().number());
/// assert_ne!(found[0], found[1]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct IdentityNumbers {
    /// Of rules that are not the first with their identity, by their number in the set.
    later: HashMap<u32, u64>,
}

impl RuleSet {
    /// Looks for rules that share an identity: one pass over the set, and 16 bytes a rule while it lasts.
    pub fn identity_numbers(&self) -> IdentityNumbers {
        let mut all: Vec<(u64, u32)> = self.rules().map(|rule| (rule.identity().number(), rule.number())).collect();
        all.sort_unstable();
        let (mut later, mut nth) = (HashMap::new(), 0);
        for pair in all.windows(2) {
            let [(before, _), (number, rule)] = pair else { continue };
            nth = if before == number { nth + 1 } else { 0 };
            if nth > 0 {
                later.insert(*rule, nth);
            }
        }
        let shared: Vec<RuleView<'_>> = self.rules().filter(|rule| later.contains_key(&rule.number())).collect();
        let number = |rule: &RuleView<'_>| (rule.number(), rule.identity().numbered(later[&rule.number()]));
        IdentityNumbers { later: shared.iter().map(number).collect() }
    }
}

impl IdentityNumbers {
    /// The number of a rule of the set that they were made of.
    pub fn of(&self, rule: RuleView<'_>) -> u64 {
        match self.later.get(&rule.number()) {
            Some(number) => *number,
            None => rule.identity().number(),
        }
    }
}
