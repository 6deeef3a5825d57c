//! Real lists, served and replayed: every answer must be what the line says.
//!
//! The lists are beside the project and not part of it; where they are not, these tests say so and do nothing.

use std::fs;
use std::path::PathBuf;

use crate::running::Running;

/// How many lines of a list are asked.
const SAMPLED: usize = 1_000;

fn list(name: &str) -> Option<PathBuf> {
    let beside = byway_testkit::workspace_root().parent().map(|folder| folder.join("shared/corpus/netlify").join(name));
    let found = beside.filter(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no shared/corpus/netlify/{name} beside the project");
    }
    found
}

/// A line of a list as a request and what it gets; `None` for a comment, or a line that is no exact redirect.
fn case(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
    let (from, to, status) = match words.as_slice() {
        [from, to] => (from, to, "301"),
        [from, to, status] => (from, to, status.trim_end_matches('!')),
        _ => return None,
    };
    let from = from.strip_suffix("/*").map_or_else(|| (*from).to_owned(), |prefix| format!("{prefix}/a/b"));
    let to = to.replace(":splat", "a/b");
    // One line of a real list forgot the slash and does nothing, as `byway check` says.
    (from.starts_with('/') && !from.contains(['*', ':'])).then(|| (from, format!("{status} {to}")))
}

fn replay(name: &str, at_least: usize) {
    let Some(path) = list(name) else { return };
    let text = fs::read_to_string(&path).expect("the list");
    let cases: Vec<(String, String)> = text.lines().filter_map(case).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(folder.path(), &[path.to_str().expect("a path"), "--workers", "1"]);
    // Evenly over the list, first and last line among them.
    let count = cases.len().min(SAMPLED);
    for at in 0..count {
        let (from, wanted) = &cases[at * (cases.len() - 1) / (count - 1).max(1)];
        assert_eq!(server.gets("GET", from), *wanted, "GET {from}");
    }
    assert!(count >= at_least, "only {count} lines of {name} were asked");
    eprintln!("{count} lines of {name}: every answer is what its line says");
}

#[test]
fn forty_five_thousand_lines() {
    replay("large_45000_redirects", SAMPLED);
}

#[test]
fn the_list_of_a_site() {
    replay("gateway-api_redirects", 10);
}
