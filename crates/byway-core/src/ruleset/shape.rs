//! What rules have in common, written once: everything of a rule but the text of its source and target.
//!
//! A million lines of a list share one shape. It begins with fields at fixed places, which a decision reads; conditions follow,
//! and what only people read comes last.

pub(crate) use super::texts::{
    decode_pattern, decode_target, encode_pattern, encode_pieces, encode_target, pieces, split_program,
};
use crate::condition::{Condition, Subject, Test};
use crate::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use crate::extras::{Extras, RawExtras};
use crate::request::Scheme;
use crate::rule::{Action, FileId, Probing, RetryAfter, Review, Rule, Then};
use crate::ruleset::TableId;
use crate::source::{PathPattern, QueryPair};
use crate::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use crate::target::Target;
use crate::wire::{Cursor, Put, u16_at, u32_at};

pub(crate) const HEAD: usize = 40;

const CONSTANT: u8 = 1;
const GATED: u8 = 2;
const FINAL: u8 = 4;
const IGNORES_CASE: u8 = 8;
const EITHER_SLASH: u8 = 16;
const CACHES: u8 = 32;
const KEY_HOLDS_PAIRS: u8 = 64;
const EXTRAS: u8 = 128;
/// Beside the kind of a review: the target is not to be asked whether it is there.
const UNPROBED: u8 = 128;
/// The argument of a reply whose `Retry-After` is what is left of its window.
const AT_WINDOW_END: u32 = u32::MAX;

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Exact = 0,
    Prefix = 1,
    BytePrefix = 2,
    Segments = 3,
    Regex = 4,
}

/// The kind of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Does {
    Redirect = 0,
    Reply = 1,
    Pass = 2,
    Enter = 3,
    Rewrite = 4,
    Set = 5,
    Call = 6,
}

/// Writes the shape of a rule; `weight` is how much more it asks than its source alone.
pub(crate) fn encode(rule: &Rule<'_>, table: TableId, out: &mut Vec<u8>) -> u16 {
    let source = &rule.source;
    let exact = matches!(source.path, PathPattern::Exact(_));
    let pairs: &[QueryPair<'_>] = if exact { &[] } else { &source.query };
    let asked = rule.conditions.len()
        + usize::from(source.scheme.is_some())
        + usize::from(source.port.is_some())
        + usize::from(rule.window.is_some())
        + usize::from(rule.unless_window.is_some())
        + source.query.len();
    // Pairs of an exact source are part of its key: they weigh, and are not asked once more.
    let gated = asked > source.query.len() - pairs.len() || rule.since.is_some() || rule.until.is_some();
    let weight = asked.min(usize::from(u16::MAX)) as u16;
    let (does, numbers, target, query, arg) = action_parts(&rule.action);
    let kind = kind_of(&source.path);
    let mut flags = if gated { GATED } else { 0 };
    flags |= if target.is_some_and(Target::is_constant) { CONSTANT } else { 0 };
    flags |= if matches!(source.path, PathPattern::BytePrefix { is_final: true, .. }) { FINAL } else { 0 };
    flags |= if source.case == LetterCase::Ignored { IGNORES_CASE } else { 0 };
    flags |= if source.slash == TrailingSlash::Either { EITHER_SLASH } else { 0 };
    flags |= if rule.cache_control.is_some() { CACHES } else { 0 };
    flags |= if exact && !source.query.is_empty() { KEY_HOLDS_PAIRS } else { 0 };
    let extras = rule.extras.filter(|extras| **extras != Extras::default());
    flags |= if extras.is_some() { EXTRAS } else { 0 };

    out.put_u8(does as u8);
    out.put_u8(kind as u8);
    out.put_u8(flags);
    out.put_u8(match source.scheme {
        None => 0,
        Some(Scheme::Http) => 1,
        Some(Scheme::Https) => 2,
    });
    out.put_u16(source.port.unwrap_or(0));
    out.put_u16(numbers.0);
    out.put_u16(numbers.1);
    out.put_u8(match query {
        None | Some(QueryPolicy::Keep) => 0,
        Some(QueryPolicy::Drop) => 1,
        Some(QueryPolicy::Replace) => 2,
        Some(QueryPolicy::Merge(MergeWinner::Target)) => 3,
        Some(QueryPolicy::Merge(MergeWinner::Request)) => 4,
        Some(QueryPolicy::Only(_)) => 5,
    });
    out.put_u8(match rule.action {
        Action::Rewrite { then: Then::Table(_), .. } | Action::Set { then: Then::Table(_), .. } => 1,
        Action::Rewrite { then: Then::End, .. } | Action::Set { then: Then::End, .. } => 2,
        _ => 0,
    });
    out.put_u32(arg);
    out.put_u16(rule.place.file.0);
    out.put_u16(table.0);
    out.put_u32(rule.priority as u32);
    out.put_u16(weight);
    for number in [rule.window.map(|id| id.0), rule.unless_window.map(|id| id.0), rule.pool.map(|id| id.0)] {
        out.put_u16(number.map_or(0, |number| number + 1));
    }
    out.put_u64(0);

    out.put_u16(rule.conditions.len() as u16);
    out.put_u16(pairs.len() as u16);
    out.put_i64(rule.since.unwrap_or(i64::MIN));
    out.put_i64(rule.until.unwrap_or(i64::MAX));
    for pair in pairs {
        out.put_bytes(pair.name.as_bytes());
        out.put_bytes(pair.value.as_bytes());
    }
    for condition in rule.conditions {
        encode_condition(condition, out);
    }
    out.put_bytes(rule.cache_control.unwrap_or_default().as_bytes());
    let only = match query {
        Some(QueryPolicy::Only(names)) => names.as_slice(),
        _ => &[],
    };
    out.put_u16(only.len() as u16);
    for name in only {
        out.put_bytes(name.as_bytes());
    }
    for text in [rule.id, rule.group, rule.owner, rule.note, rule.allow] {
        out.put_bytes(text.unwrap_or_default().as_bytes());
    }
    let (kind, seconds) = match rule.review {
        None => (0, 0),
        Some(Review::After(seconds)) => (1, seconds),
        Some(Review::On(seconds)) => (2, seconds),
    };
    out.put_u8(kind | if rule.probing == Probing::Refused { UNPROBED } else { 0 });
    out.put_i64(seconds);
    if let Some(extras) = extras {
        extras.encode(out);
    }
    weight
}

pub(crate) fn kind_of(path: &PathPattern<'_>) -> Kind {
    match path {
        PathPattern::Exact(_) => Kind::Exact,
        PathPattern::Prefix(_) => Kind::Prefix,
        PathPattern::BytePrefix { .. } => Kind::BytePrefix,
        PathPattern::Segments { .. } => Kind::Segments,
        PathPattern::Regex(_) => Kind::Regex,
    }
}

type Parts<'r, 'a> = (Does, (u16, u16), Option<&'r Target<'a>>, Option<&'r QueryPolicy>, u32);

fn action_parts<'r, 'a>(action: &'r Action<'a>) -> Parts<'r, 'a> {
    match action {
        Action::Redirect { status, target, query } => {
            (Does::Redirect, (status.get.number(), status.other.number()), Some(target), Some(query), 0)
        }
        Action::Reply { status, retry_after } => {
            let argument = match retry_after {
                None => 0,
                Some(RetryAfter::Seconds(seconds)) => seconds.saturating_add(1).min(AT_WINDOW_END - 1),
                Some(RetryAfter::Window) => AT_WINDOW_END,
            };
            (Does::Reply, (status.number(), 0), None, None, argument)
        }
        Action::Pass => (Does::Pass, (0, 0), None, None, 0),
        Action::Enter(table) => (Does::Enter, (0, 0), None, None, u32::from(table.0)),
        Action::Rewrite { target, query, then } => {
            let table = if let Then::Table(table) = then { u32::from(table.0) } else { 0 };
            (Does::Rewrite, (0, 0), Some(target), Some(query), table)
        }
        Action::Set { slot, text, then } => {
            let table = if let Then::Table(table) = then { u32::from(table.0) } else { 0 };
            (Does::Set, (*slot, 0), Some(text), Some(&QueryPolicy::Drop), table)
        }
        Action::Call { table, text } => {
            (Does::Call, (u16::from(text.is_some()), 0), text.as_ref(), Some(&QueryPolicy::Drop), u32::from(table.0))
        }
    }
}

fn encode_condition(condition: &Condition, out: &mut Vec<u8>) {
    match &condition.subject {
        Subject::Of { row, name } => {
            out.put_u8(*row);
            out.put_bytes(name.as_bytes());
        }
        Subject::Text(pieces) => {
            out.put_u8(u8::MAX);
            let mut text = Vec::new();
            encode_pieces(pieces, &mut text);
            out.put_bytes(&text);
        }
    }
    out.put_u8(u8::from(condition.negate) | u8::from(condition.or_next) << 1);
    out.put_u8(condition.test.number());
    match &condition.test {
        Test::Is(text) | Test::Glob(text) => out.put_bytes(text.as_bytes()),
        Test::In(texts) => {
            out.put_u32(texts.len() as u32);
            texts.iter().for_each(|text| out.put_bytes(text.as_bytes()));
        }
        Test::Regex(pattern) => {
            let mut text = Vec::new();
            encode_pattern(pattern, &mut text);
            out.put_bytes(&text);
        }
        Test::Range(first, last) => {
            out.put_i64(*first);
            out.put_i64(*last);
        }
        Test::Present => {}
    }
}

/// A condition in a shape, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct RawCondition<'s> {
    pub(crate) row: u8,
    pub(crate) name: &'s [u8],
    pub(crate) negate: bool,
    pub(crate) or_next: bool,
    pub(crate) test: RawTest<'s>,
}

/// A test in a shape, borrowed.
#[derive(Clone, Copy)]
pub(crate) enum RawTest<'s> {
    Is(&'s str),
    In(RawList<'s>),
    Glob(&'s str),
    Regex(&'s [u8]),
    Range(i64, i64),
    Present,
}

/// A list of texts in a shape.
#[derive(Clone, Copy)]
pub(crate) struct RawList<'s> {
    cursor: Cursor<'s>,
    len: u32,
}

impl<'s> RawList<'s> {
    pub(crate) fn texts(self) -> impl Iterator<Item = &'s str> {
        let mut cursor = self.cursor;
        (0..self.len).map_while(move |_| cursor.is_sound().then(|| cursor.str()))
    }
}

fn read_condition<'s>(cursor: &mut Cursor<'s>) -> RawCondition<'s> {
    let row = cursor.u8();
    let name = cursor.bytes();
    let flags = cursor.u8();
    let test = match cursor.u8() {
        0 => RawTest::Is(cursor.str()),
        1 => {
            let len = cursor.u32();
            let list = RawList { cursor: *cursor, len };
            for _ in 0..len {
                cursor.str();
                if !cursor.is_sound() {
                    break;
                }
            }
            RawTest::In(list)
        }
        2 => RawTest::Glob(cursor.str()),
        3 => RawTest::Regex(cursor.bytes()),
        4 => RawTest::Range(cursor.i64(), cursor.i64()),
        _ => RawTest::Present,
    };
    RawCondition { row, name, negate: flags & 1 != 0, or_next: flags & 2 != 0, test }
}

/// A shape in a rule set, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'s>(pub(crate) &'s [u8]);

/// What of a shape only people read, and what is read once a rule is taken.
pub(crate) struct Cold<'s> {
    pub(crate) cache_control: &'s str,
    pub(crate) only: Vec<&'s str>,
    pub(crate) id: &'s str,
    pub(crate) group: &'s str,
    pub(crate) owner: &'s str,
    pub(crate) note: &'s str,
    pub(crate) allow: &'s str,
    pub(crate) review: Option<Review>,
    pub(crate) probing: Probing,
    pub(crate) extras: Option<RawExtras<'s>>,
    pub(crate) is_sound: bool,
}

impl<'s> Shape<'s> {
    fn byte(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn flag(self, flag: u8) -> bool {
        self.byte(2) & flag != 0
    }

    pub(crate) fn does(self) -> Does {
        match self.byte(0) {
            0 => Does::Redirect,
            1 => Does::Reply,
            3 => Does::Enter,
            4 => Does::Rewrite,
            5 => Does::Set,
            6 => Does::Call,
            _ => Does::Pass,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self.byte(1) {
            0 => Kind::Exact,
            1 => Kind::Prefix,
            2 => Kind::BytePrefix,
            3 => Kind::Segments,
            _ => Kind::Regex,
        }
    }

    pub(crate) fn is_constant(self) -> bool {
        self.flag(CONSTANT)
    }

    pub(crate) fn is_gated(self) -> bool {
        self.flag(GATED)
    }

    /// The path of a key, and the query pairs behind it, where the source is exact.
    pub(crate) fn split_key(self, key: &[u8]) -> (&[u8], Option<&[u8]>) {
        match memchr::memchr(b'?', key).filter(|_| self.flag(KEY_HOLDS_PAIRS)) {
            Some(mark) => (&key[..mark], Some(&key[mark + 1..])),
            None => (key, None),
        }
    }

    /// Whether its answer says more than status, location and `Cache-Control`.
    pub(crate) fn has_extras(self) -> bool {
        self.flag(EXTRAS)
    }

    pub(crate) fn is_final(self) -> bool {
        self.flag(FINAL)
    }

    pub(crate) fn case(self) -> LetterCase {
        if self.flag(IGNORES_CASE) { LetterCase::Ignored } else { LetterCase::Significant }
    }

    pub(crate) fn slash(self) -> TrailingSlash {
        if self.flag(EITHER_SLASH) { TrailingSlash::Either } else { TrailingSlash::Significant }
    }

    pub(crate) fn scheme(self) -> Option<Scheme> {
        match self.byte(3) {
            1 => Some(Scheme::Http),
            2 => Some(Scheme::Https),
            _ => None,
        }
    }

    pub(crate) fn port(self) -> Option<u16> {
        Some(u16_at(self.0, 4)).filter(|&port| port != 0)
    }

    pub(crate) fn status(self) -> StatusByMethod {
        let of = |at| RedirectStatus::from_number(u16_at(self.0, at)).unwrap_or(RedirectStatus::TemporaryRedirect);
        StatusByMethod { get: of(6), other: of(8) }
    }

    pub(crate) fn reply_status(self) -> ReplyStatus {
        ReplyStatus::from_number(u16_at(self.0, 6)).unwrap_or(ReplyStatus::NotFound)
    }

    /// Whether a table is called with a text.
    pub(crate) fn has_text(self) -> bool {
        u16_at(self.0, 6) != 0
    }

    pub(crate) fn slot(self) -> u16 {
        u16_at(self.0, 6)
    }

    pub(crate) fn query_policy(self) -> QueryPolicy {
        match self.byte(10) {
            1 => QueryPolicy::Drop,
            2 => QueryPolicy::Replace,
            3 => QueryPolicy::Merge(MergeWinner::Target),
            4 => QueryPolicy::Merge(MergeWinner::Request),
            5 => QueryPolicy::Only(self.cold().only.iter().map(|&name| name.to_owned()).collect()),
            _ => QueryPolicy::Keep,
        }
    }

    pub(crate) fn then(self) -> Then {
        match self.byte(11) {
            1 => Then::Table(self.table_argument()),
            2 => Then::End,
            _ => Then::Next,
        }
    }

    pub(crate) fn retry_after(self) -> Option<RetryAfter> {
        match u32_at(self.0, 12) {
            0 => None,
            AT_WINDOW_END => Some(RetryAfter::Window),
            argument => Some(RetryAfter::Seconds(argument - 1)),
        }
    }

    pub(crate) fn window(self) -> Option<u16> {
        u16_at(self.0, 26).checked_sub(1)
    }

    pub(crate) fn unless_window(self) -> Option<u16> {
        u16_at(self.0, 28).checked_sub(1)
    }

    pub(crate) fn pool(self) -> Option<u16> {
        u16_at(self.0, 30).checked_sub(1)
    }

    pub(crate) fn table_argument(self) -> TableId {
        TableId(u32_at(self.0, 12) as u16)
    }

    pub(crate) fn file(self) -> FileId {
        FileId(u16_at(self.0, 16))
    }

    pub(crate) fn table(self) -> TableId {
        TableId(u16_at(self.0, 18))
    }

    pub(crate) fn priority(self) -> i32 {
        u32_at(self.0, 20) as i32
    }

    pub(crate) fn weight(self) -> u16 {
        u16_at(self.0, 24)
    }

    fn gates(self) -> (Cursor<'s>, u16, u16, i64, i64) {
        let mut cursor = Cursor::new(self.0.get(HEAD..).unwrap_or_default());
        let (conditions, pairs) = (cursor.u16(), cursor.u16());
        let (since, until) = (cursor.i64(), cursor.i64());
        (cursor, conditions, pairs, since, until)
    }

    /// The first second in which the rule holds, and the first in which it no longer does.
    pub(crate) fn span(self) -> (i64, i64) {
        let (_, _, _, since, until) = self.gates();
        (since, until)
    }

    /// Query pairs that are not part of a key.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (&'s str, &'s str)> {
        let (mut cursor, _, pairs, ..) = self.gates();
        (0..pairs).map(move |_| (cursor.str(), cursor.str()))
    }

    pub(crate) fn conditions(self) -> impl Iterator<Item = RawCondition<'s>> {
        let (mut cursor, conditions, pairs, ..) = self.gates();
        for _ in 0..2 * u32::from(pairs) {
            cursor.bytes();
        }
        (0..conditions).map(move |_| read_condition(&mut cursor))
    }

    /// What the rule says for `Cache-Control`; empty where it says nothing.
    pub(crate) fn cache_control(self) -> &'s str {
        let text = if self.flag(CACHES) { self.cold().cache_control } else { "" };
        // What was not checked when it was opened must not reach a header.
        if is_field_value(text) { text } else { "" }
    }

    pub(crate) fn cold(self) -> Cold<'s> {
        let (mut cursor, conditions, pairs, ..) = self.gates();
        for _ in 0..2 * u32::from(pairs) {
            cursor.bytes();
        }
        for _ in 0..conditions {
            read_condition(&mut cursor);
        }
        let cache_control = cursor.str();
        let names = cursor.u16();
        let only = (0..names).map_while(|_| cursor.is_sound().then(|| cursor.str())).collect();
        let [id, group, owner, note, allow] = std::array::from_fn(|_| cursor.str());
        let kind = cursor.u8();
        let probing = if kind & UNPROBED == 0 { Probing::Allowed } else { Probing::Refused };
        let review = match (kind & !UNPROBED, cursor.i64()) {
            (1, seconds) => Some(Review::After(seconds)),
            (2, seconds) => Some(Review::On(seconds)),
            _ => None,
        };
        let extras = self.has_extras().then(|| RawExtras::read(&mut cursor));
        let is_sound = cursor.is_sound() && is_field_value(cache_control);
        Cold { cache_control, only, id, group, owner, note, allow, review, probing, extras, is_sound }
    }
}

/// Whether a text may be the value of a header field.
pub(crate) fn is_field_value(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}
