//! The writer of `byway.toml`: a table for each rule, keys in the order of the manual.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use byway_core::condition::{Condition, Depends, Test};
use byway_core::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::rule::{Action, Probing, RetryAfter, Review};
use byway_core::ruleset::RuleView;
use byway_core::status::{ReplyStatus, StatusByMethod};

use super::own::{Does, OwnRule, Plan, asks, in_ours, instant, is_own_test, own, subject};
use super::{KeySource, Writing, named};
use crate::remarks::Verdict;

/// Why a path that is changed inside a server is not written.
pub(crate) const INSIDE: &str =
    "it changes the path inside the server and redirects nobody: leave this line to the server that has the files";

/// Why nobody needs a way past, where the words are not known any more, as in a compiled file.
const UNSAID: &str = "said in the file that this was written from";

/// Writes all rules.
pub(crate) fn write(writing: &mut Writing<'_>) {
    writing.headline();
    let plan = Plan::whole(writing.rules);
    let rules = writing.rules;
    let missing = beside(writing);
    let keeps_upgrade = writing.loaded.is_some_and(|loaded| loaded.beside.contains_key("upgrade"));
    for view in rules.rules() {
        if keeps_upgrade && crate::own::upgrade::is_made(&view) {
            writing.say(&view, Verdict::Exact);
            continue;
        }
        if let Some(why) = missing.iter().find_map(|(name, why)| names(&view, name).then_some(why)) {
            writing.say(&view, Verdict::Refused(why.clone()));
            continue;
        }
        let blocks = own(view, &plan).and_then(in_ours).and_then(|(rules, verdict)| {
            let why = writing.loaded.and_then(|loaded| loaded.no_way_past.get(&(view.place().file, view.place().line)));
            let blocks: Result<Vec<String>, _> = rules.iter().map(|rule| block(rule, why)).collect();
            Ok((blocks?, verdict))
        });
        match blocks {
            Ok((blocks, mut verdict)) => {
                if verdict == Verdict::Exact && blocks.iter().any(|block| block.contains(UNSAID)) {
                    verdict =
                        Verdict::Approximated("the words of `override = { none = … }` are not known any more".into());
                }
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

/// Names of windows and splits that cannot be written, and why.
type Missing = Vec<(String, Cow<'static, str>)>;

/// Writes what is no rule: cases, the sections of the root file, pools, windows and splits.
fn beside(writing: &mut Writing<'_>) -> Missing {
    let (mut missing, rules) = (Missing::new(), writing.rules);
    let mut out = String::new();
    let mut keys = BTreeMap::new();
    if let Some(loaded) = writing.loaded {
        if !loaded.examples.is_empty() {
            let cases: Vec<String> =
                loaded.examples.iter().map(|case| format!("    {},\n", quoted(&case.text))).collect();
            _ = write!(out, "\nexamples = [\n{}]\n", cases.concat());
        }
        if !loaded.beside.is_empty() {
            _ = write!(out, "\n{}", moved(&loaded.beside, writing));
        }
        for (name, source) in &loaded.split_keys {
            let source = match source {
                KeySource::File(file) => KeySource::File(writing.named_from_here(file)),
                salt @ KeySource::Salt(_) => salt.clone(),
            };
            keys.insert(name.clone(), source);
        }
    }
    rules.pools().iter().for_each(|pool| named::pool(pool, &mut out));
    for window in rules.windows() {
        if let Err(why) = named::window(&window, &mut out) {
            missing.push((window.name, why));
        }
    }
    for split in rules.splits() {
        if let Err(why) = named::split(&split, &keys, &mut out) {
            missing.push((split.name, why));
        }
    }
    writing.text.push_str(&out);
    missing
}

/// The sections of the root file, with what they name from its folder named from the folder of the text.
fn moved(beside: &::toml::Table, writing: &Writing<'_>) -> ::toml::Table {
    fn rename(value: &mut ::toml::Value, writing: &Writing<'_>) {
        match value {
            ::toml::Value::String(path) => *path = writing.named_from_here(path),
            ::toml::Value::Array(all) => all.iter_mut().for_each(|one| rename(one, writing)),
            _ => {}
        }
    }
    let mut beside = beside.clone();
    // The other files that sections name are found from where the server is started.
    for (section, key) in [("server", "state"), ("geo", "database")] {
        if let Some(value) = beside.get_mut(section).and_then(|section| section.get_mut(key)) {
            rename(value, writing);
        }
    }
    beside
}

/// Whether a rule names a window or a split.
fn names(rule: &RuleView<'_>, name: &str) -> bool {
    let windows = [rule.window(), rule.unless_window()];
    let of_split = |condition: &Condition| matches!(subject(condition), Some(("split", of)) if of == name);
    windows.into_iter().flatten().any(|window| window.name == name) || rule.conditions().iter().any(of_split)
}

/// The ways past a rule that asks for a place, and how crawlers are treated, as their keys say it; and the other conditions.
fn visitors<'c>(
    view: &RuleView<'_>,
    conditions: &'c [Condition],
    no_way_past: Option<&String>,
) -> (Vec<(&'static str, String)>, &'c [Condition]) {
    if !asks(view, Depends::OnPlace) {
        return (Vec::new(), conditions);
    }
    let is_absent = |condition: &&Condition| condition.negate && condition.test == Test::Present;
    let way = |condition: &Condition| match subject(condition) {
        Some((key @ ("cookie" | "query"), name)) => Some(format!("{key}:{name}")),
        _ => None,
    };
    let mut keys = Vec::new();
    let ways: Vec<String> = conditions.iter().take_while(is_absent).map_while(way).collect();
    let rest = &conditions[ways.len()..];
    let is_crawler = |condition: &Condition| matches!(subject(condition), Some(("crawler", _)));
    let (leaves_crawlers, rest) = match rest.split_first() {
        Some((first, rest)) if is_absent(&first) && is_crawler(first) => (true, rest),
        _ => (false, rest),
    };
    let is_pass = matches!(view.action(), Action::Pass);
    let has_own = rest.iter().any(|known| is_absent(&known) && way(known).is_some());
    match ways.len() {
        _ if is_pass => {}
        0 if has_own => {}
        0 => keys.push((
            "override",
            format!("{{ none = {} }}", no_way_past.map_or_else(|| quoted(UNSAID), |why| quoted(why))),
        )),
        1 => keys.push(("override", quoted(&ways[0]))),
        _ => keys.push(("override", list(&ways))),
    }
    if !leaves_crawlers && !is_pass && !rest.iter().any(is_crawler) {
        keys.push(("crawlers", "\"follow\"".to_owned()));
    }
    (keys, rest)
}

/// What an answer says beside status and location.
fn extras(view: &RuleView<'_>, out: &mut String) -> Result<(), Cow<'static, str>> {
    let Some(extras) = view.extras() else { return Ok(()) };
    for (name, second) in [("deprecation", extras.deprecation), ("sunset", extras.sunset)] {
        if let Some(second) = second {
            _ = writeln!(out, "{name} = {}", quoted(&instant(second).ok_or("a time that no calendar has")?));
        }
    }
    if let Some(successor) = &extras.successor {
        _ = writeln!(out, "successor = {}", quoted(successor));
    }
    if let Some(cors) = &extras.cors {
        let max_age = cors.max_age.map(|seconds| format!(", max_age = \"{seconds}s\"")).unwrap_or_default();
        let credentials = if cors.credentials { ", credentials = true" } else { "" };
        let (origins, methods, headers) = (list(&cors.origins), list(&cors.methods), list(&cors.headers));
        _ = writeln!(
            out,
            "cors = {{ origins = {origins}, methods = {methods}, headers = {headers}{max_age}{credentials} }}"
        );
    }
    Ok(())
}

fn block(rule: &OwnRule<'_>, no_way_past: Option<&String>) -> Result<String, Cow<'static, str>> {
    let mut out = String::new();
    let view = &rule.view;
    let key = |out: &mut String, name: &str, value: &str| _ = writeln!(out, "{name} = {value}");
    match &rule.does {
        Does::Redirect { to, .. } if to.contains("{when.") && !has_one_pattern(&rule.conditions) => {
            return Err("it takes a part out of what one pattern found, and asks a second pattern: `{when.1}` is of the only one".into());
        }
        Does::Redirect { status, to, query } => {
            out.push_str("[[redirect]]\n");
            key(&mut out, "from", &quoted(&rule.from));
            key(&mut out, "to", &quoted(to));
            key(&mut out, "status", &status_text(*status));
            if let Some(query) = query_text(query) {
                key(&mut out, "query", &query);
            }
        }
        Does::Reply { status, .. } if !ReplyStatus::OWN.contains(status) => {
            return Err(format!("it answers {}: byway.toml answers 404, 410, 451 and 503", status.number()).into());
        }
        Does::Reply { status, retry_after } => {
            out.push_str("[[reply]]\n");
            key(&mut out, "from", &quoted(&rule.from));
            key(&mut out, "status", &status.number().to_string());
            match retry_after {
                None => {}
                Some(RetryAfter::Seconds(seconds)) => key(&mut out, "retry_after", &seconds.to_string()),
                Some(RetryAfter::Window) => key(&mut out, "retry_after", "\"window\""),
            }
        }
        Does::Rewrite { .. } => return Err(INSIDE.into()),
        Does::Pass => {
            out.push_str("[[pass]]\n");
            key(&mut out, "from", &quoted(&rule.from));
        }
    }
    let (keys, asked) = visitors(view, &rule.conditions, no_way_past);
    for (name, is_negated) in [("when", false), ("unless", true)] {
        if let Some(table) = conditions(asked, is_negated)? {
            key(&mut out, name, &table);
        }
    }
    keys.iter().for_each(|(name, value)| key(&mut out, name, value));
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
            let text = instant(seconds).ok_or("a time that no calendar has")?;
            key(&mut out, name, &quoted(&text));
        }
    }
    for (name, window) in [("window", view.window()), ("unless_window", view.unless_window())] {
        if let Some(window) = window {
            key(&mut out, name, &quoted(&window.name));
        }
    }
    match view.review() {
        None => {}
        Some(Review::After(seconds)) => key(&mut out, "review", &format!("\"{}d\"", seconds / 86_400)),
        Some(Review::On(second)) => {
            let text = instant(second).ok_or("a time that no calendar has")?;
            key(&mut out, "review", &quoted(&text));
        }
    }
    let allowed: Vec<String> = view.allowed().map(str::to_owned).collect();
    if !allowed.is_empty() {
        key(&mut out, "allow", &list(&allowed));
    }
    if view.probing() == Probing::Refused {
        key(&mut out, "probe", "false");
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
    if let Some(pool) = view.pool() {
        key(&mut out, "pool", &quoted(&pool.name));
    }
    extras(view, &mut out)?;
    Ok(out)
}

/// Whether one pattern is asked, so that its groups are known.
fn has_one_pattern(conditions: &[Condition]) -> bool {
    let is_taking = |one: &&Condition| !one.negate && matches!(one.test, Test::Regex(_));
    conditions.iter().filter(is_taking).count() == 1
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
type Named<'c> = Vec<(&'c str, Vec<Cow<'c, Test>>)>;

/// The conditions of one sense as an inline table.
fn conditions(all: &[Condition], is_negated: bool) -> Result<Option<String>, Cow<'static, str>> {
    let mut subjects: Vec<(&str, Named<'_>)> = Vec::new();
    for condition in all.iter().filter(|condition| condition.negate == is_negated) {
        if !is_own_test(&condition.test) {
            return Err("its condition has a pattern with PCRE's signs, which byway's patterns do not have: write it without look-around".into());
        }
        let (key, name) = subject(condition).ok_or("it asks for something that byway.toml has no condition for")?;
        let at = subjects.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            subjects.push((key, Vec::new()));
            subjects.len() - 1
        });
        let names = &mut subjects[at].1;
        let at = names.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            names.push((name, Vec::new()));
            names.len() - 1
        });
        names[at].1.push(Cow::Borrowed(&condition.test));
    }
    if subjects.is_empty() {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for (key, names) in &subjects {
        let mut of_names = Vec::new();
        for (name, tests) in names {
            let value = if is_negated { tests_text(&tests_of_none(tests)) } else { tests_text(tests) }?;
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

/// Tests of which none may hold, those of one kind as one.
fn tests_of_none<'c>(tests: &[Cow<'c, Test>]) -> Vec<Cow<'c, Test>> {
    let (mut texts, mut patterns, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for test in tests {
        match &**test {
            Test::Is(text) => texts.push(text.clone()),
            Test::In(all) => texts.extend(all.iter().cloned()),
            Test::Regex(pattern) => patterns.push(pattern.text.to_string()),
            _ => out.push(test.clone()),
        }
    }
    if tests.len() - out.len() < 2 {
        return tests.to_vec();
    }
    match texts.len() {
        0 => {}
        1 => out.extend(texts.pop().map(|text| Cow::Owned(Test::Is(text)))),
        _ => out.push(Cow::Owned(Test::In(texts))),
    }
    match patterns.as_slice() {
        [] => {}
        [one] => out.push(Cow::Owned(Test::regex(one))),
        several => {
            let several: Vec<String> = several.iter().map(|one| format!("(?:{one})")).collect();
            out.push(Cow::Owned(Test::regex(&several.join("|"))));
        }
    }
    out
}

fn tests_text(tests: &[Cow<'_, Test>]) -> Result<String, Cow<'static, str>> {
    if let [one] = tests {
        match &**one {
            Test::Is(text) => return Ok(quoted(text)),
            Test::In(texts) => return Ok(list(texts)),
            Test::Present => return Ok("true".to_owned()),
            _ => {}
        }
    }
    let mut keys: Vec<&str> = Vec::new();
    let mut parts = Vec::new();
    for test in tests {
        let (key, value) = match &**test {
            Test::Is(text) => ("is", quoted(text)),
            Test::In(texts) => ("in", list(texts)),
            Test::Glob(text) => ("glob", quoted(text)),
            Test::Regex(pattern) => ("regex", quoted(&pattern.text)),
            Test::Range(first, last) => ("range", format!("[{first}, {last}]")),
            Test::Present => ("present", "true".to_owned()),
        };
        if keys.contains(&key) {
            return Err(
                "two conditions ask the same of one thing, and byway.toml has one key for it: join them in one pattern"
                    .into(),
            );
        }
        keys.push(key);
        parts.push(format!("{key} = {value}"));
    }
    Ok(format!("{{ {} }}", parts.join(", ")))
}

pub(super) fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// A key, quoted where it must be.
pub(super) fn bare(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A string of TOML: with backslashes and quotes in it a literal one, where that is possible.
pub(super) fn quoted(text: &str) -> String {
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
