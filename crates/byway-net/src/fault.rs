//! Why a request had no answer: in which phase, whose fault, in words.

use std::fmt;

/// Why a request had no answer.
///
/// ```
/// use byway_net::{Blame, Fault, Phase};
/// let fault = Fault { phase: Phase::Connect, blame: Blame::Network, what: "no route".into() };
/// assert_eq!(fault.to_string(), "connecting: no route");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How far it came.
    pub phase: Phase,
    /// Whose fault it is.
    pub blame: Blame,
    /// What happened, in words that may be shown; nothing of the answer is in them.
    pub what: String,
}

/// The phases of a request, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Making sense of what was asked.
    Prepare,
    /// Finding the addresses of the host.
    Resolve,
    /// Opening a connection.
    Connect,
    /// Agreeing on TLS, and on who is there.
    Tls,
    /// Sending the request and waiting for the head of the answer.
    FirstByte,
    /// Reading the body of the answer.
    Body,
}

/// Whose fault a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The server answered, and wrongly, or refused.
    Peer,
    /// Something between us, or nobody is there.
    Network,
    /// What was asked cannot be sent from here.
    Us,
}

impl Phase {
    /// What was being done.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Prepare => "preparing",
            Phase::Resolve => "resolving",
            Phase::Connect => "connecting",
            Phase::Tls => "agreeing on TLS",
            Phase::FirstByte => "waiting for the answer",
            Phase::Body => "reading the answer's body",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase.as_str(), self.what)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    pub(crate) fn new(phase: Phase, blame: Blame, what: impl fmt::Display) -> Fault {
        Fault { phase, blame, what: what.to_string() }
    }

    pub(crate) fn late(phase: Phase, limit: std::time::Duration) -> Fault {
        Fault::new(phase, Blame::Network, format_args!("nothing within {limit:?}"))
    }

    /// hyper's errors, sorted: what cannot be parsed and what ends too early is the peer's, the rest the network's.
    pub(crate) fn of_hyper(phase: Phase, error: &hyper::Error) -> Fault {
        let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        let (blame, what) = match error {
            _ if error.is_parse_too_large() => (Blame::Peer, "the head of the answer is too large"),
            _ if error.is_parse() => (Blame::Peer, "the answer is not HTTP"),
            _ if error.is_incomplete_message() => {
                (Blame::Peer, "the connection was closed before the answer was whole")
            }
            _ if error.is_user() => (Blame::Us, "the request cannot be sent"),
            _ => (Blame::Network, "the connection broke"),
        };
        Fault::new(phase, blame, format_args!("{what}{cause}"))
    }
}
