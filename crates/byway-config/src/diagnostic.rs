//! What is said of text: what, where, why, the other place, and one concrete help.
//!
//! A [`Diagnostic`] is data; [`crate::render`] draws it for people, [`crate::report`] writes it for programs. It quotes the
//! person's own words. [`Diagnostics`] gathers: reading never stops at the first mistake, and one mistake that a list makes
//! two hundred thousand times is kept a few times and counted.

use std::collections::BTreeMap;

use crate::span::{FileId, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Probably not meant.
    Warning,
    /// The rules cannot be loaded, or do not do what they say.
    Error,
}

impl Severity {
    /// All, from the mildest.
    pub const ALL: [Severity; 3] = [Severity::Note, Severity::Warning, Severity::Error];

    /// `error`, `warning` or `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Another place that has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// A replacement of some bytes by a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is taken out; empty where something is only put in.
    pub span: Span,
    /// What comes in its place.
    pub text: String,
}

/// One remark on text.
///
/// ```
/// use byway_config::diagnostic::{Diagnostic, Severity};
/// let diagnostic = Diagnostic::error("bad-status", "304 is no redirect").help("write 307");
/// assert_eq!(diagnostic.severity, Severity::Error);
/// assert_eq!(diagnostic.help, ["write 307"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// The name of the cause, or of the lint.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` where there is no text, as for a file that is not there.
    pub primary: Option<Span>,
    /// What stands there.
    pub label: Option<String>,
    /// The other places.
    pub labels: Vec<Label>,
    /// What to do; the first line is the one to follow.
    pub help: Vec<String>,
    /// The edits that do it: all or none.
    pub fix: Vec<Edit>,
}

impl Diagnostic {
    /// A remark without a place yet.
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let message = message.into();
        Diagnostic {
            severity,
            code,
            message,
            primary: None,
            label: None,
            labels: Vec::new(),
            help: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, message)
    }

    /// A note.
    pub fn note(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Note, code, message)
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Span) -> Diagnostic {
        self.primary = Some(span);
        self
    }

    /// Says what stands there.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.label = Some(text.into());
        self
    }

    /// Names another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Says what to do, if there is something to say.
    #[must_use]
    pub fn maybe_help(self, text: Option<String>) -> Diagnostic {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }

    /// Offers an edit.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.fix.push(Edit { span, text: text.into() });
        self
    }
}

/// How often one cause is kept for one list, and one message for one text; the rest is counted.
pub const KEPT_PER_CAUSE: u64 = 5;
/// How many of one cause are kept for one text, however different they are.
const KEPT_PER_TEXT: u64 = 100;

/// What one list gave cause for.
#[derive(Clone, Debug, Default)]
struct Listed {
    count: u64,
    kept: u64,
    /// How often each message was there, of those that were looked at.
    messages: BTreeMap<String, u64>,
}

/// Diagnostics as they are gathered.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    lists: BTreeMap<(FileId, &'static str, Severity), Listed>,
    errors: u64,
}

impl Diagnostics {
    /// Keeps one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += u64::from(diagnostic.severity == Severity::Error);
        self.items.push(diagnostic);
    }

    /// Counts one of a list, and keeps it while it is among the first of its cause; `make` is called only then.
    pub fn push_of_list(
        &mut self,
        file: FileId,
        code: &'static str,
        severity: Severity,
        make: impl FnOnce() -> Diagnostic,
    ) {
        let listed = self.lists.entry((file, code, severity)).or_default();
        listed.count += 1;
        self.errors += u64::from(severity == Severity::Error);
        if listed.kept < KEPT_PER_CAUSE {
            listed.kept += 1;
            self.items.push(make());
        }
    }

    /// The same for a text that people write by hand, where a cause has many faces: each message that differs is kept.
    pub fn push_of_text(
        &mut self,
        file: FileId,
        code: &'static str,
        severity: Severity,
        make: impl FnOnce() -> Diagnostic,
    ) {
        let listed = self.lists.entry((file, code, severity)).or_default();
        listed.count += 1;
        self.errors += u64::from(severity == Severity::Error);
        if listed.kept >= KEPT_PER_TEXT {
            return;
        }
        let made = make();
        let same = listed.messages.entry(made.message.clone()).or_default();
        *same += 1;
        if *same <= KEPT_PER_CAUSE {
            listed.kept += 1;
            self.items.push(made);
        }
    }

    /// How many errors there were, kept or not.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// All that were kept, as they stand in the files, and one line more for each cause of which some were not. `name` names
    /// the files.
    pub fn finish<'n>(mut self, name: impl Fn(FileId) -> &'n str) -> Vec<Diagnostic> {
        self.items.sort_by_key(|item| {
            item.primary.as_ref().map_or((FileId(u16::MAX), usize::MAX), |span| (span.file, span.start))
        });
        for ((file, code, severity), listed) in std::mem::take(&mut self.lists) {
            let more = listed.count - listed.kept;
            if more > 0 {
                let message = format!("{} more like these in {} ({code})", grouped(more), name(file));
                self.items.push(Diagnostic::new(severity, code, message));
            }
        }
        self.items
    }
}

/// A number with commas between thousands, as people read them.
///
/// ```
/// assert_eq!(byway_config::diagnostic::grouped(1234567), "1,234,567");
/// ```
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_repeats_is_kept_a_few_times_and_counted() {
        let mut gathered = Diagnostics::default();
        for row in 0..1005 {
            gathered.push_of_list(FileId(0), "bad-row", Severity::Error, || {
                Diagnostic::error("bad-row", format!("row {row}"))
            });
        }
        assert_eq!(gathered.errors(), 1005);
        let items = gathered.finish(|_| "moves.csv");
        assert_eq!(items.len(), 6);
        assert_eq!(items[5].message, "1,000 more like these in moves.csv (bad-row)");
    }

    #[test]
    fn of_a_text_each_different_mistake_is_kept() {
        let mut gathered = Diagnostics::default();
        for line in 0..1000 {
            let what = if line % 100 == 99 { format!("line {line}") } else { "the same".to_owned() };
            gathered.push_of_text(FileId(0), "syntax", Severity::Error, || Diagnostic::error("syntax", what));
        }
        let items = gathered.finish(|_| "httpd.conf");
        assert_eq!(items.len(), 10 + 5 + 1);
        assert_eq!(items[15].message, "985 more like these in httpd.conf (syntax)");
    }

    #[test]
    fn of_a_text_with_very_many_mistakes_only_the_first_are_kept() {
        let mut gathered = Diagnostics::default();
        for line in 0..1_000_000 {
            gathered.push_of_text(FileId(0), "syntax", Severity::Error, || {
                Diagnostic::error("syntax", format!("line {line}"))
            });
        }
        assert_eq!(gathered.finish(|_| "httpd.conf").len(), 101);
    }
}
