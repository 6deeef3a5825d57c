//! Lists as CSV: a header that names the columns, one rule a row (RFC 4180).
//!
//! Columns come in any order and under the names that other tools give them ([`COLUMNS`]); Cloudflare's bulk lists come with
//! their five flags, with or without a header. A row is a range of a read buffer and its cells are ranges of the row: nothing is
//! allocated for a row without quotes. A broken row is named and the rest is read.

use std::io::{self, Read};
use std::ops::Range;

use byway_core::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::ruleset::Order;
use byway_core::status::{RedirectStatus, StatusByMethod};

use super::cloudflare;
use super::{Folders, Format, Reader, Says, has_extension, never};
use crate::cells::Cells;
use crate::lines::Lines;
use crate::list::{Cell, Draft, List};
use crate::own::suggest::nearest;
use crate::own::{instant, status};

pub(super) const ROW: Format = Format {
    name: "csv",
    title: "CSV with a header",
    files: &["*.csv", "*.tsv"],
    says: Says {
        statuses: "301 302 303 307 308",
        default: "none: a column says it, or whoever names the file",
        sources: "exact, prefix, pattern, regex; scheme, host, port, query pairs",
        conditions: "time",
        query: "keep, drop, replace, merge, only",
    },
    is_named: |path| has_extension(path, &["csv", "tsv"]),
    is_like: never,
    folders: Folders::No,
    reader: Reader::List(Order::Specific, |reader, list| read(reader, Flavour::Own, list)),
    write: Some(crate::writing::csv::write),
};

/// A column that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Column {
    From,
    To,
    Status,
    Query,
    Id,
    Group,
    Owner,
    Note,
    Since,
    Until,
    KeepQuery,
    Subdomains,
    Subpaths,
    KeepSuffix,
}

/// How many columns there are.
const KNOWN: usize = 14;

/// The names of the columns, byway's own first.
const COLUMNS: &[(Column, &[&str])] = &[
    (Column::From, &["from", "source", "source_url", "old", "old_url"]),
    (Column::To, &["to", "target", "target_url", "destination", "new", "new_url"]),
    (Column::Status, &["status", "status_code", "code"]),
    (Column::Query, &["query"]),
    (Column::Id, &["id"]),
    (Column::Group, &["group"]),
    (Column::Owner, &["owner"]),
    (Column::Note, &["note", "comment"]),
    (Column::Since, &["since"]),
    (Column::Until, &["until"]),
    (Column::KeepQuery, &["preserve_query_string"]),
    (Column::Subdomains, &["include_subdomains"]),
    (Column::Subpaths, &["subpath_matching"]),
    (Column::KeepSuffix, &["preserve_path_suffix"]),
];

/// The columns of a Cloudflare bulk list without a header, as its dashboard writes them.
const BULK_ORDER: [Column; 7] = [
    Column::From,
    Column::To,
    Column::Status,
    Column::KeepQuery,
    Column::Subdomains,
    Column::Subpaths,
    Column::KeepSuffix,
];

/// Whose rules a list lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// byway's own, with a header.
    Own,
    /// Cloudflare's bulk redirects.
    Bulk,
}

/// Where each column stands.
#[derive(Debug)]
pub(crate) struct Header {
    places: [Option<usize>; KNOWN],
    width: usize,
    separator: u8,
    pub(crate) flavour: Flavour,
}

/// Reads a list.
pub(crate) fn read(reader: &mut dyn Read, flavour: Flavour, list: &mut List<'_>) -> io::Result<()> {
    let mut lines = Lines::new(reader);
    let mut cells = Cells::default();
    let Some((header, is_row)) = header(&mut lines, flavour, list)? else { return Ok(()) };
    if is_status_missing(&lines, &header, list) {
        return Ok(());
    }
    if is_row {
        row(&mut lines, &header, &mut cells, list)?;
    }
    while cells.unclosed < UNCLOSED_LIMIT && lines.advance()? {
        row(&mut lines, &header, &mut cells, list)?;
    }
    if cells.unclosed == UNCLOSED_LIMIT {
        let what = format!("reading stopped here: {UNCLOSED_LIMIT} quotes of this file are never closed");
        list.refuse(&lines, 0..0, "not-read", what, Some("close them, and look at the file again".to_owned()));
    }
    Ok(())
}

/// How many rows may end in the middle of a quoted cell before the file is taken for something else.
const UNCLOSED_LIMIT: u32 = 20;
/// How many bytes one row may be split anew for, while lines are added to it.
const TRIED_LIMIT: usize = 4 * crate::lines::RECORD_LIMIT;

/// The header, and whether the current record is a row already (a list without one).
fn header(lines: &mut Lines<'_>, flavour: Flavour, list: &mut List<'_>) -> io::Result<Option<(Header, bool)>> {
    while lines.advance()? {
        if !is_skipped(lines.record()) {
            return Ok(read_header(lines, flavour, list));
        }
    }
    Ok(None)
}

fn is_skipped(record: &[u8]) -> bool {
    record.first().is_none_or(|byte| *byte == b'#') || record.trim_ascii().is_empty()
}

fn read_header(lines: &Lines<'_>, flavour: Flavour, list: &mut List<'_>) -> Option<(Header, bool)> {
    let text = list.utf8(lines)?;
    let separator = separator(text);
    let mut header = Header { places: [None; KNOWN], width: 0, separator, flavour };
    let mut is_understood = false;
    let mut unknown = Vec::new();
    let mut at = 0;
    for cell in text.split(char::from(separator)) {
        let range = at..at + cell.len();
        at = range.end + 1;
        let name = column_name(cell);
        match COLUMNS.iter().find(|(_, names)| names.contains(&name.as_str())) {
            Some((column, _)) => {
                is_understood = true;
                if name == "source_url" {
                    header.flavour = Flavour::Bulk;
                }
                if header.places[*column as usize].replace(header.width).is_some() {
                    list.refuse(lines, range, "bad-header", format!("the column `{name}` stands here twice"), None);
                }
            }
            None => unknown.push((range, name)),
        }
        header.width += 1;
    }
    if !is_understood {
        return headless(lines, text, flavour, header, list);
    }
    let has_unknown = !unknown.is_empty();
    for (range, name) in unknown {
        let known = COLUMNS.iter().flat_map(|(_, names)| names.iter().copied());
        let help = match nearest(&name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "take the column out; there are `from`, `to`, `status`, `query`, `id`, `group`, `owner`, `note`, `since`, `until`".to_owned(),
        };
        list.refuse(lines, range, "unknown-column", format!("`{name}` is no column of a list"), Some(help));
    }
    let missing = [(Column::From, "from"), (Column::To, "to")]
        .into_iter()
        .find(|(column, _)| header.places[*column as usize].is_none());
    if missing.is_some() && has_unknown {
        // The misspelt one is probably the missing one.
        return None;
    }
    if let Some((_, name)) = missing {
        list.refuse(
            lines,
            0..text.len(),
            "missing-column",
            format!("the header names no column `{name}`"),
            Some("write `from,to,status`".to_owned()),
        );
        return None;
    }
    Some((header, false))
}

/// What stands between the cells of a header.
fn separator(header: &str) -> u8 {
    [b',', b';', b'\t'].into_iter().find(|byte| header.as_bytes().contains(byte)).unwrap_or(b',')
}

/// The name of a column in the one spelling in which they are compared.
fn column_name(cell: &str) -> String {
    cell.trim().trim_matches('"').trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

/// A first line that names no column: a bulk list as its dashboard writes it, or a mistake.
fn headless(
    lines: &Lines<'_>,
    text: &str,
    flavour: Flavour,
    mut header: Header,
    list: &mut List<'_>,
) -> Option<(Header, bool)> {
    let is_bulk = match flavour {
        Flavour::Bulk => (2..=BULK_ORDER.len()).contains(&header.width),
        Flavour::Own => header.width == BULK_ORDER.len(),
    };
    if !is_bulk {
        let help = "write `from,to,status` as the first line, or say `format = \"cloudflare\"` of a bulk list without a header";
        list.refuse(lines, 0..text.len(), "missing-header", "the first line names no column", Some(help.to_owned()));
        return None;
    }
    for (place, column) in BULK_ORDER.into_iter().enumerate().take(header.width) {
        header.places[column as usize] = Some(place);
    }
    header.flavour = Flavour::Bulk;
    Some((header, true))
}

/// Stops a list that nobody gave a status: moves must not become temporary unnoticed.
fn is_status_missing(lines: &Lines<'_>, header: &Header, list: &mut List<'_>) -> bool {
    let is_given = header.places[Column::Status as usize].is_some()
        || list.how.status.is_some()
        || header.flavour == Flavour::Bulk;
    if !is_given {
        let name = list.name.rsplit('/').next().unwrap_or(list.name);
        let help = format!(
            "write `include = [{{ file = \"{name}\", status = 301 }}]` (or 308, 302, 307), add a column `status`, or give `--status 301`"
        );
        list.refuse(
            lines,
            0..lines.record().len(),
            "missing-status",
            "no row of this list says with which status",
            Some(help),
        );
    }
    !is_given
}

/// Reads the current record as a row.
fn row(lines: &mut Lines<'_>, header: &Header, cells: &mut Cells, list: &mut List<'_>) -> io::Result<()> {
    if is_skipped(lines.record()) {
        return Ok(());
    }
    if memchr::memchr(b'"', lines.record()).is_some() {
        if !whole(lines, header, cells, list)? {
            return Ok(());
        }
    } else {
        cells.split(lines.record(), header.separator);
    }
    let Some(text) = list.utf8(lines) else { return Ok(()) };
    let record = Record { text, cells, header };
    if record.has_fitting_width(lines, list) {
        match header.flavour {
            Flavour::Own => record.own(lines, list),
            Flavour::Bulk => cloudflare::row(&record, lines, list),
        }
    }
    Ok(())
}

/// Makes the record longer until its quotes are closed.
fn whole(lines: &mut Lines<'_>, header: &Header, cells: &mut Cells, list: &mut List<'_>) -> io::Result<bool> {
    let mut tried = 0;
    loop {
        let Some(text) = list.utf8(lines) else { return Ok(false) };
        if cells.split_quoted(text, header.separator) {
            return Ok(true);
        }
        // A line without a quote closes none.
        let mut length = text.len();
        tried += length;
        let mut is_longer = tried <= TRIED_LIMIT && lines.extend()?;
        while is_longer && memchr::memchr(b'"', &lines.record()[length..]).is_none() {
            length = lines.record().len();
            is_longer = lines.extend()?;
        }
        if !is_longer {
            lines.shrink();
            cells.unclosed += 1;
            let at = memchr::memrchr(b'"', lines.record()).unwrap_or(0);
            let help = "close it, or write `\"\"` for a quote inside of a cell".to_owned();
            list.refuse(lines, at..at + 1, "bad-row", "this quote is never closed", Some(help));
            return Ok(false);
        }
    }
}

/// A record with its cells.
pub(crate) struct Record<'r> {
    text: &'r str,
    cells: &'r Cells,
    header: &'r Header,
}

impl<'r> Record<'r> {
    /// The cell of a column, unless it is empty.
    pub(crate) fn cell(&self, column: Column) -> Option<Cell<'r>> {
        let cell = self.cells.get(self.text, self.header.places[column as usize]?)?;
        (!cell.text.is_empty()).then_some(cell)
    }

    fn has_fitting_width(&self, lines: &Lines<'_>, list: &mut List<'_>) -> bool {
        let width = self.cells.len();
        let spare = (self.header.width..width)
            .filter_map(|index| self.cells.get(self.text, index))
            .find(|cell| !cell.text.is_empty());
        if let Some(cell) = spare {
            let what = format!("this row has {width} cells, and the header {}", self.header.width);
            let help = "write a cell that holds a separator in quotes: `\"/a,b\"`".to_owned();
            list.refuse(lines, cell.start..cell.end, "bad-row", what, Some(help));
            return false;
        }
        let missing =
            [(Column::From, "from"), (Column::To, "to")].into_iter().find(|(column, _)| self.cell(*column).is_none());
        if let Some((_, name)) = missing {
            let help = "a row is `from,to,…` as the header says".to_owned();
            list.refuse(lines, 0..self.text.len(), "bad-row", format!("this row has no `{name}`"), Some(help));
            return false;
        }
        true
    }

    fn own(&self, lines: &Lines<'_>, list: &mut List<'_>) {
        let (Some(from), Some(to)) = (self.cell(Column::From), self.cell(Column::To)) else { return };
        let Some(status) = self.status(lines, list, None) else { return };
        let Some(query) = self.query(lines, list) else { return };
        let (Some(since), Some(until)) =
            (self.instant(Column::Since, lines, list), self.instant(Column::Until, lines, list))
        else {
            return;
        };
        let text = |column| self.cell(column).map(|cell| cell.text);
        let draft = Draft {
            from,
            to,
            status,
            query,
            slash: list.how.slash.unwrap_or(TrailingSlash::Significant),
            case: list.how.case.unwrap_or(LetterCase::Significant),
            since,
            until,
            id: text(Column::Id),
            group: text(Column::Group),
            owner: text(Column::Owner),
            note: text(Column::Note),
            conditions: &[],
        };
        list.take(lines, draft);
    }

    /// The status of the row, of the list, or of the format.
    pub(crate) fn status(
        &self,
        lines: &Lines<'_>,
        list: &mut List<'_>,
        default: Option<RedirectStatus>,
    ) -> Option<StatusByMethod> {
        let Some(cell) = self.cell(Column::Status) else {
            let given = list.how.status.or(default.map(StatusByMethod::always));
            if given.is_none() {
                let help = "write one into the row, or give the list a `status` for rows that have none".to_owned();
                list.refuse(lines, 0..self.text.len(), "missing-status", "this row has no status", Some(help));
            }
            return given;
        };
        match status::from_text(cell.text) {
            Ok(status) => Some(StatusByMethod::always(status)),
            Err((what, help)) => {
                list.refuse(lines, cell.start..cell.end, "bad-status", what, Some(help));
                None
            }
        }
    }

    fn query(&self, lines: &Lines<'_>, list: &mut List<'_>) -> Option<QueryPolicy> {
        let Some(cell) = self.cell(Column::Query) else {
            return match &list.how.query {
                Some(policy) => Some(policy.clone()),
                None => Some(QueryPolicy::Keep),
            };
        };
        let policy = match cell.text {
            "keep" => QueryPolicy::Keep,
            "drop" => QueryPolicy::Drop,
            "replace" => QueryPolicy::Replace,
            "merge=target" => QueryPolicy::Merge(MergeWinner::Target),
            "merge=request" => QueryPolicy::Merge(MergeWinner::Request),
            other => match other.strip_prefix("only=") {
                Some(names) => QueryPolicy::Only(names.split_whitespace().map(str::to_owned).collect()),
                None => {
                    let what = format!("`{}` is no query policy", crate::own::page::shortened(other));
                    let help =
                        "write `keep`, `drop`, `replace`, `merge=target`, `merge=request` or `only=lang id`".to_owned();
                    list.refuse(lines, cell.start..cell.end, "bad-query", what, Some(help));
                    return None;
                }
            },
        };
        Some(policy)
    }

    /// The instant of a column: outer `None` where it is wrong.
    fn instant(&self, column: Column, lines: &Lines<'_>, list: &mut List<'_>) -> Option<Option<i64>> {
        let Some(cell) = self.cell(column) else { return Some(None) };
        match instant::from_text(cell.text, &instant::Zone::Unstated) {
            Ok(instant) => Some(Some(instant.seconds)),
            Err(_) => {
                let what = format!("`{}` is no instant", crate::own::page::shortened(cell.text));
                let help =
                    "write date, time and offset, as `2027-03-01T00:00+01:00`: a list states no time zone".to_owned();
                list.refuse(lines, cell.start..cell.end, "bad-time", what, Some(help));
                None
            }
        }
    }
}

/// Where the parts of a row of a list stand in it.
#[derive(Debug)]
pub(crate) struct RowPlaces {
    pub(crate) from: Range<usize>,
    pub(crate) to: Range<usize>,
    pub(crate) status: Option<Range<usize>>,
}

/// Where the cells of a row stand, for whoever wants to change one: found again from the text of the header and of the row.
pub(crate) fn cell_places(header: &str, row: &str) -> Option<RowPlaces> {
    let separator = separator(header);
    let names: Vec<String> = header.split(char::from(separator)).map(column_name).collect();
    let place = |column: Column| {
        let known = COLUMNS.iter().find(|(known, _)| *known == column)?.1;
        names.iter().position(|name| known.contains(&name.as_str()))
    };
    let mut cells = Cells::default();
    if !cells.split_quoted(row, separator) {
        return None;
    }
    let at = |index: usize| cells.get(row, index).map(|cell| cell.start..cell.end);
    let is_headless = place(Column::From).is_none();
    let from = if is_headless { Some(0) } else { place(Column::From) };
    let to = if is_headless { Some(1) } else { place(Column::To) };
    Some(RowPlaces { from: at(from?)?, to: at(to?)?, status: place(Column::Status).and_then(at) })
}
