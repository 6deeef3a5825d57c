//! What clients do along chains, as tables: one line is one case.
//!
//! The cases of browsers come from the Fetch and URL Standards. Of curl's, methods, bodies, the limit, the way to another host
//! and back, and most Locations were run by hand against curl 7.88.1 on loopback; the other relations of hosts are from
//! measurements made elsewhere. Where 8.23 is known to differ the row follows 8.23, and the case says so.

use byway_core::chain::{BadLocation, Chain, End};
use byway_core::client::{
    Answer, Asked, Body, CURL, CURL_X, Client, FETCH, FETCH_CORS, PREFLIGHT, Resolution, Step, next,
};
use byway_core::follow::to_rest;
use byway_core::problem::problems;
use url::Url;

const BASE: &str = "https://site.test/dir/page?q=1#f";
const BYTES: Body = Body::Replayable { len: 7 };

fn url(text: &str) -> Url {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ask(method: &str, body: Body) -> Asked {
    Asked::new(method, url("https://a.test/old"))
        .with_body(body)
        .with_field("Content-Type", "text/plain")
        .with_field("Content-Language", "de")
        .with_field("Accept", "text/html")
}

fn step(client: &Client, asked: &Asked, status: u16, location: &str) -> Step {
    next(client, asked, &Answer::redirect(status, location))
}

/// `METHOD`, then what travels with it: `+body`, `+type`.
fn shown(step: Step) -> String {
    match step {
        Step::Stop(end) => end.to_string(),
        Step::Request(asked) => {
            let body = if asked.body.is_some() { " +body" } else { "" };
            let fields = ["content-type", "content-language"].map(|name| asked.field(name).is_some());
            assert!(asked.field("accept").is_some(), "only what describes a body is ever dropped");
            format!("{}{body}{}", asked.method, if fields == [true, true] { " +type" } else { "" })
        }
    }
}

/// The chain of a site that is a list of paths or URLs with their answers; anything else is 200.
fn walk(client: &'static Client, asked: Asked, site: &[(&str, u16, &str)]) -> Chain {
    to_rest(client, asked, |asked| {
        let here = asked.url[..url::Position::AfterQuery].to_owned();
        let found = site.iter().find(|(from, ..)| here == *from || asked.url.path() == *from);
        found.map_or_else(|| Answer::new(200), |(_, status, to)| Answer::redirect(*status, *to))
    })
}

fn get(text: &str) -> Asked {
    Asked::new("GET", url(text))
}

fn ids(chain: &Chain) -> Vec<&'static str> {
    problems(chain).iter().map(|problem| problem.id()).collect()
}

#[test]
fn methods_and_bodies() {
    let cases: &[(&Client, &str, Body, u16, &str)] = &[
        (&FETCH, "POST", BYTES, 301, "GET"),
        (&FETCH, "POST", BYTES, 302, "GET"),
        (&FETCH, "POST", BYTES, 303, "GET"),
        (&FETCH, "POST", BYTES, 307, "POST +body +type"),
        (&FETCH, "POST", BYTES, 308, "POST +body +type"),
        (&FETCH, "PUT", BYTES, 301, "PUT +body +type"),
        (&FETCH, "PATCH", BYTES, 302, "PATCH +body +type"),
        (&FETCH, "PUT", BYTES, 303, "GET"),
        (&FETCH, "DELETE", Body::None, 302, "DELETE +type"),
        (&FETCH, "DELETE", Body::None, 303, "GET"),
        (&FETCH, "HEAD", Body::None, 303, "HEAD +type"),
        (&FETCH, "GET", Body::None, 303, "GET +type"),
        (&FETCH, "HEAD", Body::None, 301, "HEAD +type"),
        (&FETCH, "post", BYTES, 302, "post +body +type"), // methods are case-sensitive
        (&FETCH, "GET", Body::None, 300, "came to rest with 300"),
        (&FETCH, "GET", Body::None, 304, "came to rest with 304"),
        (&FETCH, "POST", BYTES, 305, "came to rest with 305"),
        (&FETCH, "POST", BYTES, 201, "came to rest with 201"),
        (&CURL, "POST", BYTES, 301, "GET +type"),
        (&CURL, "POST", BYTES, 303, "GET +type"),
        (&CURL, "POST", BYTES, 307, "POST +body +type"),
        (&CURL, "POST", BYTES, 399, "POST +body +type"),
        (&CURL, "POST", BYTES, 304, "POST +body +type"),
        (&CURL, "PUT", BYTES, 301, "PUT +body +type"), // -T file
        (&CURL, "PUT", BYTES, 303, "GET +type"),
        (&CURL, "HEAD", Body::None, 303, "HEAD +type"),
        (&CURL, "DELETE", Body::None, 303, "DELETE +type"),
        (&CURL_X, "PUT", BYTES, 301, "PUT +type"),
        (&CURL_X, "PUT", BYTES, 303, "PUT +type"),
        (&CURL_X, "POST", BYTES, 302, "POST +type"),
        (&CURL_X, "DELETE", Body::None, 303, "DELETE +type"),
        (&CURL_X, "FOO", BYTES, 308, "FOO +body +type"),
        (&PREFLIGHT, "OPTIONS", Body::None, 307, "the client does not follow 307 with this method"),
    ];
    for (client, method, body, status, expected) in cases {
        let got = shown(step(client, &ask(method, *body), *status, "/new"));
        assert_eq!(got, *expected, "{}: {method} after {status}", client.name);
    }
}

#[test]
fn streams_cannot_be_sent_twice() {
    let cases: &[(&Client, &str, u16, Option<&str>)] = &[
        (&FETCH, "POST", 307, None),
        (&FETCH, "POST", 301, None), // even where the body would be dropped
        (&FETCH, "POST", 303, Some("GET")),
        (&CURL, "PUT", 301, None), // curl -T -: exit 65
        (&CURL, "PUT", 307, None),
        (&CURL, "PUT", 303, Some("GET +type")),
    ];
    for (client, method, status, expected) in cases {
        match (step(client, &ask(method, Body::Stream), *status, "/new"), expected) {
            (Step::Stop(end), None) => assert_eq!(end, End::BodyCannotReplay { status: *status }),
            (step, expected) => assert_eq!(Some(shown(step).as_str()), *expected, "{} {method} {status}", client.name),
        }
    }
}

#[test]
fn locations_by_the_url_standard() {
    let cases: &[(&[u8], &str)] = &[
        (b"//evil.test", "https://evil.test/"),
        (b"///evil.test", "https://evil.test/"),
        (b"////evil.test/x", "https://evil.test/x"),
        (b"/\\evil.test", "https://evil.test/"),
        (b"/\t/evil.test", "https://evil.test/"),
        (b" //evil.test ", "https://evil.test/"),
        (b"http:evil.test", "http://evil.test/"),
        (b"https:evil.test", "https://site.test/dir/evil.test"),
        (b"/\t/\\evil.test", "https://evil.test/"),
        (b"https:////evil.test", "https://evil.test/"),
        (b"http:/evil.test", "http://evil.test/"),
        (b"https:///evil.test", "https://evil.test/"),
        (b"https://site.test@evil.test/", "https://site.test@evil.test/"),
        (b"https://evil.test\\@site.test/", "https://evil.test/@site.test/"),
        (b"%2f%2fevil.test", "https://site.test/dir/%2f%2fevil.test"),
        (b"/.//evil.test", "https://site.test//evil.test"),
        (b"?x=1", "https://site.test/dir/page?x=1"),
        (b"#n", "https://site.test/dir/page?q=1#n"),
        (b"www.site.test/x", "https://site.test/dir/www.site.test/x"),
        (b"/a b", "https://site.test/a%20b"),
        ("/é".as_bytes(), "https://site.test/%C3%A9"),
        (b"/\xE9", "https://site.test/%E9"),
        (b"/%zz", "https://site.test/%zz"),
        (b"/x/%2e%2e/b", "https://site.test/b"),
        (b"https://0x7f.1/", "https://127.0.0.1/"),
        (b"https://2130706433/", "https://127.0.0.1/"),
        (b"https://127.1/", "https://127.0.0.1/"),
        ("https://evil。test/".as_bytes(), "https://evil.test/"),
        ("https://faß.test/".as_bytes(), "https://xn--fa-hia.test/"),
        (b"https://site.test./", "https://site.test./"),
        (b"./x:y", "https://site.test/dir/x:y"),
        (b"x:y", "x:y"),
        (b"", "https://site.test/dir/page?q=1"),
    ];
    resolve_all(Resolution::UrlStandard, cases);
    for bad in
        [&b"https://evil.test%00.site.test"[..], b"https://ex ample.test/", b"https://a.test:99999/", b"https://[bad"]
    {
        assert_eq!(Resolution::UrlStandard.resolve(&url(BASE), bad), Err(BadLocation::NotAUrl));
    }
}

#[test]
fn locations_by_curl() {
    let cases: &[(&[u8], &str)] = &[
        (b"//b.test/x", "https://b.test/x"),
        (b"///b.test/x", "https://b.test/x"),
        (b"/\\b.test/x", "https://site.test/%5Cb.test/x"), // the bytes `/\` go out; a URL can only say %5C
        (b"\\\\b.test\\x", "https://site.test/dir/%5C%5Cb.test%5Cx"),
        (b"http:/x", "http://x/"),
        (b"HTTP://b.test/", "http://b.test/"),
        (b"http://b.test\\@a.test/x", "http://b.test%5C@a.test/x"),
        (b"/a b?c d", "https://site.test/a%20b?c+d"),
        (b"/\xE9", "https://site.test/%E9"),
        (b"/b/\tx", "https://site.test/b/%09x"), // 8.23; 7.88.1 fails
        (b"/x/%2e%2e/b", "https://site.test/b"), // 8.23; 7.88.1 keeps it
        (b"/x/../b", "https://site.test/b"),
        (b"?x=1", "https://site.test/dir/page?x=1"),
        (b"#n", "https://site.test/dir/page?q=1#n"), // 8.23 asks again; 7.88.1 stops
        (b"/b   ", "https://site.test/b"),
        (b"ftp://b.test/x", "ftp://b.test/x"),
        (b"https://2130706433/", "https://127.0.0.1/"),
    ];
    resolve_all(Resolution::Curl, cases);
    for bad in
        [&b"http:x"[..], b"https:x", b"////b.test/z", b"//12\t7.0.0.1/", b"https://a.test:99999/", b"https://[bad"]
    {
        assert_eq!(Resolution::Curl.resolve(&url(BASE), bad), Err(BadLocation::NotAUrl), "{}", bad.escape_ascii());
    }
}

fn resolve_all(resolution: Resolution, cases: &[(&[u8], &str)]) {
    for (location, expected) in cases {
        let got = resolution.resolve(&url(BASE), location);
        assert_eq!(got.as_ref().map(Url::as_str), Ok(*expected), "{}", location.escape_ascii());
    }
}

#[test]
fn schemes_that_are_followed() {
    for location in
        ["data:text/html,x", "javascript:alert(1)", "file:///etc/passwd", "ftp://b.test/x", "x:y", "mailto:a@b.test"]
    {
        let scheme = location.split(':').next().unwrap_or_default().to_owned();
        assert_eq!(step(&FETCH, &get(BASE), 302, location), Step::Stop(End::SchemeRefused { scheme }));
    }
    assert!(matches!(step(&CURL, &get(BASE), 302, "ftp://b.test/x"), Step::Request(_)));
    assert!(matches!(step(&CURL, &get(BASE), 302, "file:///etc/passwd"), Step::Stop(End::SchemeRefused { .. })));
}

#[test]
fn fetch_across_origins_is_stricter() {
    let page = get("https://a.test/");
    let userinfo = step(&FETCH_CORS, &page, 302, "https://u:p@b.test/");
    assert_eq!(userinfo, Step::Stop(End::BadLocation(BadLocation::Userinfo)));
    assert!(matches!(step(&FETCH, &page, 302, "https://u:p@b.test/"), Step::Request(_)));
    assert_eq!(step(&FETCH_CORS, &page, 302, "http://a.test/"), Step::Stop(End::DowngradeRefused)); // mixed content
}

#[test]
fn location_missing_empty_and_several() {
    let page = get("https://a.test/x");
    assert_eq!(next(&FETCH, &page, &Answer::new(307)), Step::Stop(End::NoLocation { status: 307 }));
    assert_eq!(next(&CURL, &page, &Answer::new(307)), Step::Stop(End::NoLocation { status: 307 }));
    assert_eq!(next(&CURL, &page, &Answer::new(304)), Step::Stop(End::Rested { status: 304 }));
    assert_eq!(step(&CURL, &page, 307, ""), Step::Stop(End::NoLocation { status: 307 }));
    assert_eq!(walk(&FETCH, page.clone(), &[("/x", 307, "")]).end, End::Loop { first: 0 });

    let two = |second: &str| Answer::redirect(307, "/1").with_location(second);
    for client in [&FETCH, &CURL] {
        assert_eq!(next(client, &page, &two("/2")), Step::Stop(End::BadLocation(BadLocation::Several)));
        assert!(matches!(next(client, &page, &two("/1")), Step::Request(_)));
    }
}

#[test]
fn chains_of_statuses() {
    let cases: &[(&'static Client, u16, u16, &str)] = &[
        (&FETCH, 307, 302, "POST POST GET"),
        (&FETCH, 302, 307, "POST GET GET"),
        (&FETCH, 303, 307, "POST GET GET"),
        (&FETCH, 307, 303, "POST POST GET"),
        (&FETCH, 308, 301, "POST POST GET"),
        (&FETCH, 307, 308, "POST POST POST"),
        (&CURL, 307, 302, "POST POST GET"),
        (&CURL, 302, 307, "POST GET GET"),
        (&CURL_X, 302, 307, "POST POST POST"),
    ];
    for (client, one, two, expected) in cases {
        let chain = walk(client, ask("POST", BYTES), &[("/old", *one, "/mid"), ("/mid", *two, "/new")]);
        let methods: Vec<_> = chain.requests().map(|asked| asked.method.as_str()).collect();
        assert_eq!(methods.join(" "), *expected, "{}: {one} then {two}", client.name);
        assert_eq!((chain.end.clone(), chain.redirects()), (End::Rested { status: 200 }, 2));
    }
}

/// a.test → the named URL → back to a.test, and which of the caller's four fields arrive at the second and third.
#[test]
fn credentials_along_the_way() {
    let cases: &[(&'static Client, &str, &str, &str)] = &[
        (&FETCH, "https://a.test/on", "ACPK", "ACPK"),
        (&FETCH, "https://b.test/on", "K", "K"), // not restored
        (&FETCH, "http://a.test/on", "K", "K"),
        (&FETCH, "https://sub.a.test/on", "K", "K"),
        (&FETCH, "https://a.test:8443/on", "K", "K"),
        (&CURL, "https://a.test/on", "ACPK", "ACPK"),
        (&CURL, "https://b.test/on", "PK", "ACPK"), // restored
        (&CURL, "http://a.test/on", "PK", "ACPK"),
        (&CURL, "https://sub.a.test/on", "PK", "ACPK"),
        (&CURL, "https://a.test:8443/on", "PK", "ACPK"),
    ];
    for (client, there, second, third) in cases {
        let names = [("Authorization", "A"), ("Cookie", "C"), ("Proxy-Authorization", "P"), ("X-Api-Key", "K")];
        let asked = names.iter().fold(get("https://a.test/"), |asked, (name, _)| asked.with_field(name, "s3cret"));
        let chain = walk(client, asked, &[("/", 307, there), ("/on", 307, "https://a.test/back")]);
        let arrived: Vec<String> = chain
            .requests()
            .skip(1)
            .map(|asked| {
                names.iter().filter(|(name, _)| asked.field(name).is_some()).map(|(_, letter)| *letter).collect()
            })
            .collect();
        assert_eq!(arrived, [*second, *third], "{} by {there}", client.name);
        assert!(!format!("{chain:?}").contains("s3cret"));
    }
}

#[test]
fn limits_are_counted_in_redirects() {
    let countdown = |client, redirects: usize| {
        to_rest(client, get(&format!("https://a.test/{redirects}")), |asked| match asked.url.path() {
            "/0" => Answer::new(200),
            path => Answer::redirect(302, format!("/{}", path[1..].parse::<usize>().unwrap_or(1) - 1)),
        })
    };
    for (client, limit) in [(&FETCH, 20), (&CURL, 50), (&CURL_X, 50)] {
        assert_eq!(countdown(client, limit).end, End::Rested { status: 200 });
        let over = countdown(client, limit + 1);
        assert_eq!((over.end.clone(), over.redirects()), (End::TooMany { limit }, limit + 1));
        assert_eq!(ids(&over), ["too-long"]);
    }
    assert_eq!(ids(&countdown(&FETCH, 2)), [""; 0]);
    assert_eq!(ids(&countdown(&FETCH, 3)), ["too-long"]);
}

#[test]
fn loops_and_cookies() {
    let chain = walk(&FETCH, get("https://a.test/s"), &[("/s", 302, "/a"), ("/a", 302, "/b"), ("/b", 302, "/a#again")]);
    assert_eq!((chain.end.clone(), chain.hops.len()), (End::Loop { first: 1 }, 3));
    assert_eq!(problems(&chain)[0].to_string(), "hop 2: a loop of 2 redirects begins here");

    let welcome = |asked: &Asked| match asked.cookie() {
        Some(_) => Answer::new(200),
        None => Answer::redirect(302, "/").with_cookie("seen=1; Path=/"),
    };
    assert_eq!(to_rest(&FETCH, get("https://a.test/"), welcome).end, End::Rested { status: 200 });
    assert_eq!(to_rest(&CURL, get("https://a.test/"), welcome).end, End::Loop { first: 0 }); // no jar without -b

    let put = walk(&FETCH, ask("POST", BYTES), &[("/old", 303, "/old")]);
    assert_eq!(put.end, End::Loop { first: 1 }, "POST then GET of the same URL is not yet a loop; GET then GET is");
}

#[test]
fn urls_that_grow() {
    for (from, by) in [("/x", "/x"), ("/", "en/"), ("/?a", "&a")] {
        let chain = to_rest(&FETCH, get(&format!("https://a.test{from}")), |asked| {
            let here = &asked.url[url::Position::BeforePath..url::Position::AfterQuery];
            Answer::redirect(302, format!("{here}{by}"))
        });
        assert_eq!(chain.end, End::TooMany { limit: 20 });
        assert_eq!(ids(&chain), ["growing"]);
    }
}

#[test]
fn fragments() {
    let cases: &[(&'static Client, &str, &str)] = &[
        (&FETCH, "/b", "https://a.test/b#f"),
        (&FETCH, "/b#g", "https://a.test/b#g"),
        (&FETCH, "/b#", "https://a.test/b#"), // an empty one stops it
        (&CURL, "/b", "https://a.test/b"),
    ];
    for (client, location, expected) in cases {
        let Step::Request(asked) = step(client, &get("https://a.test/#f"), 302, location) else { panic!("{location}") };
        assert_eq!(asked.url.as_str(), *expected, "{}", client.name);
    }
}

#[test]
fn problems_have_one_definition_each() {
    let posted = || ask("POST", BYTES);
    let cases: &[(&'static Client, Asked, u16, &str, &[&str])] = &[
        (&FETCH, posted(), 307, "/new", &[]),
        (&FETCH, posted(), 303, "/new", &[]), // what 303 is for
        (&FETCH, posted(), 302, "/new", &["method-lost"]),
        (&CURL_X, posted(), 302, "/new", &["body-lost"]),
        (&FETCH, posted(), 307, "https://b.test/", &["body-elsewhere"]),
        (&FETCH, posted(), 307, "http://a.test/", &["downgrade", "body-elsewhere"]),
        (&FETCH, Asked::new("POST", url("http://a.test/old")).with_body(BYTES), 307, "https://a.test/", &[]), // an upgrade
        (
            &FETCH,
            get("https://a.test/old").with_field("X-Api-Key", "k"),
            307,
            "https://b.test/",
            &["credentials-elsewhere"],
        ),
        (&FETCH, get("https://a.test/old").with_field("Authorization", "k"), 307, "https://b.test/", &[]), // it is dropped
        (&FETCH, get("https://a.test/old#f"), 302, "https://b.test/", &["fragment-disclosed"]),
        (&FETCH, get("https://a.test/old#f"), 302, "https://b.test/#", &[]),
        (&FETCH, get("https://a.test/old#f"), 302, "https://b.test/#g", &[]),
        (&FETCH, get("https://a.test/old"), 302, "https://a.test@b.test/", &["userinfo-in-location"]),
        (&FETCH, get("https://a.test/old"), 302, "www.a.test/x", &["missing-scheme"]),
        (&FETCH, get("https://a.test/old"), 302, "a.test/x", &["missing-scheme"]),
        (&FETCH, get("https://a.test/old"), 302, "other.test:8080/x", &["missing-scheme"]),
        (&FETCH, get("https://a.test/old"), 302, "index.html", &[]),
        (&FETCH, get("https://a.test/old"), 302, "mailto:x@a.test", &["not-http"]),
        (&CURL, get("https://a.test/old"), 302, "ftp://a.test/", &["not-http"]),
        (&FETCH, get("https://a.test/old"), 302, "///b.test", &["clients-disagree"]),
        (&FETCH, get("https://a.test/old"), 302, "https://[bad", &["bad-location"]),
        (&FETCH, get("https://a.test/old"), 201, "www.a.test/x", &[]), // no redirect, so none of our business
        (&FETCH, ask("POST", Body::Stream), 307, "/new", &["body-cannot-replay"]),
        (&PREFLIGHT, ask("OPTIONS", Body::None), 307, "/new", &["not-followed"]),
        (&FETCH, get("https://a.test/old"), 307, "#n", &["loop"]), // the same document
    ];
    for (client, asked, status, location, expected) in cases {
        let chain = walk(client, asked.clone(), &[("/old", *status, location)]);
        assert_eq!(ids(&chain), *expected, "{}: {} {status} {location}", client.name, asked.method);
    }
}

#[test]
fn problems_never_quote_what_may_be_secret() {
    let asked = get("https://a.test/old?token=s3cret#s3cret").with_field("X-Api-Key", "s3cret");
    let chain = walk(&FETCH, asked, &[("/old", 307, "http://u:s3cret@b.test/x?key=s3cret")]);
    let said: Vec<String> = problems(&chain).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(!said.join(" ").contains("s3cret"), "{said:?}");
}
