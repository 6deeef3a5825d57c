//! When a window is: its text in a rule set, and its spans around any moment.
//!
//! A [`Calendar`] is what `[window.NAME]` says, checked. It is written into a rule set as one line of text, which is opaque to
//! the core, and read back by whoever makes an [`Outlook`](byway_core::surroundings::Outlook). A window begins at a time of the
//! clock in its zone and lasts as long as time passes: `for = "2h"` is two hours, whatever the clock does meanwhile. A beginning
//! that the clock skips is the moment of the jump; one that comes twice is the first of the two.

use std::fmt;

use byway_core::window::Span;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan, Zoned};

use crate::own::instant::first_instant;

/// How many spans are worked out ahead.
const AHEAD: usize = 8;
/// How many days are looked through for the next span: a leap day comes every eight years at worst.
const DAYS: i64 = 366 * 9;

/// When a window is.
#[derive(Clone, Debug)]
pub enum Calendar {
    /// Once.
    Once(Span),
    /// On some days, at a time of the clock.
    Days {
        /// Which days.
        days: Days,
        /// When on such a day.
        at: Time,
        /// In which zone.
        zone: TimeZone,
        /// For how many seconds.
        lasts: i64,
    },
    /// By a line of cron.
    Cron {
        /// The line.
        line: Box<Cron>,
        /// In which zone.
        zone: TimeZone,
        /// For how many seconds.
        lasts: i64,
    },
}

/// Days that come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// These days of the week: bit 0 is Monday.
    Weekly(u8),
    /// The first, second, third, fourth or fifth (1 to 5) or the last (-1) such day of a month.
    Monthly {
        /// Which one.
        nth: i8,
        /// Which day of the week.
        weekday: Weekday,
    },
    /// This day of a month, where it has one; -1 is the last.
    MonthDay(i8),
}

/// The days of the week as they are written.
pub const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

const NTH: [(&str, i8); 6] = [("first", 1), ("second", 2), ("third", 3), ("fourth", 4), ("fifth", 5), ("last", -1)];

/// A day of the week, in full or by its first three letters.
pub fn weekday(text: &str) -> Option<Weekday> {
    let text = text.to_ascii_lowercase();
    WEEKDAYS.into_iter().find(|(short, day)| *short == text || full_name(*day) == text).map(|(_, day)| day)
}

fn full_name(day: Weekday) -> String {
    format!("{day:?}").to_ascii_lowercase()
}

fn short_name(day: Weekday) -> &'static str {
    WEEKDAYS.into_iter().find(|(_, known)| *known == day).map_or("mon", |(short, _)| short)
}

impl Days {
    /// `first sunday`, `last fri`, `15`, `last day`.
    ///
    /// ```
    /// use byway_config::calendar::Days;
    /// assert_eq!(Days::monthly("first sunday").map(|days| days.to_string()), Some("first sun".to_owned()));
    /// assert_eq!(Days::monthly("sixth sunday"), None);
    /// ```
    pub fn monthly(text: &str) -> Option<Days> {
        let text = text.trim().to_ascii_lowercase();
        if text == "last day" {
            return Some(Days::MonthDay(-1));
        }
        if let Ok(day) = text.parse::<i8>() {
            return (1..=31).contains(&day).then_some(Days::MonthDay(day));
        }
        let (nth, day) = text.split_once(' ')?;
        let (_, nth) = NTH.into_iter().find(|(word, _)| *word == nth)?;
        Some(Days::Monthly { nth, weekday: weekday(day.trim())? })
    }

    fn holds(self, date: Date) -> bool {
        match self {
            Days::Weekly(days) => days & (1 << (date.weekday().to_monday_zero_offset() as u8)) != 0,
            Days::Monthly { nth, weekday } => date.nth_weekday_of_month(nth, weekday).is_ok_and(|found| found == date),
            Days::MonthDay(-1) => date.day() == date.days_in_month(),
            Days::MonthDay(day) => date.day() == day,
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Days::Weekly(days) => {
                let held = WEEKDAYS.into_iter().enumerate().filter(|(at, _)| days & (1 << at) != 0);
                f.write_str(&held.map(|(_, (name, _))| name).collect::<Vec<_>>().join(","))
            }
            Days::Monthly { nth, weekday } => {
                let nth = NTH.into_iter().find(|(_, known)| known == nth).map_or("first", |(word, _)| word);
                write!(f, "{nth} {}", short_name(*weekday))
            }
            Days::MonthDay(-1) => f.write_str("last day"),
            Days::MonthDay(day) => write!(f, "{day}"),
        }
    }
}

/// A line of cron: five fields, or six with seconds in front.
pub(crate) fn cron(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(text).map_err(|error| error.to_string())
}

impl Calendar {
    /// The spans around a moment: the one that holds it, if one does, and those ahead, merged where they touch.
    ///
    /// ```
    /// use byway_config::calendar::Calendar;
    /// let calendar: Calendar = "days 7200 02:00:00 Europe/Berlin sat".parse().unwrap();
    /// let now = "2027-03-26T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    /// let first = calendar.spans(now)[0];
    /// assert_eq!(first.from, "2027-03-27T01:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second());
    /// assert_eq!(first.until - first.from, 7_200);
    /// ```
    pub fn spans(&self, now: i64) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut take = |span: Span| {
            match spans.last_mut() {
                Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
                _ if span.until > now => spans.push(span),
                _ => {}
            }
            spans.len() <= AHEAD
        };
        match self {
            Calendar::Once(span) => _ = take(*span),
            Calendar::Days { lasts, .. } | Calendar::Cron { lasts, .. } => {
                let lasts = *lasts;
                for from in self.beginnings(now.saturating_sub(lasts)) {
                    if !take(Span { from, until: from.saturating_add(lasts) }) {
                        break;
                    }
                }
            }
        }
        spans.truncate(AHEAD);
        spans
    }

    /// The beginnings behind a moment, ascending; a bounded number of them.
    pub(crate) fn beginnings(&self, after: i64) -> Box<dyn Iterator<Item = i64> + '_> {
        let Ok(after) = Timestamp::from_second(after) else { return Box::new(std::iter::empty()) };
        match self {
            Calendar::Once(span) => Box::new(std::iter::once(span.from)),
            Calendar::Days { days, at, zone, .. } => {
                // A day earlier, since its time may lie behind the moment in the zone.
                let first = after.to_zoned(zone.clone()).date().yesterday().unwrap_or(Date::MIN);
                let dates = (0..DAYS).map_while(move |ahead| first.checked_add(ahead.days()).ok());
                let begins = dates
                    .filter(|date| days.holds(*date))
                    .filter_map(|date| first_instant(date.to_datetime(*at), zone).map(Timestamp::as_second));
                Box::new(begins.filter(move |from| *from > after.as_second()))
            }
            Calendar::Cron { line, zone, .. } => {
                let mut at = after.to_zoned(zone.clone());
                let mut left = 4 * AHEAD.pow(3);
                Box::new(std::iter::from_fn(move || {
                    left = left.checked_sub(1)?;
                    let next: Zoned = line.find_next_occurrence(&at, false).ok()?;
                    at = next;
                    Some(at.timestamp().as_second())
                }))
            }
        }
    }

    /// How long one span lasts.
    pub fn lasts(&self) -> i64 {
        match self {
            Calendar::Once(span) => span.until - span.from,
            Calendar::Days { lasts, .. } | Calendar::Cron { lasts, .. } => *lasts,
        }
    }

    /// The first of the coming days on which the clock skips the beginning.
    pub(crate) fn skipped(&self, now: i64) -> Option<Date> {
        let Calendar::Days { days, at, zone, .. } = self else { return None };
        let first = Timestamp::from_second(now).ok()?.to_zoned(zone.clone()).date();
        let dates = (0..DAYS).map_while(|ahead| first.checked_add(ahead.days()).ok());
        dates.filter(|date| days.holds(*date)).find(|date| {
            let local = date.to_datetime(*at);
            matches!(zone.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Gap { .. })
        })
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |zone: &TimeZone| zone.iana_name().unwrap_or("UTC").to_owned();
        match self {
            Calendar::Once(span) => write!(f, "once {} {}", span.from, span.until),
            Calendar::Days { days, at, zone, lasts } => write!(f, "days {lasts} {at} {} {days}", name(zone)),
            Calendar::Cron { line, zone, lasts } => write!(f, "cron {lasts} {} {}", name(zone), line.as_str()),
        }
    }
}

impl std::str::FromStr for Calendar {
    type Err = ();

    fn from_str(text: &str) -> Result<Calendar, ()> {
        let mut words = text.splitn(2, ' ');
        let (kind, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok()).ok_or(());
        let zone = |text: Option<&str>| TimeZone::get(text.unwrap_or_default()).map_err(|_| ());
        match kind {
            "once" => {
                let mut words = rest.split(' ');
                Ok(Calendar::Once(Span { from: number(words.next())?, until: number(words.next())? }))
            }
            "days" => {
                let mut words = rest.splitn(4, ' ');
                let lasts = number(words.next())?;
                let at = words.next().and_then(|text| text.parse().ok()).ok_or(())?;
                let zone = zone(words.next())?;
                let days = days(words.next().unwrap_or_default()).ok_or(())?;
                Ok(Calendar::Days { days, at, zone, lasts })
            }
            "cron" => {
                let mut words = rest.splitn(3, ' ');
                let (lasts, zone) = (number(words.next())?, zone(words.next())?);
                let line = Box::new(cron(words.next().unwrap_or_default()).map_err(|_| ())?);
                Ok(Calendar::Cron { line, zone, lasts })
            }
            _ => Err(()),
        }
    }
}

fn days(text: &str) -> Option<Days> {
    let bits = text.split(',').map(|name| {
        let found = WEEKDAYS.into_iter().position(|(short, _)| short == name)?;
        Some(1 << found)
    });
    match bits.sum::<Option<u8>>() {
        Some(bits) => Some(Days::Weekly(bits)),
        None => Days::monthly(text),
    }
}

/// The spans of a window of a rule set around a moment; none where its text says nothing, as in a damaged file.
pub fn spans(when: &str, now: i64) -> Vec<Span> {
    when.parse::<Calendar>().map(|calendar| calendar.spans(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("an instant").as_second()
    }

    fn first(when: &str, now: &str) -> String {
        let spans = spans(when, at(now));
        let shown = |second| Timestamp::from_second(second).expect("an instant").to_string();
        spans.first().map_or_else(|| "never".to_owned(), |span| format!("{} {}", shown(span.from), shown(span.until)))
    }

    #[test]
    fn a_window_begins_by_the_clock_and_lasts_as_time_passes() {
        // Before, on and after the night in which Berlin's clocks go forward, and back.
        let when = "days 7200 01:30:00 Europe/Berlin sun";
        assert_eq!(first(when, "2027-03-21T12:00:00Z"), "2027-03-28T00:30:00Z 2027-03-28T02:30:00Z");
        assert_eq!(first(when, "2027-03-28T12:00:00Z"), "2027-04-03T23:30:00Z 2027-04-04T01:30:00Z");
        assert_eq!(first(when, "2027-10-30T12:00:00Z"), "2027-10-30T23:30:00Z 2027-10-31T01:30:00Z");
    }

    #[test]
    fn a_beginning_that_is_skipped_is_the_jump_and_one_that_comes_twice_the_first() {
        let when = "days 3600 02:30:00 Europe/Berlin sun";
        assert_eq!(first(when, "2027-03-27T12:00:00Z"), "2027-03-28T01:00:00Z 2027-03-28T02:00:00Z");
        assert_eq!(first(when, "2027-10-30T12:00:00Z"), "2027-10-31T00:30:00Z 2027-10-31T01:30:00Z");
        let cron = "cron 3600 Europe/Berlin 30 2 * * 0";
        assert_eq!(first(cron, "2027-03-27T12:00:00Z"), "2027-03-28T01:00:00Z 2027-03-28T02:00:00Z");
        assert_eq!(first(cron, "2027-10-30T12:00:00Z"), "2027-10-31T00:30:00Z 2027-10-31T01:30:00Z");
    }

    #[test]
    fn spans_are_half_open_and_hold_the_moment() {
        let when = "days 7200 02:00:00 UTC sat";
        assert_eq!(first(when, "2027-03-27T02:00:00Z"), "2027-03-27T02:00:00Z 2027-03-27T04:00:00Z");
        assert_eq!(first(when, "2027-03-27T03:59:59Z"), "2027-03-27T02:00:00Z 2027-03-27T04:00:00Z");
        assert_eq!(first(when, "2027-03-27T04:00:00Z"), "2027-04-03T02:00:00Z 2027-04-03T04:00:00Z");
    }

    #[test]
    fn months_by_rule() {
        assert_eq!(
            first("days 60 03:00:00 UTC first sun", "2027-02-10T00:00:00Z"),
            "2027-03-07T03:00:00Z 2027-03-07T03:01:00Z"
        );
        assert_eq!(
            first("days 60 03:00:00 UTC last fri", "2027-02-10T00:00:00Z"),
            "2027-02-26T03:00:00Z 2027-02-26T03:01:00Z"
        );
        assert_eq!(
            first("days 60 03:00:00 UTC 31", "2027-02-10T00:00:00Z"),
            "2027-03-31T03:00:00Z 2027-03-31T03:01:00Z"
        );
        assert_eq!(
            first("days 60 03:00:00 UTC last day", "2027-02-10T00:00:00Z"),
            "2027-02-28T03:00:00Z 2027-02-28T03:01:00Z"
        );
        assert_eq!(
            first("days 60 03:00:00 UTC fifth mon", "2027-02-10T00:00:00Z"),
            "2027-03-29T03:00:00Z 2027-03-29T03:01:00Z"
        );
    }

    #[test]
    fn windows_that_touch_are_one() {
        assert_eq!(
            first("days 90000 00:00:00 UTC mon,tue", "2027-03-01T05:00:00Z"),
            "2027-03-01T00:00:00Z 2027-03-03T01:00:00Z"
        );
        assert_eq!(spans("cron 30 UTC * * * * *", at("2027-03-01T00:00:10Z")).len(), AHEAD);
    }

    #[test]
    fn what_never_comes() {
        assert_eq!(first("cron 60 UTC 0 0 30 2 *", "2027-03-01T00:00:00Z"), "never");
        assert_eq!(first("nonsense", "2027-03-01T00:00:00Z"), "never");
        assert_eq!(first("once 10 20", "2027-03-01T00:00:00Z"), "never");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "once 10 20",
            "days 7200 02:00:00 Europe/Berlin mon,sun",
            "days 60 03:00:00 UTC last fri",
            "days 60 03:00:00 UTC last day",
            "cron 60 America/New_York 0 2 * * 0",
        ] {
            assert_eq!(text.parse::<Calendar>().map(|calendar| calendar.to_string()), Ok(text.to_owned()));
        }
    }
}
