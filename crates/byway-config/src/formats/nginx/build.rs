//! A tree made into a model: what stands at the top, in `http` and in a server.
//!
//! Directives that decide nothing are passed over here, each with the words that it deserves; what is wrong is said as nginx
//! would say it.

use std::collections::HashSet;
use std::path::Path;

use super::faults;
use super::lex::Word;
use super::model::{Answers, Limit, List, ListKind, Location, Model, Port, Scope, Server, Statement};
use super::names;
use super::text;
use super::tree::{Body, Directive, Tree};
use crate::diagnostic::{Diagnostic, Severity};
use crate::foreign::Reading;

/// The folders of which nginx's packages include every file inside `http`.
const IN_HTTP: [&str; 4] = ["conf.d", "http.d", "sites-available", "sites-enabled"];

/// Makes a model of a tree.
pub(super) fn build(tree: &Tree, reading: &mut Reading<'_>) -> Model {
    let mut builder = Build { tree, reading, model: Model::default(), defaults: HashSet::new() };
    builder.main();
    builder.model
}

pub(super) struct Build<'t, 'r, 'l> {
    pub(super) tree: &'t Tree,
    pub(super) reading: &'r mut Reading<'l>,
    pub(super) model: Model,
    /// The addresses that have a default server.
    defaults: HashSet<String>,
}

/// What stands in a block beside statements.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) statements: Vec<Statement>,
    pub(super) locations: Vec<Location>,
    pub(super) try_files: Option<Vec<Word>>,
    pub(super) answers: Answers,
    pub(super) limit: Option<Box<Limit>>,
}

impl Build<'_, '_, '_> {
    pub(super) fn name(&self, directive: &Directive) -> String {
        self.tree.str(directive.name).into_owned()
    }

    /// The top of a file: a whole configuration, what belongs into `http`, or what belongs into a server.
    fn main(&mut self) {
        let tree = self.tree;
        let is = |names: &[&str]| tree.directives.iter().any(|one| names.contains(&&*tree.str(one.name)));
        let has_http = is(&["http"]);
        let of_server =
            ["location", "rewrite", "return", "if", "set", "break", "error_page", "try_files", "server_name", "listen"];
        let lone = !has_http && is(&of_server);
        if lone {
            let first = tree.directives.iter().find(|one| of_server.contains(&&*tree.str(one.name)));
            if let Some(first) = first {
                let name = tree.str(first.name);
                self.reading.say(
                    Diagnostic::note("fragment", format!("this is a part of a configuration: `{name}` stands alone"))
                        .at(tree.span(first.name))
                        .help("nginx takes these lines inside `server { … }`; here they answer for every host"),
                );
            }
        }
        let scope = Scope::default();
        if lone {
            let own: Vec<Directive> = tree.directives.iter().filter(|one| !self.is_of_http(one)).cloned().collect();
            self.http(&tree.directives, &scope, false);
            self.server(&own, &scope);
        } else if has_http {
            for directive in &tree.directives {
                match (&*self.name(directive), &directive.body) {
                    ("http", Body::Block(inside)) => self.http(inside, &scope, true),
                    ("events" | "stream" | "mail", _) => {}
                    _ => self.pass_over(directive, false),
                }
            }
        } else {
            self.part_of_http();
            self.http(&tree.directives, &scope, true);
        }
    }

    /// Says of what a file in `conf.d` would hold that it is a part, and of lists without a server that nothing asks them.
    fn part_of_http(&mut self) {
        let tree = self.tree;
        let find = |names: &[&str]| tree.directives.iter().find(|one| names.contains(&&*tree.str(one.name)));
        let folder = self.reading.named().parent().and_then(Path::file_name);
        let is_in_place = folder.is_some_and(|name| IN_HTTP.iter().any(|known| *name == **known));
        let (first, help) = match (find(&["server"]), find(&["map", "geo", "split_clients"])) {
            // It lies where nginx's own configuration includes it.
            (Some(_), _) if is_in_place => return,
            (Some(server), _) => {
                (server, "nginx takes it inside `http { … }`, as a file in `conf.d` or `sites-enabled`")
            }
            (None, Some(list)) => {
                (list, "nginx takes it inside `http { … }`; put a `server` beside it that asks its variable")
            }
            (None, None) => return,
        };
        let message = format!("this is a part of a configuration: `{}` stands alone", tree.str(first.name));
        self.reading.say(Diagnostic::note("fragment", message).at(tree.span(first.name)).help(help));
    }

    pub(super) fn is_of_http(&self, directive: &Directive) -> bool {
        matches!(
            &*self.name(directive),
            "server" | "map" | "geo" | "upstream" | "split_clients" | "log_format" | "events" | "http"
        )
    }

    fn http(&mut self, directives: &[Directive], outer: &Scope, says: bool) {
        let mut scope = outer.clone();
        // Of a part of a server the settings are the server's.
        if says {
            self.settings(directives, &mut scope, outer);
        }
        for directive in directives {
            match (&*self.name(directive), &directive.body) {
                ("server", Body::Block(inside)) => self.server(inside, &scope),
                ("map", Body::Entries(entries)) => self.list(ListKind::Map, directive, entries),
                ("geo", Body::Entries(entries)) => self.list(ListKind::Geo, directive, entries),
                ("split_clients", Body::Entries(entries)) => self.list(ListKind::Split, directive, entries),
                (
                    "location" | "rewrite" | "return" | "if" | "set" | "break" | "try_files" | "server_name" | "listen",
                    _,
                ) if says => {
                    self.not_allowed(directive);
                }
                _ if says => self.pass_over(directive, true),
                _ => {}
            }
        }
    }

    pub(super) fn not_allowed(&mut self, directive: &Directive) {
        let message = format!("\"{}\" directive is not allowed here", self.name(directive));
        let span = self.tree.span(directive.name);
        self.reading.say_mistake(faults::syntax(message, span));
    }

    pub(super) fn fault(&mut self, word: Word, message: impl Into<String>) {
        let span = self.tree.span(word);
        self.reading.say_mistake(faults::syntax(message, span));
    }

    /// A directive that decides no redirect.
    pub(super) fn pass_over(&mut self, directive: &Directive, may_decide: bool) {
        let name = self.name(directive);
        self.note_others(directive, &name);
        let span = self.tree.span(directive.name);
        if may_decide && names::is_program(&name) && names::beyond(&name).is_some() {
            let why = match &*name {
                "auth_request" => "another server decides who may ask, and is not asked here",
                _ => "programs are not run here",
            };
            self.reading.refused(&span, &name, why);
        }
        if matches!(&*name, "add_header" | "more_set_headers") {
            let field = directive.args.iter().map(|word| self.tree.str(*word).to_ascii_lowercase());
            if field.take(1).any(|field| ["location", "refresh"].iter().any(|known| field.starts_with(known))) {
                let why = "a field that sends people on is added to an answer that is made elsewhere";
                self.reading.refused(&span, &self.tree.words(directive), why);
            }
        }
        if name == "underscores_in_headers" && directive.args.iter().any(|word| &*self.tree.str(*word) == "on") {
            let why = "a field with an underscore in its name is not taken for the one with a dash";
            self.reading.approximated(&span, &self.tree.words(directive), why);
        }
        if let Some(what) = names::beyond(&name) {
            let words = format!("{}: {what}", self.tree.words(directive));
            self.reading.beyond(&span, &words);
        } else if !names::is_known(&name) {
            let meant = self.reading.meant(&name, names::meant);
            self.reading.unknown(&span, &name, meant.map(|meant| (meant, names::gravity(meant))));
        }
    }

    /// Notes the variables that a directive of another module sets: `auth_request_set $user …`, `geoip2 … { $country …; }`.
    fn note_others(&mut self, directive: &Directive, name: &str) {
        let sets = ["set", "keyval", "var", "eval", "geoip", "uploads"].iter().any(|part| name.contains(part));
        let inside = match &directive.body {
            Body::Block(block) => block.iter().map(|inner| inner.name).collect(),
            _ => Vec::new(),
        };
        for &word in directive.args.iter().filter(|_| sets).chain(&inside) {
            if let Some(set) = self.tree.str(word).strip_prefix('$') {
                self.model.others.insert(set.to_ascii_lowercase());
            }
        }
    }

    fn list(&mut self, kind: ListKind, directive: &Directive, entries: &[(u16, std::ops::Range<usize>)]) {
        let (source, variable) = match directive.args.as_slice() {
            [variable] => (None, *variable),
            [source, variable, ..] => (Some(*source), *variable),
            [] => return,
        };
        let name = self.tree.str(variable).into_owned();
        let Some(name) = name.strip_prefix('$').filter(|name| !name.is_empty()) else {
            return self.fault(variable, format!("invalid variable name \"{name}\""));
        };
        let name = name.to_ascii_lowercase();
        if text::is_taken(&name) {
            return self.fault(variable, format!("the duplicate \"{name}\" variable"));
        }
        let rule = self.tree.words(directive);
        let list = List { kind, source, word: directive.name, entries: entries.to_vec(), rule };
        if self.model.lists.insert(name.clone(), list).is_none() {
            self.model.list_names.push(name);
        }
    }

    fn server(&mut self, directives: &[Directive], outer: &Scope) {
        let mut scope = outer.clone();
        let mut server = Server {
            ports: Vec::new(),
            tls_alone: Vec::new(),
            names: Vec::new(),
            scope: outer.clone(),
            statements: Vec::new(),
            locations: Vec::new(),
            try_files: None,
        };
        self.settings(directives, &mut scope, outer);
        for directive in directives {
            match &*self.name(directive) {
                "listen" => self.listen(directive, &mut server),
                "server_name" => {
                    server.names.extend(&directive.args);
                    self.unfilled(&directive.args);
                }
                _ => {}
            }
        }
        let inside = self.inside(directives, &scope, None);
        self.model.servers.push(Server {
            scope,
            statements: inside.statements,
            locations: inside.locations,
            try_files: inside.try_files,
            ..server
        });
    }

    /// A URL, or a host with a port or a path: nginx compares the host alone.
    fn more_than_a_host(&mut self, text: &str, word: Word) {
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let end = bare.find(if bare.starts_with('[') { ['/', '/'] } else { ['/', ':'] }).unwrap_or(bare.len());
        let host = &bare[..end];
        if host.is_empty() || host.len() == text.len() || text.starts_with('~') || text.contains('$') {
            return;
        }
        let span = self.tree.span(word);
        self.reading.say_often(&span, Severity::Warning, "no-host", || {
            let help = format!("write `server_name {host};`");
            let what = "nginx compares the host alone, without scheme, port and path";
            (format!("no request names the host `{text}`: {what}"), Some(help))
        });
    }

    /// Names that something was to fill in before nginx reads them: it takes them as they are.
    fn unfilled(&mut self, names: &[Word]) {
        for &word in names {
            let text = self.tree.str(word).into_owned();
            self.more_than_a_host(&text, word);
            if text.contains('$') && !text.starts_with('~') && text != "$hostname" {
                let span = self.tree.span(word);
                self.reading.say_often(&span, Severity::Warning, "no-host", || {
                    let help = "fill it in first, as `envsubst` does, and name the file that comes out";
                    (
                        format!("no request names the host `{text}`: nginx knows no variables here"),
                        Some(help.to_owned()),
                    )
                });
            }
        }
    }

    fn listen(&mut self, directive: &Directive, server: &mut Server) {
        let Some(&address) = directive.args.first() else { return };
        let text = self.tree.str(address).into_owned();
        if text.starts_with("unix:") {
            return;
        }
        if text.contains('$') {
            return self.fault(address, format!("host not found in \"{text}\" of the \"listen\" directive"));
        }
        let port = match text.rsplit_once(':') {
            Some((_, port)) if !text.ends_with(']') => port,
            _ if text.bytes().all(|b| b.is_ascii_digit()) => &text,
            _ => "80",
        };
        let Some(number) = port.parse::<u16>().ok().filter(|&number| number > 0) else {
            return self.fault(address, format!("invalid port in \"{text}\" of the \"listen\" directive"));
        };
        let option = |names: &[&str]| directive.args[1..].iter().any(|word| names.contains(&&*self.tree.str(*word)));
        let port = Port { number, is_tls: option(&["ssl", "quic", "http3"]) || number == 443 };
        let is_default = option(&["default_server", "default"]);
        if option(&["ssl"]) {
            server.tls_alone.push(number.to_string());
        }
        if is_default {
            let at = if text.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("0.0.0.0:{text}")
            } else {
                text.replace('*', "0.0.0.0")
            };
            if !self.defaults.insert(at.clone()) {
                self.fault(directive.name, format!("a duplicate default server for {at}"));
            }
        }
        match server.ports.iter_mut().find(|(known, _)| known.number == number) {
            Some((_, held)) => *held |= is_default,
            None => server.ports.push((port, is_default)),
        }
    }
}
