//! Rules that were refused though they go first: their requests fall to the next that fits, and that rule is then not exact.

use std::collections::BTreeMap;
use std::ops::Bound;

use byway_core::RuleSet;
use byway_core::dialect::BYWAY;
use byway_core::host::HostPattern;
use byway_core::rule::Place;
use byway_core::ruleset::{Order, RuleView, TableId};

use super::rank::{Rank, Region, region};
use super::words;
use crate::remarks::Verdict;

/// When a rule is tried: its table, its rank where the most specific goes first, its number.
type Turn = (usize, Option<Rank>, u32);

/// A rule that was refused.
struct Refused {
    turn: Turn,
    host: HostPattern<'static>,
    is_exact: bool,
    words: String,
    place: Place,
}

/// All rules that were refused, by the paths that they may fit.
pub(super) struct Nearer {
    by_path: BTreeMap<Vec<u8>, Vec<Refused>>,
    tables: BTreeMap<TableId, (usize, bool)>,
}

impl Nearer {
    /// Of what was said of some rules, by their numbers in order.
    pub(super) fn of(rules: &RuleSet, said: &[(u32, Verdict)]) -> Nearer {
        let specific = |table: TableId| rules.tables().any(|one| one.id == table && one.order == Order::Specific);
        let roots = rules.roots().enumerate().map(|(at, table)| (table, (at, specific(table))));
        let mut nearer = Nearer { by_path: BTreeMap::new(), tables: roots.collect() };
        let mut refused = said.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Refused(_))).peekable();
        if refused.peek().is_none() {
            return nearer;
        }
        for rule in rules.rules().filter(|rule| *rule.dialect() == BYWAY) {
            while refused.next_if(|(number, _)| *number < rule.number()).is_some() {}
            if refused.next_if(|(number, _)| *number == rule.number()).is_none() {
                continue;
            }
            let Region { prefix, is_exact } = region(&rule.source());
            let host = match rule.source().host {
                HostPattern::Any => HostPattern::Any,
                HostPattern::Exact(host) => HostPattern::Exact(host.into_owned().into()),
                HostPattern::Below(parent) => HostPattern::Below(parent.into_owned().into()),
            };
            let one = Refused { turn: nearer.turn(&rule), host, is_exact, words: words(&rule), place: rule.place() };
            nearer.by_path.entry(prefix).or_default().push(one);
        }
        nearer
    }

    fn turn(&self, rule: &RuleView<'_>) -> Turn {
        let (at, is_specific) = self.tables.get(&rule.table()).copied().unwrap_or((usize::MAX, false));
        let rank = || Rank::of_source(&rule.source(), rule.priority(), rule.conditions().len(), (rule.number(), 0));
        (at, is_specific.then(rank), rule.number())
    }

    /// The words and the place of a refused rule whose requests this one may take.
    pub(super) fn of_rule(&self, rule: &RuleView<'_>) -> Option<(&str, Place)> {
        if self.by_path.is_empty() || *rule.dialect() != BYWAY {
            return None;
        }
        let Region { prefix, is_exact } = region(&rule.source());
        let host = rule.source().host;
        let turn = self.turn(rule);
        let goes_first = |one: &&Refused| one.turn < turn && may_meet(&one.host, &host);
        let ends = memchr::memchr_iter(b'/', &prefix).filter(|end| *end < prefix.len());
        let above = ends.filter_map(|end| self.by_path.get(&prefix[..end])).flatten().filter(|one| !one.is_exact);
        let same = self.by_path.get(&prefix).into_iter().flatten();
        let below = [prefix.as_slice(), b"/"].concat();
        let range = self.by_path.range::<[u8], _>((Bound::Included(below.as_slice()), Bound::Unbounded));
        let below = range.take_while(|(path, _)| !is_exact && path.starts_with(&below)).flat_map(|(_, all)| all);
        let found = same.chain(above).chain(below).find(goes_first)?;
        Some((&found.words, found.place))
    }
}

/// Whether one request may be for both.
pub(super) fn may_meet(one: &HostPattern<'_>, other: &HostPattern<'_>) -> bool {
    match (one, other) {
        (HostPattern::Any, _) | (_, HostPattern::Any) => true,
        (HostPattern::Exact(one), HostPattern::Exact(other)) => one == other,
        (pattern @ HostPattern::Below(_), HostPattern::Exact(host))
        | (HostPattern::Exact(host), pattern @ HostPattern::Below(_)) => pattern.matches(host),
        (HostPattern::Below(one), HostPattern::Below(other)) => one.ends_with(&**other) || other.ends_with(&**one),
    }
}
