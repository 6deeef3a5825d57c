//! Patterns of segments as a tree: literal children by hash, one child for a capture, and the rules that end at a node.
//!
//! A walk tries the literal child before the capture and deeper before the tail, which is the order of specificity, segment by
//! segment from the left.

use std::collections::HashMap;

use super::hash::{Entry, HashTable};
use crate::source::Segment;
use crate::wire::{Put, u32_at};

/// Bytes of a node in the file: parent, label hash, capture child, ends, tails.
const NODE: usize = 32;
/// The deepest node: the segments of the longest pattern.
pub(crate) const DEPTH: u32 = 128;
/// Nodes that one walk looks at. No tree that was checked comes near it.
const STEPS: u32 = 100_000;
/// No node.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Default)]
struct Building {
    parent: u32,
    label: u64,
    capture: Option<u32>,
    ends: Vec<u32>,
    tails: Vec<u32>,
}

/// A tree that is being built.
#[derive(Default)]
pub(crate) struct TrieBuilder {
    nodes: Vec<Building>,
    children: HashMap<(u32, u64), u32>,
}

impl TrieBuilder {
    /// A new root.
    pub(crate) fn root(&mut self) -> u32 {
        self.node(NONE, 0)
    }

    fn node(&mut self, parent: u32, label: u64) -> u32 {
        self.nodes.push(Building { parent, label, ..Building::default() });
        self.nodes.len() as u32 - 1
    }

    /// Adds a rule under a root; `hash` is that of a segment's text.
    pub(crate) fn insert(
        &mut self,
        root: u32,
        segments: &[Segment<'_>],
        tail: bool,
        rule: u32,
        hash: impl Fn(&[u8]) -> u64,
    ) {
        let mut node = root;
        for segment in segments {
            node = match segment {
                Segment::Literal(text) => {
                    let label = hash(text);
                    match self.children.get(&(node, label)) {
                        Some(&child) => child,
                        None => {
                            let child = self.node(node, label);
                            self.children.insert((node, label), child);
                            child
                        }
                    }
                }
                Segment::Named(_) | Segment::Star => match self.nodes[node as usize].capture {
                    Some(child) => child,
                    None => {
                        let child = self.node(node, 0);
                        self.nodes[node as usize].capture = Some(child);
                        child
                    }
                },
            };
        }
        let node = &mut self.nodes[node as usize];
        if tail { node.tails.push(rule) } else { node.ends.push(rule) }
    }

    /// Freezes the tree: nodes, the hash table of its edges, and lists of rules in `postings`.
    pub(crate) fn freeze(self, weight: impl Fn(u32) -> u16, postings: &mut Vec<u32>) -> (Vec<u8>, Vec<u8>) {
        let mut nodes = Vec::with_capacity(self.nodes.len() * NODE);
        let mut list = |mut rules: Vec<u32>, out: &mut Vec<u8>| {
            rules.sort_by_key(|&rule| (u16::MAX - weight(rule), rule));
            out.put_u32(postings.len() as u32);
            out.put_u32(rules.len() as u32);
            postings.append(&mut rules);
        };
        let mut entries = Vec::with_capacity(self.children.len());
        for (number, node) in self.nodes.into_iter().enumerate() {
            if node.label != 0 || self.children.get(&(node.parent, 0)) == Some(&(number as u32)) {
                entries.push(Entry::new(edge(node.parent, node.label), number as u32));
            }
            nodes.put_u32(node.parent);
            nodes.put_u32((node.label >> 32) as u32);
            nodes.put_u32(node.capture.unwrap_or(NONE));
            nodes.put_u32(0);
            list(node.ends, &mut nodes);
            list(node.tails, &mut nodes);
        }
        let mut edges = Vec::new();
        super::hash::freeze(entries, |_| 0, &mut edges);
        (nodes, edges)
    }
}

/// The hash of the edge from a node by a label.
fn edge(node: u32, label: u64) -> u64 {
    (label ^ u64::from(node).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32)
}

/// A frozen tree, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Trie<'s> {
    pub(crate) nodes: &'s [u8],
    pub(crate) edges: HashTable<'s>,
}

/// How far a walk has come.
struct Way {
    depth: u32,
    steps: u32,
}

/// Which list of rules a walk has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Postings {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Trie<'_> {
    fn at(&self, node: u32, field: usize) -> u32 {
        u32_at(self.nodes, node as usize * NODE + field)
    }

    fn list(&self, node: u32, field: usize) -> Postings {
        Postings { start: self.at(node, field), len: self.at(node, field + 4) }
    }

    fn literal(&self, node: u32, label: u64) -> Option<u32> {
        self.edges
            .probe(edge(node, label))
            .find(|&child| self.at(child, 0) == node && self.at(child, 4) == (label >> 32) as u32)
    }

    /// Lists of rules for `rest`, the path behind the slash of this node (`None` at its end), in order of specificity, until
    /// `visit` returns `true`.
    pub(crate) fn walk(
        &self,
        node: u32,
        rest: Option<&[u8]>,
        hash: &impl Fn(&[u8]) -> u64,
        visit: &mut impl FnMut(Postings) -> bool,
    ) -> bool {
        let mut way = Way { depth: 0, steps: 0 };
        self.go(node, rest, hash, visit, &mut way)
    }

    fn go(
        &self,
        node: u32,
        rest: Option<&[u8]>,
        hash: &impl Fn(&[u8]) -> u64,
        visit: &mut impl FnMut(Postings) -> bool,
        way: &mut Way,
    ) -> bool {
        way.steps += 1;
        if way.depth > DEPTH || way.steps > STEPS {
            return way.steps > STEPS;
        }
        way.depth += 1;
        let done = self.at_node(node, rest, hash, visit, way);
        way.depth -= 1;
        done
    }

    fn at_node(
        &self,
        node: u32,
        rest: Option<&[u8]>,
        hash: &impl Fn(&[u8]) -> u64,
        visit: &mut impl FnMut(Postings) -> bool,
        way: &mut Way,
    ) -> bool {
        let Some(rest) = rest else {
            return self.offer(node, 16, visit) || self.offer(node, 24, visit);
        };
        let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let (segment, below) = (&rest[..end], rest.get(end + 1..));
        if let Some(child) = self.literal(node, hash(segment))
            && self.go(child, below, hash, visit, way)
        {
            return true;
        }
        let capture = self.at(node, 8);
        if !segment.is_empty() && capture != NONE && self.go(capture, below, hash, visit, way) {
            return true;
        }
        self.offer(node, 24, visit)
    }

    fn offer(&self, node: u32, field: usize, visit: &mut impl FnMut(Postings) -> bool) -> bool {
        let list = self.list(node, field);
        list.len > 0 && visit(list)
    }

    /// Whether nodes and postings stay inside their sections.
    pub(crate) fn is_sound(&self, postings: usize) -> bool {
        let count = (self.nodes.len() / NODE) as u32;
        let fits = |list: Postings| list.start as usize + list.len as usize <= postings;
        // Every node hangs on one parent before it, and none deeper than a pattern may be, so that a walk ends soon.
        let mut depths = vec![0u32; count as usize];
        for node in 0..count {
            let parent = self.at(node, 0);
            depths[node as usize] = match depths.get(parent as usize) {
                _ if parent == NONE => 0,
                Some(depth) if parent < node => depth + 1,
                _ => return false,
            };
        }
        if depths.iter().any(|&depth| depth > DEPTH) {
            return false;
        }
        self.nodes.len().is_multiple_of(NODE)
            && (0..count).all(|node| {
                let capture = self.at(node, 8);
                (capture == NONE || capture < count && self.at(capture, 0) == node)
                    && fits(self.list(node, 16))
                    && fits(self.list(node, 24))
            })
            && self.edges.references().all(|child| child < count && self.at(child, 0) < child)
    }
}
