//! Where hits come from: the database of this node, those of others, and access logs.
//!
//! What is added up is careful on purpose: a rule has been observed only since all sources have watched it, so that "unused"
//! is never said of what one of them could not have seen.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use byway_core::RuleSet;

use crate::commands::unreadable;
use crate::exit::Failure;
use crate::hits::refusal;
use crate::hits::store::{Kept, Store, TargetState};
use crate::logs;

/// What to read.
pub(crate) struct Sources<'a> {
    /// The database of this node.
    pub(crate) database: Option<PathBuf>,
    /// Databases and logs of others.
    pub(crate) merged: &'a [PathBuf],
    /// The host of requests in logs that name none.
    pub(crate) log_host: &'a str,
}

/// What the sources know.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By the number of the identity.
    pub(crate) rules: HashMap<u64, Kept>,
    /// How many sources there were.
    pub(crate) sources: usize,
    /// What is known of targets, by what is asked.
    pub(crate) targets: HashMap<String, TargetState>,
    /// What a person should be told.
    pub(crate) remarks: Vec<String>,
}

/// The first bytes of a database.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// The first bytes of what gzip wrote.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Reads and adds up.
pub(crate) fn read(wanted: &Sources<'_>, rules: &RuleSet, now: i64) -> Result<Known, Failure> {
    let mut known = Known::default();
    for path in wanted.database.iter().chain(wanted.merged) {
        let is_own = wanted.database.as_ref() == Some(path);
        let begins = if is_own { SQLITE.to_vec() } else { beginning(path)? };
        let found = if begins.starts_with(SQLITE) {
            let store = Store::look(path).map_err(|error| refusal(&error))?;
            let targets = store.targets().map_err(|error| refusal(&error))?;
            known.targets.extend(targets.into_iter().map(|state| (state.url.clone(), state)));
            store.read(now).map_err(|error| refusal(&error))?
        } else if begins.starts_with(GZIP) {
            return Err(Failure::usage(format!("{} is packed", path.display()))
                .help(format!("unpack it first: gunzip -k {}", path.display())));
        } else {
            let log = logs::read(path, rules, wanted.log_host, now)?;
            known.remarks.extend(log.remark);
            log.rules
        };
        known.add(&found);
    }
    Ok(known)
}

fn beginning(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut begins = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut begins));
    read.map(|_| begins).map_err(|error| unreadable(path, &error))
}

impl Known {
    fn add(&mut self, found: &HashMap<u64, Kept>) {
        let is_first = self.sources == 0;
        self.sources += 1;
        // What one source has never heard of has not been observed there.
        for (number, kept) in &mut self.rules {
            kept.observed_since = kept.observed_since.filter(|_| found.contains_key(number));
        }
        for (number, more) in found {
            let Kept { hits, first_seen, observed_since, unchanged_since } = *more;
            let is_new = !self.rules.contains_key(number);
            let kept = self.rules.entry(*number).or_default();
            kept.hits.add(&hits);
            kept.first_seen = earlier(kept.first_seen, first_seen);
            kept.unchanged_since = kept.unchanged_since.max(unchanged_since);
            kept.observed_since = match (is_first, is_new) {
                (true, _) => observed_since,
                (false, true) => None,
                (false, false) => kept.observed_since.zip(observed_since).map(|(one, other)| one.max(other)),
            };
        }
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(get: u64, since: Option<i64>) -> Kept {
        let mut kept = Kept { observed_since: since, first_seen: since, ..Kept::default() };
        kept.hits.methods[0] = get;
        kept
    }

    #[test]
    fn a_rule_is_observed_only_since_all_have_watched_it() {
        let mut known = Known::default();
        known.add(&HashMap::from([(1, kept(2, Some(10))), (2, kept(0, Some(10))), (3, kept(1, Some(5)))]));
        known.add(&HashMap::from([(1, kept(3, Some(40))), (2, kept(0, None)), (4, kept(9, Some(1)))]));
        let of = |number: u64| (known.rules[&number].hits.total(), known.rules[&number].observed_since);
        assert_eq!([of(1), of(2), of(3), of(4)], [(5, Some(40)), (0, None), (1, None), (9, None)]);
        assert_eq!(known.rules[&1].first_seen, Some(10));
    }
}
