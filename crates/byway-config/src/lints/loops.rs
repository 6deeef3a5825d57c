//! `loop`: rules that lead back to where they began.

use byway_core::chain::Chain;
use byway_core::ruleset::{RuleRef, RuleView};

use super::chains::line;
use super::{Lint, Scene};
use crate::diagnostic::{Diagnostic, Severity};

/// How many rules of one loop are shown.
pub(super) const SHOWN: usize = 4;

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "loop",
    severity: Severity::Error,
    summary: "rules that lead back to where they began",
    page: r#"# loop

Following the rules leads to an address that was asked before, or to ever new ones. Browsers give up after twenty redirects and show an
error page; a POST sent by 307 is sent twenty times.

Rules of nginx and Apache are asked as a whole, at the hosts and ports of their servers: a server that sends everybody to https and
listens there itself sends for ever. What hangs on a cookie, an address, a file, or a field that only a proxy adds, as
`X-Forwarded-Proto`, shows nothing.

## Example

```toml
[[redirect]]
from = "/a"
to = "/b"

[[redirect]]
from = "/b"
to = "/a"
```

```nginx
server {
    listen 80;
    server_name example.com www.example.com;
    return 301 http://www.example.com$request_uri;
}
```

```apache
<VirtualHost *:443>
    ServerName example.com
    Redirect 301 / https://example.com/
</VirtualHost>
```

```htaccess
RewriteEngine On
RewriteRule ^(.*)$ /$1 [R=301,L]
```

## Instead

```toml
[[redirect]]
from = "/a"
to = "/b"
```

```nginx
server {
    listen 80;
    server_name example.com;
    return 301 http://www.example.com$request_uri;
}
server {
    listen 80;
    server_name www.example.com;
}
```

```apache
<VirtualHost *:80>
    ServerName example.com
    Redirect 301 / https://example.com/
</VirtualHost>
```

```htaccess
RewriteEngine On
RewriteCond %{HTTPS} off
RewriteRule ^(.*)$ https://%{HTTP_HOST}/$1 [R=301,L]
```
"#,
};

pub(super) fn report(chain: &Chain, ring: &[RuleRef], scene: &mut Scene<'_, '_>) {
    let rules = scene.rules;
    let views = || ring.iter().map(|rule| rules.rule(*rule));
    // What a reader made up, as the slash of a folder, stands on no line.
    let Some(first) = views().find(|view| view.place().line > 0).or_else(|| views().next()) else { return };
    scene.report(&LINT, &first, |locator| {
        let mut diagnostic = Diagnostic::error(LINT.name, format!("this never ends: {}", line(chain)));
        let mut spans = ring.iter().take(SHOWN).filter_map(|rule| locator.source(&rules.rule(*rule)));
        diagnostic.primary = spans.next();
        let here = diagnostic.primary.clone();
        for span in spans.filter(|span| Some(span) != here.as_ref()) {
            diagnostic = diagnostic.also(span, "then this");
        }
        diagnostic.help(help(chain, ring, &first))
    });
}

/// Whether all URLs have the same path.
fn is_one_path(urls: &[&str]) -> bool {
    let path = |url: &str| url.split('/').skip(3).collect::<Vec<_>>().join("/");
    urls.windows(2).all(|pair| path(pair[0]) == path(pair[1]))
}

/// What to do; an upgrade to https that is asked there again has a name.
fn help(chain: &Chain, ring: &[RuleRef], first: &RuleView<'_>) -> &'static str {
    let urls: Vec<&str> = chain.requests().map(|asked| asked.url.as_str()).collect();
    let is_https = |url: &&&str| url.starts_with("https://");
    let is_upgrade = ring.len() == 1 && urls.iter().rev().take(2).filter(is_https).count() == 2 && is_one_path(&urls);
    match first.dialect().name {
        name if is_upgrade && name.starts_with("nginx") => {
            "let a `server` of its own listen on port 80 and send to https, or send only from there: `if ($scheme = http)`"
        }
        name if is_upgrade && name.starts_with("apache") => {
            "write it into `<VirtualHost *:80>`, or send only from there: `RewriteCond %{HTTPS} off`"
        }
        _ => "take one of these rules out, or send it to a place that no rule takes",
    }
}
