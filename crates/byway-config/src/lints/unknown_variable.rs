//! `unknown-variable`: a variable that httpd does not know, which is the empty text to it.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Mistaken, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "unknown-variable",
    severity: Severity::Warning,
    summary: "a variable that httpd does not know, which is the empty text to it",
    page: r#"# unknown-variable

httpd says nothing of `%{HTPS}`: a variable that it does not know is the empty text. A condition on it always or never holds, and a
target loses a part. A field of the request is `%{HTTP:X-Forwarded-Proto}`, a variable of the environment `%{ENV:NAME}`; without its
`%`, a name in braces stands for its letters.

## Example

```htaccess
RewriteEngine On
RewriteCond %{HTPS} off
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```

## Instead

```htaccess
RewriteEngine On
RewriteCond %{HTTPS} off
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```
"#,
};

pub(super) struct UnknownVariable;

impl Watcher for UnknownVariable {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        for slip in &written.slips {
            match &slip.mistaken {
                Mistaken::Variable { name, meant } => scene.report_slip(&LINT, slip, || unknown(name, *meant)),
                Mistaken::Signless(name) => scene.report_slip(&LINT, slip, || {
                    let what = format!("httpd takes `{name}` for these letters: a variable has a `%` before its brace");
                    Diagnostic::warning(LINT.name, what).help(format!("write `%{name}`"))
                }),
                _ => {}
            }
        }
    }
}

fn unknown(name: &str, meant: Option<&str>) -> Diagnostic {
    let what = format!("httpd knows no variable `%{{{name}}}` and takes it for the empty text");
    match meant {
        Some(meant) => Diagnostic::warning(LINT.name, format!("{what}: did you mean `%{{{meant}}}`?"))
            .help(format!("write `%{{{meant}}}`")),
        None => Diagnostic::warning(LINT.name, what).help(written_right(name)),
    }
}

/// How a text is written that is no variable of mod_rewrite, and may be something else.
fn written_right(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    match upper.strip_prefix("HTTP_").filter(|field| !field.is_empty()) {
        Some(field) => {
            let words = field.split('_').map(|word| {
                let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
                first.to_owned() + &rest.to_ascii_lowercase()
            });
            format!("for the header field write `%{{HTTP:{}}}`", words.collect::<Vec<_>>().join("-"))
        }
        None if upper.starts_with("SSL_") => format!("write `%{{SSL:{upper}}}`"),
        None if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) && !name.is_empty() => {
            format!("if it is a variable of the environment, write `%{{ENV:{name}}}`")
        }
        None => "look at how it is spelt".to_owned(),
    }
}
