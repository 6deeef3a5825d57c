//! What the directives are that have nothing to do with where a redirect goes: known, and passed over.
//!
//! Those that make a server do more than redirect are told apart, since `serve` counts them, and those that redirect in a way that
//! is not read here, since each is named. All names are in `known.rs`.

use super::known;
use crate::diagnostic::Severity;
use crate::own::suggest::{misspelt, slip};

/// What a directive is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It changes nothing of a redirect: types, logs, limits.
    Passive,
    /// The server does something else with requests: hands them on, asks for a password, adds headers.
    Beyond,
    /// No directive of httpd's own modules, nor of those that people add.
    Not,
}

/// What makes a server do more than redirect, in small letters, sorted.
const BEYOND: &[&str] = &[
    "action",
    "addinputfilter",
    "alias",
    "aliasmatch",
    "allow",
    "anonymous",
    "authbasicprovider",
    "authdigestprovider",
    "authformprovider",
    "authgroupfile",
    "authldapurl",
    "authname",
    "authnzfcgicheckauthnprovider",
    "authtype",
    "authuserfile",
    "balancermember",
    "cacheenable",
    "dav",
    "deny",
    "dumpioinput",
    "extfilterdefine",
    "header",
    "luamaphandler",
    "luaquickhandler",
    "order",
    "proxypass",
    "proxypassmatch",
    "proxypassreverse",
    "proxypreservehost",
    "proxyrequests",
    "requestheader",
    "require",
    "satisfy",
    "setinputfilter",
    "sslengine",
    "sslproxyengine",
    "sslrequire",
    "sslrequiressl",
    "sslverifyclient",
    "substitute",
    "suexecusergroup",
    "userdir",
    "virtualdocumentroot",
    "virtualdocumentrootip",
    "virtualscriptalias",
    "virtualscriptaliasip",
    "wsgiscriptalias",
    "wsgiscriptaliasmatch",
];

/// Those that decide redirects, and what they stand in, as people write them.
const DECIDING: &[&str] = &[
    "AllowEncodedSlashes",
    "AllowOverride",
    "BrowserMatch",
    "Define",
    "DirectorySlash",
    "DocumentRoot",
    "ErrorDocument",
    "Include",
    "IncludeOptional",
    "Redirect",
    "RedirectMatch",
    "RedirectPermanent",
    "RedirectTemp",
    "RewriteBase",
    "RewriteCond",
    "RewriteEngine",
    "RewriteMap",
    "RewriteOptions",
    "RewriteRule",
    "ServerAlias",
    "ServerName",
    "SetEnvIf",
    "SetEnvIfNoCase",
    "UseCanonicalName",
];

/// The directive that a word is a misspelling of; httpd starts with none that it does not know.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    misspelt(name, DECIDING.iter().copied()).or_else(|| slip(name, known::own()))
}

/// How bad it is that a word is written in the place of a directive.
pub(super) fn gravity(meant: &str) -> Severity {
    if DECIDING.contains(&meant) { Severity::Error } else { Severity::Warning }
}

/// Directives that redirect in a way that is not read here: in small letters, the word that turns them off, and why.
const REDIRECTS: &[(&str, &str, &str)] = &[
    ("authformlocation", "", "a form that asks who somebody is sends them on"),
    ("authformloginrequiredlocation", "", "a form that asks who somebody is sends them on"),
    ("authformloginsuccesslocation", "", "a form that asks who somebody is sends them on"),
    ("authformlogoutlocation", "", "a form that asks who somebody is sends them on"),
    ("checkspelling", "off", "who misspells a file's name is sent to the one that is there"),
    ("directoryindexredirect", "off", "a folder sends people to its index"),
    ("mdrequirehttps", "off", "names that httpd gets certificates for are sent to https"),
];

/// Why a directive is refused that redirects in a way that is not read here.
pub(super) fn redirects_otherwise(name: &str, value: Option<&str>) -> Option<&'static str> {
    let row = REDIRECTS.iter().find(|row| row.0 == name)?;
    let is_off = value.is_none_or(|value| value.eq_ignore_ascii_case(row.1));
    (!is_off).then_some(row.2)
}

/// Directives that serve paths which are no files of the document root.
const SERVES_MORE: &[&str] = &[
    "action",
    "addhandler",
    "alias",
    "aliasmatch",
    "dav",
    "proxypass",
    "proxypassmatch",
    "scriptalias",
    "scriptaliasmatch",
    "sethandler",
    "userdir",
    "virtualdocumentroot",
    "wsgiscriptalias",
];

/// Whether a directive serves paths which are no files of the document root.
pub(super) fn serves_more(name: &str) -> bool {
    SERVES_MORE.contains(&name)
}

/// What a directive is, by its name in small letters.
pub(super) fn known(name: &str) -> Known {
    if BEYOND.contains(&name) {
        Known::Beyond
    } else if known::is_known(name) {
        Known::Passive
    } else {
        Known::Not
    }
}
