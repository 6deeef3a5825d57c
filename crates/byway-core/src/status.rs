//! The redirect statuses on their two axes, and the statuses of the other answers a rule may give.
//!
//! This is the only place in byway that knows the numbers. What each status means to people, clients and search engines
//! stands beside it in [`crate::codes`]; how a client changes the method is in [`crate::client`].

use std::fmt;

/// A status that redirects (RFC 9110 §15.4.2 to §15.4.9).
///
/// ```
/// use byway_core::status::{MethodRule, Permanence, RedirectStatus};
/// let status = RedirectStatus::from_number(307).unwrap();
/// assert_eq!(status.permanence(), Permanence::Temporary);
/// assert_eq!(status.method_rule(), MethodRule::Preserved);
/// assert_eq!(status.reason(), "Temporary Redirect");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum RedirectStatus {
    /// 301: for good; a client may turn POST into GET.
    MovedPermanently = 301,
    /// 302: for now; a client may turn POST into GET.
    Found = 302,
    /// 303: another resource; every method but HEAD becomes GET.
    SeeOther = 303,
    /// 307: for now, with the same method and body.
    TemporaryRedirect = 307,
    /// 308: for good, with the same method and body.
    PermanentRedirect = 308,
}

/// Whether the target takes the place of the source for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permanence {
    /// 301 and 308: links should be changed, caches may keep the answer.
    Permanent,
    /// 302, 303 and 307: the source stays the one to use.
    Temporary,
}

/// What becomes of the request's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodRule {
    /// 307 and 308: repeated with the same method and body.
    Preserved,
    /// 301 and 302: POST may become GET.
    MayChange,
    /// 303: all but HEAD become GET.
    Changes,
}

impl RedirectStatus {
    /// All five, in the order of their numbers.
    pub const ALL: [RedirectStatus; 5] = [
        RedirectStatus::MovedPermanently,
        RedirectStatus::Found,
        RedirectStatus::SeeOther,
        RedirectStatus::TemporaryRedirect,
        RedirectStatus::PermanentRedirect,
    ];

    /// The status with this number, if it is one that redirects with a `Location`.
    pub const fn from_number(number: u16) -> Option<RedirectStatus> {
        match number {
            301 => Some(RedirectStatus::MovedPermanently),
            302 => Some(RedirectStatus::Found),
            303 => Some(RedirectStatus::SeeOther),
            307 => Some(RedirectStatus::TemporaryRedirect),
            308 => Some(RedirectStatus::PermanentRedirect),
            _ => None,
        }
    }

    /// The three digits.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The reason phrase of RFC 9110.
    pub const fn reason(self) -> &'static str {
        match self {
            RedirectStatus::MovedPermanently => "Moved Permanently",
            RedirectStatus::Found => "Found",
            RedirectStatus::SeeOther => "See Other",
            RedirectStatus::TemporaryRedirect => "Temporary Redirect",
            RedirectStatus::PermanentRedirect => "Permanent Redirect",
        }
    }

    /// For good or for now.
    pub const fn permanence(self) -> Permanence {
        match self {
            RedirectStatus::MovedPermanently | RedirectStatus::PermanentRedirect => Permanence::Permanent,
            _ => Permanence::Temporary,
        }
    }

    /// What becomes of the method.
    pub const fn method_rule(self) -> MethodRule {
        match self {
            RedirectStatus::TemporaryRedirect | RedirectStatus::PermanentRedirect => MethodRule::Preserved,
            RedirectStatus::SeeOther => MethodRule::Changes,
            _ => MethodRule::MayChange,
        }
    }

    /// Whether it is permanent.
    pub const fn is_permanent(self) -> bool {
        matches!(self.permanence(), Permanence::Permanent)
    }

    /// Whether method and body are kept.
    pub const fn preserves_method(self) -> bool {
        matches!(self.method_rule(), MethodRule::Preserved)
    }

    /// The status of the same permanence that keeps the method.
    pub const fn preserving(self) -> RedirectStatus {
        match self.permanence() {
            Permanence::Permanent => RedirectStatus::PermanentRedirect,
            Permanence::Temporary => RedirectStatus::TemporaryRedirect,
        }
    }
}

impl fmt::Display for RedirectStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// One status for GET and HEAD, one for every other method; both alike when a rule names one number.
///
/// ```
/// use byway_core::status::{RedirectStatus, StatusByMethod};
/// let pair = StatusByMethod { get: RedirectStatus::MovedPermanently, other: RedirectStatus::TemporaryRedirect };
/// assert_eq!(pair.of("HEAD").number(), 301);
/// assert_eq!(pair.of("POST").number(), 307);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusByMethod {
    /// For GET and HEAD.
    pub get: RedirectStatus,
    /// For every other method.
    pub other: RedirectStatus,
}

impl StatusByMethod {
    /// The same status for every method.
    pub const fn always(status: RedirectStatus) -> StatusByMethod {
        StatusByMethod { get: status, other: status }
    }

    /// The status for a method; methods are case-sensitive (RFC 9110 §9.1).
    pub fn of(self, method: &str) -> RedirectStatus {
        match method {
            "GET" | "HEAD" => self.get,
            _ => self.other,
        }
    }
}

/// The status of an answer that is no redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ReplyStatus {
    /// 204, only as the answer to a CORS preflight.
    NoContent = 204,
    /// 400, only for rules read from another server's file.
    BadRequest = 400,
    /// 401, only for rules read from another server's file.
    Unauthorized = 401,
    /// 405, only for rules read from another server's file.
    MethodNotAllowed = 405,
    /// 406, only for rules read from another server's file.
    NotAcceptable = 406,
    /// 415, only for rules read from another server's file.
    UnsupportedMediaType = 415,
    /// 429, only for rules read from another server's file.
    TooManyRequests = 429,
    /// 500, only for rules read from another server's file.
    InternalServerError = 500,
    /// 501, only for rules read from another server's file.
    NotImplemented = 501,
    /// 502, only for rules read from another server's file.
    BadGateway = 502,
    /// 403, only for rules read from another server's file (Apache's `[F]`) and for credentials that `[upgrade]` refuses.
    Forbidden = 403,
    /// 404
    NotFound = 404,
    /// 410: gone for good.
    Gone = 410,
    /// 421, only for what `[upgrade]` makes: a host that is not served here.
    MisdirectedRequest = 421,
    /// 451 (RFC 7725).
    UnavailableForLegalReasons = 451,
    /// 503, with `Retry-After` where the rule says so.
    ServiceUnavailable = 503,
}

impl ReplyStatus {
    /// The replies that byway's own rules may give.
    pub const OWN: [ReplyStatus; 4] = [
        ReplyStatus::NotFound,
        ReplyStatus::Gone,
        ReplyStatus::UnavailableForLegalReasons,
        ReplyStatus::ServiceUnavailable,
    ];

    /// The reply with this number, if a rule may give it.
    pub const fn from_number(number: u16) -> Option<ReplyStatus> {
        match number {
            204 => Some(ReplyStatus::NoContent),
            400 => Some(ReplyStatus::BadRequest),
            401 => Some(ReplyStatus::Unauthorized),
            405 => Some(ReplyStatus::MethodNotAllowed),
            406 => Some(ReplyStatus::NotAcceptable),
            415 => Some(ReplyStatus::UnsupportedMediaType),
            429 => Some(ReplyStatus::TooManyRequests),
            500 => Some(ReplyStatus::InternalServerError),
            501 => Some(ReplyStatus::NotImplemented),
            502 => Some(ReplyStatus::BadGateway),
            403 => Some(ReplyStatus::Forbidden),
            404 => Some(ReplyStatus::NotFound),
            410 => Some(ReplyStatus::Gone),
            421 => Some(ReplyStatus::MisdirectedRequest),
            451 => Some(ReplyStatus::UnavailableForLegalReasons),
            503 => Some(ReplyStatus::ServiceUnavailable),
            _ => None,
        }
    }

    /// The three digits.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The reason phrase.
    pub const fn reason(self) -> &'static str {
        match self {
            ReplyStatus::NoContent => "No Content",
            ReplyStatus::BadRequest => "Bad Request",
            ReplyStatus::Unauthorized => "Unauthorized",
            ReplyStatus::MethodNotAllowed => "Method Not Allowed",
            ReplyStatus::NotAcceptable => "Not Acceptable",
            ReplyStatus::UnsupportedMediaType => "Unsupported Media Type",
            ReplyStatus::TooManyRequests => "Too Many Requests",
            ReplyStatus::InternalServerError => "Internal Server Error",
            ReplyStatus::NotImplemented => "Not Implemented",
            ReplyStatus::BadGateway => "Bad Gateway",
            ReplyStatus::Forbidden => "Forbidden",
            ReplyStatus::NotFound => "Not Found",
            ReplyStatus::Gone => "Gone",
            ReplyStatus::MisdirectedRequest => "Misdirected Request",
            ReplyStatus::UnavailableForLegalReasons => "Unavailable For Legal Reasons",
            ReplyStatus::ServiceUnavailable => "Service Unavailable",
        }
    }
}
