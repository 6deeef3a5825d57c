//! `missing-scheme`: a target that begins with a host and has no scheme before it.

use super::{Lint, Scene, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "missing-scheme",
    severity: Severity::Warning,
    summary: "a target that begins with a host and has no scheme before it",
    page: r#"# missing-scheme

`www.example.com/new` is no URL: without a scheme it is a path. nginx sends it as it is, and a browser looks for a page of this
name beside the one that it asked for; httpd takes it for a file of the folder, `https://here/…/www.example.com/new`.

## Example

```nginx
server {
    listen 80;
    location = /old { return 301 www.example.com/new; }
}
```

```htaccess
RewriteEngine On
RewriteRule ^old$ www.example.com/new [R=301,L]
```

## Instead

```nginx
server {
    listen 80;
    location = /old { return 301 https://www.example.com/new; }
}
```

```htaccess
RewriteEngine On
RewriteRule ^old$ https://www.example.com/new [R=301,L]
```
"#,
};

pub(super) struct MissingScheme;

impl Watcher for MissingScheme {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let target = &*written.target.text;
        if written.answers.is_none() || !begins_with_host(target) {
            return;
        }
        scene.report_written(&LINT, written, || {
            let what = match written.statement {
                Statement::Return | Statement::Rewrite => "browsers look for it beside the page that they asked for",
                _ => "httpd takes it for a path of this folder",
            };
            let meant = format!("https://{target}");
            let what = format!("`{target}` has no scheme: {what}. Did you mean `{meant}`?");
            let diagnostic = Diagnostic::warning(LINT.name, what).at(written.place(&written.target));
            let diagnostic = diagnostic.help(format!("write `{meant}`"));
            match &written.target.at {
                Some(at) => diagnostic.fix(at.clone(), meant),
                None => diagnostic,
            }
        });
    }
}

/// Ends of names that are those of hosts, and of no files.
const ENDS: &[&str] = &[
    "app", "at", "au", "be", "biz", "br", "ca", "cc", "ch", "cn", "co", "com", "cz", "de", "dev", "dk", "edu", "es",
    "eu", "example", "fi", "fr", "gov", "ie", "in", "info", "io", "it", "jp", "kr", "me", "mx", "net", "nl", "no",
    "nz", "online", "org", "pl", "pt", "ru", "se", "shop", "site", "store", "test", "tv", "ua", "uk", "us", "xyz",
    "za",
];

/// Whether a text begins with the name of a host, with nothing before it.
pub(super) fn begins_with_host(target: &str) -> bool {
    let end = target.find(['/', '?', '#', '$', '%', ':']).unwrap_or(target.len());
    let host = &target[..end];
    let mut labels = host.split('.');
    let is_label = |label: &str| {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_sign)
    };
    let Some((name, last)) = host.rsplit_once('.') else { return false };
    let is_port = target[end..].strip_prefix(':').is_none_or(|port| port.starts_with(|c: char| c.is_ascii_digit()));
    let is_end = |last: &str| ENDS.contains(&&*last.to_ascii_lowercase());
    let is_www = host.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("www.")) && name.contains('.');
    is_port && labels.all(is_label) && (is_www || is_end(last))
}

#[cfg(test)]
mod tests {
    use super::begins_with_host;

    #[test]
    fn hosts_are_told_from_files() {
        for host in
            ["www.example.com/y", "example.com", "EXAMPLE.org/$1", "www.a.blog?x", "example.com:8080/x", "a.co.uk$uri"]
        {
            assert!(begins_with_host(host), "{host}");
        }
        for path in
            ["index.php", "/example.com", "https://example.com/", "v1.0/x", "www.html", "a.b:c", "$1.com", "", "page"]
        {
            assert!(!begins_with_host(path), "{path}");
        }
    }
}
