//! `redirect-without-last`: a rule with `R` and without `L`, and one behind it that takes the URL which it made.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::Written;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "redirect-without-last",
    severity: Severity::Warning,
    summary: "`[R]` without `L`, and a rule behind it that takes the URL which it made",
    page: r#"# redirect-without-last

`R` says that the answer will be a redirect, not that this rule was the last: without `L` those behind it run on, on the URL that this
one made. One that takes everything, as at the end of most content systems' files, puts its own page in the place of that URL: what
httpd then answers is a 301 without a Location, which leads nowhere.

## Example

```htaccess
RewriteEngine On
RewriteRule ^old$ https://www.example.com/new [R=301]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule . /index.php [L]
```

## Instead

```htaccess
RewriteEngine On
RewriteRule ^old$ https://www.example.com/new [R=301,L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule . /index.php [L]
```
"#,
};

pub(super) struct RedirectWithoutLast;

impl Watcher for RedirectWithoutLast {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let Some(taker) = &written.goes_on else { return };
        scene.report_written(&LINT, written, || {
            let what = "R without L: the rules below still run, and one of them takes the URL that this one made";
            let flags = written.flags.as_ref();
            let mut diagnostic = Diagnostic::warning(LINT.name, what);
            diagnostic.primary = Some(flags.map_or_else(|| written.span.clone(), |flags| written.place(flags)));
            if let Some(at) = &taker.at {
                diagnostic = diagnostic.also(at.clone(), "this one takes it");
            }
            let mended = flags.and_then(|flags| Some((flags.at.clone()?, flags.text.strip_suffix(']')?)));
            match mended {
                Some((at, flags)) => diagnostic.help(format!("write `{flags},L]`")).fix(at, format!("{flags},L]")),
                None => diagnostic.help("write L behind R"),
            }
        });
    }
}
