//! What the rules say of one request.
//!
//! A [`Decision`] borrows from the rule set and from the scratch space of the one who asked; it lives as long as the answer is
//! being written and no longer.

use crate::location::Location;
use crate::ruleset::RuleRef;
use crate::status::{RedirectStatus, ReplyStatus};

/// What the rules say of one request.
#[derive(Debug)]
pub struct Decision<'s> {
    /// What to answer.
    pub outcome: Outcome<'s>,
    /// The rule that decided; `None` on a pass that no rule asked for.
    pub rule: Option<RuleRef>,
    /// The value of `Vary`: the names of the header fields that were consulted, lower case, each once, joined by `, `; empty where
    /// there are none. It holds on a pass as well.
    pub vary: &'s str,
    /// Whether a cache may keep the answer for other visitors.
    pub storing: Storing,
    /// Further fields of the answer; on a pass, of whatever answer it gets.
    pub fields: FieldLines<'s>,
    /// The visitor's variants in the splits that were asked about, as `checkout=b,signup=a`; empty where there were none, or the
    /// visitor is not counted.
    pub variants: &'s str,
}

/// Header fields as they are sent: whole lines of HTTP/1.1, each with its CR and LF. Only the core makes them, of names that are
/// tokens and values without controls.
///
/// ```
/// use byway_core::decision::FieldLines;
/// assert_eq!(FieldLines::default().iter().count(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldLines<'s>(pub(crate) &'s str);

impl<'s> FieldLines<'s> {
    /// The lines, as HTTP/1.1 sends them.
    pub fn as_str(self) -> &'s str {
        self.0
    }

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.0.split_terminator("\r\n").filter_map(|line| line.split_once(": "))
    }
}

/// Whether what was consulted can be said in `Vary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Storing {
    /// It can: the usual `Cache-Control` stands.
    Allowed,
    /// It depended on something no cache can see (the address): `no-store`.
    Forbidden,
}

/// What to answer.
#[derive(Debug, PartialEq)]
pub enum Outcome<'s> {
    /// Send the client elsewhere.
    Redirect(Redirect<'s>),
    /// Answer without a Location.
    Reply(Reply<'s>),
    /// No rule takes the request.
    Pass,
    /// A rule takes it and cannot be carried out.
    Refuse(Refusal),
}

/// A redirect, ready to be sent.
#[derive(Debug, PartialEq)]
pub struct Redirect<'s> {
    /// The status for this method.
    pub status: RedirectStatus,
    /// The reference to send.
    pub location: Location<'s>,
    /// `Cache-Control` as the rule says, or the default of the status: `no-store`, or `max-age=3600` for a permanent one.
    pub cache_control: &'s str,
}

/// A reply without Location.
#[derive(Debug, PartialEq)]
pub struct Reply<'s> {
    /// The status.
    pub status: ReplyStatus,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
    /// `Cache-Control` as the rule says, or `no-store`.
    pub cache_control: &'s str,
}

/// Why a rule that takes a request cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The Location would not be a valid one: 400.
    InvalidLocation,
    /// The Location would be longer than 8,000 bytes: 414.
    LocationTooLong,
    /// A pattern used up its steps: 500.
    PatternTooCostly,
    /// A request was rewritten more often than its dialect allows: 500.
    RewriteLimit,
    /// The path of the request climbs above its root or holds a NUL, and the server whose rules these are refuses that: 400.
    InvalidPath,
    /// The path of the request holds an encoded slash, and the server whose rules these are finds nothing there: 404.
    EncodedSlash,
    /// The request brings a `?`, a blank or a control where the server whose rules these are lets none in: 403.
    QuestionMark,
    /// An upgrade to https would come back as http: a proxy in front says so, and is not trusted: 508.
    UpgradeLoop,
}

impl Refusal {
    /// All refusals, in the order in which they are counted.
    pub const ALL: [Refusal; 8] = [
        Refusal::InvalidLocation,
        Refusal::LocationTooLong,
        Refusal::PatternTooCostly,
        Refusal::RewriteLimit,
        Refusal::InvalidPath,
        Refusal::EncodedSlash,
        Refusal::UpgradeLoop,
        Refusal::QuestionMark,
    ];

    /// The status to answer.
    pub const fn status(self) -> u16 {
        match self {
            Refusal::InvalidLocation | Refusal::InvalidPath => 400,
            Refusal::QuestionMark => 403,
            Refusal::EncodedSlash => 404,
            Refusal::LocationTooLong => 414,
            Refusal::PatternTooCostly | Refusal::RewriteLimit => 500,
            Refusal::UpgradeLoop => 508,
        }
    }

    /// A short name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::InvalidLocation => "invalid_location",
            Refusal::LocationTooLong => "location_too_long",
            Refusal::PatternTooCostly => "pattern_too_costly",
            Refusal::RewriteLimit => "rewrite_limit",
            Refusal::InvalidPath => "invalid_path",
            Refusal::EncodedSlash => "encoded_slash",
            Refusal::QuestionMark => "question_mark",
            Refusal::UpgradeLoop => "upgrade_loop",
        }
    }

    /// One sentence for logs, `explain` and the body of the answer.
    pub const fn reason(self) -> &'static str {
        match self {
            Refusal::InvalidLocation => "the location made from this request would not be valid",
            Refusal::LocationTooLong => "the location made from this request would be longer than 8,000 bytes",
            Refusal::PatternTooCostly => "a pattern used up its steps on this request",
            Refusal::RewriteLimit => "the request was rewritten too often",
            Refusal::InvalidPath => "the path climbs above its root, or holds a NUL",
            Refusal::EncodedSlash => {
                "the path holds an encoded slash, and these rules are read as by a server that finds nothing there"
            }
            Refusal::QuestionMark => {
                "the request brings a `?`, a blank or a control where mod_rewrite lets none in (UnsafeAllow3F)"
            }
            Refusal::UpgradeLoop => {
                "a proxy in front already says https (X-Forwarded-Proto), but it is not trusted: the upgrade would loop"
            }
        }
    }
}
