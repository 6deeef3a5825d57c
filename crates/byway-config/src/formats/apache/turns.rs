//! The turn from one round to the next: before httpd begins anew with what a rule of a folder wrote, mod_alias and mod_dir look at
//! the path as it came.

use std::collections::BTreeMap;

use byway_core::dialect::{APACHE, Dialect};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::status::ReplyStatus;
use byway_core::target::{Part, Target, What};

use super::alias::Alias;
use super::aliases::Stage;
use super::folders::Folder;
use super::lower::{Facts, Lowering, any, no_span, path_piece};
use super::rounds::{BARE, slot_is};
use super::site::{Section, Server};
use super::steps::{FILE, Names, ORIGIN, TAKEN, URI};

/// The tables of a turn.
pub(super) struct Turn<'s> {
    /// Where what was written is laid aside, and where the slash of a folder is asked for.
    swap: Option<TableId>,
    stage: Option<Stage<'s>>,
    /// Where the path is that of the file again, where another is looked at before.
    file: Option<TableId>,
    slashes: Option<TableId>,
    restart: TableId,
}

impl Turn<'_> {
    pub(super) fn first(&self) -> TableId {
        self.swap.unwrap_or(self.restart)
    }

    /// Where httpd begins anew, nobody asked before.
    pub(super) fn restart(&self) -> TableId {
        self.restart
    }

    /// Whether anybody looks at the path as it came.
    pub(super) fn keeps_uri(&self) -> bool {
        self.swap.is_some()
    }
}

/// What a turn is filled with.
#[derive(Clone, Copy)]
pub(super) struct Around<'a, 's> {
    pub(super) server: &'s Server,
    pub(super) folders: &'a BTreeMap<&'s str, Folder<'s>>,
    pub(super) aliased: &'a [&'a Folder<'s>],
    pub(super) facts: &'a Facts<'a>,
    /// Whether a URL may have been taken back.
    pub(super) takes_back: bool,
}

impl Lowering<'_, '_> {
    pub(super) fn turn<'s>(
        &mut self,
        (has_folders, keeps_uri): (bool, bool),
        locations: &[(Option<&'s Section>, &'s Alias)],
        aliased: &[&Folder<'s>],
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Turn<'s> {
        let asks = has_folders || !locations.is_empty() || !aliased.is_empty();
        let swap = asks.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let stage = swap.map(|_| self.alias_stage(locations, aliased, row));
        let file = swap.filter(|_| has_folders && keeps_uri).map(|_| self.table(row(&APACHE), Order::Listed, ""));
        let slashes = swap.filter(|_| has_folders).map(|_| self.table(row(&APACHE), Order::Specific, ""));
        Turn { swap, stage, file, slashes, restart: self.table(row(&APACHE), Order::Listed, "") }
    }

    /// Fills a turn that leads to `start`.
    pub(super) fn fill_turn<'n, 's>(
        &mut self,
        turn: &Turn<'s>,
        start: TableId,
        names: impl Iterator<Item = &'n Names>,
        around: Around<'_, 's>,
    ) {
        let Around { server, folders, aliased, facts, takes_back } = around;
        if let (Some(swap), Some(stage)) = (turn.swap, &turn.stage) {
            let to_restart = turn.file.or(turn.slashes).unwrap_or(turn.restart);
            if let (Some(file), Some(slashes)) = (turn.file, turn.slashes) {
                self.write_slot(file, ORIGIN, slashes);
            }
            let first = stage.first_location().or(stage.dispatch).unwrap_or(to_restart);
            self.refuse(swap, What::Part(Part::WorkingQuery), BARE, ReplyStatus::Forbidden);
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(swap, any(), &[], Action::Set { slot: FILE, text, then: Then::Next }, &no_span());
            if takes_back && let Some(is_taken) = slot_is(TAKEN, "1") {
                self.push(swap, any(), &[is_taken], Action::Enter(turn.restart), &no_span());
            }
            self.write_slot(swap, URI, first);
            // Folders say what holds for the file, which may be another than the path that came.
            let file = turn.file.map(|_| ORIGIN);
            self.fill_stage(stage, aliased, to_restart, &Facts { has_turned: true, file, ..*facts });
        }
        if let Some(table) = turn.slashes {
            self.reading.set_after(table, After::Table(turn.restart));
            self.slashes(table, server, folders, facts);
        }
        if takes_back {
            self.begin_taken(turn.restart);
        }
        if facts.keeps_uri && turn.swap.is_some() {
            let text = Target::of_pieces(vec![path_piece(What::Slot(FILE))]);
            self.push(turn.restart, any(), &[], Action::Set { slot: URI, text, then: Then::Next }, &no_span());
        }
        self.restart(turn.restart, start, turn.swap.is_some(), names);
    }
}
