//! HTTP/1.1 on the wire: what a redirect carries, and what malformed requests get.

mod common;

use std::io::Write;
use std::time::Duration;

use byway_server::settings::{Asked, Page, Pages};
use byway_server::{Settings, Unmatched};
use common::{Client, ask, quick, start, start_with};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n\r\n")
}

#[test]
fn a_redirect_carries_what_it_must() {
    let server = start();
    let got = ask(&server, get("/old"));
    assert!(got.head.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{}", got.head);
    assert_eq!(got.field("location"), Some("https://t.test/new"));
    assert_eq!(got.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(got.field("cache-control"), Some("no-store"));
    assert!(got.field("date").is_some_and(|date| date.ends_with(" GMT") && date.len() == 29));
    assert!(String::from_utf8_lossy(&got.body).contains("<a href=\"https://t.test/new\">"));
    for absent in ["server", "etag", "last-modified", "connection", "transfer-encoding"] {
        assert_eq!(got.field(absent), None, "{absent}");
    }
}

#[test]
fn permanent_answers_say_how_long_they_may_be_kept() {
    let got = ask(&start(), get("/moved"));
    assert_eq!((got.status(), got.field("cache-control")), (308, Some("max-age=3600")));
}

#[test]
fn replies_have_no_location() {
    let server = start();
    let got = ask(&server, get("/gone"));
    assert_eq!((got.status(), got.field("location"), got.field("retry-after")), (410, None, None));
    let got = ask(&server, get("/later"));
    assert_eq!((got.status(), got.field("location"), got.field("retry-after")), (503, None, Some("7")));
}

#[test]
fn head_is_get_without_its_body() {
    let server = start();
    let mut client = Client::to(&server);
    client.send("HEAD /old HTTP/1.1\r\nHost: t.test\r\n\r\n").send(get("/old"));
    let (head, get) = (client.receive_for("HEAD"), client.receive());
    assert_eq!(head.field("location"), get.field("location"));
    assert_eq!(head.field("content-length"), get.field("content-length"));
    assert_eq!((head.status(), get.status()), (307, 307));
}

#[test]
fn the_page_escapes_its_link() {
    let got = ask(&start(), get("/old?a=1&b='"));
    assert!(String::from_utf8_lossy(&got.body).contains("href=\"https://t.test/new?a=1&amp;b="), "{got:?}");
}

#[test]
fn nothing_about_a_request_but_its_rule_changes_the_answer() {
    let server = start();
    for fields in ["If-None-Match: *", "Range: bytes=0-1", "Expect: foo", "If-Modified-Since: x", "Upgrade: h2c"] {
        let got = ask(&server, format!("GET /old HTTP/1.1\r\nHost: t.test\r\n{fields}\r\n\r\n"));
        assert_eq!(got.status(), 307, "{fields}");
    }
    for method in ["FOO", "DELETE", "OPTIONS", "PROPFIND"] {
        assert_eq!(ask(&server, format!("{method} /old HTTP/1.1\r\nHost: t.test\r\n\r\n")).status(), 307, "{method}");
    }
}

#[test]
fn unmatched_requests_get_what_the_settings_say() {
    assert_eq!(ask(&start(), get("/nowhere")).status(), 404);
    let server = start_with(Settings { unmatched: Unmatched::Status(204), ..quick() });
    let got = ask(&server, get("/nowhere"));
    assert_eq!((got.status(), got.field("content-length"), got.body.len()), (204, None, 0));
    let page = Page { status: 421, content_type: "text/plain", body: b"no\n".as_slice().into() };
    let got = ask(&start_with(Settings { unmatched: Unmatched::Page(page), ..quick() }), get("/nowhere"));
    assert_eq!((got.status(), got.field("content-type"), &got.body[..]), (421, Some("text/plain"), &b"no\n"[..]));
}

struct Echo;

impl Pages for Echo {
    fn page(&self, asked: &Asked<'_>) -> Option<Page> {
        let text = format!("{} {} {:?} {:?}", asked.method, asked.path, asked.query, asked.content_length);
        Some(Page { status: 200, content_type: "text/plain", body: text.into_bytes().into() })
    }
}

#[test]
fn pages_can_be_made_for_a_request() {
    let server = start_with(Settings { unmatched: Unmatched::Pages(std::sync::Arc::new(Echo)), ..quick() });
    let got = ask(&server, "POST /x?q HTTP/1.1\r\nHost: t.test\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(String::from_utf8_lossy(&got.body), "POST /x Some(\"q\") Some(3)");
}

#[test]
fn forms_of_targets() {
    let server = start();
    let status = |line: &str| ask(&server, format!("{line}\r\nHost: t.test\r\n\r\n")).status();
    assert_eq!(status("GET http://t.test/old HTTP/1.1"), 307);
    assert_eq!(status("GET http://other.test:81/old HTTP/1.1"), 307);
    assert_eq!(status("GET https://t.test/old HTTP/1.1"), 421);
    assert_eq!(status("OPTIONS * HTTP/1.1"), 404);
    assert_eq!(status("GET * HTTP/1.1"), 400);
    assert_eq!(status("GET t.test:443 HTTP/1.1"), 400);
    assert_eq!(status("GET /old#x HTTP/1.1"), 400);
    assert_eq!(status("GET /old\" HTTP/1.1"), 400);
    assert_eq!(status("GET http://u@t.test/old HTTP/1.1"), 400);
    for method in ["CONNECT t.test:443", "TRACE /old"] {
        let got = ask(&server, format!("{method} HTTP/1.1\r\nHost: t.test\r\n\r\n"));
        assert_eq!((got.status(), got.field("location"), got.field("allow").is_some()), (405, None, true), "{method}");
    }
}

#[test]
fn malformed_heads_are_refused_and_end_the_connection() {
    let server = start();
    for head in [
        "GET /old HTTP/1.1\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET /old HTTP/1.1\nHost: a\n\n",
        "GET /old HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET /old HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET  /old HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /old\r\n\r\n",
        "GE T /old HTTP/1.1\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let mut client = Client::to(&server);
        let got = client.send(head).receive();
        assert_eq!((got.status(), got.closes(), got.field("location")), (400, true, None), "{head:?}");
        assert!(client.is_closed(), "{head:?}");
    }
    assert!(server.handle.counts().malformed >= 17);
    assert_eq!(server.handle.counts().of(307), 0);
}

#[test]
fn unknown_codings_and_versions() {
    let server = start();
    let gzip = "POST /old HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    assert_eq!(ask(&server, gzip).status(), 501);
    assert_eq!(ask(&server, "GET /old HTTP/3.0\r\nHost: a\r\n\r\n").status(), 505);
}

#[test]
fn limits_on_heads() {
    let server = start();
    let long = |length: usize| get(&format!("/docs/{}", "a".repeat(length)));
    assert_eq!(ask(&server, long(7_900)).status(), 307);
    assert_eq!(ask(&server, long(17_000)).status(), 414);
    let with = |fields: String| format!("GET /old HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    assert_eq!(ask(&server, with(format!("X: {}\r\n", "a".repeat(30_000)))).status(), 307);
    assert_eq!(ask(&server, with(format!("X: {}\r\n", "a".repeat(33_000)))).status(), 431);
    assert_eq!(ask(&server, with("X: a\r\n".repeat(99))).status(), 307);
    assert_eq!(ask(&server, with("X: a\r\n".repeat(100))).status(), 431);
}

#[test]
fn a_head_may_come_byte_by_byte_and_after_empty_lines() {
    let server = start();
    let mut client = Client::to(&server);
    client.stream.set_nodelay(true).expect("no delay");
    for byte in format!("\r\n{}", get("/old")).as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.receive().status(), 307);
    assert_eq!(client.send(format!("\r\n\r\n{}", get("/gone"))).receive().status(), 410);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let mut client = Client::to(&server);
    let mut writer = client.stream.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || {
        for _ in 0..500 {
            writer.write_all([get("/old"), get("/gone"), get("/nowhere")].concat().as_bytes()).expect("written");
        }
    });
    for _ in 0..500 {
        assert_eq!([307, 410, 404].map(|_| client.receive().status()), [307, 410, 404]);
    }
    sending.join().expect("sent");
}

#[test]
fn slow_heads_are_cut_off() {
    let server = start_with(Settings { header_time: Duration::from_millis(150), ..quick() });
    let mut client = Client::to(&server);
    assert_eq!(client.send("GET /old HTTP/1.1\r\nHo").receive().status(), 408);
    assert!(client.is_closed());
    assert!(Client::to(&server).is_closed(), "a connection without a byte is closed without a word");
}

#[test]
fn idle_connections_are_closed_and_make_room() {
    let server = start_with(Settings { idle_time: Duration::from_millis(150), ..quick() });
    let mut client = Client::to(&server);
    assert_eq!(client.send(get("/old")).receive().status(), 307);
    assert!(client.is_closed());
    let server = start_with(Settings { connections: 2, ..quick() });
    let mut clients = [0; 5].map(|_| Client::to(&server));
    for client in &mut clients {
        assert_eq!(client.send(get("/old")).receive().status(), 307);
    }
    assert!(clients[0].is_closed(), "the one that was idle longest made room");
}

#[test]
fn old_clients_close_unless_they_ask() {
    let server = start();
    let mut client = Client::to(&server);
    let got = client.send("GET /old HTTP/1.0\r\n\r\n").receive();
    assert_eq!((got.status(), got.closes()), (307, true));
    assert!(client.is_closed());
    let mut client = Client::to(&server);
    let keep = "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(client.send(keep).receive().field("connection"), Some("keep-alive"));
    assert_eq!(client.send(keep).receive().status(), 307);
    let mut client = Client::to(&server);
    let got = client.send("GET /old HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").receive();
    assert!(got.closes() && client.is_closed());
}

#[test]
fn a_client_that_finishes_sending_is_answered() {
    let server = start();
    let mut client = Client::to(&server);
    assert_eq!(client.send(get("/old")).finish_sending().receive().status(), 307);
}
