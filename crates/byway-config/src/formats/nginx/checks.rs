//! What nginx refuses of blocks and directives that are right in themselves: twice the same, or in the wrong place.
//!
//! The messages are nginx's own. Only what decides redirects is looked at; the rest is passed over elsewhere.

use std::collections::HashSet;

use super::faults;
use super::lex::Word;
use super::model::{Found, Location, Model};
use super::tree::{Body, Directive, Tree};
use crate::foreign::Reading;

/// Directives that take one value for each block.
const ONCE: [&str; 8] = [
    "absolute_redirect",
    "port_in_redirect",
    "server_name_in_redirect",
    "merge_slashes",
    "root",
    "alias",
    "try_files",
    "recursive_error_pages",
];

/// Looks at a configuration.
pub(super) fn check(tree: &Tree, model: &Model, reading: &mut Reading<'_>) {
    let mut checks = Checks { tree, reading };
    checks.block(&tree.directives);
    for server in &model.servers {
        checks.locations(&server.locations, None);
    }
}

struct Checks<'t, 'r, 'l> {
    tree: &'t Tree,
    reading: &'r mut Reading<'l>,
}

impl Checks<'_, '_, '_> {
    fn fault(&mut self, word: Word, message: String) {
        let span = self.tree.span(word);
        self.reading.say(faults::syntax(message, span));
    }

    fn block(&mut self, directives: &[Directive]) {
        let mut seen = HashSet::new();
        for directive in directives {
            let name = self.tree.str(directive.name).into_owned();
            if ONCE.contains(&name.as_str()) && !seen.insert(name.clone()) {
                self.fault(directive.name, format!("\"{name}\" directive is duplicate"));
            }
            if name == "server"
                && let Body::Block(inside) = &directive.body
            {
                self.listens(inside);
            }
            // Blocks stand in one another no deeper than the tree lets them.
            if let Body::Block(inside) = &directive.body {
                self.block(inside);
            }
        }
    }

    fn listens(&mut self, directives: &[Directive]) {
        let mut seen = HashSet::new();
        for directive in directives.iter().filter(|one| *self.tree.word(one.name) == *b"listen") {
            let Some(&address) = directive.args.first() else { continue };
            let text = self.tree.str(address).into_owned();
            if !seen.insert(text.clone()) {
                let shown =
                    if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("0.0.0.0:{text}") } else { text };
                self.fault(directive.name, format!("a duplicate listen {shown}"));
            }
            for &word in &directive.args[1..] {
                let option = self.tree.str(word).into_owned();
                if !is_listen_option(option.split('=').next().unwrap_or_default()) {
                    self.fault(word, format!("invalid parameter \"{option}\""));
                }
            }
        }
    }

    fn locations(&mut self, locations: &[Location], around: Option<&Location>) {
        let mut seen = HashSet::new();
        for location in locations {
            let (name, kind) = match &location.found {
                Found::Exact(path) => (path.clone(), 0),
                Found::Prefix { prefix, .. } => (prefix.clone(), 1),
                Found::Named(name) => {
                    if around.is_some() {
                        let message = format!("named location \"@{name}\" can be on the server level only");
                        self.fault(location.word, message);
                    }
                    self.locations(&location.locations, Some(location));
                    continue;
                }
                Found::Regex(_) => {
                    self.inside(location, around);
                    self.locations(&location.locations, Some(location));
                    continue;
                }
            };
            let shown = String::from_utf8_lossy(&name).into_owned();
            if !seen.insert((name, kind)) {
                self.fault(location.word, format!("duplicate location \"{shown}\""));
            }
            self.inside(location, around);
            self.locations(&location.locations, Some(location));
        }
    }

    /// A location in a location: what the outer one lets in.
    fn inside(&mut self, location: &Location, around: Option<&Location>) {
        let Some(around) = around else { return };
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let inner = match &location.found {
            Found::Exact(path) => Some(path.as_slice()),
            Found::Prefix { prefix, .. } => Some(prefix.as_slice()),
            _ => None,
        };
        let named = inner.map_or_else(|| "~".to_owned(), shown);
        match (&around.found, inner) {
            (Found::Exact(outer), _) => {
                let message = format!("location \"{named}\" cannot be inside the exact location \"{}\"", shown(outer));
                self.fault(location.word, message);
            }
            (Found::Named(outer), _) => {
                let message = format!("location \"{named}\" cannot be inside the named location \"@{outer}\"");
                self.fault(location.word, message);
            }
            (Found::Prefix { prefix, .. }, Some(inner)) if !inner.starts_with(prefix) => {
                self.fault(location.word, format!("location \"{named}\" is outside location \"{}\"", shown(prefix)));
            }
            _ => {}
        }
    }
}

/// What may follow the address of a `listen`.
fn is_listen_option(name: &str) -> bool {
    matches!(
        name,
        "default_server"
            | "default"
            | "ssl"
            | "http2"
            | "spdy"
            | "quic"
            | "http3"
            | "proxy_protocol"
            | "setfib"
            | "fastopen"
            | "backlog"
            | "rcvbuf"
            | "sndbuf"
            | "accept_filter"
            | "deferred"
            | "bind"
            | "ipv6only"
            | "reuseport"
            | "so_keepalive"
            | "multipath"
    )
}
