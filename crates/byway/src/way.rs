//! The way of a request through another server's file, told in that file's own lines.
//!
//! A directive of nginx or Apache becomes several rules and tables, of which a person wrote none: what they did is told of the
//! line that they come from, once for each time that the walk came by.

use byway_config::span::FileTable;
use byway_core::dialect::{BYWAY, View};
use byway_core::ruleset::{Aside, RuleRef, RuleView};
use byway_core::{Action, RuleSet};
use serde_json::{Value, json};

use crate::explained::{place, reason};
use crate::quote::quote;

/// What a rule was seen to do on the way.
#[derive(Debug)]
pub(crate) enum Did {
    /// It stood aside.
    Aside(Aside),
    /// It did its part: of this it is told that it led into another table.
    Acted,
    /// It gave a list this value.
    Gave(String),
    /// It wrote another path.
    Rewrote(String),
}

/// What was seen, in order.
#[derive(Debug, Default)]
pub(crate) struct Way(Vec<(RuleRef, Did)>);

impl Did {
    /// Where one line did several things, the greatest is told.
    fn rank(&self) -> u8 {
        match self {
            Did::Aside(_) => 0,
            Did::Acted => 1,
            Did::Gave(_) => 2,
            Did::Rewrote(_) => 3,
        }
    }
}

/// A line of the way.
pub(crate) struct Passed {
    /// File and line.
    pub(crate) place: String,
    /// What stands there.
    pub(crate) line: String,
    /// What it did, in words; none where it only led on.
    pub(crate) did: Option<String>,
}

impl Way {
    pub(crate) fn push(&mut self, rule: RuleRef, did: Did) {
        self.0.push((rule, did));
    }

    /// The lines that the walk came by before the rule that decided, the first `most` of them, and how many more there are.
    pub(crate) fn lines(
        &self,
        rules: &RuleSet,
        files: &FileTable,
        decided: Option<RuleRef>,
        most: usize,
    ) -> (Vec<Passed>, usize) {
        let place = |rule: RuleRef| rules.rule(rule).place();
        let mut steps: Vec<(RuleRef, &Did)> = Vec::new();
        for (rule, did) in &self.0 {
            if !is_told(&rules.rule(*rule), did) {
                continue;
            }
            match steps.last_mut() {
                Some((last, greatest)) if place(*last) == place(*rule) => {
                    *greatest = if did.rank() >= greatest.rank() { did } else { greatest }
                }
                _ => steps.push((*rule, did)),
            }
        }
        // The rule that decided is told in full.
        let is_that = |rule: RuleRef| decided.is_some_and(|decided| place(decided) == place(rule));
        steps.retain(|(rule, did)| !is_that(*rule) || matches!(did, Did::Rewrote(_)));
        let more = steps.len().saturating_sub(most);
        let told = steps.into_iter().take(most).filter_map(|(rule, did)| Passed::of(rules.rule(rule), files, did));
        (told.collect(), more)
    }
}

/// Whether a step is one of a line that a person wrote. Texts are kept for many reasons; a list's value is one that was asked for.
fn is_told(view: &RuleView<'_>, did: &Did) -> bool {
    let is_step = match did {
        Did::Acted => matches!(view.action(), Action::Enter(_)),
        Did::Gave(_) => view.dialect().view == View::Given,
        Did::Aside(_) | Did::Rewrote(_) => true,
    };
    is_step && *view.dialect() != BYWAY && view.place().line > 0
}

impl Passed {
    fn of(view: RuleView<'_>, files: &FileTable, did: &Did) -> Option<Passed> {
        let (_, line) = quote(files, view.place()).into_iter().next()?;
        let line = line.trim().trim_end_matches('{').trim_end().to_owned();
        let did = match did {
            Did::Aside(Aside::Condition(_)) => Some("does not hold".to_owned()),
            Did::Aside(Aside::Pass) => Some("leaves it alone".to_owned()),
            Did::Aside(why) => Some(reason(view, why)),
            Did::Acted => None,
            Did::Gave(value) if value.is_empty() => Some("gave nothing".to_owned()),
            Did::Gave(value) => Some(format!("gave `{value}`")),
            Did::Rewrote(path) => Some(format!("rewrote the path to {path}")),
        };
        Some(Passed { place: place(view), line, did })
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "at": self.place, "line": self.line, "did": self.did })
    }
}
