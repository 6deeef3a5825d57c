//! Decisions as HTTP responses.

use bytes::Bytes;
use byway_core::decision::{FieldLines, Storing};
use byway_core::status::ReplyStatus;
use byway_core::{Decision, Outcome};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::page;

/// What a decision comes to: a response with its page, or nothing on a pass.
pub(crate) fn response(decision: &Decision<'_>, method: &str) -> Option<Response<Bytes>> {
    let mut content = Vec::new();
    let (status, cache_control) = match &decision.outcome {
        Outcome::Pass => return None,
        Outcome::Redirect(redirect) => {
            page::redirect_for(redirect.status, method, redirect.location.as_str(), &mut content);
            (redirect.status.number(), redirect.cache_control)
        }
        Outcome::Reply(reply) => {
            if reply.status != ReplyStatus::NoContent {
                page::plain(reply.status.reason(), "", &mut content);
            }
            (reply.status.number(), reply.cache_control)
        }
        Outcome::Refuse(refusal) => {
            page::plain("This redirect cannot be given", refusal.reason(), &mut content);
            (refusal.status(), "no-store")
        }
    };
    let mut response = Response::new(Bytes::from(content));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !response.body().is_empty() {
        set(&mut response, header::CONTENT_TYPE, page::CONTENT_TYPE);
    }
    set(&mut response, header::CACHE_CONTROL, cache_control);
    if decision.storing == Storing::Forbidden {
        set(&mut response, header::CACHE_CONTROL, "no-store");
    }
    if !decision.vary.is_empty() {
        set(&mut response, header::VARY, decision.vary);
    }
    match &decision.outcome {
        Outcome::Redirect(redirect) => set(&mut response, header::LOCATION, redirect.location.as_str()),
        Outcome::Reply(reply) => {
            if let Some(seconds) = reply.retry_after {
                set(&mut response, header::RETRY_AFTER, &seconds.to_string());
            }
        }
        Outcome::Pass | Outcome::Refuse(_) => {}
    }
    append(decision.fields, response.headers_mut());
    Some(response)
}

/// Adds the further fields of a decision.
pub(crate) fn append(fields: FieldLines<'_>, to: &mut HeaderMap) {
    for (name, value) in fields.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            to.append(name, value);
        }
    }
}

/// What is not valid in a field is left out; a Location is valid by its type.
fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
