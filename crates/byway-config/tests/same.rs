//! What is written for nginx of a file of nginx answers every request as that file does, and stands there in its words.

use byway_config::examples::{Case, Expected};
use byway_config::files::MemoryFiles;
use byway_config::foreign::Purpose;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::writing::write;
use byway_core::Scratch;

/// Files, what stands in what is written of them, and what does not.
const FILES: &[(&str, &[&str], &[&str])] = &[
    (
        "location ~ ^/secret$ { return 403; } location / { return 302 /home; }",
        &["location ~ ^/secret$ {\n        return 403;"],
        &["\\n?"],
    ),
    (
        r"location ~ (^|/)\.(git|env) { return 403; } location ~ ^/conf(/|$) { return 403; }
          location ~ (^|/)foo$ { return 301 https://h.test/x$1y; } location / { return 302 /home; }",
        &[r"location ~ (^|/)\.(git|env) {", "location ~ ^/conf(/|$) {", "https://h.test/x$1y;"],
        &[".*", "\\n?"],
    ),
    (
        r"location ~ \.php$ { if ($request_method = POST) { return 403; } return 302 /get; }
          location ~ ^/z/ { if ($arg_x) { return 403; } if ($uri ~ \.cgi$) { return 403; } return 302 /zz; }",
        &["if ($arg_x) {", "    location ~ \\.php$ {\n        if ($request_method = POST) {\n            return 403;"],
        &[],
    ),
    (
        r"location ^~ /up/ { location ~ \.php$ { return 403; } } location /go/ { return 301 /x; }",
        &[r"location ~ ^/up/(?s:.*)\.php$ {"],
        &["left alone"],
    ),
    (
        r#"location ~ ^/x%41$ { return 301 /y; } location ~ "^/q\"r$" { return 301 /w; } location /q { return 301 https://h.test/q?; }"#,
        &["location ~ ^/x%41$ {", "location ~ \"^/q\\\"r$\" {", "return 301 https://h.test/q?;"],
        &[],
    ),
    (
        r"location ~ ^/u/(\d+|me) { rewrite ^/u/(.*)$ /v/$1 permanent; } location ~* ^/b$ { return 403; }
          location /Long/ { location ~ \.X$ { return 403; } return 301 https://h.test/l; }",
        &["location ~ ^/u/(\\d+|me) {\n        rewrite ^/u/(.*)$ /v/$1 permanent;", "location ~* ^/b$ {"],
        &[],
    ),
    (
        r"location ^~ /p { return 403; } location ~ ^/P { return 302 https://h.test/P; }
          location ~ ^/new/(.*)$ { if ($arg_x) { return 302 https://h.test/q; } return 303 https://h.test/z; }
          location ~ ^/old/(.*)$ { rewrite ^ /new/ last; }",
        &[
            "        if ($arg_x) {\n            return 302 https://h.test/q;\n        }\n        return 303 https://h.test/z;",
        ],
        &["map "],
    ),
    (
        r"rewrite ^/a/?$ /b permanent; rewrite ^/c/(.*)$ /d/$1 permanent; rewrite ^/e$ /f last;
          location ~ ^/(?!(dist/|dist$)) { rewrite ^ https://$host$uri permanent; } location = /f { return 302 /g; }",
        &[
            "    rewrite ^/a/?$ /b permanent;\n    rewrite ^/c/(.*)$ /d/$1 permanent;\n    rewrite ^/e$ /f last;\n",
            "rewrite ^ https://$host$uri permanent;",
        ],
        &[],
    ),
    (
        "location ~ ^/x/(.*)$ { return 301 /y/$1; } location / { return 302 /home; }",
        &["        if ($uri ~ \"[\\x01-\\x09\\x0b-\\x1f\\x7f]\") {"],
        &["    if ($uri ~ \"[[:cntrl:]]\")"],
    ),
    // A path that is any is nothing to ask beside a field: a pattern for it would fit none with a line feed.
    (
        "if ($http_user_agent ~ (bot|spider)) { return 302 https://h.test/$1; } location /x { return 301 https://x.test/; }",
        &["    if ($http_user_agent ~ \"(bot|spider)\") {\n        return 302 https://h.test/$1;"],
        &["map "],
    ),
    (
        r"location /x { if ($http_user_agent ~ (bot|spider)) { return 302 https://h.test/$1; } return 301 https://x.test/; }
          location ~ \.php$ { if ($http_user_agent ~ ^a.(b)) { return 303 https://p.test/$1; } return 308 /php; }",
        &["        if ($http_user_agent ~ \"(bot|spider)\") {\n            return 302 https://h.test/$1;"],
        &["map "],
    ),
    // A variable that a pattern makes of the path would take the place of the groups beside it.
    (
        "location ~ ^/u/(.*)$ { if ($arg_x = 1) { return 302 https://h.test/$1$request_uri; } return 302 /home; }",
        &["https://h.test/$1$request_uri;"],
        &["$request_path"],
    ),
    (
        r"location ~ (^/a|/b[[:digit:]^a])/([^%]*)$ { if ($arg_x = 1) { return 302 https://h.test/$2; } return 302 /home; }",
        &["((?<=^1:)/a|/b[[:digit:]^a])"],
        &[],
    ),
];

/// What stands beside the path of each request.
const FIELDS: &[&str] = &["", " [User-Agent: a bot]"];

const PATHS: &[&str] = &[
    "/",
    "/secret",
    "/a/.git",
    "/conf",
    "/conf/",
    "/foo",
    "/a/foo",
    "/a.php",
    "/z/a.cgi",
    "/z/a",
    "/up/a.php",
    "/x%2541",
    "/xA",
    "/q%22r",
    "/q",
    "/u/7",
    "/u/me/x",
    "/b",
    "/B",
    "/Long/a",
    "/Long/a.X",
    "/p",
    "/P",
    "/pq",
    "/new/a",
    "/old/a",
    "/a",
    "/a/",
    "/c/x",
    "/e",
    "/dist",
    "/dist/x",
    "/x/a",
    "/b=/q/b5/z",
];

fn loaded(text: &str) -> Loaded {
    let files = MemoryFiles::new([("nginx.conf", text)]);
    let mut options = LoadOptions::default();
    options.foreign.purpose = Purpose::Writing;
    load(&files, &["nginx.conf".as_ref()], &options)
}

#[test]
fn every_request_is_answered_as_before_also_with_line_feeds() {
    let format = Format::named("nginx").expect("a format");
    let mut asked = 0;
    for (body, there, not_there) in FILES {
        let before = loaded(&format!("server {{ listen 80; server_name a.test; {body} }}\n"));
        let written = write(&before, format).expect("rules and a writer");
        assert_eq!((written.remarks.approximated, written.remarks.refused), (0, 0), "{body}\n{}", written.text);
        there.iter().for_each(|line| assert!(written.text.contains(line), "{line}\n{}", written.text));
        not_there.iter().for_each(|line| assert!(!written.text.contains(line), "{line}\n{}", written.text));
        let after = loaded(&written.text);
        let (before, after) = (before.rules.as_ref().expect("rules"), after.rules.as_ref().expect(&written.text));
        for path in PATHS {
            // No escape is torn apart.
            let (begin, end) = path.split_at(path.find('%').unwrap_or(path.len() / 2 + 1));
            let odd = ["%0A", "%0A%0A", "/", "?", "?x=1", "?x=0", "x", ".php"].map(|tail| format!("{path}{tail}"));
            let inside = [format!("{begin}%0A{end}"), format!("/%0A{path}"), format!("/%0A{path}%0A")];
            let urls = odd.into_iter().chain(inside).chain([(*path).to_owned()]);
            for url in urls.flat_map(|url| FIELDS.iter().map(move |field| format!("{url}{field}"))) {
                let case = Case::parse(&format!("GET http://a.test{url} -> pass")).expect("a case");
                let decide = |rules| case.decide(rules, NOW, &mut Scratch::new()).0;
                let said: [Expected; 2] = [decide(before), decide(after)];
                let [before, after] = said.map(|said| format!("{said:?}"));
                asked += 1;
                // What would end the field that it is sent in is refused, by the name of `control-bytes`.
                if after != "Reply(400)" || !before.contains("%0A") {
                    assert_eq!(before, after, "{url}\n{body}\n{}", written.text);
                }
            }
        }
    }
    assert_eq!(asked, FILES.len() * PATHS.len() * FIELDS.len() * 12);
}

const NOW: i64 = 1_767_225_600;

#[test]
fn hosts_without_rules_have_servers_of_their_own() {
    let text = "events {} http { server { listen 8080; server_name a.test; return 301 https://a.test$request_uri; }
        server { listen 8080; server_name b.test; root /srv; }
        server { listen 8080 default_server; server_name z.test; return 302 https://h.test/; } }\n";
    let loaded = loaded(text);
    let written = write(&loaded, Format::named("nginx").expect("a format")).expect("rules and a writer");
    for server in [
        "    listen 8080 default_server;\n    server_name z.test;\n    return 302 https://h.test/;\n",
        "    listen 8080;\n    server_name b.test;\n}\n",
        "    listen 8080;\n    server_name a.test;\n    return 301 https://a.test$request_uri;\n",
    ] {
        assert!(written.text.contains(server), "{server}\n{}", written.text);
    }
}
