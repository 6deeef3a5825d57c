//! The bytes of a rule set as they are written: one rule, what it is looked up by, and the file around them.

use super::format::{BLOB_HEAD, BYTE_ORDER, HEADER, MAGIC, Places, Section, VERSION, hash_of};
use super::{Memory, RuleSet, shape};
use crate::dialect::{LetterCase, TrailingSlash};
use crate::rule::{Action, Rule};
use crate::source::{PathPattern, Segment, Source};
use crate::wire::Put;

/// Writes a rule as it lies among the others, and says how long its key is; `None` where a text is too long.
pub(super) fn write_blob(rule: &Rule<'_>, head: [u32; 4], out: &mut Vec<u8>) -> Option<usize> {
    out.clear();
    head.into_iter().for_each(|field| out.put_u32(field));
    out.put_u32(0);
    write_key(&rule.source, out);
    let key_len = out.len() - BLOB_HEAD;
    if let Action::Redirect { target, .. }
    | Action::Rewrite { target, .. }
    | Action::Set { text: target, .. }
    | Action::Call { text: Some(target), .. } = &rule.action
    {
        shape::encode_target(target, out);
    }
    let target_len = out.len() - BLOB_HEAD - key_len;
    out[16..18].copy_from_slice(&u16::try_from(key_len).ok()?.to_le_bytes());
    out[18..20].copy_from_slice(&u16::try_from(target_len).ok()?.to_le_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
    Some(key_len)
}

/// The segments by which a pattern is looked up: where a slash at the end does not count, the empty one behind it is left out.
pub(super) fn looked_up<'r, 'a>(source: &Source<'_>, segments: &'r [Segment<'a>], tail: bool) -> &'r [Segment<'a>] {
    match segments {
        [rest @ .., Segment::Literal(last)]
            if source.slash == TrailingSlash::Either && !tail && last.is_empty() && !rest.is_empty() =>
        {
            rest
        }
        all => all,
    }
}

/// Writes what a source is looked up by.
fn write_key(source: &Source<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    match &source.path {
        PathPattern::Exact(path) | PathPattern::Prefix(path) | PathPattern::BytePrefix { prefix: path, .. } => {
            out.extend_from_slice(path);
        }
        PathPattern::Segments { segments, tail } => {
            out.put_u8(u8::from(*tail));
            for segment in looked_up(source, segments, *tail) {
                let (tag, text): (u8, &[u8]) = match segment {
                    Segment::Literal(text) => (0, text),
                    Segment::Named(name) => (1, name.as_bytes()),
                    Segment::Star => (2, b""),
                };
                out.put_u8(tag);
                out.put_u16(text.len() as u16);
                let from = out.len();
                out.extend_from_slice(text);
                if tag == 0 && source.case == LetterCase::Ignored {
                    out[from..].make_ascii_lowercase();
                }
            }
            return;
        }
        PathPattern::Regex(pattern) => return shape::encode_pattern(pattern, out),
    }
    if source.case == LetterCase::Ignored {
        out[start..].make_ascii_lowercase();
    }
    if source.slash == TrailingSlash::Either && out.len() > start + 1 && out.last() == Some(&b'/') {
        out.pop();
    }
    if matches!(source.path, PathPattern::Exact(_)) {
        for (index, pair) in source.query.iter().enumerate() {
            out.push(if index == 0 { b'?' } else { b'&' });
            crate::source::push_pair(pair, out);
        }
    }
}

/// A file that is being put together.
pub(super) struct Writing {
    pub(super) places: Places,
    pub(super) bytes: Memory,
}

impl Writing {
    /// Adds a section.
    pub(super) fn add(&mut self, section: Section, bytes: Vec<u8>) {
        self.bytes.align(64);
        self.places[section as usize] = (self.bytes.len(), bytes.len());
        self.bytes.append(&bytes);
    }

    /// Writes the header over its room, with the hash of all behind it.
    pub(super) fn seal(mut self, seed: u64, count: u32, traits: u32) -> RuleSet {
        let mut head = Vec::with_capacity(HEADER);
        head.extend_from_slice(MAGIC);
        head.put_u32(VERSION);
        head.put_u32(BYTE_ORDER);
        head.put_u64(seed);
        head.put_u64(0);
        head.put_u64(self.bytes.len() as u64);
        head.put_u32(count);
        head.put_u32(traits);
        for (from, len) in self.places {
            head.put_u64(from as u64);
            head.put_u64(len as u64);
        }
        self.bytes[..HEADER].copy_from_slice(&head);
        let hash = hash_of(&self.bytes[32..], seed);
        self.bytes[24..32].copy_from_slice(&hash.to_le_bytes());
        match RuleSet::of_built(self.bytes) {
            Ok(rules) => rules,
            // What was written a line above has its magic, version, length and hash.
            Err(error) => unreachable!("a rule set just built does not open: {error}"),
        }
    }
}
