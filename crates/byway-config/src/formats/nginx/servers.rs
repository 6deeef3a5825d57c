//! Which server answers: by the port that a request came in on, then by its host.
//!
//! Ports are a table of conditions, made only where they have different servers; hosts a table for each group of servers, with
//! exact names and open beginnings in its index and open ends and patterns behind. Who is alone is entered at once.

use std::collections::{HashMap, HashSet};

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::{self, LetterCase};
use byway_core::host::HostPattern;
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::target::{Part, What};

use super::faults;
use super::groups::Digits;
use super::lex::Word;
use super::lower::{HTTPS, Lower, METHOD, any, asks, go, piece};
use super::model::{Model, Port};
use super::pcre::Regex;
use super::tree::{Body, Directive, Tree};
use crate::diagnostic::{Diagnostic, grouped};
use crate::span::Span;

/// How many ports are named where the servers' ports are.
const PORTS_SHOWN: usize = 12;

/// Who answers at a port: the servers that listen there, in their order, and the one for hosts that none names.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Who {
    servers: Vec<usize>,
    default: usize,
}

/// A port, and who answers there.
#[derive(Debug)]
struct Group {
    port: Port,
    who: Who,
}

/// The ports in the order in which the text has them, gone through once: some configurations have a server for each of thousands.
fn groups(model: &Model) -> Vec<Group> {
    let unsaid = [(Port { number: 80, is_tls: false }, false)];
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<u16, usize> = HashMap::new();
    let mut has_default: HashSet<u16> = HashSet::new();
    for (at, server) in model.servers.iter().enumerate() {
        let listens = if server.ports.is_empty() { &unsaid[..] } else { &server.ports };
        for &(port, is_default) in listens {
            let place = *places.entry(port.number).or_insert_with(|| {
                groups.push(Group { port, who: Who { servers: Vec::new(), default: at } });
                groups.len() - 1
            });
            let who = &mut groups[place].who;
            // What a server says first of a port holds.
            if who.servers.last() == Some(&at) {
                continue;
            }
            who.servers.push(at);
            if is_default && has_default.insert(port.number) {
                who.default = at;
            }
        }
    }
    groups
}

impl<'t> Lower<'t, '_, '_> {
    /// Makes the tables that choose, and those of all servers.
    pub(super) fn servers(&mut self) {
        let model = self.model;
        let groups = groups(model);
        if groups.is_empty() {
            return;
        }
        if groups.len() > 1 {
            self.say_ports(&groups);
        }
        let prelude = self.prelude();
        // Who writes the rules elsewhere wants to know of a port that is no scheme's own.
        let keeps_ports =
            self.reading.is_for_writing() && groups.iter().any(|group| !matches!(group.port.number, 80 | 443));
        // Who is alone answers for every host and port: nothing is chosen.
        if let [server] = model.servers.as_slice()
            && !keeps_ports
            && !server.names.iter().any(|&name| self.tree.word(name).first() == Some(&b'~'))
        {
            let (entry, _) = self.server(server, server.scope.merges);
            return self.begin(prelude, entry);
        }
        // Ports with the same servers need no choice between them, and those with others do.
        let is_alike = |group: &Group| groups[0].who == group.who;
        // Tables that look at no path refuse none: that is for the server that is chosen.
        let chooser =
            (keeps_ports || !groups.iter().all(is_alike)).then(|| self.table(&dialect::NGINX_MAP, Order::Listed));
        let mut hosts: Vec<(&Who, TableId)> = Vec::new();
        let mut tables: HashMap<&Who, TableId> = HashMap::new();
        for Group { who, .. } in &groups {
            if !tables.contains_key(who) {
                let table = self.table(&dialect::NGINX_MAP, Order::Specific);
                tables.insert(who, table);
                hosts.push((who, table));
            }
        }
        self.begin(prelude, chooser.unwrap_or(hosts[0].1));
        if let Some(chooser) = chooser {
            self.choose(chooser, &groups, &tables);
        }
        let mut entries: HashMap<(usize, bool), (TableId, Digits)> = HashMap::new();
        for (Who { servers, default }, table) in hosts {
            let (merges, default) = (model.servers[*default].scope.merges, *default);
            for &at in servers {
                entries.entry((at, merges)).or_insert_with(|| self.server(&model.servers[at], merges));
            }
            self.hosts(table, servers, default, &|at| entries[&(at, merges)]);
        }
    }

    /// Where every request begins.
    fn begin(&mut self, prelude: Option<TableId>, table: TableId) {
        match prelude {
            Some(prelude) => {
                self.reading.root(prelude);
                self.reading.set_after(prelude, After::Table(table));
            }
            None => self.reading.root(table),
        }
    }

    fn say_ports(&mut self, groups: &[Group]) {
        let mut numbers: Vec<String> =
            groups.iter().take(PORTS_SHOWN).map(|group| group.port.number.to_string()).collect();
        if groups.len() > PORTS_SHOWN {
            numbers.push(format!("{} more", grouped((groups.len() - PORTS_SHOWN) as u64)));
        }
        let span = first_listen(self.tree, &self.tree.directives).map_or_else(|| self.whole(), |word| self.span(word));
        self.reading.say(
            Diagnostic::note("listen", format!("the servers listen on {}; none of these is bound", numbers.join(", ")))
                .at(span)
                .help("the port that a request comes in on chooses among them, and its scheme where no server listens there"),
        );
    }

    /// What every request begins with: `$https`, and what else is kept from the beginning, where it is used.
    fn prelude(&mut self) -> Option<TableId> {
        let names: [&[u8]; 6] =
            [b"$https", b"${https", b"$ssl_protocol", b"${ssl_protocol", b"$ssl_cipher", b"${ssl_cipher"];
        let says = |name: &&[u8]| self.tree.texts.iter().any(|text| memchr::memmem::find(&text.bytes, name).is_some());
        let is_used = names.iter().any(says);
        let mut begun = std::mem::take(&mut self.begun);
        if self.keeps_method {
            begun.push((METHOD, What::Part(Part::Method)));
        }
        if !is_used && begun.is_empty() {
            return None;
        }
        let table = self.table(&dialect::NGINX_MAP, Order::Listed);
        let span = self.nowhere();
        if is_used {
            let https = asks(What::Part(Part::Scheme), Test::Is("https".to_owned()), false);
            let action = Action::Set { slot: HTTPS, text: piece(What::Literal("on".into())), then: Then::Next };
            self.push(table, any(), &[https], action, &span);
        }
        for (slot, what) in begun {
            self.push(table, any(), &[], Action::Set { slot, text: piece(what), then: Then::Next }, &span);
        }
        Some(table)
    }

    /// The port that a request came in on; where no server listens on it, its scheme.
    fn choose(&mut self, chooser: TableId, groups: &[Group], tables: &HashMap<&Who, TableId>) {
        let span = self.nowhere();
        let table_of = |group: &Group| tables.get(&group.who).copied();
        for group in groups {
            let Some(table) = table_of(group) else { continue };
            let port = asks(What::Part(Part::LocalPort), Test::Is(group.port.number.to_string()), false);
            self.push(chooser, any(), &[port], Action::Enter(table), &span);
        }
        for (scheme, is_tls, usual) in [("https", true, 443), ("http", false, 80)] {
            let of_scheme = |group: &&Group| group.port.is_tls == is_tls;
            let best = groups.iter().find(|group| group.port.number == usual).or(groups.iter().find(of_scheme));
            if let Some(table) = best.and_then(table_of) {
                let scheme = asks(What::Part(Part::Scheme), Test::Is(scheme.to_owned()), false);
                self.push(chooser, any(), &[scheme], Action::Enter(table), &span);
            }
        }
        if let Some(table) = groups.first().and_then(table_of) {
            self.push(chooser, any(), &[], Action::Enter(table), &span);
        }
    }

    /// Which server answers for a host.
    fn hosts(&mut self, table: TableId, servers: &[usize], default: usize, entry: &dyn Fn(usize) -> (TableId, Digits)) {
        let model = self.model;
        let mut known: HashSet<Vec<u8>> = HashSet::new();
        let mut patterns: Vec<(usize, Word)> = Vec::new();
        let mut ends: Vec<(Vec<u8>, usize, Word)> = Vec::new();
        for &at in servers {
            for &word in &model.servers[at].names {
                let name = self.tree.word(word).to_ascii_lowercase();
                if name.first() == Some(&b'~') {
                    patterns.push((at, word));
                    continue;
                }
                if matches!(&*name, b"_" | b"" | b"*" | b"-" | b"--") || name.contains(&b'$') {
                    continue;
                }
                if !known.insert(name.clone()) {
                    if model.servers[at].ports.len() < 2 {
                        let span = self.span(word);
                        let shown = String::from_utf8_lossy(&name).into_owned();
                        self.reading.say_often(
                            &span,
                            crate::diagnostic::Severity::Warning,
                            "server-name-twice",
                            || {
                                let help =
                                    "take the name out of one of the two: nginx answers for it by the first server";
                                (format!("conflicting server name \"{shown}\", ignored"), Some(help.to_owned()))
                            },
                        );
                    }
                    continue;
                }
                match name.strip_suffix(b".*") {
                    Some(begin) => ends.push((begin.to_vec(), at, word)),
                    None => self.host(table, &name, word, entry(at).0),
                }
            }
        }
        let rest = match patterns.is_empty() && ends.is_empty() {
            true => table,
            false => {
                let rest = self.table(&dialect::NGINX_MAP, Order::Listed);
                self.reading.set_after(table, After::Table(rest));
                rest
            }
        };
        ends.sort_by_key(|(begin, ..)| std::cmp::Reverse(begin.len()));
        for (begin, at, word) in ends {
            let span = self.span(word);
            let glob = Test::Glob(format!("{}.?*", String::from_utf8_lossy(&begin)));
            self.enter(rest, &[asks(What::Part(Part::Host), glob, false)], entry(at).0, &span);
        }
        for (at, word) in patterns {
            self.host_pattern(rest, word, entry(at));
        }
        let span = self.nowhere();
        self.enter(rest, &[], entry(default).0, &span);
    }

    /// Goes on in a table, whichever was made first.
    fn enter(&mut self, from: TableId, conditions: &[Condition], to: TableId, span: &Span) {
        self.push(from, any(), conditions, go(from, to), span);
    }

    fn host(&mut self, table: TableId, name: &[u8], word: Word, entry: TableId) {
        let span = self.span(word);
        let text = String::from_utf8_lossy(name).into_owned();
        let names = match text.strip_prefix('.') {
            Some(rest) => vec![rest.to_owned(), format!("*.{rest}")],
            None => vec![text.clone()],
        };
        for name in names {
            match HostPattern::parse(&name) {
                Ok(host) => {
                    let mut source = any();
                    source.host = host;
                    self.push(table, source, &[], Action::Enter(entry), &span);
                }
                Err(_) => {
                    self.reading.say_often(&span, crate::diagnostic::Severity::Note, "no-host", || {
                        (format!("no request names the host `{name}`"), None)
                    });
                }
            }
        }
    }

    fn host_pattern(&mut self, table: TableId, word: Word, entry: (TableId, Digits)) {
        let span = self.span(word);
        let text = self.tree.str(word).into_owned();
        let pattern = text.trim_start_matches('~');
        if let Some(refused) = crate::pcre::refused(pattern) {
            return self.reading.say_mistake(faults::pcre(pattern, &refused, span));
        }
        let regex = match Regex::read(pattern, LetterCase::Ignored) {
            Ok(regex) => regex,
            Err(what) => {
                return self.reading.refused(&span, &text, format!("its pattern cannot be read here: {what}"));
            }
        };
        let found = [asks(What::Part(Part::Host), Test::Regex(regex.pattern.clone()), false)];
        self.keep_groups(table, &any(), &found, &regex, entry.1, &What::ConditionCapture);
        self.enter(table, &found, entry.0, &span);
    }
}

/// The first `listen` of a configuration.
fn first_listen(tree: &Tree, directives: &[Directive]) -> Option<Word> {
    directives.iter().find_map(|directive| match &directive.body {
        Body::Block(inside) => first_listen(tree, inside),
        _ => (*tree.word(directive.name) == *b"listen").then_some(directive.name),
    })
}
