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
    pub(crate) scheme: Scheme,
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
        via: &Via<'a>,
    ) -> Result<Effective<'a>, BadHead> {
        if matches!(method, "CONNECT" | "TRACE") {
            return Err(BadHead::Method);
        }
        let said = match via.host {
            Some(host) => Some(host_and_port(host)?),
            None => None,
        };
        let authority = host_and_port(host.unwrap_or_default())?;
        let form =
            request_target(target.as_bytes()).map_err(|_| BadHead::Syntax("The request target is not valid."))?;
        match form {
            TargetForm::Origin(path_query) => Ok(Effective::new(said.unwrap_or(authority), via, path_query)),
            TargetForm::Absolute { scheme: written, .. } if written != via.scheme && written != via.spoken => {
                Err(BadHead::Misdirected)
            }
            TargetForm::Absolute { authority, path_query, .. } => {
                let authority = host_and_port(authority)?;
                Ok(Effective::new(said.unwrap_or(authority), via, path_query))
            }
            TargetForm::Asterisk if method == "OPTIONS" => {
                Ok(Effective::new(said.unwrap_or(authority), via, PathQuery { path: b"*", query: None }))
            }
            TargetForm::Asterisk | TargetForm::Authority(_) => {
                Err(BadHead::Syntax("This form of request target is not for this method."))
            }
        }
    }

    fn new((host, port): (&'a str, Option<u16>), via: &Via<'_>, parts: PathQuery<'a>) -> Effective<'a> {
        let port = port.or(via.port).unwrap_or(via.scheme.default_port());
        Effective { scheme: via.scheme, host, port, path: parts.path, query: parts.query }
    }
}

/// An empty Host is valid, and names no host (RFC 9110 §7.2).
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), BadHead> {
    match authority {
        "" => Ok(("", None)),
        authority => split_authority(authority).map_err(|_| BadHead::Syntax("The Host field is not valid.")),
    }
}

/// By which way a request came: the connection, and what trusted proxies said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Via<'a> {
    /// What the connection speaks.
    pub(crate) spoken: Scheme,
    /// What the client spoke.
    pub(crate) scheme: Scheme,
    /// The host that it asked, where that is not the one in the request.
    pub(crate) host: Option<&'a str>,
    /// The port that it asked, for hosts that name none.
    pub(crate) port: Option<u16>,
}

impl Via<'_> {
    /// A connection that comes from the client itself.
    pub(crate) fn direct(scheme: Scheme) -> Via<'static> {
        Via { spoken: scheme, scheme, host: None, port: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(method: &str, target: &'a str, host: &'a str) -> Result<(&'a str, u16, &'a str), u16> {
        Effective::of(method, target, Some(host), &Via::direct(Scheme::Http))
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
        for (target, host) in [
            ("/#x", "h"),
            ("/", "u@h"),
            ("/", "h/x"),
            ("/", "a b"),
            ("/", "."),
            ("http://u@h/", "h"),
            ("http://h/", "u@h"),
        ] {
            assert_eq!(of("GET", target, host), Err(400), "{target} {host}");
        }
    }

    #[test]
    fn what_proxies_said_stands_before_what_the_request_says() {
        let via = Via { spoken: Scheme::Http, scheme: Scheme::Https, host: Some("a.test"), port: Some(8443) };
        let of = |via: &Via<'static>, target: &'static str, host: &'static str| {
            Effective::of("GET", target, Some(host), via).map(|got| (got.scheme, got.host, got.port))
        };
        assert_eq!(of(&via, "/", "inner:81"), Ok((Scheme::Https, "a.test", 8443)));
        assert_eq!(of(&via, "http://inner/", "inner"), Ok((Scheme::Https, "a.test", 8443)));
        assert_eq!(of(&Via { host: Some("a.test:1"), ..via }, "/", "inner"), Ok((Scheme::Https, "a.test", 1)));
        assert_eq!(of(&Via { host: None, ..via }, "/", "inner:81"), Ok((Scheme::Https, "inner", 81)));
        assert_eq!(of(&Via { host: None, port: None, ..via }, "/", "inner"), Ok((Scheme::Https, "inner", 443)));
        assert!(of(&Via { host: Some("a b"), ..via }, "/", "inner").is_err());
        assert!(of(&via, "/", "in ner").is_err(), "what was sent is checked all the same");
    }
}
