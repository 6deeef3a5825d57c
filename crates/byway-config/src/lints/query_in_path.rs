//! `query-in-path`: a path or pattern that asks for a `?`, where a path holds none.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Compares, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "query-in-path",
    severity: Severity::Warning,
    summary: "a path or pattern that asks for a `?`, where a path holds none",
    page: r#"# query-in-path

nginx's `location` and `rewrite` and Apache's `Redirect`, `RedirectMatch` and `RewriteRule` compare the path alone. What stands
behind a `?` is never there, so a rule for `/page.php?id=7` fits nothing that anybody asks (only `/page.php%3Fid=7`).

## Example

```nginx
server {
    listen 80;
    rewrite ^/page\.php\?id=7$ https://www.example.com/seven permanent;
}
```

```htaccess
RewriteEngine On
RewriteRule ^page\.php\?id=7$ https://www.example.com/seven [R=301,L]
```

```apache
Redirect 301 /page.php?id=7 https://www.example.com/seven
```

## Instead

Ask the query apart from the path.

```nginx
server {
    listen 80;
    location = /page.php { if ($arg_id = 7) { return 301 https://www.example.com/seven; } }
}
```

```htaccess
RewriteEngine On
RewriteCond %{QUERY_STRING} ^id=7$
RewriteRule ^page\.php$ https://www.example.com/seven [R=301,L,QSD]
```

```apache
RewriteEngine On
RewriteCond %{QUERY_STRING} ^id=7$
RewriteRule ^/page\.php$ https://www.example.com/seven [R=301,L,QSD]
```
"#,
};

pub(super) struct QueryInPath;

impl Watcher for QueryInPath {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let text = &*written.source.text;
        let asks = match written.compares {
            Compares::Exact | Compares::Prefix => text.contains('?'),
            // A URL that a rule before it made has its query.
            Compares::Pattern { is_negated: false } => text.contains('?') && !written.is_behind && needs_mark(text),
            _ => false,
        };
        if !asks {
            return;
        }
        scene.report_written(&LINT, written, || {
            let help = match written.statement {
                Statement::Return | Statement::Rewrite => {
                    "ask the path alone, and inside its location the query: `if ($arg_id = 7) { return … }`"
                }
                _ => "ask the path alone, and the query in a line before: `RewriteCond %{QUERY_STRING} ^id=7$`",
            };
            let what = format!(
                "this fits nothing: `{text}` asks for a `?`, and what is compared is the path without the query"
            );
            Diagnostic::warning(LINT.name, what).at(written.place(&written.source)).help(help)
        });
    }
}

/// Whether every match of a pattern holds a question mark.
fn needs_mark(pattern: &str) -> bool {
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
    { parser }.parse(pattern).is_ok_and(|hir| needs(&hir))
}

fn needs(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'?'),
        HirKind::Class(class) => is_mark(class),
        HirKind::Repetition(repetition) => repetition.min > 0 && needs(&repetition.sub),
        HirKind::Capture(capture) => needs(&capture.sub),
        HirKind::Concat(parts) => parts.iter().any(needs),
        HirKind::Alternation(parts) => parts.iter().all(needs),
    }
}

fn is_mark(class: &Class) -> bool {
    let mark = u32::from(b'?');
    match class {
        Class::Bytes(class) => class.ranges().iter().all(|range| [range.start(), range.end()] == [b'?'; 2]),
        Class::Unicode(class) => {
            class.ranges().iter().all(|range| u32::from(range.start()) == mark && u32::from(range.end()) == mark)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::needs_mark;

    #[test]
    fn a_mark_that_may_be_missing_is_none() {
        for (pattern, needs) in [
            (r"^a\?b", true),
            ("^a[?]b", true),
            (r"^a(\?.*)?$", false),
            ("^a?b", false),
            (r"^(a\?|b)$", false),
            ("^a[?&]", false),
        ] {
            assert_eq!(needs_mark(pattern), needs, "{pattern}");
        }
    }
}
