//! Templates told from configurations: what a template becomes cannot be known, so it is named and never guessed.
//!
//! A file is a template by its extension (`nginx.conf.j2`) or by the marks in it. A Kubernetes manifest that carries a
//! configuration is no template, but no configuration either.

use std::ops::Range;
use std::path::Path;

/// What a text turned out to be, instead of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// What people call it.
    pub kind: &'static str,
    /// Its first mark; empty where the name gave it away.
    pub at: Range<usize>,
    /// What to do.
    pub help: &'static str,
}

const RENDER: &str = "render it first, and name the file that comes out";
const UNPACK: &str = "write the configuration in it to a file of its own, and name that";

/// Extensions of templates.
const EXTENSIONS: &[(&str, &str)] = &[
    ("erb", "an ERB template"),
    ("epp", "an EPP template"),
    ("j2", "a Jinja template"),
    ("jinja", "a Jinja template"),
    ("jinja2", "a Jinja template"),
    ("njk", "a Nunjucks template"),
    ("tmpl", "a template"),
    ("tpl", "a template"),
    ("gotmpl", "a Go template"),
    ("mustache", "a Mustache template"),
    ("hbs", "a Handlebars template"),
    ("ctmpl", "a Consul template"),
];

/// Marks of templates: how one opens, how it closes, and whose it is. They count only with both on one line.
const MARKS: &[(&[u8], &[u8], &str)] = &[
    (b"<%", b"%>", "an ERB template"),
    (b"{%", b"%}", "a Jinja or Nunjucks template"),
    (b"{{", b"}}", "a template (Jinja, Nunjucks, Go or Helm)"),
];

/// What a text is, if it is no configuration.
///
/// ```
/// use byway_config::template::recognise;
/// let found = recognise("nginx.conf".as_ref(), b"server_name {{ host }};").unwrap();
/// assert_eq!(found.at, 12..14);
/// assert!(recognise("nginx.conf".as_ref(), b"rewrite ^/a{2}$ /b;").is_none());
/// ```
pub fn recognise(path: &Path, text: &[u8]) -> Option<Template> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if let Some((_, kind)) = EXTENSIONS.iter().find(|(known, _)| extension.as_deref() == Some(*known)) {
        return Some(Template { kind, at: 0..0, help: RENDER });
    }
    if let Some(found) = page(text) {
        return Some(found);
    }
    let marked = MARKS.iter().filter_map(|(open, close, kind)| {
        let at = mark(text, open, close)?;
        Some(Template { kind, at: at..at + open.len(), help: RENDER })
    });
    marked.min_by_key(|template| template.at.start).or_else(|| manifest(text))
}

/// How pages and programs begin that were saved or fetched in place of a configuration.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"<!doctype", "a page of HTML"),
    (b"<html", "a page of HTML"),
    (b"<?php", "a program in PHP"),
    (b"<?xml", "XML"),
];

fn page(text: &[u8]) -> Option<Template> {
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let begins = |mark: &[u8]| text[start..].get(..mark.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(mark));
    let (mark, kind) = BEGINNINGS.iter().find(|(mark, _)| begins(mark))?;
    let help = "name the configuration itself; one that was fetched is perhaps the page around it";
    Some(Template { kind, at: start..start + mark.len(), help })
}

/// The first place where a mark opens, with something a template would say, and closes on the same line. Every line is looked at
/// once: a text of a hundred megabytes may be one line of nothing but braces.
fn mark(text: &[u8], open: &[u8], close: &[u8]) -> Option<usize> {
    let first = memchr::memmem::find(text, open)?;
    let mut start = memchr::memrchr(b'\n', &text[..first]).map_or(0, |end| end + 1);
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |end| start + end);
        let line = &text[start..end];
        // In a line that `#` begins, in any of these configurations, it is a word about templates.
        if line.trim_ascii_start().first() != Some(&b'#')
            && let Some(last) = memchr::memmem::rfind(line, close)
        {
            let speaks = |at: &usize| {
                let next = line.get(at + open.len());
                let speaks = next.is_some_and(|byte| byte.is_ascii_alphabetic() || b" \t-+=_.$#>\"'".contains(byte));
                speaks && at + open.len() <= last
            };
            if let Some(at) = memchr::memmem::find_iter(line, open).find(speaks) {
                return Some(start + at);
            }
        }
        start = end + 1;
    }
    None
}

/// A manifest of Kubernetes: `apiVersion:` and `kind:` at the beginning of lines.
fn manifest(text: &[u8]) -> Option<Template> {
    let begins =
        |key: &[u8]| memchr::memmem::find_iter(text, key).find(|&at| at == 0 || text.get(at - 1) == Some(&b'\n'));
    let at = begins(b"kind:")?;
    begins(b"apiVersion:")?;
    let line = &text[at..at + memchr::memchr(b'\n', &text[at..]).unwrap_or(text.len() - at)];
    let kind = match memchr::memmem::find(line, b"ConfigMap") {
        Some(_) => "a ConfigMap of Kubernetes",
        None => "a manifest of Kubernetes",
    };
    Some(Template { kind, at: at..at + line.len(), help: UNPACK })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str, text: &str) -> Option<&'static str> {
        recognise(Path::new(path), text.as_bytes()).map(|template| template.kind)
    }

    #[test]
    fn templates_are_told_apart() {
        assert_eq!(kind("nginx.conf.erb", "server {}"), Some("an ERB template"));
        assert_eq!(kind("a.conf", "listen <%= @port %>;"), Some("an ERB template"));
        assert_eq!(kind("a.conf", "{% if tls %}\nlisten 443;\n{% endif %}"), Some("a Jinja or Nunjucks template"));
        assert_eq!(kind("a.conf", "listen {{ .Values.port }};"), Some("a template (Jinja, Nunjucks, Go or Helm)"));
        assert_eq!(kind(".htaccess", "\n<!DOCTYPE html>\n<html>"), Some("a page of HTML"));
        assert_eq!(kind(".htaccess", "<?php\nphpinfo();"), Some("a program in PHP"));
        assert_eq!(kind("a.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n"), Some("a ConfigMap of Kubernetes"));
    }

    #[test]
    fn a_long_line_of_braces_is_looked_at_once() {
        for text in ["{".repeat(3_000_000), "{{ ".repeat(1_000_000), "{{ a }\n".repeat(300_000)] {
            assert_eq!(kind("a.conf", &text), None);
        }
    }

    #[test]
    fn configurations_are_not_templates() {
        for text in [
            "RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=307,L]",
            "RewriteRule ^(.*)$ ${map:${lc:%{HTTP_HOST}}} [R]",
            "location ~ ^/[a-z]{2}/{3}$ { return 307 /x; }",
            "location / { location /a { return 307 /x; }}",
            "# written from {{ template }}\nserver {}",
            "log_format json '{\"a\":{\"b\":\"$uri\"}}';",
        ] {
            assert_eq!(kind("a.conf", text), None, "{text}");
        }
    }
}
