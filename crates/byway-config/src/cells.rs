//! The cells of one row of CSV (RFC 4180), as ranges.
//!
//! A row without quotes is split where its separators are. Only a cell with doubled quotes is copied, into a buffer that is used
//! again for every row.

use crate::list::Cell;

/// The cells of one record: ranges of it, or of the text of cells with doubled quotes.
#[derive(Default)]
pub(crate) struct Cells {
    ranges: Vec<Place>,
    unescaped: String,
    /// How many records of this list ended inside of a quoted cell.
    pub(crate) unclosed: u32,
}

#[derive(Clone, Copy)]
struct Place {
    /// Where the cell's text is.
    text: (usize, usize),
    is_unescaped: bool,
    /// Where the cell stands in the record, without quotes.
    at: (usize, usize),
}

impl Cells {
    /// How many cells the record has.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Splits a record without quotes.
    pub(crate) fn split(&mut self, record: &[u8], separator: u8) {
        self.ranges.clear();
        let mut start = 0;
        for end in memchr::memchr_iter(separator, record).chain(std::iter::once(record.len())) {
            self.ranges.push(Place { text: (start, end), is_unescaped: false, at: (start, end) });
            start = end + 1;
        }
    }

    /// Splits a record with quotes; `false` where it ends inside of a cell.
    pub(crate) fn split_quoted(&mut self, record: &str, separator: u8) -> bool {
        self.ranges.clear();
        self.unescaped.clear();
        let bytes = record.as_bytes();
        let mut at = 0;
        loop {
            at = match bytes.get(at) {
                Some(b'"') => match self.quoted(record, at + 1) {
                    Some(end) => end,
                    None => return false,
                },
                _ => {
                    let end = memchr::memchr(separator, &bytes[at..]).map_or(bytes.len(), |end| at + end);
                    self.ranges.push(Place { text: (at, end), is_unescaped: false, at: (at, end) });
                    end
                }
            };
            // What stands between a closing quote and the separator belongs to no cell.
            match memchr::memchr(separator, &bytes[at..]) {
                Some(next) => at += next + 1,
                None => return true,
            }
        }
    }

    /// Takes a cell that begins after a quote; where it ends, behind its closing quote.
    fn quoted(&mut self, record: &str, start: usize) -> Option<usize> {
        let bytes = record.as_bytes();
        let written = self.unescaped.len();
        let mut copied = start;
        let mut at = start;
        loop {
            at += memchr::memchr(b'"', &bytes[at..])?;
            if bytes.get(at + 1) != Some(&b'"') {
                break;
            }
            self.unescaped.push_str(&record[copied..=at]);
            at += 2;
            copied = at;
        }
        let place = if copied == start {
            Place { text: (start, at), is_unescaped: false, at: (start, at) }
        } else {
            self.unescaped.push_str(&record[copied..at]);
            Place { text: (written, self.unescaped.len()), is_unescaped: true, at: (start, at) }
        };
        self.ranges.push(place);
        Some(at + 1)
    }

    /// The text of a cell without the blanks around it, and where it stands.
    pub(crate) fn get<'r>(&'r self, record: &'r str, index: usize) -> Option<Cell<'r>> {
        let place = self.ranges.get(index)?;
        let text = if place.is_unescaped { &self.unescaped } else { record };
        let text = text.get(place.text.0..place.text.1)?;
        let trimmed = text.trim_ascii();
        let before = if trimmed.is_empty() { 0 } else { text.len() - text.trim_ascii_start().len() };
        let start = place.at.0 + before;
        let end = if place.is_unescaped { place.at.1 } else { start + trimmed.len() };
        Some(Cell { text: trimmed, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(record: &str) -> Option<Vec<(String, usize, usize)>> {
        let mut cells = Cells::default();
        let is_whole = cells.split_quoted(record, b',');
        let found = (0..cells.len()).filter_map(|index| cells.get(record, index));
        is_whole.then(|| found.map(|cell| (cell.text.to_owned(), cell.start, cell.end)).collect())
    }

    #[test]
    fn quotes_hold_separators_and_doubled_quotes() {
        let found = cells("\"a,b\", c ,\"d\"\"e\"").expect("it is whole");
        assert_eq!(found, [("a,b".into(), 1, 4), ("c".into(), 7, 8), ("d\"e".into(), 11, 15)]);
        assert_eq!(cells("\"a"), None);
        assert_eq!(cells("").map(|cells| cells.len()), Some(1));
    }

    #[test]
    fn a_quote_inside_of_a_bare_cell_is_a_quote() {
        assert_eq!(cells("a\"b,c").expect("it is whole")[0].0, "a\"b");
    }
}
