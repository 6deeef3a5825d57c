//! What the redirects of an nginx configuration look like where they are written, noted for lints.

use byway_core::regex::Pattern;

use super::lex::Word;
use super::model::{Flag, Found, IfTest, Location, Model, Server, Statement};
use super::tree::Tree;
use crate::foreign::Reading;
use crate::written::{Compares, Hosts, Stands, Statement as Kind, Words, Written};

/// Methods that a redirect by 301 or 302 may turn into GET, or that clients do not repeat.
const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// Notes every `return` and `rewrite` that sends people on.
pub(super) fn note(tree: &Tree, model: &Model, reading: &mut Reading<'_>) {
    let mut notes = Notes { tree, reading };
    let is_whole = tree.directives.iter().any(|one| *tree.word(one.name) == *b"http");
    for (at, server) in model.servers.iter().enumerate() {
        let hosts = notes.hosts(model, at, is_whole);
        let around = Around { hosts: &hosts, location: None, methods: &[], is_asked: false };
        notes.statements(&server.statements, around);
        notes.locations(&server.locations, around);
    }
}

/// What stands around a statement.
#[derive(Clone, Copy)]
struct Around<'a> {
    hosts: &'a Hosts,
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
    /// Which hosts come to a server: the default of a port takes those that none names.
    fn hosts(&self, model: &Model, at: usize, is_whole: bool) -> Hosts {
        let server = &model.servers[at];
        let is_name = |word: &Word| !matches!(&*self.tree.word(*word), b"_" | b"" | b"*" | b"-" | b"--");
        if !server.names.iter().any(is_name) {
            return Hosts::Any("this server has no `server_name`");
        }
        if server.ports.iter().any(|(_, is_default)| *is_default) {
            return Hosts::Any("the default server of a port takes every host that none names");
        }
        let ports = |server: &Server| match server.ports.is_empty() {
            true => vec![80],
            false => server.ports.iter().map(|(port, _)| port.number).collect(),
        };
        let is_first = |port: &u16| {
            let others = model.servers.iter().enumerate().filter(|(_, other)| ports(other).contains(port));
            let has_default =
                |other: &Server| other.ports.iter().any(|(own, is_default)| own.number == *port && *is_default);
            let mut others = others.peekable();
            let first = others.peek().map(|(at, _)| *at);
            first == Some(at) && !others.any(|(_, other)| has_default(other))
        };
        // A part of a configuration does not show which servers stand before it.
        match is_whole && ports(server).iter().any(is_first) {
            true => Hosts::Any("the first server of a port takes every host that none names"),
            false => Hosts::Bounded,
        }
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
                    self.reading.written(Written { answers, ..written });
                }
                Statement::If { test, body, .. } => {
                    let asked = asked(test);
                    let bounded = Hosts::Bounded;
                    let hosts = if names_host(test) { &bounded } else { around.hosts };
                    let methods = if asked.is_empty() { around.methods } else { &asked };
                    self.statements(body, Around { methods, hosts, is_asked: true, ..around });
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
            methods: around.methods.to_vec(),
            is_behind: false,
            goes_on: None,
        }
    }

    fn words(&self, word: Word) -> Words {
        Words::new(&self.tree.str(word), Some(self.tree.span(word)))
    }

    /// What the location around a statement is for; its words are those behind `location`.
    fn found(&self, location: Option<&Location>) -> (Compares, Words) {
        let Some(location) = location else { return (Compares::Nothing, Words::default()) };
        let text = |bytes: &[u8]| Words::new(&String::from_utf8_lossy(bytes), None);
        match &location.found {
            Found::Exact(path) => (Compares::Exact, text(path)),
            Found::Prefix { prefix, .. } => (Compares::Prefix, text(prefix)),
            Found::Regex(regex) => (Compares::Pattern { is_negated: false }, text(regex.pattern.text.as_bytes())),
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

/// Whether a test says which hosts are meant.
fn names_host(test: &IfTest) -> bool {
    let (left, is_negated) = match test {
        IfTest::Same { left, negate, .. } | IfTest::Found { left, negate, .. } => (left, negate),
        _ => return false,
    };
    !is_negated && matches!(left.as_slice(), b"$host" | b"$http_host" | b"${host}" | b"${http_host}")
}
