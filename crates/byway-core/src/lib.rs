//! The pure heart of byway: what a server says of a request, what a client then does, and the chain that the two make.
//!
//! Two functions and one loop (see ARCHITECTURE.md): [`RuleSet::decide`] is what a server says, [`client::next`] what a client
//! then does, [`follow::Follow`] the two in turn. Nothing here has a clock, draws, reads files, or talks to a network: what a
//! decision depends on is handed in as [`Request`] and [`Surroundings`]. Rule text is read elsewhere (`byway-config`); this
//! crate knows rules as values ([`Rule`]) and compiles them into flat bytes ([`Builder`], [`RuleSet`]).

pub mod chain;
pub mod client;
pub mod codes;
pub mod condition;
pub mod decision;
pub mod dialect;
pub mod extras;
pub mod follow;
pub mod host;
pub mod identity;
mod index;
pub mod location;
pub mod network;
pub mod path;
pub mod place;
pub mod pool;
pub mod problem;
pub mod query;
pub mod regex;
pub mod request;
pub mod rule;
pub mod ruleset;
pub mod source;
pub mod split;
pub mod status;
pub mod surroundings;
pub mod target;
mod walk;
pub mod window;
mod wire;

pub use decision::{Decision, Outcome, Redirect, Refusal, Reply};
pub use request::{Fields, NO_FIELDS, Request, Scheme};
pub use rule::{Action, Rule};
pub use ruleset::{Builder, RuleSet, Scratch};
pub use surroundings::Surroundings;
