//! `tail-dropped`: everything below a path is sent to one place.

use byway_core::rule::Action;
use byway_core::source::{PathPattern, Source};

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
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let source = seen.source.to_string();
            let mut diagnostic =
                Diagnostic::warning(LINT.name, format!("everything below `{source}` ends on one page"));
            let target = target.to_string();
            diagnostic = match (&parts.target, may_take_the_rest(&target, &seen.source)) {
                (Some(span), true) => {
                    let kept = format!("{}/*", target.trim_end_matches('/'));
                    diagnostic.help(format!("write `{kept}` to keep the rest of the path")).fix(span.clone(), kept)
                }
                _ => diagnostic
                    .help("put `*` where the rest of the path belongs, unless all of them are meant to end there"),
            };
            diagnostic.primary = parts.target.or(parts.source);
            diagnostic
        });
    }
}

/// Whether a target looks like a folder whose pages are meant: no single page, not the front page, and nothing that the rule
/// itself takes, which would send every page round in circles.
fn may_take_the_rest(target: &str, source: &Source<'_>) -> bool {
    let behind = target.split_once("://").map_or(target, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
    let is_page =
        behind.trim_end_matches('/').rsplit('/').next().is_none_or(|last| last.is_empty() || last.contains('.'));
    let is_taken = match &source.path {
        PathPattern::Prefix(prefix) => {
            behind.as_bytes().strip_prefix(&**prefix).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        }
        _ => false,
    };
    !target.contains(['?', '#']) && !is_page && !is_taken
}
