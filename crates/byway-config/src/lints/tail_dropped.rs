//! `tail-dropped`: everything below a path is sent to one place.

use byway_core::rule::Action;
use byway_core::source::{PathPattern, Source};

use super::missing_scheme::begins_with_host;
use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::pcre;
use crate::span::Span;
use crate::written::{Compares, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "tail-dropped",
    severity: Severity::Warning,
    summary: "everything below a path is sent to one place",
    page: r#"# tail-dropped

The source takes everything below a path, and the target is the same for all of it: `/docs/install` and `/docs/faq` both end
on one page. People lose the page that they asked for, and search engines treat many addresses that lead to one page as
missing.

## Example

```toml
[[redirect]]
from = "/docs/*"
to = "https://docs.example.com/guide"
```

```nginx
server {
    listen 80;
    location /api/v1/ { return 307 https://example.com/api/v2/; }
}
```

```htaccess
RewriteEngine On
RewriteRule ^docs/(.*)$ https://docs.example.com/guide/ [R=307,L]
```

## Instead

Keep the rest of the path with `/*`; where one page is meant, name the paths that lead to it one by one.

```toml
[[redirect]]
from = "/docs/*"
to = "https://docs.example.com/guide/*"
```

`$request_uri` is the path and the query as they were sent; what is spelt in another way still ends on the one page.

```nginx
server {
    listen 80;
    location /api/v1/ { if ($request_uri ~ "^/api/v1(/.*)") { return 307 https://example.com/api/v2$1; } return 307 https://example.com/api/v2/; }
}
```

```htaccess
RewriteEngine On
RewriteRule ^docs/(.*)$ https://docs.example.com/guide/$1 [R=307,L]
```
"#,
};

pub(super) struct TailDropped;

impl Watcher for TailDropped {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, .. } = &seen.action else { return };
        // What other servers are told is judged where it is written.
        if !seen.is_own() || !seen.has_tail() || !target.is_constant() {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let source = seen.source.to_string();
            let mut diagnostic =
                Diagnostic::warning(LINT.name, format!("everything below `{source}` ends on one page"));
            let target = target.to_string();
            diagnostic = match (&parts.target, may_take_the_rest(&target, &seen.source)) {
                (Some(span), true) => {
                    let kept = format!("{}/*", target.trim_end_matches('/'));
                    diagnostic.help(format!("write `{kept}` to keep the rest of the path")).fix(span.clone(), kept)
                }
                _ => diagnostic
                    .help("put `*` where the rest of the path belongs, unless all of them are meant to end there"),
            };
            diagnostic.primary = parts.target.or(parts.source);
            diagnostic
        });
    }

    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let (source, target) = (&*written.source.text, &*written.target.text);
        // What has no scheme leads nowhere, and that is said.
        let leads = written.answers.is_some() && !begins_with_host(target);
        if !leads || target.contains(['$', '%']) {
            return;
        }
        match (written.statement, written.compares) {
            // Everywhere else a path that begins so is taken by no other location.
            (Statement::Return, Compares::Prefix) if source.len() > 1 && !written.is_behind => {
                scene.report_written(&LINT, written, || of_location(written));
            }
            (Statement::RewriteRule | Statement::RedirectMatch, Compares::Pattern { is_negated: false })
                // 303 says that the answer is another thing than what was asked for.
                if has_rest(source) && target.ends_with('/') && written.answers != Some(303) =>
            {
                scene.report_written(&LINT, written, || of_pattern(written));
            }
            _ => {}
        }
    }
}

/// A location of nginx that is a prefix, and a page for all of it.
fn of_location(written: &Written) -> Diagnostic {
    let (prefix, target) = (&*written.source.text, &*written.target.text);
    let bare = prefix.trim_end_matches('/');
    let code = written.status.unwrap_or(302);
    let rest = if prefix.ends_with('/') { "/.*" } else { "[/?].*" };
    let pattern: String = bare
        .chars()
        .flat_map(|sign| ("\\.+*?()|[]{}^$\"".contains(sign)).then_some('\\').into_iter().chain([sign]))
        .collect();
    let kept =
        format!("if ($request_uri ~ \"^{pattern}({rest})\") {{ return {code} {}$1; }}", target.trim_end_matches('/'));
    let what = format!(
        "everything that begins with `{prefix}` ends on one page: the rest of the path and the query are dropped"
    );
    let mut diagnostic = Diagnostic::warning(LINT.name, what).at(written.span.clone());
    let source = Source::of_path(PathPattern::Prefix(bare.as_bytes().into()));
    let exact = format!("location = {}", written.word(prefix).unwrap_or_default());
    if may_take_the_rest(target, &source) && is_plain_word(target) && is_sent_so(prefix) {
        diagnostic = diagnostic
            .help(format!("to keep them write `{kept}` before it; for this one path write `{exact}`"))
            .fix(Span { end: written.span.start, ..written.span.clone() }, format!("{kept} "));
        return diagnostic;
    }
    diagnostic.help(format!("for this one path write `{exact}`"))
}

/// Whether a path is sent as a location names it, without escapes, so that `$request_uri` begins with it.
fn is_sent_so(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte))
}

/// Whether a pattern takes all below a folder in a group, which somebody wrote to use it.
fn has_rest(pattern: &str) -> bool {
    let rest = pattern.trim_end_matches('$');
    // A pattern that is nothing else takes everything on purpose.
    let before = rest.strip_suffix("(.*)").or_else(|| rest.strip_suffix("(.+)"));
    before.is_some_and(|before| before.ends_with('/') && before.trim_matches(['^', '/', '?']).len() > 1)
}

/// A pattern whose last group takes the rest, and a target that does not use it.
fn of_pattern(written: &Written) -> Diagnostic {
    let (pattern, target) = (&*written.source.text, &*written.target.text);
    let what = format!(
        "`{pattern}` takes what follows in a group, and the target does not use it: all of it ends on one page"
    );
    let diagnostic = Diagnostic::warning(LINT.name, what).at(written.place(&written.target));
    let Some(last) = pcre::groups(pattern).filter(|last| *last < 10 && is_plain_word(target)) else {
        return diagnostic.help("name the group in the target, or leave it out if all are meant to end there");
    };
    let kept = format!("{target}${last}");
    let diagnostic =
        diagnostic.help(format!("write `{kept}` to keep it, or leave the group out if all are meant to end there"));
    match &written.target.at {
        Some(at) => diagnostic.fix(at.clone(), kept),
        None => diagnostic,
    }
}

/// Whether a text is one word of its server's language without quotes or backslashes.
fn is_plain_word(text: &str) -> bool {
    !text.contains(|sign: char| sign.is_whitespace() || ";{}\"'\\".contains(sign))
}

/// Whether a target looks like a folder whose pages are meant: no single page, not the front page, and nothing that the rule
/// itself takes, which would send every page round in circles.
fn may_take_the_rest(target: &str, source: &Source<'_>) -> bool {
    let behind = target.split_once("://").map_or(target, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
    let is_page =
        behind.trim_end_matches('/').rsplit('/').next().is_none_or(|last| last.is_empty() || last.contains('.'));
    let is_taken = match &source.path {
        PathPattern::Prefix(prefix) => {
            behind.as_bytes().strip_prefix(&**prefix).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        }
        _ => false,
    };
    !target.contains(['?', '#']) && !is_page && !is_taken
}

#[cfg(test)]
mod tests {
    use super::is_plain_word;
    use crate::pcre::groups;

    #[test]
    fn groups_are_those_that_are_numbered() {
        for (pattern, count) in [
            (r"^doc\(s\)/(.*)$", Some(1)),
            ("^(?<n>docs)/(.*)$", Some(2)),
            ("^(?:a|b)/[(]/(.*)$", Some(1)),
            ("^(?!a)/(.*)$", None),
        ] {
            assert_eq!(groups(pattern), count, "{pattern}");
        }
        assert!(is_plain_word("https://e.test/a/") && !is_plain_word("/a b/") && !is_plain_word("/a;b/"));
    }
}
