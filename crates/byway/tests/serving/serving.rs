//! What a server does from its first line to its last.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;

use byway_testkit::testbed;

use crate::running::{Running, put};

const RULES: &str = "[[redirect]]\nfrom = \"/api/v1/*\"\nto = \"/api/v2/*\"\n\n\
                     [[redirect]]\nid = \"old\"\nfrom = \"/old\"\nto = \"https://www.example.com/new\"\nstatus = 301\n";

#[test]
fn a_post_with_curl_is_told_307_and_may_go_on() {
    let Some(curl) = testbed::find("curl") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let server = Running::start(folder.path(), &[]);
    let body = "x".repeat(100_000);
    put(folder.path(), "body", &body);
    let said = Command::new(curl)
        .args(["--silent", "--noproxy", "*", "--max-time", "30", "-o", "/dev/null", "--data-binary", "@body"])
        .args(["-w", "%{http_code} %{redirect_url} %{size_upload}"])
        .arg(format!("{}/api/v1/orders?id=7", server.base))
        .current_dir(folder.path())
        .output()
        .expect("curl runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let wanted = format!("307 {}/api/v2/orders?id=7 ", server.base);
    assert!(said.starts_with(&wanted), "{said}");
}

#[test]
fn the_settings_of_the_file_hold_unless_the_command_line_says_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "[server]\nlisten = \"127.0.0.1:1\"\nunmatched = 410\nworkers = 1\n\n[server.limits]\nrequest_line = \"1KiB\"\n\n";
    put(folder.path(), "byway.toml", &format!("{settings}{RULES}"));
    let server = Running::start(folder.path(), &[]);
    assert_eq!(server.gets("GET", "/nothing"), "410");
    assert_eq!(server.gets("GET", &format!("/{}", "a".repeat(2_000))), "414");
    assert_eq!(server.gets("GET", "/old"), "301 https://www.example.com/new");
}

#[test]
fn every_listener_is_said_and_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let server = Running::start(folder.path(), &["--listen", "[::1]:0", "--listen", "unix:byway.sock"]);
    server.wait_for("serving 2 rules");
    let mut stream = UnixStream::connect(folder.path().join("byway.sock")).expect("the socket");
    stream.write_all(b"GET /old HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
}

#[test]
fn a_request_without_a_host_gets_no_url_without_one() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "nginx.conf", "server { listen 80; location = /old { return 307 /new; } }");
    let server = Running::start(folder.path(), &["nginx.conf"]);
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection");
    stream.write_all(b"GET /old HTTP/1.0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("\r\nLocation: /new\r\n"), "{answer}");
}

#[test]
fn sigterm_finishes_and_exits_with_0_although_a_connection_is_open() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "byway.toml", RULES);
        let server = Running::start(folder.path(), &["--control", "control.sock"]);
        let mut idle = TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection");
        idle.write_all(b"GET /old HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        let mut piece = [0; 1024];
        assert!(idle.read(&mut piece).expect("an answer") > 0);
        assert_eq!(server.end(signal).code(), Some(0));
        assert!(!folder.path().join("control.sock").exists(), "the control socket is left behind");
    }
}

#[test]
fn the_demonstration_does_what_it_explains() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(folder.path(), &["--demo"]);
    server.wait_for("curl -i -d item=kettle http://127.0.0.1:");
    let page = server.ask("GET", "/");
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("action=\"/api/v1/orders?from=form\"") && page.body.contains(&server.base),
        "{}",
        page.body
    );
    assert_eq!(server.gets("POST", "/api/v1/orders?from=form"), "307 /api/v2/orders?from=form");
    assert!(
        server
            .ask_with("POST", "/api/v2/orders", &[], "item=kettle")
            .body
            .starts_with("POST arrived at /api/v2/orders, with a body of 11 bytes.")
    );
    assert!(
        server.ask_with("POST", "/api/v2/orders?from=form", &[], "item=kettle").body.contains("The order arrived.")
    );
    assert_eq!(server.gets("POST", "/orders-by-302"), "302 /arrived/302");
    assert!(server.ask("GET", "/arrived/302").body.contains("The order did not arrive."));
    assert_eq!(server.gets("GET", "/nothing"), "404");
}

#[test]
fn the_access_log_is_written_and_opened_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let server = Running::start(folder.path(), &["--access-log", "access.log", "--access-log-format", "json"]);
    let log = folder.path().join("access.log");
    assert_eq!(server.gets("GET", "/old?secret=1"), "301 https://www.example.com/new?secret=1");
    assert_eq!(server.end("TERM").code(), Some(0));
    let written = fs::read_to_string(log).expect("the log");
    assert!(written.contains("\"old\"") && !written.contains("secret"), "{written}");
}
