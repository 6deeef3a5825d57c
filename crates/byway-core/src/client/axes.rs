//! The axes on which clients differ beside methods and bodies: one small type each, and a row says which value a client has.
//!
//! A value exists because some client has it. When a new client does none of these, its behaviour becomes a new value here and
//! an arm where the axis is read, in `client.rs`.

use super::Relation;
use url::Url;

/// What the caller is given where a client follows no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gets {
    /// The answer that redirects.
    TheAnswer,
    /// An error.
    AnError,
}

/// How a client notices loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    /// Only by counting to its limit.
    Counted,
    /// A URL may be asked again so many times, whatever its cookies.
    UrlAgain {
        /// How many times after the first.
        allowed: usize,
    },
}

/// Which changes of scheme a client follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// Both ways.
    Followed,
    /// Not from https to http.
    DowngradeRefused,
    /// Neither way.
    Refused,
}

/// Where the caller's credentials go: for each kind of field, the relations in which it is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Credentials {
    /// `Authorization`.
    pub authorization: &'static [Relation],
    /// A `Cookie` that the caller wrote.
    pub cookie: &'static [Relation],
    /// `Proxy-Authorization`.
    pub proxy_authorization: &'static [Relation],
    /// Every other field: `X-Api-Key` and its kin.
    pub custom: &'static [Relation],
    /// What the URL is compared with.
    pub measured: Measured,
}

/// With which URL a client compares the next one before it sends credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// With the URL before: a field once dropped does not come back.
    FromLast,
    /// With the URL that the person asked: a field returns when the chain does.
    FromFirst,
}

/// Whether a client keeps cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// In a jar: what an answer sets goes out with the next request.
    Jar,
    /// Not unless told to.
    Ignored,
}

/// What becomes of the fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// Inherited where Location has none.
    Inherited,
    /// Inherited even where Location has an empty one, which ought to stop it (RFC 9110 §17.11).
    InheritedThroughEmpty,
    /// Location's own or none.
    Dropped,
}

/// What a client does with userinfo in Location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Userinfo {
    /// It goes there.
    Followed,
    /// It fails where the origin is another.
    RefusedElsewhere,
}

/// What a client does with a Location of no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// As though it were not there.
    Absent,
    /// It resolves it, to the URL that it had asked.
    Resolved,
}

/// What a client does with several Location fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Several {
    /// It takes the first.
    First,
    /// It takes the last.
    Last,
    /// It joins them with a comma and a space.
    Joined,
    /// It fails, unless all are alike.
    FailUnlessAlike,
}

/// What a client does with a body that it cannot send twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// It fails on every status but 303, even where the body would be dropped.
    FailUnlessSeeOther,
    /// It fails where the body would be sent again.
    Fail,
    /// It hands the redirect to the caller where the body would be sent again.
    HandBack,
    /// It sends the next request without it, and says nothing.
    SendEmpty,
    /// It had kept a copy.
    Buffer,
}

impl Fragment {
    /// Gives the next URL the fragment of this one, where the client does so.
    pub(super) fn pass_on(self, from: &Url, to: &mut Url) {
        let inherits = match self {
            Fragment::Inherited => to.fragment().is_none(),
            Fragment::InheritedThroughEmpty => to.fragment().is_none_or(str::is_empty),
            Fragment::Dropped => false,
        };
        if inherits {
            to.set_fragment(from.fragment());
        }
    }
}
