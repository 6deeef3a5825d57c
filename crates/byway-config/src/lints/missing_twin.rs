//! `missing-twin`: a path is redirected, and the same path with or without a slash at its end is not.

use byway_core::dialect::TrailingSlash;
use byway_core::rule::Action;
use byway_core::ruleset::Scratch;
use byway_core::source::PathPattern;

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::examples::Expected;
use crate::sample::sample;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "missing-twin",
    severity: Severity::Note,
    summary: "a path is redirected, and the same path with or without a slash at its end is not",
    page: r#"# missing-twin

`/docs` and `/docs/` are two addresses. Only one of them has a rule; people and links use both.

## Example

```toml
[[redirect]]
from = "/docs"
to = "/guide"
```

## Instead

```toml
[[redirect]]
from = "/docs"
slash = "either"
to = "/guide"
```
"#,
};

#[derive(Default)]
pub(super) struct MissingTwin {
    scratch: Scratch,
}

impl Watcher for MissingTwin {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        if !seen.is_own() {
            return;
        }
        let (PathPattern::Exact(path), TrailingSlash::Significant, true) =
            (&seen.source.path, seen.source.slash, seen.is_unconditional)
        else {
            return;
        };
        let is_file = path.rsplit(|b| *b == b'/').next().is_some_and(|last| last.contains(&b'.'));
        if !matches!(seen.action, Action::Redirect { .. }) || path.len() < 2 || is_file {
            return;
        }
        // A list has its twins as lines, or means them by `slash = "either"` where it is included.
        if !seen.rule.file_name().ends_with(".toml") {
            return;
        }
        let Some(mut case) = sample(&seen.source) else { return };
        match case.path.strip_suffix('/') {
            Some(bare) => case.path = bare.to_owned(),
            None => case.path.push('/'),
        }
        let leads_to_twin =
            matches!(&seen.action, Action::Redirect { target, .. } if target.constant() == Some(&case.path));
        if leads_to_twin || case.decide(scene.rules, scene.now, &mut self.scratch).0 != Expected::Pass {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let mut diagnostic = Diagnostic::note(LINT.name, format!("`{}` has no rule", case.path));
            diagnostic = match (&parts.source, parts.is_toml) {
                (Some(span), true) => {
                    let mut after = span.clone();
                    // Behind the closing quote.
                    after.start = span.end + 1;
                    after.end = after.start;
                    diagnostic.help("write `slash = \"either\"`").fix(after, "\nslash = \"either\"")
                }
                _ => diagnostic.help("include the list with `slash = \"either\"`"),
            };
            diagnostic.primary = parts.source;
            diagnostic
        });
    }
}
