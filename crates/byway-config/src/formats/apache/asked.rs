//! What httpd asks of itself: the index of a folder, and what takes the place of a file that is not there (mod_dir).
//!
//! Such a request is a GET and goes the whole way: mod_rewrite and mod_alias of the server, then those of sections and folders. What
//! sends people away there sends away whoever asked for the folder. Rules with `R` or `NS` stand aside, whatever their status.

use std::collections::BTreeMap;
use std::rc::Rc;

use byway_core::dialect::{APACHE, Dialect};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::target::{Part, Target, What};

use super::alias::Alias;
use super::aliases::{AliasTables, Stage};
use super::folders::Folder;
use super::lower::{Facts, Lowering, any, below, no_span, path_piece};
use super::plan::Plan;
use super::rule::{Flags, RewriteRule};
use super::sections::{Located, Rows};
use super::site::{Effective, Section, Server, SetEnv};
use super::steps::{self, ASKER, FILE, URI};

/// What is said in a server, of which such a request sees the most.
pub(super) struct Around<'a, 's> {
    pub(super) server: &'s Server,
    /// The server's own rules; none where sections switch them on and off.
    pub(super) own: Option<&'a Effective>,
    pub(super) own_sets: &'a [&'s SetEnv],
    /// What mod_alias says before there is a file, and behind it.
    pub(super) early: &'a [(Option<&'s Section>, &'s Alias)],
    pub(super) locations: &'a [(Option<&'s Section>, &'s Alias)],
    pub(super) aliased: &'a [&'a Folder<'s>],
    pub(super) sections: &'a [&'s Section],
    pub(super) folders: &'a BTreeMap<&'s str, Folder<'s>>,
    /// Whether the engine runs where nobody says anything.
    pub(super) is_on: bool,
}

/// The tables of such a request.
pub(super) struct Asked<'s> {
    rewriting: Option<Rewriting<'s>>,
    aliases: AliasTables<'s>,
    stage: Stage<'s>,
    /// Where nobody was sent anywhere.
    pub(super) end: TableId,
}

/// Its tables of mod_rewrite.
struct Rewriting<'s> {
    /// Where the path is kept.
    begin: TableId,
    own: Plan<'s>,
    /// Where a rule made what it wrote the path of the request.
    passed: TableId,
    located: Located<'s>,
    dispatch: TableId,
    lists: Vec<(&'s str, Plan<'s>)>,
    /// Where mod_alias is asked of the path as it came: behind a rule of a folder that wrote one, and else.
    turned: TableId,
    back: TableId,
    /// Where it is the file again, and gets the slash of a folder.
    forth: TableId,
    slashes: TableId,
}

impl Around<'_, '_> {
    /// Whether a rule of mod_rewrite has a say.
    pub(super) fn rewrites(&self) -> bool {
        let own = self.own.iter().flat_map(|own| &own.rules);
        let folders = self.folders.values().flat_map(|folder| &folder.effective.rules);
        let sections = self.sections.iter().flat_map(|section| &section.scope.rewriting.rules);
        own.chain(folders).chain(sections).any(|rule| has_a_say(rule))
    }
}

impl Asked<'_> {
    /// Whether what is asked may be another path when it ends, and the one that it was is kept.
    pub(super) fn keeps_path(&self) -> bool {
        self.rewriting.is_some()
    }
}

impl Lowering<'_, '_> {
    /// Makes the tables.
    pub(super) fn asked<'s>(
        &mut self,
        around: &Around<'_, 's>,
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Asked<'s> {
        let rewrites = around.rewrites();
        let begin = rewrites.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let own = around.own.map(heard).unwrap_or_default();
        let own = rewrites.then(|| self.plan(own, None, around.own_sets.to_vec(), row));
        let passed = rewrites.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let aliases = self.alias_tables(around.early.iter().copied(), row);
        let rewriting = match (begin, own, passed) {
            (Some(begin), Some(own), Some(passed)) => {
                let hears = |rewriting: Effective| heard(&rewriting);
                let sets = around.own_sets;
                let located = self.located(
                    (around.server, around.sections),
                    (false, around.is_on),
                    sets,
                    around.folders,
                    hears,
                    row,
                );
                let dispatch = self.table(row(&APACHE), Order::Specific, "");
                let lists = around.folders.values().filter(|folder| folder.rewrites);
                let lists = lists
                    .map(|folder| {
                        let sets = around.own_sets.iter().chain(&folder.sets).copied().collect();
                        (folder.path, self.plan(heard(&folder.effective), Some(folder.path), sets, row))
                    })
                    .collect();
                let [turned, back] = [(), ()].map(|()| self.table(row(&APACHE), Order::Listed, ""));
                let forth = self.table(row(&APACHE), Order::Listed, "");
                let slashes = self.table(row(&APACHE), Order::Specific, "");
                Some(Rewriting { begin, own, passed, located, dispatch, lists, turned, back, forth, slashes })
            }
            _ => None,
        };
        let stage = self.alias_stage(around.locations, around.aliased, row);
        let end = self.table(row(&APACHE), Order::Listed, "");
        Asked { rewriting, aliases, stage, end }
    }

    /// Fills them; returns the first.
    pub(super) fn fill_asked<'s>(
        &mut self,
        asked: &mut Asked<'s>,
        around: &Around<'_, 's>,
        facts: &Facts<'_>,
    ) -> TableId {
        let keeps_asker = facts.keeps_uri;
        let facts = Facts { is_asked: true, keeps_uri: asked.rewriting.is_some(), ..*facts };
        let behind = asked.rewriting.as_ref().map_or(asked.end, |rewriting| rewriting.forth);
        let stage = asked.stage.first_location().or(asked.stage.dispatch).unwrap_or(behind);
        let first = |aliases: &AliasTables<'_>, next| aliases.first().map_or(next, |(table, _)| *table);
        self.fill_aliases(&asked.aliases, &facts);
        let Some(rewriting) = &mut asked.rewriting else {
            self.fill_stage(&asked.stage, around.aliased, asked.end, &facts);
            self.chain(&asked.aliases, stage);
            return first(&asked.aliases, stage);
        };
        let Rewriting { begin, own, passed, located, dispatch, lists, turned, back, forth, slashes } = rewriting;
        let (dispatch, turned, back, forth, slashes) = (*dispatch, *turned, *back, *forth, *slashes);
        let of_file = Facts { file: Some(FILE), ..facts };
        self.fill_stage(&asked.stage, around.aliased, forth, &of_file);
        let to_folders = located.first().unwrap_or(dispatch);
        let to_aliases = first(&asked.aliases, to_folders);
        self.chain(&asked.aliases, to_folders);
        let keeps = || {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            Action::Set { slot: URI, text, then: Then::Next }
        };
        if keeps_asker {
            let text = Target::of_pieces(vec![path_piece(What::Slot(URI))]);
            self.push(*begin, any(), &[], Action::Set { slot: ASKER, text, then: Then::Next }, &no_span());
        }
        for (table, next) in [(*begin, own.first().unwrap_or(to_aliases)), (*passed, to_aliases)] {
            self.push(table, any(), &[], keeps(), &no_span());
            self.push(table, any(), &[], Action::Enter(next), &no_span());
        }
        own.changed = Some(to_folders);
        own.passed = Some(*passed);
        self.fill(own, &facts, to_aliases, back);
        let ways = Rows {
            server: around.server,
            to_lists: dispatch,
            after_folder: back,
            changed: Some(turned),
            for_good: turned,
        };
        self.fill_located(located, &facts, &ways, around.folders);
        self.reading.set_after(dispatch, After::Table(back));
        for (path, plan) in lists {
            plan.changed = Some(turned);
            plan.keeps_uri = false;
            self.push(dispatch, below(path), &[], Action::Enter(plan.first().unwrap_or(back)), &no_span());
            self.fill(plan, &facts, back, turned);
        }
        // What a folder's rule wrote is nobody's file: the one that was asked for is there, or none.
        for (table, what) in [(turned, What::Slot(URI)), (back, What::Part(Part::WorkingPath))] {
            let text = Target::of_pieces(vec![path_piece(what)]);
            self.push(table, any(), &[], Action::Set { slot: FILE, text, then: Then::Next }, &no_span());
            self.write_slot(table, URI, stage);
        }
        self.write_slot(forth, FILE, slashes);
        self.reading.set_after(slashes, After::Table(asked.end));
        self.slashes(slashes, around.server, around.folders, &facts);
        *begin
    }
}

/// Whether a rule does something to such a request.
fn has_a_say(rule: &RewriteRule) -> bool {
    !rule.flags.outside_alone && (steps::substitutes(rule) || rule.flags.status.is_some())
}

/// The rules as such a request meets them: those that stand aside keep their place, since others skip and chain by it.
fn heard(effective: &Effective) -> Effective {
    let aside = |rule: &Rc<RewriteRule>| match rule.flags.outside_alone {
        true => Rc::new(RewriteRule {
            conds: Vec::new(),
            pattern: "^".to_owned(),
            is_negated: false,
            substitution: "-".to_owned(),
            flags: Flags { chain: rule.flags.chain, ..Flags::default() },
            ..RewriteRule::clone(rule)
        }),
        false => Rc::clone(rule),
    };
    let rules = match effective.rules.iter().any(|rule| has_a_say(rule)) {
        true => effective.rules.iter().map(aside).collect(),
        false => Vec::new(),
    };
    Effective { rules, ..effective.clone() }
}
