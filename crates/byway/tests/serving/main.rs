//! A running `byway`, asked over the wire: rules served and reloaded, real lists replayed, the examples of this repository.
//!
//! Every server listens on a port that the system chooses and says so on stderr; nothing here waits for a time, only up to one.

mod admin;
mod behind;
mod browser;
mod corpus;
mod draining;
mod examples;
mod handover;
mod hits;
mod operating;
mod reloads;
mod running;
mod serving;
mod standing;
mod uses;
