//! `pooled-permanent`: a permanent status on a rule with a pool.

use byway_core::rule::Action;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "pooled-permanent",
    severity: Severity::Warning,
    summary: "a permanent status on a rule with a pool",
    page: r#"# pooled-permanent

Which member is up today is no answer for good, but 301 and 308 are kept by browsers for as long as they like: people are sent
to a member that has been down for weeks. byway answers such rules with `no-store` unless `cache` says otherwise; write the
status that means it.

## Example

```toml
[pool.checkout]
members = ["https://eu1.example.com", "https://eu2.example.com"]

[[redirect]]
from = "/checkout/*"
to = "/checkout/*"
pool = "checkout"
status = 308
```

## Instead

```toml
[pool.checkout]
members = ["https://eu1.example.com", "https://eu2.example.com"]

[[redirect]]
from = "/checkout/*"
to = "/checkout/*"
pool = "checkout"
status = 307
```
"#,
};

pub(super) struct PooledPermanent;

impl Watcher for PooledPermanent {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { status, .. } = &seen.action else { return };
        if seen.rule.pool().is_none() || !(status.get.is_permanent() || status.other.is_permanent()) {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let mut diagnostic = Diagnostic::warning(LINT.name, "who of a pool is up is no answer for good");
            if let (true, Some(span)) = (status.get == status.other, &parts.status) {
                let temporary = if status.get.preserves_method() { "307" } else { "302" };
                diagnostic = diagnostic.fix(span.clone(), temporary);
            }
            diagnostic.primary = parts.status.or(parts.source);
            diagnostic.help("write 307, or 302 where the method may change")
        });
    }
}
