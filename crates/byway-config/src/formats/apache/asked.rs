//! What httpd asks of itself: the index of a folder, and what takes the place of a file that is not there (mod_dir).
//!
//! Such a request is a GET and goes the whole way: mod_rewrite and mod_alias of the server, then those of sections and folders. What
//! sends people away there sends away whoever asked for the folder. Rules with `R` or `NS` stand aside, whatever their status.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, Dialect, LetterCase};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Part, Target, What};

use super::alias::Alias;
use super::aliases::{AliasTables, Stage};
use super::folders::Folder;
use super::lower::{Facts, Lowering, any, below, no_span, path_piece};
use super::passed::Passed;
use super::pattern::pattern;
use super::plan::Plan;
use super::rule::{Flags, RewriteRule};
use super::sections::{Entry, Located, Rows};
use super::site::{Effective, Section, Server, SetEnv};
use super::steps::{self, ASKER, FILE, INDEXED, URI, WROTE, WROTE_FOR_GOOD};

/// What is said in a server, of which such a request sees the most.
pub(super) struct Around<'a, 's> {
    pub(super) server: &'s Server,
    pub(super) own: &'a Effective,
    /// Sections that switch the server's own rules on and off, where they do; and whether those run where none of them holds.
    pub(super) switches: Option<(&'a [(&'s Section, bool)], bool)>,
    pub(super) own_sets: &'a [&'s SetEnv],
    /// What mod_alias says before there is a file, and behind it.
    pub(super) early: &'a [(Option<&'s Section>, &'s Alias)],
    pub(super) locations: &'a [(Option<&'s Section>, &'s Alias)],
    pub(super) aliased: &'a [&'a Folder<'s>],
    pub(super) sections: &'a [&'s Section],
    pub(super) folders: &'a BTreeMap<&'s str, Folder<'s>>,
    /// Whether it is looked up which file is meant: a rule of the server may have written another.
    pub(super) has_disk: bool,
    /// Whether the engine runs where nobody says anything.
    pub(super) is_on: bool,
    /// Errors that lead somewhere.
    pub(super) errors: &'a BTreeSet<u16>,
    /// Where httpd begins anew behind what a rule of a folder wrote, and behind `[END]`.
    pub(super) restarts: [Option<TableId>; 2],
}

/// The tables of such a request.
pub(super) struct Asked<'s> {
    rewriting: Option<Rewriting<'s>>,
    /// Who may ask for it, where no rule of mod_rewrite has a say.
    doors: Option<Entry<'s>>,
    aliases: AliasTables<'s>,
    /// Where errors lead, which are those of whoever asked: by status.
    pub(super) errors: BTreeMap<u16, TableId>,
    stage: Stage<'s>,
    /// Where nobody was sent anywhere.
    pub(super) end: TableId,
}

/// Its tables of mod_rewrite.
struct Rewriting<'s> {
    /// Where the path of whoever asks is kept, and then the path that is asked for; a folder that it comes to asks anew there.
    begin: TableId,
    again: TableId,
    /// Where the server's own rules are switched on and off.
    switch: Option<TableId>,
    own: Plan<'s>,
    passed: Passed<'s>,
    located: Located<'s>,
    dispatch: TableId,
    lists: Vec<(&'s str, Plan<'s>)>,
    /// Who may ask for what a rule of the server wrote for good.
    past: Option<Entry<'s>>,
    /// Where mod_alias is asked of the path as it came: behind a rule of a folder that wrote one, and else.
    turned: TableId,
    turned_for_good: TableId,
    back: TableId,
    /// Where it is the file again, and gets the slash of a folder.
    forth: TableId,
    slashes: TableId,
    /// Where httpd goes on with what a rule of a folder wrote: where the index is there.
    resume: TableId,
    resumed: [TableId; 2],
    /// Where a folder is asked for its index in turn.
    inner: TableId,
}

impl Around<'_, '_> {
    /// Whether a rule of mod_rewrite has a say.
    pub(super) fn rewrites(&self) -> bool {
        let own = &self.own.rules;
        let folders = self.folders.values().flat_map(|folder| &folder.effective.rules);
        let sections = self.sections.iter().flat_map(|section| &section.scope.rewriting.rules);
        own.iter().chain(folders).chain(sections).any(|rule| has_a_say(rule))
    }
}

impl Asked<'_> {
    /// Whether what is asked may be another path when it ends, and the one that it was is kept.
    pub(super) fn keeps_path(&self) -> bool {
        self.rewriting.is_some()
    }

    /// Where the folder is kept that is asked for its index.
    pub(super) fn folder(&self, facts: &Facts<'_>) -> What<'static> {
        match (self.keeps_path(), facts.keeps_uri) {
            (_, true) => What::Slot(INDEXED),
            (true, false) => What::Slot(URI),
            (false, false) => What::Part(Part::WorkingPath),
        }
    }

    /// Whether a rule of the server may write another file than the one that is asked for.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.rewriting.as_ref().is_some_and(|rewriting| rewriting.own.writes())
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
        let begin = rewrites.then(|| [(), ()].map(|()| self.table(row(&APACHE), Order::Listed, "")));
        let switch = around.switches.filter(|_| rewrites).map(|_| self.table(row(&APACHE), Order::Listed, ""));
        let own = heard(around.own);
        let own = rewrites.then(|| self.plan(own, None, around.own_sets.to_vec(), row));
        let passed = rewrites.then(|| self.passed(around.early, row));
        let aliases = self.alias_tables(around.early.iter().copied(), row);
        let rewriting = match (begin, own, passed) {
            (Some([begin, again]), Some(own), Some(passed)) => {
                let hears = |rewriting: Effective| heard(&rewriting);
                let sets = around.own_sets;
                let located = self.located(
                    (around.server, around.sections),
                    (around.has_disk, around.is_on),
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
                let ends = own.rules.iter().any(|rule| rule.flags.end);
                let place = (around.server, around.sections);
                let past = ends.then(|| self.entry(place, around.has_disk, around.folders, row));
                let [turned, turned_for_good, back] =
                    [(), (), ()].map(|()| self.table(row(&APACHE), Order::Listed, ""));
                let forth = self.table(row(&APACHE), Order::Listed, "");
                let [slashes, resume, inner] = [(), (), ()].map(|()| self.table(row(&APACHE), Order::Specific, ""));
                let resumed = [(), ()].map(|()| self.table(row(&APACHE), Order::Listed, ""));
                Some(Rewriting {
                    begin,
                    again,
                    switch,
                    own,
                    passed,
                    located,
                    dispatch,
                    lists,
                    past,
                    turned,
                    turned_for_good,
                    back,
                    forth,
                    slashes,
                    resume,
                    resumed,
                    inner,
                })
            }
            _ => None,
        };
        let place = (around.server, around.sections);
        let doors = (!rewrites).then(|| self.entry(place, false, around.folders, row));
        let stage = self.alias_stage(around.locations, around.aliased, row);
        let end = self.table(row(&APACHE), Order::Listed, "");
        let errors =
            around.errors.iter().map(|status| (*status, self.table(row(&APACHE), Order::Listed, ""))).collect();
        Asked { rewriting, doors, aliases, errors, stage, end }
    }

    /// Fills them; returns the first. `names` are those that folders are asked for, where the request comes to one.
    pub(super) fn fill_asked<'s>(
        &mut self,
        asked: &mut Asked<'s>,
        around: &Around<'_, 's>,
        names: &[(&'s str, &'s str)],
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
            let to_doors = asked.doors.as_ref().and_then(Entry::first).unwrap_or(stage);
            self.chain(&asked.aliases, to_doors);
            if let Some(doors) = &asked.doors {
                self.fill_entry(doors, around.server, around.folders, &facts, stage);
            }
            return first(&asked.aliases, to_doors);
        };
        let Rewriting {
            begin,
            again,
            switch,
            own,
            passed,
            located,
            dispatch,
            lists,
            past,
            turned,
            turned_for_good,
            back,
            forth,
            slashes,
            resume,
            resumed,
            inner,
        } = rewriting;
        let (dispatch, turned, back, forth, slashes) = (*dispatch, *turned, *back, *forth, *slashes);
        let of_file = Facts { file: Some(FILE), ..facts };
        self.fill_stage(&asked.stage, around.aliased, forth, &of_file);
        let to_folders = located.first().unwrap_or(dispatch);
        let to_aliases = first(&asked.aliases, to_folders);
        self.chain(&asked.aliases, to_folders);
        let set = |slot, what| Action::Set { slot, text: Target::of_pieces(vec![path_piece(what)]), then: Then::Next };
        if keeps_asker {
            self.push(*begin, any(), &[], set(ASKER, What::Slot(URI)), &no_span());
        }
        self.reading.set_after(*begin, After::Table(*again));
        let to_own = own.first().unwrap_or(to_aliases);
        let kept = [(URI, What::Part(Part::WorkingPath)), (WROTE, What::Literal("".into()))];
        for (slot, what) in kept.into_iter().chain([(WROTE_FOR_GOOD, What::Literal("".into()))]) {
            self.push(*again, any(), &[], set(slot, what), &no_span());
        }
        self.push(*again, any(), &[], Action::Enter(switch.unwrap_or(to_own)), &no_span());
        if let (Some(switch), Some(switches)) = (*switch, around.switches) {
            self.fill_switch(switch, switches, [to_own, to_aliases], &facts);
        }
        self.fill_passed(passed, to_aliases, to_folders, &facts);
        own.changed = Some(to_folders);
        own.passed = Some(passed.first);
        self.fill(own, &facts, to_aliases, past.as_ref().and_then(Entry::first).unwrap_or(back));
        if let Some(past) = past {
            self.fill_entry(past, around.server, around.folders, &facts, back);
        }
        let ways = Rows {
            server: around.server,
            to_lists: dispatch,
            after_folder: back,
            changed: Some(turned),
            for_good: *turned_for_good,
        };
        self.fill_located(located, &facts, &ways, around.folders);
        self.reading.set_after(dispatch, After::Table(back));
        for (path, plan) in lists {
            plan.changed = Some(turned);
            plan.keeps_uri = false;
            self.push(dispatch, below(path), &[], Action::Enter(plan.first().unwrap_or(back)), &no_span());
            self.fill(plan, &facts, back, *turned_for_good);
        }
        // What a folder's rule wrote is nobody's file: the one that was asked for is there, or none.
        let here = || What::Part(Part::WorkingPath);
        for (table, slot) in [(turned, WROTE), (*turned_for_good, WROTE_FOR_GOOD)] {
            self.push(table, any(), &[], set(slot, here()), &no_span());
        }
        for (table, what) in [(turned, What::Slot(URI)), (*turned_for_good, What::Slot(URI)), (back, here())] {
            self.push(table, any(), &[], set(FILE, what), &no_span());
            self.write_slot(table, URI, stage);
        }
        self.write_slot(forth, FILE, slashes);
        for (table, next) in [(slashes, *resume), (*resume, *inner)] {
            self.reading.set_after(table, After::Table(next));
        }
        self.resume((*resume, *resumed), around, names);
        self.reading.set_after(*inner, After::Table(asked.end));
        self.inner_indexes(*inner, names, *again);
        self.slashes(slashes, around.server, around.folders, &facts);
        *begin
    }
}

impl Lowering<'_, '_> {
    /// An index that is there is what whoever asked gets, and what a rule of its folder wrote of it with it.
    fn resume(&mut self, (table, resumed): (TableId, [TableId; 2]), around: &Around<'_, '_>, names: &[(&str, &str)]) {
        let ways = [WROTE, WROTE_FOR_GOOD].into_iter().zip(resumed).zip(around.restarts);
        let files: BTreeSet<&str> = around.server.files.iter().flatten().map(String::as_str).collect();
        let there = names.iter().map(|(folder, name)| format!("{folder}{name}"));
        let there: Vec<String> = there.filter(|path| files.contains(path.as_str())).collect();
        for ((slot, resumed), restart) in ways {
            let wrote = Subject::Text(vec![path_piece(What::Slot(slot))]);
            let wrote = Condition::new(wrote, Test::Regex(pattern(".", LetterCase::Significant)), false);
            let (Ok(wrote), Some(restart)) = (wrote, restart) else { continue };
            for path in &there {
                let source = Source::of_path(PathPattern::Exact(path.as_bytes().into()));
                self.push(table, source, std::slice::from_ref(&wrote), Action::Enter(resumed), &no_span());
            }
            let text = Target::of_pieces(vec![path_piece(What::Slot(slot))]);
            self.push(resumed, any(), &[], Action::Set { slot: FILE, text, then: Then::Next }, &no_span());
            self.write_slot(resumed, FILE, restart);
        }
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
