//! The command line as documents: what a person types, and everything that comes back.
//!
//! A heading of a page is a test with a folder of its own. A block with `as=NAME` in its info string is a file there; a `console`
//! block holds command lines after `$ `, each with what it printed: stdout as it is, stderr behind `! `, the exit in brackets
//! where it is not 0. Lines are run by `sh`; `$BUSY` is a port of this machine that is taken. Ports, times and sizes that differ
//! from run to run are shown as `PORT`, `N ms` and `N bytes`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use byway_testkit::{Block, Document, Section, settle};

/// Makes a test of a page.
macro_rules! pages {
    ($($name:ident: $file:literal)*) => {
        $(#[test]
        fn $name() {
            run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join($file));
        })*
    };
}

pages! {
    bad_input: "bad-input.md"
    check: "check.md"
    compile: "compile.md"
    convert: "convert.md"
    explain: "explain.md"
    promote: "promote.md"
    migration: "migration.md"
    serve: "serve.md"
    tables: "tables.md"
    visitors: "visitors.md"
}

fn run(page: &Path) {
    let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let document = Document::parse(&text);
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = busy.local_addr().expect("a bound port").port();
    let found: Vec<(&Block, String)> = document.sections.iter().flat_map(|section| of_section(section, port)).collect();
    if let Err(mismatches) = settle(page, &found) {
        mismatches.iter().for_each(|mismatch| eprintln!("{mismatch}"));
        panic!("{} blocks of {} differ; UPDATE=1 writes them anew", mismatches.len(), page.display());
    }
}

/// The console blocks of a section, with what came of them.
fn of_section(section: &Section, port: u16) -> Vec<(&Block, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    for block in &section.blocks {
        if let Some(name) = block.info.split_whitespace().find_map(|word| word.strip_prefix("as=")) {
            write(&folder.path().join(name), &block.text);
        }
    }
    let consoles = section.blocks.iter().filter(|block| block.kind() == "console");
    consoles.map(|block| (block, session(block, folder.path(), port))).collect()
}

fn write(path: &PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// What the lines of a block print, one after the other.
fn session(block: &Block, folder: &Path, port: u16) -> String {
    let mut shown = String::new();
    for line in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
        shown.push_str(&format!("$ {line}\n{}", one_line(line, folder, port)));
    }
    shown
}

fn one_line(line: &str, folder: &Path, port: u16) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_byway"));
    let path =
        format!("{}:{}", binary.parent().expect("a folder").display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("BUSY", port.to_string())
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let mut shown = settled(&output.stdout, folder, port);
    for line in settled(&output.stderr, folder, port).lines() {
        shown.push_str(format!("! {line}").trim_end());
        shown.push('\n');
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => shown.push_str(&format!("[{code}]\n")),
        None => shown.push_str("[killed]\n"),
    }
    shown
}

/// What was printed, without what differs from run to run.
fn settled(printed: &[u8], folder: &Path, port: u16) -> String {
    let here = folder.canonicalize().expect("the folder of the section");
    let text = String::from_utf8_lossy(printed).replace(&format!(":{port}"), ":PORT");
    let mut text = text.replace(&here.display().to_string(), "/HERE");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for unit in [" ms", " bytes", ": it was cut short"] {
        text = without_numbers(&text, unit);
    }
    text
}

/// A text in which the number before a unit is `N`.
fn without_numbers(text: &str, unit: &str) -> String {
    let mut parts = text.split(unit).peekable();
    let mut out = String::new();
    while let Some(part) = parts.next() {
        let bare = part.trim_end_matches(|sign: char| sign.is_ascii_digit());
        match parts.peek() {
            Some(_) if bare.len() < part.len() => out.push_str(&format!("{bare}N{unit}")),
            Some(_) => out.push_str(&format!("{part}{unit}")),
            None => out.push_str(part),
        }
    }
    out
}
