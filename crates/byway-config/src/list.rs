//! What the readers of lists share: what a row says, and how it becomes a rule.
//!
//! A row is read into a [`Draft`] of borrowed texts and handed in at once. What is wrong with one row is said of that row, the
//! rest is read on; a cause that comes back a thousand times is counted ([`Diagnostics::push_of_list`]).

use std::ops::Range;

use byway_core::dialect::{LetterCase, QueryPolicy, TrailingSlash};
use byway_core::rule::{Action, Place, Rule};
use byway_core::ruleset::TableId;
use byway_core::source::Source;
use byway_core::status::StatusByMethod;
use byway_core::target::Target;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::intake::{Intake, Refused};
use crate::lines::Lines;
use crate::own::include::ListOptions;
use crate::span::FileId;

/// A list being read.
pub(crate) struct List<'l> {
    pub(crate) file: FileId,
    /// Its name, for the line to paste.
    pub(crate) name: &'l str,
    pub(crate) table: TableId,
    pub(crate) how: &'l ListOptions,
    pub(crate) intake: &'l mut Intake,
    pub(crate) diagnostics: &'l mut Diagnostics,
}

/// A text of the current record, and where it stands in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'r> {
    pub(crate) text: &'r str,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Cell<'_> {
    /// The place in the record of some bytes of the text; the whole cell where it was written with doubled quotes.
    fn within(&self, at: Range<usize>) -> Range<usize> {
        match self.end - self.start == self.text.len() {
            true => self.start + at.start..self.start + at.end,
            false => self.start..self.end,
        }
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Draft<'r> {
    pub(crate) from: Cell<'r>,
    pub(crate) to: Cell<'r>,
    pub(crate) status: StatusByMethod,
    pub(crate) query: QueryPolicy,
    pub(crate) slash: TrailingSlash,
    pub(crate) case: LetterCase,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) id: Option<&'r str>,
    pub(crate) group: Option<&'r str>,
    pub(crate) owner: Option<&'r str>,
    pub(crate) note: Option<&'r str>,
    pub(crate) conditions: &'r [byway_core::condition::Condition],
}

impl List<'_> {
    /// Says something of the current record.
    pub(crate) fn say(
        &mut self,
        lines: &Lines<'_>,
        at: Range<usize>,
        severity: Severity,
        code: &'static str,
        what: impl FnOnce() -> (String, Option<String>),
    ) {
        let file = self.file;
        self.diagnostics.push_of_list(file, code, severity, || {
            let (what, help) = what();
            Diagnostic::new(severity, code, what).at(lines.span(file, at.start, at.end)).maybe_help(help)
        });
    }

    /// Says what is wrong with the current record.
    pub(crate) fn refuse(
        &mut self,
        lines: &Lines<'_>,
        at: Range<usize>,
        code: &'static str,
        what: impl Into<String>,
        help: Option<String>,
    ) {
        let what = what.into();
        self.say(lines, at, Severity::Error, code, || (what, help));
    }

    /// Makes the row a rule and hands it in.
    pub(crate) fn take(&mut self, lines: &Lines<'_>, draft: Draft<'_>) {
        let mut source = match Source::parse(draft.from.text) {
            Ok(source) => source,
            Err(error) => return self.refuse(lines, draft.from.within(error.at), "bad-source", error.what, error.help),
        };
        source.slash = draft.slash;
        if draft.case == LetterCase::Ignored {
            crate::own::rule::set_case(&mut source, draft.case);
        }
        let target = match Target::parse(draft.to.text, &source) {
            Ok(target) => target,
            Err(error) => return self.refuse(lines, draft.to.within(error.at), "bad-target", error.what, error.help),
        };
        let rule = Rule {
            conditions: draft.conditions,
            since: draft.since,
            until: draft.until,
            id: draft.id,
            group: draft.group.or(self.how.group.as_deref()),
            owner: draft.owner.or(self.how.owner.as_deref()),
            note: draft.note,
            place: Place { file: self.file, line: lines.line() },
            ..Rule::new(source, Action::Redirect { status: draft.status, target, query: draft.query })
        };
        if let Err(Refused { code, what, help }) = self.intake.push(self.table, &rule) {
            let cell = if code == "target-host" { draft.to } else { draft.from };
            self.refuse(lines, cell.start..cell.end, code, what, help);
        }
    }

    /// The current record as text, or an error that says which byte is none.
    pub(crate) fn utf8<'r>(&mut self, lines: &'r Lines<'_>) -> Option<&'r str> {
        let record = lines.record();
        match std::str::from_utf8(record) {
            Ok(text) => Some(text),
            Err(error) => {
                let at = error.valid_up_to();
                let byte = record[at];
                self.refuse(
                    lines,
                    at..at + 1,
                    "not-utf8",
                    format!("byte 0x{byte:02X} is not UTF-8"),
                    Some(latin_help(byte)),
                );
                None
            }
        }
    }
}

/// What a byte that is not UTF-8 most likely is.
pub(crate) fn latin_help(byte: u8) -> String {
    match byte {
        0xA0.. => format!("save the file as UTF-8; in Latin-1 this byte is `{}`", char::from(byte)),
        _ => "save the file as UTF-8".to_owned(),
    }
}
