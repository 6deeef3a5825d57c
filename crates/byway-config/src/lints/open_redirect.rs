//! `open-redirect`: a capture chooses the host that people are sent to.

use byway_core::rule::Action;
use byway_core::target::TargetHost;

use super::{Lint, Scene, Seen, Targets, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "open-redirect",
    severity: Severity::Error,
    summary: "a capture chooses the host that people are sent to",
    page: r#"# open-redirect

A capture stands in the host of the target. Whoever writes the link chooses where the rule sends people, under your name:
phishing, and stolen tokens where a login comes back through it.

## Example

```toml
[[redirect]]
from = "/out/:where/*"
to = "https://{where}/*"
```

## Instead

Name the hosts, one rule each, or put the capture below a domain of yours and list that under `[policy] target_hosts`.

```toml
[[redirect]]
from = "/out/partner/*"
to = "https://partner.example.com/*"
```
"#,
};

pub(super) struct OpenRedirect;

impl Watcher for OpenRedirect {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, .. } = &seen.action else { return };
        if scene.targets == Targets::Listed {
            return;
        }
        if target.host() == TargetHost::FromCapture {
            scene.report(&LINT, &seen.rule, |locator| {
                let parts = locator.parts(&seen.rule);
                let mut diagnostic = Diagnostic::error(LINT.name, "whoever writes the link chooses the host").help(
                    "name the hosts, one rule each, or bound them: `[policy] target_hosts = [\"*.example.com\"]`",
                );
                diagnostic.primary = parts.target.or(parts.source);
                diagnostic
            });
        }
    }
}
