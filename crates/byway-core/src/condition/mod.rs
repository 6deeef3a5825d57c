//! What more a rule asks of a request: a subject and a test.
//!
//! A subject says where values come from, one file and one row of [`SUBJECTS`] each; a test says what must be true of one of
//! them ([`Test`]). The two are independent, so that reader, writer and schema need not know each pair. A condition holds when
//! any value of its subject passes its test; negated, when none does.

mod address;
mod asn;
mod continent;
mod cookie;
mod country;
mod crawler;
mod eu;
mod header;
mod host;
mod language;
mod method;
mod query;
mod scheme;
mod split;
mod test;

use std::fmt;
use std::ops::Range;

use crate::place::Place;
use crate::request::Request;
use crate::target::Piece;
pub use test::{TESTS, Test, TestRow};
pub(crate) use test::{Tried, glob_matches};

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Where the values come from.
    pub subject: Subject,
    /// What must be true of one of them.
    pub test: Test,
    /// Whether it holds when no value passes.
    pub negate: bool,
    /// Imported rules only: whether this one or the next is enough (Apache's `[OR]`).
    pub or_next: bool,
}

/// Where the values of a condition come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A row of [`SUBJECTS`].
    Of {
        /// The index of the row.
        row: u8,
        /// The name of the field, cookie or parameter, for rows that take one.
        name: String,
    },
    /// Imported rules only: a text put together from captures and parts of the request (the test string of a `RewriteCond`).
    Text(Vec<Piece<'static>>),
}

/// What a subject does to caches: what depended on it must say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depends {
    /// Nothing: it is part of the URI or of the method.
    OnNothing,
    /// The answer varies with this field.
    OnField(&'static str),
    /// The answer varies with the field that the subject names.
    OnNamedField,
    /// The answer may be kept by nobody.
    OnClient,
    /// The same, and the place of the client's address is looked up.
    OnPlace,
    /// The same, where visitors are divided at the moment.
    OnVisitor,
}

/// A request, with what a subject asks of its surroundings. What no subject asks for is empty.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// Where its address is, for [`Depends::OnPlace`].
    pub place: Place,
    /// The visitor's variant, for [`Depends::OnVisitor`].
    pub variant: &'a str,
}

impl<'a> Seen<'a> {
    /// A request of which nothing more is asked.
    pub fn of(request: &'a Request<'a>) -> Seen<'a> {
        Seen { request, place: Place::default(), variant: "" }
    }
}

impl<'a> std::ops::Deref for Seen<'a> {
    type Target = Request<'a>;

    fn deref(&self) -> &Request<'a> {
        self.request
    }
}

/// Calls the last with each value that a request has under a name.
pub type Values = fn(&Seen<'_>, &str, &mut dyn FnMut(&[u8]));

/// One subject: how it is written, where its values are, how they compare.
pub struct SubjectRow {
    /// The key in `when` and `unless`.
    pub key: &'static str,
    /// Whether it takes a name, as in `header.x-beta`.
    pub takes_name: bool,
    /// One sentence for the schema and the manual.
    pub help: &'static str,
    /// What it does to caches.
    pub depends: Depends,
    /// Calls `visit` with each value; the name is lower case where the subject's names have no case.
    pub values: Values,
    /// Whether a value is the one that was written.
    pub equals: fn(&[u8], &str) -> bool,
    /// Why a text cannot be a value, if it cannot; the text to keep otherwise.
    pub check: fn(&str) -> Result<String, String>,
}

impl fmt::Debug for SubjectRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

/// All subjects, in the order of their numbers in a compiled file: new ones are added at the end.
pub const SUBJECTS: &[SubjectRow] = &[
    method::ROW,
    scheme::ROW,
    host::ROW,
    header::ROW,
    cookie::ROW,
    query::ROW,
    address::ROW,
    language::ROW,
    country::ROW,
    continent::ROW,
    eu::ROW,
    asn::ROW,
    crawler::ROW,
    split::ROW,
];

/// Why a condition is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCondition {
    /// The bytes of the value at fault, where the fault is inside one.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for InvalidCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for InvalidCondition {}

fn refused<T>(what: impl Into<String>, help: Option<&str>) -> Result<T, InvalidCondition> {
    Err(InvalidCondition { at: 0..0, what: what.into(), help: help.map(str::to_owned) })
}

impl Subject {
    /// The subject with this key, and the name it takes.
    ///
    /// ```
    /// use byway_core::condition::Subject;
    /// assert!(Subject::parse("header", Some("X-Beta")).is_ok());
    /// assert!(Subject::parse("header", None).is_err());
    /// assert!(Subject::parse("method", Some("x")).is_err());
    /// ```
    pub fn parse(key: &str, name: Option<&str>) -> Result<Subject, InvalidCondition> {
        let Some(row) = SUBJECTS.iter().position(|row| row.key == key) else {
            let known: Vec<&str> = SUBJECTS.iter().map(|row| row.key).collect();
            return refused(
                format!("`{key}` is nothing a condition can ask about"),
                Some(&format!("there are {}", known.join(", "))),
            );
        };
        match (SUBJECTS[row].takes_name, name) {
            (true, None | Some("")) => refused(format!("`{key}` needs a name"), Some(&format!("write `{key}.NAME`"))),
            (false, Some(_)) => refused(format!("`{key}` takes no name"), None),
            (_, name) => {
                let name = name.unwrap_or_default();
                let folded = matches!(SUBJECTS[row].depends, Depends::OnNamedField);
                if folded && !is_field_name(name) {
                    let help = "write letters, digits and `-`, as in `header.accept-language`";
                    return refused(format!("`{}` is no name of a header field", name.escape_default()), Some(help));
                }
                let name = if folded { name.to_ascii_lowercase() } else { name.to_owned() };
                Ok(Subject::Of { row: row as u8, name })
            }
        }
    }

    pub(crate) fn row(&self) -> Option<&'static SubjectRow> {
        match self {
            Subject::Of { row, .. } => SUBJECTS.get(usize::from(*row)),
            Subject::Text(_) => None,
        }
    }
}

impl Condition {
    /// A condition, checked: addresses are networks, languages are tags, patterns build.
    ///
    /// ```
    /// use byway_core::condition::{Condition, Subject, Test};
    /// let address = Subject::parse("address", None).unwrap();
    /// assert!(Condition::new(address.clone(), Test::In(vec!["10.0.0.0/8".into()]), false).is_ok());
    /// assert!(Condition::new(address, Test::Is("10.0.0.300".into()), false).is_err());
    /// ```
    pub fn new(subject: Subject, test: Test, negate: bool) -> Result<Condition, InvalidCondition> {
        let test = test.checked(subject.row())?;
        Ok(Condition { subject, test, negate, or_next: false })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Of { row, name } => {
                f.write_str(SUBJECTS.get(usize::from(*row)).map_or("?", |row| row.key))?;
                if !name.is_empty() {
                    write!(f, ".{name}")?;
                }
            }
            Subject::Text(pieces) => write!(f, "`{}`", crate::target::Target::of_pieces(pieces.clone()))?,
        }
        write!(f, "{} {}", if self.negate { " not" } else { "" }, self.test)
    }
}

/// Whether a text is the name of a header field (a token, RFC 9110 §5.1), and not the `*` of `Vary`.
pub(crate) fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name != "*"
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(crate) use cookie::each as each_cookie;

fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn same_bytes(value: &[u8], wanted: &str) -> bool {
    value == wanted.as_bytes()
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::request::{NO_FIELDS, Request, Scheme};

    /// A request for nothing in particular.
    pub(crate) fn request() -> Request<'static> {
        Request {
            method: "GET",
            scheme: Scheme::Http,
            host: "",
            port: 80,
            path: b"/",
            query: None,
            fields: NO_FIELDS,
            address: [127, 0, 0, 1].into(),
            local_port: 80,
        }
    }
}
