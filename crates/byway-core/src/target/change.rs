//! What is done to a kept text before it is written: Apache's maps `int:tolower`, `int:toupper`, `int:escape`, `int:unescape`;
//! and what it makes of a path before it is decoded.

use crate::location::push_apache;
use crate::path::{push_decoded, resolved};

/// What becomes of a text.
///
/// ```
/// use byway_core::target::Change;
/// assert_eq!(Change::Lower.of("/Ä/B".as_bytes()), "/Ä/b".as_bytes());
/// assert_eq!(Change::Escape.of(b"a b?"), b"a%20b%3f");
/// assert_eq!(Change::Unescape.of(b"a%20b%"), b"a b%");
/// assert_eq!(Change::Resolve.of(b"//a/%2F/../b"), b"/a/b");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Change {
    /// ASCII letters become small.
    Lower = 0,
    /// ASCII letters become large.
    Upper = 1,
    /// What a path may not hold is escaped, as `ap_escape_uri` does.
    Escape = 2,
    /// Escapes are undone.
    Unescape = 3,
    /// Slashes of a path are merged and its dot segments resolved, with their escapes; nothing is left where they lead out of it.
    Resolve = 4,
}

impl Change {
    pub(crate) const ALL: [Change; 5] =
        [Change::Lower, Change::Upper, Change::Escape, Change::Unescape, Change::Resolve];

    /// The text that comes of one.
    pub fn of(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        match self {
            Change::Lower => return text.to_ascii_lowercase(),
            Change::Upper => return text.to_ascii_uppercase(),
            Change::Escape => push_apache(text, &mut out),
            Change::Resolve => return resolved(text).unwrap_or_default(),
            // What is behind a zero byte is not there to a program in C.
            Change::Unescape => {
                push_decoded(text, &mut out);
                let end = memchr::memchr(0, &out).unwrap_or(out.len());
                out.truncate(end);
            }
        }
        out
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Change::Lower => "lower",
            Change::Upper => "upper",
            Change::Escape => "escape",
            Change::Unescape => "unescape",
            Change::Resolve => "resolve",
        }
    }
}
