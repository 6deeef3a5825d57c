//! A million rows: what reading them takes. Run with `cargo test --release -p byway-config --test speed -- --ignored --nocapture`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use byway_config::check::{CheckOptions, check};
use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, load};

fn rows(count: usize, first: &str, row: impl Fn(&mut String, usize)) -> String {
    let mut text = format!("{first}\n");
    for number in 0..count {
        row(&mut text, number);
    }
    text
}

fn moves() -> String {
    rows(1_000_000, "from,to,status", |text, number| {
        let _ = writeln!(text, "/old/section-{}/page-{number}.html,/new/articles/{number},301", number % 1000);
    })
}

fn pages() -> String {
    rows(1_000_000, "from,to,status", |text, number| {
        let _ = writeln!(text, "/page.php?id={number},https://www.example.com/articles/{number},308");
    })
}

fn lines() -> String {
    rows(1_000_000, "# moves", |text, number| {
        let _ = writeln!(text, "/old/{number} /new/{number} 301");
    })
}

#[test]
#[ignore = "takes seconds and says nothing in a debug build"]
fn loading() {
    for (name, text) in [("moves.csv", moves()), ("pages.csv", pages()), ("_redirects", lines())] {
        let bytes = text.len();
        let files = MemoryFiles::new([(name, text)]);
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
            best = best.min(start.elapsed());
            assert_eq!(loaded.rules.expect("every row is right").len(), 1_000_000);
        }
        eprintln!("{name}: a million rules, {} MB, read in {best:?}", bytes / 1_000_000);
    }
}

#[test]
#[ignore = "takes seconds and says nothing in a debug build"]
fn checking() {
    for (name, text) in [("moves.csv", moves()), ("_redirects", lines())] {
        let files = MemoryFiles::new([(name, text)]);
        let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
        let start = Instant::now();
        let report = check(&loaded, &files, &CheckOptions::at(0));
        eprintln!("{name}: checked in {:?}, {} findings", start.elapsed(), report.findings.len());
    }
}
