//! What nginx refuses of `listen` lines that are right in themselves: twice the same, or with an option that there is not.
//!
//! The messages are nginx's own. What it refuses of locations and settings is said where these are read.

use std::collections::HashSet;

use super::faults;
use super::lex::Word;
use super::tree::{Body, Directive, Tree};
use crate::foreign::Reading;

/// Looks at a configuration.
pub(super) fn check(tree: &Tree, reading: &mut Reading<'_>) {
    Checks { tree, reading }.block(&tree.directives);
}

struct Checks<'t, 'r, 'l> {
    tree: &'t Tree,
    reading: &'r mut Reading<'l>,
}

impl Checks<'_, '_, '_> {
    fn fault(&mut self, word: Word, message: String) {
        let span = self.tree.span(word);
        self.reading.say_mistake(faults::syntax(message, span));
    }

    fn block(&mut self, directives: &[Directive]) {
        for directive in directives {
            let Body::Block(inside) = &directive.body else { continue };
            if *self.tree.word(directive.name) == *b"server" {
                self.listens(inside);
            }
            // Blocks stand in one another no deeper than the tree lets them.
            self.block(inside);
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
