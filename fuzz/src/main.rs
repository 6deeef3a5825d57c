//! One fuzzer for every reader of hostile bytes; `BYWAY_FUZZ` selects which.
//!
//! Each target asserts more than that nothing panics: what is read is written back, what is built is opened again, and a
//! Location never leaves the origin that its target names. `fuzz/run` builds it, seeds it and runs it for a bounded time.

#![no_main]

use std::sync::LazyLock;

use byway_config::check::{CheckOptions, check, fixed};
use byway_config::files::MemoryFiles;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, load};
use byway_core::dialect::{MergeWinner, QueryPolicy};
use byway_core::path::{TargetForm, request_target};
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Target, TargetHost};
use byway_core::{Action, Builder, NO_FIELDS, Outcome, Request, Rule, RuleSet, Scheme, Scratch, Surroundings};
use libfuzzer_sys::fuzz_target;

/// The targets, by the name that selects them.
const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("toml", |bytes| read_rules("byway.toml", "toml", bytes)),
    ("csv", |bytes| read_rules("moves.csv", "csv", bytes)),
    ("redirects", |bytes| read_rules("_redirects", "redirects", bytes)),
    ("apache", |bytes| read_foreign("httpd.conf", "apache", bytes)),
    ("htaccess", |bytes| read_foreign(".htaccess", "htaccess", bytes)),
    ("nginx", |bytes| read_foreign("nginx.conf", "nginx", bytes)),
    ("cases", cases),
    ("url", url_parts),
    ("location", location),
    ("compiled", compiled),
    ("http", http_head),
];

static SELECTED: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("BYWAY_FUZZ").unwrap_or_default();
    match TARGETS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => *target,
        None => {
            let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("BYWAY_FUZZ must be one of: {}", known.join(" "));
            std::process::exit(2);
        }
    }
});

fuzz_target!(|bytes: &[u8]| SELECTED(bytes));

/// Another server's configuration: it ends, what fixes make of it can be read, it is refused with an error or makes rules that open again and decide the same.
fn read_foreign(name: &str, format: &str, bytes: &[u8]) {
    let files = MemoryFiles::new([(name, bytes.to_vec())]);
    let options = LoadOptions { format: Format::named(format), ..LoadOptions::default() };
    let loaded = load(&files, &[name.as_ref()], &options);
    let report = check(&loaded, &files, &CheckOptions::at(0));
    let texts = fixed(&report, &loaded.files, &files).expect("memory can be read");
    let Some(rules) = loaded.rules else {
        assert!(loaded.errors > 0, "no rules and no error");
        return;
    };
    for (_, text) in texts {
        let again = load(&MemoryFiles::new([(name, text)]), &[name.as_ref()], &options);
        assert_eq!(again.errors, 0, "a fix made a mistake: {:?}", again.diagnostics);
    }
    let opened = RuleSet::open(rules.as_bytes().to_vec()).expect("what was built opens");
    let paths =
        bytes.split(|b| b.is_ascii_whitespace() || b"^$\"';{}=".contains(b)).filter(|word| word.starts_with(b"/"));
    for path in paths.chain([&b"/"[..], b"/%2e%2e//a%0d%0a"]).take(32) {
        let Ok(TargetForm::Origin(asked)) = request_target(path) else { continue };
        let request = get(asked.path, asked.query);
        let (mut scratch, mut other) = (Scratch::new(), Scratch::new());
        let around = Surroundings::at(0);
        let (one, two) = (rules.decide(&request, &around, &mut scratch), opened.decide(&request, &around, &mut other));
        assert_eq!(one.outcome, two.outcome);
    }
}

fn get<'a>(path: &'a [u8], query: Option<&'a [u8]>) -> Request<'a> {
    Request {
        method: "GET",
        scheme: Scheme::Http,
        host: "a.example.com",
        port: 80,
        path,
        query,
        fields: NO_FIELDS,
        address: [127, 0, 0, 1].into(),
        local_port: 80,
    }
}

fn read_rules(name: &str, format: &str, bytes: &[u8]) {
    let status = StatusByMethod::always(RedirectStatus::PermanentRedirect);
    let files = MemoryFiles::new([(name, bytes.to_vec())]);
    let options = LoadOptions { status: Some(status), format: Format::named(format), ..LoadOptions::default() };
    let loaded = load(&files, &[name.as_ref()], &options);
    let Some(rules) = loaded.rules else {
        assert!(loaded.errors > 0, "no rules and no error");
        return;
    };
    let opened = RuleSet::open(rules.as_bytes().to_vec()).expect("what was built opens");
    for rule in opened.rules() {
        let text = rule.source().to_string();
        let again = Source::parse(&text).unwrap_or_else(|error| panic!("{text} does not read back: {error}"));
        assert_eq!(again.to_string(), text);
        let _ = (rule.identity(), rule.target_text(), rule.conditions());
    }
}

fn cases(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        for line in text.lines() {
            let _ = byway_config::examples::Case::parse(line);
        }
    }
}

fn url_parts(bytes: &[u8]) {
    let Ok(TargetForm::Origin(parts)) = request_target(bytes) else { return };
    let normal = byway_core::path::unreserved(parts.path);
    assert_eq!(byway_core::path::unreserved(&normal), normal, "the normal form is its own normal form");
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(source) = Source::parse(text)
    {
        let written = source.to_string();
        assert_eq!(Source::parse(&written).map(|again| again.to_string()), Ok(written));
    }
}

/// The first line is a source, the second a target, the third a request target; the first byte chooses the query policy.
fn location(bytes: &[u8]) {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let mut lines = rest.splitn(3, |&b| b == b'\n');
    let (Some(from), Some(to), Some(asked)) = (lines.next(), lines.next(), lines.next()) else { return };
    let (Ok(from), Ok(to)) = (std::str::from_utf8(from), std::str::from_utf8(to)) else { return };
    let Ok(TargetForm::Origin(asked)) = request_target(asked) else { return };
    let Ok(source) = Source::parse(from) else { return };
    let Ok(target) = Target::parse(to, &source) else { return };
    let home = match target.host() {
        TargetHost::Relative => Some("site.test".to_owned()),
        TargetHost::Fixed(host) => Some(host.to_owned()),
        _ => None,
    };
    let query = match choice % 5 {
        0 => QueryPolicy::Keep,
        1 => QueryPolicy::Drop,
        2 => QueryPolicy::Replace,
        3 => QueryPolicy::Merge(MergeWinner::Request),
        _ => QueryPolicy::Only(vec!["a".to_owned()]),
    };
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    let mut builder = Builder::new(1);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    if builder.push(table, &Rule::new(source, Action::Redirect { status, target, query })).is_err() {
        return;
    }
    let rules = builder.finish();
    let request = Request {
        method: "POST",
        scheme: Scheme::Https,
        host: "site.test",
        port: 443,
        path: asked.path,
        query: asked.query,
        fields: NO_FIELDS,
        address: [127, 0, 0, 1].into(),
        local_port: 443,
    };
    let mut scratch = Scratch::new();
    let decision = rules.decide(&request, &Surroundings::at(0), &mut scratch);
    let Outcome::Redirect(redirect) = decision.outcome else { return };
    let text = redirect.location.as_str();
    assert!(text.len() <= 8_000 && text.bytes().all(|b| (0x21..=0x7E).contains(&b)), "{text:?}");
    let base = url::Url::parse("https://site.test/dir/page").expect("the base is a URL");
    let resolved = base.join(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert!(resolved.username().is_empty() && resolved.password().is_none(), "{text:?}");
    if let Some(home) = home {
        assert_eq!(resolved.host_str(), Some(home.as_str()), "{text:?}");
    }
}

/// A compiled rule set with bytes changed: opening refuses, or nothing that it answers panics. Every other input has its hash
/// mended, so that what lies behind the hash is reached.
fn compiled(bytes: &[u8]) {
    let Some((&mend, changes)) = bytes.split_first() else { return };
    let mut file = SAMPLE.clone();
    for change in changes.chunks_exact(4) {
        let at = (usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2])) % file.len();
        file[at] = change[3];
    }
    if mend % 2 == 1 {
        byway_core::ruleset::reseal(&mut file);
    }
    for rules in [RuleSet::open(file.clone()), RuleSet::open_shared(file)].into_iter().flatten() {
        let mut scratch = Scratch::new();
        for path in ["/a", "/docs/x/y", "/2024/slug", "/r-77-end", "/p?id=7", "/"] {
            let (path, query) =
                path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.as_bytes())));
            let _ = rules.decide(&get(path.as_bytes(), query), &Surroundings::at(0), &mut scratch);
        }
        for rule in rules.rules().take(100) {
            let _ = (rule.source().to_string(), rule.target_text(), rule.identity(), rule.conditions());
        }
    }
}

static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let text = r#"
[[redirect]]
from = "/a"
to = "/b"
[[redirect]]
from = "//*.example.com/docs/*"
to = "https://t.test/*?x={host}"
when = { header.x-beta = "1", language = ["de", "fr"] }
[[redirect]]
from = "/:year/:slug"
to = "/blog/{slug}/{year}"
priority = 2
[[redirect]]
from = '~/r-(\d+)-end'
to = "/n/{1}"
[[redirect]]
from = "/p?id=7"
to = "/seven"
query = { only = ["q"] }
[[reply]]
from = "/gone/*"
status = 410
"#;
    let files = MemoryFiles::new([("byway.toml", text)]);
    let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
    loaded.rules.expect("the sample is right").as_bytes().to_vec()
});

/// A request head as the server reads it off the wire.
fn http_head(bytes: &[u8]) {
    byway_server::read_head_for_fuzzing(bytes);
}
