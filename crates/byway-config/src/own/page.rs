//! A page of TOML while it is read: its text, its values with their places, and what is wrong with them.
//!
//! A [`Record`] is one table held against its [`Section`]: unknown keys, missing keys and wrong shapes are reported when it is
//! opened, all of them, and what is left is asked by name. A value of a wrong shape counts as absent, so that one mistake is
//! named once.

use std::ops::Range;

use byway_core::source::unquoted;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Kind, Need, Section};
use super::suggest::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::span::{FileId, LineIndex, Span};

/// A value with its place.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// A text being read.
pub(crate) struct Page<'p> {
    pub(crate) text: &'p str,
    pub(crate) file: FileId,
    pub(crate) diagnostics: &'p mut Diagnostics,
    lines: LineIndex,
    /// Lines on which the syntax is broken: what is missing or unknown there is a consequence.
    broken: Vec<u32>,
    /// How many errors were found so far.
    pub(crate) errors: usize,
}

impl<'p> Page<'p> {
    pub(crate) fn new(text: &'p str, file: FileId, diagnostics: &'p mut Diagnostics) -> Page<'p> {
        Page { text, file, diagnostics, lines: LineIndex::new(text), broken: Vec::new(), errors: 0 }
    }

    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        self.lines.span(self.file, self.text, range)
    }

    pub(crate) fn line(&self, at: usize) -> u32 {
        self.lines.line(at)
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.diagnostics.push(diagnostic);
    }

    /// Parses the text, reporting every line whose syntax is broken, up to [`SYNTAX_LIMIT`]: what has more is no TOML, and is
    /// not read.
    pub(crate) fn parse(&mut self) -> DeTable<'p> {
        let (table, errors) = match parsed(self.text) {
            Ok(read) => read,
            Err(errors) => (Spanned::new(0..0, DeTable::default()), errors),
        };
        let is_stopped = errors.len() > SYNTAX_LIMIT;
        for error in errors {
            let range = error.span().unwrap_or(0..0);
            let line = self.line(range.start);
            // What follows a mistake on its line is a consequence of it.
            if self.broken.last() == Some(&line) {
                continue;
            }
            self.broken.push(line);
            if self.broken.len() > SYNTAX_LIMIT {
                break;
            }
            let shown = self.text.get(range.clone()).unwrap_or_default();
            let Mistake { code, what, help } = mistake(error.message(), shown);
            let diagnostic = Diagnostic::error(code, what).at(self.span(range)).maybe_help(help);
            self.push(diagnostic);
        }
        if is_stopped {
            let message = format!("reading stopped after the first mistakes: more than {SYNTAX_LIMIT} in this file");
            let last = self.broken.last().copied().unwrap_or(1);
            let help = format!("mend line {last} and those above it first, or look whether this is a file of TOML");
            self.push(Diagnostic::error("not-read", message).help(help));
        }
        table.into_inner()
    }

    fn is_broken_at(&self, at: usize) -> bool {
        let line = self.line(at);
        self.broken.iter().any(|broken| broken.abs_diff(line) <= 1)
    }

    /// Whether a value stands on a line whose syntax is broken: what the parser made of it is a guess.
    pub(crate) fn is_guessed(&self, value: &Value<'_>) -> bool {
        self.broken.contains(&self.line(value.span().start))
    }

    /// The place of some bytes of a string's value: inside its quotes where it is written without escapes, else all of it.
    pub(crate) fn within(&self, value: &Value<'_>, inner: Range<usize>) -> Span {
        let outer = value.span();
        let written = self.text.get(outer.clone()).unwrap_or_default();
        let plain = value
            .get_ref()
            .as_str()
            .is_some_and(|text| written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text));
        match plain {
            true => self.span(outer.start + 1 + inner.start..outer.start + 1 + inner.end),
            false => self.span(outer),
        }
    }

    /// Holds a table against its section.
    pub(crate) fn open<'t>(
        &mut self,
        table: &'t DeTable<'p>,
        at: Range<usize>,
        section: &'static Section,
    ) -> Record<'t, 'p> {
        let mut meant = Vec::new();
        for (key, _) in in_order(table) {
            if section.key(key.get_ref()).is_none() && !self.is_broken_at(key.span().start) {
                meant.extend(self.unknown_key(key.span(), key.get_ref(), table, section));
            }
        }
        let mut record = Record { values: Vec::with_capacity(table.len()), at };
        for key in section.keys {
            match table.get_key_value(key.name) {
                Some((name, value)) if self.fits(key, value) => record.values.push((key.name, name.span(), value)),
                Some(_) => {}
                // A key that was misspelt is not missing as well.
                None if meant.contains(&key.name) => {}
                None if key.need == Need::Required && !self.is_broken_at(record.at.start) => {
                    self.missing_key(&record, key, section)
                }
                None => {}
            }
        }
        record
    }

    /// Reports a key that does not exist; which one was probably meant.
    fn unknown_key(
        &mut self,
        range: Range<usize>,
        name: &str,
        table: &DeTable<'_>,
        section: &'static Section,
    ) -> Option<&'static str> {
        let known = section.keys.iter().map(|key| key.name);
        let span = self.span(range);
        let message = format!("`{name}` is no key of {}", section.title);
        let diagnostic = Diagnostic::error("unknown-key", message).at(span.clone());
        // What is there already was not meant.
        let meant = nearest(name, known.clone().filter(|known| !table.contains_key(*known)));
        self.push(match meant {
            Some(near) => {
                diagnostic.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")).fix(span, near)
            }
            None => diagnostic.help(format!("there are {}", listed(known))),
        });
        meant
    }

    fn missing_key(&mut self, record: &Record<'_, '_>, key: &Key, section: &Section) {
        let message = format!("{} without `{}`", section.title, key.name);
        let diagnostic = Diagnostic::error("missing-key", message).at(self.span(record.at.clone())).help(key.help);
        self.push(diagnostic);
    }

    /// Whether a value has the shape that its key asks for; says so where it has not.
    fn fits(&mut self, key: &Key, value: &Value<'_>) -> bool {
        let Some(wanted) = misfit(&key.kind, value.get_ref()) else { return true };
        if self.is_broken_at(value.span().start) {
            return false;
        }
        let found = found(value.get_ref());
        let message = format!("`{}` is {wanted}", key.name);
        let mut diagnostic =
            Diagnostic::error("wrong-type", message).at(self.span(value.span())).label(format!("this is {found}"));
        diagnostic = diagnostic.help(help_for(key, value.get_ref()).unwrap_or_else(|| key.help.to_owned()));
        self.push(diagnostic);
        false
    }

    /// Every text of an array; others are reported.
    pub(crate) fn texts<'t>(&mut self, name: &str, value: &'t Value<'p>) -> Vec<(&'t str, &'t Value<'p>)> {
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text, item)),
                None => {
                    let message = format!("`{name}` is a list of strings");
                    let label = format!("this is {}", found(item.get_ref()));
                    let diagnostic = Diagnostic::error("wrong-type", message).at(self.span(item.span())).label(label);
                    self.push(diagnostic);
                }
            }
        }
        texts
    }
}

/// The most mistakes of syntax in a file that is read on.
const SYNTAX_LIMIT: usize = 20;
/// How much of a text is looked at first; what is no TOML at all shows itself there.
const PROBE: usize = 16 * 1024;

type Parsed<'p> = (Spanned<DeTable<'p>>, Vec<toml::de::Error>);

/// Parses a text, unless a part of it from its beginning has more mistakes than are read past: finding all of them in a long text
/// that is something else takes for ever. Parts grow eightfold, so that a sound text costs little more than its own parsing.
fn parsed(text: &str) -> Result<Parsed<'_>, Vec<toml::de::Error>> {
    let mut end = PROBE;
    while end < text.len() {
        let part = &text[..text.floor_char_boundary(end)];
        // What is cut off makes a mistake or two at its end.
        let (_, errors) = DeTable::parse_recoverable(part);
        if errors.len() > SYNTAX_LIMIT + 2 {
            return Err(errors);
        }
        end = end.saturating_mul(8);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    match errors.len() > SYNTAX_LIMIT {
        true => Err(errors),
        false => Ok((table, errors)),
    }
}

/// A mistake in the syntax, as a person is told of it.
struct Mistake {
    code: &'static str,
    what: String,
    help: Option<String>,
}

/// What people do most has words of its own; the rest is said as the parser says it.
fn mistake(message: &str, shown: &str) -> Mistake {
    let short = shortened(shown.trim());
    let syntax = |what: String, help: String| Mistake { code: "syntax", what, help: Some(help) };
    match message {
        "duplicate key" => Mistake {
            code: "duplicate-key",
            what: format!("`{shown}` is set twice"),
            help: Some("keep one of the two".to_owned()),
        },
        _ if message.starts_with("string values must be quoted") => match unquoted(shown.trim()) {
            Some(bare) => syntax(
                format!("`{short}` stands in typographic quotes"),
                format!("write `\"{}\"`, in straight quotes", shortened(bare)),
            ),
            None => syntax(format!("`{short}` stands without quotes"), format!("write `\"{short}\"`")),
        },
        _ if message.starts_with("invalid date") || message.starts_with("invalid time") => {
            syntax(format!("`{short}` is not in the calendar: {message}"), "write a day that there is".to_owned())
        }
        _ => Mistake { code: "syntax", what: message.to_owned(), help: syntax_help(message) },
    }
}

/// What to write where the parser misses something.
fn syntax_help(message: &str) -> Option<String> {
    let help = match message.rsplit_once("expected ").map(|(before, wanted)| (before, wanted.trim_matches('`'))) {
        Some((before, "\"")) if before.contains("string") => "close the text with `\"` on its line",
        Some((before, "'")) if before.contains("string") => "close the text with `'` on its line",
        Some((_, "]]")) => "close the header with `]]`, as `[[redirect]]`",
        Some((before, "]")) if before.contains("table") => "close the header with `]`",
        Some((_, "]")) => "close the list with `]`",
        Some((_, "}")) => "close the table with `}`",
        Some((_, "=")) => "write `key = value`",
        _ if message.starts_with("unquoted keys cannot be empty") => "write a name, as in `[[redirect]]`",
        Some((_, wanted)) if !wanted.is_empty() && wanted.len() <= 12 && !wanted.contains(['`', ',', ' ']) => {
            return Some(format!("write `{wanted}` here"));
        }
        _ => return None,
    };
    Some(help.to_owned())
}

/// The entries of a table as they stand in the text.
pub(crate) fn in_order<'t, 'p>(table: &'t DeTable<'p>) -> Vec<(&'t Spanned<std::borrow::Cow<'p, str>>, &'t Value<'p>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A table whose keys and shapes were checked.
pub(crate) struct Record<'t, 'p> {
    values: Vec<(&'static str, Range<usize>, &'t Value<'p>)>,
    /// The header, or the braces.
    pub(crate) at: Range<usize>,
}

impl<'t, 'p> Record<'t, 'p> {
    pub(crate) fn get(&self, name: &str) -> Option<&'t Value<'p>> {
        self.values.iter().find(|(key, ..)| *key == name).map(|(_, _, value)| *value)
    }

    /// The place of a key.
    pub(crate) fn key_at(&self, name: &str) -> Option<Range<usize>> {
        self.values.iter().find(|(key, ..)| *key == name).map(|(_, at, _)| at.clone())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'t str> {
        self.get(name)?.get_ref().as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        integer(self.get(name)?.get_ref())
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.get_ref().as_bool()
    }

    /// The table under a key, and its place.
    pub(crate) fn table(&self, name: &str) -> Option<(&'t DeTable<'p>, Range<usize>)> {
        let value = self.get(name)?;
        Some((value.get_ref().as_table()?, value.span()))
    }
}

/// A TOML integer as a number, where it fits.
pub(crate) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What a kind asks for, where a value is not that.
fn misfit(kind: &Kind, value: &DeValue<'_>) -> Option<String> {
    let word = |text: &str| Some(text.to_owned());
    match (kind, value) {
        (Kind::Text | Kind::Source | Kind::Target, DeValue::String(_)) => None,
        (Kind::Text | Kind::Source | Kind::Target, _) => word("a string"),
        (Kind::Texts, DeValue::Array(_)) => None,
        (Kind::Texts, _) => word("a list of strings"),
        (Kind::TextOrTexts, DeValue::String(_) | DeValue::Array(_)) => None,
        (Kind::TextOrTexts, _) => word("a string or a list of strings"),
        (Kind::Listens, DeValue::String(_) | DeValue::Array(_)) => None,
        (Kind::Listens, _) => word("an address or a list of addresses"),
        (Kind::TableOrTables(_), DeValue::Table(_)) => None,
        (Kind::TableOrTables(_), DeValue::Array(items)) if items.iter().all(|item| item.get_ref().is_table()) => None,
        (Kind::TableOrTables(_), _) => word("a table or a list of tables"),
        (Kind::Includes, DeValue::Array(_)) => None,
        (Kind::Includes, _) => word("a list"),
        (Kind::Status, DeValue::Integer(_) | DeValue::Table(_) | DeValue::String(_)) => None,
        (Kind::Status, _) => word("a number or `{ get = …, other = … }`"),
        (Kind::OneOf(_), DeValue::Integer(_)) => None,
        (Kind::OneOf(_), _) => word("a number"),
        (Kind::Number(least, most), DeValue::Integer(_)) => match integer(value) {
            Some(number) if (*least..=*most).contains(&number) => None,
            _ => Some(format!("a whole number from {least} to {most}")),
        },
        (Kind::Number(least, most), _) => Some(format!("a whole number from {least} to {most}")),
        (Kind::Word(words), DeValue::String(text)) if words.contains(&text.as_ref()) => None,
        (Kind::Word(words), _) => Some(listed_or(words)),
        (Kind::Query, DeValue::String(_) | DeValue::Table(_)) => None,
        (Kind::Query, _) => word("a string or a table"),
        (Kind::Conditions | Kind::Table(_), DeValue::Table(_)) => None,
        (Kind::Conditions | Kind::Table(_), _) => word("a table"),
        (Kind::Instant, DeValue::Datetime(_) | DeValue::String(_)) => None,
        (Kind::Instant, _) => word("a date, or a date and a time"),
        (Kind::Cache, DeValue::String(_) | DeValue::Integer(_)) => None,
        (Kind::Cache, _) => word("a string or a number of seconds"),
        (Kind::Duration, DeValue::String(_)) => None,
        (Kind::Duration, _) => word("a time with its unit, as `10s`"),
        (Kind::Size, DeValue::String(_) | DeValue::Integer(_)) => None,
        (Kind::Size, _) => word("a number of bytes, as `64KiB`"),
        (Kind::Period, DeValue::String(_)) => None,
        (Kind::Period, _) => word("a time in days, weeks, months or years, as `90d` or `6mo`"),
        (Kind::Review, DeValue::String(_) | DeValue::Datetime(_)) => None,
        (Kind::Review, _) => word("a time as `90d`, or a date"),
        (Kind::Clock, DeValue::String(_) | DeValue::Datetime(_)) => None,
        (Kind::Clock, _) => word("a time of the clock, as `02:00`"),
        (Kind::RetryAfter, DeValue::Integer(_)) => {
            integer(value).filter(|n| u32::try_from(*n).is_err()).map(|_| "a number of seconds".to_owned())
        }
        (Kind::RetryAfter, DeValue::String(text))
            if text == "window" || super::server::parse_duration(text).is_some() =>
        {
            None
        }
        (Kind::RetryAfter, _) => word("a number of seconds, a time as `30s`, or `window`"),
        (Kind::Members | Kind::Tiers, DeValue::Array(_)) => None,
        (Kind::Members | Kind::Tiers, _) => word("a list of URLs"),
        (Kind::MonthDay, DeValue::String(_) | DeValue::Integer(_)) => None,
        (Kind::MonthDay, _) => word("a day of a month, as `first sunday`"),
        (Kind::Numbers, DeValue::Integer(_) | DeValue::Array(_)) => None,
        (Kind::Numbers, _) => word("a number or a list of numbers"),
        (Kind::Down, DeValue::Table(_)) => None,
        (Kind::Down, DeValue::String(text)) if text == "last-standby" => None,
        (Kind::Down, _) => word("`last-standby`, or `{ status = 503, retry_after = \"30s\" }`"),
        (Kind::Named(_), DeValue::Table(tables)) if tables.iter().all(|(_, value)| value.get_ref().is_table()) => None,
        (Kind::Named(section), _) => Some(format!("a table of tables: write `{}`", section.title)),
        (Kind::Shares, DeValue::Table(_)) => None,
        (Kind::Shares, _) => word("a table of names and shares"),
        (Kind::WayPast, DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_)) => None,
        (Kind::WayPast, _) => word("`cookie:NAME`, `query:NAME`, or a table"),
        (Kind::TableOrFalse(_), DeValue::Table(_) | DeValue::Boolean(false)) => None,
        (Kind::TableOrFalse(_), _) => word("a table or `false`"),
        (Kind::Flag, DeValue::Boolean(_)) => None,
        (Kind::Flag, _) => word("`true` or `false`"),
        (Kind::Tables(_), DeValue::Array(items)) if items.iter().all(|item| item.get_ref().is_table()) => None,
        (Kind::Tables(_), _) => word("a list of tables"),
    }
}

/// The help for a wrong shape that needs more than the key's own sentence.
fn help_for(key: &Key, value: &DeValue<'_>) -> Option<String> {
    match (&key.kind, value) {
        (Kind::Tables(section), DeValue::Table(_)) => Some(format!("write `{}` with two brackets", section.title)),
        (Kind::Word(words), DeValue::String(text)) => {
            nearest(text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"))
        }
        (Kind::Source | Kind::Target, DeValue::Integer(number)) => {
            Some(format!("write `{} = \"/{number}\"`", key.name))
        }
        (Kind::Texts, DeValue::String(text)) => Some(format!("write `{} = [\"{text}\"]`", key.name)),
        (Kind::Includes, DeValue::String(text)) => Some(format!("write `{} = [\"{text}\"]`", key.name)),
        (Kind::Text | Kind::Source | Kind::Target, DeValue::Array(_)) => {
            Some(format!("one {} a table: write a table for each", key.name))
        }
        (Kind::OneOf(_) | Kind::Number(..), DeValue::String(text)) if text.parse::<i64>().is_ok() => {
            Some(format!("write `{} = {text}`, without quotes", key.name))
        }
        _ => None,
    }
}

/// What a value is, as a message says it.
pub(crate) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{}\"", shortened(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// At most forty characters of a text.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `a`, `b`, `c`
pub(crate) fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// `a`, `b` or `c`
fn listed_or(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => format!("{} or `{last}`", listed(rest.iter().copied())),
        None => String::new(),
    }
}
