//! `loop`: rules that lead back to where they began.

use byway_core::chain::Chain;
use byway_core::ruleset::RuleRef;

use super::chains::line;
use super::{Lint, Scene};
use crate::diagnostic::{Diagnostic, Severity};

/// How many rules of one loop are shown.
const SHOWN: usize = 4;

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

pub(super) fn report(chain: &Chain, ring: &[RuleRef], scene: &mut Scene<'_, '_>) {
    let rules = scene.rules;
    let Some(first) = ring.first().map(|rule| rules.rule(*rule)) else { return };
    scene.report(&LINT, &first, |locator| {
        let mut diagnostic = Diagnostic::error(LINT.name, format!("this never ends: {}", line(chain)));
        let mut spans = ring.iter().take(SHOWN).filter_map(|rule| locator.source(&rules.rule(*rule)));
        diagnostic.primary = spans.next();
        for span in spans {
            diagnostic = diagnostic.also(span, "then this");
        }
        diagnostic.help("take one of these rules out, or send it to a place that no rule takes")
    });
}
