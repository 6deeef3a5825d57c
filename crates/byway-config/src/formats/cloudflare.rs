//! Cloudflare's bulk redirects: rows with flags, as rules of our own.
//!
//! A source is a URL without wildcards; a scheme that is not written is both. Four flags say whether the query is kept, whether
//! subdomains are meant, whether everything below the path is meant, and whether what is below is kept. The status is 301 where
//! none is written: that is the format's own default.

use byway_core::dialect::{LetterCase, QueryPolicy, TrailingSlash};
use byway_core::ruleset::Order;
use byway_core::status::RedirectStatus;

use super::csv::{self, Column, Flavour, Record};
use super::{Folders, Format, Reader, Says, never};
use crate::lines::Lines;
use crate::list::{Cell, Draft, List};

pub(super) const ROW: Format = Format {
    name: "cloudflare",
    title: "Cloudflare bulk redirects",
    files: &[],
    says: Says {
        statuses: "301 302 307 308",
        default: "301",
        sources: "a URL, its subdomains, all below its path",
        conditions: "none",
        query: "keep, drop",
    },
    is_named: |_| false,
    is_like: never,
    folders: Folders::No,
    reader: Reader::List(Order::Specific, |reader, list| csv::read(reader, Flavour::Bulk, list)),
    write: None,
};

/// The flags of a row.
struct Flags {
    keeps_query: bool,
    subdomains: bool,
    subpaths: bool,
    keeps_suffix: bool,
}

/// Reads one row.
pub(crate) fn row(record: &Record<'_>, lines: &Lines<'_>, list: &mut List<'_>) {
    let (Some(from), Some(to)) = (record.cell(Column::From), record.cell(Column::To)) else { return };
    let Some(status) = record.status(lines, list, Some(RedirectStatus::MovedPermanently)) else { return };
    let Some(flags) = flags(record, lines, list) else { return };
    let Some(source) = source(from, &flags, lines, list) else { return };
    let target = target(to.text, &flags);
    let query = if flags.keeps_query { QueryPolicy::Keep } else { QueryPolicy::Drop };
    let hosts = if flags.subdomains {
        vec![source.host.clone(), format!("*.{}", source.host)]
    } else {
        vec![source.host.clone()]
    };
    for host in hosts {
        let text = format!("{}//{host}{}", source.scheme, source.path);
        let draft = Draft {
            from: Cell { text: &text, ..from },
            to: Cell { text: &target, ..to },
            status,
            query: query.clone(),
            slash: TrailingSlash::Significant,
            case: LetterCase::Significant,
            since: None,
            until: None,
            id: None,
            group: None,
            owner: None,
            note: None,
            conditions: &[],
        };
        list.take(lines, draft);
    }
}

fn flags(record: &Record<'_>, lines: &Lines<'_>, list: &mut List<'_>) -> Option<Flags> {
    let mut read = |column, default| flag(record.cell(column), default, lines, list);
    let (query, subdomains) = (read(Column::KeepQuery, false), read(Column::Subdomains, false));
    let (subpaths, suffix) = (read(Column::Subpaths, false), read(Column::KeepSuffix, true));
    Some(Flags { keeps_query: query?, subdomains: subdomains?, subpaths: subpaths?, keeps_suffix: suffix? })
}

fn flag(cell: Option<Cell<'_>>, default: bool, lines: &Lines<'_>, list: &mut List<'_>) -> Option<bool> {
    let Some(cell) = cell else { return Some(default) };
    match cell.text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => {
            let what = format!("`{}` is neither TRUE nor FALSE", crate::own::page::shortened(cell.text));
            list.refuse(lines, cell.start..cell.end, "bad-flag", what, Some("write `TRUE` or `FALSE`".to_owned()));
            None
        }
    }
}

struct Source {
    scheme: &'static str,
    host: String,
    path: String,
}

/// A source of a bulk list in our own words.
fn source(cell: Cell<'_>, flags: &Flags, lines: &Lines<'_>, list: &mut List<'_>) -> Option<Source> {
    let (scheme, rest) = match cell.text.split_once("://") {
        Some(("http", rest)) => ("http:", rest),
        Some(("https", rest)) => ("https:", rest),
        _ => ("", cell.text),
    };
    if rest.starts_with('/') || rest.is_empty() {
        let help = format!("write the host: `example.com{}`", cell.text);
        list.refuse(lines, cell.start..cell.end, "bad-source", "a bulk list names a host in every source", Some(help));
        return None;
    }
    if let Some(star) = cell.text.find('*') {
        let help = "bulk lists know no wildcards: use `subpath_matching` or `include_subdomains`".to_owned();
        list.refuse(lines, cell.start + star..cell.start + star + 1, "bad-source", "`*` in a bulk list", Some(help));
        return None;
    }
    let path_at = rest.find('/').unwrap_or(rest.len());
    let mut path = rest[path_at..].replace("/:", "/::");
    if flags.subpaths {
        path.truncate(path.trim_end_matches('/').len());
        path.push_str("/*");
    }
    Some(Source { scheme, host: rest[..path_at].to_owned(), path })
}

/// A target in our own words: with the rest of the path where that is kept.
fn target(text: &str, flags: &Flags) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    // What our own targets take for captures is literal here.
    let head = head.replace('{', "{{");
    match flags.subpaths && flags.keeps_suffix {
        true => format!("{}/*{tail}", head.trim_end_matches('/')),
        false => format!("{head}{tail}"),
    }
}
