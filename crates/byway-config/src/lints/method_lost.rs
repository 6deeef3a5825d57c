//! `method-lost`: a rule for POST that answers with 301 or 302.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "method-lost",
    severity: Severity::Warning,
    summary: "a rule for POST that answers with 301 or 302",
    page: r#"# method-lost

A condition around the rule asks for POST, and the rule answers with 301 or 302: browsers and most libraries make a GET without a
body of it. (PUT, PATCH and DELETE they keep with both.) 308 and 307 keep method and body; 303 says that a GET is meant.

## Example

```nginx
server {
    listen 80;
    if ($request_method = POST) { return 301 https://www.example.com$request_uri; }
}
```

```apache
RewriteEngine On
RewriteCond %{REQUEST_METHOD} ^(POST|PUT)$
RewriteRule ^/orders$ https://www.example.com/orders [R=302,L]
```

## Instead

```nginx
server {
    listen 80;
    if ($request_method = POST) { return 308 https://www.example.com$request_uri; }
}
```

```apache
RewriteEngine On
RewriteCond %{REQUEST_METHOD} ^(POST|PUT)$
RewriteRule ^/orders$ https://www.example.com/orders [R=307,L]
```
"#,
};

pub(super) struct MethodLost;

impl Watcher for MethodLost {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        // Clients keep every other method with 301 and 302.
        let (Some(status @ (301 | 302)), true) = (written.status, written.methods.contains(&"POST")) else { return };
        // `rewrite` has a lint of its own.
        if written.statement == Statement::Rewrite || written.answers.is_none() {
            return;
        }
        scene.report_written(&LINT, written, || {
            let kept = if status == 301 { 308 } else { 307 };
            let what = format!("POST is asked for here, and with {status} it arrives as a GET");
            let diagnostic = Diagnostic::warning(LINT.name, what).at(written.span.clone());
            let diagnostic =
                diagnostic.help(format!("write {kept}, which keeps method and body, or 303 if a GET is meant"));
            let flags = written.flags.as_ref();
            let numbered = format!("={status}");
            match flags.and_then(|flags| Some((flags.at.clone()?, &flags.text))) {
                Some((at, flags)) if flags.contains(&numbered) => {
                    diagnostic.fix(at, flags.replacen(&numbered, &format!("={kept}"), 1))
                }
                _ => diagnostic,
            }
        });
    }
}
