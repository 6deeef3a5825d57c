//! Apache httpd: configurations, `.htaccess` files, and folders that are document roots with their trees of `.htaccess`.
//!
//! What is answered is what httpd 2.4.71 answers. [`read`] walks the lines ([`frames`]: what opens, [`directives`]: what stands
//! there) and gathers what stands in servers, folders and locations ([`site`]); [`lower`] makes tables of it, the ones after the
//! other as httpd asks its modules: mod_rewrite of the server, mod_alias of the server, mod_rewrite of the deepest folder,
//! mod_alias of the folders, the slash of a folder.

mod access;
mod alias;
mod aliases;
mod asked;
mod beginnings;
mod cond;
mod directives;
mod expand;
mod expr;
mod folders;
mod frames;
mod hosts;
mod indexes;
mod known;
mod left_out;
mod lines;
mod list;
mod lower;
mod maps;
mod missing;
mod names;
mod onward;
mod pages;
mod passed;
mod pattern;
mod plan;
mod read;
mod rebase;
mod rewriting;
mod rounds;
mod rule;
mod sections;
mod server;
mod site;
mod slips;
mod steps;
mod trees;
mod turns;
mod write;
mod written;

use std::path::Path;

pub(crate) use self::cond::{asks_for_file, no_file};
pub(crate) use self::write::{alias_word, rewrite_word};
use super::{Folders, Format, Reader, Says, file_name, has_extension};
use crate::foreign::Reading;

const SAYS: Says = Says {
    statuses: "301, 302, 303, 307, 308; others without a target",
    default: "302",
    sources: "prefixes, patterns; hosts by virtual host",
    conditions: "any field, host, scheme, method, query, address, environment",
    query: "kept unless the target has one; merged, replaced, dropped by flags",
};

/// `apache`: a server's configuration.
pub(super) const ROW: Format = Format {
    name: "apache",
    title: "Apache httpd configuration (2.4.71)",
    files: &["httpd.conf", "apache2.conf", "*.conf"],
    says: SAYS,
    is_named: |path| {
        let name = file_name(path);
        name.starts_with("httpd") || name.starts_with("apache")
    },
    is_like,
    folders: Folders::No,
    reader: Reader::Foreign(read_file),
    write: Some(write::server),
};

/// `htaccess`: what stands in a folder.
pub(super) const HTACCESS: Format = Format {
    name: "htaccess",
    title: "Apache .htaccess files (2.4.71)",
    files: &[".htaccess", "a document root"],
    says: SAYS,
    is_named: |path| file_name(path).contains("htaccess") || has_extension(path, &["htaccess"]),
    is_like: |head| is_like(head) && !begins(head, SERVER_MARKS),
    folders: Folders::DocumentRoot,
    reader: Reader::Foreign(read_file),
    write: Some(write::folder),
};

/// Directives that no other format has, at the beginning of a line.
const MARKS: &[&str] = &[
    "rewriteengine",
    "rewriterule",
    "rewritecond",
    "redirectmatch",
    "redirectpermanent",
    "redirecttemp",
    "<virtualhost",
    "<directory",
    "<ifmodule",
    "<location",
    "documentroot",
    "serveralias",
    "redirect",
];

/// What stands in a server alone.
const SERVER_MARKS: &[&str] =
    &["<virtualhost", "<directory", "documentroot", "serveralias", "servername", "<location", "listen", "loadmodule"];

fn is_like(head: &[u8]) -> bool {
    begins(head, MARKS)
}

/// Whether a line of a text begins with one of these.
fn begins(head: &[u8], marks: &[&str]) -> bool {
    lines::Lines::new(head).take(2_000).any(|line| {
        let first = line.text.split_ascii_whitespace().next().unwrap_or_default();
        marks.iter().any(|mark| first.eq_ignore_ascii_case(mark)) && !line.text.ends_with([';', '{'])
    })
}

fn read_file(reading: &mut Reading<'_>) {
    let is_folder_text = reading.format() == &HTACCESS;
    let named = reading.named().to_owned();
    let site = match (is_folder_text, reading.kind()) {
        (_, crate::files::EntryKind::Folder) => read::folder(reading, &named),
        (true, _) => read::htaccess(reading, &named),
        (false, _) => read::configuration(reading, &named),
    };
    if let Some(site) = site {
        written::note(&site, is_folder_text, reading);
        lower::lower(&site, reading);
    }
}

/// The name of the files in a document root.
const FOLDER_FILE: &str = ".htaccess";

/// Whether a path is that of a file in a document root.
fn is_folder_file(path: &Path) -> bool {
    file_name(path) == FOLDER_FILE
}
