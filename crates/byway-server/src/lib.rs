//! The server: listeners, HTTP/1.1 and HTTP/2, early answers, and the live rule set.
//!
//! [`Server::start`] takes [`Settings`], a [`Live`] rule set and open [`Listener`]s and gives back a [`Handle`]. Every serving
//! thread has a runtime, a socket and counters of its own (`server`, `core`); a connection is a small state machine of our own
//! (`connection`), since early answers need what HTTP libraries hide; HTTP/2 is hyper's (`http2`). What a request gets is decided
//! by `byway-core` and by nobody else. Reading rule text, arguments and the environment is left to the binary; the server makes
//! no requests and is no proxy.

mod access_log;
mod answer;
mod asked;
mod body;
mod clock;
mod connection;
mod converse;
mod core;
mod counters;
mod dice;
mod downgrade;
pub mod forwarded;
#[cfg(fuzzing)]
mod fuzzing;
mod head;
mod hits;
mod http2;
pub mod listen;
pub mod live;
mod method;
pub mod metrics;
pub mod operators;
mod plan;
mod proxied;
mod server;
pub mod settings;
pub mod signals;
mod slots;
mod stream;
pub mod tls;
pub mod watch;

pub use counters::{Answers, Counts, Decided, Lingered, TIMES};
pub use downgrade::Downgrade;
#[cfg(fuzzing)]
pub use fuzzing::read_head_for_fuzzing;
pub use hits::Hits;
pub use listen::{ListenAddr, ListenError, Listener};
pub use live::{Generation, Live, Lookout, Loss, ReloadReport, SharedPlaces, TooMuchLost, Which};
pub use method::MethodClass;
pub use server::{Handle, Server};
pub use settings::{Linger, Settings, Unmatched};
