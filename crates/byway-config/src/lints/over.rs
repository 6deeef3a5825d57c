//! `over`: a rule that no longer holds.

use byway_core::rule::Action;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::own::instant::shown;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "over",
    severity: Severity::Note,
    summary: "a rule that no longer holds",
    page: r#"# over

Its `until` is over, so it stands aside for good. It does no harm, but whoever reads the file must think of it.

## Example

```toml
[[redirect]]
from = "/sale"
to = "/sale/2025"
until = 2026-02-01T00:00:00Z
```

## Instead

```toml
[[redirect]]
from = "/sale"
to = "/sale/2025"
until = 2099-02-01T00:00:00Z
```
"#,
};

pub(super) struct Over;

impl Watcher for Over {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Some(until) = seen.rule.until().filter(|until| *until <= scene.now) else { return };
        let is_redirect = matches!(seen.action, Action::Redirect { .. });
        scene.report(&LINT, &seen.rule, |locator| {
            let word = if is_redirect { "redirect" } else { "rule" };
            let mut diagnostic = Diagnostic::note(LINT.name, format!("this {word} ended at {}", shown(until)));
            diagnostic.primary = locator.source(&seen.rule);
            diagnostic.help("take it out")
        });
    }
}
