//! `[window.NAME]`: once, or on days that come again.

use byway_core::window::{Span, Window};
use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};
use toml::de::DeValue;

use super::instant::{self, Zone};
use super::keys::WINDOW;
use super::named::Thing;
use super::page::{Page, Record, Value, in_order, shortened};
use super::server;
use crate::calendar::{Calendar, Days, cron, weekday};
use crate::diagnostic::Diagnostic;
use crate::intake::Intake;

/// Reads every `[window.NAME]`; `zone` is that of the file.
pub(crate) fn read_all<'p>(page: &mut Page<'p>, value: &Value<'p>, zone: &Zone, intake: &mut Intake) {
    for (name, value) in in_order(value.get_ref().as_table().unwrap_or(&Default::default())) {
        let at = page.span(name.span());
        if let Some(again) = intake.names.describe(Thing::Window, name.get_ref(), at) {
            page.push(again);
        }
        let Some(table) = value.get_ref().as_table() else { continue };
        let before = page.errors;
        let record = page.open(table, value.span(), &WINDOW);
        let zone = match record.get("zone") {
            Some(value) => instant::read_zone(page, Some(value)),
            None => zone.clone(),
        };
        // What is missing from a table with a misspelt key is a consequence.
        let is_whole = page.errors == before || matches!(zone, Zone::Broken);
        let calendar = if is_whole { calendar(page, &record, &zone, intake.now) } else { None };
        let when = calendar.map(|calendar| calendar.to_string()).unwrap_or_default();
        intake.builder.define_window(Window { name: name.get_ref().to_string(), when });
    }
}

const KINDS: &str = "write `from` and `until`, or `at` and `for` with `weekdays` or `monthly`, or `cron` and `for`";

fn calendar<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, zone: &Zone, now: i64) -> Option<Calendar> {
    let has = |key| record.get(key).is_some();
    let is_once = has("from") || has("until");
    let is_days = has("at") || has("weekdays") || has("monthly");
    let kinds = usize::from(is_once) + usize::from(is_days) + usize::from(has("cron"));
    if kinds != 1 || (has("weekdays") && has("monthly")) {
        let what = if kinds == 0 { "this window does not say when it is" } else { "this window says twice when it is" };
        bad(page, record.at.clone(), "bad-window", what, KINDS);
        return None;
    }
    if is_once {
        return once(page, record, zone);
    }
    // All that is wrong is said in one go: what is missing has a stand-in until the end.
    let (lasts, zone) = (lasts(page, record), stated(page, record, zone));
    let (length, clock) = (lasts.as_ref().map_or(1, |(lasts, _)| *lasts), zone.clone().unwrap_or(TimeZone::UTC));
    let calendar = if has("cron") { cron_line(page, record, clock, length) } else { days(page, record, clock, length) };
    let (Some((_, lasts_at)), Some(_), Some(calendar)) = (lasts, zone, calendar) else { return None };
    if let Some(date) = calendar.skipped(now) {
        let at = record.get("at").map_or(record.at.clone(), |value| value.span());
        let message = format!("on {date} the clock skips this time");
        let diagnostic = Diagnostic::warning("skipped-time", message).at(page.span(at));
        page.push(
            diagnostic.help("the window then begins at the jump; a time that every day has says so more plainly"),
        );
    }
    look_ahead(page, record, &calendar, lasts_at, now)?;
    Some(calendar)
}

fn bad(page: &mut Page<'_>, at: std::ops::Range<usize>, code: &'static str, what: impl Into<String>, help: &str) {
    page.push(Diagnostic::error(code, what).at(page.span(at)).help(help));
}

fn once<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, zone: &Zone) -> Option<Calendar> {
    let mut ends = [None; 2];
    for (end, key) in ends.iter_mut().zip(["from", "until"]) {
        match record.get(key) {
            Some(value) => *end = end_of(page, key, value, zone),
            None => bad(
                page,
                record.at.clone(),
                "bad-window",
                format!("a window without `{key}`"),
                "a window that happens once has both `from` and `until`",
            ),
        }
    }
    let (from, until) = (ends[0]?, ends[1]?);
    if from >= until {
        let at = record.get("until").map_or(record.at.clone(), |value| value.span());
        bad(
            page,
            at,
            "bad-window",
            "this window ends before it starts",
            "`until` is the first instant behind it: write a later one",
        );
        return None;
    }
    Some(Calendar::Once(Span { from, until }))
}

/// An end of a window: a time that the clock skips is a mistake here, since somebody planned it.
fn end_of<'p>(page: &mut Page<'p>, key: &'static str, value: &Value<'p>, zone: &Zone) -> Option<i64> {
    let text = match value.get_ref() {
        DeValue::Datetime(time) => time.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => return None,
    };
    if let (Zone::Stated(zone), Some(local)) = (zone, instant::local(text.trim()))
        && text.contains(':')
        && let AmbiguousOffset::Gap { .. } = zone.to_ambiguous_timestamp(local).offset()
    {
        let jump = instant::first_instant(local, zone).map(|at| at.to_zoned(zone.clone()).time().to_string());
        let help = format!("that night the clock goes on at {}: write that, or an offset", jump.unwrap_or_default());
        let what = format!("the clock skips `{}` in {}", shortened(&text), zone.iana_name().unwrap_or("this zone"));
        bad(page, value.span(), "skipped-time", what, &help);
        return None;
    }
    instant::read(page, key, value, zone)
}

fn lasts<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>) -> Option<(i64, std::ops::Range<usize>)> {
    let Some(value) = record.get("for") else {
        bad(
            page,
            record.at.clone(),
            "bad-window",
            "a window that comes again without `for`",
            "say how long it lasts: `for = \"2h\"`",
        );
        return None;
    };
    let time = server::duration(page, record, "for")?;
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    if seconds == 0 {
        bad(page, value.span(), "bad-window", "this window lasts less than a second", "write `for = \"2h\"`");
        return None;
    }
    Some((seconds, value.span()))
}

/// A zone is never assumed.
fn stated(page: &mut Page<'_>, record: &Record<'_, '_>, zone: &Zone) -> Option<TimeZone> {
    match zone {
        Zone::Stated(zone) => Some(zone.clone()),
        Zone::Broken => None,
        Zone::Unstated => {
            let at = record.get("at").or(record.get("cron")).map_or(record.at.clone(), |value| value.span());
            bad(
                page,
                at,
                "bad-zone",
                "this time is in no time zone",
                "state it: `zone = \"Europe/Berlin\"` or `zone = \"UTC\"`",
            );
            None
        }
    }
}

fn days<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, zone: TimeZone, lasts: i64) -> Option<Calendar> {
    let days = match (record.get("weekdays"), record.get("monthly")) {
        (Some(value), _) => weekdays(page, value),
        (None, Some(value)) => monthly(page, value),
        (None, None) => Some(Days::Weekly(0b111_1111)),
    };
    let at = clock(page, record);
    Some(Calendar::Days { days: days?, at: at?, zone, lasts })
}

/// When a window on days begins.
fn clock<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>) -> Option<Time> {
    let Some(value) = record.get("at") else {
        bad(
            page,
            record.at.clone(),
            "bad-window",
            "a window on days without `at`",
            "say when it begins: `at = \"02:00\"`",
        );
        return None;
    };
    let text = match value.get_ref() {
        DeValue::Datetime(time) => time.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let time = text.contains(':').then(|| text.parse::<Time>().ok()).flatten();
    let Some(at) = time else {
        bad(
            page,
            value.span(),
            "bad-time",
            format!("`{}` is no time of the clock", shortened(&text)),
            "write hours and minutes, as `02:00`",
        );
        return None;
    };
    Some(at)
}

fn weekdays<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Days> {
    let mut bits = 0;
    let mut is_sound = true;
    for (text, item) in page.texts("weekdays", value) {
        match weekday(text) {
            Some(day) => bits |= 1u8 << day.to_monday_zero_offset(),
            None => {
                is_sound = false;
                bad(
                    page,
                    item.span(),
                    "bad-window",
                    format!("`{}` is no day of the week", shortened(text)),
                    "write `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`",
                );
            }
        }
    }
    if bits == 0 && is_sound {
        bad(
            page,
            value.span(),
            "bad-window",
            "no day: this window never comes",
            "name a day, or take `weekdays` out for every day",
        );
    }
    (bits != 0 && is_sound).then_some(Days::Weekly(bits))
}

fn monthly<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Days> {
    let text = match value.get_ref() {
        DeValue::Integer(_) => super::page::integer(value.get_ref()).map(|day| day.to_string()).unwrap_or_default(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let days = Days::monthly(&text);
    if days.is_none() {
        let what = format!("`{}` is no day of a month", shortened(&text));
        bad(
            page,
            value.span(),
            "bad-window",
            what,
            "write `first sunday`, `last fri`, `last day`, or a number from 1 to 31",
        );
    }
    days
}

fn cron_line<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, zone: TimeZone, lasts: i64) -> Option<Calendar> {
    let value = record.get("cron")?;
    let text = value.get_ref().as_str()?;
    match cron(text) {
        Ok(line) => Some(Calendar::Cron { line: Box::new(line), zone, lasts }),
        Err(error) => {
            let what = format!("`{}` is no line of cron: {error}", shortened(text));
            bad(
                page,
                value.span(),
                "bad-cron",
                what,
                "write minute, hour, day, month and day of the week, as `0 2 * * 0`",
            );
            None
        }
    }
}

/// A span of time in its largest units: `1 day 1 hour`.
fn in_words(seconds: i64) -> String {
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let mut left = seconds;
    let mut words = Vec::new();
    for (unit, length) in units {
        let count = left / length;
        left %= length;
        if count > 0 && words.len() < 2 {
            words.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
    }
    words.join(" ")
}

/// Whether it ever comes, and whether it is over before it comes again.
fn look_ahead<'p>(
    page: &mut Page<'p>,
    record: &Record<'_, 'p>,
    calendar: &Calendar,
    lasts_at: std::ops::Range<usize>,
    now: i64,
) -> Option<()> {
    let begins: Vec<i64> = calendar.beginnings(now).take(60).collect();
    let at = ["cron", "monthly", "weekdays", "at"].into_iter().find_map(|key| record.get(key));
    if begins.is_empty() {
        let at = at.map_or(record.at.clone(), |value| value.span());
        bad(page, at, "never", "this window never comes", "look at day and month: the 30th of February does not come");
        return None;
    }
    let lasts = calendar.lasts();
    let shortest = begins.windows(2).map(|pair| pair[1] - pair[0]).min();
    if let Some(shortest) = shortest
        && lasts > shortest
    {
        let what = format!("this window lasts {}, and comes again after {}", in_words(lasts), in_words(shortest));
        bad(page, lasts_at, "window-overlap", what, "write a shorter `for`, or let it come less often");
        return None;
    }
    Some(())
}
