//! What redirects are used for, with real clients: an API that moves, places, splits. A body goes through each, and the server
//! that receives it says what arrived.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::time::Duration;

use byway_testkit::mmdb::{Value, file};
use byway_testkit::testbed;

use crate::running::{Running, put, text};

/// How long is waited for what must arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// What arrived.
#[derive(Debug)]
struct Arrived {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Arrived {
    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// A server that receives: it shows a page at `/page`, answers preflights, and tells what arrived.
struct Receiver {
    base: String,
    arrived: Channel<Arrived>,
}

impl Receiver {
    fn start(page: String, allows: &'static str) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, arrived) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, tell) = (page.clone(), tell.clone());
                // Browsers open connections and say nothing on them.
                std::thread::spawn(move || receive(stream, &page, allows, &tell));
            }
        });
        Receiver { base, arrived }
    }

    /// The next request of this method.
    fn next(&self, method: &str) -> Arrived {
        loop {
            let arrived = self.arrived.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {method} arrived"));
            if arrived.method == method {
                return arrived;
            }
        }
    }
}

fn receive(mut stream: TcpStream, page: &str, allows: &str, tell: &Sender<Arrived>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut fields = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut arrived = Arrived { method, target, fields, body: Vec::new() };
    let length = arrived.field("content-length").parse().unwrap_or(0);
    arrived.body = vec![0; length];
    reader.read_exact(&mut arrived.body).expect("a whole body");
    let body = if arrived.target == "/page" { page } else { "it arrived" };
    let cors = match allows {
        "" => String::new(),
        origin => format!(
            "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Headers: content-type\r\nAccess-Control-Allow-Methods: POST\r\n"
        ),
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n{cors}\r\n{body}",
        body.len()
    );
    // A browser that has gone away has seen enough.
    let _ = stream.write_all(answer.as_bytes());
    let _ = tell.send(arrived);
}

/// A database in which this machine is in a country.
fn places(country: &'static str) -> Vec<u8> {
    let record = Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(country))]))]);
    file("made up", 1_800_000_000, &[("127.0.0.0/8", record)])
}

fn run(program: &Path, arguments: &[&str]) -> String {
    let done = Command::new("timeout").arg("90").arg(program).args(arguments).output().expect("it runs");
    text(&done.stdout) + &text(&done.stderr)
}

/// A browser at a page, and what the page holds in the end.
fn browse(chromium: &Path, url: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
    let more =
        ["--disable-component-update", "--disable-sync", "--virtual-time-budget=5000", "--dump-dom", &profile, url];
    run(chromium, &[&fixed[..], &more[..]].concat())
}

/// Rules for each of the uses, all of which lead to the receiver.
fn rules(to: &str) -> String {
    format!(
        r#"
[geo]
database = "places.mmdb"
max_age  = "36500d"

[split.form]
by       = "address"
variants = {{ b = "100%" }}
exposure = "X-Variant"

[[redirect]]
from      = "/api/v1/*"
to        = "{to}/api/v2/*"
successor = "{to}/api/v2"

[[redirect]]
from     = "/entry"
to       = "{to}/at/entry"
when     = {{ country = "AT" }}
override = "cookie:region"

[[redirect]]
from    = "/form"
to      = "{to}/form-b"
split   = "form"
variant = "b"
"#
    )
}

#[test]
fn every_client_gets_its_body_through_every_use() {
    let receiver = Receiver::start(String::new(), "");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("places.mmdb"), places("AT")).expect("a file");
    put(folder.path(), "byway.toml", &rules(&receiver.base));
    let server = Running::start(folder.path(), &[]);
    let uses = [
        ("/api/v1/orders?a=1&b=%20", "/api/v2/orders?a=1&b=%20"),
        ("/entry?q", "/at/entry?q"),
        ("/form?x=1", "/form-b?x=1"),
    ];
    let arrives = |wanted: &str, media_type: &str, body: &str, who: &str| {
        let arrived = receiver.next("POST");
        assert_eq!(arrived.target, wanted, "{who}");
        assert!(arrived.field("content-type").starts_with(media_type), "{who}: {arrived:?}");
        assert_eq!(String::from_utf8_lossy(&arrived.body), body, "{who}");
    };
    for (from, to) in uses {
        let url = format!("{}{from}", server.base);
        if let Some(curl) = testbed::find("curl") {
            let json = "Content-Type: application/json";
            run(&curl, &["-sSL", "--noproxy", "*", "-H", json, "--data-binary", "{\"by\":\"curl\"}", &url]);
            arrives(to, "application/json", "{\"by\":\"curl\"}", "curl");
        }
        if let Some(python) = testbed::find("requests") {
            let program = format!(
                "import requests; s = requests.Session(); s.trust_env = False; \
                 print(s.post({url:?}, json={{'by': 'python'}}).status_code)"
            );
            let said = run(&python, &["-c", &program]);
            arrives(to, "application/json", "{\"by\": \"python\"}", &said);
        }
        if let Some(node) = testbed::find("node") {
            let program = format!(
                "fetch({url:?}, {{ method: 'POST', headers: {{ 'content-type': 'application/json' }}, body: '{{\"by\":\"node\"}}' }})\
                 .then(answer => answer.text()).then(console.log)"
            );
            let said = run(&node, &["-e", &program]);
            arrives(to, "application/json", "{\"by\":\"node\"}", &said);
        }
        if let Some(chromium) = testbed::find("chromium") {
            let page = format!(
                "<!doctype html><form id=form method=post action=\"{url}\"><input name=item value=kettle></form>\
                 <script>document.getElementById('form').submit()</script>"
            );
            let shop = Receiver::start(page, "");
            let shown = browse(&chromium, &format!("{}/page", shop.base));
            assert!(shown.contains("it arrived"), "{shown}");
            arrives(to, "application/x-www-form-urlencoded", "item=kettle", "chromium");
        }
    }
}

#[test]
fn a_page_follows_from_one_origin_over_another_to_a_third_that_allows_null() {
    let Some(chromium) = testbed::find("chromium") else { return };
    for (allows, outcome) in [("null", "said: it arrived"), ("https://app.example.com", "failed")] {
        let third = Receiver::start(String::new(), allows);
        let folder = tempfile::tempdir().expect("a folder");
        // The page is written once the second origin is known, so it asks for its address in its query.
        let page = "<!doctype html><p id=p>waiting</p><script>fetch(location.hash.slice(1), { method: 'POST', \
                    headers: { 'content-type': 'application/json' }, body: '{\"a\":1}' })\
                    .then(answer => answer.text()).then(text => p.textContent = 'said: ' + text, \
                    () => p.textContent = 'failed')</script>";
        let first = Receiver::start(page.to_owned(), "");
        let rule = format!(
            "[[redirect]]\nfrom = \"/api/*\"\nto = \"{}/v2/*\"\n\
             cors = {{ origins = [\"{}\"], headers = [\"content-type\"] }}\n",
            third.base, first.base
        );
        put(folder.path(), "byway.toml", &rule);
        let server = Running::start(folder.path(), &[]);
        let shown = browse(&chromium, &format!("{}/page#{}/api/orders", first.base, server.base));
        assert!(shown.contains(outcome), "{allows}: {shown}");
        let asked = third.next("OPTIONS");
        assert_eq!((asked.field("origin"), asked.target.as_str()), ("null", "/v2/orders"));
        if allows == "null" {
            let arrived = third.next("POST");
            assert_eq!((arrived.field("origin"), arrived.body.as_slice()), ("null", &b"{\"a\":1}"[..]));
        }
    }
}

#[test]
fn preflights_and_fields_are_the_same_in_both_protocols() {
    let Some(curl) = testbed::find("curl") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let rule = "[[redirect]]\nfrom = \"/v1/*\"\nto = \"/v2/*\"\nsuccessor = \"/v2\"\nsunset = 2030-01-01T00:00:00Z\n\
                cors = { origins = [\"https://a.example\"], credentials = true, max_age = \"10m\" }\n";
    put(folder.path(), "byway.toml", rule);
    let server = Running::start(folder.path(), &[]);
    let url = format!("{}/v1/x", server.base);
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let asked = |more: &[&str]| {
            let fixed = ["-sSi", "--noproxy", "*", protocol, &url];
            run(&curl, &[&fixed[..], more].concat()).to_ascii_lowercase()
        };
        let answer = asked(&["-X", "POST", "-d", "x", "-H", "Origin: https://a.example"]);
        for line in [
            "location: /v2/x\r",
            "vary: origin\r",
            "access-control-allow-origin: https://a.example\r",
            "access-control-allow-credentials: true\r",
            "sunset: tue, 01 jan 2030 00:00:00 gmt\r",
            "link: </v2>; rel=\"successor-version\"\r",
        ] {
            assert!(answer.contains(line), "{protocol} {line}: {answer}");
        }
        let asks = ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST", "-H"];
        let preflight = asked(&[&asks[..], &["Origin: https://a.example"]].concat());
        assert!(preflight.contains(" 204"), "{preflight}");
        assert!(preflight.contains("access-control-max-age: 600\r"), "{preflight}");
        assert!(!preflight.contains("location:") && !preflight.contains("content-length:"), "{preflight}");
        let foreign = asked(&[&asks[..], &["Origin: https://evil.example"]].concat());
        assert!(foreign.contains(" 204") && !foreign.contains("access-control-"), "{foreign}");
    }
}

#[test]
fn a_replaced_database_is_taken_up_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let replace = |bytes: &[u8]| {
        fs::write(folder.path().join("places.new"), bytes).expect("a file");
        fs::rename(folder.path().join("places.new"), folder.path().join("places.mmdb")).expect("a name");
    };
    replace(&places("AT"));
    put(folder.path(), "byway.toml", &rules("https://example.com"));
    let server = Running::start(folder.path(), &[]);
    assert_eq!(server.gets("GET", "/entry"), "307 https://example.com/at/entry");
    replace(&places("FR"));
    server.wait_for("places are of ");
    assert_eq!(server.gets("GET", "/entry"), "404");
    replace(&places("AT"));
    server.wait_for("places are of ");
    assert_eq!(server.gets("GET", "/entry"), "307 https://example.com/at/entry");
    replace(b"this is no database");
    server.wait_for("stay in service (1 refused so far)");
    assert_eq!(server.gets("GET", "/entry"), "307 https://example.com/at/entry");
}

#[test]
fn a_first_visit_is_given_a_cookie_and_the_next_is_known_by_it() {
    let Some(curl) = testbed::find("curl") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let rule = "[split.form]\nby = \"cookie:form\"\nvariants = { b = \"50%\" }\ncontrol = \"a\"\nexposure = \"X-Variant\"\n\
                [[redirect]]\nfrom = \"/form\"\nto = \"/form-b\"\nsplit = \"form\"\nvariant = \"b\"\n";
    put(folder.path(), "byway.toml", rule);
    let server = Running::start(folder.path(), &["--access-log", "log", "--access-log-format", "json"]);
    let url = format!("{}/form", server.base);
    let asked = |more: &[&str]| run(&curl, &[&["-sSi", "--noproxy", "*", &url][..], more].concat());
    let mut counts = [0, 0];
    for _ in 0..60 {
        let first = asked(&[]);
        let variant = if first.contains("X-Variant: b\r") { "b" } else { "a" };
        counts[usize::from(variant == "b")] += 1;
        let cookie = format!("Set-Cookie: form={variant}; Path=/; Secure; HttpOnly; SameSite=Lax\r\n");
        assert!(first.contains(&cookie) && first.contains("Cache-Control: no-store\r"), "{first}");
        assert_eq!(first.contains("HTTP/1.1 307"), variant == "b", "{first}");
    }
    // Both sides of a fair coin, thrown sixty times: missed once in 10^12.
    assert!(counts[0] >= 5 && counts[1] >= 5, "{counts:?}");
    let again = asked(&["-H", "Cookie: form=b"]);
    assert!(again.contains("HTTP/1.1 307") && !again.contains("Set-Cookie"), "{again}");
    let foreign = asked(&["-d", "x=1", "-H", "Origin: https://evil.example"]);
    assert!(foreign.contains("HTTP/1.1 404") && !foreign.contains("Set-Cookie") && !foreign.contains("X-Variant"));
    assert!(server.end("TERM").success());
    let log = fs::read_to_string(folder.path().join("log")).expect("the log");
    assert_eq!(log.lines().filter(|line| line.contains(r#""split":"form="#)).count(), 61, "{log}");
}
