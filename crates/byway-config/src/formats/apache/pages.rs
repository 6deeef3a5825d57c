//! Pages of the server's own for errors: httpd asks its rules for them anew, and one of them may send people away.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use byway_core::condition::Condition;
use byway_core::dialect::{APACHE_MAP, LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{Order, TableId};
use byway_core::source::Source;
use byway_core::status::ReplyStatus;
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::cond;
use super::expand::Unplaced;
use super::folders::Folder;
use super::lower::{Lowering, ancestors, any, no_span, path_piece, sends_to};
use super::missing::Said;
use super::onward::writes_inside;
use super::pattern::{Shape, pattern, shape};
use super::rounds::slot_is;
use super::rule::{Cond, RewriteRule};
use super::site::{ErrorUrl, Place, Section, Server};
use super::steps::{self, ERROR, Names, TAKEN};

/// The pages of which that is so.
pub(super) fn sent_on(
    server: &Server,
    main: Option<&Server>,
    folders: &BTreeMap<&str, Folder<'_>>,
) -> BTreeSet<String> {
    let layers = folders.values().flat_map(|folder| folder.layers.iter().copied());
    let sections = || main.iter().flat_map(|main| &main.sections).chain(&server.sections);
    let scopes = main.map(|main| &main.own).into_iter().chain([&server.own]).chain(layers);
    let scopes = scopes.chain(sections().map(|section| &section.scope));
    let pages = scopes.flat_map(|scope| scope.errors.values().flatten()).filter(|url| url.is_page);
    let runs = server.own.rewriting.engine == Some(true);
    let mut own = Senders::of(server.own.rewriting.rules.iter().filter(|_| runs));
    let writers: Vec<&RewriteRule> =
        server.own.rewriting.rules.iter().map(|rule| &**rule).filter(|rule| runs && writes_inside(rule)).collect();
    let root = server.root.as_deref().or(main.and_then(|main| main.root.as_deref()));
    let mut of_folders: BTreeMap<&str, Senders<'_>> = BTreeMap::new();
    let in_sections: usize = sections().map(|section| section.scope.rewriting.rules.len() + 1).sum();
    let (mut left_of_sections, mut left_of_writers) = (MOST_LOOKS, MOST_LOOKS);
    let mut is_sent_at = |path: &str| {
        let itself = Some(path).filter(|path| path.ends_with('/'));
        let around = ancestors(path)
            .chain(itself)
            .filter_map(|above| folders.get(above))
            .filter(|folder| folder.rewrites)
            .last();
        let of_folder = around.filter(|folder| folder.effective.is_on).is_some_and(|folder| {
            let rules = of_folders.entry(folder.path).or_insert_with(|| Senders::of(folder.effective.rules.iter()));
            rules.send(&path[folder.path.len()..], path, server)
        });
        // Rules of a section see the path of the file.
        let seen = format!("{}{path}", root.unwrap_or_default().trim_end_matches('/'));
        let of_section = |section: &Section| {
            let rules = section.scope.rewriting.rules.iter().filter(|rule| sends(rule));
            may_be_for(section, path) && rules.clone().any(|rule| sends_on(rule, &seen, path, server))
        };
        if of_folder || own.send(path, path, server) || left_of_sections < in_sections {
            return true;
        }
        left_of_sections -= in_sections;
        sections().any(of_section)
    };
    let mut is_sent = |page: &ErrorUrl| {
        let path = page.url.split(['?', '#']).next().unwrap_or_default();
        // Another rule of the server may write what folders and sections see; where that is not known, it is taken to be sent on.
        if left_of_writers < writers.len() {
            return true;
        }
        left_of_writers -= writers.len();
        let mut written = writers.iter().filter(|rule| sends_on(rule, path, path, server));
        is_sent_at(path)
            || written.any(|rule| match rule.substitution.contains(['$', '%', '\\']) {
                true => true,
                false => is_sent_at(&format!("/{}", rule.substitution.trim_start_matches('/'))),
            })
    };
    pages.filter(|page| is_sent(page)).map(|page| page.url.clone()).collect()
}

/// Rules that send people away, by what their patterns begin with: a file may have thousands of them, and of pages.
struct Senders<'r> {
    by_head: BTreeMap<String, Vec<&'r RewriteRule>>,
    open: Vec<&'r RewriteRule>,
    /// How many of the open ones may still be looked at.
    left: usize,
}

/// The most rules without a beginning that are looked at; behind that a page is taken to be sent on, which costs tables alone.
const MOST_LOOKS: usize = 20_000;

impl<'r> Senders<'r> {
    fn of(rules: impl Iterator<Item = &'r Rc<RewriteRule>>) -> Senders<'r> {
        let mut out = Senders { by_head: BTreeMap::new(), open: Vec::new(), left: MOST_LOOKS };
        for rule in rules.filter(|rule| may_send(rule)) {
            match shape(&rule.pattern) {
                Shape::Exact(head) | Shape::Begins(head) | Shape::Other(Some(head)) if !rule.is_negated => {
                    out.by_head.entry(head.to_ascii_lowercase()).or_default().push(rule);
                }
                _ => out.open.push(rule),
            }
        }
        out
    }

    /// Whether one may send on who asks for a page, of which rules see this.
    fn send(&mut self, seen: &str, path: &str, server: &Server) -> bool {
        let small = seen.to_ascii_lowercase();
        let heads = (0..=small.len()).filter_map(|end| self.by_head.get(small.get(..end)?));
        if heads.flatten().any(|rule| sends_on(rule, seen, path, server)) {
            return true;
        }
        if self.left < self.open.len() {
            return true;
        }
        self.left -= self.open.len();
        self.open.iter().any(|rule| sends_on(rule, seen, path, server))
    }
}

impl Lowering<'_, '_> {
    /// Whether an `ErrorDocument` sends somebody away.
    pub(super) fn leads_away(&self, url: Option<&ErrorUrl>) -> bool {
        url.is_some_and(|url| url.leads(&self.sent))
    }

    /// What an error does that leads somewhere: a redirect, or the round for a page.
    pub(super) fn lead(&self, url: &ErrorUrl, status: u16, is_ruled: bool) -> Result<Action<'static>, Unplaced> {
        match self.pages.get(&(status, url.url.clone(), is_ruled)) {
            Some(table) => Ok(Action::Enter(*table)),
            None if url.is_page => Err("a status that no reply of ours has".into()),
            None => sends_to(&url.url),
        }
    }

    /// Makes the tables of such rounds; no path is too odd for them.
    pub(super) fn page_tables(&mut self, said: &Said<'_>, sections: &[&Section]) {
        let scopes = said.scopes().chain(sections.iter().map(|section| &section.scope));
        let all = scopes.flat_map(|scope| &scope.errors);
        let all = all.filter_map(|(status, url)| Some((*status, url.as_ref().filter(|url| url.is_page)?)));
        let wanted: BTreeSet<(u16, String)> = all
            .filter(|(status, url)| self.leads_away(Some(url)) && ReplyStatus::from_number(*status).is_some())
            .map(|(status, url)| (status, url.url.clone()))
            .collect();
        self.pages = wanted
            .into_iter()
            .flat_map(|(status, url)| [true, false].map(|is_ruled| (status, url.clone(), is_ruled)))
            .map(|key| (key, self.table(&APACHE_MAP, Order::Listed, "")))
            .collect();
    }

    /// Fills them: the rules are asked for the page anew, and nobody else is.
    pub(super) fn fill_pages(&mut self, start: TableId, names: &[&Names]) {
        let text = |text: &str| Target::of_pieces(vec![path_piece(What::Literal(text.to_owned().into()))]);
        for ((status, url, is_ruled), table) in self.pages.clone() {
            let number = status.to_string();
            // A page that gets the error that it is for begins nothing anew.
            if let (Some(is_again), Some(status)) = (slot_is(ERROR, &number), ReplyStatus::from_number(status)) {
                let reply = Action::Reply { status, retry_after: None };
                self.push(table, any(), &[is_again], reply, &no_span());
            }
            let of_names = names.iter().filter_map(|names| names.known("REDIRECT_STATUS"));
            let slots: BTreeMap<u16, &str> = of_names
                .map(|slot| (slot, number.as_str()))
                .chain([(ERROR, if is_ruled { number.as_str() } else { "-" }), (TAKEN, "1")])
                .collect();
            for (slot, value) in slots {
                let action = Action::Set { slot, text: text(value), then: Then::Next };
                self.push(table, any(), &[], action, &no_span());
            }
            let (path, query) = url.split_once('?').map_or((url.as_str(), None), |(path, query)| (path, Some(query)));
            let mut pieces = vec![path_piece(What::Literal(path.to_owned().into()))];
            if let Some(query) = query {
                let query = What::Literal(format!("?{query}").into());
                pieces.push(Piece { place: Landing::Query, what: query });
            }
            let target = Target::of_pieces(pieces);
            let action = Action::Rewrite { target, query: QueryPolicy::Drop, then: Then::Table(start) };
            self.push(table, any(), &[], action, &no_span());
        }
    }

    /// Where mod_alias would send a page away, the status is that of the error.
    pub(super) fn answer_page(&mut self, table: TableId, source: &Source<'_>, conditions: &[Condition]) {
        self.answer_errors(table, source, conditions);
        if let Some(is_of_file) = slot_is(ERROR, "-") {
            self.push(table, source.clone(), &[conditions, &[is_of_file]].concat(), pass(), &no_span());
        }
    }

    /// Where a page is sent by the server, the status is that of the error.
    pub(super) fn answer_errors(&mut self, table: TableId, source: &Source<'_>, conditions: &[Condition]) {
        let statuses: BTreeSet<u16> = self.pages.keys().map(|(status, _, _)| *status).collect();
        for status in statuses {
            if let (Some(is_it), Some(status)) = (slot_is(ERROR, &status.to_string()), ReplyStatus::from_number(status))
            {
                let reply = Action::Reply { status, retry_after: None };
                self.push(table, source.clone(), &[conditions, &[is_it]].concat(), reply, &no_span());
            }
        }
    }
}

/// The request passes, whatever became of its path.
pub(super) fn pass() -> Action<'static> {
    let target = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
    Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::End }
}

/// Whether a section may hold for a page.
fn may_be_for(section: &Section, path: &str) -> bool {
    section.places.iter().all(|place| match place {
        Place::Path(begin) => path.starts_with(begin.as_str()),
        Place::Pattern(text) => pattern(text, LetterCase::Significant).finds(path.as_bytes()).unwrap_or(true),
        _ => true,
    })
}

/// Whether a rule makes a URL, or another error.
fn sends(rule: &RewriteRule) -> bool {
    let is_url = ["http:", "https:"].iter().any(|scheme| rule.substitution.to_ascii_lowercase().starts_with(scheme));
    rule.flags.status.is_some() || steps::substitutes(rule) && (rule.flags.redirect.is_some() || is_url)
}

/// Whether a rule may send on who asks for a page, and not whoever has asked for something else already.
fn may_send(rule: &RewriteRule) -> bool {
    sends(rule) && (rule.conds.iter().any(is_of_path) || shape(&rule.pattern) != Shape::Any)
}

/// Whether its pattern and its conditions do so for a page.
fn sends_on(rule: &RewriteRule, seen: &str, path: &str, server: &Server) -> bool {
    let case = if rule.flags.nocase { LetterCase::Ignored } else { LetterCase::Significant };
    let fits = pattern(&rule.pattern, case).finds(seen.as_bytes()).unwrap_or(true) != rule.is_negated;
    let is_joined = rule.conds.iter().any(|cond| cond.or_next);
    fits && (is_joined || rule.conds.iter().all(|cond| may_hold(cond, path, server)))
}

fn is_of_path(cond: &Cond) -> bool {
    let test = cond.test.to_ascii_uppercase();
    ["REQUEST_URI", "REQUEST_FILENAME", "SCRIPT_FILENAME"].iter().any(|name| test.contains(name))
}

fn may_hold(cond: &Cond, path: &str, server: &Server) -> bool {
    let test = cond.test.to_ascii_uppercase();
    if test == "%{REQUEST_URI}" {
        return cond::holds(cond, path).unwrap_or(true);
    }
    let is_there = match (test.as_str(), cond.pattern.as_str(), &server.files) {
        ("%{REQUEST_FILENAME}" | "%{SCRIPT_FILENAME}", "-f", Some(files)) => files.iter().any(|file| file == path),
        ("%{REQUEST_FILENAME}" | "%{SCRIPT_FILENAME}", "-d", Some(_)) => {
            server.known.iter().any(|folder| folder.trim_end_matches('/') == path.trim_end_matches('/'))
        }
        _ => return true,
    };
    is_there != cond.is_negated
}
