//! `review-without-since`: a `review` of days that count from nothing.

use byway_core::rule::Review;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::own::instant::shown;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "review-without-since",
    severity: Severity::Warning,
    summary: "a `review` of days that count from nothing",
    page: r#"# review-without-since

`review = "90d"` is 90 days after `since`. Without a `since` no file knows when that is, so `check` never names the rule; only
`byway rules --hits` counts from when a server first saw it. Say when the detour began, or on which day somebody should look.

## Example

```toml
[[redirect]]
from = "/checkout/*"
to = "https://shop.example.net/checkout/*"
review = "90d"
```

## Instead

```toml
[[redirect]]
from = "/checkout/*"
to = "https://shop.example.net/checkout/*"
since = 2026-12-01T00:00:00Z
review = "90d"
```
"#,
};

pub(super) struct ReviewWithoutSince;

impl Watcher for ReviewWithoutSince {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let (Some(Review::After(seconds)), None) = (seen.rule.review(), seen.rule.since()) else { return };
        let (began, day) = (shown(scene.now), shown(scene.now.saturating_add(seconds)));
        scene.report(&LINT, &seen.rule, |locator| {
            let message = "`review` counts from `since`, and there is none: this rule is never due";
            let mut diagnostic = Diagnostic::warning(LINT.name, message);
            diagnostic.primary = locator.source(&seen.rule);
            let date = |text: &str| format!("\"{}T00:00Z\"", text.split('T').next().unwrap_or_default());
            diagnostic.help(format!(
                "say when it began, as `since = {}`, or write the day: `review = {}`",
                date(&began),
                date(&day)
            ))
        });
    }
}
