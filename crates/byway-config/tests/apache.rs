//! Apache files read as text, against what the real server answered: the pages of measured cases, each built by the reader.
//!
//! Where byway answers more safely than the server, `support/measured.rs` says in which way; what is not said stands in [`NOT_SAID`].

#[path = "../../byway-core/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::Path;

use byway_config::check::CheckOptions;
use byway_config::files::MemoryFiles;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_core::ruleset::RuleSet;
use byway_testkit::Document;
use byway_testkit::Section;
use support::Asked;
use support::measured::{answer, files_named, fits, is_listed};

/// What is not said: a case, or one request of a case behind ` / `, and why.
const NOT_SAID: &[(&str, &str)] = &[
    ("Redirect: statuses / /300", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("Redirect: statuses / /305", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("RewriteRule: statuses / /300", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("RewriteRule: statuses / /305", "300 and 305 are no redirects that clients follow: the reader refuses them"),
    ("RedirectMatch / %3Fb", "Apache lets a capture open a query and a fragment: ours stay in their place, escaped"),
    ("an absolute target without R / /capture.evil", "a capture that lengthens the host: ours begins the path"),
    ("an absolute target without R / /ftp", "a scheme that no redirect of ours goes to: the reader refuses it"),
    ("an absolute target without R / /mail", "a scheme that no redirect of ours goes to: the reader refuses it"),
    ("an absolute target without R / /own", "a target of one's own host is sent, and not cut down to its path"),
    ("R without L goes on / /one", "a virtual host without a name: the port that rules below see is not known"),
    ("R without L goes on / /two", "a virtual host without a name: the port that rules below see is not known"),
    ("R without L goes on / /code", "a capture at the beginning of a target is taken for a path, be it a URL"),
    ("captures in the query / /bnp", "a blank as `%20` (`BNP`) is approximated"),
];

#[test]
fn the_measured_cases_are_read() {
    check(include_str!("../../byway-core/tests/spike/apache.md"), 30);
}

#[test]
fn what_stands_in_the_work_orders_is_read() {
    check(include_str!("apache.md"), 4);
}

#[test]
fn sections_hold_what_they_hold() {
    check(include_str!("httpd/sections.md"), 13);
}

#[test]
fn rules_in_sections_see_the_disk() {
    check(include_str!("httpd/rules-in-sections.md"), 12);
}

#[test]
fn what_is_not_there_leads_to_the_url_of_its_error() {
    check(include_str!("httpd/missing.md"), 6);
}

#[test]
fn what_httpd_asks_of_itself_is_answered() {
    check(include_str!("httpd/asked.md"), 11);
}

#[test]
fn indexes_and_early_errors_are_answered() {
    check(include_str!("httpd/indexes.md"), 9);
}

#[test]
fn what_a_redirect_without_last_becomes_is_read() {
    check(include_str!("httpd/onward.md"), 8);
}

#[test]
fn who_may_ask_is_read() {
    check(include_str!("httpd/denied.md"), 7);
}

#[test]
fn maps_are_looked_up() {
    check(include_str!("httpd/maps.md"), 9);
}

#[test]
fn what_is_asked_where_a_list_ends_is_asked() {
    check(include_str!("httpd/ends.md"), 10);
}

#[test]
fn what_people_write_is_read() {
    check(include_str!("httpd/real-world.md"), 10);
}

fn check(page: &str, least: usize) {
    let page = Document::parse(page);
    let (mut wrong, mut asked, mut cases) = (Vec::new(), 0, 0);
    let mut used = BTreeSet::new();
    for section in &page.sections {
        let Some(requests) = section.block("requests") else { continue };
        cases += 1;
        let rules = read(section);
        let names = files_named(section.blocks.iter().map(|block| block.text.as_str()));
        for (line, text) in requests.lines() {
            asked += 1;
            let (request, expected) = text.rsplit_once("->").expect("a request has an answer");
            let (request, expected) = (request.trim(), expected.trim().replace("{port}", "8080"));
            if is_listed(NOT_SAID, &section.title, request) {
                continue;
            }
            // As whoever measured.
            let address = [127, 0, 0, 1].into();
            let as_measured = Asked { address, ..Asked::parse(&request.replace("{port}", "8080")) };
            let found = answer(&rules, &as_measured);
            if leads_nowhere(&expected, &found) {
                used.insert("a redirect without a Location passes");
            } else if !fits(request, &found, &expected, &names, &mut used) {
                wrong.push(format!("{line} {}: {text}\n      found {found}", section.title));
            }
        }
    }
    println!("{cases} cases, {asked} requests; safer by: {used:?}");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= least, "only {cases} cases");
}

/// Whether a redirect has no Location there, which is none here.
fn leads_nowhere(expected: &str, found: &str) -> bool {
    ["301", "302", "303", "307", "308"].contains(&expected) && (found.starts_with("pass ") || found == "500")
}

/// The site of a case, laid out as for the real server.
fn read(section: &Section) -> RuleSet {
    let mut files = MemoryFiles::default();
    let mut text = String::new();
    for block in &section.blocks {
        match block.kind() {
            "apache" => text.push_str(&block.text),
            "map" => {
                let name = block.info.strip_prefix("map").unwrap_or_default().trim();
                files.insert(Path::new("/srv/www").join(name), &block.text);
            }
            "htaccess" => {
                let folder = block.info.strip_prefix("htaccess").unwrap_or_default().trim();
                files.insert(Path::new("/srv/www").join(folder).join(".htaccess"), &block.text);
            }
            _ => {}
        }
    }
    if !text.contains("<VirtualHost") {
        text = format!("<VirtualHost *:8080>\n{text}</VirtualHost>\n");
    }
    let text = text.replace("<VirtualHost *:8080>\n", "<VirtualHost *:8080>\nDocumentRoot /srv/www\n");
    let text = format!("DocumentRoot /srv/www\n<Directory /srv/www>\nAllowOverride All\n</Directory>\n{text}");
    files.insert("/srv/apache.conf", text);
    files.insert("/srv/www/robots.txt", "");
    for name in files_named(section.blocks.iter().map(|block| block.text.as_str())) {
        let name = if name.ends_with('/') { format!("{name}.keep") } else { name };
        files.insert(format!("/srv/www{name}"), "");
    }
    let options = LoadOptions { format: Format::named("apache"), ..LoadOptions::default() };
    let loaded = load(&files, &["/srv/apache.conf".as_ref()], &options);
    rules_of(loaded, &section.title)
}

fn rules_of(loaded: Loaded, title: &str) -> RuleSet {
    let said: Vec<&str> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    loaded.rules.unwrap_or_else(|| panic!("{title}: {said:?}"))
}

/// What is found in a text that stands alone.
fn said(name: &str, text: &str) -> Vec<&'static str> {
    let files = MemoryFiles::new([(name, text)]);
    let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
    assert!(loaded.rules.is_some(), "{:?}", loaded.diagnostics);
    let report = byway_config::check::check(&loaded, &files, &CheckOptions::at(1_800_000_000));
    report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn what_people_trip_over_is_said() {
    let redirect = "Redirect 307 /old-endpoint https://example.com/new-endpoint\n";
    assert_eq!(said("httpd.conf", redirect), ["prefix-for-one"]);
    assert!(said("httpd.conf", &format!("# byway: allow prefix-for-one\n{redirect}")).is_empty());
    let rule = "RewriteEngine On\nRewriteRule ^api/v1/(.*)$ https://example.com/api/v2/$1 [R=307,L]\n";
    assert!(said(".htaccess", rule).is_empty());
    assert_eq!(said("httpd.conf", &format!("<VirtualHost *:80>\n{rule}</VirtualHost>\n")), ["dead-pattern"]);
    assert_eq!(said(".htaccess", &rule.replace("^api", "^/api")), ["dead-pattern"]);
    // Nothing stands behind it that could take what it made.
    assert!(said(".htaccess", &rule.replace("307,L", "307")).is_empty());
    assert_eq!(said("httpd.conf", "Redirect /api/ https://example.com/\n"), ["default-status"]);
    assert!(said("httpd.conf", "Redirect /a/ https://example.com/\n").is_empty());
    // A comment names what is no lint.
    assert_eq!(said("httpd.conf", "# byway: allow prefix-for-on\nRedirect 307 /a/ /b/\n"), ["bad-allow"]);
}

#[test]
fn mistakes_have_their_place_and_the_servers_words() {
    let files = MemoryFiles::new([("httpd.conf", "RewriteEngine On\nRewriteRule ^a$ /b [R=999]\n")]);
    let loaded = load(&files, &["httpd.conf".as_ref()], &LoadOptions::default());
    assert!(loaded.rules.is_none());
    let found = &loaded.diagnostics[0];
    assert_eq!(found.message, "RewriteRule: invalid HTTP response code '999' for flag 'R'");
    let place = found.primary.as_ref().expect("a place");
    assert_eq!((place.line, place.column), (2, 21));
}

#[test]
fn what_is_no_configuration_is_read_no_further() {
    let files = MemoryFiles::new([("httpd.conf", "foo bar\n".repeat(300_000))]);
    let options = LoadOptions { format: Format::named("apache"), ..LoadOptions::default() };
    let loaded = load(&files, &["httpd.conf".as_ref()], &options);
    let said = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code == "no-configuration");
    assert_eq!(said.filter_map(|said| said.primary.as_ref()).map(|span| span.line).collect::<Vec<_>>(), [100_000]);
}

#[test]
fn hostile_files_end() {
    let nested = format!("{}Redirect /a /b\n", "<IfModule mod_alias.c>\n".repeat(100_000));
    let garbage = "<\\\n".repeat(200_000);
    let regex = "RewriteEngine On\nRewriteRule ^(a{1,1000}){1,1000}$ /b [R=307,L]\n".to_owned();
    // Each of these once cost the square of its length.
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let on = "RewriteEngine On\n".to_owned();
    let without_last = on.clone() + &lines(20_000, &|at| format!("RewriteRule ^/a{at}$ /b{at} [R=301]\n"));
    let inside = on + &lines(20_000, &|at| format!("RewriteRule ^/a{at}$ /b{at}\n"));
    let unknown = lines(100_000, &|_| "Foobar x\n".to_owned());
    let comments = lines(100_000, &|_| "# byway: allow tail-dropped\n".to_owned()) + "Redirect 301 /a/ /b/\n";
    let braces = "{{ ".repeat(1_000_000);
    let rule = |source: &str, target: &str| format!("RewriteEngine On\nRewriteRule {source} {target} [R=307,L]\n");
    let look_ups = rule("a", &("${m:".repeat(100_000) + &"}".repeat(100_000)));
    let open = rule("a", &"${".repeat(300_000));
    let counts = rule(&"a{".repeat(300_000), "/b");
    let classes = rule(&format!("[{}", "[:".repeat(300_000)), "/b");
    let aliases = lines(20_000, &|at| format!("ServerAlias *.s{at}.test t{at}.test\n"));
    let aliases = format!("<VirtualHost *:80>\n{aliases}Redirect 307 /a /b\nFoobar x\n</VirtualHost>\n");
    for text in [
        nested,
        garbage,
        regex,
        without_last,
        inside,
        unknown,
        comments,
        braces,
        look_ups,
        open,
        counts,
        classes,
        aliases,
    ] {
        let files = MemoryFiles::new([("httpd.conf", text)]);
        let options = LoadOptions { format: Format::named("apache"), ..LoadOptions::default() };
        let loaded = load(&files, &["httpd.conf".as_ref()], &options);
        assert!(loaded.errors + loaded.remarks.total() > 0 || !loaded.diagnostics.is_empty());
    }
}
