//! `duplicate-source`: a source that stands twice.

use std::collections::HashMap;
use std::fmt::Write as _;

use byway_core::ruleset::RuleRef;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "duplicate-source",
    severity: Severity::Warning,
    summary: "a source that stands twice",
    page: r#"# duplicate-source

Two rules have the same source and ask the same of a request. The first takes every request, the second none.

## Example

```toml
[[redirect]]
from = "/docs"
to = "/guide"

[[redirect]]
from = "/docs"
to = "/manual"
```

## Instead

```toml
[[redirect]]
from = "/docs"
to = "/guide"
```
"#,
};

/// The first rule of each source, by the hash of what it asks.
#[derive(Default)]
pub(super) struct DuplicateSource {
    first: HashMap<u64, RuleRef>,
    text: String,
}

impl Watcher for DuplicateSource {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        if !seen.is_own() {
            return;
        }
        // A rule that holds for a while leaves the rest of the time to the next.
        if seen.rule.since().is_some() || seen.rule.until().is_some() {
            return;
        }
        asked(seen, &mut self.text);
        let hash = rapidhash::v3::rapidhash_v3(self.text.as_bytes());
        let Some(first) = self.first.get(&hash).copied() else {
            self.first.insert(hash, seen.rule.reference());
            return;
        };
        let other = Seen::of(scene.rules.rule(first));
        let mut text = String::new();
        asked(&other, &mut text);
        let is_before = other.rule.table() != seen.rule.table() || other.rule.priority() >= seen.rule.priority();
        let passes_on = other.rule.table() != seen.rule.table() && other.action == byway_core::Action::Pass;
        if text != self.text || !is_before || passes_on {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let message = match other.action == seen.action {
                true => format!("`{}` stands here a second time", seen.source),
                false => format!("`{}` stands here a second time, with another answer that nobody gets", seen.source),
            };
            let mut diagnostic = Diagnostic::warning(LINT.name, message).help("keep one of the two");
            diagnostic.primary = locator.source(&seen.rule);
            match locator.source(&other.rule) {
                Some(span) => diagnostic.also(span, "this one takes every request"),
                None => diagnostic,
            }
        });
    }
}

/// Everything that a rule asks of a request, as a text.
pub(super) fn asked(seen: &Seen<'_>, text: &mut String) {
    text.clear();
    // Writing to a string cannot fail.
    let _ = write!(text, "{} {:?} {:?}", seen.source, seen.source.slash, seen.source.case);
    for condition in seen.rule.conditions() {
        let _ = write!(text, " {condition}");
    }
}
