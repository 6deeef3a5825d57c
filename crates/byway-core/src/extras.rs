//! What an answer says beside status, location and `Cache-Control`: who may read it (CORS), and how long the old address lives.
//!
//! [`Extras`] is what a rule says; it is written into the rule's shape, and read from there line by line when an answer is made.
//! Names of fields and their meaning have their home here: Fetch ("CORS protocol"), RFC 9745 (Deprecation), RFC 8594 (Sunset),
//! RFC 5829 §3.3 (`successor-version`).

use std::fmt::Write;

use crate::ruleset::shape::is_field_value;
use crate::wire::{Cursor, Put};

/// What a rule's answer says beside the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Who may read the answer from a page of another origin, and what preflights are told.
    pub cors: Option<Cors>,
    /// Since when, or from when on, the address is not to be used any more: seconds since 1970 UTC (RFC 9745).
    pub deprecation: Option<i64>,
    /// When it will stop answering: seconds since 1970 UTC (RFC 8594).
    pub sunset: Option<i64>,
    /// The address that takes its place, as a URI reference (RFC 5829 §3.3).
    pub successor: Option<String>,
}

/// What pages of other origins may do (Fetch, "CORS protocol").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// The origins, as browsers send them; `*` alone is all.
    pub origins: Vec<String>,
    /// The methods that a preflight is told.
    pub methods: Vec<String>,
    /// The request fields that a preflight is told.
    pub headers: Vec<String>,
    /// How long a browser may remember what a preflight was told, in seconds; `None` leaves it to the browser (5 s).
    pub max_age: Option<u32>,
    /// Whether cookies may come along.
    pub credentials: bool,
}

/// Why an origin cannot be listed.
///
/// ```
/// use byway_core::extras::check_origin;
/// assert!(check_origin("https://app.example.com").is_ok());
/// assert!(check_origin("https://app.example.com/").is_err());
/// assert!(check_origin("https://*.example.com").is_err());
/// ```
pub fn check_origin(text: &str) -> Result<(), &'static str> {
    if matches!(text, "*" | "null") {
        return Ok(());
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        return Err("write scheme, host and, if it is another, the port: `https://app.example.com`");
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    if !is_scheme {
        return Err("browsers send the scheme in small letters");
    }
    if authority.contains('/') {
        return Err("an origin has no path, and no slash at its end");
    }
    if authority.contains('*') {
        return Err("name each origin: a pattern would let in hosts that others can register");
    }
    match crate::host::split_authority(authority) {
        Ok((host, _)) if crate::host::normalise(host).is_ok_and(|normal| normal == host) => Ok(()),
        _ => Err("write the host as browsers send it, in small letters and A-labels"),
    }
}

impl Extras {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64(self.deprecation.unwrap_or(i64::MIN));
        out.put_i64(self.sunset.unwrap_or(i64::MIN));
        out.put_bytes(self.sunset.map(http_date).unwrap_or_default().as_bytes());
        out.put_bytes(self.successor.as_deref().unwrap_or_default().as_bytes());
        out.put_u8(u8::from(self.cors.is_some()));
        if let Some(cors) = &self.cors {
            out.put_u8(u8::from(cors.credentials));
            out.put_i64(cors.max_age.map_or(-1, i64::from));
            out.put_bytes(cors.methods.join(", ").as_bytes());
            out.put_bytes(cors.headers.join(", ").as_bytes());
            out.put_u16(cors.origins.len() as u16);
            cors.origins.iter().for_each(|origin| out.put_bytes(origin.as_bytes()));
        }
    }
}

/// Extras in a shape, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct RawExtras<'s> {
    deprecation: i64,
    sunset: i64,
    sunset_text: &'s str,
    successor: &'s str,
    pub(crate) cors: Option<RawCors<'s>>,
}

/// CORS in a shape, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct RawCors<'s> {
    credentials: bool,
    max_age: i64,
    methods: &'s str,
    headers: &'s str,
    origins: Cursor<'s>,
    count: u16,
}

impl<'s> RawExtras<'s> {
    pub(crate) fn read(cursor: &mut Cursor<'s>) -> RawExtras<'s> {
        let (deprecation, sunset) = (cursor.i64(), cursor.i64());
        let (sunset_text, successor) = (cursor.str(), cursor.str());
        let cors = (cursor.u8() == 1).then(|| RawCors::read(cursor));
        RawExtras { deprecation, sunset, sunset_text, successor, cors }
    }

    /// Appends the lines that every answer of the rule has.
    pub(crate) fn push(&self, out: &mut String) {
        if self.deprecation != i64::MIN {
            push_number(out, "Deprecation: @", self.deprecation);
        }
        if self.sunset != i64::MIN {
            push_line(out, "Sunset", &[self.sunset_text]);
        }
        if !self.successor.is_empty() {
            push_line(out, "Link", &["<", self.successor, ">; rel=\"successor-version\""]);
        }
    }

    pub(crate) fn owned(self) -> Extras {
        Extras {
            cors: self.cors.map(RawCors::owned),
            deprecation: Some(self.deprecation).filter(|&at| at != i64::MIN),
            sunset: Some(self.sunset).filter(|&at| at != i64::MIN),
            successor: Some(self.successor.to_owned()).filter(|text| !text.is_empty()),
        }
    }
}

impl<'s> RawCors<'s> {
    fn read(cursor: &mut Cursor<'s>) -> RawCors<'s> {
        let credentials = cursor.u8() == 1;
        let max_age = cursor.i64();
        let (methods, headers, count) = (cursor.str(), cursor.str(), cursor.u16());
        let origins = *cursor;
        for _ in 0..count {
            cursor.str();
            if !cursor.is_sound() {
                break;
            }
        }
        RawCors { credentials, max_age, methods, headers, origins, count }
    }

    fn origins(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        let mut cursor = self.origins;
        (0..self.count).map_while(move |_| cursor.is_sound().then(|| cursor.str()))
    }

    /// Whether any origin may read the answer. Never with credentials, whatever a file that was not checked says.
    pub(crate) fn is_open(&self) -> bool {
        !self.credentials && self.origins().any(|origin| origin == "*")
    }

    /// The listed origin that is this one, byte for byte (Fetch, "CORS check").
    pub(crate) fn listed(&self, sent: &[u8]) -> Option<&'s str> {
        self.origins().find(|origin| origin.as_bytes() == sent && *origin != "*")
    }

    /// Appends who may read the answer.
    pub(crate) fn push_origin(&self, asks: Option<&str>, out: &mut String) {
        let allowed = if self.is_open() { Some("*") } else { asks };
        let Some(allowed) = allowed else { return };
        push_line(out, "Access-Control-Allow-Origin", &[allowed]);
        if self.credentials {
            push_line(out, "Access-Control-Allow-Credentials", &["true"]);
        }
    }

    /// Appends what only preflights are told. Whoever is not listed is told nothing.
    pub(crate) fn push_preflight(&self, out: &mut String) {
        if out.is_empty() {
            return;
        }
        if !self.methods.is_empty() {
            push_line(out, "Access-Control-Allow-Methods", &[self.methods]);
        }
        if !self.headers.is_empty() {
            push_line(out, "Access-Control-Allow-Headers", &[self.headers]);
        }
        if self.max_age >= 0 {
            push_number(out, "Access-Control-Max-Age: ", self.max_age);
        }
    }

    fn owned(self) -> Cors {
        let list = |text: &str| text.split(", ").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Cors {
            origins: self.origins().map(str::to_owned).collect(),
            methods: list(self.methods),
            headers: list(self.headers),
            max_age: u32::try_from(self.max_age).ok(),
            credentials: self.credentials,
        }
    }
}

/// Appends a line. What no field may hold, from a file that was not checked, is left out.
pub(crate) fn push_line(out: &mut String, name: &str, value: &[&str]) {
    if value.iter().all(|part| is_field_value(part)) {
        out.push_str(name);
        out.push_str(": ");
        value.iter().for_each(|part| out.push_str(part));
        out.push_str("\r\n");
    }
}

/// Appends a line that ends in a number, without a text of its own for it.
fn push_number(out: &mut String, before: &str, number: i64) {
    // Writing into a String cannot fail.
    _ = write!(out, "{before}{number}\r\n");
}

const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
///
/// ```
/// assert_eq!(byway_core::extras::http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
pub fn http_date(seconds: i64) -> String {
    // Beyond the years that four digits can say, the last of them.
    let seconds = seconds.clamp(-62_135_596_800, 253_402_300_799);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counted in eras of 400 years that begin in March, so that the odd day is the last one.
    let (era, of_era) = ((day + 719_468).div_euclid(146_097), (day + 719_468).rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + i64::from(month >= 10);
    format!(
        "{}, {of_month:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[day.rem_euclid(7) as usize],
        MONTHS[month as usize],
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_standard() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(1_709_164_800), "Thu, 29 Feb 2024 00:00:00 GMT");
        assert_eq!(http_date(1_798_761_599), "Thu, 31 Dec 2026 23:59:59 GMT");
        assert_eq!(http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let cors = Cors {
            origins: vec!["https://a.example".into(), "https://b.example:8443".into()],
            methods: vec!["GET".into(), "POST".into()],
            headers: vec!["content-type".into()],
            max_age: Some(600),
            credentials: true,
        };
        let extras = Extras {
            cors: Some(cors),
            deprecation: Some(1_688_169_599),
            sunset: Some(1_709_164_800),
            successor: Some("/v2".into()),
        };
        for extras in [extras, Extras::default(), Extras { sunset: Some(0), ..Extras::default() }] {
            let mut bytes = Vec::new();
            extras.encode(&mut bytes);
            assert_eq!(RawExtras::read(&mut Cursor::new(&bytes)).owned(), extras);
        }
    }
}
