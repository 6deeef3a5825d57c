//! The rules of the page `decide.md` asked its requests: what a source, a target and a condition mean, sentence by sentence.
//!
//! A block `rules` holds one rule a line: `SOURCE -> STATUS TARGET [option]…`, where the status may be a pair by method
//! (`301/307`), and `reply 410` or `pass` stand for the other actions. Options are `query=…`, `slash=either`, `case=ignored`,
//! `priority=N`, `since=N`, `until=N`, `cache=…`, `when SUBJECT TEST VALUE` and `unless …`. A block `requests` holds one request
//! a line and what is said of it, perhaps with `[vary=…]`, `[cache=…]` and `[rule=N]`, counted from 1. A block `refused` holds
//! lines of rules that no file may hold, each with a part of the message.

mod support;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Outcome, Rule, RuleSet};
use byway_testkit::Document;
use support::{Asked, outcome, split_brackets};

#[test]
fn what_the_page_says() {
    let page = Document::parse(include_str!("decide.md"));
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for section in &page.sections {
        let mut rules = RuleSet::default();
        for block in &section.blocks {
            match block.kind() {
                "rules" => rules = built(block.lines()),
                "requests" => {
                    for (line, text) in block.lines() {
                        asked += 1;
                        wrong.extend(compare(&rules, text).map(|found| format!("{line}: {text}\n      found {found}")));
                    }
                }
                "refused" => {
                    for (line, text) in block.lines() {
                        asked += 1;
                        wrong.extend(complaint(text).map(|found| format!("{line}: {text}\n      {found}")));
                    }
                }
                other => panic!("{section}: a block `{other}`"),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} lines differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 300, "only {asked} lines: the page was not read whole");
}

/// What was found, where it is not what the line says.
fn compare(rules: &RuleSet, text: &str) -> Option<String> {
    let (request, expected) = text.rsplit_once(" -> ").unwrap_or_else(|| panic!("no arrow: {text}"));
    let (expected, notes) = split_brackets(expected);
    Asked::parse(request).decided(rules, |decision| {
        let Ok(decision) = decision else { return (expected != "400").then(|| "400 before any rule".to_owned()) };
        let found = outcome(&decision.outcome);
        let mut wrong = (found != expected).then(|| found.clone());
        for note in notes {
            let (name, wanted) = note.split_once('=').unwrap_or((note, ""));
            let held = match name {
                "vary" => decision.vary.to_owned(),
                "rule" => decision.rule.map_or(0, |rule| rules.rule(rule).number() + 1).to_string(),
                "storing" => format!("{:?}", decision.storing).to_lowercase(),
                "cache" => match &decision.outcome {
                    Outcome::Redirect(redirect) => redirect.cache_control.to_owned(),
                    Outcome::Reply(reply) => reply.cache_control.to_owned(),
                    _ => String::new(),
                },
                _ => panic!("nothing is known as `{name}`"),
            };
            if held != wanted {
                wrong = Some(format!("{found} [{name}={held}]"));
            }
        }
        wrong
    })
}

fn complaint(text: &str) -> Option<String> {
    let (line, wanted) = text.rsplit_once(" : ").unwrap_or_else(|| panic!("no message: {text}"));
    match pushed(line, &mut Builder::new(1)) {
        Ok(()) => Some("was taken".to_owned()),
        Err(found) => (!found.contains(wanted)).then(|| format!("found {found}")),
    }
}

fn built<'t>(lines: impl Iterator<Item = (usize, &'t str)>) -> RuleSet {
    let mut builder = Builder::new(7);
    for (line, text) in lines {
        pushed(text, &mut builder).unwrap_or_else(|error| panic!("{line}: {text}: {error}"));
    }
    builder.finish()
}

fn pushed(text: &str, builder: &mut Builder) -> Result<(), String> {
    let (line, options) = split_brackets(text);
    let (source, action) = line.split_once(" -> ").unwrap_or_else(|| panic!("no arrow: {text}"));
    let option = |wanted: &str| options.iter().find_map(|text| text.strip_prefix(wanted)?.strip_prefix('='));
    let number = |wanted: &str| option(wanted).map(|text| text.parse::<i64>().expect("a number"));
    let mut source = Source::parse(source.trim()).map_err(|error| error.to_string())?;
    if option("slash") == Some("either") {
        source.slash = TrailingSlash::Either;
    }
    if option("case") == Some("ignored") {
        source.case = LetterCase::Ignored;
    }
    let conditions: Vec<Condition> =
        options.iter().filter_map(|text| condition(text)).collect::<Result<_, String>>()?;
    let shared = source.clone();
    let action = action_of(action.trim(), &shared, query(option("query").unwrap_or("keep")))?;
    let table = if builder.is_empty() {
        let table = builder.table(&TableSpec::OWN);
        builder.root(table);
        table
    } else {
        byway_core::ruleset::TableId(0)
    };
    let rule = Rule {
        conditions: &conditions,
        priority: number("priority").unwrap_or(0) as i32,
        since: number("since"),
        until: number("until"),
        cache_control: option("cache"),
        ..Rule::new(source, action)
    };
    builder.push(table, &rule).map(|_| ()).map_err(|error| error.to_string())
}

fn action_of<'a>(text: &'a str, source: &Source<'_>, query: QueryPolicy) -> Result<Action<'a>, String> {
    let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
    let redirect = |number: &str| {
        number.parse().ok().and_then(RedirectStatus::from_number).ok_or(format!("`{number}` is no status"))
    };
    Ok(match head {
        "pass" => Action::Pass,
        "reply" => {
            let status = rest.parse().ok().and_then(ReplyStatus::from_number).ok_or(format!("`{rest}` is no reply"))?;
            Action::Reply { status, retry_after: None }
        }
        statuses => {
            let (get, other) = statuses.split_once('/').unwrap_or((statuses, statuses));
            let status = StatusByMethod { get: redirect(get)?, other: redirect(other)? };
            let target = Target::parse(rest, source).map_err(|error| error.to_string())?;
            Action::Redirect { status, target, query }
        }
    })
}

fn query(text: &str) -> QueryPolicy {
    match text.split_once(':') {
        Some(("only", names)) => QueryPolicy::Only(names.split(',').map(str::to_owned).collect()),
        _ => match text {
            "keep" => QueryPolicy::Keep,
            "drop" => QueryPolicy::Drop,
            "replace" => QueryPolicy::Replace,
            "merge" => QueryPolicy::Merge(MergeWinner::Target),
            "merge-request" => QueryPolicy::Merge(MergeWinner::Request),
            other => panic!("no policy: {other}"),
        },
    }
}

/// `when header.x is 1`, `unless cookie.a present`.
fn condition(text: &str) -> Option<Result<Condition, String>> {
    let (negate, text) = match text.strip_prefix("unless ") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("when ")?),
    };
    let mut words = text.splitn(3, ' ');
    let (subject, test, value) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    let (key, name) = subject.split_once('.').map_or((subject, None), |(key, name)| (key, Some(name)));
    let test = match test {
        "is" => Test::Is(value.to_owned()),
        "in" => Test::In(value.split(',').map(str::to_owned).collect()),
        "glob" => Test::Glob(value.to_owned()),
        "regex" => Test::regex(value),
        "range" => {
            let (first, last) = value.split_once("..").expect("a range");
            Test::Range(first.parse().expect("a number"), last.parse().expect("a number"))
        }
        "present" => Test::Present,
        other => panic!("no test: {other}"),
    };
    let subject = Subject::parse(key, name).map_err(|error| error.to_string());
    Some(subject.and_then(|subject| Condition::new(subject, test, negate).map_err(|error| error.to_string())))
}
