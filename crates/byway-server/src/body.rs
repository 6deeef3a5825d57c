//! The body of a request, read to nowhere: where it ends is all that matters.
//!
//! A server that answers early still has to know where the next request begins. [`Body::feed`] is given what arrives, in pieces
//! of any size, and says how much of it belongs to the body; nothing is kept.

use crate::head::Framing;

/// A body on its way through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// In chunks (RFC 9112 §7.1).
    Chunked(Chunk),
}

/// Where in the chunked coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the digits of a size; how many were seen.
    Size {
        size: u64,
        digits: u8,
    },
    /// In an extension, up to the end of its line; how many bytes of it were seen.
    Extension {
        size: u64,
        length: u16,
    },
    /// At the LF of a size line.
    SizeEnd {
        size: u64,
    },
    /// In the data.
    Data {
        left: u64,
    },
    /// At the CR and at the LF behind the data.
    DataCr,
    DataLf,
    /// In the trailer section: bytes of this line, and of the section.
    Trailer {
        line: u16,
        total: u16,
    },
    /// At the LF of a trailer line.
    TrailerEnd {
        line: u16,
        total: u16,
    },
}

/// What feeding came to: how many bytes belonged to the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All of them, and more is to come.
    More,
    /// So many, and the body is over.
    Done(usize),
    /// The chunked coding is broken: where the next request begins cannot be known.
    Broken,
}

/// An extension or a trailer section longer than this is an attack: nobody uses them.
const EXTRA_MOST: u16 = 16 * 1024;

impl Body {
    /// The body that a head announces, if any.
    pub(crate) fn announced(framing: Framing) -> Option<Body> {
        match framing {
            Framing::None => None,
            Framing::Length(length) => Some(Body::Length(length)),
            Framing::Chunked => Some(Body::Chunked(Chunk::Size { size: 0, digits: 0 })),
        }
    }

    /// Takes what arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Fed {
        match self {
            Body::Length(left) if *left <= bytes.len() as u64 => Fed::Done(*left as usize),
            Body::Length(left) => {
                *left -= bytes.len() as u64;
                Fed::More
            }
            Body::Chunked(chunk) => chunk.feed(bytes),
        }
    }
}

impl Chunk {
    fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut at = 0;
        while at < bytes.len() {
            if let Chunk::Data { left } = self {
                let step = (*left).min((bytes.len() - at) as u64);
                at += step as usize;
                *left -= step;
                if *left == 0 {
                    *self = Chunk::DataCr;
                }
                continue;
            }
            match self.next(bytes[at]) {
                Step::To(next) => *self = next,
                Step::Done => return Fed::Done(at + 1),
                Step::Broken => return Fed::Broken,
            }
            at += 1;
        }
        Fed::More
    }

    fn next(self, byte: u8) -> Step {
        let next = match (self, byte) {
            (Chunk::Size { size, digits }, _) => return size_byte(size, digits, byte),
            (Chunk::Extension { size, .. }, b'\r') => Chunk::SizeEnd { size },
            (Chunk::Extension { size, length }, b'\t' | b' '..=b'~' | 0x80..) if length < EXTRA_MOST => {
                Chunk::Extension { size, length: length + 1 }
            }
            (Chunk::SizeEnd { size: 0 }, b'\n') => Chunk::Trailer { line: 0, total: 0 },
            (Chunk::SizeEnd { size }, b'\n') => Chunk::Data { left: size },
            (Chunk::DataCr, b'\r') => Chunk::DataLf,
            (Chunk::DataLf, b'\n') => Chunk::Size { size: 0, digits: 0 },
            (Chunk::Trailer { line, total }, b'\r') => Chunk::TrailerEnd { line, total },
            (Chunk::Trailer { line, total }, b'\t' | b' '..=b'~' | 0x80..) if total < EXTRA_MOST => {
                Chunk::Trailer { line: line + 1, total: total + 1 }
            }
            (Chunk::TrailerEnd { line: 0, .. }, b'\n') => return Step::Done,
            (Chunk::TrailerEnd { total, .. }, b'\n') => Chunk::Trailer { line: 0, total },
            _ => return Step::Broken,
        };
        Step::To(next)
    }
}

enum Step {
    To(Chunk),
    Done,
    Broken,
}

/// At most 15 digits: larger sizes are beyond every budget, and a size that wraps around is how requests are smuggled.
fn size_byte(size: u64, digits: u8, byte: u8) -> Step {
    match ((byte as char).to_digit(16), byte) {
        (Some(digit), _) if digits < 15 => {
            Step::To(Chunk::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
        }
        (None, b'\r') if digits > 0 => Step::To(Chunk::SizeEnd { size }),
        (None, b';') if digits > 0 => Step::To(Chunk::Extension { size, length: 0 }),
        _ => Step::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked() -> Body {
        Body::announced(Framing::Chunked).expect("a chunked body is one")
    }

    #[test]
    fn chunks_end_where_they_end_in_pieces_of_any_size() {
        let text = b"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET";
        assert_eq!(chunked().feed(text), Fed::Done(text.len() - 3));
        for size in 1..text.len() {
            let (mut body, mut taken, mut end) = (chunked(), 0, None);
            for piece in text.chunks(size) {
                match body.feed(piece) {
                    Fed::More => taken += piece.len(),
                    Fed::Done(last) => {
                        end = Some(taken + last);
                        break;
                    }
                    Fed::Broken => panic!("broken at pieces of {size}"),
                }
            }
            assert_eq!(end, Some(text.len() - 3), "pieces of {size}");
        }
    }

    #[test]
    fn broken_chunks_are_seen() {
        for text in [
            &b"\r\n"[..],
            b"x\r\n",
            b"3\nabc",
            b"3\r\nabcd",
            b"-1\r\n",
            b"1000000000000000\r\n",
            b"3 \0\r\n",
            b"0\r\n\n",
        ] {
            assert_eq!(chunked().feed(text), Fed::Broken, "{:?}", String::from_utf8_lossy(text));
        }
    }
}
