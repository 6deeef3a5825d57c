//! `default-status`: no status is written where a method matters, so it is 302.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "default-status",
    severity: Severity::Warning,
    summary: "no status is written where a method matters, so it is 302",
    page: r#"# default-status

Apache's `Redirect` and `[R]` and nginx's `return URL` answer with 302 where no status is written. With 302 a POST arrives as a GET,
without its body. Where programs ask, or a condition names a method, that is hardly meant. 307 is the same, and keeps both.

## Example

```apache
Redirect /api/v1 https://api.example.com/v1
```

```htaccess
RewriteEngine On
RewriteCond %{REQUEST_METHOD} =POST
RewriteRule ^orders$ https://shop.example.com/orders [R,L]
```

```nginx
server {
    listen 80;
    location /api/ { return https://api.example.com$request_uri; }
}
```

## Instead

```apache
Redirect 307 /api/v1 https://api.example.com/v1
```

```htaccess
RewriteEngine On
RewriteCond %{REQUEST_METHOD} =POST
RewriteRule ^orders$ https://shop.example.com/orders [R=307,L]
```

```nginx
server {
    listen 80;
    location /api/ { return 307 https://api.example.com$request_uri; }
}
```
"#,
};

pub(super) struct DefaultStatus;

impl Watcher for DefaultStatus {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        if written.status.is_some() || written.answers.is_none() || written.statement == Statement::Rewrite {
            return;
        }
        let Some(why) = written.method_matters() else { return };
        scene.report_written(&LINT, written, || {
            let what = format!("no status is written, so it is 302, with which a POST arrives as a GET: {why}");
            let diagnostic = Diagnostic::warning(LINT.name, what).at(written.span.clone());
            match written.statement {
                Statement::RewriteRule => with_flag(diagnostic, written),
                _ => with_number(diagnostic, written),
            }
        });
    }
}

/// A number before the path, or before the target where there is no path.
fn with_number(diagnostic: Diagnostic, written: &Written) -> Diagnostic {
    let before = match written.statement {
        Statement::Return => &written.target,
        _ => &written.source,
    };
    let diagnostic = diagnostic.help("write 307, which keeps method and body, or 302 if that is meant");
    match &before.at {
        Some(at) => diagnostic.fix(crate::span::Span { end: at.start, ..at.clone() }, "307 "),
        None => diagnostic,
    }
}

fn with_flag(diagnostic: Diagnostic, written: &Written) -> Diagnostic {
    let Some(flags) = &written.flags else {
        return diagnostic.help("write `[R=307,L]` behind it, or `[R=302,L]` if that is meant");
    };
    let inner = flags.text.trim_start_matches('[').trim_end_matches(']');
    let is_bare = |flag: &str| matches!(flag.to_ascii_lowercase().as_str(), "r" | "redirect");
    let mut mended: Vec<&str> =
        inner.split(',').map(|flag| if is_bare(flag.trim()) { "R=307" } else { flag }).collect();
    if !mended.contains(&"R=307") {
        mended.insert(0, "R=307");
    }
    let mended = format!("[{}]", mended.join(","));
    let diagnostic = diagnostic.help(format!("write `{mended}`, which keeps method and body, or 302 if that is meant"));
    match &flags.at {
        Some(at) => diagnostic.fix(at.clone(), mended),
        None => diagnostic,
    }
}
