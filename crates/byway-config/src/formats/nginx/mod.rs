//! nginx: a whole configuration or a part of one, read into nginx's dialect, and rules written as a good engineer would.
//!
//! Text becomes words ([`lex`]), words become directives with includes followed ([`tree`]), directives become servers, locations
//! and statements ([`model`]), and those become tables and rules: [`servers`] chooses who answers, [`lower`] makes the tables of a
//! server, [`script`] has the statements, [`lists`] and [`geo`] what is looked up, [`errors`] the error pages, [`content`] what
//! follows from files. Nothing is bound, run or fetched; files on the disk are only names below a document root.

mod build;
mod checks;
mod content;
mod errors;
mod faults;
mod geo;
mod groups;
mod ifs;
mod known;
mod lex;
mod lists;
mod locations;
mod lower;
mod model;
mod names;
mod pcre;
mod returns;
mod rewrites;
mod script;
mod servers;
mod settings;
mod split;
mod statements;
mod text;
mod tree;
mod unknown;
mod write;
mod written;

use std::path::Path;

pub(crate) use self::lower::KIND;
pub(crate) use self::write::word;
use super::{Folders, Format, Reader, Says, file_name, has_extension};
use crate::foreign::Reading;

/// The row.
pub(super) static ROW: Format = Format {
    name: "nginx",
    title: "nginx",
    files: &["nginx.conf", "*.nginx", "sites-enabled/*", "conf.d/*.conf"],
    says: Says {
        statuses: "301, 302, 303, 307, 308; 403, 404, 410, 451, 503",
        default: "302 for `return URL` and `rewrite … redirect`",
        sources: "hosts, exact paths, prefixes by bytes, regexes (PCRE), lists by `map`",
        conditions: "`if` and `map` on any variable: method, fields, cookies, query, address, scheme",
        query: "kept by `rewrite` and `$request_uri`, dropped by `return`",
    },
    is_named,
    is_like,
    folders: Folders::No,
    reader: Reader::Foreign(read),
    write: Some(write::write),
};

fn is_named(path: &Path) -> bool {
    let name = file_name(path);
    let is_site = path.parent().and_then(Path::file_name).is_some_and(|folder| {
        matches!(&*folder.to_string_lossy(), "sites-enabled" | "sites-available" | "nginx" | "snippets")
    });
    name.starts_with("nginx") && (has_extension(path, &["conf"]) || name == "nginx")
        || has_extension(path, &["nginx", "vhost"])
        || is_site && (has_extension(path, &["conf"]) || path.extension().is_none())
}

/// Whether a text begins as only nginx does: a block or a line of it, ended as nginx ends it.
fn is_like(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head));
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(2_000).peekable();
    while let Some(line) = lines.next() {
        let name = line.split([' ', '\t', '{', ';']).next().unwrap_or_default();
        let words = line.split(" #").next().unwrap_or_default().trim_end();
        let ends = words.ends_with([';', '{', '}']);
        // The brace may stand on a line of its own.
        let mut opens = |behind: &str| match behind.find('{') {
            Some(_) => true,
            None => lines.peek().is_some_and(|next| next.starts_with('{')),
        };
        let is_like = match name {
            "server" | "http" | "events" => {
                let behind = words[name.len()..].trim_start();
                behind.starts_with('{') || behind.is_empty() && opens(behind)
            }
            "location" | "if" => line.contains('{'),
            "map" | "geo" | "split_clients" => is_list(&words[name.len()..]) && opens(words),
            "upstream" => words[name.len()..].contains('{'),
            "listen" | "server_name" | "return" | "rewrite" | "try_files" | "error_page" | "worker_processes" => ends,
            _ => false,
        };
        if is_like {
            return true;
        }
    }
    false
}

/// Whether the words before the brace of a list end with the variable that it makes.
fn is_list(behind: &str) -> bool {
    let words = behind.split('{').next().unwrap_or_default();
    let last = words.split_whitespace().next_back().and_then(|last| last.strip_prefix('$'));
    last.is_some_and(|name| name.starts_with(|sign: char| sign.is_ascii_alphabetic() || "_{".contains(sign)))
}

fn read(reading: &mut Reading<'_>) {
    let Some(tree) = tree::read(reading) else { return };
    let model = build::build(&tree, reading);
    checks::check(&tree, reading);
    written::note(&tree, &model, reading);
    lower::lower(&tree, &model, reading);
}
