//! Findings that somebody has looked at and accepted in another server's text: `# byway: allow NAME`.
//!
//! Our own rules say `allow = ["NAME"]`; other servers know no such key, but all know comments. The comment holds for the
//! statement that follows it: with all that stands in its block, and with the conditions before a `RewriteRule`. Behind a
//! statement of nginx it holds for that line (to Apache that is no comment). A name that is none is said.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::lints;
use crate::own::suggest::nearest;
use crate::span::FileId;

/// What a comment begins with, behind its `#`.
const MARK: &str = "byway:";

/// The accepted findings of one load.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// The lines of each file and name: spans that do not touch, in their order.
    files: BTreeMap<(FileId, &'static str), Vec<RangeInclusive<u32>>>,
}

/// How many lines of one text are looked through for the ends of statements: a text of comments alone must not cost its square.
const LOOKED_THROUGH: usize = 4_000_000;

/// What is wrong with a comment: its line from 1, what, and what to write.
pub(crate) type Misread = (u32, String, String);

impl Accepted {
    /// Reads the comments of a text; what is no name of a lint is handed back.
    pub(crate) fn read(&mut self, file: FileId, bytes: &[u8], style: Style) -> Vec<Misread> {
        let mut wrong = Vec::new();
        // Most texts hold none, and are not looked at line by line.
        if memchr::memmem::find(bytes, MARK.as_bytes()).is_none() {
            return wrong;
        }
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let mut left = LOOKED_THROUGH;
        // Comments that follow one another speak of the same statement.
        let mut behind: Option<RangeInclusive<u32>> = None;
        for (at, line) in lines.iter().enumerate() {
            let Some((words, is_alone)) = comment(line, style) else { continue };
            let number = number(at);
            let range = match behind.clone().filter(|range| *range.start() > number) {
                _ if !is_alone => number..=number,
                Some(range) => range,
                None => {
                    let range = statement(&lines, at + 1, style, left);
                    left = left.saturating_sub((range.end() - number) as usize);
                    behind = Some(range.clone());
                    range
                }
            };
            let Some(names) = words.strip_prefix("allow") else {
                let what = format!("a comment for byway says `{words}`, which means nothing");
                wrong.push((number, what, format!("write `# {MARK} allow NAME`")));
                continue;
            };
            for name in names.split([',', ' ', '\t']).filter(|name| !name.is_empty()) {
                match lints::named(name) {
                    Some(lint) => self.accept(file, lint.name, range.clone()),
                    None => {
                        let known = lints::LINTS.iter().map(|lint| lint.name);
                        let help = match nearest(&name.replace('-', "_"), known) {
                            Some(near) => format!("write `{near}`"),
                            None => "`byway check --explain NAME` knows the names".to_owned(),
                        };
                        wrong.push((number, format!("there is no lint `{name}`"), help));
                    }
                }
            }
        }
        wrong
    }

    /// Whether a finding of this name is accepted on a line.
    pub(crate) fn holds(&self, file: FileId, line: u32, name: &'static str) -> bool {
        let Some(ranges) = self.files.get(&(file, name)) else { return false };
        let behind = ranges.partition_point(|range| *range.start() <= line);
        behind > 0 && ranges[behind - 1].contains(&line)
    }

    fn accept(&mut self, file: FileId, name: &'static str, range: RangeInclusive<u32>) {
        let ranges = self.files.entry((file, name)).or_default();
        match ranges.last_mut() {
            // One comment inside the statement of another.
            Some(last) if range.start() <= last.end() => *last = *last.start()..=*last.end().max(range.end()),
            _ => ranges.push(range),
        }
    }
}

/// How statements end in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// With `;`, or with the `}` of their block.
    Braces,
    /// With their line; sections have a line at both ends.
    Lines,
}

fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// The words of a comment for us, and whether it has a line of its own.
fn comment(line: &[u8], style: Style) -> Option<(&str, bool)> {
    let at = memchr::memmem::find(line, MARK.as_bytes())?;
    let before = line[..at].trim_ascii_end();
    let before = before.strip_suffix(b"#")?.trim_ascii();
    let is_alone = before.iter().all(|byte| *byte == b'#');
    let words = std::str::from_utf8(line[at + MARK.len()..].trim_ascii()).ok()?;
    (is_alone || style == Style::Braces).then_some((words, is_alone))
}

/// The lines of the first statement at or behind a line.
fn statement(lines: &[&[u8]], from: usize, style: Style, most: usize) -> RangeInclusive<u32> {
    let lines = &lines[..lines.len().min(from.saturating_add(most).saturating_add(1))];
    let is_nothing = |line: &&&[u8]| line.trim_ascii().is_empty() || line.trim_ascii().starts_with(b"#");
    let begin = from + lines[from.min(lines.len())..].iter().take_while(is_nothing).count();
    let end = match style {
        Style::Braces => end_of_braces(&lines[begin.min(lines.len())..]),
        Style::Lines => end_of_lines(&lines[begin.min(lines.len())..]),
    };
    number(begin)..=number(begin + end)
}

/// How many lines further a statement of nginx ends.
fn end_of_braces(lines: &[&[u8]]) -> usize {
    let (mut depth, mut quote) = (0usize, None);
    for (at, line) in lines.iter().enumerate() {
        let mut bytes = line.iter().copied().enumerate();
        while let Some((place, byte)) = bytes.next() {
            match (quote, byte) {
                (_, b'\\') => _ = bytes.next(),
                (Some(open), byte) if byte == open => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'#') if place == 0 || line[place - 1].is_ascii_whitespace() => break,
                (None, b'{') => depth += 1,
                (None, b'}') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                (None, b';') if depth == 0 => return at,
                _ => {}
            }
        }
    }
    lines.len()
}

/// How many lines further a statement of Apache ends: a section with its end, conditions with their rule.
fn end_of_lines(lines: &[&[u8]]) -> usize {
    let begins = |line: &[u8], word: &[u8]| {
        let line = line.trim_ascii_start();
        line.len() >= word.len() && line[..word.len()].eq_ignore_ascii_case(word)
    };
    let Some(first) = lines.first() else { return 0 };
    let first = first.trim_ascii_start();
    let (opening, closing) = match first.strip_prefix(b"<") {
        Some(rest) => {
            let name = rest.split(|byte| byte.is_ascii_whitespace() || *byte == b'>').next().unwrap_or_default();
            ([b"<".as_slice(), name].concat(), [b"</".as_slice(), name].concat())
        }
        None if begins(first, b"rewritecond") => (b"\0".to_vec(), b"rewriterule".to_vec()),
        None => return continued(lines, 0),
    };
    let mut depth = usize::from(opening[0] != b'<');
    for (at, line) in lines.iter().enumerate() {
        if begins(line, &closing) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return continued(lines, at);
            }
        } else if begins(line, &opening) {
            depth += 1;
        }
    }
    lines.len()
}

/// The last line of one that goes on behind a backslash.
fn continued(lines: &[&[u8]], from: usize) -> usize {
    from + lines[from..].iter().take_while(|line| line.trim_ascii_end().ends_with(b"\\")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, style: Style) -> (Vec<u32>, Vec<String>) {
        let mut accepted = Accepted::default();
        let wrong = accepted.read(FileId(0), text.as_bytes(), style);
        let lines = u32::try_from(text.lines().count()).expect("a short text");
        let held = (1..=lines).filter(|line| accepted.holds(FileId(0), *line, "tail-dropped")).collect();
        (held, wrong.into_iter().map(|(_, what, _)| what).collect())
    }

    #[test]
    fn a_comment_holds_for_the_statement_behind_it() {
        let block = "a;\n# byway: allow tail-dropped\n\n# why\nlocation ~ \"^/a{2};\" { # }\n  return 301 /x;\n}\nb;\n";
        assert_eq!(read(block, Style::Braces).0, [5, 6, 7]);
        assert_eq!(read("return 301 /x; # byway: allow host-echo, tail-dropped\nb;\n", Style::Braces).0, [1]);
        let conds = "#byway: allow tail-dropped\nRewriteCond a b\n# c\nRewriteRule a \\\n  b\nRedirect /a /b\n";
        assert_eq!(read(conds, Style::Lines).0, [2, 3, 4, 5]);
        let section =
            "# byway: allow tail-dropped\n<IfModule a>\n<IfModule b>\n</IfModule>\nRedirect /a /b\n</IfModule>\nx\n";
        assert_eq!(read(section, Style::Lines).0, [2, 3, 4, 5, 6]);
        assert_eq!(read("Redirect /a /b # byway: allow tail-dropped\n", Style::Lines).0, [0; 0]);
    }

    #[test]
    fn what_is_no_name_is_said() {
        assert_eq!(read("# byway: allow tail-droped\na;\n", Style::Braces).1, ["there is no lint `tail-droped`"]);
        let (held, wrong) = read("# byway: ignore tail-dropped\na;\n", Style::Braces);
        assert!(held.is_empty() && wrong[0].contains("means nothing"), "{wrong:?}");
    }

    #[test]
    fn a_comment_at_the_end_holds_for_nothing() {
        assert_eq!(read("a;\n# byway: allow tail-dropped", Style::Braces).0, [0; 0]);
        assert_eq!(read("# byway: allow tail-dropped\nserver {\n", Style::Braces).0, [2]);
    }
}
