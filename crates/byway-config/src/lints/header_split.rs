//! `header-split`: whoever writes the link may end the Location and begin a header field of their own.

use super::decoded_capture::{Written, written};
use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "header-split",
    severity: Severity::Warning,
    summary: "whoever writes the link may end the Location and begin a header field of their own",
    page: r#"# header-split

nginx decodes the path, and `return` writes `$uri`, or a group of a location's pattern, as it is. With `%0d%0a` in the path the Location
ends there, and what follows becomes a header field, or the body, of the asker's choice: cookies set under your name, and pages in
shared caches. byway escapes those bytes; nginx does not.

## Example

```nginx
server {
    listen 80;
    location / { return 307 https://www.example.com$uri$is_args$args; }
}
```

## Instead

`$request_uri` is the path and the query as they were sent.

```nginx
server {
    listen 80;
    location / { return 307 https://www.example.com$request_uri; }
}
```
"#,
};

pub(super) struct HeaderSplit;

impl Watcher for HeaderSplit {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Some(Written::Breaks(group)) = written(seen) else { return };
        let name = if group.is_some() { "a group of the pattern" } else { "`$uri`" };
        scene.report(&LINT, &seen.rule, |locator| {
            let what = format!("a line break in the path (`%0d%0a`) goes into the Location by {name}, and ends it");
            let mut diagnostic = Diagnostic::warning(LINT.name, what)
                .help("write `$request_uri` where path and query are meant; a pattern that takes a part leaves line breaks out with `[^/\\r\\n]*` (`.` leaves out the line feed alone, and a bare carriage return goes through)");
            let word = group.map_or_else(|| "$uri".to_owned(), |group| format!("${group}"));
            diagnostic.primary = locator.find(&seen.rule, &word).or_else(|| locator.source(&seen.rule));
            if let Some(span) = locator.find(&seen.rule, "$uri$is_args$args") {
                diagnostic = diagnostic.fix(span, "$request_uri");
            }
            diagnostic
        });
    }
}
