//! Rules written in another format and read again decide the same, or a remark says that they do not.

// Long because every format is asked by the same helpers.

mod httpd;

use std::path::{Path, PathBuf};

use byway_config::examples::{Case, Expected, case_lines};
use byway_config::files::MemoryFiles;
use byway_config::formats::{FORMATS, Format};
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::remarks::Verdict;
use byway_config::writing::{self, Writing, write};
use byway_core::host::normalise;
use byway_core::request::Scheme;
use byway_core::rule::Place;
use byway_core::ruleset::RuleView;
use byway_core::{RuleSet, Scratch};
use byway_testkit::{Document, Section, testbed};
use httpd::{Httpd, Site};

/// 2027-01-15T08:00:00Z
const NOW: i64 = 1_800_000_000;

/// The pages with rules and requests.
fn pages() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = ["byway-core/tests/decide.md", "byway-config/tests/byway-toml.md", "byway-config/tests/lists.md"];
    let more = ["byway-config/tests/includes.md", "byway/tests/cli/explain.md"];
    names.into_iter().chain(more).map(|name| crates.join(name)).collect()
}

/// A line of the core's page as text of our own: `SOURCE -> STATUS TARGET [option]…`.
fn as_toml(line: &str) -> Option<String> {
    let (from, does) = line.split_once(" -> ")?;
    let (does, options) = does.split_at(does.find(" [").unwrap_or(does.len()));
    let mut text = match does.trim().split_once(' ') {
        None => "[[pass]]\n".to_owned(),
        Some(("reply", status)) => format!("[[reply]]\nstatus = {status}\n"),
        Some((status, to)) => {
            let status = match status.split_once('/') {
                Some((get, other)) => format!("{{ get = {get}, other = {other} }}"),
                None => status.to_owned(),
            };
            format!("[[redirect]]\nto = '{to}'\nstatus = {status}\n")
        }
    };
    text.push_str(&format!("from = '{from}'\n"));
    let mut conditions = [Vec::new(), Vec::new()];
    for option in options.split(" [").filter_map(|option| option.strip_suffix(']')) {
        match option.split_once(['=', ' ']) {
            Some(("slash", word)) => text.push_str(&format!("slash = '{word}'\n")),
            Some(("case", _)) => text.push_str("case = 'ignore'\n"),
            Some(("query", "merge")) => text.push_str("query = { merge = 'target' }\n"),
            Some(("query", "merge-request")) => text.push_str("query = { merge = 'request' }\n"),
            Some(("query", word)) => match word.strip_prefix("only:") {
                Some(names) => text.push_str(&format!("query = {{ only = ['{}'] }}\n", names.replace(',', "', '"))),
                None => text.push_str(&format!("query = '{word}'\n")),
            },
            Some(("priority", number)) => text.push_str(&format!("priority = {number}\n")),
            Some(("when", condition)) => conditions[0].push(condition),
            Some(("unless", condition)) => conditions[1].push(condition),
            _ => return None,
        }
    }
    for (key, all) in ["when", "unless"].into_iter().zip(conditions) {
        for condition in all {
            let (subject, test) = condition.split_once(' ')?;
            let value = match test.split_once(' ') {
                None => "true".to_owned(),
                Some(("in", list)) => format!("['{}']", list.replace(',', "', '")),
                Some(("range", ends)) => format!("{{ range = [{}] }}", ends.replace("..", ", ")),
                Some((test, value)) => format!("{{ {test} = '{value}' }}"),
            };
            text.push_str(&format!("{key}.{subject} = {value}\n"));
        }
    }
    Some(text)
}

fn loaded_of(section: &Section) -> Option<Loaded> {
    let mut files = MemoryFiles::default();
    let mut first = None;
    if let Some(block) = section.block("rules") {
        let text: Vec<String> = block.lines().map(|(_, line)| as_toml(line)).collect::<Option<_>>()?;
        files.insert("site/byway.toml", text.concat());
        first = Some(PathBuf::from("site/byway.toml"));
    }
    for block in &section.blocks {
        let Some(name) = block.info.split_whitespace().nth(1) else { continue };
        files.insert(format!("site/{name}"), &block.text);
        first.get_or_insert_with(|| PathBuf::from(format!("site/{name}")));
    }
    let loaded = load(&files, &[&first?], &LoadOptions::default());
    loaded.rules.is_some().then_some(loaded)
}

fn cases_of(section: &Section) -> Vec<Case> {
    let blocks = section.blocks.iter().filter(|block| block.kind() == "requests");
    let pages = blocks.map(|block| format!("```requests\n{}```\n", block.text));
    pages
        .flat_map(|page| {
            let lines = case_lines(&page);
            lines.into_iter().filter_map(|range| Case::parse(&page[range]).ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// The name under which a written text is read again.
fn name_of(format: &Format) -> Option<&'static str> {
    match format.name {
        "toml" => Some("again.toml"),
        "csv" => Some("again.csv"),
        "apache" => Some("httpd.conf"),
        "htaccess" => Some(".htaccess"),
        "nginx" => Some("nginx.conf"),
        _ => None,
    }
}

#[test]
fn what_was_written_decides_the_same_or_a_remark_says_otherwise() {
    let mut failed = Vec::new();
    let mut asked = 0;
    for page in pages() {
        let document = Document::parse(&std::fs::read_to_string(&page).expect("a page"));
        for section in &document.sections {
            let Some(loaded) = loaded_of(section) else { continue };
            // What is read of another server's file has pages of its own (`written.md`).
            if loaded.files.iter().any(|(_, file)| file.format.is_some_and(Format::is_foreign)) {
                continue;
            }
            for (format, name) in FORMATS.into_iter().filter_map(|format| Some((format, name_of(format)?))) {
                asked += cases_of(section).len();
                compare(section, &loaded, format, name, &mut failed);
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(asked > 300, "only {asked} requests were asked");
}

/// Everything that a rule says, but its place.
fn said_of(rules: &RuleSet) -> Vec<String> {
    let said = |rule: RuleView<'_>| {
        let source = rule.source();
        let names = (rule.window().map(|window| window.name), rule.unless_window().map(|window| window.name));
        let kept = (rule.since(), rule.until(), rule.review(), rule.allowed().collect::<Vec<_>>(), rule.probing());
        let people = (rule.id(), rule.group(), rule.owner(), rule.note());
        let answer = (rule.target_text(), rule.action(), rule.cache_control(), rule.extras());
        let how = (source.slash, source.case, rule.pool());
        format!("{} {source} {how:?} {answer:?} {names:?} {kept:?} {people:?}", rule.identity())
    };
    rules.rules().map(said).collect()
}

#[test]
fn nothing_of_our_own_is_lost() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toml = Format::named("toml").expect("a format");
    let (mut compared, mut pools, mut windows, mut splits) = (0, 0, 0, 0);
    for page in ["byway-toml", "pools", "windows", "splits", "geography", "api-migration", "upgrade", "everything"] {
        let text = std::fs::read_to_string(crates.join(format!("tests/{page}.md"))).expect("a page");
        for section in &Document::parse(&text).sections {
            let Some(loaded) = loaded_of(section) else { continue };
            let rules = loaded.rules.as_ref().expect("rules");
            let is_own = loaded.files.iter().all(|(_, file)| file.format.is_none_or(|format| format.name == "toml"));
            if !is_own || rules.is_empty() {
                continue;
            }
            let written = write(&loaded, toml).expect("it is written");
            let refused: Vec<_> = written.remarks.kept.iter().filter(|one| one.verdict != Verdict::Exact).collect();
            assert!(refused.is_empty(), "{page}, {}: {refused:?}", section.name());
            let mut files = MemoryFiles::default();
            for block in &section.blocks {
                if let Some(name) = block.info.split_whitespace().nth(1) {
                    files.insert(format!("site/{name}"), &block.text);
                }
            }
            files.insert("site/again.toml", &written.text);
            let again = load(&files, &["site/again.toml".as_ref()], &LoadOptions::default());
            let said: Vec<&str> = again.diagnostics.iter().map(|said| said.message.as_str()).collect();
            let read = again
                .rules
                .as_ref()
                .unwrap_or_else(|| panic!("{page}, {}: {said:?}\n{}", section.name(), written.text));
            let (before, after) = (said_of(rules), said_of(read));
            assert_eq!(before.len(), after.len(), "{page}, {}\n{}", section.name(), written.text);
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(before, after, "{page}, {}\n{}", section.name(), written.text);
            }
            assert_eq!((rules.pools(), rules.windows()), (read.pools(), read.windows()), "{page}, {}", section.name());
            assert!(rules.splits().eq(read.splits()), "{page}, {}\n{}", section.name(), written.text);
            assert_eq!(format!("{:?}", loaded.settings), format!("{:?}", again.settings), "{page}, {}", section.name());
            let cases = |loaded: &Loaded| loaded.examples.iter().map(|case| case.text.clone()).collect::<Vec<_>>();
            assert_eq!(cases(&loaded), cases(&again), "{page}, {}", section.name());
            (compared, pools, windows) =
                (compared + before.len(), pools + rules.pools().len(), windows + rules.windows().len());
            splits += rules.splits().count();
        }
    }
    assert!(compared > 60 && pools > 4 && windows > 10 && splits > 3, "{compared}, {pools}, {windows}, {splits}");
}

fn compare(section: &Section, loaded: &Loaded, format: &Format, name: &str, failed: &mut Vec<String>) {
    let written = write(loaded, format).expect("a format that is written");
    let rules = loaded.rules.as_ref().expect("rules");
    assert_eq!(written.remarks.total(), rules.len() as u64, "{}: a remark for each rule", section.name());
    let files = MemoryFiles::new([(name, written.text.clone())]);
    let again = load(&files, &[name.as_ref()], &LoadOptions::default());
    let Some(read) = &again.rules else {
        let said: Vec<&str> = again.diagnostics.iter().map(|said| said.message.as_str()).collect();
        return failed.push(format!("{} as {}: {}\n{}", section.name(), format.name, said.join("; "), written.text));
    };
    let (mut first, mut second) = (Scratch::new(), Scratch::new());
    for case in cases_of(section) {
        let (before, rule) = case.decide(rules, NOW, &mut first);
        let (after, _) = case.decide(read, NOW, &mut second);
        let is_said = is_said(&written, &case, rule.map(|rule| rules.rule(rule).place()));
        // What is written for nginx listens for http, where no rule is for https alone.
        let is_unheard = format.name == "nginx" && case.scheme == Scheme::Https && !written.text.contains("listen 443");
        if !is_same(&case, &before, &after, format) && !is_said && !is_unheard {
            failed.push(format!(
                "{} as {}: {} {} gets {after}, not {before}\n{}",
                section.name(),
                format.name,
                case.method,
                case.path,
                written.text
            ));
        }
    }
}

/// Whether a remark says that a case is not decided the same.
fn is_said(written: &Writing<'_>, case: &Case, place: Option<Place>) -> bool {
    let remarks = written.remarks.kept.iter().zip(&written.places);
    let mut inexact = remarks.filter(|(remark, _)| remark.verdict != Verdict::Exact);
    // Where nothing took it before, a rule of this path does now.
    inexact.any(|(remark, at)| place.map_or(remark.rule.starts_with(&case.path), |place| *at == place))
}

/// Whether two answers are one: another server writes whole URLs, and does not see every path as it was sent.
fn is_same(case: &Case, before: &Expected, after: &Expected, format: &Format) -> bool {
    if !format.is_foreign() {
        return before == after;
    }
    // docs/formats.md says so of all rules: slashes merged, dots resolved, `%2F` answered with 404, a query sent as it came, no
    // preflights.
    let is_other_path = ["//", "/.", "%2F", "%2f", "%00"].iter().any(|sign| case.path.contains(sign));
    let is_preflight = case.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("access-control-request-method"));
    let is_decoded = case.path.contains('%') && *before == Expected::Pass;
    // Where a part of the path is sent on, nginx is asked for the path as it was sent: needless escapes hide it.
    let is_hidden = format.name == "nginx" && is_needless(&case.path) && *after == Expected::Pass;
    let is_unsafe = case.path.contains(['|', '[', ']', '^', '\\', '{', '}', '<', '>', '"']);
    let is_odd_host = case.host.contains('%');
    let is_left = *before == Expected::Pass && *after == Expected::Reply(404);
    // What byway refuses, as an upgrade that loops, another server does not notice.
    let is_refused = matches!(before, Expected::Refuse(_));
    let is_odd = |query: &str| query.is_empty() || query == "100%" || query.contains(['[', '{', '"', '\\']);
    let is_other_query = case.query.as_deref().is_some_and(is_odd);
    is_other_path
        || is_hidden
        || is_unsafe
        || is_odd_host
        || is_left
        || is_refused
        || is_other_query
        || is_preflight
        || is_decoded
        || without_origin(case, before) == without_origin(case, after)
}

/// Whether a path escapes letters or digits.
fn is_needless(path: &str) -> bool {
    path.split('%').skip(1).any(|rest| {
        let byte = rest.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric())
    })
}

fn without_origin(case: &Case, answer: &Expected) -> Expected {
    let Expected::Redirect { status, location: Some(location) } = answer else { return answer.clone() };
    let port = if case.port == case.scheme.default_port() { String::new() } else { format!(":{}", case.port) };
    let host = normalise(&case.host).expect("a host");
    let origin = format!("{}://{host}{port}", case.scheme.as_str());
    let path = location.strip_prefix(&origin).filter(|path| path.starts_with('/'));
    Expected::Redirect { status: *status, location: Some(path.unwrap_or(location).to_owned()) }
}

fn as_format(text: &str, name: &str, to: &str) -> (String, Vec<(String, Option<String>)>) {
    let files = MemoryFiles::new([(name, text)]);
    let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
    let written = write(&loaded, Format::named(to).expect("a format")).expect("rules and a writer");
    let remarks = written.remarks.kept.iter();
    let remarks =
        remarks.map(|remark| (remark.verdict.as_str().to_owned(), remark.verdict.why().map(str::to_owned))).collect();
    (written.text, remarks)
}

/// A configuration as people have it: prefixes, one path, patterns, and rewrites above them.
const LOCATIONS: &str = r#"map $uri $moved {
    default   "";
    /Old-Page /new-page;
    /About    /company;
    ~^/produkte/(?<nr>\d+)$ /products/$nr;
}
server {
    listen 80;
    listen 443 ssl;
    server_name example.com www.example.com;
    rewrite ^/category/(.*)$ /topics/$1 permanent;
    if ($moved != "") { return 301 $moved; }
    location /admin { return 403; }
    location = /v1/orders { return 308 /v2/orders; }
    location /checkout { return 307 https://pay.example.com$request_uri; }
    location ^~ /static/ { return 302 https://cdn.example.com$uri; }
    location ~* \.php$ { return 410; }
    location ~ ^/u/(?<name>[a-z]+)$ { return 301 https://users.example.com/$name; }
    location /shop/ {
        location ~ \.bak$ { return 410; }
        return 301 https://shop.example.com$request_uri;
    }
}
"#;

#[test]
fn odd_spellings_are_answered_as_before_where_nginx_is_written_for_nginx() {
    let load_one = |text: &str| {
        let files = MemoryFiles::new([("nginx.conf", text)]);
        load(&files, &["nginx.conf".as_ref()], &LoadOptions::default())
    };
    let before = load_one(LOCATIONS);
    let written = write(&before, Format::named("nginx").expect("a format")).expect("rules and a writer");
    let after = load_one(&written.text);
    let (before, after) = (before.rules.as_ref().expect("rules"), after.rules.as_ref().expect(&written.text));
    let mut asked = 0;
    for path in [
        "/admin",
        "/v1/orders",
        "/checkout",
        "/static/a",
        "/a.php",
        "/u/joe",
        "/category/a",
        "/old-page",
        "/shop/a.bak",
    ] {
        let (first, rest) = path[1..].split_at(1);
        let escaped = format!("/%{:02X}{rest}", first.as_bytes()[0]);
        let odd = [format!("/{path}"), format!("/z/..{path}"), format!("/.{path}"), escaped, format!("{path}x")];
        for spelling in odd.into_iter().chain([path.to_owned(), path.to_uppercase(), format!("{path}/y?z=1")]) {
            let case = Case::parse(&format!("GET http://example.com{spelling} -> pass")).expect("a case");
            let [before, after] = [before, after].map(|rules| case.decide(rules, NOW, &mut Scratch::new()).0);
            // What is sent without a host is sent so by both, or with the host that was asked.
            let whole = |said: &Expected| format!("{said:?}").replace("http://example.com/", "/");
            assert_eq!(whole(&before), whole(&after), "{spelling}\n{}", written.text);
            asked += 1;
        }
    }
    assert_eq!(asked, 72);
    for line in [
        "    listen 80;\n    listen 443;\n    server_name example.com www.example.com;\n",
        "    location /admin {\n        return 403;\n",
        "    location ~* \\.php$ {\n",
        "    rewrite ^/category/(.*)$ /topics/$1 permanent;\n",
        "    /old-page /new-page;\n",
    ] {
        assert!(written.text.contains(line), "{line}\n{}", written.text);
    }
    assert!(!written.text.contains("$request_path"), "{}", written.text);
}

#[test]
fn what_was_taken_from_the_query_is_sent_as_it_was_by_apache() {
    let nginx = "server { listen 80; location = /c.php { if ($args ~ \"^cat=(.+)$\") { return 301 /c/$1; } } }\n";
    let (text, _) = as_format(nginx, "nginx.conf", "htaccess");
    assert!(text.contains("RewriteRule ^c\\.php$ /c/%1 [R=301,L,NE,QSD]\n"), "{text}");
    let own = "[[redirect]]\nfrom = \"/item\"\nto = \"/items/{query.id}\"\nquery = \"drop\"\n";
    let (text, _) = as_format(own, "byway.toml", "htaccess");
    assert!(text.contains("/items/%1 [R=307,L,NE,QSD]\n"), "{text}");
    // Apache's own rules escape it once more, and go on to do so.
    let apache = "RewriteEngine On\nRewriteCond %{QUERY_STRING} ^cat=(.+)$\nRewriteRule ^c$ /c/%1 [R=301,L,QSD]\n";
    let (text, _) = as_format(apache, ".htaccess", "htaccess");
    assert!(text.contains("RewriteRule ^c$ /c/%1 [R=301,L,QSD]\n"), "{text}");
}

#[test]
fn rules_of_mod_alias_stay_beside_a_front_controller() {
    let folder = "Redirect 301 /old https://x.test/new\nRedirectMatch 302 ^/c/(.*)$ https://x.test/t/$1\nRewriteEngine On\n\
        RewriteRule ^index\\.php$ - [L]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . /index.php [L]\n";
    let (text, _) = as_format(folder, ".htaccess", "htaccess");
    for line in ["Redirect 301 /old https://x.test/new\n", "RedirectMatch 302 ^/c/(.*)$ https://x.test/t/$1\n"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn alternatives_keep_their_places() {
    let hosts = "RewriteEngine On\nRewriteCond %{HTTP_HOST} ^old\\.test$ [OR]\nRewriteCond %{HTTP_HOST} ^older\\.test$\n\
        RewriteRule ^(.*)$ https://new.test/$1 [R=301,L]\n";
    let names = "RewriteEngine On\nRewriteRule (^|/)\\.(git|env) - [F]\n";
    let lang = "map $http_accept_language $lang { default en; ~^de de; ~^fr fr; }\n\
        server { listen 80; location = / { return 302 /$lang/; } }\n";
    let whole = "map $request_uri $to { default \"\"; \"~^/cat\\?id=(\\d+)$\" /category/$1; }\n\
        server { listen 80; if ($to) { return 301 $to; } }\n";
    carried(
        &[
            (".htaccess", hosts, "GET http://old.test/a -> 301 https://new.test/a"),
            (".htaccess", hosts, "GET http://older.test/a -> 301 https://new.test/a"),
            (".htaccess", hosts, "GET http://oldest.test/a -> pass"),
        ],
        &["toml", "apache", "htaccess", "nginx"],
    );
    carried(&[("nginx.conf", lang, "GET / -> 302 /en/")], &["toml", "apache", "htaccess", "nginx"]);
    carried(&[("nginx.conf", whole, "GET /cat?id=7 -> 301 /category/7")], &["apache", "htaccess", "nginx"]);
    let (text, _) = as_format(names, ".htaccess", "nginx");
    assert!(text.contains("location ~ ^/(|.*/)\\.(git|env) {\n"), "{text}");
    // Where the group is read, it would hold all before the name.
    let read = "server { listen 80; location ~ (^|/)foo$ { return 301 https://h.test/x$1y; } }\n";
    let (text, refused) = as_format(read, "nginx.conf", "toml");
    assert!(!text.contains("h.test"), "{text}");
    assert_eq!(refused.len(), 1, "{refused:?}");
    let (text, refused) = as_format(read, "nginx.conf", "nginx");
    assert!(text.contains("location ~ (^|/)foo$ {\n        return 301 https://h.test/x$1y;"), "{text}");
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn what_a_path_that_is_written_anew_leads_to_is_asked_where_it_leads() {
    let text = "server { listen 80;\n location ~ \\.php$ { return 403; }\n\
        location /old/ { rewrite ^/old/(.*)$ /new/$1.php last; }\n location /z/ { return 302 /zz; } }\n";
    // nginx asks its server no more behind `last`.
    carried(
        &[
            ("nginx.conf", text, "GET /old/a -> 403"),
            ("nginx.conf", text, "GET /z/a.php -> 403"),
            ("nginx.conf", text, "GET /z/a -> 302 /zz"),
        ],
        &["nginx"],
    );
}

#[test]
fn slashes_that_stand_together_stay_apart_where_they_were() {
    let text = "server { listen 80; merge_slashes off; location /admin { return 403; }\n\
        location / { return 301 https://h.test$uri; } }\n";
    carried(
        &[
            ("nginx.conf", text, "GET //admin -> 301 https://h.test//admin"),
            ("nginx.conf", text, "GET /admin -> 403"),
            ("nginx.conf", text, "GET /x//y -> 301 https://h.test/x//y"),
        ],
        &["nginx"],
    );
}

#[test]
fn a_listed_order_becomes_priorities_only_where_it_must() {
    let lines = "/a /1 301\n/b/* /2 301\n/b/c /3 301\n/d /4 301\n";
    let (text, _) = as_format(lines, "_redirects", "toml");
    // `/b/c` is hidden by what stands before it, and so are the lines after it.
    let priorities: Vec<&str> = text.lines().filter(|line| line.starts_with("priority")).collect();
    assert_eq!(priorities, ["priority = 1", "priority = 1"], "{text}");
}

#[test]
fn what_a_list_cannot_say_is_refused_by_name() {
    let rules = "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\nstatus = { get = 301, other = 307 }\n\
                 [[reply]]\nfrom = \"/c\"\nstatus = 410\n[[redirect]]\nfrom = \"/d\"\nto = \"/e\"\n";
    let (text, remarks) = as_format(rules, "byway.toml", "csv");
    assert_eq!(text, "from,to,status\n/d,/e,307\n");
    let verdicts: Vec<&str> = remarks.iter().map(|(verdict, _)| verdict.as_str()).collect();
    assert_eq!(verdicts, ["refused", "refused", "exact"]);
}

#[test]
fn a_report_says_what_stood_in_the_file_and_runs_nothing_of_it() {
    let rules = "[[redirect]]\nfrom = \"/<script>alert(1)</script>\"\nto = \"/b\"\nunless = { method = \"POST\" }\n";
    let files = MemoryFiles::new([("byway.toml", rules)]);
    let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
    let csv = Format::named("csv").expect("a format");
    let written = write(&loaded, csv).expect("rules");
    let rows = writing::rows(&loaded, &written);
    let page = writing::html(&rows, &loaded, &written, csv);
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("refused") && page.contains("It asks for more than host and path"), "{page}");
    let json = writing::json(&rows, &loaded, &written, csv);
    assert_eq!((&json["refused"], &json["rules"][0]["line"]), (&1.into(), &2.into()));
    assert!(
        writing::text(&rows, &loaded, &written, writing::Named::All).ends_with("0 exact, 0 approximated, 1 refused\n")
    );
}

#[test]
fn rules_of_apache_are_laid_flat() {
    let folder = "RewriteEngine On\n\
        RewriteCond %{HTTP_ACCEPT} text/turtle [OR]\nRewriteCond %{HTTP_ACCEPT} rdf\\+xml\n\
        RewriteRule ^onto$ https://x.test/onto.ttl [R=303,L]\n\
        RewriteRule ^onto$ https://x.test/onto.html [R=303,L]\n\
        RewriteCond %{HTTP_HOST} ^www\\.x\\.test$ [NC]\nRewriteRule ^w$ /www [R=307,L]\n\
        RewriteRule ^(?:keep|old)/(.*)$ https://x.test/new/$1 [R=307,L]\n\
        RewriteRule ^p/(\\d+)\\.html$ /product?id=$1 [R=308,L,QSA]\nRedirect 308 /a https://x.test/a\nRedirect gone /g\n";
    let kept = "RewriteEngine On\nRewriteRule ^keep/ - [L]\nRewriteRule ^(.*)$ https://x.test/$1 [R=307,L]\n";
    let hosts = "<VirtualHost *:80>\nServerName a.test\nServerAlias www.a.test\nRedirect 307 /old /new\n</VirtualHost>\n\
        <VirtualHost *:443>\nServerName a.test\nRedirectMatch 308 ^/m/(.*)$ https://m.test/$1\n</VirtualHost>\n\
        <VirtualHost *:80>\nServerName b.test\nRewriteEngine On\nRewriteRule ^/(.*)$ https://a.test/$1 [R=307,L]\n</VirtualHost>\n";
    let nginx = "server { listen 80; server_name a.test; location ~ ^/p/(\\d+)$ { return 307 /product/$1; } }\n\
        server { listen 80 default_server; return 308 https://a.test$request_uri; }\n";
    let asked = [
        (".htaccess", folder, "GET /onto [accept: text/turtle] -> 303 https://x.test/onto.ttl"),
        (".htaccess", folder, "GET /onto [accept: application/rdf+xml] -> 303 https://x.test/onto.ttl"),
        (".htaccess", folder, "GET /onto -> 303 https://x.test/onto.html"),
        (".htaccess", kept, "GET /keep/x -> pass"),
        (".htaccess", kept, "GET /kept?q=1 -> 307 https://x.test/kept?q=1"),
        (".htaccess", folder, "GET http://www.x.test/w -> 307 /www"),
        (".htaccess", folder, "GET /old/a/b?q=1 -> 307 https://x.test/new/a/b?q=1"),
        (".htaccess", folder, "GET /p/7.html?q=1 -> 308 /product?id=7&q=1"),
        (".htaccess", folder, "GET /a/b -> 308 https://x.test/a/b"),
        (".htaccess", folder, "GET /g -> 410"),
        ("httpd.conf", hosts, "GET http://a.test/old/x -> 307 /new/x"),
        ("httpd.conf", hosts, "GET http://www.a.test/old -> 307 /new"),
        ("httpd.conf", hosts, "GET http://c.test/old -> 307 /new"),
        ("httpd.conf", hosts, "GET http://a.test/m/x -> pass"),
        ("httpd.conf", hosts, "GET https://a.test/m/x -> 308 https://m.test/x"),
        ("httpd.conf", hosts, "GET https://a.test/old -> pass"),
        ("httpd.conf", hosts, "GET http://b.test/x?q=1 -> 307 https://a.test/x?q=1"),
        ("nginx.conf", nginx, "GET http://a.test/p/7 -> 307 /product/7"),
        ("nginx.conf", nginx, "GET http://a.test/q -> pass"),
        ("nginx.conf", nginx, "GET http://b.test/p/7?q=1 -> 308 https://a.test/p/7?q=1"),
    ];
    carried(&asked, &["toml", "apache", "htaccess", "nginx"]);
}

/// Asks what was written of each text in each format for what its own server answers.
fn carried(asked: &[(&str, &str, &str)], formats: &[&str]) {
    let mut failed = Vec::new();
    for &(name, text, line) in asked {
        let files = MemoryFiles::new([(name, text)]);
        let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
        let case = Case::parse(line).expect("a case");
        for &to in formats {
            let format = Format::named(to).expect("a format");
            let written = write(&loaded, format).expect("rules and a writer");
            let again_name = name_of(format).expect("a name");
            // What was written for nginx may ask for folders: there are none.
            let mut options = LoadOptions::default();
            options.foreign.root = (to == "nginx").then(|| "www".into());
            let files = MemoryFiles::new([(again_name, written.text.as_str()), ("www/page", "")]);
            let again = load(&files, &[again_name.as_ref()], &options);
            let found = again.rules.as_ref().map(|rules| case.decide(rules, NOW, &mut Scratch::new()).0);
            let fits = found
                .as_ref()
                .is_some_and(|found| is_same(&case, &case.expected, found, Format::named("apache").expect("a format")));
            let said: Vec<&str> = again.diagnostics.iter().map(|said| said.message.as_str()).collect();
            if !fits {
                failed
                    .push(format!("{line} as {to}: {found:?} {said:?}\n{:?}\n{}", written.remarks.kept, written.text));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), asked.len() * formats.len(), failed.join("\n"));
}

#[test]
fn what_a_condition_took_is_carried_over() {
    let www =
        "RewriteEngine On\nRewriteCond %{HTTP_HOST} ^www\\.(.+)$ [NC]\nRewriteRule ^(.*)$ https://%1/$1 [R=301,L]\n";
    let query = "RewriteEngine On\nRewriteCond %{QUERY_STRING} ^id=(\\d+)$\nRewriteRule ^item\\.php$ /items/%1? [R=308,L]\n\
        RewriteCond %{QUERY_STRING} (^|&)p=(\\w+)(&|$)\nRewriteRule ^$ /archives/%2? [R=302,L]\n";
    let left = "RewriteEngine On\nRewriteCond %{REQUEST_URI} !^/\\.well-known/\nRewriteCond %{REQUEST_URI} !=/robots.txt\n\
        RewriteRule ^ https://new.test%{REQUEST_URI} [R=302,L]\n";
    let slash = "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteCond %{REQUEST_URI} (.+)/$\nRewriteRule ^ %1 [L,R=301]\n";
    let unfinished = "RewriteEngine On\nRewriteRule ^api$ https://x.test/api [R=301]\nRewriteRule ^b$ https://x.test/c [R=302]\n\
        RewriteRule ^(.+)\\.txt$ https://x.test/text/$1 [R=301]\n";
    let escaped = "RewriteEngine On\nRewriteRule ^(.+)$ https://x.test/#$1 [R=302,L,QSA]\n";
    let scheme = "server { listen 80; listen 443 ssl; server_name old.test; return 301 $scheme://new.test$request_uri; }\n\
        server { listen 80; server_name ~^www\\.(?<name>.+)$; return 302 $scheme://$name$request_uri; }\n";
    let asked_by_if = "server { listen 80; if ($args ~ \"^id=(\\d+)$\") { return 301 /item/$1; }\n\
        if ($arg_p) { return 302 /archives/$arg_p; } if ($host ~* ^www\\.(.+)$) { return 301 https://$1$request_uri; } }\n";
    let upgrade = "<VirtualHost *:80>\nServerName a.test\nServerAlias *.a.test\nRewriteEngine On\n\
        RewriteRule ^(.*)$ %{REQUEST_SCHEME}://new.test$1 [R=301,L]\n</VirtualHost>\n";
    let names = "map $uri $moved { /a /b; ~^/news/(?<n>\\d+)$ /articles/$n; }\n\
        server { listen 80; server_name a.test; if ($moved) { return 301 $moved; } }\n";
    carried(
        &[
            (".htaccess", www, "GET http://www.x.test/a/b -> 301 https://x.test/a/b"),
            (".htaccess", www, "GET http://x.test/a -> pass"),
            (".htaccess", query, "GET /item.php?id=7 -> 308 /items/7"),
            (".htaccess", query, "GET /item.php?id=x -> pass"),
            (".htaccess", query, "GET /?a=b&p=c -> 302 /archives/c"),
            (".htaccess", left, "GET /a?q=1 -> 302 https://new.test/a?q=1"),
            (".htaccess", left, "GET /.well-known/x -> pass"),
            (".htaccess", left, "GET /robots.txt -> pass"),
            (".htaccess", slash, "GET /a/b/ -> 301 /a/b"),
            (".htaccess", unfinished, "GET /api -> 301 https://x.test/api"),
            (".htaccess", unfinished, "GET /b -> 302 https://x.test/c"),
            (".htaccess", escaped, "GET /a?q=1 -> 302 https://x.test/%23a?q=1"),
            ("nginx.conf", scheme, "GET http://old.test/a?q=1 -> 301 http://new.test/a?q=1"),
            ("nginx.conf", scheme, "GET https://old.test/a -> 301 https://new.test/a"),
            ("nginx.conf", scheme, "GET http://www.x.test/a -> 302 http://x.test/a"),
            ("nginx.conf", asked_by_if, "GET /x?id=7 -> 301 /item/7"),
            ("nginx.conf", asked_by_if, "GET /x?p=b -> 302 /archives/b"),
            ("nginx.conf", asked_by_if, "GET http://www.x.test/a?b -> 301 https://x.test/a?b"),
            ("nginx.conf", names, "GET http://a.test/a -> 301 /b"),
            ("nginx.conf", names, "GET http://a.test/news/7 -> 301 /articles/7"),
            ("httpd.conf", upgrade, "GET http://w.a.test/x?q=1 -> 301 http://new.test/x?q=1"),
        ],
        &["toml", "apache", "htaccess", "nginx"],
    );
}

#[test]
fn ports_of_servers_are_carried_over() {
    let nginx = "server { listen 8080; server_name a.test; location = /a { return 301 https://a.test/b; } }\n\
        server { listen 8081; return 302 https://b.test$request_uri; }\n";
    let apache = "Listen 8080\n<VirtualHost *:8080>\nServerName a.test\nRedirect 301 /a https://a.test/b\n</VirtualHost>\n\
        <VirtualHost *:80>\nServerName a.test\nRedirect 307 /a https://a.test/c\n</VirtualHost>\n";
    carried(
        &[
            ("nginx.conf", nginx, "GET http://a.test:8080/a -> 301 https://a.test/b"),
            ("nginx.conf", nginx, "GET http://a.test:8081/a -> 302 https://b.test/a"),
        ],
        &["toml", "apache", "htaccess"],
    );
    carried(
        &[
            ("httpd.conf", apache, "GET http://a.test:8080/a -> 301 https://a.test/b"),
            ("httpd.conf", apache, "GET http://a.test/a -> 307 https://a.test/c"),
        ],
        &["toml"],
    );
    let (text, _) = as_format(apache, "httpd.conf", "nginx");
    assert!(
        text.contains("listen 8080;\n    server_name a.test;") && text.contains("listen 80;\n    server_name a.test;"),
        "{text}"
    );
    assert!(!text.contains("listen 443"), "{text}");
}

#[test]
fn a_path_changed_inside_is_written_for_servers_alone() {
    let folder = "RewriteEngine On\nRewriteRule ^old/(.*)$ https://x.test/$1 [R=301,L]\nRewriteRule ^a$ /b [L]\n\
        RewriteRule ^article/(\\d+)$ /article.php?id=$1 [L,QSA]\n\
        RewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteRule . /index.php [L]\n";
    let (nginx, _) = as_format(folder, ".htaccess", "nginx");
    for line in [
        "rewrite ^ /b last;",
        "rewrite ^/article/(\\d+)$ /article.php?id=$1 last;",
        "try_files $uri $uri/ /index.php$is_args$args;",
    ] {
        assert!(nginx.contains(line), "{line}\n{nginx}");
    }
    let (apache, _) = as_format(folder, ".htaccess", "apache");
    for line in ["RewriteRule ^/a$ /b [PT,L]", "RewriteCond %{REQUEST_FILENAME} !-d", "/article.php?id=$1 [PT,L,QSA]"] {
        assert!(apache.contains(line), "{line}\n{apache}");
    }
    let (toml, remarks) = as_format(folder, ".htaccess", "toml");
    assert_eq!(toml.matches("[[redirect]]").count(), 1, "{toml}");
    let refused = remarks.iter().filter(|(verdict, why)| {
        verdict == "refused" && why.as_deref().is_some_and(|why| why.contains("redirects nobody"))
    });
    assert!(refused.count() >= 3, "{remarks:?}");
}

#[test]
fn what_a_person_would_write_by_hand_is_written() {
    let text = "<VirtualHost *:80>\nServerName a.test\nRewriteEngine On\nRewriteRule ^/(.*)$ https://b.test/$1 [R=301,L]\n</VirtualHost>\n";
    let (nginx, _) = as_format(text, "httpd.conf", "nginx");
    assert!(nginx.contains("    return 301 https://b.test$request_uri;\n"), "{nginx}");
    let (toml, _) = as_format(text, "httpd.conf", "toml");
    assert!(toml.contains("from = \"/*\"\nto = \"https://b.test/*\"\n") && !toml.contains("pass"), "{toml}");
    let (apache, _) = as_format(text, "httpd.conf", "htaccess");
    assert!(apache.contains("Redirect 301 / https://b.test/\n"), "{apache}");
}

#[test]
fn a_list_needs_no_priorities_where_no_two_rules_take_the_same() {
    let nginx = "map $uri $new { /m /n; }\nserver { listen 80; location = /a { return 301 /b; } location = /c { return 308 https://x.test/c; }\n\
        if ($new) { return 302 $new; } location /d/ { return 301 /e; } location = /d/x { return 301 /f; } }\n";
    let (text, remarks) = as_format(nginx, "nginx.conf", "csv");
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 5, "{text}\n{remarks:?}");
    let apache = "<VirtualHost *:80>\nServerName a.test\nRedirect 301 /a /b\nRedirectMatch 302 ^/c$ /d\nRedirect 301 /a/x /y\n</VirtualHost>\n";
    let (text, remarks) = as_format(apache, "httpd.conf", "csv");
    assert!(text.contains("/c,/d,302"), "{text}\n{remarks:?}");
    // Behind `/a` nothing below it is reached.
    assert!(text.contains("/a/*,/b/*,301") && !text.contains("/a/x"), "{text}\n{remarks:?}");
}

#[test]
fn a_redirect_that_its_server_goes_on_with_is_refused() {
    let folder =
        "RewriteEngine On\nRewriteRule ^a$ https://x.test/a [R=301]\nRewriteRule ^(.+)$ https://y.test/$1 [R=302]\n";
    let (text, remarks) = as_format(folder, ".htaccess", "toml");
    assert!(!text.contains("x.test") && text.contains("y.test"), "{text}\n{remarks:?}");
    let named =
        |(_, why): &(String, Option<String>)| why.as_deref().is_some_and(|why| why.contains("without `L` line 3"));
    assert!(remarks.iter().any(named), "{remarks:?}");
}

#[test]
fn a_rule_behind_one_that_takes_everything_is_dead() {
    let nginx = "server { listen 80; return 301 https://x.test$request_uri; location = /a { return 302 /b; } }\n";
    let (text, remarks) = as_format(nginx, "nginx.conf", "toml");
    assert!(!text.contains("/b"), "{text}");
    let dead = |(verdict, why): &(String, Option<String>)| {
        verdict == "approximated" && why.as_deref().is_some_and(|why| why.starts_with("dead: line 1 "))
    };
    assert!(remarks.iter().any(dead), "{remarks:?}");
}

#[test]
fn a_long_list_lies_beside_its_text() {
    let mut rules = "from,to,status,note\n/own,/target,307,named\n/t/*,/tail/*,307,\n/q,/b?x=1,308,\n".to_owned();
    for number in 0..200 {
        rules.push_str(&format!("/old/{number},https://x.test/{number}%20a,{},\n", 307 + number % 2));
    }
    let files = MemoryFiles::new([("moves.csv", rules)]);
    let loaded = load(&files, &["moves.csv".as_ref()], &LoadOptions::default());
    let apache = Format::named("apache").expect("a format");
    let written = writing::write_for(&loaded, apache, Some("/etc/apache2/moves.conf".as_ref())).expect("rules");
    let names: Vec<&str> = written.lists.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["moves-moved-307.txt", "moves-moved-308.txt"], "{}", written.text);
    assert!(written.lists[0].1.starts_with("/old/0 https://x.test/0%20a\n/old/2 "), "{}", written.lists[0].1);
    let mut again = MemoryFiles::new([("/etc/apache2/moves.conf", written.text.clone())]);
    for (name, text) in &written.lists {
        again.insert(Path::new("/etc/apache2").join(name), text);
    }
    let options = LoadOptions { format: Some(apache), ..LoadOptions::default() };
    let read = load(&again, &["/etc/apache2/moves.conf".as_ref()], &options);
    let (before, after) = (loaded.rules.as_ref().expect("rules"), read.rules.as_ref().expect("rules"));
    let mut scratch = Scratch::new();
    for path in ["/old/0", "/old/199?q=1", "/old/200", "/own", "/t/a", "/q", "/q?a"] {
        let case = Case::parse(&format!("GET {path} -> pass")).expect("a case");
        let (before, after) = (case.decide(before, NOW, &mut scratch).0, case.decide(after, NOW, &mut scratch).0);
        assert!(is_same(&case, &before, &after, apache), "{path}: {after}, not {before}\n{}", written.text);
    }
    // A folder has no maps, and without a file there is no place for one.
    let htaccess = Format::named("htaccess").expect("a format");
    let expanded = writing::write_for(&loaded, htaccess, Some("/srv/www/.htaccess".as_ref())).expect("rules");
    assert!(expanded.lists.is_empty() && expanded.text.lines().count() > 200);
    assert!(write(&loaded, apache).expect("rules").lists.is_empty());
}

#[test]
fn a_map_in_letters_of_either_case_stays_a_list() {
    let entries: String = (0..150).map(|number| format!("/Old/{number} /new/{number};\n")).collect();
    for (on, target, in_map, in_rule) in [
        ("$uri", "$to", "/old/7   /new/7;", "RewriteRule ^ %1 ["),
        (
            "$request_uri",
            "$scheme://$host$to",
            "/old/7   $scheme://$host/new/7;",
            "RewriteRule ^ %{REQUEST_SCHEME}://%{SERVER_NAME}%1 [",
        ),
    ] {
        let text =
            format!("map {on} $to {{\n{entries}}}\nserver {{ listen 80; if ($to) {{ return 301 {target}; }} }}\n");
        let files = MemoryFiles::new([("nginx.conf", text)]);
        let loaded = load(&files, &["nginx.conf".as_ref()], &LoadOptions::default());
        let nginx = write(&loaded, Format::named("nginx").expect("a format")).expect("rules");
        assert!(nginx.text.contains(in_map) && !nginx.text.contains("location"), "{}", nginx.text);
        let apache = Format::named("apache").expect("a format");
        let written = writing::write_for(&loaded, apache, Some("/etc/apache2/moves.conf".as_ref())).expect("rules");
        assert!(written.text.contains(in_rule) && written.text.lines().count() < 20, "{}", written.text);
        assert!(written.lists[0].1.contains("/old/7 /new/7\n"), "{}", written.lists[0].1);
        let mut again = MemoryFiles::new([("/etc/apache2/moves.conf", written.text.clone())]);
        for (name, text) in &written.lists {
            again.insert(Path::new("/etc/apache2").join(name), text);
        }
        let options = LoadOptions { format: Some(apache), ..LoadOptions::default() };
        let read = load(&again, &["/etc/apache2/moves.conf".as_ref()], &options);
        let (before, after) = (loaded.rules.as_ref().expect("rules"), read.rules.as_ref().expect("rules"));
        let mut scratch = Scratch::new();
        for path in ["/Old/0", "/oLD/149", "/old/150"] {
            let case = Case::parse(&format!("GET {path} -> pass")).expect("a case");
            let (before, after) = (case.decide(before, NOW, &mut scratch).0, case.decide(after, NOW, &mut scratch).0);
            assert!(is_same(&case, &before, &after, apache), "{path}: {after}, not {before}\n{}", written.text);
        }
    }
}

#[test]
fn what_was_written_for_apache_is_what_apache_answers() {
    let Some(program) = testbed::find("apache2") else { return };
    let (mut sites, mut asked) = (Vec::new(), Vec::new());
    for page in pages() {
        let document = Document::parse(&std::fs::read_to_string(&page).expect("a page"));
        for section in &document.sections {
            let Some(loaded) = loaded_of(section) else { continue };
            let rules = loaded.rules.as_ref().expect("rules");
            // The clock of the real server is not ours.
            if cases_of(section).is_empty() || rules.rules().any(|rule| rule.since().or(rule.until()).is_some()) {
                continue;
            }
            for name in ["apache", "htaccess"] {
                let format = Format::named(name).expect("a format");
                let written = write(&loaded, format).expect("a format that is written");
                let mut scratch = Scratch::new();
                for case in cases_of(section) {
                    let (before, rule) = case.decide(rules, NOW, &mut scratch);
                    let can_ask = case.scheme == Scheme::Http && case.at.is_none() && case.path.starts_with('/');
                    let is_said = is_said(&written, &case, rule.map(|rule| rules.rule(rule).place()));
                    if can_ask && !is_said && !matches!(before, Expected::Refuse(_)) {
                        asked.push((sites.len(), section.name(), case, before, format));
                    }
                }
                sites.push(Site { is_folder: name == "htaccess", text: written.text.clone() });
            }
        }
    }
    let httpd = Httpd::start(&program, &sites);
    let mut failed = Vec::new();
    for (site, section, case, before, format) in &asked {
        let found = httpd.ask(*site, case);
        let before = if *before == Expected::Reply(404) { &Expected::Pass } else { before };
        if !is_same(case, before, &found, format) {
            let query = case.query.as_deref().unwrap_or_default();
            let line = format!("{section}: {} {}?{query} gets {found}, not {before}", case.method, case.path);
            failed.push(format!("{line}\n{}", sites[*site].text));
        }
    }
    println!("{} requests to {} sites", asked.len(), sites.len());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), asked.len(), failed.join("\n"));
    assert!(asked.len() > 300, "only {} requests were asked", asked.len());
}
