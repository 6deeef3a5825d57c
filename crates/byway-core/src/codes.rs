//! What each redirect status means to people, clients, caches and search engines, and when to use it.
//!
//! One table of facts ([`facts`]), printed on a terminal by `byway codes` ([`render_text`]) and as the page
//! `docs/which-redirect.md` ([`render_markdown`]). The numbers themselves and their two axes are in [`crate::status`]; what
//! exactly each client sends is in [`crate::client`].

mod render;
mod replies;
mod table;

pub use render::{render_markdown, render_reply, render_text};

use crate::status::{RedirectStatus, ReplyStatus};

/// What is known of one redirect status. Texts are plain sentences; `code` in backticks.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    /// The status.
    pub status: RedirectStatus,
    /// Where it is defined.
    pub section: &'static str,
    /// What it says, in one sentence.
    pub says: &'static str,
    /// What becomes of the method.
    pub method: &'static str,
    /// What becomes of the body.
    pub body: &'static str,
    /// Whether it is stored by a cache that was told nothing.
    pub caching: &'static str,
    /// What Google documents.
    pub google: Documented,
    /// What Bing documents.
    pub bing: Documented,
    /// What is often said of it, and what is known.
    pub claims: &'static [Claim],
    /// When to use it.
    pub when: &'static [&'static str],
    /// When not to.
    pub never: &'static [&'static str],
    /// Who fails on it.
    pub fails: &'static [Failure],
    /// How to write it.
    pub lines: &'static [Line],
}

/// What a search engine documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Documented {
    /// What it says; words in quotation marks are its own.
    pub says: &'static str,
    /// Where, and when that was seen.
    pub source: &'static str,
}

/// A common claim that goes further than what is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim.
    pub claim: &'static str,
    /// What is known.
    pub known: &'static str,
}

/// A client or proxy that does not do what the status asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who, with the version it was seen with.
    pub who: &'static str,
    /// What it does.
    pub does: &'static str,
}

/// How one server is told to send the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The server.
    pub server: &'static str,
    /// The word for its language behind a Markdown fence.
    pub language: &'static str,
    /// The text.
    pub text: &'static str,
}

/// What is known of a reply that is no redirect.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplyFacts {
    /// The status.
    pub status: ReplyStatus,
    /// Where it is defined.
    pub section: &'static str,
    /// What it says, in one sentence.
    pub says: &'static str,
    /// Whether it is stored by a cache that was told nothing.
    pub caching: &'static str,
    /// When to use it.
    pub when: &'static str,
    /// When not to.
    pub never: &'static str,
}

/// What is known of this status.
///
/// ```
/// use byway_core::codes;
/// use byway_core::status::RedirectStatus;
/// let facts = codes::facts(RedirectStatus::TemporaryRedirect);
/// assert!(facts.never.iter().any(|never| never.contains("RFC 9700")));
/// ```
pub const fn facts(status: RedirectStatus) -> &'static Facts {
    match status {
        RedirectStatus::MovedPermanently => &table::MOVED_PERMANENTLY,
        RedirectStatus::Found => &table::FOUND,
        RedirectStatus::SeeOther => &table::SEE_OTHER,
        RedirectStatus::TemporaryRedirect => &table::TEMPORARY_REDIRECT,
        RedirectStatus::PermanentRedirect => &table::PERMANENT_REDIRECT,
    }
}

/// What is known of this reply; `None` for one that byway's own rules do not give.
///
/// ```
/// use byway_core::codes;
/// use byway_core::status::ReplyStatus;
/// assert!(codes::reply_facts(ReplyStatus::ServiceUnavailable).is_some_and(|facts| facts.when.contains("Retry-After")));
/// assert!(codes::reply_facts(ReplyStatus::Forbidden).is_none());
/// ```
pub fn reply_facts(status: ReplyStatus) -> Option<&'static ReplyFacts> {
    replies::REPLIES.iter().find(|facts| facts.status == status)
}
