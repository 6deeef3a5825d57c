//! The admin API: what it answers, to whom, and what it refuses.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use byway_net::{Ask, Limits, Transport};
use serde_json::{Value, json};

use crate::running::{Asked, Running, ask_of, byway, put, text};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const RULES: &str = r#"
[[redirect]]
id = "moved"
from = "/api/v1/*"
to = "/api/v2/*"
owner = "Web Team"

[[redirect]]
from = "/a"
to = "/b"

[[reply]]
from = "/gone"
status = 410
"#;

/// What the API answers on the socket.
fn told(folder: &Path, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let mut stream = UnixStream::connect(folder.join("control.sock")).expect("a socket");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n");
    let sent = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(sent.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head[9..12].parse().expect("a status"), serde_json::from_str(body).expect("JSON"))
}

fn serving(folder: &Path) -> Running {
    put(folder, "byway.toml", RULES);
    Running::start(folder, &["--control", "control.sock"])
}

#[test]
fn rules_are_searched_and_paged_with_their_hits() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serving(folder.path());
    server.gets("POST", "/api/v1/x");
    let get = |target: &str| told(folder.path(), "GET", target, &Value::Null);
    let (status, all) = get("/v1/rules");
    assert_eq!((status, &all["total"], all["rules"].as_array().map(Vec::len)), (200, &3.into(), Some(3)));
    let (_, page) = get("/v1/rules?offset=1&limit=1");
    assert_eq!((&page["total"], &page["rules"][0]["from"]), (&3.into(), &"/a".into()));
    let (_, found) = get("/v1/rules?search=WEB+team");
    assert_eq!((&found["total"], &found["rules"][0]["identity"]), (&1.into(), &"moved".into()));
    assert_eq!(found["rules"][0]["hits"], json!({ "total": 1, "by_method": { "post": 1 } }));
    assert_eq!(get("/v1/rules/moved").1["rules"][0]["to"], "/api/v2/*");
    assert_eq!(get("/v1/hits").1["hits"][0]["identity"], "moved");
    assert_eq!(get("/v1/status").1["rules"], 3);
    for (target, status) in [
        ("/v1/rules/none", 404),
        ("/v1/rules?limit=0", 400),
        ("/v1/rules?limit=1&limit=2", 400),
        ("/v1/rules?colour=red", 400),
        ("/v1/rules?search=%ff", 400),
        ("/v1/nothing", 404),
        ("/", 404),
        ("/v1/reload", 405),
    ] {
        assert_eq!(get(target).0, status, "{target}");
    }
}

#[test]
fn what_a_request_gets_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let _server = serving(folder.path());
    let explain = |body: Value| told(folder.path(), "POST", "/v1/explain", &body);
    let (status, said) = explain(json!({ "method": "POST", "url": "https://example.com/api/v1/x?a=1" }));
    assert_eq!((status, &said["decision"]["location"]), (200, &"/api/v2/x?a=1".into()));
    assert_eq!(said["rule"]["identity"], "moved");
    let (status, said) =
        explain(json!({ "url": "/nothing", "headers": { "Cookie": "a=b" }, "at": "2027-03-01T00:00Z" }));
    assert_eq!((status, &said["decision"]["outcome"]), (200, &"pass".into()));
    for body in [
        json!({}),
        json!({ "url": 1 }),
        json!({ "url": "/a b" }),
        json!({ "url": "/", "method": "a b" }),
        json!({ "url": "/", "address": "here" }),
        json!({ "url": "/", "at": "soon" }),
        json!({ "url": "/", "colour": "red" }),
        json!({ "url": "/", "headers": { "a": 1 } }),
        json!([]),
    ] {
        let (status, said) = explain(body.clone());
        assert_eq!(status, 400, "{body}");
        assert!(said["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{said}");
    }
}

#[test]
fn a_reload_says_what_changed_and_who_asked_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serving(folder.path());
    let mode = std::fs::metadata(folder.path().join("control.sock")).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, said) = told(folder.path(), "POST", "/v1/reload", &Value::Null);
    assert_eq!((status, &said["exit"], &said["generation"]), (200, &0.into(), &2.into()));
    let line = server.wait_for("admin: POST /v1/reload by uid ");
    assert!(line.contains(", pid ") && line.ends_with("Z: 200"), "{line}");
    put(folder.path(), "byway.toml", "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n");
    assert_eq!(told(folder.path(), "POST", "/v1/reload", &json!({ "force": false })).0, 409);
    assert_eq!(told(folder.path(), "POST", "/v1/reload", &json!({ "force": 1 })).0, 400);
    assert_eq!(told(folder.path(), "POST", "/v1/reload", &json!({ "force": true })).0, 200);
    put(folder.path(), "byway.toml", "[[redirect]]\n");
    let (status, said) = told(folder.path(), "POST", "/v1/reload", &Value::Null);
    assert_eq!((status, &said["exit"]), (422, &2.into()));
    assert!(said["text"].as_str().is_some_and(|text| text.contains("byway.toml:1")), "{said}");
    let asked = byway(folder.path(), &["reload", "--control", "control.sock", "--json"]);
    assert_eq!(asked.status.code(), Some(2));
    assert_eq!(serde_json::from_slice::<Value>(&asked.stdout).expect("JSON")["exit"], 2);
    assert!(server.end("TERM").success());
    assert!(!folder.path().join("control.sock").exists());
}

#[test]
fn on_tcp_the_token_the_host_and_no_page() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "admin.token", &format!("{TOKEN}\n"));
    let admin = "[admin]\nlisten = \":0\"\ntoken_file = \"admin.token\"\nhosts = [\"admin.example\"]\n";
    put(folder.path(), "byway.toml", &format!("{admin}{RULES}"));
    let server = Running::start(folder.path(), &[]);
    let base = server.wait_for("admin on http://127.0.0.1:").replace("admin on ", "");
    let bearer = format!("Bearer {TOKEN}");
    let ask = |fields: &[(&str, &str)]| -> Asked { ask_of(&base, "GET", "/v1/status", fields, "") };
    assert_eq!(ask(&[("Authorization", &bearer)]).status, 200);
    assert_eq!(ask(&[("Authorization", &bearer), ("Host", "admin.example")]).status, 200);
    assert_eq!(ask(&[("Authorization", &bearer), ("Host", "evil.example")]).status, 421);
    assert_eq!(ask(&[("Authorization", &bearer), ("Origin", "http://127.0.0.1")]).status, 403);
    assert_eq!(ask(&[]).status, 401);
    assert_eq!(ask(&[("Authorization", &format!("Bearer {TOKEN}0"))]).status, 401);
    assert_eq!(ask(&[("Authorization", &format!("Basic {TOKEN}"))]).status, 401);
    let reload = |kind: &str| {
        ask_of(&base, "POST", "/v1/reload", &[("Authorization", &bearer), ("Content-Type", kind)], "{}").status
    };
    assert_eq!((reload("text/plain"), reload("application/json; charset=utf-8")), (415, 200));
    let long = "x".repeat(70_000);
    assert_eq!(ask_of(&base, "POST", "/v1/explain", &[("Authorization", &bearer)], &long).status, 413);
}

#[test]
fn pools_and_windows_are_moved_and_who_did_it_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "[pool.p]\nmembers = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]\n\n\
                 [window.w]\nfrom = 2020-01-01T00:00:00Z\nuntil = 2020-01-01T01:00:00Z\n\n\
                 [[redirect]]\nfrom = \"/c\"\nto = \"/d\"\npool = \"p\"\n\n\
                 [[reply]]\nfrom = \"/m\"\nstatus = 503\nwindow = \"w\"\n";
    put(folder.path(), "byway.toml", rules);
    let server = Running::start(folder.path(), &["--control", "control.sock"]);
    let ask = |method: &str, target: &str, body: Value| told(folder.path(), method, target, &body);
    let (status, pools) = ask("GET", "/v1/pools", Value::Null);
    assert_eq!((status, &pools[0]["pool"], &pools[0]["members"][1]["up"]), (200, &"p".into(), &true.into()));
    let (status, done) = ask("POST", "/v1/pools/p/drain", json!({ "member": "127.0.0.1:1" }));
    assert_eq!((status, &done["members"], &done["kept"]), (200, &json!(["http://127.0.0.1:1"]), &false.into()));
    let line = server.wait_for("admin: POST /v1/pools/p/drain {\"member\":\"127.0.0.1:1\"} by uid ");
    assert!(line.contains(", pid ") && line.ends_with("Z: 200"), "{line}");
    assert_eq!(server.gets("GET", "/c"), "307 http://127.0.0.1:2/d");
    assert_eq!(ask("POST", "/v1/pools/p/restore", Value::Null).0, 200);
    assert_eq!(server.gets("GET", "/c"), "307 http://127.0.0.1:1/d");
    let (status, opened) = ask("POST", "/v1/maintenance/w/start", json!({ "until": "2099-01-01T00:00Z" }));
    assert_eq!((status, &opened["open"], &opened["ends"]), (200, &true.into(), &"2099-01-01T00:00:00Z".into()));
    server.wait_for("admin: POST /v1/maintenance/w/start {\"until\":\"2099-01-01T00:00Z\"} by uid ");
    assert_eq!(
        (server.gets("GET", "/m"), &ask("GET", "/v1/maintenance", Value::Null).1[0]["open"]),
        ("503".to_owned(), &true.into())
    );
    let (status, closed) = ask("POST", "/v1/maintenance/w/stop", Value::Null);
    assert_eq!((status, &closed["by_hand"]["open"]), (200, &false.into()));
    assert_eq!(server.gets("GET", "/m"), "404");
    for (method, target, body, status) in [
        ("POST", "/v1/pools", Value::Null, 405),
        ("GET", "/v1/pools/p/drain", Value::Null, 405),
        ("POST", "/v1/pools/q/drain", Value::Null, 404),
        ("POST", "/v1/pools/p/drain", json!({ "member": "127.0.0.1:3" }), 404),
        ("POST", "/v1/pools/p/drain", json!({ "member": 1 }), 400),
        ("POST", "/v1/pools/p/drain", json!({ "until": "2099-01-01T00:00Z" }), 400),
        ("POST", "/v1/pools/p/empty", Value::Null, 404),
        ("POST", "/v1/maintenance/w/start", Value::Null, 400),
        ("POST", "/v1/maintenance/w/start", json!({ "until": "2020-01-01T00:00Z" }), 400),
        ("POST", "/v1/maintenance/w/start", json!({ "until": i64::MAX }), 400),
        ("POST", "/v1/maintenance/w/start", json!({ "until": "soon" }), 400),
        ("POST", "/v1/maintenance/v/start", json!({ "until": "2099-01-01T00:00Z" }), 404),
        ("POST", "/v1/maintenance/w/stop", Value::Null, 400),
        ("PUT", "/v1/maintenance", Value::Null, 405),
    ] {
        let (got, said) = ask(method, target, body.clone());
        assert_eq!(got, status, "{method} {target} {body}: {said}");
    }
}

#[test]
fn other_machines_reach_it_over_tls_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "admin.token", TOKEN);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    put(folder.path(), "admin.pem", &made.cert.pem());
    put(folder.path(), "admin.key", &made.signing_key.serialize_pem());
    let admin = "[admin]\nlisten = \"0.0.0.0:0\"\ntoken_file = \"admin.token\"\n\
                 tls = { cert = \"admin.pem\", key = \"admin.key\" }\n";
    put(folder.path(), "byway.toml", &format!("{admin}{RULES}"));
    let server = Running::start(folder.path(), &[]);
    let said = server.wait_for("admin on https://0.0.0.0:");
    let port = said.rsplit(':').next().expect("a port").to_owned();
    let transport = Transport::new("test", Limits::default()).trusting(made.cert.pem().into_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = |scheme: &str, token: &str| {
        let mut ask = Ask::get(format!("{scheme}://localhost:{port}/v1/status").parse().expect("a URL"));
        ask.fields.insert("authorization", format!("Bearer {token}").parse().expect("a value"));
        runtime.block_on(transport.send(ask)).expect("an answer").status
    };
    assert_eq!((ask("https", TOKEN), ask("https", "other"), ask("http", TOKEN)), (200, 401, 400));
    // A certificate that goes bad leaves the old one in use; a new one is shown after a reload.
    put(folder.path(), "admin.key", "nonsense");
    server.wait_for("the certificates in use stay in use");
    assert_eq!(ask("https", TOKEN), 200);
}

#[test]
fn what_would_be_unsafe_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "short", "0123456789abcdef\n");
    put(folder.path(), "good", TOKEN);
    for (admin, said, code) in [
        ("listen = \"0.0.0.0:0\"\ntoken_file = \"good\"", "without TLS", 2),
        ("listen = \"https://127.0.0.1:0\"\ntoken_file = \"good\"", "name a certificate, `tls = {", 2),
        ("listen = \"unix:a.sock\"\ntls = { cert = \"c\", key = \"k\" }", "TLS is not spoken there", 2),
        ("listen = \"[::]:0\"\ntoken_file = \"good\"\ntls = { cert = \"c\", key = \"k\" }", "c is not there", 3),
        ("listen = \":0\"\ntoken_file = \"good\"\ntls = { cert = \"c\" }", "`tls` without `key`", 2),
        ("listen = \"127.0.0.1:0\"", "wants a token", 2),
        ("listen = \"127.0.0.1:0\"\ntoken_file = \"short\"", "too short: it wants 128 bits", 2),
        ("listen = \"127.0.0.1:0\"\ntoken_file = \"none\"", "cannot be read: it is not there", 3),
        ("listen = \"9308x\"\ntoken_file = \"good\"", "no address for the admin API", 2),
    ] {
        put(folder.path(), "byway.toml", &format!("[admin]\n{admin}\n{RULES}"));
        let refused = byway(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(refused.status.code(), Some(code), "{admin}");
        assert!(text(&refused.stderr).contains(said), "{admin}: {}", text(&refused.stderr));
    }
}
