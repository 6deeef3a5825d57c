//! The writer of `byway.toml`: a table for each rule, keys in the order of the manual.

use std::borrow::Cow;
use std::fmt::Write;

use byway_core::condition::{Condition, Test};
use byway_core::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::status::StatusByMethod;

use super::Writing;
use super::own::{Does, OwnRule, Plan, instant, is_own_test, own, subject};
use crate::remarks::Verdict;

/// Writes all rules.
pub(crate) fn write(writing: &mut Writing<'_>) {
    writing.headline();
    let plan = Plan::of(writing.rules);
    let rules = writing.rules;
    for view in rules.rules() {
        let blocks = own(view, &plan).and_then(|(rules, verdict)| {
            let blocks: Result<Vec<String>, _> = rules.iter().map(block).collect();
            Ok((blocks?, verdict))
        });
        match blocks {
            Ok((blocks, verdict)) => {
                for block in blocks {
                    writing.text.push('\n');
                    writing.text.push_str(&block);
                }
                writing.say(&view, verdict);
            }
            Err(why) => writing.say(&view, Verdict::Refused(why)),
        }
    }
}

fn block(rule: &OwnRule<'_>) -> Result<String, Cow<'static, str>> {
    let mut out = String::new();
    let view = &rule.view;
    let key = |out: &mut String, name: &str, value: &str| _ = writeln!(out, "{name} = {value}");
    match &rule.does {
        Does::Redirect { status, to, query } => {
            out.push_str("[[redirect]]\n");
            key(&mut out, "from", &quoted(&rule.from));
            key(&mut out, "to", &quoted(to));
            key(&mut out, "status", &status_text(*status));
            if let Some(query) = query_text(query) {
                key(&mut out, "query", &query);
            }
        }
        Does::Reply { status, retry_after } => {
            out.push_str("[[reply]]\n");
            key(&mut out, "from", &quoted(&rule.from));
            key(&mut out, "status", &status.number().to_string());
            if let Some(seconds) = retry_after {
                key(&mut out, "retry_after", &seconds.to_string());
            }
        }
        Does::Pass => {
            out.push_str("[[pass]]\n");
            key(&mut out, "from", &quoted(&rule.from));
        }
    }
    for (name, is_negated) in [("when", false), ("unless", true)] {
        if let Some(table) = conditions(&rule.conditions, is_negated)? {
            key(&mut out, name, &table);
        }
    }
    for (name, text) in [("id", view.id()), ("group", view.group()), ("owner", view.owner()), ("note", view.note())] {
        if let Some(text) = text {
            key(&mut out, name, &quoted(text));
        }
    }
    if rule.priority != 0 {
        key(&mut out, "priority", &rule.priority.to_string());
    }
    for (name, seconds) in [("since", view.since()), ("until", view.until())] {
        if let Some(seconds) = seconds {
            let text = instant(seconds).ok_or("an instant that no calendar has")?;
            key(&mut out, name, &quoted(&text));
        }
    }
    if rule.slash == TrailingSlash::Either {
        key(&mut out, "slash", "\"either\"");
    }
    // `~*` says it already.
    if rule.case == LetterCase::Ignored && !rule.from.contains("~*") {
        key(&mut out, "case", "\"ignore\"");
    }
    if let Some(cache) = view.cache_control() {
        key(&mut out, "cache", &quoted(cache));
    }
    Ok(out)
}

pub(super) fn status_text(status: StatusByMethod) -> String {
    match status.get == status.other {
        true => status.get.number().to_string(),
        false => format!("{{ get = {}, other = {} }}", status.get.number(), status.other.number()),
    }
}

fn query_text(query: &QueryPolicy) -> Option<String> {
    Some(match query {
        QueryPolicy::Keep => return None,
        QueryPolicy::Drop => "\"drop\"".to_owned(),
        QueryPolicy::Replace => "\"replace\"".to_owned(),
        QueryPolicy::Merge(MergeWinner::Target) => "{ merge = \"target\" }".to_owned(),
        QueryPolicy::Merge(MergeWinner::Request) => "{ merge = \"request\" }".to_owned(),
        QueryPolicy::Only(names) => format!("{{ only = {} }}", list(names)),
    })
}

/// The names that a subject takes, each with its tests.
type Named<'c> = Vec<(&'c str, Vec<&'c Test>)>;

/// The conditions of one sense as an inline table.
fn conditions(all: &[Condition], is_negated: bool) -> Result<Option<String>, Cow<'static, str>> {
    let mut subjects: Vec<(&str, Named<'_>)> = Vec::new();
    for condition in all.iter().filter(|condition| condition.negate == is_negated) {
        if !is_own_test(&condition.test) {
            return Err("a regex of another server in a condition".into());
        }
        let (key, name) = subject(condition).ok_or("a condition of another server")?;
        let at = subjects.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            subjects.push((key, Vec::new()));
            subjects.len() - 1
        });
        let names = &mut subjects[at].1;
        let at = names.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            names.push((name, Vec::new()));
            names.len() - 1
        });
        names[at].1.push(&condition.test);
    }
    if subjects.is_empty() {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for (key, names) in &subjects {
        let mut of_names = Vec::new();
        for (name, tests) in names {
            let value = tests_text(tests)?;
            of_names.push(if name.is_empty() {
                format!("{key} = {value}")
            } else {
                format!("{} = {value}", bare(name))
            });
        }
        let takes_name = names.iter().any(|(name, _)| !name.is_empty());
        parts.push(if takes_name { format!("{key} = {{ {} }}", of_names.join(", ")) } else { of_names.join(", ") });
    }
    Ok(Some(format!("{{ {} }}", parts.join(", "))))
}

fn tests_text(tests: &[&Test]) -> Result<String, Cow<'static, str>> {
    if let [one] = tests {
        match one {
            Test::Is(text) => return Ok(quoted(text)),
            Test::In(texts) => return Ok(list(texts)),
            Test::Present => return Ok("true".to_owned()),
            _ => {}
        }
    }
    let mut keys: Vec<&str> = Vec::new();
    let mut parts = Vec::new();
    for test in tests {
        let (key, value) = match test {
            Test::Is(text) => ("is", quoted(text)),
            Test::In(texts) => ("in", list(texts)),
            Test::Glob(text) => ("glob", quoted(text)),
            Test::Regex(pattern) => ("regex", quoted(&pattern.text)),
            Test::Range(first, last) => ("range", format!("[{first}, {last}]")),
            Test::Present => ("present", "true".to_owned()),
        };
        if keys.contains(&key) {
            return Err("the same test of the same subject twice".into());
        }
        keys.push(key);
        parts.push(format!("{key} = {value}"));
    }
    Ok(format!("{{ {} }}", parts.join(", ")))
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// A key, quoted where it must be.
fn bare(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A string of TOML: with backslashes and quotes in it a literal one, where that is possible.
fn quoted(text: &str) -> String {
    let is_literal = !text.contains('\'') && !text.contains(|sign: char| sign.is_control());
    if is_literal && text.contains(['\\', '"']) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for sign in text.chars() {
        match sign {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            sign if sign.is_control() => _ = write!(out, "\\u{:04X}", u32::from(sign)),
            sign => out.push(sign),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back() {
        for text in ["/a", r"~/\d+", "it's \"so\"", "\u{7f}\n\t", r"C:\'", ""] {
            let line = format!("key = {}", quoted(text));
            let table: ::toml::Table = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(table["key"].as_str(), Some(text));
        }
    }
}
