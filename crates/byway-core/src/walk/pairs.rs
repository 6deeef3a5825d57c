//! Exact sources that ask for query pairs: which of them the pairs of a request lead to.

use std::cmp::Reverse;

use super::{Walk, Watch};
use crate::index::pairs::{self, LIMIT};
use crate::query;
use crate::ruleset::shape::Kind;
use crate::ruleset::{Cell, RuleRef};

/// A pair of the request's query: the hash of what it says, and where name and value stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentPair {
    hash: u64,
    name: (u32, u32),
    value: (u32, u32),
}

/// What a search for rules with pairs looks at.
struct Search<'q> {
    cell: u32,
    path: &'q [u8],
    query: &'q [u8],
    sent: &'q [SentPair],
    steps: usize,
}

impl<'w, W: Watch> Walk<'w, W> {
    /// Exact sources with query pairs and without, what asks more first, then the order given.
    pub(super) fn propose_exact(&mut self, cell: &Cell, path: &[u8], out: &mut Vec<u32>) {
        let from = out.len();
        if cell.has_pairs {
            self.propose_pairs(cell, path, out);
        }
        let with_pairs = out.len() > from;
        if cell.has_exact {
            self.propose_key(cell, Kind::Exact, path, out);
        }
        if with_pairs && out.len() > from + 1 {
            let (rules, ranked) = (self.rules, &mut self.scratch.ranked_exact);
            let weight = |rule: u32| rules.shape(rules.blob(RuleRef(rule)).shape).weight();
            ranked.clear();
            ranked.extend(out.drain(from..).map(|rule| (Reverse(weight(rule)), rule)));
            ranked.sort_unstable();
            ranked.dedup();
            out.extend(ranked.iter().map(|(_, rule)| rule));
        }
    }

    fn propose_pairs(&mut self, cell: &Cell, path: &[u8], out: &mut Vec<u32>) {
        let beginning = pairs::beginning(self.rules.hash(path), cell.id);
        let beginnings = self.rules.beginnings();
        if self.query().is_none_or(<[u8]>::is_empty) || !beginnings.hold(beginning) {
            return;
        }
        let mut sent = std::mem::take(&mut self.scratch.pairs);
        let query = self.query().unwrap_or_default();
        self.list_pairs(query, &mut sent);
        let mut search = Search { cell: cell.id, path, query, sent: &sent, steps: beginnings.steps() };
        self.descend(&mut search, beginning, 0, 0, out);
        self.scratch.pairs = sent;
    }

    /// Goes on from a beginning with each pair behind the one that it ended with.
    fn descend(&self, search: &mut Search<'_>, at: u64, from: usize, depth: usize, out: &mut Vec<u32>) {
        for (index, pair) in search.sent.iter().enumerate().skip(from) {
            let next = pairs::step(at, pair.hash);
            out.extend(self.rules.exact().probe(next).filter(|&rule| self.asks_for_sent(search, RuleRef(rule))));
            if depth + 1 < LIMIT && self.rules.beginnings().hold(next) && search.steps > 0 {
                search.steps -= 1;
                self.descend(search, next, index + 1, depth + 1, out);
            }
        }
    }

    /// Whether a rule is for this path and for pairs that were sent.
    fn asks_for_sent(&self, search: &Search<'_>, rule: RuleRef) -> bool {
        let blob = self.rules.blob(rule);
        let (path, Some(asked)) = self.rules.shape(blob.shape).split_key(blob.key) else { return false };
        let was_sent = |name: &[u8], value: &[u8]| {
            let (name, value) = (query::decoded(name), query::decoded(value));
            let hash = pairs::pair(self.rules.hash(&name), self.rules.hash(&value));
            let first = search.sent.partition_point(|pair| pair.hash < hash);
            search.sent[first..].iter().take_while(|pair| pair.hash == hash).any(|pair| {
                query::is_same(part(search.query, pair.name), &name)
                    && query::is_same(part(search.query, pair.value), &value)
            })
        };
        blob.cell == search.cell
            && path == search.path
            && query::pairs(asked).all(|(_, name, value)| was_sent(name, value))
    }

    /// Lists the pairs of a query by their hash, each that says the same once.
    fn list_pairs(&self, query: &[u8], sent: &mut Vec<SentPair>) {
        let hash = |text: &[u8]| match query::is_plain(text) {
            true => self.rules.hash(text),
            false => self.rules.hash(&query::decoded(text)),
        };
        sent.clear();
        let mut at = 0;
        for pair in query.split(|&b| b == b'&') {
            let (start, end) = (at, at + pair.len());
            at = end + 1;
            if pair.is_empty() {
                continue;
            }
            let sign = memchr::memchr(b'=', pair).map_or(end, |sign| start + sign);
            let (name, value) = (&query[start..sign], query.get(sign + 1..end).unwrap_or_default());
            sent.push(SentPair {
                hash: pairs::pair(hash(name), hash(value)),
                name: (start as u32, sign as u32),
                value: ((sign + 1).min(end) as u32, end as u32),
            });
        }
        sent.sort_unstable_by_key(|pair| pair.hash);
        sent.dedup_by(|one, other| {
            let alike = |one, other| {
                let (one, other) = (part(query, one), part(query, other));
                one == other || query::decoded(one) == query::decoded(other)
            };
            one.hash == other.hash && alike(one.name, other.name) && alike(one.value, other.value)
        });
    }
}

fn part(query: &[u8], (start, end): (u32, u32)) -> &[u8] {
    query.get(start as usize..end as usize).unwrap_or_default()
}
