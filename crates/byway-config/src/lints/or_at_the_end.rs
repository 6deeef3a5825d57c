//! `or-at-the-end`: an `[OR]` that no condition follows, so that its rule always runs.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Mistaken, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "or-at-the-end",
    severity: Severity::Warning,
    summary: "an `[OR]` that no condition follows, so that its rule always runs",
    page: r#"# or-at-the-end

A condition with `[OR]` that does not hold leaves the word to the next one. Behind the last there is none, and the rule runs: for every
host, where some hosts were meant.

## Example

```htaccess
RewriteEngine On
RewriteCond %{HTTP_HOST} ^example\.net$ [OR]
RewriteCond %{HTTP_HOST} ^example\.org$ [OR]
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```

## Instead

```htaccess
RewriteEngine On
RewriteCond %{HTTP_HOST} ^example\.net$ [OR]
RewriteCond %{HTTP_HOST} ^example\.org$
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```
"#,
};

pub(super) struct OrAtTheEnd;

impl Watcher for OrAtTheEnd {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        for slip in written.slips.iter().filter(|slip| slip.mistaken == Mistaken::LastOr) {
            scene.report_slip(&LINT, slip, || {
                let what =
                    "no condition follows this `[OR]`, so it asks nothing: the rule runs whether it holds or not";
                Diagnostic::warning(LINT.name, what)
                    .help("take the `OR` out, or write the condition that it stands before")
            });
        }
    }
}
