//! Real `_redirects` files, where they lie beside the workspace; where they do not, this says so and skips.

use std::path::PathBuf;

use byway_config::diagnostic::Severity;
use byway_config::examples::{Case, Expected};
use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_core::Scratch;

fn corpus(name: &str) -> Option<String> {
    let path: PathBuf = byway_testkit::workspace_root().join("../shared/corpus/netlify").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: {} is not there", path.display());
    }
    text
}

fn loaded(text: &str) -> Loaded {
    let files = MemoryFiles::new([("_redirects", text)]);
    load(&files, &["_redirects".as_ref()], &LoadOptions::default())
}

#[test]
fn every_line_of_a_long_list_answers_as_it_says() {
    let Some(text) = corpus("large_45000_redirects") else { return };
    let loaded = loaded(&text);
    let rules = loaded.rules.expect("no line is wrong");
    assert_eq!(rules.len(), 45_000);
    let mut scratch = Scratch::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(from), Some(to)) = (words.next(), words.next()) else { continue };
        let found = Case::get(from).decide(&rules, 0, &mut scratch).0;
        assert_eq!(found, Expected::Redirect { status: 301, location: Some(to.to_owned()) }, "{line}");
    }
}

#[test]
fn a_real_site_is_read_but_for_the_line_that_does_nothing() {
    let Some(text) = corpus("gateway-api_redirects") else { return };
    let loaded = loaded(&text);
    let said: Vec<(Severity, &str)> = loaded.diagnostics.iter().map(|said| (said.severity, said.code)).collect();
    assert_eq!(said, [(Severity::Warning, "no-slash")]);
    let rules = loaded.rules.expect("no line is wrong");
    let mut scratch = Scratch::new();
    let mut first = std::collections::HashMap::new();
    for line in text.lines().filter(|line| line.starts_with('/')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Of two lines for one path, with or without its slash, the first answers.
        let to = *first.entry(words[0].trim_end_matches('/').to_owned()).or_insert(words[1]);
        if words[0].contains(['*', ':']) || to.contains(':') && !to.starts_with("http") {
            continue;
        }
        let found = Case::get(words[0]).decide(&rules, 0, &mut scratch).0;
        assert_eq!(found, Expected::Redirect { status: 301, location: Some(to.to_owned()) }, "{line}");
    }
}
