//! `[PT]` in a server: what a rule wrote is the path of the request from there on, and mod_alias is asked.
//!
//! The sections that hold while it is asked are still those of the path as it came: a redirect that is all of a location sends that
//! path away, and what the server says of paths is asked of the new one.

use byway_core::dialect::{APACHE, Dialect, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::target::{Part, Target, What};

use super::alias::Alias;
use super::aliases::AliasTables;
use super::lower::{Facts, Lowering, any, no_span, path_piece};
use super::rounds::slot_is;
use super::site::Section;
use super::steps::{FILE, TAKEN, URI};

/// An alias with the section that it stands in.
type Placed<'s> = (Option<&'s Section>, &'s Alias);

/// The tables that such a rule leads to.
pub(super) struct Passed<'s> {
    pub(super) first: TableId,
    /// What locations say in a word of the path as it came, and what the server says then.
    early: Option<(AliasTables<'s>, TableId, AliasTables<'s>)>,
}

impl Lowering<'_, '_> {
    /// Makes them; `early` is all that mod_alias says before there is a file.
    pub(super) fn passed<'s>(
        &mut self,
        early: &[Placed<'s>],
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Passed<'s> {
        let first = self.table(row(&APACHE), Order::Listed, "");
        let in_sections = |in_section: bool| early.iter().copied().filter(move |(at, _)| at.is_some() == in_section);
        let early = in_sections(true).next().is_some().then(|| {
            let wholes = self.alias_tables(in_sections(true), row);
            let then = self.table(row(&APACHE), Order::Listed, "");
            (wholes, then, self.alias_tables(in_sections(false), row))
        });
        Passed { first, early }
    }

    /// Fills them: `all` is where mod_alias begins, `next` what comes behind it.
    pub(super) fn fill_passed(&mut self, passed: &Passed<'_>, all: TableId, next: TableId, facts: &Facts<'_>) {
        let keep = |slot| {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            Action::Set { slot, text, then: Then::Next }
        };
        let Some((wholes, then, own)) = &passed.early else {
            self.push(passed.first, any(), &[], keep(URI), &no_span());
            return self.push(passed.first, any(), &[], Action::Enter(all), &no_span());
        };
        self.push(passed.first, any(), &[], keep(FILE), &no_span());
        // Where a URL was taken back before httpd began anew, mod_alias is not asked.
        let is_taken = slot_is(TAKEN, "1");
        if let Some(is_taken) = &is_taken {
            self.push(passed.first, any(), std::slice::from_ref(is_taken), Action::Enter(*then), &no_span());
        }
        self.write_slot(passed.first, URI, wholes.first().map_or(*then, |(table, _)| *table));
        self.chain(wholes, *then);
        self.fill_aliases(wholes, facts);
        let to_own = own.first().map_or(next, |(table, _)| *table);
        let text = Target::of_pieces(vec![path_piece(What::Slot(FILE))]);
        let action = Action::Set { slot: URI, text, then: Then::Next };
        self.push(*then, any(), &[], action, &no_span());
        if let Some(is_taken) = is_taken {
            let target = Target::of_pieces(vec![path_piece(What::Slot(FILE))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(next) };
            self.push(*then, any(), &[is_taken], action, &no_span());
        }
        self.write_slot(*then, FILE, to_own);
        self.chain(own, next);
        self.fill_aliases(own, facts);
        self.reading.set_after(*then, After::Table(to_own));
    }
}
