//! `RewriteBase`: a URL whose path begins with that of the folder on the disk begins with the base instead; where a folder has that,
//! a section has its name.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::target::{Part, What};

use super::beginnings::Beginning;
use super::cond;
use super::expand::{Known, scheme_of};
use super::pattern::{pattern, quoted};
use super::rule::RewriteRule;
use super::steps::{Around, DISK, HERE, URI};

/// Why a target may have been meant to begin otherwise.
const UNKNOWN: &str = "a RewriteBase in a section takes the place of the section's name, and whether the target begins with that hangs on the request";

/// What a target becomes by it, with what is not quite so: two things where a text of the request says whether it begins with the
/// name, the one that asks first.
pub(super) fn rebased(
    rule: &RewriteRule,
    beginning: Beginning,
    around: &Around<'_>,
) -> Vec<(Beginning, Option<&'static str>)> {
    let (Some(name), Some(base)) = (around.folder, around.base) else { return vec![(beginning, None)] };
    let is_url = matches!(scheme_of(&beginning.parts), Some(Ok(())));
    let is_sent = is_url || rule.flags.redirect.is_some();
    // What a folder's rule writes inside is a path of the disk there already.
    let (name, is_seen) = match (around.is_section, around.root) {
        (true, _) => (name.to_owned(), is_sent || name.starts_with('/')),
        (false, Some(root)) if !around.is_for_another => (format!("{root}{name}"), is_sent),
        (false, _) => return vec![(beginning, None)],
    };
    let is_path = beginning.is_absolute || starts_path(beginning.parts.first());
    let Some(at) = path_of(&beginning.parts, is_url).filter(|_| is_seen && (is_url || is_path)) else {
        return vec![(beginning, None)];
    };
    let mut head = beginning.parts.clone();
    let path = at.split(&mut head);
    let name = format!("/{}/", name.trim_start_matches('/').trim_end_matches('/'));
    let with_base = |rest: Vec<Known>| {
        let base = Known::Text(format!("{}/", base.trim_end_matches('/')));
        [head.clone(), vec![base], rest].concat()
    };
    match path.split_first() {
        Some((Known::Text(text), behind)) => {
            if let Some(rest) = text.strip_prefix(&name) {
                let rest = [vec![Known::Text(rest.to_owned())], behind.to_vec()].concat();
                return vec![(Beginning { parts: with_base(rest), ..beginning }, None)];
            }
            if behind.is_empty() || !name.starts_with(text.as_str()) {
                return vec![(beginning, None)];
            }
        }
        Some((first, _)) if starts_path(Some(first)) => {}
        _ => return vec![(beginning, Some(UNKNOWN))],
    }
    // The rest is a group of the last condition: none of the rule's own may be asked for.
    let is_simple = beginning.condition.is_none()
        && !rule.flags.escape_captures
        && !head.iter().chain(&path).any(|part| matches!(part, Known::Insert(What::ConditionCapture(_))))
        && !path.iter().any(|part| matches!(part, Known::Text(text) if text.contains(['?', '#'])));
    let test = Test::Regex(pattern(&format!("(?s)^{}(.*)$", quoted(&name)), LetterCase::Significant));
    match Condition::new(Subject::Text(cond::pieces(&path)), test, false) {
        Ok(condition) if is_simple => {
            let parts = with_base(vec![Known::Insert(What::ConditionCapture(1))]);
            let asked = Beginning { condition: Some(condition), parts, ..beginning.clone() };
            vec![(asked, None), (beginning, None)]
        }
        _ => vec![(beginning, Some(UNKNOWN))],
    }
}

/// Where the path of a target begins: in which of its parts, and how far behind the beginning of that.
#[derive(Clone, Copy)]
struct Start(usize, usize);

impl Start {
    /// Takes the path off.
    fn split(self, parts: &mut Vec<Known>) -> Vec<Known> {
        let mut path = parts.split_off(self.0);
        if let Some(Known::Text(text)) = path.first_mut()
            && self.1 > 0
        {
            let rest = text.split_off(self.1);
            parts.push(Known::Text(std::mem::replace(text, rest)));
        }
        path
    }
}

fn path_of(parts: &[Known], is_url: bool) -> Option<Start> {
    if !is_url {
        return Some(Start(0, 0));
    }
    for (at, part) in parts.iter().enumerate() {
        let from = match part {
            // The first text, or the one behind the scheme, is that of the authority.
            Known::Text(text) if at < 2 => text.find("://").map_or(0, |found| found + 3),
            _ => 0,
        };
        match part {
            Known::Text(text) => {
                if let Some(slash) = text[from..].find('/') {
                    return Some(Start(at, from + slash));
                }
            }
            Known::Insert(What::Part(Part::Host | Part::HostField | Part::Port | Part::Scheme) | What::PortElse(_)) => {
            }
            Known::Insert(_) => return Some(Start(at, 0)),
        }
    }
    None
}

/// Whether a part is a path from its first slash on.
fn starts_path(part: Option<&Known>) -> bool {
    match part {
        Some(Known::Text(text)) => text.starts_with('/'),
        Some(Known::Insert(what)) => matches!(what, What::Part(Part::WorkingPath) | What::Slot(URI | DISK | HERE)),
        None => false,
    }
}
