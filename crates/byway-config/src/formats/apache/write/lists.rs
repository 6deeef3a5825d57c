//! Long lists of paths, each with its target, as a `RewriteMap` in a file beside the text.
//!
//! A request costs one look-up then, where lines of `RedirectMatch` are compared one after the other. Only paths of one priority
//! go into lists, and only if no other of them is found without case or without its last slash: the list goes before them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::Placed;
use super::rule::Lines;

/// From how many paths on there is a list.
const LONG: usize = 100;

/// Takes what goes into lists out of the rules, and puts a look-up in its place; the lists by the names of their files.
pub(super) fn taken(placed: &mut Vec<Placed>, file: &Path) -> Vec<(String, String)> {
    let Some(first) = placed.iter().position(|rule| rule.lines.entry.is_some()) else { return Vec::new() };
    let same: Vec<&Placed> = placed.iter().filter(|rule| rule.rank.is_beside(&placed[first].rank)).collect();
    if same.iter().any(|rule| rule.lines.is_loose) || same.iter().filter(|rule| fits(rule)).count() < LONG {
        return Vec::new();
    }
    // What stands alone for the same path keeps its place.
    let alone: HashSet<Vec<u8>> =
        same.iter().filter(|rule| !fits(rule)).map(|rule| rule.lines.region.prefix.clone()).collect();
    let rank = placed[first].rank.clone();
    let mut lists: BTreeMap<(u16, bool), String> = BTreeMap::new();
    let mut known = HashSet::new();
    let mut regions = Vec::new();
    placed.retain_mut(|rule| {
        let in_list = rule.rank.is_beside(&rank) && fits(rule) && !alone.contains(&rule.lines.region.prefix);
        let Some(entry) = rule.lines.entry.take().filter(|_| in_list) else { return true };
        regions.push(rule.lines.region.clone());
        if known.insert(entry.key.clone()) {
            let list = lists.entry((entry.status, entry.drops_query)).or_default();
            list.push_str(&format!("{} {}\n", entry.key, entry.value));
        }
        false
    });
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut out = Vec::new();
    let mut rewrite = Vec::new();
    for ((status, drops_query), text) in lists {
        let name = format!("moved-{status}{}", if drops_query { "-no-query" } else { "" });
        let list = format!("{stem}-{name}.txt");
        let flags = if drops_query { ",QSD" } else { "" };
        rewrite.push(format!("RewriteMap {name} \"txt:{}\"", file.with_file_name(&list).display()));
        rewrite.push(format!("RewriteCond ${{{name}:%{{REQUEST_URI}}}} ^(.+)$"));
        rewrite.push(format!("RewriteRule ^ %1 [R={status},L,NE{flags}]"));
        out.push((list, text));
    }
    let comment = Some("the long list, in files beside this one".to_owned());
    let at = placed.partition_point(|rule| rule.rank < rank);
    let mut regions = regions.into_iter();
    let Some(region) = regions.next() else { return out };
    let lines = Lines { alias: None, is_alias: false, rewrite, entry: None, is_loose: false, region, why: None };
    placed.insert(at, Placed { rank, lines, comment, is_pass: false, more: regions.collect() });
    out
}

/// Whether a rule is no more than its entry: a comment would be lost in a list.
fn fits(rule: &Placed) -> bool {
    rule.lines.entry.is_some() && rule.comment.is_none()
}
