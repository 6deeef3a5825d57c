//! Places in files: which file, which bytes, which line and column.
//!
//! A [`Span`] knows its line and column from the moment it is made, so that a diagnostic about line 900,000 needs nothing of
//! the file but the window around it. Columns count characters from 1, lines from 1, ranges bytes from 0.

use std::ops::Range;
use std::path::{Path, PathBuf};

pub use byway_core::rule::FileId;

use crate::formats::Format;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The line, from 1.
    pub line: u32,
    /// The column of the first byte, in characters, from 1.
    pub column: u32,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The bytes.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// A file that was read, or could have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it is shown: the path that the person wrote, or the include joined to it.
    pub name: String,
    /// As it is opened.
    pub path: PathBuf,
    /// What it is read as, where that is known.
    pub format: Option<&'static Format>,
}

/// The files of one load, by number.
#[derive(Clone, Debug, Default)]
pub struct FileTable {
    files: Vec<SourceFile>,
}

impl FileTable {
    /// Adds a file; the number is the same that [`byway_core::Builder::file`] gives when both see the same files.
    pub fn add(&mut self, path: &Path) -> FileId {
        self.add_of(path, None)
    }

    /// Adds a file of a format.
    pub fn add_of(&mut self, path: &Path, format: Option<&'static Format>) -> FileId {
        let number = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push(SourceFile { name: path.display().to_string(), path: path.to_owned(), format });
        FileId(number)
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The file with this number.
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(usize::from(file.0))
    }

    /// The name to show.
    pub fn name(&self, file: FileId) -> &str {
        self.get(file).map_or("?", |file| &file.name)
    }

    /// All files, by number.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..=u16::MAX).map(FileId).zip(&self.files)
    }
}

/// The line starts of one text.
///
/// ```
/// use byway_config::span::{FileId, LineIndex};
/// let text = "a\nbü = 1\n";
/// let span = LineIndex::new(text).span(FileId(0), text, 6..7);
/// assert_eq!((span.line, span.column), (2, 4));
/// ```
#[derive(Clone, Debug)]
pub struct LineIndex {
    /// No text of 4 GiB is read; a hundred megabytes may be nothing but line ends.
    starts: Vec<u32>,
}

impl LineIndex {
    /// Finds the line starts.
    pub fn new(text: &str) -> LineIndex {
        LineIndex::of_bytes(text.as_bytes())
    }

    /// Finds the line starts of a text of any encoding.
    pub fn of_bytes(text: &[u8]) -> LineIndex {
        let ends = || memchr::memchr_iter(b'\n', text);
        let mut starts = Vec::with_capacity(ends().count() + 1);
        starts.push(0);
        starts.extend(ends().map(|at| u32::try_from(at + 1).unwrap_or(u32::MAX)));
        LineIndex { starts }
    }

    /// The line of a byte, from 1.
    pub fn line(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start as usize <= at)).unwrap_or(u32::MAX)
    }

    /// The first byte of a line.
    pub fn start(&self, line: u32) -> usize {
        let index = (line as usize).saturating_sub(1);
        self.starts.get(index).or(self.starts.last()).map_or(0, |start| *start as usize)
    }

    /// The place of some bytes of the text that this index was made of.
    pub fn span(&self, file: FileId, text: &str, range: Range<usize>) -> Span {
        self.span_of_bytes(file, text.as_bytes(), range)
    }

    /// The place of some bytes of a text of any encoding.
    pub fn span_of_bytes(&self, file: FileId, text: &[u8], range: Range<usize>) -> Span {
        let start = range.start.min(text.len());
        let line = self.line(start);
        Span {
            file,
            line,
            column: column(&text[self.start(line).min(start)..start]),
            start,
            end: range.end.clamp(start, text.len()),
        }
    }
}

/// How far into a line characters are told from bytes.
const COUNTED: usize = 4096;

/// The column that follows these bytes of a line: characters, where the bytes are UTF-8. Far into a line that no person wrote
/// it counts bytes, so that a thousand places on a line of megabytes cost no more than elsewhere.
pub(crate) fn column(before: &[u8]) -> u32 {
    let characters = match before.len() {
        0..=COUNTED => before.iter().filter(|byte| !matches!(byte, 0x80..=0xBF)).count(),
        bytes => bytes,
    };
    u32::try_from(characters).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_outside_of_the_text_is_brought_inside() {
        let index = LineIndex::new("ab");
        let span = index.span(FileId(0), "ab", 7..9);
        assert_eq!((span.line, span.column, span.range()), (1, 3, 2..2));
    }
}
