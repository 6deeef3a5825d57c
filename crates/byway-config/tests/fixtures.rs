//! The pages of this folder as tests: files, what is said of them, and what requests then get.
//!
//! A heading is a test. A block whose info has a second word is a file of that name (`toml byway.toml`); a `diagnostics` block
//! holds exactly what is printed, a `check` block what `byway check` finds; the lines of a `requests` block are cases. A block
//! `written FORMAT` holds the rules in another format, without the first line, and `verdicts FORMAT` what is said of each. The
//! first file is the one that is named to the loader. `UPDATE=1` writes the expectations anew.

use std::path::{Path, PathBuf};

use byway_config::check::{CheckOptions, check};
use byway_config::diagnostic::{Diagnostic, Severity};
use byway_config::examples::{Case, case_lines};
use byway_config::files::{Files, MemoryFiles};
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::render::{Colour, render};
use byway_config::span::FileTable;
use byway_config::writing::{self, Named};
use byway_core::Scratch;
use byway_testkit::{Block, Document, Section, settle};

/// 2027-01-15T08:00:00Z: the moment at which the cases of these pages are asked.
const NOW: i64 = 1_800_000_000;

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of this test")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

fn files_of(section: &Section) -> (MemoryFiles, Option<PathBuf>) {
    let mut files = MemoryFiles::default();
    let mut first = None;
    for block in section.blocks.iter().filter(|block| !["written", "verdicts"].contains(&block.kind())) {
        let Some(name) = block.info.split_whitespace().nth(1) else { continue };
        // Bytes that no Markdown holds are written as `\xE9`.
        files.insert(format!("site/{name}"), unescaped(&block.text));
        first.get_or_insert_with(|| PathBuf::from(format!("site/{name}")));
    }
    (files, first)
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split("\\x");
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    bytes
}

fn drawn(diagnostics: &[Diagnostic], table: &FileTable, files: &dyn Files) -> String {
    let drawn: Vec<String> =
        diagnostics.iter().map(|diagnostic| render(diagnostic, table, files, Colour::Never)).collect();
    // The folder is where the files of a page are; its name says nothing. Lines end where their text does.
    let text = drawn.join("\n").replace("site/", "");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// What each block of a section should hold.
fn settled<'d>(section: &'d Section, found: &mut Vec<(&'d Block, String)>, failed: &mut Vec<String>) {
    let (files, Some(first)) = files_of(section) else { return };
    let loaded = load(&files, &[&first], &LoadOptions::default());
    let text = drawn(&loaded.diagnostics, &loaded.files, &files);
    let serious = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity > Severity::Note);
    match section.block("diagnostics") {
        Some(block) => found.push((block, text)),
        None if serious => failed.push(format!("{}:\n{text}", section.name())),
        None => {}
    }
    if let Some(block) = section.block("check") {
        let report = check(&loaded, &files, &CheckOptions::at(NOW));
        found.push((block, drawn(&report.findings, &loaded.files, &files)));
    }
    for block in section.blocks.iter().filter(|block| ["written", "verdicts"].contains(&block.kind())) {
        found.push((block, converted(block, &files, &first)));
    }
    for block in section.blocks.iter().filter(|block| block.kind() == "requests") {
        run(section, block, &loaded, failed);
    }
}

/// What a block should hold that names another format.
fn converted(block: &Block, files: &MemoryFiles, first: &Path) -> String {
    let to = block.info.split_whitespace().nth(1).and_then(Format::named).expect("the name of a format");
    let loaded = load(files, &[first], &LoadOptions { now: Some(NOW), ..LoadOptions::default() });
    let written = writing::write(&loaded, to).expect("rules, and a format that is written");
    match block.kind() {
        "written" => written.text.split_once('\n').map_or_else(String::new, |(_, text)| text.to_owned()),
        _ => {
            let rows = writing::rows(&loaded, &written);
            writing::text(&rows, &loaded, &written, Named::All).replace("site/", "")
        }
    }
}

fn run(section: &Section, block: &Block, loaded: &Loaded, failed: &mut Vec<String>) {
    let Some(rules) = &loaded.rules else { return failed.push(format!("{}: no rules", section.name())) };
    let mut scratch = Scratch::new();
    let page = format!("```requests\n{}```\n", block.text);
    for range in case_lines(&page) {
        let line = &page[range];
        match Case::parse(line) {
            Ok(case) => {
                let (got, _) = case.decide_knowing(rules, loaded.places(), NOW, &mut scratch);
                if !case.expected.is_met_by(&got) {
                    failed.push(format!("{}: `{line}` gets `{got}`", section.name()));
                }
            }
            Err(error) => failed.push(format!("{}: `{line}`: {}", section.name(), error.what)),
        }
    }
}

#[test]
fn every_page_says_what_is_so() {
    let mut failed = Vec::new();
    for page in pages() {
        let document = Document::parse(&std::fs::read_to_string(&page).expect("a page of this folder"));
        let mut found = Vec::new();
        for section in &document.sections {
            settled(section, &mut found, &mut failed);
        }
        if let Err(mismatches) = settle(&page, &found) {
            failed.extend(mismatches.iter().map(ToString::to_string));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
