//! `past-review`: a rule that somebody wanted to look at again by now.

use byway_core::rule::Action;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::own::instant::shown;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "past-review",
    severity: Severity::Warning,
    summary: "a rule that somebody wanted to look at again by now",
    page: r#"# past-review

The rule has a `review`, and that day is over. Nothing happens to the rule by itself: somebody should say that it stays, and for
how long, or take it out. A `review` of days counts from `since`; see `review-without-since`.

## Example

```toml
[[redirect]]
from = "/checkout/*"
to = "https://shop.example.net/checkout/*"
since = 2026-01-01T00:00:00Z
review = "90d"
```

## Instead

```toml
[[redirect]]
from = "/checkout/*"
to = "https://shop.example.net/checkout/*"
since = 2026-12-01T00:00:00Z
review = 2027-06-01T00:00:00Z
```
"#,
};

pub(super) struct PastReview;

impl Watcher for PastReview {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Some(day) = seen.rule.review_on().filter(|day| *day <= scene.now) else { return };
        // What is over needs no second word.
        if seen.rule.until().is_some_and(|until| until <= scene.now) {
            return;
        }
        let is_redirect = matches!(seen.action, Action::Redirect { .. });
        scene.report(&LINT, &seen.rule, |locator| {
            let mut diagnostic =
                Diagnostic::warning(LINT.name, format!("somebody wanted to look at this by {}", shown(day)));
            if let Some(owner) = seen.rule.owner() {
                diagnostic = diagnostic.help(format!("ask {owner} whether it stays"));
            }
            diagnostic.primary = locator.source(&seen.rule);
            let word = if is_redirect { "the detour" } else { "the rule" };
            diagnostic.help(format!("take {word} out, or write a later `review`"))
        });
    }
}
