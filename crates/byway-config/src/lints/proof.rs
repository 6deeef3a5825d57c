//! What a request gets, and whether its server is certain to say the same.
//!
//! Rules of other servers ask for what a trial does not bring and what a reader does not know: fields that a proxy in front adds,
//! cookies, addresses, files. What hangs on such a thing shows nothing, and a lint keeps silent.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::Condition;
use byway_core::decision::{Outcome, Refusal, Storing};
use byway_core::rule::Action;
use byway_core::ruleset::{Aside, RuleRef, RuleSet, Scratch, Watch};
use byway_core::surroundings::Surroundings;
use byway_core::target::{Piece, What};

use super::Scene;
use crate::examples::{Case, Expected};
use crate::remarks::{Remarks, Verdict};
use crate::trials::asked;

/// The fields that clients send of themselves: one that leaves them out is asked for, and gets what the rules say.
const OF_CLIENTS: [&str; 7] =
    ["host", "user-agent", "accept", "accept-language", "accept-encoding", "referer", "origin"];

/// What a request gets.
pub(super) struct Proof {
    pub(super) answer: Expected,
    pub(super) rule: Option<RuleRef>,
    /// Whether it goes on, and nothing that is not known had a part in it.
    pub(super) is_certain: bool,
    /// The rule that wrote the path once too often, where that is the answer.
    pub(super) endless: Option<Endless>,
}

/// A path that is written anew without end.
pub(super) struct Endless {
    /// The rules that write it again and again.
    pub(super) ring: Vec<RuleRef>,
    /// The paths that they wrote.
    pub(super) paths: Vec<Vec<u8>>,
}

impl Endless {
    /// Rules that a reader makes up to bring a round about stand on no line.
    fn of(way: Way<'_>, rules: &RuleSet) -> Option<Endless> {
        let is_written = |(rule, _): &(RuleRef, Vec<u8>)| rules.rule(*rule).place().line > 0;
        let wrote: Vec<(RuleRef, Vec<u8>)> = way.wrote.into_iter().filter(is_written).collect();
        let mut ring: Vec<RuleRef> = wrote.iter().skip(wrote.len() / 2).map(|(rule, _)| *rule).collect();
        ring.sort_unstable();
        ring.dedup();
        let paths = wrote.into_iter().map(|(_, path)| path).collect();
        Some(Endless { ring, paths }).filter(|endless| !endless.ring.is_empty())
    }
}

/// How many steps of a walk are kept: no way that people wrote has more.
const STEPS: usize = 1_000;
/// How many writings of a path are kept: a round has few, and ten rounds are the limit.
const WRITINGS: usize = 256;

/// The statements of other servers' texts that are not quite known, by file and line.
#[derive(Default)]
pub(crate) struct Doubts {
    approximated: BTreeSet<(u16, u32)>,
    /// With what is known of the paths that each would have taken.
    left_out: BTreeMap<u16, BTreeMap<u32, Reach>>,
}

impl Doubts {
    pub(crate) fn of(remarks: &Remarks) -> Doubts {
        let mut doubts = Doubts::default();
        for remark in &remarks.kept {
            let Some(span) = &remark.span else { continue };
            match remark.verdict {
                Verdict::Exact => {}
                Verdict::Approximated(_) => {
                    doubts.approximated.insert((span.file.0, span.line));
                }
                Verdict::Refused(_) => {
                    let of_file = doubts.left_out.entry(span.file.0).or_default();
                    let reach = Reach::of(&remark.rule);
                    // Of two statements of one line either may have taken it.
                    of_file.entry(span.line).and_modify(|known| *known = Reach::Any).or_insert(reach);
                }
            }
        }
        doubts
    }

    /// Whether a way through the rules came by one that is approximated, or might have ended at one that is left out.
    fn touch(&self, rules: &RuleSet, way: &Way<'_>, path: &str) -> bool {
        // What is compared may be another path once it was written anew.
        let may_take = |reach: &Reach| !way.wrote.is_empty() || reach.may_take(path);
        let places = || way.rules.iter().map(|rule| rules.rule(*rule).place()).filter(|place| place.line > 0);
        let is_near = |file: u16, last: u32| {
            let Some(left_out) = self.left_out.get(&file) else { return false };
            let first = places().filter(|place| place.file.0 == file).map(|place| place.line).min().unwrap_or(last);
            left_out.range(first.min(last)..=last).any(|(_, reach)| may_take(reach))
        };
        places()
            .any(|place| self.approximated.contains(&(place.file.0, place.line)) || is_near(place.file.0, place.line))
    }
}

/// Which paths a statement that is left out would have taken, as far as its words say so.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// Any, or it cannot be said.
    Any,
    /// Those that begin so.
    Begins(String),
    /// Those that begin so behind some slash: a folder may be what stands before it.
    BeginsBehindSlash(String),
}

impl Reach {
    fn of(statement: &str) -> Reach {
        let mut words = statement.split_whitespace();
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let bare = |word: &str| word.trim_matches(['"', '\'']).to_owned();
        let mut words = words.map(bare);
        match name.as_str() {
            "rewriterule" | "rewrite" => words.next().map_or(Reach::Any, |pattern| Reach::of_pattern(&pattern)),
            "redirectmatch" => {
                let pattern = words.find(|word| !is_status(word));
                pattern.map_or(Reach::Any, |pattern| Reach::of_pattern(&pattern))
            }
            "redirect" | "redirectpermanent" | "redirecttemp" => match words.find(|word| !is_status(word)) {
                Some(path) if path.starts_with('/') => Reach::Begins(path),
                _ => Reach::Any,
            },
            _ => Reach::Any,
        }
    }

    /// What every path begins with that a pattern fits.
    fn of_pattern(pattern: &str) -> Reach {
        let Some(rest) = pattern.strip_prefix('^').filter(|rest| !rest.contains('|')) else { return Reach::Any };
        let rest = rest.strip_prefix("/?").map_or_else(|| rest.to_owned(), |rest| format!("/{rest}"));
        let end = rest.find(|sign: char| !sign.is_ascii_alphanumeric() && !"/_-~".contains(sign)).unwrap_or(rest.len());
        let is_optional = rest[end..].starts_with(['?', '*', '{']);
        let begins = &rest[..end - usize::from(is_optional && end > 0)];
        match begins.strip_prefix('/') {
            Some("") => Reach::Any,
            Some(_) => Reach::Begins(begins.to_owned()),
            None if begins.is_empty() => Reach::Any,
            None => Reach::BeginsBehindSlash(begins.to_owned()),
        }
    }

    fn may_take(&self, path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        // An escape may stand for anything.
        path.contains('%')
            || match self {
                Reach::Any => true,
                Reach::Begins(begins) => path.starts_with(&begins.to_ascii_lowercase()),
                Reach::BeginsBehindSlash(begins) => path.contains(&format!("/{}", begins.to_ascii_lowercase())),
            }
    }
}

/// Whether a word of mod_alias says with which status.
fn is_status(word: &str) -> bool {
    let names = ["permanent", "temp", "seeother", "gone"];
    names.contains(&word.to_ascii_lowercase().as_str()) || word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The rules that a walk came by.
struct Way<'r> {
    set: &'r RuleSet,
    rules: Vec<RuleRef>,
    /// The rules that stood aside, and which of their conditions did not hold.
    held_back: Vec<(RuleRef, usize)>,
    /// The texts that were kept on the way and are not empty.
    kept: BTreeSet<u16>,
    /// Whether the target begins with one that is empty: what gives it asks for more than is known, as for the folder of a lone file.
    lacks_text: bool,
    /// The paths that were written, and by which rule.
    wrote: Vec<(RuleRef, Vec<u8>)>,
}

impl<'r> Way<'r> {
    fn new(set: &'r RuleSet) -> Way<'r> {
        Way {
            set,
            rules: Vec::new(),
            held_back: Vec::new(),
            kept: BTreeSet::new(),
            lacks_text: false,
            wrote: Vec::new(),
        }
    }

    /// Whether the rule, or what else stands on its line, asks for a text of Apache's environment that nobody gave.
    fn asks_for_text(&self, rule: RuleRef) -> bool {
        let view = self.set.rule(rule);
        let place = view.place();
        let is_lacking =
            |condition: &Condition| matches!(asked(condition), Some(What::Slot(slot)) if !self.kept.contains(slot));
        let beside = |(other, _): &&(RuleRef, usize)| self.set.rule(*other).place() == place;
        let mut beside = self.held_back.iter().filter(beside);
        view.dialect().name.starts_with("apache")
            && (view.conditions().iter().any(is_lacking)
                || beside.any(|(other, at)| self.set.rule(*other).conditions().get(*at).is_some_and(is_lacking)))
    }

    fn note(&mut self, rule: RuleRef) {
        // Who goes round in circles comes by the same ones.
        if self.rules.len() < STEPS && self.rules.last() != Some(&rule) {
            self.rules.push(rule);
        }
    }
}

impl Watch for Way<'_> {
    fn aside(&mut self, rule: RuleRef, why: Aside) {
        self.note(rule);
        if let Aside::Condition(at) = why
            && self.held_back.len() < STEPS
        {
            self.held_back.push((rule, at));
        }
    }

    fn acted(&mut self, rule: RuleRef) {
        self.note(rule);
    }

    fn rewritten(&mut self, rule: RuleRef, path: &[u8], _query: Option<&[u8]>) {
        if self.wrote.len() < WRITINGS {
            self.wrote.push((rule, path.to_vec()));
        }
    }

    fn kept(&mut self, rule: RuleRef, text: &[u8]) {
        let Action::Set { slot, .. } = self.set.rule(rule).action() else { return };
        match text {
            [] => self.kept.remove(&slot),
            _ => self.kept.insert(slot),
        };
    }

    fn taken(&mut self, rule: RuleRef, _captures: &[&[u8]]) {
        self.note(rule);
        if let Action::Redirect { target, .. } = self.set.rule(rule).action() {
            let is_empty = |piece: &Piece<'_>| matches!(piece.what, What::Slot(slot) if !self.kept.contains(&slot));
            // A path may have been made of it.
            let is_slash =
                |piece: &&Piece<'_>| matches!(&piece.what, What::Literal(text) if matches!(&**text, "" | "/"));
            let begins = target.pieces().iter().find(|piece| !is_slash(piece));
            self.lacks_text = begins.is_some_and(is_empty) || self.asks_for_text(rule);
        }
    }
}

/// Asks the rules.
pub(super) fn ask(case: &Case, scene: &Scene<'_, '_>, scratch: &mut Scratch) -> Proof {
    let mut way = Way::new(scene.rules);
    let decision = scene.rules.decide_watched(&case.request(), &Surroundings::at(scene.now), scratch, &mut way);
    let is_known = |field: &str| field.is_empty() || OF_CLIENTS.contains(&field.trim());
    let is_certain = decision.storing == Storing::Allowed && decision.vary.split(',').all(is_known);
    let is_endless = decision.outcome == Outcome::Refuse(Refusal::RewriteLimit);
    let (answer, rule) = (Expected::of(&decision), decision.rule);
    let asks_on = is_endless || matches!(answer, Expected::Redirect { .. });
    let is_certain = is_certain && asks_on && !way.lacks_text && !scene.doubts.touch(scene.rules, &way, &case.path);
    let endless = if is_endless { Endless::of(way, scene.rules) } else { None };
    Proof { answer, rule, is_certain, endless }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn what_a_statement_says_of_its_paths() {
        for (statement, path, may_take) in [
            ("RewriteRule ^blog/(.*)$ /x/%{LA-U:y} [R]", "/blog/a", true),
            ("RewriteRule ^blog/(.*)$ /x/%{LA-U:y} [R]", "/shop", false),
            ("RewriteRule ^/?blog/ /x [R]", "/shop", false),
            ("RewriteRule ^/?blog/ /x [R]", "/Blog/a", true),
            ("RewriteRule ^b?x /x [R]", "/shop", true),
            ("RewriteRule ^blog|shop /x [R]", "/shop", true),
            ("RewriteRule (.*) /x [R]", "/shop", true),
            ("RedirectMatch 307 ^/blog/ /x", "/shop", false),
            ("Redirect permanent /blog /x", "/shop", false),
            ("Redirect /blog /x", "/blog/a", true),
            ("RewriteRule ^blog /x", "/%62log", true),
            ("content_by_lua_block", "/shop", true),
        ] {
            assert_eq!(Reach::of(statement).may_take(path), may_take, "{statement} {path}");
        }
    }
}
