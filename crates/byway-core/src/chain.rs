//! A chain: every request and its answer, in order, and why it ended.
//!
//! [`crate::follow`] makes chains, [`crate::problem`] finds what is wrong with one. Its length is counted in redirects
//! (answers that redirect), never in hops.

use crate::client::{Answer, Asked, Client};
use std::fmt;

/// What a person lived through, from the request that they made to the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The client that walked it.
    pub client: &'static Client,
    /// Each request that was answered, with its answer.
    pub hops: Vec<Hop>,
    /// The request that came next and was not asked, or not answered: the repeated one of a loop, the one that failed.
    pub unanswered: Option<Asked>,
    /// Why it stopped.
    pub end: End,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// What was asked.
    pub asked: Asked,
    /// What was answered.
    pub answer: Answer,
}

/// Why a chain stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// An answer that does not redirect this client.
    Rested {
        /// Its status.
        status: u16,
    },
    /// It would have asked again what it asked: method, URI, cookies.
    Loop {
        /// The hop that it comes back to.
        first: usize,
    },
    /// The client's limit: one redirect more than it follows.
    TooMany {
        /// How many it follows.
        limit: usize,
    },
    /// A redirect without Location.
    NoLocation {
        /// Its status.
        status: u16,
    },
    /// A Location that leads nowhere.
    BadLocation(BadLocation),
    /// A scheme that the client does not follow to.
    SchemeRefused {
        /// The scheme, lower case.
        scheme: String,
    },
    /// From https to http, and the client does not.
    DowngradeRefused,
    /// A method that the client does not follow to this status.
    NotFollowed {
        /// The status.
        status: u16,
    },
    /// The body was a stream and would have been needed again.
    BodyCannotReplay {
        /// The status that asked for it.
        status: u16,
    },
    /// Whoever plays the network stopped: it failed, or would not ask this.
    Stopped(String),
}

/// Why a Location leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLocation {
    /// It cannot be read as a URL.
    NotAUrl,
    /// There are several, and they differ.
    Several,
    /// It carries a user or password, and the client does not take them elsewhere.
    Userinfo,
}

impl Chain {
    /// How long it is: the answers that redirected.
    ///
    /// ```
    /// use byway_core::client::{Answer, Asked, FETCH};
    /// use byway_core::follow;
    /// let asked = Asked::new("GET", "https://a.test/1".parse().unwrap());
    /// let chain = follow::to_rest(&FETCH, asked, |asked| match asked.url.path() {
    ///     "/1" => Answer::redirect(301, "/2"),
    ///     _ => Answer::new(200),
    /// });
    /// assert_eq!((chain.redirects(), chain.hops.len()), (1, 2));
    /// ```
    pub fn redirects(&self) -> usize {
        let last = match self.end {
            End::Rested { .. } | End::NoLocation { .. } => 1,
            _ => 0,
        };
        self.hops.len().saturating_sub(last)
    }

    /// Each request in order, with the unanswered one at the end.
    pub fn requests(&self) -> impl Iterator<Item = &Asked> {
        self.hops.iter().map(|hop| &hop.asked).chain(&self.unanswered)
    }

    /// The answer it came to rest with.
    pub fn last_answer(&self) -> Option<&Answer> {
        self.hops.last().map(|hop| &hop.answer)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Rested { status } => write!(f, "came to rest with {status}"),
            End::Loop { first } => write!(f, "a loop: it asks again what hop {} asked", first + 1),
            End::TooMany { limit } => write!(f, "too many redirects: the client follows {limit}"),
            End::NoLocation { status } => write!(f, "{status} without Location"),
            End::BadLocation(why) => write!(f, "a Location that leads nowhere: {why}"),
            End::SchemeRefused { scheme } => write!(f, "the client does not follow to {scheme}:"),
            End::DowngradeRefused => write!(f, "the client does not follow from https to http"),
            End::NotFollowed { status } => write!(f, "the client does not follow {status} with this method"),
            End::BodyCannotReplay { status } => write!(f, "{status} asks for the body again, and it was a stream"),
            End::Stopped(why) => write!(f, "stopped: {}", why.escape_debug()),
        }
    }
}

impl fmt::Display for BadLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadLocation::NotAUrl => "it cannot be read as a URL",
            BadLocation::Several => "there are several, and they differ",
            BadLocation::Userinfo => "it carries a user or password to another origin",
        })
    }
}
