//! Long lists of paths, each with its target, as a `map` on the path: one look-up, where many locations would hide what is else
//! in the server. Its keys ignore letter case: paths that do so as well are a list even where they are few.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use byway_core::host::HostPattern;

use super::Output;
use super::chains::{Chains, Place};
use super::rule::{Answer, Fitting, On, Path, Said};
use super::words::{decoded, pattern_word, word};
use crate::writing::aside::Aside;
use crate::writing::perl::fitting;

/// From how many paths on there is a list.
const LONG: usize = 100;
/// The same for paths that ignore letter case.
const FEW: usize = 2;

const CASE: &str = "keys of a `map` ignore case: `/A` is taken for `/a`";

/// A path, its target, and the comment over it.
type Listed = (String, String, Option<String>);

/// Takes what goes into lists out of the rules: the numbers of those that are in one.
pub(super) fn taken(
    rules: &[&Said<'_>],
    host: &HostPattern<'_>,
    output: &mut Output,
    body: &mut String,
) -> BTreeSet<usize> {
    let mut fitting: Vec<usize> = (0..rules.len()).filter(|at| entry(rules[*at]).is_some()).collect();
    if fitting.len() < LONG {
        fitting.retain(|at| matches!(rules[*at].path, Path::Pattern(_)));
    }
    if fitting.len() < FEW {
        return BTreeSet::new();
    }
    let chains = Chains::of(rules, &BTreeSet::new());
    let mut lists: BTreeMap<(u16, &'static str), Vec<Listed>> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    for at in fitting {
        let Some((status, path, to, query)) = entry(rules[at]) else { continue };
        // The list goes before all locations: only what is asked first may be in it.
        let place = Place::Exact(path.to_vec());
        let (Some(first), Ok(key)) = (chains.at(&place).first().copied(), decoded(path)) else { continue };
        if first == at {
            listed.insert(at);
            lists.entry((status, query)).or_default().push((key, word(&to), rules[at].comment.clone()));
            if matches!(rules[at].path, Path::Exact(_)) {
                output.left_out.entry(rules[at].number).or_insert(CASE);
            }
        }
    }
    // Paths that differ in case alone would be one key.
    let mut folded: HashMap<Vec<u8>, usize> = HashMap::new();
    let paths = rules.iter().filter_map(|rule| match &rule.path {
        Path::Exact(paths) => Some(paths),
        _ => None,
    });
    for path in paths.flatten().collect::<BTreeSet<_>>() {
        if let Ok(key) = decoded(path) {
            *folded.entry(key.to_ascii_lowercase().into_bytes()).or_default() += 1;
        }
    }
    for ((status, query), entries) in lists {
        let wish = match host {
            HostPattern::Any => format!("moved_{status}"),
            host => format!("moved_{status}_{host}"),
        };
        let suffix = if query.is_empty() { "_without_query" } else { "" };
        // Servers of several hosts may have one list.
        let (name, is_new) = output.names.once(&format!("{status} {query} {entries:?}"), &format!("{wish}{suffix}"));
        if is_new {
            map(&name, &entries, &folded, output);
        }
        _ = writeln!(body, "\n    if ({name}) {{\n        return {status} {name}{query};\n    }}");
    }
    listed
}

fn map(name: &str, entries: &[Listed], folded: &HashMap<Vec<u8>, usize>, output: &mut Output) {
    output.longest = output.longest.max(entries.iter().map(|(key, ..)| key.len()).max().unwrap_or(0));
    output.most = output.most.max(entries.len());
    let width = entries.iter().map(|(key, ..)| key.chars().count()).max().unwrap_or(0).min(40);
    let out = &mut output.names.text;
    _ = writeln!(out, "\nmap $uri {name} {{");
    for (key, value, comment) in entries {
        if let Some(comment) = comment {
            _ = writeln!(out, "    # {comment}");
        }
        let key = match folded.get(&key.to_ascii_lowercase().into_bytes()) {
            Some(2..) => pattern_word(&format!("~^{}$", fitting(key.as_bytes()))),
            _ => word(key),
        };
        _ = writeln!(out, "    {key:width$} {value};");
    }
    out.push_str("}\n");
}

/// Status, path, target and query of a rule that is one path and one target.
fn entry<'s>(rule: &'s Said<'_>) -> Option<(u16, &'s [u8], String, &'static str)> {
    let Answer::Redirect { get, other, to, .. } = &rule.answer else { return None };
    let path = match &rule.path {
        Path::Exact(paths) => <&[Vec<u8>; 1]>::try_from(paths.as_slice()).ok().map(|[path]| path)?,
        Path::Pattern(Fitting { on: On::Decoded, folded: Some(path), .. }) => path,
        _ => return None,
    };
    let (to, query) = to.constant()?;
    let is_plain = get == other && rule.asked.is_empty() && rule.fields.is_empty() && rule.aside == Aside::Never;
    is_plain.then_some((*get, path, to, query))
}
