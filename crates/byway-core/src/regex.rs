//! Patterns after `~`: checked when rules are read, kept as text, built into a matcher when first needed.
//!
//! byway's own patterns run in linear time and are compared with the whole path. Patterns of other servers may look around or
//! refer back; those go to a backtracking engine with a bounded number of steps. Cost is bounded on every side: the size of a
//! compiled pattern, the steps of a match, and the memory of the matchers that are kept.

mod program;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::{Hir, HirKind};

use program::Ran;

use crate::dialect::LetterCase;
use crate::ruleset::shape::{decode_pattern, split_program};

/// The most bytes that one compiled pattern may take.
pub const SIZE_LIMIT: usize = 1 << 20;
/// The most steps that a backtracking match may take.
pub const STEP_LIMIT: usize = 50_000;
/// The most groups that a pattern may have.
pub const GROUP_LIMIT: usize = 64;

/// A regular expression as text, with what its server says of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Whether case counts.
    pub case: LetterCase,
    /// What must fit.
    pub anchoring: Anchoring,
    /// Which language it is written in.
    pub flavour: Flavour,
}

/// What a pattern must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Anchoring {
    /// All of the text.
    Whole = 0,
    /// Any part of the text.
    Anywhere = 1,
}

/// The language of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Flavour {
    /// Linear time: no look-around, no back-references.
    Linear = 0,
    /// As PCRE reads it, where our engines agree with PCRE: `.` does not match a line feed.
    Pcre = 1,
    /// As Apache sets PCRE: `.` matches a line feed as well.
    PcreDotAll = 2,
}

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRegex {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for InvalidRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for InvalidRegex {}

/// A pattern that is ready to be asked of texts.
pub struct Finder(Matcher);

impl Finder {
    /// Whether it matches a text; a pattern that runs out of steps does not say no.
    pub fn finds(&self, text: &[u8]) -> bool {
        self.0.run(text, &mut Vec::new()) != Match::No
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finder")
    }
}

/// A pattern built for matching.
pub(crate) enum Matcher {
    Linear(Box<meta::Regex>),
    Stepping(Box<fancy_regex::Regex>),
}

/// What came of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    TooCostly,
}

/// Where a group matched.
pub(crate) type Span = Option<(u32, u32)>;

impl<'a> Pattern<'a> {
    /// byway's own: linear, over the whole path, case significant.
    pub fn own(text: &'a str) -> Pattern<'a> {
        Pattern {
            text: Cow::Borrowed(text),
            case: LetterCase::Significant,
            anchoring: Anchoring::Whole,
            flavour: Flavour::Linear,
        }
    }

    /// The names of the groups, from 1; a group without a name is known by its number.
    ///
    /// ```
    /// use byway_core::regex::Pattern;
    /// let names = Pattern::own(r"/(?<year>\d+)/(.*)").group_names().unwrap();
    /// assert_eq!(names, ["year", "2"]);
    /// assert!(Pattern::own("/(a").group_names().is_err());
    /// ```
    pub fn group_names(&self) -> Result<Vec<String>, InvalidRegex> {
        if let Some(names) = self.names_of_short() {
            return Ok(names);
        }
        let matcher = self.build()?;
        let names: Vec<Option<String>> = match &matcher {
            Matcher::Linear(regex) => {
                let info = regex.group_info();
                info.pattern_names(regex_automata::PatternID::ZERO).map(|name| name.map(str::to_owned)).collect()
            }
            Matcher::Stepping(regex) => regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
        };
        if names.len() > GROUP_LIMIT {
            let what = format!("the pattern has {} groups; at most {} are kept", names.len() - 1, GROUP_LIMIT - 1);
            return Err(self.invalid(0..self.text.len(), what, Some("write `(?:…)` for groups that no target uses")));
        }
        Ok(names.into_iter().enumerate().skip(1).map(|(at, name)| name.unwrap_or_else(|| at.to_string())).collect())
    }

    /// The names of the groups of a pattern that is too short to be too large, so that no engine need be built to know that it is
    /// sound: lists have a million of them. None where that cannot be said.
    fn names_of_short(&self) -> Option<Vec<String>> {
        let grows = ["{", "(?i", "(?u", "(?s", "(?x", "(?m", "(?U", "(?R", "(?-", "\\p", "\\P"];
        if self.text.len() > SHORT || grows.iter().any(|sign| self.text.contains(sign)) {
            return None;
        }
        let ast = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(&self.text).ok()?;
        let mut translator = regex_syntax::hir::translate::TranslatorBuilder::new();
        let translator = translator.unicode(false).utf8(false).case_insensitive(self.case == LetterCase::Ignored);
        translator
            .dot_matches_new_line(self.flavour == Flavour::PcreDotAll)
            .build()
            .translate(&self.text, &ast)
            .ok()?;
        let names = ast::visit(&ast, Names::default()).ok()?;
        (names.len() < GROUP_LIMIT).then_some(names)
    }

    /// Whether it matches a text; a pattern that runs out of steps does not say no.
    ///
    /// ```
    /// use byway_core::regex::Pattern;
    /// assert_eq!(Pattern::own(r"/(\d+)").finds(b"/7"), Ok(true));
    /// ```
    pub fn finds(&self, text: &[u8]) -> Result<bool, InvalidRegex> {
        Ok(self.finder()?.finds(text))
    }

    /// The pattern made ready to be asked of many texts.
    ///
    /// ```
    /// use byway_core::regex::Pattern;
    /// let finder = Pattern::own(r"/(\d+)").finder()?;
    /// assert!(finder.finds(b"/7") && !finder.finds(b"/x"));
    /// # Ok::<(), byway_core::regex::InvalidRegex>(())
    /// ```
    pub fn finder(&self) -> Result<Finder, InvalidRegex> {
        self.build().map(Finder)
    }

    fn invalid(&self, at: Range<usize>, what: String, help: Option<&str>) -> InvalidRegex {
        InvalidRegex { at, what, help: help.map(str::to_owned) }
    }

    fn syntax(&self) -> syntax::Config {
        // Patterns see bytes of a path, so `\d` is ten digits and `.` is one byte; `(?u)` asks for more.
        syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .case_insensitive(self.case == LetterCase::Ignored)
            .dot_matches_new_line(self.flavour == Flavour::PcreDotAll)
    }

    fn wrapped(&self) -> Cow<'_, str> {
        match self.anchoring {
            Anchoring::Whole => Cow::Owned(format!("^(?:{})$", self.text)),
            Anchoring::Anywhere => Cow::Borrowed(&self.text),
        }
    }

    pub(crate) fn build(&self) -> Result<Matcher, InvalidRegex> {
        // Parsed alone first, so that `)(` does not slip through the wrapping and places are those of the text.
        let parsed = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(&self.text);
        let built = match parsed {
            Ok(_) => meta::Regex::builder()
                .syntax(self.syntax())
                .configure(
                    meta::Config::new()
                        .utf8_empty(false)
                        .nfa_size_limit(Some(SIZE_LIMIT))
                        .onepass_size_limit(Some(SIZE_LIMIT / 16))
                        // Texts are as short as paths: automata that pay off on long ones would only cost memory and time
                        // to build.
                        .hybrid(false)
                        .dfa(false),
                )
                .build(&self.wrapped()),
            Err(_) if self.flavour != Flavour::Linear => return self.build_stepping(),
            Err(error) => {
                let span = error.span();
                let at = span.start.offset..span.end.offset.max(span.start.offset);
                return Err(self.invalid(
                    at,
                    format!("the pattern does not parse: {}", error.kind()),
                    linear_help(&error),
                ));
            }
        };
        built.map(|regex| Matcher::Linear(Box::new(regex))).map_err(|error| {
            let whole = 0..self.text.len();
            match error.size_limit() {
                Some(limit) => self.invalid(
                    whole,
                    format!("the pattern takes more than {limit} bytes when compiled"),
                    Some("ask for fewer repetitions: `{1,1000}` is a thousand copies"),
                ),
                None => self.invalid(whole, format!("the pattern cannot be built: {error}"), None),
            }
        })
    }

    fn build_stepping(&self) -> Result<Matcher, InvalidRegex> {
        let case = if self.case == LetterCase::Ignored { "(?i)" } else { "" };
        let dot = if self.flavour == Flavour::PcreDotAll { "(?s)" } else { "" };
        let wrapped = self.wrapped();
        fancy_regex::RegexBuilder::new(&format!("{case}{dot}{}", by_bytes(wrapped.as_bytes())))
            .backtrack_limit(STEP_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .build()
            .map(|regex| Matcher::Stepping(Box::new(regex)))
            .map_err(|error| self.invalid(0..self.text.len(), format!("the pattern does not parse: {error}"), None))
    }

    /// Writes it as a program behind `out`, nothing where it has none.
    pub(crate) fn write_program(&self, out: &mut Vec<u8>) {
        if let Ok(hir) = syntax::parse_with(&self.wrapped(), &self.syntax()) {
            program::write(&hir, 1 + self.highest_group(), out);
        }
    }

    /// The number of its last group, those that can never match (`(a){0}`) among them.
    fn highest_group(&self) -> usize {
        struct Highest(u32);
        impl ast::Visitor for Highest {
            type Output = u32;
            type Err = ();

            fn finish(self) -> Result<u32, ()> {
                Ok(self.0)
            }

            fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
                if let Ast::Group(group) = ast {
                    self.0 = self.0.max(group.capture_index().unwrap_or_default());
                }
                Ok(())
            }
        }
        let parsed = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(&self.text);
        let highest = parsed.ok().and_then(|ast| ast::visit(&ast, Highest(0)).ok());
        highest.map_or(GROUP_LIMIT, |highest| highest as usize)
    }

    /// The longest text that everything it matches must hold. Texts may be folded to small letters before it sees them; where
    /// they are not, letters whose case is ignored are no text to look for.
    pub(crate) fn required_literal(&self, texts_are: LetterCase) -> Vec<u8> {
        let folded = texts_are == LetterCase::Ignored;
        let ignores = self.case == LetterCase::Ignored && !folded;
        let parsed = syntax::parse_with(&self.text, &self.syntax().case_insensitive(ignores));
        let mut literal = parsed.map(|hir| Literals::of(&hir)).unwrap_or_default();
        if folded {
            literal.make_ascii_lowercase();
        }
        literal
    }
}

/// Up to how many bytes a pattern without counted repetitions is known to stay far below [`SIZE_LIMIT`].
const SHORT: usize = 200;

/// The names of groups in the order of their numbers; a group without a name has its number.
#[derive(Default)]
struct Names(Vec<String>);

impl ast::Visitor for Names {
    type Output = Vec<String>;
    type Err = ();

    fn finish(self) -> Result<Vec<String>, ()> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        let Ast::Group(group) = ast else { return Ok(()) };
        match &group.kind {
            ast::GroupKind::CaptureIndex(number) => self.0.push(number.to_string()),
            ast::GroupKind::CaptureName { name, .. } => self.0.push(name.name.clone()),
            ast::GroupKind::NonCapturing(_) => {}
        }
        Ok(())
    }
}

/// A text in which every byte is a character; borrowed where it is that already.
fn by_bytes(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(plain) if text.is_ascii() => Cow::Borrowed(plain),
        _ => Cow::Owned(text.iter().map(|&byte| char::from(byte)).collect()),
    }
}

fn linear_help(error: &ast::Error) -> Option<&'static str> {
    use ast::ErrorKind;
    match error.kind() {
        ErrorKind::UnsupportedLookAround => {
            Some("patterns here run in linear time, without look-around: use a condition")
        }
        ErrorKind::UnsupportedBackreference => Some("patterns here run in linear time, without back-references"),
        ErrorKind::GroupUnclosed => Some("close the group with `)`; for the sign itself write `\\(`"),
        ErrorKind::GroupUnopened => Some("open the group with `(`; for the sign itself write `\\)`"),
        ErrorKind::ClassUnclosed => Some("close the class with `]`; for the sign itself write `\\[`"),
        ErrorKind::RepetitionMissing => {
            Some("put it behind what it repeats; for the sign itself write a backslash before it")
        }
        ErrorKind::EscapeUnexpectedEof => Some("write `\\\\` for a backslash, or the sign that it escapes behind it"),
        _ => None,
    }
}

/// The search for text that a match must hold.
#[derive(Default)]
struct Literals {
    longest: Vec<u8>,
    run: Vec<u8>,
}

impl Literals {
    fn of(hir: &Hir) -> Vec<u8> {
        let mut literals = Literals::default();
        literals.visit(hir);
        literals.end_run();
        literals.longest
    }

    fn visit(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Literal(literal) => self.run.extend_from_slice(&literal.0),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.visit(part)),
            HirKind::Capture(group) => self.visit(&group.sub),
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                self.end_run();
                self.visit(&repetition.sub);
                self.end_run();
            }
            _ => self.end_run(),
        }
    }

    fn end_run(&mut self) {
        if self.run.len() > self.longest.len() {
            std::mem::swap(&mut self.run, &mut self.longest);
        }
        self.run.clear();
    }
}

impl Matcher {
    /// About how much memory it takes, with the caches of one thread.
    fn bytes(&self) -> usize {
        match self {
            Matcher::Linear(regex) => 2 * regex.memory_usage() + 1_024,
            // The engine does not say; a kilobyte for each byte of the pattern is more than it was ever seen to take.
            Matcher::Stepping(regex) => 1_024 * (regex.as_str().len() + 1),
        }
    }

    /// Matches `text` and notes where each group matched, group 0 first.
    pub(crate) fn run(&self, text: &[u8], spans: &mut Vec<Span>) -> Match {
        spans.clear();
        match self {
            Matcher::Linear(regex) => {
                let mut slots = [None::<NonMaxUsize>; 2 * GROUP_LIMIT];
                let wanted = regex.captures_len().min(GROUP_LIMIT);
                let found = regex.search_slots(&regex_automata::Input::new(text), &mut slots[..2 * wanted]);
                if found.is_none() {
                    return Match::No;
                }
                spans.extend(slots[..2 * wanted].chunks_exact(2).map(|pair| match pair {
                    [Some(start), Some(end)] => Some((start.get() as u32, end.get() as u32)),
                    _ => None,
                }));
                Match::Yes
            }
            Matcher::Stepping(regex) => {
                // Every byte is a character of its own, as for the servers whose patterns these are.
                let text = by_bytes(text);
                let place = |at: usize| match text {
                    Cow::Borrowed(_) => at as u32,
                    Cow::Owned(_) => text[..at].chars().count() as u32,
                };
                match regex.captures(&*text) {
                    Ok(None) => Match::No,
                    Err(_) => Match::TooCostly,
                    Ok(Some(groups)) => {
                        spans.extend(
                            groups.iter().map(|group| group.map(|found| (place(found.start()), place(found.end())))),
                        );
                        Match::Yes
                    }
                }
            }
        }
    }
}

/// Matchers already built, at most [`MatcherCache::SLOTS`] of them and [`MatcherCache::BUDGET`] bytes.
#[derive(Default)]
pub(crate) struct MatcherCache {
    owner: u64,
    slots: Vec<Option<(u64, Matcher)>>,
    bytes: usize,
}

impl MatcherCache {
    /// Far more than patterns, so that a look-up is one comparison almost always.
    const SLOTS: usize = 1 << 15;
    /// So many slots in a row may hold a key: two patterns that want the same one must not push each other out by turns, since
    /// building one takes as long as some hundred decisions.
    const WAYS: usize = 8;
    /// Bytes of all matchers; when they are more, all make room.
    const BUDGET: usize = 64 << 20;

    fn home(key: u64) -> usize {
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % Self::SLOTS
    }

    /// Forgets everything if the rule set is another than before.
    pub(crate) fn belong_to(&mut self, owner: u64) {
        if self.owner != owner {
            *self = MatcherCache { owner, ..MatcherCache::default() };
        }
    }

    /// Whether a pattern, as it is written in a rule set, matches a text, and where its groups did. One that was built when it was
    /// read builds again; a forged one that does not is too costly.
    pub(crate) fn run(&mut self, key: u64, pattern: &[u8], text: &[u8], spans: &mut Vec<Span>) -> Match {
        let (_, program) = split_program(pattern);
        if !program.is_empty() {
            match program::run(program, text, spans) {
                Ran::Matches => return Match::Yes,
                Ran::Fails => return Match::No,
                Ran::GaveUp => {}
            }
        }
        self.get(key, || decode_pattern(pattern)).map_or(Match::TooCostly, |matcher| matcher.run(text, spans))
    }

    /// The matcher of the pattern with this key, built now if need be; `None` where it cannot be built.
    fn get<'p>(&mut self, key: u64, pattern: impl FnOnce() -> Pattern<'p>) -> Option<&Matcher> {
        if self.slots.is_empty() {
            self.slots.resize_with(Self::SLOTS, || None);
        }
        let home = Self::home(key);
        let mut ways = (home..home + Self::WAYS).map(|at| at % Self::SLOTS);
        let held = |at: &usize| self.slots[*at].as_ref().map(|(held, _)| *held);
        let at = ways.find(|at| held(at).is_none_or(|held| held == key)).unwrap_or(home);
        if held(&at) != Some(key) {
            let matcher = pattern().build().ok()?;
            self.bytes += matcher.bytes();
            if self.bytes > Self::BUDGET {
                self.slots.iter_mut().for_each(|slot| *slot = None);
                self.bytes = matcher.bytes();
            }
            if let Some((_, old)) = self.slots[at].replace((key, matcher)) {
                self.bytes = self.bytes.saturating_sub(old.bytes());
            }
        }
        self.slots[at].as_ref().map(|(_, matcher)| matcher)
    }
}

impl fmt::Debug for MatcherCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatcherCache").field("owner", &self.owner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_want_the_same_slot_are_each_built_once() {
        let (mut cache, mut built) = (MatcherCache::default(), 0);
        let rivals = (0..).filter(|&key| MatcherCache::home(key) == 7);
        let keys: Vec<u64> = rivals.take(MatcherCache::WAYS).collect();
        for _ in 0..3 {
            for &key in &keys {
                cache.get(key, || {
                    built += 1;
                    Pattern::own("/a")
                });
            }
        }
        assert_eq!(built, keys.len());
    }

    #[test]
    fn literals_are_those_that_every_match_holds() {
        for (text, literal) in [
            (r"/old-(\d+)/item-12345", "/item-12345"),
            (r"/a(b|c)d/long", "d/long"),
            (r"/(abc)def/?", "/abcdef"),
            (r".*", ""),
            (r"(/x){2}/yy", "/yy"),
            (r"(?i)/Path/x", "/"),
            (r"/(?<id>\d)/Path", "/Path"),
        ] {
            let found = Pattern::own(text).required_literal(LetterCase::Significant);
            assert_eq!(String::from_utf8_lossy(&found), literal, "{text}");
        }
        let pattern = Pattern { case: LetterCase::Ignored, ..Pattern::own("/News/(.*)") };
        assert_eq!(pattern.required_literal(LetterCase::Ignored), b"/news/");
        assert_eq!(pattern.required_literal(LetterCase::Significant), b"/");
    }

    #[test]
    fn wrapping_cannot_be_escaped() {
        for text in ["a)(b", "(a", "[", "a{1,100000}", r"(?=x)", r"(a)\1"] {
            assert!(Pattern::own(text).build().is_err(), "{text}");
        }
        let mut spans = Vec::new();
        let matcher = Pattern::own("a|b").build().unwrap();
        assert_eq!(matcher.run(b"ab", &mut spans), Match::No);
        assert_eq!(matcher.run(b"b", &mut spans), Match::Yes);
    }

    #[test]
    fn look_around_is_bounded() {
        let pattern = Pattern { flavour: Flavour::Pcre, ..Pattern::own(r"(?:(a+)\1?)+(?!x)") };
        let mut spans = Vec::new();
        assert_eq!(
            pattern.build().unwrap().run(format!("{}c", "a".repeat(64)).as_bytes(), &mut spans),
            Match::TooCostly
        );
    }
}
