//! One outbound request, one answer, never followed, with times per phase.
//!
//! [`Transport::send`] resolves, connects, sends and reads, each within a limit, and tells how long each took. What comes back is
//! the answer as it was, a redirect included: following is the business of `byway_core::follow`. A failure is a [`Fault`] that
//! says in which phase it happened and whose it is. This crate cannot read rule text and keeps nothing.

mod answer;
mod fault;
mod health;
mod tls;
mod transport;

pub use answer::{Answer, Extent, Times};
pub use fault::{Blame, Fault, Phase};
pub use health::{Asked, Monitor, Report, Tally, ask};
pub use transport::{Ask, Limits, Transport};
