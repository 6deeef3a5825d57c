//! What no rule takes and is not there: `ErrorDocument` with a URL sends whoever asks for it away, where the document root can be
//! listed.
//!
//! httpd asks its files last. A file that is there is content; a folder without an index, or what is not there, is an error, and so
//! is a method that files do not take. Which URL an error leads to is said by the sections that hold and the deepest folder.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, Dialect, LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::ReplyStatus;
use byway_core::target::{Part, Target, What};

use super::folders::Folder;
use super::lower::{Facts, Lowering, Phase, ancestors, any, below, no_span, path_piece, sends_to};
use super::pattern::pattern;
use super::plan::Plan;
use super::rounds::slot_is;
use super::sections::inside;
use super::site::{ErrorUrl, Scope, Section, Server};
use super::steps::{DISK, FOUND, MACHINE, NAME, URI};
use crate::span::Span;

/// The errors that files make: refused, not there, and methods that they do not take or nobody knows.
const OF_FILES: [u16; 4] = [403, 404, 405, 501];
/// Methods that files take, and others that httpd knows.
const TAKEN: &[&str] = &["GET", "HEAD", "POST"];
const ANSWERED: &[&str] = &["OPTIONS", "TRACE"];
const KNOWN: &[&str] = &[
    "PUT",
    "DELETE",
    "CONNECT",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "VERSION-CONTROL",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "BASELINE-CONTROL",
    "MERGE",
];

/// The most names of an index that are asked for.
const MOST_INDEXES: usize = 16;

/// The tables that ask for files.
pub(super) struct Missing {
    /// Where a folder becomes its index, if that is there.
    index: TableId,
    named: TableId,
    methods: TableId,
    there: TableId,
    folder: TableId,
    fallback: TableId,
    /// For each error: what sections say, then what folders say.
    errors: BTreeMap<u16, (TableId, TableId)>,
}

/// What is said of files in a server, from the server itself down to its folders.
pub(super) struct Said<'s> {
    server: &'s Server,
    main: Option<&'s Server>,
    folders: &'s BTreeMap<&'s str, Folder<'s>>,
    /// Whether the server's own rules may write the root of the disk.
    writes_root: bool,
    /// Whether it is found out whether there is an index, since those rules may write another file.
    pub(super) finds_index: bool,
}

impl<'s> Said<'s> {
    pub(super) fn new(
        server: &'s Server,
        main: Option<&'s Server>,
        folders: &'s BTreeMap<&'s str, Folder<'s>>,
        own: &Plan<'_>,
    ) -> Said<'s> {
        let writes_root = !server.known.is_empty() && own.writes_root();
        Said { server, main, folders, writes_root, finds_index: false }
    }

    /// Whether the index of a folder was found, where that hangs on the request.
    fn found(&self, folder: &str) -> Option<Condition> {
        self.finds_index.then(|| slot_is(FOUND, folder)).flatten()
    }

    /// Folders that are there.
    fn known(&self) -> impl Iterator<Item = &'s str> {
        self.server.known.iter().map(String::as_str).chain(self.writes_root.then_some(MACHINE))
    }

    /// What is said last of a folder: by its own layers, those above, the server.
    fn of<T>(&self, path: &str, what: impl Fn(&'s Scope) -> Option<T>) -> Option<T> {
        let mut above: Vec<&str> = ancestors(path).collect();
        above.push(path);
        let layers = above.into_iter().rev().filter_map(|path| self.folders.get(path));
        let layers = layers.flat_map(|folder| folder.layers.iter().rev().copied());
        layers.chain([&self.server.own]).chain(self.main.map(|main| &main.own)).find_map(what)
    }

    /// Whether something takes the place of files that are not there.
    pub(super) fn falls_back(&self) -> bool {
        self.scopes().any(|scope| scope.fallback.as_ref().is_some_and(|(_, name)| !name.is_empty()))
    }

    /// The names under which folders are asked for their index: for each in turn, the folders that are asked for it.
    pub(super) fn indexes(&self) -> Vec<Vec<(&'s str, &'s str)>> {
        let files: BTreeSet<&str> = self.server.files.iter().flatten().map(String::as_str).collect();
        let mut out: Vec<Vec<(&str, &str)>> = Vec::new();
        for folder in self.known() {
            let said = self.of(folder, |scope| scope.indexes.as_deref());
            let names = said.map_or(vec!["index.html"], |names| names.iter().map(String::as_str).collect());
            for (at, name) in names.into_iter().filter(|name| !name.starts_with('/')).take(MOST_INDEXES).enumerate() {
                out.resize(out.len().max(at + 1), Vec::new());
                out[at].push((folder, name));
                // A file that is there is the index.
                if files.contains(&*format!("{folder}{name}")) {
                    break;
                }
            }
        }
        out
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = &'s Scope> {
        let layers = self.folders.values().flat_map(|folder| folder.layers.iter().copied());
        layers.chain([&self.server.own]).chain(self.main.map(|main| &main.own))
    }
}

impl Missing {
    pub(super) fn first(&self) -> TableId {
        self.index
    }
}

impl Lowering<'_, '_> {
    /// Makes the tables, where some error that files make leads to a URL, and files are known.
    pub(super) fn missing(
        &mut self,
        said: &Said<'_>,
        sections: &[&Section],
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> Option<Missing> {
        said.server.files.as_ref()?;
        let scopes = said.scopes().chain(sections.iter().map(|section| &section.scope));
        let asked: BTreeSet<u16> = scopes
            .flat_map(|scope| scope.errors.iter())
            .filter(|(status, url)| self.leads_away(url.as_ref()) && OF_FILES.contains(status))
            .map(|(status, _)| *status)
            .collect();
        if asked.is_empty() && !said.falls_back() {
            return None;
        }
        let mut table = |order| self.table(row(&APACHE), order, "");
        let (index, named) = (table(Order::Specific), table(Order::Listed));
        let (methods, there) = (table(Order::Listed), table(Order::Specific));
        let (folder, fallback) = (table(Order::Listed), table(Order::Specific));
        let errors = asked.into_iter().map(|status| (status, (table(Order::Listed), table(Order::Specific)))).collect();
        Some(Missing { index, named, methods, there, folder, fallback, errors })
    }

    /// Fills them; `index` is where what takes the place of a file is asked for, `last` is where nothing more is asked.
    pub(super) fn fill_missing(
        &mut self,
        missing: &Missing,
        said: &Said<'_>,
        sections: &[&Section],
        facts: &Facts<'_>,
        (index, last): (Option<TableId>, TableId),
    ) {
        let error = |status: u16| missing.errors.get(&status).map_or(last, |(sections, _)| *sections);
        let mut enter = |table: TableId, methods: Option<(&[&str], bool)>, to: TableId| {
            let conditions: Vec<Condition> =
                methods.and_then(|(methods, denied)| of_methods(methods, denied)).into_iter().collect();
            self.push(table, any(), &conditions, Action::Enter(to), &no_span());
        };
        enter(missing.methods, Some((ANSWERED, false)), last);
        enter(missing.methods, Some((KNOWN, false)), error(405));
        enter(missing.methods, Some((TAKEN, true)), error(501));
        enter(missing.folder, Some((&["POST"], false)), error(404));
        enter(missing.folder, None, error(403));
        self.become_index(missing, said, facts);
        self.reading.set_after(missing.index, After::Table(missing.methods));
        let tables = [missing.methods, missing.there, missing.fallback];
        for (before, after) in tables.into_iter().zip(tables.into_iter().skip(1)) {
            self.reading.set_after(before, After::Table(after));
        }
        self.reading.set_after(missing.fallback, After::Table(error(404)));
        self.files(missing, said, (index, last));
        for (status, (of_sections, of_folders)) in &missing.errors {
            self.fill_error((*status, false), [*of_sections, *of_folders, last], said, sections, facts);
        }
    }

    /// What is said of a folder's index that is there is said of the folder.
    fn become_index(&mut self, missing: &Missing, said: &Said<'_>, facts: &Facts<'_>) {
        let files: BTreeSet<&str> = said.server.files.iter().flatten().map(String::as_str).collect();
        for (folder, name) in said.indexes().into_iter().flatten() {
            let index = format!("{folder}{name}");
            if !files.contains(index.as_str()) {
                continue;
            }
            let source = Source::of_path(PathPattern::Exact(folder.as_bytes().to_vec().into()));
            let target = Target::of_pieces(vec![path_piece(What::Literal(index.into()))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(missing.named) };
            let found: Vec<Condition> = said.found(folder).into_iter().collect();
            self.push(missing.index, source, &found, action, &no_span());
        }
        let here = || vec![path_piece(What::Part(Part::WorkingPath))];
        let last = Test::Regex(pattern("([^/]*)$", LetterCase::Significant));
        let Ok(name) = Condition::new(Subject::Text(here()), last, false) else { return };
        let name = std::slice::from_ref(&name);
        let group = || path_piece(What::ConditionCapture(1));
        let mut set = |slot, text| {
            let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            self.push(missing.named, any(), name, action, &no_span());
        };
        if facts.keeps_uri {
            set(URI, vec![path_piece(What::Slot(URI)), group()]);
        }
        if facts.has_disk {
            set(DISK, here());
            set(NAME, vec![group()]);
        }
        self.reading.set_after(missing.named, After::Table(missing.methods));
    }

    /// What sections say of an error, then what folders and the server say, and then the table behind them.
    fn fill_error(
        &mut self,
        (status, is_ruled): (u16, bool),
        [of_sections, of_folders, last]: [TableId; 3],
        said: &Said<'_>,
        sections: &[&Section],
        facts: &Facts<'_>,
    ) {
        self.reading.set_after(of_sections, After::Table(of_folders));
        self.reading.set_after(of_folders, After::Table(last));
        for section in sections {
            let Some(url) = section.scope.errors.get(&status) else { continue };
            if let Ok((Some(conditions), _)) = inside(section, false, facts) {
                self.leads((of_sections, any(), &conditions), url.as_ref(), (status, is_ruled), last);
            }
        }
        if let Some(url) = said.of("", |scope| scope.errors.get(&status)) {
            self.leads((of_folders, any(), &[]), url.as_ref(), (status, is_ruled), last);
        }
        for folder in said.folders.values() {
            if let Some(url) = folder.layers.iter().rev().find_map(|layer| layer.errors.get(&status)) {
                self.leads((of_folders, below(folder.path), &[]), url.as_ref(), (status, is_ruled), last);
            }
        }
    }

    /// The errors that rules in folders and sections make, and some URL is for.
    pub(super) fn answered(&self, said: &Said<'_>, sections: &[&Section]) -> BTreeSet<u16> {
        let scopes = said.scopes().chain(sections.iter().map(|section| &section.scope));
        let all = scopes.flat_map(|scope| scope.errors.iter()).filter(|(_, url)| self.leads_away(url.as_ref()));
        all.map(|(status, _)| *status).collect()
    }

    /// Makes the tables for errors that rules in folders and sections make, where some URL is for them.
    pub(super) fn answers(
        &mut self,
        said: &Said<'_>,
        sections: &[&Section],
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> BTreeMap<u16, [TableId; 3]> {
        let asked = self.answered(said, sections);
        let mut table = |order| self.table(row(&APACHE), order, "");
        let tables = |status| (status, [table(Order::Listed), table(Order::Specific), table(Order::Listed)]);
        asked.into_iter().map(tables).collect()
    }

    /// Fills them; where no URL is for an error it is answered as it is.
    pub(super) fn fill_answers(
        &mut self,
        answers: &BTreeMap<u16, [TableId; 3]>,
        said: &Said<'_>,
        sections: &[&Section],
        facts: &Facts<'_>,
    ) {
        for (status, tables) in answers {
            self.fill_error((*status, true), *tables, said, sections, facts);
            if let Some(status) = ReplyStatus::from_number(*status) {
                let reply = Action::Reply { status, retry_after: None };
                self.push(tables[2], any(), &[], reply, &no_span());
            }
        }
    }

    /// Makes the tables for errors of the server's own rules, where sections that hold by then say something of them.
    pub(super) fn early_answers(
        &mut self,
        sections: &[&Section],
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> BTreeMap<u16, TableId> {
        let said = sections.iter().filter(|section| section.is_early());
        let said = said.flat_map(|section| &section.scope.errors);
        let asked: BTreeMap<u16, bool> = said.fold(BTreeMap::new(), |mut asked, (status, url)| {
            let leads = self.leads_away(url.as_ref()) || matches!(self.errors.get(&(None, *status)), Some(Some(_)));
            *asked.entry(*status).or_default() |= leads;
            asked
        });
        let asked = asked.into_iter().filter(|(_, leads)| *leads);
        asked.map(|(status, _)| (status, self.table(row(&APACHE), Order::Listed, ""))).collect()
    }

    /// Fills them.
    pub(super) fn fill_early_answers(&mut self, sections: &[&Section], facts: &Facts<'_>) {
        for (number, table) in self.errors_early.clone() {
            let reply = ReplyStatus::from_number(number).map(|status| Action::Reply { status, retry_after: None });
            for section in sections.iter().filter(|section| section.is_early()) {
                let Some(url) = section.scope.errors.get(&number) else { continue };
                let Ok((Some(conditions), _)) = inside(section, false, facts) else { continue };
                let url = url.as_ref().filter(|url| self.leads_away(Some(url)));
                let led = url.and_then(|url| Some((self.lead(url, number, true).ok()?, url.span.clone())));
                let own = reply.clone().map(|reply| (reply, no_span()));
                if let Some((action, span)) = led.or(own) {
                    self.push(table, any(), &conditions, action, &span);
                }
            }
            if let Some(action) = self.error(Phase::Arrival, number).ok().or(reply) {
                self.push(table, any(), &[], action, &no_span());
            }
        }
    }

    fn leads(
        &mut self,
        (table, source, conditions): (TableId, Source<'_>, &[Condition]),
        url: Option<&ErrorUrl>,
        (status, is_ruled): (u16, bool),
        last: TableId,
    ) {
        let url = url.filter(|url| self.leads_away(Some(url)));
        match url.map(|url| (self.lead(url, status, is_ruled), &url.span)) {
            Some((Ok(action), span)) => self.push(table, source, conditions, action, span),
            _ => self.push(table, source, conditions, Action::Enter(last), &no_span()),
        }
    }

    /// What is there, and what takes the place of what is not.
    fn files(&mut self, missing: &Missing, said: &Said<'_>, (index, last): (Option<TableId>, TableId)) {
        let exact = |path: &str| Source::of_path(PathPattern::Exact(path.as_bytes().to_vec().into()));
        let files = said.server.files.as_deref().unwrap_or_default();
        for file in files {
            self.push(missing.there, exact(file), &[], Action::Enter(last), &no_span());
        }
        let files: BTreeSet<&str> = files.iter().map(String::as_str).collect();
        let get = of_methods(&["POST"], true);
        for folder in said.known() {
            let names = said.of(folder, |scope| scope.indexes.as_deref());
            let has_index = match names {
                Some(names) => names.iter().any(|name| files.contains(&*format!("{folder}{name}"))),
                None => files.contains(&*format!("{folder}index.html")),
            };
            // Where a rule may have written another file than the index, what was found when it was asked for counts.
            let found = said.found(folder);
            if let Some(found) = &found {
                let found = std::slice::from_ref(found);
                self.push(missing.there, exact(folder), found, Action::Enter(last), &no_span());
            }
            let has_index = has_index && found.is_none();
            let bare = folder.trim_end_matches('/');
            let to = match said.of(folder, |scope| scope.fallback.as_ref()) {
                _ if has_index => Action::Enter(last),
                Some((_, name)) if !name.is_empty() => asks(name, index, last),
                _ => Action::Enter(missing.folder),
            };
            let is_listed = !has_index && said.of(folder, |scope| scope.lists) == Some(true);
            if let Some(get) = get.as_ref().filter(|_| is_listed) {
                let get = std::slice::from_ref(get);
                self.push(missing.there, exact(folder), get, Action::Enter(last), &no_span());
            }
            self.push(missing.there, exact(folder), &[], to, &no_span());
            if !bare.is_empty() && bare != folder {
                self.push(missing.there, exact(bare), &[], Action::Enter(missing.folder), &no_span());
            }
        }
        let mut fallback = |source: Source<'_>, said: Option<&(Span, String)>| {
            let Some((span, name)) = said else { return };
            let action = match name.is_empty() {
                true => Action::Enter(missing.errors.get(&404).map_or(last, |(sections, _)| *sections)),
                false => asks(name, index, last),
            };
            self.push(missing.fallback, source, &[], action, span);
        };
        fallback(any(), said.of("", |scope| scope.fallback.as_ref()));
        for folder in said.folders.values() {
            fallback(below(folder.path), folder.layers.iter().rev().find_map(|layer| layer.fallback.as_ref()));
        }
    }

    /// Says what becomes of each `ErrorDocument` with a URL.
    pub(super) fn say_errors(&mut self, said: &Said<'_>, sections: &[&Section]) {
        let is_listed = said.server.files.is_some();
        let completes = said.scopes().any(|scope| scope.completes == Some(true));
        let sections = sections.iter().map(|section| &section.scope);
        for scope in said.scopes().chain(sections) {
            for (status, url) in &scope.errors {
                let Some(url) = url.as_ref().filter(|url| self.leads_away(Some(url))) else { continue };
                let of_files = OF_FILES.contains(status);
                let verdict = match status {
                    _ if !url.is_page && sends_to(&url.url).is_err() => {
                        Err("its target is no URL that we send anyone to".into())
                    }
                    // httpd itself does nothing of the kind.
                    401 => Ok(None),
                    _ if of_files && !is_listed => Ok(Some(
                        "only where a rule answers so: no document root is known (`--root DIR`) that says which files are there",
                    )),
                    400 | 408 | 413 | 414 | 417 | 431 | 500.. if *status != 501 => {
                        Ok(Some("only where a rule answers so: what is refused before any rule is not sent there"))
                    }
                    403 => Ok(Some("what passwords and addresses are refused for is not sent there")),
                    _ if of_files && completes => Ok(Some("names of files are not completed (`MultiViews`)")),
                    _ if of_files && said.server.serves_more => {
                        Ok(Some("other directives serve paths that are no files of the document root"))
                    }
                    _ if url.is_page => Ok(Some(
                        "of its page mod_rewrite of the server and of folders is asked, behind `[END]` too, and nobody else",
                    )),
                    _ => Ok(None),
                };
                self.say(&url.span, &url.text, verdict);
            }
        }
    }
}

/// A path inside that takes the place of what is asked.
fn asks(name: &str, index: Option<TableId>, last: TableId) -> Action<'static> {
    match index {
        Some(index) => {
            let target = Target::of_pieces(vec![path_piece(What::Literal(name.to_owned().into()))]);
            Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(index) }
        }
        None => Action::Enter(last),
    }
}

fn of_methods(methods: &[&str], denied: bool) -> Option<Condition> {
    let method = Subject::Text(vec![path_piece(What::Part(Part::Method))]);
    let texts = methods.iter().map(|method| (*method).to_owned()).collect();
    Condition::new(method, Test::In(texts), denied).ok()
}
