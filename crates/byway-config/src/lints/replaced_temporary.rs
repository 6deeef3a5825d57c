//! `replaced-temporary`: a permanent redirect that took the place of a temporary one.

use std::collections::HashMap;

use byway_core::rule::Action;
use byway_core::ruleset::{RuleRef, RuleView};

use super::duplicate_source::asked;
use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "replaced-temporary",
    severity: Severity::Note,
    summary: "a permanent redirect that took the place of a temporary one",
    page: r#"# replaced-temporary

Two rules are for the same requests: a temporary one whose time is over, and a permanent one that holds now. From here on the
move is for good: browsers and search engines keep it, and it cannot be taken back for those who were here. If that is meant, the
temporary rule has done its work; if it is not, the permanent one came too early.

## Example

```toml
[[redirect]]
from = "/shop/*"
to = "https://shop.example.net/*"
until = 2025-06-01T00:00:00Z

[[redirect]]
from = "/shop/*"
to = "https://shop.example.net/*"
status = 308
since = 2025-06-01T00:00:00Z
```

## Instead

```toml
[[redirect]]
from = "/shop/*"
to = "https://shop.example.net/*"
status = 308
since = 2025-06-01T00:00:00Z
```
"#,
};

/// The first rule of each source that was temporary and is over, and the first that is permanent, by the hash of what they ask.
#[derive(Default)]
pub(super) struct ReplacedTemporary {
    over: HashMap<u64, RuleRef>,
    permanent: HashMap<u64, RuleRef>,
    text: String,
}

impl Watcher for ReplacedTemporary {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { status, .. } = &seen.action else { return };
        if !seen.is_own() || seen.rule.has_window() {
            return;
        }
        let is_over = seen.rule.until().is_some_and(|until| until <= scene.now);
        let holds = !is_over && seen.rule.since().is_none_or(|since| since <= scene.now);
        let mine = match (status.get.is_permanent(), status.other.is_permanent()) {
            (false, false) if is_over => &mut self.over,
            (true, true) if holds => &mut self.permanent,
            _ => return,
        };
        asked(seen, &mut self.text);
        mine.entry(rapidhash::v3::rapidhash_v3(self.text.as_bytes())).or_insert(seen.rule.reference());
    }

    fn end(&mut self, scene: &mut Scene<'_, '_>) {
        let mut pairs: Vec<(RuleRef, RuleRef)> =
            self.permanent.iter().filter_map(|(hash, rule)| Some((*rule, *self.over.get(hash)?))).collect();
        let rules = scene.rules;
        pairs.sort_by_key(|(rule, _)| rules.rule(*rule).number());
        for (permanent, temporary) in pairs {
            let (permanent, temporary) = (rules.rule(permanent), rules.rule(temporary));
            if ask_the_same(permanent, temporary) {
                report(permanent, temporary, scene);
            }
        }
    }
}

/// Equal hashes are no proof.
fn ask_the_same(one: RuleView<'_>, other: RuleView<'_>) -> bool {
    let (mut first, mut second) = (String::new(), String::new());
    asked(&Seen::of(one), &mut first);
    asked(&Seen::of(other), &mut second);
    first == second && one.table() == other.table()
}

fn report(permanent: RuleView<'_>, temporary: RuleView<'_>, scene: &mut Scene<'_, '_>) {
    scene.report(&LINT, &permanent, |locator| {
        let message = format!("`{}` was sent away for now, and is sent away for good", permanent.source());
        let mut diagnostic = Diagnostic::note(LINT.name, message);
        let parts = locator.parts(&permanent);
        diagnostic.primary = parts.status.or(parts.source);
        let diagnostic = match locator.source(&temporary) {
            Some(span) => diagnostic.also(span, "this one was temporary, and is over"),
            None => diagnostic,
        };
        diagnostic.help("take the temporary one out; if the move may still be taken back, write 307 here")
    });
}
