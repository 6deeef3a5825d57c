//! Who may ask: `Require all denied`, and `Order`, `Deny` and `Allow`, where they say the same of everybody.
//!
//! httpd asks this behind the rules of the server and before those of folders and sections. What is said last holds, as everywhere:
//! by sections, then by the deepest folder. Who must have a password or an address is left to others: that passes.

use std::collections::BTreeMap;

use byway_core::condition::Condition;
use byway_core::dialect::{APACHE, Dialect};
use byway_core::rule::Action;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::Source;
use byway_core::status::ReplyStatus;

use super::folders::Folder;
use super::lower::{Facts, Lowering, Phase, any, below, no_span};
use super::pages::pass;
use super::rounds::slot_is;
use super::sections::inside;
use super::site::{Place, Scope, Section, Server};
use super::steps::TAKEN;
use crate::span::Span;

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Askers {
    Everybody,
    Nobody,
    /// It hangs on who asks.
    Some,
}

/// What one place says of that.
#[derive(Debug, Default)]
pub(super) struct Access {
    requires: Vec<Askers>,
    /// `Order`, `Allow` and `Deny`: whether there are any, whether what is allowed comes last, and for whom each is.
    is_ordered: bool,
    denies_first: bool,
    allow: Option<Askers>,
    deny: Option<Askers>,
    /// `Satisfy Any`: a password may do instead.
    has_other_way: bool,
    /// The first line that says anything of it.
    pub(super) said: Option<(Span, String)>,
}

impl Access {
    /// Reads a directive, by its name in small letters; returns whether it says the same of everybody.
    pub(super) fn read(&mut self, name: &str, words: &[String]) -> bool {
        let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = |is_all: bool| if is_all { Askers::Everybody } else { Askers::Some };
        if matches!(name, "order" | "allow" | "deny") && !self.is_ordered {
            // Without `Order`, what is denied comes first.
            (self.is_ordered, self.denies_first) = (true, true);
        }
        match (name, words.as_slice()) {
            ("require", ["all", "granted"]) => self.requires.push(Askers::Everybody),
            ("require", ["all", "denied"]) => self.requires.push(Askers::Nobody),
            ("order", [order]) => self.denies_first = order.starts_with("deny"),
            ("allow" | "deny", ["from", from @ ..]) => {
                let is_all = from.contains(&"all");
                let whom = if name == "allow" { &mut self.allow } else { &mut self.deny };
                if *whom != Some(Askers::Everybody) {
                    *whom = Some(said(is_all));
                }
                return is_all;
            }
            ("satisfy", ["all"]) => {}
            ("satisfy", _) => self.has_other_way = true,
            _ => {
                self.requires.push(Askers::Some);
                return false;
            }
        }
        name != "satisfy" || !self.has_other_way
    }

    /// Of the `<RequireAll>` that was read last nobody meets all.
    pub(super) fn deny_all(&mut self) {
        if let Some(last) = self.requires.last_mut() {
            *last = Askers::Nobody;
        }
    }

    /// Whether nobody is let in.
    pub(super) fn is_shut(&self) -> bool {
        [self.required(), self.ordered()].contains(&Some(Askers::Nobody))
    }

    fn required(&self) -> Option<Askers> {
        let has = |askers| self.requires.contains(&askers);
        let askers = match () {
            () if self.requires.is_empty() => return None,
            () if has(Askers::Everybody) => Askers::Everybody,
            () if has(Askers::Some) || self.has_other_way => Askers::Some,
            () => Askers::Nobody,
        };
        Some(askers)
    }

    fn ordered(&self) -> Option<Askers> {
        let askers = match (self.denies_first, self.deny, self.allow) {
            _ if !self.is_ordered => return None,
            _ if self.has_other_way => Askers::Some,
            (true, _, Some(Askers::Everybody)) | (true, None, _) => Askers::Everybody,
            (true, Some(Askers::Everybody), None) => Askers::Nobody,
            (false, Some(Askers::Everybody), _) | (false, _, None) => Askers::Nobody,
            (false, None, Some(Askers::Everybody)) => Askers::Everybody,
            _ => Askers::Some,
        };
        Some(askers)
    }
}

/// The two modules that are asked, each by what a place says of it.
const MODULES: [fn(&Access) -> Option<Askers>; 2] = [Access::required, Access::ordered];

/// The tables of what nobody may ask for: for each module what sections say, then what folders say.
#[derive(Default)]
pub(super) struct Doors(Vec<(usize, TableId, TableId)>);

impl Doors {
    pub(super) fn first(&self) -> Option<TableId> {
        self.0.first().map(|(_, sections, _)| *sections)
    }
}

/// Whether what files and folders say holds: not where paths lead elsewhere.
fn holds(server: &Server, section: &Section) -> bool {
    let is_of_url = |place: &Place| matches!(place, Place::Path(_) | Place::Pattern(_));
    !server.maps_paths || section.folder.is_none() && section.places.iter().all(is_of_url)
}

fn of_folder(scopes: &[&Scope], module: fn(&Access) -> Option<Askers>) -> Option<Askers> {
    scopes.iter().rev().find_map(|scope| module(&scope.access))
}

impl Lowering<'_, '_> {
    /// Makes the tables, where somewhere nobody is let in.
    pub(super) fn doors<'s>(
        &mut self,
        server: &'s Server,
        sections: &[&'s Section],
        folders: &BTreeMap<&'s str, Folder<'s>>,
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> Doors {
        let mut out = Vec::new();
        for (at, module) in MODULES.into_iter().enumerate() {
            let of_sections = sections.iter().filter(|section| holds(server, section));
            let of_sections = of_sections.filter_map(|section| module(&section.scope.access));
            let of_folders = folders.values().filter(|_| !server.maps_paths);
            let of_folders = of_folders.filter_map(|folder| of_folder(&folder.layers, module));
            if of_sections.chain(of_folders).any(|askers| askers == Askers::Nobody) {
                let mut table = |order| self.table(row(&APACHE), order, "");
                out.push((at, table(Order::Listed), table(Order::Specific)));
            }
        }
        Doors(out)
    }

    /// Fills them; `then` is behind them.
    pub(super) fn fill_doors<'s>(
        &mut self,
        doors: &Doors,
        (server, sections): (&'s Server, &[&'s Section]),
        folders: &BTreeMap<&'s str, Folder<'s>>,
        facts: &Facts<'_>,
        then: TableId,
    ) {
        let next = doors.0.iter().skip(1).map(|(_, sections, _)| *sections).chain([then]);
        for ((module, of_sections, of_folders), next) in doors.0.iter().zip(next) {
            let module = MODULES[*module];
            self.reading.set_after(*of_sections, After::Table(*of_folders));
            self.reading.set_after(*of_folders, After::Table(next));
            for section in sections.iter().filter(|section| holds(server, section)) {
                let access = &section.scope.access;
                let Some(askers) = module(access) else { continue };
                let verdict = match inside(section, false, facts) {
                    Ok((Some(conditions), why)) => {
                        self.door(askers, (*of_sections, any(), &conditions), access, next);
                        Ok(why)
                    }
                    Ok((None, _)) => Ok(None),
                    Err(why) => Err(why),
                };
                if let Some((span, text)) = access.said.as_ref().filter(|_| askers == Askers::Nobody) {
                    self.say(span, text, verdict);
                }
            }
            for folder in folders.values().filter(|_| !server.maps_paths) {
                if let Some(askers) = of_folder(&folder.layers, module) {
                    let says = |layer: &&&Scope| module(&layer.access).is_some();
                    let Some(layer) = folder.layers.iter().rev().find(says) else { continue };
                    self.door(askers, (*of_folders, below(folder.path), &[]), &layer.access, next);
                    if let Some((span, text)) = layer.access.said.as_ref().filter(|_| askers == Askers::Nobody) {
                        self.say(span, text, Ok(None));
                    }
                }
            }
        }
    }

    fn door(
        &mut self,
        askers: Askers,
        (table, source, conditions): (TableId, Source<'_>, &[Condition]),
        access: &Access,
        next: TableId,
    ) {
        let action = match askers {
            Askers::Everybody | Askers::Some => Action::Enter(next),
            Askers::Nobody => {
                // In a round for the sake of an error or of a redirect, that is what is answered.
                self.answer_errors(table, &source, conditions);
                if let Some(is_taken) = slot_is(TAKEN, "1") {
                    let conditions = [conditions, &[is_taken]].concat();
                    self.push(table, source.clone(), &conditions, pass(), &no_span());
                }
                self.error(Phase::Inside, 403).unwrap_or(FORBIDDEN)
            }
        };
        let span =
            access.said.as_ref().filter(|_| askers == Askers::Nobody).map_or_else(no_span, |(span, _)| span.clone());
        self.push(table, source, conditions, action, &span);
    }
}

const FORBIDDEN: Action<'static> = Action::Reply { status: ReplyStatus::Forbidden, retry_after: None };

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Access {
        let mut access = Access::default();
        for line in lines {
            let mut words = line.split(' ').map(str::to_owned);
            let name = words.next().expect("a name").to_ascii_lowercase();
            access.read(&name, &words.collect::<Vec<_>>());
        }
        access
    }

    #[test]
    fn what_is_said_of_everybody_is_seen() {
        let required = |lines: &[&str]| read(lines).required();
        assert_eq!(required(&["Require all denied"]), Some(Askers::Nobody));
        assert_eq!(required(&["Require all denied", "Require all granted"]), Some(Askers::Everybody));
        assert_eq!(required(&["Require all denied", "Require ip 10.0.0.1"]), Some(Askers::Some));
        assert_eq!(required(&["Deny from all"]), None);
        let ordered = |lines: &[&str]| read(lines).ordered();
        assert_eq!(ordered(&["Order deny,allow", "Deny from all"]), Some(Askers::Nobody));
        assert_eq!(ordered(&["Deny from all"]), Some(Askers::Nobody));
        assert_eq!(ordered(&["Order allow,deny"]), Some(Askers::Nobody));
        assert_eq!(ordered(&["Order deny,allow"]), Some(Askers::Everybody));
        assert_eq!(ordered(&["Order allow,deny", "Allow from all"]), Some(Askers::Everybody));
        assert_eq!(ordered(&["Order Deny,Allow", "Deny from all", "Allow from 127.0.0.1"]), Some(Askers::Some));
        assert_eq!(ordered(&["Deny from all", "Satisfy Any"]), Some(Askers::Some));
        assert_eq!(ordered(&["Require all denied"]), None);
    }
}
