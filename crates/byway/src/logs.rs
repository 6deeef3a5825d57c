//! Access logs of nginx, Apache and byway, decided by our rules: which rule each request would have met.
//!
//! The Common and the combined format, with or without a virtual host in front, and byway's own JSON lines. A log says little of
//! a request: fields beside Referer and User-Agent are not there, so a rule that asks for a cookie is not met. Lines that are
//! not understood are counted and said, never guessed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use byway_core::path::{TargetForm, request_target};
use byway_core::ruleset::Scratch;
use byway_core::{Request, RuleSet, Scheme, Surroundings};
use byway_server::{Hits, MethodClass};

use crate::commands::unreadable;
use crate::exit::Failure;
use crate::hits::store::{GAP, Kept};
use crate::rules::count;

/// The longest line that is read; what is longer is not understood.
const LINE: u64 = 64 * 1024;

/// What a log says of rules.
#[derive(Debug)]
pub(crate) struct Logged {
    /// By the number of the identity.
    pub(crate) rules: HashMap<u64, Kept>,
    /// What a person should be told.
    pub(crate) remark: Option<String>,
}

/// One request of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When, in seconds since 1970 UTC.
    pub(crate) at: i64,
    /// Who asked, where it is an address.
    pub(crate) address: Option<IpAddr>,
    /// The virtual host, where the log names it.
    pub(crate) host: Option<String>,
    /// The method.
    pub(crate) method: String,
    /// The target as sent.
    pub(crate) target: String,
    /// The status that was answered.
    pub(crate) status: u16,
    /// Referer, where the format has it.
    pub(crate) referer: Option<String>,
    /// User-Agent, where the format has it.
    pub(crate) agent: Option<String>,
}

/// Reads a log to its end, one line at a time.
pub(crate) fn each(path: &Path, mut visit: impl FnMut(Entry)) -> Result<Option<String>, Failure> {
    let mut reader = BufReader::new(File::open(path).map_err(|error| unreadable(path, &error))?);
    let (mut number, mut strange, mut first) = (0_u64, 0_u64, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| unreadable(path, &error))? == 0 {
            break;
        }
        number += 1;
        if !line.ends_with(b"\n") && line.len() as u64 == LINE {
            skip_line(&mut reader).map_err(|error| unreadable(path, &error))?;
            line.clear();
        }
        let text = String::from_utf8_lossy(&line);
        match entry(text.trim_end()) {
            Some(entry) => visit(entry),
            None if text.trim().is_empty() && !line.is_empty() => {}
            // What was refused before its head was read met no rule.
            None if is_refusal(text.trim_end()) => {}
            None => {
                strange += 1;
                first = if first == 0 { number } else { first };
            }
        }
    }
    let remark = || format!("byway: {}:{first}: {} no request that is understood", path.display(), said(strange));
    Ok((strange > 0).then(remark))
}

fn said(strange: u64) -> String {
    match strange {
        1 => "this line is".to_owned(),
        more => format!("this and {} are", count(more - 1, "further line")),
    }
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (length, is_over) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(length);
        if is_over {
            return Ok(());
        }
    }
}

/// Decides every request of a log.
pub(crate) fn read(path: &Path, rules: &RuleSet, host: &str, now: i64) -> Result<Logged, Failure> {
    let mut scratch = Scratch::new();
    let mut tallies: HashMap<u32, Hits> = HashMap::new();
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let remark = each(path, |entry| {
        (first, last) = (first.min(entry.at), last.max(entry.at));
        if let Some(rule) = rule_of(&entry, rules, host, &mut scratch) {
            let hits = tallies.entry(rule).or_default();
            hits.methods[MethodClass::of(&entry.method) as usize] += 1;
            hits.last = hits.last.max(Some(entry.at));
        }
    })?;
    // A log that ended long ago has not watched since.
    let since = Some(first).filter(|_| last >= now - GAP);
    let numbers = rules.identity_numbers();
    let kept = |rule: byway_core::ruleset::RuleView<'_>| {
        let hits = tallies.get(&rule.number()).copied().unwrap_or_default();
        (numbers.of(rule), Kept { hits, observed_since: since, ..Kept::default() })
    };
    Ok(Logged { rules: rules.rules().map(kept).collect(), remark })
}

/// Visits the requests of a log that one rule decides; a host that the log does not name is `localhost`.
pub(crate) fn each_of_rule(
    path: &Path,
    rules: &RuleSet,
    rule: u32,
    mut visit: impl FnMut(&Entry),
) -> Result<Option<String>, Failure> {
    let mut scratch = Scratch::new();
    each(path, |entry| {
        if rule_of(&entry, rules, "localhost", &mut scratch) == Some(rule) {
            visit(&entry);
        }
    })
}

/// The rule that decides a request, by its number.
fn rule_of(entry: &Entry, rules: &RuleSet, host: &str, scratch: &mut Scratch) -> Option<u32> {
    let Ok(TargetForm::Origin(parts)) = request_target(entry.target.as_bytes()) else { return None };
    let fields: Vec<(String, String)> = [("referer", &entry.referer), ("user-agent", &entry.agent)]
        .into_iter()
        .filter_map(|(name, value)| value.clone().map(|value| (name.to_owned(), value)))
        .collect();
    let request = Request {
        method: &entry.method,
        scheme: Scheme::Http,
        host: entry.host.as_deref().unwrap_or(host),
        port: 80,
        path: parts.path,
        query: parts.query,
        fields: &fields,
        address: entry.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        local_port: 80,
    };
    let decision = rules.decide(&request, &Surroundings::at(entry.at), scratch);
    decision.rule.map(|rule| rules.rule(rule).number())
}

/// One line.
fn entry(line: &str) -> Option<Entry> {
    if line.starts_with('{') { json_entry(line) } else { common_entry(line) }
}

/// `[vhost[:port] ]host ident user [time] "request" status bytes["referer" "agent"]`
fn common_entry(line: &str) -> Option<Entry> {
    let (before, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("] ")?;
    let (request, rest) = quoted(rest)?;
    let mut request = request.split(' ');
    let (method, target, _version) = (request.next()?, request.next()?, request.next()?);
    let mut rest = rest.trim_start().splitn(3, ' ');
    let (status, _bytes, tail) = (rest.next()?, rest.next(), rest.next().unwrap_or_default());
    let (referer, tail) = quoted(tail).unzip();
    let agent = tail.and_then(|tail| quoted(tail.trim_start())).map(|(agent, _)| agent);
    // With a virtual host in front there are four words.
    let words: Vec<&str> = before.split(' ').collect();
    let (host, address) = match words.as_slice() {
        [host, address, _, _] => (Some(host.rsplit_once(':').map_or(*host, |(host, _)| host).to_owned()), *address),
        [address, _, _] => (None, *address),
        _ => return None,
    };
    Some(Entry {
        at: instant(time)?,
        address: address.parse().ok(),
        host,
        method: method.to_owned(),
        target: target.to_owned(),
        status: status.parse().ok()?,
        referer: referer.filter(|text| text != "-"),
        agent: agent.filter(|text| text != "-"),
    })
}

/// A text in quotes at the front, with its escapes undone, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('"')?;
    let (mut out, mut signs) = (Vec::new(), body.bytes().enumerate());
    while let Some((at, sign)) = signs.next() {
        match sign {
            b'"' => return Some((String::from_utf8_lossy(&out).into_owned(), &body[at + 1..])),
            b'\\' => match signs.next()?.1 {
                b'x' => {
                    let code = body.get(at + 2..at + 4).and_then(|code| u8::from_str_radix(code, 16).ok())?;
                    out.push(code);
                    signs.nth(1);
                }
                other => out.push(other),
            },
            sign => out.push(sign),
        }
    }
    None
}

/// `22/Nov/2026:16:36:50 +0000`
fn instant(text: &str) -> Option<i64> {
    let parsed = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
    parsed.to_timestamp().ok().map(jiff::Timestamp::as_second)
}

/// Whether a line of byway's own is that of a request that was refused.
fn is_refusal(line: &str) -> bool {
    let value = || serde_json::from_str::<serde_json::Value>(line).ok();
    line.starts_with('{') && value().is_some_and(|value| value.get("refused").is_some_and(|why| why.is_string()))
}

fn json_entry(line: &str) -> Option<Entry> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let query = text("query").map(|query| format!("?{query}")).unwrap_or_default();
    Some(Entry {
        at: text("time")?.parse::<jiff::Timestamp>().ok()?.as_second(),
        address: text("address").and_then(|address| address.parse().ok()),
        host: text("host").filter(|host| !host.is_empty()),
        method: text("method")?,
        target: text("path")? + &query,
        status: value.get("status")?.as_u64().and_then(|status| u16::try_from(status).ok())?,
        referer: text("referer"),
        agent: text("user_agent"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nginx_and_apache() {
        let line = r#"192.0.2.7 - frank [22/Nov/2026:16:36:50 +0100] "POST /a%20b?x=\x22 HTTP/1.1" 307 12 "-" "Mozilla/5.0 (\"x\")""#;
        let found = entry(line).expect("an entry");
        assert_eq!((found.method.as_str(), found.target.as_str(), found.status), ("POST", "/a%20b?x=\"", 307));
        assert_eq!(found.at, 1_795_361_810);
        assert_eq!((found.referer, found.agent.as_deref()), (None, Some("Mozilla/5.0 (\"x\")")));
        let with_host = format!("www.example.com:443 {line}");
        assert_eq!(entry(&with_host).and_then(|found| found.host).as_deref(), Some("www.example.com"));
        let common = r#"::1 - - [22/Nov/2026:16:36:50 +0000] "GET / HTTP/1.0" 200 -"#;
        assert_eq!(entry(common).map(|found| (found.status, found.agent)), Some((200, None)));
        assert_eq!(entry("GET / HTTP/1.1"), None);
        assert_eq!(entry(r#"1.2.3.4 - - [22/Nov/2026:16:36:50 +0000] "\x16\x03\x01" 400 0 "-" "-""#), None);
    }

    #[test]
    fn what_was_refused_is_no_request_and_no_riddle() {
        let line = r#"{"time":"2026-11-22T16:36:50Z","address":"192.0.2.7","status":400,"refused":"no request line"}"#;
        assert_eq!((entry(line), is_refusal(line)), (None, true));
        assert!(!is_refusal(r#"{"time":1}"#) && !is_refusal("{"));
    }

    #[test]
    fn lines_of_byway() {
        let line = r#"{"time":"2026-11-22T16:36:50Z","address":"192.0.2.7","method":"GET","host":"example.com","path":"/a","status":307}"#;
        let found = entry(line).expect("an entry");
        assert_eq!(
            (found.target.as_str(), found.host.as_deref(), found.at),
            ("/a", Some("example.com"), 1_795_365_410)
        );
    }
}
