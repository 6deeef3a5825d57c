//! Configurations of nginx, read as text, against what the real nginx answered.
//!
//! The cases and their measured answers are those of the core's `spike/nginx.md`; there rules were built by hand, here the reader
//! builds them. Where byway answers more safely than nginx, `support/measured.rs` says in which way; what is left out on purpose stands in
//! [`NOT_SAID`], by name.

#[path = "../../byway-core/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use byway_config::diagnostic::Severity;
use byway_config::files::MemoryFiles;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_testkit::Document;
use support::Asked;
use support::measured::{answer, files_named, fits, is_listed};

/// What is not said: a case, or one request of a case behind ` / `, and why.
const NOT_SAID: &[(&str, &str)] = &[
    ("exact location / TRACE", "nginx refuses TRACE with 405 before any rule: the server's, not the rules'"),
    ("status codes of `return` / /300", "a 3xx without a Location is no redirect: refused"),
    ("status codes of `return` / /304", "a 3xx without a Location is no redirect: refused"),
    ("status codes of `return` / /305", "a 3xx without a Location is no redirect: refused"),
    ("status codes of `return` / /200", "a page: refused"),
    ("status codes of `return` / /empty", "an empty Location: refused"),
    ("a relative Location is made absolute / /bare", "a Location relative to the page that was asked: refused"),
    ("a relative Location is made absolute / /query", "a Location relative to the page that was asked: refused"),
    ("a relative Location is made absolute / /dots", "a Location relative to the page that was asked: refused"),
    ("`redirect` and `permanent` / /bare", "a Location relative to the page that was asked: refused"),
    ("`if` on the method / post", "nginx refuses a method in small letters with 400: the server's, not the rules'"),
    (
        "`if` on header fields / [X-Beta: no] [X-Beta: yes]",
        "nginx 1.22 sees the first of several fields, 1.23 joins them",
    ),
    (
        "`if` on header fields / [X-Beta: yes] [X-Beta: no]",
        "nginx 1.22 sees the first of several fields, 1.23 joins them",
    ),
    ("`rewrite` to an absolute URL / /glued.evil", "a capture that lengthens the host: ours begins the path"),
    (
        "escaped and non-ASCII text in the configuration / /end%0A",
        "PCRE's `$` fits before a last line feed, ours at the end alone",
    ),
];

fn read(text: &str) -> Loaded {
    let files = MemoryFiles::new([("nginx.conf", text)]);
    load(&files, &["nginx.conf".as_ref()], &LoadOptions { format: Format::named("nginx"), ..LoadOptions::default() })
}

#[test]
fn every_measured_case_is_answered_as_nginx_does() {
    let page = byway_testkit::workspace_root().join("crates/byway-core/tests/spike/nginx.md");
    let page = Document::parse(&std::fs::read_to_string(page).expect("the measured cases"));
    let (mut wrong, mut used, mut asked, mut cases) = (Vec::new(), BTreeSet::new(), 0, 0);
    for section in &page.sections {
        let (Some(config), Some(requests)) = (section.block("nginx"), section.block("requests")) else { continue };
        cases += 1;
        let loaded = read(&config.text);
        let files = files_named([config.text.as_str()]);
        let Some(rules) = &loaded.rules else {
            wrong.push(format!("{}: {:#?}", section.title, loaded.diagnostics));
            continue;
        };
        for (line, text) in requests.lines() {
            let (request, expected) = text.rsplit_once(" -> ").expect("a request has an answer");
            if is_listed(NOT_SAID, &section.title, request) {
                continue;
            }
            asked += 1;
            let expected = expected.trim().replace("{port}", "8080");
            let found = answer(rules, &Asked::parse(&request.replace("{port}", "8080")));
            if !fits(request, &found, &expected, &files, &mut used) {
                wrong.push(format!("{line} {}: {text}\n      found {found}", section.title));
            }
        }
    }
    println!("{cases} cases, {asked} requests; safer by: {used:?}");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 33, "only {cases} cases");
}

#[test]
fn hostile_text_ends_and_is_refused() {
    let garbage: String =
        (0..300_000u32).map(|at| char::from(33 + (at.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    for text in [
        "server {".repeat(100_000),
        "a{".repeat(100_000),
        "}".repeat(100_000),
        format!("rewrite \"({})\" /x;", "(a{1,999}){1,999}".repeat(100)),
        format!("location ~ {} {{ return 307 /x; }}", "(".repeat(3_000)),
        garbage,
        format!("map $uri $x {{ {}", "a b; ".repeat(100_000)),
        "return 307 \"".to_owned(),
        format!("if ({}) {{ return 307 /x; }}", "$a ".repeat(1000)),
    ] {
        let loaded = read(&text);
        // nginx takes the pattern that our engine finds too large: that one is left out.
        let is_refused = loaded.remarks.refused > 0;
        assert!(loaded.rules.is_none() && loaded.errors > 0 || is_refused, "{}", &text[..40]);
    }
}

#[test]
fn files_that_include_one_another_in_every_order_end() {
    let mut files = MemoryFiles::default();
    for format in ["nginx", "apache"] {
        let options = LoadOptions { format: Format::named(format), ..LoadOptions::default() };
        let text = if format == "apache" { "Include in/*.inc\n" } else { "include in/*.inc;\n" };
        for at in 0..20 {
            files.insert(format!("in/{at}.inc"), text.repeat(3));
        }
        files.insert("a.conf", text);
        let loaded = load(&files, &["a.conf".as_ref()], &options);
        assert!(loaded.rules.is_none() && loaded.diagnostics.len() <= 200, "{}", loaded.diagnostics.len());
    }
}

#[test]
fn nginx_would_say_the_same() {
    for (text, what) in [
        ("server { return 307 /x }", "unexpected \"}\""),
        ("server { return 307 /x; }}", "unexpected \"}\""),
        ("server { return 307 /x; ", "unexpected end of file, expecting \"}\""),
        ("server { return 307 /x", "unexpected end of file, expecting \";\" or \"}\""),
        ("server { return 307 /x /y /z; }", "invalid number of arguments in \"return\" directive"),
        ("server { return abc; }", "invalid return code \"abc\""),
        ("server { return 307 /x {} }", "directive \"return\" is not terminated by \";\""),
        ("server { location /x; }", "directive \"location\" has no opening \"{\""),
        ("server { server { } }", "\"server\" directive is not allowed here"),
        ("http { location / { } }", "\"location\" directive is not allowed here"),
        ("server { rewrite ^/a /b lst; }", "invalid parameter \"lst\""),
        ("server { location ~~ /a { } }", "invalid location modifier \"~~\""),
        ("server { if $a { return 307 /x; } }", "invalid condition \"$a\""),
        ("server { return 307 /$nope; }", "unknown \"nope\" variable"),
        ("server { return 307 /$; }", "invalid variable name"),
        ("map $uri $x { /a b; /A c; }\nserver { return 307 $x; }", "conflicting parameter \"/a\""),
        (
            "server { absolute_redirect yes; }",
            "invalid value \"yes\" in \"absolute_redirect\" directive, it must be \"on\" or \"off\"",
        ),
        ("server { location /a/ { location /b { } } }", "location \"/b\" is outside location \"/a/\""),
        ("server { location /a { } location ^~ /a { } }", "duplicate location \"/a\""),
        (
            "server { location = /a { location = /a { } } }",
            "location \"/a\" cannot be inside the exact location \"/a\"",
        ),
        ("server { location /a { location @b { } } }", "named location \"@b\" can be on the server level only"),
        (
            "server { listen 80 default_server; }\nserver { listen 80 default_server; }",
            "a duplicate default server for 0.0.0.0:80",
        ),
        ("server { listen ${PORT}; }", "host not found in \"${PORT}\" of the \"listen\" directive"),
        ("server { root /a; root /b; }", "\"root\" directive is duplicate"),
        ("server { set $host x; }", "the duplicate \"host\" variable"),
        ("map $uri $uri { }\nserver { }", "the duplicate \"uri\" variable"),
        ("server { error_page 404 =x /y; }", "invalid value \"=x\""),
        ("server { deny 1.2.3; }", "invalid parameter \"1.2.3\""),
        ("geo $x { 1.2.3 a; }\nserver { return 307 /$x; }", "invalid network \"1.2.3\""),
    ] {
        let loaded = read(text);
        let said: Vec<&str> = loaded
            .diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .map(|one| one.message.as_str())
            .collect();
        assert_eq!(said, [what], "{text}");
    }
}

const OWN: &str = r#"
[[redirect]]
from = "/old"
to = "/new"
status = 308

[[redirect]]
id = "docs"
note = "until the guide is written"
from = "/docs/*"
to = "https://docs.example.com/guide/*"

[[redirect]]
from = "/:year/posts/:slug"
to = "/blog/:slug?y=1"
status = 301

[[redirect]]
from = "/form"
to = "/form2?a=1"
status = { get = 301, other = 307 }

[[redirect]]
from = "//shop.example.com/*"
to = "https://www.example.com/shop"
status = 302
query = "drop"

[[reply]]
from = "/gone"
status = 410

[[redirect]]
from = "/until"
to = "/x"
until = "2030-01-01T00:00Z"
"#;

fn written() -> String {
    let files = MemoryFiles::new([("byway.toml", OWN)]);
    let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
    assert!(loaded.rules.is_some(), "{:#?}", loaded.diagnostics);
    let written = byway_config::writing::write(&loaded, Format::named("nginx").expect("a format")).expect("a writer");
    assert_eq!((written.remarks.approximated, written.remarks.refused), (1, 0), "{:#?}", written.remarks);
    written.text
}

#[test]
fn what_is_written_decides_the_same() {
    let text = written();
    let rules = read(&text).rules.unwrap_or_else(|| panic!("{text}"));
    for (asked, answer) in [
        ("GET http://a.test/old?x=1", "308 /new?x=1"),
        ("GET http://a.test/docs/a%2Fb?x", "307 https://docs.example.com/guide/a%2Fb?x"),
        ("POST http://a.test/docs", "307 https://docs.example.com/guide"),
        ("GET http://a.test/2024/posts/a%20b?x=1", "301 /blog/a%20b?y=1&x=1"),
        ("GET http://a.test/form", "301 /form2?a=1"),
        ("POST http://a.test/form?b", "307 /form2?a=1&b"),
        ("GET http://shop.example.com/a/b?x", "302 https://www.example.com/shop"),
        ("GET http://a.test/gone", "410"),
        ("GET http://a.test/until?x", "307 /x?x"),
        ("GET http://a.test/docsx", "pass"),
    ] {
        let found =
            Asked::parse(asked).decided(&rules, |decision| support::outcome(&decision.expect("a target").outcome));
        assert_eq!(found, answer, "{asked}\n{text}");
    }
}

#[test]
fn nginx_takes_what_is_written() {
    let Some(nginx) = byway_testkit::testbed::find("nginx") else { return };
    let folder = std::env::temp_dir().join(format!("byway-nginx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for this test");
    let config = folder.join("nginx.conf");
    let frame = format!(
        "events {{}}\npid {0}/pid;\nerror_log {0}/error.log;\nhttp {{\naccess_log off;\n{1}}}\n",
        folder.display(),
        written()
    );
    std::fs::write(&config, &frame).expect("a file of this test");
    let output = std::process::Command::new(nginx).arg("-t").arg("-c").arg(&config).output().expect("nginx runs");
    std::fs::remove_dir_all(&folder).expect("the folder of this test");
    assert!(output.status.success(), "{}\n{frame}", String::from_utf8_lossy(&output.stderr));
}

/// Servers, each on a port of its own: four times as many take about four times as long. Sixteen times as long is what comparing
/// each with each takes.
#[test]
fn servers_on_ports_of_their_own_cost_what_they_are() {
    let took = |count: usize| {
        let server =
            |at| format!("server {{ listen {}; server_name s{at}.test; return 301 https://e.test; }}\n", 1024 + at);
        let text: String = (0..count).map(server).collect();
        let once = || {
            let began = std::time::Instant::now();
            let loaded = read(&text);
            assert!(loaded.rules.is_some(), "{:#?}", loaded.diagnostics);
            began.elapsed()
        };
        // The least of several: other programs run too.
        (0..5).map(|_| once()).min().unwrap_or_default()
    };
    let (few, many) = (took(4_000), took(16_000));
    assert!(many < few * 10, "{few:?} became {many:?}");
}
