//! `loop`: rules that lead back to where they began.

use super::chains::{Walked, line};
use super::{Lint, Scene, Seen};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "loop",
    severity: Severity::Error,
    summary: "rules that lead back to where they began",
    page: r#"# loop

Following the rules leads to an address that was asked before. Browsers give up after twenty redirects and show an error page;
a POST sent by 307 is sent twenty times.

## Example

```toml
[[redirect]]
from = "/a"
to = "/b"

[[redirect]]
from = "/b"
to = "/a"
```

## Instead

```toml
[[redirect]]
from = "/a"
to = "/b"
```
"#,
};

pub(super) fn report(seen: &Seen<'_>, walked: &Walked, scene: &mut Scene<'_, '_>) {
    let rules = scene.rules;
    scene.report(&LINT, |locator| {
        let mut diagnostic = Diagnostic::error(LINT.name, format!("this never ends: {}", line(&walked.chain)));
        diagnostic.primary = locator.source(&seen.rule);
        for other in walked.rules.iter().filter(|rule| **rule != seen.rule.reference()).take(3) {
            if let Some(span) = locator.source(&rules.rule(*other)) {
                diagnostic = diagnostic.also(span, "and back");
            }
        }
        diagnostic.help("take one of these rules out, or send it to a place that no rule takes")
    });
}
