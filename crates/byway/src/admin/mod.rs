//! The admin API: a running server asked and told over HTTP, by `byway reload` and by programs.
//!
//! Behind a Unix socket for its owner alone, or on an address of this machine with a token (`guard.rs`). Every path is a row of
//! the table below and an operation of `openapi.json`, which is served as it stands; a test holds the two together. Bodies and
//! answers are JSON. What changes something is said on stderr with who and when.

mod guard;
mod paths;

use std::sync::Arc;

use byway_core::RuleSet;
use byway_core::surroundings::Outlook;
use byway_server::operators::{Asked, Desk, Reply};
use byway_server::{Handle, Loss};
use serde_json::{Value, json};

pub(crate) use guard::{Entrance, Guard, door, planned};

use crate::listing::instant;
use crate::reloader::Reloader;
use crate::rules::now;
use crate::terminal::say;

/// The description of the API.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");

/// What the API is about.
pub(crate) struct Admin {
    /// The server.
    pub(crate) handle: Arc<Handle>,
    /// Reloads.
    pub(crate) reloader: Reloader,
    /// How much a reload may take away unless forced.
    pub(crate) usual: Loss,
    /// Who gets 307 where the rules say 308.
    pub(crate) downgrade_308: Vec<String>,
    /// What is kept of hits, where they are kept.
    pub(crate) hits: Option<std::path::PathBuf>,
    /// Pools and windows, where there are any to work on.
    pub(crate) levers: Vec<Box<dyn Levers>>,
}

/// Something of a server that operators move by hand, as pools and maintenance: paths of its own below `/v1/`.
pub(crate) trait Levers: Send + Sync {
    /// Its paths.
    fn paths(&self) -> &'static [Path];

    /// The answer to one of them.
    fn answer(&self, path: &Path, call: &Call<'_>) -> Result<Value, Problem>;

    /// What it knows of the windows and pools of a rule set at a moment.
    fn outlook(&self, _rules: &RuleSet, _at: i64) -> Option<Outlook> {
        None
    }
}

/// A request, taken apart.
pub(crate) struct Call<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The path below `/v1/`, by its parts, decoded.
    pub(crate) parts: Vec<String>,
    /// The pairs of the query, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// The body; null where there is none.
    pub(crate) body: Value,
}

/// Why a request was not answered, as RFC 9457 says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The status.
    pub(crate) status: u16,
    /// What happened.
    pub(crate) detail: String,
    /// The methods of the path, with 405.
    pub(crate) allow: Option<&'static str>,
}

impl Problem {
    /// The request is not right.
    pub(crate) fn bad(detail: impl Into<String>) -> Problem {
        Problem { status: 400, detail: detail.into(), allow: None }
    }

    /// There is no such thing.
    pub(crate) fn missing(detail: impl Into<String>) -> Problem {
        Problem { status: 404, detail: detail.into(), allow: None }
    }

    /// It cannot be done now, and that is nobody's fault who asks.
    pub(crate) fn unable(detail: impl Into<String>) -> Problem {
        Problem { status: 503, detail: detail.into(), allow: None }
    }

    fn reply(&self) -> Reply {
        let title = match self.status {
            400 => "not a request of this API",
            401 => "who asks?",
            403 => "not from there",
            404 => "not found",
            405 => "not this method",
            415 => "not JSON",
            421 => "not this host",
            _ => "not possible now",
        };
        let body = json!({ "title": title, "status": self.status, "detail": self.detail });
        Reply {
            status: self.status,
            content_type: "application/problem+json",
            allow: self.allow,
            body: body.to_string().into(),
        }
    }
}

/// A path below `/v1/`: its method, and its parts.
pub(crate) type Path = (&'static str, &'static [&'static str]);

/// What answers on a path.
type Handler = fn(&Admin, &Call<'_>) -> Result<(u16, Value), Problem>;

/// A path, and what answers.
type Row = (Path, Handler);

/// A part that stands for any text.
pub(crate) const ANY: &str = "{}";

/// Every path that is no lever's.
const ROWS: &[Row] = &[
    (("GET", &["status"]), paths::status),
    (("GET", &["rules"]), paths::rules),
    (("GET", &["rules", ANY]), paths::rule),
    (("GET", &["hits"]), paths::hits),
    (("POST", &["explain"]), paths::explain),
    (("POST", &["reload"]), paths::reload),
];

/// The paths that ask and change nothing, though they are POST.
const ASKING: &[&str] = &["explain"];

/// The desk of one door: the API behind the door's guard.
pub(crate) struct AdminDesk {
    pub(crate) admin: Arc<Admin>,
    pub(crate) guard: Guard,
}

impl Desk for AdminDesk {
    fn answer(&self, asked: &Asked) -> Reply {
        let reply = match self.guard.admit(asked) {
            Ok(()) => self.admin.answer(asked),
            Err(problem) => problem.reply(),
        };
        let is_reading = asked.method == "GET" || asked.method == "HEAD" || asked.method == "OPTIONS";
        if !is_reading && !ASKING.iter().any(|name| asked.path == format!("/v1/{name}")) {
            let (path, body) = (shown(&asked.path), shown(&String::from_utf8_lossy(&asked.body)));
            let body = if body.is_empty() { body } else { format!(" {body}") };
            let (who, at) = (asked.who, instant(now()));
            say(&format!("admin: {} {path}{body} by {who} at {at}: {}", asked.method, reply.status));
        }
        reply
    }
}

/// What somebody sent, as far as it is worth a line.
fn shown(text: &str) -> String {
    text.chars().filter(|sign| !sign.is_control()).take(200).collect()
}

impl Admin {
    fn answer(&self, asked: &Asked) -> Reply {
        match self.find(asked) {
            Ok((status, value)) => {
                Reply { status, content_type: "application/json", allow: None, body: format!("{value}\n").into() }
            }
            Err(problem) => problem.reply(),
        }
    }

    fn find(&self, asked: &Asked) -> Result<(u16, Value), Problem> {
        let method = if asked.method == "HEAD" { "GET" } else { asked.method.as_str() };
        if asked.path == "/openapi.json" {
            let described = serde_json::from_str(OPENAPI).unwrap_or(Value::Null);
            return if method == "GET" { Ok((200, described)) } else { Err(not_this_method("GET, HEAD")) };
        }
        let unknown = || Problem::missing("there is no such path; /openapi.json names those there are");
        let below = asked.path.strip_prefix("/v1/").ok_or_else(unknown)?;
        let parts: Vec<String> = below.split('/').map(decoded).collect::<Option<_>>().ok_or_else(unknown)?;
        let mut call = Call { method, parts, query: pairs(asked.query.as_deref())?, body: Value::Null };
        let of_levers = self.levers.iter().flat_map(|levers| levers.paths().iter().map(move |path| (path, levers)));
        let rows = ROWS.iter().map(|(path, answer)| (path, Answers::Row(*answer)));
        let all = rows.chain(of_levers.map(|(path, levers)| (path, Answers::Lever(levers.as_ref()))));
        let fitting: Vec<(&Path, Answers<'_>)> = all.filter(|((_, parts), _)| fits(parts, &call.parts)).collect();
        let Some((path, answers)) = fitting.iter().find(|((of, _), _)| *of == call.method) else {
            let is_get = fitting.iter().any(|((of, _), _)| *of == "GET");
            return Err(match fitting.is_empty() {
                true => unknown(),
                false => not_this_method(if is_get { "GET, HEAD" } else { "POST" }),
            });
        };
        call.body = body(asked)?;
        match answers {
            Answers::Row(answer) => answer(self, &call),
            Answers::Lever(levers) => levers.answer(path, &call).map(|value| (200, value)),
        }
    }
}

/// Who answers on a path.
enum Answers<'a> {
    Row(Handler),
    Lever(&'a dyn Levers),
}

fn not_this_method(allow: &'static str) -> Problem {
    Problem { status: 405, detail: format!("there is {allow} here"), allow: Some(allow) }
}

fn fits(row: &[&str], parts: &[String]) -> bool {
    row.len() == parts.len() && row.iter().zip(parts).all(|(row, part)| *row == ANY && !part.is_empty() || row == part)
}

/// The body as JSON. A page of a browser cannot send this type to another origin without asking first, and is not answered.
fn body(asked: &Asked) -> Result<Value, Problem> {
    if asked.body.is_empty() {
        return Ok(Value::Null);
    }
    let kind = asked.fields.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem { status: 415, detail: "send Content-Type: application/json".to_owned(), allow: None });
    }
    serde_json::from_slice(&asked.body).map_err(|error| Problem::bad(format!("the body is not JSON: {error}")))
}

fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    let bad = || Problem::bad("the query cannot be read: `%` is followed by two hexadecimal digits, and text is UTF-8");
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
    };
    pairs.map(|text| pair(text).ok_or_else(bad)).collect()
}

/// Percent-encoded text, decoded.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let code =
            std::str::from_utf8(after.get(..2)?).ok().filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_described_and_every_description_has_a_path() {
        let described: Value = serde_json::from_str(OPENAPI).expect("JSON");
        let mut written: Vec<String> = Vec::new();
        for (path, operations) in described["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys().filter(|key| *key != "parameters") {
                written.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut served = vec!["GET /openapi.json".to_owned()];
        let name = |parts: &[&str]| format!("{{{}}}", parts[0].trim_end_matches('s').replace("maintenance", "window"));
        let all = ROWS.iter().map(|(path, _)| path).chain(crate::standing::PATHS);
        served
            .extend(all.map(|(method, parts)| format!("{method} /v1/{}", parts.join("/").replace(ANY, &name(parts)))));
        written.sort();
        served.sort();
        assert_eq!(written, served);
        assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn text_is_decoded_once() {
        assert_eq!(decoded("a%2Fb%25%C3%BC").as_deref(), Some("a/b%ü"));
        assert_eq!([decoded("%"), decoded("%+1"), decoded("%ff")], [None, None, None]);
    }
}
