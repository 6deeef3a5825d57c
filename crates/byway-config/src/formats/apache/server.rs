//! One server: which of its modules is asked after which, and what is said of rules that never run.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, APACHE_MAP, Dialect, EncodedSlash, LetterCase, apache_slashes};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::ReplyStatus;
use byway_core::target::{Change, Part, Target, What};

use super::alias::{Alias, AliasSource};
use super::asked::Around;
use super::folders::{Folder, disk, errors, merged_folders};
use super::indexes::Index;
use super::lower::{Facts, Lowering, Phase, any, below, no_span, path_piece};
use super::missing::Said;
use super::onward::may_take_back;
use super::pages::sent_on;
use super::pattern::pattern;
use super::plan::Plan;
use super::rounds::Round;
use super::rule::RewriteRule;
use super::sections::{Entry, Rows};
use super::site::{Effective, Inherits, Rewriting, Scope, Section, Server, SetEnv};
use super::steps::{self, FILE, Names, ORIGIN, URI};
use super::turns::{self, Turn};
use crate::diagnostic::Severity;

impl Lowering<'_, '_> {
    /// Makes the tables of a server, and returns the one that it begins with.
    pub(super) fn server<'s>(&mut self, server: &'s Server, main: Option<&'s Server>) -> TableId {
        let slash = server.slashes.or(main.and_then(|main| main.slashes)).unwrap_or(EncodedSlash::NotFound);
        let row = |dialect: &Dialect| apache_slashes(dialect, slash);
        let mut above = main.map(|main| main.own.rewriting.below(None));
        if let Some(above) = &mut above {
            // A virtual host is handed rules behind its own, with `InheritDownBefore` as well.
            above.hands_down = above.hands_down.map(|_| Inherits::After);
        }
        let own = server.own.rewriting.below(above.as_ref());
        let root = server.root.as_deref().or(main.and_then(|main| main.root.as_deref()));
        let layers = server.layers(main);
        // What a server says of the engine and its options holds in folders that say nothing of them.
        let base = Effective { rules: Vec::new(), base: None, hands_down: None, ..own.clone() };
        let is_there = |path: &str| server.files.is_none() || server.known.iter().any(|known| known == path);
        let (layers, never): (BTreeMap<_, _>, BTreeMap<_, _>) =
            layers.into_iter().partition(|(path, _)| is_there(path) || server.folders.contains_key(path));
        let folders = merged_folders(&layers, &base);
        self.sent = sent_on(server, main, &folders);
        self.errors = errors(server, main, &folders, &self.sent);
        // What is merged last is asked first: of the virtual host before the main server, further down before further up.
        let mut sections: Vec<&'s Section> =
            server.sections.iter().rev().chain(main.iter().flat_map(|main| main.sections.iter().rev())).collect();
        sections.retain(|section| section.is_below(root));
        sections.sort_by_key(|section| section.rank(root));
        // Tables, in the order in which they are entered.
        let sends = matches!(self.errors.get(&(None, 404)), Some(Some(_))) && slash == EncodedSlash::NotFound;
        let odd = sends.then(|| self.table(&APACHE_MAP, Order::Listed, ""));
        let own_sets: Vec<&SetEnv> = main.iter().flat_map(|main| &main.own.sets).chain(&server.own.sets).collect();
        // Sections that are known before the path becomes a file switch the server's own rules on and off.
        let is_on = own.is_on;
        let switches: Vec<(&Section, bool)> = sections
            .iter()
            .filter(|section| section.is_early())
            .filter_map(|section| Some((*section, section.scope.rewriting.engine?)))
            .collect();
        let runs = is_on || switches.iter().any(|(_, is_on)| *is_on);
        let is_switched = !own.rules.is_empty() && switches.iter().any(|(_, switched)| *switched != is_on);
        let switch = is_switched.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let own = Effective { is_on: runs, ..own };
        let mut plan = self.plan(own.clone(), None, own_sets.clone(), row);
        // A target alone goes before all that is for a path; in a location, before what the server says of paths too.
        let wholes: Vec<(Option<&'s Section>, &'s Alias)> = sections
            .iter()
            .flat_map(|section| section.scope.aliases.iter().rev().map(move |alias| (Some(*section), alias)))
            .filter(|(_, alias)| alias.source == AliasSource::Section)
            .collect();
        let of_paths = sections
            .iter()
            .flat_map(|section| section.scope.aliases.iter().map(move |alias| (Some(*section), alias)))
            .filter(|(_, alias)| alias.source != AliasSource::Section);
        let locations: Vec<(Option<&'s Section>, &'s Alias)> = wholes.iter().copied().chain(of_paths).collect();
        let aliased: Vec<&Folder<'_>> = folders.values().filter(|folder| !folder.aliases.is_empty()).collect();
        let has_aliases = !locations.is_empty() || !aliased.is_empty();
        // What the server itself writes is the file; sections and mod_alias look at the path as it came.
        let writes_root = !server.known.is_empty() && plan.writes_root();
        let keeps_uri = writes_root || plan.writes() && (has_aliases || !sections.is_empty() || !folders.is_empty());
        plan.keeps_uri |= keeps_uri;
        plan.has_sections = plan.writes() && !sections.is_empty();
        let own_aliases: Vec<&Alias> =
            server.own.aliases.iter().chain(main.iter().flat_map(|main| &main.own.aliases)).collect();
        let early = wholes.iter().filter(|(section, _)| section.is_some_and(Section::is_early)).copied();
        let early: Vec<_> = early.chain(own_aliases.iter().map(|alias| (None, *alias))).collect();
        let passed = keeps_uri.then(|| self.passed(&early, row));
        let in_places = || {
            let of_folders = folders.values().flat_map(|folder| folder.layers.iter().copied());
            of_folders.chain(sections.iter().map(|section| &section.scope)).flat_map(|scope| &scope.rewriting.rules)
        };
        let takes_back = in_places().next().is_some() && may_take_back(in_places().chain(&plan.rules));
        let takes_back = takes_back || !self.sent.is_empty();
        let before_alias = takes_back.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let before_good = before_alias.map(|_| self.table(row(&APACHE), Order::Listed, ""));
        let aliases = self.alias_tables(early.iter().copied(), row);
        let alias = aliases.first().map(|(table, _)| *table);
        let origin = (keeps_uri && server.known.len() > 1).then(|| self.table(row(&APACHE), Order::Listed, ""));
        let broken = folders.values().any(|folder| folder.broken.is_some());
        let broken_table = broken.then(|| self.table(row(&APACHE), Order::Specific, ""));
        let is_listed = server.files.is_some();
        let asks_file = folders
            .values()
            .flat_map(|folder| folder.layers.iter().copied())
            .chain(sections.iter().map(|section| &section.scope))
            .any(|scope| scope.rewriting.rules.iter().any(|rule| steps::asks_file(rule)));
        let has_disk = is_listed && (asks_file || sections.iter().any(|section| section.asks_disk()));
        let mut located =
            self.located((server, &sections), (has_disk, base.is_on), &own_sets, &folders, |own| own, row);
        let lists: Vec<&Folder<'_>> = folders.values().filter(|folder| folder.rewrites).collect();
        let dispatch = (!lists.is_empty()).then(|| self.table(row(&APACHE), Order::Specific, ""));
        let mut plans: Vec<(&str, Plan<'_>)> = lists
            .iter()
            .map(|folder| {
                let sets = own_sets.iter().chain(&folder.sets).copied().collect();
                (folder.path, self.plan(folder.effective.clone(), Some(folder.path), sets, row))
            })
            .collect();
        // mod_alias looks at the path as it came before a round that mod_rewrite has changed begins again.
        let may_change = plans.iter().any(|(_, plan)| !plan.rules.is_empty()) || located.has_rules();
        let has_folders = server.known.len() > 1;
        let turn = may_change.then(|| self.turn((has_folders, keeps_uri), &locations, &aliased, row));
        // `[END]` too turns, and no rule of mod_rewrite is asked then.
        let ends = may_change && in_places().any(|rule| rule.flags.end);
        let turn_for_good = ends.then(|| self.turn((has_folders, keeps_uri), &locations, &aliased, row));
        let end_aliases = if ends { self.alias_tables(early.iter().copied(), row) } else { Vec::new() };
        // Whoever ends mod_rewrite asks for a file all the same, which not everybody may ask for.
        let ends = ends || plan.rules.iter().any(|rule| rule.flags.end);
        let past = ends.then(|| self.entry((server, &sections), has_disk, &folders, row));
        let before_end = takes_back.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let back = (keeps_uri && has_aliases).then(|| self.table(row(&APACHE), Order::Listed, ""));
        let stage = self.alias_stage(&locations, &aliased, row);
        let (location, alias_dispatch) = (stage.first_location(), stage.dispatch);
        let forth = back.map(|_| self.table(row(&APACHE), Order::Listed, ""));
        let errors = self.answered(&Said::new(server, main, &folders, &plan), &sections);
        let around = Around {
            server,
            errors: &errors,
            own: &own,
            switches: switch.map(|_| (&switches[..], is_on)),
            own_sets: &own_sets,
            early: &early,
            locations: &locations,
            aliased: &aliased,
            sections: &sections,
            folders: &folders,
            has_disk,
            is_on: base.is_on,
            restarts: [&turn, &turn_for_good].map(|turn| turn.as_ref().map(Turn::restart)),
        };
        let has_index = (has_aliases || alias.is_some() || around.rewrites()) && !server.known.is_empty();
        let slashes = (!server.known.is_empty()).then(|| self.table(row(&APACHE), Order::Specific, ""));
        let mut said = Said::new(server, main, &folders, &plan);
        let index_names = if has_index { said.indexes() } else { Vec::new() };
        let mut indexes: Vec<Index<'_>> = index_names
            .into_iter()
            .enumerate()
            .map(|(at, names)| Index {
                ask: slashes.filter(|_| at == 0).unwrap_or_else(|| self.table(row(&APACHE), Order::Specific, "")),
                behind: match keeps_uri {
                    true => self.names_behind(&names, row),
                    false => BTreeMap::new(),
                },
                names,
                name: has_disk.then(|| self.table(row(&APACHE), Order::Listed, "")),
                asked: self.asked(&around, row),
            })
            .collect();
        said.finds_index = server.files.is_some() && indexes.iter().any(|index| index.asked.may_be_elsewhere());
        let missing = self.missing(&said, &sections, row);
        // What takes the place of a file that is not there is asked as an index is.
        let falls_back = missing.is_some() && has_index && said.falls_back();
        let mut of_fallback = falls_back.then(|| self.asked(&around, row));
        let answers = self.answers(&said, &sections, row);
        self.errors_at = answers.iter().map(|(status, [first, ..])| (*status, *first)).collect();
        self.errors_early = self.early_answers(&sections, row);
        let last = self.table(row(&APACHE), Order::Listed, "");
        self.page_tables(&said, &sections);
        let to_files = missing.as_ref().map_or(last, |missing| missing.first());

        // What comes after what.
        let first_of = |tables: &[Option<TableId>]| tables.iter().copied().flatten().next().unwrap_or(to_files);
        let after_gate = first_of(&[back, location, alias_dispatch, slashes]);
        let after_folder = before_end.unwrap_or(after_gate);
        let after_alias = first_of(&[forth, slashes]);
        let to_lists = first_of(&[located.first(), dispatch, Some(after_folder)]);
        let to_file = first_of(&[broken_table, Some(to_lists)]);
        let to_folders = first_of(&[origin, Some(to_file)]);
        let to_alias = before_alias.or(alias).unwrap_or(to_folders);
        let past_rules = past.as_ref().and_then(Entry::first).unwrap_or(after_folder);
        let end_alias = end_aliases.first().map_or(past_rules, |(table, _)| *table);
        let own_for_good = before_good.unwrap_or(end_alias);
        let for_good = turn_for_good.as_ref().map_or(own_for_good, Turn::first);
        let changed = turn.as_ref().map(Turn::first);
        let first = plan.first().unwrap_or(to_alias);
        let start = switch.unwrap_or(first);
        self.chain(&aliases, to_folders);
        if let (Some(before_alias), Some(before_good), Some(before_end)) = (before_alias, before_good, before_end) {
            let to_own = alias.unwrap_or(to_folders);
            self.gate(before_alias, to_own, Round::Before, Some(to_folders));
            self.gate(before_good, end_alias, Round::Any, None);
            self.gate(before_end, after_gate, Round::Before, None);
        }
        if let Some(odd) = odd {
            self.odd(odd, start);
        }
        if let Some(origin) = origin {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(origin, any(), &[], Action::Set { slot: ORIGIN, text, then: Then::Next }, &no_span());
            self.reading.set_after(origin, After::Table(to_file));
        }
        let mut after = |table: Option<TableId>, next: TableId| {
            if let Some(table) = table.filter(|table| *table != next) {
                self.reading.set_after(table, After::Table(next));
            }
        };
        after(broken_table, to_lists);
        after(dispatch, after_folder);
        after(slashes, to_files);

        // Rules.
        let root = root.map(|root| root.trim_end_matches('/'));
        let disk = disk(server, self.reading);
        // The main server's port is that of the scheme; a virtual host without a name has the port of its address.
        let name = server.name.as_ref().map(|(name, port)| (name.as_str(), *port));
        let is_canonical = server.is_canonical && name.is_some();
        let name = name.or(main.is_none().then_some(("", None)));
        // Without `Inherit`, a virtual host knows its own maps alone.
        let mut maps = server.maps.clone();
        if let Some(main) = main.filter(|_| server.own.rewriting.inherits.is_some()) {
            main.maps.iter().for_each(|(name, map)| _ = maps.entry(name.clone()).or_insert_with(|| map.clone()));
        }
        let lists: BTreeSet<&str> = lists.iter().map(|folder| folder.path).collect();
        let facts = Facts {
            known: &server.known,
            is_listed,
            has_disk,
            keeps_uri,
            lists: &lists,
            name,
            is_canonical,
            is_asked: false,
            has_turned: false,
            file: None,
            root,
            writes_root,
            is_root_shut: is_root_shut(server, main),
            proxied: &server.proxied,
            disk: &disk,
            maps: &maps,
            folder: None,
        };
        if let Some(switch) = switch {
            if keeps_uri {
                let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
                self.push(switch, any(), &[], Action::Set { slot: URI, text, then: Then::Next }, &no_span());
            }
            self.fill_switch(switch, (&switches, is_on), [first, to_alias], &facts);
        }
        plan.changed = Some(to_folders);
        plan.passed = Some(passed.as_ref().map_or(to_alias, |passed| passed.first));
        if let Some(passed) = &passed {
            self.fill_passed(passed, to_alias, to_folders, &facts);
        }
        self.fill(&plan, &facts, to_alias, past_rules);
        self.fill_aliases(&aliases, &facts);
        if let Some(table) = broken_table {
            for folder in folders.values() {
                if let Some(span) = folder.broken {
                    let reply = Action::Reply { status: ReplyStatus::InternalServerError, retry_after: None };
                    let action = self.error(Phase::Inside, 500).unwrap_or(reply);
                    self.push(table, below(folder.path), &[], action, span);
                }
            }
        }
        self.chain(&end_aliases, past_rules);
        self.fill_aliases(&end_aliases, &facts);
        if let Some(past) = &past {
            self.fill_entry(past, server, &folders, &facts, after_folder);
        }
        let ways =
            Rows { server, to_lists: first_of(&[dispatch, Some(after_folder)]), after_folder, for_good, changed };
        self.fill_located(&mut located, &facts, &ways, &folders);
        for (path, plan) in &mut plans {
            plan.changed = changed;
            plan.keeps_uri |= turn.as_ref().is_some_and(Turn::keeps_uri);
            plan.keeps_uri &= !keeps_uri;
            let first = plan.first().unwrap_or(after_folder);
            if let Some(dispatch) = dispatch {
                // A folder that is asked for without its slash is mod_dir's.
                let takes_bare = folders.get(path).is_some_and(|folder| folder.takes_bare);
                if path.len() > 1 && !takes_bare {
                    let bare = path.as_bytes()[..path.len() - 1].to_vec();
                    let source = Source::of_path(PathPattern::Exact(bare.into()));
                    self.push(dispatch, source, &[], Action::Enter(after_folder), &no_span());
                }
                self.push(dispatch, below(path), &[], Action::Enter(first), &no_span());
            }
            self.fill(plan, &facts, after_folder, for_good);
        }
        let turning = turns::Around { server, folders: &folders, aliased: &aliased, facts: &facts, takes_back };
        for (turn, to) in [(&turn, start), (&turn_for_good, own_for_good)] {
            let names = plans.iter().map(|(_, plan)| &plan.names).chain(located.names());
            if let Some(turn) = turn {
                self.fill_turn(turn, to, names, turning);
            }
        }
        if let (Some(back), Some(forth)) = (back, forth) {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(back, any(), &[], Action::Set { slot: FILE, text, then: Then::Next }, &no_span());
            // Whether there is such a file is asked of what was written.
            self.write_slot(forth, FILE, first_of(&[slashes]));
            self.write_slot(back, URI, first_of(&[location, alias_dispatch, slashes]));
        }
        let of_file = Facts { file: back.map(|_| FILE), ..facts };
        self.fill_stage(&stage, &aliased, after_alias, &of_file);
        let mut fallback = None;
        if let Some(table) = slashes {
            self.slashes(table, server, &folders, &facts);
            if has_index {
                let asks: Vec<TableId> = indexes.iter().map(|index| index.ask).collect();
                for (at, index) in indexes.iter_mut().enumerate() {
                    let errors = self.errors_of_asker(&index.asked);
                    let first = self.fill_asked(&mut index.asked, &around, &index.names, &facts);
                    self.lead_asker(&index.asked, errors, &facts);
                    self.index_name(index.name.unwrap_or(first), first);
                    self.indexes(index, index.name.unwrap_or(first));
                    let next = asks.get(at + 1).copied();
                    if let Some(next) = next {
                        self.reading.set_after(next, After::Table(to_files));
                    }
                    let files = server.files.as_deref().unwrap_or_default();
                    self.unindex(&index.asked, &facts, files, next.unwrap_or(to_files));
                }
                fallback = of_fallback.as_mut().map(|asked| {
                    self.reading.set_after(asked.end, After::Table(last));
                    self.fill_asked(asked, &around, &[], &facts)
                });
            }
        }
        if let Some(missing) = &missing {
            self.fill_missing(missing, &said, &sections, &facts, (fallback, last));
        }
        self.fill_answers(&answers, &said, &sections, &facts);
        self.fill_early_answers(&sections, &facts);
        self.say_errors(&said, &sections);
        let names: Vec<&Names> = plans.iter().map(|(_, plan)| &plan.names).chain([&plan.names]).collect();
        self.fill_pages(start, &names);
        self.idle(server, &folders, runs);
        self.never(&never);
        odd.unwrap_or(start)
    }

    /// Sections that are known before there is a file switch the server's own rules on and off: to those rules, or past them.
    pub(super) fn fill_switch(
        &mut self,
        table: TableId,
        (switches, is_on): (&[(&Section, bool)], bool),
        [to_own, past]: [TableId; 2],
        facts: &Facts<'_>,
    ) {
        let facts = Facts { keeps_uri: false, ..*facts };
        let to = |is_on: bool| Action::Enter(if is_on { to_own } else { past });
        for (section, is_on) in switches {
            if let Ok((Some(conditions), _)) = super::sections::inside(section, false, &facts) {
                self.push(table, any(), &conditions, to(*is_on), &no_span());
            }
        }
        self.push(table, any(), &[], to(is_on), &no_span());
    }

    /// Rules that never run, since their engine is off.
    fn idle<'s>(&mut self, server: &'s Server, folders: &BTreeMap<&'s str, Folder<'s>>, runs: bool) {
        if !runs {
            self.engine_is_off(&server.own.rewriting);
        }
        for folder in folders.values() {
            for scope in &folder.layers {
                let rules = &scope.rewriting.rules;
                match folder.rules_of.filter(|last| !std::ptr::eq(*last, *scope)) {
                    _ if !folder.effective.is_on => self.engine_is_off(&scope.rewriting),
                    // Of several sections of one folder the last one's rules hold, its file's before all.
                    Some(last) => rules.iter().for_each(|rule| self.is_replaced(rule, last)),
                    None => {}
                }
            }
        }
    }

    /// A path with `%2F` or `%00` is not found before anything else is asked.
    fn odd(&mut self, table: TableId, then: TableId) {
        self.reading.set_after(table, After::Table(then));
        let span = self.errors.get(&(None, 404)).and_then(Option::as_ref).map_or_else(no_span, |url| url.span.clone());
        let holds = |what| {
            let path = Subject::Text(vec![path_piece(what)]);
            Condition::new(path, Test::Regex(pattern("%(?:2[Ff]|00)", LetterCase::Significant)), false)
        };
        // Not where `..` takes its segment away, and not before a path that leads out of the root.
        let (sent, left) = (holds(What::Part(Part::Path)), holds(What::Changed(Change::Resolve, FILE)));
        if let (Ok(sent), Ok(left), Ok(action)) = (sent, left, self.error(Phase::Arrival, 404)) {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::Path))]);
            let keep = Action::Set { slot: FILE, text, then: Then::Next };
            self.push(table, any(), std::slice::from_ref(&sent), keep, &no_span());
            self.push(table, any(), &[sent, left], action, &span);
        }
    }

    /// Rules of folders that are not there.
    pub(super) fn never(&mut self, layers: &BTreeMap<String, Vec<&Scope>>) {
        for scope in layers.values().flatten() {
            let rules = scope.rewriting.rules.iter().map(|rule| (&rule.span, &rule.text));
            let aliases = scope.aliases.iter().map(|alias| (&alias.span, &alias.text));
            for (span, text) in rules.chain(aliases) {
                self.say(span, text, Ok(None));
                self.reading.say_often(span, Severity::Note, "folder-not-there", || {
                    ("this rule never runs: its folder is not there".to_owned(), None)
                });
            }
        }
    }

    /// Says that rules are there for nothing: mod_rewrite is asleep. Where it is sent to sleep, somebody meant it.
    pub(super) fn engine_is_off(&mut self, rewriting: &Rewriting) {
        let [first, others @ ..] = rewriting.rules.as_slice() else { return };
        rewriting.rules.iter().for_each(|rule| self.say(&rule.span, &rule.text, Ok(None)));
        let rules = match others.len() {
            0 => "this rule".to_owned(),
            more => format!("this rule and {more} below it"),
        };
        let is_one = others.is_empty();
        // What folders above say holds below them, and of a lone file they are not known.
        let what = match (rewriting.engine, self.reading.is_lone()) {
            (None, true) => {
                let run = if is_one { "runs" } else { "run" };
                format!("{rules} {run} only where a file above this one says `RewriteEngine On`: this one does not")
            }
            (engine, _) => {
                let run = if is_one { "runs" } else { "run" };
                let off = if engine.is_some() { "is Off" } else { "is not On" };
                format!("{rules} never {run}: RewriteEngine {off} here")
            }
        };
        let severity = if rewriting.engine.is_some() { Severity::Note } else { Severity::Warning };
        self.reading.say_often(&first.span, severity, "rewrite-engine-off", || {
            (what, Some("write `RewriteEngine On` above it".to_owned()))
        });
    }

    /// Says that a rule is there for nothing: others of its folder stand in its place.
    fn is_replaced(&mut self, rule: &RewriteRule, by: &Scope) {
        self.say(&rule.span, &rule.text, Ok(None));
        let others = by.rewriting.rules.first().map(|other| self.reading.place_of(&other.span));
        let others = others.unwrap_or_else(|| "another section".to_owned());
        self.reading.say_often(&rule.span, Severity::Note, "rules-replaced", || {
            let what =
                format!("this rule never runs: the rules in {others} are for the same folder, and take its place");
            (what, Some("write `RewriteOptions Inherit` there, or put all rules of a folder in one place".to_owned()))
        });
    }
}

/// Whether nobody may ask for the root of the machine's disk.
fn is_root_shut(server: &Server, main: Option<&Server>) -> bool {
    let directories = main.iter().flat_map(|main| &main.directories).chain(&server.directories);
    let of_root = directories.filter(|(path, _)| path.trim_end_matches('/').is_empty());
    of_root.map(|(_, scope)| scope.access.is_shut()).next_back().unwrap_or(false)
}
