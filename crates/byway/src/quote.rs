//! The lines of a rule as the person wrote them, read again from its file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use byway_config::span::FileTable;
use byway_core::rule::Place;

/// The longest rule that is quoted, in lines.
const LINES: usize = 12;
/// The longest line that is quoted, in bytes.
const LINE: u64 = 400;

/// The lines of the rule at a place, with their numbers; none where the file is not there or is not text any more.
///
/// A rule of a TOML file goes on to the next blank line or table; one of a list is a line.
pub(crate) fn quote(files: &FileTable, place: Place) -> Vec<(u32, String)> {
    let Some(file) = files.get(place.file).filter(|_| place.line > 0) else { return Vec::new() };
    let is_toml = file.path.extension().is_some_and(|extension| extension == "toml");
    let Ok(opened) = File::open(&file.path) else { return Vec::new() };
    let mut reader = BufReader::new(opened);
    let mut quoted = Vec::new();
    let mut number = 0;
    while let Some(line) = next_line(&mut reader) {
        number += 1;
        if number < place.line {
            continue;
        }
        let is_next = number > place.line && (line.trim().is_empty() || line.trim_start().starts_with('['));
        if is_next || quoted.len() == LINES {
            break;
        }
        quoted.push((number, line));
        if !is_toml {
            break;
        }
    }
    quoted
}

/// One line without its end and without controls, cut where it is very long; `None` at the end of the file.
fn next_line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    if reader.by_ref().take(LINE).read_until(b'\n', &mut bytes).ok()? == 0 {
        return None;
    }
    let is_whole = bytes.last() == Some(&b'\n');
    let text = String::from_utf8_lossy(&bytes);
    let mut line: String = text.trim_end_matches(['\n', '\r']).chars().map(visible).collect();
    if !is_whole && bytes.len() as u64 == LINE {
        line.push('…');
        reader.skip_until(b'\n').ok()?;
    }
    Some(line)
}

fn visible(sign: char) -> char {
    match sign {
        '\t' => ' ',
        sign if sign.is_control() => char::REPLACEMENT_CHARACTER,
        sign => sign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_very_long_line_is_cut_and_the_next_is_whole() {
        let text = format!("{}\nnext\x1b\n", "x".repeat(1000));
        let mut reader = text.as_bytes();
        assert_eq!(next_line(&mut reader).map(|line| line.chars().count()), Some(401));
        assert_eq!(next_line(&mut reader).as_deref(), Some("next\u{FFFD}"));
        assert_eq!(next_line(&mut reader), None);
    }
}
