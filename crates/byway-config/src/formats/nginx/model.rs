//! A configuration as what nginx makes of it: servers, locations, and the statements that are run.
//!
//! Directives that decide nothing are passed over here, each with the words that it deserves; what is wrong is said as nginx
//! would say it.
//!
//! Long because every directive that decides something is read here, side by side with what nginx says of its mistakes.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use byway_core::dialect::LetterCase;

use super::faults;
use super::lex::Word;
use super::names;
use super::pcre::Regex;
use super::text;
use super::tree::{Body, Directive, Tree};
use crate::diagnostic::{Diagnostic, Severity};
use crate::foreign::Reading;
use crate::pcre;

/// A statement of the rewrite module.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Set {
        name: String,
        text: Word,
        word: Word,
    },
    /// Inside a location an `if` is a location of its own, with settings of its own.
    If {
        test: IfTest,
        body: Vec<Statement>,
        word: Word,
        scope: Option<Box<Scope>>,
    },
    Return {
        status: Option<u16>,
        text: Option<Word>,
        word: Word,
        rule: String,
    },
    Rewrite {
        pattern: Word,
        regex: Regex,
        target: Word,
        flag: Flag,
        word: Word,
        rule: String,
    },
    Break {
        word: Word,
    },
}

/// The flag of a `rewrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    None,
    Last,
    Break,
    Redirect,
    Permanent,
}

/// What an `if` asks.
#[derive(Clone, Debug)]
pub(super) enum IfTest {
    /// The text of a variable is neither empty nor `0`.
    True(Vec<u8>),
    /// Two texts are the same.
    Same { left: Vec<u8>, right: Vec<u8>, negate: bool },
    /// A pattern is found.
    Found { left: Vec<u8>, regex: Regex, negate: bool },
    /// Something is on the disk.
    File { what: u8, path: Vec<u8>, negate: bool },
}

/// What an error is answered with.
#[derive(Clone, Debug)]
pub(super) struct ErrorPage {
    pub(super) codes: Vec<u16>,
    /// `=307`, or `Some(0)` for `=`.
    pub(super) overwrite: Option<u16>,
    pub(super) target: Word,
    pub(super) word: Word,
    pub(super) rule: String,
}

/// What a level hands down to those inside it.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) absolute: bool,
    pub(super) port: bool,
    pub(super) server_name: bool,
    pub(super) merges: bool,
    pub(super) root: Option<Root>,
    pub(super) error_pages: Rc<Vec<ErrorPage>>,
    /// Whether an error behind an error page has its own page again.
    pub(super) is_recursive: bool,
    /// Who may ask, by address, as listed.
    pub(super) access: Rc<Vec<Access>>,
    /// `satisfy any`: an address or a password is enough.
    pub(super) satisfies_any: bool,
    /// Whether a password is asked for.
    pub(super) has_password: bool,
    /// Whether somebody else is asked who may ask.
    pub(super) asks_elsewhere: bool,
    pub(super) index: Rc<Vec<Word>>,
    pub(super) lists_folders: bool,
    /// Whether only nginx itself leads requests here.
    pub(super) is_internal: bool,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            absolute: true,
            port: true,
            server_name: false,
            merges: true,
            root: None,
            error_pages: Rc::default(),
            is_recursive: false,
            access: Rc::default(),
            satisfies_any: false,
            has_password: false,
            asks_elsewhere: false,
            index: Rc::default(),
            lists_folders: false,
            is_internal: false,
        }
    }
}

/// Where files lie.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) word: Word,
    /// With `alias`, what of the path is not looked for: the prefix of its location, or all of it.
    pub(super) alias: Option<Option<Rc<[u8]>>>,
}

/// A line of `allow` or `deny`: whether it lets in, and whom; `None` is everybody.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) lets_in: bool,
    pub(super) network: Option<String>,
    pub(super) word: Word,
    pub(super) rule: String,
}

/// `limit_except`: the methods that it leaves alone, and what holds for the others.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) methods: Vec<String>,
    pub(super) scope: Scope,
    pub(super) answers: Answers,
}

/// Who answers where no statement does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answers {
    /// Files.
    #[default]
    Files,
    /// Another server.
    Server,
    /// A program, or a page that nginx makes.
    Program,
}

/// How a location is found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Exact(Vec<u8>),
    Prefix { prefix: Vec<u8>, is_final: bool },
    Regex(Regex),
    Named(String),
}

#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) found: Found,
    pub(super) word: Word,
    /// What it is for, as it is written, and whether the modifier is part of the same word.
    pub(super) path: Word,
    pub(super) is_joined: bool,
    pub(super) scope: Scope,
    pub(super) statements: Vec<Statement>,
    pub(super) locations: Vec<Location>,
    pub(super) try_files: Option<Vec<Word>>,
    pub(super) answers: Answers,
    pub(super) limit: Option<Box<Limit>>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Port {
    pub(super) number: u16,
    pub(super) is_tls: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) ports: Vec<(Port, bool)>,
    /// The ports on which clear text is an error.
    pub(super) tls_alone: Vec<String>,
    pub(super) names: Vec<Word>,
    pub(super) scope: Scope,
    pub(super) statements: Vec<Statement>,
    pub(super) locations: Vec<Location>,
    pub(super) try_files: Option<Vec<Word>>,
}

/// A `map`, `geo` or `split_clients`.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) kind: ListKind,
    pub(super) source: Option<Word>,
    pub(super) word: Word,
    pub(super) entries: Vec<(u16, std::ops::Range<usize>)>,
    pub(super) rule: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    Map,
    Geo,
    Split,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) servers: Vec<Server>,
    pub(super) lists: HashMap<String, List>,
    /// The names of the lists, as they stand.
    pub(super) list_names: Vec<String>,
    /// Variables that directives of other modules set.
    pub(super) others: HashSet<String>,
}

/// Makes a model of a tree.
pub(super) fn build(tree: &Tree, reading: &mut Reading<'_>) -> Model {
    let mut builder = Build { tree, reading, model: Model::default(), defaults: HashSet::new() };
    builder.main();
    builder.model
}

struct Build<'t, 'r, 'l> {
    tree: &'t Tree,
    reading: &'r mut Reading<'l>,
    model: Model,
    /// The addresses that have a default server.
    defaults: HashSet<String>,
}

/// What stands in a block beside statements.
#[derive(Default)]
struct Inside {
    statements: Vec<Statement>,
    locations: Vec<Location>,
    try_files: Option<Vec<Word>>,
    answers: Answers,
    limit: Option<Box<Limit>>,
}

impl Build<'_, '_, '_> {
    fn name(&self, directive: &Directive) -> String {
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

    /// Says of what a file in `conf.d` holds that it is a part, and of lists without a server that nothing asks them.
    fn part_of_http(&mut self) {
        let tree = self.tree;
        let find = |names: &[&str]| tree.directives.iter().find(|one| names.contains(&&*tree.str(one.name)));
        let (first, help) = match (find(&["server"]), find(&["map", "geo", "split_clients"])) {
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

    fn is_of_http(&self, directive: &Directive) -> bool {
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

    fn not_allowed(&mut self, directive: &Directive) {
        let message = format!("\"{}\" directive is not allowed here", self.name(directive));
        let span = self.tree.span(directive.name);
        self.reading.say_mistake(faults::syntax(message, span));
    }

    fn fault(&mut self, word: Word, message: impl Into<String>) {
        let span = self.tree.span(word);
        self.reading.say_mistake(faults::syntax(message, span));
    }

    /// A directive that decides no redirect.
    fn pass_over(&mut self, directive: &Directive, may_decide: bool) {
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

    /// All settings of a level; what stands once only is not said twice.
    fn settings(&mut self, directives: &[Directive], scope: &mut Scope, outer: &Scope) {
        let mut seen: Vec<String> = Vec::new();
        for directive in directives {
            let name = self.name(directive);
            if ONCE.contains(&&*name) {
                match seen.contains(&name) {
                    true => self.fault(directive.name, format!("\"{name}\" directive is duplicate")),
                    false => seen.push(name),
                }
            }
            self.setting(directive, scope, outer);
        }
    }

    /// Settings that are handed down.
    fn setting(&mut self, directive: &Directive, scope: &mut Scope, outer: &Scope) {
        let name = self.name(directive);
        let flag = |target: &mut bool, build: &mut Self| match &*build.tree.str(directive.args[0]) {
            "on" => *target = true,
            "off" => *target = false,
            other => {
                let message =
                    format!("invalid value \"{other}\" in \"{name}\" directive, it must be \"on\" or \"off\"");
                build.fault(directive.args[0], message);
            }
        };
        match &*name {
            "absolute_redirect" => flag(&mut scope.absolute, self),
            "port_in_redirect" => flag(&mut scope.port, self),
            "server_name_in_redirect" => flag(&mut scope.server_name, self),
            "merge_slashes" => flag(&mut scope.merges, self),
            "root" | "alias" => {
                scope.root = Some(Root { word: directive.args[0], alias: (name == "alias").then_some(None) });
            }
            "error_page" => {
                if let Some(page) = self.error_page(directive) {
                    own(&mut scope.error_pages, &outer.error_pages).push(page);
                }
            }
            "internal" => scope.is_internal = true,
            "recursive_error_pages" => flag(&mut scope.is_recursive, self),
            "autoindex" => flag(&mut scope.lists_folders, self),
            "index" => own(&mut scope.index, &outer.index).extend(&directive.args),
            "allow" | "deny" => {
                if let Some(access) = self.access(directive, name == "allow") {
                    own(&mut scope.access, &outer.access).push(access);
                }
            }
            "satisfy" => scope.satisfies_any = &*self.tree.str(directive.args[0]) == "any",
            "auth_basic" | "auth_request" | "auth_jwt" => {
                let is_on = directive.args.first().is_some_and(|word| &*self.tree.str(*word) != "off");
                *if name == "auth_basic" { &mut scope.has_password } else { &mut scope.asks_elsewhere } = is_on;
            }
            _ => {}
        }
    }

    fn access(&mut self, directive: &Directive, lets_in: bool) -> Option<Access> {
        let text = self.tree.str(directive.args[0]).into_owned();
        let network = match &*text {
            "all" => None,
            // Nobody comes in over such a socket here.
            "unix:" => return None,
            text if byway_core::network::Network::parse(text).is_some() => Some(text.to_owned()),
            _ => {
                self.fault(directive.args[0], format!("invalid parameter \"{text}\""));
                return None;
            }
        };
        let rule = self.tree.words(directive);
        Some(Access { lets_in, network, word: directive.name, rule })
    }

    fn limit(&mut self, directive: &Directive, block: &[Directive], outer: &Scope) -> Limit {
        let mut scope = outer.clone();
        let mut answers = Answers::Files;
        self.settings(block, &mut scope, outer);
        for directive in block {
            match answers_of(&self.name(directive)) {
                Answers::Files => {}
                other => answers = other,
            }
            self.pass_over(directive, true);
        }
        let mut methods: Vec<String> = directive.args.iter().map(|word| self.tree.str(*word).into_owned()).collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        Limit { methods, scope, answers }
    }

    fn error_page(&mut self, directive: &Directive) -> Option<ErrorPage> {
        let (&target, mut words) = directive.args.split_last()?;
        let mut overwrite = None;
        if let Some((&last, rest)) = words.split_last()
            && let Some(code) = self.tree.str(last).strip_prefix('=')
        {
            overwrite = Some(match code.parse() {
                Ok(code) => code,
                Err(_) if code.is_empty() => 0,
                Err(_) => {
                    self.fault(last, format!("invalid value \"={code}\""));
                    return None;
                }
            });
            words = rest;
        }
        let mut codes = Vec::new();
        for &word in words {
            let text = self.tree.str(word).into_owned();
            match text.parse::<u16>() {
                Ok(code) if (300..=599).contains(&code) && code != 499 => codes.push(code),
                Ok(code) if code == 499 || !(300..=599).contains(&code) => {
                    self.fault(word, format!("value \"{text}\" must be between 300 and 599"));
                }
                _ => self.fault(word, format!("invalid value \"{text}\"")),
            }
        }
        // Of a page whose codes are all wrong there is nothing more to say.
        if codes.is_empty() {
            return None;
        }
        Some(ErrorPage { codes, overwrite, target, word: directive.name, rule: self.tree.words(directive) })
    }

    fn inside(&mut self, directives: &[Directive], scope: &Scope, within: Option<&Found>) -> Inside {
        let is_server = within.is_none();
        let mut inside = Inside::default();
        let mut seen = HashSet::new();
        for directive in directives {
            let name = self.name(directive);
            match (&*name, &directive.body) {
                ("location", Body::Block(block)) => {
                    if let Some(location) = self.location(directive, block, scope) {
                        self.misplaced(&location, within, &mut seen);
                        inside.locations.push(location);
                    }
                }
                ("try_files", _) => {
                    inside.try_files = Some(directive.args.clone());
                    self.pass_over(directive, true);
                }
                ("internal", _) if !is_server => {}
                ("limit_except", Body::Block(block)) if !is_server => {
                    inside.limit = Some(Box::new(self.limit(directive, block, scope)));
                }
                ("listen" | "server_name", _) if is_server => {}
                ("server" | "http" | "map" | "geo" | "events" | "listen" | "server_name", _)
                    if !is_server || !self.is_of_http(directive) =>
                {
                    self.not_allowed(directive);
                }
                ("server" | "http" | "map" | "geo" | "events" | "split_clients", _) => self.not_allowed(directive),
                _ => match self.statement(directive, (!is_server).then_some(scope)) {
                    Some(statement) => inside.statements.extend(statement),
                    None => {
                        match answers_of(&name) {
                            Answers::Files => {}
                            other => inside.answers = other,
                        }
                        self.pass_over(directive, true);
                    }
                },
            }
        }
        inside
    }

    fn location(&mut self, directive: &Directive, block: &[Directive], outer: &Scope) -> Option<Location> {
        let text = |word: Word| self.tree.word(word).into_owned();
        let prefix = |bytes: Vec<u8>, is_final| Found::Prefix { prefix: bytes, is_final };
        let mut regex = None;
        let found = match directive.args.as_slice() {
            [modifier, word] => match &*self.tree.word(*modifier) {
                b"=" => Found::Exact(text(*word)),
                b"^~" => prefix(text(*word), true),
                b"~" => {
                    regex = Some((*word, LetterCase::Significant, text(*word)));
                    prefix(Vec::new(), false)
                }
                b"~*" => {
                    regex = Some((*word, LetterCase::Ignored, text(*word)));
                    prefix(Vec::new(), false)
                }
                other => {
                    let message = format!("invalid location modifier \"{}\"", String::from_utf8_lossy(other));
                    self.fault(*modifier, message);
                    return None;
                }
            },
            [word] => match &*text(*word) {
                [b'=', rest @ ..] => Found::Exact(rest.to_vec()),
                [b'^', b'~', rest @ ..] => prefix(rest.to_vec(), true),
                [b'~', b'*', rest @ ..] => {
                    regex = Some((*word, LetterCase::Ignored, rest.to_vec()));
                    prefix(Vec::new(), false)
                }
                [b'~', rest @ ..] => {
                    regex = Some((*word, LetterCase::Significant, rest.to_vec()));
                    prefix(Vec::new(), false)
                }
                [b'@', rest @ ..] => Found::Named(String::from_utf8_lossy(rest).into_owned()),
                other => prefix(other.to_vec(), false),
            },
            _ => return None,
        };
        let found = match regex {
            Some((word, case, bytes)) => Found::Regex(self.regex(word, &bytes, case)?),
            None => found,
        };
        let mut scope = outer.clone();
        self.settings(block, &mut scope, outer);
        if let (Some(Root { alias: Some(alias @ None), .. }), Found::Exact(path) | Found::Prefix { prefix: path, .. }) =
            (&mut scope.root, &found)
        {
            *alias = Some(path.as_slice().into());
        }
        let inside = self.inside(block, &scope, Some(&found));
        Some(Location {
            found,
            word: directive.name,
            path: *directive.args.last()?,
            is_joined: directive.args.len() == 1,
            scope,
            statements: inside.statements,
            locations: inside.locations,
            try_files: inside.try_files,
            answers: inside.answers,
            limit: inside.limit,
        })
    }

    /// Says what nginx says of a location that is there twice, or inside of one where it cannot be.
    fn misplaced(&mut self, location: &Location, within: Option<&Found>, seen: &mut HashSet<(u8, Vec<u8>)>) {
        let (kind, name) = match &location.found {
            Found::Exact(path) => (0, path.clone()),
            Found::Prefix { prefix, .. } => (1, prefix.clone()),
            Found::Named(name) => (2, format!("@{name}").into_bytes()),
            Found::Regex(_) => (3, Vec::new()),
        };
        let shown = String::from_utf8_lossy(&name).into_owned();
        let is_new = kind == 3 || seen.insert((kind, name.clone()));
        let message = match within {
            Some(Found::Exact(outer)) => {
                let outer = String::from_utf8_lossy(outer);
                format!("location \"{shown}\" cannot be inside the exact location \"{outer}\"")
            }
            Some(Found::Named(outer)) => {
                format!("location \"{shown}\" cannot be inside the named location \"@{outer}\"")
            }
            Some(_) if kind == 2 => format!("named location \"{shown}\" can be on the server level only"),
            Some(Found::Prefix { prefix, .. }) if kind < 2 && !name.starts_with(prefix) => {
                format!("location \"{shown}\" is outside location \"{}\"", String::from_utf8_lossy(prefix))
            }
            _ if !is_new => format!("duplicate location \"{shown}\""),
            _ => return,
        };
        self.fault(location.word, message);
    }

    pub(super) fn regex(&mut self, word: Word, bytes: &[u8], case: LetterCase) -> Option<Regex> {
        let read = match std::str::from_utf8(bytes) {
            Ok(text) => {
                if let Some(refused) = pcre::refused(text) {
                    let span = self.tree.span(word);
                    self.reading.say_mistake(faults::pcre(text, &refused, span));
                    return None;
                }
                Regex::read(text, case)
            }
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        match read {
            Ok(regex) => {
                // A group by name is a variable, and nginx's own are nobody else's.
                let taken = regex.named().map(|(_, name)| name.to_ascii_lowercase()).find(|name| text::is_taken(name));
                if let Some(name) = taken {
                    self.fault(word, format!("the duplicate \"{name}\" variable"));
                    return None;
                }
                Some(regex)
            }
            Err(what) => {
                // PCRE takes it, to all that is known.
                let span = self.tree.span(word);
                self.reading.refused(&span, &self.tree.str(word), format!("its pattern cannot be read here: {what}"));
                None
            }
        }
    }

    /// A statement of the rewrite module; the outer `None` is a directive of another, the inner one with a fault. `outer` is what
    /// an `if` in a location takes over.
    fn statement(&mut self, directive: &Directive, outer: Option<&Scope>) -> Option<Option<Statement>> {
        let word = directive.name;
        let args = directive.args.as_slice();
        Some(match (&*self.name(directive), args) {
            ("break", _) => Some(Statement::Break { word }),
            ("set", [name, text]) => {
                let name = self.tree.str(*name).into_owned();
                match name.strip_prefix('$').filter(|name| !name.is_empty()) {
                    Some(name) if text::is_taken(&name.to_ascii_lowercase()) => {
                        self.fault(args[0], format!("the duplicate \"{}\" variable", name.to_ascii_lowercase()));
                        None
                    }
                    Some(name) => Some(Statement::Set { name: name.to_ascii_lowercase(), text: *text, word }),
                    None => {
                        self.fault(args[0], format!("invalid variable name \"{name}\""));
                        None
                    }
                }
            }
            ("return", _) => self.return_of(directive),
            ("rewrite", _) => self.rewrite(directive),
            ("if", _) => {
                let Body::Block(block) = &directive.body else { return Some(None) };
                let test = self.if_test(directive)?;
                let mut body = Vec::new();
                let mut scope = None;
                for inner in block {
                    match &*self.name(inner) {
                        "if" | "location" | "server" => self.not_allowed(inner),
                        name => match self.statement(inner, outer) {
                            Some(statement) => body.extend(statement),
                            None => {
                                if let Some(outer) = outer.filter(|_| OF_IF.contains(&name)) {
                                    let own = scope.get_or_insert_with(|| Box::new(outer.clone()));
                                    self.setting(inner, own, outer);
                                }
                                self.pass_over(inner, true);
                            }
                        },
                    }
                }
                Some(Statement::If { test, body, word, scope })
            }
            _ => return None,
        })
    }

    fn return_of(&mut self, directive: &Directive) -> Option<Statement> {
        let (word, rule) = (directive.name, self.tree.words(directive));
        let (status, text) = match directive.args.as_slice() {
            [one] => {
                let text = self.tree.str(*one).into_owned();
                match text.parse::<u16>() {
                    Ok(code) if code <= 999 => (Some(code), None),
                    _ if ["http://", "https://", "$scheme"].iter().any(|begin| text.starts_with(begin)) => {
                        (None, Some(*one))
                    }
                    _ => {
                        self.fault(*one, format!("invalid return code \"{text}\""));
                        return None;
                    }
                }
            }
            [code, text, ..] => match self.tree.str(*code).parse::<u16>() {
                Ok(code) if code <= 999 => (Some(code), Some(*text)),
                _ => {
                    let shown = self.tree.str(*code).into_owned();
                    self.fault(*code, format!("invalid return code \"{shown}\""));
                    return None;
                }
            },
            [] => return None,
        };
        Some(Statement::Return { status, text, word, rule })
    }

    fn rewrite(&mut self, directive: &Directive) -> Option<Statement> {
        let (&pattern, &target) = (directive.args.first()?, directive.args.get(1)?);
        let flag = match directive.args.get(2) {
            None => Flag::None,
            Some(word) => match &*self.tree.str(*word) {
                "last" => Flag::Last,
                "break" => Flag::Break,
                "redirect" => Flag::Redirect,
                "permanent" => Flag::Permanent,
                other => {
                    let message = format!("invalid parameter \"{other}\"");
                    self.fault(*word, message);
                    return None;
                }
            },
        };
        let bytes = self.tree.word(pattern).into_owned();
        let regex = self.regex(pattern, &bytes, LetterCase::Significant)?;
        Some(Statement::Rewrite {
            pattern,
            regex,
            target,
            flag,
            word: directive.name,
            rule: self.tree.words(directive),
        })
    }

    /// The condition of an `if`: outer `None` where it is refused by nginx.
    fn if_test(&mut self, directive: &Directive) -> Option<IfTest> {
        let mut words: Vec<(Word, Vec<u8>)> =
            directive.args.iter().map(|word| (*word, self.tree.word(*word).into_owned())).collect();
        let whole = words.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect::<Vec<_>>().join(" ");
        let invalid = |build: &mut Self, shown: &str| {
            build.fault(directive.args[0], format!("invalid condition \"{shown}\""));
            None
        };
        if words.first()?.1.first() != Some(&b'(') {
            let first = String::from_utf8_lossy(&words[0].1).into_owned();
            return invalid(self, &first);
        }
        words[0].1.remove(0);
        if words[0].1.is_empty() {
            words.remove(0);
        }
        let Some(last) = words.last_mut().filter(|(_, text)| text.last() == Some(&b')')) else {
            let shown = directive.args.last().map_or_else(|| whole.clone(), |word| self.tree.str(*word).into_owned());
            return invalid(self, &shown);
        };
        last.1.pop();
        if last.1.is_empty() {
            words.pop();
        }
        let shown = |words: &[(Word, Vec<u8>)]| String::from_utf8_lossy(&words[0].1).into_owned();
        match words.as_slice() {
            [] => invalid(self, &whole),
            [(_, text)] if text.first() == Some(&b'$') => Some(IfTest::True(text.clone())),
            [(_, left), (_, operator), (word, right)] if left.first() == Some(&b'$') => match operator.as_slice() {
                b"=" => Some(IfTest::Same { left: left.clone(), right: right.clone(), negate: false }),
                b"!=" => Some(IfTest::Same { left: left.clone(), right: right.clone(), negate: true }),
                b"~" | b"~*" | b"!~" | b"!~*" => {
                    let case = if operator.ends_with(b"*") { LetterCase::Ignored } else { LetterCase::Significant };
                    let negate = operator.starts_with(b"!");
                    let regex = self.regex(*word, right, case)?;
                    Some(IfTest::Found { left: left.clone(), regex, negate })
                }
                other => {
                    let message = format!("unexpected \"{}\" in condition", String::from_utf8_lossy(other));
                    self.fault(directive.args[0], message);
                    None
                }
            },
            [(_, operator), (_, path)] => match operator.as_slice() {
                [b'-', what @ (b'f' | b'd' | b'e' | b'x')] => {
                    Some(IfTest::File { what: *what, path: path.clone(), negate: false })
                }
                [b'!', b'-', what @ (b'f' | b'd' | b'e' | b'x')] => {
                    Some(IfTest::File { what: *what, path: path.clone(), negate: true })
                }
                _ => invalid(self, &shown(&words)),
            },
            _ => invalid(self, &shown(&words)),
        }
    }
}

/// The settings that stand once on a level.
const ONCE: &[&str] = &[
    "absolute_redirect",
    "alias",
    "autoindex",
    "internal",
    "merge_slashes",
    "port_in_redirect",
    "recursive_error_pages",
    "root",
    "satisfy",
    "server_name_in_redirect",
    "try_files",
];

/// The settings that an `if` in a location has of its own.
const OF_IF: &[&str] = &["error_page", "root", "recursive_error_pages", "index", "autoindex", "auth_basic", "satisfy"];

/// What is handed down, to be changed by a level that has such lines of its own: these take the place of all from further out.
fn own<'s, T: Clone>(mine: &'s mut Rc<Vec<T>>, outer: &Rc<Vec<T>>) -> &'s mut Vec<T> {
    if Rc::ptr_eq(mine, outer) {
        *mine = Rc::new(Vec::new());
    }
    Rc::make_mut(mine)
}

/// Who answers where a location has this directive.
fn answers_of(name: &str) -> Answers {
    match name {
        "proxy_pass" | "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass" | "memcached_pass" => Answers::Server,
        "stub_status"
        | "empty_gif"
        | "js_content"
        | "perl"
        | "dav_methods"
        | "random_index"
        | "flv"
        | "mp4"
        | "echo"
        | "content_by_lua"
        | "content_by_lua_block"
        | "content_by_lua_file" => Answers::Program,
        name if name.ends_with("_pass") => Answers::Server,
        _ => Answers::Files,
    }
}
