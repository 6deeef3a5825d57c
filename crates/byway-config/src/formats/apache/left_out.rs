//! What hangs on a rule that is left out: whoever reads a variable that it sets, and those that it ties to itself or skips.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Unplaced;
use super::plan::{Plan, chain_end};
use super::rule::RewriteRule;
use super::site::SetEnv;

/// Why a rule counts that may be skipped where it is not.
const MAY_BE_SKIPPED: &str = "a rule before it is left out that may skip it";

/// What the rules of a list that are left out do to the others.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// By the name of a variable in large letters, why its value is not known.
    unknown: BTreeMap<String, String>,
    /// Rules of chains whose beginning is left out, by the place in the list.
    tied: BTreeMap<usize, Unplaced>,
    /// Rules that may be skipped.
    skipped: BTreeSet<usize>,
}

impl LeftOut {
    /// Notes the variables that a `SetEnvIf` would have set.
    pub(super) fn note_set(&mut self, set: &SetEnv, why: &str) {
        set.pairs.iter().for_each(|(name, _)| self.note_name(name, why));
    }

    /// Notes a rule of a list that is left out.
    pub(super) fn note(&mut self, plan: &Plan<'_>, at: usize, why: &Unplaced) {
        let flags = &plan.rules[at].flags;
        flags.env.iter().for_each(|(name, _)| self.note_name(name, why));
        if flags.chain {
            let why: Unplaced = format!("it is chained to a rule that is left out: {why}").into();
            (at + 1..chain_end(&plan.rules, at)).for_each(|tied| {
                self.tied.entry(tied).or_insert_with(|| why.clone());
            });
        }
        self.skipped.extend((at + 1..plan.rules.len()).take(flags.skip as usize));
    }

    fn note_name(&mut self, name: &str, why: &str) {
        let name = name.trim_start_matches('!');
        let why = || format!("`%{{ENV:{name}}}` is not known here: {why}");
        self.unknown.entry(name.to_ascii_uppercase()).or_insert_with(why);
    }

    /// Why a rule is left out as well.
    pub(super) fn takes_along(&self, rule: &RewriteRule, at: usize) -> Option<Unplaced> {
        let read = |name: &str| {
            let variable = format!("%{{ENV:{name}}}");
            let texts = std::iter::once(&rule.substitution)
                .chain(rule.conds.iter().flat_map(|cond| [&cond.test, &cond.pattern]))
                .chain(rule.flags.env.iter().filter_map(|(_, value)| value.as_ref()));
            texts.into_iter().any(|text| text.to_ascii_uppercase().contains(&variable))
        };
        let unknown = self.unknown.iter().find(|(name, _)| read(name)).map(|(_, why)| why.clone().into());
        self.tied.get(&at).cloned().or(unknown)
    }

    /// Why a rule is not quite what httpd does.
    pub(super) fn approximates(&self, at: usize) -> Option<&'static str> {
        self.skipped.contains(&at).then_some(MAY_BE_SKIPPED)
    }
}
