//! `duplicate-id`: two rules have the same `id`.

use std::collections::HashMap;

use byway_core::ruleset::RuleRef;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "duplicate-id",
    severity: Severity::Error,
    summary: "two rules have the same id",
    page: r#"# duplicate-id

An `id` is the name by which a rule is counted: hits, logs and `promote` know it by nothing else. Of two rules with one name
nobody can say which was used, and `promote` could change the wrong one.

## Example

```toml
[[redirect]]
id = "moved"
from = "/a"
to = "/b"

[[redirect]]
id = "moved"
from = "/c"
to = "/d"
```

## Instead

```toml
[[redirect]]
id = "moved-a"
from = "/a"
to = "/b"

[[redirect]]
id = "moved-c"
from = "/c"
to = "/d"
```
"#,
};

#[derive(Default)]
pub(super) struct DuplicateId {
    /// The first rule of each name, by the hash of the name.
    first: HashMap<u64, RuleRef>,
}

impl Watcher for DuplicateId {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Some(id) = seen.rule.id() else { return };
        let rules = scene.rules;
        let other = match self.first.entry(rapidhash::v3::rapidhash_v3(id.as_bytes())) {
            std::collections::hash_map::Entry::Occupied(entry) => rules.rule(*entry.get()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(seen.rule.reference());
                return;
            }
        };
        // What one line of text became is one rule to people.
        if other.id() != Some(id) || other.place() == seen.rule.place() {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let message =
                format!("another rule has the id `{id}` already: hits and `promote` cannot tell the two apart");
            let mut diagnostic = Diagnostic::error(LINT.name, message).help("give each an id of its own");
            diagnostic.primary = locator.source(&seen.rule);
            match locator.source(&other) {
                Some(span) => diagnostic.also(span, "the other"),
                None => diagnostic,
            }
        });
    }
}
