//! Locations: which rules are asked where, and the statements of each.
//!
//! nginx takes the longest location and asks no other. A place holds the rules that byway would ask for its paths, in byway's
//! order, up to the first that takes every request; so a rule with a condition is followed by what comes after it.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use byway_core::host::HostPattern;
use byway_core::request::Scheme;

use super::Output;
use super::conditions::{self, Asked};
use super::names::Block;
use super::rule::{Answer, Path, Said, Spot, To, Written};
use super::words::{literal, pattern_word, word};
use crate::writing::aside::Aside;

/// Where rules stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// A path.
    Exact(Vec<u8>),
    /// All below a path.
    Below(Vec<u8>),
}

/// Which rules are asked where; rules by their place in the order of byway.
pub(super) struct Chains<'a, 'r> {
    rules: &'a [&'a Said<'r>],
    exacts: HashMap<&'a [u8], Vec<usize>>,
    prefixes: HashMap<&'a [u8], Vec<usize>>,
    patterns: Vec<usize>,
}

impl<'a, 'r> Chains<'a, 'r> {
    pub(super) fn of(rules: &'a [&'a Said<'r>], without: &BTreeSet<usize>) -> Chains<'a, 'r> {
        let mut chains = Chains { rules, exacts: HashMap::new(), prefixes: HashMap::new(), patterns: Vec::new() };
        for (at, rule) in rules.iter().enumerate().filter(|(at, _)| !without.contains(at)) {
            match &rule.path {
                Path::Exact(paths) => {
                    paths.iter().for_each(|path| chains.exacts.entry(path.as_slice()).or_default().push(at));
                }
                Path::Prefix(path) => chains.prefixes.entry(path.as_slice()).or_default().push(at),
                Path::Pattern { .. } => chains.patterns.push(at),
            }
        }
        chains
    }

    /// All places, in the order in which their rules were written; and the rules that are at home there.
    fn places(&self) -> Vec<Place> {
        let mut found: Vec<((u32, usize), Place)> = Vec::new();
        let mut add = |rule: &Said<'_>, place: Place| found.push((rule.order, place));
        for (path, rules) in &self.exacts {
            let first = rules.iter().min_by_key(|at| self.rules[**at].order);
            first.into_iter().for_each(|at| add(self.rules[*at], Place::Exact(path.to_vec())));
        }
        for (path, rules) in &self.prefixes {
            let Some(first) = rules.iter().min_by_key(|at| self.rules[**at].order) else { continue };
            if !path.is_empty() {
                add(self.rules[*first], Place::Exact(path.to_vec()));
            }
            add(self.rules[*first], Place::Below(path.to_vec()));
        }
        for rule in self.rules {
            if let Some(path) = aside_at(rule) {
                add(rule, Place::Exact(path));
            }
        }
        if let Some(first) = self.patterns.iter().min_by_key(|at| self.rules[**at].order) {
            add(self.rules[*first], Place::Below(Vec::new()));
        }
        found.sort();
        let mut seen = BTreeSet::new();
        found.into_iter().map(|(_, place)| place).filter(|place| seen.insert(place.clone())).collect()
    }

    /// The rules of a place, up to the first that takes every request.
    pub(super) fn at(&self, place: &Place) -> Vec<usize> {
        let (path, is_exact) = match place {
            Place::Exact(path) => (path.as_slice(), true),
            Place::Below(path) => (path.as_slice(), false),
        };
        let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
        let above = ends.filter_map(|end| self.prefixes.get(&path[..end])).flatten();
        let own = self.exacts.get(path).filter(|_| is_exact).into_iter().flatten();
        let mut all: Vec<usize> = above.chain(own).copied().collect();
        all.sort_unstable();
        all.dedup();
        if let Some(end) = all.iter().position(|at| self.takes_all(*at, place)) {
            all.truncate(end + 1);
        }
        let last = all.last().copied().filter(|at| self.takes_all(*at, place)).unwrap_or(usize::MAX);
        let patterns = self.patterns.iter().copied().take_while(|at| *at < last);
        all.extend(patterns.filter(|at| self.may_fit(*at, path, is_exact)));
        all.sort_unstable();
        all
    }

    fn takes_all(&self, at: usize, place: &Place) -> bool {
        let rule = self.rules[at];
        rule.asked.is_empty()
            && match &rule.aside {
                Aside::At { path, .. } => !matches!(place, Place::Exact(own) if own == path.as_bytes()),
                Aside::Always { .. } => false,
                Aside::Never | Aside::Perhaps => true,
            }
    }

    fn may_fit(&self, at: usize, path: &[u8], is_exact: bool) -> bool {
        let Path::Pattern { region, own, .. } = &self.rules[at].path else { return true };
        if let (true, Some(pattern)) = (is_exact, own) {
            return pattern.finds(path).unwrap_or(true);
        }
        let begin = &region.prefix;
        let path = path.to_ascii_lowercase();
        let len = begin.len().min(path.len());
        begin[..len] == path[..len] && (!is_exact || begin.len() <= path.len())
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
    let chains = Chains::of(rules, listed);
    let mut server = Server { host, scheme, told: BTreeSet::new() };
    let places: Vec<(Place, Vec<usize>)> = chains
        .places()
        .into_iter()
        .map(|place| (chains.at(&place), place))
        .filter(|(chain, place)| is_needed(rules, chain, place))
        .map(|(chain, place)| (place, chain))
        .collect();
    let is_one = places.len() == 1 && listed.is_empty();
    for (place, chain) in &places {
        let Some(name) = name(place) else { continue };
        let mut statements = server.statements(rules, chain, place, output);
        if statements.is_empty() {
            statements.push("# left alone: what leads here is here".to_owned());
        }
        let is_return = |text: &String| text.starts_with("return ") || text.starts_with("# ");
        // One answer for all that a server is asked needs no location.
        if is_one && *place == Place::Below(Vec::new()) && statements.iter().all(is_return) {
            statements.iter().for_each(|text| _ = writeln!(body, "    {text}"));
            return;
        }
        _ = writeln!(body, "\n    location {name} {{");
        statements.iter().for_each(|text| _ = writeln!(body, "        {text}"));
        body.push_str("    }\n");
    }
}

/// Whether a place is more than what lies around it.
fn is_needed(rules: &[&Said<'_>], chain: &[usize], place: &Place) -> bool {
    let is_at_home = |at: &usize| match (&rules[*at].path, place) {
        (Path::Exact(paths), Place::Exact(path)) => paths.contains(path),
        (Path::Prefix(own), Place::Exact(path) | Place::Below(path)) => own == path,
        (Path::Pattern { .. }, Place::Below(path)) => path.is_empty(),
        _ => false,
    };
    let is_aside =
        |rule: &&Said<'_>| matches!((aside_at(rule), place), (Some(own), Place::Exact(path)) if own == *path);
    chain.iter().any(is_at_home) || rules.iter().any(is_aside)
}

fn name(place: &Place) -> Option<String> {
    match place {
        Place::Exact(path) => literal(path).ok().map(|path| format!("= {path}")),
        Place::Below(path) if path.is_empty() => Some("/".to_owned()),
        Place::Below(path) => literal(&[path, &b"/"[..]].concat()).ok().map(|path| format!("^~ {path}")),
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
            let lines = match &rule.answer {
                Answer::Redirect { get, other, .. } if get != other => {
                    let mut reads = asked.clone();
                    reads.insert(0, Asked::reads());
                    let mut lines = self.redirect(rule, place, &reads, *get, output);
                    lines.extend(self.redirect(rule, place, &asked, *other, output));
                    lines
                }
                Answer::Redirect { get, .. } => self.redirect(rule, place, &asked, *get, output),
                Answer::Rewrite(to, end) => self.inside(rule, to, end, &asked, output),
                Answer::Reply(status) => self.stop(rule, &asked, format!("return {status};"), output),
                Answer::Pass if asked.is_empty() && !matches!(rule.path, Path::Pattern { .. }) => {
                    vec!["# left alone".to_owned()]
                }
                Answer::Pass => self.stop(rule, &asked, "break;".to_owned(), output),
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
    fn stop(&self, rule: &Said<'_>, asked: &[Asked], last: String, output: &mut Output) -> Vec<String> {
        let mut inner = rule.fields.clone();
        inner.push(last);
        let wish = format!("is for {}", rule.called());
        match (&rule.path, asked) {
            (Path::Pattern { pattern, ignores_case, .. }, []) => block(&fits(pattern, *ignores_case), inner),
            (Path::Pattern { pattern, ignores_case, .. }, asked) => {
                let (on, key) = conditions::joined(asked, &mut output.names);
                let name = joined_with_path(&on, &key, pattern, *ignores_case, "1", &wish, output);
                block(&name, inner)
            }
            (_, []) => inner,
            (_, asked) => block(&conditions::in_if(asked, &wish, &mut output.names), inner),
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
        let (pattern, ignores_case) = match (&written.pattern, &rule.path) {
            (Some((pattern, ignores_case)), _) => (pattern.as_str(), *ignores_case),
            (None, Path::Pattern { pattern, ignores_case, .. }) => (pattern.as_str(), *ignores_case),
            (None, _) => ("^", false),
        };
        let pattern = format!("{}{pattern}", if ignores_case { "(?i)" } else { "" });
        let pattern = if pattern == "^" { pattern } else { pattern_word(&pattern) };
        let line = format!("rewrite {pattern} {} last;", word(&format!("{}{end}", written.text())));
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
        place: &Place,
        asked: &[Asked],
        status: u16,
        output: &mut Output,
    ) -> Vec<String> {
        let Answer::Redirect { to, .. } = &rule.answer else { return Vec::new() };
        let spot = match (&rule.path, place) {
            (Path::Pattern { .. }, _) => Spot::Somewhere,
            (_, Place::Exact(path)) => Spot::At(path),
            (_, Place::Below(_)) => Spot::Below,
        };
        let (kept, before) = self.kept(to.kept(), to.at(spot, &[]).pattern.is_some(), asked, output);
        let written = to.at(spot, &kept);
        let lines = self.redirect_at(rule, &written, asked, status, output);
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
            (Some((pattern, ignores_case)), []) => block(&fits(pattern, *ignores_case), inner),
            (Some((pattern, ignores_case)), asked) => {
                let (on, key) = conditions::joined(asked, &mut output.names);
                let wish = format!("target of {}", rule.called());
                let to = word(&written.path);
                let name = joined_with_path(&on, &key, pattern, *ignores_case, &to, &wish, output);
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
        Path::Pattern { pattern, .. } => matches!(pattern.as_str(), "^/.*." | "^/." | "^/.+" | "^/" | "^(?:/|$)"),
        Path::Exact(_) => false,
    }
}

/// Says whether a file or a folder is there, where a rule asks that beside other things: nginx has no variable for it.
fn there(rules: &[&Said<'_>], chain: &[usize], letter: char) -> Vec<String> {
    let asks = |at: &usize| {
        let rule = rules[*at];
        let is_one = rule.asked.len() == 1 && !matches!(rule.path, Path::Pattern { .. });
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
fn joined_with_path(
    on: &str,
    key: &str,
    pattern: &str,
    ignores_case: bool,
    value: &str,
    wish: &str,
    output: &mut Output,
) -> String {
    let sign = if ignores_case { "~*" } else { "~" };
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let key = pattern_word(&format!("{sign}^{key}:{pattern}"));
    let head = format!("map {on}:$request_path");
    output.names.of(&Block { head, entries: &[(key, value.to_owned())], default: "\"\"", comment: None }, wish)
}

fn fits(pattern: &str, ignores_case: bool) -> String {
    format!("$request_path ~{} {}", if ignores_case { "*" } else { "" }, pattern_word(pattern))
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
