//! `when` and `unless`: conditions.
//!
//! Subjects and tests are core's tables ([`SUBJECTS`], [`TESTS`]): a new row there is a key here. A bare value is the test that
//! it looks like: a string `is`, a list `in`, `true` and `false` present or not.

use byway_core::condition::{Condition, InvalidCondition, SUBJECTS, Subject, SubjectRow, TESTS, Test};
use toml::de::{DeTable, DeValue};

use super::page::{Page, Record, Value, found, in_order, integer, listed};
use super::suggest::nearest;
use crate::diagnostic::Diagnostic;

/// Whether conditions must hold or must not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    When,
    Unless,
}

/// Reads `when` and `unless` of a rule. All of `when` must hold, and none of `unless`.
pub(crate) fn read<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (key, sense) in [("when", Sense::When), ("unless", Sense::Unless)] {
        if let Some((table, _)) = record.table(key) {
            read_table(page, table, sense, &mut conditions);
        }
    }
    conditions
}

fn read_table<'p>(page: &mut Page<'p>, table: &DeTable<'p>, sense: Sense, conditions: &mut Vec<Condition>) {
    for (key, value) in in_order(table) {
        let Some(row) = SUBJECTS.iter().find(|row| row.key == key.get_ref().as_ref()) else {
            unknown(
                page,
                key.span(),
                key.get_ref(),
                "nothing a condition can ask about",
                SUBJECTS.iter().map(|row| row.key),
            );
            continue;
        };
        match (row.takes_name, value.get_ref()) {
            (true, DeValue::Table(names)) => {
                for (name, value) in in_order(names) {
                    read_subject(page, row, Some(name.get_ref()), value, sense, conditions);
                }
            }
            (true, _) => {
                let help = format!("write `{}.NAME = …`", row.key);
                let diagnostic = Diagnostic::error("bad-condition", format!("`{}` without a name", row.key))
                    .at(page.span(key.span()))
                    .help(help);
                page.push(diagnostic);
            }
            (false, _) => read_subject(page, row, None, value, sense, conditions),
        }
    }
}

fn unknown<'w>(
    page: &mut Page<'_>,
    at: std::ops::Range<usize>,
    name: &str,
    what: &str,
    known: impl Iterator<Item = &'w str> + Clone,
) {
    let span = page.span(at);
    let diagnostic = Diagnostic::error("unknown-key", format!("`{name}` is {what}")).at(span.clone());
    let diagnostic = match nearest(name, known.clone()) {
        Some(near) => {
            diagnostic.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")).fix(span, near)
        }
        None => diagnostic.help(format!("there are {}", listed(known))),
    };
    page.push(diagnostic);
}

fn read_subject<'p>(
    page: &mut Page<'p>,
    row: &SubjectRow,
    name: Option<&str>,
    value: &Value<'p>,
    sense: Sense,
    conditions: &mut Vec<Condition>,
) {
    let subject = match Subject::parse(row.key, name) {
        Ok(subject) => subject,
        Err(error) => return refuse(page, value, error),
    };
    let tests = match value.get_ref() {
        DeValue::Table(tests) => in_order(tests)
            .into_iter()
            .filter_map(|(key, value)| named_test(page, key.get_ref(), key.span(), value))
            .collect(),
        _ => bare_test(page, row.key, value).into_iter().collect::<Vec<_>>(),
    };
    for (test, is_negated, value) in tests {
        match Condition::new(subject.clone(), test, is_negated != (sense == Sense::Unless)) {
            Ok(condition) => conditions.push(condition),
            Err(error) => refuse(page, value, error),
        }
    }
}

fn refuse<'p>(page: &mut Page<'p>, value: &Value<'p>, error: InvalidCondition) {
    let span = match error.at.is_empty() {
        true => page.span(value.span()),
        false => page.within(value, error.at),
    };
    let diagnostic = Diagnostic::error("bad-condition", error.what).at(span).maybe_help(error.help);
    page.push(diagnostic);
}

type Read<'t, 'p> = (Test, bool, &'t Value<'p>);

fn bare_test<'t, 'p>(page: &mut Page<'p>, subject: &str, value: &'t Value<'p>) -> Option<Read<'t, 'p>> {
    match value.get_ref() {
        DeValue::String(text) => Some((Test::Is(text.to_string()), false, value)),
        DeValue::Integer(_) => Some((Test::Is(integer(value.get_ref())?.to_string()), false, value)),
        DeValue::Array(_) => Some((Test::In(texts(page, subject, value)), false, value)),
        DeValue::Boolean(is_present) => Some((Test::Present, !is_present, value)),
        _ => wrong(page, value, subject, "a string, a list, `true`, `false` or a test as `{ glob = \"…\" }`"),
    }
}

fn named_test<'t, 'p>(
    page: &mut Page<'p>,
    name: &str,
    at: std::ops::Range<usize>,
    value: &'t Value<'p>,
) -> Option<Read<'t, 'p>> {
    let read = |test| Some((test, false, value));
    match (name, value.get_ref()) {
        ("is", DeValue::String(text)) => read(Test::Is(text.to_string())),
        ("is", DeValue::Integer(_)) => read(Test::Is(integer(value.get_ref())?.to_string())),
        ("glob", DeValue::String(text)) => read(Test::Glob(text.to_string())),
        ("regex", DeValue::String(text)) => read(Test::regex(text)),
        ("is" | "glob" | "regex", _) => wrong(page, value, name, "a string"),
        ("in", DeValue::Array(_)) => read(Test::In(texts(page, name, value))),
        ("in", _) => wrong(page, value, name, "a list of strings"),
        ("range", DeValue::Array(ends)) => {
            let numbers: Vec<i64> = ends.iter().filter_map(|end| integer(end.get_ref())).collect();
            match numbers[..] {
                [first, last] if ends.len() == 2 => read(Test::Range(first, last)),
                _ => wrong(page, value, name, "two whole numbers, as `[1, 9]`"),
            }
        }
        ("range", _) => wrong(page, value, name, "two whole numbers, as `[1, 9]`"),
        ("present", DeValue::Boolean(is_present)) => Some((Test::Present, !is_present, value)),
        ("present", _) => wrong(page, value, name, "`true` or `false`"),
        _ => {
            unknown(page, at, name, "no test", TESTS.iter().map(|row| row.key));
            None
        }
    }
}

fn texts<'p>(page: &mut Page<'p>, name: &str, value: &Value<'p>) -> Vec<String> {
    page.texts(name, value).into_iter().map(|(text, _)| text.to_owned()).collect()
}

fn wrong<T>(page: &mut Page<'_>, value: &Value<'_>, name: &str, wanted: &str) -> Option<T> {
    let message = format!("`{name}` is {wanted}");
    let label = format!("this is {}", found(value.get_ref()));
    let diagnostic = Diagnostic::error("wrong-type", message).at(page.span(value.span())).label(label);
    page.push(diagnostic);
    None
}
