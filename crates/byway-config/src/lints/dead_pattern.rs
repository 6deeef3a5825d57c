//! `dead-pattern`: a rule of mod_rewrite whose pattern fits no path, for where it stands.

use regex_syntax::hir::Look;
use regex_syntax::hir::literal::Extractor;

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Compares, Stands, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "dead-pattern",
    severity: Severity::Warning,
    summary: "a RewriteRule whose pattern fits no path where it stands",
    page: r#"# dead-pattern

In a server or virtual host `RewriteRule` sees the whole path, `/old/page`; in a `.htaccess` file or a `<Directory>` it sees what
is below the folder, `old/page`, without a slash in front. A rule that was moved from the one to the other fits nothing any more,
and nothing says so.

## Example

```apache
<VirtualHost *:80>
    ServerName www.example.com
    RewriteEngine On
    RewriteRule ^api/v1/(.*)$ https://example.com/api/v2/$1 [R=307,L]
</VirtualHost>
```

```htaccess
RewriteEngine On
RewriteRule ^/api/v1/(.*)$ https://example.com/api/v2/$1 [R=307,L]
```

## Instead

`^/?api/v1/(.*)$` fits in both places.

```apache
<VirtualHost *:80>
    ServerName www.example.com
    RewriteEngine On
    RewriteRule ^/api/v1/(.*)$ https://example.com/api/v2/$1 [R=307,L]
</VirtualHost>
```

```htaccess
RewriteEngine On
RewriteRule ^api/v1/(.*)$ https://example.com/api/v2/$1 [R=307,L]
```
"#,
};

pub(super) struct DeadPattern;

impl Watcher for DeadPattern {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let is_rule = written.statement == Statement::RewriteRule
            && written.compares == Compares::Pattern { is_negated: false }
            // What a rule before it wrote may begin in another way.
            && !written.is_behind;
        if !is_rule {
            return;
        }
        let text = &*written.source.text;
        let begins_with_slash = match beginnings(text) {
            Some(found) if found.iter().all(|byte| *byte == b'/') => true,
            Some(found) if !found.contains(&b'/') => false,
            _ => return,
        };
        let what = match (&written.stands, begins_with_slash) {
            (Stands::Folder(_), true) => {
                "this pattern never fits: in a folder, patterns see the path below it, without a slash in front"
            }
            (Stands::Server, false) => {
                "this pattern never fits: in a server, patterns see the whole path with its slash"
            }
            _ => return,
        };
        scene.report_written(&LINT, written, || {
            let mended = mended(text, &written.stands).filter(|mended| written.word(mended).is_some());
            let word = |pattern: &str| written.word(pattern).unwrap_or_default();
            let mut diagnostic = Diagnostic::warning(LINT.name, what).at(written.place(&written.source));
            diagnostic = match (&mended, &written.source.at) {
                (Some(mended), Some(at)) => {
                    let both = format!("^/?{}", mended.trim_start_matches(['^', '/']));
                    diagnostic
                        .help(format!(
                            "write `{}`, or `{}`, which fits in a server and in a folder",
                            word(mended),
                            word(&both)
                        ))
                        .fix(at.clone(), mended.clone())
                }
                (Some(mended), None) => diagnostic.help(format!("write `{}`", word(mended))),
                (None, _) => diagnostic.help(match &written.stands {
                    Stands::Folder(path) => format!("write what follows `{path}` in the path"),
                    _ => "write the path with the slash that it begins with".to_owned(),
                }),
            };
            diagnostic
        });
    }
}

/// The bytes that every match begins with at the beginning of a text, as far as they are known.
fn beginnings(pattern: &str) -> Option<Vec<u8>> {
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
    let hir = { parser }.parse(pattern).ok()?;
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return None;
    }
    let found = Extractor::new().extract(&hir);
    let literals = found.literals().filter(|literals| !literals.is_empty())?;
    literals.iter().map(|literal| literal.as_bytes().first().copied()).collect()
}

/// The pattern with the slash put in or taken out, where that is certainly what was meant.
fn mended(text: &str, stands: &Stands) -> Option<String> {
    let bare = text.strip_prefix('^')?;
    // Some write a slash as `\/`, as other languages want it.
    let unescaped = bare.strip_prefix("\\/").map(|rest| format!("/{rest}"));
    let bare = unescaped.as_deref().unwrap_or(bare);
    match stands {
        Stands::Folder(folder) => {
            let bare = bare.strip_prefix('/')?;
            // The folder's own name may be what the pattern begins with.
            let name = folder.trim_matches('/').rsplit('/').next().unwrap_or_default();
            let names_folder = !name.is_empty() && bare.starts_with(name) || folder.trim_matches('/').starts_with(bare);
            let is_plain = !bare.starts_with(['?', '*', '+', '{', '/']);
            (is_plain && !names_folder || bare == "$").then(|| format!("^{bare}"))
        }
        // A pattern for a host or a scheme is no path with its slash forgotten.
        Stands::Server => {
            let is_path = bare.starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_');
            let is_other = ["http", "www"].iter().any(|begin| bare.starts_with(begin));
            (is_path && !is_other && !text.contains('|')).then(|| format!("^/{bare}"))
        }
        Stands::Section => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_is_dead() {
        for (pattern, begins) in [
            ("^api/(.*)$", Some("a")),
            ("^(foo|bar)/x", Some("fb")),
            ("^/?api", Some("/a")),
            ("^/api", Some("/")),
            ("api", None),
            ("^.*", None),
            ("^$", None),
            ("^a?/x", Some("a/")),
            ("^(?=x)a", None),
        ] {
            let found = beginnings(pattern).map(|mut found| {
                found.sort_unstable();
                found.dedup();
                String::from_utf8(found).expect("ASCII")
            });
            let wanted = begins.map(|begins| {
                let mut bytes: Vec<char> = begins.chars().collect();
                bytes.sort_unstable();
                bytes.into_iter().collect::<String>()
            });
            assert_eq!(found, wanted, "{pattern}");
        }
    }

    #[test]
    fn a_fix_is_offered_where_it_is_certain() {
        let folder = |path: &str| Stands::Folder(path.into());
        assert_eq!(mended("^/x$", &folder("/a/")).as_deref(), Some("^x$"));
        assert_eq!(mended("^/a/x$", &folder("/a/")), None);
        assert_eq!(mended("^\\/$", &folder("/a/")).as_deref(), Some("^$"));
        assert_eq!(mended("^\\/(.+)$", &folder("/a/")).as_deref(), Some("^(.+)$"));
        assert_eq!(mended("^api/", &Stands::Server).as_deref(), Some("^/api/"));
        assert_eq!(mended(r"^www\.example\.com/", &Stands::Server), None);
    }
}
