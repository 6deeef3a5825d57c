//! `long-chain`: more than two redirects within the rules.

use byway_core::dialect::QueryPolicy;
use byway_core::rule::Action;
use byway_core::source::PathPattern;

use super::chains::{Walked, line};
use super::{Lint, Scene, Seen};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "long-chain",
    severity: Severity::Warning,
    summary: "more than two redirects within the rules",
    page: r#"# long-chain

A request is sent on by one rule after the other, more than twice. Each redirect costs a round trip, search engines stop after
a few, and each is one more that can break. The rule can name the end.

## Example

```toml
[[redirect]]
from = "/2019"
to = "/2021"

[[redirect]]
from = "/2021"
to = "/2023"

[[redirect]]
from = "/2023"
to = "/2025"
```

## Instead

```toml
[[redirect]]
from = "/2019"
to = "/2025"

[[redirect]]
from = "/2021"
to = "/2023"

[[redirect]]
from = "/2023"
to = "/2025"
```
"#,
};

pub(super) fn report(seen: &Seen<'_>, walked: &Walked, scene: &mut Scene<'_, '_>) {
    let end = flattened(seen, walked, scene);
    scene.report(&LINT, &seen.rule, |locator| {
        let parts = locator.parts(&seen.rule);
        let count = walked.chain.redirects();
        let mut diagnostic = Diagnostic::warning(LINT.name, format!("{count} redirects: {}", line(&walked.chain)));
        diagnostic = match (end, &parts.target) {
            (Some(end), Some(span)) => diagnostic.help(format!("write `{end}`, where it ends")).fix(span.clone(), end),
            _ => diagnostic.help("send it to where the chain ends"),
        };
        diagnostic.primary = parts.target.or(parts.source);
        diagnostic
    });
}

/// The target that does the same at once, where that is proved: one path, kept queries, constant targets, and no step that is
/// for now behind one that is for good.
fn flattened(seen: &Seen<'_>, walked: &Walked, scene: &Scene<'_, '_>) -> Option<String> {
    let is_one = matches!(seen.source.path, PathPattern::Exact(_)) && seen.source.query.is_empty();
    let Action::Redirect { status: first, .. } = &seen.action else { return None };
    let mut end = None;
    for rule in &walked.rules {
        let rule = scene.rules.rule(*rule);
        let Action::Redirect { status, target, query: QueryPolicy::Keep } = rule.action() else { return None };
        let constant = target.constant()?;
        let loses = first.get.is_permanent() && !status.get.is_permanent();
        if loses
            || constant.contains(['?', '#', '"', '\\'])
            || !rule.conditions().is_empty()
            || rule.until().is_some()
            || rule.since().is_some()
        {
            return None;
        }
        // A path behind a URL stays at the URL's host.
        let is_behind_url = end.is_some_and(|before: String| !before.starts_with('/')) && constant.starts_with('/');
        if is_behind_url {
            return None;
        }
        end = Some(constant.to_owned());
    }
    end.filter(|_| is_one)
}
