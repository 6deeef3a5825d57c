//! Virtual hosts: the first whose name or alias fits, else the first of its port.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, APACHE_MAP, EncodedSlash, apache_slashes};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::Action;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::target::{Part, What};

use super::lower::{Lowering, any, no_span, path_piece};
use super::site::Server;
use crate::diagnostic::Severity;

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
        let sends = hosts.iter().chain([main]).any(|host| matches!(host.own.errors.get(&404), Some(Some(_))));
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
        let mut hidden = BTreeSet::new();
        for (port, names, globs, members) in &choices {
            // httpd looks at the port that it was asked on, whatever the Host field says.
            let listens = port.and_then(|port| asks(Part::LocalPort, port.to_string()));
            self.push(ports, any(), listens.as_slice(), Action::Enter(*names), &no_span());
            hidden.extend(self.choice(*names, *globs, members, hosts, &starts));
        }
        for (name, at, before) in hidden {
            self.is_hidden(&name, &hosts[at], &hosts[before]);
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

    /// Fills the tables of one port, and gives the names that a virtual host before takes away: which, of whom, and who.
    fn choice(
        &mut self,
        names: TableId,
        globs: TableId,
        members: &[usize],
        hosts: &[Server],
        starts: &[TableId],
    ) -> Vec<(String, usize, usize)> {
        let is_glob = |name: &str| name.contains(['*', '?']);
        let all = |at: usize| {
            let host: &Server = &hosts[at];
            host.name
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(host.aliases.iter().map(String::as_str))
                .collect::<Vec<_>>()
        };
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut hidden: Vec<(String, usize, usize)> = Vec::new();
        let mut earlier = Globs::default();
        for &at in members {
            for name in all(at) {
                if is_glob(name) {
                    earlier.push(name.to_owned(), at);
                } else if let Some(owner) = taken.get(name) {
                    hidden.push((name.to_owned(), at, *owner));
                } else if let Ok(host) = HostPattern::parse(name) {
                    // A wildcard of a virtual host before this one comes first.
                    let first = earlier.first(name).unwrap_or(at);
                    taken.insert(name.to_owned(), first);
                    if first != at {
                        hidden.push((name.to_owned(), at, first));
                    }
                    let mut source = any();
                    source.host = host;
                    self.push(names, source, &[], Action::Enter(starts[first]), &no_span());
                }
            }
        }
        for (glob, at) in &earlier.all {
            let host = Subject::Text(vec![path_piece(What::Part(Part::Host))]);
            if let Ok(condition) = Condition::new(host, Test::Glob(glob.clone()), false) {
                self.push(globs, any(), &[condition], Action::Enter(starts[*at]), &no_span());
            }
        }
        if let Some(first) = members.first() {
            self.push(globs, any(), &[], Action::Enter(starts[*first]), &no_span());
        }
        hidden.retain(|(_, at, before)| at != before);
        hidden
    }
}

impl Lowering<'_, '_> {
    /// Says that a virtual host never gets the requests for one of its names.
    fn is_hidden(&mut self, name: &str, host: &Server, before: &Server) {
        let (Some(span), Some(other)) = (&host.span, &before.span) else { return };
        let other = self.reading.place_of(other);
        let what = format!("`{name}` is taken by the virtual host in {other}: requests for it never come here");
        let is_name = host.name.as_ref().is_some_and(|(own, _)| own == name);
        let severity = if is_name { Severity::Warning } else { Severity::Note };
        self.reading.say_often(span, severity, "hidden-host", || {
            (what, Some("take the name out of one of the two, or let this one stand first".to_owned()))
        });
    }
}

/// Names with `*` and `?`, each with the virtual host that it stands in, as they stand.
#[derive(Default)]
struct Globs {
    all: Vec<(String, usize)>,
    /// Where the first `*.parent` stands, by its parent: most are of this kind, and there may be thousands.
    below: HashMap<String, usize>,
    others: Vec<usize>,
}

impl Globs {
    fn push(&mut self, glob: String, host: usize) {
        match glob.strip_prefix("*.").filter(|parent| !parent.contains(['*', '?'])) {
            Some(parent) => {
                self.below.entry(parent.to_owned()).or_insert(self.all.len());
            }
            None => self.others.push(self.all.len()),
        }
        self.all.push((glob, host));
    }

    /// The virtual host of the first that a name fits.
    fn first(&self, name: &str) -> Option<usize> {
        let below = name.match_indices('.').filter_map(|(dot, _)| self.below.get(&name[dot + 1..]).copied());
        let other = self.others.iter().copied().find(|at| fits(&self.all[*at].0, name));
        below.chain(other).min().map(|at| self.all[at].1)
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
