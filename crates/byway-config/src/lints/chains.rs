//! What happens after a rule was followed: the walk that [`super::loops`] and [`super::long_chain`] share.
//!
//! Each rule's own sample is asked, and where its location leads is asked again, until nothing redirects. Most rules lead to a
//! place that no rule takes, which two decisions show; only what goes on is followed as a client would ([`FETCH`]). A location at
//! a host that no source names is somebody else's: nothing is known of it.

use std::collections::{BTreeSet, HashSet};

use byway_core::chain::{Chain, End};
use byway_core::client::{Answer, Asked, FETCH};
use byway_core::condition::{Condition, Test};
use byway_core::follow::to_rest;
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::Action;
use byway_core::ruleset::{RuleRef, Scratch};
use byway_core::target::{Part, What};

use super::proof::{Proof, ask};
use super::{Scene, Seen, Watcher, long_chain, loops, rewrite_loop};
use crate::examples::{Case, Expected};
use crate::sample::{ANY_HOST, sample};
use crate::trials::{Trials, asked};
use crate::written::{Door, STRANGERS};

/// The most conditions on hosts that are kept.
const ASKED_FOR: usize = 64;

/// The walk.
#[derive(Default)]
pub(super) struct Chains {
    scratch: Scratch,
    hosts: HashSet<String>,
    parents: HashSet<String>,
    /// What conditions of other servers' rules ask of the host, where that is not any: who asks for a host is asked at it.
    asked_for: Vec<Test>,
    /// The loops that were reported, by the least of their rules.
    reported: BTreeSet<u32>,
    /// Whether some rules are another server's.
    has_foreign: bool,
    /// Where the servers of other servers' texts listen; nowhere where no text says so.
    listened: HashSet<(Scheme, u16)>,
    /// Whether it is not said of some of them.
    is_unsaid: bool,
}

/// Which ports of a host the rules answer for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    /// All.
    All,
    /// Those where a server of the text listens; the one that was asked where no text says it, and where rules ask for the scheme
    /// both that are usual.
    Listened { asks_scheme: bool },
}

/// A chain that ends elsewhere than after one redirect, with the rules that made it.
pub(super) struct Walked {
    pub(super) chain: Chain,
    pub(super) rules: Vec<RuleRef>,
}

impl Watcher for Chains {
    fn see(&mut self, seen: &Seen<'_>, _scene: &mut Scene<'_, '_>) {
        match &seen.source.host {
            HostPattern::Any => {}
            HostPattern::Exact(host) if self.hosts.contains(host.as_ref()) => {}
            HostPattern::Exact(host) => {
                self.hosts.insert(host.to_string());
            }
            HostPattern::Below(parent) => {
                self.parents.insert(parent.to_string());
            }
        }
    }

    fn end(&mut self, scene: &mut Scene<'_, '_>) {
        let rules = scene.rules;
        for rule in rules.rules() {
            let seen = Seen::of(rule);
            self.has_foreign |= !seen.is_own();
            if !seen.is_own() && self.asked_for.len() < ASKED_FOR {
                self.asked_for.extend(rule.conditions().into_iter().filter(names_host).map(|asks| asks.test));
            }
            if !seen.is_own() || !matches!(seen.action, Action::Redirect { .. }) || !seen.rule.conditions().is_empty() {
                continue;
            }
            if let Some(walked) = self.walk(&seen, scene) {
                self.report(&seen, &walked, scene);
            }
        }
        if self.has_foreign {
            self.try_foreign(scene);
        }
    }
}

impl Chains {
    /// The chain from a rule's sample, where it goes on after the rule.
    fn walk(&mut self, seen: &Seen<'_>, scene: &Scene<'_, '_>) -> Option<Walked> {
        let case = sample(&seen.source)?;
        let (first, rule) = case.decide(scene.rules, scene.now, &mut self.scratch);
        if rule != Some(seen.rule.reference()) {
            return None;
        }
        self.go_on(&case, &first, Ports::All, scene)
    }

    /// What begins at the rules of other servers, which are known by what requests get: one chain for each rule that answers.
    fn try_foreign(&mut self, scene: &mut Scene<'_, '_>) {
        let rules = scene.rules;
        let trials = Trials::of(rules, scene.doors, "x");
        self.learn(scene.doors);
        // Beside lines without a server others may stand that take what they lead to.
        let is_lines = scene.doors.iter().any(|door| !door.is_whole);
        let ports = Ports::Listened { asks_scheme: trials.asks_scheme };
        let (mut begun, mut endless_at) = (BTreeSet::new(), BTreeSet::new());
        for case in trials.cases() {
            let first = ask(&case, scene, &mut self.scratch);
            if let Some(endless) = first.endless.as_ref().filter(|_| first.is_certain) {
                let least = endless.ring.first().map(|rule| rules.rule(*rule).place());
                if least.is_some_and(|place| endless_at.insert((place.file.0, place.line))) {
                    rewrite_loop::report(&case, endless, scene);
                }
            }
            let is_known = first.is_certain && !is_lines;
            let Some(rule) = first.rule.filter(|_| is_known) else { continue };
            let seen = Seen::of(rules.rule(rule));
            // One rule may answer for many paths, some of them for ever.
            if seen.is_own() || begun.contains(&seen.rule.number()) {
                continue;
            }
            if let Some(walked) = self.go_on(&case, &first.answer, ports, scene) {
                begun.insert(seen.rule.number());
                self.report(&seen, &walked, scene);
            }
        }
    }

    fn learn(&mut self, doors: &[Door]) {
        self.is_unsaid = doors.is_empty();
        for door in doors {
            self.is_unsaid |= door.ports.is_empty();
            self.listened.extend(&door.ports);
            self.hosts.extend(door.names.iter().map(|name| name.to_string()));
        }
    }

    /// The chain from a first answer on, where it goes on, and every step of it is certain.
    fn go_on(&mut self, case: &Case, first: &Expected, ports: Ports, scene: &Scene<'_, '_>) -> Option<Walked> {
        let Expected::Redirect { location: Some(location), .. } = first else { return None };
        let next = resolved(case, location)?;
        if !self.is_ours(&next, case, ports) {
            return None;
        }
        let Expected::Redirect { .. } = ask(&next, scene, &mut self.scratch).answer else { return None };
        let start = url_of(case).parse().ok()?;
        let mut made = Vec::new();
        let chain = to_rest(&FETCH, Asked::new("GET", start), |asked| {
            let Some(next) = case_of(asked.url.as_str()) else { return Answer::new(200) };
            // Where it begins, nobody need listen.
            if !made.is_empty() && !self.is_ours(&next, case, ports) {
                return Answer::new(200);
            }
            match ask(&next, scene, &mut self.scratch) {
                Proof { answer: Expected::Redirect { status, location }, rule, is_certain, .. }
                    if is_certain || ports == Ports::All =>
                {
                    made.extend(rule);
                    Answer::redirect(status, location.unwrap_or_default())
                }
                Proof { answer: Expected::Reply(status), .. } => Answer::new(status),
                _ => Answer::new(200),
            }
        });
        Some(Walked { chain, rules: made })
    }

    /// Whether the rules answer for a request: its host is the one that was asked, or a source or a server names it.
    fn is_ours(&self, next: &Case, asked: &Case, ports: Ports) -> bool {
        let host = next.host.as_str();
        let (here, there) = ((asked.scheme, asked.port), (next.scheme, next.port));
        let is_listened = match ports {
            Ports::All => true,
            Ports::Listened { asks_scheme } => {
                let is_usual = asks_scheme && self.listened.is_empty() && there.1 == there.0.default_port();
                self.listened.contains(&there) || self.is_unsaid && (there == here || is_usual)
            }
        };
        let below = || host.match_indices('.').any(|(dot, _)| self.parents.contains(&host[dot + 1..]));
        let is_known = || host == asked.host || self.hosts.contains(host) || below();
        is_listened && (is_known() || self.asked_for.iter().any(|test| fits(test, host)))
    }

    fn report(&mut self, seen: &Seen<'_>, walked: &Walked, scene: &mut Scene<'_, '_>) {
        if let End::Loop { first } = walked.chain.end {
            let rules = scene.rules;
            // What leads into a loop is not part of it.
            let ring = walked.rules.get(first..).unwrap_or_default();
            let least = ring.iter().map(|rule| rules.rule(*rule).number()).min().unwrap_or_default();
            if self.reported.insert(least) {
                loops::report(&walked.chain, ring, scene);
            }
        } else if let End::TooMany { .. } = walked.chain.end {
            // It grows with every round: no address comes twice, and none is the last. What leads there is not part of it.
            let last = walked.rules.last().map(|rule| scene.rules.rule(*rule).number());
            if last.is_some_and(|number| self.reported.insert(number)) {
                loops::report(&walked.chain, &walked.rules[walked.rules.len() - 1..], scene);
            }
        } else if walked.chain.redirects() > byway_core::problem::LONGEST && seen.rule.place().line > 0 {
            // The slash of a folder is nobody's rule.
            long_chain::report(seen, walked, scene);
        }
    }
}

/// Whether a condition wants a host that is named, and not just any.
fn names_host(condition: &Condition) -> bool {
    let is_host = matches!(asked(condition), Some(What::Part(Part::Host | Part::HostField)));
    is_host && !condition.negate && !STRANGERS.iter().any(|host| fits(&condition.test, host))
}

/// Whether a host is what a condition asks for.
fn fits(test: &Test, host: &str) -> bool {
    match test {
        Test::Is(text) => text.eq_ignore_ascii_case(host),
        Test::In(texts) => texts.iter().any(|text| text.eq_ignore_ascii_case(host)),
        Test::Regex(pattern) => pattern.finds(host.as_bytes()).unwrap_or(false),
        Test::Glob(_) | Test::Range(..) | Test::Present => false,
    }
}

/// The URL of a case, as a client writes it.
fn url_of(case: &Case) -> String {
    let port = if case.port == case.scheme.default_port() { String::new() } else { format!(":{}", case.port) };
    let query = case.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}://{}{port}{}{query}", case.scheme.as_str(), case.host, case.path)
}

/// The request for a location, read from where it was sent.
fn resolved(case: &Case, location: &str) -> Option<Case> {
    let location = location.split_once('#').map_or(location, |(location, _)| location);
    if !location.starts_with('/') {
        return case_of(location);
    }
    let (path, query) =
        location.split_once('?').map_or((location, None), |(path, query)| (path, Some(query.to_owned())));
    Some(Case {
        path: path.to_owned(),
        query,
        host: case.host.clone(),
        port: case.port,
        scheme: case.scheme,
        ..Case::get("")
    })
}

fn case_of(url: &str) -> Option<Case> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (scheme, rest) = match url.split_once("://")? {
        ("http", rest) => (Scheme::Http, rest),
        ("https", rest) => (Scheme::Https, rest),
        _ => return None,
    };
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, port) = byway_core::host::split_authority(&rest[..path_at]).ok()?;
    let (path, query) = match rest[path_at..].split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (&rest[path_at..], None),
    };
    let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    Some(Case {
        path,
        query,
        host: host.to_owned(),
        port: port.unwrap_or(scheme.default_port()),
        scheme,
        ..Case::get("")
    })
}

/// How many letters of a step are shown.
const STEP: usize = 80;

/// The requests of a chain as a line: `/a → /b → /a`, with hosts only where one was named.
pub(super) fn line(chain: &Chain) -> String {
    let any = format!("://{ANY_HOST}");
    let short = |url: &str| match url.find(&any) {
        Some(at) => url[at + any.len()..].to_owned(),
        None => url.to_owned(),
    };
    // A path that grows at each step is long by its end.
    let cut = |url: String| match url.char_indices().nth(STEP) {
        Some((end, _)) => format!("{}…", &url[..end]),
        None => url,
    };
    let mut steps: Vec<String> = chain.requests().map(|asked| cut(short(asked.url.as_str()))).collect();
    if steps.len() > 8 {
        let last = steps.split_off(steps.len() - 1);
        steps.truncate(6);
        steps.push("…".to_owned());
        steps.extend(last);
    }
    steps.join(" → ")
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, check};
    use crate::files::MemoryFiles;
    use crate::load::{LoadOptions, load};

    /// The findings of these lints in a text, as `loop 3`: what, and on which line.
    fn found(name: &str, text: &str) -> Vec<String> {
        let files = MemoryFiles::new([(name, text)]);
        let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
        assert!(loaded.rules.is_some(), "{text}\n{:?}", loaded.diagnostics);
        let report = check(&loaded, &files, &CheckOptions::at(1_800_000_000));
        let ours = report.findings.iter().filter(|finding| ["loop", "rewrite-loop"].contains(&finding.code));
        ours.map(|finding| format!("{} {}", finding.code, finding.primary.as_ref().map_or(0, |span| span.line)))
            .collect()
    }

    #[test]
    fn servers_that_send_to_themselves() {
        for (name, text, expected) in [
            (
                "nginx.conf",
                "server {\nlisten 80;\nlisten 443 ssl;\nserver_name a.test;\nreturn 301 https://a.test$request_uri;\n}",
                vec!["loop 5"],
            ),
            (
                "nginx.conf",
                "server {\nlisten 80;\nlisten 443 ssl;\nreturn 301 https://$host$request_uri;\n}",
                vec!["loop 4"],
            ),
            (
                "nginx.conf",
                "server {\nlisten 443 ssl;\nserver_name a.test www.a.test;\nreturn 301 https://www.a.test$request_uri;\n}",
                vec!["loop 4"],
            ),
            (
                "nginx.conf",
                "server {\nlisten 8080;\nserver_name a.test;\nlocation /a { rewrite ^/a(.*) /b$1 permanent; }\nlocation /b { rewrite ^/b(.*) /a$1 permanent; }\n}",
                vec!["loop 4"],
            ),
            (
                "nginx.conf",
                "server {\nlocation /a { rewrite ^ /b; }\nlocation /b { rewrite ^ /a; }\n}",
                vec!["rewrite-loop 2"],
            ),
            (
                "httpd.conf",
                "<VirtualHost *:443>\nServerName a.test\nRedirect 301 / https://a.test/\n</VirtualHost>",
                vec!["loop 3"],
            ),
            (".htaccess", "Redirect /a /a", vec!["loop 1"]),
            (".htaccess", "RewriteEngine On\nRewriteRule ^(.*)$ /$1 [R=301,L]", vec!["loop 2"]),
            (".htaccess", "RewriteEngine On\nRewriteRule ^(.*)$ index.php/$1 [L]", vec!["rewrite-loop 2"]),
            (
                ".htaccess",
                "RewriteEngine On\nRewriteCond %{HTTP_HOST} example\\.com [NC]\nRewriteRule ^(.*)$ http://www.example.com/$1 [R=301,L]",
                vec!["loop 3"],
            ),
            (
                "httpd.conf",
                "<VirtualHost *:80>\nServerName a.test\nRewriteEngine On\nRewriteRule ^/blog/(.*)$ http://b.test/%{LA-U:REMOTE_USER} [R=301,L]\nRewriteRule ^/x$ http://a.test/x [R=301,L]\n</VirtualHost>",
                vec!["loop 5"],
            ),
        ] {
            assert_eq!(found(name, text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_proved_is_not_said() {
        for (name, text) in [
            ("nginx.conf", "server { listen 80; server_name a.test; return 301 https://a.test$request_uri; }"),
            ("nginx.conf", "server { listen 8080; server_name a.test; return 301 http://a.test$request_uri; }"),
            (
                "nginx.conf",
                "server { listen 80; listen 443 ssl; server_name a.test; if ($scheme = http) { return 301 https://a.test$request_uri; } }",
            ),
            (
                "nginx.conf",
                "server { listen 80; listen 443 ssl; server_name a.test; if ($http_x_forwarded_proto != https) { return 301 https://a.test$request_uri; } }",
            ),
            (
                "nginx.conf",
                "server { listen 80; server_name a.test www.a.test; if ($host != a.test) { return 301 http://a.test$request_uri; } }",
            ),
            (
                "nginx.conf",
                "server { listen 80; server_name a.test; if ($cookie_seen = \"\") { return 302 /welcome; } }",
            ),
            ("nginx.conf", "server { listen 80; location / { if (-f $document_root/off) { return 302 /off.html; } } }"),
            ("nginx.conf", "return 301 /new;"),
            ("nginx.conf", "location / { rewrite ^/(.*)$ /index.php?q=$1 last; }"),
            (
                "httpd.conf",
                "<VirtualHost *:80>\nServerName a.test\nRedirect 301 / https://a.test/\n</VirtualHost>\n<VirtualHost *:443>\nServerName a.test\n</VirtualHost>",
            ),
            (
                "httpd.conf",
                "<VirtualHost *:443>\nServerName a.test\nRewriteEngine On\nRewriteCond %{HTTP:X-Forwarded-Proto} !https\nRewriteRule ^ https://a.test%{REQUEST_URI} [R=301,L]\n</VirtualHost>",
            ),
            (".htaccess", "RewriteEngine On\nRewriteRule ^(.*)$ https://example.com/$1 [R=301,L]"),
            (
                ".htaccess",
                "RewriteEngine On\nRewriteCond %{HTTP_HOST} ^www\\.\nRewriteRule ^(.*)$ http://www.example.com/$1 [R=301,L]",
            ),
            (
                ".htaccess",
                "RewriteEngine On\nRewriteCond %{HTTP_HOST} ^old\\.example$\nRewriteRule ^(.*)$ http://new.example/$1 [R=301,L]\nRewriteRule ^a$ http://new.example/a [R=301,L]",
            ),
            (
                ".htaccess",
                "RewriteEngine On\nRewriteCond %{HTTPS} off\nRewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]",
            ),
            (".htaccess", "RewriteEngine On\nRewriteRule (.*) public/$1 [L]"),
            (".htaccess", "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ index.php/$1 [L]"),
            (
                ".htaccess",
                "SetEnvIf Request_URI ^/in/a/folder/ BASE=https://e.test\nRewriteEngine On\nRewriteRule ^(.*)$ %{ENV:BASE}/x [R=303,L]",
            ),
        ] {
            assert!(found(name, text).is_empty(), "{text}: {:?}", found(name, text));
        }
    }
}
