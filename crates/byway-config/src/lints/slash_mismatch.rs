//! `slash-mismatch`: a `Redirect` whose path and target do not both end with a slash, so that the rest is joined wrongly.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Compares, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "slash-mismatch",
    severity: Severity::Warning,
    summary: "a Redirect that glues the rest of the path to its target",
    page: r#"# slash-mismatch

`Redirect` cuts its path off what was asked and puts the rest behind its target, as it is. With `Redirect / https://example.com` the
request `/docs` is sent to `https://example.comdocs`: another host, which anybody may own. With `Redirect /old/ /new` it is `/newdocs`.

## Example

```apache
Redirect 301 /old/ https://www.example.com/new
Redirect 301 / https://www.example.com
```

## Instead

Path and target end alike.

```apache
Redirect 301 /old/ https://www.example.com/new/
Redirect 301 / https://www.example.com/
```
"#,
};

pub(super) struct SlashMismatch;

impl Watcher for SlashMismatch {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let is_prefix = written.statement == Statement::Redirect && written.compares == Compares::Prefix;
        let (path, target) = (&*written.source.text, &*written.target.text);
        if !is_prefix
            || written.answers.is_none()
            || !path.ends_with('/')
            || target.contains(['?', '#'])
            || target.ends_with('/')
        {
            return;
        }
        // What ends with `=` takes the rest on purpose.
        if target.ends_with('=') {
            return;
        }
        scene.report_written(&LINT, written, || {
            let what = format!("`{path}x` is sent to `{target}x`: the rest of the path is glued to the target");
            let mut diagnostic = Diagnostic::warning(LINT.name, what).at(written.place(&written.target)).help(
                match written.word(&format!("{target}/")) {
                    Some(word) => format!("write `{word}`"),
                    None => "write a slash at its end".to_owned(),
                },
            );
            if let Some(at) = &written.target.at {
                diagnostic = diagnostic.fix(at.clone(), format!("{target}/"));
            }
            diagnostic
        });
    }
}
