//! `since` and `until`: a date or a time as an instant.
//!
//! With an offset it is that instant. Without one it is its first instant in the zone that the file states: a bare date begins
//! at its first moment there, a time that the clock skips is the moment of the jump, one that comes twice is the first of the
//! two. No zone is ever assumed.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, civil};
use toml::de::DeValue;

use super::page::{Page, Value};
use crate::diagnostic::Diagnostic;

/// The zone of a file.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// None is stated.
    Unstated,
    /// What was stated is none; that has been said.
    Broken,
    /// This one.
    Stated(TimeZone),
}

/// Reads `zone = "Europe/Berlin"`.
pub(crate) fn read_zone<'p>(page: &mut Page<'p>, value: Option<&Value<'p>>) -> Zone {
    let Some((value, name)) = value.and_then(|value| Some((value, value.get_ref().as_str()?))) else {
        return Zone::Unstated;
    };
    match TimeZone::get(name) {
        Ok(zone) => Zone::Stated(zone),
        Err(_) => {
            let message = format!("`{}` is no time zone", super::page::shortened(name));
            let help = "write a name of the IANA database, as `Europe/Berlin` or `UTC`";
            let diagnostic = Diagnostic::error("bad-zone", message).at(page.span(value.span())).help(help);
            page.push(diagnostic);
            Zone::Broken
        }
    }
}

/// An instant, and whether its zone had to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Seconds since 1970 UTC.
    pub(crate) seconds: i64,
    /// Where it came from.
    pub(crate) from: From,
}

/// How an instant was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// It was written with its offset.
    Offset,
    /// It was written without, and looked up in the zone of the file.
    Zone,
}

/// Reads a date, or a date and a time.
pub(crate) fn read<'p>(page: &mut Page<'p>, name: &'static str, value: &Value<'p>, zone: &Zone) -> Option<i64> {
    let text = match value.get_ref() {
        DeValue::Datetime(time) => time.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => return None,
    };
    match from_text(&text, zone) {
        Ok(instant) => {
            if instant.from == From::Zone {
                note(page, name, value, &text, instant.seconds);
            }
            Some(instant.seconds)
        }
        Err(BadInstant::Said) => None,
        Err(BadInstant::Why(message, help)) => {
            let diagnostic = Diagnostic::error("bad-time", message).at(page.span(value.span())).help(help);
            page.push(diagnostic);
            None
        }
    }
}

/// Says which instant a bare date is.
fn note<'p>(page: &mut Page<'p>, name: &str, value: &Value<'p>, text: &str, seconds: i64) {
    let instant = shown(seconds);
    let diagnostic = Diagnostic::note("instant", format!("`{name} = {text}` is {instant}")).at(page.span(value.span()));
    page.push(diagnostic);
}

/// An instant as people and RFC 3339 write it.
pub(crate) fn shown(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |instant| instant.to_string())
}

/// Why a text is no instant.
pub(crate) enum BadInstant {
    /// The zone is broken, and that has been said.
    Said,
    /// What, and what to do.
    Why(String, String),
}

/// An instant from its text.
pub(crate) fn from_text(text: &str, zone: &Zone) -> Result<Instant, BadInstant> {
    let text = text.trim();
    // With a zone in brackets (RFC 9557) or with an offset.
    let with_offset = text.parse::<jiff::Zoned>().map(|zoned| zoned.timestamp()).or_else(|_| text.parse::<Timestamp>());
    if let Ok(instant) = with_offset {
        return Ok(Instant { seconds: ceiling(instant), from: From::Offset });
    }
    let Some(local) = local(text) else {
        let help = "write `2027-03-01`, `2027-03-01T08:00` or `2027-03-01T08:00+01:00`".to_owned();
        let what = match text.parse::<civil::Time>() {
            // The parser took it for nothing, and has said so.
            _ if text.is_empty() => return Err(BadInstant::Said),
            Ok(_) => format!("`{text}` has no date"),
            Err(_) if has_the_shape_of_a_date(text) => {
                format!("`{}` is not in the calendar", super::page::shortened(text))
            }
            Err(_) => format!("`{}` is no date and no time", super::page::shortened(text)),
        };
        return Err(BadInstant::Why(what, help));
    };
    match zone {
        Zone::Broken => Err(BadInstant::Said),
        Zone::Unstated => {
            let help = format!(
                "add an offset, as `{}Z`, or state `zone = \"Europe/Berlin\"` at the top of the file",
                with_time(text)
            );
            Err(BadInstant::Why(format!("`{text}` is in no time zone"), help))
        }
        Zone::Stated(zone) => first_instant(local, zone)
            .map(|instant| Instant { seconds: ceiling(instant), from: From::Zone })
            .ok_or_else(|| {
                BadInstant::Why(format!("`{text}` is beyond the calendar"), "write a year from 1970 to 9999".to_owned())
            }),
    }
}

/// The zone of an option or a column, by name.
pub(crate) fn local(text: &str) -> Option<DateTime> {
    let date = text.parse::<civil::Date>().ok().filter(|_| !text.contains([':', 'T', 't', ' ']));
    date.map(|date| date.at(0, 0, 0, 0)).or_else(|| text.parse::<DateTime>().ok())
}

/// `2027-02-30` has it, whether or not there is such a day.
fn has_the_shape_of_a_date(text: &str) -> bool {
    let date = text.as_bytes().get(..10).unwrap_or_default();
    date.len() == 10
        && date
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
}

fn with_time(text: &str) -> String {
    if text.contains(':') { text.replace(' ', "T") } else { format!("{text}T00:00") }
}

/// The first whole second that is not before an instant.
fn ceiling(instant: Timestamp) -> i64 {
    instant.as_second() + i64::from(instant.subsec_nanosecond() > 0)
}

/// The first instant at which the clocks of a zone show this time or a later one.
pub(crate) fn first_instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        // The clock jumps over it: the jump itself is the last change up to the instant counted with the old offset.
        AmbiguousOffset::Gap { before, .. } => {
            let counted = before.to_timestamp(local).ok()?;
            let after = counted.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
            zone.preceding(after).next().map(|change| change.timestamp()).or(Some(counted))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str) -> String {
        let zone = Zone::Stated(TimeZone::get(zone).expect("a zone of the database"));
        from_text(text, &zone).map_or_else(|_| "refused".to_owned(), |instant| shown(instant.seconds))
    }

    #[test]
    fn a_bare_date_is_its_first_instant_in_the_zone() {
        assert_eq!(at("2027-03-01", "Europe/Berlin"), "2027-02-28T23:00:00Z");
        assert_eq!(at("2027-07-01 08:30", "Europe/Berlin"), "2027-07-01T06:30:00Z");
        assert_eq!(at("2027-03-01T00:00+01:00", "America/New_York"), "2027-02-28T23:00:00Z");
    }

    #[test]
    fn both_changes_of_the_clock() {
        // 2027-03-28 02:00 to 03:00 does not exist in Berlin: the jump is at 01:00Z.
        assert_eq!(at("2027-03-28T02:30", "Europe/Berlin"), "2027-03-28T01:00:00Z");
        // 2027-10-31 02:30 comes twice: at 00:30Z and at 01:30Z.
        assert_eq!(at("2027-10-31T02:30", "Europe/Berlin"), "2027-10-31T00:30:00Z");
        // Midnight of 2018-11-04 does not exist in São Paulo: the day begins at 01:00, 03:00Z.
        assert_eq!(at("2018-11-04", "America/Sao_Paulo"), "2018-11-04T03:00:00Z");
    }

    #[test]
    fn what_is_no_instant() {
        assert_eq!(at("08:00", "UTC"), "refused");
        assert_eq!(at("2027-02-30", "UTC"), "refused");
        assert!(matches!(from_text("2027-03-01", &Zone::Unstated), Err(BadInstant::Why(..))));
    }
}
