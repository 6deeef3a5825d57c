//! `map`, `geo` and `split_clients`: a list is a table that is looked up by a text, before the first rule that needs what it says.
//!
//! Entries go straight from the text into the rule set, one by one: a million of them never exist as anything but text and rules.
//! What a list said is kept in a slot and not asked again in the same request, unless it is `volatile`, as in nginx.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::{LetterCase, NGINX_MAP};
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::lex::{Lexer, Token, Word};
use super::lower::{Lower, Of, Why, any, asks, of_regex, piece};
use super::model::{List, ListKind, Scope};
use super::pcre::Regex;
use super::text::{self, Bit, Known};
use crate::span::Span;

/// The most networks of a `geo`: they are asked one after the other.
pub(super) const LIST_LIMIT: usize = 10_000;
/// How much of a list is looked through for patterns.
const PATTERN_REACH: usize = 256 * 1024;
/// How deep lists may ask lists.
const DEPTH_LIMIT: usize = 16;

/// What is known of the lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    known: HashMap<String, Made>,
    refused: HashMap<String, String>,
    /// The lists that are being looked up.
    open: Vec<String>,
}

#[derive(Clone, Debug)]
struct Made {
    value: u16,
    /// Where it is kept that it was looked up; `None` where it is asked anew each time.
    asked: Option<u16>,
    table: TableId,
    source: Option<Word>,
    /// Whether patterns are among its keys: the groups of one that fits take the place of all others.
    has_patterns: bool,
}

impl Lists {
    /// The slot of a list's value.
    pub(super) fn value(&self, name: &str) -> Option<u16> {
        self.known.get(name).map(|made| made.value)
    }

    /// Whether some of these lists have patterns.
    pub(super) fn have_patterns(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.known.get(name).is_some_and(|made| made.has_patterns))
    }

    /// Whether what a list said is not asked again in the same request.
    pub(super) fn is_kept(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|made| made.asked.is_some())
    }

    /// Why a list is not known.
    pub(super) fn refused(&self, name: &str) -> Option<String> {
        self.refused.get(name).cloned()
    }
}

/// An entry of a list.
pub(super) struct Entry {
    pub(super) key: Word,
    pub(super) value: Option<Word>,
}

/// Calls `each` with the entries of a list.
pub(super) fn entries(bytes: &[u8], text: u16, range: Range<usize>, mut each: impl FnMut(Entry, &[Word])) {
    let mut lexer = Lexer::new(bytes, text, range);
    let mut words: Vec<Word> = Vec::new();
    // It was read once: what is wrong was said then.
    while let Ok(token) = lexer.next() {
        match token {
            Token::Word(word) => words.push(word),
            Token::End(_) => {
                if let Some(&key) = words.first() {
                    each(Entry { key, value: words.get(1).copied() }, &words);
                }
                words.clear();
            }
            Token::Over => return,
            Token::Open(_) | Token::Close(_) => {}
        }
    }
}

/// A list while its entries are read.
struct Filling {
    exact: TableId,
    wild: TableId,
    rest: TableId,
    value: u16,
    hosts: bool,
    default: Option<Word>,
    regexes: Vec<(Word, Regex, Word)>,
    wildcards: Vec<(Vec<u8>, bool, Word)>,
    known: HashSet<u64>,
    hasher: RandomState,
    count: usize,
}

impl<'t> Lower<'t, '_, '_> {
    /// Makes the tables of all lists.
    pub(super) fn lists_tables(&mut self) {
        let model = self.model;
        // Values may name lists that stand further down: all are known before any is filled.
        let mut waiting = Vec::new();
        for name in &model.list_names {
            let Some(list) = model.lists.get(name) else { continue };
            match self.refusal(list) {
                Some(why) => {
                    let span = self.span(list.word);
                    self.reading.refused(&span, &list.rule, why);
                    self.lists.refused.insert(name.clone(), format!("`${name}` is not known here: {why}"));
                }
                None => {
                    let [exact, wild, rest] =
                        [Order::Specific, Order::Listed, Order::Listed].map(|order| self.table(&NGINX_MAP, order));
                    self.reading.set_after(exact, After::Table(wild));
                    self.reading.set_after(wild, After::Table(rest));
                    let value = self.slot(&format!("${name}"));
                    let asked = (!self.is_volatile(list)).then(|| self.slot(&format!("${name} asked")));
                    self.lists.known.insert(
                        name.clone(),
                        Made { value, asked, table: exact, source: list.source, has_patterns: false },
                    );
                    waiting.push((name, list, [exact, wild, rest], value));
                }
            }
        }
        for (name, list, [exact, wild, rest], value) in waiting {
            if let Some(made) = self.lists.known.get_mut(name) {
                made.has_patterns = has_patterns(self.tree, list);
            }
            match list.kind {
                ListKind::Geo => self.geo(list, rest, value),
                ListKind::Split => self.split(list, rest, value),
                ListKind::Map => {
                    let filling = Filling {
                        exact,
                        wild,
                        rest,
                        value,
                        hosts: false,
                        default: None,
                        regexes: Vec::new(),
                        wildcards: Vec::new(),
                        known: HashSet::new(),
                        hasher: RandomState::new(),
                        count: 0,
                    };
                    self.map(list, filling);
                }
            }
        }
    }

    fn refusal(&self, list: &List) -> Option<&'static str> {
        match list.kind {
            ListKind::Geo => self.geo_refusal(list),
            ListKind::Map | ListKind::Split => None,
        }
    }

    fn is_volatile(&self, list: &List) -> bool {
        let mut found = false;
        // It stands among the first entries, before any long list.
        if let Some((text, range)) = list.entries.first() {
            let end = range.end.min(range.start + 4096);
            entries(self.tree.bytes(*text), *text, range.start..end, |entry, words| {
                found |= words.len() == 1 && &*self.tree.word(entry.key) == b"volatile";
            });
        }
        found
    }

    fn map(&mut self, list: &'t List, mut filling: Filling) {
        let tree = self.tree;
        for (text, range) in &list.entries {
            let bytes = tree.bytes(*text);
            entries(bytes, *text, range.clone(), |entry, words| self.entry(&entry, words, bytes, &mut filling));
        }
        // Those with an open beginning go first, and of each kind the longest.
        filling.wildcards.sort_by_key(|(key, is_end, _)| (*is_end, std::cmp::Reverse(key.len())));
        for (key, is_end, value) in std::mem::take(&mut filling.wildcards) {
            let shown = escaped_regex(&String::from_utf8_lossy(&key));
            let pattern = if is_end { format!("^{shown}\\..") } else { format!(".\\.{shown}$") };
            let Ok(regex) = Regex::read(&pattern, LetterCase::Ignored) else { continue };
            self.kept(filling.wild, of_regex(&regex), value, filling.value, None);
        }
        for (key, regex, value) in std::mem::take(&mut filling.regexes) {
            let span = self.span(key);
            let named: Vec<(usize, String)> = regex.named().map(|(at, name)| (at, name.to_ascii_lowercase())).collect();
            for (at, name) in named {
                let slot = self.slot(&name);
                let Ok(number) = u8::try_from(at - 1) else { continue };
                let action = Action::Set { slot, text: piece(What::Capture(number)), then: Then::Next };
                self.push(filling.rest, of_regex(&regex), &[], action, &span);
            }
            // Its groups take the place of all others, for whoever reads one behind it.
            let read = self.read_groups;
            for number in (1..=9).filter(|&number| read.has(number)) {
                let text = match usize::from(number) <= regex.groups.len() {
                    true => What::Capture(number - 1),
                    false => What::Literal("".into()),
                };
                let action = Action::Set { slot: u16::from(number), text: piece(text), then: Then::Next };
                self.push(filling.rest, of_regex(&regex), &[], action, &span);
            }
            self.kept(filling.rest, of_regex(&regex), value, filling.value, Some(&regex));
        }
        let span = self.span(list.word);
        match filling.default {
            Some(value) => self.kept(filling.rest, any(), value, filling.value, None),
            None => {
                let action =
                    Action::Set { slot: filling.value, text: piece(What::Literal("".into())), then: Then::End };
                self.push(filling.rest, any(), &[], action, &span);
            }
        }
        let rule = format!("{} ({} entries)", list.rule, filling.count);
        self.reading.exact(&span, &rule);
    }

    fn entry(&mut self, entry: &Entry, words: &[Word], bytes: &'t [u8], filling: &mut Filling) {
        let key = entry.key.of(bytes);
        let Some(value) = entry.value.filter(|_| words.len() == 2) else {
            match (&*key, words.len()) {
                (b"hostnames", 1) => filling.hosts = true,
                (b"volatile", 1) => {}
                _ => {
                    let span = self.tree.line(entry.key);
                    let what = || ("invalid number of the map parameters".to_owned(), None);
                    self.reading.say_often(&span, crate::diagnostic::Severity::Error, "nginx-syntax", what);
                }
            }
            return;
        };
        match &*key {
            b"default" => {
                if filling.default.replace(value).is_some() {
                    let span = self.span(entry.key);
                    self.fault(span, "duplicate default map parameter");
                }
                return;
            }
            [b'~', pattern @ ..] => {
                let (case, pattern) = match pattern {
                    [b'*', rest @ ..] => (LetterCase::Ignored, rest),
                    _ => (LetterCase::Significant, pattern),
                };
                let text = std::str::from_utf8(pattern).ok();
                if let Some((text, refused)) = text.and_then(|text| Some((text, crate::pcre::refused(text)?))) {
                    let span = self.span(entry.key);
                    return self.reading.say_mistake(super::faults::pcre(text, &refused, span));
                }
                match std::str::from_utf8(pattern)
                    .map_err(|_| "it is not UTF-8".to_owned())
                    .and_then(|text| Regex::read(text, case))
                {
                    Ok(regex) => {
                        filling.count += 1;
                        filling.regexes.push((entry.key, regex, value));
                    }
                    Err(what) => {
                        let span = self.span(entry.key);
                        let rule = String::from_utf8_lossy(pattern).into_owned();
                        self.reading.refused(&span, &rule, format!("its pattern cannot be read here: {what}"));
                    }
                }
                return;
            }
            _ => {}
        }
        filling.count += 1;
        let key: Cow<'t, [u8]> = match key {
            Cow::Borrowed(key) => Cow::Borrowed(key.strip_prefix(b"\\").unwrap_or(key)),
            Cow::Owned(mut key) => {
                if key.first() == Some(&b'\\') {
                    key.remove(0);
                }
                Cow::Owned(key)
            }
        };
        let hash = filling.hasher.hash_one(key.to_ascii_lowercase());
        if !filling.known.insert(hash) {
            let span = self.tree.line(entry.key);
            let shown = String::from_utf8_lossy(&key).to_ascii_lowercase();
            return self.reading.say_often(&span, crate::diagnostic::Severity::Error, "nginx-syntax", || {
                (format!("conflicting parameter \"{shown}\""), None)
            });
        }
        if filling.hosts {
            if let Some(rest) = key.strip_prefix(b"*.") {
                return filling.wildcards.push((rest.to_vec(), false, value));
            }
            if let Some(rest) = key.strip_suffix(b".*") {
                return filling.wildcards.push((rest.to_vec(), true, value));
            }
            if let Some(rest) = key.strip_prefix(b".") {
                filling.wildcards.push((rest.to_vec(), false, value));
                let rest = Cow::Owned(rest.to_vec());
                return self.exact_key(rest, value, bytes, filling);
            }
        }
        self.exact_key(key, value, bytes, filling);
    }

    fn exact_key(&mut self, key: Cow<'t, [u8]>, value: Word, bytes: &'t [u8], filling: &Filling) {
        let mut source = Source::of_path(PathPattern::Exact(key));
        source.case = LetterCase::Ignored;
        let text = value.of(bytes);
        if memchr::memchr(b'$', &text).is_some() {
            return self.kept(filling.exact, source, value, filling.value, None);
        }
        let span = self.tree.line(value);
        let literal = match text {
            Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
            Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
        };
        let Some(literal) = literal else {
            return self.reading.refused(&span, "map", "a text that is not UTF-8");
        };
        let text = Target::of_pieces(vec![Piece { place: Landing::Path, what: What::Literal(literal) }]);
        self.push(filling.exact, source, &[], Action::Set { slot: filling.value, text, then: Then::End }, &span);
    }

    /// A rule that keeps a value with variables.
    fn kept(&mut self, table: TableId, source: Source<'t>, value: Word, slot: u16, regex: Option<&Regex>) {
        let span = self.tree.line(value);
        let bytes = self.tree.word(value).into_owned();
        let own = |bit: &Bit| match (bit, regex) {
            (Bit::Group(number), Some(regex)) => Some(match usize::from(*number) <= regex.groups.len() {
                true => What::Capture(number - 1),
                false => What::Literal("".into()),
            }),
            _ => None,
        };
        let resolved = match self.resolve(&bytes, None, &Scope::default(), &own) {
            Ok(resolved) => resolved,
            Err(Why::Fault(message)) => return self.fault(span, message),
            Err(Why::Refused(why)) => return self.reading.refused(&span, &String::from_utf8_lossy(&bytes), why),
        };
        let Some(text) = text::plain(&resolved.parts) else {
            return self.reading.refused(&span, "map", "a text that is not UTF-8");
        };
        let lists: Vec<String> = resolved.lists;
        if lists.is_empty() {
            return self.push(table, source, &[], Action::Set { slot, text, then: Then::End }, &span);
        }
        // What a value needs is looked up behind the entry.
        let behind = self.table(&NGINX_MAP, Order::Listed);
        let groups = piece(What::Literal("".into()));
        self.push(table, source, &[], Action::Set { slot, text: groups, then: Then::Table(behind) }, &span);
        for name in &lists {
            self.look_up(name, behind, &any(), &[], None, &Scope::default(), &span);
        }
        self.push(behind, any(), &[], Action::Set { slot, text, then: Then::End }, &span);
    }

    /// Looks a list up before a rule that needs it, under the rule's source and conditions.
    #[allow(clippy::too_many_arguments, reason = "the place of the rule that needs it")]
    pub(super) fn look_up(
        &mut self,
        name: &str,
        table: TableId,
        source: &Source<'static>,
        conditions: &[Condition],
        of: Option<&Of<'_>>,
        scope: &Scope,
        span: &Span,
    ) {
        let Some(made) = self.lists.known.get(name).cloned() else { return };
        if self.lists.open.iter().any(|open| open == name) || self.lists.open.len() >= DEPTH_LIMIT {
            return self.fault(span.clone(), format!("cycle while evaluating variable \"{name}\""));
        }
        let text = match made.source {
            Some(word) => self.tree.word(word).into_owned(),
            None => b"$remote_addr".to_vec(),
        };
        let resolved = match self.resolve(&text, of, scope, &|_| None) {
            Ok(resolved) => resolved,
            Err(Why::Fault(message)) => return self.fault(span.clone(), message),
            Err(Why::Refused(why)) => return self.reading.refused(span, &format!("${name}"), why),
        };
        self.lists.open.push(name.to_owned());
        for other in &resolved.lists {
            self.look_up(other, table, source, conditions, of, scope, span);
        }
        self.lists.open.pop();
        let parts: Vec<Known> = match resolved.parts.is_empty() {
            true => super::lower::what(What::Part(Part::Host)),
            false => resolved.parts,
        };
        let Some(text) = text::plain(&parts) else { return };
        let call = Action::Call { table: made.table, text: Some(text) };
        match made.asked {
            None => self.push(table, source.clone(), conditions, call, span),
            Some(asked) => {
                let mut first = conditions.to_vec();
                first.push(asks(What::Slot(asked), Test::Is(String::new()), false));
                self.push(table, source.clone(), &first, call, span);
                let noted = Action::Set { slot: asked, text: piece(What::Literal("1".into())), then: Then::Next };
                self.push(table, source.clone(), conditions, noted, span);
            }
        }
    }
}

/// Whether patterns are among the keys of a list; a long one is not looked through, and may have some.
fn has_patterns(tree: &super::tree::Tree, list: &List) -> bool {
    let mut found = false;
    for (text, range) in &list.entries {
        if range.len() > PATTERN_REACH {
            return true;
        }
        entries(tree.bytes(*text), *text, range.clone(), |entry, words| {
            found |= words.len() == 2 && tree.word(entry.key).first() == Some(&b'~');
        });
    }
    found
}

fn escaped_regex(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for sign in text.chars() {
        if !sign.is_ascii_alphanumeric() && sign.is_ascii() {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}
