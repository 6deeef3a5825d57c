//! The transport against servers that do as they should, and against those that do not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use byway_net::{Answer, Ask, Blame, Extent, Fault, Limits, Phase, Transport};
use http::Method;

/// A server for one connection: it reads a head, and then does what it is told.
fn peer(then: impl FnOnce(&mut TcpStream, String) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut head, mut byte) = (String::new(), [0]);
        while !head.ends_with("\r\n\r\n") && stream.read(&mut byte).expect("a byte") > 0 {
            head.push(char::from(byte[0]));
        }
        then(&mut stream, head);
    });
    address
}

fn answers(text: impl Into<String>) -> SocketAddr {
    let text = text.into();
    peer(move |stream, _| stream.write_all(text.as_bytes()).expect("sent"))
}

fn quick() -> Limits {
    let short = Duration::from_millis(200);
    Limits { first_byte: short, body_time: short, body: 100, head: 8_192, ..Limits::default() }
}

fn send(ask: Ask) -> Result<Answer, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Transport::new("byway/test", quick()).send(ask))
}

fn get(address: SocketAddr) -> Result<Answer, Fault> {
    send(Ask::get(format!("http://{address}/old?a=%20").parse().expect("a URL")))
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let got =
        get(answers("HTTP/1.1 307 Temporary Redirect\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nhi"));
    let got = got.expect("an answer");
    assert_eq!((got.status, &got.body[..], got.extent), (307, &b"hi"[..], Extent::Whole));
    assert_eq!(got.locations().collect::<Vec<_>>(), [b"/a", b"/b"]);
    assert!(got.times.total() >= got.times.connect && got.times.first_byte > Duration::ZERO);
}

#[test]
fn what_is_asked_is_what_is_sent() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = peer(move |stream, head| {
        let mut body = [0; 3];
        stream.read_exact(&mut body).expect("a body");
        sender.send((head, body)).expect("the test waits");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("sent");
    });
    let uri = format!("http://{address}/x?y=%2F").parse().expect("a URL");
    let got = send(Ask { method: Method::POST, body: Bytes::from_static(b"abc"), ..Ask::get(uri) }).expect("an answer");
    assert_eq!(got.status, 204);
    let (head, body) = receiver.recv().expect("the peer saw it");
    assert!(head.starts_with("POST /x?y=%2F HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {address}\r\n")) && head.contains("user-agent: byway/test\r\n"), "{head}");
    assert!(head.contains("content-length: 3\r\n") && &body == b"abc");
}

#[test]
fn answers_are_bounded() {
    let long =
        get(answers(format!("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}", "x".repeat(500)))).expect("an answer");
    assert_eq!((long.body.len(), long.extent), (100, Extent::Cut));
    let short = get(answers("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc")).expect("a head is an answer");
    assert_eq!((&short.body[..], short.extent), (&b"abc"[..], Extent::Cut));
    let head = get(answers(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000)))).expect_err("too large");
    assert_eq!((head.phase, head.blame), (Phase::FirstByte, Blame::Peer));
}

#[test]
fn faults_are_sorted_by_blame() {
    let fault =
        |result: Result<Answer, Fault>| result.map(|answer| answer.status).map_err(|fault| (fault.phase, fault.blame));
    assert_eq!(fault(get(answers("SSH-2.0\r\n\r\n"))), Err((Phase::FirstByte, Blame::Peer)));
    assert_eq!(fault(get(answers(""))), Err((Phase::FirstByte, Blame::Peer)));
    let silent = peer(|stream, _| drop(stream.read(&mut [0])));
    assert_eq!(fault(get(silent)), Err((Phase::FirstByte, Blame::Network)));
    let gone =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port that is free again");
    assert_eq!(fault(get(gone)), Err((Phase::Connect, Blame::Peer)));
    for url in ["ftp://t.test/", "/relative", "http://u@t.test/"] {
        assert_eq!(fault(send(Ask::get(url.parse().expect("a URL")))), Err((Phase::Prepare, Blame::Us)), "{url}");
    }
    let nowhere = send(Ask::get("http://nowhere.invalid/".parse().expect("a URL"))).expect_err("no such host");
    assert_eq!(nowhere.phase, Phase::Resolve);
}
