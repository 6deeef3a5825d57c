//! The tests that a value may be put to: is, in, glob, regex, range, present.

use std::fmt;

use super::{InvalidCondition, SubjectRow, refused};
use crate::regex::{Anchoring, Pattern};

/// What must be true of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is this one.
    Is(String),
    /// It is one of these.
    In(Vec<String>),
    /// `*` is any text, `?` one byte.
    Glob(String),
    /// A regular expression finds something in it.
    Regex(Pattern<'static>),
    /// It is a whole number from the first to the last, both included.
    Range(i64, i64),
    /// It is there.
    Present,
}

/// One test, for the schema and the manual.
#[derive(Debug)]
pub struct TestRow {
    /// The key in a condition.
    pub key: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// All tests, in the order of their numbers in a compiled file.
pub const TESTS: &[TestRow] = &[
    TestRow { key: "is", help: "The value is this text." },
    TestRow { key: "in", help: "The value is one of these texts." },
    TestRow { key: "glob", help: "The value fits: `*` is any text, `?` any one byte." },
    TestRow { key: "regex", help: "The regular expression matches somewhere in the value; `^` and `$` anchor it." },
    TestRow { key: "range", help: "The value is a whole number from the first to the last, both included." },
    TestRow { key: "present", help: "There is a value, even an empty one." },
];

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    Holds,
    Fails,
    TooCostly,
}

impl Test {
    pub(crate) fn number(&self) -> u8 {
        match self {
            Test::Is(_) => 0,
            Test::In(_) => 1,
            Test::Glob(_) => 2,
            Test::Regex(_) => 3,
            Test::Range(..) => 4,
            Test::Present => 5,
        }
    }

    pub(super) fn checked(self, row: Option<&SubjectRow>) -> Result<Test, InvalidCondition> {
        let check = |text: &str| match row {
            Some(row) => (row.check)(text).or_else(|what| refused(what, None)),
            None => Ok(text.to_owned()),
        };
        match self {
            Test::Is(text) => Ok(Test::Is(check(&text)?)),
            Test::In(texts) if texts.is_empty() => {
                refused("an empty list: no value is in it", Some("take the condition away, or list a value"))
            }
            Test::In(texts) => Ok(Test::In(texts.iter().map(|text| check(text)).collect::<Result<_, _>>()?)),
            Test::Regex(pattern) => match pattern.build() {
                Ok(_) => Ok(Test::Regex(pattern)),
                Err(error) => Err(InvalidCondition { at: error.at, what: error.what, help: error.help }),
            },
            Test::Range(first, last) if first > last => {
                refused(format!("the range from {first} to {last} is empty"), Some("write the smaller number first"))
            }
            Test::Glob(_) | Test::Range(..) | Test::Present => Ok(self),
        }
    }

    /// A pattern as conditions write it: found anywhere in the value.
    pub fn regex(text: &str) -> Test {
        let own = Pattern { anchoring: Anchoring::Anywhere, ..Pattern::own("") };
        Test::Regex(Pattern { text: text.to_owned().into(), ..own })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Is(text) => write!(f, "is `{text}`"),
            Test::In(texts) => write!(f, "in `{}`", texts.join("`, `")),
            Test::Glob(text) => write!(f, "glob `{text}`"),
            Test::Regex(pattern) => write!(f, "regex `{}`", pattern.text),
            Test::Range(first, last) => write!(f, "range {first} to {last}"),
            Test::Present => f.write_str("present"),
        }
    }
}

/// Whether a value fits a glob; linear in value × glob at worst.
pub(crate) fn glob_matches(glob: &[u8], value: &[u8]) -> bool {
    let (mut g, mut v) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while v < value.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, v));
                g += 1;
            }
            Some(&b) if b == b'?' || b == value[v] => {
                g += 1;
                v += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    g = at + 1;
                    v = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_or_do_not() {
        for (glob, value, fits) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("?", "", false),
            ("a?c*", "abcd", true),
            ("*a*b", "xaxbxab", true),
        ] {
            assert_eq!(glob_matches(glob.as_bytes(), value.as_bytes()), fits, "{glob} {value}");
        }
    }
}
