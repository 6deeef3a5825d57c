//! What the redirects of an nginx configuration look like where they are written, noted for lints.

use std::collections::HashMap;

use byway_core::dialect::LetterCase;
use byway_core::regex::Pattern;
use byway_core::request::Scheme;

use super::lex::Word;
use super::model::{Flag, Found, IfTest, Location, Model, Server, Statement};
use super::pcre::Regex;
use super::tree::Tree;
use crate::foreign::Reading;
use crate::written::{self, Compares, Door, Hosts, METHODS, STRANGERS, Stands, Statement as Kind, Words, Written};

/// Notes every `return` and `rewrite` that sends people on.
pub(super) fn note(tree: &Tree, model: &Model, reading: &mut Reading<'_>) {
    let mut notes = Notes { tree, reading };
    let is_whole = tree.directives.iter().any(|one| *tree.word(one.name) == *b"http");
    // A part of a configuration does not show which servers stand before it.
    let ports = is_whole.then(|| ports(model));
    // Of lines without a server nobody knows where they stand.
    let has_server = is_whole || tree.directives.iter().any(|one| *tree.word(one.name) == *b"server");
    for (at, server) in model.servers.iter().enumerate() {
        let defaults = server.ports.iter().filter(|(_, is_default)| *is_default).map(|(port, _)| port.number).collect();
        let door = Door { names: notes.names(server), ports: Vec::new(), defaults, is_whole: has_server };
        let ports_here = || doors_of(server).collect();
        notes.reading.door(Door { ports: has_server.then(ports_here).unwrap_or_default(), ..door });
        let hosts = notes.hosts(model, at, ports.as_ref());
        let echoes = notes.echoes(server);
        let around = Around { hosts: &hosts, echoes: &echoes, location: None, methods: &[], is_asked: false };
        notes.statements(&server.statements, around);
        notes.locations(&server.locations, around);
    }
}

/// For each port the first server that listens there, and whether one is its default by name.
type Ports = HashMap<u16, (usize, bool)>;

fn ports(model: &Model) -> Ports {
    let mut ports = Ports::new();
    for (at, server) in model.servers.iter().enumerate() {
        ports_of(server).for_each(|port| {
            ports.entry(port).or_insert((at, false));
        });
        for (port, _) in server.ports.iter().filter(|(_, is_default)| *is_default) {
            ports.entry(port.number).or_insert((at, false)).1 = true;
        }
    }
    ports
}

/// Where a server listens; at 80 where nothing is said.
fn ports_of(server: &Server) -> impl Iterator<Item = u16> {
    let unsaid = server.ports.is_empty().then_some(80);
    server.ports.iter().map(|(port, _)| port.number).chain(unsaid)
}

/// The same, with what is spoken there.
fn doors_of(server: &Server) -> impl Iterator<Item = (Scheme, u16)> {
    let is_tls = |number: u16| server.ports.iter().any(|(port, _)| port.number == number && port.is_tls);
    ports_of(server).map(move |number| (Door::scheme_at(number, is_tls(number)), number))
}

/// What stands around a statement.
#[derive(Clone, Copy)]
struct Around<'a> {
    hosts: &'a Hosts,
    echoes: &'a [Box<str>],
    location: Option<&'a Location>,
    methods: &'a [&'static str],
    /// Whether an `if` stands around it.
    is_asked: bool,
}

struct Notes<'a, 'r, 'l> {
    tree: &'a Tree,
    reading: &'r mut Reading<'l>,
}

impl Notes<'_, '_, '_> {
    /// The hosts that a server answers for by name.
    fn names(&self, server: &Server) -> Vec<Box<str>> {
        let names = server.names.iter().map(|&word| self.tree.str(word).to_ascii_lowercase());
        names.filter_map(|name| written::host(&name)).collect()
    }

    /// Which hosts come to a server: the default of a port takes those that none names.
    fn hosts(&self, model: &Model, at: usize, ports: Option<&Ports>) -> Hosts {
        let server = &model.servers[at];
        let is_name = |word: &Word| !matches!(&*self.tree.word(*word), b"_" | b"" | b"*" | b"-" | b"--");
        if !server.names.iter().any(is_name) {
            return Hosts::Any("this server has no `server_name`");
        }
        if server.ports.iter().any(|(_, is_default)| *is_default) {
            return Hosts::Any("the default server of a port takes every host that none names");
        }
        let is_first = |ports: &Ports| ports_of(server).any(|port| ports.get(&port) == Some(&(at, false)));
        match ports.is_some_and(is_first) {
            true => Hosts::Any("the first server of a port takes every host that none names"),
            false => Hosts::Bounded,
        }
    }

    /// The named groups of the patterns that a server is named by.
    fn echoes(&self, server: &Server) -> Vec<Box<str>> {
        let patterns = server.names.iter().filter_map(|name| {
            let text = self.tree.str(*name);
            Regex::read(text.strip_prefix('~')?, LetterCase::Ignored).ok()
        });
        patterns.flat_map(|regex| named(&regex)).collect()
    }

    fn locations(&mut self, locations: &[Location], around: Around<'_>) {
        for location in locations {
            let around = Around { location: Some(location), ..around };
            self.statements(&location.statements, around);
            self.locations(&location.locations, around);
        }
    }

    fn statements(&mut self, statements: &[Statement], around: Around<'_>) {
        for (at, statement) in statements.iter().enumerate() {
            match statement {
                Statement::Return { status, text: Some(text), word, .. }
                    if status.is_none_or(|code| matches!(code, 301..=303 | 307 | 308)) =>
                {
                    let (compares, source) = self.found(around.location);
                    let written =
                        Written { compares, source, status: *status, ..self.of(*word, Kind::Return, *text, around) };
                    let is_behind = at > 0 || around.is_asked;
                    self.reading.written(Written { answers: Some(status.unwrap_or(302)), is_behind, ..written });
                }
                Statement::Rewrite { pattern, target, flag, word, .. } => {
                    let is_url = [&b"http://"[..], b"https://", b"$scheme"];
                    let is_url = is_url.iter().any(|begin| self.tree.word(*target).starts_with(begin));
                    let (status, answers) = match flag {
                        Flag::Permanent => (Some(301), Some(301)),
                        Flag::Redirect => (Some(302), Some(302)),
                        _ if is_url => (None, Some(302)),
                        _ => (None, None),
                    };
                    let source = self.words(*pattern);
                    let compares = Compares::Pattern { is_negated: false };
                    let written =
                        Written { compares, source, status, ..self.of(*word, Kind::Rewrite, *target, around) };
                    // The groups with numbers are those of its own pattern.
                    let is_own = |name: &str| name.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
                    let echoes = around.echoes.iter().filter(|name| !is_own(name)).cloned().collect();
                    self.reading.written(Written { answers, echoes, ..written });
                }
                Statement::If { test, body, .. } => {
                    let asked = asked(test);
                    let bounded = Hosts::Bounded;
                    let hosts = if names_host(test) { &bounded } else { around.hosts };
                    let methods = if asked.is_empty() { around.methods } else { &asked };
                    let taken = taken_of_host(test);
                    let echoes = if taken.is_empty() { around.echoes } else { &taken };
                    self.statements(body, Around { methods, hosts, echoes, is_asked: true, ..around });
                }
                _ => {}
            }
        }
    }

    fn of(&self, word: Word, statement: Kind, target: Word, around: Around<'_>) -> Written {
        Written {
            span: self.tree.span(word),
            statement,
            compares: Compares::Nothing,
            source: Words::default(),
            target: self.words(target),
            status: None,
            answers: None,
            flags: None,
            list: 0,
            stands: Stands::Server,
            hosts: around.hosts.clone(),
            echoes: around.echoes.to_vec(),
            methods: around.methods.to_vec(),
            is_behind: false,
            goes_on: None,
            slips: Vec::new(),
        }
    }

    fn words(&self, word: Word) -> Words {
        Words::new(&self.tree.str(word), Some(self.tree.span(word)))
    }

    /// What the location around a statement is for; its words are those behind `location`.
    fn found(&self, location: Option<&Location>) -> (Compares, Words) {
        let Some(location) = location else { return (Compares::Nothing, Words::default()) };
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let stands = self.tree.str(location.path) == text;
            Words::new(&text, stands.then(|| self.tree.span(location.path)))
        };
        match &location.found {
            Found::Exact(path) => (Compares::Exact, text(path)),
            Found::Prefix { prefix, .. } => (Compares::Prefix, text(prefix)),
            // As it is written: our engines are given it in words of their own.
            Found::Regex(_) => {
                let word = self.tree.word(location.path);
                let bare = word.strip_prefix(b"~*").or_else(|| word.strip_prefix(b"~"));
                let pattern = bare.filter(|_| location.is_joined).unwrap_or(&word);
                (Compares::Pattern { is_negated: false }, text(pattern))
            }
            Found::Named(_) => (Compares::Nothing, Words::default()),
        }
    }
}

/// The methods beside GET and HEAD that a test asks for.
fn asked(test: &IfTest) -> Vec<&'static str> {
    let is_method = |text: &[u8]| text == b"$request_method" || text == b"${request_method}";
    let takes = |method: &str| match test {
        IfTest::Same { left, right, negate } => is_method(left) && (right == method.as_bytes()) != *negate,
        IfTest::Found { left, regex, negate } => {
            let pattern: &Pattern<'_> = &regex.pattern;
            is_method(left) && pattern.finds(method.as_bytes()).unwrap_or(*negate) != *negate
        }
        _ => false,
    };
    let is_negated = matches!(test, IfTest::Same { negate: true, .. } | IfTest::Found { negate: true, .. });
    // What only leaves out a method asks for none.
    let names = !is_negated || !takes("GET");
    METHODS.into_iter().filter(|method| names && takes(method)).collect()
}

/// Whether a test says which hosts are meant; a pattern that takes strangers' says nothing.
fn names_host(test: &IfTest) -> bool {
    match test {
        IfTest::Same { left, negate: false, .. } => is_host(left),
        IfTest::Found { left, regex, negate: false } => is_host(left) && !takes_strangers(regex),
        _ => false,
    }
}

/// The groups of a test that takes a part of any host.
fn taken_of_host(test: &IfTest) -> Vec<Box<str>> {
    match test {
        IfTest::Found { left, regex, negate: false } if is_host(left) && takes_strangers(regex) => {
            let numbered = (1..=regex.groups.len().min(9)).map(|number| format!("${number}").into());
            numbered.chain(named(regex)).collect()
        }
        _ => Vec::new(),
    }
}

fn is_host(text: &[u8]) -> bool {
    matches!(text, b"$host" | b"$http_host" | b"${host}" | b"${http_host}")
}

fn takes_strangers(regex: &Regex) -> bool {
    STRANGERS.iter().any(|host| regex.pattern.finds(host.as_bytes()).unwrap_or(false))
}

/// The named groups of a pattern, as a text has them.
fn named(regex: &Regex) -> Vec<Box<str>> {
    regex.named().flat_map(|(_, name)| [format!("${name}").into(), format!("${{{name}}}").into()]).collect()
}
