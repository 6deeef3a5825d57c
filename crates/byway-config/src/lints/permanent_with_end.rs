//! `permanent-with-end`: a permanent status on a rule that ends.

use byway_core::rule::Action;
use byway_core::status::RedirectStatus;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "permanent-with-end",
    severity: Severity::Warning,
    summary: "a permanent status on a rule that ends",
    page: r#"# permanent-with-end

The rule has an `until`, and its status says that it holds for good. Browsers keep a 301 or 308 for as long as they like, and
search engines move the address: after the end people are still sent away.

## Example

```toml
[[redirect]]
from = "/shop"
to = "/closed"
status = 308
until = 2027-03-01T00:00:00Z
```

## Instead

```toml
[[redirect]]
from = "/shop"
to = "/closed"
status = 307
until = 2027-03-01T00:00:00Z
```
"#,
};

pub(super) struct PermanentWithEnd;

impl Watcher for PermanentWithEnd {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { status, .. } = &seen.action else { return };
        if seen.rule.until().is_none() || !(status.get.is_permanent() || status.other.is_permanent()) {
            return;
        }
        let (status, until) = (*status, seen.rule.until().unwrap_or_default());
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let written = if status.get.is_permanent() { status.get } else { status.other };
            let temporary = temporary(written);
            let message = format!("{written} is for good, and this rule ends at {}", crate::own::instant::shown(until));
            let help = match status.get == status.other {
                true => format!("write {temporary}, which is for now"),
                false => {
                    let (get, other) = (self::temporary(status.get), self::temporary(status.other));
                    format!("write {{ get = {get}, other = {other} }}, which is for now")
                }
            };
            let mut diagnostic = Diagnostic::warning(LINT.name, message).help(help);
            if let (true, Some(span)) = (status.get == status.other, &parts.status) {
                diagnostic = diagnostic.fix(span.clone(), temporary.number().to_string());
            }
            diagnostic.primary = parts.status.or(parts.source);
            diagnostic
        });
    }
}

/// The temporary status that does the same to the method.
fn temporary(status: RedirectStatus) -> RedirectStatus {
    if status.preserves_method() { RedirectStatus::TemporaryRedirect } else { RedirectStatus::Found }
}
