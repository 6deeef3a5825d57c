//! What becomes of a request's body, decided at the end of its head: the table of early answers as code.

use crate::body::{Body, Fed};
use crate::core::Core;
use crate::head::{Framing, Head, Persistence};

/// What is done about a request's body, decided before the answer is written, since the answer says whether the connection
/// goes on.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) body: Rest,
    /// How many of the bytes behind the head were body.
    pub(crate) taken: usize,
    pub(crate) persistence: Persistence,
}

/// What of a body is still to come when its answer leaves.
#[derive(Clone, Copy)]
pub(crate) enum Rest {
    /// No body, or all of it is here.
    None,
    /// The client waits to be told to send it, and never will be.
    Spared,
    /// It is on its way.
    Coming(Body),
    /// What is here of it cannot be a body.
    Broken,
}

impl Plan {
    /// The plan for a head and what arrived behind it.
    pub(crate) fn of(head: &Head<'_>, rest: &[u8], core: &Core) -> Plan {
        let persistence = if core.stopping.get() { Persistence::Close } else { head.persistence };
        let Some(mut body) = Body::announced(head.framing) else {
            return Plan { body: Rest::None, taken: 0, persistence };
        };
        let close = |body, taken| Plan { body, taken, persistence: Persistence::Close };
        // A client that skips its body may send its next request at once; one that has begun to send is past waiting.
        if head.expects_continue && rest.is_empty() {
            return close(Rest::Spared, 0);
        }
        let beyond = matches!(head.framing, Framing::Length(length) if length > core.settings.linger.body);
        match body.feed(rest) {
            Fed::Done(taken) => Plan { body: Rest::None, taken, persistence },
            Fed::Broken => close(Rest::Broken, rest.len()),
            Fed::More if beyond => close(Rest::Coming(body), rest.len()),
            Fed::More => Plan { body: Rest::Coming(body), taken: rest.len(), persistence },
        }
    }

    /// Whether a line of the log has to wait for what becomes of the body.
    pub(crate) fn awaits_body(&self) -> bool {
        !matches!(self.body, Rest::None)
    }
}
