//! A list of mod_rewrite cut into segments, where a rule jumps, changes the path, or writes captures in another form.
//!
//! Behind a rule that changed the path the same segments stand once more, since patterns then see another text and the end of the
//! list begins a new round: each segment has a table for every [`State`] in which it is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use byway_core::dialect::{APACHE_NE, APACHE_REWRITE, Dialect};
use byway_core::ruleset::{Order, TableId};

use super::expand::{Token, alias_tokens, tokens};
use super::lower::Lowering;
use super::onward::{takers, writes_inside};
use super::rule::RewriteRule;
use super::site::{Effective, SetEnv};
use super::steps::{self, Names};

/// What a rule before has done to the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Nothing.
    Same,
    /// It wrote one of the server.
    Absolute,
    /// It wrote one of the folder.
    Relative,
    /// It wrote a URL to send people to with this status, escaped unless the flag says not to, and went on.
    Url(u16, bool),
}

/// A list of mod_rewrite with its tables.
pub(super) struct Plan<'s> {
    pub(super) rules: Vec<Rc<RewriteRule>>,
    pub(super) folder: Option<&'s str>,
    /// Whether that is the name of a section: its patterns see the whole path on the disk.
    pub(super) is_section: bool,
    pub(super) base: Option<String>,
    /// Where segments begin.
    pub(super) bounds: Vec<usize>,
    /// The rules that may take a URL, and do something with it.
    pub(super) takers: Vec<usize>,
    pub(super) tables: BTreeMap<(usize, State), TableId>,
    /// Where a list ends that changed the path, and where with `[PT]` in a server.
    pub(super) changed: Option<TableId>,
    pub(super) passed: Option<TableId>,
    /// Whether sections come behind it.
    pub(super) has_sections: bool,
    pub(super) names: Names,
    pub(super) sets: Vec<&'s SetEnv>,
    pub(super) keeps_uri: bool,
    /// Where a list of a folder ends whose last rule wrote a path: what was hung on it goes.
    pub(super) settle: BTreeMap<State, TableId>,
    /// Where `RewriteBase` takes the place of the folder in what was written.
    pub(super) rebase: Option<TableId>,
    /// Where a list ends whose rules made a URL and went on.
    pub(super) finish: BTreeMap<State, TableId>,
}

impl Plan<'_> {
    /// The table that the list begins with.
    pub(super) fn first(&self) -> Option<TableId> {
        self.tables.get(&(0, State::Same)).copied()
    }

    /// Whether some rule writes for those behind it, so that what stands behind the file is looked at again.
    pub(super) fn goes_on(&self) -> bool {
        !self.settle.is_empty() || !self.finish.is_empty()
    }

    /// Whether a rule writes a query that one behind it may send on.
    pub(super) fn hands_query_on(&self) -> bool {
        let hands = |rule: &&Rc<RewriteRule>| {
            steps::substitutes(rule) && rule.substitution.contains('?') && (rule.flags.again || !steps::stops(rule))
        };
        self.rules.iter().any(|rule| hands(&rule))
    }

    /// Whether some rule of a server may write the root of the disk.
    pub(super) fn writes_root(&self) -> bool {
        self.folder.is_none() && self.rules.iter().any(|rule| steps::may_write_root(rule))
    }

    pub(super) fn segment_of(&self, rule: usize) -> usize {
        self.bounds.partition_point(|bound| *bound <= rule).saturating_sub(1)
    }

    /// The rules at and behind one that may take a URL.
    pub(super) fn behind(&self, at: usize) -> impl Iterator<Item = &Rc<RewriteRule>> {
        let first = self.takers.partition_point(|taker| *taker < at);
        self.takers[first..].iter().map(|taker| &self.rules[*taker])
    }

    pub(super) fn rules_of(&self, segment: usize) -> std::ops::Range<usize> {
        let end = self.bounds.get(segment + 1).copied().unwrap_or(self.rules.len());
        self.bounds[segment]..end
    }

    /// Whether some rule writes a path inside.
    pub(super) fn writes(&self) -> bool {
        self.rules.iter().any(|rule| steps::substitutes(rule) && rule.flags.redirect.is_none())
    }
}

impl Lowering<'_, '_> {
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
            settle: BTreeMap::new(),
            rebase: None,
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
                State::Absolute | State::Relative if folder.is_none() => {}
                State::Absolute | State::Relative => {
                    plan.settle.insert(state, self.table(row(&APACHE_REWRITE), Order::Listed, ""));
                }
                State::Url(_, is_bare) => {
                    let dialect = row(if is_bare { &APACHE_NE } else { &APACHE_REWRITE });
                    plan.finish.insert(state, self.table(dialect, Order::Listed, ""));
                }
            }
        }
        let is_elsewhere = plan.base.as_deref().is_some_and(|base| Some(base) != folder) && !plan.is_section;
        if folder.is_some() && is_elsewhere && plan.rules.iter().any(|rule| !steps::stops(rule) && writes_inside(rule))
        {
            plan.rebase = Some(self.table(row(&APACHE_REWRITE), Order::Listed, ""));
        }
        plan
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
        if steps::substitutes(rule) && !steps::stops(rule) {
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
pub(super) fn chain_end(rules: &[Rc<RewriteRule>], at: usize) -> usize {
    let tied = rules[at..].iter().take_while(|rule| rule.flags.chain).count();
    (at + tied + 1).min(rules.len())
}

/// The segments that can be reached, in each state, in their order. A state that is reached holds for all that follows, so the
/// first segment of each is all that is kept: lists have a hundred thousand rules.
pub(super) fn reached(plan: &Plan<'_>) -> Vec<(usize, State)> {
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
        let stops = steps::stops(rule);
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
pub(super) fn names(rules: &[Rc<RewriteRule>], sets: &[&SetEnv]) -> Names {
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
