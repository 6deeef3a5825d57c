//! Pages of the server's own for errors: httpd asks its rules for them anew, and one of them may send people away.

use std::collections::BTreeMap;

use byway_core::dialect::LetterCase;

use super::cond;
use super::folders::Folder;
use super::lower::Lowering;
use super::pattern::{Shape, pattern, shape};
use super::rule::{Cond, RewriteRule};
use super::site::Server;
use super::steps;

const SENT_ON: &str =
    "a rule sends on whoever asks for this page: httpd sends people there who meet the error, and here they get it";

impl Lowering<'_, '_> {
    /// Says of which pages that is so.
    pub(super) fn say_pages<'s>(&mut self, server: &'s Server, folders: &BTreeMap<&'s str, Folder<'s>>) {
        let layers = || folders.values().flat_map(|folder| folder.layers.iter().copied());
        for (span, text, page) in [&server.own].into_iter().chain(layers()).flat_map(|scope| &scope.pages) {
            let path = page.split(['?', '#']).next().unwrap_or_default();
            let deepest = folders.values().filter(|folder| folder.rewrites && path.starts_with(folder.path));
            let deepest = deepest.max_by_key(|folder| folder.path.len());
            let of_folder = deepest.filter(|folder| folder.effective.is_on).is_some_and(|folder| {
                folder.effective.rules.iter().any(|rule| sends_on(rule, &path[folder.path.len()..], path, server))
            });
            let own = &server.own.rewriting;
            let of_server = own.engine == Some(true) && own.rules.iter().any(|rule| sends_on(rule, path, path, server));
            if of_folder || of_server {
                self.say(span, text, Ok(Some(SENT_ON)));
            }
        }
    }
}

/// Whether a rule may send on who asks for a page, and not whoever has asked for something else already.
fn sends_on(rule: &RewriteRule, seen: &str, path: &str, server: &Server) -> bool {
    let is_url = ["http:", "https:"].iter().any(|scheme| rule.substitution.to_ascii_lowercase().starts_with(scheme));
    let sends = steps::substitutes(rule) && (rule.flags.redirect.is_some() || is_url);
    let asks_path = rule.conds.iter().any(is_of_path);
    if !sends || !asks_path && shape(&rule.pattern) == Shape::Any {
        return false;
    }
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
