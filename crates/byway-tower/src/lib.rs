//! A tower Layer that answers redirects and passes everything else on.
//!
//! Put [`RedirectLayer`] around any service of HTTP messages (axum, hyper, tonic): a request that a rule takes is answered, every
//! other reaches the service inside as it came. The layer has no timer and spawns nothing.
//!
//! ```
//! use byway_core::{Action, Builder, Rule, dialect::QueryPolicy, ruleset::TableSpec, source::Source, target::Target};
//! use byway_core::status::{RedirectStatus, StatusByMethod};
//! use byway_tower::RedirectLayer;
//!
//! let mut builder = Builder::new(1);
//! let table = builder.table(&TableSpec::OWN);
//! builder.root(table);
//! let source = Source::parse("/api/v1/*").unwrap();
//! let target = Target::parse("/api/v2/*", &source).unwrap();
//! let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
//! builder.push(table, &Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep })).unwrap();
//!
//! use std::time::{SystemTime, UNIX_EPOCH};
//! let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
//! let layer = RedirectLayer::new(builder.finish(), now).unwrap();
//! # let _ = layer;
//! ```
//!
//! # What rules may ask for
//!
//! Rules may ask where an address is, divide visitors, hold in windows, or send to the member of a pool that is up. A layer of
//! [`RedirectLayer::new`] knows the time alone and refuses such rules ([`Unmet`]); [`RedirectLayer::at`] takes an [`Edge`] that
//! was told the rest. Who the client is stands in [`ClientAddress`].
//!
//! # Uploads
//!
//! An answer that leaves before the request's body has arrived is lost on clients that write all of it before they read, unless
//! somebody reads on. On HTTP/1.1 the answer's body is therefore chunked, and throws away the request's, up to a limit, before it
//! ends ([`RedirectLayer::discard`]); the connection lives on. A client that waits for `100 Continue` is not made to send, and
//! gets `Connection: close`. On HTTP/2 the body is dropped, which resets the stream with `NO_ERROR`. How slowly a client may send
//! is for the timeouts of the server around; `byway-server` has its own and needs none of this.

mod answer;
mod body;
mod edge;
mod layer;
pub mod page;

pub use body::AnswerBody;
pub use edge::{Edge, Unmet};
pub use layer::{ClientAddress, RedirectLayer, Redirects, ResponseFuture};
