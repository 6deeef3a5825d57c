//! Which rules are asked where.
//!
//! nginx takes the longest location and asks no other. A place holds the rules that byway would ask for its paths, in byway's
//! order, up to the first that takes every request; so a rule with a condition is followed by what comes after it. A pattern on the
//! path as nginx sees it is a location of its own, with all rules that ask the same. Patterns that go before all places are asked
//! once, beside them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use byway_core::regex::{Anchoring, Finder, Pattern};

use super::conditions::Asked;
use super::rule::{Answer, By, Fitting, On, Path, Said};
use super::words::decoded;
use crate::writing::aside::Aside;
use crate::writing::perl::has_alternatives;

/// Where rules stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// A path.
    Exact(Vec<u8>),
    /// All below a path.
    Below(Vec<u8>),
    /// Every path that begins so.
    Begins(Vec<u8>),
    /// Every path that the pattern of a rule fits, by its place in the order of byway.
    Fits(usize),
}

/// Which rules are asked where; rules by their place in the order of byway.
pub(super) struct Chains<'a, 'r> {
    rules: &'a [&'a Said<'r>],
    exacts: HashMap<&'a [u8], Vec<usize>>,
    prefixes: HashMap<&'a [u8], Vec<usize>>,
    begins: HashMap<&'a [u8], Vec<usize>>,
    patterns: Vec<usize>,
    /// The same by what all begins that they fit, in small letters.
    begun: BTreeMap<Vec<u8>, Vec<usize>>,
    /// Those, and paths in letters of either case, that are asked in other locations than their own.
    strangers: Vec<usize>,
    /// What all begins that a pattern fits, by the place of its rule.
    beginnings: Vec<Vec<u8>>,
    /// The engines of patterns, by the place of their rule, built when one is first asked.
    finders: Vec<OnceCell<Option<Finder>>>,
    /// Paths that are found in letters of either case, in small ones.
    folded: BTreeMap<Vec<u8>, Vec<usize>>,
    /// For rules of the location of a pattern, the place of the rule that ends it: nginx asks them there.
    homes: Vec<Option<usize>>,
}

impl<'a, 'r> Chains<'a, 'r> {
    pub(super) fn of(rules: &'a [&'a Said<'r>], without: &BTreeSet<usize>) -> Chains<'a, 'r> {
        let (exacts, prefixes, begins) = (HashMap::new(), HashMap::new(), HashMap::new());
        let beginnings: Vec<Vec<u8>> = rules.iter().map(|rule| beginning(rule)).collect();
        let finders = rules.iter().map(|_| OnceCell::new()).collect();
        let (patterns, folded, begun, strangers) = (Vec::new(), BTreeMap::new(), BTreeMap::new(), Vec::new());
        let homes = vec![None; rules.len()];
        let mut chains =
            Chains { rules, exacts, prefixes, begins, patterns, begun, strangers, beginnings, finders, folded, homes };
        let mut taken: HashSet<(On, &str, bool)> = HashSet::new();
        for (at, rule) in rules.iter().enumerate() {
            // What a pattern took no later rule with it gets.
            if let Path::Pattern(Fitting { on, pattern, ignores_case, .. }) = &rule.path
                && rule.asked.is_empty()
                && matches!(rule.aside, Aside::Never | Aside::Perhaps)
                && !taken.insert((*on, pattern, *ignores_case))
            {
                continue;
            }
            if without.contains(&at) {
                continue;
            }
            match &rule.path {
                Path::Exact(paths) => {
                    paths.iter().for_each(|path| chains.exacts.entry(path.as_slice()).or_default().push(at));
                }
                Path::Prefix(path) => chains.prefixes.entry(path.as_slice()).or_default().push(at),
                Path::Begins(path) => chains.begins.entry(path.as_slice()).or_default().push(at),
                Path::Pattern(Fitting { folded: Some(path), .. }) => {
                    chains.folded.entry(path.to_ascii_lowercase()).or_default().push(at);
                }
                Path::Pattern(_) => {
                    chains.patterns.push(at);
                    chains.begun.entry(chains.beginnings[at].to_ascii_lowercase()).or_default().push(at);
                }
            }
        }
        chains.homes = chains.homes();
        let all = chains.folded.values().flatten().chain(&chains.patterns).copied();
        chains.strangers = all.filter(|at| chains.homes[*at] != Some(*at)).collect();
        chains.strangers.sort_unstable();
        chains
    }

    /// For each rule the first location behind it, or its own, whose pattern it asks as well.
    fn homes(&self) -> Vec<Option<usize>> {
        let mut homes = vec![None; self.rules.len()];
        let mut known: HashMap<(&str, bool), usize> = HashMap::new();
        let mut all: Vec<usize> = self.folded.values().flatten().chain(&self.patterns).copied().collect();
        all.sort_unstable();
        for at in all.into_iter().rev() {
            let rule = self.rules[at];
            let own = match &rule.path {
                Path::Pattern(fitting) if fitting.on == On::Decoded => {
                    Some((fitting.pattern.as_str(), fitting.ignores_case))
                }
                _ => None,
            };
            if let Some(own) = own.filter(|_| self.is_located(at)) {
                known.insert(own, at);
            }
            let asked = rule.asked.iter().filter_map(Asked::path_pattern);
            homes[at] = own.into_iter().chain(asked).filter_map(|key| known.get(&key).copied()).min();
        }
        homes
    }

    /// All places, in the order in which their rules were written; patterns among them in the order of byway.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut found: Vec<((u32, usize), Place)> = Vec::new();
        let mut add = |rule: &Said<'_>, place: Place| found.push((rule.order, place));
        let first = |rules: &[usize]| rules.iter().copied().min_by_key(|at| self.rules[*at].order);
        for (path, rules) in &self.exacts {
            first(rules).into_iter().for_each(|at| add(self.rules[at], Place::Exact(path.to_vec())));
        }
        for (path, rules) in &self.prefixes {
            let Some(first) = first(rules) else { continue };
            if !path.is_empty() {
                add(self.rules[first], Place::Exact(path.to_vec()));
            }
            add(self.rules[first], Place::Below(path.to_vec()));
        }
        for (path, rules) in &self.begins {
            first(rules).into_iter().for_each(|at| add(self.rules[at], Place::Begins(path.to_vec())));
        }
        for rule in self.rules {
            if let Some(path) = aside_at(rule) {
                add(rule, Place::Exact(path));
            }
        }
        let mut patterns: Vec<usize> = self.folded.values().flatten().chain(&self.patterns).copied().collect();
        patterns.sort_unstable();
        let (homely, others): (Vec<usize>, Vec<usize>) = patterns.into_iter().partition(|at| self.homes[*at].is_some());
        let located: Vec<usize> = homely.into_iter().filter(|at| self.is_located(*at)).collect();
        located.iter().for_each(|at| add(self.rules[*at], Place::Fits(*at)));
        if let Some(first) = first(&others) {
            add(self.rules[first], Place::Below(Vec::new()));
        }
        found.sort();
        let mut seen = BTreeSet::new();
        let places = found.into_iter().map(|(_, place)| place).filter(|place| seen.insert(place.clone()));
        let mut located = located.into_iter();
        places
            .map(
                |place| {
                    if matches!(place, Place::Fits(_)) {
                        located.next().map(Place::Fits).unwrap_or(place)
                    } else {
                        place
                    }
                },
            )
            .collect()
    }

    /// Whether a pattern is a location of its own: nginx asks none behind it.
    fn is_located(&self, at: usize) -> bool {
        is_location(self.rules[at])
    }

    /// The rules of a place, up to the first that takes every request.
    pub(super) fn at(&self, place: &Place) -> Vec<usize> {
        let mut all: Vec<usize> = match place {
            Place::Fits(own) => self.before_pattern(*own),
            Place::Exact(path) => {
                let exacts = self.exacts.get(path.as_slice()).into_iter().flatten().copied();
                exacts.chain(self.above(path, path)).chain(self.fitting(path, true)).collect()
            }
            Place::Below(path) => {
                let whole = [path, &b"/"[..]].concat();
                let fitting = self.fitting(path, false).filter(|at| !self.is_elsewhere(*at, whole.len()));
                self.above(path, &whole).chain(fitting).collect()
            }
            Place::Begins(path) => {
                let end = memchr::memrchr(b'/', path).unwrap_or(0);
                let fitting = self.fitting(path, false).filter(|at| !self.is_elsewhere(*at, path.len()));
                self.above(&path[..end], path).chain(fitting).collect()
            }
        };
        all.sort_unstable();
        all.dedup();
        if let Some(end) = all.iter().position(|at| self.takes_all(*at, place)) {
            all.truncate(end + 1);
        }
        all
    }

    /// Rules for all below one of the paths with which one begins, and for all that begins as a text does.
    fn above<'s>(&'s self, path: &'s [u8], text: &'s [u8]) -> impl Iterator<Item = usize> + 's {
        let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
        let prefixes = ends.filter_map(|end| self.prefixes.get(&path[..end])).flatten().copied();
        let lens = if self.begins.is_empty() { 0 } else { text.len() };
        prefixes.chain((1..=lens).filter_map(|len| self.begins.get(&text[..len])).flatten().copied())
    }

    /// Patterns that may fit at a path, or below it; those that are locations stand beside the root and not in it.
    fn fitting<'s>(&'s self, path: &'s [u8], is_exact: bool) -> impl Iterator<Item = usize> + 's {
        let is_root = path.is_empty() && !is_exact;
        self.fitting_all(path, is_exact).filter(move |at| !is_root || self.homes[*at].is_none())
    }

    /// Whether the patterns of two rules begin with texts of which neither goes on with the other.
    fn are_apart(&self, one: usize, other: usize) -> bool {
        let (begin, end) = (&self.beginnings[one], &self.beginnings[other]);
        let len = begin.len().min(end.len());
        !begin[..len].eq_ignore_ascii_case(&end[..len])
    }

    fn fitting_all<'s>(&'s self, path: &'s [u8], is_exact: bool) -> impl Iterator<Item = usize> + 's {
        let folded = path.to_ascii_lowercase();
        // Those of which one begins as the other does, found without a look at all others.
        let longer = folded.clone();
        let before = (0..folded.len()).filter_map(|len| self.begun.get(&folded[..len])).collect::<Vec<_>>();
        let behind = self.begun.range(folded.clone()..).take_while(move |(begin, _)| begin.starts_with(&longer));
        let begun = before.into_iter().chain(behind.map(|(_, rules)| rules)).flatten().copied();
        let patterns = begun.filter(move |at| self.may_fit(*at, path, is_exact));
        let is_below = move |own: &[u8]| if is_exact { own == folded } else { own.starts_with(&folded) };
        let of_case = self.folded.range(path.to_ascii_lowercase()..).take_while(move |(own, _)| is_below(own));
        patterns.chain(of_case.flat_map(|(_, rules)| rules.iter().copied()))
    }

    /// Whether all that a pattern fits is in a place of longer paths than this.
    fn is_elsewhere(&self, at: usize, len: usize) -> bool {
        let Path::Pattern(Fitting { region, ignores_case: false, own: Some(own), .. }) = &self.rules[at].path else {
            return false;
        };
        // Regions are in small letters.
        if own.text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return false;
        }
        let begin = [&region.prefix[..], b"/"].concat();
        let is_below = |end: usize| end > len && self.prefixes.contains_key(&begin[..end - 1]);
        let has_begin = |end: usize| end > len && self.begins.contains_key(&begin[..end]);
        !region.is_exact && (1..=begin.len()).any(|end| has_begin(end) || begin[end - 1] == b'/' && is_below(end))
    }

    /// A pattern that is a location, and what goes before it.
    fn before_pattern(&self, own: usize) -> Vec<usize> {
        let Path::Pattern(Fitting { region, .. }) = &self.rules[own].path else { return vec![own] };
        // A pattern that is a location of its own is asked before this one by nginx, or behind it.
        let is_here = |at: &usize| self.homes[*at].is_none_or(|home| home >= own);
        let may_fit = |at: &usize| match &self.rules[*at].path {
            Path::Pattern(Fitting { folded: Some(path), .. }) => {
                path.get(..region.prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&region.prefix))
            }
            _ => self.may_fit(*at, &region.prefix, false),
        };
        let all = self.strangers.iter().copied().take_while(|at| *at < own);
        let patterns = all.filter(is_here).filter(|at| !self.are_apart(*at, own)).filter(may_fit);
        let everywhere = self.above(b"", b"/");
        patterns.chain(everywhere).filter(|at| *at < own).chain([own]).collect()
    }

    /// Whether a rule fits every path of a place.
    fn fits_all(&self, at: usize, place: &Place) -> bool {
        match (&self.rules[at].path, place) {
            (Path::Pattern(Fitting { on: On::Decoded, own: Some(own), .. }), Place::Exact(path)) => {
                self.finds(at, own, path).unwrap_or(false)
            }
            _ => fits_all(self.rules[at], at, place),
        }
    }

    fn takes_all(&self, at: usize, place: &Place) -> bool {
        let rule = self.rules[at];
        rule.asked.is_empty()
            && self.fits_all(at, place)
            && match &rule.aside {
                Aside::At { path, .. } => !matches!(place, Place::Exact(own) if own == path.as_bytes()),
                Aside::Always { .. } => false,
                Aside::Never | Aside::Perhaps => true,
            }
    }

    fn may_fit(&self, at: usize, path: &[u8], is_exact: bool) -> bool {
        let Path::Pattern(Fitting { own, ignores_case, .. }) = &self.rules[at].path else { return true };
        let begin = &self.beginnings[at];
        let len = begin.len().min(path.len());
        let is_begun = match own.is_some() && !ignores_case {
            true => begin[..len] == path[..len],
            false => begin[..len].eq_ignore_ascii_case(&path[..len]),
        };
        // The engine of a pattern is built for paths that begin as it does alone.
        is_begun
            && (!is_exact || begin.len() <= path.len())
            && own.as_ref().filter(|_| is_exact).is_none_or(|own| self.finds(at, own, path).unwrap_or(true))
    }

    /// Whether the pattern of a rule fits a path; nothing where that cannot be said.
    fn finds(&self, at: usize, own: &Pattern<'_>, path: &[u8]) -> Option<bool> {
        let finder = self.finders[at].get_or_init(|| own.finder().ok());
        finder.as_ref().map(|finder| finder.finds(&as_asked(own, path)))
    }

    /// The rules of a prefix where nginx asks the patterns that go before them anyway, unless `^~` keeps them out: without those.
    pub(super) fn behind_patterns(&self, place: &Place, chain: &[usize]) -> Option<Vec<usize>> {
        let (Place::Below(path) | Place::Begins(path)) = place else { return None };
        let is_seen = |at: &usize| self.rules[*at].is_seen;
        if path.is_empty() || !chain.iter().all(is_seen) {
            return None;
        }
        let mut located: Vec<usize> = self.fitting(path, false).filter(|at| self.homes[*at].is_some()).collect();
        located.sort_unstable();
        chain.strip_prefix(located.as_slice()).map(<[usize]>::to_vec)
    }

    /// Rules that go before all places, and would stand in several or stood before all where they were read: they are asked before any.
    ///
    /// Where a path is written anew inside those alone that stood there: nginx asks its server no more behind `last`.
    pub(super) fn early(&self, listed: &BTreeSet<usize>) -> BTreeSet<usize> {
        let writes_anew = self.rules.iter().any(|rule| matches!(rule.answer, Answer::Rewrite(..)));
        let run: Vec<usize> = (0..self.rules.len())
            .filter(|at| !listed.contains(at))
            .take_while(|at| is_early(self.rules[*at]) && (!writes_anew || self.rules[*at].is_of_server))
            .collect();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        if !run.is_empty() {
            let chain = |place: Place| {
                let chain = self.at(&place);
                self.behind_patterns(&place, &chain).unwrap_or(chain)
            };
            self.places().into_iter().flat_map(chain).for_each(|at| *counts.entry(at).or_default() += 1);
        }
        let is_wanted = |at: &usize| {
            let is_rewrite = match &self.rules[*at].answer {
                Answer::Redirect { by: By::Rewrite, to, .. } => to.takes_groups(),
                answer => matches!(answer, Answer::Rewrite(..)),
            };
            is_rewrite || self.rules[*at].is_of_server || counts.get(at).is_some_and(|count| *count > 1)
        };
        let len = run.iter().rposition(is_wanted).map_or(0, |last| last + 1);
        run.into_iter().take(len).collect()
    }
}

/// Whether a rule is a location of its own: its pattern is asked of the path, and what it does hangs on nothing else.
pub(super) fn is_location(rule: &Said<'_>) -> bool {
    let Path::Pattern(Fitting { on: On::Decoded, own, folded, .. }) = &rule.path else { return false };
    if own.is_none() && folded.is_none() {
        return false;
    }
    let is_said = match &rule.answer {
        Answer::Redirect { by, to, .. } => *by == By::Return || !to.takes_groups(),
        Answer::Rewrite(..) => false,
        Answer::Reply(_) | Answer::Pass => true,
    };
    is_said && rule.asked.is_empty() && matches!(rule.aside, Aside::Never | Aside::Perhaps)
}

/// A path of a place, which is written as it is sent, as a pattern is asked of it.
fn as_asked<'p>(own: &Pattern<'_>, path: &'p [u8]) -> Cow<'p, [u8]> {
    match own.anchoring {
        Anchoring::Anywhere => decoded(path).map_or(Cow::Borrowed(path), |text| Cow::Owned(text.into_bytes())),
        Anchoring::Whole => Cow::Borrowed(path),
    }
}

/// What all begins that the pattern of a rule fits: it may say more than whole names.
pub(super) fn beginning(rule: &Said<'_>) -> Vec<u8> {
    match &rule.path {
        Path::Pattern(Fitting { own: Some(own), .. })
            if own.anchoring == Anchoring::Anywhere && !own.text.starts_with('^') =>
        {
            Vec::new()
        }
        Path::Pattern(Fitting { own: Some(own), .. }) => literal_begin(&own.text),
        Path::Pattern(Fitting { region, .. }) => region.prefix.clone(),
        _ => Vec::new(),
    }
}

/// The text with which all begins that a pattern over the whole path fits.
fn literal_begin(pattern: &str) -> Vec<u8> {
    let text = pattern.strip_prefix('^').unwrap_or(pattern).as_bytes();
    let len = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/-_~".contains(byte)).count();
    // What a sign of repetition stands behind may be missing.
    let is_optional = matches!(text.get(len), Some(b'?' | b'*' | b'{'));
    match has_alternatives(pattern) {
        true => Vec::new(),
        false => text[..len - usize::from(is_optional && len > 0)].to_vec(),
    }
}

/// Whether a rule is one that a server may ask of every request before it chooses a location.
fn is_early(rule: &Said<'_>) -> bool {
    let is_wide = match &rule.path {
        Path::Pattern(_) => true,
        Path::Prefix(path) => path.is_empty() && !rule.asked.is_empty(),
        Path::Begins(_) | Path::Exact(_) => false,
    };
    is_wide
        && !matches!(rule.answer, Answer::Pass)
        && matches!(rule.aside, Aside::Never | Aside::Perhaps)
        && rule.fields.is_empty()
        && rule.asked.iter().all(|asked| asked.asks_for_file().is_none())
}

/// Whether a rule fits every path of a place that it is asked at.
pub(super) fn fits_all(rule: &Said<'_>, at: usize, place: &Place) -> bool {
    match (&rule.path, place) {
        (Path::Pattern(_), Place::Fits(own)) => *own == at,
        (Path::Pattern(Fitting { on: On::Decoded, own: Some(own), .. }), Place::Exact(path)) => {
            own.finds(&as_asked(own, path)).unwrap_or(false)
        }
        (Path::Pattern(Fitting { on: On::Decoded, folded: Some(own), .. }), Place::Exact(path)) => {
            own.eq_ignore_ascii_case(path)
        }
        (Path::Pattern(_), _) => false,
        _ => true,
    }
}

/// The path at which a rule leads to itself.
pub(super) fn aside_at(rule: &Said<'_>) -> Option<Vec<u8>> {
    match &rule.aside {
        Aside::At { path, .. } => Some(path.as_bytes().to_vec()),
        _ => None,
    }
}
