//! Diagnostics as people read them: drawn as rustc draws them.
//!
//! Only the lines around a place are read again, through [`Files`], so that a million-line file is never kept for the sake of
//! one remark. Bytes that are not UTF-8, controls and lines of any length are shown and never trusted: what cannot be printed
//! is replaced, what is too long is cut around the place. Colour is the caller's choice.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity};
use crate::files::Files;
use crate::span::{FileId, FileTable, Span};

/// Whether to draw with colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// No escape sequences.
    #[default]
    Never,
    /// ANSI colours.
    Always,
}

/// How many bytes of a message are shown.
const TEXT: usize = 1_200;
/// How many bytes of a line are shown on each side of a place.
const AROUND: usize = 400;

/// Draws one diagnostic, with a line end after its last line.
///
/// ```
/// use byway_config::diagnostic::Diagnostic;
/// use byway_config::files::MemoryFiles;
/// use byway_config::render::{Colour, render};
/// use byway_config::span::{FileTable, LineIndex};
/// let text = "status = 304\n";
/// let files = MemoryFiles::new([("byway.toml", text)]);
/// let mut table = FileTable::default();
/// let file = table.add("byway.toml".as_ref());
/// let span = LineIndex::new(text).span(file, text, 9..12);
/// let diagnostic = Diagnostic::error("bad-status", "304 is no redirect").at(span).help("write 307");
/// assert_eq!(render(&diagnostic, &table, &files, Colour::Never), "\
/// error[bad-status]: 304 is no redirect
///  --> byway.toml:1:10
///   |
/// 1 | status = 304
///   |          ^^^
///   |
///   = help: write 307
/// ");
/// ```
pub fn render(diagnostic: &Diagnostic, table: &FileTable, files: &dyn Files, colour: Colour) -> String {
    let message = shortened(&diagnostic.message);
    let title = level(diagnostic.severity).primary_title(message).id(diagnostic.code);
    let mut group = Group::with_title(title);
    let windows: Vec<Window> = marks(diagnostic).into_iter().map(|marks| Window::read(marks, table, files)).collect();
    for window in &windows {
        group = window.draw(group);
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(shortened(help)));
    }
    let renderer = match colour {
        Colour::Always => Renderer::styled(),
        Colour::Never => Renderer::plain(),
    };
    let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
    text.push('\n');
    text
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

/// A place to draw, with its words.
struct Mark<'d> {
    span: &'d Span,
    text: Option<&'d str>,
    kind: AnnotationKind,
}

/// The places of a diagnostic, those of one line together, the primary one's first.
fn marks(diagnostic: &Diagnostic) -> Vec<Vec<Mark<'_>>> {
    let primary = diagnostic.primary.iter().map(|span| Mark {
        span,
        text: diagnostic.label.as_deref(),
        kind: AnnotationKind::Primary,
    });
    let others = diagnostic.labels.iter().map(|label| Mark {
        span: &label.span,
        text: Some(&label.text),
        kind: AnnotationKind::Context,
    });
    let mut lines: Vec<Vec<Mark<'_>>> = Vec::new();
    for mark in primary.chain(others) {
        let same =
            lines.iter_mut().find(|line| line[0].span.file == mark.span.file && line[0].span.line == mark.span.line);
        match same {
            Some(line) => line.push(mark),
            None => lines.push(vec![mark]),
        }
    }
    lines
}

/// One line of a file, or what of it is near its marks, ready to be drawn.
struct Window<'d> {
    marks: Vec<(Range<usize>, Mark<'d>)>,
    name: String,
    text: Option<String>,
    is_cut: bool,
}

impl<'d> Window<'d> {
    fn read(marks: Vec<Mark<'d>>, table: &FileTable, files: &dyn Files) -> Window<'d> {
        let first = marks.iter().map(|mark| mark.span.start).min().unwrap_or(0);
        let last = marks.iter().map(|mark| mark.span.end).max().unwrap_or(0).min(first + 4 * AROUND);
        let name = printable(table.name(marks[0].span.file));
        let lines = read_around(marks[0].span.file, first..last, table, files);
        let Some((bytes, start, is_cut)) = lines else {
            return Window {
                marks: marks.into_iter().map(|mark| (0..0, mark)).collect(),
                name,
                text: None,
                is_cut: true,
            };
        };
        let (text, place) = shown(&bytes);
        let place_of = |at: usize| place.get(at.saturating_sub(start)).or(place.last()).copied().unwrap_or(0);
        let marks = marks.into_iter().map(|mark| (place_of(mark.span.start)..place_of(mark.span.end), mark)).collect();
        Window { marks, name, text: Some(text), is_cut }
    }

    fn draw<'g>(&'g self, group: Group<'g>) -> Group<'g> {
        let span = self.marks[0].1.span;
        let origin = || Origin::path(self.name.as_str()).line(span.line as usize).char_column(span.column as usize);
        let Some(text) = &self.text else { return group.element(origin()) };
        let mut snippet = Snippet::source(text.as_str()).line_start(span.line as usize).fold(true);
        let group = match self.is_cut {
            // The column is that of the line, not of what is shown of it.
            true => group.element(origin()),
            false => {
                snippet = snippet.path(self.name.as_str());
                group
            }
        };
        let annotations =
            self.marks.iter().map(|(range, mark)| mark.kind.span(range.clone()).label(mark.text.map(shortened)));
        group.element(snippet.annotations(annotations))
    }
}

/// The bytes of the lines that a range touches, where they begin, and whether something of the first or last was left out.
fn read_around(
    file: FileId,
    range: Range<usize>,
    table: &FileTable,
    files: &dyn Files,
) -> Option<(Vec<u8>, usize, bool)> {
    let mut reader = files.open(&table.get(file)?.path).ok()?;
    let from = range.start.saturating_sub(AROUND);
    reader.seek(SeekFrom::Start(from as u64)).ok()?;
    let mut bytes = Vec::new();
    let wanted = range.end - from + AROUND;
    reader.take(wanted as u64).read_to_end(&mut bytes).ok()?;
    let (start, end) = ((range.start - from).min(bytes.len()), (range.end - from).min(bytes.len()));
    let line_start = memchr::memrchr(b'\n', &bytes[..start]).map(|at| at + 1);
    let line_end = memchr::memchr(b'\n', &bytes[end..]).map(|at| at + end);
    let is_cut = (line_start.is_none() && from > 0) || (line_end.is_none() && bytes.len() == wanted);
    let line_start = line_start.unwrap_or(0);
    let mut line_end = line_end.unwrap_or(bytes.len()).max(line_start);
    if line_end > line_start && bytes[line_end - 1] == b'\r' {
        line_end -= 1;
    }
    Some((bytes[line_start..line_end].to_vec(), from + line_start, is_cut))
}

/// Bytes as text that may be printed, and for each byte (and the end) its place in that text.
fn shown(bytes: &[u8]) -> (String, Vec<usize>) {
    let mut text = String::with_capacity(bytes.len());
    let mut place = Vec::with_capacity(bytes.len() + 1);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            place.extend(std::iter::repeat_n(text.len(), character.len_utf8()));
            text.push(visible(character));
        }
        for _ in chunk.invalid() {
            place.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    place.push(text.len());
    (text, place)
}

/// A text whose controls cannot act on a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A text as [`printable`] makes it, without its middle where it quotes something that nobody reads to its end.
fn shortened(text: &str) -> String {
    let text = printable(text);
    if text.len() <= TEXT {
        return text;
    }
    let end = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} … {}", &text[..end(TEXT / 2)], &text[end(text.len() - TEXT / 4)..])
}

fn visible(character: char) -> char {
    match character {
        '\n' => '\n',
        '\t' => ' ',
        // Directional formatting would show the text in another order than it is read.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn drawn(bytes: &[u8], range: Range<usize>, line: u32, column: u32) -> String {
        let files = MemoryFiles::new([("f", bytes)]);
        let mut table = FileTable::default();
        let file = table.add("f".as_ref());
        let span = Span { file, line, column, start: range.start, end: range.end };
        render(&Diagnostic::error("x", "m").at(span).label("here"), &table, &files, Colour::Never)
    }

    #[test]
    fn bytes_that_are_not_utf8_and_controls_are_shown_as_replacements() {
        let text = drawn(b"a\xE9\x1B[31mb\n", 1..2, 1, 2);
        assert!(text.contains("a\u{FFFD}\u{FFFD}[31mb"), "{text}");
    }

    #[test]
    fn a_huge_line_is_cut_around_the_place_and_keeps_its_column() {
        let mut line = vec![b'x'; 3_000_000];
        line[1_500_000] = b'!';
        let text = drawn(&line, 1_500_000..1_500_001, 1, 1_500_001);
        assert!(text.contains("f:1:1500001"), "{text}");
        assert!(text.len() < 4000, "{}", text.len());
    }

    #[test]
    fn a_message_that_quotes_without_end_loses_its_middle() {
        let diagnostic = Diagnostic::error("x", format!("`{}é` is too much", "é".repeat(100_000)));
        let text = render(&diagnostic, &FileTable::default(), &MemoryFiles::default(), Colour::Never);
        assert!(text.len() < 1_300 && text.contains(" … ") && text.contains("is too much"), "{}", text.len());
    }

    #[test]
    fn a_place_behind_the_end_does_not_panic() {
        assert!(drawn(b"ab", 10..20, 1, 11).contains("error[x]: m"));
        assert!(drawn(b"", 0..0, 1, 1).contains("error[x]: m"));
    }

    #[test]
    fn a_file_that_is_gone_is_still_named() {
        let mut table = FileTable::default();
        let file = table.add("gone.csv".as_ref());
        let span = Span { file, line: 3, column: 2, start: 20, end: 21 };
        let text = render(&Diagnostic::error("x", "m").at(span), &table, &MemoryFiles::default(), Colour::Never);
        assert!(text.contains("gone.csv:3:2"), "{text}");
    }
}
