//! A coarse clock per thread: the second, the `Date` field and the deadlines' ticks, updated once per tick and read for free.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment on a thread's own scale: milliseconds since the thread began.
pub(crate) type Tick = u64;

/// The clock of one thread.
pub(crate) struct Clock {
    began: Instant,
    tick: Cell<Tick>,
    second: Cell<i64>,
    stamps: RefCell<Stamps>,
}

struct Stamps {
    date: [u8; 37],
    log: String,
    iso: String,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let stamps = Stamps { date: date_field(0), log: String::new(), iso: String::new() };
        let clock =
            Clock { began: Instant::now(), tick: Cell::new(0), second: Cell::new(0), stamps: RefCell::new(stamps) };
        clock.update();
        clock
    }

    /// Reads the system's clocks; called once per tick.
    pub(crate) fn update(&self) {
        self.tick.set(millis(self.began.elapsed()));
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs() as i64);
        if self.second.replace(second) != second {
            let mut stamps = self.stamps.borrow_mut();
            stamps.date = date_field(second);
            stamps.log = log_stamp(second);
            stamps.iso = iso_stamp(second);
        }
    }

    /// Now, in seconds since 1970.
    pub(crate) fn second(&self) -> i64 {
        self.second.get()
    }

    /// Now, on the scale of deadlines.
    pub(crate) fn tick(&self) -> Tick {
        self.tick.get()
    }

    /// The tick that lies so far ahead.
    pub(crate) fn after(&self, time: Duration) -> Tick {
        self.tick.get() + millis(time)
    }

    /// Appends `Date: …` with its line end.
    pub(crate) fn write_date(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stamps.borrow().date);
    }

    /// The value of `Date`.
    pub(crate) fn date(&self) -> String {
        let field = self.stamps.borrow().date;
        String::from_utf8_lossy(&field[6..35]).into_owned()
    }

    /// Appends the moment as `2026-11-22T16:36:50Z`.
    pub(crate) fn write_iso_stamp(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.stamps.borrow().iso.as_bytes());
    }

    /// Appends the moment as access logs write it: `22/Nov/2026:16:36:50 +0000`.
    pub(crate) fn write_log_stamp(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.stamps.borrow().log.as_bytes());
    }
}

/// RFC 3339.
pub(crate) fn iso_stamp(second: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(second);
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1)
}

fn millis(time: Duration) -> Tick {
    time.as_millis() as Tick
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn date_field(second: i64) -> [u8; 37] {
    let (date, day) = (Civil::of(second), second.div_euclid(86_400).rem_euclid(7) as usize);
    let Civil { year, month, day: of_month, hour, minute, second } = date;
    let month = MONTHS[month];
    let text =
        format!("Date: {}, {of_month:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT\r\n", DAYS[day]);
    let mut field = [b' '; 37];
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    field
}

fn log_stamp(second: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(second);
    format!("{day:02}/{}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000", MONTHS[month])
}

/// A moment in UTC; the month counts from 0.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// Days to a date by the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
    fn of(since_1970: i64) -> Civil {
        let (days, second) = (since_1970.div_euclid(86_400) + 719_468, since_1970.rem_euclid(86_400));
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12;
        Civil {
            year: era * 400 + year_of_era + i64::from(month < 2),
            month: month as usize,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_standard() {
        assert_eq!(&date_field(784_111_777)[..], b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!(&date_field(0)[..], b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(&date_field(1_709_164_800)[..], b"Date: Thu, 29 Feb 2024 00:00:00 GMT\r\n");
        assert_eq!(log_stamp(1_798_761_599), "31/Dec/2026:23:59:59 +0000");
        assert_eq!(iso_stamp(784_111_777), "1994-11-06T08:49:37Z");
    }
}
