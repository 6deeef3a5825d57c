//! From servers and locations to tables and rules.
//!
//! A server is a chain of tables for its own statements, then a table of its locations, then a chain for each location that does
//! more than one thing. Which server answers is in [`super::servers`], statements in [`super::script`], lists in
//! [`super::lists`].
//!
//! Long because the order in which tables are made, numbered and filled is one thought: whoever splits it must know it all.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use byway_core::Action;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{self, Dialect, QueryPolicy};
use byway_core::rule::{Rule, Then};
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::content::Content;
use super::faults;
use super::groups::{self, Digits};
use super::lex::Word;
use super::lists::Lists;
use super::model::{Answers, Found, Location, Model, Root, Scope, Server};
use super::pcre::Regex;
use super::script::{self, Phase};
use super::text::{self, Bit, Form, Known, bits, of_request};
use super::tree::Tree;
use crate::diagnostic::Diagnostic;
use crate::files::EntryKind;
use crate::foreign::Reading;
use crate::span::Span;

/// The slots `$1` to `$9` are kept in are their numbers; these follow.
pub(super) const CHANGED: u16 = 10;
pub(super) const TEXT: u16 = 11;
pub(crate) const KIND: u16 = 12;
pub(super) const HTTPS: u16 = 13;
/// Whether nginx itself led the request where it is.
pub(super) const INTERNAL: u16 = 14;
/// Whether an error page was asked.
pub(super) const ERRORED: u16 = 15;
/// The method, where error pages change it.
pub(super) const METHOD: u16 = 16;
/// What of a path an `alias` looks for.
pub(super) const TAIL: u16 = 17;
/// The name of the server, where lists ask for it.
const SERVER_NAME: u16 = 18;
const FIRST_SLOT: u16 = 20;

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
    /// The tables of error pages: by server, page and style.
    pub(super) pages: HashMap<(usize, usize, Style), TableId>,
    /// The error pages that some rule leads to.
    pub(super) answered: HashSet<usize>,
    /// The statuses that have an error page somewhere.
    pub(super) page_codes: HashSet<u16>,
    /// The groups that some statement reads.
    pub(super) read_groups: Digits,
    /// The groups that error pages read.
    pub(super) page_digits: Digits,
    /// Variables that the configuration sets and that the request says before it does.
    pub(super) begun: Vec<(u16, What<'static>)>,
    /// Whether the method is kept in a slot.
    pub(super) keeps_method: bool,
    /// Whether some list asks which server answers.
    pub(super) asks_name: bool,
    /// Why what is being read is not quite what nginx has.
    pub(super) approximates: Option<&'static str>,
    /// Variables of the server that is being read whose `set` is left out, and why.
    pub(super) unknown: HashMap<String, String>,
    tables: usize,
    copies: usize,
}

/// How a table's redirects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Where its statements begin, for requests that begin again.
    pub(super) begin: TableId,
    pub(super) locations: TableId,
    pub(super) named: HashMap<String, TableId>,
    /// A table without rules, for locations that have nothing to say where the server itself has.
    pub(super) nothing: Option<TableId>,
    /// Whether some location is `internal`, so that it is marked what is.
    pub(super) is_marked: bool,
    /// Whether some error page leads inside.
    pub(super) leads_inside: bool,
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
    /// Which of the parts are groups by number.
    pub(super) groups: Vec<usize>,
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
        pages: HashMap::new(),
        answered: HashSet::new(),
        page_codes: HashSet::new(),
        read_groups: Digits::default(),
        page_digits: Digits::default(),
        begun: Vec::new(),
        keeps_method: false,
        asks_name: false,
        approximates: None,
        unknown: HashMap::new(),
        tables: 0,
        copies: 0,
    };
    groups::declare(&mut lower);
    lower.keeps_method = lower.changes_method();
    super::errors::note_pages(&mut lower);
    lower.read_groups = lower.read_groups.and(lower.page_digits);
    lower.lists_tables();
    lower.servers();
    lower.unanswered();
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
pub(super) fn go(from: TableId, to: TableId) -> Action<'static> {
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

    /// Says that a rule decides here as it does there, or why it does not quite.
    pub(super) fn exact(&mut self, span: &Span, rule: &str) {
        match self.approximates.take() {
            Some(why) => self.reading.approximated(span, rule, why),
            None => self.reading.exact(span, rule),
        }
    }

    pub(super) fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.reading.say_mistake(faults::syntax(message, span));
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
        let mut found = Resolved { parts: Vec::new(), lists: Vec::new(), groups: Vec::new() };
        for bit in bits(text).map_err(Why::Fault)? {
            if matches!(bit, Bit::Group(_)) {
                found.groups.push(found.parts.len());
            }
            if let Some(what) = own(&bit) {
                found.parts.push(Known::What(what));
                continue;
            }
            match bit {
                Bit::Text(text) => found.parts.push(Known::Text(text)),
                Bit::Group(number) => match self.unknown.get(&number.to_string()) {
                    Some(why) => return Err(Why::Refused(why.clone().into())),
                    None => found.parts.push(Known::What(What::Slot(u16::from(number)))),
                },
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
        } else if let Some(why) = self.unknown.get(name) {
            return Err(Why::Refused(why.clone().into()));
        } else if let Some(&slot) = self.slots.get(name) {
            found.parts.push(Known::What(What::Slot(slot)));
        } else if let Some(what) = of_request(name) {
            found.parts.push(Known::What(what));
        } else {
            match name {
                "https" => found.parts.push(Known::What(What::Slot(HTTPS))),
                "request_method" => found.parts.push(Known::What(self.method())),
                "server_name" => match of {
                    Some(of) => found.parts.push(Known::Text(self.server_name(of.server))),
                    None => {
                        self.asks_name = true;
                        found.parts.push(Known::What(What::Slot(SERVER_NAME)));
                    }
                },
                "document_root" | "realpath_root" => found.parts.push(text(&self.root_text(scope))),
                "request_filename" => {
                    found.parts.push(text(&self.root_text(scope)));
                    found.parts.push(Known::What(match &scope.root {
                        Some(Root { alias: Some(Some(_)), .. }) => What::Slot(TAIL),
                        _ => What::Part(Part::WorkingPath),
                    }));
                }
                "request" => {
                    self.approximates = Some("the protocol is taken to be HTTP/1.1");
                    found.parts.extend([
                        Known::What(What::Part(Part::Method)),
                        text(b" "),
                        Known::What(What::Part(Part::PathAndQuery)),
                        text(b" HTTP/1.1"),
                    ]);
                }
                "server_protocol" => {
                    self.approximates = Some("the protocol is taken to be HTTP/1.1");
                    found.parts.push(text(b"HTTP/1.1"));
                }
                name => match text::constant(name) {
                    Some(value) => found.parts.push(text(value.as_bytes())),
                    None if text::is_taken(name) || text::is_of_module(name) => {
                        return Err(Why::Refused(format!("`${name}` is not known here").into()));
                    }
                    None if self.model.others.contains(name) => {
                        return Err(Why::Refused(format!("`${name}` is set by a module that is not here").into()));
                    }
                    None => return Err(Why::Fault(format!("unknown \"{name}\" variable"))),
                },
            }
        }
        Ok(())
    }

    /// The name that a server gives itself.
    fn server_name(&self, server: &Server) -> Vec<u8> {
        let first = server.names.first().map(|&word| self.tree.word(word).to_ascii_lowercase()).unwrap_or_default();
        first.strip_prefix(b".").map(<[u8]>::to_vec).unwrap_or(first)
    }

    /// The method: an error page that is a path makes a GET of it.
    pub(super) fn method(&self) -> What<'static> {
        if self.keeps_method { What::Slot(METHOD) } else { What::Part(Part::Method) }
    }

    fn changes_method(&self) -> bool {
        let says = |text: &[u8]| self.tree.texts.iter().any(|own| memchr::memmem::find(&own.bytes, text).is_some());
        let is_asked = says(b"$request_method") || says(b"${request_method") || says(b"limit_except") || says(b" 405");
        is_asked && self.model.servers.iter().any(|server| super::errors::leads_inside(server, self))
    }

    /// The text of `$document_root`: without a slash at its end, unless it is an `alias`.
    pub(super) fn root_text(&self, scope: &Scope) -> Vec<u8> {
        let Some(root) = &scope.root else { return b"html".to_vec() };
        let text = self.tree.word(root.word);
        let text = text.trim_ascii_end();
        match root.alias {
            Some(_) => text.to_vec(),
            None => text.strip_suffix(b"/").unwrap_or(text).to_vec(),
        }
    }

    /// The table that knows what is below a document root; `None` where no folder was given.
    pub(super) fn root_table(&mut self, scope: &Scope) -> Option<TableId> {
        let mut text = self.root_text(scope);
        if text.contains(&b'$') {
            return None;
        }
        if let Some(known) = self.roots.get(&text) {
            return *known;
        }
        let configured = scope.root.as_ref().map(|_| String::from_utf8_lossy(&text).into_owned());
        let configured = configured.as_deref().map(Path::new);
        let folder = match &scope.root {
            // `--root` stands for the document root, and an `alias` is another folder.
            Some(Root { alias: Some(_), .. }) => {
                let is_folder = |path: &&Path| {
                    !self.reading.is_for_writing() && self.reading.kind_of(path) == Some(EntryKind::Folder)
                };
                configured.filter(is_folder).map(Path::to_owned)
            }
            _ => self.reading.document_root(configured),
        };
        let tree = folder.as_deref().and_then(|folder| self.reading.tree(folder));
        let table = tree.map(|tree| {
            let table = self.table(&dialect::NGINX_MAP, Order::Specific);
            let rest = self.table(&dialect::NGINX_MAP, Order::Listed);
            self.reading.set_after(table, After::Table(rest));
            let span = scope.root.as_ref().map_or(self.whole(), |root| self.tree.span(root.word));
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

    /// No place: for rules that choose among servers, which nobody wrote.
    pub(super) fn nowhere(&self) -> Span {
        Span { line: 0, ..self.whole() }
    }

    pub(super) fn span(&self, word: Word) -> Span {
        self.tree.span(word)
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
    pub(super) fn server(&mut self, server: &'t Server, merges: bool) -> (TableId, Digits) {
        self.note_unknown(server);
        let live = groups::live_of(server, self);
        let style = Style::of(&server.scope, merges);
        let first = self.opens(server).then(|| self.table(style.dialect(Form::Return), Order::Listed));
        let pool = match server.statements.is_empty() {
            true => Vec::new(),
            false => script::tables(&server.statements, style, self),
        };
        let locations = self.table(style.dialect(Form::Return), Order::NginxLocation);
        let mut named = HashMap::new();
        let mut blocks = HashMap::new();
        self.block_tables(&server.locations, style, 0, &mut named, &mut blocks);
        let begin = pool.first().copied().unwrap_or(locations);
        let is_marked = super::errors::any_location(&server.locations, &|location| location.scope.is_internal);
        let leads_inside = super::errors::leads_inside(server, self);
        let own = Content { scope: &server.scope, try_files: server.try_files.as_deref(), answers: Answers::Files };
        let nothing = self.has_content(own).then(|| self.table(style.dialect(Form::Return), Order::Listed));
        let of = Of { server, merges, begin, locations, named, nothing, is_marked, leads_inside, live };
        // Bodies come behind all tables of locations, so that they can be entered from each.
        let mut bodies = Vec::new();
        self.body_tables(&server.locations, style, &of, &mut bodies);
        let table_of: HashMap<usize, TableId> =
            bodies.iter().map(|(location, table)| (key(location), *table)).collect();
        self.fill(locations, &server.locations, &[], &of, &blocks, &table_of);
        for (location, table) in bodies {
            self.body(location, table, &of);
        }
        if let Some(content) = self.content(own, &of) {
            self.reading.set_after(locations, After::Table(content));
        }
        if !pool.is_empty() {
            let last = script::run(self, &server.statements, pool, &of, &server.scope, style, Phase::Server, None);
            self.reading.set_after(last, After::Table(locations));
        }
        let live = groups::live_in(&server.statements, live, live, self);
        if let Some(first) = first {
            self.reading.set_after(first, After::Table(begin));
            self.opening(first, server, &of, style);
        }
        (first.unwrap_or(begin), live)
    }

    /// Whether something comes before a server's first statement.
    fn opens(&self, server: &Server) -> bool {
        self.asks_name
            || server.scope.error_pages.iter().any(|page| page.codes.contains(&497)) && !server.tls_alone.is_empty()
    }

    /// What comes before a server's first statement: its name, for lists; and clear text on a port for TLS.
    fn opening(&mut self, table: TableId, server: &'t Server, of: &Of<'_>, style: Style) {
        let span = self.whole();
        let name = String::from_utf8_lossy(&self.server_name(server)).into_owned();
        let text = piece(What::Literal(name.into()));
        self.push(table, any(), &[], Action::Set { slot: SERVER_NAME, text, then: Then::Next }, &span);
        let ports = server.tls_alone.clone();
        if !ports.is_empty() {
            let clear = asks(What::Part(Part::Scheme), Test::Is("http".to_owned()), false);
            let port = asks(What::Part(Part::LocalPort), Test::In(ports), false);
            let mut run = script::Run::new(self, of, &server.scope, style, Phase::Server, table, Form::Return);
            run.error_page(497, &any(), &[clear, port], &span);
        }
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
            _ if location.scope.is_internal || location.limit.is_some() => true,
            [] => self.has_content(content_of(location)),
            [only] => own != style || !script::is_direct(only, &location.scope, self),
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
                    self.slash_redirect(table, path, location, locations, of, &span);
                    let source = Source::of_path(PathPattern::Exact(Cow::Owned(path.clone())));
                    self.location(table, source, location, of, bodies);
                }
                Found::Prefix { prefix, is_final } => {
                    self.slash_redirect(table, prefix, location, locations, of, &span);
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
            (None, _) => {
                let action = of.nothing.map_or(Action::Pass, |nothing| go(table, nothing));
                self.push(table, source, &[], action, &span);
            }
        }
    }

    /// `/dir` to `/dir/`, which nginx does for a path that is handed to another server.
    fn slash_redirect(
        &mut self,
        table: TableId,
        path: &[u8],
        location: &'t Location,
        all: &[Location],
        of: &Of<'t>,
        span: &Span,
    ) {
        let passes_on = location.answers == Answers::Server;
        let Some(bare) = path.strip_suffix(b"/").filter(|bare| !bare.is_empty() && passes_on) else {
            return;
        };
        let is_taken = all.iter().any(|other| match &other.found {
            Found::Exact(path) => path == bare,
            Found::Prefix { prefix, .. } => prefix == bare,
            _ => false,
        });
        let is_twice = matches!(location.found, Found::Prefix { .. })
            && all.iter().any(|other| {
                other.answers == Answers::Server && matches!(&other.found, Found::Exact(exact) if exact == path)
            });
        if is_taken || is_twice {
            return;
        }
        let source = Source::of_path(PathPattern::Exact(Cow::Owned(bare.to_vec())));
        let to = Target::of_pieces(vec![Piece {
            place: Landing::Path,
            what: What::Literal(Cow::Owned(escaped_path(path))),
        }]);
        let status = StatusByMethod::always(RedirectStatus::MovedPermanently);
        let redirect = Action::Redirect { status, target: to, query: QueryPolicy::Keep };
        let style = Style::of(&location.scope, of.merges);
        // It is the location's own answer, with all that holds there.
        let apart = self.table(style.dialect(Form::Return), Order::Listed);
        self.push(table, source, &[], go(table, apart), span);
        let mut run = script::Run::new(self, of, &location.scope, style, Phase::Location, apart, Form::Return);
        if location.scope.is_internal {
            run.only_internal(span);
        }
        if !run.error_page(301, &any(), &[], span) {
            run.push(&any(), &[], redirect, span);
        }
        self.exact(span, &format!("location {} (the slash at its end)", String::from_utf8_lossy(path)));
    }

    fn body(&mut self, location: &'t Location, table: TableId, of: &Of<'t>) {
        let style = Style::of(&location.scope, of.merges);
        let live = groups::live_in(&location.statements, self.page_digits, of.live, self);
        if let Found::Regex(regex) = &location.found {
            self.keep_groups(table, &of_regex(regex), &[], regex, live, &|number| What::Capture(number));
        }
        self.way_in(location, table, of, style);
        let content = self.content(content_of(location), of);
        let (pool, scope) = (vec![table], &location.scope);
        let last = script::run(self, &location.statements, pool, of, scope, style, Phase::Location, content);
        if let Some(content) = content {
            self.reading.set_after(last, After::Table(content));
        }
    }

    /// What comes before the statements of a location: whether a request may come here, and by which method.
    fn way_in(&mut self, location: &'t Location, table: TableId, of: &Of<'t>, style: Style) {
        let span = self.span(location.word);
        let form = script::first_form(&location.statements);
        let mut run = script::Run::new(self, of, &location.scope, style, Phase::Location, table, form);
        run.alias();
        if location.scope.is_internal {
            run.only_internal(&span);
        }
        let Some(limit) = &location.limit else { return };
        let others = asks(self.method(), Test::In(limit.methods.clone()), true);
        let content = Content { scope: &limit.scope, try_files: location.try_files.as_deref(), answers: limit.answers };
        // Other methods find none of the location's statements.
        let action = match self.content(content, of) {
            Some(content) => go(table, content),
            None => stop(),
        };
        self.push(table, any(), &[others], action, &span);
    }
}

/// What answers behind the statements of a location.
fn content_of(location: &Location) -> Content<'_> {
    Content { scope: &location.scope, try_files: location.try_files.as_deref(), answers: location.answers }
}

fn key(location: &Location) -> usize {
    std::ptr::from_ref(location) as usize
}

pub(super) fn prefix_source(prefix: &[u8], is_final: bool) -> Source<'static> {
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
