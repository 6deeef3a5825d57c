//! What was said of rules before anything was asked: a difference that was said to come is counted apart.

use std::collections::{BTreeMap, BTreeSet};

use byway_config::load::Loaded;
use byway_config::remarks::{Remark, Verdict as SaidVerdict};
use byway_config::writing::Writing;
use byway_core::rule::{FileId, Place};

use super::ask::Ask;
use super::spelling::is_odd;
use super::{Asked, Parts, Plan, Why, words_of_place};

/// What was said of each source rule before anything was asked: the worst, where several were said of one line.
pub(super) struct Said(BTreeMap<(u16, u32), (String, SaidVerdict)>);

impl Said {
    pub(super) fn of_reading(loaded: &Loaded) -> Said {
        Said::of(loaded.remarks.kept.iter().filter_map(|remark| {
            let span = remark.span.as_ref()?;
            Some(((span.file.0, span.line), remark))
        }))
    }

    pub(super) fn of_writing(writing: &Writing<'_>) -> Said {
        let places = writing.places.iter().map(|place| (place.file.0, place.line));
        Said::of(places.zip(&writing.remarks.kept))
    }

    fn of<'r>(remarks: impl Iterator<Item = ((u16, u32), &'r Remark)>) -> Said {
        let mut said: BTreeMap<(u16, u32), (String, SaidVerdict)> = BTreeMap::new();
        for (place, remark) in remarks {
            let slot = said.entry(place).or_insert_with(|| (remark.rule.clone(), remark.verdict.clone()));
            let is_worse = matches!(
                (&slot.1, &remark.verdict),
                (SaidVerdict::Exact, _) | (SaidVerdict::Approximated(_), SaidVerdict::Refused(_))
            );
            if is_worse {
                slot.1 = remark.verdict.clone();
            }
        }
        Said(said)
    }

    /// Whether a request came by a rule that is left out, which may have decided it.
    pub(super) fn is_behind(&self, passed: &BTreeSet<(u16, u32)>) -> bool {
        passed.iter().any(|place| matches!(self.0.get(place), Some((_, SaidVerdict::Refused(_)))))
    }

    /// Whether a difference was said to come: by what was said of the rule that decided. Of rules that were written in another
    /// format, those that are approximated answer alike where a path is spelt plainly.
    pub(super) fn excuses(&self, place: Option<(u16, u32)>, ask: &Ask, plan: &Plan) -> bool {
        let is_written = plan.written_as.is_some();
        match place.and_then(|place| self.0.get(&place)) {
            Some((_, SaidVerdict::Exact)) => false,
            Some((_, SaidVerdict::Approximated(_))) => !is_written || is_odd(ask),
            Some((_, SaidVerdict::Refused(_))) => true,
            None => is_written && is_odd(ask) && self.0.values().any(|(_, verdict)| *verdict != SaidVerdict::Exact),
        }
    }

    /// The pages of files that are not there, each with the status of a URL, of which it was said that they wait for those.
    pub(super) fn pages_of_files(&self) -> impl Iterator<Item = (&str, u16)> {
        self.0.values().filter(|(_, verdict)| *verdict != SaidVerdict::Exact).filter_map(|(rule, _)| {
            let mut words = rule.split_whitespace();
            let is_page = matches!(words.next(), Some("error_page" | "ErrorDocument"));
            let page = words.next_back().filter(|_| is_page)?;
            let status = words.find_map(|word| word.strip_prefix('=')?.parse().ok());
            Some((page, status.unwrap_or(302)))
        })
    }

    /// Where the source rules stand.
    pub(super) fn places(&self) -> impl Iterator<Item = (u16, u32)> {
        self.0.keys().copied()
    }

    pub(super) fn asked(&self, parts: &Parts, why: &BTreeMap<(u16, u32), Why>, loaded: &Loaded) -> Vec<Asked> {
        let rows = self.0.iter().map(|(at, (rule, verdict))| {
            let [requests, differed] = parts.get(at).copied().unwrap_or_default();
            let place = words_of_place(loaded, Place { file: FileId(at.0), line: at.1 });
            let why = why.get(at).cloned().filter(|_| requests == 0);
            Asked { place, rule: rule.clone(), verdict: verdict.clone(), requests, differed, why }
        });
        rows.collect()
    }
}
