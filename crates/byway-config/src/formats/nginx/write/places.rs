//! Locations: which rules are asked where, and the statements of each.
//!
//! nginx takes the longest location and asks no other. A place holds the rules that byway would ask for its paths, in byway's
//! order, up to the first that takes every request; so a rule with a condition is followed by what comes after it. A pattern on the
//! path as nginx sees it is a location of its own. Patterns that go before all places are asked once, beside them.

// Long because which rules stand at a place, and what each of them needs asked there, hang on one order.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use byway_core::host::HostPattern;
use byway_core::regex::{Finder, Pattern};
use byway_core::request::Scheme;

use super::Output;
use super::conditions::{self, Asked};
use super::names::Block;
use super::rule::{Answer, By, Fitting, On, Path, Said};
use super::target::{Fits, Spot, To, Written};
use super::words::{bare_pattern, literal, pattern_word, word};
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
    /// What all begins that a pattern fits, by the place of its rule, in small letters.
    beginnings: Vec<Vec<u8>>,
    /// The engines of patterns, by the place of their rule, built when one is first asked.
    finders: Vec<OnceCell<Option<Finder>>>,
    /// Paths that are found in letters of either case, in small ones.
    folded: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl<'a, 'r> Chains<'a, 'r> {
    pub(super) fn of(rules: &'a [&'a Said<'r>], without: &BTreeSet<usize>) -> Chains<'a, 'r> {
        let (exacts, prefixes, begins) = (HashMap::new(), HashMap::new(), HashMap::new());
        let beginnings = rules.iter().map(|rule| beginning(rule)).collect();
        let finders = rules.iter().map(|_| OnceCell::new()).collect();
        let (patterns, folded) = (Vec::new(), BTreeMap::new());
        let mut chains = Chains { rules, exacts, prefixes, begins, patterns, beginnings, finders, folded };
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
                Path::Pattern(_) => chains.patterns.push(at),
            }
        }
        chains
    }

    /// All places, in the order in which their rules were written; patterns among them in the order of byway.
    fn places(&self) -> Vec<Place> {
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
        let (located, others): (Vec<usize>, Vec<usize>) = patterns.into_iter().partition(|at| self.is_located(*at));
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
        let rule = self.rules[at];
        let Path::Pattern(Fitting { on: On::Decoded, own, folded, .. }) = &rule.path else { return false };
        if own.is_none() && folded.is_none() {
            return false;
        }
        let is_said = match &rule.answer {
            Answer::Redirect { by, .. } => *by == By::Return,
            Answer::Rewrite(..) => false,
            Answer::Reply(_) | Answer::Pass => true,
        };
        is_said && rule.asked.is_empty() && matches!(rule.aside, Aside::Never | Aside::Perhaps)
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
        let patterns = self.patterns.iter().copied().filter(move |at| self.may_fit(*at, path, is_exact));
        let folded = path.to_ascii_lowercase();
        let is_below = move |own: &[u8]| if is_exact { own == folded } else { own.starts_with(&folded) };
        let of_case = self.folded.range(path.to_ascii_lowercase()..).take_while(move |(own, _)| is_below(own));
        let all = patterns.chain(of_case.flat_map(|(_, rules)| rules.iter().copied()));
        all.filter(move |at| !is_root || !self.is_located(*at))
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
        let patterns = self.fitting(&region.prefix, false).filter(|at| !self.is_located(*at));
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
        let Path::Pattern(Fitting { own, .. }) = &self.rules[at].path else { return true };
        let begin = &self.beginnings[at];
        let len = begin.len().min(path.len());
        // The engine of a pattern is built for paths that begin as it does alone.
        begin[..len].eq_ignore_ascii_case(&path[..len])
            && (!is_exact || begin.len() <= path.len())
            && own.as_ref().filter(|_| is_exact).is_none_or(|own| self.finds(at, own, path).unwrap_or(true))
    }

    /// Whether the pattern of a rule fits a path; nothing where that cannot be said.
    fn finds(&self, at: usize, own: &Pattern<'_>, path: &[u8]) -> Option<bool> {
        let finder = self.finders[at].get_or_init(|| own.finder().ok());
        finder.as_ref().map(|finder| finder.finds(path))
    }

    /// The rules of a prefix where nginx asks the patterns that go before them anyway, unless `^~` keeps them out: without those.
    fn behind_patterns(&self, place: &Place, chain: &[usize]) -> Option<Vec<usize>> {
        let (Place::Below(path) | Place::Begins(path)) = place else { return None };
        let is_seen = |at: &usize| self.rules[*at].is_seen;
        if path.is_empty() || !chain.iter().all(is_seen) {
            return None;
        }
        let located: BTreeSet<usize> = self.fitting(path, false).filter(|at| self.is_located(*at)).collect();
        let before: BTreeSet<usize> = chain.iter().copied().take_while(|at| located.contains(at)).collect();
        (before == located).then(|| chain[before.len()..].to_vec())
    }

    /// Rules that go before all places and would stand in several: they are asked before any.
    ///
    /// There are none where a path is written anew inside: nginx asks its server no more behind `last`.
    fn early(&self, listed: &BTreeSet<usize>) -> BTreeSet<usize> {
        if self.rules.iter().any(|rule| matches!(rule.answer, Answer::Rewrite(..))) {
            return BTreeSet::new();
        }
        let run: Vec<usize> = (0..self.rules.len())
            .filter(|at| !listed.contains(at))
            .take_while(|at| is_early(self.rules[*at]))
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
            let is_rewrite =
                matches!(&self.rules[*at].answer, Answer::Redirect { by: By::Rewrite, .. } | Answer::Rewrite(..));
            is_rewrite || counts.get(at).is_some_and(|count| *count > 1)
        };
        let len = run.iter().rposition(is_wanted).map_or(0, |last| last + 1);
        run.into_iter().take(len).collect()
    }
}

/// What all begins that the pattern of a rule fits, in small letters: it may say more than whole names.
fn beginning(rule: &Said<'_>) -> Vec<u8> {
    match &rule.path {
        Path::Pattern(Fitting { own: Some(own), .. }) => literal_begin(&own.text),
        Path::Pattern(Fitting { region, .. }) => region.prefix.clone(),
        _ => Vec::new(),
    }
}

/// The text with which all begins that a pattern over the whole path fits, in small letters.
fn literal_begin(pattern: &str) -> Vec<u8> {
    let text = pattern.strip_prefix('^').unwrap_or(pattern).as_bytes();
    let len = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/-_~".contains(byte)).count();
    // What a sign of repetition stands behind may be missing.
    let is_optional = matches!(text.get(len), Some(b'?' | b'*' | b'{'));
    match has_alternatives(pattern) {
        true => Vec::new(),
        false => text[..len - usize::from(is_optional && len > 0)].to_ascii_lowercase(),
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
fn fits_all(rule: &Said<'_>, at: usize, place: &Place) -> bool {
    match (&rule.path, place) {
        (Path::Pattern(_), Place::Fits(own)) => *own == at,
        (Path::Pattern(Fitting { on: On::Decoded, own: Some(own), .. }), Place::Exact(path)) => {
            own.finds(path).unwrap_or(false)
        }
        (Path::Pattern(Fitting { on: On::Decoded, folded: Some(own), .. }), Place::Exact(path)) => {
            own.eq_ignore_ascii_case(path)
        }
        (Path::Pattern(_), _) => false,
        _ => true,
    }
}

/// The path at which a rule leads to itself.
fn aside_at(rule: &Said<'_>) -> Option<Vec<u8>> {
    match &rule.aside {
        Aside::At { path, .. } => Some(path.as_bytes().to_vec()),
        _ => None,
    }
}

/// A server being written.
struct Server<'s> {
    host: &'s HostPattern<'s>,
    scheme: Scheme,
    /// Rules over which their comment stands already.
    told: BTreeSet<usize>,
}

/// Writes the locations of a server.
pub(super) fn write(
    rules: &[&Said<'_>],
    listed: &BTreeSet<usize>,
    host: &HostPattern<'_>,
    scheme: Scheme,
    output: &mut Output,
    body: &mut String,
) {
    let mut server = Server { host, scheme, told: BTreeSet::new() };
    let early = Chains::of(rules, listed).early(listed);
    if !early.is_empty() {
        let chain: Vec<usize> = early.iter().copied().collect();
        body.push('\n');
        let statements = server.statements(rules, &chain, &Place::Below(Vec::new()), output);
        statements.iter().for_each(|text| _ = writeln!(body, "    {text}"));
    }
    let without: BTreeSet<usize> = listed.union(&early).copied().collect();
    let chains = Chains::of(rules, &without);
    let places: Vec<(Place, Vec<usize>)> = chains
        .places()
        .into_iter()
        .map(|place| (chains.at(&place), place))
        .filter(|(chain, place)| is_needed(rules, chain, place))
        .map(|(chain, place)| (place, chain))
        .collect();
    let is_one = places.len() == 1 && listed.is_empty();
    for (place, chain) in &places {
        let behind = chains.behind_patterns(place, chain);
        let Some(name) = name(rules, place, behind.is_some()) else { continue };
        let chain = &behind.unwrap_or_else(|| chain.clone());
        let mut statements = server.statements(rules, chain, place, output);
        let is_root = *place == Place::Below(Vec::new());
        if is_root && statements == [ALONE] {
            continue;
        }
        if statements.is_empty() {
            statements.push("# left alone: what leads here is here".to_owned());
        }
        let is_return = |text: &String| text.starts_with("return ") || text.starts_with("# ");
        // One answer for all that a server is asked needs no location.
        if is_one && is_root && statements.iter().all(is_return) {
            statements.iter().for_each(|text| _ = writeln!(body, "    {text}"));
            return;
        }
        _ = writeln!(body, "\n    location {name} {{");
        statements.iter().for_each(|text| _ = writeln!(body, "        {text}"));
        body.push_str("    }\n");
    }
}

/// What stands where nothing is done.
const ALONE: &str = "# left alone";

/// Whether a place is more than what lies around it.
fn is_needed(rules: &[&Said<'_>], chain: &[usize], place: &Place) -> bool {
    let is_at_home = |at: &usize| match (&rules[*at].path, place) {
        (Path::Exact(paths), Place::Exact(path)) => paths.contains(path),
        (Path::Prefix(own), Place::Exact(path) | Place::Below(path)) => own == path,
        (Path::Begins(own), Place::Begins(path)) => own == path,
        (Path::Pattern(_), Place::Fits(own)) => own == at,
        (Path::Pattern(_), Place::Below(path)) => path.is_empty(),
        _ => false,
    };
    let is_aside =
        |rule: &&Said<'_>| matches!((aside_at(rule), place), (Some(own), Place::Exact(path)) if own == *path);
    chain.iter().any(is_at_home) || rules.iter().any(is_aside)
}

/// `is_open` says that nginx asks patterns before it.
fn name(rules: &[&Said<'_>], place: &Place, is_open: bool) -> Option<String> {
    match place {
        Place::Below(path) if is_open => literal(&[path, &b"/"[..]].concat()).ok(),
        Place::Begins(path) if is_open => literal(path).ok(),
        Place::Exact(path) => literal(path).ok().map(|path| format!("= {path}")),
        Place::Below(path) if path.is_empty() => Some("/".to_owned()),
        Place::Below(path) => literal(&[path, &b"/"[..]].concat()).ok().map(|path| format!("^~ {path}")),
        Place::Begins(path) => literal(path).ok().map(|path| format!("^~ {path}")),
        Place::Fits(at) => match &rules[*at].path {
            Path::Pattern(Fitting { pattern, ignores_case, .. }) => {
                Some(format!("~{} {}", if *ignores_case { "*" } else { "" }, bare_pattern(pattern)))
            }
            _ => None,
        },
    }
}

impl Server<'_> {
    /// The statements of a place, each without its indent.
    fn statements(&mut self, rules: &[&Said<'_>], chain: &[usize], place: &Place, output: &mut Output) -> Vec<String> {
        let mut out = Vec::new();
        for at in chain {
            let rule = rules[*at];
            let Some(asked) = self.asked(rule, place) else { continue };
            if let Some(comment) = rule.comment.as_ref().filter(|_| self.told.insert(*at)) {
                out.push(format!("# {comment}"));
            }
            let is_first = !out.iter().any(|text| text.ends_with('{'));
            let fits = match fits_all(rule, *at, place) {
                true if chain.len() == 1 && *place == Place::Fits(*at) => Fit::Groups,
                true => Fit::Always,
                false => Fit::Perhaps,
            };
            let lines = match &rule.answer {
                Answer::Redirect { get, other, .. } if get != other => {
                    let mut reads = asked.clone();
                    reads.insert(0, Asked::reads());
                    let mut lines = self.redirect(rule, (place, fits), &reads, *get, output);
                    lines.extend(self.redirect(rule, (place, fits), &asked, *other, output));
                    lines
                }
                Answer::Redirect { get, .. } => self.redirect(rule, (place, fits), &asked, *get, output),
                Answer::Rewrite(to, end) => self.inside(rule, to, end, &asked, output),
                Answer::Reply(status) => self.stop(rule, fits, &asked, format!("return {status};"), output),
                // Behind other rules it is plain that nothing is done.
                Answer::Pass if asked.is_empty() && fits != Fit::Perhaps && out.is_empty() => vec![ALONE.to_owned()],
                Answer::Pass if asked.is_empty() && fits != Fit::Perhaps => Vec::new(),
                Answer::Pass => self.stop(rule, fits, &asked, "break;".to_owned(), output),
            };
            let is_bare = !lines.first().is_some_and(|line| line.starts_with("if "));
            if is_bare && !is_first && !rule.fields.is_empty() {
                // What a location says of fields is said of the blocks before as well.
                output.left_out.insert(rule.number, "`cache` and `retry_after` are left out");
                out.extend(lines.into_iter().filter(|line| !rule.fields.contains(line)));
                continue;
            }
            // Ways through a list of another server may end alike.
            let is_handed = |line: &String| line.starts_with("try_files ") && out.contains(line);
            let is_again = !lines.is_empty() && (out.ends_with(&lines) || lines.iter().all(is_handed));
            if !is_again && !is_dead(&lines, &out) {
                out.extend(lines);
            }
        }
        let begin: Vec<String> = ['f', 'd'].into_iter().flat_map(|letter| there(rules, chain, letter)).collect();
        begin.into_iter().chain(out).collect()
    }

    /// What is asked of a request at a place beside its path; `None` where the rule stands aside there.
    fn asked(&self, rule: &Said<'_>, place: &Place) -> Option<Vec<Asked>> {
        let mut asked = rule.asked.clone();
        let elsewhere = |origin: &str| {
            let host = origin.split_once("://").map_or("", |(_, rest)| rest.split(':').next().unwrap_or_default());
            // What is sent to the other scheme cannot be what was asked here.
            let is_other = !origin.starts_with(&format!("{}://", self.scheme.as_str()))
                || matches!(self.host, HostPattern::Exact(own) if own != host);
            (!is_other).then(|| Asked::is_elsewhere(origin))
        };
        match &rule.aside {
            Aside::Never | Aside::Perhaps => {}
            Aside::Always { origin } => asked.extend(elsewhere(origin)),
            Aside::At { origin, path, query } if matches!(place, Place::Exact(own) if own == path.as_bytes()) => {
                let origin = if origin.is_empty() { Some(None) } else { elsewhere(origin).map(Some) };
                match (origin, query) {
                    (None, _) => {}
                    (Some(None), None) => return None,
                    (Some(None), Some(query)) => asked.push(Asked::has_other_query(query)),
                    (Some(Some(one)), _) => asked.push(one),
                }
            }
            Aside::At { .. } => {}
        }
        Some(asked)
    }

    /// Statements for a rule that sends nothing of the request on.
    fn stop(&self, rule: &Said<'_>, fit: Fit, asked: &[Asked], last: String, output: &mut Output) -> Vec<String> {
        let mut inner = rule.fields.clone();
        inner.push(last);
        let wish = format!("is for {}", rule.called());
        let asks = match &rule.path {
            Path::Pattern(fitting) if fit == Fit::Perhaps => Some(fitting.asks()),
            _ => None,
        };
        match (asks, asked) {
            (Some(asks), []) => block(&in_if(&asks), inner),
            (Some(asks), asked) => {
                let (on, key) = conditions::joined(asked, &mut output.names);
                let name = joined_with_path(&on, &key, &asks, "1", &wish, output);
                block(&name, inner)
            }
            (None, []) => inner,
            (None, asked) => block(&conditions::in_if(asked, &wish, &mut output.names), inner),
        }
    }

    /// A path that becomes another one inside the server.
    fn inside(&self, rule: &Said<'_>, to: &To, end: &str, asked: &[Asked], output: &mut Output) -> Vec<String> {
        // That the path is not what it becomes is nothing to ask where files are asked for.
        let below = to.at(Spot::Below, &[]);
        let path = below.text();
        let others = asked.iter().filter(|asked| !asked.is_elsewhere_than(&path));
        let asks: Option<Vec<(char, bool)>> = others.map(Asked::asks_for_file).collect();
        // As people write it who hand over whatever is no file.
        if let (Some(asks), [], None) = (&asks, to.kept().as_slice(), &below.pattern)
            && is_everything(&rule.path)
            && asks.contains(&('f', true))
            && asks.iter().all(|(_, not)| *not)
        {
            let folder = if asks.contains(&('d', true)) { " $uri/" } else { "" };
            let args = match (end, path.contains('?')) {
                ("?", _) => "",
                (_, true) => "&$args",
                (_, false) => "$is_args$args",
            };
            return vec![format!("try_files $uri{folder} {};", word(&format!("{path}{args}")))];
        }
        let (kept, before) = self.kept(to.kept(), true, asked, output);
        let written = to.at(Spot::Somewhere, &kept);
        let pattern = match (&written.pattern, &rule.path) {
            (Some(asks), _) => asks.whole(),
            (None, Path::Pattern(fitting)) => fitting.asks().whole(),
            (None, _) => "^".to_owned(),
        };
        let line = format!("rewrite {} {} last;", bare_pattern(&pattern), word(&format!("{}{end}", written.text())));
        let lines = match asked {
            [] => vec![line],
            asked => {
                let wish = format!("is for {}", rule.called());
                block(&conditions::in_if(asked, &wish, &mut output.names), vec![line])
            }
        };
        before.into_iter().chain(lines).collect()
    }

    fn redirect(
        &self,
        rule: &Said<'_>,
        (place, fit): (&Place, Fit),
        asked: &[Asked],
        status: u16,
        output: &mut Output,
    ) -> Vec<String> {
        let Answer::Redirect { to, by, .. } = &rule.answer else { return Vec::new() };
        let spot = match (&rule.path, place) {
            (Path::Pattern(_), _) if fit != Fit::Perhaps && !to.takes_groups() => Spot::Below,
            (Path::Pattern(_), _) => Spot::Somewhere,
            (_, Place::Exact(path)) => Spot::At(path),
            _ => Spot::Below,
        };
        let (kept, before) = self.kept(to.kept(), to.at(spot, &[]).pattern.is_some(), asked, output);
        let mut written = to.at(spot, &kept);
        if fit == Fit::Groups {
            // Its location is that pattern.
            written.pattern = None;
        }
        let lines = match (by, &written.pattern) {
            (By::Rewrite, Some(asks)) => {
                let word_for = if status == 301 { "permanent" } else { "redirect" };
                let line =
                    format!("rewrite {} {} {word_for};", bare_pattern(&asks.whole()), word(&written.rewritten()));
                match asked {
                    [] => vec![line],
                    asked => {
                        let wish = format!("is for {}", rule.called());
                        block(&conditions::in_if(asked, &wish, &mut output.names), vec![line])
                    }
                }
            }
            _ => self.redirect_at(rule, &written, asked, status, output),
        };
        before.into_iter().chain(lines).collect()
    }

    /// The names of groups of a condition, and what keeps them: a pattern asked behind it would take their numbers.
    fn kept(
        &self,
        numbers: Vec<u8>,
        has_pattern: bool,
        asked: &[Asked],
        output: &mut Output,
    ) -> (Vec<(u8, String)>, Vec<String>) {
        let Some(taking) = asked.iter().rfind(|asked| asked.takes_groups()).filter(|_| !numbers.is_empty()) else {
            return (Vec::new(), Vec::new());
        };
        if asked.len() == 1 && !has_pattern {
            return (Vec::new(), Vec::new());
        }
        let named: Vec<(u8, String)> =
            numbers.into_iter().map(|number| (number, taking.part(number, &mut output.names))).collect();
        let sets = named.iter().map(|(number, name)| format!("set {name} ${number};")).collect();
        let before = block(&taking.in_if(&mut output.names), sets);
        (named.into_iter().map(|(number, name)| (number, name.trim_start_matches('$').to_owned())).collect(), before)
    }

    fn redirect_at(
        &self,
        rule: &Said<'_>,
        written: &Written,
        asked: &[Asked],
        status: u16,
        output: &mut Output,
    ) -> Vec<String> {
        let wish = format!("is for {}", rule.called());
        let mut inner = rule.fields.clone();
        inner.push(format!("return {status} {};", word(&written.text())));
        match (&written.pattern, asked) {
            (None, []) => inner,
            (None, asked) => block(&conditions::in_if(asked, &wish, &mut output.names), inner),
            (Some(asks), []) => block(&in_if(asks), inner),
            (Some(asks), asked) => {
                let (on, key) = conditions::joined(asked, &mut output.names);
                let wish = format!("target of {}", rule.called());
                let to = word(&written.path);
                let name = joined_with_path(&on, &key, asks, &to, &wish, output);
                inner.pop();
                inner.push(format!(
                    "return {status} {};",
                    word(&format!("{name}{}{}", written.query, written.fragment))
                ));
                block(&name, inner)
            }
        }
    }
}

/// Whether a path is any, or any but the root.
fn is_everything(path: &Path<'_>) -> bool {
    match path {
        Path::Prefix(path) => path.is_empty(),
        Path::Pattern(Fitting { pattern, .. }) => {
            matches!(pattern.as_str(), "^/.*." | "^/." | "^/.+" | "^/" | "^(?:/|$)")
        }
        Path::Begins(path) => path == b"/",
        Path::Exact(_) => false,
    }
}

/// Says whether a file or a folder is there, where a rule asks that beside other things: nginx has no variable for it.
fn there(rules: &[&Said<'_>], chain: &[usize], letter: char) -> Vec<String> {
    let asks = |at: &usize| {
        let rule = rules[*at];
        let is_one = rule.asked.len() == 1 && !matches!(rule.path, Path::Pattern(_));
        let is_inside = matches!(rule.answer, Answer::Rewrite(..));
        let asks = rule.asked.iter().any(|asked| asked.asks_for_file().is_some_and(|(own, _)| own == letter));
        let is_handed = is_inside
            && is_everything(&rule.path)
            && rule.asked.iter().all(|asked| asked.asks_for_file().is_some() || asked.is_elsewhere_than(""));
        asks && !(is_one || is_handed)
    };
    let name = conditions::there(letter);
    match chain.iter().any(asks) {
        true => [
            vec![format!("set {name} 0;")],
            block(&format!("-{letter} $request_filename"), vec![format!("set {name} 1;")]),
        ]
        .concat(),
        false => Vec::new(),
    }
}

/// The variable of conditions and a pattern on the path at once: nginx's `if` knows no `and`.
fn joined_with_path(on: &str, key: &str, asks: &Fits, value: &str, wish: &str, output: &mut Output) -> String {
    let sign = if asks.ignores_case { "~*" } else { "~" };
    let pattern = match asks.pattern.strip_prefix('^') {
        Some(rest) => rest.to_owned(),
        None => format!(".*{}", asks.pattern),
    };
    let key = pattern_word(&format!("{sign}^{key}:{pattern}"));
    let head = format!("map {on}:{}", asks.on.variable());
    output.names.of(&Block { head, entries: &[(key, value.to_owned())], default: "\"\"", comment: None }, wish)
}

/// A pattern between the parentheses of an `if`.
fn in_if(asks: &Fits) -> String {
    format!("{} ~{} {}", asks.on.variable(), if asks.ignores_case { "*" } else { "" }, pattern_word(&asks.pattern))
}

/// What is known of a path where a rule with a pattern is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Its pattern must be asked.
    Perhaps,
    /// Its pattern fits.
    Always,
    /// It fits, and its groups are those that nginx found last.
    Groups,
}

/// Whether a block asks what one before it asked: every block ends what is done with a request.
fn is_dead(lines: &[String], before: &[String]) -> bool {
    let is_one = lines.iter().filter(|line| *line == "}").count() == 1;
    let ends = |head: &String| {
        let mut blocks = before.windows(2).filter(|two| two[0] == *head);
        blocks.any(|two| !two[1].trim_start().starts_with("set "))
    };
    is_one && lines.first().is_some_and(|head| head.starts_with("if ") && ends(head))
}

fn block(asked: &str, inner: Vec<String>) -> Vec<String> {
    let inner = inner.into_iter().map(|line| format!("    {line}"));
    std::iter::once(format!("if ({asked}) {{")).chain(inner).chain(["}".to_owned()]).collect()
}
