//! Texts with variables, and what each variable is here.
//!
//! A variable of the request is a piece of a target; one that the configuration sets is kept in a slot; one of a `map` or `geo`
//! is looked up before the rule that needs it. A variable that cannot be known here is refused by name.

use std::borrow::Cow;

use byway_core::condition::Subject;
use byway_core::target::{GROUP_OF_SET, Landing, Part, Piece, Target, What};

use crate::own::suggest::misspelt;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bit {
    /// Literal text.
    Text(Vec<u8>),
    /// `$1`
    Group(u8),
    /// `$name`
    Variable(String),
}

/// Splits a text at its variables, as nginx does.
pub(super) fn bits(text: &[u8]) -> Result<Vec<Bit>, String> {
    let mut out: Vec<Bit> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = memchr::memchr(b'$', &text[at..]).map_or(text.len(), |dollar| at + dollar);
        if next > at {
            out.push(Bit::Text(text[at..next].to_vec()));
        }
        if next == text.len() {
            break;
        }
        at = next + 1;
        let (name, end) = match text.get(at) {
            Some(b'1'..=b'9') => {
                out.push(Bit::Group(text[at] - b'0'));
                at += 1;
                continue;
            }
            Some(b'{') => {
                let Some(close) = memchr::memchr(b'}', &text[at..]) else {
                    let is_of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                    let length = text[at + 1..].iter().take_while(is_of_name).count();
                    let name = String::from_utf8_lossy(&text[at + 1..][..length]);
                    return Err(format!("the closing bracket in \"{name}\" variable is missing"));
                };
                (&text[at + 1..at + close], at + close + 1)
            }
            _ => {
                let len = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                (&text[at..at + len], at + len)
            }
        };
        match name {
            [] => return Err("invalid variable name".to_owned()),
            name => out.push(Bit::Variable(String::from_utf8_lossy(name).to_ascii_lowercase())),
        }
        at = end;
    }
    Ok(out)
}

/// The variables of the request that a piece says.
pub(super) fn of_request(name: &str) -> Option<What<'static>> {
    let part = |part| Some(What::Part(part));
    match name {
        "uri" | "document_uri" => part(Part::WorkingPath),
        "request_uri" => part(Part::PathAndQuery),
        "args" | "query_string" => part(Part::WorkingQuery),
        "is_args" => part(Part::QueryMark),
        "scheme" => part(Part::Scheme),
        "host" => part(Part::Host),
        "http_host" => part(Part::HostField),
        "server_port" => part(Part::LocalPort),
        "remote_addr" => part(Part::Address),
        "content_type" => Some(What::Field("content-type".into())),
        "content_length" => Some(What::Field("content-length".into())),
        _ => match (name.strip_prefix("arg_"), name.strip_prefix("cookie_"), name.strip_prefix("http_")) {
            (Some(name), ..) => Some(What::Argument(Cow::Owned(name.to_owned()))),
            (_, Some(name), _) => Some(What::Cookie(Cow::Owned(name.to_owned()))),
            (.., Some(name)) => Some(What::Field(Cow::Owned(name.replace('_', "-")))),
            _ => None,
        },
    }
}

/// The variables that nginx's own modules make and that nothing in a configuration may set.
const TAKEN: &[&str] = &[
    "ancient_browser",
    "binary_remote_addr",
    "body_bytes_sent",
    "bytes_sent",
    "connection",
    "connection_requests",
    "connection_time",
    "content_length",
    "content_type",
    "date_gmt",
    "date_local",
    "document_root",
    "document_uri",
    "fastcgi_path_info",
    "fastcgi_script_name",
    "gzip_ratio",
    "host",
    "hostname",
    "http2",
    "http_cookie",
    "http_host",
    "http_referer",
    "http_user_agent",
    "http_via",
    "http_x_forwarded_for",
    "https",
    "invalid_referer",
    "is_args",
    "modern_browser",
    "msec",
    "msie",
    "nginx_version",
    "pid",
    "pipe",
    "proxy_add_x_forwarded_for",
    "proxy_host",
    "proxy_port",
    "proxy_protocol_addr",
    "proxy_protocol_port",
    "proxy_protocol_server_addr",
    "proxy_protocol_server_port",
    "query_string",
    "realip_remote_addr",
    "realip_remote_port",
    "realpath_root",
    "remote_addr",
    "remote_port",
    "remote_user",
    "request",
    "request_body",
    "request_body_file",
    "request_completion",
    "request_filename",
    "request_id",
    "request_length",
    "request_method",
    "request_time",
    "request_uri",
    "scheme",
    "secure_link",
    "secure_link_expires",
    "sent_http_cache_control",
    "sent_http_connection",
    "sent_http_content_length",
    "sent_http_content_type",
    "sent_http_keep_alive",
    "sent_http_last_modified",
    "sent_http_link",
    "sent_http_location",
    "sent_http_transfer_encoding",
    "server_addr",
    "server_name",
    "server_port",
    "server_protocol",
    "slice_range",
    "ssl_cipher",
    "ssl_ciphers",
    "ssl_client_cert",
    "ssl_client_escaped_cert",
    "ssl_client_fingerprint",
    "ssl_client_i_dn",
    "ssl_client_i_dn_legacy",
    "ssl_client_raw_cert",
    "ssl_client_s_dn",
    "ssl_client_s_dn_legacy",
    "ssl_client_serial",
    "ssl_client_v_end",
    "ssl_client_v_remain",
    "ssl_client_v_start",
    "ssl_client_verify",
    "ssl_curve",
    "ssl_curves",
    "ssl_early_data",
    "ssl_protocol",
    "ssl_server_name",
    "ssl_session_id",
    "ssl_session_reused",
    "status",
    "tcpinfo_rcv_space",
    "tcpinfo_rtt",
    "tcpinfo_rttvar",
    "tcpinfo_snd_cwnd",
    "time_iso8601",
    "time_local",
    "uid_got",
    "uid_reset",
    "uid_set",
    "upstream_addr",
    "upstream_bytes_received",
    "upstream_bytes_sent",
    "upstream_cache_status",
    "upstream_connect_time",
    "upstream_header_time",
    "upstream_response_length",
    "upstream_response_time",
    "upstream_status",
    "uri",
];

/// Whether a variable is nginx's own, so that a configuration that sets it does not start.
pub(super) fn is_taken(name: &str) -> bool {
    TAKEN.binary_search(&name).is_ok()
}

/// Fields that configurations ask for, as nginx names them.
const FIELDS: [&str; 8] = [
    "http_accept",
    "http_accept_language",
    "http_cookie",
    "http_host",
    "http_referer",
    "http_upgrade",
    "http_user_agent",
    "http_x_forwarded_proto",
];

/// The variable that a name is a misspelling of.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    misspelt(name, TAKEN.iter().copied().chain(FIELDS).filter(|known| known.len() > 3))
}

/// Whether a variable that is not nginx's own may be of a module that people build in.
pub(super) fn is_of_module(name: &str) -> bool {
    let families = [
        "ssl_",
        "geoip_",
        "geoip2_",
        "upstream_",
        "sent_trailer_",
        "realip_",
        "proxy_protocol_",
        "jwt_",
        "fastcgi_",
        "date_",
    ];
    families.iter().any(|begin| name.starts_with(begin)) || matches!(name, "limit_rate" | "http3" | "memcached_key")
}

/// Variables that are the same whenever a statement reads them: what was not sent yet is empty.
pub(super) fn constant(name: &str) -> Option<&'static str> {
    match name {
        "nginx_version" => Some("1.22.1"),
        "limit_rate" | "body_bytes_sent" | "bytes_sent" => Some("0"),
        "request_completion" | "request_body" | "request_body_file" => Some(""),
        // Another server was not asked yet, and no answer is begun.
        "upstream_addr" | "upstream_status" | "upstream_cache_status" | "upstream_response_time" => Some(""),
        name if name.starts_with("upstream_http_") || name.starts_with("upstream_cookie_") => Some(""),
        name if name.starts_with("sent_http_") => Some(""),
        _ => None,
    }
}

/// A part of a text whose variables are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    Text(Vec<u8>),
    What(What<'static>),
}

/// A text that no client sees: nothing in it has a place. `None` where its bytes are not UTF-8.
pub(super) fn plain(parts: &[Known]) -> Option<Target<'static>> {
    Some(Target::of_pieces(plain_pieces(parts)?))
}

/// The same for `set`, which escapes groups by number.
pub(super) fn plain_with_groups(parts: &[Known], groups: &[usize]) -> Option<Target<'static>> {
    let mut pieces = plain_pieces(parts)?;
    for &at in groups {
        if let Some(piece) = pieces.get_mut(at) {
            piece.place = GROUP_OF_SET;
        }
    }
    Some(Target::of_pieces(pieces))
}

fn plain_pieces(parts: &[Known]) -> Option<Vec<Piece<'static>>> {
    let piece = |part: &Known| {
        let what = match part {
            Known::Text(text) => What::Literal(Cow::Owned(String::from_utf8(text.clone()).ok()?)),
            Known::What(what) => what.clone(),
        };
        Some(Piece { place: Landing::Path, what })
    };
    parts.iter().map(piece).collect()
}

/// What a condition asks about.
pub(super) fn subject(parts: &[Known]) -> Option<Subject> {
    let mut pieces = plain_pieces(parts)?;
    if pieces.is_empty() {
        pieces.push(Piece { place: Landing::Path, what: What::Literal("".into()) });
    }
    Some(Subject::Text(pieces))
}

/// How a target is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As `return` does.
    Return,
    /// As `rewrite` does.
    Rewrite,
}

/// Why a text is no Location.
pub(super) const RELATIVE: &str = "a Location relative to the page that was asked";
pub(super) const OTHER_SCHEME: &str = "a scheme that no redirect of byway goes to";

/// The target of a redirect.
pub(super) fn location(parts: &[Known], form: Form) -> Result<Target<'static>, &'static str> {
    let mut writer = Writer { pieces: Vec::new(), place: Landing::Path, form, is_undone: form == Form::Rewrite };
    let mut rest = parts.to_vec();
    match parts {
        [Known::Text(text), ..] => {
            let head = text.split(|&b| b == b'/').next().unwrap_or_default();
            let scheme = match head.to_ascii_lowercase().as_slice() {
                b"http:" if text.get(5..7) == Some(b"//") => Some("http://"),
                b"https:" if text.get(6..8) == Some(b"//") => Some("https://"),
                _ => None,
            };
            match scheme {
                Some(scheme) => {
                    writer.push(Landing::Scheme, What::Literal(scheme.into()));
                    rest[0] = Known::Text(text[scheme.len()..].to_vec());
                    writer.host(&mut rest);
                }
                None if text.first() == Some(&b'/') => {}
                None if head.first().is_some_and(u8::is_ascii_alphabetic) && head.contains(&b':') => {
                    return Err(OTHER_SCHEME);
                }
                None => return Err(RELATIVE),
            }
        }
        [Known::What(What::Part(Part::Scheme)), Known::Text(text), ..] if text.starts_with(b"://") => {
            writer.push(Landing::Scheme, What::Part(Part::Scheme));
            writer.push(Landing::Scheme, What::Literal("://".into()));
            rest.remove(0);
            rest[0] = Known::Text(text[3..].to_vec());
            writer.host(&mut rest);
        }
        [] => return Err("an empty Location"),
        _ => {}
    }
    for part in &rest {
        match part {
            Known::Text(text) => writer.text(text),
            Known::What(what) => writer.variable(what),
        }
    }
    Ok(Target::of_pieces(writer.pieces))
}

struct Writer {
    pieces: Vec<Piece<'static>>,
    place: Landing,
    form: Form,
    /// Whether escapes are still undone: `rewrite` does so up to the first `?`.
    is_undone: bool,
}

impl Writer {
    fn push(&mut self, place: Landing, what: What<'static>) {
        self.pieces.push(Piece { place, what });
    }

    /// Takes the host and the port off the front.
    fn host(&mut self, rest: &mut Vec<Known>) {
        let mut is_first = true;
        while let Some(part) = rest.first().cloned() {
            match part {
                Known::Text(text) if text.is_empty() => {
                    rest.remove(0);
                }
                Known::Text(text) => {
                    let end = text.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(text.len());
                    let (authority, path) = text.split_at(end);
                    let colon = authority.iter().position(|&b| b == b':').unwrap_or(authority.len());
                    let literal = |bytes: &[u8]| What::Literal(Cow::Owned(escaped(bytes).to_ascii_lowercase()));
                    if colon > 0 {
                        self.push(Landing::Host, literal(&authority[..colon]));
                    }
                    if colon < authority.len() {
                        self.push(Landing::Port, literal(&authority[colon..]));
                    }
                    rest[0] = Known::Text(path.to_vec());
                    if end < text.len() || colon < authority.len() {
                        // A port that is a variable is one of ours.
                        if let (true, Some(Known::What(What::Part(Part::LocalPort)))) = (path.is_empty(), rest.get(1)) {
                            self.push(Landing::Port, What::Part(Part::LocalPort));
                            rest.drain(..2);
                        }
                        return;
                    }
                    rest.remove(0);
                    is_first = false;
                }
                Known::What(What::Part(Part::Host | Part::HostField)) => {
                    if let Known::What(what) = rest.remove(0) {
                        self.push(Landing::Host, what);
                    }
                    is_first = false;
                }
                Known::What(What::Part(
                    Part::PathAndQuery | Part::WorkingPath | Part::QueryMark | Part::WorkingQuery,
                )) => {
                    return;
                }
                Known::What(what) => {
                    // Text of the client's may be a whole label of the host, and never lengthens one.
                    let dotted = matches!(
                        self.pieces.last(),
                        Some(Piece { place: Landing::Host, what: What::Literal(text) }) if text.ends_with('.')
                    );
                    if !is_first && !dotted {
                        return;
                    }
                    rest.remove(0);
                    self.push(Landing::Host, what);
                    is_first = false;
                }
            }
        }
    }

    /// Literal text, at its place, escaped where nothing else may be sent.
    fn text(&mut self, text: &[u8]) {
        let mut text = Cow::Borrowed(text);
        if self.is_undone {
            let (undone, goes_on) = undone(&text);
            text = Cow::Owned(undone);
            self.is_undone = goes_on;
        }
        let mut rest: &[u8] = &text;
        while !rest.is_empty() {
            let ends = match self.place {
                Landing::Path => rest.iter().position(|b| matches!(b, b'?' | b'#')),
                Landing::Query => memchr::memchr(b'#', rest),
                _ => None,
            };
            let (here, behind) = rest.split_at(ends.unwrap_or(rest.len()));
            if !here.is_empty() {
                self.push(self.place, What::Literal(Cow::Owned(escaped(here))));
            }
            if let Some(&sign) = behind.first() {
                self.place = if sign == b'?' { Landing::Query } else { Landing::Fragment };
                self.push(self.place, What::Literal(Cow::Owned(char::from(sign).to_string())));
            }
            rest = behind.get(1..).unwrap_or_default();
        }
    }

    fn variable(&mut self, what: &What<'static>) {
        // `$args` behind `$is_args` is the query.
        let place = match (self.place, what) {
            (Landing::Path, What::Part(Part::WorkingQuery)) if self.form == Form::Return => Landing::Path,
            (place, _) => place,
        };
        self.push(place, what.clone());
    }
}

/// Text as a Location may hold it.
pub(super) fn escaped(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            0x21..=0x7E => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Escapes undone as `rewrite` does with its redirects: those of characters that need none, up to the first `?`. Whether none
/// was met, so that what follows is undone as well.
fn undone(text: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (byte, len) = match escaped {
            Some(escaped) if (b'&'..0x7F).contains(&escaped) => (escaped, 3),
            _ => (byte, 1),
        };
        out.push(byte);
        at += len;
        if byte == b'?' {
            out.extend_from_slice(&text[at..]);
            return (out, false);
        }
    }
    (out, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, form: Form) -> String {
        let known = bits(text.as_bytes()).expect("a text").into_iter().map(|bit| match bit {
            Bit::Text(text) => Known::Text(text),
            Bit::Group(number) => Known::What(What::Capture(number - 1)),
            Bit::Variable(name) => Known::What(of_request(&name).unwrap_or(What::Slot(1))),
        });
        let known: Vec<Known> = known.collect();
        location(&known, form).map_or_else(str::to_owned, |target| target.to_string())
    }

    #[test]
    fn targets_find_their_places() {
        for (text, shown) in [
            ("/new", "/new"),
            ("https://$host$request_uri", "https://{host}{path-and-query}"),
            ("$scheme://$host:8443/x?y=$arg_id#f", "{scheme}://{host}:8443/x?y={argument.id}#f"),
            ("https://new.example$1", "https://new.example{1}"),
            ("HTTPS://$1.New.example/x y", "https://{1}.new.example/x%20y"),
            ("$moved", "{slot.1}"),
            ("t", RELATIVE),
            ("mailto:x", OTHER_SCHEME),
        ] {
            assert_eq!(said(text, Form::Return), shown, "{text}");
        }
        assert_eq!(said("/t/%41%26%20%7e/$1?%41", Form::Rewrite), "/t/A&%20~/{1}?%41");
    }

    #[test]
    fn variables_are_split_as_nginx_does() {
        assert_eq!(bits(b"$"), Err("invalid variable name".to_owned()));
        assert_eq!(bits(b"${a"), Err("the closing bracket in \"a\" variable is missing".to_owned()));
        assert_eq!(
            bits(b"$1x${uri}"),
            Ok(vec![Bit::Group(1), Bit::Text(b"x".to_vec()), Bit::Variable("uri".to_owned())])
        );
    }
}
