//! What is sent for a decision: status, fields and the small page, for HTTP/1.1 written and for HTTP/2 as values.
//!
//! An [`Answer`] borrows everything from the decision; [`Answer::write`] puts it into the thread's buffer piece by piece, without
//! an allocation and without a formatter.

use byway_core::decision::{FieldLines, Storing};
use byway_core::status::RedirectStatus;
use byway_core::{Decision, Outcome, Refusal};
use byway_tower::page;

use crate::clock::Clock;
use crate::downgrade::Downgrade;
use crate::head::{BadHead, Persistence, Version};
use crate::settings::{Asked, Page, Unmatched};

/// An answer, not yet in the form of any protocol.
#[derive(Clone, Debug)]
pub(crate) struct Answer<'d> {
    pub(crate) status: u16,
    pub(crate) location: Option<&'d str>,
    pub(crate) cache_control: &'d str,
    pub(crate) vary: &'d str,
    pub(crate) retry_after: Option<u32>,
    /// `Strict-Transport-Security`.
    pub(crate) hsts: Option<&'d str>,
    /// Further fields, as the rules say.
    pub(crate) fields: FieldLines<'d>,
    pub(crate) content: Content<'d>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content<'d> {
    /// Nothing, and no length: 204.
    None,
    /// The link, for a method.
    Link(RedirectStatus, &'d str, &'d str),
    /// A title and a sentence.
    Plain(&'static str, &'d str),
    /// A page made elsewhere.
    Page(Page),
}

/// The methods that are served: all but CONNECT and TRACE, and any that is not known.
/// The methods that a 405 names (RFC 9110 §15.5.6).
pub(crate) const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const NO_STORE: &str = "no-store";

impl<'d> Answer<'d> {
    /// The answer to what the rules said.
    pub(crate) fn of<'a>(
        decision: &Decision<'d>,
        unmatched: &Unmatched,
        method: &'d str,
        asked: impl FnOnce() -> Asked<'a>,
    ) -> Answer<'d> {
        let mut answer = match &decision.outcome {
            Outcome::Redirect(redirect) => Answer {
                location: Some(redirect.location.as_str()),
                cache_control: redirect.cache_control,
                content: Content::Link(redirect.status, method, redirect.location.as_str()),
                ..Answer::plain(redirect.status.number(), "")
            },
            Outcome::Reply(reply) => Answer {
                cache_control: reply.cache_control,
                retry_after: reply.retry_after,
                ..Answer::plain(reply.status.number(), sentence(reply.status.number()))
            },
            Outcome::Pass => unmatched_answer(unmatched, asked),
            Outcome::Refuse(refusal) => Answer::plain(refusal.status(), Refusal::reason(*refusal)),
        };
        answer.vary = decision.vary;
        answer.fields = decision.fields;
        if decision.storing == Storing::Forbidden {
            answer.cache_control = NO_STORE;
        }
        answer
    }

    /// The answer to a head that was refused.
    pub(crate) fn refused(bad: BadHead) -> Answer<'static> {
        Answer::plain(bad.status(), bad.reason())
    }

    fn plain(status: u16, sentence: &'d str) -> Answer<'d> {
        let content = match status {
            204 | 304 => Content::None,
            status => Content::Plain(reason(status), sentence),
        };
        let fields = FieldLines::default();
        Answer {
            status,
            location: None,
            cache_control: NO_STORE,
            vary: "",
            retry_after: None,
            hsts: None,
            fields,
            content,
        }
    }

    /// 307 in the place of 308: the same place, for now, and kept by nobody who would have kept the other.
    pub(crate) fn become_temporary(&mut self) {
        let status = RedirectStatus::TemporaryRedirect;
        self.status = status.number();
        self.cache_control = Downgrade::CACHE_CONTROL;
        if let Content::Link(_, method, location) = self.content {
            self.content = Content::Link(status, method, location);
        }
    }

    /// Writes the answer as HTTP/1.1 (the status line says 1.1 to HTTP/1.0 as well: RFC 9110 §2.5).
    pub(crate) fn write(&self, to: To<'_>, clock: &Clock, out: &mut Vec<u8>) {
        write_status(self.status, out);
        clock.write_date(out);
        if let Some(location) = self.location {
            push(out, &["Location: ", location, "\r\n"]);
        }
        self.write_fields(out);
        match (to.persistence, to.version) {
            (Persistence::Close, _) => push(out, &["Connection: close\r\n"]),
            (Persistence::KeepAndSay, _) => push(out, &["Connection: keep-alive\r\n"]),
            (Persistence::Keep, _) => {}
        }
        push(out, &["\r\n"]);
        if to.method != "HEAD" {
            self.content.write(out);
        }
    }

    fn write_fields(&self, out: &mut Vec<u8>) {
        if let Some(length) = self.content.len() {
            push(out, &["Content-Type: ", self.content.media_type(), "\r\nContent-Length: "]);
            push_number(length as u64, out);
            push(out, &["\r\n"]);
        }
        if !self.cache_control.is_empty() {
            push(out, &["Cache-Control: ", self.cache_control, "\r\n"]);
        }
        if !self.vary.is_empty() {
            push(out, &["Vary: ", self.vary, "\r\n"]);
        }
        if let Some(hsts) = self.hsts {
            push(out, &["Strict-Transport-Security: ", hsts, "\r\n"]);
        }
        out.extend_from_slice(self.fields.as_str().as_bytes());
        if let Some(seconds) = self.retry_after {
            push(out, &["Retry-After: "]);
            push_number(u64::from(seconds), out);
            push(out, &["\r\n"]);
        }
        if self.status == 405 {
            push(out, &["Allow: ", ALLOWED, "\r\n"]);
        }
    }
}

/// To whom an answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To<'a> {
    pub(crate) method: &'a str,
    pub(crate) version: Version,
    pub(crate) persistence: Persistence,
}

impl Content<'_> {
    /// How long it is; `None` where there is no content at all.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Content::None => None,
            Content::Link(status, method, location) => Some(page::redirect_for_len(*status, method, location)),
            Content::Plain(title, sentence) => Some(page::plain_len(title, sentence)),
            Content::Page(page) => Some(page.body.len()),
        }
    }

    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Content::Page(page) => page.content_type,
            _ => page::CONTENT_TYPE,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Content::None => {}
            Content::Link(status, method, location) => page::redirect_for(*status, method, location, out),
            Content::Plain(title, sentence) => page::plain(title, sentence, out),
            Content::Page(page) => out.extend_from_slice(&page.body),
        }
    }
}

fn unmatched_answer<'a, 'd>(unmatched: &Unmatched, asked: impl FnOnce() -> Asked<'a>) -> Answer<'d> {
    let page = match unmatched {
        Unmatched::Status(status) => return Answer::plain(*status, sentence(*status)),
        Unmatched::Page(page) => Some(page.clone()),
        Unmatched::Pages(pages) => pages.page(&asked()),
    };
    match page {
        Some(page) => {
            let plain = Answer::plain(page.status, "");
            match plain.content {
                Content::None => plain,
                _ => Answer { content: Content::Page(page), ..plain },
            }
        }
        None => Answer::plain(404, sentence(404)),
    }
}

fn sentence(status: u16) -> &'static str {
    match status {
        403 => "This is not for you.",
        404 => "Nothing is here, and nothing says where it went.",
        410 => "This is gone for good.",
        421 => "This host is not served here.",
        451 => "This may not be shown, for legal reasons.",
        503 => "This is not available for now. Please try again later.",
        _ => "",
    }
}

fn write_status(status: u16, out: &mut Vec<u8>) {
    // The one that matters is written in one piece.
    if status == RedirectStatus::TemporaryRedirect.number() {
        return out.extend_from_slice(b"HTTP/1.1 307 Temporary Redirect\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    push_number(u64::from(status), out);
    push(out, &[" ", reason(status), "\r\n"]);
}

/// Reason phrases (RFC 9110 §15), those that byway may send; a status set by a person may have none.
pub(crate) fn reason(status: u16) -> &'static str {
    if let Some(redirect) = RedirectStatus::from_number(status) {
        return redirect.reason();
    }
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "",
    }
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// Decimal digits.
pub(crate) fn push_number(number: u64, out: &mut Vec<u8>) {
    let (mut digits, mut at, mut left) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written() {
        let mut out = Vec::new();
        for number in [0, 7, 10, 307, u64::MAX] {
            push_number(number, &mut out);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 307 18446744073709551615 ");
    }

    #[test]
    fn head_gets_the_fields_of_get() {
        let to = |method| To { method, version: Version::Http11, persistence: Persistence::Close };
        let (mut get, mut head, clock) = (Vec::new(), Vec::new(), Clock::new());
        let answer = Answer::refused(BadHead::Method);
        answer.write(to("GET"), &clock, &mut get);
        answer.write(to("HEAD"), &clock, &mut head);
        assert!(get.starts_with(&head) && head.ends_with(b"\r\n\r\n") && get.len() > head.len());
        assert!(String::from_utf8(head).is_ok_and(|head| head.contains(ALLOWED)));
    }
}
