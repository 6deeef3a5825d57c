//! Properties of decisions: index and linear scan agree, explain and decide agree, a file answers as what it was written from,
//! and every Location is sound.
//!
//! The oracle knows nothing of tables, planes or keys: it sorts the sources by what DESIGN.md says of specificity and matches
//! them one after the other, on a small alphabet in which rules collide all the time.

#![allow(clippy::unwrap_used, reason = "what cannot be built fails the test")]

mod support;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy, TrailingSlash};
use byway_core::host::HostPattern;
use byway_core::path::{has_dot_segment, unreserved};
use byway_core::ruleset::{Aside, Order, RuleRef, TableSpec, Watch};
use byway_core::source::{PathPattern, Segment, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Outcome, Request, Rule, RuleSet, Scheme, Scratch, Surroundings};
use proptest::prelude::*;

/// A rule as a proptest makes it.
#[derive(Clone, Debug)]
struct Made {
    source: String,
    slash: bool,
    case: bool,
    header: Option<bool>,
    priority: i32,
    until: bool,
}

fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "a", "b", "b", "A", "%61", "a%2Fb", "é", "", "c.d"])
}

fn pattern_segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "a", "b", "b", "A", ":x", ":x", "*", "a%2Fb", "", "é"])
}

fn host() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "//h.test",
        "//g.h.test",
        "//*.h.test",
        "//*.test",
        "http://h.test",
        "//h.test:81",
        "https://*",
    ])
}

/// Sources of one kind, or of all: rules of one kind collide most.
fn path(kind: usize) -> BoxedStrategy<String> {
    let exact = prop::collection::vec(segment(), 1..3).prop_map(|parts| format!("/{}", parts.join("/")));
    let pattern = (prop::collection::vec(pattern_segment(), 1..4), any::<bool>()).prop_map(|(parts, tail)| {
        let parts: Vec<String> =
            parts.iter().enumerate().map(|(at, part)| part.replace(":x", &format!(":x{at}"))).collect();
        format!("/{}{}", parts.join("/"), if tail { "/*" } else { "" })
    });
    let prefix = prop::collection::vec(segment(), 0..3).prop_map(|parts| match parts.is_empty() {
        true => "/*".to_owned(),
        false => format!("/{}/*", parts.join("/")),
    });
    let known =
        vec!["~/a/.*", "~/(a|b)/b", "~*/A(/.*)?", "~/a/b", "~.*", "~/[ab]/[^/]+/?", "~/(?<i>a)/A", "~/(?i:A)/(b|c).*"];
    let regex = prop::sample::select(known).prop_map(str::to_owned);
    match kind {
        0 => exact.boxed(),
        1 => pattern.boxed(),
        2 => prefix.boxed(),
        3 => regex.boxed(),
        _ => prop_oneof![3 => exact, 3 => pattern, 3 => prefix, 1 => regex].boxed(),
    }
}

fn made(kind: usize) -> impl Strategy<Value = Made> {
    let query = prop::sample::select(vec!["", "", "", "?k=1", "?l=2", "?k=1&l=2", "?k", "?k=1&k=2"]);
    let rest =
        (any::<bool>(), any::<bool>(), prop::option::weighted(0.3, any::<bool>()), 0..16i32, prop::bool::weighted(0.1));
    (host(), path(kind), query, rest).prop_map(|(host, path, query, (slash, case, header, priority, until))| {
        let query = if path.starts_with('~') { "" } else { query };
        let priority = if priority > 13 { priority - 14 } else { 0 };
        Made { source: format!("{host}{path}{query}"), slash, case, header, priority, until }
    })
}

fn list() -> impl Strategy<Value = Vec<Made>> {
    (0..8usize, any::<bool>()).prop_flat_map(|(kind, alike)| {
        prop::collection::vec(made(kind), 1..24).prop_map(move |mut list| {
            if alike {
                list.iter_mut().for_each(|made| (made.slash, made.case) = (false, false));
            }
            list
        })
    })
}

fn asked_url() -> impl Strategy<Value = (&'static str, &'static str, String)> {
    let scheme = prop::sample::select(vec!["http", "https"]);
    let host = prop::sample::select(vec!["h.test", "g.h.test", "x.y.test", "H.test.", "h.test:81", "other"]);
    let raw = prop::sample::select(vec![
        "a", "a", "a", "b", "b", "b", "A", "%61", "a%2fb", "%C3%A9", "", "c.d", "x", "..", "%2E", "a|",
    ]);
    let path = (prop::collection::vec(raw, 1..4), any::<bool>());
    let query = prop::sample::select(vec!["", "?k=1", "?l=2&k=1", "?k=2&k=1", "?k", "?%6b=1", "?k=%31&x"]);
    (scheme, host, path, query).prop_map(|(scheme, host, (parts, slash), query)| {
        (scheme, host, format!("/{}{}{query}", parts.join("/"), if slash { "/" } else { "" }))
    })
}

/// The most combinations of values that one query of the test below gave the names `a`, `b` and `c`.
static MOST_COMBINATIONS: AtomicUsize = AtomicUsize::new(0);

fn pair(values: u8) -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["a", "b", "c", "%61"]), 0..values, any::<bool>())
        .prop_map(|(name, value, escaped)| format!("{name}={}{value:x}", if escaped { "%78" } else { "x" }))
}

/// A source that asks for up to four pairs, of which several may have the same name.
fn asking() -> impl Strategy<Value = String> {
    prop::collection::vec(pair(14), 0..5)
        .prop_map(|pairs| if pairs.is_empty() { "/p".to_owned() } else { format!("/p?{}", pairs.join("&")) })
}

fn combinations(query: &[String]) -> usize {
    let decoded = |pair: &String| pair.replace("%61", "a").replace("%78", "x");
    let pairs: BTreeSet<String> = query.iter().map(decoded).collect();
    ["a", "b", "c"].map(|name| pairs.iter().filter(|pair| pair.starts_with(name)).count().max(1)).iter().product()
}

#[test]
fn many_more_combinations_are_tried_than_anybody_would_list() {
    rules_with_pairs_are_found_among_names_that_repeat();
    assert!(MOST_COMBINATIONS.load(Ordering::Relaxed) > 500);
}

#[test]
fn a_query_of_a_thousand_pairs_finds_the_one_rule_for_two_of_them() {
    let of = |source: String| Made { source, slash: false, case: false, header: None, priority: 0, until: false };
    let grid = (0..1_600).map(|n| of(format!("/p?a={}&b={}&c=never", n / 40, n % 40)));
    let list: Vec<Made> = grid.chain([of("/p?a=499&b=0".into()), of("/p".into())]).collect();
    let case = build(&list, Order::Specific);
    let query: Vec<String> = (0..500).flat_map(|n| [format!("a={n}"), format!("b={n}")]).collect();
    let url = ("http", "h.test", format!("/p?{}", query.join("&")));
    request(&url, false, |request, _| assert_eq!(decided(&case.rules, request, &mut Scratch::new()).1, Some(1_600)));
}

struct Case {
    rules: RuleSet,
    sources: Vec<(Source<'static>, Made)>,
}

fn build(list: &[Made], order: Order) -> Case {
    let mut builder = Builder::new(3);
    let table = builder.table(&TableSpec { order, ..TableSpec::OWN });
    builder.root(table);
    let mut sources = Vec::new();
    for (number, made) in list.iter().enumerate() {
        let Ok(mut source) = Source::parse(made.source.clone().leak()) else { continue };
        let is_regex = matches!(source.path, PathPattern::Regex(_));
        source.slash = if made.slash && !is_regex { TrailingSlash::Either } else { TrailingSlash::Significant };
        source.case = if made.case { LetterCase::Ignored } else { LetterCase::Significant };
        if let PathPattern::Regex(pattern) = &mut source.path {
            if made.case {
                pattern.case = LetterCase::Ignored;
            }
            source.case = pattern.case;
        }
        let subject = Subject::parse("header", Some("x")).unwrap();
        let conditions: Vec<Condition> = made
            .header
            .iter()
            .map(|negate| Condition::new(subject.clone(), Test::Is("1".into()), *negate).unwrap())
            .collect();
        let target = format!("https://to.test/{number}");
        let target = Target::parse(&target, &source).unwrap();
        let status = StatusByMethod::always(RedirectStatus::Found);
        let rule = Rule {
            conditions: &conditions,
            priority: made.priority,
            until: made.until.then_some(0),
            ..Rule::new(source.clone(), Action::Redirect { status, target, query: QueryPolicy::Drop })
        };
        builder.push(table, &rule).unwrap();
        sources.push((source, made.clone()));
    }
    Case { rules: builder.finish(), sources }
}

/// What an order key of a rule is: smaller is asked first.
type Rank = (Reverse<i32>, u8, Reverse<usize>, u8, Reverse<usize>, Vec<u8>, Reverse<usize>);

fn rank(source: &Source<'_>, made: &Made) -> Rank {
    let source = &joined(source);
    let (host, labels) = match &source.host {
        HostPattern::Exact(_) => (0, 0),
        HostPattern::Below(parent) => (1, parent.len()),
        HostPattern::Any => (2, 0),
    };
    let length = |path: &[u8]| {
        let popped = source.slash == TrailingSlash::Either && path.len() > 1 && path.ends_with(b"/");
        path.len() - usize::from(popped)
    };
    let (kind, len, shape) = match &source.path {
        PathPattern::Exact(_) => (0, 0, Vec::new()),
        PathPattern::Prefix(path) => (1, length(path), Vec::new()),
        PathPattern::BytePrefix { prefix, .. } => (2, prefix.len(), Vec::new()),
        PathPattern::Segments { segments, tail } => {
            let tags = segments.iter().map(|segment| u8::from(!matches!(segment, Segment::Literal(_))));
            (3, 0, tags.chain([if *tail { 9 } else { 8 }]).collect())
        }
        PathPattern::Regex(_) => (4, 0, Vec::new()),
    };
    let asked = source.query.len()
        + usize::from(made.header.is_some())
        + usize::from(source.scheme.is_some())
        + usize::from(source.port.is_some());
    (Reverse(made.priority), host, Reverse(labels), kind, Reverse(len), shape, Reverse(asked))
}

struct Wanted<'r> {
    scheme: Scheme,
    host: String,
    port: u16,
    path: &'r [u8],
    query: &'r [u8],
    header: bool,
}

/// A pattern without the empty segment behind a slash at its end, where that slash does not count.
fn joined<'a>(source: &Source<'a>) -> Source<'a> {
    let mut source = source.clone();
    if let (PathPattern::Segments { segments, tail: false }, TrailingSlash::Either) = (&mut source.path, source.slash)
        && segments.len() > 1
        && matches!(segments.last(), Some(Segment::Literal(text)) if text.is_empty())
    {
        segments.pop();
    }
    source
}

fn matches(source: &Source<'_>, made: &Made, wanted: &Wanted<'_>) -> bool {
    let source = &joined(source);
    let folded = |path: &[u8]| {
        let mut path = path.to_vec();
        if source.case == LetterCase::Ignored {
            path.make_ascii_lowercase();
        }
        if source.slash == TrailingSlash::Either && path.len() > 1 && path.ends_with(b"/") {
            path.pop();
        }
        path
    };
    let normal = unreserved(wanted.path);
    let path = folded(&normal);
    let below = |prefix: &[u8]| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            && !has_dot_segment(&normal)
    };
    let fits = match &source.path {
        PathPattern::Exact(exact) => folded(exact) == path,
        PathPattern::Prefix(prefix) => below(&folded(prefix)),
        PathPattern::BytePrefix { .. } => unreachable!("not made here"),
        PathPattern::Segments { segments, tail } => {
            !has_dot_segment(&normal) && segments_fit(segments, *tail, &path, source.case)
        }
        PathPattern::Regex(pattern) => {
            let flag = if pattern.case == LetterCase::Ignored { "(?i)" } else { "" };
            let regex = regex_automata::meta::Regex::new(&format!("{flag}^(?:{})$", pattern.text)).unwrap();
            !has_dot_segment(&normal) && regex.is_match(&path)
        }
    };
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = byway_core::query::pairs(wanted.query)
        .map(|(_, name, value)| (byway_core::query::decoded(name), byway_core::query::decoded(value)))
        .collect();
    fits && source.host.matches(&wanted.host)
        && source.scheme.is_none_or(|scheme| scheme == wanted.scheme)
        && source.port.is_none_or(|port| port == wanted.port)
        && source.query.iter().all(|pair| {
            pairs.iter().any(|(name, value)| name == pair.name.as_bytes() && value == pair.value.as_bytes())
        })
        && made.header.is_none_or(|negate| wanted.header != negate)
        && !made.until
}

fn segments_fit(segments: &[Segment<'_>], tail: bool, path: &[u8], case: LetterCase) -> bool {
    let found: Vec<&[u8]> = path.split(|&b| b == b'/').skip(1).collect();
    let enough = if tail { found.len() >= segments.len() } else { found.len() == segments.len() };
    enough
        && segments.iter().zip(&found).all(|(segment, found)| match segment {
            Segment::Literal(text) if case == LetterCase::Ignored => text.eq_ignore_ascii_case(found),
            Segment::Literal(text) => **text == **found,
            Segment::Named(_) | Segment::Star => !found.is_empty(),
        })
}

/// Calls `with` on the request of a URL.
fn request<T>(
    url: &(&'static str, &'static str, String),
    header: bool,
    with: impl FnOnce(&Request<'_>, &Wanted<'_>) -> T,
) -> T {
    let (scheme, authority, target) = url;
    let scheme = if *scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (host, port) = byway_core::host::split_authority(authority).unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (target.as_str(), None),
    };
    let fields: Vec<(String, String)> = if header { vec![("x".into(), "1".into())] } else { Vec::new() };
    let request = Request {
        method: "GET",
        scheme,
        host,
        port: port.unwrap_or(scheme.default_port()),
        path: path.as_bytes(),
        query,
        fields: &fields,
        address: [192, 0, 2, 1].into(),
        local_port: 80,
    };
    let host = byway_core::host::normalise(host).unwrap().into_owned();
    let wanted =
        Wanted { scheme, host, port: request.port, path: request.path, query: query.unwrap_or_default(), header };
    with(&request, &wanted)
}

/// Someone who writes down what is seen.
#[derive(Default)]
struct Recorder {
    asides: Vec<(RuleRef, Aside)>,
    taken: Vec<RuleRef>,
}

impl Watch for Recorder {
    fn aside(&mut self, rule: RuleRef, why: Aside) {
        self.asides.push((rule, why));
    }
    fn taken(&mut self, rule: RuleRef, _captures: &[&[u8]]) {
        self.taken.push(rule);
    }
}

fn decided(rules: &RuleSet, request: &Request<'_>, scratch: &mut Scratch) -> (String, Option<u32>, String) {
    let decision = rules.decide(request, &Surroundings::at(10), scratch);
    let rule = decision.rule.map(|rule| rules.rule(rule).number());
    (support::outcome(&decision.outcome), rule, decision.vary.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn index_and_linear_scan_agree(list in list(), urls in prop::collection::vec((asked_url(), any::<bool>()), 24)) {
        for order in [Order::Specific, Order::Listed] {
            let case = build(&list, order);
            let mut sorted: Vec<usize> = (0..case.sources.len()).collect();
            if order == Order::Specific {
                sorted.sort_by_key(|&at| (rank(&case.sources[at].0, &case.sources[at].1), at));
            }
            let mut scratch = Scratch::new();
            for (url, header) in &urls {
                request(url, *header, |request, wanted| {
                    let expected = sorted.iter().copied().find(|&at| matches(&case.sources[at].0, &case.sources[at].1, wanted));
                    let (found, rule, _) = decided(&case.rules, request, &mut scratch);
                    prop_assert_eq!(rule, expected.map(|at| at as u32), "{:?} {:?} {:?}: {} {}", order, url, header, found,
                        sorted.iter().map(|&at| case.sources[at].0.to_string()).collect::<Vec<_>>().join("  "));
                    Ok(())
                })?;
            }
        }
    }

    fn rules_with_pairs_are_found_among_names_that_repeat(
        sources in prop::collection::vec(asking(), 1..40),
        queries in prop::collection::vec(prop::collection::vec(pair(14), 0..60), 12),
    ) {
        let list: Vec<Made> = sources
            .into_iter()
            .map(|source| Made { source, slash: false, case: false, header: None, priority: 0, until: false })
            .collect();
        let case = build(&list, Order::Specific);
        let mut sorted: Vec<usize> = (0..case.sources.len()).collect();
        sorted.sort_by_key(|&at| (rank(&case.sources[at].0, &case.sources[at].1), at));
        let mut scratch = Scratch::new();
        for query in queries {
            MOST_COMBINATIONS.fetch_max(combinations(&query), Ordering::Relaxed);
            let url = ("http", "h.test", format!("/p?{}", query.join("&")));
            request(&url, false, |request, wanted| {
                let expected =
                    sorted.iter().copied().find(|&at| matches(&case.sources[at].0, &case.sources[at].1, wanted));
                let (found, rule, _) = decided(&case.rules, request, &mut scratch);
                prop_assert_eq!(rule, expected.map(|at| at as u32), "{:?}: {}", url, found);
                Ok(())
            })?;
        }
    }

    #[test]
    fn explain_and_files_agree_with_decide(list in list(), urls in prop::collection::vec((asked_url(), any::<bool>()), 8)) {
        let case = build(&list, Order::Specific);
        let opened = RuleSet::open(case.rules.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(opened.len(), case.sources.len());
        for (view, (source, _)) in opened.rules().zip(&case.sources) {
            // What is not told apart is kept in one spelling.
            if source.case == LetterCase::Significant && source.slash == TrailingSlash::Significant {
                prop_assert_eq!(view.source(), source.clone());
            }
        }
        let (mut one, mut other, mut third) = (Scratch::new(), Scratch::new(), Scratch::new());
        for (url, header) in &urls {
            request(url, *header, |request, _| {
                let found = decided(&case.rules, request, &mut one);
                prop_assert_eq!(&decided(&opened, request, &mut other), &found);
                let mut recorder = Recorder::default();
                let watched = case.rules.decide_watched(request, &Surroundings::at(10), &mut third, &mut recorder);
                prop_assert_eq!(support::outcome(&watched.outcome), found.0);
                prop_assert_eq!(recorder.taken, watched.rule.into_iter().collect::<Vec<_>>());
                prop_assert!(recorder.asides.iter().all(|(rule, _)| Some(*rule) != watched.rule));
                Ok(())
            })?;
        }
    }

    #[test]
    fn a_source_reads_back(made in made(8)) {
        if let Ok(source) = Source::parse(&made.source) {
            let text = source.to_string();
            prop_assert_eq!(Source::parse(&text), Ok(source.clone()), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[/a:*?=&#%~{}.\\\\@é -]{0,12}", target in "[/a:*?=&#%~{}.\\\\@é -]{0,12}") {
        if let Ok(source) = Source::parse(&text) {
            let _ = Target::parse(&target, &source);
            prop_assert_eq!(Source::parse(&source.to_string()).map(|read| read.to_string()), Ok(source.to_string()));
        }
    }

    #[test]
    fn every_location_is_sound(
        target in prop::sample::select(vec!["/*", "/x/*", "/{*}", "/{1}", "/x{*}", "/{query.q}/y", "/a?u={*}", "/b#{*}", "/{{{*}", "https://t.test/*", "https://t.test{path}",
            "https://t.test:8443/{*}?{query.q}", "https://{1}.t.test/", "https://t.test?x={*}", "https://{host}/*", "/x/{query}"]),
        source in prop::sample::select(vec!["/*", "/g/*", "/:one/*", "~/(.*)", "~/g(.*)"]),
        tail in "[/\\\\a.@:%?#|\"<> \t\r\n\u{0}\u{7f}é&=+;\\[-]{0,14}",
        escape in prop::sample::select(vec!["", "%2f", "%5C", "%0d%0a", "%00", "%09", "%E5%98%8A", "%", "//evil.test", "@evil.test", ":80@evil.test", "\\evil.test", ".evil.test"]),
        query in "[/\\\\a@:%?#\"<> \n=&+\\[]{0,8}",
    ) {
        let parsed = Source::parse(source).unwrap();
        let Ok(goal) = Target::parse(target, &parsed) else { return Ok(()) };
        let fixed = if target.starts_with("https://t.test") { "t.test" } else if target.starts_with('/') { "site.test" } else { "" };
        let mut builder = Builder::new(1);
        let table = builder.table(&TableSpec::OWN);
        builder.root(table);
        let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
        builder.push(table, &Rule::new(parsed, Action::Redirect { status, target: goal, query: QueryPolicy::Keep })).unwrap();
        let rules = builder.finish();
        // Whatever bytes: the edge would refuse many of them.
        for path in [format!("/g{escape}{tail}"), format!("/g/{tail}{escape}"), format!("/{escape}{tail}"), "/g/".to_owned() + &"a|".repeat(3_000)] {
            let request = Request {
                method: "POST", scheme: Scheme::Https, host: "site.test", port: 443, path: path.as_bytes(), query: Some(query.as_bytes()),
                fields: byway_core::NO_FIELDS, address: [192, 0, 2, 1].into(), local_port: 443,
            };
            let mut scratch = Scratch::new();
            let decision = rules.decide(&request, &Surroundings::at(0), &mut scratch);
            let Outcome::Redirect(redirect) = &decision.outcome else { continue };
            let location = redirect.location.as_str();
            prop_assert!(location.bytes().all(|b| (0x21..=0x7E).contains(&b)), "{location:?}");
            prop_assert!(location.len() <= 8_000);
            let base = url::Url::parse("https://site.test/dir/page").unwrap();
            let resolved = base.join(location).unwrap();
            prop_assert!(resolved.username().is_empty() && resolved.password().is_none());
            let host = resolved.host_str().unwrap();
            match fixed {
                "" => prop_assert!(host == "site.test" || host.ends_with(".t.test"), "{location}"),
                fixed => prop_assert_eq!(host, fixed, "{}", location),
            }
            prop_assert_eq!(resolved.scheme(), "https");
        }
    }
}
