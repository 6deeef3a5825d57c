//! Long lists of paths, each with its target, as a `RewriteMap` in a file beside the text.
//!
//! A request costs one look-up then, where lines of `RedirectMatch` are compared one after the other. Only paths of one priority
//! go into lists, and only if no other of them is found without case or without its last slash: the list goes before them.
//! Paths that are found in letters of either case are a list of their own, with small letters.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::Placed;
use super::rule::Lines;

/// From how many paths on there is a list.
const LONG: usize = 100;

/// What a list has for all of its entries: the status, whether the query is dropped and letter case ignored, and what stands
/// before the target.
type Kind = (u16, bool, bool, &'static str);

/// Takes what goes into lists out of the rules, and puts a look-up in its place; the lists by the names of their files.
pub(super) fn taken(placed: &mut Vec<Placed>, file: &Path) -> Vec<(String, String)> {
    let Some(first) = placed.iter().position(|rule| rule.lines.entry.is_some()) else { return Vec::new() };
    let same: Vec<&Placed> = placed.iter().filter(|rule| rule.rank.is_beside(&placed[first].rank)).collect();
    let is_loose = |rule: &&&Placed| rule.lines.is_loose && !fits(rule);
    if same.iter().filter(is_loose).count() > 0 || same.iter().filter(|rule| fits(rule)).count() < LONG {
        return Vec::new();
    }
    // A path that is found in letters of either case, and one that is not, would change their places.
    let entries = || same.iter().filter_map(|rule| rule.lines.entry.as_ref());
    let loose: HashSet<&str> = entries().filter(|one| one.ignores_case).map(|one| one.key.as_str()).collect();
    if entries().any(|one| !one.ignores_case && loose.contains(&*one.key.to_ascii_lowercase())) {
        return Vec::new();
    }
    // What stands alone for the same path keeps its place.
    let alone: HashSet<Vec<u8>> =
        same.iter().filter(|rule| !fits(rule)).map(|rule| rule.lines.region.prefix.to_ascii_lowercase()).collect();
    let rank = placed[first].rank.clone();
    let mut lists: BTreeMap<Kind, String> = BTreeMap::new();
    let mut known = HashSet::new();
    let mut regions = Vec::new();
    placed.retain_mut(|rule| {
        let in_list =
            rule.rank.is_beside(&rank) && fits(rule) && !alone.contains(&rule.lines.region.prefix.to_ascii_lowercase());
        let Some(entry) = rule.lines.entry.take().filter(|_| in_list) else { return true };
        regions.push(rule.lines.region.clone());
        if known.insert(entry.key.clone()) {
            let kind = (entry.status, entry.drops_query, entry.ignores_case, entry.origin);
            let list = lists.entry(kind).or_default();
            list.push_str(&format!("{} {}\n", entry.key, entry.value));
        }
        false
    });
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut out = Vec::new();
    let mut rewrite = Vec::new();
    if lists.keys().any(|(_, _, ignores_case, _)| *ignores_case) {
        rewrite.push("RewriteMap in-small-letters int:tolower".to_owned());
    }
    for ((status, drops_query, ignores_case, origin), text) in lists {
        let mut name = format!("moved-{status}{}", if drops_query { "-no-query" } else { "" });
        name.push_str(if ignores_case { "-any-case" } else { "" });
        name.push_str(if origin.is_empty() { "" } else { "-same-host" });
        let path = if ignores_case { "${in-small-letters:%{REQUEST_URI}}" } else { "%{REQUEST_URI}" };
        let list = format!("{stem}-{name}.txt");
        let flags = if drops_query { ",QSD" } else { "" };
        rewrite.push(format!("RewriteMap {name} \"txt:{}\"", file.with_file_name(&list).display()));
        rewrite.push(format!("RewriteCond ${{{name}:{path}}} ^(.+)$"));
        rewrite.push(format!("RewriteRule ^ {origin}%1 [R={status},L,NE{flags}]"));
        out.push((list, text));
    }
    let comment = Some("the long list, in files beside this one".to_owned());
    let at = placed.partition_point(|rule| rule.rank < rank);
    let mut regions = regions.into_iter();
    let Some(region) = regions.next() else { return out };
    let lines = Lines { alias: None, is_alias: false, rewrite, entry: None, is_loose: false, region, why: None };
    placed.insert(at, Placed { rank, lines, comment, is_pass: false, is_inside: false, more: regions.collect() });
    out
}

/// Whether a rule is no more than its entry: a comment would be lost in a list.
fn fits(rule: &Placed) -> bool {
    rule.lines.entry.is_some() && rule.comment.is_none()
}
