//! `prefix-for-one`: a `Redirect` for one page that takes all below it as well.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Compares, Stands, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "prefix-for-one",
    severity: Severity::Note,
    summary: "a Redirect for one page that takes all below it as well",
    page: r#"# prefix-for-one

`Redirect` is for its path and everything below it: `/old-endpoint/7?x=1` is sent to `…/new-endpoint/7?x=1`. Where one page is meant,
whatever else is asked below it is sent on to places that do not exist; behind a target with a query the rest becomes part of that.

## Example

```apache
Redirect 307 /old-endpoint https://www.example.com/new-endpoint
```

## Instead

```apache
RedirectMatch 307 ^/old-endpoint$ https://www.example.com/new-endpoint
```
"#,
};

pub(super) struct PrefixForOne;

impl Watcher for PrefixForOne {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let (path, target) = (&*written.source.text, &*written.target.text);
        let is_prefix = written.statement == Statement::Redirect && written.compares == Compares::Prefix;
        // What ends with a slash on either side speaks of a folder.
        // One with a query, or without a slash in front, fits nothing, and that is said.
        let fits_none = path.contains('?') || !path.starts_with('/');
        if !is_prefix || path.ends_with('/') || target.ends_with('/') || fits_none {
            return;
        }
        let Some(status) = written.answers else { return };
        // In the file of a folder, its own path is the folder.
        if matches!(&written.stands, Stands::Folder(folder) if folder.trim_end_matches('/') == path) {
            return;
        }
        scene.report_written(&LINT, written, || {
            let what = match target.contains(['?', '#']) {
                false => format!("this is a prefix: all below `{path}` is sent along, with what follows it"),
                true => {
                    format!("this is a prefix: `{path}/x` is sent to `{target}/x`, where the rest is part of the query")
                }
            };
            let words = [format!("^{}$", quoted(path)), literal(target)].map(|word| written.word(&word));
            let diagnostic = Diagnostic::note(LINT.name, what).at(written.span.clone());
            match words {
                [Some(pattern), Some(target)] => {
                    diagnostic.help(format!("for this one path write `RedirectMatch {status} {pattern} {target}`"))
                }
                _ => diagnostic.help("for this one path write `RedirectMatch` with a pattern that ends with `$`"),
            }
        });
    }
}

/// A target of which every sign stands for itself behind a pattern: there `$1` would be a group.
fn literal(target: &str) -> String {
    target.replace('\\', "\\\\").replace('$', "\\$")
}

/// A path of which every sign stands for itself in a pattern.
fn quoted(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for sign in path.chars() {
        if "\\.+*?()|[]{}^$".contains(sign) {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}
