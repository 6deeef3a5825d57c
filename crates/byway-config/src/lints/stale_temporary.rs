//! `stale-temporary`: a temporary redirect that has been there for months.

use byway_core::rule::Action;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::own::instant::shown;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "stale-temporary",
    severity: Severity::Note,
    summary: "a temporary redirect that has been there for months",
    page: r#"# stale-temporary

302, 303 and 307 say *for now*. After months search engines begin to treat them as permanent, each in its own way, and people
keep asking the old address. `[policy] temporary_max_age` says how old is too old; `180d` by default.

## Example

```toml
[[redirect]]
from = "/summer"
to = "/campaigns/2025"
since = 2025-06-01T00:00:00Z
```

## Instead

```toml
[[redirect]]
from = "/summer"
to = "/campaigns/2025"
status = 308
since = 2025-06-01T00:00:00Z
```
"#,
};

pub(super) struct StaleTemporary;

impl Watcher for StaleTemporary {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { status, .. } = &seen.action else { return };
        let Some(since) = seen.rule.since() else { return };
        let is_over = seen.rule.until().is_some_and(|until| until <= scene.now);
        let age = scene.now.saturating_sub(since);
        // A window, a pool or a condition is a reason to be temporary that does not age.
        let is_plain = seen.rule.conditions().is_empty() && !seen.rule.has_window() && seen.rule.pool().is_none();
        let is_temporary = !status.get.is_permanent() && !status.other.is_permanent();
        if age <= scene.temporary_max_age || is_over || !is_plain || !is_temporary {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let message =
                format!("{} since {}: {} days are a long while for a detour", status.get, shown(since), age / 86_400);
            let mut diagnostic = Diagnostic::note(LINT.name, message);
            let parts = locator.parts(&seen.rule);
            diagnostic.primary = parts.status.or(parts.source);
            let permanent = if status.get.preserves_method() { 308 } else { 301 };
            diagnostic.help(format!("write {permanent} if it is there to stay, or say when it ends: `until`"))
        });
    }
}
