//! `typographic-quote`: quotes of a word processor, which are letters to httpd.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Mistaken, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "typographic-quote",
    severity: Severity::Warning,
    summary: "quotes of a word processor, which are letters to httpd",
    page: r#"# typographic-quote

What was copied from a page or a word processor often has `“ ”` where `"` was meant. To httpd these are letters of the path or pattern,
which then fits no request, or of the target.

## Example

```htaccess
RewriteEngine On
RewriteRule “^old$” https://www.example.com/new [R=301,L]
```

## Instead

```htaccess
RewriteEngine On
RewriteRule "^old$" https://www.example.com/new [R=301,L]
```
"#,
};

pub(super) struct TypographicQuote;

impl Watcher for TypographicQuote {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        for slip in &written.slips {
            let Mistaken::Quote { quote, word } = &slip.mistaken else { continue };
            scene.report_slip(&LINT, slip, || {
                let what = format!("`{quote}` is a letter to httpd, and not a quote: `{word}` is taken with it");
                Diagnostic::warning(LINT.name, what)
                    .help("write straight quotes (`\"`), or none where no blank stands between them")
            });
        }
    }
}
