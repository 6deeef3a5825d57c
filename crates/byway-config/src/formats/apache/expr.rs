//! Expressions (`<If>`, `RewriteCond expr`) as conditions: comparisons of what is known of a request, joined by `&&`, `||`, `!`.
//!
//! An expression becomes clauses of which all must hold, each a list of conditions of which one is enough. What asks for more
//! than the request (files, functions, the time) is refused by name.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;

use super::cond::pieces;
use super::expand::{Known, Unplaced};
use super::pattern::pattern;
use super::steps::{self, Around};

/// The most clauses and conditions that an expression becomes.
const LIMIT: usize = 64;
/// How deep parentheses go.
const DEPTH: usize = 32;

/// Clauses, all of which must hold; of the conditions of a clause one is enough. No clauses always hold, an empty one never.
pub(super) type Clauses = Vec<Vec<Condition>>;

/// Reads an expression; `is_changed` says whether a rule before it has written the path.
pub(super) fn read(text: &str, around: &Around<'_>, is_changed: bool) -> Result<Clauses, Unplaced> {
    let mut reader = Reader { rest: text, around, is_changed, depth: 0 };
    let clauses = reader.either()?;
    reader.skip();
    match reader.rest.is_empty() {
        true => Ok(clauses),
        false => Err(UNREAD.into()),
    }
}

/// The conditions of clauses, one after the other; `None` where they can never hold.
pub(super) fn conditions(clauses: Clauses) -> Option<Vec<Condition>> {
    let mut out = Vec::new();
    for clause in clauses {
        let last = clause.len().checked_sub(1)?;
        let marked = |(at, one): (usize, Condition)| Condition { or_next: at < last, ..one };
        out.extend(clause.into_iter().enumerate().map(marked));
    }
    Some(out)
}

/// What must hold where an expression does not.
pub(super) fn denied(clauses: Clauses) -> Result<Clauses, Unplaced> {
    // Not all of these: one of their denials.
    let mut out: Clauses = vec![Vec::new()];
    for clause in clauses {
        let denials = clause.into_iter().map(|one| vec![Condition { negate: !one.negate, ..one }]).collect();
        out = or(out, denials)?;
    }
    Ok(out)
}

fn or(one: Clauses, other: Clauses) -> Result<Clauses, Unplaced> {
    let mut out = Vec::new();
    for left in &one {
        for right in &other {
            out.push(left.iter().chain(right).cloned().collect::<Vec<_>>());
            if out.iter().map(Vec::len).sum::<usize>() > LIMIT {
                return Err("an expression of more than 64 conditions".into());
            }
        }
    }
    Ok(out)
}

const UNREAD: &str = "an expression that asks for more than a comparison of what the request says";

struct Reader<'e, 'l> {
    rest: &'e str,
    around: &'e Around<'l>,
    is_changed: bool,
    depth: usize,
}

/// What stands on one side of a comparison.
enum Side {
    Text(String),
    Asked(Vec<Known>),
}

impl<'e> Reader<'e, '_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip();
        let found = self.rest.strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// A word of letters that ends where the letters end.
    fn takes_word(&mut self, word: &str) -> bool {
        self.skip();
        match self.rest.get(..word.len()) {
            Some(found) if found.eq_ignore_ascii_case(word) => {
                let rest = &self.rest[word.len()..];
                let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                if ends {
                    self.rest = rest;
                }
                ends
            }
            _ => false,
        }
    }

    fn either(&mut self) -> Result<Clauses, Unplaced> {
        let mut out = self.all()?;
        while self.takes("||") {
            let other = self.all()?;
            out = or(out, other)?;
        }
        Ok(out)
    }

    fn all(&mut self) -> Result<Clauses, Unplaced> {
        let mut out = self.not()?;
        while self.takes("&&") {
            out.extend(self.not()?);
            if out.iter().map(Vec::len).sum::<usize>() > LIMIT {
                return Err("an expression of more than 64 conditions".into());
            }
        }
        Ok(out)
    }

    fn not(&mut self) -> Result<Clauses, Unplaced> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("an expression that nests deeper than 32".into());
        }
        let out = if self.takes("!") {
            denied(self.not()?)
        } else if self.takes("(") {
            let inner = self.either()?;
            match self.takes(")") {
                true => Ok(inner),
                false => Err(UNREAD.into()),
            }
        } else if self.takes_word("true") {
            Ok(Vec::new())
        } else if self.takes_word("false") {
            Ok(vec![Vec::new()])
        } else {
            self.term().map(|one| vec![vec![one]])
        };
        self.depth -= 1;
        out
    }

    fn term(&mut self) -> Result<Condition, Unplaced> {
        if self.takes_word("-R") {
            let Side::Text(network) = self.side()? else { return Err(UNREAD.into()) };
            return address(network);
        }
        for (word, negate) in [("-n", false), ("-z", true)] {
            if self.takes_word(word) {
                let side = self.side()?;
                return made(asked(side)?, Test::Regex(pattern(".", LetterCase::Significant)), negate);
            }
        }
        let left = self.side()?;
        self.skip();
        for (sign, negate) in [("=~", false), ("!~", true)] {
            if self.takes(sign) {
                let test = self.regex()?;
                return made(asked(left)?, test, negate);
            }
        }
        for (sign, negate) in [("==", false), ("!=", true), ("=", false)] {
            if self.takes(sign) {
                let right = self.side()?;
                let (side, text) = match (left, right) {
                    (side, Side::Text(text)) | (Side::Text(text), side) => (side, text),
                    _ => return Err("two texts of the request that are compared".into()),
                };
                return made(asked(side)?, same(text), negate);
            }
        }
        for word in ["-eq", "-ne", "-lt", "-le", "-gt", "-ge", "eq", "ne", "lt", "le", "gt", "ge"] {
            if self.takes_word(word) {
                let Side::Text(number) = self.side()? else { return Err(UNREAD.into()) };
                let number: i64 = number.trim().parse().map_err(|_| "a comparison with what is no number")?;
                let (first, last, negate) = match word.trim_start_matches('-') {
                    "eq" => (number, number, false),
                    "ne" => (number, number, true),
                    "lt" => (i64::MIN, number.saturating_sub(1), false),
                    "le" => (i64::MIN, number, false),
                    "gt" => (number.saturating_add(1), i64::MAX, false),
                    _ => (number, i64::MAX, false),
                };
                return made(asked(left)?, Test::Range(first, last), negate);
            }
        }
        if self.takes_word("-ipmatch") {
            let Side::Text(network) = self.side()? else { return Err(UNREAD.into()) };
            let is_address = matches!(&left, Side::Asked(parts) if parts.as_slice() == [Known::Insert(byway_core::target::What::Part(byway_core::target::Part::Address))]);
            return if is_address { address(network) } else { Err(UNREAD.into()) };
        }
        if self.takes_word("-strmatch") {
            let Side::Text(glob) = self.side()? else { return Err(UNREAD.into()) };
            return match glob.contains(['[', '\\']) {
                true => Err(UNREAD.into()),
                false => made(asked(left)?, Test::Glob(glob), false),
            };
        }
        if self.takes_word("in") || self.takes_word("-in") {
            return self.list().and_then(|texts| made(asked(left)?, Test::In(texts), false));
        }
        Err(UNREAD.into())
    }

    fn list(&mut self) -> Result<Vec<String>, Unplaced> {
        let mut texts = Vec::new();
        if !self.takes("{") {
            return Err(UNREAD.into());
        }
        loop {
            let Side::Text(text) = self.side()? else { return Err(UNREAD.into()) };
            texts.push(text);
            if self.takes("}") {
                return Ok(texts);
            }
            if !self.takes(",") || texts.len() > 1_000 {
                return Err(UNREAD.into());
            }
        }
    }

    /// A text in quotes, a variable, a number, or a field by function.
    fn side(&mut self) -> Result<Side, Unplaced> {
        self.skip();
        if let Some(rest) = self.rest.strip_prefix("%{") {
            let end = rest.find('}').ok_or(UNREAD)?;
            self.rest = &rest[end + 1..];
            return self.variable(&rest[..end]).map(Side::Asked);
        }
        for name in ["req_novary", "req", "http"] {
            let before = self.rest;
            if self.takes_word(name) && self.takes("(") {
                let Side::Text(field) = self.side()? else { return Err(UNREAD.into()) };
                if !self.takes(")") {
                    return Err(UNREAD.into());
                }
                return self.variable(&format!("HTTP:{field}")).map(Side::Asked);
            }
            self.rest = before;
        }
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let end = self.rest[1..].find(quote).ok_or(UNREAD)? + 1;
            let text = &self.rest[1..end];
            self.rest = &self.rest[end + 1..];
            return self.quoted(text);
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if number.is_empty() { Err(UNREAD.into()) } else { Ok(Side::Text(number.to_owned())) }
    }

    /// Text in quotes, in which variables may stand.
    fn quoted(&self, text: &str) -> Result<Side, Unplaced> {
        if text.contains('\\') {
            return Err("a backslash in a text of an expression".into());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            let end = rest[at..].find('}').ok_or(UNREAD)? + at;
            if at > 0 {
                parts.push(Known::Text(rest[..at].to_owned()));
            }
            parts.extend(self.variable(&rest[at + 2..end])?);
            rest = &rest[end + 1..];
        }
        if parts.is_empty() {
            return Ok(Side::Text(rest.to_owned()));
        }
        if !rest.is_empty() {
            parts.push(Known::Text(rest.to_owned()));
        }
        Ok(Side::Asked(parts))
    }

    fn variable(&self, name: &str) -> Result<Vec<Known>, Unplaced> {
        const KNOWN: &[&str] = &[
            "HTTP_HOST",
            "HTTP_USER_AGENT",
            "HTTP_REFERER",
            "HTTP_COOKIE",
            "HTTP_ACCEPT",
            "HTTP_FORWARDED",
            "REQUEST_METHOD",
            "REQUEST_SCHEME",
            "HTTPS",
            "QUERY_STRING",
            "REQUEST_URI",
            "REMOTE_ADDR",
            "SERVER_NAME",
            "SERVER_PORT",
            "THE_REQUEST",
        ];
        let upper = name.to_ascii_uppercase();
        if !KNOWN.contains(&&*upper) && !upper.starts_with("HTTP:") {
            return Err("an expression that asks for a variable which is not known here".into());
        }
        let mut parts = Vec::new();
        steps::variable(name, self.around, self.is_changed, &mut parts, &mut None)?;
        Ok(parts)
    }

    /// `/…/i` or `m#…#i`.
    fn regex(&mut self) -> Result<Test, Unplaced> {
        self.skip();
        let rest = self.rest.strip_prefix('m').unwrap_or(self.rest);
        let mark = rest.chars().next().filter(|c| c.is_ascii_punctuation()).ok_or(UNREAD)?;
        if mark != '/' && rest.len() == self.rest.len() {
            return Err(UNREAD.into());
        }
        let end = rest[1..].find(mark).ok_or(UNREAD)? + 1;
        let (text, mut after) = (&rest[1..end], &rest[end + 1..]);
        let mut case = LetterCase::Significant;
        while let Some(flag) = after.chars().next().filter(char::is_ascii_alphabetic) {
            match flag {
                'i' => case = LetterCase::Ignored,
                _ => return Err("a flag of a pattern in an expression".into()),
            }
            after = &after[1..];
        }
        self.rest = after;
        Ok(Test::Regex(pattern(text, case)))
    }
}

fn asked(side: Side) -> Result<Vec<Known>, Unplaced> {
    match side {
        Side::Asked(parts) => Ok(parts),
        Side::Text(_) => Err("an expression that compares two fixed texts".into()),
    }
}

fn same(text: String) -> Test {
    match text.is_empty() {
        true => Test::Regex(pattern("^$", LetterCase::Significant)),
        false => Test::Is(text),
    }
}

fn address(network: String) -> Result<Condition, Unplaced> {
    let subject = Subject::parse("address", None).map_err(|error| error.what)?;
    Condition::new(subject, Test::Is(network), false).map_err(|error| error.what.into())
}

fn made(parts: Vec<Known>, test: Test, negate: bool) -> Result<Condition, Unplaced> {
    Condition::new(Subject::Text(pieces(&parts)), test, negate)
        .map_err(|error| format!("its pattern cannot be read here: {}", error.what).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn clauses(text: &str) -> Result<Vec<String>, Unplaced> {
        let (names, disk, maps) = (Default::default(), Default::default(), BTreeMap::new());
        let around = Around {
            folder: None,
            is_section: false,
            is_asked: false,
            has_turned: false,
            has_disk: false,
            keeps_uri: false,
            base: None,
            root: None,
            is_for_another: false,
            name: None,
            is_canonical: false,
            names: &names,
            disk: &disk,
            maps: &maps,
            is_astray: false,
        };
        let all = conditions(read(text, &around, false)?).ok_or("never")?;
        Ok(all.iter().map(|one| format!("{one}{}", if one.or_next { " or" } else { "" })).collect())
    }

    #[test]
    fn expressions_become_conditions() {
        assert_eq!(clauses("%{HTTP_HOST} == 'a.test'").expect("one"), ["`{host-field}` is `a.test`"]);
        assert_eq!(
            clauses("!(%{REQUEST_METHOD} == 'POST' || %{HTTPS} == 'on') && -R '10.0.0.0/8'").expect("three"),
            ["`{method}` not is `POST`", "`{https}` not is `on`", "address is `10.0.0.0/8`"]
        );
        assert_eq!(clauses("%{REQUEST_URI} =~ m#^/a/#i || req('X-A') in {'b', 'c'}").expect("two").len(), 2);
        assert!(clauses("true").expect("none").is_empty());
    }

    #[test]
    fn what_asks_for_more_is_refused() {
        for text in [
            "-f '/etc/passwd'",
            "%{TIME_HOUR} -gt 3",
            "file('/x') == 'a'",
            "%{HTTP_HOST} ==",
            "",
            "(true",
            "'a' == 'b'",
        ] {
            assert!(clauses(text).is_err(), "{text}");
        }
        assert!(clauses(&"(".repeat(100_000)).is_err());
        let wide = vec!["(%{HTTPS} == 'on' && %{HTTPS} == 'off')"; 40].join(" || ");
        assert!(clauses(&wide).is_err());
    }
}
