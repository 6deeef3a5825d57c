//! CORS: a preflight is answered by the rule that would take the request it asks about, or passes; it is never redirected.
//!
//! Also here: the fields that a rule's answer carries beside the usual ones, those of CORS among them.

use super::{Flow, Verdict, Walk, Watch, What};
use crate::condition::Depends;
use crate::extras::RawCors;
use crate::request::Request;
use crate::ruleset::shape::Shape;
use crate::ruleset::{Table, TableId};
use crate::status::ReplyStatus;

const METHOD: &str = "access-control-request-method";
/// The longest method that a preflight may ask about; those in use have a dozen letters.
const METHOD_LIMIT: usize = 64;

/// Whether a request is a CORS preflight (Fetch, "CORS-preflight request").
pub(super) fn is_one(request: &Request<'_>) -> bool {
    let mut asked = false;
    if request.method == "OPTIONS" {
        request.fields.for_each(METHOD, &mut |_| asked = true);
    }
    asked
}

/// The method that a preflight asks about, where it is one.
pub(super) fn method(request: &Request<'_>) -> Option<String> {
    let mut asked = None;
    if request.method == "OPTIONS" {
        request.fields.for_each(METHOD, &mut |value| {
            let text = std::str::from_utf8(value.trim_ascii()).ok();
            asked = text.filter(|text| text.len() <= METHOD_LIMIT).map(str::to_owned);
        });
    }
    asked
}

impl<'w, W: Watch> Walk<'w, W> {
    /// A preflight in a table of our own: searched as the request that it asks about.
    pub(super) fn preflight(&mut self, id: TableId, table: &Table) -> Flow {
        if let Some(asked) = self.asked {
            let sent = std::mem::replace(&mut self.request, asked);
            let found = self.search(table);
            self.request = sent;
            self.scratch.fields.clear();
            if let Flow::Done(Verdict { rule: Some(rule), what: What::Redirect(_) | What::Reply(..) }) = found
                && let Some(cors) = self.shape_of(rule).cold().extras.and_then(|extras| extras.cors)
            {
                self.say_cors(&cors);
                cors.push_preflight(&mut self.scratch.fields);
                return Flow::Done(Verdict { rule: Some(rule), what: What::Reply(ReplyStatus::NoContent, None) });
            }
        }
        self.watch.preflight(id);
        Flow::Leave
    }

    /// Writes what a rule's answer says beside status, location and `Cache-Control`.
    #[inline]
    pub(super) fn say_extras(&mut self, shape: Shape<'_>) {
        if shape.has_extras()
            && let Some(extras) = shape.cold().extras
        {
            extras.push(&mut self.scratch.fields);
            if let Some(cors) = &extras.cors {
                self.say_cors(cors);
            }
        }
    }

    /// Who may read the answer: the origin that asks, if it is listed, and never whoever asks.
    fn say_cors(&mut self, cors: &RawCors<'_>) {
        if !cors.is_open() {
            self.note_dependence(Depends::OnField("origin"), "");
        }
        let (mut origin, request) = (None, self.request);
        // Of several fields, which no browser sends, none counts.
        let mut fields = 0;
        request.fields.for_each("origin", &mut |value| {
            fields += 1;
            origin = cors.listed(value);
        });
        if fields <= 1 {
            cors.push_origin(origin, &mut self.scratch.fields);
        }
    }
}
