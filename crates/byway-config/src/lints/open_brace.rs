//! `open-brace`: a variable whose brace nothing closes, which stands for its letters.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Mistaken, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "open-brace",
    severity: Severity::Warning,
    summary: "a variable whose brace nothing closes, which stands for its letters",
    page: r#"# open-brace

Without its `}`, `%{HTTP_HOST` is no variable but its letters: a condition on it compares them, and never the host.

## Example

```htaccess
RewriteEngine On
RewriteCond %{HTTP_HOST ^example\.com$
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```

## Instead

```htaccess
RewriteEngine On
RewriteCond %{HTTP_HOST} ^example\.com$
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```
"#,
};

pub(super) struct OpenBrace;

impl Watcher for OpenBrace {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        for slip in &written.slips {
            let Mistaken::OpenBrace(name) = &slip.mistaken else { continue };
            scene.report_slip(&LINT, slip, || {
                let what = format!("nothing closes `{name}`: httpd takes it for these letters, and for no variable");
                Diagnostic::warning(LINT.name, what).help(format!("write `{name}}}`"))
            });
        }
    }
}
