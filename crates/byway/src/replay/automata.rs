//! Texts that some patterns fit and others do not: the patterns' automata walked side by side, shortest text first.
//!
//! Where the walk ends without a text there is none, which is how a rule is proved to be out of reach. Automata are built as far
//! as they are walked; one that grows too large gives no answer, and proves nothing.

use std::collections::HashMap;

use byway_core::dialect::LetterCase;
use byway_core::regex::{Anchoring, Flavour, Pattern};
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

/// The most places of a walk.
const PLACES: usize = 20_000;
/// The most bytes that one automaton may take.
const MEMORY: usize = 4 << 20;

/// A pattern, or a text, as a part of texts that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    /// The number of its automaton.
    pub(crate) automaton: usize,
    /// Whether it must be found, or must not.
    pub(crate) is_found: bool,
    /// Whether it sees what stands before the text too.
    pub(crate) sees_before: bool,
}

/// There may be a text or not.
pub(crate) struct Unknown;

/// The automata that were built, by what they stand for.
#[derive(Default)]
pub(crate) struct Automata {
    known: HashMap<(String, bool, bool), Option<usize>>,
    built: Vec<(DFA, Cache)>,
}

/// Where one automaton stands, and whether it has found what it looks for.
type Standing = (LazyStateID, bool);

impl Automata {
    /// The automaton of a pattern; none where only a backtracking engine knows it.
    pub(crate) fn of(&mut self, pattern: &Pattern<'_>) -> Option<usize> {
        let text = match pattern.anchoring {
            Anchoring::Whole => format!("^(?:{})$", pattern.text),
            Anchoring::Anywhere => pattern.text.to_string(),
        };
        let key = (text, pattern.case == LetterCase::Ignored, pattern.flavour == Flavour::PcreDotAll);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(key.1);
        let config = DFA::config().match_kind(MatchKind::All).cache_capacity(MEMORY).minimum_cache_clear_count(Some(0));
        let dfa = DFA::builder().syntax(syntax.dot_matches_new_line(key.2)).configure(config).build(&key.0).ok();
        let number = dfa.map(|dfa| {
            let cache = dfa.create_cache();
            self.built.push((dfa, cache));
            self.built.len() - 1
        });
        self.known.insert(key, number);
        number
    }

    /// The automaton of a pattern as Apache reads it.
    pub(crate) fn plain(&mut self, text: &str) -> Option<usize> {
        let text = text.to_owned().into();
        let (case, flavour) = (LetterCase::Significant, Flavour::PcreDotAll);
        self.of(&Pattern { text, case, anchoring: Anchoring::Anywhere, flavour })
    }

    /// The shortest text of these bytes, behind what stands before it, that is as wanted; none where there is no such text.
    pub(crate) fn text(&mut self, wanted: &[Wanted], before: &[u8], bytes: &[u8]) -> Result<Option<Vec<u8>>, Unknown> {
        let bytes = self.representatives(wanted, bytes);
        let start: Vec<Standing> = wanted.iter().map(|one| self.start(one, before)).collect::<Result<_, _>>()?;
        if !is_open(wanted, &start) {
            return Ok(None);
        }
        let mut places: Vec<(usize, u8)> = vec![(0, 0)];
        let mut at: HashMap<Vec<Standing>, usize> = HashMap::from([(start.clone(), 0)]);
        let mut queue: std::collections::VecDeque<(Vec<Standing>, usize)> = [(start, 0)].into();
        while let Some((here, number)) = queue.pop_front() {
            if self.is_end(wanted, &here)? {
                return Ok(Some(way(&places, number)));
            }
            for &byte in &bytes {
                let next = self.step(wanted, &here, byte)?;
                if !is_open(wanted, &next) || at.contains_key(&next) {
                    continue;
                }
                if places.len() == PLACES {
                    return Err(Unknown);
                }
                places.push((number, byte));
                at.insert(next.clone(), places.len() - 1);
                queue.push_back((next, places.len() - 1));
            }
        }
        Ok(None)
    }

    /// One byte of each kind that the automata tell apart, the first of them.
    fn representatives(&self, wanted: &[Wanted], bytes: &[u8]) -> Vec<u8> {
        let mut seen = std::collections::HashSet::new();
        let kind = |byte: u8| -> Vec<u8> {
            wanted.iter().map(|one| self.built[one.automaton].0.byte_classes().get(byte)).collect()
        };
        bytes.iter().copied().filter(|byte| seen.insert(kind(*byte))).collect()
    }

    fn start(&mut self, one: &Wanted, before: &[u8]) -> Result<Standing, Unknown> {
        let (dfa, cache) = &mut self.built[one.automaton];
        let mut state = dfa.start_state_forward(cache, &Input::new(b"")).map_err(|_| Unknown)?;
        let mut found = state.is_match();
        for &byte in before.iter().filter(|_| one.sees_before) {
            state = dfa.next_state(cache, state, byte).map_err(|_| Unknown)?;
            found |= state.is_match();
        }
        Ok((state, found))
    }

    fn step(&mut self, wanted: &[Wanted], here: &[Standing], byte: u8) -> Result<Vec<Standing>, Unknown> {
        let steps = wanted.iter().zip(here).map(|(one, (state, found))| {
            // What is found stays found, whatever follows.
            if *found || state.is_dead() {
                return Ok((*state, *found));
            }
            let (dfa, cache) = &mut self.built[one.automaton];
            let next = dfa.next_state(cache, *state, byte).map_err(|_| Unknown)?;
            if next.is_quit() { Err(Unknown) } else { Ok((next, next.is_match())) }
        });
        steps.collect()
    }

    fn is_end(&mut self, wanted: &[Wanted], here: &[Standing]) -> Result<bool, Unknown> {
        for (one, (state, found)) in wanted.iter().zip(here) {
            let mut found = *found;
            if !found && !state.is_dead() {
                let (dfa, cache) = &mut self.built[one.automaton];
                found = dfa.next_eoi_state(cache, *state).map_err(|_| Unknown)?.is_match();
            }
            if found != one.is_found {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a text may still become what is wanted.
fn is_open(wanted: &[Wanted], here: &[Standing]) -> bool {
    wanted.iter().zip(here).all(|(one, (state, found))| match one.is_found {
        true => *found || !state.is_dead(),
        false => !found,
    })
}

fn way(places: &[(usize, u8)], mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0 {
        let (before, byte) = places[number];
        out.push(byte);
        number = before;
    }
    out.reverse();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(yes: &[&str], no: &[&str]) -> Option<String> {
        let mut automata = Automata::default();
        let mut wanted = Vec::new();
        for (texts, is_found) in [(yes, true), (no, false)] {
            for text in texts {
                let automaton = automata.plain(text).expect("an automaton");
                wanted.push(Wanted { automaton, is_found, sees_before: false });
            }
        }
        let bytes: Vec<u8> = (b' '..=b'~').collect();
        let text = automata.text(&wanted, b"", &bytes).unwrap_or_else(|Unknown| panic!("no answer"));
        text.map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn texts_are_found_or_proved_not_to_be() {
        assert_eq!(found(&["^a(.*)$"], &["^a$"]).expect("a text").len(), 2);
        let text = found(&["text/html", "turtle"], &["^text"]).expect("a text");
        assert!(text.contains("text/html") && text.contains("turtle") && !text.starts_with("text"), "{text}");
        assert_eq!(found(&["^a/?$"], &["^a/?"]), None);
        assert_eq!(found(&["^(a|b)$"], &["^a", "b$"]), None);
        assert_eq!(found(&["^$"], &["x"]).as_deref(), Some(""));
        assert_eq!(found(&["^x+$"], &["^x{1,3}$"]).as_deref(), Some("xxxx"));
    }

    #[test]
    fn what_stands_before_is_seen() {
        let mut automata = Automata::default();
        let automaton = automata.plain("^/ab/c$").expect("an automaton");
        let wanted = [Wanted { automaton, is_found: true, sees_before: true }];
        let text = automata.text(&wanted, b"/ab/", b"abc").ok().flatten();
        assert_eq!(text.as_deref(), Some(&b"c"[..]));
    }
}
