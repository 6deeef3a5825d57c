//! Cases: one line that says what a request gets.
//!
//! ```text
//! POST /api/v1/users?id=7                   ->  307 /api/v2/users?id=7
//! GET  https://shop.example.com/ [Cookie: beta=1] from 10.0.0.7 at 2027-03-01T00:00Z  ->  410
//! GET  /apiary                              ->  pass
//! GET  /old/%00                             ->  refuse 400
//! ```
//!
//! The same grammar stands in `examples` of a rule, in `requests` blocks of Markdown (`--cases FILE.md`) and in the tests of this
//! workspace. A path alone is asked of `http://localhost`; without a method it is `GET`; `#` after a space begins a comment.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use byway_core::decision::{Decision, Outcome};
use byway_core::host::split_authority;
use byway_core::place::{Code, Place, Places};
use byway_core::pool::MemberState;
use byway_core::request::{Request, Scheme};
use byway_core::ruleset::{RuleRef, RuleSet, Scratch};
use byway_core::status::RedirectStatus;
use byway_core::surroundings::{Outlook, Surroundings};

use crate::calendar;
use crate::diagnostic::Diagnostic;
use crate::own::instant;
use crate::span::Span;

/// A request, and what it should get.
///
/// ```
/// use byway_config::examples::{Case, Expected};
/// let case = Case::parse("POST /a?x=1 [X-Beta: 1] -> 307 /b?x=1").unwrap();
/// assert_eq!(case.method, "POST");
/// assert_eq!(case.fields, [("X-Beta".to_owned(), "1".to_owned())]);
/// assert_eq!(case.expected, Expected::Redirect { status: 307, location: Some("/b?x=1".to_owned()) });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The method.
    pub method: String,
    /// The scheme.
    pub scheme: Scheme,
    /// The host, without port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: String,
    /// The query, without `?`.
    pub query: Option<String>,
    /// The header fields.
    pub fields: Vec<(String, String)>,
    /// Who asks; the loopback address where nothing is said.
    pub address: IpAddr,
    /// Where the address is, whatever a database says; `None` asks one.
    pub place: Option<Place>,
    /// When, in seconds since 1970 UTC; `None` is now.
    pub at: Option<i64>,
    /// What it should get.
    pub expected: Expected,
}

/// What a request should get, or what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No rule takes it.
    Pass,
    /// A redirect; `None` is any location.
    Redirect {
        /// The status.
        status: u16,
        /// The location.
        location: Option<String>,
    },
    /// An answer without a location.
    Reply(u16),
    /// A refusal; `None` is any.
    Refuse(Option<u16>),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Pass => f.write_str("pass"),
            Expected::Redirect { status, location: None } => write!(f, "{status}"),
            Expected::Redirect { status, location: Some(location) } => write!(f, "{status} {location}"),
            Expected::Reply(status) => write!(f, "{status}"),
            Expected::Refuse(None) => f.write_str("refuse"),
            Expected::Refuse(Some(status)) => write!(f, "refuse {status}"),
        }
    }
}

impl Expected {
    /// What a decision is, in the words of a case.
    pub fn of(decision: &Decision<'_>) -> Expected {
        match &decision.outcome {
            Outcome::Pass => Expected::Pass,
            Outcome::Redirect(redirect) => Expected::Redirect {
                status: redirect.status.number(),
                location: Some(redirect.location.as_str().to_owned()),
            },
            Outcome::Reply(reply) => Expected::Reply(reply.status.number()),
            Outcome::Refuse(refusal) => Expected::Refuse(Some(refusal.status())),
        }
    }

    /// Whether what came is what was expected.
    pub fn is_met_by(&self, found: &Expected) -> bool {
        match (self, found) {
            (Expected::Redirect { status, location: None }, Expected::Redirect { status: found, .. }) => {
                status == found
            }
            (Expected::Refuse(None), Expected::Refuse(_)) => true,
            _ => self == found,
        }
    }
}

/// Why a line is no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCase {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

fn invalid<T>(at: Range<usize>, what: impl Into<String>, help: &str) -> Result<T, InvalidCase> {
    Err(InvalidCase { at, what: what.into(), help: help.to_owned() })
}

const SHAPE: &str = "write `POST /a?x=1 -> 307 /b?x=1`, `GET /a -> 410`, `GET /a -> pass` or `GET /a -> refuse 400`";

impl Case {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Case, InvalidCase> {
        let Some(arrow) = line.find("->") else {
            return invalid(0..line.len(), "a case without `->`", SHAPE);
        };
        let expected = expected(line, arrow + 2)?;
        let mut case = Case { expected, ..Case::get("/") };
        let mut words = words(&line[..arrow], 0).peekable();
        if let Some((_, word)) = words.next_if(|(_, word)| is_method(word)) {
            word.clone_into(&mut case.method);
        }
        match words.next() {
            Some((at, url)) => case.set_url(url, at)?,
            None => return invalid(0..arrow, "a case without a URL", SHAPE),
        }
        while let Some((at, word)) = words.next() {
            match word {
                field if field.starts_with('[') => case.fields.push(parse_field(field, at)?),
                "from" => {
                    case.address =
                        argument(words.next(), at, |text| text.parse().ok(), "an address, as `from 10.0.0.7`")?
                }
                "in" => {
                    let country = argument(words.next(), at, Code::new, "a country, as `in DE`")?;
                    case.place = Some(Place { country: Some(country), ..Place::default() }.completed());
                }
                "at" => {
                    case.at = Some(argument(words.next(), at, parse_instant, "an instant, as `at 2027-03-01T00:00Z`")?)
                }
                _ => return invalid(at..at + word.len(), format!("`{word}` has no place in a case"), SHAPE),
            }
        }
        Ok(case)
    }

    /// A GET of a path or a URL-less place on `http://localhost`, expecting a pass.
    pub fn get(path: &str) -> Case {
        Case {
            method: "GET".to_owned(),
            scheme: Scheme::Http,
            host: "localhost".to_owned(),
            port: 80,
            path: path.to_owned(),
            query: None,
            fields: Vec::new(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            place: None,
            at: None,
            expected: Expected::Pass,
        }
    }

    /// The request, borrowed.
    pub fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            scheme: self.scheme,
            host: &self.host,
            port: self.port,
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            local_port: self.port,
            fields: &self.fields,
            address: self.address,
        }
    }

    /// What the rules say of it, and which rule says so.
    pub fn decide(&self, rules: &RuleSet, now: i64, scratch: &mut Scratch) -> (Expected, Option<RuleRef>) {
        self.decide_in(rules, &Surroundings::at(self.at.unwrap_or(now)), scratch)
    }

    /// The same, with the windows of the rules open as their calendars say.
    pub fn decide_by_calendar(&self, rules: &RuleSet, now: i64, scratch: &mut Scratch) -> (Expected, Option<RuleRef>) {
        self.decide_knowing(rules, None, now, scratch)
    }

    /// The same, with somebody who knows where addresses are; what the case says wins.
    pub fn decide_knowing(
        &self,
        rules: &RuleSet,
        places: Option<&dyn Places>,
        now: i64,
        scratch: &mut Scratch,
    ) -> (Expected, Option<RuleRef>) {
        let now = self.at.unwrap_or(now);
        let outlook = Outlook::of(rules, |window| calendar::spans(&window.when, now), |_, _| MemberState::UNSEEN);
        self.decide_in(rules, &Surroundings::at(now).with(&outlook).with_places(places), scratch)
    }

    fn decide_in(
        &self,
        rules: &RuleSet,
        around: &Surroundings<'_>,
        scratch: &mut Scratch,
    ) -> (Expected, Option<RuleRef>) {
        let around = match &self.place {
            Some(place) => around.with_places(Some(place)),
            None => *around,
        };
        let decision = rules.decide(&self.request(), &around, scratch);
        (Expected::of(&decision), decision.rule)
    }

    fn set_url(&mut self, url: &str, at: usize) -> Result<(), InvalidCase> {
        let range = at..at + url.len();
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", rest)) => {
                self.scheme = Scheme::Https;
                rest
            }
            Some(_) => return invalid(range, "only http and https are asked", SHAPE),
            None if url.starts_with('/') || url == "*" => {
                self.set_path(url);
                return Ok(());
            }
            None => return invalid(range, format!("`{url}` is neither a path nor a URL"), SHAPE),
        };
        let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let Ok((host, port)) = split_authority(&rest[..path_at]) else {
            return invalid(range, format!("`{}` is no host", &rest[..path_at]), SHAPE);
        };
        host.clone_into(&mut self.host);
        self.port = port.unwrap_or(self.scheme.default_port());
        self.set_path(&rest[path_at..]);
        Ok(())
    }

    fn set_path(&mut self, text: &str) {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        self.path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        self.query = query;
    }
}

fn is_method(word: &str) -> bool {
    !word.contains(['/', ':', '[']) && word.starts_with(|c: char| c.is_ascii_uppercase())
}

fn parse_field(text: &str, at: usize) -> Result<(String, String), InvalidCase> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match inner.and_then(|inner| inner.split_once(':')) {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => invalid(at..at + text.len(), format!("`{text}` is no header field"), "write `[Name: value]`"),
    }
}

fn argument<T>(
    word: Option<(usize, &str)>,
    before: usize,
    read: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Result<T, InvalidCase> {
    let (at, text) = word.unwrap_or((before, ""));
    match read(text) {
        Some(value) => Ok(value),
        None => invalid(at..at + text.len(), format!("`{text}` is not {wanted}"), SHAPE),
    }
}

fn parse_instant(text: &str) -> Option<i64> {
    instant::from_text(text, &instant::Zone::Unstated).ok().map(|instant| instant.seconds)
}

fn expected(line: &str, at: usize) -> Result<Expected, InvalidCase> {
    let mut words = words(&line[at..], at);
    let (first_at, first) = words.next().unwrap_or((at, ""));
    let (second, third) = (words.next(), words.next());
    let range = first_at..first_at + first.len();
    if let Some((at, word)) = third {
        return invalid(at..at + word.len(), format!("`{word}` after what is expected"), SHAPE);
    }
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..=599).contains(status));
    match (first, second) {
        ("pass", None) => Ok(Expected::Pass),
        ("refuse", None) => Ok(Expected::Refuse(None)),
        ("refuse", Some((at, text))) => match status(text) {
            Some(status) => Ok(Expected::Refuse(Some(status))),
            None => invalid(at..at + text.len(), format!("`{text}` is no status"), SHAPE),
        },
        (number, location) => match (status(number), location) {
            (Some(status), location) if RedirectStatus::from_number(status).is_some() => {
                Ok(Expected::Redirect { status, location: location.map(|(_, text)| text.to_owned()) })
            }
            (Some(status), None) => Ok(Expected::Reply(status)),
            (Some(status), Some((at, text))) => {
                invalid(at..at + text.len(), format!("{status} sends no location"), SHAPE)
            }
            (None, _) => invalid(range, format!("`{number}` is nothing that a request gets"), SHAPE),
        },
    }
}

/// The words of a text with their places; `[…]` is one word, `#` before a word ends it all.
fn words(text: &str, base: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let start = at + rest.find(|c: char| !c.is_whitespace())?;
        let word = &text[start..];
        if word.starts_with('#') {
            at = text.len();
            return None;
        }
        let end = match word.starts_with('[') {
            true => word.find(']').map_or(word.len(), |end| end + 1),
            false => word.find(char::is_whitespace).unwrap_or(word.len()),
        };
        at = start + end;
        Some((base + start, &word[..end]))
    })
}

/// A case with the place where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The case.
    pub case: Case,
    /// As it is written.
    pub text: String,
    /// Where.
    pub span: Span,
}

impl Example {
    /// Reads one line that stands at a place.
    pub fn parse(text: &str, span: Span) -> Result<Example, InvalidCase> {
        Ok(Example { case: Case::parse(text)?, text: text.trim().to_owned(), span })
    }

    /// What is to be said where the rules do something else, and which rule does it.
    pub fn failure(
        &self,
        rules: &RuleSet,
        places: Option<&dyn Places>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Option<(Diagnostic, Option<RuleRef>)> {
        let (found, rule) = self.case.decide_knowing(rules, places, now, scratch);
        if self.case.expected.is_met_by(&found) {
            return None;
        }
        let message = format!("an example gets `{found}`, not `{}`", self.case.expected);
        Some((Diagnostic::error("example", message).at(self.span.clone()), rule))
    }
}

/// The lines of every fenced `requests` block of a Markdown page that hold a case, with their places in the text. A block that
/// is never closed ends with the page.
///
/// ```
/// use byway_config::examples::case_lines;
/// let page = "# A\n```requests\nGET /a -> pass\n\n# not a case\n```\n";
/// let found: Vec<&str> = case_lines(page).map(|range| &page[range]).collect();
/// assert_eq!(found, ["GET /a -> pass"]);
/// ```
pub fn case_lines(page: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    let mut fence: Option<(&str, bool)> = None;
    page.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let text = line.trim();
        let mark = text.split(|c| c != '`' && c != '~').next().unwrap_or_default();
        match fence {
            Some((open, _)) if mark.len() >= open.len() && mark == text && mark.starts_with(&open[..1]) => {
                fence = None;
                None
            }
            Some((_, is_requests)) => {
                let is_case = is_requests && !text.is_empty() && !text.starts_with('#');
                let indent = line.len() - line.trim_start().len();
                is_case.then(|| start + indent..start + indent + text.len())
            }
            None if mark.len() >= 3 => {
                fence = Some((mark, text[mark.len()..].split_whitespace().next() == Some("requests")));
                None
            }
            None => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_case_may_say() {
        let case =
            Case::parse("https://t.test:444/a?b [X: y z] from ::1 at 1970-01-02T00:00Z -> 410 # gone").expect("a case");
        assert_eq!((case.host.as_str(), case.port, case.at), ("t.test", 444, Some(86_400)));
        assert_eq!(case.fields, [("X".to_owned(), "y z".to_owned())]);
        assert_eq!((case.path.as_str(), case.query.as_deref(), case.expected), ("/a", Some("b"), Expected::Reply(410)));
    }

    #[test]
    fn what_is_no_case() {
        for (line, at) in [
            ("GET /a", 0..6),
            ("GET /a -> 700", 10..13),
            ("GET a -> pass", 4..5),
            ("GET /a x -> pass", 7..8),
            ("GET /a -> 410 /b", 14..16),
            ("GET /a from x -> pass", 12..13),
        ] {
            assert_eq!(Case::parse(line).expect_err(line).at, at, "{line}");
        }
    }
}
