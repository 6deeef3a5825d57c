//! Conditions of mod_rewrite as conditions of the core: a text put together, and a test of it.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::target::{Landing, Part, Piece, What};

use super::expand::{Known, Unplaced};
use super::pattern::{pattern, quoted};
use super::rule::Cond;

/// A condition of the core, and what is not quite so.
pub(super) struct Made {
    pub(super) condition: Condition,
    pub(super) approximates: Option<&'static str>,
}

/// A text as the pieces that it is put together from.
pub(super) fn pieces(parts: &[Known]) -> Vec<Piece<'static>> {
    parts
        .iter()
        .map(|part| match part {
            Known::Text(text) => What::Literal(text.clone().into()),
            Known::Insert(what) => what.clone(),
        })
        .map(|what| Piece { place: Landing::Path, what })
        .collect()
}

/// What the disk holds, for `-f` and `-d`.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// Files and folders as paths of URLs; `None` where no document root was given.
    pub(super) files: Option<Vec<String>>,
    pub(super) folders: Option<Vec<String>>,
    /// Whether files are left to the server that will have the rules.
    pub(super) is_left: bool,
}

/// The most names that one `-f` is compared with.
const NAMES: usize = 5_000;

/// Makes a condition; the test string is taken apart already.
pub(super) fn condition(cond: &Cond, parts: &[Known], disk: &Disk) -> Result<Made, Unplaced> {
    let mut approximates = None;
    let (test, negate) = match operator(&cond.pattern) {
        Operator::Same(text) if cond.case == LetterCase::Significant => (Test::Is(text.to_owned()), false),
        Operator::Same(text) => (Test::Regex(pattern(&format!("^{}$", quoted(text)), cond.case)), false),
        Operator::After(text) => (regex(&sorted_after(text, false)?), false),
        Operator::Before(text) => (regex(&sorted_after(text, true)?), true),
        Operator::AfterOrSame(text) => (regex(&sorted_after(text, true)?), false),
        Operator::BeforeOrSame(text) => (regex(&sorted_after(text, false)?), true),
        Operator::Number(first, last, negate) => {
            approximates = Some("a text that is no number is not taken for 0 in a comparison");
            (Test::Range(first, last), negate)
        }
        Operator::File(letter) => {
            let names = match letter {
                'f' | 'F' | 's' => &disk.files,
                'd' => &disk.folders,
                'l' | 'L' | 'h' => &Some(Vec::new()),
                _ => return Err("it asks for programs on the disk".into()),
            };
            match names {
                Some(names) if names.len() > NAMES => {
                    return Err("it asks for a file, and the document root holds too many".into());
                }
                Some(names) => {
                    approximates = match letter {
                        'd' | 'f' => None,
                        'l' | 'L' | 'h' => Some("links are taken for what they lead to, and no link is found"),
                        _ => Some("`-s` and `-F` are taken for `-f`"),
                    };
                    match names.is_empty() {
                        true => (never(), false),
                        false => (Test::In(names.clone()), false),
                    }
                }
                None => {
                    let why = "no document root is known (`--root DIR`): files are taken not to be there";
                    approximates = (!disk.is_left).then_some(why);
                    (unknown(letter), false)
                }
            }
        }
        Operator::Regex(text) => (Test::Regex(pattern(text, cond.case)), false),
    };
    let subject = Subject::Text(pieces(parts));
    match Condition::new(subject, test, cond.is_negated != negate) {
        Ok(condition) => Ok(Made { condition: Condition { or_next: cond.or_next, ..condition }, approximates }),
        Err(error) => Err(format!("its pattern cannot be read here: {}", error.what).into()),
    }
}

/// Whether a text that is known passes a condition; `None` where that is not known.
pub(super) fn holds(cond: &Cond, text: &str) -> Option<bool> {
    let found = match operator(&cond.pattern) {
        Operator::Same(wanted) if cond.case == LetterCase::Significant => text == wanted,
        Operator::Same(wanted) => text.eq_ignore_ascii_case(wanted),
        Operator::Regex(wanted) => pattern(wanted, cond.case).finds(text.as_bytes()).ok()?,
        _ => return None,
    };
    Some(found != cond.is_negated)
}

/// A test that no value passes.
fn never() -> Test {
    regex("[^\\x00-\\xff]")
}

/// The same where it is not known which files are there: whoever writes the rule for a server asks for them again.
fn unknown(letter: char) -> Test {
    regex(&format!("{UNKNOWN}{letter}"))
}

const UNKNOWN: &str = "[^\\x00-\\xff]";

/// Asks that a file or a folder is not there, whatever path is asked for.
pub(crate) fn no_file(letter: char) -> Condition {
    let path = Piece { place: Landing::Path, what: What::Part(Part::WorkingPath) };
    Condition { subject: Subject::Text(vec![path]), test: unknown(letter), negate: true, or_next: false }
}

/// The letter of a test for a file (`-f`) of which nothing is known.
pub(crate) fn asks_for_file(condition: &Condition) -> Option<char> {
    match &condition.test {
        Test::Regex(pattern) => pattern.text.strip_prefix(UNKNOWN)?.chars().next(),
        _ => None,
    }
}

fn regex(text: &str) -> Test {
    Test::Regex(pattern(text, LetterCase::Significant))
}

enum Operator<'c> {
    Same(&'c str),
    After(&'c str),
    Before(&'c str),
    AfterOrSame(&'c str),
    BeforeOrSame(&'c str),
    /// From the first to the last, and whether that is denied.
    Number(i64, i64, bool),
    File(char),
    Regex(&'c str),
}

fn operator(text: &str) -> Operator<'_> {
    let mut letters = text.chars();
    if let (Some('-'), Some(letter @ ('f' | 'F' | 'd' | 's' | 'l' | 'L' | 'h' | 'x' | 'U')), None) =
        (letters.next(), letters.next(), letters.next())
    {
        return Operator::File(letter);
    }
    if let Some(rest) = text.strip_prefix('-')
        && let Some((name, number)) = rest.get(..2).zip(rest.get(2..))
    {
        let digits = number.trim();
        let number: i64 = digits.parse().unwrap_or(0);
        match name {
            "eq" => return Operator::Number(number, number, false),
            "ne" => return Operator::Number(number, number, true),
            "ge" => return Operator::Number(number, i64::MAX, false),
            "gt" => return Operator::Number(number.saturating_add(1), i64::MAX, false),
            "le" => return Operator::Number(i64::MIN, number, false),
            "lt" => return Operator::Number(i64::MIN, number.saturating_sub(1), false),
            _ => {}
        }
    }
    let emptied = |rest| if rest == "\"\"" { "" } else { rest };
    match text {
        _ if text.starts_with(">=") => Operator::AfterOrSame(emptied(&text[2..])),
        _ if text.starts_with("<=") => Operator::BeforeOrSame(emptied(&text[2..])),
        _ if text.starts_with('>') => Operator::After(emptied(&text[1..])),
        _ if text.starts_with('<') => Operator::Before(emptied(&text[1..])),
        _ if text.starts_with('=') => Operator::Same(emptied(&text[1..])),
        _ => Operator::Regex(text),
    }
}

/// A pattern for the texts that mod_rewrite sorts behind one: longer ones, then by bytes. With `or_same`, for that too.
fn sorted_after(text: &str, or_same: bool) -> Result<String, Unplaced> {
    let bytes = text.as_bytes();
    if bytes.len() > 64 {
        return Err("it sorts by a text of more than 64 bytes".into());
    }
    let byte = |b: u8| format!("\\x{b:02x}");
    let mut cases = vec![format!(".{{{},}}", bytes.len() + 1)];
    for (at, &b) in bytes.iter().enumerate().filter(|(_, b)| **b < 0xFF) {
        let before: String = bytes[..at].iter().map(|&b| byte(b)).collect();
        cases.push(format!("{before}[{}-\\xff].{{{}}}", byte(b + 1), bytes.len() - at - 1));
    }
    if or_same {
        cases.push(bytes.iter().map(|&b| byte(b)).collect());
    }
    Ok(format!("^(?:{})$", cases.join("|")))
}
