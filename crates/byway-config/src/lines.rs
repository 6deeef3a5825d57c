//! A list read line by line from a large buffer, without a string for any line.
//!
//! The buffer holds a part of the file; a line is a range of it. A record that goes over several lines (a quoted cell of CSV) is
//! made longer in place. Where a line begins in the file, and its number, are known for every diagnostic.

use std::io::{self, Read};

use crate::span::{FileId, Span, column};

/// How much is read at once: large enough to make calls rare, small enough to stay in the cache.
const CHUNK: usize = 256 * 1024;
/// The longest record. What is longer is a quote that was never closed, or no list.
pub(crate) const RECORD_LIMIT: usize = 1024 * 1024;

/// A reader of lines.
pub(crate) struct Lines<'r> {
    reader: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// The bytes of the buffer that were read.
    filled: usize,
    /// The current record, without its line end.
    start: usize,
    end: usize,
    /// Where the next record begins.
    next: usize,
    /// The place of the buffer's first byte in the file.
    offset: usize,
    /// The number of the current record's first line, from 1.
    line: u32,
    /// How many lines the current record has.
    height: u32,
    is_at_end: bool,
}

impl<'r> Lines<'r> {
    pub(crate) fn new(reader: &'r mut dyn Read) -> Lines<'r> {
        let buffer = vec![0; CHUNK];
        Lines { reader, buffer, filled: 0, start: 0, end: 0, next: 0, offset: 0, line: 0, height: 1, is_at_end: false }
    }

    /// Goes to the next line; `false` at the end of the file.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        self.start = self.next;
        self.line += self.height;
        self.height = 1;
        let found = self.find_end(0)?;
        if found && self.line == 1 && self.buffer[self.start..self.end].starts_with(b"\xEF\xBB\xBF") {
            self.start += 3;
        }
        Ok(found)
    }

    /// Adds the next line to the current record; `false` where there is none, or where the record would be too long.
    pub(crate) fn extend(&mut self) -> io::Result<bool> {
        let (length, held) = (self.end - self.start, self.next - self.start);
        if held >= RECORD_LIMIT || !self.find_end(held)? {
            // Reading may have moved the record to the front of the buffer.
            self.end = self.start + length;
            self.next = self.start + held;
            return Ok(false);
        }
        self.height += 1;
        Ok(true)
    }

    /// Gives the lines after the first back.
    pub(crate) fn shrink(&mut self) {
        let record = &self.buffer[self.start..self.filled];
        let end = memchr::memchr(b'\n', record).unwrap_or(record.len());
        self.next = (self.start + end + 1).min(self.filled);
        self.end = self.start + without_return(&record[..end]);
        self.height = 1;
    }

    /// The current record.
    pub(crate) fn record(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// The place of some bytes of the current record.
    pub(crate) fn span(&self, file: FileId, from: usize, to: usize) -> Span {
        let record = self.record();
        let (from, to) = (from.min(record.len()), to.min(record.len()));
        let before = &record[..from];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let lines = memchr::memchr_iter(b'\n', before).count();
        let place = self.offset + self.start;
        Span {
            file,
            line: self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)),
            column: column(&before[line_start..]),
            start: place + from,
            end: place + to.max(from),
        }
    }

    /// Finds the first line end after `skip` bytes of the record, reading more where needed.
    fn find_end(&mut self, skip: usize) -> io::Result<bool> {
        let mut searched = skip;
        loop {
            let held = &self.buffer[self.start..self.filled];
            if let Some(at) = memchr::memchr(b'\n', &held[searched.min(held.len())..]) {
                let end = searched + at;
                self.next = self.start + end + 1;
                self.end = self.start + without_return(&held[..end]);
                return Ok(true);
            }
            searched = held.len();
            if self.is_at_end {
                self.next = self.filled;
                self.end = self.start + without_return(held);
                return Ok(searched > skip);
            }
            self.refill()?;
        }
    }

    /// Moves the current record to the front and reads more behind it.
    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.offset += self.start;
        self.filled -= self.start;
        self.start = 0;
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.is_at_end = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

/// The length of a line without the carriage return at its end.
fn without_return(line: &[u8]) -> usize {
    line.len() - usize::from(line.ends_with(b"\r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u32, String)> {
        let mut reader = text;
        let mut lines = Lines::new(&mut reader);
        let mut found = Vec::new();
        while lines.advance().expect("memory can be read") {
            found.push((lines.line(), String::from_utf8_lossy(lines.record()).into_owned()));
        }
        found
    }

    #[test]
    fn lines_end_with_or_without_return_and_at_the_end() {
        let found = lines(b"\xEF\xBB\xBFa\r\n\nb");
        assert_eq!(found, [(1, "a".into()), (2, String::new()), (3, "b".into())]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_whole() {
        let long = "x".repeat(3 * CHUNK);
        let found = lines(format!("a\n{long}\nb\n").as_bytes());
        assert_eq!((found.len(), found[1].1.len(), found[2].0), (3, 3 * CHUNK, 3));
    }

    #[test]
    fn a_record_grows_over_lines_and_shrinks_again() {
        let mut text: &[u8] = b"\"a\nb\nc";
        let mut lines = Lines::new(&mut text);
        assert!(lines.advance().expect("memory"));
        assert!(lines.extend().expect("memory") && lines.extend().expect("memory"));
        assert!(!lines.extend().expect("memory"));
        assert_eq!(lines.record(), b"\"a\nb\nc");
        assert_eq!(lines.span(FileId(0), 5, 6).line, 3);
        lines.shrink();
        assert_eq!(lines.record(), b"\"a");
        assert!(lines.advance().expect("memory"));
        assert_eq!((lines.line(), lines.record()), (2, &b"b"[..]));
    }
}
