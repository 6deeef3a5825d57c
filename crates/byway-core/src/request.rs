//! The request as the rules see it: what the wire said, after trusted proxies, borrowed.
//!
//! The edge checks framing, Host and target form before it builds one; the core never sees a malformed request.

use std::net::IpAddr;

/// The scheme that the client used, after trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that goes without saying.
    pub const fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// The header fields of a request, asked by name.
pub trait Fields {
    /// Calls `visit` with the value of every field of this name, in order. `name` is lower case; fields compare without
    /// case (RFC 9110 §5.1).
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8]));
}

/// Pairs of name and value, for tests, `explain` and checks.
impl Fields for [(&str, &str)] {
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        for (field, value) in self {
            if field.eq_ignore_ascii_case(name) {
                visit(value.as_bytes());
            }
        }
    }
}

impl<const N: usize> Fields for [(&str, &str); N] {
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        self.as_slice().for_each(name, visit);
    }
}

impl Fields for Vec<(String, String)> {
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        for (field, value) in self {
            if field.eq_ignore_ascii_case(name) {
                visit(value.as_bytes());
            }
        }
    }
}

/// No fields at all.
pub const NO_FIELDS: &dyn Fields = &([] as [(&str, &str); 0]);

/// One request, borrowed from where it arrived.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method as sent, case-sensitive.
    pub method: &'a str,
    /// The effective scheme.
    pub scheme: Scheme,
    /// The host as sent, without port; empty where HTTP/1.0 sent none. See [`crate::host`] for how hosts compare.
    pub host: &'a str,
    /// The effective port: the one in Host or the target, else the scheme's.
    pub port: u16,
    /// The path as sent, beginning with `/` (or `*` of an OPTIONS request).
    pub path: &'a [u8],
    /// The query as sent, without `?`; `None` where there is no `?`.
    pub query: Option<&'a [u8]>,
    /// The header fields.
    pub fields: &'a dyn Fields,
    /// The client's address, after trusted proxies.
    pub address: IpAddr,
    /// The port of the listener that took the connection; only rules of other servers ask for it.
    pub local_port: u16,
}

impl Request<'_> {
    /// Calls `visit` with the value of every field of this name. Where no Host was sent, as in HTTP/2, it is the authority with
    /// its port, unless that goes without saying (RFC 9113 §8.3.1): rules ask for `host` in every version alike.
    ///
    /// ```
    /// use byway_core::{NO_FIELDS, Request, Scheme};
    /// let request = Request {
    ///     method: "GET",
    ///     scheme: Scheme::Https,
    ///     host: "t.test",
    ///     port: 8443,
    ///     path: b"/",
    ///     query: None,
    ///     fields: NO_FIELDS,
    ///     address: [127, 0, 0, 1].into(),
    ///     local_port: 8443,
    /// };
    /// let mut seen = Vec::new();
    /// request.each_field("host", &mut |value| seen.push(value.to_vec()));
    /// assert_eq!(seen, [b"t.test:8443"]);
    /// ```
    pub fn each_field(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        if name != "host" || self.host.is_empty() {
            return self.fields.for_each(name, visit);
        }
        let mut is_sent = false;
        self.fields.for_each(name, &mut |value| {
            is_sent = true;
            visit(value);
        });
        match is_sent {
            true => {}
            false if self.port == self.scheme.default_port() => visit(self.host.as_bytes()),
            false => visit(format!("{}:{}", self.host, self.port).as_bytes()),
        }
    }
}
