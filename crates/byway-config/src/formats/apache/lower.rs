//! From a [`Site`] to tables: the ones after the other as httpd asks its modules, and states for what a rule has changed.
//!
//! A list of mod_rewrite is cut into segments where a rule jumps, changes the path, or writes captures in another form. Behind a
//! rule that changed the path the same segments stand once more, since patterns then see another text and the end of the list
//! begins a new round. A table is entered from one made before it, so all are made first, and filled then.
// Long because the way of a request through a server's tables is read in one go.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{
    APACHE, APACHE_MAP, APACHE_MATCH, APACHE_NE, APACHE_REWRITE, Dialect, EncodedSlash, LetterCase, QueryPolicy,
    apache_slashes,
};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::{Action, Rule, Then};
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::alias::{Alias, AliasSource};
use super::beginnings::is_here;
use super::cond::Disk;
use super::expand::{self, Escaping, Known, Token, Unplaced, alias_tokens, tokens};
use super::maps::{self, Map};
use super::missing::Said;
use super::pattern::{Shape, pattern, shape};
use super::rule::RewriteRule;
use super::sections::{Rows, strays};
use super::site::{Effective, ErrorUrl, Inherits, Place, Scope, Section, Server, SetEnv, Site};
use super::steps::{self, Around, DISK, FILE, INFO, NAME, Names, URI, WROTE_QUERY};
use crate::diagnostic::Diagnostic;
use crate::foreign::Reading;
use crate::span::Span;

/// What no query may hold that goes on unescaped.
const BARE: &str = "[\\x00-\\x20\\x7f]";

/// The most tables: they have 16 bits, and other files need some.
const TABLE_LIMIT: usize = 60_000;

/// Why a redirect without `L` above a rule that takes everything is not quite said.
const TAKEN_BACK: &str = "without L a rule below takes back the URL: httpd answers its status without a Location, and here the request passes";

/// What a rule before has done to the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing.
    Same,
    /// It wrote one of the server.
    Absolute,
    /// It wrote one of the folder.
    Relative,
    /// It wrote a URL to send people to with this status, escaped unless the flag says not to, and went on.
    Url(u16, bool),
}

/// Makes tables of a configuration.
pub(super) fn lower(site: &Site, reading: &mut Reading<'_>) {
    strays(site, reading);
    let mut lowering = Lowering {
        reading,
        tables: 0,
        said: BTreeSet::new(),
        errors: BTreeMap::new(),
        errors_at: BTreeMap::new(),
        looked_up: 0,
    };
    let Some((main, hosts)) = site.servers.split_first() else { return };
    if hosts.is_empty() {
        let start = lowering.server(main, None);
        lowering.reading.root(start);
        return;
    }
    lowering.virtual_hosts(main, hosts);
}

pub(super) struct Lowering<'a, 'r> {
    pub(super) reading: &'a mut Reading<'r>,
    /// How many tables were made.
    tables: usize,
    /// Rules of which a remark was made: inherited ones come several times.
    said: BTreeSet<(u16, usize)>,
    /// Where errors send people, by folder and status; none where a page or a text of the server's own is sent.
    pub(super) errors: BTreeMap<(Option<String>, u16), Option<ErrorUrl>>,
    /// Where an error leads that a rule in a folder or a section makes, by its status.
    pub(super) errors_at: BTreeMap<u16, TableId>,
    /// Entries of maps that became rules.
    pub(super) looked_up: usize,
}

/// A list of mod_rewrite with its tables.
pub(super) struct Plan<'s> {
    pub(super) rules: Vec<Rc<RewriteRule>>,
    folder: Option<&'s str>,
    /// Whether that is the name of a section: its patterns see the whole path on the disk.
    is_section: bool,
    base: Option<String>,
    /// Where segments begin.
    bounds: Vec<usize>,
    /// The rules that may take a URL, and do something with it.
    takers: Vec<usize>,
    tables: BTreeMap<(usize, State), TableId>,
    /// Where a list ends that changed the path, and where with `[PT]` in a server.
    pub(super) changed: Option<TableId>,
    passed: Option<TableId>,
    /// Whether sections come behind it.
    has_sections: bool,
    pub(super) names: Names,
    sets: Vec<&'s SetEnv>,
    keeps_uri: bool,
    /// Where a list of a folder ends whose last rule wrote a path: what was hung on it goes.
    settle: Option<TableId>,
    /// Where a list ends whose rules made a URL and went on.
    finish: BTreeMap<State, TableId>,
}

impl Plan<'_> {
    /// The table that the list begins with.
    pub(super) fn first(&self) -> Option<TableId> {
        self.tables.get(&(0, State::Same)).copied()
    }

    /// Whether some rule writes for those behind it, so that what stands behind the file is looked at again.
    pub(super) fn goes_on(&self) -> bool {
        self.settle.is_some() || !self.finish.is_empty()
    }

    fn segment_of(&self, rule: usize) -> usize {
        self.bounds.partition_point(|bound| *bound <= rule).saturating_sub(1)
    }

    /// The rules at and behind one that may take a URL.
    fn behind(&self, at: usize) -> impl Iterator<Item = &Rc<RewriteRule>> {
        let first = self.takers.partition_point(|taker| *taker < at);
        self.takers[first..].iter().map(|taker| &self.rules[*taker])
    }

    fn rules_of(&self, segment: usize) -> std::ops::Range<usize> {
        let end = self.bounds.get(segment + 1).copied().unwrap_or(self.rules.len());
        self.bounds[segment]..end
    }
}

pub(super) fn any() -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false })
}

pub(super) fn path_piece(what: What<'static>) -> Piece<'static> {
    Piece { place: Landing::Path, what }
}

pub(super) fn no_span() -> Span {
    Span { file: crate::span::FileId(0), line: 0, column: 0, start: 0, end: 0 }
}

impl Plan<'_> {
    /// Whether some rule writes a path inside.
    fn writes(&self) -> bool {
        self.rules.iter().any(|rule| steps::substitutes(rule) && rule.flags.redirect.is_none())
    }
}

/// A condition that a part of the request is this text.
fn asks(part: Part, text: String) -> Option<Condition> {
    Condition::new(Subject::Text(vec![path_piece(What::Part(part))]), Test::Is(text), false).ok()
}

impl Lowering<'_, '_> {
    pub(super) fn table(&mut self, dialect: &'static Dialect, order: Order, strip: &str) -> TableId {
        self.tables += 1;
        if self.tables == TABLE_LIMIT {
            let message = format!("the configuration has more than {TABLE_LIMIT} places that decide something");
            let help = "put `L` behind the rules that are the last of theirs, or serve its folders one by one";
            self.reading.say(Diagnostic::error("too-many-blocks", message).help(help));
        }
        if self.tables >= TABLE_LIMIT {
            return TableId(0);
        }
        self.reading.table(&TableSpec { dialect, order, after: After::NextRoot, strip: strip.as_bytes() })
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
            let rule = Rule { conditions, ..Rule::new(source, action) };
            self.reading.push(table, &rule, span);
        }
    }

    pub(super) fn say(&mut self, span: &Span, text: &str, verdict: Result<Option<&'static str>, Unplaced>) {
        if !self.said.insert((span.file.0, span.start)) {
            return;
        }
        match verdict {
            Ok(None) => self.reading.exact(span, text),
            Ok(Some(why)) => self.reading.approximated(span, text, why),
            Err(why) => self.reading.refused(span, text, why),
        }
    }

    // Virtual hosts

    /// The first whose name or alias fits, else the first of its port.
    fn virtual_hosts(&mut self, main: &Server, hosts: &[Server]) {
        // What one of them lets through, no table before it may refuse.
        let lets =
            hosts.iter().chain([main]).filter_map(|host| host.slashes).find(|slash| *slash != EncodedSlash::NotFound);
        // Where a server sends people away who ask for `%2F`, no table before it may refuse them either.
        let sends = hosts.iter().chain([main]).any(|host| matches!(host.own.errors.get(&404), Some(Some(_))));
        let row = match sends {
            true => &APACHE_MAP,
            false => apache_slashes(&APACHE, lets.unwrap_or(EncodedSlash::NotFound)),
        };
        let ports = self.table(row, Order::Listed, "");
        self.reading.root(ports);
        let mut groups: BTreeMap<Option<u16>, Vec<usize>> = BTreeMap::new();
        let has_ports: BTreeSet<u16> = hosts.iter().flat_map(|host| host.ports.iter().copied()).collect();
        let one_port = has_ports.len() <= 1;
        for (at, host) in hosts.iter().enumerate() {
            match host.ports.as_slice() {
                [] => {
                    groups.entry(None).or_default().push(at);
                }
                _ if one_port => groups.entry(None).or_default().push(at),
                list => list.iter().for_each(|port| groups.entry(Some(*port)).or_default().push(at)),
            }
        }
        let everywhere = groups.get(&None).cloned().unwrap_or_default();
        let mut choices = Vec::new();
        for (port, members) in &groups {
            let mut members: Vec<usize> =
                members.iter().chain(port.iter().flat_map(|_| &everywhere)).copied().collect();
            members.sort_unstable();
            let names = self.table(row, Order::Specific, "");
            let globs = self.table(row, Order::Listed, "");
            self.reading.set_after(names, After::Table(globs));
            choices.push((*port, names, globs, members));
        }
        let starts: Vec<TableId> = hosts.iter().map(|host| self.server(host, Some(main))).collect();
        for (port, names, globs, members) in &choices {
            // httpd looks at the port that it was asked on, whatever the Host field says.
            let listens = port.and_then(|port| asks(Part::LocalPort, port.to_string()));
            self.push(ports, any(), listens.as_slice(), Action::Enter(*names), &no_span());
            self.choice(*names, *globs, members, hosts, &starts);
        }
        // A port that no virtual host names: the scheme says which are meant.
        for (port, scheme) in [(443, Scheme::Https), (80, Scheme::Http)] {
            if let Some((_, names, _, _)) = choices.iter().find(|choice| choice.0 == Some(port)) {
                let scheme = asks(Part::Scheme, scheme.as_str().to_owned());
                self.push(ports, any(), scheme.as_slice(), Action::Enter(*names), &no_span());
            }
        }
        if let Some((_, names, _, _)) = choices.first() {
            self.push(ports, any(), &[], Action::Enter(*names), &no_span());
        }
    }

    fn choice(&mut self, names: TableId, globs: TableId, members: &[usize], hosts: &[Server], starts: &[TableId]) {
        let is_glob = |name: &str| name.contains(['*', '?']);
        let all = |at: usize| {
            let host: &Server = &hosts[at];
            host.name
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(host.aliases.iter().map(String::as_str))
                .collect::<Vec<_>>()
        };
        let mut taken = BTreeSet::new();
        let mut earlier: Vec<(String, usize)> = Vec::new();
        for &at in members {
            for name in all(at) {
                if is_glob(name) {
                    earlier.push((name.to_owned(), at));
                } else if taken.insert(name.to_owned())
                    && let Ok(host) = HostPattern::parse(name)
                {
                    // A wildcard of a virtual host before this one comes first.
                    let first = earlier.iter().find(|(glob, _)| fits(glob, name)).map_or(at, |(_, at)| *at);
                    let mut source = any();
                    source.host = host;
                    self.push(names, source, &[], Action::Enter(starts[first]), &no_span());
                }
            }
        }
        for (glob, at) in &earlier {
            let host = Subject::Text(vec![path_piece(What::Part(Part::Host))]);
            if let Ok(condition) = Condition::new(host, Test::Glob(glob.clone()), false) {
                self.push(globs, any(), &[condition], Action::Enter(starts[*at]), &no_span());
            }
        }
        if let Some(first) = members.first() {
            self.push(globs, any(), &[], Action::Enter(starts[*first]), &no_span());
        }
    }

    // One server

    /// Makes the tables of a server, and returns the one that it begins with.
    fn server<'s>(&mut self, server: &'s Server, main: Option<&'s Server>) -> TableId {
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
        self.errors = errors(server, main, &folders);
        // What is merged last is asked first: of the virtual host before the main server, further down before further up.
        let mut sections: Vec<&'s Section> =
            server.sections.iter().rev().chain(main.iter().flat_map(|main| main.sections.iter().rev())).collect();
        sections.retain(|section| section.is_below(root));
        sections.sort_by_key(|section| section.rank(root));
        // Tables, in the order in which they are entered.
        let sends = self.errors.get(&(None, 404)).is_some_and(Option::is_some) && slash == EncodedSlash::NotFound;
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
        let mut plan = self.plan(Effective { is_on: runs, ..own }, None, own_sets.clone(), row);
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
        let keeps_uri = plan.writes() && (has_aliases || !sections.is_empty() || !folders.is_empty());
        plan.keeps_uri |= keeps_uri;
        plan.has_sections = plan.writes() && !sections.is_empty();
        // `[PT]` makes what was written the path of the request.
        let passed = keeps_uri.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let own_aliases: Vec<&Alias> =
            server.own.aliases.iter().chain(main.iter().flat_map(|main| &main.own.aliases)).collect();
        let early = wholes.iter().filter(|(section, _)| section.is_some_and(Section::is_early)).copied();
        let own = own_aliases.iter().map(|alias| (None, *alias));
        let aliases = self.alias_tables(early.chain(own), row);
        let alias = aliases.first().map(|(table, _)| *table);
        let broken = folders.values().any(|folder| folder.broken.is_some());
        let broken_table = broken.then(|| self.table(row(&APACHE), Order::Specific, ""));
        let is_listed = server.files.is_some();
        let asks_file = folders
            .values()
            .flat_map(|folder| folder.layers.iter().copied())
            .chain(sections.iter().map(|section| &section.scope))
            .any(|scope| scope.rewriting.rules.iter().any(|rule| steps::asks_file(rule)));
        let has_disk = is_listed && (asks_file || sections.iter().any(|section| section.asks_disk()));
        let mut located = self.located(&sections, (has_disk, base.is_on), &own_sets, &folders, row);
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
        let swap = (may_change && (has_aliases || has_folders)).then(|| self.table(row(&APACHE), Order::Listed, ""));
        let before_restart = swap.map(|_| self.alias_stage(&locations, &aliased, row));
        // The slash of a folder too.
        let slashes_before = swap.filter(|_| has_folders).map(|_| self.table(row(&APACHE), Order::Specific, ""));
        let restart = may_change.then(|| self.table(row(&APACHE), Order::Listed, ""));
        let back = (keeps_uri && has_aliases).then(|| self.table(row(&APACHE), Order::Listed, ""));
        let stage = self.alias_stage(&locations, &aliased, row);
        let (location, alias_dispatch) = (stage.first_location(), stage.dispatch);
        let forth = back.map(|_| self.table(row(&APACHE), Order::Listed, ""));
        let has_index = (has_aliases || alias.is_some()) && !server.known.is_empty();
        let slashes = (!server.known.is_empty()).then(|| self.table(row(&APACHE), Order::Specific, ""));
        let said = Said::new(server, main, &folders);
        let index_names = if has_index { said.indexes() } else { Vec::new() };
        let indexes: Vec<Index<'_>> = index_names
            .into_iter()
            .enumerate()
            .map(|(at, names)| Index {
                names,
                ask: slashes.filter(|_| at == 0).unwrap_or_else(|| self.table(row(&APACHE), Order::Specific, "")),
                name: has_disk.then(|| self.table(row(&APACHE), Order::Listed, "")),
                aliases: self.alias_tables(own_aliases.iter().map(|alias| (None, *alias)), row),
                stage: self.alias_stage(&locations, &aliased, row),
                end: self.table(row(&APACHE), Order::Listed, ""),
            })
            .collect();
        let missing = self.missing(&said, &sections, row);
        // What takes the place of a file that is not there is asked as an index is.
        let falls_back = missing.is_some() && has_index && said.falls_back();
        let fallback_aliases = match falls_back {
            true => self.alias_tables(own_aliases.iter().map(|alias| (None, *alias)), row),
            false => Vec::new(),
        };
        let of_fallback = falls_back.then(|| self.alias_stage(&locations, &aliased, row));
        let answers = self.answers(&said, &sections, row);
        self.errors_at = answers.iter().map(|(status, [first, ..])| (*status, *first)).collect();
        let last = self.table(row(&APACHE), Order::Listed, "");
        let to_files = missing.as_ref().map_or(last, |missing| missing.first());

        // What comes after what.
        let first_of = |tables: &[Option<TableId>]| tables.iter().copied().flatten().next().unwrap_or(to_files);
        let after_folder = first_of(&[back, location, alias_dispatch, slashes]);
        let after_alias = first_of(&[forth, slashes]);
        let to_lists = first_of(&[located.first(), dispatch, Some(after_folder)]);
        let to_folders = first_of(&[broken_table, Some(to_lists)]);
        let to_alias = alias.unwrap_or(to_folders);
        let first = plan.first().unwrap_or(to_alias);
        let start = switch.unwrap_or(first);
        self.chain(&aliases, to_folders);
        if let Some(odd) = odd {
            self.odd(odd, start);
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
            forgets_port: false,
            root,
            disk: &disk,
            maps: &maps,
            folder: None,
        };
        if let Some(switch) = switch {
            if keeps_uri {
                let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
                self.push(switch, any(), &[], Action::Set { slot: URI, text, then: Then::Next }, &no_span());
            }
            let facts = Facts { keeps_uri: false, ..facts };
            for (section, is_on) in &switches {
                if let Ok((Some(conditions), _)) = super::sections::inside(section, false, &facts) {
                    let to = if *is_on { first } else { to_alias };
                    self.push(switch, any(), &conditions, Action::Enter(to), &no_span());
                }
            }
            self.push(switch, any(), &[], Action::Enter(if is_on { first } else { to_alias }), &no_span());
        }
        plan.changed = Some(to_folders);
        plan.passed = passed.or(Some(to_alias));
        if let Some(passed) = passed {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(passed, any(), &[], Action::Set { slot: URI, text, then: Then::Next }, &no_span());
            self.push(passed, any(), &[], Action::Enter(to_alias), &no_span());
        }
        self.fill(&plan, &facts, to_alias, after_folder);
        self.fill_aliases(&aliases, &facts);
        if let Some(table) = broken_table {
            for folder in folders.values() {
                if let Some(span) = folder.broken {
                    let reply = Action::Reply { status: ReplyStatus::InternalServerError, retry_after: None };
                    let action = self.error(false, 500).unwrap_or(reply);
                    self.push(table, below(folder.path), &[], action, span);
                }
            }
        }
        let ways =
            Rows { to_lists: first_of(&[dispatch, Some(after_folder)]), after_folder, changed: swap.or(restart) };
        self.fill_located(&mut located, &facts, &ways, &folders);
        for (path, plan) in &mut plans {
            plan.changed = swap.or(restart);
            plan.keeps_uri |= swap.is_some();
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
            self.fill(plan, &facts, after_folder, first_of(&[alias, Some(after_folder)]));
        }
        if let (Some(swap), Some(before), Some(restart)) = (swap, &before_restart, restart) {
            let to_restart = slashes_before.unwrap_or(restart);
            let first = before.first_location().or(before.dispatch).unwrap_or(to_restart);
            self.refuse(swap, What::Part(Part::WorkingQuery), BARE, ReplyStatus::Forbidden);
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(swap, any(), &[], Action::Set { slot: FILE, text, then: Then::Next }, &no_span());
            self.write_slot(swap, URI, first);
            self.fill_stage(before, &aliased, to_restart, &facts);
            if let Some(table) = slashes_before {
                self.reading.set_after(table, After::Table(restart));
                self.slashes(table, server, &folders, &facts);
            }
        }
        if let Some(restart) = restart {
            let names = plans.iter().map(|(_, plan)| &plan.names).chain(located.names());
            self.restart(restart, start, swap.is_some(), names);
        }
        if let (Some(back), Some(forth)) = (back, forth) {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(back, any(), &[], Action::Set { slot: FILE, text, then: Then::Next }, &no_span());
            // Whether there is such a file is asked of what was written.
            self.write_slot(forth, FILE, first_of(&[slashes]));
            self.write_slot(back, URI, first_of(&[location, alias_dispatch, slashes]));
        }
        self.fill_stage(&stage, &aliased, after_alias, &facts);
        let mut fallback = None;
        if let Some(table) = slashes {
            self.slashes(table, server, &folders, &facts);
            if has_index {
                let facts = Facts { forgets_port: true, ..facts };
                for (at, index) in indexes.iter().enumerate() {
                    let first = self.fill_asked(&index.aliases, &index.stage, &aliased, index.end, &facts);
                    self.index_name(index.name.unwrap_or(first), first);
                    self.indexes(index, index.name.unwrap_or(first));
                    let next = indexes.get(at + 1).map(|next| next.ask);
                    if let Some(next) = next {
                        self.reading.set_after(next, After::Table(to_files));
                    }
                    self.unindex(index.end, next.unwrap_or(to_files));
                }
                fallback = of_fallback.map(|stage| self.fill_asked(&fallback_aliases, &stage, &aliased, last, &facts));
            }
        }
        if let Some(missing) = &missing {
            self.fill_missing(missing, &said, &sections, &facts, (fallback, last));
        }
        self.fill_answers(&answers, &said, &sections, &facts);
        self.say_errors(&said, &sections);
        self.say_pages(server, &folders);
        self.idle(server, &folders, runs);
        self.never(&never);
        odd.unwrap_or(start)
    }

    /// Rules that never run, since their engine is off.
    fn idle<'s>(&mut self, server: &'s Server, folders: &BTreeMap<&'s str, Folder<'s>>, runs: bool) {
        let off = |scope: &'s Scope, is_on: bool| scope.rewriting.rules.iter().filter(move |_| !is_on);
        let own = off(&server.own, runs);
        let in_folders = folders.values().flat_map(|folder| folder.layers.iter().map(move |scope| (folder, *scope)));
        let in_folders = in_folders.flat_map(|(folder, scope)| {
            // Of several sections of one folder the last one's rules hold.
            let holds = folder.effective.is_on && folder.rules_of.is_none_or(|last| std::ptr::eq(last, scope));
            off(scope, holds)
        });
        for rule in own.chain(in_folders).cloned().collect::<Vec<_>>() {
            self.never_runs(&rule);
        }
    }

    /// A path with `%2F` or `%00` is not found before anything else is asked.
    fn odd(&mut self, table: TableId, then: TableId) {
        self.reading.set_after(table, After::Table(then));
        let path = || Subject::Text(vec![path_piece(What::Part(Part::Path))]);
        let test = |text: &str| Test::Regex(pattern(text, LetterCase::Significant));
        // What dots take away is not looked at.
        let dots = Condition::new(path(), test("/(?:\\.|%2[Ee]){1,2}(?:/|$)"), true);
        let span = self.errors.get(&(None, 404)).and_then(Option::as_ref).map_or_else(no_span, |url| url.span.clone());
        let found = Condition::new(path(), test("%(?:2[Ff]|00)"), false);
        if let (Ok(dots), Ok(found), Ok(action)) = (dots, found, self.error(false, 404)) {
            self.push(table, any(), &[dots, found], action, &span);
        }
    }

    /// Rules of folders that are not there.
    fn never(&mut self, layers: &BTreeMap<String, Vec<&Scope>>) {
        for scope in layers.values().flatten() {
            let rules = scope.rewriting.rules.iter().map(|rule| (&rule.span, &rule.text));
            let aliases = scope.aliases.iter().map(|alias| (&alias.span, &alias.text));
            for (span, text) in rules.chain(aliases) {
                self.say(span, text, Ok(None));
                self.reading.say_often(span, crate::diagnostic::Severity::Note, "folder-not-there", || {
                    ("this rule never runs: its folder is not there".to_owned(), None)
                });
            }
        }
    }

    /// Says that a rule is there for nothing.
    pub(super) fn never_runs(&mut self, rule: &RewriteRule) {
        self.say(&rule.span, &rule.text, Ok(None));
        self.reading.say_often(&rule.span, crate::diagnostic::Severity::Note, "rewrite-engine-off", || {
            (
                "this rule never runs: RewriteEngine is not On here, or rules elsewhere take its place".to_owned(),
                Some("write `RewriteEngine On` above it".to_owned()),
            )
        });
    }

    /// Tables for what mod_alias says in locations and folders.
    fn alias_stage<'s>(
        &mut self,
        locations: &[(Option<&'s Section>, &'s Alias)],
        aliased: &[&Folder<'s>],
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Stage<'s> {
        let locations = self.alias_tables(locations.iter().copied(), row);
        let dispatch = (!aliased.is_empty()).then(|| self.table(row(&APACHE), Order::Specific, ""));
        let of_folder =
            |folder: &&Folder<'s>| self.alias_tables(folder.aliases.iter().map(|alias| (None, *alias)), row);
        let folders = aliased.iter().map(of_folder).collect();
        Stage { locations, dispatch, folders }
    }

    fn fill_stage<'s>(&mut self, stage: &Stage<'s>, aliased: &[&Folder<'s>], after: TableId, facts: &Facts<'_>) {
        self.chain(&stage.locations, stage.dispatch.unwrap_or(after));
        self.fill_aliases(&stage.locations, facts);
        if let Some(dispatch) = stage.dispatch {
            self.reading.set_after(dispatch, After::Table(after));
            self.folder_aliases(aliased, &stage.folders, dispatch, after, facts);
        }
    }

    /// What httpd asks itself for: mod_alias of the server, then of locations and folders; returns the first table.
    fn fill_asked<'s>(
        &mut self,
        aliases: &AliasTables<'s>,
        stage: &Stage<'s>,
        aliased: &[&Folder<'s>],
        end: TableId,
        facts: &Facts<'_>,
    ) -> TableId {
        let first = stage.first_location().or(stage.dispatch).unwrap_or(end);
        self.chain(aliases, first);
        self.fill_aliases(aliases, facts);
        self.fill_stage(stage, aliased, end, facts);
        aliases.first().map_or(first, |(table, _)| *table)
    }

    fn folder_aliases<'s>(
        &mut self,
        aliased: &[&Folder<'s>],
        tables: &[AliasTables<'s>],
        dispatch: TableId,
        after: TableId,
        facts: &Facts<'_>,
    ) {
        let first = |own: &AliasTables<'_>| own.first().map(|(table, _)| *table);
        for (folder, own) in aliased.iter().zip(tables) {
            let Some(table) = first(own) else { continue };
            self.push(dispatch, below(folder.path), &[], Action::Enter(table), &no_span());
            self.fill_aliases(own, &Facts { folder: Some(folder.path), ..*facts });
            let parent = aliased
                .iter()
                .zip(tables)
                .filter(|(other, _)| folder.path.starts_with(other.path) && other.path.len() < folder.path.len())
                .max_by_key(|(other, _)| other.path.len());
            self.chain(own, parent.and_then(|(_, own)| first(own)).unwrap_or(after));
        }
    }

    /// Tables for rules of mod_alias in their order: patterns write captures in another way than prefixes their rest.
    fn alias_tables<'s>(
        &mut self,
        aliases: impl Iterator<Item = (Option<&'s Section>, &'s Alias)>,
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> AliasTables<'s> {
        let mut out: AliasTables<'s> = Vec::new();
        let dialect =
            |alias: &Alias| if matches!(alias.source, AliasSource::Pattern(_)) { &APACHE_MATCH } else { &APACHE };
        for (place, alias) in aliases {
            let is_same = |(_, run): &&mut (TableId, Vec<(_, &Alias)>)| {
                run.last().is_some_and(|(_, before)| dialect(before) == dialect(alias))
            };
            match out.last_mut().filter(is_same) {
                Some((_, run)) => run.push((place, alias)),
                None => out.push((self.table(row(dialect(alias)), Order::Listed, ""), vec![(place, alias)])),
            }
        }
        out
    }

    /// Tables one after the other, and what comes then.
    fn chain(&mut self, tables: &AliasTables<'_>, last: TableId) {
        let next = tables.iter().skip(1).map(|(table, _)| *table).chain([last]);
        for ((table, _), next) in tables.iter().zip(next) {
            self.reading.set_after(*table, After::Table(next));
        }
    }

    fn fill_aliases<'s>(&mut self, tables: &AliasTables<'s>, facts: &Facts<'_>) {
        for (table, run) in tables {
            for (place, alias) in run {
                self.alias(*table, alias, *place, facts);
            }
        }
    }

    /// A folder that is asked for without its slash is sent there: 301.
    fn slashes<'s>(
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
            if is_off.is_some_and(|(_, is_on)| !is_on) || path.len() < 2 {
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

    /// A folder is asked for its index, and what mod_alias says of that is said of the folder (mod_dir).
    fn indexes(&mut self, index: &Index<'_>, then: TableId) {
        for (path, name) in &index.names {
            let target = Target::of_pieces(vec![path_piece(What::Literal(format!("{path}{name}").into()))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
            let source = Source::of_path(PathPattern::Exact(path.as_bytes().into()));
            self.push(index.ask, source, &[], action, &no_span());
        }
    }

    /// What is asked is the index, by its name as well.
    fn index_name(&mut self, table: TableId, then: TableId) {
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
    fn unindex(&mut self, table: TableId, then: TableId) {
        self.reading.set_after(table, After::Table(then));
        let here = Subject::Text(vec![path_piece(What::Part(Part::WorkingPath))]);
        if let Ok(condition) = Condition::new(here, Test::Regex(pattern("^(.*/)", LetterCase::Significant)), false) {
            let target = Target::of_pieces(vec![path_piece(What::ConditionCapture(1))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
            self.push(table, any(), &[condition], action, &no_span());
        }
    }

    /// The working path becomes what a slot holds.
    pub(super) fn write_slot(&mut self, table: TableId, slot: u16, then: TableId) {
        let target = Target::of_pieces(vec![path_piece(What::Slot(slot))]);
        let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
        self.push(table, any(), &[], action, &no_span());
    }

    /// A new round: variables are handed on under other names, and everything begins again.
    fn restart<'n>(&mut self, table: TableId, start: TableId, is_swapped: bool, all: impl Iterator<Item = &'n Names>) {
        let mut slots: BTreeMap<u16, Vec<Piece<'static>>> = BTreeMap::new();
        for names in all {
            for (name, slot) in names.all() {
                let text = match name.strip_prefix("REDIRECT_") {
                    Some("STATUS") => vec![path_piece(What::Literal("200".into()))],
                    Some(rest) => names.known(rest).map(|slot| path_piece(What::Slot(slot))).into_iter().collect(),
                    None => Vec::new(),
                };
                slots.entry(slot).or_insert(text);
            }
        }
        // What is handed on is read before it is emptied.
        let (handed, emptied): (Vec<_>, Vec<_>) = slots.into_iter().partition(|(_, text)| !text.is_empty());
        for (slot, text) in handed.into_iter().chain(emptied) {
            let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            self.push(table, any(), &[], action, &no_span());
        }
        let path = if is_swapped { What::Slot(FILE) } else { What::Part(Part::WorkingPath) };
        self.refuse(table, What::Part(Part::WorkingQuery), BARE, ReplyStatus::Forbidden);
        // What a rule wrote is read as a URL: its escapes must be some, and a `#` ends its path.
        self.refuse(table, path.clone(), "%(?![0-9A-Fa-f]{2})", ReplyStatus::BadRequest);
        let text = Subject::Text(vec![path_piece(path.clone())]);
        if let Ok(condition) = Condition::new(text, Test::Regex(pattern("^([^#]*)#", LetterCase::Significant)), false) {
            let target = Target::of_pieces(vec![path_piece(What::ConditionCapture(1))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(start) };
            self.push(table, any(), &[condition], action, &no_span());
        }
        let target = Target::of_pieces(vec![path_piece(path)]);
        let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(start) };
        self.push(table, any(), &[], action, &no_span());
    }

    /// Requests of which a text fits a pattern get a status.
    pub(super) fn refuse(&mut self, table: TableId, what: What<'static>, text: &str, status: ReplyStatus) {
        let subject = Subject::Text(vec![path_piece(what)]);
        if let Ok(condition) = Condition::new(subject, Test::Regex(pattern(text, LetterCase::Significant)), false) {
            self.push(table, any(), &[condition], Action::Reply { status, retry_after: None }, &no_span());
        }
    }

    // A list of mod_rewrite

    pub(super) fn plan<'s>(
        &mut self,
        effective: Effective,
        folder: Option<&'s str>,
        sets: Vec<&'s SetEnv>,
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> Plan<'s> {
        let plan = self.plan_of(effective, folder, sets);
        self.plan_tables(plan, row)
    }

    /// The list of a section, whose name is taken for its folder.
    pub(super) fn plan_of_section<'s>(
        &mut self,
        effective: Effective,
        name: &'s str,
        groups: &[String],
        sets: Vec<&'s SetEnv>,
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> Plan<'s> {
        let mut plan = self.plan_of(effective, Some(name), sets);
        plan.is_section = true;
        for group in groups.iter().filter(|group| plan.rules.iter().any(|rule| rule.text.contains(group.as_str()))) {
            plan.names.note(group, &[Token::Group(0)]);
        }
        self.plan_tables(plan, row)
    }

    fn plan_of<'s>(&mut self, effective: Effective, folder: Option<&'s str>, sets: Vec<&'s SetEnv>) -> Plan<'s> {
        let rules = if effective.is_on { effective.rules } else { Vec::new() };
        let bounds = bounds(&rules);
        let takers = takers(&rules);
        let names = names(&rules, &sets);
        Plan {
            folder,
            is_section: false,
            base: effective.base,
            bounds,
            takers,
            tables: BTreeMap::new(),
            changed: None,
            passed: None,
            has_sections: false,
            names,
            sets,
            keeps_uri: false,
            settle: None,
            finish: BTreeMap::new(),
            rules,
        }
    }

    fn plan_tables<'s>(&mut self, mut plan: Plan<'s>, row: impl Fn(&Dialect) -> &'static Dialect) -> Plan<'s> {
        if plan.rules.is_empty() {
            return plan;
        }
        let folder = plan.folder;
        let reached = reached(&plan);
        plan.keeps_uri = !plan.is_section
            && reached.iter().any(|(segment, state)| {
                *state != State::Same && plan.rules_of(*segment).any(|at| uses_uri(&plan.rules[at]))
            });
        for (segment, state) in reached {
            let first = plan.rules_of(segment).map(|at| &plan.rules[at]).find(|rule| steps::substitutes(rule));
            let dialect = row(first.map_or(&APACHE_REWRITE, |rule| steps::dialect(rule)));
            let strips = plan.is_section || matches!(state, State::Same | State::Relative);
            let strip = folder.filter(|_| strips).unwrap_or_default();
            let table = self.table(dialect, Order::Listed, strip);
            plan.tables.insert((segment, state), table);
        }
        let states: BTreeSet<State> = plan.tables.keys().map(|(_, state)| *state).collect();
        for state in states {
            match state {
                State::Same => {}
                State::Absolute | State::Relative if folder.is_none() || plan.settle.is_some() => {}
                State::Absolute | State::Relative => {
                    plan.settle = Some(self.table(row(&APACHE_REWRITE), Order::Listed, ""));
                }
                State::Url(_, is_bare) => {
                    let dialect = row(if is_bare { &APACHE_NE } else { &APACHE_REWRITE });
                    plan.finish.insert(state, self.table(dialect, Order::Listed, ""));
                }
            }
        }
        plan
    }

    /// Fills the tables of a list; `end` comes after it where nothing was changed, `for_good` after `[END]`.
    pub(super) fn fill<'s>(&mut self, plan: &Plan<'s>, facts: &Facts<'_>, end: TableId, for_good: TableId) {
        let changed = plan.changed.unwrap_or(end);
        let around = Around {
            folder: plan.folder,
            is_section: plan.is_section,
            has_disk: facts.has_disk,
            keeps_uri: plan.is_section || facts.keeps_uri && plan.folder.is_some(),
            base: plan.base.as_deref(),
            root: facts.root,
            name: facts.name,
            is_canonical: facts.is_canonical,
            names: &plan.names,
            disk: facts.disk,
            maps: facts.maps,
        };
        if let Some(settle) = plan.settle {
            self.write_slot(settle, FILE, changed);
        }
        for (state, table) in &plan.finish {
            self.reading.set_after(*table, After::Table(changed));
            if let State::Url(status, is_bare) = state {
                if *is_bare {
                    self.refuse(*table, What::Part(Part::WorkingQuery), BARE, ReplyStatus::Forbidden);
                }
                self.finish(*table, *status);
            }
        }
        for (&(segment, state), &table) in &plan.tables {
            let exit = match state {
                State::Same => end,
                State::Absolute | State::Relative => plan.settle.unwrap_or(changed),
                State::Url(..) => plan.finish.get(&state).copied().unwrap_or(changed),
            };
            if segment == 0 && state == State::Same {
                self.begin(plan, table, &around, facts);
            }
            // A chain is left behind its end.
            let range = plan.rules_of(segment);
            let next = match range.clone().last() {
                Some(last) if plan.rules[last].flags.chain => chain_end(&plan.rules, last),
                _ => range.end,
            };
            let next = plan.tables.get(&(plan.segment_of(next), state)).copied().filter(|_| next < plan.rules.len());
            self.reading.set_after(table, After::Table(next.unwrap_or(exit)));
            for at in range {
                let to = Exits { end: exit, changed, passed: plan.passed.unwrap_or(changed), for_good };
                let verdict = self.rewrite_rule(plan, at, &plan.rules[at], state, table, &around, to);
                let rule = &plan.rules[at];
                self.say(&rule.span, &rule.text, verdict);
            }
        }
    }

    /// What stands before the first rule: the path kept, variables set by fields of the request.
    fn begin<'s>(&mut self, plan: &Plan<'s>, table: TableId, around: &Around<'_>, facts: &Facts<'_>) {
        if let Some(folder) = plan.folder.filter(|_| plan.goes_on() && !plan.is_section) {
            self.info(Some(folder), table, facts);
        }
        if !plan.finish.is_empty() {
            let text = Target::of_pieces(Vec::new());
            self.push(table, any(), &[], Action::Set { slot: WROTE_QUERY, text, then: Then::Next }, &no_span());
        }
        if plan.keeps_uri {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(table, any(), &[], Action::Set { slot: URI, text, then: Then::Next }, &no_span());
        }
        for set in plan.sets.clone() {
            let case = if set.ignores_case { LetterCase::Ignored } else { LetterCase::Significant };
            let what = match set.attribute.to_ascii_lowercase().as_str() {
                "request_uri" if around.keeps_uri => What::Slot(URI),
                "request_uri" => What::Part(Part::WorkingPath),
                "request_method" => What::Part(Part::Method),
                "remote_addr" | "remote_host" => What::Part(Part::Address),
                "request_protocol" => What::Literal("HTTP/1.1".into()),
                "server_addr" => {
                    self.unset(set, "it asks for an address of the server");
                    continue;
                }
                _ => match around.names.known(&set.attribute) {
                    Some(slot) => What::Slot(slot),
                    None if set.attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {
                        What::Field(set.attribute.to_ascii_lowercase().into())
                    }
                    None => {
                        self.unset(set, "it names a field by a pattern");
                        continue;
                    }
                },
            };
            let subject = Subject::Text(vec![path_piece(what)]);
            let test = Test::Regex(pattern(&set.pattern, case));
            let Ok(condition) = Condition::new(subject, test, false) else {
                self.unset(set, "its pattern cannot be read here");
                continue;
            };
            for (name, value) in &set.pairs {
                let Some(slot) = around.names.known(name) else { continue };
                let text: Vec<Piece<'static>> = alias_tokens(value.as_deref().unwrap_or_default())
                    .into_iter()
                    .map(|token| match token {
                        Token::Group(number) => path_piece(What::ConditionCapture(number)),
                        Token::Text(text) => path_piece(What::Literal(text.into())),
                        _ => path_piece(What::Literal("".into())),
                    })
                    .collect();
                let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
                self.push(table, any(), std::slice::from_ref(&condition), action, &set.span);
            }
        }
    }

    /// Says that a variable which rules ask for is not set.
    fn unset(&mut self, set: &SetEnv, why: &'static str) {
        if set.pairs.iter().any(|(name, _)| !name.is_empty()) && self.said.insert((set.span.file.0, set.span.start)) {
            self.reading.refused(&set.span, &format!("SetEnvIf {} {}", set.attribute, set.pattern), why);
        }
    }

    /// Keeps what stands behind the first name that is no folder: of the folders whose rules are those of a folder, or of all.
    pub(super) fn info(&mut self, folder: Option<&str>, table: TableId, facts: &Facts<'_>) {
        let mut below: Vec<&str> = facts.known.iter().map(String::as_str).collect();
        if let Some(folder) = folder {
            below.retain(|path| {
                let owner = ancestors(path).chain([*path]).filter(|above| facts.lists.contains(above)).last();
                path.starts_with(folder) && path.len() > folder.len() && owner == Some(folder)
            });
            below.push(folder);
        }
        below.sort_by_key(|path| path.len());
        for path in below {
            let here = Subject::Text(vec![path_piece(What::Part(Part::WorkingPath))]);
            let text = format!("^{}(?:[^/]+(/.*)$)?", super::pattern::quoted(path));
            let Ok(condition) = Condition::new(here, Test::Regex(pattern(&text, LetterCase::Significant)), false)
            else {
                continue;
            };
            let text = Target::of_pieces(vec![path_piece(What::ConditionCapture(1))]);
            let action = Action::Set { slot: INFO, text, then: Then::Next };
            self.push(table, any(), &[condition], action, &no_span());
        }
    }

    /// Sends people to the URL that rules have made.
    fn finish(&mut self, table: TableId, status: u16) {
        let Some(status) = RedirectStatus::from_number(status) else { return };
        let wrote = Subject::Text(vec![path_piece(What::Slot(WROTE_QUERY))]);
        let Ok(wrote) = Condition::new(wrote, Test::Is("1".to_owned()), false) else { return };
        for scheme in ["https://", "http://"] {
            for (port, path) in [(None, 2), (Some(2), 3)] {
                let middle = if port.is_some() { ":([0-9]+)" } else { "" };
                let text = format!("^{scheme}([^/:?#@]+){middle}(|[/?#].*)$");
                let url = Subject::Text(vec![path_piece(What::Slot(FILE))]);
                let test = Test::Regex(pattern(&text, LetterCase::Significant));
                let Ok(condition) = Condition::new(url, test, false) else { continue };
                let mut pieces = vec![
                    Piece { place: Landing::Scheme, what: What::Literal(scheme.into()) },
                    Piece { place: Landing::Host, what: What::ConditionCapture(1) },
                ];
                if let Some(group) = port {
                    pieces.push(Piece { place: Landing::Port, what: What::Literal(":".into()) });
                    pieces.push(Piece { place: Landing::Port, what: What::ConditionCapture(group) });
                }
                pieces.push(path_piece(What::ConditionCapture(path)));
                let redirect = |pieces, query| Action::Redirect {
                    status: StatusByMethod::always(status),
                    target: Target::of_pieces(pieces),
                    query,
                };
                let query = [Part::QueryMark, Part::WorkingQuery]
                    .map(|part| Piece { place: Landing::Query, what: What::Part(part) });
                let with_query = [pieces.clone(), query.to_vec()].concat();
                let action = redirect(with_query, QueryPolicy::Drop);
                self.push(table, any(), &[wrote.clone(), condition.clone()], action, &no_span());
                self.push(table, any(), &[condition], redirect(pieces, QueryPolicy::Replace), &no_span());
            }
        }
    }

    /// What a rule writes for those behind it in its list: what stood behind the file is hung on it again.
    fn write_on<'s>(
        &mut self,
        plan: &Plan<'s>,
        rule: &RewriteRule,
        place: (TableId, Source<'static>, &[Condition]),
        written: (&[Piece<'static>], QueryPolicy),
        then: TableId,
    ) {
        let (table, source, conditions) = place;
        let (pieces, query) = written;
        let (mut path, rest): (Vec<_>, Vec<_>) = pieces.iter().cloned().partition(|piece| piece.place < Landing::Query);
        let set = |slot, text| Action::Set { slot, text, then: Then::Next };
        self.push(table, source.clone(), conditions, set(FILE, Target::of_pieces(path.clone())), &rule.span);
        if !rest.is_empty() {
            let yes = Target::of_pieces(vec![path_piece(What::Literal("1".into()))]);
            self.push(table, source.clone(), conditions, set(WROTE_QUERY, yes), &rule.span);
        }
        if !rule.flags.unsafe_question {
            let file = Subject::Text(vec![path_piece(What::Slot(FILE))]);
            if let Ok(condition) = Condition::new(file, Test::Regex(pattern("\\?", LetterCase::Significant)), false) {
                let conditions = [conditions, &[condition]].concat();
                let action = Action::Reply { status: ReplyStatus::Forbidden, retry_after: None };
                self.push(table, source.clone(), &conditions, action, &rule.span);
            }
        }
        if rule.flags.discards_path_info {
            self.push(table, source.clone(), conditions, set(INFO, Target::of_pieces(Vec::new())), &rule.span);
        } else if plan.folder.is_some() {
            path.push(path_piece(What::Slot(INFO)));
        }
        path.extend(rest);
        let action = Action::Rewrite { target: Target::of_pieces(path), query, then: Then::Table(then) };
        self.push(table, source, conditions, action, &rule.span);
    }

    /// Makes the rules of one rule in one state.
    #[expect(clippy::too_many_arguments, reason = "a rule, where it stands, and where it may lead")]
    fn rewrite_rule<'s>(
        &mut self,
        plan: &Plan<'s>,
        at: usize,
        rule: &RewriteRule,
        state: State,
        table: TableId,
        around: &Around<'_>,
        to: Exits,
    ) -> Result<Option<&'static str>, Unplaced> {
        let flags = &rule.flags;
        let is_changed = state != State::Same;
        if plan.is_section && around.root.is_none() && steps::sees_disk(rule) {
            return Err(steps::NO_ROOT.into());
        }
        if maps::asks(rule) {
            let missed = self.look_up(rule, table, around, is_changed)?;
            return match missed.rule {
                Some(rule) => {
                    let verdict = self.rewrite_rule(plan, at, &rule, state, table, around, to)?;
                    Ok(missed.approximates.or(verdict))
                }
                None => Ok(missed.approximates),
            };
        }
        let ready = steps::ready(rule, around, is_changed)?;
        let mut approximates = ready.approximates;
        if flags.passes_on && plan.has_sections {
            approximates =
                approximates.or(Some("sections are chosen by the path that this rule writes, not by the one before"));
        }
        if flags.cookie {
            approximates = approximates.or(Some("its cookie is not set"));
        }
        let table_at = |rule: usize, state: State| plan.tables.get(&(plan.segment_of(rule), state)).copied();
        let after_skip = at + 1 + flags.skip as usize;
        let stops = flags.last || flags.end || flags.passes_on;
        if let Some(status) = flags.status {
            let action = self.error(plan.folder.is_some(), status)?;
            self.push(table, ready.source, &ready.conditions, action, &rule.span);
            return Ok(approximates);
        }
        if flags.proxy {
            let target = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::End };
            self.push(table, ready.source, &ready.conditions, action, &rule.span);
            return Err("it hands the request to another server (`P`): what it takes passes".into());
        }
        let sends_for_good = steps::substitutes(rule) && flags.redirect.is_some() && stops;
        if !sends_for_good {
            self.environment(rule, &ready, table, around, is_changed)?;
        }
        if !steps::substitutes(rule) {
            let next = if stops {
                Some(to.end)
            } else if flags.skip > 0 {
                Some(table_at(after_skip, state).filter(|_| after_skip < plan.rules.len()).unwrap_or(to.end))
            } else if flags.chain {
                table_at(at + 1, state)
            } else {
                None
            };
            if flags.again {
                return Err("`N` without a substitution never ends".into());
            }
            if let Some(next) = next {
                self.push(table, ready.source, &ready.conditions, Action::Enter(next), &rule.span);
            }
            return Ok(approximates);
        }
        for written in steps::written(rule, &ready, around, is_changed)? {
            approximates = approximates.or(written.approximates);
            let mut conditions = ready.conditions.clone();
            if let Some((slot, value)) = &written.when {
                let kept = Subject::Text(vec![path_piece(What::Slot(*slot))]);
                let test = match value.is_empty() {
                    true => Test::Regex(pattern("^$", LetterCase::Significant)),
                    false => Test::Is(value.clone()),
                };
                // Before the others: they may leave groups behind.
                match Condition::new(kept, test, false) {
                    Ok(condition) => conditions.insert(0, condition),
                    Err(error) => return Err(error.what.into()),
                }
            }
            conditions.extend(written.condition.clone());
            if written.is_forbidden {
                let action = Action::Reply { status: ReplyStatus::Forbidden, retry_after: None };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                continue;
            }
            // httpd hands a URL on as it would a path, and finds that it is none.
            if written.is_redirect && flags.passes_on {
                let action = Action::Reply { status: ReplyStatus::BadRequest, retry_after: None };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                continue;
            }
            let target = Target::of_pieces(written.placed.pieces.clone());
            if written.is_redirect {
                let number = flags.redirect.unwrap_or(302);
                let goes_on = !stops
                    && plan.rules.len() > after_skip
                    && may_go_on(plan.behind(after_skip), &written.placed, plan.folder.is_some());
                let next = table_at(after_skip, State::Url(number, flags.noescape)).filter(|_| goes_on);
                let inside = plan.behind(after_skip).filter(|rule| writes_inside(rule));
                if goes_on && may_go_on(inside, &written.placed, plan.folder.is_some()) {
                    approximates = approximates.or(Some(TAKEN_BACK));
                }
                if let (Some(next), Some(inside)) = (next, &written.inside) {
                    let place = (table, ready.source.clone(), conditions.as_slice());
                    self.write_on(plan, rule, place, (&inside.pieces, written.query), next);
                    continue;
                }
                let status =
                    RedirectStatus::from_number(number).ok_or("a status with which no client follows a Location")?;
                let action = Action::Redirect { status: StatusByMethod::always(status), target, query: written.query };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                if goes_on {
                    approximates = approximates
                        .or(Some("without L a later pattern may fit the URL that this rule made; here it is sent"));
                }
                continue;
            }
            // The status stays, and whatever comes of the path, nobody is sent anywhere.
            if matches!(state, State::Url(..)) && stops {
                let action = Action::Rewrite { target, query: written.query, then: Then::End };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                continue;
            }
            let new = if written.is_relative { State::Relative } else { State::Absolute };
            let new = if around.folder.is_none() || plan.is_section { State::Absolute } else { new };
            if flags.again {
                approximates = approximates.or(Some("`N` begins again at most ten times"));
            }
            let then = if flags.passes_on && around.folder.is_none() {
                to.passed
            } else if flags.end {
                to.for_good
            } else if stops {
                to.changed
            } else if flags.again {
                table_at(0, new).unwrap_or(to.changed)
            } else if flags.skip > 0 {
                table_at(after_skip, new).filter(|_| after_skip < plan.rules.len()).unwrap_or(to.changed)
            } else {
                table_at(at + 1, new).filter(|_| at + 1 < plan.rules.len()).unwrap_or(to.changed)
            };
            // A file that is asked for and written again is no change, and begins no round.
            if new == State::Relative && then == to.changed && to.changed != to.for_good && state == State::Same {
                let path = written.placed.pieces.iter().filter(|piece| piece.place < Landing::Query);
                let path: Vec<Piece<'static>> = path.cloned().collect();
                if let Some(condition) = constant(&path).map_or_else(|| is_here(&path), |text| begins_here(&text)) {
                    let mut conditions = conditions.clone();
                    conditions.push(condition);
                    let action = Action::Rewrite {
                        target: target.clone(),
                        query: written.query.clone(),
                        then: Then::Table(to.end),
                    };
                    self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                }
            }
            if around.folder.is_some() && ![to.changed, to.passed, to.for_good].contains(&then) {
                let place = (table, ready.source.clone(), conditions.as_slice());
                self.write_on(plan, rule, place, (&written.placed.pieces, written.query), then);
                continue;
            }
            let action = Action::Rewrite { target, query: written.query, then: Then::Table(then) };
            self.push(table, ready.source.clone(), &conditions, action, &rule.span);
        }
        Ok(approximates)
    }

    /// `E=name:value`, before whatever else the rule does.
    fn environment(
        &mut self,
        rule: &RewriteRule,
        ready: &steps::Ready,
        table: TableId,
        around: &Around<'_>,
        is_changed: bool,
    ) -> Result<(), Unplaced> {
        for (name, value) in &rule.flags.env {
            let Some(slot) = around.names.known(name) else { continue };
            let asked = format!("ENV:{name}}}").to_ascii_uppercase();
            let uses_it = |text: &str| text.to_ascii_uppercase().contains(&asked);
            let others = rule.flags.env.len() > 1 || steps::substitutes(rule);
            if others && (rule.conds.iter().any(|cond| uses_it(&cond.test)) || uses_it(&rule.substitution)) {
                return Err("it sets a variable that it also asks for".into());
            }
            let text = steps::kept(value.as_deref().unwrap_or_default(), ready, around, is_changed)?;
            let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            self.push(table, ready.source.clone(), &ready.conditions, action, &rule.span);
        }
        Ok(())
    }

    /// An answer that is no redirect, or the redirect that `ErrorDocument` makes of it: in folders and sections it is asked which.
    fn error(&self, is_inside: bool, status: u16) -> Result<Action<'static>, Unplaced> {
        if let Some(table) = self.errors_at.get(&status).filter(|_| is_inside) {
            return Ok(Action::Enter(*table));
        }
        match self.errors.get(&(None, status)).and_then(Option::as_ref) {
            Some(found) => sends_to(&found.url),
            None => {
                let status = ReplyStatus::from_number(status).ok_or("a status that no reply of ours has")?;
                Ok(Action::Reply { status, retry_after: None })
            }
        }
    }

    // mod_alias

    fn alias(&mut self, table: TableId, alias: &Alias, place: Option<&Section>, facts: &Facts<'_>) {
        let verdict = self.alias_rule(table, alias, place, facts);
        self.say(&alias.span, &alias.text, verdict);
    }

    fn alias_rule(
        &mut self,
        table: TableId,
        alias: &Alias,
        place: Option<&Section>,
        facts: &Facts<'_>,
    ) -> Result<Option<&'static str>, Unplaced> {
        let (conditions, mut approximates) = match place {
            Some(section) => super::sections::inside(section, alias.source == AliasSource::Section, facts)?,
            None => (Some(Vec::new()), None),
        };
        let Some(conditions) = conditions else { return Ok(approximates) };
        let section = match (&alias.source, place.and_then(|section| section.places.last())) {
            (AliasSource::Section, Some(Place::If(_) | Place::Name(_) | Place::Disk(_) | Place::Folders(_))) => {
                AliasSource::Prefix("/".to_owned())
            }
            (AliasSource::Section, Some(Place::Path(path))) => AliasSource::Prefix(path.clone()),
            (AliasSource::Section, Some(Place::Pattern(text))) => AliasSource::Pattern(text.clone()),
            (AliasSource::Section, None) if place.is_some() => AliasSource::Prefix("/".to_owned()),
            (AliasSource::Section, None) => return Err("outside of a location a path is missing".into()),
            (other, _) => other.clone(),
        };
        let in_section = alias.source == AliasSource::Section;
        let source = match &section {
            AliasSource::Prefix(path) if !path.starts_with('/') => {
                return Ok(Some("its path begins without a slash: it fits nothing, here as there"));
            }
            AliasSource::Prefix(path) if path.ends_with('/') => {
                PathPattern::BytePrefix { prefix: path.clone().into_bytes().into(), is_final: false }
            }
            AliasSource::Prefix(path) => PathPattern::Prefix(path.trim_end_matches('/').to_owned().into_bytes().into()),
            AliasSource::Pattern(text) => {
                let whole = alias.target.as_deref().is_some_and(|target| target.contains("$0"));
                match whole {
                    true => PathPattern::Regex(pattern(&format!("({text})"), LetterCase::Significant)),
                    false => shape(text).path(text, LetterCase::Significant),
                }
            }
            AliasSource::Section => return Err("outside of a location a path is missing".into()),
        };
        if let PathPattern::Regex(pattern) = &source {
            pattern.group_names().map_err(|error| format!("its pattern cannot be read here: {}", error.what))?;
        }
        let Some(target) = &alias.target else {
            let action = self.error(place.is_some() || facts.folder.is_some(), alias.status)?;
            self.push(table, Source::of_path(source), &conditions, action, &alias.span);
            return Ok(approximates);
        };
        let status =
            RedirectStatus::from_number(alias.status).ok_or("a status with which no client follows a Location")?;
        let mut parts: Vec<Known> = match (&section, in_section) {
            (AliasSource::Pattern(text), false) => {
                let groups = groups_of(text, target);
                alias_tokens(target)
                    .into_iter()
                    .flat_map(|token| match token {
                        Token::Text(text) => vec![Known::Text(text)],
                        Token::Group(number) => groups(number),
                        _ => Vec::new(),
                    })
                    .collect()
            }
            (AliasSource::Pattern(text), true) => located(target, text)?,
            (AliasSource::Prefix(_), true) if target.contains("%{") => {
                return Err("an expression in the target of a location".into());
            }
            (AliasSource::Prefix(path), false) if path.ends_with('/') => {
                vec![Known::Text(target.clone()), Known::Insert(What::Capture(0))]
            }
            (AliasSource::Prefix(_), false) => vec![Known::Text(target.clone()), Known::Insert(What::Tail(0))],
            _ => vec![Known::Text(target.clone())],
        };
        let begins_open = matches!(parts.first(), Some(Known::Insert(What::Capture(_))));
        let is_path = begins_open.then(|| super::beginnings::begins_with_slash(&parts)).flatten();
        if is_path.is_some() || matches!(parts.first(), Some(Known::Text(text)) if text.starts_with('/')) {
            steps::prepend_server(&mut parts, facts.name, facts.is_canonical);
            if facts.forgets_port {
                parts.retain(|part| !matches!(part, Known::Insert(What::PortElse(_))));
            }
        } else if expand::scheme_of(&parts).is_none() {
            return Err("its target is neither a path nor a URL that we send anyone to".into());
        }
        let escaping =
            if matches!(section, AliasSource::Pattern(_)) && !in_section { Escaping::Path } else { Escaping::None };
        let placed = expand::place(&parts, escaping, false)?;
        let action = Action::Redirect {
            status: StatusByMethod::always(status),
            target: Target::of_pieces(placed.pieces),
            query: QueryPolicy::Replace,
        };
        let Some(is_path) = is_path else {
            self.push(table, Source::of_path(source), &conditions, action, &alias.span);
            return Ok(approximates.take());
        };
        // What is no path once it is put together is an error of the server's.
        let source = Source::of_path(source);
        self.push(table, source.clone(), &[conditions.as_slice(), &[is_path]].concat(), action, &alias.span);
        let error = self.error(place.is_some() || facts.folder.is_some(), 500)?;
        self.push(table, source, &conditions, error, &alias.span);
        Ok(approximates.take())
    }
}

/// The redirect that a URL of `ErrorDocument` is.
pub(super) fn sends_to(url: &str) -> Result<Action<'static>, Unplaced> {
    let parts = [Known::Text(url.to_owned())];
    if expand::scheme_of(&parts).is_none() {
        return Err("its target is neither a path nor a URL that we send anyone to".into());
    }
    let placed = expand::place(&parts, Escaping::None, false)?;
    Ok(Action::Redirect {
        status: StatusByMethod::always(RedirectStatus::Found),
        target: Target::of_pieces(placed.pieces),
        query: QueryPolicy::Drop,
    })
}

/// Tables of mod_alias, each with its rules and the section that they stand in.
type AliasTables<'s> = Vec<(TableId, Vec<(Option<&'s Section>, &'s Alias)>)>;

/// What mod_alias says in locations and folders, as tables.
struct Stage<'s> {
    locations: AliasTables<'s>,
    /// By folder; none where no folder says anything.
    dispatch: Option<TableId>,
    folders: Vec<AliasTables<'s>>,
}

impl Stage<'_> {
    fn first_location(&self) -> Option<TableId> {
        self.locations.first().map(|(table, _)| *table)
    }
}

/// One of the names under which folders are asked for their index, and what mod_alias says of it.
struct Index<'s> {
    /// Folders, each with the name that is asked for in it.
    names: Vec<(&'s str, &'s str)>,
    ask: TableId,
    name: Option<TableId>,
    aliases: AliasTables<'s>,
    stage: Stage<'s>,
    end: TableId,
}

/// What is known of a server while its rules are made.
#[derive(Clone, Copy)]
pub(super) struct Facts<'f> {
    /// Folders that are there, and those that mod_rewrite is told something in.
    pub(super) known: &'f [String],
    /// Whether somebody has looked what is there.
    pub(super) is_listed: bool,
    /// Whether it is looked up which file is meant.
    has_disk: bool,
    /// Whether the path as it came is kept from the beginning: the server's own rules may have written another.
    pub(super) keeps_uri: bool,
    pub(super) lists: &'f BTreeSet<&'f str>,
    /// Host and port of `ServerName`.
    pub(super) name: Option<(&'f str, Option<u16>)>,
    pub(super) is_canonical: bool,
    /// Whether the port of the Host field is not known, as in a request that httpd asks of itself.
    forgets_port: bool,
    pub(super) root: Option<&'f str>,
    pub(super) disk: &'f Disk,
    pub(super) maps: &'f BTreeMap<String, Rc<Map>>,
    /// The folder whose rules are made.
    folder: Option<&'f str>,
}

/// Where a list may end.
#[derive(Clone, Copy)]
struct Exits {
    /// Nothing was changed.
    end: TableId,
    /// The path was.
    changed: TableId,
    /// It was, and is the path of the request now.
    passed: TableId,
    /// It was, and mod_rewrite is through with it.
    for_good: TableId,
}

/// A folder with what holds in it.
pub(super) struct Folder<'s> {
    pub(super) path: &'s str,
    /// What sections and files say of it, in the order in which they are merged.
    pub(super) layers: Vec<&'s Scope>,
    /// The layer whose rules of mod_rewrite hold.
    rules_of: Option<&'s Scope>,
    pub(super) effective: Effective,
    pub(super) rewrites: bool,
    pub(super) sets: Vec<&'s SetEnv>,
    aliases: Vec<&'s Alias>,
    broken: Option<&'s Span>,
    takes_bare: bool,
    directory_slash: Option<bool>,
}

/// The folders of a server, each with what it inherits.
fn merged_folders<'s>(layers: &'s BTreeMap<String, Vec<&'s Scope>>, base: &Effective) -> BTreeMap<&'s str, Folder<'s>> {
    let mut out: BTreeMap<&'s str, Folder<'s>> = BTreeMap::new();
    let mut all: Vec<(&'s str, Vec<&'s Scope>)> =
        layers.iter().map(|(path, layers)| (path.as_str(), layers.clone())).collect();
    all.sort_by_key(|(path, _)| path.len());
    for (path, layers) in all {
        let mut parents: Vec<&Folder<'_>> = ancestors(path).filter_map(|parent| out.get(parent)).collect();
        parents.sort_by_key(|folder| folder.path.len());
        let above = parents.iter().rev().find(|folder| folder.rewrites).map(|folder| &folder.effective);
        let mut effective = Some(above.unwrap_or(base).clone());
        let mut rules_of = None;
        for layer in layers.iter().filter(|layer| layer.rewriting.is_there) {
            effective = Some(layer.rewriting.below(effective.as_ref()));
            rules_of = Some(*layer).filter(|layer| layer.rewriting.inherits.is_none());
        }
        let sets = parents.last().map(|folder| folder.sets.clone()).unwrap_or_default();
        let last = || layers.iter().rev();
        let folder = Folder {
            path,
            rules_of,
            rewrites: layers.iter().any(|layer| layer.rewriting.is_there),
            effective: effective.unwrap_or_default(),
            sets: sets.into_iter().chain(layers.iter().flat_map(|layer| &layer.sets)).collect(),
            aliases: last().flat_map(|layer| &layer.aliases).collect(),
            broken: last().find_map(|layer| layer.broken.as_ref()),
            takes_bare: last().any(|layer| layer.rewriting.takes_bare),
            directory_slash: last().find_map(|layer| layer.directory_slash),
            layers,
        };
        out.insert(path, folder);
    }
    out
}

/// Where errors send people, by folder and status; those of the server are those of no folder.
fn errors(
    server: &Server,
    main: Option<&Server>,
    folders: &BTreeMap<&str, Folder<'_>>,
) -> BTreeMap<(Option<String>, u16), Option<ErrorUrl>> {
    let own = main.into_iter().chain([server]).map(|server| (None, &server.own));
    let below = folders.values().flat_map(|folder| folder.layers.iter().map(|layer| (Some(folder.path), *layer)));
    own.chain(below)
        .flat_map(|(at, scope)| {
            scope.errors.iter().map(move |(status, url)| ((at.map(str::to_owned), *status), url.clone()))
        })
        .collect()
}

/// The folders above a folder, its own not among them.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| &path[..=at])
        .filter(move |above| above.len() < path.len())
}

pub(super) fn below(path: &str) -> Source<'static> {
    let bytes = path.trim_end_matches('/').as_bytes().to_vec();
    Source::of_path(PathPattern::Prefix(bytes.into()))
}

/// Whether a name fits one with `*` and `?`.
fn fits(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut g, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(&b) if b == b'?' || b == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    g = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|b| *b == b'*')
}

/// The files and folders of a document root, where it is known.
fn disk(server: &Server, reading: &Reading<'_>) -> Disk {
    let asks = |scope: &Scope| {
        scope
            .rewriting
            .rules
            .iter()
            .flat_map(|rule| &rule.conds)
            .any(|cond| cond.pattern.starts_with('-') && cond.pattern.len() == 2)
    };
    let sections = server.sections.iter().map(|section| &section.scope);
    let folders = server.folders.values().chain(server.directories.iter().map(|(_, scope)| scope));
    if !asks(&server.own) && !folders.chain(sections).any(asks) {
        return Disk::default();
    }
    let root = server.root.as_ref().map(std::path::PathBuf::from);
    let Some(root) = reading.document_root(root.as_deref()) else { return Disk::default() };
    let Some(tree) = reading.tree(&root) else { return Disk::default() };
    let of_kind = |wanted| {
        tree.iter()
            .filter(move |(_, kind)| *kind == wanted)
            .map(|(path, _)| format!("/{}", path.display()))
            .collect::<Vec<_>>()
    };
    let folders: Vec<String> = of_kind(crate::files::EntryKind::Folder);
    let with_slash = folders.iter().map(|path| format!("{path}/")).chain(["/".to_owned()]).collect::<Vec<_>>();
    Disk {
        files: Some(of_kind(crate::files::EntryKind::File)),
        folders: Some(folders.into_iter().chain(with_slash).collect()),
    }
}

/// Where the segments of a list begin.
fn bounds(rules: &[Rc<RewriteRule>]) -> Vec<usize> {
    let mut bounds = BTreeSet::from([0]);
    let mut row: Option<&'static Dialect> = None;
    for (at, rule) in rules.iter().enumerate() {
        if steps::substitutes(rule) {
            let own = steps::dialect(rule);
            if row.is_some_and(|row| row != own) {
                bounds.insert(at);
            }
            row = Some(own);
        }
        let inside = steps::substitutes(rule) && rule.flags.redirect.is_none();
        if inside || rule.flags.chain {
            bounds.insert(at + 1);
        }
        let stops = rule.flags.last || rule.flags.end || rule.flags.passes_on;
        if steps::substitutes(rule) && !stops {
            bounds.insert(at + 1);
        }
        if rule.flags.skip > 0 {
            bounds.insert(at + 1 + rule.flags.skip as usize);
        }
        if rule.flags.chain {
            bounds.insert(chain_end(rules, at));
        }
    }
    bounds.into_iter().filter(|bound| *bound < rules.len() || *bound == 0).collect()
}

/// The rule behind the chain that a rule belongs to.
fn chain_end(rules: &[Rc<RewriteRule>], at: usize) -> usize {
    let tied = rules[at..].iter().take_while(|rule| rule.flags.chain).count();
    (at + tied + 1).min(rules.len())
}

/// The segments that can be reached, in each state, in their order. A state that is reached holds for all that follows, so the
/// first segment of each is all that is kept: lists have a hundred thousand rules.
fn reached(plan: &Plan<'_>) -> Vec<(usize, State)> {
    let segments = plan.bounds.len();
    let mut first: BTreeMap<State, usize> = BTreeMap::from([(State::Same, 0)]);
    let mut reach = |state: State, segment: usize| {
        let known = first.entry(state).or_insert(segment);
        *known = segment.min(*known);
    };
    for (at, rule) in plan.rules.iter().enumerate() {
        let flags = &rule.flags;
        if !steps::substitutes(rule) {
            continue;
        }
        let stops = flags.last || flags.end || flags.passes_on;
        let after_skip = at + 1 + flags.skip as usize;
        if !stops && after_skip < plan.rules.len() {
            let new = State::Url(flags.redirect.unwrap_or(302), flags.noescape);
            let is_url = |text: &str| text.starts_with("%{") || text.contains("://");
            if flags.redirect.is_some() || is_url(&rule.substitution) {
                reach(new, plan.segment_of(after_skip));
            }
        }
        if flags.redirect.is_some() {
            continue;
        }
        let is_relative = plan.folder.is_some() && !plan.is_section && !rule.substitution.starts_with(['/', '%']);
        let new = if is_relative { State::Relative } else { State::Absolute };
        if flags.again || at + 1 < plan.rules.len() && !stops {
            let from = if flags.again { 0 } else { plan.segment_of(after_skip) };
            reach(new, from);
            if rule.substitution.starts_with('%') && plan.folder.is_some() && !plan.is_section {
                reach(State::Relative, from);
            }
            if rule.substitution.starts_with('$') && plan.folder.is_some() && !plan.is_section {
                reach(State::Absolute, from);
            }
        }
    }
    let mut out: Vec<(usize, State)> =
        first.into_iter().flat_map(|(state, from)| (from..segments).map(move |segment| (segment, state))).collect();
    out.sort_unstable();
    out
}

/// The variables that the rules ask for, with the values that they are given.
fn names(rules: &[Rc<RewriteRule>], sets: &[&SetEnv]) -> Names {
    let mut names = Names::default();
    let mut asked = BTreeSet::new();
    for rule in rules {
        let texts = std::iter::once(&rule.substitution)
            .chain(rule.conds.iter().map(|cond| &cond.test))
            .chain(rule.flags.env.iter().filter_map(|(_, value)| value.as_ref()));
        for text in texts {
            for token in tokens(text) {
                if let Token::Variable(name) = token
                    && name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("ENV:"))
                {
                    asked.insert(name[4..].to_ascii_uppercase());
                }
            }
        }
    }
    let wanted = |name: &str| {
        let name = name.to_ascii_uppercase();
        asked.contains(&name) || asked.contains(&format!("REDIRECT_{name}"))
    };
    for set in sets {
        for (name, value) in set.pairs.iter().filter(|(name, _)| wanted(name)) {
            names.note(name, &alias_tokens(value.as_deref().unwrap_or_default()));
        }
        // A variable may be looked at by the next.
        if sets.iter().any(|other| other.pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(&set.attribute))) {
            names.note(&set.attribute, &[]);
            for other in sets
                .iter()
                .filter(|other| other.pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(&set.attribute)))
            {
                for (name, value) in &other.pairs {
                    names.note(name, &alias_tokens(value.as_deref().unwrap_or_default()));
                }
            }
        }
    }
    for rule in rules {
        for (name, value) in rule.flags.env.iter().filter(|(name, _)| wanted(name)) {
            names.note(name, &tokens(value.as_deref().unwrap_or_default()));
        }
    }
    for name in &asked {
        match name.strip_prefix("REDIRECT_") {
            Some("STATUS") => {
                names.note(name, &[Token::Text("200".to_owned())]);
            }
            Some(rest) if names.known(rest).is_some() => names.note(name, &[Token::Group(0)]),
            _ => {}
        }
    }
    names
}

fn uses_uri(rule: &RewriteRule) -> bool {
    let texts = std::iter::once(&rule.substitution).chain(rule.conds.iter().map(|cond| &cond.test));
    texts.into_iter().any(|text| text.to_ascii_uppercase().contains("%{REQUEST_URI}"))
}

/// What a substitution begins with that is no path (mod_rewrite's own list).
const SCHEMES: [&str; 17] = [
    "ajp:",
    "balancer:",
    "fcgi:",
    "ftp:",
    "gopher:",
    "h2:",
    "h2c:",
    "http:",
    "https:",
    "ldap:",
    "mailto:",
    "news:",
    "nntp:",
    "scgi:",
    "unix:",
    "uwsgi:",
    "ws",
];

/// The rules that may take a URL which a rule before them made; most patterns begin as no URL does.
fn takers(rules: &[Rc<RewriteRule>]) -> Vec<usize> {
    let runs_on = |rule: &RewriteRule| {
        let stops = rule.flags.last || rule.flags.end || rule.flags.passes_on;
        steps::substitutes(rule) && !stops
    };
    if !rules.iter().any(|rule| runs_on(rule)) {
        return Vec::new();
    }
    let may = |rule: &RewriteRule| {
        let does = rule.substitution != "-" || rule.flags.status.is_some();
        let fits = || match shape(&rule.pattern) {
            Shape::Any | Shape::Other(None) => true,
            Shape::Exact(text) | Shape::Begins(text) | Shape::Other(Some(text)) => {
                let text = text.to_ascii_lowercase();
                SCHEMES.iter().any(|scheme| scheme.starts_with(&text) || text.starts_with(scheme))
            }
        };
        does && (rule.is_negated || fits())
    };
    rules.iter().enumerate().filter(|(_, rule)| may(rule)).map(|(at, _)| at).collect()
}

/// Whether a rule writes a path inside, whatever there was before.
fn writes_inside(rule: &RewriteRule) -> bool {
    let is_url = SCHEMES.iter().any(|scheme| rule.substitution.to_ascii_lowercase().starts_with(scheme));
    steps::substitutes(rule) && rule.flags.redirect.is_none() && !is_url
}

/// Whether a rule further down may fit the URL that a redirect without `L` left behind.
/// In a folder, what stood behind the file follows it.
fn may_go_on<'r>(
    mut rules: impl Iterator<Item = &'r Rc<RewriteRule>>,
    placed: &expand::Placed,
    in_folder: bool,
) -> bool {
    let beginning = placed.beginning.split('?').next().unwrap_or_default();
    let whole = constant(&placed.pieces).filter(|_| !in_folder);
    rules.any(|rule| {
        let case = if rule.flags.nocase { LetterCase::Ignored } else { LetterCase::Significant };
        if rule.is_negated {
            return true;
        }
        match (&whole, placed.is_url) {
            (Some(url), true) => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                pattern(&rule.pattern, case).finds(path.as_bytes()).unwrap_or(true)
            }
            _ => {
                let beginning = if placed.is_url && !beginning.is_empty() { beginning } else { "http" };
                shape(&rule.pattern).may_fit_behind(beginning, case)
            }
        }
    })
}

/// Whether the path that is there is this one, with what stands behind its file.
fn begins_here(text: &str) -> Option<Condition> {
    let here = Subject::Text(vec![path_piece(What::Part(Part::WorkingPath))]);
    let differs = format!("^(?!{}(?:/|$))", super::pattern::quoted(text));
    Condition::new(here, Test::Regex(pattern(&differs, LetterCase::Significant)), true).ok()
}

/// The text of pieces that hold nothing of the request.
fn constant<'p>(pieces: impl IntoIterator<Item = &'p Piece<'static>>) -> Option<String> {
    pieces
        .into_iter()
        .map(|piece| match &piece.what {
            What::Literal(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}

/// How the groups of a `RedirectMatch` are taken.
fn groups_of(text: &str, target: &str) -> impl Fn(u8) -> Vec<Known> + use<> {
    let whole = target.contains("$0");
    let found = shape(text);
    let count = if text.contains('(') {
        pattern(text, LetterCase::Significant).group_names().map_or(0, |names| names.len()) as u8
    } else {
        0
    };
    let plain = !whole && !matches!(found, Shape::Other(_));
    move |number| match (whole, number) {
        (true, number) if number <= count => vec![Known::Insert(What::Capture(number))],
        (false, 1) if plain && count == 1 => vec![Known::Insert(What::Capture(0))],
        (false, number) if !plain && number > 0 && number <= count => vec![Known::Insert(What::Capture(number - 1))],
        _ => Vec::new(),
    }
}

/// The target of a `<LocationMatch>`: `%{env:MATCH_NAME}` is a group of its pattern.
fn located(target: &str, text: &str) -> Result<Vec<Known>, Unplaced> {
    let names = pattern(text, LetterCase::Significant).group_names().map_err(|error| error.what)?;
    tokens(target)
        .into_iter()
        .map(|token| match token {
            Token::Text(text) => Ok(Known::Text(text)),
            Token::Variable(name) => {
                let group = name.get(..10).filter(|head| head.eq_ignore_ascii_case("env:MATCH_")).map(|_| &name[10..]);
                let at = group.and_then(|group| names.iter().position(|name| name.eq_ignore_ascii_case(group)));
                match at {
                    Some(at) => Ok(Known::Insert(What::Capture(at as u8))),
                    None => Err(Cow::Borrowed("an expression in the target of a location")),
                }
            }
            _ => Err(Cow::Borrowed("an expression in the target of a location")),
        })
        .collect()
}
