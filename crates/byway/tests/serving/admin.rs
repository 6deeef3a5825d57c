//! The admin API: what it answers, to whom, and what it refuses.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

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
fn what_would_be_unsafe_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "short", "0123456789abcdef\n");
    put(folder.path(), "good", TOKEN);
    for (admin, said, code) in [
        ("listen = \"0.0.0.0:0\"\ntoken_file = \"good\"", "without TLS", 2),
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
