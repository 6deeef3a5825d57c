//! Virtual hosts: the first whose name or alias fits, else the first of its port.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, APACHE_MAP, EncodedSlash, apache_slashes};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::Action;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::target::{Part, What};

use super::lower::{Lowering, any, no_span, path_piece};
use super::site::Server;

/// A condition that a part of the request is this text.
fn asks(part: Part, text: String) -> Option<Condition> {
    Condition::new(Subject::Text(vec![path_piece(What::Part(part))]), Test::Is(text), false).ok()
}

impl Lowering<'_, '_> {
    /// The first whose name or alias fits, else the first of its port.
    pub(super) fn virtual_hosts(&mut self, main: &Server, hosts: &[Server]) {
        // What one of them lets through, no table before it may refuse.
        let lets =
            hosts.iter().chain([main]).filter_map(|host| host.slashes).find(|slash| *slash != EncodedSlash::NotFound);
        // Where a server sends people away who ask for `%2F`, no table before it may refuse them either.
        let sends =
            hosts.iter().chain([main]).any(|host| matches!(host.own.errors.get(&404), Some(Some(url)) if !url.is_page));
        let row = match sends {
            true => &APACHE_MAP,
            false => apache_slashes(&APACHE, lets.unwrap_or(EncodedSlash::NotFound)),
        };
        let ports = self.table(row, Order::Listed, "");
        self.reading.root(ports);
        let mut groups: BTreeMap<Option<u16>, Vec<usize>> = BTreeMap::new();
        let has_ports: BTreeSet<u16> = hosts.iter().flat_map(|host| host.ports.iter().copied()).collect();
        // One port says nothing, but to those who write the rules elsewhere: they want one that is no scheme's own.
        let one_port = has_ports.len() <= 1
            && (!self.reading.is_for_writing() || has_ports.iter().all(|port| matches!(port, 80 | 443)));
        for (at, host) in hosts.iter().enumerate() {
            match host.ports.as_slice() {
                [] => {
                    groups.entry(None).or_default().push(at);
                }
                _ if one_port => groups.entry(None).or_default().push(at),
                list => list.iter().for_each(|port| groups.entry(Some(*port)).or_default().push(at)),
            }
        }
        let everywhere = groups.get(&None).cloned().unwrap_or_default();
        let mut choices = Vec::new();
        for (port, members) in &groups {
            let mut members: Vec<usize> =
                members.iter().chain(port.iter().flat_map(|_| &everywhere)).copied().collect();
            members.sort_unstable();
            let names = self.table(row, Order::Specific, "");
            let globs = self.table(row, Order::Listed, "");
            self.reading.set_after(names, After::Table(globs));
            choices.push((*port, names, globs, members));
        }
        let starts: Vec<TableId> = hosts.iter().map(|host| self.server(host, Some(main))).collect();
        for (port, names, globs, members) in &choices {
            // httpd looks at the port that it was asked on, whatever the Host field says.
            let listens = port.and_then(|port| asks(Part::LocalPort, port.to_string()));
            self.push(ports, any(), listens.as_slice(), Action::Enter(*names), &no_span());
            self.choice(*names, *globs, members, hosts, &starts);
        }
        // A port that no virtual host names: the scheme says which are meant.
        for (port, scheme) in [(443, Scheme::Https), (80, Scheme::Http)] {
            if let Some((_, names, _, _)) = choices.iter().find(|choice| choice.0 == Some(port)) {
                let scheme = asks(Part::Scheme, scheme.as_str().to_owned());
                self.push(ports, any(), scheme.as_slice(), Action::Enter(*names), &no_span());
            }
        }
        if let Some((_, names, _, _)) = choices.first() {
            self.push(ports, any(), &[], Action::Enter(*names), &no_span());
        }
    }

    fn choice(&mut self, names: TableId, globs: TableId, members: &[usize], hosts: &[Server], starts: &[TableId]) {
        let is_glob = |name: &str| name.contains(['*', '?']);
        let all = |at: usize| {
            let host: &Server = &hosts[at];
            host.name
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(host.aliases.iter().map(String::as_str))
                .collect::<Vec<_>>()
        };
        let mut taken = BTreeSet::new();
        let mut earlier: Vec<(String, usize)> = Vec::new();
        for &at in members {
            for name in all(at) {
                if is_glob(name) {
                    earlier.push((name.to_owned(), at));
                } else if taken.insert(name.to_owned())
                    && let Ok(host) = HostPattern::parse(name)
                {
                    // A wildcard of a virtual host before this one comes first.
                    let first = earlier.iter().find(|(glob, _)| fits(glob, name)).map_or(at, |(_, at)| *at);
                    let mut source = any();
                    source.host = host;
                    self.push(names, source, &[], Action::Enter(starts[first]), &no_span());
                }
            }
        }
        for (glob, at) in &earlier {
            let host = Subject::Text(vec![path_piece(What::Part(Part::Host))]);
            if let Ok(condition) = Condition::new(host, Test::Glob(glob.clone()), false) {
                self.push(globs, any(), &[condition], Action::Enter(starts[*at]), &no_span());
            }
        }
        if let Some(first) = members.first() {
            self.push(globs, any(), &[], Action::Enter(starts[*first]), &no_span());
        }
    }
}

/// Whether a name fits one with `*` and `?`.
pub(super) fn fits(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut g, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(&b) if b == b'?' || b == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    g = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|b| *b == b'*')
}
