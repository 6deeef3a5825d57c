//! `rewrite-status`: nginx's `rewrite`, which knows 301 and 302 alone, where a method matters.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "rewrite-status",
    severity: Severity::Warning,
    summary: "nginx's `rewrite`, which knows 301 and 302 alone, where a method matters",
    page: r#"# rewrite-status

`rewrite … redirect` is 302 and `rewrite … permanent` is 301; nginx has no other flag for it. With both a POST arrives as a GET,
without its body. `return` takes any status: 307 for now, 308 for good.

## Example

```nginx
server {
    listen 80;
    rewrite ^/api/v1/(.*)$ https://api.example.com/v1/$1 permanent;
}
```

## Instead

`$request_uri` is the path and the query as they were sent, so nothing is decoded on the way.

```nginx
server {
    listen 80;
    if ($request_uri ~ "^/api/v1/(.*)$") { return 308 https://api.example.com/v1/$1; }
}
```
"#,
};

pub(super) struct RewriteStatus;

impl Watcher for RewriteStatus {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let (Statement::Rewrite, Some(status)) = (written.statement, written.answers) else { return };
        let Some(why) = written.method_matters() else { return };
        scene.report_written(&LINT, written, || {
            let (flag, kept) = if status == 301 { ("permanent", 308) } else { ("redirect", 307) };
            let what = format!("`rewrite` sends with {status}, with which a POST arrives as a GET: {why}");
            let (pattern, target) = (&written.source.text, written.target.text.trim_end_matches('?'));
            // `$request_uri` has the query as well, which only a pattern that takes any rest lets through.
            let help = match pattern.trim_end_matches('$').ends_with("(.*)") {
                true if !pattern.contains(['"', '\\']) => {
                    let target = written.word(target).unwrap_or_default();
                    format!("write `if ($request_uri ~ \"{pattern}\") {{ return {kept} {target}; }}`")
                }
                _ => format!("write `return {kept} …;` in a location for this path"),
            };
            let help = format!("{help}, or leave `{flag}` if that is meant");
            Diagnostic::warning(LINT.name, what).at(written.span.clone()).help(help)
        });
    }
}
