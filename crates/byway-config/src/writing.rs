//! What the writer of a format works with: the rules one after the other, a text that grows, and a remark for each rule.

use byway_core::RuleSet;
use byway_core::ruleset::RuleView;

use crate::remarks::{Remarks, Verdict};
use crate::span::FileTable;

/// A text being written.
#[derive(Debug)]
pub struct Writing<'w> {
    /// The rules.
    pub rules: &'w RuleSet,
    /// The files that they were read from.
    pub files: &'w FileTable,
    /// What was written.
    pub text: String,
    /// What was said of each rule.
    pub remarks: Remarks,
}

impl<'w> Writing<'w> {
    /// Nothing written yet.
    pub fn new(rules: &'w RuleSet, files: &'w FileTable) -> Writing<'w> {
        Writing { rules, files, text: String::new(), remarks: Remarks::default() }
    }

    /// Says how a rule was written.
    pub fn say(&mut self, rule: &RuleView<'_>, verdict: Verdict) {
        let words = match rule.target_text() {
            target if target.is_empty() => rule.source().to_string(),
            target => format!("{} → {target}", rule.source()),
        };
        self.remarks.push(None, &words, verdict);
    }
}
