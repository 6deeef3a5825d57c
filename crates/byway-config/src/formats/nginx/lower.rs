//! From servers and locations to tables and rules.
//!
//! A server is a chain of tables for its own statements, then a table of its locations, then a chain for each location that does
//! more than one thing. Which server answers is a table of hosts for each port, and before those a table of ports. Statements are
//! in [`super::script`], lists in [`super::lists`].
//!
//! Long because the order in which tables are made, numbered and filled is one thought: whoever splits it must know it all.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use byway_core::Action;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{self, Dialect, LetterCase, QueryPolicy};
use byway_core::host::HostPattern;
use byway_core::rule::{Rule, Then};
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::faults;
use super::lex::Word;
use super::lists::Lists;
use super::model::{Found, Location, Model, Port, Scope, Server};
use super::pcre::Regex;
use super::script::{self, Digits, Phase};
use super::text::{Bit, Form, Known, bits, of_request};
use super::tree::Tree;
use crate::diagnostic::Diagnostic;
use crate::files::EntryKind;
use crate::foreign::Reading;
use crate::span::Span;

/// The slots `$1` to `$9` are kept in are their numbers; these follow.
pub(super) const CHANGED: u16 = 10;
pub(super) const TEXT: u16 = 11;
pub(super) const KIND: u16 = 12;
const HTTPS: u16 = 13;
const FIRST_SLOT: u16 = 16;

/// The most tables: they have 16 bits, and other files need some.
const TABLE_LIMIT: usize = 60_000;
/// The most copies of outer patterns in inner blocks.
const COPY_LIMIT: usize = 200_000;

/// What is lowered, and where to.
pub(super) struct Lower<'t, 'r, 'l> {
    pub(super) tree: &'t Tree,
    pub(super) model: &'t Model,
    pub(super) reading: &'r mut Reading<'l>,
    pub(super) slots: HashMap<String, u16>,
    pub(super) next_slot: u16,
    pub(super) lists: Lists,
    /// The tables of document roots: by the text of the root, what is below it.
    pub(super) roots: HashMap<Vec<u8>, Option<TableId>>,
    tables: usize,
    copies: usize,
}

/// How a table's redirects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    absolute: bool,
    port: bool,
    merges: bool,
}

impl Style {
    pub(super) fn of(scope: &Scope, merges: bool) -> Style {
        Style { absolute: scope.absolute, port: scope.port, merges }
    }

    pub(super) fn dialect(self, form: Form) -> &'static Dialect {
        use dialect::*;
        match (form, self.absolute, self.port, self.merges) {
            (Form::Return, true, true, true) => &NGINX_RETURN,
            (Form::Rewrite, true, true, true) => &NGINX_REWRITE,
            (Form::Return, false, _, true) => &NGINX_RETURN_RELATIVE,
            (Form::Rewrite, false, _, true) => &NGINX_REWRITE_RELATIVE,
            (Form::Return, true, false, true) => &NGINX_RETURN_NO_PORT,
            (Form::Rewrite, true, false, true) => &NGINX_REWRITE_NO_PORT,
            (Form::Return, true, true, false) => &NGINX_RETURN_APART,
            (Form::Rewrite, true, true, false) => &NGINX_REWRITE_APART,
            (Form::Return, false, _, false) => &NGINX_RETURN_RELATIVE_APART,
            (Form::Rewrite, false, _, false) => &NGINX_REWRITE_RELATIVE_APART,
            (Form::Return, true, false, false) => &NGINX_RETURN_NO_PORT_APART,
            (Form::Rewrite, true, false, false) => &NGINX_REWRITE_NO_PORT_APART,
        }
    }
}

/// What is the same for all of a server.
#[derive(Clone, Debug)]
pub(super) struct Of<'m> {
    pub(super) server: &'m Server,
    pub(super) merges: bool,
    pub(super) locations: TableId,
    pub(super) named: HashMap<String, TableId>,
    /// The groups that any location reads on entry.
    pub(super) live: Digits,
}

/// Why a text cannot be said.
pub(super) enum Why {
    /// nginx itself would not take it.
    Fault(String),
    /// byway cannot.
    Refused(Cow<'static, str>),
}

/// A text whose variables are known, and the lists that must be looked up before it is used.
pub(super) struct Resolved {
    pub(super) parts: Vec<Known>,
    pub(super) lists: Vec<String>,
}

/// Lowers a model.
pub(super) fn lower(tree: &Tree, model: &Model, reading: &mut Reading<'_>) {
    let mut lower = Lower {
        tree,
        model,
        reading,
        slots: HashMap::new(),
        next_slot: FIRST_SLOT,
        lists: Lists::default(),
        roots: HashMap::new(),
        tables: 0,
        copies: 0,
    };
    script::declare(&mut lower);
    lower.lists_tables();
    lower.servers();
}

pub(super) fn any() -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: Cow::Borrowed(b""), is_final: false })
}

pub(super) fn of_regex(regex: &Regex) -> Source<'static> {
    Source::of_path(PathPattern::Regex(regex.pattern.clone()))
}

pub(super) fn what(what: What<'static>) -> Vec<Known> {
    vec![Known::What(what)]
}

pub(super) fn piece(what: What<'static>) -> Target<'static> {
    Target::of_pieces(vec![Piece { place: Landing::Path, what }])
}

/// A condition on a text.
pub(super) fn asks(text: What<'static>, test: Test, negate: bool) -> Condition {
    let subject = Subject::Text(vec![Piece { place: Landing::Path, what: text }]);
    Condition { subject, test, negate, or_next: false }
}

/// What ends the look at this file: the request is the server's own.
pub(super) fn stop() -> Action<'static> {
    Action::Set { slot: 0, text: piece(What::Literal("".into())), then: Then::End }
}

/// Goes on in a table, whichever was made first.
fn go(from: TableId, to: TableId) -> Action<'static> {
    match to > from {
        true => Action::Enter(to),
        false => Action::Set { slot: 0, text: piece(What::Literal("".into())), then: Then::Table(to) },
    }
}

impl<'t> Lower<'t, '_, '_> {
    pub(super) fn table(&mut self, dialect: &'static Dialect, order: Order) -> TableId {
        self.tables += 1;
        if self.tables == TABLE_LIMIT {
            let message = format!("the configuration has more than {TABLE_LIMIT} blocks that decide something");
            self.reading.say(Diagnostic::error("too-many-blocks", message).help("split it into several files"));
        }
        if self.tables >= TABLE_LIMIT {
            return TableId(0);
        }
        self.reading.table(&TableSpec { dialect, order, after: After::NextRoot, strip: b"" })
    }

    pub(super) fn push(
        &mut self,
        table: TableId,
        source: Source<'_>,
        conditions: &[Condition],
        action: Action<'_>,
        span: &Span,
    ) {
        if self.tables < TABLE_LIMIT {
            self.reading.push(table, &Rule { conditions, ..Rule::new(source, action) }, span);
        }
    }

    pub(super) fn slot(&mut self, name: &str) -> u16 {
        if let Some(&slot) = self.slots.get(name) {
            return slot;
        }
        let slot = self.next_slot;
        self.next_slot = self.next_slot.saturating_add(1);
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    pub(super) fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.reading.say(faults::syntax(message, span));
    }

    // Texts

    /// A text with all variables known; groups and names that stand for captures of the rule itself come from `own`.
    pub(super) fn resolve(
        &mut self,
        text: &[u8],
        of: Option<&Of<'_>>,
        scope: &Scope,
        own: &dyn Fn(&Bit) -> Option<What<'static>>,
    ) -> Result<Resolved, Why> {
        let mut found = Resolved { parts: Vec::new(), lists: Vec::new() };
        for bit in bits(text).map_err(Why::Fault)? {
            if let Some(what) = own(&bit) {
                found.parts.push(Known::What(what));
                continue;
            }
            match bit {
                Bit::Text(text) => found.parts.push(Known::Text(text)),
                Bit::Group(number) => found.parts.push(Known::What(What::Slot(u16::from(number)))),
                Bit::Variable(name) => self.variable(&name, of, scope, &mut found)?,
            }
        }
        Ok(found)
    }

    fn variable(&mut self, name: &str, of: Option<&Of<'_>>, scope: &Scope, found: &mut Resolved) -> Result<(), Why> {
        let text = |text: &[u8]| Known::Text(text.to_vec());
        if let Some(slot) = self.lists.value(name) {
            found.lists.push(name.to_owned());
            found.parts.push(Known::What(What::Slot(slot)));
        } else if let Some(why) = self.lists.refused(name) {
            return Err(Why::Refused(why.into()));
        } else if let Some(&slot) = self.slots.get(name) {
            found.parts.push(Known::What(What::Slot(slot)));
        } else if let Some(what) = of_request(name) {
            found.parts.push(Known::What(what));
        } else {
            match name {
                "https" => found.parts.push(Known::What(What::Slot(HTTPS))),
                "server_name" => match of {
                    Some(of) => found.parts.push(Known::Text(self.server_name(of.server))),
                    None => return Err(Why::Refused("a list that depends on which server answers".into())),
                },
                "document_root" | "realpath_root" => found.parts.push(text(&self.root_text(scope))),
                "request_filename" => {
                    found.parts.push(text(&self.root_text(scope)));
                    found.parts.push(Known::What(What::Part(Part::WorkingPath)));
                }
                "nginx_version"
                | "hostname"
                | "pid"
                | "msec"
                | "request_id"
                | "connection"
                | "connection_requests"
                | "remote_port"
                | "remote_user"
                | "server_addr"
                | "server_protocol"
                | "request"
                | "request_body"
                | "request_length"
                | "request_time"
                | "time_iso8601"
                | "time_local"
                | "status"
                | "limit_rate"
                | "binary_remote_addr"
                | "proxy_host"
                | "proxy_port"
                | "body_bytes_sent"
                | "bytes_sent"
                | "request_completion"
                | "request_body_file"
                | "modern_browser"
                | "ancient_browser"
                | "msie"
                | "invalid_referer"
                | "secure_link"
                | "secure_link_expires"
                | "uid_got"
                | "uid_set"
                | "uid_reset"
                | "pipe"
                | "tcpinfo_rtt"
                | "proxy_add_x_forwarded_for"
                | "http2"
                | "http3" => {
                    return Err(Why::Refused(format!("`${name}` is not known here").into()));
                }
                name if [
                    "ssl_",
                    "geoip_",
                    "upstream_",
                    "sent_http_",
                    "realip_",
                    "proxy_protocol",
                    "jwt_",
                    "fastcgi_",
                    "date_",
                ]
                .iter()
                .any(|begin| name.starts_with(begin)) =>
                {
                    return Err(Why::Refused(format!("`${name}` is not known here").into()));
                }
                name => return Err(Why::Fault(format!("unknown \"{name}\" variable"))),
            }
        }
        Ok(())
    }

    /// The name that a server gives itself.
    fn server_name(&self, server: &Server) -> Vec<u8> {
        let first = server.names.first().map(|&word| self.tree.word(word).to_ascii_lowercase()).unwrap_or_default();
        first.strip_prefix(b".").map(<[u8]>::to_vec).unwrap_or(first)
    }

    /// The text of `$document_root`.
    pub(super) fn root_text(&self, scope: &Scope) -> Vec<u8> {
        match scope.root {
            Some((word, _)) => self.tree.word(word).trim_ascii_end().to_vec(),
            None => b"html".to_vec(),
        }
    }

    /// The table that knows what is below a document root; `None` where no folder was given.
    pub(super) fn root_table(&mut self, scope: &Scope) -> Option<TableId> {
        let mut text = self.root_text(scope);
        if matches!(scope.root, Some((_, true))) || text.contains(&b'$') {
            return None;
        }
        if let Some(known) = self.roots.get(&text) {
            return *known;
        }
        let configured = scope.root.map(|_| String::from_utf8_lossy(&text).into_owned());
        let folder = self.reading.document_root(configured.as_deref().map(Path::new));
        let tree = folder.as_deref().and_then(|folder| self.reading.tree(folder));
        let table = tree.map(|tree| {
            let table = self.table(&dialect::NGINX_MAP, Order::Specific);
            let rest = self.table(&dialect::NGINX_MAP, Order::Listed);
            self.reading.set_after(table, After::Table(rest));
            let span = scope.root.map_or(self.whole(), |(word, _)| self.tree.span(word));
            while text.last() == Some(&b'/') {
                text.pop();
            }
            let kept = |kind: &'static str| Action::Set {
                slot: KIND,
                text: piece(What::Literal(kind.into())),
                then: Then::End,
            };
            let mut add = |path: Vec<u8>, kind| {
                let source = Source::of_path(PathPattern::Exact(Cow::Owned(path)));
                self.push(table, source, &[], kept(kind), &span);
            };
            for (path, kind) in std::iter::once((std::path::PathBuf::new(), EntryKind::Folder)).chain(tree) {
                let mut key = text.clone();
                if !path.as_os_str().is_empty() {
                    key.push(b'/');
                    key.extend_from_slice(path.as_os_str().as_encoded_bytes());
                }
                match kind {
                    EntryKind::File => add(key, "f"),
                    EntryKind::Folder => {
                        add([key.as_slice(), b"/"].concat(), "d");
                        add(key, "d");
                    }
                }
            }
            self.push(rest, any(), &[], kept(""), &span);
            table
        });
        self.roots.insert(self.root_text(scope), table);
        table
    }

    /// A place for what no word stands for: the beginning of the file.
    pub(super) fn whole(&self) -> Span {
        self.tree.place(0, 0..0)
    }

    pub(super) fn span(&self, word: Word) -> Span {
        self.tree.span(word)
    }

    // Servers

    fn servers(&mut self) {
        let model = self.model;
        let mut ports: Vec<Port> = Vec::new();
        let listens = |server: &Server| match server.ports.is_empty() {
            true => vec![(Port { number: 80, is_tls: false }, false)],
            false => server.ports.clone(),
        };
        for (port, _) in model.servers.iter().flat_map(listens) {
            if !ports.iter().any(|known| known.number == port.number) {
                ports.push(port);
            }
        }
        // Servers of one port: which they are, and which is the default.
        let groups: Vec<(Port, Vec<usize>, usize)> = ports
            .iter()
            .map(|&port| {
                let mine: Vec<(usize, bool)> = model
                    .servers
                    .iter()
                    .enumerate()
                    .filter_map(|(at, server)| {
                        listens(server)
                            .iter()
                            .find(|(other, _)| other.number == port.number)
                            .map(|(_, default)| (at, *default))
                    })
                    .collect();
                let default = mine.iter().find(|(_, default)| *default).or(mine.first()).map_or(0, |(at, _)| *at);
                (port, mine.iter().map(|(at, _)| *at).collect(), default)
            })
            .collect();
        if groups.is_empty() {
            return;
        }
        let prelude = self.prelude();
        // Tables that look at no path refuse none: that is for the server that is chosen.
        let chooser = (groups.len() > 1).then(|| self.table(&dialect::NGINX_MAP, Order::Listed));
        let mut hosts: Vec<(Vec<usize>, usize, TableId)> = Vec::new();
        for (_, servers, default) in &groups {
            if !hosts.iter().any(|(known, other, _)| known == servers && other == default) {
                let table = self.table(&dialect::NGINX_MAP, Order::Specific);
                hosts.push((servers.clone(), *default, table));
            }
        }
        let begin = chooser.unwrap_or(hosts[0].2);
        match prelude {
            Some(prelude) => {
                self.reading.root(prelude);
                self.reading.set_after(prelude, After::Table(begin));
            }
            None => self.reading.root(begin),
        }
        if let Some(chooser) = chooser {
            self.choose(chooser, &groups, &hosts);
        }
        let mut entries: HashMap<(usize, bool), (TableId, Digits)> = HashMap::new();
        for (servers, default, table) in hosts {
            let merges = model.servers[default].scope.merges;
            for &at in &servers {
                entries.entry((at, merges)).or_insert_with(|| self.server(&model.servers[at], merges));
            }
            self.hosts(table, &servers, default, &|at| entries[&(at, merges)]);
        }
    }

    /// What every request begins with: `$https`, where it is used.
    fn prelude(&mut self) -> Option<TableId> {
        let is_used = self.tree.texts.iter().any(|text| {
            memchr::memmem::find(&text.bytes, b"$https").is_some()
                || memchr::memmem::find(&text.bytes, b"${https").is_some()
        });
        is_used.then(|| {
            let table = self.table(&dialect::NGINX_MAP, Order::Listed);
            let https = asks(What::Part(Part::Scheme), Test::Is("https".to_owned()), false);
            let action = Action::Set { slot: HTTPS, text: piece(What::Literal("on".into())), then: Then::Next };
            let span = self.whole();
            self.push(table, any(), &[https], action, &span);
            table
        })
    }

    /// The port that a request came in on; where no server listens on it, its scheme.
    fn choose(
        &mut self,
        chooser: TableId,
        groups: &[(Port, Vec<usize>, usize)],
        hosts: &[(Vec<usize>, usize, TableId)],
    ) {
        let span = self.whole();
        let table_of = |(_, servers, default): &(Port, Vec<usize>, usize)| {
            hosts.iter().find(|(known, other, _)| known == servers && other == default).map(|(.., table)| *table)
        };
        for group in groups {
            let Some(table) = table_of(group) else { continue };
            let port = asks(What::Part(Part::LocalPort), Test::Is(group.0.number.to_string()), false);
            self.push(chooser, any(), &[port], Action::Enter(table), &span);
        }
        for (scheme, is_tls, usual) in [("https", true, 443), ("http", false, 80)] {
            let of_scheme = |group: &&(Port, Vec<usize>, usize)| group.0.is_tls == is_tls;
            let best = groups.iter().find(|group| group.0.number == usual).or(groups.iter().find(of_scheme));
            if let Some(table) = best.and_then(table_of) {
                let scheme = asks(What::Part(Part::Scheme), Test::Is(scheme.to_owned()), false);
                self.push(chooser, any(), &[scheme], Action::Enter(table), &span);
            }
        }
        if let Some(table) = groups.first().and_then(table_of) {
            self.push(chooser, any(), &[], Action::Enter(table), &span);
        }
        let numbers: Vec<String> = groups.iter().map(|(port, ..)| port.number.to_string()).collect();
        self.reading.say(
            Diagnostic::note("listen", format!("the servers listen on {}; none of these is bound", numbers.join(", ")))
                .at(span)
                .help("the port that a request comes in on chooses among them, and its scheme where no server listens there"),
        );
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
                            || (format!("conflicting server name \"{shown}\", ignored"), None),
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
        let span = self.whole();
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
                    self.reading.push(table, &Rule::new(source, Action::Enter(entry)), &span);
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
            return self.reading.say(faults::pcre(pattern, &refused, span));
        }
        let regex = match Regex::read(pattern, LetterCase::Ignored) {
            Ok(regex) => regex,
            Err(what) => {
                let message = format!("regular expression cannot be read: {what}");
                return self.reading.say(faults::regex(message, span));
            }
        };
        let found = [asks(What::Part(Part::Host), Test::Regex(regex.pattern.clone()), false)];
        self.keep_groups(table, &any(), &found, &regex, entry.1, &What::ConditionCapture);
        self.enter(table, &found, entry.0, &span);
    }

    /// Keeps what the groups of a pattern took, for those who come after: named ones, and the numbers that somebody reads.
    pub(super) fn keep_groups(
        &mut self,
        table: TableId,
        source: &Source<'static>,
        conditions: &[Condition],
        regex: &Regex,
        live: Digits,
        group: &dyn Fn(u8) -> What<'static>,
    ) {
        let span = self.whole();
        let offset = u8::from(matches!(group(0), What::Capture(_)));
        for number in 1..=9u8 {
            if live.has(number) {
                let text = match usize::from(number) <= regex.groups.len() {
                    true => group(number - offset),
                    false => What::Literal("".into()),
                };
                let action = Action::Set { slot: u16::from(number), text: piece(text), then: Then::Next };
                self.push(table, source.clone(), conditions, action, &span);
            }
        }
        let named: Vec<(usize, String)> = regex.named().map(|(at, name)| (at, name.to_ascii_lowercase())).collect();
        for (at, name) in named {
            let slot = self.slot(&name);
            let Ok(number) = u8::try_from(at) else { continue };
            let action = Action::Set { slot, text: piece(group(number - offset)), then: Then::Next };
            self.push(table, source.clone(), conditions, action, &span);
        }
    }

    /// The tables of one server: where it begins, and which groups of its name are read.
    fn server(&mut self, server: &'t Server, merges: bool) -> (TableId, Digits) {
        let live = script::live_of(server, self);
        let style = Style::of(&server.scope, merges);
        let pool = match server.statements.is_empty() {
            true => Vec::new(),
            false => script::tables(&server.statements, style, self),
        };
        let locations = self.table(style.dialect(Form::Return), Order::NginxLocation);
        let mut named = HashMap::new();
        let mut blocks = HashMap::new();
        self.block_tables(&server.locations, style, 0, &mut named, &mut blocks);
        let of = Of { server, merges, locations, named, live };
        let begin = pool.first().copied().unwrap_or(locations);
        // Bodies come behind all tables of locations, so that they can be entered from each.
        let mut bodies = Vec::new();
        self.body_tables(&server.locations, style, &of, &mut bodies);
        let table_of: HashMap<usize, TableId> =
            bodies.iter().map(|(location, table)| (key(location), *table)).collect();
        self.fill(locations, &server.locations, &[], &of, &blocks, &table_of);
        for (location, table) in bodies {
            self.body(location, table, &of);
        }
        let fallback = self.content(&server.scope, server.try_files.as_deref(), false, &of);
        if let Some(fallback) = fallback {
            self.reading.set_after(locations, After::Table(fallback));
        }
        if !pool.is_empty() {
            let last = script::run(self, &server.statements, pool, &of, &server.scope, style, Phase::Server);
            self.reading.set_after(last, After::Table(locations));
        }
        let live = script::live_in(&server.statements, live, live, self);
        (begin, live)
    }

    /// Tables for locations inside locations, and for the named.
    fn block_tables(
        &mut self,
        locations: &'t [Location],
        style: Style,
        depth: usize,
        named: &mut HashMap<String, TableId>,
        blocks: &mut HashMap<usize, TableId>,
    ) {
        for location in locations {
            if let Found::Named(name) = &location.found {
                let own = Style::of(&location.scope, style.merges);
                let table = self.table(own.dialect(script::first_form(&location.statements)), Order::Listed);
                named.insert(name.clone(), table);
            }
            // An inner `^~` keeps out the patterns beside it, not those further out: it has a table for these.
            let keeps_some_out = depth > 0 && matches!(location.found, Found::Prefix { is_final: true, .. });
            if !location.locations.is_empty() || keeps_some_out {
                let table = self.table(style.dialect(Form::Return), Order::NginxLocation);
                blocks.insert(key(location), table);
                self.block_tables(&location.locations, style, depth + 1, named, blocks);
            }
        }
    }

    /// Tables for what locations do, where that is more than one thing.
    fn body_tables(
        &mut self,
        locations: &'t [Location],
        style: Style,
        of: &Of<'_>,
        bodies: &mut Vec<(&'t Location, TableId)>,
    ) {
        for location in locations {
            match &location.found {
                Found::Named(name) => {
                    if let Some(&table) = of.named.get(name) {
                        bodies.push((location, table));
                    }
                }
                _ if self.needs_table(location, style) => {
                    let own = Style::of(&location.scope, style.merges);
                    let table = self.table(own.dialect(script::first_form(&location.statements)), Order::Listed);
                    bodies.push((location, table));
                }
                _ => {}
            }
            self.body_tables(&location.locations, style, of, bodies);
        }
    }

    fn needs_table(&mut self, location: &Location, style: Style) -> bool {
        let own = Style::of(&location.scope, style.merges);
        match location.statements.as_slice() {
            [] => location.try_files.is_some() || !location.passes_on && self.root_table(&location.scope).is_some(),
            [only] => own != style || !script::is_direct(only, self),
            _ => true,
        }
    }

    /// Fills a table of locations. `outer` are the patterns from outside, which are tried behind those inside.
    #[allow(clippy::too_many_arguments, reason = "the tables that were made beforehand are looked up here alone")]
    fn fill(
        &mut self,
        table: TableId,
        locations: &'t [Location],
        outer: &[&'t Location],
        of: &Of<'t>,
        blocks: &HashMap<usize, TableId>,
        bodies: &HashMap<usize, TableId>,
    ) {
        let regexes: Vec<&Location> =
            locations.iter().filter(|one| matches!(one.found, Found::Regex(_))).chain(outer.iter().copied()).collect();
        for location in locations {
            let span = self.span(location.word);
            match &location.found {
                Found::Exact(path) => {
                    let source = Source::of_path(PathPattern::Exact(Cow::Owned(path.clone())));
                    self.location(table, source, location, of, bodies);
                }
                Found::Prefix { prefix, is_final } => {
                    self.slash_redirect(table, prefix, location, locations, &span);
                    let Some(&inner) = blocks.get(&key(location)) else {
                        let source = prefix_source(prefix, *is_final);
                        self.location(table, source, location, of, bodies);
                        continue;
                    };
                    self.push(table, prefix_source(prefix, true), &[], Action::Enter(inner), &span);
                    let seen: &[&Location] = if *is_final { outer } else { &regexes };
                    self.location(inner, prefix_source(prefix, false), location, of, bodies);
                    self.fill(inner, &location.locations, seen, of, blocks, bodies);
                }
                Found::Regex(_) | Found::Named(_) => {}
            }
        }
        if !outer.is_empty() {
            self.copies += outer.len();
            if self.copies > COPY_LIMIT {
                let message = "there are too many locations inside locations beside patterns";
                return self.reading.say(Diagnostic::error("too-many-blocks", message).at(self.whole()));
            }
        }
        for location in regexes {
            let Found::Regex(regex) = &location.found else { continue };
            match blocks.get(&key(location)) {
                Some(&inner) => {
                    let span = self.span(location.word);
                    self.push(table, of_regex(regex), &[], go(table, inner), &span);
                }
                None => self.location(table, of_regex(regex), location, of, bodies),
            }
        }
        // What is inside a pattern is filled once, where the pattern stands.
        for location in locations {
            if let (Found::Regex(_), Some(&inner)) = (&location.found, blocks.get(&key(location))) {
                self.location(inner, any(), location, of, bodies);
                self.fill(inner, &location.locations, &[], of, blocks, bodies);
            }
        }
    }

    /// The rule of one location.
    fn location(
        &mut self,
        table: TableId,
        source: Source<'static>,
        location: &'t Location,
        of: &Of<'t>,
        bodies: &HashMap<usize, TableId>,
    ) {
        let span = self.span(location.word);
        match (bodies.get(&key(location)), location.statements.as_slice()) {
            (Some(&body), _) => self.push(table, source, &[], Action::Enter(body), &span),
            (None, [only]) => {
                script::direct(self, table, source, only, location, of);
            }
            (None, _) => self.push(table, source, &[], Action::Pass, &span),
        }
    }

    /// `/dir` to `/dir/`, which nginx does for a prefix that is handed to another server.
    fn slash_redirect(&mut self, table: TableId, prefix: &[u8], location: &Location, all: &[Location], span: &Span) {
        let Some(bare) = prefix.strip_suffix(b"/").filter(|bare| !bare.is_empty() && location.passes_on) else {
            return;
        };
        let is_taken = all.iter().any(|other| match &other.found {
            Found::Exact(path) => path == bare,
            Found::Prefix { prefix, .. } => prefix == bare,
            _ => false,
        });
        if is_taken {
            return;
        }
        let source = Source::of_path(PathPattern::Exact(Cow::Owned(bare.to_vec())));
        let to = Target::of_pieces(vec![Piece {
            place: Landing::Path,
            what: What::Literal(Cow::Owned(escaped_path(prefix))),
        }]);
        let status = StatusByMethod::always(RedirectStatus::MovedPermanently);
        self.push(table, source, &[], Action::Redirect { status, target: to, query: QueryPolicy::Keep }, span);
        self.reading.exact(span, &format!("location {} (the slash at its end)", String::from_utf8_lossy(prefix)));
    }

    fn body(&mut self, location: &'t Location, table: TableId, of: &Of<'t>) {
        let style = Style::of(&location.scope, of.merges);
        let live = script::live_in(&location.statements, Digits::default(), of.live, self);
        if let Found::Regex(regex) = &location.found {
            self.keep_groups(table, &of_regex(regex), &[], regex, live, &|number| What::Capture(number));
        }
        let last = script::run(self, &location.statements, vec![table], of, &location.scope, style, Phase::Location);
        if let Some(content) = self.content(&location.scope, location.try_files.as_deref(), location.passes_on, of) {
            self.reading.set_after(last, After::Table(content));
        }
    }

    /// What a request gets whose statements decided nothing: files, and the redirects that follow from them.
    fn content(&mut self, scope: &Scope, try_files: Option<&[Word]>, passes_on: bool, of: &Of<'t>) -> Option<TableId> {
        if passes_on && try_files.is_none() {
            return None;
        }
        let Some(root) = self.root_table(scope) else {
            if let Some(words) = try_files {
                let span = words.first().map_or(self.whole(), |&word| self.span(word));
                let shown: Vec<Cow<'_, str>> = words.iter().map(|&word| self.tree.str(word)).collect();
                let why = "it depends on files on the disk: give their folder with `--root DIR`";
                self.reading.refused(&span, &format!("try_files {}", shown.join(" ")), why);
            }
            return None;
        };
        let style = Style::of(scope, of.merges);
        let table = self.table(style.dialect(Form::Return), Order::Listed);
        script::files(self, table, root, scope, try_files, of);
        Some(table)
    }
}

fn key(location: &Location) -> usize {
    std::ptr::from_ref(location) as usize
}

fn prefix_source(prefix: &[u8], is_final: bool) -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: Cow::Owned(prefix.to_vec()), is_final })
}

fn escaped_path(path: &[u8]) -> String {
    let mut out = String::new();
    for &byte in path {
        match byte {
            b'%' | b'?' | b'#' => out.push_str(&format!("%{byte:02X}")),
            0x21..=0x7E => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
