//! Patterns as a few flat bytes that are run where they lie, without an engine to build.
//!
//! Most patterns of redirects are literals with a class or two between them (`^docs/(\d+)/(.*)$`). Such a pattern is written
//! behind its text when rules are built, and a match goes from byte to byte as a backtracking engine would, so that what it
//! finds is what the engines of [`super`] find: the leftmost match, earlier alternatives and longer runs first. A program never
//! answers late: past [`STEPS`] it gives up ([`Ran::GaveUp`]), and the engine, which is linear, says what is true. Loops over more
//! than one byte, lazy ones and boundaries of words have no program.
//!
//! Programs come from files as well: running is total, and a forged one only finds something else.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::Span;
use crate::wire::{Put, u16_at};

/// The most bytes of a program.
const SIZE: usize = 1_024;
/// The most groups of a program, the whole match among them.
const GROUPS: usize = 16;
/// The most places a match may go back to at one time.
const DEPTH: usize = 24;
/// The most steps of a match before the engine is asked instead.
const STEPS: u32 = 2_048;
/// So many bytes that are looked through at once are a step.
const STRIDE: usize = 32;
/// A run without end.
const ENDLESS: u16 = u16::MAX;

// What a program is made of: a byte for what is done, and its arguments.

/// These bytes: their number, then they.
const TEXT: u8 = 1;
/// These bytes, whatever their case; written in small letters.
const FOLDED: u8 = 2;
/// Bytes of these ranges: the fewest and the most, the number of ranges, and the ranges.
const RUN: u8 = 3;
/// Notes the place in this slot.
const NOTE: u8 = 4;
/// Goes on here, and where that fails so many bytes further on.
const FORK: u8 = 5;
/// Goes on so many bytes further on.
const LEAP: u8 = 6;
/// Only at the beginning.
const BEGINNING: u8 = 7;
/// Only at the end.
const END: u8 = 8;
/// It matches.
const FOUND: u8 = 9;

/// What came of running a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It matches, its groups noted.
    Matches,
    /// It does not.
    Fails,
    /// It took too long to tell.
    GaveUp,
}

/// Writes the program of a pattern behind `out`; nothing where it has none. The first byte is the number of its groups.
pub(super) fn write(hir: &Hir, groups: usize, out: &mut Vec<u8>) {
    let start = out.len();
    let mut writer = Writer { out, start };
    writer.out.put_u8(groups as u8);
    let is_written = groups <= GROUPS && writer.write(hir).is_some() && writer.op(FOUND).is_some();
    if !is_written {
        out.truncate(start);
    }
}

struct Writer<'w> {
    out: &'w mut Vec<u8>,
    start: usize,
}

impl Writer<'_> {
    fn op(&mut self, op: u8) -> Option<()> {
        self.out.put_u8(op);
        (self.out.len() - self.start <= SIZE).then_some(())
    }

    fn write(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => Some(()),
            HirKind::Literal(literal) => self.text(TEXT, &literal.0),
            HirKind::Class(class) => self.run(class, 1, Some(1)),
            HirKind::Look(Look::Start) => self.op(BEGINNING),
            HirKind::Look(Look::End) => self.op(END),
            HirKind::Look(_) => None,
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Capture(group) => {
                let slot = u8::try_from(group.index).ok()?.checked_mul(2)?;
                self.op(NOTE)?;
                self.out.put_u8(slot);
                self.write(&group.sub)?;
                self.op(NOTE)?;
                self.out.put_u8(slot + 1);
                Some(())
            }
            HirKind::Concat(parts) => self.concat(parts),
            HirKind::Alternation(branches) => self.alternation(branches),
        }
    }

    /// Parts in a row; letters whose case is ignored are classes of two, and one text together.
    fn concat(&mut self, parts: &[Hir]) -> Option<()> {
        let mut at = 0;
        while at < parts.len() {
            let letters: Vec<u8> = parts[at..].iter().map_while(either_case).collect();
            match letters.len() {
                0 => {
                    self.write(&parts[at])?;
                    at += 1;
                }
                count => {
                    self.text(FOLDED, &letters)?;
                    at += count;
                }
            }
        }
        Some(())
    }

    fn text(&mut self, op: u8, bytes: &[u8]) -> Option<()> {
        for part in bytes.chunks(usize::from(u8::MAX)) {
            self.op(op)?;
            self.out.put_u8(part.len() as u8);
            self.out.extend_from_slice(part);
        }
        Some(())
    }

    fn repetition(&mut self, repetition: &Repetition) -> Option<()> {
        if !repetition.greedy {
            return None;
        }
        match (repetition.sub.kind(), repetition.min, repetition.max) {
            (HirKind::Class(class), min, max) => self.run(class, min, max),
            (HirKind::Literal(literal), min, max) if literal.0.len() == 1 => {
                self.ranges(&[(literal.0[0], literal.0[0])], min, max)
            }
            (_, 0, Some(1)) => {
                let fork = self.jump(FORK)?;
                self.write(&repetition.sub)?;
                self.land(fork)
            }
            _ => None,
        }
    }

    fn run(&mut self, class: &Class, min: u32, max: Option<u32>) -> Option<()> {
        let ranges: Vec<(u8, u8)> = match class {
            Class::Bytes(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
            Class::Unicode(class) if class.is_ascii() => {
                class.ranges().iter().map(|range| (range.start() as u8, range.end() as u8)).collect()
            }
            Class::Unicode(_) => return None,
        };
        self.ranges(&ranges, min, max)
    }

    fn ranges(&mut self, ranges: &[(u8, u8)], min: u32, max: Option<u32>) -> Option<()> {
        let few = |count: u32| u16::try_from(count).ok().filter(|count| *count < ENDLESS);
        let max = max.map_or(Some(ENDLESS), few)?;
        self.op(RUN)?;
        self.out.put_u16(few(min)?);
        self.out.put_u16(max);
        self.out.put_u8(u8::try_from(ranges.len()).ok()?);
        self.out.extend(ranges.iter().flat_map(|(first, last)| [*first, *last]));
        Some(())
    }

    fn alternation(&mut self, branches: &[Hir]) -> Option<()> {
        let mut leaps = Vec::new();
        for (at, branch) in branches.iter().enumerate() {
            let is_last = at + 1 == branches.len();
            let fork = if is_last { None } else { Some(self.jump(FORK)?) };
            self.write(branch)?;
            if let Some(fork) = fork {
                leaps.push(self.jump(LEAP)?);
                self.land(fork)?;
            }
        }
        leaps.into_iter().try_for_each(|leap| self.land(leap))
    }

    /// A jump whose end is not known yet: where its distance stands.
    fn jump(&mut self, op: u8) -> Option<usize> {
        self.op(op)?;
        self.out.put_u16(0);
        Some(self.out.len())
    }

    /// Ends a jump here.
    fn land(&mut self, jump: usize) -> Option<()> {
        let distance = u16::try_from(self.out.len() - jump).ok()?;
        self.out.get_mut(jump - 2..jump)?.copy_from_slice(&distance.to_le_bytes());
        Some(())
    }
}

/// The small letter of a class that is one letter in either case.
fn either_case(hir: &Hir) -> Option<u8> {
    let HirKind::Class(Class::Bytes(class)) = hir.kind() else { return None };
    match class.ranges() {
        [upper, lower]
            if upper.start() == upper.end()
                && lower.start() == lower.end()
                && upper.start().is_ascii_uppercase()
                && upper.start().to_ascii_lowercase() == lower.start() =>
        {
            Some(lower.start())
        }
        _ => None,
    }
}

/// A place to go back to.
#[derive(Clone, Copy, Default)]
struct Back {
    /// Where the program goes on; `NOTED` where a slot gets its old value instead.
    pc: u32,
    /// Where in the text; the value of the slot.
    at: u32,
    /// The lowest place in the text from which it may go on; the slot.
    low: u32,
}

/// In place of where a program goes on.
const NOTED: u32 = u32::MAX;
/// In place of a place: none.
const NOWHERE: u32 = u32::MAX;

/// Runs a program over a text, and notes where each group matched, group 0 first.
pub(crate) fn run(program: &[u8], text: &[u8], spans: &mut Vec<Span>) -> Ran {
    let groups = usize::from(program.first().copied().unwrap_or(0)).min(GROUPS);
    let mut run = Run {
        program,
        text,
        slots: [NOWHERE; 2 * GROUPS],
        used: 2 * groups,
        back: [Back::default(); DEPTH],
        depth: 0,
        steps: STEPS,
    };
    spans.clear();
    let is_anchored = program.get(1) == Some(&BEGINNING);
    let mut start = 0;
    loop {
        if let Some(first) = run.next_text(1) {
            match memchr::memchr(first, &text[start..]) {
                Some(ahead) => start += ahead,
                None => return Ran::Fails,
            }
        }
        match run.from(start) {
            Ran::Fails if !is_anchored && start < text.len() => start += 1,
            Ran::Matches => {
                spans.extend(run.slots[..2 * groups].chunks_exact(2).map(|pair| match pair {
                    [start, end] if *start != NOWHERE && *end != NOWHERE => Some((*start, *end)),
                    _ => None,
                }));
                return Ran::Matches;
            }
            other => return other,
        }
    }
}

struct Run<'r> {
    program: &'r [u8],
    text: &'r [u8],
    slots: [u32; 2 * GROUPS],
    used: usize,
    back: [Back; DEPTH],
    depth: usize,
    /// What is left of [`STEPS`].
    steps: u32,
}

impl Run<'_> {
    /// Whether the program matches from a place on.
    fn from(&mut self, start: usize) -> Ran {
        self.slots[..self.used].fill(NOWHERE);
        self.depth = 0;
        let (mut pc, mut at) = (1, start);
        loop {
            match self.steps.checked_sub(1) {
                Some(left) => self.steps = left,
                None => return Ran::GaveUp,
            }
            let next = match self.program.get(pc).copied().unwrap_or_default() {
                TEXT => self.after_text(pc, at, |found, wanted| found == wanted),
                FOLDED => self.after_text(pc, at, <[u8]>::eq_ignore_ascii_case),
                RUN => match self.after_run(pc, at) {
                    Ok(next) => next,
                    Err(Full) => return Ran::GaveUp,
                },
                NOTE => {
                    let slot = usize::from(self.program.get(pc + 1).copied().unwrap_or_default());
                    let old = self.slots.get(slot).copied().unwrap_or(NOWHERE);
                    // Where there is nothing to go back to, nobody asks for the old value.
                    if self.depth > 0 && self.push(Back { pc: NOTED, at: old, low: slot as u32 }).is_err() {
                        return Ran::GaveUp;
                    }
                    if let Some(held) = self.slots.get_mut(slot) {
                        *held = at as u32;
                    }
                    Some((pc + 2, at))
                }
                FORK => {
                    let other = pc + 3 + usize::from(u16_at(self.program, pc + 1));
                    if self.push(Back { pc: other as u32, at: at as u32, low: at as u32 }).is_err() {
                        return Ran::GaveUp;
                    }
                    Some((pc + 3, at))
                }
                LEAP => Some((pc + 3 + usize::from(u16_at(self.program, pc + 1)), at)),
                BEGINNING => (at == 0).then_some((pc + 1, at)),
                END => (at == self.text.len()).then_some((pc + 1, at)),
                FOUND => {
                    self.slots[0] = start as u32;
                    self.slots[1] = at as u32;
                    return Ran::Matches;
                }
                _ => None,
            };
            match next.or_else(|| self.pop()) {
                Some(next) => (pc, at) = next,
                None => return Ran::Fails,
            }
        }
    }

    fn after_text(&self, pc: usize, at: usize, same: impl Fn(&[u8], &[u8]) -> bool) -> Option<(usize, usize)> {
        let len = usize::from(*self.program.get(pc + 1)?);
        let wanted = self.program.get(pc + 2..pc + 2 + len)?;
        let found = self.text.get(at..at + len)?;
        same(found, wanted).then_some((pc + 2 + len, at + len))
    }

    /// As many bytes as fit; fewer of them are tried when what follows fails.
    fn after_run(&mut self, pc: usize, at: usize) -> Result<Option<(usize, usize)>, Full> {
        let (min, max) = (u16_at(self.program, pc + 1), u16_at(self.program, pc + 3));
        let count = usize::from(self.program.get(pc + 5).copied().unwrap_or_default());
        let next = pc + 6 + 2 * count;
        let ranges = self.program.get(pc + 6..next).unwrap_or_default();
        let rest = self.text.get(at..).unwrap_or_default();
        let rest = if max == ENDLESS { rest } else { &rest[..rest.len().min(usize::from(max))] };
        let length = run_length(ranges, rest);
        self.steps = self.steps.saturating_sub((length / STRIDE) as u32);
        if length < usize::from(min) {
            return Ok(None);
        }
        if length > usize::from(min) {
            let low = (at + usize::from(min)) as u32;
            self.push(Back { pc: next as u32, at: (at + length - 1) as u32, low })?;
        }
        Ok(Some((next, at + length)))
    }

    fn push(&mut self, back: Back) -> Result<(), Full> {
        let place = self.back.get_mut(self.depth).ok_or(Full)?;
        *place = back;
        self.depth += 1;
        Ok(())
    }

    /// The last place that was left to be tried.
    fn pop(&mut self) -> Option<(usize, usize)> {
        loop {
            let top = self.depth.checked_sub(1)?;
            let Back { pc, at, low } = self.back[top];
            if pc == NOTED {
                self.depth = top;
                if let Some(slot) = self.slots.get_mut(low as usize) {
                    *slot = at;
                }
                continue;
            }
            let place = match self.next_text(pc as usize) {
                // Where a text must follow, only places where it begins are worth a try.
                Some(first) => memchr::memrchr(first, self.text.get(low as usize..=at as usize).unwrap_or_default())
                    .map(|place| low + place as u32),
                None => Some(at),
            };
            match place {
                Some(place) if place > low => {
                    self.back[top].at = place - 1;
                    return Some((pc as usize, place as usize));
                }
                Some(place) => {
                    self.depth = top;
                    return Some((pc as usize, place as usize));
                }
                None => self.depth = top,
            }
        }
    }

    /// The first byte of the text that must follow, notes aside.
    fn next_text(&self, mut pc: usize) -> Option<u8> {
        while self.program.get(pc) == Some(&NOTE) {
            pc += 2;
        }
        (self.program.get(pc) == Some(&TEXT)).then(|| self.program.get(pc + 2).copied()).flatten()
    }
}

/// There is no room for another place to go back to.
struct Full;

/// How many bytes at the beginning are of these ranges.
fn run_length(ranges: &[u8], text: &[u8]) -> usize {
    match *ranges {
        [0, u8::MAX] => text.len(),
        [0, before, after, u8::MAX] if before.checked_add(2) == Some(after) => {
            memchr::memchr(before + 1, text).unwrap_or(text.len())
        }
        [first, last] => text.iter().position(|byte| !(first..=last).contains(byte)).unwrap_or(text.len()),
        _ => {
            let is_in = |byte: &u8| ranges.chunks_exact(2).any(|range| (range[0]..=range[1]).contains(byte));
            text.iter().position(|byte| !is_in(byte)).unwrap_or(text.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Anchoring, Flavour, Match, Pattern};
    use super::*;
    use crate::dialect::LetterCase;

    fn program_of(pattern: &Pattern<'_>) -> Vec<u8> {
        let mut program = Vec::new();
        pattern.write_program(&mut program);
        program
    }

    fn anywhere(text: &str) -> Pattern<'_> {
        Pattern { anchoring: Anchoring::Anywhere, flavour: Flavour::Pcre, ..Pattern::own(text) }
    }

    #[test]
    fn what_people_write_has_a_program() {
        for text in [
            r"^docs/(\d+)/(.*)$",
            r"^(.*)\.html?$",
            r"^/(?:en|de|fr)(/.*)?$",
            r"^([^/]+)/([0-9]{4})/?$",
            r"^$",
            r"",
            r"page-(\w+)",
        ] {
            assert!(!program_of(&anywhere(text)).is_empty(), "{text}");
        }
        for text in [r"(/[a-z]+)+x", r"\bword", r"^(.*?)/x", r"(?m)^a", r"(?u)\w"] {
            assert!(program_of(&anywhere(text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_match_that_takes_long_is_left_to_the_engine() {
        let program = program_of(&anywhere(r"^(.*)a(.*)b(.*)c(.*)d$"));
        assert_eq!(run(&program, "abc".repeat(200).as_bytes(), &mut Vec::new()), Ran::GaveUp);
    }

    /// Patterns of all that a program can do, and of some that it cannot.
    fn patterns() -> impl Strategy<Value = String> {
        let atom = prop_oneof![
            "[ab/.1]{1,3}".prop_map(|text| text.replace('.', r"\.")),
            Just(".".to_owned()),
            Just(r"\d".to_owned()),
            Just("[^/]".to_owned()),
            Just("[ab]".to_owned()),
            Just("[A-Z]".to_owned()),
            Just("^".to_owned()),
            Just("$".to_owned()),
        ];
        atom.prop_recursive(4, 24, 4, |inner| {
            let repeat =
                prop_oneof![Just("?"), Just("*"), Just("+"), Just("{1,2}"), Just("{2}"), Just("{0}"), Just("*?")];
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                inner.clone().prop_map(|part| format!("({part})")),
                (inner, repeat).prop_map(|(part, repeat)| format!("(?:{part}){repeat}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_program_finds_what_the_engine_finds(
            text in patterns(),
            whole in any::<bool>(),
            ignores in any::<bool>(),
            flavour in prop_oneof![Just(Flavour::Linear), Just(Flavour::Pcre), Just(Flavour::PcreDotAll)],
            values in prop::collection::vec("[abAB/.1\n]{0,12}", 1..6),
        ) {
            let pattern = Pattern {
                text: text.as_str().into(),
                case: if ignores { LetterCase::Ignored } else { LetterCase::Significant },
                anchoring: if whole { Anchoring::Whole } else { Anchoring::Anywhere },
                flavour,
            };
            let (Ok(engine), program) = (pattern.build(), program_of(&pattern)) else { return Ok(()) };
            if program.is_empty() {
                return Ok(());
            }
            for value in &values {
                let (mut by_engine, mut by_program) = (Vec::new(), Vec::new());
                let said = engine.run(value.as_bytes(), &mut by_engine);
                let ran = run(&program, value.as_bytes(), &mut by_program);
                // An engine does not list groups at the end that can never match.
                by_program.truncate(by_program.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
                by_engine.truncate(by_engine.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
                match ran {
                    Ran::Matches => prop_assert_eq!((Match::Yes, &by_engine), (said, &by_program), "{} on {:?}", text, value),
                    Ran::Fails => prop_assert_eq!(said, Match::No, "{} on {:?}", text, value),
                    Ran::GaveUp => {}
                }
            }
        }

        #[test]
        fn a_forged_program_ends(program in prop::collection::vec(prop_oneof![0u8..12, any::<u8>()], 0..64), text in "[ab]{0,40}") {
            let _ = run(&program, text.as_bytes(), &mut Vec::new());
        }
    }
}
