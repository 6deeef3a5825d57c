//! mod_dir: the slash of a folder, and the index that a folder is asked for.

use std::collections::BTreeMap;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Part, Target, What};

use super::asked::Asked;
use super::expand::{self, Escaping, Known};
use super::folders::Folder;
use super::lower::{Facts, Lowering, any, no_span, path_piece};
use super::pattern::pattern;
use super::site::Server;
use super::steps::{self, ASKER, DISK, NAME, URI};

/// One of the names under which folders are asked for their index, and what comes of it.
pub(super) struct Index<'s> {
    /// Folders, each with the name that is asked for in it.
    pub(super) names: Vec<(&'s str, &'s str)>,
    pub(super) ask: TableId,
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

    /// A folder is asked for its index, and what is said of that is said of the folder (mod_dir).
    pub(super) fn indexes(&mut self, index: &Index<'_>, facts: &Facts<'_>, then: TableId) {
        for (path, name) in &index.names {
            // It is asked for below the path as it came, wherever the folder is.
            let target = match facts.keeps_uri {
                true => vec![path_piece(What::Slot(URI)), path_piece(What::Literal((*name).to_owned().into()))],
                false => vec![path_piece(What::Literal(format!("{path}{name}").into()))],
            };
            let target = Target::of_pieces(target);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
            let source = Source::of_path(PathPattern::Exact(path.as_bytes().into()));
            self.push(index.ask, source, &[], action, &no_span());
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
    pub(super) fn unindex(&mut self, asked: &Asked<'_>, facts: &Facts<'_>, then: TableId) {
        let table = asked.end;
        self.reading.set_after(table, After::Table(then));
        let what = if asked.keeps_path() { What::Slot(URI) } else { What::Part(Part::WorkingPath) };
        let here = Subject::Text(vec![path_piece(what)]);
        if let Ok(condition) = Condition::new(here, Test::Regex(pattern("^(.*/)", LetterCase::Significant)), false) {
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
}
