//! One rule as a value: a source, conditions, and what to do.
//!
//! Rules are borrowed while a rule set is built and are never kept as a list; [`crate::ruleset::Builder::push`] takes one after
//! the other. What was written is parsed into [`Source`], [`Condition`] and [`Target`] by their own modules.

use crate::condition::Condition;
use crate::dialect::QueryPolicy;
use crate::extras::Extras;
use crate::pool::PoolId;
use crate::ruleset::TableId;
use crate::source::Source;
use crate::status::{ReplyStatus, StatusByMethod};
use crate::target::Target;
use crate::window::WindowId;

/// A rule, borrowed from where it was read.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// What it is for.
    pub source: Source<'a>,
    /// What more is asked of the request; all must hold (but see [`Condition::or_next`]).
    pub conditions: &'a [Condition],
    /// What is done.
    pub action: Action<'a>,
    /// Higher first; compares only inside a table of order `specific`.
    pub priority: i32,
    /// The first second in which it holds, since 1970 UTC.
    pub since: Option<i64>,
    /// The first second in which it no longer holds.
    pub until: Option<i64>,
    /// It holds only while this window is open.
    pub window: Option<WindowId>,
    /// It holds only while this window is closed.
    pub unless_window: Option<WindowId>,
    /// The pool whose member supplies scheme, host and port of a relative target.
    pub pool: Option<PoolId>,
    /// When somebody wants to look at it again.
    pub review: Option<Review>,
    /// The findings of checks that somebody has accepted, by their names, with commas between them.
    pub allow: Option<&'a str>,
    /// Whether its target may be asked whether it is there.
    pub probing: Probing,
    /// The `Cache-Control` of its answer; `None` is the default of its status.
    pub cache_control: Option<&'a str>,
    /// What its answer says beside status, location and `Cache-Control`.
    pub extras: Option<&'a Extras>,
    /// The name a person gave it.
    pub id: Option<&'a str>,
    /// The group it is counted with in logs.
    pub group: Option<&'a str>,
    /// Who answers for it.
    pub owner: Option<&'a str>,
    /// Why it is there.
    pub note: Option<&'a str>,
    /// Where it was written.
    pub place: Place,
}

impl<'a> Rule<'a> {
    /// A rule with nothing but a source and an action, at no place.
    pub fn new(source: Source<'a>, action: Action<'a>) -> Rule<'a> {
        Rule {
            source,
            conditions: &[],
            action,
            priority: 0,
            since: None,
            until: None,
            window: None,
            unless_window: None,
            pool: None,
            review: None,
            allow: None,
            probing: Probing::Allowed,
            cache_control: None,
            extras: None,
            id: None,
            group: None,
            owner: None,
            note: None,
            place: Place::default(),
        }
    }
}

/// A file of a rule set, as [`crate::ruleset::Builder::file`] numbered it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u16);

/// Where a rule was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
}

/// When somebody wants to look at a rule again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// So many seconds after it began.
    After(i64),
    /// From this second on, since 1970 UTC.
    On(i64),
}

/// Whether the target of a rule may be asked whether it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probing {
    /// It may, by whoever does such things.
    #[default]
    Allowed,
    /// It is left alone: asking costs something there, or counts as a visit.
    Refused,
}

/// What `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds.
    Seconds(u32),
    /// What is left of the window in which the rule holds.
    Window,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<'a> {
    /// Send the client elsewhere.
    Redirect {
        /// With which status.
        status: StatusByMethod,
        /// Where to.
        target: Target<'a>,
        /// What becomes of the request's query.
        query: QueryPolicy,
    },
    /// Answer without a Location.
    Reply {
        /// With which status.
        status: ReplyStatus,
        /// `Retry-After`.
        retry_after: Option<RetryAfter>,
    },
    /// This table has nothing to say: the next one is tried.
    Pass,
    /// Imported rules only: go on in that table; there is no way back.
    Enter(TableId),
    /// Imported rules only: change the working path and query, and go on.
    Rewrite {
        /// The new path, and its query if it has one.
        target: Target<'a>,
        /// What becomes of the working query.
        query: QueryPolicy,
        /// Where to go on.
        then: Then,
    },
    /// Imported rules only: keep a text for later, and go on (nginx's `set` and `map`, and captures that outlive their rule).
    Set {
        /// The slot in which it is kept, empty before; read by [`crate::target::What::Slot`].
        slot: u16,
        /// The text.
        text: Target<'a>,
        /// Where to go on.
        then: Then,
    },
    /// Imported rules only: go through that table and those after it, and come back to the rule behind this one, unless one of
    /// them decides or goes on elsewhere. Rules of a table that is called with a text are compared with that text, not with the
    /// path, and [`Then::End`] ends the look-up (nginx's `map`).
    Call {
        /// The table.
        table: TableId,
        /// What its rules are compared with, where that is not the path.
        text: Option<Target<'a>>,
    },
}

/// Where the walk goes on after a rule that does not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// With the next rule of this table.
    Next,
    /// At the beginning of a table.
    Table(TableId),
    /// Nowhere: the request passes.
    End,
}
