//! Loading: what goes over several files, and what no page of fixtures can hold.

use std::path::Path;

use byway_config::diagnostic::Diagnostic;
use byway_config::examples::{Case, Expected};
use byway_config::files::MemoryFiles;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, Reach, load};
use byway_core::Scratch;
use byway_core::status::{RedirectStatus, StatusByMethod};

const RULE: &str = "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n";

fn named(files: &MemoryFiles, roots: &[&str], options: &LoadOptions) -> Loaded {
    let roots: Vec<&Path> = roots.iter().map(Path::new).collect();
    load(files, &roots, options)
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|said: &Diagnostic| said.code).collect()
}

fn asked(loaded: &Loaded, path: &str) -> Expected {
    let rules = loaded.rules.as_ref().expect("rules without errors");
    Case::get(path).decide(rules, 0, &mut Scratch::new()).0
}

#[test]
fn a_link_that_leaves_the_folder_is_refused_unless_it_is_allowed() {
    let mut files =
        MemoryFiles::new([("site/byway.toml", "include = [\"more.toml\"]\n"), ("elsewhere/more.toml", RULE)]);
    files.link("site/more.toml", "elsewhere/more.toml");
    assert_eq!(codes(&named(&files, &["site/byway.toml"], &LoadOptions::default())), ["include-outside"]);
    let anywhere = LoadOptions { reach: Reach::Anywhere, ..LoadOptions::default() };
    assert_eq!(named(&files, &["site/byway.toml"], &anywhere).rules.map(|rules| rules.len()), Some(1));
}

#[test]
fn a_compiled_file_is_known_by_its_first_bytes_and_stands_alone() {
    let mut files = MemoryFiles::new([("byway.toml", RULE)]);
    let rules = named(&files, &["byway.toml"], &LoadOptions::default()).rules.expect("no error");
    files.insert("rules", rules.as_bytes());
    let loaded = named(&files, &["rules"], &LoadOptions::default());
    assert_eq!(asked(&loaded, "/a"), Expected::Redirect { status: 307, location: Some("/b".to_owned()) });
    assert_eq!(loaded.files.iter().map(|(_, file)| file.name.as_str()).collect::<Vec<_>>(), ["byway.toml"]);
    assert_eq!(codes(&named(&files, &["byway.toml", "rules"], &LoadOptions::default())), ["compiled-alone"]);

    let mut damaged = rules.as_bytes().to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    files.insert("rules", damaged);
    assert_eq!(codes(&named(&files, &["rules"], &LoadOptions::default())), ["bad-compiled"]);
}

#[test]
fn tables_come_in_the_order_in_which_files_are_named() {
    let files = MemoryFiles::new([
        ("a.csv", "from,to,status\n/x,/1,301\n"),
        ("b.csv", "from,to,status\n/x,/2,301\n/y,/2,301\n"),
    ]);
    let loaded = named(&files, &["a.csv", "b.csv"], &LoadOptions::default());
    assert_eq!(asked(&loaded, "/x").to_string(), "301 /1");
    assert_eq!(asked(&loaded, "/y").to_string(), "301 /2");
}

#[test]
fn a_policy_holds_for_files_named_before_it() {
    let files = MemoryFiles::new([
        ("moves.csv", "from,to,status\n/x,https://example.org/,301\n"),
        ("byway.toml", "[policy]\ntarget_hosts = [\"example.com\"]\n"),
    ]);
    assert_eq!(codes(&named(&files, &["moves.csv", "byway.toml"], &LoadOptions::default())), ["target-host"]);
}

#[test]
fn the_loader_can_be_told_status_and_format() {
    let files = MemoryFiles::new([("moves", "from,to\n/x,/y\n")]);
    assert_eq!(codes(&named(&files, &["moves"], &LoadOptions::default())), ["unknown-format"]);
    let csv = LoadOptions { format: Format::named("csv"), ..LoadOptions::default() };
    assert_eq!(codes(&named(&files, &["moves"], &csv)), ["missing-status"]);
    let status = Some(StatusByMethod::always(RedirectStatus::PermanentRedirect));
    let loaded = named(&files, &["moves"], &LoadOptions { status, ..csv });
    assert_eq!(asked(&loaded, "/x").to_string(), "308 /y");
}

#[test]
fn a_file_that_is_not_there_is_named_and_nothing_else_happens() {
    let loaded = named(&MemoryFiles::default(), &["byway.toml"], &LoadOptions::default());
    assert_eq!(loaded.diagnostics[0].message, "byway.toml is not there");
    assert!(loaded.rules.is_none());
}

#[test]
fn one_mistake_in_a_long_list_is_named_and_the_rest_is_read() {
    let mut text = "from,to,status\n".to_owned();
    for number in 0..100_000 {
        let status = if number == 70_000 { "304" } else { "301" };
        text.push_str(&format!("/old/{number},/new/{number},{status}\n"));
    }
    let loaded = named(&MemoryFiles::new([("moves.csv", text)]), &["moves.csv"], &LoadOptions::default());
    assert_eq!((codes(&loaded), loaded.errors), (vec!["bad-status"], 1));
    let span = loaded.diagnostics[0].primary.as_ref().expect("a place");
    assert_eq!((span.line, span.column), (70_002, 23));
}
