//! An answer as it came, with its times.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

/// What a server answered. Everything in it came from the network: escape it where it is shown.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, whatever it is.
    pub status: u16,
    /// The fields; several of one name are kept apart, in order.
    pub fields: HeaderMap,
    /// The body, up to [`crate::Limits::body`].
    pub body: Bytes,
    /// Whether that was all of it.
    pub extent: Extent,
    /// Who answered.
    pub address: SocketAddr,
    /// How long it took.
    pub times: Times,
}

impl Answer {
    /// Every `Location`, as bytes: there should be one, and it should be ASCII.
    pub fn locations(&self) -> impl Iterator<Item = &[u8]> {
        self.fields.get_all(http::header::LOCATION).iter().map(|value| value.as_bytes())
    }
}

/// Whether a body was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It was.
    Whole,
    /// It was longer than the limit, or not there in time; the rest was left.
    Cut,
}

/// How long each phase took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Finding the addresses; nothing for a literal one.
    pub resolve: Duration,
    /// Opening the connection.
    pub connect: Duration,
    /// Agreeing on TLS; nothing for a plain connection.
    pub tls: Duration,
    /// From the first byte sent to the end of the head of the answer.
    pub first_byte: Duration,
    /// Reading the body.
    pub body: Duration,
}

impl Times {
    /// All phases together.
    ///
    /// ```
    /// use std::time::Duration;
    /// let times = byway_net::Times { connect: Duration::from_millis(2), body: Duration::from_millis(1), ..Default::default() };
    /// assert_eq!(times.total(), Duration::from_millis(3));
    /// ```
    pub fn total(&self) -> Duration {
        self.resolve + self.connect + self.tls + self.first_byte + self.body
    }
}
