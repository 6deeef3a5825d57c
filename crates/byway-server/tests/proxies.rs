//! What proxies say of clients: believed of those that are trusted, and of nobody else.

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use byway_core::RuleSet;
use byway_server::forwarded::{Family, Trust};
use byway_server::listen::ProxyProtocol;
use byway_server::settings::{Log, LogFormat, Queries};
use byway_server::{Listener, Settings};
use common::{Client, Running, ask, quick, rules_of, start_listener, start_rules};

fn rules() -> RuleSet {
    rules_of(&[
        ("http://a.test/*", 307, "https://a.test/*"),
        ("https://a.test/*", 307, "https://there.test/{host}/{port}"),
        ("//b.test:81/*", 307, "https://b.test/81"),
    ])
}

fn trusting(networks: &[&str], family: Family) -> Settings {
    Settings { trust: Trust::parse(networks, family).expect("networks"), ..quick() }
}

fn location(server: &Running, fields: &str) -> String {
    let got = ask(server, format!("GET /x HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"));
    let status = got.status();
    format!("{status} {}", got.field("location").unwrap_or_default())
}

#[test]
fn the_scheme_and_the_host_of_trusted_proxies_count() {
    let server = start_rules(trusting(&["127.0.0.0/8"], Family::XForwarded), rules());
    let at = |fields: &str| location(&server, fields);
    assert_eq!(at("Host: a.test\r\nX-Forwarded-Proto: https\r\n"), "307 https://there.test/a.test/443");
    assert_eq!(at("Host: in\r\nX-Forwarded-Host: a.test\r\nX-Forwarded-Proto: http\r\n"), "307 https://a.test/x");
    assert_eq!(at("Host: b.test\r\nX-Forwarded-Port: 81\r\n"), "307 https://b.test/81");
    assert_eq!(at("Host: a.test\r\nX-Forwarded-Host: a b\r\n"), "400 ");
    // The other family is nobody's: whoever set it may have been the client. It would loop, and that is said.
    assert_eq!(at("Host: a.test\r\nForwarded: proto=https;host=b.test\r\n"), "508 ");
    let server = start_rules(trusting(&["127.0.0.1"], Family::Forwarded), rules());
    let at = |fields: &str| location(&server, fields);
    assert_eq!(at("Host: a.test\r\nForwarded: for=1.2.3.4;proto=https\r\n"), "307 https://there.test/a.test/443");
    assert_eq!(at("Host: x\r\nForwarded: for=1.2.3.4;host=\"b.test:81\"\r\n"), "307 https://b.test/81");
}

#[test]
fn nobody_else_is_believed() {
    for networks in [&[][..], &["10.0.0.0/8", "unix"]] {
        let server = start_rules(trusting(networks, Family::XForwarded), rules());
        let at = |fields: &str| location(&server, fields);
        assert_eq!(at("Host: a.test\r\nX-Forwarded-Proto: http\r\n"), "307 https://a.test/x");
        assert_eq!(at("Host: c.test\r\nX-Forwarded-Host: a.test\r\n"), "404 ");
        let loops = ask(&server, "GET /x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n\r\n");
        assert_eq!(loops.status(), 508);
        assert!(String::from_utf8_lossy(&loops.body).contains("not trusted"), "{loops:?}");
    }
}

#[test]
fn the_log_names_the_client_and_who_spoke_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = Some(Log { path: path.clone(), format: LogFormat::Json, queries: Queries::Hidden });
    let settings = Settings { log, ..trusting(&["127.0.0.0/8"], Family::XForwarded) };
    let server = start_rules(settings, rules());
    location(&server, "Host: a.test\r\nX-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n");
    drop(server);
    let text = std::fs::read_to_string(&path).expect("a log");
    let expected = r#""address":"1.2.3.4","peer":"127.0.0.1","scheme":"https","method":"GET","host":"a.test""#;
    assert!(text.contains(expected), "{text}");
}

fn behind_a_balancer(settings: Settings) -> Running {
    start_listener(settings, rules(), |listener: Listener| listener.with_proxy_protocol(ProxyProtocol::Required))
}

const ASK: &str = "GET /x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: http\r\n\r\n";

#[test]
fn the_proxy_protocol_says_address_and_scheme() {
    let server = behind_a_balancer(trusting(&["127.0.0.0/8"], Family::XForwarded));
    let mut client = Client::to(&server);
    // In pieces, with the request right behind it.
    for piece in ["PROXY TCP4 1.2.3.4 ", "5.6.7.8 4711 443\r", &format!("\n{ASK}")] {
        client.send(piece);
    }
    let got = client.receive();
    assert_eq!(
        got.field("location"),
        Some("https://there.test/a.test/443"),
        "the client itself is not trusted: {got:?}"
    );
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x12\x34\x00\x50";
    let got = Client::to(&server).send(v2).send(ASK).receive();
    assert_eq!(got.field("location"), Some("https://a.test/x"), "port 80 is http");
    let mut client = Client::to(&server);
    client.send("PROXY UNKNOWN\r\n").send(ASK);
    assert_eq!(client.receive().field("location"), Some("https://a.test/x"), "the proxy is trusted");
}

fn is_hung_up_on(server: &Running, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    // The server may hang up before it has read everything.
    let _ = std::io::Write::write_all(&mut stream, bytes);
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => text.is_empty(),
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn without_the_proxy_protocol_nobody_comes_in() {
    let quickly = Duration::from_millis(100);
    let server =
        behind_a_balancer(Settings { handshake_time: quickly, ..trusting(&["127.0.0.0/8"], Family::XForwarded) });
    assert!(is_hung_up_on(&server, ASK.as_bytes()));
    assert!(is_hung_up_on(&server, b"PROXY TCP4 1.2.3.4 5."), "it takes too long");
    assert!(is_hung_up_on(&server, &[b'P'; 10_000]));
    let server2 = behind_a_balancer(trusting(&["10.0.0.0/8"], Family::XForwarded));
    assert!(is_hung_up_on(&server2, format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 443\r\n{ASK}").as_bytes()), "not trusted");
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.handle.counts().unannounced + server2.handle.counts().unannounced < 4 {
        assert!(Instant::now() < deadline, "each is counted");
        std::thread::yield_now();
    }
}
