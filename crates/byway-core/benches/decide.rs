//! Nanoseconds per decision with the Location written, bytes per rule and build time, from one rule to ten million.
//!
//! `cargo bench -p byway-core --profile dist --bench decide -- [RULES…]`; each count is measured with exact rules, and up to a
//! million also mixed with 5 % patterns and 1 % regexes. Requests hit rules at random, so that beyond the cache every decision
//! pays for its misses; a tenth of them hit nothing. Prints rows of a Markdown table.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use byway_core::dialect::QueryPolicy;
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, NO_FIELDS, Outcome, Request, Rule, RuleSet, Scheme, Scratch, Surroundings};

/// Decisions of one measurement.
const DECISIONS: usize = 1_000_000;
/// Measurements of which the median counts.
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mix {
    Exact,
    Mixed,
}

fn main() {
    let wanted: Vec<usize> = std::env::args().filter_map(|arg| arg.replace('_', "").parse().ok()).collect();
    let counts = if wanted.is_empty() { vec![1, 1_000, 100_000, 1_000_000, 10_000_000] } else { wanted };
    println!(
        "| rules | mix | ns per decision | hits | build | bytes of text per rule | bytes beside the text per rule |"
    );
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for &count in &counts {
        row(count, Mix::Exact);
        if count <= 1_000_000 {
            row(count, Mix::Mixed);
        }
    }
}

/// The source and the target of rule `n`, and a path that it takes.
fn texts(n: usize, mix: Mix, source: &mut String, target: &mut String, path: &mut String) {
    source.clear();
    target.clear();
    path.clear();
    let _ = match (mix, n % 100) {
        (Mix::Mixed, 0) => {
            let _ = write!(source, r"~/archive/(\d+)/entry-{n}");
            let _ = write!(target, "https://shop.example.com/catalog/entries/{n}/{{1}}");
            write!(path, "/archive/{}/entry-{n}", n % 9_999)
        }
        (Mix::Mixed, 1..=5) => {
            let _ = write!(source, "/blog/{n}/:slug");
            let _ = write!(target, "https://shop.example.com/catalog/posts/{n}/:slug");
            write!(path, "/blog/{n}/a-slug-of-{}", n % 9_999)
        }
        _ => {
            let _ = write!(source, "/p/{n:07}/some-realistic-slug-words");
            let _ = write!(target, "https://shop.example.com/catalog/items/{n:07}/details");
            write!(path, "/p/{n:07}/some-realistic-slug-words")
        }
    };
}

fn build(count: usize, mix: Mix) -> (RuleSet, usize) {
    let (mut from, mut to, mut path) = (String::new(), String::new(), String::new());
    let mut builder = Builder::new(0x5EED);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    let mut text = 0;
    for n in 0..count {
        texts(n, mix, &mut from, &mut to, &mut path);
        text += from.len() + to.len();
        let source = Source::parse(&from).expect("the source is one of ours");
        let target = Target::parse(&to, &source).expect("the target is one of ours");
        let rule = Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep });
        builder.push(table, &rule).expect("the rule is one of ours");
    }
    (builder.finish(), text)
}

fn row(count: usize, mix: Mix) {
    let started = Instant::now();
    let (rules, text) = build(count, mix);
    let built = started.elapsed();
    let (paths, ends) = requests(count, mix);
    let mut scratch = Scratch::new();
    let mut times: Vec<f64> = Vec::new();
    let mut hits = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        hits = 0;
        for path in ends.windows(2).map(|ends| &paths[ends[0] as usize..ends[1] as usize]) {
            let request = Request {
                method: "GET",
                scheme: Scheme::Https,
                host: "www.example.com",
                port: 443,
                path,
                query: None,
                fields: NO_FIELDS,
                address: [127, 0, 0, 1].into(),
                local_port: 443,
            };
            let decision = rules.decide(black_box(&request), &Surroundings::at(0), &mut scratch);
            hits += usize::from(matches!(decision.outcome, Outcome::Redirect(_)));
            black_box(&decision);
        }
        times.push(started.elapsed().as_nanos() as f64 / DECISIONS as f64);
    }
    times.sort_by(f64::total_cmp);
    let beside = (rules.as_bytes().len() - text.min(rules.as_bytes().len())) as f64 / count as f64;
    let mix = if mix == Mix::Exact { "exact" } else { "5 % patterns, 1 % regexes" };
    println!(
        "| {count} | {mix} | {:.0} | {:.1} % | {:.2} s | {:.1} | {beside:.1} |",
        times[ROUNDS / 2],
        hits as f64 * 100.0 / DECISIONS as f64,
        built.as_secs_f64(),
        text as f64 / count as f64,
    );
}

/// Paths of rules at random, a tenth of them of rules that do not exist, and where each ends.
fn requests(count: usize, mix: Mix) -> (Vec<u8>, Vec<u32>) {
    let (mut from, mut to, mut path) = (String::new(), String::new(), String::new());
    let mut paths = Vec::with_capacity(DECISIONS * 48);
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut ends = vec![0];
    for _ in 0..DECISIONS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let n = (state >> 11) as usize % count;
        texts(n, mix, &mut from, &mut to, &mut path);
        if state.is_multiple_of(10) {
            path.insert(1, 'x');
        }
        paths.extend_from_slice(path.as_bytes());
        ends.push(paths.len() as u32);
    }
    (paths, ends)
}
