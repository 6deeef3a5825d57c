//! Patterns and targets as the bytes of a rule, and read back.

use crate::dialect::LetterCase;
use crate::regex::{Anchoring, Flavour, Pattern};
use crate::target::{Change, Landing, Part, Piece, Pieces, Target, What};
use crate::wire::{Cursor, Put, u16_at};

/// A pattern: how it is read, its text, the program that it is run by where it has one, and the length of that.
pub(crate) fn encode_pattern(pattern: &Pattern<'_>, out: &mut Vec<u8>) {
    out.put_u8(pattern.case as u8);
    out.put_u8(pattern.anchoring as u8);
    out.put_u8(pattern.flavour as u8);
    out.extend_from_slice(pattern.text.as_bytes());
    let start = out.len();
    pattern.write_program(out);
    out.put_u16((out.len() - start) as u16);
}

/// What was written of a pattern, and its program, which is empty where it has none.
pub(crate) fn split_program(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.len().saturating_sub(2);
    let length = usize::from(u16_at(bytes, end)).min(end);
    (&bytes[..end - length], &bytes[end - length..end])
}

pub(crate) fn decode_pattern(bytes: &[u8]) -> Pattern<'_> {
    let bytes = split_program(bytes).0;
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    Pattern {
        text: std::str::from_utf8(bytes.get(3..).unwrap_or_default()).unwrap_or_default().into(),
        case: if byte(0) == 1 { LetterCase::Ignored } else { LetterCase::Significant },
        anchoring: if byte(1) == 1 { Anchoring::Anywhere } else { Anchoring::Whole },
        flavour: match byte(2) {
            1 => Flavour::Pcre,
            2 => Flavour::PcreDotAll,
            _ => Flavour::Linear,
        },
    }
}

pub(crate) fn encode_target(target: &Target<'_>, out: &mut Vec<u8>) {
    match &target.pieces {
        Pieces::Constant(text) => out.extend_from_slice(text.as_bytes()),
        Pieces::Template(pieces) => encode_pieces(pieces, out),
    }
}

pub(crate) fn encode_pieces(pieces: &[Piece<'_>], out: &mut Vec<u8>) {
    for piece in pieces {
        out.put_u8(piece.place as u8);
        match &piece.what {
            What::Literal(text) => {
                out.put_u8(0);
                out.put_bytes(text.as_bytes());
            }
            What::Capture(index) => out.extend_from_slice(&[1, *index]),
            What::Tail(index) => out.extend_from_slice(&[2, *index]),
            What::TailText(index) => out.extend_from_slice(&[3, *index]),
            What::ConditionCapture(index) => out.extend_from_slice(&[4, *index]),
            What::Part(part) => out.extend_from_slice(&[5, *part as u8]),
            What::QueryValue(name) => {
                out.put_u8(6);
                out.put_bytes(name.as_bytes());
            }
            What::Field(name) => {
                out.put_u8(7);
                out.put_bytes(name.as_bytes());
            }
            What::Slot(slot) => {
                out.put_u8(8);
                out.put_u16(*slot);
            }
            What::PortElse(port) => {
                out.put_u8(9);
                out.put_u16(*port);
            }
            What::Argument(name) => {
                out.put_u8(10);
                out.put_bytes(name.as_bytes());
            }
            What::Cookie(name) => {
                out.put_u8(11);
                out.put_bytes(name.as_bytes());
            }
            What::Changed(change, slot) => {
                out.extend_from_slice(&[12, *change as u8]);
                out.put_u16(*slot);
            }
        }
    }
}

/// Reads the pieces of a template; stops at the first byte that makes no sense.
pub(crate) fn pieces(bytes: &[u8]) -> impl Iterator<Item = Piece<'_>> + Clone {
    let mut cursor = Cursor::new(bytes);
    let mut left = bytes.len();
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        left -= 1;
        let place = cursor.u8();
        let tag = cursor.u8();
        if !cursor.is_sound() {
            return None;
        }
        let what = match tag {
            0 => What::Literal(cursor.str().into()),
            1 => What::Capture(cursor.u8()),
            2 => What::Tail(cursor.u8()),
            3 => What::TailText(cursor.u8()),
            4 => What::ConditionCapture(cursor.u8()),
            5 => What::Part(*Part::ALL.get(usize::from(cursor.u8()))?),
            6 => What::QueryValue(cursor.str().into()),
            7 => What::Field(cursor.str().into()),
            8 => What::Slot(cursor.u16()),
            9 => What::PortElse(cursor.u16()),
            10 => What::Argument(cursor.str().into()),
            11 => What::Cookie(cursor.str().into()),
            12 => What::Changed(*Change::ALL.get(usize::from(cursor.u8()))?, cursor.u16()),
            _ => return None,
        };
        Some(Piece { place: *Landing::ALL.get(usize::from(place))?, what })
    })
}

pub(crate) fn decode_target(bytes: &[u8], is_constant: bool) -> Target<'_> {
    match is_constant {
        true => Target { pieces: Pieces::Constant(std::str::from_utf8(bytes).unwrap_or("/").into()) },
        false => Target { pieces: Pieces::Template(pieces(bytes).collect()) },
    }
}
