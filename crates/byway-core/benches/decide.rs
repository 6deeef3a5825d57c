//! Nanoseconds per decision with the Location written, bytes per rule and build time, from one rule to ten million.
//!
//! `cargo bench -p byway-core --profile dist --bench decide -- [MIX…] [RULES…]`; a mix is `exact`, `mixed` (5 % patterns and 1 %
//! regexes, to a million), `pairs` (one path, told apart by a query pair), and the same exact rules in other dialects: `locations`
//! of nginx, a `map` of nginx, `redirects` of Apache as listed. Requests hit rules at random, so that beyond the cache every
//! decision pays for its misses; a tenth of them hit nothing. `--decisions=N` asks fewer, for counting instructions. Prints rows
//! of a Markdown table.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, NGINX_MAP, NGINX_RETURN, QueryPolicy};
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};
use byway_core::{Action, Builder, NO_FIELDS, Outcome, Request, Rule, RuleSet, Scheme, Scratch, Surroundings};

/// Decisions of one measurement.
const DECISIONS: usize = 1_000_000;
/// Measurements of which the median counts.
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mix {
    Exact,
    Mixed,
    Pairs,
    Locations,
    Map,
    Redirects,
}

/// Each mix, what it is called, and the most rules it is measured with unless it is asked for by name.
const MIXES: [(Mix, &str, usize); 6] = [
    (Mix::Exact, "exact", usize::MAX),
    (Mix::Mixed, "mixed", 1_000_000),
    (Mix::Pairs, "pairs", 0),
    (Mix::Locations, "locations", 0),
    (Mix::Map, "map", 0),
    (Mix::Redirects, "redirects", 0),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<usize> = args.iter().filter_map(|arg| arg.replace('_', "").parse().ok()).collect();
    let counts = if wanted.is_empty() { vec![1, 1_000, 100_000, 1_000_000, 10_000_000] } else { wanted };
    let decisions = args.iter().find_map(|arg| arg.strip_prefix("--decisions=")?.parse().ok()).unwrap_or(DECISIONS);
    let named: Vec<_> = MIXES.into_iter().filter(|(_, name, _)| args.iter().any(|arg| arg == name)).collect();
    println!(
        "| rules | mix | ns per decision | hits | build | bytes of text per rule | bytes beside the text per rule |"
    );
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for &count in &counts {
        match named.is_empty() {
            true => MIXES.iter().filter(|(.., most)| count <= *most).for_each(|mix| row(count, *mix, decisions)),
            false => named.iter().for_each(|mix| row(count, *mix, decisions)),
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
        (Mix::Pairs, _) => {
            let _ = write!(source, "/shop/page.php?id={n:07}");
            let _ = write!(target, "https://shop.example.com/catalog/items/{n:07}/details");
            write!(path, "/shop/page.php?id={n:07}&utm_source=letter")
        }
        _ => {
            let _ = write!(source, "/p/{n:07}/some-realistic-slug-words");
            let _ = write!(target, "https://shop.example.com/catalog/items/{n:07}/details");
            write!(path, "/p/{n:07}/some-realistic-slug-words")
        }
    };
}

/// The table that the rules go into, and whatever leads there.
fn table(builder: &mut Builder, mix: Mix) -> TableId {
    let nginx = TableSpec { dialect: &NGINX_RETURN, order: Order::Listed, after: After::NextRoot, strip: b"" };
    let first = match mix {
        Mix::Exact | Mix::Mixed | Mix::Pairs => builder.table(&TableSpec::OWN),
        Mix::Locations => builder.table(&TableSpec { order: Order::NginxLocation, ..nginx }),
        Mix::Redirects => builder.table(&TableSpec { dialect: &APACHE, ..nginx }),
        Mix::Map => builder.table(&nginx),
    };
    builder.root(first);
    if mix != Mix::Map {
        return first;
    }
    // `map $uri $to { … }` and `if ($to) { return 307 https://shop.example.com$to; }`.
    let map = builder.table(&TableSpec { dialect: &NGINX_MAP, order: Order::Specific, ..nginx });
    let text = Target::of_pieces(vec![at(Landing::Path, What::Part(Part::WorkingPath))]);
    let any = || Source::of_path(PathPattern::BytePrefix { prefix: b"".into(), is_final: false });
    let call = Rule::new(any(), Action::Call { table: map, text: Some(text) });
    builder.push(first, &call).expect("the rule is one of ours");
    let slot = || at(Landing::Path, What::Slot(0));
    let test = Test::In(vec![String::new(), "0".to_owned()]);
    let is_true = Condition { subject: Subject::Text(vec![slot()]), test, negate: true, or_next: false };
    let literal = |place, text: &'static str| at(place, What::Literal(text.into()));
    let pieces = vec![literal(Landing::Scheme, "https://"), literal(Landing::Host, "shop.example.com"), slot()];
    let target = Target::of_pieces(pieces);
    let action = Action::Redirect { status: status(), target, query: QueryPolicy::Drop };
    let rule = Rule { conditions: &[is_true], ..Rule::new(any(), action) };
    builder.push(first, &rule).expect("the rule is one of ours");
    map
}

fn at(place: Landing, what: What<'static>) -> Piece<'static> {
    Piece { place, what }
}

fn status() -> StatusByMethod {
    StatusByMethod::always(RedirectStatus::TemporaryRedirect)
}

fn build(count: usize, mix: Mix) -> (RuleSet, usize) {
    let (mut from, mut to, mut path) = (String::new(), String::new(), String::new());
    let mut builder = Builder::new(0x5EED);
    let table = table(&mut builder, mix);
    // As a loader does that knows the size of its file.
    builder.reserve(count * 120);
    let mut text = 0;
    for n in 0..count {
        texts(n, mix, &mut from, &mut to, &mut path);
        text += from.len() + to.len();
        let source = Source::parse(&from).expect("the source is one of ours");
        let action = match mix {
            Mix::Map => {
                let value = to.strip_prefix("https://shop.example.com").expect("the target is one of ours");
                let value = Piece { place: Landing::Path, what: What::Literal(value.into()) };
                Action::Set { slot: 0, text: Target::of_pieces(vec![value]), then: Then::End }
            }
            _ => {
                let target = Target::parse(&to, &source).expect("the target is one of ours");
                Action::Redirect { status: status(), target, query: QueryPolicy::Keep }
            }
        };
        builder.push(table, &Rule::new(source, action)).expect("the rule is one of ours");
    }
    (builder.finish(), text)
}

fn row(count: usize, (mix, name, _): (Mix, &str, usize), decisions: usize) {
    let started = Instant::now();
    let (rules, text) = build(count, mix);
    let built = started.elapsed();
    let (paths, ends) = requests(count, mix, decisions);
    let mut scratch = Scratch::new();
    let mut times: Vec<f64> = Vec::new();
    let mut hits = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        hits = 0;
        for path in ends.windows(2).map(|ends| &paths[ends[0] as usize..ends[1] as usize]) {
            let (path, query) = match mix == Mix::Pairs {
                true => path.split_at(path.iter().position(|&b| b == b'?').unwrap_or(path.len())),
                false => (path, &[][..]),
            };
            let request = Request {
                method: "GET",
                scheme: Scheme::Https,
                host: "www.example.com",
                port: 443,
                path,
                query: query.get(1..),
                fields: NO_FIELDS,
                address: [127, 0, 0, 1].into(),
                local_port: 443,
            };
            let decision = rules.decide(black_box(&request), &Surroundings::at(0), &mut scratch);
            hits += usize::from(matches!(decision.outcome, Outcome::Redirect(_)));
            black_box(&decision);
        }
        times.push(started.elapsed().as_nanos() as f64 / decisions as f64);
    }
    times.sort_by(f64::total_cmp);
    let beside = (rules.as_bytes().len() - text.min(rules.as_bytes().len())) as f64 / count as f64;
    println!(
        "| {count} | {name} | {:.0} | {:.1} % | {:.2} s | {:.1} | {beside:.1} |",
        times[ROUNDS / 2],
        hits as f64 * 100.0 / decisions as f64,
        built.as_secs_f64(),
        text as f64 / count as f64,
    );
}

/// Paths of rules at random, a tenth of them of rules that do not exist, and where each ends.
fn requests(count: usize, mix: Mix, decisions: usize) -> (Vec<u8>, Vec<u32>) {
    let (mut from, mut to, mut path) = (String::new(), String::new(), String::new());
    let mut paths = Vec::with_capacity(decisions * 48);
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut ends = vec![0];
    for _ in 0..decisions {
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
