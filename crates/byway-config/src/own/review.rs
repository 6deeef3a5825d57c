//! `review`, `allow` and periods: when somebody wants to look at a rule again, and what was accepted.

use byway_core::rule::Review;
use toml::de::DeValue;

use super::instant::{self, Zone};
use super::page::{Page, Value, shortened};
use super::suggest::nearest;
use crate::diagnostic::Diagnostic;
use crate::lints::LINTS;

/// `90d`, `12w`, `6mo` (of 30 days), `1y` (of 365), in seconds.
///
/// ```
/// use byway_config::own::review::parse_period;
/// assert_eq!(parse_period("90d"), Some(90 * 86_400));
/// assert_eq!(parse_period("6mo"), Some(180 * 86_400));
/// assert_eq!(parse_period("90"), None);
/// ```
pub fn parse_period(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: i64 = text[..unit_at].parse().ok()?;
    let days = match text[unit_at..].trim_start() {
        "d" => 1,
        "w" => 7,
        "mo" => 30,
        "y" => 365,
        _ => return None,
    };
    number.checked_mul(days * 86_400).filter(|seconds| *seconds > 0)
}

/// Reads a period.
pub(crate) fn period<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<i64> {
    let text = value.get_ref().as_str()?;
    let period = parse_period(text);
    if period.is_none() {
        let diagnostic = Diagnostic::error("bad-value", format!("`{}` is no time in days", shortened(text)));
        page.push(
            diagnostic
                .at(page.span(value.span()))
                .help("write days, weeks, months or years, as `90d`, `12w`, `6mo` or `1y`"),
        );
    }
    period
}

/// Reads `review`: a period after `since`, or a date.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>, zone: &Zone) -> Option<Review> {
    let is_date = match value.get_ref() {
        DeValue::Datetime(_) => true,
        other => other.as_str().is_some_and(|text| text.contains('-')),
    };
    match is_date {
        true => instant::read(page, "review", value, zone).map(Review::On),
        false => period(page, value).map(Review::After),
    }
}

/// Reads `allow`: names of lints, with commas between them.
pub(crate) fn allow<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    let mut names = Vec::new();
    for (name, item) in page.texts("allow", value) {
        let known = LINTS.iter().map(|lint| lint.name);
        if known.clone().any(|known| known == name) {
            names.push(name);
            continue;
        }
        let diagnostic = Diagnostic::error("unknown-lint", format!("there is no finding `{}`", shortened(name)));
        let diagnostic = diagnostic.at(page.within(item, 0..name.len()));
        page.push(match nearest(name, known) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
            None => diagnostic.help("the names are those in brackets in front of each finding, as `host-echo`"),
        });
    }
    (!names.is_empty()).then(|| names.join(","))
}
