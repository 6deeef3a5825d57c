//! What a decision depends on beside the request and the rules: a snapshot that the edge makes.
//!
//! The core has no clock, draws nothing and knows no time zone; whoever decides hands the moment in, and with it an
//! [`Outlook`]: what is known of the windows and pools of a rule set.

use crate::place::Places;
use crate::pool::{MemberState, PoolOutlook};
use crate::ruleset::RuleSet;
use crate::split::Draws;
use crate::window::{Span, Window};

/// The moment in which a request is decided, and what is known of it.
///
/// ```
/// use byway_core::Surroundings;
/// assert_eq!(Surroundings::at(0).now, 0); // 1970-01-01T00:00:00Z
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Surroundings<'a> {
    /// Now, in seconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// A number that goes up by one with every decision of a thread: whose turn it is in a pool.
    pub turn: u32,
    /// What is known of the windows and pools of the rule set; `None` where nobody looked.
    pub outlook: Option<&'a Outlook>,
    /// Who knows where addresses are; `None` where nobody does.
    pub places: Option<&'a dyn Places>,
    /// Who draws for visitors whom nobody has seen; without one they get the control.
    pub draws: Option<&'a dyn Draws>,
    /// The key by which every split knows the visitor, whatever the request says: for those who ask what would be.
    pub visitor: Option<&'a str>,
}

impl Surroundings<'static> {
    /// This moment, in seconds since 1970-01-01T00:00:00Z, and nothing else known.
    pub const fn at(now: i64) -> Surroundings<'static> {
        Surroundings { now, turn: 0, outlook: None, places: None, draws: None, visitor: None }
    }
}

impl<'a> Surroundings<'a> {
    /// The same moment, seen with what is known of windows and pools.
    pub const fn with<'b>(self, outlook: &'b Outlook) -> Surroundings<'b>
    where
        'a: 'b,
    {
        Surroundings { outlook: Some(outlook), ..self }
    }

    /// The same moment, with somebody who knows where addresses are.
    pub const fn with_places<'b>(self, places: Option<&'b dyn Places>) -> Surroundings<'b>
    where
        'a: 'b,
    {
        Surroundings { places, ..self }
    }

    /// The same moment, with somebody who draws.
    pub const fn with_draws<'b>(self, draws: Option<&'b dyn Draws>) -> Surroundings<'b>
    where
        'a: 'b,
    {
        Surroundings { draws, ..self }
    }

    /// The same moment, for the visitor of this key.
    pub const fn with_visitor<'b>(self, visitor: Option<&'b str>) -> Surroundings<'b>
    where
        'a: 'b,
    {
        Surroundings { visitor, ..self }
    }
}

/// What is known of the windows and pools of one rule set, by their numbers there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The spans of each window, ascending and apart; those around the moment suffice.
    pub windows: Vec<Vec<Span>>,
    /// Who of each pool may be sent to.
    pub pools: Vec<PoolOutlook>,
}

impl Outlook {
    /// The outlook of a rule set, from the spans of each window around the moment and the state of each member of a pool, by
    /// the names of pool and origin.
    pub fn of(
        rules: &RuleSet,
        spans: impl Fn(&Window) -> Vec<Span>,
        member: impl Fn(&str, &str) -> MemberState,
    ) -> Outlook {
        let pools = rules.pools();
        Outlook {
            windows: rules.windows().iter().map(spans).collect(),
            pools: pools.iter().map(|pool| PoolOutlook::of(pool, |origin| member(&pool.name, origin))).collect(),
        }
    }
}
