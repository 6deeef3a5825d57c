//! A rule's status written anew in its text, and nothing else touched: for `byway promote`.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::own::page::integer;
use crate::span::LineIndex;

/// Numbers of a status to write, for GET and HEAD and for other methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// For GET and HEAD.
    pub get: u16,
    /// For every other method.
    pub other: u16,
}

/// Why a status cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// No `[[redirect]]` of this text begins there.
    NoRule,
    /// The text cannot be read.
    Broken,
}

/// The text with another status for the `[[redirect]]` whose `from` stands on this line, counted from 1. Where the rule says
/// none, a line is added after its `to`.
///
/// ```
/// use byway_config::promotion::{Statuses, with_status};
/// let text = "# moved\n[[redirect]]\nfrom   = \"/a\"  # old\nto     = \"/b\"\n";
/// let both = Statuses { get: 308, other: 308 };
/// let new = with_status(text, 3, both).unwrap();
/// assert_eq!(new, "# moved\n[[redirect]]\nfrom   = \"/a\"  # old\nto     = \"/b\"\nstatus = 308\n");
/// assert_eq!(with_status(&new, 3, Statuses { get: 301, other: 308 }).unwrap(), new.replace("308", "{ get = 301, other = 308 }"));
/// ```
pub fn with_status(text: &str, line: u32, statuses: Statuses) -> Result<String, NotWritten> {
    let root = DeTable::parse(text).map_err(|_| NotWritten::Broken)?;
    let lines = LineIndex::new(text);
    let redirects = root.get_ref().get("redirect").and_then(|value| value.get_ref().as_array());
    let of_line = |table: &&DeTable<'_>| table.get("from").is_some_and(|from| lines.line(from.span().start) == line);
    let mut rules = redirects.into_iter().flat_map(|all| all.iter()).filter_map(|value| value.get_ref().as_table());
    let rule = rules.find(of_line).ok_or(NotWritten::NoRule)?;
    let (at, written) = match rule.get("status") {
        Some(value) => in_place_of(value.get_ref(), value.span(), statuses),
        None => {
            let to = rule.get("to").ok_or(NotWritten::NoRule)?;
            after(text, to.span(), statuses)
        }
    };
    let mut new = String::with_capacity(text.len() + written.len());
    new.push_str(&text[..at.start]);
    new.push_str(&written);
    new.push_str(&text[at.end..]);
    Ok(new)
}

/// The line of the `from` of the `[[redirect]]` that a line belongs to, from its header to its last key; both counted from 1.
///
/// ```
/// use byway_config::promotion::line_of_from;
/// let text = "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n";
/// assert_eq!((line_of_from(text, 1), line_of_from(text, 3), line_of_from(text, 4)), (Some(2), Some(2), None));
/// ```
pub fn line_of_from(text: &str, line: u32) -> Option<u32> {
    let root = DeTable::parse(text).ok()?;
    let lines = LineIndex::new(text);
    let redirects = root.get_ref().get("redirect").and_then(|value| value.get_ref().as_array())?;
    redirects.iter().find_map(|value| {
        let table = value.get_ref().as_table()?;
        let last = table.iter().map(|(_, value)| lines.line(value.span().end)).max()?;
        let from = lines.line(table.get("from")?.span().start);
        (lines.line(value.span().start)..=last).contains(&line).then_some(from)
    })
}

fn in_place_of(value: &DeValue<'_>, at: Range<usize>, statuses: Statuses) -> (Range<usize>, String) {
    // A pair of which one half changes keeps the layout of the other half.
    if let Some(table) = value.as_table()
        && let [Some(get), Some(other)] = ["get", "other"].map(|key| table.get(key))
    {
        let same = |value: &DeValue<'_>, status: u16| integer(value) == Some(i64::from(status));
        if same(get.get_ref(), statuses.get) {
            return (other.span(), statuses.other.to_string());
        }
        if same(other.get_ref(), statuses.other) {
            return (get.span(), statuses.get.to_string());
        }
    }
    (at, written(statuses))
}

fn written(Statuses { get, other }: Statuses) -> String {
    if get == other { get.to_string() } else { format!("{{ get = {get}, other = {other} }}") }
}

/// A line of its own after that of `to`, with the same indentation and its `=` below the other; within an inline table, beside.
fn after(text: &str, to: Range<usize>, statuses: Statuses) -> (Range<usize>, String) {
    let begin = text[..to.start].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[begin..to.start];
    if before.contains('{') || !before.trim_start().starts_with(['t', '"', '\'']) {
        return (to.end..to.end, format!(", status = {}", written(statuses)));
    }
    let indent = &before[..before.len() - before.trim_start().len()];
    let width = before.find('=').unwrap_or(0).saturating_sub(indent.len());
    let line = format!("{indent}{:<width$}= {}", "status ", written(statuses));
    let end = text[to.end..].find('\n').map_or(text.len(), |at| to.end + at);
    let is_windows = text[..end].ends_with('\r');
    let end = if is_windows { end - 1 } else { end };
    (end..end, format!("{}{line}", if is_windows { "\r\n" } else { "\n" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Statuses = Statuses { get: 308, other: 308 };

    #[test]
    fn everything_else_stays_byte_for_byte() {
        for (text, line, new) in [
            (
                "\r\n[[redirect]]\r\n  from = \"/a\"\r\n  to = \"/b\" # x\r\n",
                3,
                "\r\n[[redirect]]\r\n  from = \"/a\"\r\n  to = \"/b\" # x\r\n  status = 308\r\n",
            ),
            (
                "[[redirect]]\nstatus=307# now\nto='/b'\nfrom='/a'",
                4,
                "[[redirect]]\nstatus=308# now\nto='/b'\nfrom='/a'",
            ),
            ("redirect = [{from=\"/a\",to=\"/b\"}]", 1, "redirect = [{from=\"/a\",to=\"/b\", status = 308}]"),
        ] {
            assert_eq!(with_status(text, line, BOTH).as_deref(), Ok(new));
        }
        let pair = "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\nstatus = {  get = 301,other =  307 }\n";
        let wanted = Statuses { get: 301, other: 308 };
        assert_eq!(with_status(pair, 2, wanted), Ok(pair.replace("307", "308")));
        assert_eq!(with_status(pair, 3, BOTH), Err(NotWritten::NoRule));
        assert_eq!(with_status("[[", 1, BOTH), Err(NotWritten::Broken));
    }
}
