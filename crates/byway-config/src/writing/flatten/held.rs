//! What another server's rules know of a request when one of them is tried: the path, conditions, and texts that were kept.
//!
//! What must hold is a list of alternatives, each a path, a host and conditions that hold together; a look-up in a list makes one
//! of each entry. What cannot be followed is refused by name where somebody uses it.

// Long because alternatives and what is kept under them are worked out together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::regex::Pattern;
use byway_core::ruleset::RuleView;
use byway_core::source::PathPattern;
use byway_core::target::{Change, Landing, Part, Piece, What};

use super::Why;
use super::conditions;
use super::paths::{PathOf, asked, both, is_any_path, owned_path};
use crate::formats::apache::{asks_for_file, no_file};

pub(super) type Pieces = Vec<Piece<'static>>;

/// The most alternatives of one rule, and the most that conditions may make of one.
const ALTERNATIVES: usize = 50_000;
const CASES: usize = 16;

/// A path, a host and conditions that hold together.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternative {
    pub(super) path: Option<PathOf>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) conditions: Vec<Condition>,
    /// Texts that are known since an entry of a list was chosen.
    pub(super) values: BTreeMap<u16, Pieces>,
    /// Whose groups the numbers of a condition stand for.
    pub(super) groups: Groups,
    /// Whether somebody reads them already, so that they may not become those of another pattern.
    is_read: bool,
    /// The condition on path and query that its path was made of, and the path that was there before.
    pub(super) made_of: Option<Box<(Condition, Option<PathOf>)>>,
    /// Why it is not quite what it stands for.
    pub(super) why: Option<&'static str>,
}

/// Whose groups the numbers of a condition stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Groups {
    #[default]
    Nobodys,
    /// Those of the path, which the condition has become.
    Path,
    Of(Condition),
}

/// A text that was kept.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Text(Pieces),
    /// A group of the pattern of a condition.
    Group(Condition, u8),
    /// A text with groups of the pattern of a path.
    OfPath(PathOf, Pieces),
    /// The first of these whose conditions hold.
    Cases(Vec<(Vec<Condition>, String)>),
    /// What a list says of a text.
    List {
        on: Pieces,
        entries: std::rc::Rc<Vec<Entry>>,
    },
    Unknown,
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Pieces,
    /// Whether its key ignores letter case, as those of nginx do.
    pub(super) ignores_case: bool,
}

/// For what an entry is.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Text(String),
    Fits(Pattern<'static>),
    Asks(Vec<Condition>),
    Else,
}

/// What is known where a rule is tried.
#[derive(Clone, Debug)]
pub(super) struct Within {
    pub(super) alternatives: Vec<Alternative>,
    pub(super) held: BTreeMap<u16, Held>,
    /// Whether a location was chosen on the way.
    pub(super) is_located: bool,
}

impl Default for Within {
    fn default() -> Within {
        Within { alternatives: vec![Alternative::default()], held: BTreeMap::new(), is_located: false }
    }
}

impl Within {
    /// Whether nothing is asked of a request that comes here.
    pub(super) fn is_everywhere(&self) -> bool {
        let is_open = |one: &Alternative| one.path.is_none() && one.host.is_none() && one.port.is_none();
        self.alternatives.iter().any(|one| is_open(one) && one.conditions.is_empty())
    }

    /// Whether the value of a variable is known here.
    pub(super) fn knows(&self, slot: u16) -> bool {
        matches!(self.held.get(&slot), Some(Held::Text(_) | Held::Cases(_) | Held::List { .. }))
    }

    /// Asks that a file (`f`) or a folder (`d`) is not there, of which nothing is known here.
    pub(super) fn without_file(&mut self, letter: char) {
        let all = std::mem::take(&mut self.alternatives);
        self.alternatives = all.into_iter().map(|one| one.and(no_file(letter))).collect();
    }

    /// What holds under a rule.
    /// `is_whole` says that its pattern sees the whole path.
    pub(super) fn under(&self, rule: &RuleView<'_>, is_whole: bool) -> Result<Within, Why> {
        let source = rule.source();
        let mut out = Vec::new();
        for alternative in &self.alternatives {
            let mut alternative = alternative.clone();
            if !is_any_path(&source.path) {
                let own = PathOf { path: owned_path(&source.path)?, case: source.case, is_whole };
                let outer = alternative.path.take();
                match (both(outer.clone(), own.clone()), outer.as_ref().and_then(asked)) {
                    (Ok(Some(path)), _) => alternative.path = Some(path),
                    // No path is in both.
                    (Ok(None), _) => continue,
                    // What led here is asked beside the pattern, as where one `if` stands in another.
                    (Err(_), Some(asked)) if is_whole => {
                        alternative.path = Some(own);
                        if !alternative.conditions.contains(&asked) {
                            alternative.conditions.push(asked);
                        }
                    }
                    (Err(why), _) => return Err(why),
                }
            }
            out.push(alternative);
        }
        for group in rule.conditions().chunk_by(|one, _| one.or_next) {
            // Behind the last one there is nothing that could be enough instead, and httpd goes on.
            if group.last().is_some_and(|last| last.or_next) {
                continue;
            }
            out = self.with_any(out, group)?;
        }
        Ok(Within { alternatives: out, held: self.held.clone(), is_located: self.is_located })
    }

    /// Alternatives of which one of some conditions holds as well.
    fn with_any(&self, all: Vec<Alternative>, group: &[Condition]) -> Result<Vec<Alternative>, Why> {
        if let [_, _, ..] = group
            && let Ok(joined) = conditions::joined(group)
        {
            return self.with(all, &joined);
        }
        let mut out = Vec::new();
        for condition in group {
            out.extend(self.with(all.clone(), condition)?);
        }
        if out.len() > ALTERNATIVES {
            return Err("lists of lists: more than 50,000 rules would come of it".into());
        }
        Ok(out)
    }

    fn with(&self, all: Vec<Alternative>, condition: &Condition) -> Result<Vec<Alternative>, Why> {
        if asks_for_file(condition).is_some() {
            if !is_own_file(&condition.subject) {
                return Err(OTHER_FILE.into());
            }
            return Ok(all.into_iter().map(|one| one.and(condition.clone())).collect());
        }
        let Subject::Text(pieces) = &condition.subject else {
            return Ok(all.into_iter().map(|one| one.and(condition.clone())).collect());
        };
        let mut out = Vec::new();
        for one in all {
            if condition.negate && asks_beginning(pieces, &condition.test) && one.begins_with_slash() {
                out.push(one);
                continue;
            }
            let (mut is_behind, mut leaves_some) = (false, false);
            let outer = one.clone();
            // Entries of which no rule comes: single texts, of which a list has each once, and patterns.
            let (mut texts, mut patterns): (Vec<Alternative>, Vec<Alternative>) = (Vec::new(), Vec::new());
            for (one, pieces) in self.texts(one, pieces)? {
                let is_rest = one.why == Some(BEHIND);
                let found = one.clone().with_text(&pieces, condition)?;
                if found.is_empty() {
                    leaves_some |= !is_rest;
                    if one.is_of_one_text(&outer) { &mut texts } else { &mut patterns }.push(one);
                    continue;
                }
                is_behind |= is_rest;
                out.extend(found.into_iter().map(|one| match one.is_of_one_text(&outer) {
                    _ if is_rest => one,
                    true => one.behind(patterns.iter(), &outer),
                    false => one.behind(texts.iter().chain(&patterns), &outer),
                }));
            }
            // Entries that no rule comes of do not stand before it.
            if is_behind && leaves_some {
                return Err("it takes every path that is in no list, as of files that are there: only its own server looks into the folder".into());
            }
            if out.len() > ALTERNATIVES {
                return Err("lists of lists: more than 50,000 rules would come of it".into());
            }
        }
        Ok(out)
    }

    /// A text with what was kept put in its place: once for each way in which a list answers.
    pub(super) fn texts(&self, one: Alternative, pieces: &[Piece<'_>]) -> Result<Vec<(Alternative, Pieces)>, Why> {
        let mut all = vec![(one, Pieces::new())];
        for piece in pieces {
            let What::Slot(slot) = piece.what else {
                let piece = owned_piece(piece)?;
                all.iter_mut().for_each(|(_, text)| text.push(piece.clone()));
                continue;
            };
            let mut next = Vec::new();
            for (one, text) in all {
                for (one, value) in self.values(one, slot)? {
                    let value = value.into_iter().map(|own| Piece { place: piece.place, what: own.what });
                    next.push((one, text.iter().cloned().chain(value).collect()));
                }
                if next.len() > ALTERNATIVES {
                    return Err("lists of lists: more than 50,000 rules would come of it".into());
                }
            }
            all = next;
        }
        Ok(all)
    }

    /// What a slot may hold, each with what must be true then.
    fn values(&self, one: Alternative, slot: u16) -> Result<Vec<(Alternative, Pieces)>, Why> {
        if let Some(value) = one.values.get(&slot).cloned() {
            return Ok(vec![(one, value)]);
        }
        match self.held.get(&slot) {
            None => Ok(vec![(one, Pieces::new())]),
            Some(Held::Text(text)) => Ok(vec![(one, text.clone())]),
            Some(Held::Unknown) => Err(FOLLOWED.into()),
            Some(Held::Group(of, number)) => {
                let group = Piece { place: Landing::Path, what: What::ConditionCapture(*number) };
                Ok(vec![(one.reading(of)?, vec![group])])
            }
            // A condition that is asked takes the place of no group that a name keeps.
            Some(Held::OfPath(path, text)) => match one.path.as_ref() == Some(path) {
                true => Ok(vec![(one, text.clone())]),
                false => Err(FOLLOWED.into()),
            },
            Some(Held::Cases(cases)) => {
                let mut out = Vec::new();
                let mut before = vec![one];
                for (conditions, value) in cases {
                    let mut here = before.clone();
                    for condition in conditions {
                        here = self.with(here, condition)?;
                    }
                    out.extend(here.into_iter().map(|one| (one, literal(value))));
                    if conditions.is_empty() {
                        break;
                    }
                    // The first of them does not hold, or that one does and the next does not, and so on.
                    let mut rest = Vec::new();
                    for condition in conditions {
                        rest.extend(self.with(before.clone(), &negated(condition))?);
                        before = self.with(before, condition)?;
                    }
                    before = rest;
                }
                Ok(out.into_iter().map(|(one, value)| (one.knowing(slot, &value), value)).collect())
            }
            Some(Held::List { on, entries }) => self.look_up(one, slot, on, entries),
        }
    }

    fn look_up(
        &self,
        one: Alternative,
        slot: u16,
        on: &[Piece<'static>],
        entries: &[Entry],
    ) -> Result<Vec<(Alternative, Pieces)>, Why> {
        let mut out = Vec::new();
        for (one, text) in self.texts(one, on)? {
            let constant = constant(&text);
            let mut missed: Vec<&Entry> = Vec::new();
            for entry in entries {
                let found = match (&entry.key, &constant) {
                    (Key::Text(key), Some(text)) if !key.eq_ignore_ascii_case(text) => continue,
                    (Key::Fits(pattern), Some(text)) if !pattern.finds(text.as_bytes()).unwrap_or(true) => continue,
                    (Key::Text(_) | Key::Fits(_), Some(_)) => vec![one.clone()],
                    (Key::Text(key), None) => {
                        let found = one.clone().with_key(&text, Test::Is(key.clone()), false)?;
                        let folded = |one: Alternative| if entry.ignores_case { one.ignoring_case(key) } else { one };
                        found.into_iter().map(folded).collect()
                    }
                    (Key::Fits(pattern), None) => one.clone().with_key(&text, Test::Regex(pattern.clone()), false)?,
                    (Key::Asks(asked), _) => vec![asked.iter().cloned().fold(one.clone(), Alternative::and)],
                    (Key::Else, _) => self.missed(one.clone(), &text, &missed),
                };
                for one in found {
                    let (one, value) = one.with_groups_of(entry);
                    out.push((one.knowing(slot, &value), value));
                }
                if constant.is_some() && !matches!(entry.key, Key::Asks(_)) {
                    break;
                }
                missed.push(entry);
            }
            if out.len() > ALTERNATIVES {
                return Err("lists of lists: more than 50,000 rules would come of it".into());
            }
        }
        Ok(out)
    }

    /// Where no entry fits. Of paths and hosts no rule says that; it stands behind the rules of all entries then.
    fn missed(&self, one: Alternative, text: &[Piece<'static>], entries: &[&Entry]) -> Vec<Alternative> {
        let is_place = matches!(text, [Piece { what: What::Part(part), .. }] if is_place(*part));
        if is_place || entries.len() > CASES {
            return vec![Alternative { why: Some(BEHIND), ..one }];
        }
        let mut all = vec![one];
        for entry in entries {
            let test = match &entry.key {
                Key::Text(key) => Test::Is(key.clone()),
                Key::Fits(pattern) => Test::Regex(pattern.clone()),
                Key::Asks(asked) => match asked.as_slice() {
                    [condition] => {
                        all = all.into_iter().map(|one| one.and(negated(condition))).collect();
                        continue;
                    }
                    _ => continue,
                },
                Key::Else => continue,
            };
            all = all.into_iter().flat_map(|one| one.with_key(text, test.clone(), true).unwrap_or_default()).collect();
        }
        all
    }

    /// Keeps a text that is set under a rule.
    pub(super) fn hold(&mut self, rule: &RuleView<'_>, slot: u16, text: &[Piece<'_>]) {
        self.hold_where(rule, slot, text, rule.conditions());
    }

    /// Keeps a text that is set under a rule where all of these hold.
    pub(super) fn hold_where(
        &mut self,
        rule: &RuleView<'_>,
        slot: u16,
        text: &[Piece<'_>],
        conditions: Vec<Condition>,
    ) {
        let source = rule.source();
        let is_same = |one: &Alternative| match &one.path {
            Some(path) => owned_path(&source.path).is_ok_and(|own| path.path == own && path.case == source.case),
            None => false,
        };
        let is_everywhere = is_any_path(&source.path) || self.alternatives.iter().all(is_same);
        let held = match (is_everywhere, conditions.is_empty()) {
            _ if is_everywhere && let Some((of, number)) = group(text, &conditions) => Held::Group(of, number),
            _ if is_everywhere && let Some(same) = self.same_group(text, &conditions) => same,
            (_, true) if let Some(of) = of_path(rule, text) => of,
            (true, true) => match self.texts(Alternative::default(), text) {
                Ok(texts) => match <[_; 1]>::try_from(texts) {
                    Ok([(_, text)]) => Held::Text(text),
                    Err(_) => self.cases(slot, Vec::new(), text),
                },
                Err(_) => Held::Unknown,
            },
            (true, false) => self.cases(slot, conditions, text),
            (false, _) => Held::Unknown,
        };
        self.held.insert(slot, held);
    }

    /// A group that is kept once more under another name, where nothing is asked beside what it is a group of.
    fn same_group(&self, text: &[Piece<'_>], conditions: &[Condition]) -> Option<Held> {
        let [Piece { what: What::Slot(other), .. }] = text else { return None };
        let held = self.held.get(other)?;
        let Held::Group(of, _) = held else { return None };
        (conditions.is_empty() || *conditions == [of.clone()]).then(|| held.clone())
    }

    /// A text that is set where conditions hold, and what it was before.
    fn cases(&self, slot: u16, conditions: Vec<Condition>, text: &[Piece<'_>]) -> Held {
        let is_simple = |one: &Condition| match &one.subject {
            Subject::Text(pieces) => {
                !one.or_next && !pieces.iter().any(|piece| matches!(piece.what, What::Slot(_) | What::Changed(..)))
            }
            Subject::Of { .. } => !one.or_next,
        };
        if !conditions.iter().all(is_simple) {
            return Held::Unknown;
        }
        let before = match self.held.get(&slot) {
            None => vec![(Vec::new(), String::new())],
            Some(Held::Cases(cases)) => cases.clone(),
            Some(Held::Text(text)) => match constant(text) {
                Some(text) => vec![(Vec::new(), text)],
                None => return Held::Unknown,
            },
            Some(_) => return Held::Unknown,
        };
        let mut out = Vec::new();
        for (others, value) in &before {
            let mut own = String::new();
            for piece in text {
                match &piece.what {
                    What::Literal(text) => own.push_str(text),
                    What::Slot(other) if *other == slot => own.push_str(value),
                    _ => return Held::Unknown,
                }
            }
            out.push((conditions.iter().chain(others).cloned().collect(), own));
        }
        // What does not hang on what it was is said once.
        out.dedup_by(|next, kept| next.1 == kept.1);
        if let [only] = out.as_mut_slice() {
            only.0 = conditions.clone();
        }
        if !conditions.is_empty() {
            out.extend(before);
        }
        if out.len() > CASES { Held::Unknown } else { Held::Cases(out) }
    }
}

/// Why a variable is not followed.
const FOLLOWED: &str = "it uses a variable whose value is not followed to here: write the value into the rule";
/// Why groups of two patterns are not followed.
const TWO: &str = "it uses what two patterns took out of the request: one of them can be said";

/// Why a test for a file is no test of ours.
const OTHER_FILE: &str = "it asks for another file than the one that was requested, of which only its own server knows: write the condition there by hand";

/// Whether the file that is asked for is that of the request, with nothing before or behind it.
fn is_own_file(subject: &Subject) -> bool {
    let Subject::Text(pieces) = subject else { return false };
    let is_empty = |piece: &&Piece<'_>| matches!(&piece.what, What::Literal(text) if text.is_empty());
    let mut pieces = pieces.iter().filter(|piece| !is_empty(piece));
    let is_path = |what: &What<'_>| matches!(what, What::Part(Part::WorkingPath | Part::Path) | What::Slot(_));
    pieces.next().is_some_and(|piece| is_path(&piece.what)) && pieces.next().is_none()
}

/// Whether what is asked is that a group does not begin with a slash, as httpd asks of a target that begins with one.
fn asks_beginning(pieces: &[Piece<'_>], test: &Test) -> bool {
    let is_empty = |piece: &&Piece<'_>| matches!(&piece.what, What::Literal(text) if text.is_empty());
    let first = pieces.iter().find(|piece| !is_empty(piece));
    let is_group = matches!(first, Some(Piece { what: What::ConditionCapture(1), .. }));
    is_group && matches!(test, Test::Regex(pattern) if pattern.text == "^(?!/)")
}

/// A text that is a group of the one pattern that is asked.
fn group(text: &[Piece<'_>], conditions: &[Condition]) -> Option<(Condition, u8)> {
    let ([Piece { what: What::ConditionCapture(number @ 1..), .. }], [one]) = (text, conditions) else { return None };
    (is_taking(one) && !one.or_next).then(|| (one.clone(), *number))
}

/// A text that is a group of the rule's own pattern on the whole path.
fn of_path(rule: &RuleView<'_>, text: &[Piece<'_>]) -> Option<Held> {
    let source = rule.source();
    let [group @ Piece { what: What::Capture(_), .. }] = text else { return None };
    let path = owned_path(&source.path).ok().filter(|path| matches!(path, PathPattern::Regex(_)))?;
    Some(Held::OfPath(PathOf { path, case: source.case, is_whole: true }, vec![owned_piece(group).ok()?]))
}

/// Whether a condition takes groups out of what it looks at.
fn is_taking(condition: &Condition) -> bool {
    matches!(condition.test, Test::Regex(_)) && !condition.negate && asks_for_file(condition).is_none()
}

/// Why a rule for all that no entry is for is not quite that.
const BEHIND: &str = "the `default` of its list comes behind all entries";
/// Why a path that was compared together with its query is not quite that.
const NO_QUERY: &str = "its server takes this path without a query alone, and here it is taken with any";
/// Why what was compared with path and query as one text is not quite that.
pub(crate) const AS_SENT: &str =
    "its server compares path and query as one text, as it was sent; here the path is compared alone";
/// Why a condition on the Host field is not quite that.
const HOST_ALONE: &str = "the host is compared without the port behind it";
/// Why a prefix is one path alone.
const REST_IN_QUERY: &str =
    "its server writes what stands below its path behind the query of its target, and here nothing below is taken";
/// Why an entry of a list is not quite that where another one would be found before it.
const NOT_FIRST: &str = "an entry that goes before it in its list takes some of its requests, and is not said";

fn is_place(part: Part) -> bool {
    matches!(part, Part::WorkingPath | Part::Path | Part::PathAndQuery | Part::Host)
}

impl Alternative {
    fn and(mut self, condition: Condition) -> Alternative {
        let condition = Condition { or_next: false, ..condition };
        if is_taking(&condition) && !self.is_read {
            self.groups = Groups::Of(condition.clone());
        }
        // What holds already is not asked again.
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
        self
    }

    /// The same without what entries of a list take that go before it and of which no rule comes; `outer` is what led to the list.
    fn behind<'a>(mut self, left: impl Iterator<Item = &'a Alternative>, outer: &Alternative) -> Alternative {
        let mut count = 0;
        for other in left {
            let asked: Vec<&Condition> =
                other.conditions.iter().filter(|one| !outer.conditions.contains(one)).collect();
            let is_apart = asked.iter().any(|one| self.excludes(one))
                || other.host != outer.host && self.host.is_some() && self.host != other.host
                || other.path != outer.path
                    && matches!(self.path.clone().map(|own| both(other.path.clone(), own)), Some(Ok(None)));
            let is_same_place = other.path == outer.path && other.host == outer.host && other.port == outer.port;
            count += usize::from(!is_apart);
            match asked.as_slice() {
                _ if is_apart => {}
                [one] if is_same_place && count <= CASES => self = self.and(negated(one)),
                _ => self.why = self.why.or(Some(NOT_FIRST)),
            }
        }
        self
    }

    /// A target without the rest below a prefix where that would come into its query: the prefix is one path then.
    pub(super) fn without_tail_in_query(&mut self, mut pieces: Pieces) -> Pieces {
        let is_behind = |piece: &Piece<'_>| matches!(piece.what, What::Tail(_)) && piece.place >= Landing::Query;
        if let Some(PathOf { path: PathPattern::Prefix(prefix), is_whole, .. }) = &self.path
            && pieces.last().is_some_and(is_behind)
        {
            let (path, case) = (PathPattern::Exact(prefix.clone()), LetterCase::Significant);
            self.path = Some(PathOf { path, case, is_whole: *is_whole });
            self.why = self.why.or(Some(REST_IN_QUERY));
            pieces.pop();
        }
        pieces
    }

    /// Whether it is what led to a list together with a single text that was found there.
    fn is_of_one_text(&self, outer: &Alternative) -> bool {
        match self.path != outer.path {
            true => matches!(&self.path, Some(PathOf { path: PathPattern::Exact(_), .. })),
            false => matches!(self.conditions.last(), Some(Condition { test: Test::Is(_), negate: false, .. })),
        }
    }

    /// Whether a condition holds nowhere that this does: its contrary is asked, or another text of the same.
    fn excludes(&self, other: &Condition) -> bool {
        self.conditions.iter().any(|own| {
            own.subject == other.subject
                && match (&own.test, &other.test) {
                    (one, same) if one == same => own.negate != other.negate,
                    (Test::Is(text), test) if !own.negate => passes(test, text) == Some(other.negate),
                    (test, Test::Is(text)) if !other.negate => passes(test, text) == Some(own.negate),
                    _ => false,
                }
        })
    }

    /// The same for one query.
    fn with_query(self, query: &str) -> Alternative {
        let piece = Piece { place: Landing::Path, what: What::Part(Part::WorkingQuery) };
        let test = Test::Is(query.to_owned());
        self.and(Condition { subject: Subject::Text(vec![piece]), test, negate: false, or_next: false })
    }

    /// The same where groups of a condition are read that must hold here.
    fn reading(mut self, of: &Condition) -> Result<Alternative, Why> {
        let is_path = match (&of.subject, &of.test) {
            (Subject::Text(pieces), Test::Regex(pattern)) => {
                let is_place = matches!(pieces.as_slice(), [Piece { what: What::Part(part), .. }] if is_place(*part));
                is_place && self.path.as_ref().is_some_and(|own| own.path == PathPattern::Regex(pattern.clone()))
            }
            _ => false,
        };
        let groups = match is_path {
            true => Groups::Path,
            false if self.conditions.contains(of) => Groups::Of(of.clone()),
            false => return Err(FOLLOWED.into()),
        };
        if self.is_read && self.groups != groups {
            return Err(TWO.into());
        }
        (self.groups, self.is_read) = (groups, true);
        Ok(self)
    }

    /// The value of an entry, whose groups are those of its key: of the path, or of a condition that the key has become.
    fn with_groups_of(mut self, entry: &Entry) -> (Alternative, Pieces) {
        let takes = entry.value.iter().any(|piece| matches!(piece.what, What::Capture(_)));
        if !takes || !matches!(entry.key, Key::Fits(_)) {
            return (self, entry.value.clone());
        }
        self.is_read = true;
        let of_condition = matches!(self.groups, Groups::Of(_));
        let own = |piece: &Piece<'static>| match piece.what {
            What::Capture(index) if of_condition => {
                Piece { place: piece.place, what: What::ConditionCapture(index + 1) }
            }
            _ => piece.clone(),
        };
        let value = entry.value.iter().map(own).collect();
        (self, value)
    }

    fn knowing(mut self, slot: u16, value: &Pieces) -> Alternative {
        self.values.insert(slot, value.clone());
        self
    }

    /// Whether the first group of the path's pattern begins where the path does, with its slash.
    fn begins_with_slash(&self) -> bool {
        let (Groups::Path, Some(PathOf { path: PathPattern::Regex(pattern), .. })) = (&self.groups, &self.path) else {
            return false;
        };
        let text = pattern.text.strip_prefix('^').unwrap_or(&pattern.text);
        ["(.*", "(.+", "(/"].iter().any(|begin| text.starts_with(begin)) && !text.contains('|')
    }

    /// The same with path and query asked as one text, as its server does; `None` where its path has become another since.
    pub(super) fn as_sent(&self) -> Option<Alternative> {
        let (asked, before) = self.made_of.as_deref()?;
        let Test::Regex(pattern) = &asked.test else { return None };
        if self.path.as_ref()?.path != PathPattern::Regex(pattern.clone()) {
            return None;
        }
        let mut out = Alternative { path: before.clone(), made_of: None, ..self.clone() };
        out.why = out.why.filter(|why| *why != AS_SENT);
        out.conditions.push(asked.clone());
        if out.groups == Groups::Path {
            out.groups = Groups::Of(asked.clone());
        }
        Some(out)
    }

    /// With a key of a list.
    fn with_key(self, text: &[Piece<'static>], test: Test, negate: bool) -> Result<Vec<Alternative>, Why> {
        let subject = Subject::Text(text.to_vec());
        self.with_text(text, &Condition { subject, test, negate, or_next: false })
    }

    /// The same where its path is this one, in letters of either case.
    fn ignoring_case(mut self, key: &str) -> Alternative {
        let is_key = |path: &&mut PathOf| matches!(&path.path, PathPattern::Exact(own) if &**own == key.as_bytes());
        if let Some(path) = self.path.as_mut().filter(is_key).filter(|_| key.contains(|c: char| c.is_alphabetic())) {
            path.case = LetterCase::Ignored;
        }
        self
    }

    /// With a condition on a text in which nothing is kept any more.
    fn with_text(mut self, pieces: &[Piece<'static>], condition: &Condition) -> Result<Vec<Alternative>, Why> {
        if let Some(text) = constant(pieces) {
            let holds = passes(&condition.test, &text)
                .ok_or("it compares a text that is put together, or one that only its own server knows")?;
            return Ok(if holds != condition.negate { vec![self] } else { Vec::new() });
        }
        // A text with a literal in it is neither nothing nor `0`.
        let is_some =
            pieces.iter().any(|piece| matches!(&piece.what, What::Literal(text) if !matches!(text.as_ref(), "" | "0")));
        let asks_nothing = match &condition.test {
            Test::In(texts) => texts.iter().all(|text| matches!(text.as_str(), "" | "0")),
            Test::Is(text) => matches!(text.as_str(), "" | "0"),
            _ => false,
        };
        if is_some && asks_nothing {
            return Ok(if condition.negate { vec![self] } else { Vec::new() });
        }
        let part = match pieces {
            [Piece { what: What::Part(part), .. }] => Some(*part),
            _ => None,
        };
        match (part, &condition.test) {
            // A path is never empty.
            (Some(Part::WorkingPath | Part::Path | Part::PathAndQuery), Test::In(texts))
                if texts.iter().all(|text| matches!(text.as_str(), "" | "0")) =>
            {
                return Ok(if condition.negate { vec![self] } else { Vec::new() });
            }
            (Some(Part::WorkingPath | Part::Path | Part::PathAndQuery), test) if !condition.negate => {
                let path = match test {
                    Test::Is(text) if part == Some(Part::PathAndQuery) && text.starts_with('/') => {
                        let (path, query) =
                            text.split_once('?').map_or((text.as_str(), None), |(path, query)| (path, Some(query)));
                        match query {
                            // A query that is not there is no condition of ours: it is said.
                            None => self.why = Some(NO_QUERY),
                            Some(query) => {
                                self = self.with_query(query);
                                self.why = Some(AS_SENT);
                            }
                        }
                        PathPattern::Exact(Cow::Owned(path.as_bytes().to_vec()))
                    }
                    Test::Is(text) if text.starts_with('/') && !text.contains('?') => {
                        PathPattern::Exact(Cow::Owned(text.clone().into_bytes()))
                    }
                    Test::Regex(pattern) if !pattern.text.contains("\\?") => PathPattern::Regex(pattern.clone()),
                    Test::Glob(end) if end.strip_prefix('*').is_some_and(|end| end == "/") => {
                        PathPattern::Regex(Pattern::own("/$"))
                    }
                    _ => {
                        return Ok(vec![
                            self.and(Condition { subject: Subject::Text(pieces.to_vec()), ..condition.clone() }),
                        ]);
                    }
                };
                let case = match &path {
                    PathPattern::Regex(pattern) => pattern.case,
                    _ => LetterCase::Significant,
                };
                let is_pattern = matches!(path, PathPattern::Regex(_));
                if is_pattern && part == Some(Part::PathAndQuery) {
                    self.why = Some(AS_SENT);
                }
                let own = PathOf { path, case, is_whole: true };
                let before = self.path.take();
                let both = match both(before.clone(), own.clone()) {
                    Err(_) if is_pattern && matches!(part, Some(Part::WorkingPath | Part::Path)) => {
                        self.path = before;
                        let subject = Subject::Text(pieces.to_vec());
                        return Ok(vec![self.and(Condition { subject, ..condition.clone() })]);
                    }
                    both => both?,
                };
                return Ok(match both {
                    Some(path) => {
                        if is_pattern && part == Some(Part::PathAndQuery) && path.path == own.path {
                            let subject = Subject::Text(pieces.to_vec());
                            let asked = Condition { subject, or_next: false, ..condition.clone() };
                            self.made_of = Some(Box::new((asked, before)));
                        }
                        if is_pattern && !self.is_read {
                            self.groups = if path.path == own.path { Groups::Path } else { Groups::Nobodys };
                        }
                        self.path = Some(path);
                        vec![self]
                    }
                    None => Vec::new(),
                });
            }
            (Some(Part::LocalPort | Part::Port), Test::Is(port))
                if !condition.negate && self.port.is_none() && !matches!(port.as_str(), "80" | "443") =>
            {
                self.port = Some(port.parse().map_err(|_| "it compares the port with what is no number")?);
                return Ok(vec![self]);
            }
            (Some(Part::Host), Test::Is(host)) if !condition.negate && self.host.is_none() => {
                self.host = Some(host.to_ascii_lowercase());
                return Ok(vec![self]);
            }
            _ => {}
        }
        let ends = matches!(&condition.test, Test::Regex(pattern) if pattern.text.ends_with('$'))
            || matches!(condition.test, Test::Is(_));
        if part == Some(Part::HostField) && ends {
            self.why = self.why.or(Some(HOST_ALONE));
        }
        let subject = Subject::Text(pieces.to_vec());
        Ok(vec![self.and(Condition { subject, ..condition.clone() })])
    }
}

fn negated(condition: &Condition) -> Condition {
    Condition { negate: !condition.negate, ..condition.clone() }
}

/// A text that takes nothing of the request.
pub(super) fn literal(text: &str) -> Pieces {
    match text.is_empty() {
        true => Pieces::new(),
        false => vec![Piece { place: Landing::Path, what: What::Literal(Cow::Owned(text.to_owned())) }],
    }
}

/// The text of pieces that take nothing of the request.
pub(super) fn constant(pieces: &[Piece<'_>]) -> Option<String> {
    let texts = pieces.iter().map(|piece| match &piece.what {
        What::Literal(text) => Some(text.as_ref()),
        _ => None,
    });
    texts.collect::<Option<Vec<&str>>>().map(|texts| texts.concat())
}

/// Whether a text passes a test, as far as that is known here.
fn passes(test: &Test, text: &str) -> Option<bool> {
    match test {
        Test::Is(own) => Some(own == text),
        Test::In(all) => Some(all.iter().any(|own| own == text)),
        Test::Regex(pattern) => pattern.finds(text.as_bytes()).ok(),
        Test::Glob(glob) => match glob.strip_suffix('*') {
            Some(begin) if !begin.contains(['*', '?']) => Some(text.starts_with(begin)),
            _ => None,
        },
        Test::Range(..) | Test::Present => None,
    }
}

/// A piece that lives as long as it likes.
pub(super) fn owned_piece(piece: &Piece<'_>) -> Result<Piece<'static>, Why> {
    let text = |text: &str| Cow::Owned(text.to_owned());
    let what = match &piece.what {
        What::Literal(own) => What::Literal(text(own)),
        What::Capture(index) => What::Capture(*index),
        What::Tail(index) => What::Tail(*index),
        What::TailText(index) => What::TailText(*index),
        What::ConditionCapture(index) => What::ConditionCapture(*index),
        What::Part(part) => What::Part(*part),
        What::QueryValue(name) => What::QueryValue(text(name)),
        What::Field(name) => What::Field(text(name)),
        What::PortElse(port) => What::PortElse(*port),
        What::Argument(name) => What::Argument(text(name)),
        What::Cookie(name) => What::Cookie(text(name)),
        What::Slot(slot) => What::Slot(*slot),
        What::Changed(Change::Hash, _) => return Err("visitors divided by nginx's own hash".into()),
        What::Changed(..) => return Err("a map that changes a text of the request".into()),
    };
    Ok(Piece { place: piece.place, what })
}
