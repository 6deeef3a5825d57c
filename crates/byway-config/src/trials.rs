//! Requests that the rules of other servers are tried with: the hosts and paths that they speak of.
//!
//! Such rules enter one another and ask for more than a source says, so that no rule alone says what a request gets. A trial is
//! decided by the whole rule set: what it shows is proven, and a sample that fits nothing shows nothing.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::View;
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::ruleset::RuleSet;
use byway_core::source::PathPattern;
use byway_core::target::{Part, Piece, What};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::examples::Case;
use crate::lints::Seen;
use crate::sample::{ANY_HOST, sample};
use crate::written::Door;

/// The most hosts that are tried.
const HOST_LIMIT: usize = 64;
/// The most paths that are tried.
const PATH_LIMIT: usize = 10_000;
/// The most requests: hosts are left out before paths are.
const LIMIT: usize = 40_000;
/// The most tables that all paths are tried with.
const TABLES_TRIED: usize = 5_000;
/// The most places of one host that are asked.
const PLACES: usize = 8;
/// The longest sample of a pattern.
const SAMPLE_LIMIT: usize = 2_000;

/// What is tried.
pub(crate) struct Trials {
    /// Hosts, each with the places where it is asked.
    hosts: Vec<(String, Vec<(Scheme, u16)>)>,
    paths: Vec<String>,
    /// Whether some rule asks for the scheme or the port, so that http and https may get different answers.
    pub(crate) asks_scheme: bool,
}

impl Trials {
    /// What the rules of other servers speak of; what a pattern leaves wide open is filled with a text.
    pub(crate) fn of(rules: &RuleSet, doors: &[Door], filler: &str) -> Trials {
        let strips: Vec<&[u8]> = rules.tables().map(|table| table.strip).collect();
        // A request may go through all tables in turn: where they are very many, fewer requests are made.
        let most = PATH_LIMIT * TABLES_TRIED / strips.len().max(TABLES_TRIED);
        let (mut hosts, mut paths) = (BTreeSet::new(), BTreeSet::new());
        let (mut asks_scheme, mut is_foreign) = (false, false);
        for rule in rules.rules() {
            let seen = Seen::of(rule);
            if seen.is_own() {
                continue;
            }
            is_foreign = true;
            let conditions = seen.rule.conditions();
            asks_scheme |= conditions.iter().any(is_of_scheme);
            if hosts.len() < HOST_LIMIT {
                hosts.extend(host_of(&seen.source.host));
                hosts.extend(conditions.iter().filter_map(host_asked));
            }
            if seen.rule.dialect().view != View::Given && paths.len() < most {
                let strip = strips.get(usize::from(seen.rule.table().0)).copied().unwrap_or_default();
                paths.extend(paths_of(&seen, strip, filler));
            }
        }
        if is_foreign {
            paths.insert("/".to_owned());
        }
        let paths: Vec<String> = paths.into_iter().collect();
        let usual: &[Scheme] = if asks_scheme { &[Scheme::Http, Scheme::Https] } else { &[Scheme::Http] };
        let mut places = Places::of(doors, usual.iter().map(|scheme| (*scheme, scheme.default_port())).collect());
        let named: Vec<String> =
            places.named.keys().filter(|name| !hosts.contains(**name)).map(|name| (*name).to_owned()).collect();
        let hosts = std::iter::once(ANY_HOST.to_owned()).chain(hosts).chain(named);
        let most = (LIMIT / paths.len().max(1)).clamp(1, HOST_LIMIT);
        let hosts = hosts.take(most).map(|host| (host.clone(), places.of_host(&host))).collect();
        Trials { hosts, paths, asks_scheme }
    }

    /// A GET of every path at every host, at each place where that may make a difference.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> + '_ {
        self.hosts.iter().flat_map(move |(host, places)| {
            self.paths.iter().flat_map(move |path| {
                places.iter().map(move |&(scheme, port)| Case { host: host.clone(), scheme, port, ..Case::get(path) })
            })
        })
    }
}

/// Where hosts are asked.
struct Places<'d> {
    /// Where every host is.
    usual: Vec<(Scheme, u16)>,
    /// Where somebody listens.
    all: Vec<(Scheme, u16)>,
    named: BTreeMap<&'d str, Vec<(Scheme, u16)>>,
}

impl<'d> Places<'d> {
    fn of(doors: &'d [Door], usual: Vec<(Scheme, u16)>) -> Places<'d> {
        let mut places = Places { all: usual.clone(), usual, named: BTreeMap::new() };
        for door in doors {
            add(&mut places.all, &door.ports);
            for name in &door.names {
                add(places.named.entry(name).or_default(), &door.ports);
            }
        }
        places
    }

    fn of_host(&mut self, host: &str) -> Vec<(Scheme, u16)> {
        let mut places = self.usual.clone();
        match self.named.get(host) {
            Some(named) => add(&mut places, named),
            None => add(&mut places, &self.all),
        }
        places
    }
}

/// Adds places that are not there yet, as far as they are asked.
fn add(places: &mut Vec<(Scheme, u16)>, more: &[(Scheme, u16)]) {
    for place in more {
        if places.len() < PLACES && !places.contains(place) {
            places.push(*place);
        }
    }
}

/// The one part of a request that a condition asks about.
pub(crate) fn asked(condition: &Condition) -> Option<&What<'static>> {
    match &condition.subject {
        Subject::Text(pieces) => match pieces.as_slice() {
            [Piece { what, .. }] => Some(what),
            _ => None,
        },
        Subject::Of { .. } => None,
    }
}

fn is_of_scheme(condition: &Condition) -> bool {
    let Subject::Text(pieces) = &condition.subject else { return false };
    pieces
        .iter()
        .any(|piece| matches!(piece.what, What::Part(Part::Scheme | Part::Https | Part::LocalPort | Part::Port)))
}

fn host_of(pattern: &HostPattern<'_>) -> Option<String> {
    match pattern {
        HostPattern::Any => None,
        HostPattern::Exact(host) => Some(host.to_string()),
        HostPattern::Below(parent) => Some(format!("x.{parent}")),
    }
}

/// The host that a condition asks for.
fn host_asked(condition: &Condition) -> Option<String> {
    let is_host = matches!(asked(condition)?, What::Part(Part::Host | Part::HostField));
    let text = match &condition.test {
        Test::Is(text) => text.clone(),
        Test::In(texts) => texts.first()?.clone(),
        Test::Glob(glob) => glob.replace(['*', '?'], "x"),
        Test::Regex(pattern) => String::from_utf8(text_of(&pattern.text, "x")?).ok()?,
        Test::Range(..) | Test::Present => return None,
    };
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    (is_host && !condition.negate && is_name).then(|| text.to_ascii_lowercase())
}

/// The paths that a source is for, one or two.
fn paths_of(seen: &Seen<'_>, strip: &[u8], filler: &str) -> Vec<String> {
    let found = match &seen.source.path {
        PathPattern::BytePrefix { prefix, .. } if prefix.is_empty() => Vec::new(),
        PathPattern::BytePrefix { prefix, .. } => {
            let below: &[u8] = if prefix.ends_with(b"/") { b"x" } else { b"/x" };
            vec![prefix.to_vec(), [prefix, below].concat()]
        }
        PathPattern::Regex(pattern) => text_of(&pattern.text, filler).into_iter().collect(),
        _ => sample(&seen.source).map(|case| case.path.into_bytes()).into_iter().collect(),
    };
    found.into_iter().map(|path| escaped(&[strip, &path].concat())).collect()
}

/// A decoded path as a request line holds it.
fn escaped(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len() + 1);
    if path.first() != Some(&b'/') {
        text.push('/');
    }
    for &byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b':' | b'@' | b'+' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// A text that a pattern finds, as far as its syntax is understood; what may be anything is the filler.
fn text_of(pattern: &str, filler: &str) -> Option<Vec<u8>> {
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(100).build();
    let hir = { parser }.parse(pattern).ok()?;
    let mut out = Vec::new();
    write(&hir, filler, &mut out);
    (out.len() <= SAMPLE_LIMIT).then_some(out)
}

fn write(hir: &Hir, filler: &str, out: &mut Vec<u8>) {
    if out.len() > SAMPLE_LIMIT {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => out.extend(byte_of(class)),
        HirKind::Repetition(repetition) => match repetition.sub.kind() {
            HirKind::Class(class) if repetition.max.is_none() && filler.bytes().all(|byte| holds(class, byte)) => {
                out.extend_from_slice(filler.as_bytes());
            }
            _ => (0..repetition.min.clamp(u32::from(repetition.max != Some(0)), 64))
                .for_each(|_| write(&repetition.sub, filler, out)),
        },
        HirKind::Capture(capture) => write(&capture.sub, filler, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, filler, out)),
        HirKind::Alternation(parts) => parts.first().into_iter().for_each(|part| write(part, filler, out)),
    }
}

/// A byte of a class, a letter where it has one.
fn byte_of(class: &Class) -> Option<u8> {
    b"xa1X-_./".iter().copied().chain(b'!'..=b'~').find(|&byte| holds(class, byte))
}

fn holds(class: &Class, byte: u8) -> bool {
    match class {
        Class::Bytes(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte)),
        Class::Unicode(class) => {
            let sign = char::from(byte);
            byte.is_ascii() && class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&sign))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        for (pattern, filled) in [
            ("^/out/(.*)$", "/out/https://e/"),
            ("^j$", "j"),
            (r"^/a/(\d+)/b(?:c|d)?$", "/a/1/bc"),
            ("^/[^/]+/z", "/x/z"),
            ("(a", ""),
        ] {
            let text = text_of(pattern, "https://e/").unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&text), filled, "{pattern}");
        }
    }
}
