//! What a pattern sees of a request, and whether it fits.

use super::{Walk, Watch};
use crate::dialect::{EncodedSlash, LetterCase, TrailingSlash, View};
use crate::path;
use crate::regex::{Match, Span};
use crate::ruleset::shape::Kind;
use crate::ruleset::{Plane, RuleRef, Table, TableId};
use crate::source::Segment;

/// A form of the path, as the rules of a plane look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    view: View,
    encoded: EncodedSlash,
    case: LetterCase,
    slash: TrailingSlash,
    /// The table whose folder is taken from its front.
    strip: Option<TableId>,
}

impl<'w, W: Watch> Walk<'w, W> {
    pub(super) fn raw_path(&self) -> &[u8] {
        self.scratch.working.as_deref().unwrap_or(self.request.path)
    }

    pub(super) fn query(&self) -> Option<&[u8]> {
        match &self.scratch.working_query {
            Some(query) => query.as_deref(),
            None => self.request.query,
        }
    }

    /// Brings the path into the form that a plane sees, unless it is in it.
    pub(super) fn look(&mut self, table: &Table, plane: &Plane) {
        let strip = table.strips().then_some(table.id);
        let form = Form {
            view: plane.view,
            encoded: table.dialect.encoded_slash,
            case: plane.case,
            slash: plane.slash,
            strip,
        };
        if self.scratch.text_of == Some(form) {
            return;
        }
        let mut text = std::mem::take(&mut self.scratch.text);
        text.clear();
        self.write_view(plane.view, table.dialect.encoded_slash, &mut text);
        if table.strips() {
            let folder = self.rules.strip_of(table);
            if text.starts_with(folder) {
                text.drain(..folder.len());
            }
        }
        if plane.case == LetterCase::Ignored {
            text.make_ascii_lowercase();
        }
        if plane.slash == TrailingSlash::Either && text.len() > 1 && text.last() == Some(&b'/') {
            text.pop();
        }
        self.scratch.text = text;
        self.scratch.text_of = Some(form);
    }

    fn write_view(&self, view: View, slash: EncodedSlash, out: &mut Vec<u8>) {
        if view == View::Given {
            return out.extend_from_slice(self.scratch.given.as_deref().unwrap_or_default());
        }
        let raw = self.raw_path();
        let is_working = self.scratch.working.is_some();
        match view {
            View::Raw => out.extend_from_slice(raw),
            // What a rule has written is decoded already.
            _ if is_working => out.extend_from_slice(raw),
            View::Unreserved => path::push_unreserved_quickly(raw, out),
            View::Decoded => path::push_decoded(raw, out),
            View::Normalised => path::push_normalised(raw, slash, out),
            View::Apart => path::push_apart(raw, out),
            View::Given => {}
            View::PathAndQuery | View::Url => {
                if view == View::Url {
                    out.extend_from_slice(self.request.scheme.as_str().as_bytes());
                    out.extend_from_slice(b"://");
                    out.extend_from_slice(self.request.host.as_bytes());
                    if self.request.port != self.request.scheme.default_port() {
                        out.extend_from_slice(format!(":{}", self.request.port).as_bytes());
                    }
                }
                out.extend_from_slice(raw);
                if let Some(query) = self.query() {
                    out.push(b'?');
                    out.extend_from_slice(query);
                }
            }
        }
    }

    /// Whether the path pattern of a rule fits the text, with its groups left in `spans`.
    pub(super) fn source_matches(&mut self, rule: RuleRef) -> bool {
        let blob = self.rules.blob(rule);
        let shape = self.rules.shape(blob.shape);
        let text = std::mem::take(&mut self.scratch.text);
        let mut spans = std::mem::take(&mut self.scratch.spans);
        let matched = match shape.kind() {
            Kind::Exact => {
                spans.clear();
                shape.split_key(blob.key).0 == text
            }
            Kind::Prefix => match_prefix(blob.key, &text, &mut spans),
            Kind::BytePrefix => {
                spans.clear();
                let fits = text.starts_with(blob.key);
                if fits {
                    let end = text.len() as u32;
                    spans.extend([Some((0, end)), Some((blob.key.len() as u32, end))]);
                }
                fits
            }
            Kind::Segments => match_segments(blob.key, &text, &mut spans),
            Kind::Regex => {
                match self.scratch.matchers.run(u64::from(rule.0) << 1, blob.key, &text, &mut spans) {
                    Match::Yes => true,
                    Match::No => false,
                    // One that runs out of steps is an answer of its own.
                    Match::TooCostly => {
                        self.pattern_failed = true;
                        true
                    }
                }
            }
        };
        self.scratch.text = text;
        self.scratch.spans = spans;
        matched
    }
}

fn match_prefix(key: &[u8], text: &[u8], spans: &mut Vec<Span>) -> bool {
    spans.clear();
    let fits = text.starts_with(key) && matches!(text.get(key.len()), None | Some(b'/'));
    if fits {
        let end = text.len() as u32;
        spans.extend([Some((0, end)), Some((key.len() as u32, end))]);
    }
    fits
}

fn match_segments(key: &[u8], text: &[u8], spans: &mut Vec<Span>) -> bool {
    let (segments, tail) = crate::ruleset::segments_of(key);
    spans.clear();
    spans.push(Some((0, text.len() as u32)));
    let mut at = 0;
    for pattern in segments {
        if text.get(at) != Some(&b'/') {
            return false;
        }
        let start = at + 1;
        let end = memchr::memchr(b'/', &text[start..]).map_or(text.len(), |slash| start + slash);
        let segment = &text[start..end];
        match pattern {
            Segment::Literal(literal) if literal != segment => return false,
            Segment::Literal(_) => {}
            Segment::Named(_) | Segment::Star if segment.is_empty() => return false,
            Segment::Named(_) | Segment::Star => spans.push(Some((start as u32, end as u32))),
        }
        at = end;
    }
    if tail {
        spans.push(Some((at as u32, text.len() as u32)));
        return matches!(text.get(at), None | Some(b'/'));
    }
    at == text.len()
}
