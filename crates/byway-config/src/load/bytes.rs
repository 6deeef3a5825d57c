//! Whether the bytes of a file are text at all, and which of them are not.

use std::io::{self, Read};

use byway_core::ruleset::Memory;

use super::Content;

/// How many bytes of a text may be no UTF-8 before it is taken for something else.
pub(super) const WRONG_LIMIT: usize = 20;
/// What a file with zero bytes is.
pub(super) const BINARY: &str = "no text: it has zero bytes";

/// What the first bytes of a file say, where it is neither text nor a compiled rule set.
pub(super) fn binary(head: &[u8]) -> Option<&'static str> {
    let is_said_elsewhere =
        head.starts_with(byway_core::ruleset::MAGIC) || head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF");
    (!is_said_elsewhere && head.contains(&0)).then_some(BINARY)
}

/// Puts `?` in the place of every byte that is not UTF-8, and says which they were.
pub(super) fn replaced(bytes: &mut [u8]) -> Vec<(usize, u8)> {
    let mut wrong = Vec::new();
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        at += error.valid_up_to();
        wrong.push((at, bytes[at]));
        bytes[at] = b'?';
        at += 1;
    }
    wrong
}

/// Reads all of a file into the memory that its rules will live in.
pub(super) fn read_whole(content: &mut Content<'_>) -> io::Result<Memory> {
    let mut memory = Memory::with_len(usize::try_from(content.len).unwrap_or(0));
    content.read_exact(&mut memory)?;
    let mut more = Vec::new();
    content.read_to_end(&mut more)?;
    match more.is_empty() {
        true => Ok(memory),
        // It grew while it was read, or had no length.
        false => Ok(Memory::from([&memory[..], &more].concat())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_is_no_utf8_is_replaced_and_known() {
        let mut bytes = b"a\xE9b\xFF\xFE\xC3\xA9".to_vec();
        assert_eq!(replaced(&mut bytes), [(1, 0xE9), (3, 0xFF), (4, 0xFE)]);
        assert_eq!(bytes, "a?b??é".as_bytes());
        assert_eq!((binary(b"a\0b"), binary(b"ab")), (Some(BINARY), None));
    }
}
