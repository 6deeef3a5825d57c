//! What a layer knows beside the rules: the time, and where rules ask for it places, draws, windows and pools.
//!
//! Nothing is guessed here: rules that ask for what nobody told the layer are refused when they are given to it ([`Unmet`]), since
//! every answer would be a wrong one. Asking members of pools and reading calendars is left to whoever makes the [`Edge`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use byway_core::place::Places;
use byway_core::split::{By, Draws, Given};
use byway_core::surroundings::Outlook;
use byway_core::{RuleSet, Surroundings};

type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
type Lookout = Arc<dyn Fn(&RuleSet, i64) -> Outlook + Send + Sync>;

/// What a layer knows; clones know the same.
///
/// ```
/// use byway_core::place::{Code, Place};
/// use byway_tower::Edge;
/// // Everybody is in Germany: a test, or a server that a proxy chooses by country.
/// let everywhere = Place { country: Code::new("DE"), ..Place::default() };
/// let edge = Edge::new(|| 1_800_000_000).places(everywhere);
/// # let _ = edge;
/// ```
#[derive(Clone)]
pub struct Edge {
    now: Clock,
    places: Option<Arc<dyn Places + Send + Sync>>,
    draws: Option<Arc<dyn Draws + Send + Sync>>,
    lookout: Option<Lookout>,
}

impl Edge {
    /// Knows the time alone: seconds since 1970.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Edge {
        Edge { now: Arc::new(now), places: None, draws: None, lookout: None }
    }

    /// Knows where addresses are; the address is that of [`crate::ClientAddress`].
    #[must_use]
    pub fn places(self, places: impl Places + Send + Sync + 'static) -> Edge {
        Edge { places: Some(Arc::new(places)), ..self }
    }

    /// Draws for visitors whom nobody has seen. The draws must be ones that nobody can foresee.
    #[must_use]
    pub fn draws(self, draws: impl Draws + Send + Sync + 'static) -> Edge {
        Edge { draws: Some(Arc::new(draws)), ..self }
    }

    /// Knows windows and pools at a moment ([`Outlook::of`]). It is asked at most once for each second and rule set.
    #[must_use]
    pub fn outlook(self, lookout: impl Fn(&RuleSet, i64) -> Outlook + Send + Sync + 'static) -> Edge {
        Edge { lookout: Some(Arc::new(lookout)), ..self }
    }

    /// What rules ask for that is not known here.
    fn unmet(&self, rules: &RuleSet) -> Option<Unmet> {
        let gives_cookies = || rules.splits().any(|split| matches!(split.by, By::Cookie { given: Given::ByUs, .. }));
        let has_members = || rules.rules().any(|rule| rule.has_window() || rule.pool().is_some());
        match self {
            Edge { places: None, .. } if rules.needs_places() => Some(Unmet::Places),
            Edge { draws: None, .. } if rules.needs_draws() && gives_cookies() => Some(Unmet::Draws),
            Edge { lookout: None, .. } if has_members() => Some(Unmet::Outlook),
            _ => None,
        }
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known = f.debug_struct("Edge");
        known.field("places", &self.places).field("draws", &self.draws).field("outlook", &self.lookout.is_some());
        known.finish_non_exhaustive()
    }
}

/// What rules ask for that a layer does not know: they would be decided wrongly, and are not taken.
///
/// ```
/// use byway_tower::Unmet;
/// assert_eq!(Unmet::Places.to_string(), "a rule asks where the client is, and nobody knows: `Edge::places`");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// A condition on country, continent, EU or system.
    Places,
    /// A split that gives visitors a cookie.
    Draws,
    /// A window or a pool.
    Outlook,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unmet::Places => "a rule asks where the client is, and nobody knows: `Edge::places`",
            Unmet::Draws => "a split gives visitors a variant, and nobody draws one: `Edge::draws`",
            Unmet::Outlook => "a rule has a window or a pool, and nobody knows how they stand: `Edge::outlook`",
        })
    }
}

impl std::error::Error for Unmet {}

/// Rules with what is known of them.
pub(crate) struct Served {
    pub(crate) rules: RuleSet,
    edge: Edge,
    /// The outlook of a second.
    looked: Mutex<Option<(i64, Arc<Outlook>)>>,
}

impl Served {
    /// The error says what is not known.
    pub(crate) fn new(rules: RuleSet, edge: Edge) -> Result<Served, Unmet> {
        match edge.unmet(&rules) {
            Some(unmet) => Err(unmet),
            None => Ok(Served { rules, edge, looked: Mutex::new(None) }),
        }
    }

    pub(crate) fn edge(&self) -> Edge {
        self.edge.clone()
    }

    /// Calls with what is known now; `turn` goes up by one with each decision of a thread.
    pub(crate) fn around<T>(&self, turn: u32, then: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let now = (self.edge.now)();
        let outlook = self.edge.lookout.as_ref().map(|lookout| self.outlook(lookout, now));
        let mut around = Surroundings::at(now)
            .with_places(self.edge.places.as_deref().map(|places| places as &dyn Places))
            .with_draws(self.edge.draws.as_deref().map(|draws| draws as &dyn Draws));
        if let Some(outlook) = &outlook {
            around = around.with(outlook);
        }
        around.turn = turn;
        then(&around)
    }

    fn outlook(&self, lookout: &Lookout, now: i64) -> Arc<Outlook> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match &*looked {
            Some((second, outlook)) if *second == now => outlook.clone(),
            _ => {
                let outlook = Arc::new(lookout(&self.rules, now));
                *looked = Some((now, outlook.clone()));
                outlook
            }
        }
    }
}
