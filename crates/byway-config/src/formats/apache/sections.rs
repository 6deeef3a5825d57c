//! Sections (`<Location>`, `<If>`, `<Files>`, `<DirectoryMatch>`, and sections in sections): when they hold, and whose rules of
//! mod_rewrite are run.
//!
//! httpd merges folders, then files, then locations, then expressions; of mod_rewrite the last that says anything has the word,
//! alone. So the sections are asked in turn, from the last that would be merged to the first, and the folders come behind them.
//! Rules in a section see the whole path of the file on the disk, and what is written behind the section's name is their folder.

use std::collections::BTreeMap;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, Dialect, LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::ReplyStatus;
use byway_core::target::{Part, Piece, Target, What};

use super::access::Doors;
use super::expand::Unplaced;
use super::folders::Folder;
use super::lower::{Facts, Lowering, any, below, no_span, path_piece};
use super::pattern::{pattern, quoted};
use super::plan::Plan;
use super::rounds::slot_is;
use super::site::{Effective, Place, Section, Server, SetEnv, Site, url_of};
use super::steps::{Around, DISK, ENGINE, FOLDER, HERE, MACHINE, NAME, Names, URI};
use super::{cond, expr};
use crate::foreign::Reading;

/// What a section asks of a request, and why that is not quite so; none where it never holds.
type Asked = (Option<Vec<Condition>>, Option<&'static str>);

/// The tables in which it is known which file is meant, and whether anybody may ask for it.
pub(super) struct Entry<'s> {
    /// Where it is looked up which file is meant; and then, for a folder without its slash, and for all else.
    places: Option<[TableId; 3]>,
    doors: Doors,
    sections: Vec<&'s Section>,
}

impl Entry<'_> {
    pub(super) fn first(&self) -> Option<TableId> {
        self.places.map(|[first, ..]| first).or(self.doors.first())
    }
}

/// The tables of a server's sections.
pub(super) struct Located<'s> {
    entry: Entry<'s>,
    /// Where it is found out whether the engine runs for sections that do not say so.
    engines: Option<TableId>,
    choose: Option<TableId>,
    /// Whether it runs where nobody says anything.
    is_on: bool,
    lists: Vec<List<'s>>,
}

/// The rules of a section.
struct List<'s> {
    section: &'s Section,
    plan: Plan<'s>,
    entry: TableId,
    /// Where nothing was changed: the path is that of the URL again.
    back: TableId,
    /// Where what was written must be a path.
    sane: TableId,
    /// Why its rules are left out.
    refused: Option<&'static str>,
}

/// Where the tables of sections lead.
pub(super) struct Rows<'s> {
    pub(super) server: &'s Server,
    pub(super) to_lists: TableId,
    pub(super) after_folder: TableId,
    /// After `[END]`.
    pub(super) for_good: TableId,
    pub(super) changed: Option<TableId>,
}

impl<'s> Located<'s> {
    pub(super) fn first(&self) -> Option<TableId> {
        self.entry.first().or(self.engines).or(self.choose)
    }

    pub(super) fn has_rules(&self) -> bool {
        self.lists.iter().any(|list| !list.plan.rules.is_empty())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Names> {
        self.lists.iter().map(|list| &list.plan.names)
    }
}

impl Lowering<'_, '_> {
    /// Makes the tables of a file and of who may ask for it.
    pub(super) fn entry<'s>(
        &mut self,
        (server, sections): (&'s Server, &[&'s Section]),
        has_disk: bool,
        folders: &BTreeMap<&'s str, Folder<'s>>,
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Entry<'s> {
        let places = has_disk.then(|| {
            let mut table = |order| self.table(row(&APACHE), order, "");
            [table(Order::Specific), table(Order::Listed), table(Order::Listed)]
        });
        let doors = self.doors(server, sections, folders, row);
        Entry { places, doors, sections: sections.to_vec() }
    }

    /// Fills them; `then` is behind them.
    pub(super) fn fill_entry<'s>(
        &mut self,
        entry: &Entry<'s>,
        server: &'s Server,
        folders: &BTreeMap<&'s str, Folder<'s>>,
        facts: &Facts<'_>,
        then: TableId,
    ) {
        if let Some(places) = entry.places {
            self.fill_places(places, facts, entry.doors.first().unwrap_or(then));
        }
        self.fill_doors(&entry.doors, (server, &entry.sections), folders, facts, then);
    }

    /// Makes the tables of sections.
    pub(super) fn located<'s>(
        &mut self,
        (server, sections): (&'s Server, &[&'s Section]),
        (has_disk, is_on): (bool, bool),
        sets: &[&'s SetEnv],
        folders: &BTreeMap<&'s str, Folder<'s>>,
        hears: impl Fn(Effective) -> Effective,
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Located<'s> {
        let entry = self.entry((server, sections), has_disk, folders, row);
        let ruled: Vec<&'s Section> =
            sections.iter().copied().filter(|section| section.scope.rewriting.is_there).collect();
        let is_silent = ruled.iter().any(|section| section.scope.rewriting.engine.is_none());
        let engines = is_silent.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let choose = (!ruled.is_empty()).then(|| self.table(row(&APACHE), Order::Listed, ""));
        let hands_down = folders.values().any(|folder| folder.effective.hands_down.is_some());
        let may_be_on = is_on
            || ruled.iter().any(|section| section.scope.rewriting.engine == Some(true))
            || folders.values().any(|folder| folder.rewrites && folder.effective.is_on);
        let lists = ruled
            .iter()
            .map(|section| {
                let rewriting = &section.scope.rewriting;
                let inherits = rewriting.inherits.is_some() || hands_down && !rewriting.ignores;
                let refused = inherits.then_some("rules that a section inherits");
                let above = Effective { is_on: may_be_on, ..Effective::default() };
                let effective = hears(rewriting.below(Some(&above)));
                let groups = groups(section);
                let entry = self.table(row(&APACHE), Order::Listed, "");
                let sets = sets.to_vec();
                let plan = self.plan_of_section(effective, &section.name, &groups, sets, row);
                let [back, sane] = [(), ()].map(|()| self.table(row(&APACHE), Order::Listed, ""));
                List { section, plan, entry, back, sane, refused }
            })
            .collect();
        Located { entry, engines, choose, is_on, lists }
    }

    /// Fills them.
    pub(super) fn fill_located<'s>(
        &mut self,
        located: &mut Located<'s>,
        facts: &Facts<'_>,
        ways: &Rows<'s>,
        folders: &BTreeMap<&'s str, Folder<'s>>,
    ) {
        let to_rules = located.engines.or(located.choose).unwrap_or(ways.to_lists);
        self.fill_entry(&located.entry, ways.server, folders, facts, to_rules);
        let Some(choose) = located.choose else { return };
        if let Some(engines) = located.engines {
            self.reading.set_after(engines, After::Table(choose));
            self.engines(located, engines, facts, folders);
        }
        self.reading.set_after(choose, After::Table(ways.to_lists));
        for list in &mut located.lists {
            self.list(list, choose, facts, ways);
        }
    }

    /// Of all that hold, the last that is merged and says whether the engine runs says it for those that do not.
    fn engines<'s>(
        &mut self,
        located: &Located<'s>,
        table: TableId,
        facts: &Facts<'_>,
        folders: &BTreeMap<&'s str, Folder<'s>>,
    ) {
        let mut set = |source: Source<'_>, conditions: &[Condition], is_on: bool| {
            let text = Target::of_pieces(vec![path_piece(What::Literal(if is_on { "1" } else { "0" }.into()))]);
            self.push(table, source, conditions, Action::Set { slot: ENGINE, text, then: Then::Next }, &no_span());
        };
        set(any(), &[], located.is_on);
        let mut inner: Vec<&Folder<'_>> = folders.values().filter(|folder| folder.rewrites).collect();
        inner.sort_by_key(|folder| folder.path.len());
        inner.iter().for_each(|folder| set(below(folder.path), &[], folder.effective.is_on));
        for list in located.lists.iter().rev() {
            if let (Some(is_on), Ok((Some(conditions), _))) =
                (list.section.scope.rewriting.engine, inside(list.section, false, facts))
            {
                set(any(), &conditions, is_on);
            }
        }
    }

    fn list<'s>(&mut self, list: &mut List<'s>, choose: TableId, facts: &Facts<'_>, ways: &Rows<'_>) {
        let section = list.section;
        let rules = || section.scope.rewriting.rules.iter();
        let (conditions, approximates) = match inside(section, false, facts) {
            Ok((Some(conditions), approximates)) if list.refused.is_none() => (conditions, approximates),
            Ok((Some(_), _)) => {
                let why = list.refused.unwrap_or_default();
                return rules().for_each(|rule| self.say(&rule.span, &rule.text, Err(why.into())));
            }
            Ok((None, _)) => return rules().for_each(|rule| self.say(&rule.span, &rule.text, Ok(None))),
            Err(why) => return rules().for_each(|rule| self.say(&rule.span, &rule.text, Err(why.clone()))),
        };
        if list.plan.rules.is_empty() {
            self.engine_is_off(&section.scope.rewriting);
        }
        if let Some(why) = approximates {
            rules().for_each(|rule| self.say(&rule.span, &rule.text, Ok(Some(why))));
        }
        let to = |is_on: bool| if is_on && list.plan.first().is_some() { list.entry } else { ways.after_folder };
        let mut enter = |more: Option<Condition>, is_on: bool| {
            let conditions: Vec<Condition> = conditions.iter().cloned().chain(more).collect();
            self.push(choose, any(), &conditions, Action::Enter(to(is_on)), &no_span());
        };
        match section.scope.rewriting.engine {
            Some(is_on) => enter(None, is_on),
            None => {
                enter(slot_is(ENGINE, "1"), true);
                enter(None, false);
            }
        }
        let Some(first) = list.plan.first() else { return };
        self.enter_list(list, first, facts);
        self.write_slot(list.back, HERE, ways.after_folder);
        let changed = ways.changed.unwrap_or(ways.after_folder);
        self.reading.set_after(list.sane, After::Table(changed));
        if !section.name.starts_with('/') {
            self.refuse(list.sane, What::Part(Part::WorkingPath), "^[^/]", ReplyStatus::BadRequest);
        }
        list.plan.changed = Some(list.sane);
        self.fill(&list.plan, facts, list.back, ways.for_good);
    }

    /// The path of the URL is kept, and becomes that of the disk.
    fn enter_list(&mut self, list: &List<'_>, first: TableId, facts: &Facts<'_>) {
        let here = || vec![path_piece(What::Part(Part::WorkingPath))];
        let set = |slot, text| Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
        if !facts.keeps_uri {
            self.push(list.entry, any(), &[], set(URI, here()), &no_span());
        }
        self.push(list.entry, any(), &[], set(HERE, here()), &no_span());
        if list.plan.goes_on() {
            self.info(None, list.entry, facts);
        }
        let names = groups(list.section);
        let asked = names.iter().enumerate().filter_map(|(at, name)| Some((at, list.plan.names.known(name)?)));
        for (at, slot) in asked.collect::<Vec<_>>() {
            let text = list.section.pattern().unwrap_or_default();
            if let Ok(condition) = seen(vec![path_piece(What::Slot(URI))], text) {
                let group = path_piece(What::ConditionCapture(at as u8 + 1));
                self.push(list.entry, any(), &[condition], set(slot, vec![group]), &no_span());
            }
        }
        if facts.writes_root {
            let source = Source::of_path(PathPattern::Exact(MACHINE.as_bytes().into()));
            let target = Target::of_pieces(vec![path_piece(What::Literal("/".into()))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(first) };
            self.push(list.entry, source, &[], action, &no_span());
        }
        let action = match facts.root {
            Some(root) => {
                let root = path_piece(What::Literal(root.to_owned().into()));
                let target = Target::of_pieces([vec![root], here()].concat());
                Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(first) }
            }
            None => Action::Enter(first),
        };
        self.push(list.entry, any(), &[], action, &no_span());
    }

    /// Looks up which file is meant: the first name behind the deepest folder that is there.
    fn fill_places(&mut self, [places, bare, inner]: [TableId; 3], facts: &Facts<'_>, next: TableId) {
        let set = |slot, text, then| Action::Set { slot, text: Target::of_pieces(text), then };
        for folder in facts.known {
            if let Some(path) = folder.strip_suffix('/').filter(|path| !path.is_empty()) {
                let source = Source::of_path(PathPattern::Exact(path.as_bytes().to_vec().into()));
                let text = vec![path_piece(What::Literal(path.to_owned().into()))];
                self.push(places, source, &[], set(DISK, text, Then::Table(bare)), &no_span());
            }
            let here = vec![path_piece(What::Part(Part::WorkingPath))];
            if let Ok(condition) = seen(here, &format!("^({}[^/]*)", quoted(folder))) {
                let text = vec![path_piece(What::ConditionCapture(1))];
                self.push(places, below(folder), &[condition], set(DISK, text, Then::Table(inner)), &no_span());
            }
        }
        if facts.writes_root {
            let source = Source::of_path(PathPattern::Exact(MACHINE.as_bytes().into()));
            let root = vec![path_piece(What::Literal(MACHINE.into()))];
            self.push(places, source, &[], set(DISK, root, Then::Table(bare)), &no_span());
        }
        self.reading.set_after(places, After::Table(next));
        let disk = || path_piece(What::Slot(DISK));
        let slash = path_piece(What::Literal("/".into()));
        self.push(bare, any(), &[], set(FOLDER, vec![disk(), slash], Then::Next), &no_span());
        if let Ok(parts) = seen(vec![disk()], "^(.*/)([^/]*)$") {
            let group = |number| vec![path_piece(What::ConditionCapture(number))];
            let parts = std::slice::from_ref(&parts);
            self.push(inner, any(), parts, set(FOLDER, group(1), Then::Next), &no_span());
            for table in [bare, inner] {
                self.push(table, any(), parts, set(NAME, group(2), Then::Table(next)), &no_span());
            }
        }
        self.push(bare, any(), &[], set(NAME, Vec::new(), Then::Table(next)), &no_span());
    }
}

/// Says what is in folders that are below no document root.
pub(super) fn strays(site: &Site, reading: &mut Reading<'_>) {
    let main_root = site.servers.first().and_then(|main| main.root.as_deref());
    for (at, server) in site.servers.iter().enumerate() {
        // What the main server says holds in all virtual hosts.
        let servers = if at == 0 { &site.servers[..] } else { std::slice::from_ref(server) };
        let roots: Vec<Option<&str>> = servers.iter().map(|server| server.root.as_deref().or(main_root)).collect();
        let why = match roots.iter().all(Option::is_none) {
            true => "a folder, and no DocumentRoot says where it is",
            false => "a folder that is not below the document root",
        };
        let folders =
            server.directories.iter().filter(|(path, _)| roots.iter().all(|root| url_of(*root, path).is_none()));
        let sections = server.sections.iter().filter(|section| !roots.iter().any(|root| section.is_below(*root)));
        for scope in folders.map(|(_, scope)| scope).chain(sections.map(|section| &section.scope)) {
            let rules = scope.rewriting.rules.iter().map(|rule| (&rule.span, &rule.text));
            let aliases = scope.aliases.iter().map(|alias| (&alias.span, &alias.text));
            let urls = scope.errors.values().flatten().filter(|url| !url.is_page);
            let errors = urls.map(|url| (&url.span, &url.text));
            rules.chain(aliases).chain(errors).for_each(|(span, text)| reading.refused(span, text, why));
        }
    }
}

/// The variables that the groups of a section's pattern become.
fn groups(section: &Section) -> Vec<String> {
    let names = section.pattern().and_then(|text| pattern(text, LetterCase::Significant).group_names().ok());
    names.unwrap_or_default().iter().map(|name| format!("MATCH_{}", name.to_ascii_uppercase())).collect()
}

fn seen(text: Vec<Piece<'static>>, wanted: &str) -> Result<Condition, Unplaced> {
    Condition::new(Subject::Text(text), Test::Regex(pattern(wanted, LetterCase::Significant)), false)
        .map_err(|error| format!("its section cannot be read here: {}", error.what).into())
}

/// What a section asks of a request; without its own path, where that is what its rule is for.
pub(super) fn inside(section: &Section, is_own_source: bool, facts: &Facts<'_>) -> Result<Asked, Unplaced> {
    let mut out = Vec::new();
    let mut approximates = None;
    if let Some(folder) = section.url(facts.root).filter(|folder| folder != "/") {
        let with_slash = format!("{}/", folder.trim_end_matches('/'));
        if facts.is_listed && !facts.known.contains(&with_slash) {
            return Ok((None, None));
        }
        let path = quoted(folder.trim_end_matches('/'));
        let file = facts.file.map_or(What::Part(Part::WorkingPath), What::Slot);
        out.push(seen(vec![path_piece(file)], &format!("^{path}(?:/|$)"))?);
    }
    for (at, place) in section.places.iter().enumerate() {
        let is_own = at + 1 == section.places.len();
        if is_own && is_own_source && matches!(place, Place::Path(_) | Place::Pattern(_)) {
            continue;
        }
        let (made, why) = one(place, facts)?;
        let Some(made) = made else { return Ok((None, approximates)) };
        out.extend(made);
        approximates = approximates.or(why);
    }
    Ok((Some(out), approximates))
}

fn one(place: &Place, facts: &Facts<'_>) -> Result<Asked, Unplaced> {
    const NAMES: &str = "the name of the file is taken to be the last segment of the path";
    const NO_DISK: &str = "a folder given by a pattern, and no document root that can be listed (`--root DIR`)";
    const BEFORE: &str = "a folder given with `*` goes before what its folders say themselves";
    let here = |text: &str| {
        let what = if facts.keeps_uri { What::Slot(URI) } else { What::Part(Part::WorkingPath) };
        seen(vec![path_piece(what)], text)
    };
    let on_disk = |slot: u16| {
        let root = facts.root.filter(|_| facts.is_listed).ok_or(NO_DISK)?;
        Ok::<_, Unplaced>(vec![path_piece(What::Literal(root.to_owned().into())), path_piece(What::Slot(slot))])
    };
    let made = match place {
        Place::Path(path) if path.ends_with('/') => here(&format!("^{}", quoted(path)))?,
        Place::Path(path) => here(&format!("^{}(?:/|$)", quoted(path)))?,
        Place::Pattern(text) => here(text)?,
        Place::Disk(text) => seen(on_disk(DISK)?, text)?,
        Place::Folders(text) => return Ok((Some(vec![seen(on_disk(FOLDER)?, text)?]), Some(BEFORE))),
        Place::Name(text) if facts.is_listed => seen(vec![path_piece(What::Slot(NAME))], text)?,
        Place::Name(text) => {
            // The name alone is seen: its pattern begins behind the last slash.
            return Ok((Some(vec![here(&format!("(?:{})[^/]*$", in_segment(text)))?]), Some(NAMES)));
        }
        Place::If(asked) => {
            let (names, maps, disk) = (Names::default(), BTreeMap::new(), cond::Disk::default());
            let around = Around {
                folder: None,
                is_section: false,
                is_asked: facts.is_asked,
                has_turned: facts.has_turned,
                has_disk: false,
                keeps_uri: facts.keeps_uri,
                base: None,
                root: facts.root,
                is_for_another: false,
                name: facts.name,
                is_canonical: facts.is_canonical,
                names: &names,
                disk: &disk,
                maps: &maps,
                is_astray: false,
            };
            let mut clauses = Vec::new();
            for (text, holds) in asked {
                let read = expr::read(text, &around, false)?;
                clauses.extend(if *holds { read } else { expr::denied(read)? });
            }
            return Ok((expr::conditions(clauses), None));
        }
    };
    Ok((Some(vec![made]), None))
}

/// A pattern that is asked of a path, where it was written for the last segment.
fn in_segment(text: &str) -> String {
    let (mut out, mut in_class, mut is_escaped) = (String::with_capacity(text.len()), false, false);
    for sign in text.chars() {
        match sign {
            '^' if !in_class && !is_escaped => out.push_str("(?<=/)"),
            '.' if !in_class && !is_escaped => out.push_str("[^/]"),
            sign => out.push(sign),
        }
        match sign {
            '[' if !is_escaped => in_class = true,
            ']' if !is_escaped => in_class = false,
            _ => {}
        }
        is_escaped = sign == '\\' && !is_escaped;
    }
    out
}
