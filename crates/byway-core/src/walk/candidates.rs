//! What the index proposes for a request: the cells that its host falls into, and the rules in them that may match its path.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Flow, Walk, Watch};
use crate::dialect::{LetterCase, TrailingSlash, View};
use crate::index::grams;
use crate::path;
use crate::ruleset::shape::Kind;
use crate::ruleset::{Cell, Plane, RuleRef};

impl<'w, W: Watch> Walk<'w, W> {
    /// Tries the candidates of one kind in the order of specificity.
    pub(super) fn candidates(&mut self, cell: &Cell, plane: &Plane, kind: Kind) -> Flow {
        if kind == Kind::Exact && self.asks_no_pairs(cell) {
            let text = std::mem::take(&mut self.scratch.text);
            let flow = self.exact(cell, &text);
            self.scratch.text = text;
            return flow;
        }
        if !cell.holds(kind) {
            return Flow::On;
        }
        let proposed = self.gather(cell, plane, kind);
        let mut flow = Flow::On;
        for at in proposed.clone() {
            let rule = RuleRef(self.scratch.candidates[at]);
            if self.source_matches(rule) {
                flow = self.consider(rule);
                if !matches!(flow, Flow::On) {
                    break;
                }
            }
        }
        self.scratch.candidates.truncate(proposed.start);
        flow
    }

    /// Puts candidates of one kind on the stack of candidates, in the order of specificity.
    pub(super) fn gather(&mut self, cell: &Cell, plane: &Plane, kind: Kind) -> Range<usize> {
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        let from = candidates.len();
        self.propose(cell, plane, kind, &mut candidates);
        let to = candidates.len();
        self.scratch.candidates = candidates;
        from..to
    }

    /// Whether a rule with pairs can have nothing to do with the request.
    fn asks_no_pairs(&self, cell: &Cell) -> bool {
        !cell.has_pairs || self.query().is_none_or(<[u8]>::is_empty)
    }

    /// Whether the rules of a plane, if the path as sent is in normal form, see just that.
    pub(super) fn is_seen_as_sent(&self, plane: &Plane, cell: &Cell) -> bool {
        plane.view == View::Unreserved
            && plane.case == LetterCase::Significant
            && plane.slash == TrailingSlash::Significant
            && self.scratch.working.is_none()
            && self.asks_no_pairs(cell)
    }

    /// The common case: exact sources without pairs, by the path as they see it, without a list of candidates.
    pub(super) fn exact(&mut self, cell: &Cell, path: &[u8]) -> Flow {
        if !cell.has_exact {
            return Flow::On;
        }
        let hash = key_hash(self.rules.hash(path), cell.id, Kind::Exact);
        for rule in self.rules.exact().probe(hash) {
            let blob = self.rules.blob_ahead(RuleRef(rule));
            if blob.cell == cell.id && blob.key == path {
                self.scratch.spans.clear();
                match self.consider_read(blob) {
                    Flow::On => {}
                    flow => return flow,
                }
            }
        }
        Flow::On
    }

    /// Lists candidates of one kind, in the order of specificity.
    fn propose(&mut self, cell: &Cell, plane: &Plane, kind: Kind, out: &mut Vec<u32>) {
        if !cell.holds(kind) {
            return;
        }
        let text = std::mem::take(&mut self.scratch.text);
        // A path with a dot segment is another path once a client resolves it: only what names it exactly takes it.
        let dotted = plane.view == View::Unreserved && kind != Kind::Exact && path::has_dot_segment(&text);
        if !dotted {
            match kind {
                Kind::Exact => self.propose_exact(cell, &text, out),
                Kind::Prefix => self.propose_prefixes(cell, &text, out),
                Kind::BytePrefix => self.propose_byte_prefixes(cell, &text, out),
                Kind::Segments => self.propose_segments(cell, &text, out),
                Kind::Regex => self.propose_regexes(cell, &text, out),
            }
        }
        self.scratch.text = text;
    }

    pub(super) fn propose_key(&self, cell: &Cell, kind: Kind, key: &[u8], out: &mut Vec<u32>) {
        let table = if kind == Kind::Exact { self.rules.exact() } else { self.rules.prefix() };
        let hash = key_hash(self.rules.hash(key), cell.id, kind);
        out.extend(table.probe(hash).filter(|&rule| {
            let blob = self.rules.blob(RuleRef(rule));
            blob.cell == cell.id && blob.key == key
        }));
    }

    fn propose_prefixes(&mut self, cell: &Cell, text: &[u8], out: &mut Vec<u32>) {
        let total = text.iter().filter(|&&b| b == b'/').count();
        let (mut depth, mut end) = (total, text.len());
        // A path that ends in a slash is below the prefix without it at the same depth less one; boundaries are the slashes.
        loop {
            if cell.depths >> depth.min(63) & 1 == 1 {
                self.propose_key(cell, Kind::Prefix, &text[..end], out);
            }
            if depth == 0 {
                return;
            }
            end = text[..end].iter().rposition(|&b| b == b'/').unwrap_or(0);
            depth -= 1;
        }
    }

    fn propose_byte_prefixes(&mut self, cell: &Cell, text: &[u8], out: &mut Vec<u32>) {
        for len in self.rules.postings(cell.byte_lengths) {
            if let Some(prefix) = text.get(..len as usize) {
                self.propose_key(cell, Kind::BytePrefix, prefix, out);
            }
        }
    }

    /// The longest byte prefix of the text that a rule is for: the first rule with it, and its length.
    pub(super) fn longest_byte_prefix(&self, cell: &Cell) -> Option<(usize, RuleRef)> {
        let (rules, text) = (self.rules, &self.scratch.text);
        rules.postings(cell.byte_lengths).find_map(|len| {
            let prefix = text.get(..len as usize)?;
            let hash = key_hash(rules.hash(prefix), cell.id, Kind::BytePrefix);
            let is_it = |rule: &u32| {
                let blob = rules.blob(RuleRef(*rule));
                blob.cell == cell.id && blob.key == prefix
            };
            rules.prefix().probe(hash).find(is_it).map(|rule| (prefix.len(), RuleRef(rule)))
        })
    }

    fn propose_segments(&mut self, cell: &Cell, text: &[u8], out: &mut Vec<u32>) {
        let (Some(root), Some(rest)) = (cell.root, text.strip_prefix(b"/")) else { return };
        let rules = self.rules;
        rules.trie().walk(root, Some(rest), &|segment| rules.hash(segment), &mut |list| {
            out.extend(rules.postings((list.start, list.len)));
            false
        });
    }

    fn propose_regexes(&mut self, cell: &Cell, text: &[u8], out: &mut Vec<u32>) {
        let from = out.len();
        if cell.has_grams {
            let table = self.rules.grams();
            for (length, map) in grams::LENGTHS.into_iter().zip(self.rules.gram_bits()) {
                if map.is_empty() {
                    continue;
                }
                for run in text.windows(length) {
                    let hash = grams::hash(cell.id, run);
                    if grams::may_hold(map, hash) {
                        out.extend(table.probe(hash).filter(|&rule| self.rules.blob(RuleRef(rule)).cell == cell.id));
                    }
                }
            }
        }
        out.extend(self.rules.postings(cell.always));
        let regexes = &mut out[from..];
        if regexes.len() > 1 {
            let rules = self.rules;
            let weight = |rule: u32| rules.shape(rules.blob(RuleRef(rule)).shape).weight();
            regexes.sort_unstable_by_key(|&rule| (Reverse(weight(rule)), rule));
            let mut kept = from;
            for at in from..out.len() {
                if at == from || out[at] != out[kept - 1] {
                    out[kept] = out[at];
                    kept += 1;
                }
            }
            out.truncate(kept);
        }
    }
}

/// The hash by which a key is filed: that of its text, its cell and its kind.
#[inline]
pub(crate) fn key_hash(text: u64, cell: u32, kind: Kind) -> u64 {
    let salt = (u64::from(cell) << 8 | kind as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (text ^ salt).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32)
}

/// The hash by which a cell is filed.
pub(crate) fn cell_hash(host: u64, plane: u16, kind: u8) -> u64 {
    let salt = (u64::from(plane) << 8 | u64::from(kind)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (host ^ salt).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32)
}
