//! The space in which decisions are made, and the buffers in it that are not allocated again.

use crate::location::Groups;
use crate::regex::{MatcherCache, Span};
use crate::ruleset::{Cell, RuleRef};

/// Buffers that are kept for the next request.
const BUFFERS: usize = 8;

/// The space in which decisions are made: buffers, and matchers already built. One for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The host asked last, as sent, and in its compared form: most requests ask the same one.
    pub(super) host_sent: String,
    pub(super) host: String,
    pub(super) text: Vec<u8>,
    pub(super) text_of: Option<super::matching::Form>,
    pub(super) spare: Vec<u8>,
    pub(super) spans: Vec<Span>,
    pub(super) condition_groups: Groups,
    pub(super) condition_spans: Vec<Span>,
    pub(super) candidates: Vec<u32>,
    /// The place of a plane, and a cell of it.
    pub(super) cells: Vec<(u32, Cell)>,
    pub(super) ranked: Vec<(RuleRef, u32)>,
    pub(super) pairs: Vec<super::pairs::SentPair>,
    pub(super) ranked_exact: Vec<(std::cmp::Reverse<u16>, u32)>,
    pub(super) location: Vec<u8>,
    pub(super) vary: String,
    pub(super) fields: String,
    pub(super) variants: String,
    pub(super) working: Option<Vec<u8>>,
    pub(super) working_query: Option<Option<Vec<u8>>>,
    pub(super) slots: Vec<Vec<u8>>,
    /// The slots that a rule of this request has filled.
    pub(super) filled: Vec<u16>,
    pub(super) given: Option<Vec<u8>>,
    /// Buffers that nobody holds now.
    pub(super) buffers: Vec<Vec<u8>>,
    pub(super) matchers: MatcherCache,
}

impl Scratch {
    /// An empty one.
    pub fn new() -> Scratch {
        Scratch::default()
    }

    /// Takes back what rules wrote for the request before.
    #[inline]
    pub(super) fn forget_texts(&mut self) {
        let held = [self.working.take(), self.working_query.take().flatten(), self.given.take()];
        held.into_iter().flatten().for_each(|buffer| self.give_back(buffer));
        for slot in self.filled.drain(..) {
            if let Some(text) = self.slots.get_mut(usize::from(slot)) {
                text.clear();
            }
        }
    }

    /// An empty buffer; given back, it is not allocated again.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.buffers.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        if self.buffers.len() < BUFFERS {
            self.buffers.push(buffer);
        }
    }

    /// Brings a host into its compared form; `false` where it is none.
    #[inline]
    pub(super) fn takes_host(&mut self, sent: &str) -> bool {
        if self.host_sent == sent {
            return true;
        }
        self.host.clear();
        self.host_sent.clear();
        if !crate::host::push_normalised(sent, &mut self.host) {
            self.host.clear();
            return false;
        }
        self.host_sent.push_str(sent);
        true
    }
}
