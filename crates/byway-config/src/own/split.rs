//! `[split.NAME]`: visitors divided among variants.
//!
//! Shares are laid on a line of 1,000 slots in the order in which they are written, from slot 0 on, and the control has what is
//! left, beside a share of its own: a variant that is added behind the others takes from the control alone. A range (`"100..150"`) stays where it is
//! whatever its neighbours do.

use byway_core::split::{By, Consent, Given, Key, SLOTS, Split, VARIANTS, Variant};
use toml::de::{DeTable, DeValue};

use super::instant::{self, Zone};
use super::keys::SPLIT;
use super::page::{Page, Record, Value, in_order, integer, shortened};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// A split as it was read.
#[derive(Debug)]
pub(crate) struct SplitDraft {
    pub(crate) split: Split,
    /// Where its name is written.
    pub(crate) span: Span,
    /// Where the names of its variants are written.
    pub(crate) variants: Vec<Span>,
    /// The file of its key, from the folder of the file it stands in.
    pub(crate) key_file: Option<(String, Span)>,
    /// The text that mixes its slots, where one is written.
    pub(crate) salt: Option<String>,
}

/// Reads all splits of a file.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>, zone: &Zone) -> Vec<SplitDraft> {
    let Some(table) = value.get_ref().as_table() else { return Vec::new() };
    let mut drafts = Vec::new();
    for (name, value) in in_order(table) {
        let (span, at) = (page.span(name.span()), value.span());
        let Some(table) = value.get_ref().as_table() else { continue };
        let record = page.open(table, at, &SPLIT);
        if !is_name(name.get_ref()) {
            let message = format!("`{}` is no name of a split", shortened(name.get_ref()));
            page.push(Diagnostic::error("bad-split", message).at(span).help(NAME_HELP));
            continue;
        }
        drafts.extend(one(page, &record, name.get_ref(), span, zone));
    }
    drafts
}

const NAME_HELP: &str = "write letters, digits, `-` and `_`, 32 at most";

fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn one<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, name: &str, span: Span, zone: &Zone) -> Option<SplitDraft> {
    let by = record.get("by").and_then(|value| by(page, value, record.get("draw")));
    let control = record.get("control").map_or(Some("control"), |value| named(page, value));
    let shares = record.get("variants").and_then(|value| shares(page, value));
    let (start, end) = span_of(page, record, zone);
    let consent = match record.get("consent") {
        Some(value) => Some(consent(page, value)?),
        None => None,
    };
    let exposure = match record.get("exposure") {
        Some(value) => Some(exposure(page, value)?),
        None => None,
    };
    if let (Some(_), Some(at)) = (record.get("salt"), record.key_at("key_file")) {
        let diagnostic = Diagnostic::error("bad-split", "`salt` and `key_file` in one split").at(page.span(at));
        page.push(diagnostic.help("keep one of the two: the key comes from the file, or follows from the text"));
    }
    let key_file =
        record.get("key_file").and_then(|value| Some((value.get_ref().as_str()?.to_owned(), page.span(value.span()))));
    let key = Key::of(record.text("salt").unwrap_or(name).as_bytes());
    let (variants, spans) = shares?;
    let split = Split {
        name: name.to_owned(),
        by: by?,
        variants,
        control: control?.to_owned(),
        start,
        end,
        consent,
        key,
        exposure,
    };
    let salt = record.text("salt").map(str::to_owned);
    Some(SplitDraft { split, span, variants: spans, key_file, salt })
}

fn span_of<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, zone: &Zone) -> (Option<i64>, Option<i64>) {
    let start = record.get("start").and_then(|value| instant::read(page, "start", value, zone));
    let end = record.get("end").and_then(|value| instant::read(page, "end", value, zone));
    if let (Some(start), Some(end), Some(value)) = (start, end, record.get("end"))
        && start >= end
    {
        let diagnostic = Diagnostic::error("bad-time", "this split ends before it begins").at(page.span(value.span()));
        page.push(diagnostic.help("`end` is the first instant in which it no longer holds: write a later one"));
    }
    (start, end)
}

fn by<'p>(page: &mut Page<'p>, value: &Value<'p>, draw: Option<&Value<'p>>) -> Option<By> {
    let text = value.get_ref().as_str()?;
    let given = match draw.map(|draw| draw.get_ref()) {
        Some(DeValue::Boolean(false)) => Given::ByOthers,
        _ => Given::ByUs,
    };
    let by = match text.split_once(':') {
        Some(("cookie", name)) if is_token(name) => Some(By::Cookie { name: name.to_owned(), given }),
        Some(("header", name)) if is_token(name) => Some(By::Header(name.to_ascii_lowercase())),
        None if text == "address" => Some(By::Address),
        _ => None,
    };
    if let (Some(By::Header(_) | By::Address), Some(draw)) = (&by, draw) {
        bad::<()>(
            page,
            draw,
            "`draw` is for cookies".to_owned(),
            "take it out: only a cookie can be given to a visitor",
        );
    }
    by.or_else(|| {
        let message = format!("`{}` is nothing that visitors are known by", shortened(text));
        bad(page, value, message, "write `cookie:NAME`, `header:NAME` or `address`")
    })
}

fn consent<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Consent> {
    let text = value.get_ref().as_str()?;
    let (cookie, wanted) = match text.strip_prefix("cookie:").map(|rest| rest.split_once('=').ok_or(rest)) {
        Some(Ok((cookie, wanted))) => (cookie, Some(wanted.to_owned())),
        Some(Err(cookie)) => (cookie, None),
        None => ("", None),
    };
    if is_token(cookie) {
        return Some(Consent { cookie: cookie.to_owned(), value: wanted });
    }
    let message = format!("`{}` is no consent", shortened(text));
    bad(page, value, message, "write `cookie:NAME=VALUE`, or `cookie:NAME` where any value will do")
}

/// Fields that byway writes itself, or that belong to the connection.
const TAKEN: [&str; 14] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "location",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "upgrade",
    "vary",
];

fn exposure<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    let text = value.get_ref().as_str()?;
    if is_token(text) && !TAKEN.contains(&text.to_ascii_lowercase().as_str()) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` cannot be the field of a variant", shortened(text));
    bad(page, value, message, "write the name of a field of your own, as `X-Variant`")
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn named<'t, 'p>(page: &mut Page<'p>, value: &'t Value<'p>) -> Option<&'t str> {
    let text = value.get_ref().as_str()?;
    if is_name(text) {
        return Some(text);
    }
    bad(page, value, format!("`{}` is no name of a variant", shortened(text)), NAME_HELP)
}

/// Lays the shares on the line.
fn shares<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<(Vec<Variant>, Vec<Span>)> {
    let table = value.get_ref().as_table()?;
    let (mut variants, mut spans, mut next) = (Vec::new(), Vec::new(), 0);
    for (name, item) in in_order(table) {
        let span = page.span(name.span());
        if !is_name(name.get_ref()) {
            let message = format!("`{}` is no name of a variant", shortened(name.get_ref()));
            page.push(Diagnostic::error("bad-split", message).at(span).help(NAME_HELP));
            return None;
        }
        let (from, until) = share(page, item, next)?;
        next = until;
        variants.push(Variant { name: name.get_ref().to_string(), from, until });
        spans.push(span);
    }
    fits(page, value, table, &variants)?;
    Some((variants, spans))
}

/// Whether the shares are some, and beside one another.
fn fits<'p>(page: &mut Page<'p>, value: &Value<'p>, table: &DeTable<'p>, variants: &[Variant]) -> Option<()> {
    if variants.iter().all(|variant| variant.from == variant.until) {
        let help = "give a variant a share, as `b = \"10%\"`";
        return bad(page, value, "the shares add up to nothing".to_owned(), help);
    }
    if variants.len() > VARIANTS {
        return bad(page, value, format!("more than {VARIANTS} variants"), "divide fewer");
    }
    for (at, variant) in variants.iter().enumerate() {
        let mut before = variants[..at].iter();
        let hit = before.find(|other| variant.from < other.until && other.from < variant.until);
        if let (Some(other), Some(item)) = (hit, table.get(variant.name.as_str())) {
            let message = format!("`{}` and `{}` share slots", other.name, variant.name);
            let help = format!("`{}` has {}..{}: begin behind it", other.name, other.from, other.until);
            return bad(page, item, message, &help);
        }
    }
    Some(())
}

/// A share as slots: from the end of the one before, or where it says itself.
fn share<'p>(page: &mut Page<'p>, value: &Value<'p>, next: u16) -> Option<(u16, u16)> {
    let line = i64::from(SLOTS);
    let width = match value.get_ref() {
        DeValue::Integer(_) => integer(value.get_ref()).filter(|width| *width >= 0),
        DeValue::String(text) => match text.split_once("..") {
            Some((from, until)) => {
                let slots = (from.trim().parse::<u16>(), until.trim().parse::<u16>());
                return match slots {
                    (Ok(from), Ok(until)) if from < until && until <= SLOTS => Some((from, until)),
                    _ => bad(
                        page,
                        value,
                        format!("`{}` is no range of slots", shortened(text)),
                        "write the first slot and the first one behind, as `100..150`, with 1000 at most",
                    ),
                };
            }
            None => thousandths(text),
        },
        _ => None,
    };
    let Some(width) = width else {
        let help = "write a percentage with one digit behind the point at most, as `\"12.5%\"`, a number of 1,000 slots, as \
                    `125`, or a range, as `\"100..150\"`";
        return bad(page, value, "this is no share".to_owned(), help);
    };
    let until = i64::from(next).saturating_add(width);
    match u16::try_from(until) {
        Ok(until) if until <= SLOTS => Some((next, until)),
        _ => bad(
            page,
            value,
            format!("the shares add up to {until} slots, more than {line}"),
            "write smaller ones: all together are 1,000 slots, or 100%",
        ),
    }
}

/// `10%` as 100, `12.5%` as 125.
fn thousandths(text: &str) -> Option<i64> {
    let number = text.strip_suffix('%')?.trim();
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let is_number =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (is_number(whole, 3) && is_number(tenth, 1))
        .then(|| Some(whole.parse::<i64>().ok()? * 10 + tenth.parse::<i64>().ok()?))?
}

fn bad<T>(page: &mut Page<'_>, value: &Value<'_>, message: String, help: &str) -> Option<T> {
    page.push(Diagnostic::error("bad-split", message).at(page.span(value.span())).help(help));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_thousandths() {
        for (text, slots) in [("10%", Some(100)), ("12.5%", Some(125)), ("0.1%", Some(1)), ("100 %", Some(1_000))] {
            assert_eq!(thousandths(text), slots, "{text}");
        }
        for text in ["10", "1.25%", "-1%", "%", "1e1%", "1000%0"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
