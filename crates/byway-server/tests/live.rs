//! The live rule set, the log and the sockets: replaced, refused, counted, reopened, in use.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use byway_server::listen::ListenFault;
use byway_server::settings::{Log, LogFormat, Queries};
use byway_server::{ListenAddr, Listener, Live, Loss, Server, Settings};
use common::{Client, ask, quick, rules_of, start, start_rules, start_with};

const GET: &str = "GET /old HTTP/1.1\r\nHost: t.test\r\n\r\n";

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_rule_set_is_replaced_whole_on_open_connections() {
    let server = start_rules(quick(), rules_of(&[("/old", 307, "/one"), ("/gone", 410, "")]));
    let mut client = Client::to(&server);
    assert_eq!(client.send(GET).receive().field("location"), Some("/one"));
    let report = server
        .handle
        .live()
        .replace(rules_of(&[("/old", 307, "/two"), ("/gone", 410, ""), ("/x", 301, "/y")]), Loss::AtMostATenth);
    let report = report.expect("nothing was lost");
    assert_eq!((report.added, report.removed, report.changed, report.unchanged, report.generation), (1, 0, 1, 1, 2));
    assert_eq!(client.send(GET).receive().field("location"), Some("/two"));
}

#[test]
fn a_reload_that_loses_much_needs_force() {
    let server = start();
    let refused =
        server.handle.live().replace(rules_of(&[("/old", 307, "/one")]), Loss::AtMostATenth).expect_err("4 of 5 lost");
    assert_eq!(refused.to_string(), "the reload would remove 4 of 5 rules, more than a tenth; nothing was changed");
    assert_eq!(ask(&server, GET).field("location"), Some("https://t.test/new"));
    assert!(server.handle.live().replace(rules_of(&[("/old", 307, "/one")]), Loss::Any).is_ok());
    assert_eq!(ask(&server, GET).field("location"), Some("/one"));
}

#[test]
fn hits_are_counted_and_carried_over_by_identity() {
    let server = start();
    let mut client = Client::to(&server);
    for _ in 0..3 {
        client.send(GET).receive();
    }
    let live = server.handle.live();
    assert_eq!(live.current().all_hits(), [(0, 3)]);
    live.replace(rules_of(&[("/first", 307, "/x"), ("/old", 307, "/two")]), Loss::Any).expect("forced");
    client.send(GET).receive();
    until("hits carried over", || live.current().all_hits() == [(1, 4)]);
    assert_eq!(live.current().hits(1), 4);
    assert_eq!(server.handle.counts().of(307), 4);
}

#[test]
fn the_log_is_written_and_reopened() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, renamed) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = Some(Log { path: path.clone(), format: LogFormat::Json, queries: Queries::Hidden });
    let server = start_with(Settings { log, ..quick() });
    let mut client = Client::to(&server);
    client.send("POST /old?secret=1 HTTP/1.1\r\nHost: t.test\r\nContent-Length: 3\r\n\r\n").receive();
    client.send("abc").send(GET).receive();
    let lines = || fs::read_to_string(&path).unwrap_or_default();
    until("two lines", || lines().lines().count() == 2);
    let text = lines();
    assert!(!text.contains("secret"), "{text}");
    assert!(
        text.contains(r#""method":"POST","host":"t.test","path":"/old","protocol":"HTTP/1.1","status":307,"rule":""#),
        "{text}"
    );
    assert!(text.contains(r#""generation":1,"linger":"read","body_read":3,"micros":"#), "{text}");
    fs::rename(&path, &renamed).expect("renamed");
    server.handle.reopen_log();
    until("a new file", || path.exists());
    client.send(GET).receive();
    until("a line", || lines().lines().count() == 1);
}

#[test]
fn common_and_combined_lines_are_as_everyone_writes_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for format in [LogFormat::Common, LogFormat::Combined] {
        let path = folder.path().join(format!("{format:?}"));
        let log = Some(Log { path: path.clone(), format, queries: Queries::Shown });
        let server = start_with(Settings { log, ..quick() });
        ask(&server, "GET /old?a=1 HTTP/1.1\r\nHost: t.test\r\nUser-Agent: a\"b\r\n\r\n");
        drop(server);
        let text = fs::read_to_string(&path).expect("written before the end");
        let (first, last) = text.split_once(" - - [").expect("a line");
        assert_eq!(first, "127.0.0.1");
        let last = last.split_once("] ").expect("a time").1;
        match format {
            LogFormat::Common => {
                assert!(last.starts_with("\"GET /old?a=1 HTTP/1.1\" 307 ") && !last.contains("a\\x22b"))
            }
            _ => assert!(last.ends_with(" \"-\" \"a\\x22b\"\n"), "{last}"),
        }
    }
}

#[test]
fn a_port_in_use_is_named() {
    let server = start();
    let error = Listener::open(&ListenAddr::Tcp(server.address), 2).expect_err("the port is taken");
    assert_eq!(error.why, ListenFault::InUse);
    assert_eq!(
        error.to_string(),
        format!("cannot listen on http://{}: something else listens there already", server.address)
    );
}

#[test]
fn unix_sockets_and_several_listeners() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("byway.sock");
    let unix = ListenAddr::Unix(path.clone());
    // A socket that nobody listens on any more is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let settings = Settings { threads: 2, ..quick() };
    let listeners = vec![
        Listener::open(&unix, 2).expect("a socket"),
        Listener::open(&"127.0.0.1:0".parse().expect("an address"), 2).expect("a port"),
    ];
    assert_eq!(Listener::open(&unix, 2).expect_err("it is alive").why, ListenFault::InUse);
    let live = Live::new(common::rules(), settings.threads());
    let _handle = Server::start(settings, live, listeners).expect("a server");
    let mut stream = UnixStream::connect(&path).expect("a connection");
    stream.write_all(b"GET /old HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 307 "), "{text}");
}
