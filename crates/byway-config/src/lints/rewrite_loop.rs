//! `rewrite-loop`: a path that its server writes anew until it gives up.

use super::loops::SHOWN;
use super::proof::Endless;
use super::{Lint, Scene};
use crate::diagnostic::{Diagnostic, Severity};
use crate::examples::Case;
use crate::remarks::TEXT_LIMIT;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "rewrite-loop",
    severity: Severity::Error,
    summary: "a path that its server writes anew until it gives up",
    page: r#"# rewrite-loop

A rule writes another path, the server looks for that one, and comes to a rule that writes it anew. nginx and Apache do so ten times and
then answer 500. Of a lone `.htaccess` file it is said only where what is written is no folder: there another such file may lie, and
its rules would take the place of these.

## Example

```nginx
server {
    listen 80;
    location / {
        rewrite ^/(.*)$ /app/$1 last;
    }
}
```

```htaccess
RewriteEngine On
RewriteRule ^(.*)$ index.php/$1 [L]
```

## Instead

```nginx
server {
    listen 80;
    location / {
        rewrite ^/(.*)$ /app/$1 last;
    }
    location /app/ {
        root /srv;
    }
}
```

```htaccess
RewriteEngine On
RewriteRule ^index\.php - [L]
RewriteRule ^(.*)$ index.php/$1 [L]
```
"#,
};

pub(super) fn report(case: &Case, endless: &Endless, scene: &mut Scene<'_, '_>) {
    let rules = scene.rules;
    let Some(view) = endless.ring.first().map(|rule| rules.rule(*rule)) else { return };
    let is_all_there = scene.doors.iter().all(|door| door.is_whole) && !scene.doors.is_empty();
    let is_nginx = view.dialect().name.starts_with("nginx");
    if !is_all_there && (is_nginx || !endless.paths.iter().all(|path| is_of_files(path))) {
        return;
    }
    scene.report(&LINT, &view, |locator| {
        let written = endless.paths.iter().take(2).map(|path| shown(path)).collect::<Vec<_>>().join(" → ");
        let message = format!("{} → {written} → …: this is written anew until the server gives up with 500", case.path);
        let mut diagnostic = Diagnostic::error(LINT.name, message);
        let mut spans = endless.ring.iter().take(SHOWN).filter_map(|rule| locator.source(&rules.rule(*rule)));
        diagnostic.primary = spans.next();
        let here = diagnostic.primary.clone();
        for span in spans.filter(|span| Some(span) != here.as_ref()) {
            diagnostic = diagnostic.also(span, "this writes it too");
        }
        diagnostic.help(match is_nginx {
            true => "end it with `break`, or give what is written a `location` of its own",
            false => {
                "let a rule above leave alone what is written, as `RewriteRule ^index\\.php - [L]`, or end it with `[END]`"
            }
        })
    });
}

/// Whether what stands before the last slash of a path are names of files, to all that can be seen.
fn is_of_files(path: &[u8]) -> bool {
    let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path[..end].split(|&byte| byte == b'/').all(|name| name.is_empty() || name.contains(&b'.'))
}

fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
