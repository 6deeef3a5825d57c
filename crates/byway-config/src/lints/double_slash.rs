//! `double-slash`: a target with a slash before a text that begins with one.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::Written;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "double-slash",
    severity: Severity::Warning,
    summary: "a target with a slash before a path, which begins with one itself",
    page: r#"# double-slash

`$request_uri` and `%{REQUEST_URI}` begin with a slash. Behind another one, `/docs` is sent to `https://www.example.com//docs`: a
page that many servers do not have, and that search engines take for another one than `/docs`.

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
        let Some((slash, path)) = doubled(target) else { return };
        scene.report_written(&LINT, written, || {
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
}

/// The slash that is one too many in the path of a URL, and what stands behind it.
fn doubled(target: &str) -> Option<(usize, &str)> {
    let host = target.find("://")? + "://".len();
    // Behind `?` or `#` it is no path.
    let end = target[host..].find(['?', '#']).map_or(target.len(), |end| host + end);
    target[host..end].match_indices('/').map(|(at, _)| host + at).filter(|slash| *slash > host).find_map(|slash| {
        let behind = &target[slash + 1..];
        let path = PATHS.iter().find(|path| {
            let is_here = behind.get(..path.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(path));
            let is_longer = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
            is_here && (path.ends_with('}') || !behind[path.len()..].starts_with(is_longer))
        })?;
        Some((slash, &behind[..path.len()]))
    })
}

#[cfg(test)]
mod tests {
    use super::doubled;

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
            assert_eq!(doubled(target).map(|(slash, _)| slash), found, "{target}");
        }
    }
}
