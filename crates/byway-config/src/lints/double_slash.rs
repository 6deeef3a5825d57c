//! `double-slash`: a target with a slash before a text that begins with one.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Compares, Stands, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "double-slash",
    severity: Severity::Warning,
    summary: "a target with a slash before a path, which begins with one itself",
    page: r#"# double-slash

`$request_uri` and `%{REQUEST_URI}` begin with a slash. Behind another one, `/docs` is sent to `https://www.example.com//docs`: a
page that many servers do not have, and that search engines take for another one than `/docs`.

So does the first group of `^(.*)$` where the whole path is compared: in nginx, in `RedirectMatch`, and in a `RewriteRule` of a server or
virtual host. In a `.htaccess`, what a `RewriteRule` sees begins without a slash.

## Example

```nginx
server {
    listen 80;
    return 301 https://www.example.com/$request_uri;
}
```

```htaccess
RewriteEngine On
RewriteCond %{HTTP_HOST} !^www\.
RewriteRule ^ https://www.example.com/%{REQUEST_URI} [R=301,L]
```

```apache
<VirtualHost *:80>
    ServerName example.com
    RewriteEngine On
    RewriteRule ^(.*)$ https://www.example.com/$1 [R=301,L]
</VirtualHost>
```

## Instead

```nginx
server {
    listen 80;
    return 301 https://www.example.com$request_uri;
}
```

```htaccess
RewriteEngine On
RewriteCond %{HTTP_HOST} !^www\.
RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=301,L]
```

```apache
<VirtualHost *:80>
    ServerName example.com
    RewriteEngine On
    RewriteRule ^/?(.*)$ https://www.example.com/$1 [R=301,L]
</VirtualHost>
```
"#,
};

pub(super) struct DoubleSlash;

/// What begins with a slash, however it is asked for.
const PATHS: &[&str] =
    &["$request_uri", "${request_uri}", "$uri", "${uri}", "$document_uri", "${document_uri}", "%{REQUEST_URI}"];

impl Watcher for DoubleSlash {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let target = &*written.target.text;
        if written.answers.is_none() {
            return;
        }
        if let Some((slash, path)) = doubled(target, PATHS) {
            return scene.report_written(&LINT, written, || {
                let meant = format!("{}{}", &target[..slash], &target[slash + 1..]);
                let what = format!("two slashes: `{path}` begins with one, and `{target}` has another before it");
                let diagnostic = Diagnostic::warning(LINT.name, what).at(written.place(&written.target));
                let diagnostic = diagnostic.help(format!("write `{meant}`"));
                match &written.target.at {
                    Some(at) => diagnostic.fix(at.clone(), meant),
                    None => diagnostic,
                }
            });
        }
        let pattern = &*written.source.text;
        let Some(mended) = sees_whole_path(written).then(|| without_slash(pattern)).flatten() else { return };
        if doubled(target, &["$1", "${1}"]).is_none() {
            return;
        }
        // No edit: conditions may ask for the group as well.
        scene.report_written(&LINT, written, || {
            let what = format!(
                "two slashes: `$1` begins with one, as every path does here, and `{target}` has another before it"
            );
            let diagnostic = Diagnostic::warning(LINT.name, what).at(written.place(&written.source));
            diagnostic.help(format!("write the pattern `{mended}`, which leaves the slash outside of the group"))
        });
    }
}

/// Whether a statement's own pattern, and nothing before it, takes `$1` from the whole path.
fn sees_whole_path(written: &Written) -> bool {
    let is_pattern = written.compares == Compares::Pattern { is_negated: false };
    is_pattern
        && match written.statement {
            Statement::RedirectMatch => true,
            Statement::RewriteRule => written.stands == Stands::Server && !written.is_behind,
            Statement::Rewrite | Statement::Return => !written.is_behind,
            Statement::Redirect => false,
        }
}

/// A pattern whose first group begins with the path's first slash, with that slash before the group.
fn without_slash(pattern: &str) -> Option<String> {
    let group = pattern.strip_prefix('^').unwrap_or(pattern).strip_prefix('(')?;
    if pattern.contains('|') {
        return None;
    }
    // One that is repeated is not that slash alone, and one that takes as little as it can may take none.
    let behind = |rest: &str| !rest.starts_with(['?', '*', '+', '{']);
    let (begin, group) = match (group.strip_prefix('/'), group.strip_prefix(".*"), group.strip_prefix(".+")) {
        (Some(rest), ..) if behind(rest) => (if pattern.starts_with('^') { "^/" } else { "/" }, rest.to_owned()),
        (_, Some(rest), _) | (.., Some(rest)) if behind(rest) => ("^/?", format!(".*{rest}")),
        _ => return None,
    };
    Some(format!("{begin}({group}"))
}

/// The slash that is one too many in the path of a URL, and what stands behind it.
fn doubled<'t>(target: &'t str, paths: &[&str]) -> Option<(usize, &'t str)> {
    let host = target.find("://")? + "://".len();
    // Behind `?` or `#` it is no path.
    let end = target[host..].find(['?', '#']).map_or(target.len(), |end| host + end);
    target[host..end].match_indices('/').map(|(at, _)| host + at).filter(|slash| *slash > host).find_map(|slash| {
        let behind = &target[slash + 1..];
        let path = paths.iter().find(|path| {
            let is_here = behind.get(..path.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(path));
            let is_longer = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
            is_here && (path.ends_with('}') || !behind[path.len()..].starts_with(is_longer))
        })?;
        Some((slash, &behind[..path.len()]))
    })
}

#[cfg(test)]
mod tests {
    use super::{PATHS, doubled, without_slash};

    #[test]
    fn only_slashes_of_the_path_are_two() {
        for (target, found) in [
            ("https://a.example/$request_uri", Some(17)),
            ("$scheme://$host/$uri?x", Some(15)),
            ("https://a.example/b/%{request_uri}", Some(19)),
            ("https://a.example$request_uri", None),
            ("https://$uri", None),
            ("https://a.example/$uri_of_mine", None),
            ("https://a.example/?to=/$uri", None),
            ("https://a.example/$1", None),
        ] {
            assert_eq!(doubled(target, PATHS).map(|(slash, _)| slash), found, "{target}");
        }
    }

    #[test]
    fn only_a_group_at_the_beginning_holds_the_first_slash() {
        for (pattern, mended) in [
            ("^(.*)$", Some("^/?(.*)$")),
            ("(.+)", Some("^/?(.*)")),
            ("^(/docs/.*)$", Some("^/(docs/.*)$")),
            ("(/docs/.*)$", Some("/(docs/.*)$")),
            ("^/?(.*)$", None),
            ("^/(.*)$", None),
            ("^(.*?)/x$", None),
            ("^(/?)(.*)$", None),
            ("^(/a|/b)$", None),
            ("^(?:x)(.*)$", None),
        ] {
            assert_eq!(without_slash(pattern).as_deref(), mended, "{pattern}");
        }
    }
}
