//! `RewriteMap`: lists of texts, and rules that look something up.
//!
//! A rule that asks a list is called with the text of its key, and compares that with the entries: each is the rule with the
//! value put in, its conditions on the value weighed here and now. What is not in the list goes on to the same rule with the
//! default put in. So a list of a million entries costs a request one look-up, and no value is ever made at request time.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use byway_core::dialect::{APACHE_MAP, QueryPolicy};
use byway_core::query::decoded;
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Change, Part, Target, What};

use super::cond;
use super::expand::{Token, Unplaced, closing, depth, escape_uri, split_default, tokens};
use super::lower::{Lowering, Phase, path_piece};
use super::rule::{Cond, RewriteRule};
use super::steps::{self, Around, CHANGED, KEYS, KEYS_OF_PATH};
use crate::diagnostic::Severity;
use crate::foreign::{Reading, Text};
use crate::span::Span;

/// What a name of a map stands for.
#[derive(Debug)]
pub(super) enum Map {
    /// Why it is not looked up.
    Refused(&'static str),
    List(List),
    Internal(Internal),
}

/// A list of keys and values, as places in its text.
#[derive(Debug)]
pub(super) struct List {
    text: Text,
    entries: Vec<(Range<usize>, Range<usize>)>,
}

/// What httpd itself does with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Internal {
    Lower,
    Upper,
    Escape,
    Unescape,
}

/// The bytes of a line that httpd reads in one go.
const LINE: usize = 1_023;
/// The most entries that become rules, those of a list counted for each rule that asks it.
const ENTRIES: usize = 4_000_000;

/// Reads a list: the first two words of each line that begins with neither a blank nor `#`.
pub(super) fn read(reading: &mut Reading<'_>, path: &Path, from: &Span) -> Option<List> {
    let text = reading.open(path, Some(from))?;
    let mut entries = Vec::new();
    let mut start = 0;
    for line in text.bytes.split_inclusive(|&byte| byte == b'\n') {
        let place = start..start + line.len();
        start = place.end;
        if line.first().is_none_or(|first| *first == b'#' || first.is_ascii_whitespace()) {
            continue;
        }
        if line.len() > LINE {
            let what = format!("a line of more than {LINE} bytes in a map is passed over");
            reading.say_often(&text.line(place), Severity::Warning, "long-line", || (what, None));
            continue;
        }
        let word = |from: usize| {
            let begin = from + line[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let len = line[begin..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
            begin..begin + len
        };
        let key = word(0);
        let value = word(key.end);
        if !value.is_empty() {
            let shifted = |at: Range<usize>| place.start + at.start..place.start + at.end;
            entries.push((shifted(key), shifted(value)));
        }
    }
    Some(List { text, entries })
}

/// A look-up as it stands in a text: `${name:key|default}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LookUp {
    at: Range<usize>,
    name: String,
    key: String,
    default: String,
}

/// How deep braces may stand inside one another in a rule that looks something up.
const MAP_DEPTH: usize = 8;

/// Whether a rule looks something up.
pub(super) fn asks(rule: &RewriteRule) -> bool {
    texts(rule).any(|text| !look_ups(text).is_empty())
}

fn texts(rule: &RewriteRule) -> impl Iterator<Item = &String> {
    let conds = rule.conds.iter().map(|cond| &cond.test);
    std::iter::once(&rule.substitution)
        .chain(conds)
        .chain(rule.flags.env.iter().filter_map(|(_, value)| value.as_ref()))
}

fn look_ups(text: &str) -> Vec<LookUp> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at + 1 < bytes.len() {
        if bytes[at] == b'\\' {
            at += 2;
            continue;
        }
        if bytes[at] == b'$' && bytes[at + 1] == b'{' {
            let Some(end) = closing(&text[at + 2..]).map(|end| at + 2 + end) else { return out };
            if let Some((name, rest)) = text[at + 2..end].split_once(':') {
                let (key, default) = split_default(rest);
                out.push(LookUp { at: at..end + 1, name: name.into(), key: key.into(), default: default.into() });
            }
            at = end;
        }
        at += 1;
    }
    out
}

/// A text with its look-ups answered; `None` is what is not in the list.
fn answered(text: &str, value: Option<&str>) -> String {
    let mut out = String::new();
    let mut from = 0;
    for found in look_ups(text) {
        out.push_str(&text[from..found.at.start]);
        match value {
            Some(value) => out.push_str(&kept(value)),
            None => out.push_str(&found.default),
        }
        from = found.at.end;
    }
    out.push_str(&text[from..]);
    out
}

/// Text that mod_rewrite leaves alone.
fn kept(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('%', "\\%")
}

/// A text of which nothing depends on the request.
fn plain(text: &str) -> Option<String> {
    match tokens(text).as_slice() {
        [] => Some(String::new()),
        [Token::Text(text)] => Some(text.clone()),
        _ => None,
    }
}

/// A rule with its look-up answered: none where its conditions on that do not hold.
fn outcome(rule: &RewriteRule, value: Option<&str>) -> Result<Option<RewriteRule>, Unplaced> {
    let mut out = rule.clone();
    out.conds.clear();
    out.substitution = answered(&rule.substitution, value);
    for (at, cond) in rule.conds.iter().enumerate() {
        if look_ups(&cond.test).is_empty() {
            out.conds.push(cond.clone());
            continue;
        }
        let is_or = cond.or_next || at.checked_sub(1).is_some_and(|before| rule.conds[before].or_next);
        let text = plain(&answered(&cond.test, value));
        let Some(text) = text.filter(|_| !is_or) else {
            return Err("a look-up beside text of the request, or beside `OR`, in a condition".into());
        };
        match cond::holds(cond, &text) {
            None => return Err("a look-up that is compared by size, or asks for files".into()),
            Some(false) => return Ok(None),
            Some(true) => {}
        }
        if at + 1 == rule.conds.len() && asks_groups(&rule.substitution) {
            out.substitution = with_groups(&out.substitution, cond, &text)?;
        }
    }
    Ok(Some(out))
}

/// The look-ups of a text whose keys hold no others.
fn innermost(text: &str) -> Vec<LookUp> {
    let inner = |found: LookUp| match innermost(&found.key) {
        inside if inside.is_empty() => vec![found],
        inside => inside,
    };
    look_ups(text).into_iter().flat_map(inner).collect()
}

/// What a variable stands for that a rule with such a map was given.
pub(super) fn changed_text(name: &str) -> Option<What<'static>> {
    let mut letters = name.strip_prefix(CHANGED)?.chars();
    let change = Internal::ALL.into_iter().find(|internal| Some(internal.letter()) == letters.clone().next())?;
    letters.next();
    Some(What::Changed(change.change(), letters.as_str().parse().ok().filter(|slot| KEYS.contains(slot))?))
}

/// The slots that a rule's maps took.
#[derive(Default)]
struct Keys {
    of_path: u16,
    others: u16,
    /// Whether groups of conditions are not known when a key is kept.
    loses_groups: bool,
}

impl Keys {
    fn next(&mut self, key: &str, internal: Internal) -> Option<u16> {
        let begins = match tokens(key).first() {
            Some(Token::Group(_)) => true,
            Some(Token::Variable(name)) => name.eq_ignore_ascii_case("REQUEST_URI"),
            _ => false,
        };
        let is_path = begins && internal != Internal::Unescape;
        let (taken, first, end) = match is_path {
            true => (&mut self.of_path, KEYS.start, KEYS.start + KEYS_OF_PATH),
            false => (&mut self.others, KEYS.start + KEYS_OF_PATH, KEYS.end),
        };
        let slot = first + *taken;
        *taken += 1;
        (slot < end).then_some(slot)
    }
}

fn asks_groups(text: &str) -> bool {
    tokens(text).iter().any(|token| matches!(token, Token::CondGroup(_)))
}

/// The groups of a condition on a look-up, where they are all of the value.
fn with_groups(text: &str, cond: &Cond, value: &str) -> Result<String, Unplaced> {
    let is_whole = ["^(.+)$", "^(.*)$", "(.+)", "(.*)", "^(.+)", "^(.*)", "(.+)$", "(.*)$"].contains(&&*cond.pattern);
    if cond.is_negated || !is_whole {
        return Err("a part of what was looked up".into());
    }
    let parts = tokens(text).into_iter().map(|token| match token {
        Token::Text(text) => Ok(kept(&text)),
        Token::Group(number) => Ok(format!("${number}")),
        Token::CondGroup(0 | 1) => Ok(kept(value)),
        Token::CondGroup(_) => Ok(String::new()),
        Token::Variable(name) => Ok(format!("%{{{name}}}")),
        Token::Map { .. } => Err("a look-up in what was looked up".into()),
    });
    parts.collect()
}

/// What is left of a rule behind its look-up: the rule for what is not in the list.
pub(super) struct Missed {
    pub(super) rule: Option<RewriteRule>,
    pub(super) approximates: Option<&'static str>,
}

impl Lowering<'_, '_> {
    /// Makes the look-up of a rule, and returns what is left of the rule.
    pub(super) fn look_up(
        &mut self,
        rule: &RewriteRule,
        table: TableId,
        around: &Around<'_>,
        is_changed: bool,
    ) -> Result<Missed, Unplaced> {
        if texts(rule).any(|text| depth(text) > MAP_DEPTH) {
            return Err("look-ups that stand inside one another too deep".into());
        }
        if let Some(changed) = self.changed(rule, table, around, is_changed)? {
            return Ok(Missed { rule: Some(changed), approximates: None });
        }
        let mut all = texts(rule).flat_map(|text| look_ups(text));
        let first = all.next().ok_or("nothing is looked up")?;
        let is_one = all.all(|other| other.name == first.name && other.key == first.key);
        if !is_one || !look_ups(&first.key).is_empty() {
            return Err("two look-ups in one rule".into());
        }
        if rule.flags.env.iter().any(|(_, value)| value.as_ref().is_some_and(|value| !look_ups(value).is_empty())) {
            return Err("a variable that keeps what was looked up".into());
        }
        let missed = |rule| Missed { rule, approximates: None };
        match around.maps.get(&first.name).map(|map| &**map) {
            // httpd takes every key of a map that it does not know for one that is not there.
            None => Ok(missed(outcome(rule, None)?)),
            Some(Map::Refused(why)) => Err((*why).into()),
            Some(Map::Internal(internal)) => match plain(&first.key) {
                Some(key) => Ok(missed(outcome(rule, Some(&internal.of(&key)))?)),
                None => Err(CHANGES.into()),
            },
            Some(Map::List(list)) => self.entries(rule, list, &first.key, table, around, is_changed),
        }
    }

    /// A rule whose maps that change a text of the request look at a text that is kept before: none where no map does.
    fn changed(
        &mut self,
        rule: &RewriteRule,
        table: TableId,
        around: &Around<'_>,
        is_changed: bool,
    ) -> Result<Option<RewriteRule>, Unplaced> {
        let all: Vec<LookUp> = texts(rule).flat_map(|text| innermost(text)).collect();
        let internal = |found: &LookUp| match around.maps.get(&found.name).map(|map| &**map) {
            Some(Map::Internal(internal)) if plain(&found.key).is_none() => Some(*internal),
            _ => None,
        };
        let Some(first) = all.iter().find_map(internal) else { return Ok(None) };
        if rule.flags.env.iter().any(|(_, value)| value.as_ref().is_some_and(|value| !look_ups(value).is_empty())) {
            return Err("a variable that keeps what was looked up".into());
        }
        let is_alone = all.iter().all(|found| internal(found) == Some(first) && found.key == all[0].key);
        if is_alone && let Ok(folded) = folded(rule, first) {
            return Ok(Some(folded));
        }
        let mut out = rule.clone();
        let mut keys = Keys::default();
        for at in 0..out.conds.len() {
            let test = std::mem::take(&mut out.conds[at].test);
            let mut asked = RewriteRule { conds: out.conds[..at].to_vec(), ..rule.clone() };
            let or_before = asked.conds.iter().rev().take_while(|cond| cond.or_next).count();
            asked.conds.truncate(at - or_before);
            keys.loses_groups = or_before > 0;
            out.conds[at].test = self.keep(&mut keys, &test, &asked, table, around, is_changed)?;
        }
        keys.loses_groups = false;
        let asked = out.clone();
        out.substitution = self.keep(&mut keys, &rule.substitution, &asked, table, around, is_changed)?;
        Ok(Some(out))
    }

    /// A text in which what such maps are asked for is kept in slots by a rule before, and asked there.
    fn keep(
        &mut self,
        keys: &mut Keys,
        text: &str,
        asked: &RewriteRule,
        table: TableId,
        around: &Around<'_>,
        is_changed: bool,
    ) -> Result<String, Unplaced> {
        let mut out = String::new();
        let mut from = 0;
        for found in look_ups(text) {
            out.push_str(&text[from..found.at.start]);
            from = found.at.end;
            let key = self.keep(keys, &found.key, asked, table, around, is_changed)?;
            let internal = match around.maps.get(&found.name).map(|map| &**map) {
                Some(Map::Internal(internal)) => *internal,
                _ => {
                    let default = if found.default.is_empty() { String::new() } else { format!("|{}", found.default) };
                    out.push_str(&format!("${{{}:{key}{default}}}", found.name));
                    continue;
                }
            };
            if let Some(key) = plain(&key) {
                out.push_str(&kept(&internal.of(&key)));
                continue;
            }
            if asked.flags.escape_captures {
                return Err("`B` beside a map that changes a text of the request".into());
            }
            if keys.loses_groups && asks_groups(&key) {
                return Err("a group of a condition beside `OR`, in a map that changes it".into());
            }
            let slot = keys.next(&key, internal).ok_or("more maps in one rule than byway keeps texts for")?;
            let asked = RewriteRule { substitution: key.clone(), ..asked.clone() };
            let ready = steps::ready(&asked, around, is_changed)?;
            let text = Target::of_pieces(steps::kept(&key, &ready, around, is_changed)?);
            self.push(
                table,
                ready.source,
                &ready.conditions,
                Action::Set { slot, text, then: Then::Next },
                &asked.span,
            );
            out.push_str(&format!("%{{{CHANGED}{}{slot}}}", internal.letter()));
        }
        out.push_str(&text[from..]);
        Ok(out)
    }

    fn entries(
        &mut self,
        rule: &RewriteRule,
        list: &List,
        key: &str,
        table: TableId,
        around: &Around<'_>,
        is_changed: bool,
    ) -> Result<Missed, Unplaced> {
        let miss = outcome(rule, None)?;
        self.looked_up += list.entries.len();
        if self.looked_up > ENTRIES {
            return Err("more entries of maps would become rules than 4,000,000".into());
        }
        let mut asked = rule.clone();
        asked.conds.retain(|cond| look_ups(&cond.test).is_empty());
        asked.substitution = key.to_owned();
        let ready = steps::ready(&asked, around, is_changed)?;
        let text = steps::kept(key, &ready, around, is_changed)?;
        // What is made of each entry is looked at before anything is made.
        let mut made: Vec<(Range<usize>, Action<'_>)> = Vec::with_capacity(list.entries.len());
        let mut known: HashSet<&[u8]> = HashSet::with_capacity(list.entries.len());
        for (key, value) in &list.entries {
            // The first that is listed is found.
            if !known.insert(&list.text.bytes[key.clone()]) {
                continue;
            }
            let value = String::from_utf8_lossy(&list.text.bytes[value.clone()]);
            match outcome(rule, Some(&value))? {
                Some(hit) => {
                    let action = match action(&hit, &value, &ready, around, is_changed)? {
                        // An error has its page, whatever brought it.
                        Action::Reply { status, .. } => {
                            match self.error(Phase::of(around.folder.is_some()), status.number())? {
                                // The table of the page is older than the list, and nothing older is entered.
                                Action::Enter(page) => back_to(page),
                                action => action,
                            }
                        }
                        action => action,
                    };
                    made.push((key.clone(), action));
                }
                None if miss.is_some() => return Err("a rule for what is not in a list, and for some that is".into()),
                None => {}
            }
        }
        let keys = self.table(&APACHE_MAP, Order::Specific, "");
        for (key, action) in made {
            let span = list.text.line(key.clone());
            let source = Source::of_path(PathPattern::Exact(list.text.bytes[key].into()));
            self.push(keys, source, &[], action, &span);
        }
        let call = Action::Call { table: keys, text: Some(Target::of_pieces(text)) };
        self.push(table, ready.source, &ready.conditions, call, &rule.span);
        Ok(Missed { rule: miss, approximates: ready.approximates })
    }
}

/// Goes on in a table with the path as it is.
fn back_to(table: TableId) -> Action<'static> {
    let target = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
    Action::Rewrite { target, query: QueryPolicy::Keep, then: Then::Table(table) }
}

/// What a rule does whose look-up was answered.
fn action(
    hit: &RewriteRule,
    value: &str,
    ready: &steps::Ready,
    around: &Around<'_>,
    is_changed: bool,
) -> Result<Action<'static>, Unplaced> {
    let flags = &hit.flags;
    let reply = |number| match ReplyStatus::from_number(number) {
        Some(status) => Ok(Action::Reply { status, retry_after: None }),
        None => Err("a status that no reply of ours has".into()),
    };
    if let Some(status) = flags.status {
        return reply(status);
    }
    let of_request = |token: &Token| !matches!(token, Token::Text(_) | Token::Variable(_));
    if tokens(&hit.substitution).iter().any(of_request) {
        return Err("a capture beside what was looked up".into());
    }
    let mut all = steps::written(hit, ready, around, is_changed)?;
    let Some(written) = all.pop().filter(|written| all.is_empty() && written.is_redirect && written.when.is_none())
    else {
        return Err("a path inside that was looked up".into());
    };
    if value.contains('?') && !flags.unsafe_question {
        return reply(403);
    }
    let status = RedirectStatus::from_number(flags.redirect.unwrap_or(302));
    let status = status.ok_or("a status with which no client follows a Location")?;
    let target = Target::of_pieces(written.placed.pieces);
    Ok(Action::Redirect { status: StatusByMethod::always(status), target, query: written.query })
}

impl Internal {
    const ALL: [Internal; 4] = [Internal::Lower, Internal::Upper, Internal::Escape, Internal::Unescape];

    fn letter(self) -> char {
        match self {
            Internal::Lower => 'l',
            Internal::Upper => 'u',
            Internal::Escape => 'e',
            Internal::Unescape => 'd',
        }
    }

    fn change(self) -> Change {
        match self {
            Internal::Lower => Change::Lower,
            Internal::Upper => Change::Upper,
            Internal::Escape => Change::Escape,
            Internal::Unescape => Change::Unescape,
        }
    }

    fn of(self, text: &str) -> String {
        match self {
            Internal::Lower => text.to_ascii_lowercase(),
            Internal::Upper => text.to_ascii_uppercase(),
            Internal::Escape => escape_uri(text),
            Internal::Unescape => String::from_utf8_lossy(&decoded(text.replace('+', "%2B").as_bytes())).into_owned(),
        }
    }
}

const CHANGES: &str = "a map that changes the text of the request";

/// A rule whose conditions look at the request in small letters, as one whose conditions look at it without case.
fn folded(rule: &RewriteRule, internal: Internal) -> Result<RewriteRule, Unplaced> {
    if !matches!(internal, Internal::Lower | Internal::Upper) || !look_ups(&rule.substitution).is_empty() {
        return Err(CHANGES.into());
    }
    let mut out = rule.clone();
    for cond in &mut out.conds {
        let found = look_ups(&cond.test);
        let [one] = found.as_slice() else { continue };
        if one.at != (0..cond.test.len()) || cond.pattern.starts_with(['-', '<', '>']) {
            return Err(CHANGES.into());
        }
        let letters = without_escapes(&cond.pattern);
        let is_other =
            |c: char| if internal == Internal::Lower { c.is_ascii_uppercase() } else { c.is_ascii_lowercase() };
        // A letter of the other case is never found, and groups would hold the text as it was sent.
        if letters.contains(is_other) || cond.pattern.contains('(') && asks_groups(&rule.substitution) {
            return Err(CHANGES.into());
        }
        cond.test = one.key.clone();
        cond.case = byway_core::dialect::LetterCase::Ignored;
    }
    Ok(out)
}

fn without_escapes(pattern: &str) -> String {
    let mut out = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_are_found_and_answered() {
        let found = look_ups("/x${m:%{HTTP_HOST}|n}\\${no:1}");
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].key, &*found[0].default), ("%{HTTP_HOST}", "n"));
        assert_eq!(answered("/x${m:$1|/none$1}/y", Some("a$1%2")), "/xa\\$1\\%2/y");
        assert_eq!(answered("/x${m:$1|/none$1}/y", None), "/x/none$1/y");
        assert_eq!(Internal::Unescape.of("a%20b+c"), "a b+c");
    }
}
