//! `redirect-to-itself`: a rule that sends every request to where it is.

use byway_core::dialect::{LetterCase, QueryPolicy, TrailingSlash};
use byway_core::host::HostPattern;
use byway_core::rule::Action;
use byway_core::source::Source;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "redirect-to-itself",
    severity: Severity::Warning,
    summary: "a rule that sends every request to where it is",
    page: r#"# redirect-to-itself

Source and target are the same place. byway never sends a redirect to the address that was asked, so the rule stands aside and
does nothing; another server would answer with an endless loop.

## Example

```toml
[[redirect]]
from = "/docs/*"
to = "/docs/*"
```

## Instead

```toml
[[redirect]]
from = "/docs/*"
to = "/guide/*"
```
"#,
};

pub(super) struct RedirectToItself;

impl Watcher for RedirectToItself {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, query, .. } = &seen.action else { return };
        // A pool supplies another host.
        if seen.rule.pool().is_some() {
            return;
        }
        // Who joins spellings sends all of them to one, and that one stands aside.
        if seen.source.slash == TrailingSlash::Either || seen.source.case == LetterCase::Ignored {
            return;
        }
        if !matches!(query, QueryPolicy::Keep | QueryPolicy::Replace) || !seen.source.query.is_empty() {
            return;
        }
        let is_same = match target.constant() {
            // Most rules end here, without a text being made.
            Some(text) => is_here(text, &seen.source),
            None => is_here(&target.to_string(), &seen.source),
        };
        if is_same {
            scene.report(&LINT, &seen.rule, |locator| {
                let parts = locator.parts(&seen.rule);
                let mut diagnostic = Diagnostic::warning(LINT.name, "this rule leads to where it is, and does nothing")
                    .help("take it out, or write another target");
                if let (Some(source), Some(target)) = (&parts.source, &parts.target) {
                    diagnostic = diagnostic.also(source.clone(), "the same place");
                    diagnostic.primary = Some(target.clone());
                } else {
                    diagnostic.primary = parts.source;
                }
                diagnostic
            });
        }
    }
}

/// Whether a target is the place of its source: the same path, at the same host by the same scheme or at no host.
fn is_here(target: &str, source: &Source<'_>) -> bool {
    let target = target.split_once('#').map_or(target, |(target, _)| target);
    if target.starts_with('/') {
        return target == source.path.to_string();
    }
    match (&source.host, source.scheme) {
        (HostPattern::Exact(host), Some(scheme)) => {
            let port = source.port.map(|port| format!(":{port}")).unwrap_or_default();
            target == format!("{}://{host}{port}{}", scheme.as_str(), source.path)
        }
        _ => false,
    }
}
