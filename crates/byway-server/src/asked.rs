//! What a request asks for: host, port, path and query, put together from the request's target and its Host.
//!
//! The one place where an edge turns what was sent into what rules see (RFC 9112 §3.2 and §3.3); HTTP/1.1 and HTTP/2 share it.

use byway_core::Scheme;
use byway_core::host::split_authority;
use byway_core::path::{PathQuery, TargetForm, request_target};

use crate::head::BadHead;

/// The effective request URI, in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effective<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) path: &'a [u8],
    pub(crate) query: Option<&'a [u8]>,
}

impl<'a> Effective<'a> {
    /// Reads the target of an HTTP/1.1 request. The host of an absolute target wins over Host (RFC 9112 §3.2.2), which must be
    /// valid all the same.
    pub(crate) fn of(
        method: &str,
        target: &'a str,
        host: Option<&'a str>,
        scheme: Scheme,
    ) -> Result<Effective<'a>, BadHead> {
        if matches!(method, "CONNECT" | "TRACE") {
            return Err(BadHead::Method);
        }
        let authority = host_and_port(host.unwrap_or_default(), scheme)?;
        let form =
            request_target(target.as_bytes()).map_err(|_| BadHead::Syntax("The request target is not valid."))?;
        match form {
            TargetForm::Origin(path_query) => Ok(Effective::new(authority, path_query)),
            TargetForm::Absolute { scheme: written, .. } if written != scheme => Err(BadHead::Misdirected),
            TargetForm::Absolute { authority, path_query, .. } => {
                Ok(Effective::new(host_and_port(authority, scheme)?, path_query))
            }
            TargetForm::Asterisk if method == "OPTIONS" => {
                Ok(Effective::new(authority, PathQuery { path: b"*", query: None }))
            }
            TargetForm::Asterisk | TargetForm::Authority(_) => {
                Err(BadHead::Syntax("This form of request target is not for this method."))
            }
        }
    }

    fn new((host, port): (&'a str, u16), parts: PathQuery<'a>) -> Effective<'a> {
        Effective { host, port, path: parts.path, query: parts.query }
    }
}

/// An empty Host is valid, and names no host (RFC 9110 §7.2).
pub(crate) fn host_and_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), BadHead> {
    if authority.is_empty() {
        return Ok(("", scheme.default_port()));
    }
    match split_authority(authority) {
        Ok((host, port)) => Ok((host, port.unwrap_or(scheme.default_port()))),
        Err(_) => Err(BadHead::Syntax("The Host field is not valid.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(method: &str, target: &'a str, host: &'a str) -> Result<(&'a str, u16, &'a str), u16> {
        Effective::of(method, target, Some(host), Scheme::Http)
            .map(|parts| (parts.host, parts.port, str::from_utf8(parts.path).unwrap_or("?")))
            .map_err(BadHead::status)
    }

    #[test]
    fn forms_of_targets() {
        assert_eq!(of("GET", "/a?b", "h:81"), Ok(("h", 81, "/a")));
        assert_eq!(of("GET", "http://other/a", "h"), Ok(("other", 80, "/a")));
        assert_eq!(of("OPTIONS", "*", "h"), Ok(("h", 80, "*")));
        assert_eq!(of("GET", "*", "h"), Err(400));
        assert_eq!(of("GET", "https://h/a", "h"), Err(421));
        assert_eq!(of("CONNECT", "t.test:443", "t.test"), Err(405));
        assert_eq!(of("GET", "t.test:443", "t.test"), Err(400));
        for (target, host) in
            [("/#x", "h"), ("/", "u@h"), ("/", "h/x"), ("/", "a b"), ("http://u@h/", "h"), ("http://h/", "u@h")]
        {
            assert_eq!(of("GET", target, host), Err(400), "{target} {host}");
        }
    }
}
