//! What is known of nginx's directives: how many words they take, what follows them, and which only serve content.
//!
//! A directive that decides redirects has a row in [`RULES`]. All others are passed over: those of nginx's own modules in
//! silence or as something that byway does not do ([`beyond`]), the rest by name.

use std::ops::RangeInclusive;

use super::known;
use crate::diagnostic::Severity;
use crate::own::suggest::{misspelt, slip};

/// What ends a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `;`
    Line,
    /// `{ … }`
    Block,
}

/// What stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// Directives.
    Block,
    /// Entries of a list.
    Entries,
    /// Another language.
    Foreign,
}

const MANY: usize = 2047;

/// The directives that decide redirects: name, shape, number of words behind it.
const RULES: &[(&str, Shape, RangeInclusive<usize>)] = &[
    ("absolute_redirect", Shape::Line, 1..=1),
    ("alias", Shape::Line, 1..=1),
    ("allow", Shape::Line, 1..=1),
    ("autoindex", Shape::Line, 1..=1),
    ("break", Shape::Line, 0..=0),
    ("deny", Shape::Line, 1..=1),
    ("error_page", Shape::Line, 2..=MANY),
    ("events", Shape::Block, 0..=0),
    ("geo", Shape::Block, 1..=2),
    ("http", Shape::Block, 0..=0),
    ("if", Shape::Block, 1..=MANY),
    ("include", Shape::Line, 1..=1),
    ("index", Shape::Line, 1..=MANY),
    ("internal", Shape::Line, 0..=0),
    ("limit_except", Shape::Block, 1..=MANY),
    ("listen", Shape::Line, 1..=MANY),
    ("location", Shape::Block, 1..=2),
    ("map", Shape::Block, 2..=2),
    ("merge_slashes", Shape::Line, 1..=1),
    ("port_in_redirect", Shape::Line, 1..=1),
    ("recursive_error_pages", Shape::Line, 1..=1),
    ("return", Shape::Line, 1..=2),
    ("rewrite", Shape::Line, 2..=3),
    ("root", Shape::Line, 1..=1),
    ("satisfy", Shape::Line, 1..=1),
    ("server", Shape::Block, 0..=0),
    ("server_name", Shape::Line, 1..=MANY),
    ("server_name_in_redirect", Shape::Line, 1..=1),
    ("set", Shape::Line, 2..=2),
    ("try_files", Shape::Line, 2..=MANY),
];

fn rule(name: &str) -> Option<&'static (&'static str, Shape, RangeInclusive<usize>)> {
    RULES.binary_search_by(|(known, ..)| (*known).cmp(name)).ok().map(|at| &RULES[at])
}

/// What ends a directive, where it is one that decides redirects; `server` also stands in `upstream` with words.
pub(super) fn shape_of(name: &str) -> Option<Shape> {
    rule(name).map(|row| row.1).filter(|_| name != "server")
}

/// How many words a directive takes, where that is known.
pub(super) fn arguments_of(name: &str) -> Option<&'static RangeInclusive<usize>> {
    rule(name).filter(|_| name != "server").map(|row| &row.2)
}

/// The directive that a word is a misspelling of. nginx starts with none that it does not know; those of modules that people
/// build in have names of their own.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let is_numbered =
        |known: &str| name.strip_prefix(known).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let deciding = misspelt(name, RULES.iter().map(|row| row.0));
    deciding.or_else(|| slip(name, known::own().filter(|known| known.len() > 3))).filter(|known| !is_numbered(known))
}

/// How bad it is that a word is written in the place of a directive.
pub(super) fn gravity(meant: &str) -> Severity {
    if decides(meant) { Severity::Error } else { Severity::Warning }
}

/// Whether a directive decides redirects.
pub(super) fn decides(name: &str) -> bool {
    rule(name).is_some()
}

/// What stands in the block of a directive.
pub(super) fn body_of(name: &str) -> BodyKind {
    match name {
        "map" | "geo" | "split_clients" | "types" | "charset_map" => BodyKind::Entries,
        name if name.ends_with("_by_lua_block") || name == "perl_block" => BodyKind::Foreign,
        _ => BodyKind::Block,
    }
}

/// Files that every installation includes and that hold no redirects.
pub(super) const HARMLESS_INCLUDES: &[&str] = &[
    "mime.types",
    "fastcgi_params",
    "fastcgi.conf",
    "fastcgi-php.conf",
    "uwsgi_params",
    "scgi_params",
    "proxy_params",
    "koi-win",
    "koi-utf",
    "win-utf",
    "options-ssl-nginx.conf",
];

/// Whether a directive is known, though it decides no redirects.
pub(super) fn is_known(name: &str) -> bool {
    known::is_known(name)
}

/// What a directive does that is not redirecting, if it answers requests or decides who may ask.
pub(super) fn beyond(name: &str) -> Option<&'static str> {
    match name {
        "proxy_pass" | "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass" | "memcached_pass" => {
            Some("hands requests to another server")
        }
        "auth_basic" | "auth_request" | "auth_jwt" | "secure_link" | "limit_req" | "limit_conn" | "valid_referers" => {
            Some("decides who may ask")
        }
        "root" | "alias" | "index" | "autoindex" | "try_files" | "random_index" | "empty_gif" | "stub_status"
        | "flv" | "mp4" | "dav_methods" => Some("serves files"),
        "js_content" | "perl" => Some("runs a program"),
        name if name.contains("_by_lua") => Some("runs a program"),
        _ => None,
    }
}

/// Directives that may answer or redirect by a program that is not run here.
pub(super) fn is_program(name: &str) -> bool {
    matches!(name, "js_content" | "perl" | "auth_request") || name.starts_with("js_") || name.contains("_by_lua")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_found() {
        assert!(RULES.is_sorted_by_key(|row| row.0));
        assert!(decides("rewrite") && is_known("proxy_set_header") && is_known("gzip") && is_known("http2"));
        assert_eq!((meant("retrun"), meant("locaton")), (Some("return"), Some("location")));
        assert_eq!((meant("geoip2"), meant("pagespeed"), meant("echo")), (None, None, None));
        assert!(RULES.iter().all(|row| is_known(row.0)), "what decides is known");
        assert_eq!(body_of("content_by_lua_block"), BodyKind::Foreign);
    }
}
