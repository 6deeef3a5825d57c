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
behind a `?` is never there, so a rule for `/page.php?id=7` fits nothing that anybody asks (only `/page.php%3Fid=7`). In a
pattern a bare `?` is no question mark at all: `^page.php?id=7$` is for `/page.phpid=7` and `/page.phid=7`.

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
            Compares::Pattern { is_negated: false } => {
                text.contains('?') && !written.is_behind && (needs_mark(text) || bare_mark(text).is_some())
            }
            _ => false,
        };
        if !asks {
            return;
        }
        scene.report_written(&LINT, written, || {
            let what = match bare_mark(text).filter(|_| matches!(written.compares, Compares::Pattern { .. })) {
                Some(mark) => format!(
                    "`{}` does not ask for a query: `?` makes the sign before it one that may be missing, and what is compared is \
                     the path without the query",
                    &text[mark..]
                ),
                None => format!(
                    "this fits nothing: `{text}` asks for a `?`, and what is compared is the path without the query"
                ),
            };
            Diagnostic::warning(LINT.name, what).at(written.place(&written.source)).help(instead(written))
        });
    }
}

/// How to ask for the path, and for the query that was written behind it.
fn instead(written: &Written) -> String {
    let text = &*written.source.text;
    let found = match written.compares {
        Compares::Pattern { .. } => {
            let query = text.split_once("\\?").map(|(_, query)| query);
            query
                .or_else(|| bare_mark(text).map(|mark| &text[mark + 1..]))
                .map(|query| query.trim_end_matches('$').to_owned())
        }
        _ => text.split_once('?').map(|(_, query)| regex_syntax::escape(query)),
    };
    let query = found.filter(|query| !query.is_empty());
    match written.statement {
        Statement::Return | Statement::Rewrite => {
            let pair = query.as_deref().and_then(|query| query.split_once('='));
            let is_word =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let (name, value) = pair.filter(|(name, value)| is_word(name) && is_word(value)).unwrap_or(("id", "7"));
            format!(
                "ask the path alone, and inside its location the query: `if ($arg_{name} = {value}) {{ return … }}`"
            )
        }
        _ => {
            let query = query.as_deref().unwrap_or("id=7");
            let condition = match crate::formats::apache::rewrite_word(&format!("^{query}$")) {
                Ok(word) => word,
                Err(_) => "^id=7$".to_owned(),
            };
            format!(
                "ask the path alone in a `RewriteRule`, and the query in a line before: `RewriteCond %{{QUERY_STRING}} {condition}`"
            )
        }
    }
}

/// Where a `?` of a pattern stands that people mean as the beginning of a query: behind a letter, with `name=` behind it.
fn bare_mark(pattern: &str) -> Option<usize> {
    let bytes = pattern.as_bytes();
    pattern.match_indices('?').map(|(at, _)| at).find(|&at| {
        let is_behind = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
        let is_sign = at > 0 && is_behind(bytes[at - 1]) && !(at > 1 && bytes[at - 2] == b'\\');
        let name =
            pattern[at + 1..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte)).count();
        is_sign && name > 0 && bytes.get(at + 1 + name) == Some(&b'=')
    })
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
    use super::{bare_mark, needs_mark};

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

    #[test]
    fn a_mark_before_a_name_is_meant_as_one() {
        for (pattern, place) in [
            ("^shop/index.php?id=5$", Some(15)),
            ("^a/?id=(.*)", Some(3)),
            (r"^a\?id=5", None),
            (r"^a\d?id=5", None),
            ("^(?<id>a)", None),
            ("^(?=a)b", None),
            ("^ab?c", None),
        ] {
            assert_eq!(bare_mark(pattern), place, "{pattern}");
        }
    }
}
