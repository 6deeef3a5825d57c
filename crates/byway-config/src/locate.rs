//! Where the parts of a rule are written: found again in the text when somebody asks.
//!
//! A rule keeps its file and line only. A finding needs the bytes of its source, target or status, to show and to edit; they are
//! looked up in the file again, so that nothing of a million lines is kept for the few that are spoken of.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use byway_core::ruleset::RuleView;
use toml::de::{DeTable, DeValue};

use crate::files::Files;
use crate::formats::Format;
use crate::formats::csv::{RowPlaces, cell_places};
use crate::span::{FileId, FileTable, LineIndex, Span, column};

/// Every how many lines the place of one is kept.
const STRIDE: usize = 1024;
/// The longest line that is looked into.
const LINE_LIMIT: usize = 64 * 1024;

/// Where the parts of a rule are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) source: Option<Span>,
    pub(crate) target: Option<Span>,
    pub(crate) status: Option<Span>,
    /// Whether a replaced source, target or status goes between quotes.
    pub(crate) is_toml: bool,
}

/// Finds rules in their files.
pub(crate) struct Locator<'l> {
    files: &'l dyn Files,
    table: &'l FileTable,
    known: HashMap<FileId, Known>,
}

/// What is known of a file.
enum Known {
    /// Text of our own: the parts of its rules.
    Own(Vec<(u32, Parts)>),
    /// A list, or another server's configuration: where every so many lines begin, and its first line.
    Lines { starts: Vec<u64>, header: String },
    /// It cannot be read.
    Gone,
}

impl<'l> Locator<'l> {
    pub(crate) fn new(files: &'l dyn Files, table: &'l FileTable) -> Locator<'l> {
        Locator { files, table, known: HashMap::new() }
    }

    /// The bytes of a rule's source, or its line.
    pub(crate) fn source(&mut self, rule: &RuleView<'_>) -> Option<Span> {
        self.parts(rule).source
    }

    /// A text on the line of a rule of another server, where it stands there once.
    pub(crate) fn find(&mut self, rule: &RuleView<'_>, text: &str) -> Option<Span> {
        let line = self.source(rule)?;
        let mut reader = self.files.open(&self.table.get(line.file)?.path).ok()?;
        reader.seek(SeekFrom::Start(line.start as u64)).ok()?;
        let mut bytes = Vec::new();
        reader.take((line.end - line.start) as u64).read_to_end(&mut bytes).ok()?;
        let mut found = memchr::memmem::find_iter(&bytes, text.as_bytes());
        let (at, None) = (found.next()?, found.next()) else { return None };
        let ahead = u32::try_from(at).unwrap_or(0);
        let start = line.start + at;
        Some(Span { column: line.column + ahead, start, end: start + text.len(), ..line })
    }

    /// Where the parts of a rule are.
    pub(crate) fn parts(&mut self, rule: &RuleView<'_>) -> Parts {
        let place = rule.place();
        if place.line == 0 {
            return Parts::default();
        }
        if !self.known.contains_key(&place.file) {
            let known = self.learn(place.file).unwrap_or(Known::Gone);
            self.known.insert(place.file, known);
        }
        match self.known.get(&place.file) {
            Some(Known::Own(rules)) => {
                rules.iter().find(|(line, _)| *line == place.line).map(|(_, parts)| parts.clone()).unwrap_or_default()
            }
            Some(Known::Lines { starts, header }) => {
                self.of_list(place.file, place.line, starts, header).unwrap_or_default()
            }
            _ => Parts::default(),
        }
    }

    fn learn(&self, file: FileId) -> Option<Known> {
        let source = self.table.get(file)?;
        let mut reader = self.files.open(&source.path).ok()?;
        if source.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).ok()?;
            return Some(Known::Own(rules_of(&String::from_utf8(bytes).ok()?, file)));
        }
        let mut starts = vec![0];
        let mut header = Vec::new();
        let mut buffer = vec![0; 256 * 1024];
        let (mut at, mut lines) = (0u64, 0usize);
        loop {
            let count = reader.read(&mut buffer).ok()?;
            if count == 0 {
                break;
            }
            if at == 0 {
                header.extend_from_slice(&buffer[..memchr::memchr(b'\n', &buffer[..count]).unwrap_or(count)]);
            }
            for end in memchr::memchr_iter(b'\n', &buffer[..count]) {
                lines += 1;
                if lines.is_multiple_of(STRIDE) {
                    starts.push(at + end as u64 + 1);
                }
            }
            at += count as u64;
        }
        Some(Known::Lines {
            starts,
            header: String::from_utf8_lossy(&header).trim_start_matches('\u{FEFF}').trim_end().to_owned(),
        })
    }

    fn of_list(&self, file: FileId, line: u32, starts: &[u64], header: &str) -> Option<Parts> {
        let index = (line as usize).checked_sub(1)?;
        let start = *starts.get(index / STRIDE)?;
        let mut reader = self.files.open(&self.table.get(file)?.path).ok()?;
        reader.seek(SeekFrom::Start(start)).ok()?;
        let (place, row) = nth_line(&mut reader, start, index % STRIDE)?;
        let source = self.table.get(file)?;
        let span = |range: Range<usize>| Span {
            file,
            line,
            column: column(&row.as_bytes()[..range.start]),
            start: place + range.start,
            end: place + range.end,
        };
        if source.format.is_some_and(Format::is_foreign) {
            // Which of its words are source and target only its reader knows: nothing is offered to be edited there.
            let start = row.len() - row.trim_start().len();
            return Some(Parts { source: Some(span(start..row.trim_end().len().max(start))), ..Parts::default() });
        }
        let name = &source.name;
        let RowPlaces { from, to, status } = match name.ends_with(".csv") || name.ends_with(".tsv") {
            true => cell_places(header, &row)?,
            false => words(&row)?,
        };
        Some(Parts { source: Some(span(from)), target: Some(span(to)), status: status.map(span), is_toml: false })
    }
}

/// The line so many lines after a place, and where it begins.
fn nth_line(reader: &mut dyn Read, start: u64, skip: usize) -> Option<(usize, String)> {
    let mut reader = std::io::BufReader::new(reader);
    let mut place = usize::try_from(start).ok()?;
    for _ in 0..skip {
        place += std::io::BufRead::skip_until(&mut reader, b'\n').ok()?;
    }
    let mut line = Vec::new();
    let mut limited = (&mut reader).take(LINE_LIMIT as u64);
    std::io::BufRead::read_until(&mut limited, b'\n', &mut line).ok()?;
    while line.ends_with(b"\n") || line.ends_with(b"\r") {
        line.pop();
    }
    String::from_utf8(line).ok().map(|line| (place, line))
}

/// Source, target and status of a line of `_redirects`.
fn words(row: &str) -> Option<RowPlaces> {
    let mut at = 0;
    let mut places = row.split_ascii_whitespace().map(|word| {
        let start = at + row[at..].find(word).unwrap_or(0);
        at = start + word.len();
        (word, start..at)
    });
    let (_, from) = places.next()?;
    let (_, to) = places.find(|(word, _)| word.starts_with('/') || word.starts_with("http"))?;
    let status = places.next().filter(|(word, _)| word.starts_with(|c: char| c.is_ascii_digit()));
    let status = status.map(|(word, range)| range.start..range.start + word.trim_end_matches('!').len());
    Some(RowPlaces { from, to, status })
}

/// The parts of every rule of a text of our own, by the line of its source.
fn rules_of(text: &str, file: FileId) -> Vec<(u32, Parts)> {
    let lines = LineIndex::new(text);
    let (document, _) = DeTable::parse_recoverable(text);
    let span = |range: Range<usize>| lines.span(file, text, range);
    let inside = |table: &DeTable<'_>, key: &str| {
        let value = table.get(key)?;
        let range = value.span();
        let quoted = matches!(value.get_ref(), DeValue::String(_)) && range.len() >= 2;
        Some(span(if quoted { range.start + 1..range.end - 1 } else { range }))
    };
    let mut rules = Vec::new();
    for kind in ["redirect", "reply", "pass"] {
        let items = document.get_ref().get(kind).and_then(|value| value.get_ref().as_array());
        for item in items.into_iter().flat_map(|items| items.iter()) {
            let Some(table) = item.get_ref().as_table() else { continue };
            let Some(from) = table.get("from") else { continue };
            let parts = Parts {
                source: inside(table, "from"),
                target: inside(table, "to"),
                status: table.get("status").map(|value| span(value.span())),
                is_toml: true,
            };
            rules.push((lines.line(from.span().start), parts));
        }
    }
    rules
}
