//! A million rows: what reading them takes. Run with `cargo test --release -p byway-config --test speed -- --ignored --nocapture`.

use std::fmt::Write as _;
use std::time::Instant;

use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, load};

fn rows(count: usize, first: &str, row: impl Fn(&mut String, usize)) -> String {
    let mut text = format!("{first}\n");
    for number in 0..count {
        row(&mut text, number);
    }
    text
}

fn timed(name: &str, text: String) {
    let bytes = text.len();
    let files = MemoryFiles::new([(name, text)]);
    for _ in 0..3 {
        let start = Instant::now();
        let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
        let took = start.elapsed();
        let rules = loaded.rules.expect("every row is right");
        eprintln!("{name}: {} rules, {} MB in {took:?}, {} MB compiled", rules.len(), bytes / 1_000_000, rules.as_bytes().len() / 1_000_000);
    }
}

#[test]
#[ignore = "takes seconds and says nothing in a debug build"]
fn a_million_rows() {
    timed("moves.csv", rows(1_000_000, "from,to,status", |text, number| {
        let _ = writeln!(text, "/old/section-{}/page-{number}.html,/new/articles/{number},301", number % 1000);
    }));
    timed("pages.csv", rows(1_000_000, "from,to,status", |text, number| {
        let _ = writeln!(text, "/page.php?id={number},https://www.example.com/articles/{number},308");
    }));
    timed("_redirects", rows(1_000_000, "# moves", |text, number| {
        let _ = writeln!(text, "/old/{number} /new/{number} 301");
    }));
}
