//! Lists that are asked for a text of the request, as nginx's `map` and Apache's `RewriteMap`: which text that is.

use byway_core::RuleSet;
use byway_core::condition::Test;
use byway_core::rule::Action;
use byway_core::ruleset::{After, RuleView};
use byway_core::target::Target;

/// For each table the rules that ask it for a text.
pub(crate) struct Lists<'r>(Vec<Vec<RuleView<'r>>>);

impl<'r> Lists<'r> {
    pub(crate) fn of(rules: &'r RuleSet) -> Lists<'r> {
        let mut found: Vec<Vec<RuleView<'r>>> = rules.tables().map(|_| Vec::new()).collect();
        let after: Vec<After> = rules.tables().map(|table| table.after).collect();
        for rule in rules.rules() {
            let Action::Call { table, text: Some(_) } = rule.action() else { continue };
            let mut next = Some(table);
            // A list has its patterns in a table behind that of its texts.
            for _ in 0..DEPTH {
                let Some(at) = next.map(|table| usize::from(table.0)) else { break };
                found[at].push(rule);
                next = match after[at] {
                    After::Table(next) => Some(next),
                    After::NextRoot => None,
                };
            }
        }
        Lists(found)
    }

    /// The rules that ask a rule's table for a text; none where it is no list.
    pub(crate) fn asking(&self, rule: &RuleView<'_>) -> &[RuleView<'r>] {
        self.0.get(usize::from(rule.table().0)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// How many tables of one list there are.
const DEPTH: usize = 8;

/// What a rule asks a list for.
pub(crate) fn asked<'r>(rule: &RuleView<'r>) -> Option<Target<'r>> {
    match rule.action() {
        Action::Call { text, .. } => text,
        _ => None,
    }
}

/// Whether a text passes a test; nothing where that is not known here.
pub(crate) fn passes(test: &Test, text: &str) -> Option<bool> {
    match test {
        Test::Is(own) => Some(own == text),
        Test::In(all) => Some(all.iter().any(|own| own == text)),
        Test::Regex(pattern) => pattern.finds(text.as_bytes()).ok(),
        Test::Present => Some(!text.is_empty()),
        Test::Glob(_) | Test::Range(..) => None,
    }
}
