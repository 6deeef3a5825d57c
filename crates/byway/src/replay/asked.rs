//! What came of each source rule of a replay: how often it had a part, or why it never had.

use byway_config::remarks::Verdict as SaidVerdict;

/// A source rule, and how often both agreed where it decided.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// File and line.
    pub(crate) place: String,
    pub(crate) rule: String,
    pub(crate) verdict: SaidVerdict,
    /// Requests that it decided or had a part in, and how many of them differed without a name.
    pub(crate) requests: u64,
    pub(crate) differed: u64,
    /// Why there were none.
    pub(crate) why: Option<Why>,
}

/// Why a rule had a part in no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// What its pattern and its conditions ask cannot be.
    Never,
    /// A rule at this place takes all that it would take.
    Hidden(String),
    /// It does nothing: its engine is off, or nobody looks at what it sets.
    Idle,
    /// Only over https, and what is asked here is not.
    Https,
    /// No request was found that comes to it.
    NotFound,
}

impl Why {
    /// As a person reads it.
    pub(crate) fn words(&self) -> String {
        match self {
            Why::Never => "never fits".to_owned(),
            Why::Hidden(place) => format!("hidden by {place}"),
            Why::Idle => "does nothing".to_owned(),
            Why::Https => "over https alone".to_owned(),
            Why::NotFound => "not reached".to_owned(),
        }
    }
}
