//! Early answers: the redirect arrives whatever the body does, and the connection lives on where it can.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use byway_server::{Linger, Settings};
use common::{Client, quick, start, start_with};

const GET: &str = "GET /old HTTP/1.1\r\nHost: t.test\r\n\r\n";

fn post(fields: &str) -> String {
    format!("POST /old HTTP/1.1\r\nHost: t.test\r\n{fields}\r\n\r\n")
}

#[test]
fn a_body_in_the_first_packet_keeps_the_connection() {
    let server = start();
    let mut client = Client::to(&server);
    client.send(format!("{}abc{GET}", post("Content-Length: 3")));
    assert_eq!([client.receive().status(), client.receive().status()], [307, 307]);
    assert_eq!(client.send(GET).receive().status(), 307);
}

#[test]
fn the_answer_leaves_before_the_body_and_the_connection_lives_on() {
    let server = start();
    let mut client = Client::to(&server);
    let got = client.send(post("Content-Length: 100000")).receive();
    assert_eq!((got.status(), got.closes()), (307, false));
    client.send(vec![b'x'; 100_000]).send(GET);
    assert_eq!(client.receive().status(), 307);
    assert_eq!(server.handle.counts().lingered, [0, 1, 0, 0, 0]);
}

#[test]
fn chunked_bodies_are_read_to_their_end() {
    let server = start();
    let mut client = Client::to(&server);
    assert_eq!(client.send(post("Transfer-Encoding: chunked")).receive().status(), 307);
    client.stream.set_nodelay(true).expect("no delay");
    for piece in
        ["5\r\nhel", "lo\r", "\n3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r", "\nGET /gone HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        client.send(piece);
    }
    assert_eq!(client.receive().status(), 410);
    client.send(format!("{}3\r\nabc\r\n0\r\n\r\n{GET}", post("Transfer-Encoding: chunked")));
    assert_eq!([client.receive().status(), client.receive().status()], [307, 307]);
}

#[test]
fn broken_chunks_end_the_connection() {
    let server = start();
    let mut client = Client::to(&server);
    assert_eq!(client.send(post("Transfer-Encoding: chunked")).receive().status(), 307);
    client.send("xyz\r\nGET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.is_closed(), "what follows is never taken for a request");
}

#[test]
fn who_waits_for_100_continue_is_spared_the_body() {
    let server = start();
    let mut client = Client::to(&server);
    let got = client.send(post("Content-Length: 1000000\r\nExpect: 100-continue")).receive();
    assert_eq!((got.status(), got.closes()), (307, true));
    assert!(client.is_closed());
    assert_eq!(server.handle.counts().lingered, [0, 0, 0, 0, 1]);
}

#[test]
fn an_expectation_with_the_body_already_coming_is_past() {
    let server = start();
    let mut client = Client::to(&server);
    client.send(format!("{}abc", post("Content-Length: 6\r\nExpect: 100-continue")));
    let got = client.receive();
    assert_eq!((got.status(), got.closes()), (307, false));
    assert_eq!(client.send(format!("def{GET}")).receive().status(), 307);
}

#[test]
fn old_clients_have_no_expectations() {
    let server = start();
    let mut client = Client::to(&server);
    client.send("POST /old HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    let got = client.receive();
    assert_eq!((got.status(), got.closes()), (307, true));
    client.send("abc");
    assert!(client.is_closed());
}

#[test]
fn a_client_that_writes_everything_first_gets_its_answer() {
    let server = start();
    for round in 0..20 {
        let mut client = Client::to(&server);
        client.send(post("Content-Length: 20971520"));
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            client.send(&piece);
        }
        assert_eq!(client.receive().status(), 307, "round {round}");
        assert_eq!(client.send(GET).receive().status(), 307, "round {round}");
    }
}

#[test]
fn too_long_a_body_is_announced_as_such_and_cut() {
    let linger = Linger { body: 1 << 20, ..quick().linger };
    let server = start_with(Settings { linger, ..quick() });
    let mut client = Client::to(&server);
    let got = client.send(post("Content-Length: 1048577")).receive();
    assert_eq!((got.status(), got.closes()), (307, true));
    let mut client = Client::to(&server);
    assert!(!client.send(post("Transfer-Encoding: chunked")).receive().closes());
    client.send("200000\r\n").send(vec![b'x'; (1 << 20) + 100_000]);
    assert!(client.is_closed(), "half-closed once the budget is spent");
    assert_eq!(server.handle.counts().lingered[2], 1);
}

#[test]
fn who_stalls_is_cut_after_a_window() {
    let server = start();
    let mut client = Client::to(&server);
    let began = Instant::now();
    let got = client.send(post("Content-Length: 10000000000")).send(vec![b'x'; 1024]).receive();
    assert_eq!((got.status(), got.closes()), (307, true));
    assert!(client.is_closed());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(server.handle.counts().lingered, [0, 0, 1, 0, 0]);
}

#[test]
fn a_steady_sender_is_not_cut() {
    let linger = Linger { window_bytes: 1_000, ..quick().linger };
    let server = start_with(Settings { linger, ..quick() });
    let mut client = Client::to(&server);
    assert_eq!(client.send(post("Content-Length: 60000")).receive().status(), 307);
    for _ in 0..60 {
        client.send([b'x'; 1_000]);
        std::thread::park_timeout(Duration::from_millis(10)); // the pace is what is tested
    }
    assert_eq!(client.send(GET).receive().status(), 307);
}

#[test]
fn a_crowd_of_one_address_is_thinned_and_others_do_not_feel_it() {
    let linger = Linger { window: Duration::from_secs(60), per_address: 4, ..quick().linger };
    let server = start_with(Settings { linger, ..quick() });
    let mut crowd: Vec<_> = (0..12).map(|_| Client::to(&server)).collect();
    for client in &mut crowd {
        assert_eq!(client.send(post("Content-Length: 1000")).receive().status(), 307);
    }
    assert_eq!(Client::to(&server).send(GET).receive().status(), 307);
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.handle.counts().lingered[2] < 8 {
        assert!(Instant::now() < deadline, "{:?}", server.handle.counts());
        std::thread::yield_now();
    }
    assert_eq!(server.handle.counts().lingered, [0, 0, 8, 0, 0]);
}

#[test]
fn no_more_than_its_part_of_the_slots_lingers() {
    let linger = Linger { window: Duration::from_secs(60), per_address: 1_000, ..quick().linger };
    let server = start_with(Settings { linger, connections: 40, ..quick() });
    let mut crowd: Vec<_> = (0..25).map(|_| Client::to(&server)).collect();
    for client in &mut crowd {
        assert_eq!(client.send(post("Content-Length: 1000")).receive().status(), 307);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.handle.counts().lingered[2] < 15 {
        assert!(Instant::now() < deadline, "{:?}", server.handle.counts());
        std::thread::yield_now();
    }
    assert_eq!(Client::to(&server).send(GET).receive().status(), 307);
}

#[test]
fn error_answers_arrive_at_clients_that_are_still_writing() {
    let server = start();
    let mut client = Client::to(&server);
    client.send("POST /old HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 4000000\r\n\r\n");
    // The server discards for a while after its half-close; what it does not take any more is the client's loss.
    let _ = client.stream.write_all(&vec![b'x'; 4_000_000]);
    assert_eq!(client.receive().status(), 400);
}

#[test]
fn stopping_lets_open_requests_finish() {
    let server = start();
    let mut idle = Client::to(&server);
    assert_eq!(idle.send(GET).receive().status(), 307);
    let mut busy = Client::to(&server);
    assert_eq!(busy.send(post("Content-Length: 10")).receive().status(), 307);
    server.handle.stop();
    assert!(idle.is_closed());
    busy.send("0123456789");
    assert!(busy.is_closed());
    server.handle.wait();
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn a_gibibyte_passes_with_flat_memory() {
    if std::env::var_os("CI").is_none() && cfg!(debug_assertions) && std::env::var_os("BYWAY_HEAVY").is_none() {
        return println!("skipped: a gibibyte is for BYWAY_HEAVY=1");
    }
    let server = start();
    let mut client = Client::to(&server);
    assert_eq!(client.send(post("Content-Length: 1073741824")).receive().status(), 307);
    let (piece, began, before) = (vec![b'x'; 1 << 20], Instant::now(), resident());
    for _ in 0..1024 {
        client.send(&piece);
    }
    assert_eq!(client.send(GET).receive().status(), 307);
    println!("1 GiB in {:?}, {} KiB more", began.elapsed(), resident().saturating_sub(before));
    assert!(resident() < before + 8 * 1024);
}

fn resident() -> usize {
    let mut status = String::new();
    std::fs::File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status)).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
