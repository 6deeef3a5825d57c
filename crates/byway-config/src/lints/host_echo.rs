//! `host-echo`: the host of the request is sent back as the host of the location.

use byway_core::rule::Action;
use byway_core::target::TargetHost;

use super::{Lint, Scene, Seen, Targets, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::written::{Hosts, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "host-echo",
    severity: Severity::Note,
    summary: "the host of the request is sent back as the host of the location",
    page: r#"# host-echo

`{host}` is the whole host of the target, or nginx's `$host` and `$http_host`, or Apache's `%{HTTP_HOST}` are, or what a pattern took
out of them (`$1`, `%1`). That is how upgrades to
https for many hosts are written, and it is safe where the server in front refuses unknown hosts. Where any Host is let through, a
shared cache may be given a location of the attacker's choice. Of other servers' files it is said only where any Host comes to the
rule: in the server that takes those that none names.

## Example

```toml
[[redirect]]
from = "http://*/*"
to = "https://{host}/*"
```

```nginx
server {
    listen 80 default_server;
    server_name www.example.com;
    return 301 https://$host$request_uri;
}
```

```apache
<VirtualHost *:80>
    ServerName www.example.com
    RewriteEngine On
    RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=308,L]
</VirtualHost>
```

## Instead

```toml
[[redirect]]
from = "http://www.example.com/*"
to = "https://www.example.com/*"
```

```nginx
server {
    listen 80 default_server;
    server_name www.example.com;
    return 301 https://www.example.com$request_uri;
}
```

```apache
<VirtualHost *:80>
    ServerName www.example.com
    RewriteEngine On
    RewriteRule ^ https://www.example.com%{REQUEST_URI} [R=308,L]
</VirtualHost>
```
"#,
};

pub(super) struct HostEcho;

impl Watcher for HostEcho {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Action::Redirect { target, .. } = &seen.action else { return };
        // What the texts of other servers write is seen where it is written: there a path alone is sent with the host as well.
        if scene.targets == Targets::Listed || !seen.is_own() {
            return;
        }
        if target.host() == TargetHost::FromRequest {
            scene.report(&LINT, &seen.rule, |locator| {
                let parts = locator.parts(&seen.rule);
                let mut diagnostic = Diagnostic::note(LINT.name, "the location names whatever host was asked for")
                    .help("name the hosts, or make sure that unknown ones are refused in front");
                diagnostic.primary = parts.target.or(parts.source);
                diagnostic
            });
        }
    }

    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        let (Hosts::Any(why), Some(_)) = (&written.hosts, written.answers) else { return };
        let Some(name) = echoed(&written.target.text, &written.echoes).filter(|_| scene.targets == Targets::Anywhere)
        else {
            return;
        };
        scene.report_written(&LINT, written, || {
            let what = format!("the client chooses the host of this location: `{name}` is what it writes, and {why}");
            Diagnostic::note(LINT.name, what)
                .at(written.place(&written.target))
                .help("name the host, or let a server before this one refuse hosts that none names")
        });
    }
}

/// The variable with the request's host, or with a part of it, that stands where a target has its host.
fn echoed<'w>(target: &str, echoes: &'w [Box<str>]) -> Option<&'w str> {
    let (_, behind) = target.split_once("://")?;
    let authority = &behind[..behind.find('/').unwrap_or(behind.len())];
    let names = ["$http_host", "${http_host}", "$host", "${host}", "%{HTTP_HOST}", "%{SERVER_NAME}"];
    names.into_iter().chain(echoes.iter().map(|name| &**name)).find(|name| {
        let goes_on = |rest: &str| rest.starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_');
        // A name without braces ends where no letter of a name follows: `$hostname` is another one.
        authority.strip_prefix(name).is_some_and(|rest| name.ends_with('}') || !goes_on(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::echoed;

    #[test]
    fn only_the_beginning_of_a_host_is_the_clients() {
        assert_eq!(echoed("https://$host$request_uri", &[]), Some("$host"));
        assert_eq!(echoed("$scheme://$http_host/x", &[]), Some("$http_host"));
        assert_eq!(echoed("https://%{HTTP_HOST}/$1", &[]), Some("%{HTTP_HOST}"));
        assert_eq!(echoed("https://${host}x/", &[]), Some("${host}"));
        assert_eq!(echoed("https://$host_b/", &[]), None);
        assert_eq!(echoed("https://$hostname/", &[]), None);
        assert_eq!(echoed("https://www.$host/", &[]), None);
        assert_eq!(echoed("https://example.com/$host", &[]), None);
        assert_eq!(echoed("/x", &[]), None);
        assert_eq!(echoed("https://$bare/", &["$bare".into()]), Some("$bare"));
        assert_eq!(echoed("https://%1/x", &["%1".into()]), Some("%1"));
    }
}
