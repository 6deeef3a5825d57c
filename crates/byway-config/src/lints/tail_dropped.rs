//! `tail-dropped`: everything below a path is sent to one place.

use byway_core::rule::Action;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "tail-dropped",
    severity: Severity::Warning,
    summary: "everything below a path is sent to one place",
    page: r#"# tail-dropped

The source takes everything below a path, and the target is the same for all of it: `/docs/install` and `/docs/faq` both end
on one page. People lose the page that they asked for, and search engines treat many addresses that lead to one page as
missing.

## Example

```toml
[[redirect]]
from = "/docs/*"
to = "https://docs.example.com/guide"
```

## Instead

Keep the rest of the path with `/*`; where one page is meant, name the paths that lead to it one by one.

```toml
[[redirect]]
from = "/docs/*"
to = "https://docs.example.com/guide/*"
```
"#,
};

pub(super) struct TailDropped;

impl Watcher for TailDropped {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, .. } = &seen.action else { return };
        if !seen.has_tail() || !target.is_constant() {
            return;
        }
        scene.report(&LINT, |locator| {
            let parts = locator.parts(&seen.rule);
            let source = seen.source.to_string();
            let mut diagnostic =
                Diagnostic::warning(LINT.name, format!("everything below `{source}` ends on one page"));
            let target = target.to_string();
            let is_plain = !target.contains(['?', '#']);
            diagnostic = match (&parts.target, is_plain) {
                (Some(span), true) => {
                    let kept = format!("{}/*", target.trim_end_matches('/'));
                    diagnostic.help(format!("write `{kept}` to keep the rest of the path")).fix(span.clone(), kept)
                }
                _ => diagnostic.help("put `*` where the rest of the path belongs"),
            };
            diagnostic.primary = parts.target.or(parts.source);
            diagnostic
        });
    }
}
