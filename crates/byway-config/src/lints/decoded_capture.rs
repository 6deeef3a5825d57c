//! `decoded-capture`: text of the request is written into a Location decoded.

use byway_core::dialect::CaptureForm;
use byway_core::rule::Action;
use byway_core::target::{Landing, Part, What};

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "decoded-capture",
    severity: Severity::Note,
    summary: "text of the request is written into a Location decoded",
    page: r#"# decoded-capture

nginx looks at a path that it has decoded, and `return` writes what it took from there as it is: `/x/a%20b` leaves a blank in the
Location, and `$uri` after `%0d%0a` ends the field and begins another one of the asker's choice. byway escapes those bytes; nginx does
not.

## Example

```nginx
server {
    listen 80;
    location / { return 307 https://www.example.com$uri; }
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

pub(super) struct DecodedCapture;

impl Watcher for DecodedCapture {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, .. } = &seen.action else { return };
        let dialect = seen.rule.dialect();
        if dialect.name != "nginx" || dialect.captures != CaptureForm::Decoded {
            return;
        }
        let is_decoded = |what: &What<'_>| matches!(what, What::Capture(_) | What::Part(Part::WorkingPath));
        if target.pieces().iter().any(|piece| piece.place >= Landing::Path && is_decoded(&piece.what)) {
            scene.report(&LINT, &seen.rule, |locator| {
                let parts = locator.parts(&seen.rule);
                let mut diagnostic =
                    Diagnostic::note(LINT.name, "nginx writes what it decoded into the Location as it is").help(
                        "write `$request_uri` where the whole path is meant; byway escapes what nginx would leave raw",
                    );
                diagnostic.primary = parts.target.or(parts.source);
                diagnostic
            });
        }
    }
}
