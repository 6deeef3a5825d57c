//! What a rule says of who is asking: `split` and `variant`, and of a rule that asks for a place its way past.
//!
//! Each becomes a condition, so that walk, index and `explain` know nothing new: a way past is a cookie or a parameter that must
//! not be there, a crawler one that must not ask. The cheap ones are asked first, and a split last, so that only those visitors
//! are counted whom nothing else held back.

use byway_core::condition::{Condition, Depends, SUBJECTS, Subject, Test};
use toml::de::DeValue;

use super::page::{Page, Record, Value, shortened};
use crate::diagnostic::Diagnostic;
use crate::intake::Intake;
use crate::splits::Used;

/// What a condition does to caches.
fn depends(condition: &Condition) -> Option<Depends> {
    match &condition.subject {
        Subject::Of { row, .. } => SUBJECTS.get(usize::from(*row)).map(|row| row.depends),
        Subject::Text(_) => None,
    }
}

/// Adds what a rule says of its visitors to its conditions, and notes what it asks for.
pub(crate) fn complete<'p>(
    page: &mut Page<'p>,
    record: &Record<'_, 'p>,
    conditions: &mut Vec<Condition>,
    wants_way_past: bool,
    intake: &mut Intake,
) {
    conditions.extend(of_split(page, record));
    let asks_place = conditions.iter().any(|condition| depends(condition) == Some(Depends::OnPlace));
    let mut first = Vec::new();
    match (asks_place, record.get("override").or(record.get("crawlers"))) {
        (true, _) => {
            first = past(page, record, conditions, wants_way_past);
            if record.text("crawlers") != Some("follow") && !conditions.iter().any(|known| is_of(known, "crawler")) {
                first.extend(absent("crawler", None));
            }
        }
        (false, Some(value)) => {
            let diagnostic = Diagnostic::error("bad-value", "this rule asks for no place, and needs no way past");
            let help = "take it out, or ask for `country`, `continent`, `eu` or `asn` in `when`";
            page.push(diagnostic.at(page.span(value.span())).help(help));
        }
        (false, None) => {}
    }
    first.append(conditions);
    // Stable: the order in which they were written holds among equals.
    first.sort_by_key(|condition| match depends(condition) {
        Some(Depends::OnPlace) => 1,
        Some(Depends::OnVisitor) => 2,
        _ => 0,
    });
    *conditions = first;
    for condition in conditions.iter().filter(|condition| depends(condition) == Some(Depends::OnPlace)) {
        let asks = if is_of(condition, "asn") { &mut intake.asks_system } else { &mut intake.asks_country };
        asks.get_or_insert_with(|| page.span(place_of(record)));
    }
    intake.splits.note(used(page, record, conditions));
}

/// Where a rule says what it asks for.
fn place_of(record: &Record<'_, '_>) -> std::ops::Range<usize> {
    record.get("when").or(record.get("unless")).map_or(record.at.clone(), |value| value.span())
}

fn is_of(condition: &Condition, key: &str) -> bool {
    matches!(&condition.subject, Subject::Of { row, .. } if SUBJECTS.get(usize::from(*row)).is_some_and(|row| row.key == key))
}

/// A condition that nothing of the kind is there.
fn absent(key: &str, name: Option<&str>) -> Option<Condition> {
    Condition::new(Subject::parse(key, name).ok()?, Test::Present, true).ok()
}

/// `split` and `variant` as a condition.
fn of_split<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>) -> Option<Condition> {
    let (split, variant) = (record.get("split"), record.get("variant"));
    let (split, variant) = match (split, variant) {
        (Some(split), Some(variant)) => (split, variant),
        (None, None) => return None,
        (Some(alone), None) => {
            return half(page, alone, "`split` without `variant`", "say for whom: `variant = \"b\"`");
        }
        (None, Some(alone)) => {
            return half(page, alone, "`variant` without `split`", "say of which: `split = \"NAME\"`");
        }
    };
    let texts: Vec<String> = page.texts("variant", variant).into_iter().map(|(text, _)| text.to_owned()).collect();
    let test = match <[String; 1]>::try_from(texts) {
        Ok([text]) => Test::Is(text),
        Err(texts) => Test::In(texts),
    };
    let subject = Subject::parse("split", split.get_ref().as_str()).ok()?;
    match Condition::new(subject, test, false) {
        Ok(condition) => Some(condition),
        Err(error) => half(page, variant, &error.what, "name a variant, as `variant = \"b\"`"),
    }
}

fn half<T>(page: &mut Page<'_>, value: &Value<'_>, what: &str, help: &str) -> Option<T> {
    page.push(Diagnostic::error("bad-split", what.to_owned()).at(page.span(value.span())).help(help));
    None
}

/// The way past a rule that asks for a place.
fn past<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, conditions: &[Condition], wants_one: bool) -> Vec<Condition> {
    let Some(value) = record.get("override") else {
        let has_own = conditions.iter().any(|known| {
            known.negate && known.test == Test::Present && (is_of(known, "cookie") || is_of(known, "query"))
        });
        if wants_one && !has_own {
            let diagnostic = Diagnostic::error("no-way-past", "this rule asks for a place, and nobody gets past it")
                .at(page.span(place_of(record)))
                .help(
                    "add `override = \"cookie:region\"` or `\"query:region\"`, or say why there is none: \
                     `override = { none = \"…\" }` (Regulation (EU) 2018/302 asks for consent to be sent elsewhere)",
                );
            page.push(diagnostic);
        }
        return Vec::new();
    };
    match value.get_ref() {
        DeValue::Table(table) => {
            let why = table.get("none").and_then(|why| why.get_ref().as_str()).map(str::trim);
            if table.len() != 1 || why.is_none_or(str::is_empty) {
                let help = "write `override = { none = \"why nobody needs a way past\" }`";
                half::<()>(page, value, "this says no reason", help);
            }
            Vec::new()
        }
        _ => {
            let texts = page.texts("override", value);
            texts.into_iter().filter_map(|(text, item)| way(page, text, item)).collect()
        }
    }
}

/// Why a rule has no way past it, in the person's words.
pub(super) fn no_way_past<'r>(record: &'r Record<'_, '_>) -> Option<&'r str> {
    let table = record.get("override")?.get_ref().as_table()?;
    table.get("none").and_then(|why| why.get_ref().as_str()).map(str::trim)
}

/// `cookie:NAME` or `query:NAME`.
fn way<'p>(page: &mut Page<'p>, text: &str, value: &Value<'p>) -> Option<Condition> {
    let known = text.split_once(':').filter(|(key, name)| matches!(*key, "cookie" | "query") && !name.is_empty());
    let condition = known.and_then(|(key, name)| absent(key, Some(name)));
    if condition.is_none() {
        let message = format!("`{}` is no way past", shortened(text));
        let diagnostic = Diagnostic::error("bad-value", message).at(page.span(value.span()));
        page.push(diagnostic.help("write `cookie:NAME` or `query:NAME`"));
    }
    condition
}

/// The variants that a rule asks for, and where it does.
fn used<'p>(page: &Page<'p>, record: &Record<'_, 'p>, conditions: &[Condition]) -> Vec<Used> {
    let keys = ["split", "when", "unless"];
    let mut used = Vec::new();
    for condition in conditions.iter().filter(|condition| depends(condition) == Some(Depends::OnVisitor)) {
        let Subject::Of { name, .. } = &condition.subject else { continue };
        let variants = match &condition.test {
            Test::Is(text) => vec![text.clone()],
            Test::In(texts) => texts.clone(),
            _ => Vec::new(),
        };
        let at = keys.iter().find_map(|key| record.get(key)).map_or(record.at.clone(), |value| value.span());
        used.push(Used { split: name.clone(), variants, negated: condition.negate, span: page.span(at) });
    }
    used
}
