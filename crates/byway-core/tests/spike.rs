//! The model against real servers: cases of `spike/nginx.md` and `spike/apache.md`, built by hand as tables and rules.
//!
//! It shows that tables, orders, enter and rewrite, slots, views and forms of captures are enough to say what nginx and Apache
//! answer, before any reader of their files exists. Every request of a case that is built is compared. Where byway answers
//! more safely than the server, `support/measured.rs` says in which way; what the model does not say stands in [`NOT_SAID`], by name.

mod support;

#[path = "spike/apache.rs"]
mod apache;
#[path = "spike/nginx.rs"]
mod nginx;

use std::borrow::Cow;
use std::collections::BTreeSet;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{Dialect, LetterCase, QueryPolicy};
use byway_core::host::HostPattern;
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};
use byway_core::{Action, Builder, Rule};
use byway_testkit::Document;
use support::Asked;
use support::measured::{answer, files_named, fits, is_listed};

/// What the model does not say: a case, or one request of a case behind ` / `, and why.
const NOT_SAID: &[(&str, &str)] = &[
    ("exact location / TRACE", "nginx refuses TRACE with 405 before any rule: the server's, not the rules'"),
    ("status codes of `return` / /300", "a 3xx without a Location is no redirect: the reader refuses it"),
    ("status codes of `return` / /304", "a 3xx without a Location is no redirect: the reader refuses it"),
    ("status codes of `return` / /305", "a 3xx without a Location is no redirect: the reader refuses it"),
    ("status codes of `return` / /200", "a page: the reader refuses it"),
    ("status codes of `return` / /empty", "an empty Location: the reader refuses it"),
    (
        "a relative Location is made absolute / /bare",
        "a Location relative to the page that was asked: the reader refuses it",
    ),
    (
        "a relative Location is made absolute / /query",
        "a Location relative to the page that was asked: the reader refuses it",
    ),
    (
        "a relative Location is made absolute / /dots",
        "a Location relative to the page that was asked: the reader refuses it",
    ),
    ("`redirect` and `permanent` / /bare", "a Location relative to the page that was asked: the reader refuses it"),
    (
        "captures of `rewrite` in the query / /v/",
        "nginx escapes numbered captures in a query and not named ones: ours escape both",
    ),
    (
        "captures of `rewrite` in the query / /arg/",
        "nginx undoes a parameter in the path and escapes it again: ours stays as it came",
    ),
    ("`if` on the method / post", "nginx refuses a method in small letters with 400: the server's, not the rules'"),
    (
        "`if` on header fields / [X-Beta: no] [X-Beta: yes]",
        "nginx 1.22 sees the first of several fields, 1.23 and byway join them",
    ),
    (
        "`if` on header fields / [X-Beta: yes] [X-Beta: no]",
        "nginx 1.22 sees the first of several fields, 1.23 and byway join them",
    ),
    ("`rewrite` to an absolute URL / /glued.evil", "a capture that lengthens the host: ours begins the path"),
    ("slashes kept apart", "`merge_slashes off` is a view of its own, one row away"),
    (
        "escaped and non-ASCII text in the configuration / /end%0A",
        "PCRE's `$` fits before a last line feed, ours at the end alone",
    ),
    ("Redirect: statuses / /300", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("Redirect: statuses / /305", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("RewriteRule: statuses / /300", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("RewriteRule: statuses / /305", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("RedirectMatch / %3Fb", "Apache lets a capture open a query and a fragment: ours stay in their place, escaped"),
    ("an absolute target without R / /capture.evil", "a capture that lengthens the host: ours begins the path"),
    ("an absolute target without R / /ftp", "a scheme that no redirect of ours goes to: the reader refuses it"),
    ("an absolute target without R / /mail", "a scheme that no redirect of ours goes to: the reader refuses it"),
    ("R without L goes on", "the working path becomes a whole URL, and later rules may take the redirect back"),
    ("RewriteOptions Inherit / /after/go", "the whole path once a rule has written one: ours is stripped again"),
];

#[test]
fn nginx_is_said() {
    check(include_str!("spike/nginx.md"), nginx::CASES, 30);
}

#[test]
fn apache_is_said() {
    check(include_str!("spike/apache.md"), apache::CASES, 30);
}

type Build = fn(&mut Site);

fn check(page: &str, cases: &[(&str, Build)], least: usize) {
    let page = Document::parse(page);
    let (mut wrong, mut used, mut asked) = (Vec::new(), BTreeSet::new(), 0);
    for (title, build) in cases {
        let section = page.sections.iter().find(|section| section.title == *title);
        let section = section.unwrap_or_else(|| panic!("there is no case `{title}`"));
        let mut site = Site { builder: Builder::new(5) };
        build(&mut site);
        let rules = site.builder.finish();
        let blocks = section.blocks.iter().filter(|block| block.kind() != "requests");
        let files = files_named(blocks.map(|block| block.text.as_str()));
        for (line, text) in section.block("requests").expect("a case has requests").lines() {
            asked += 1;
            let (request, expected) = text.rsplit_once(" -> ").expect("a request has an answer");
            if is_listed(NOT_SAID, title, request) {
                continue;
            }
            let expected = expected.trim().replace("{port}", "8080");
            let found = answer(&rules, &Asked::parse(&request.replace("{port}", "8080")));
            if !fits(request, &found, &expected, &files, &mut used) {
                wrong.push(format!("{line} {title}: {text}\n      found {found}"));
            }
        }
    }
    let titles: BTreeSet<&str> =
        page.sections.iter().filter(|section| section.block("requests").is_some()).map(|s| s.title.as_str()).collect();
    println!("{} of {} cases, {asked} requests; safer by: {used:?}", cases.len(), titles.len());
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases.len() >= least, "only {} cases", cases.len());
    let unbuilt = titles.iter().filter(|title| !cases.iter().any(|(built, _)| built == *title));
    for title in unbuilt {
        assert!(NOT_SAID.iter().any(|(case, _)| case == title), "`{title}` is neither built nor said to be left out");
    }
}

/// A site that is put together.
pub(crate) struct Site {
    builder: Builder,
}

impl Site {
    pub(crate) fn table(&mut self, dialect: &'static Dialect, order: Order) -> TableId {
        self.builder.table(&TableSpec { dialect, order, after: After::NextRoot, strip: b"" })
    }

    pub(crate) fn folder(&mut self, dialect: &'static Dialect, strip: &'static str) -> TableId {
        self.builder.table(&TableSpec {
            dialect,
            order: Order::Listed,
            after: After::NextRoot,
            strip: strip.as_bytes(),
        })
    }

    pub(crate) fn root(&mut self, dialect: &'static Dialect, order: Order) -> TableId {
        let table = self.table(dialect, order);
        self.builder.root(table);
        table
    }

    pub(crate) fn begin(&mut self, table: TableId) {
        self.builder.root(table);
    }

    pub(crate) fn after(&mut self, table: TableId, next: TableId) {
        self.builder.set_after(table, After::Table(next));
    }

    pub(crate) fn rule(&mut self, table: TableId, source: Source<'static>, action: Action<'static>) {
        self.when(table, source, &[], action);
    }

    pub(crate) fn when(
        &mut self,
        table: TableId,
        source: Source<'static>,
        conditions: &[Condition],
        action: Action<'static>,
    ) {
        self.builder.push(table, &Rule { conditions, ..Rule::new(source, action) }).expect("a rule");
    }
}

pub(crate) fn exact(path: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::Exact(path.as_bytes().into()))
}

pub(crate) fn begins(prefix: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: prefix.as_bytes().into(), is_final: false })
}

pub(crate) fn begins_for_good(prefix: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: prefix.as_bytes().into(), is_final: true })
}

pub(crate) fn below(prefix: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::Prefix(prefix.as_bytes().into()))
}

pub(crate) fn any() -> Source<'static> {
    begins("")
}

pub(crate) fn pattern(text: &'static str, flavour: Flavour) -> Pattern<'static> {
    let (text, case) = match text.strip_prefix("(?i)") {
        Some(rest) => (rest, LetterCase::Ignored),
        None => (text, LetterCase::Significant),
    };
    Pattern { text: text.into(), case, anchoring: Anchoring::Anywhere, flavour }
}

pub(crate) fn on(host: &'static str, mut source: Source<'static>) -> Source<'static> {
    source.host = HostPattern::parse(host).expect("a host");
    source
}

pub(crate) fn send(status: u16, text: &'static str, query: QueryPolicy) -> Action<'static> {
    let status = StatusByMethod::always(RedirectStatus::from_number(status).expect("a redirect"));
    Action::Redirect { status, target: Target::of_pieces(pieces(text)), query }
}

pub(crate) fn reply(status: u16) -> Action<'static> {
    Action::Reply { status: ReplyStatus::from_number(status).expect("a reply"), retry_after: None }
}

pub(crate) fn rewrite(text: &'static str, query: QueryPolicy, then: Then) -> Action<'static> {
    Action::Rewrite { target: Target::of_pieces(pieces(text)), query, then }
}

pub(crate) fn keep(slot: u16, text: &'static str) -> Action<'static> {
    Action::Set { slot, text: Target::of_pieces(texts(text)), then: Then::Next }
}

pub(crate) fn asks(text: &'static str, test: Test) -> Condition {
    Condition { subject: Subject::Text(texts(text)), test, negate: false, or_next: false }
}

pub(crate) fn is(text: &'static str, value: &str) -> Condition {
    asks(text, Test::Is(value.to_owned()))
}

pub(crate) fn not(condition: Condition) -> Condition {
    Condition { negate: true, ..condition }
}

pub(crate) fn or(condition: Condition) -> Condition {
    Condition { or_next: true, ..condition }
}

/// A text of which no part has a place.
fn texts(text: &'static str) -> Vec<Piece<'static>> {
    inserted(text).into_iter().map(|what| Piece { place: Landing::Path, what }).collect()
}

/// A target: `{1}` is a capture, `{%1}` one of a condition, `{s0}` a slot, `{f:name}` a field, `{a:name}` a parameter, `{=…}`
/// text without places, `{else:81}` a port.
pub(crate) fn pieces(text: &'static str) -> Vec<Piece<'static>> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut add =
        |place: Landing, text: &'static str| out.extend(inserted(text).into_iter().map(|what| Piece { place, what }));
    if let Some(at) = rest.find("://").filter(|&at| !rest[..at].contains(['/', '?'])) {
        add(Landing::Scheme, &rest[..at + 3]);
        rest = &rest[at + 3..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let end =
            ["{uri}", "{asked}", "{=", "{1}", "{0}"].iter().filter_map(|part| rest.find(part)).fold(end, usize::min);
        let port = rest[..end].find(":").filter(|&at| !rest[..at].ends_with("else")).unwrap_or(end);
        let port = rest[..end].find("{else").unwrap_or(port);
        add(Landing::Host, &rest[..port]);
        add(Landing::Port, &rest[port..end]);
        rest = &rest[end..];
    }
    let outside = |text: &str, sign: char| {
        let mut depth = 0;
        text.char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0 && c == sign).then_some(at)
        })
    };
    let hash = outside(rest, '#').unwrap_or(rest.len());
    let mark = outside(&rest[..hash], '?').unwrap_or(hash);
    add(Landing::Path, &rest[..mark]);
    add(Landing::Query, &rest[mark..hash]);
    add(Landing::Fragment, &rest[hash..]);
    out
}

fn inserted(text: &'static str) -> Vec<What<'static>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').expect("a brace closes") + open;
        if open > 0 {
            out.push(What::Literal(Cow::Borrowed(&rest[..open])));
        }
        out.push(insert(&rest[open + 1..close]));
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        out.push(What::Literal(Cow::Borrowed(rest)));
    }
    out
}

fn insert(name: &'static str) -> What<'static> {
    let number = |text: &str| text.parse::<u8>().expect("a number");
    match name {
        "uri" => What::Part(Part::WorkingPath),
        "asked" => What::Part(Part::PathAndQuery),
        "args" => What::Part(Part::WorkingQuery),
        "host" => What::Part(Part::Host),
        "http_host" => What::Part(Part::HostField),
        "scheme" => What::Part(Part::Scheme),
        "method" => What::Part(Part::Method),
        "rest" => What::Tail(0),
        _ => match name.split_at(1) {
            ("=", text) => What::Literal(text.into()),
            ("%", group) => What::ConditionCapture(number(group)),
            ("s", slot) => What::Slot(u16::from(number(slot))),
            ("f", field) => What::Field(field[1..].into()),
            ("a", name) => What::QueryValue(name[1..].into()),
            ("e", port) => What::PortElse(port[4..].parse().expect("a port")),
            _ => What::Capture(number(name) - 1),
        },
    }
}
