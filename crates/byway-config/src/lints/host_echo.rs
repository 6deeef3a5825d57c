//! `host-echo`: the host of the request is sent back as the host of the location.

use byway_core::rule::Action;
use byway_core::target::TargetHost;

use super::{Lint, Scene, Seen, Targets, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "host-echo",
    severity: Severity::Note,
    summary: "the host of the request is sent back as the host of the location",
    page: r#"# host-echo

`{host}` is the whole host of the target. That is how upgrades to https for many hosts are written, and it is safe where the
server in front refuses unknown hosts. Where any Host is let through, a shared cache may be given a location of the
attacker's choice.

## Example

```toml
[[redirect]]
from = "http://*/*"
to = "https://{host}/*"
```

## Instead

```toml
[[redirect]]
from = "http://www.example.com/*"
to = "https://www.example.com/*"
```
"#,
};

pub(super) struct HostEcho;

impl Watcher for HostEcho {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, .. } = &seen.action else { return };
        if scene.targets == Targets::Listed {
            return;
        }
        if target.host() == TargetHost::FromRequest {
            scene.report(&LINT, &seen.rule, |locator| {
                let parts = locator.parts(&seen.rule);
                let mut diagnostic = Diagnostic::note(LINT.name, "the location names whatever host was asked for")
                    .help("name the hosts, or make sure that unknown ones are refused in front");
                diagnostic.primary = parts.target.or(parts.source);
                diagnostic
            });
        }
    }
}
