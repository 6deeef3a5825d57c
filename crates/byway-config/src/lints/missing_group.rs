//! `missing-group`: `$2` or `%1` where no pattern has such a group, which is the empty text.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{MissingGroup, Mistaken, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "missing-group",
    severity: Severity::Warning,
    summary: "`$2` or `%1` where no pattern has such a group, which is the empty text",
    page: r#"# missing-group

`$1` is what the first parentheses of the rule's pattern took, `%1` what those of the last condition took that holds. Without such
parentheses it is the empty text, and everybody is sent to one page. In a target an escape of a URL is such a group too: `%20` is `%2`
and a `0`, unless a backslash stands before it.

## Example

```htaccess
RewriteEngine On
RewriteRule ^shop/.*$ https://shop.example.com/$1 [R=301,L]
```

## Instead

```htaccess
RewriteEngine On
RewriteRule ^shop/(.*)$ https://shop.example.com/$1 [R=301,L]
```
"#,
};

pub(super) struct NoGroup;

impl Watcher for NoGroup {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        for slip in &written.slips {
            let Mistaken::Group(group) = &slip.mistaken else { continue };
            scene.report_slip(&LINT, slip, || missing(group));
        }
    }
}

fn missing(group: &MissingGroup) -> Diagnostic {
    let MissingGroup { sign, number, most, is_negated, digit } = *group;
    let count = match most {
        0 => "no group".to_owned(),
        1 => "one group".to_owned(),
        _ => format!("{most} groups"),
    };
    let why = match sign {
        '$' if is_negated => "a pattern with `!` leaves no group".to_owned(),
        '$' => format!("the pattern of this rule has {count}"),
        _ => format!("the patterns of the conditions before it have {count}"),
    };
    let help = match digit {
        Some(digit) => format!("for the escape `%{number}{digit}` write `\\%{number}{digit}`, and add the flag `NE`"),
        None if is_negated => format!("take `{sign}{number}` out, or ask for it in a condition"),
        None => format!("put what `{sign}{number}` stands for in parentheses, or take it out"),
    };
    Diagnostic::warning(LINT.name, format!("`{sign}{number}` is the empty text: {why}")).help(help)
}
