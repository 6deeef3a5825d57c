//! Servers: one for each host and each place where it listens, and then one for all that say the same.
//!
//! nginx sends requests for hosts without a server to the first that listens there, so that the one for any host stands first. What
//! a server of a host would say in the same words as that one, or as another, is said once.

use std::collections::BTreeSet;
use std::fmt::Write;

use byway_core::host::HostPattern;
use byway_core::request::Scheme;

use super::rule::Said;
use super::{Output, lists, places};
use crate::written::Door;

/// Where servers listen, and what is spoken there.
pub(super) struct Listens {
    scheme: Scheme,
    ports: Vec<u16>,
    /// Whether they are no scheme's own: what is for a scheme is then for its port.
    is_other: bool,
}

impl Listens {
    /// Whether a rule is for requests that come in there.
    pub(super) fn takes(&self, rule: &Said<'_>) -> bool {
        match (self.is_other, rule.port) {
            (true, Some(port)) => self.ports.contains(&port),
            (true, None) => rule.scheme.is_none(),
            (false, Some(_)) => false,
            (false, None) => rule.scheme.is_none_or(|own| own == self.scheme),
        }
    }
}

/// Where the servers for these rules listen: where rules tell the schemes apart, what is for both is asked under each.
pub(super) fn listens(all: &[&Said<'_>], doors: &[Door]) -> Vec<Listens> {
    let mut out = Vec::new();
    let said: BTreeSet<u16> = doors.iter().flat_map(|door| door.ports.iter().map(|(_, port)| *port)).collect();
    let usual: Vec<u16> = said.into_iter().filter(|port| matches!(port, 80 | 443)).collect();
    let is_open = all.is_empty() || all.iter().any(|rule| rule.port.is_none());
    match all.iter().any(|rule| rule.scheme.is_some()) {
        // Servers that listen elsewhere alone have nothing here.
        _ if !is_open => {}
        true => {
            let is_there = |scheme: &Scheme| usual.is_empty() || usual.contains(&scheme.default_port());
            let of = |scheme: Scheme| Listens { scheme, ports: vec![scheme.default_port()], is_other: false };
            out.extend([Scheme::Http, Scheme::Https].into_iter().filter(is_there).map(of));
        }
        false if usual.is_empty() => out.push(Listens { scheme: Scheme::Http, ports: vec![80], is_other: false }),
        false => {
            let scheme = if usual.contains(&80) { Scheme::Http } else { Scheme::Https };
            out.push(Listens { scheme, ports: usual, is_other: false });
        }
    }
    let ports: BTreeSet<u16> = all.iter().filter_map(|rule| rule.port).collect();
    let others = ports.into_iter().map(|port| Listens { scheme: Scheme::Http, ports: vec![port], is_other: true });
    out.extend(others);
    out
}

/// A server that is to be written.
#[derive(Debug)]
struct Server {
    ports: Vec<u16>,
    /// Whether it is for hosts that no server names.
    is_default: bool,
    /// Whether that must be said, as it was where it was read, or because it names no host.
    says_so: bool,
    names: Vec<String>,
    /// What stands over it.
    comment: Option<&'static str>,
    text: String,
}

/// The servers, in their order.
#[derive(Default)]
pub(super) struct Servers(Vec<Server>);

const STRANGERS: &str = "Hosts that no rule is for.";

impl Servers {
    /// Adds the server of a host.
    pub(super) fn add(
        &mut self,
        host: &HostPattern<'_>,
        listens: &Listens,
        rules: &[&Said<'_>],
        doors: &[Door],
        output: &mut Output,
    ) {
        let is_default = *host == HostPattern::Any;
        let ports = listens.ports.clone();
        if rules.is_empty() {
            if is_default {
                let text = "    return 404;\n".to_owned();
                let comment = Some(STRANGERS);
                self.0.push(Server { ports, is_default, says_so: false, names: Vec::new(), comment, text });
            }
            return;
        }
        let names = match host {
            HostPattern::Any => names_of(&ports, doors),
            host => vec![host.to_string()],
        };
        let mut text = String::new();
        if rules.iter().any(|rule| rule.is_relative()) {
            text.push_str("    absolute_redirect off;\n");
        }
        if rules.iter().any(|rule| rule.is_without_port()) {
            text.push_str("    port_in_redirect off;\n");
        }
        if rules.iter().any(|rule| rule.is_apart) {
            text.push_str("    merge_slashes off;\n");
        }
        let listed = lists::taken(rules, host, output, &mut text);
        places::write(rules, &listed, host, listens.scheme, output, &mut text);
        let says_so = is_default && doors.iter().any(|door| ports.iter().any(|port| door.defaults.contains(port)));
        self.0.push(Server { ports, is_default, says_so, names, comment: None, text });
    }

    /// Writes them, what is the same once.
    pub(super) fn write(self, out: &mut String) {
        let all = self.0;
        let named: BTreeSet<String> =
            all.iter().filter(|server| !server.is_default).flat_map(|server| server.names.clone()).collect();
        let mut joined: Vec<Server> = Vec::new();
        // Those for any host stand first, and take what would be said in the same words of a host.
        let (defaults, others): (Vec<Server>, Vec<Server>) = all.into_iter().partition(|server| server.is_default);
        for mut server in defaults.into_iter().chain(others) {
            if server.is_default {
                server.names.retain(|name| !named.contains(name));
            }
            let is_same = |other: &&mut Server| other.ports == server.ports && other.text == server.text;
            match joined.iter_mut().find(is_same) {
                Some(other) => other.names.append(&mut server.names),
                None => joined.push(server),
            }
        }
        let mut all: Vec<Server> = Vec::new();
        for mut server in joined {
            let is_same = |other: &&mut Server| {
                other.is_default == server.is_default
                    && other.says_so == server.says_so
                    && other.names == server.names
                    && other.text == server.text
            };
            match all.iter_mut().find(is_same) {
                Some(other) => other.ports.append(&mut server.ports),
                None => all.push(server),
            }
        }
        all.iter().for_each(|server| server.write(out));
    }
}

/// The hosts that the servers of another text name for a port.
fn names_of(ports: &[u16], doors: &[Door]) -> Vec<String> {
    let is_there = |door: &&Door| door.ports.is_empty() || door.ports.iter().any(|(_, port)| ports.contains(port));
    let mut out: Vec<String> = Vec::new();
    for name in doors.iter().filter(is_there).flat_map(|door| &door.names) {
        if !out.iter().any(|known| **known == **name) {
            out.push(name.to_string());
        }
    }
    out
}

impl Server {
    fn write(&self, out: &mut String) {
        out.push('\n');
        if let Some(comment) = self.comment {
            _ = writeln!(out, "# {comment}");
        }
        out.push_str("server {\n");
        let is_said = self.is_default && (self.names.is_empty() || self.says_so);
        let default = if is_said { " default_server" } else { "" };
        for port in &self.ports {
            _ = writeln!(out, "    listen {port}{};", if self.comment.is_some() { "" } else { default });
        }
        let names = if self.names.is_empty() { "_".to_owned() } else { self.names.join(" ") };
        _ = writeln!(out, "    server_name {names};");
        out.push_str(&self.text);
        out.push_str("}\n");
    }
}
