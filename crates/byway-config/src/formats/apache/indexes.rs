//! mod_dir: the slash of a folder, and the index that a folder is asked for.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, Dialect, LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Part, Target, What};

use super::asked::Asked;
use super::expand::{self, Escaping, Known};
use super::folders::Folder;
use super::lower::{Facts, Lowering, any, no_span, path_piece};
use super::pattern::pattern;
use super::site::Server;
use super::steps::{self, ASKER, DISK, FOUND, INDEXED, MACHINE, NAME, URI};

/// The folder that a path is in, which may be that of the machine.
const OF_FOLDER: &str = "^(.*/|\\*)";

/// One of the names under which folders are asked for their index, and what comes of it.
pub(super) struct Index<'s> {
    /// Folders, each with the name that is asked for in it.
    pub(super) names: Vec<(&'s str, &'s str)>,
    pub(super) ask: TableId,
    /// Where a name is put behind the path as it came, where that may be another than the folder's.
    pub(super) behind: BTreeMap<&'s str, TableId>,
    pub(super) name: Option<TableId>,
    pub(super) asked: Asked<'s>,
}

impl Lowering<'_, '_> {
    /// A folder that is asked for without its slash is sent there: 301.
    pub(super) fn slashes<'s>(
        &mut self,
        table: TableId,
        server: &Server,
        folders: &BTreeMap<&'s str, Folder<'s>>,
        facts: &Facts<'_>,
    ) {
        for path in &server.known {
            let is_off = folders
                .iter()
                .filter(|(folder, _)| path.starts_with(**folder))
                .filter_map(|(folder, said)| Some((folder.len(), said.directory_slash?)))
                .max();
            if is_off.is_some_and(|(_, is_on)| !is_on) {
                continue;
            }
            if facts.keeps_uri {
                self.slash_of_uri(table, path, facts);
                continue;
            }
            if path.len() < 2 {
                continue;
            }
            let bare = path.as_bytes()[..path.len() - 1].to_vec();
            let source = Source::of_path(PathPattern::Exact(bare.into()));
            let mut parts = vec![Known::Text(path.clone())];
            steps::prepend_server(&mut parts, facts.name, facts.is_canonical);
            let Ok(placed) = expand::place(&parts, Escaping::All, false) else { continue };
            let target = Target::of_pieces(placed.pieces);
            let status = StatusByMethod::always(RedirectStatus::MovedPermanently);
            self.push(table, source, &[], Action::Redirect { status, target, query: QueryPolicy::Replace }, &no_span());
        }
        if facts.writes_root {
            self.slash_of_uri(table, MACHINE, facts);
        }
    }

    /// Where the server's own rules may have written the folder, the path as it came gets the slash, and only where it has none.
    fn slash_of_uri(&mut self, table: TableId, path: &str, facts: &Facts<'_>) {
        let kept = Subject::Text(vec![path_piece(What::Slot(URI))]);
        let Ok(lacks) = Condition::new(kept, Test::Regex(pattern("/$", LetterCase::Significant)), true) else { return };
        let mut parts = vec![Known::Insert(What::Slot(URI)), Known::Text("/".to_owned())];
        steps::prepend_server(&mut parts, facts.name, facts.is_canonical);
        if facts.is_asked {
            parts.retain(|part| !matches!(part, Known::Insert(What::PortElse(_))));
        }
        let Ok(placed) = expand::place(&parts, Escaping::All, false) else { return };
        for path in [path, path.trim_end_matches('/')].into_iter().filter(|path| !path.is_empty()) {
            let source = Source::of_path(PathPattern::Exact(path.as_bytes().into()));
            let target = Target::of_pieces(placed.pieces.clone());
            let status = StatusByMethod::always(RedirectStatus::MovedPermanently);
            let action = Action::Redirect { status, target, query: QueryPolicy::Replace };
            self.push(table, source, std::slice::from_ref(&lacks), action, &no_span());
        }
    }

    /// Tables for the names of indexes that are put behind a path.
    pub(super) fn names_behind<'s>(
        &mut self,
        names: &[(&'s str, &'s str)],
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> BTreeMap<&'s str, TableId> {
        let names: BTreeSet<&str> = names.iter().map(|(_, name)| *name).collect();
        names.into_iter().map(|name| (name, self.table(row(&APACHE), Order::Listed, ""))).collect()
    }

    /// A folder is asked for its index, and what is said of that is said of the folder (mod_dir).
    pub(super) fn indexes(&mut self, index: &Index<'_>, then: TableId) {
        for (path, name) in &index.names {
            let here = |text: String| Target::of_pieces(vec![path_piece(What::Literal(text.into()))]);
            let action = match index.behind.get(name) {
                Some(behind) => {
                    Action::Set { slot: INDEXED, text: here((*path).to_owned()), then: Then::Table(*behind) }
                }
                None => {
                    let target = here(format!("{path}{name}"));
                    Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) }
                }
            };
            let source = Source::of_path(PathPattern::Exact(path.as_bytes().into()));
            self.push(index.ask, source, &[], action, &no_span());
        }
        // It is asked for below the path as it came, wherever the folder is.
        for (name, table) in &index.behind {
            let target = [What::Slot(URI), What::Literal((*name).to_owned().into())].map(path_piece);
            let target = Target::of_pieces(target.to_vec());
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
            self.push(*table, any(), &[], action, &no_span());
        }
    }

    /// What httpd asks of itself may come to a folder, which is asked for its index in turn: without end, if a rule of the server
    /// writes whatever is asked to the same folder.
    pub(super) fn inner_indexes(&mut self, table: TableId, names: &[(&str, &str)], then: TableId) {
        let kept = Subject::Text(vec![path_piece(What::Slot(URI))]);
        let Ok(has_slash) = Condition::new(kept, Test::Regex(pattern("/$", LetterCase::Significant)), false) else {
            return;
        };
        for (path, name) in names {
            let target = [What::Slot(URI), What::Literal((*name).to_owned().into())].map(path_piece);
            for path in [*path, path.trim_end_matches('/')].into_iter().filter(|path| !path.is_empty()) {
                let target = Target::of_pieces(target.to_vec());
                let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
                let source = Source::of_path(PathPattern::Exact(path.as_bytes().into()));
                self.push(table, source, std::slice::from_ref(&has_slash), action, &no_span());
            }
        }
    }

    /// What is asked is the index, by its name as well.
    pub(super) fn index_name(&mut self, table: TableId, then: TableId) {
        if table == then {
            return;
        }
        let here = || vec![path_piece(What::Part(Part::WorkingPath))];
        let last = Test::Regex(pattern("([^/]*)$", LetterCase::Significant));
        let name = Condition::new(Subject::Text(here()), last, false).ok();
        let of_name = name.map(|name| (NAME, vec![path_piece(What::ConditionCapture(1))], vec![name]));
        for (slot, text, conditions) in of_name.into_iter().chain([(DISK, here(), Vec::new())]) {
            let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            self.push(table, any(), &conditions, action, &no_span());
        }
        self.push(table, any(), &[], Action::Enter(then), &no_span());
    }

    /// What was asked for its index is a folder again.
    pub(super) fn unindex(&mut self, asked: &Asked<'_>, facts: &Facts<'_>, files: &[String], then: TableId) {
        if asked.may_be_elsewhere() {
            self.find_index(asked, facts, files);
        }
        self.turn_back(asked.end, asked, facts, then);
    }

    /// While a request is filled that httpd asks of itself, errors are those of whoever asked.
    pub(super) fn errors_of_asker(&mut self, asked: &Asked<'_>) -> [BTreeMap<u16, TableId>; 2] {
        [&mut self.errors_at, &mut self.errors_early].map(|errors| std::mem::replace(errors, asked.errors.clone()))
    }

    /// They lead where those of the folder do.
    pub(super) fn lead_asker(
        &mut self,
        asked: &Asked<'_>,
        [inside, early]: [BTreeMap<u16, TableId>; 2],
        facts: &Facts<'_>,
    ) {
        (self.errors_at, self.errors_early) = (inside, early);
        for (status, table) in &asked.errors {
            if let Some(error) = self.errors_at.get(status).copied() {
                self.turn_back(*table, asked, facts, error);
            }
        }
    }

    /// The path is that of whoever asked again.
    fn turn_back(&mut self, table: TableId, asked: &Asked<'_>, facts: &Facts<'_>, then: TableId) {
        self.reading.set_after(table, After::Table(then));
        let here = Subject::Text(vec![path_piece(asked.folder(facts))]);
        if let Ok(condition) = Condition::new(here, Test::Regex(pattern(OF_FOLDER, LetterCase::Significant)), false) {
            let set = |slot, text| Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            let folder = || vec![path_piece(What::ConditionCapture(1))];
            let conditions = std::slice::from_ref(&condition);
            let target = Target::of_pieces(folder());
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Next };
            self.push(table, any(), conditions, action, &no_span());
            if facts.has_disk {
                self.push(table, any(), conditions, set(DISK, folder()), &no_span());
                self.push(table, any(), &[], set(NAME, Vec::new()), &no_span());
            }
            if asked.keeps_path() && facts.keeps_uri {
                self.push(table, any(), &[], set(URI, vec![path_piece(What::Slot(ASKER))]), &no_span());
            }
        }
    }

    /// Where rules of the server may write another file, it is found out whether there is one.
    fn find_index(&mut self, asked: &Asked<'_>, facts: &Facts<'_>, files: &[String]) {
        let here = Subject::Text(vec![path_piece(What::Part(Part::WorkingPath))]);
        let of_folder = Condition::new(
            Subject::Text(vec![path_piece(asked.folder(facts))]),
            Test::Regex(pattern(OF_FOLDER, LetterCase::Significant)),
            false,
        );
        if let (Ok(is_there), Ok(of_folder)) = (Condition::new(here, Test::In(files.to_vec()), false), of_folder) {
            let text = Target::of_pieces(vec![path_piece(What::ConditionCapture(1))]);
            let found = Action::Set { slot: FOUND, text, then: Then::Next };
            self.push(asked.end, any(), &[is_there, of_folder], found, &no_span());
        }
    }
}
