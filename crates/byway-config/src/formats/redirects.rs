//! `_redirects`: Netlify's lines, first match first.
//!
//! A line is `from [name=value …] to [status[!]] [Condition=value,…]`, 301 where no status is written. A trailing slash makes no
//! difference, and the request's query is passed on where the target has none. What byway cannot say (rewrites, pages for other
//! statuses, countries, roles, signatures) is refused by name. The grammar is that of `@netlify/redirect-parser` 15.0.4, what a
//! line matches that of `netlify-redirector` 0.5.0.

use std::io::{self, Read};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy, TrailingSlash};
use byway_core::ruleset::Order;
use byway_core::status::{RedirectStatus, StatusByMethod};

use super::{Folders, Format, Reader, Says, file_name, never};
use crate::diagnostic::Severity;
use crate::lines::Lines;
use crate::list::{Cell, Draft, List};
use crate::own::page::shortened;
use crate::own::status;

pub(super) const ROW: Format = Format {
    name: "redirects",
    title: "_redirects lines",
    files: &["_redirects"],
    says: Says {
        statuses: "301 302 303 307 308",
        default: "301",
        sources: "exact, prefix, pattern; host, query pairs; the last slash never counts",
        conditions: "language, one cookie",
        query: "passed on where the target has none",
    },
    is_named: |path| file_name(path).ends_with("_redirects"),
    is_like: never,
    folders: Folders::No,
    reader: Reader::List(Order::Listed, read),
    write: None,
};

/// Reads a file of lines.
fn read(reader: &mut dyn Read, list: &mut List<'_>) -> io::Result<()> {
    let mut lines = Lines::new(reader);
    while lines.advance()? {
        let Some(text) = list.utf8(&lines) else { continue };
        let mut tokens = Tokens { text, at: 0 };
        if let Some(from) = tokens.next() {
            line(from, tokens, &lines, list);
        }
    }
    Ok(())
}

/// The words of a line; `#` before a word ends it.
struct Tokens<'r> {
    text: &'r str,
    at: usize,
}

impl<'r> Iterator for Tokens<'r> {
    type Item = Cell<'r>;

    fn next(&mut self) -> Option<Cell<'r>> {
        let bytes = self.text.as_bytes();
        let start = self.at + bytes[self.at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        if bytes[start] == b'#' {
            self.at = bytes.len();
            return None;
        }
        let end = bytes[start..].iter().position(u8::is_ascii_whitespace).map_or(bytes.len(), |length| start + length);
        self.at = end;
        Some(Cell { text: &self.text[start..end], start, end })
    }
}

/// Whether a word is a target: the first that is ends the query pairs.
fn is_target(text: &str) -> bool {
    text.starts_with('/') || text.starts_with("http:") || text.starts_with("https:")
}

fn line<'r>(from: Cell<'r>, mut tokens: Tokens<'r>, lines: &Lines<'_>, list: &mut List<'_>) {
    if !is_target(from.text) {
        let what = format!("no request matches `{}`: a path begins with `/`", shortened(from.text));
        let help = format!("write `/{}`; as it stands this line does nothing, here as there", from.text);
        return list.say(lines, from.start..from.end, Severity::Warning, "no-slash", || (what, Some(help)));
    }
    let mut pairs = Vec::new();
    let to = loop {
        match tokens.next() {
            Some(word) if is_target(word.text) => break word,
            Some(word) if word.text.contains('=') => pairs.push(word),
            Some(word) => {
                let what = format!("`{}` is no target", shortened(word.text));
                let help = "a target begins with `/`, `http://` or `https://`".to_owned();
                return list.refuse(lines, word.start..word.end, "bad-target", what, Some(help));
            }
            None => {
                let help = "write `/old /new`".to_owned();
                return list.refuse(lines, from.start..from.end, "bad-row", "a line without a target", Some(help));
            }
        }
    };
    let Some((status, conditions)) = rest(tokens, lines, list) else { return };
    let Some(text) = source(from, &pairs, lines, list) else { return };
    let from = match &text {
        Some(text) => Cell { text, ..from },
        None => from,
    };
    let draft = Draft {
        from,
        to,
        status,
        query: list.how.query.clone().unwrap_or(QueryPolicy::Replace),
        slash: list.how.slash.unwrap_or(TrailingSlash::Either),
        case: list.how.case.unwrap_or(LetterCase::Significant),
        since: None,
        until: None,
        id: None,
        group: None,
        owner: None,
        note: None,
        conditions: &conditions,
    };
    list.take(lines, draft);
}

/// Status and conditions: what stands behind the target.
fn rest(tokens: Tokens<'_>, lines: &Lines<'_>, list: &mut List<'_>) -> Option<(StatusByMethod, Vec<Condition>)> {
    let mut status = None;
    let mut conditions = Vec::new();
    for word in tokens {
        match word.text.split_once('=') {
            None if status.is_none() => status = Some(read_status(word, lines, list)?),
            Some((name, values)) => conditions.extend(condition(word, name, values, lines, list)?),
            None => {
                let what = format!("`{}` behind the status", shortened(word.text));
                list.refuse(
                    lines,
                    word.start..word.end,
                    "bad-row",
                    what,
                    Some("write conditions as `Language=de,fr`".to_owned()),
                );
                return None;
            }
        }
    }
    let default = list.how.status.unwrap_or(StatusByMethod::always(RedirectStatus::MovedPermanently));
    Some((status.unwrap_or(default), conditions))
}

/// `301`, or `301!`: byway has no files, so every rule is one that does not ask whether there is one.
fn read_status(word: Cell<'_>, lines: &Lines<'_>, list: &mut List<'_>) -> Option<StatusByMethod> {
    let text = word.text.trim_end_matches('!');
    match status::from_text(text) {
        Ok(status) => Some(StatusByMethod::always(status)),
        Err((what, help)) => {
            let (what, help) = match text {
                "200" => (
                    "a rewrite (200) shows another page under this address".to_owned(),
                    "byway redirects only: leave this line to the site's own server".to_owned(),
                ),
                "404" | "410" | "401" | "403" | "500" => (
                    format!("a page for {text}"),
                    format!(
                        "byway sends no pages: write a `[[reply]]` with `status = {text}` in byway.toml, or leave it to the site's own server"
                    ),
                ),
                _ => (what, help),
            };
            list.refuse(lines, word.start..word.end, "cannot-say", what, Some(help));
            None
        }
    }
}

fn condition(
    word: Cell<'_>,
    name: &str,
    values: &str,
    lines: &Lines<'_>,
    list: &mut List<'_>,
) -> Option<Option<Condition>> {
    let values = || values.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let made = match name.to_ascii_lowercase().as_str() {
        "language" => {
            Subject::parse("language", None).and_then(|subject| Condition::new(subject, Test::In(values()), false))
        }
        // Present under any of these names; one name is all that a condition asks about.
        "cookie" if values().len() == 1 => Subject::parse("cookie", Some(&values()[0]))
            .and_then(|subject| Condition::new(subject, Test::Present, false)),
        _ => {
            let what = format!("byway cannot ask for `{name}`");
            let help = "take the condition out, or leave this line to the site's own server".to_owned();
            list.refuse(lines, word.start..word.end, "cannot-say", what, Some(help));
            return None;
        }
    };
    match made {
        Ok(condition) => Some(Some(condition)),
        Err(error) => {
            list.refuse(lines, word.start..word.end, "bad-condition", error.what, error.help);
            None
        }
    }
}

/// The source with its query pairs; outer `None` where it was refused, inner where the word itself will do.
fn source(from: Cell<'_>, pairs: &[Cell<'_>], lines: &Lines<'_>, list: &mut List<'_>) -> Option<Option<String>> {
    if let Some(pair) = pairs.iter().find(|pair| pair.text.contains("=:")) {
        let what = format!("byway cannot take `{}` from the query", pair.text);
        let help = "write the pair with its value, or keep the query: `query = \"keep\"`".to_owned();
        list.refuse(lines, pair.start..pair.end, "cannot-say", what, Some(help));
        return None;
    }
    if pairs.is_empty() {
        return Some(None);
    }
    let joined: Vec<&str> = pairs.iter().map(|pair| pair.text).collect();
    Some(Some(format!("{}?{}", from.text, joined.join("&"))))
}
