//! Windows: half-open spans of time, perhaps recurring, handed in as data.
//!
//! What a window is (a date, a weekday, a cron line, a time zone) is text to the core; whoever knows calendars works out its
//! spans around a moment and hands them in with [`crate::surroundings::Outlook`].

/// A half-open span of time, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first second in it.
    pub from: i64,
    /// The first second behind it.
    pub until: i64,
}

impl Span {
    /// Whether a moment is in it.
    ///
    /// ```
    /// use byway_core::window::Span;
    /// let span = Span { from: 10, until: 20 };
    /// assert_eq!([9, 10, 19, 20].map(|now| span.holds(now)), [false, true, true, false]);
    /// ```
    pub const fn holds(self, now: i64) -> bool {
        self.from <= now && now < self.until
    }
}

/// The span that holds a moment, of spans that are ascending and apart.
pub fn span_at(spans: &[Span], now: i64) -> Option<Span> {
    let at = spans.partition_point(|span| span.until <= now);
    spans.get(at).copied().filter(|span| span.holds(now))
}

/// A window of a rule set, as [`crate::ruleset::Builder::window`] numbered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u16);

/// A window, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The name by which rules know it.
    pub name: String,
    /// When it is, in the words of whoever reads it.
    pub when: String,
}
