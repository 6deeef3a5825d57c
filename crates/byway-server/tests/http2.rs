//! HTTP/2 with prior knowledge, in raw frames: the answer, what becomes of the body, no 100, and one host.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use byway_server::settings::{Log, LogFormat, Queries};
use byway_server::{Linger, Settings};
use common::{Running, quick, start, start_with};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

struct Frames {
    stream: TcpStream,
    /// How many bytes of DATA the connection takes, whatever its streams do (RFC 9113, section 6.9).
    credit: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// What a WINDOW_UPDATE adds.
    fn credit(&self) -> usize {
        let bytes = self.payload.iter().filter(|_| self.kind == WINDOW_UPDATE);
        bytes.fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
    }
}

impl Frames {
    fn to(server: &Running) -> Frames {
        let stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
        let mut frames = Frames { stream, credit: 65_535 };
        // The preface in two pieces: it must not be taken for a request while it is half there.
        frames.stream.write_all(b"PRI * HTTP").expect("sent");
        frames.stream.write_all(b"/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        // A dynamic table of 0 bytes: what the tests read is then always written out.
        frames.send(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).expect("sent");
    }

    /// Sends HEADERS with literal fields, none of them indexed.
    fn ask(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                assert!(text.len() < 127);
                block.push(text.len() as u8);
                block.extend(text.as_bytes());
            }
        }
        self.send(HEADERS, flags | END_HEADERS, stream, &block);
    }

    fn next(&mut self) -> Frame {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).expect("its payload");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if stream == 0 {
            self.credit += frame.credit();
        }
        frame
    }

    /// The frames of one stream, until its end or its reset.
    fn until(&mut self, stream: u32, last: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut seen = Vec::new();
        loop {
            let frame = self.next();
            if frame.stream != stream {
                continue;
            }
            let over = last(&frame);
            seen.push(frame);
            if over {
                return seen;
            }
        }
    }
}

fn post<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":authority", "t.test"), (":path", "/old")];
    fields.extend(extra);
    fields
}

/// The status is in the first bytes of the block: indexed in the static table, or a literal of three digits.
fn status(frame: &Frame) -> u16 {
    assert_eq!(frame.kind, HEADERS, "{frame:?}");
    // Changes of the table's size come first (RFC 7541 §6.3).
    let sizes = frame.payload.iter().take_while(|byte| *byte >> 5 == 1).count();
    match frame.payload[sizes] {
        0x8C => 400,
        0x8D => 404,
        _ => huffman_or_plain_digits(&frame.payload[sizes..]),
    }
}

/// hyper writes digits in Huffman code: `0` to `2` are five bits, the others six (RFC 7541 appendix B).
fn huffman_or_plain_digits(block: &[u8]) -> u16 {
    let length = usize::from(block[1] & 0x7F);
    let bytes = &block[2..2 + length];
    if block[1] & 0x80 == 0 {
        return String::from_utf8_lossy(bytes).parse().expect("digits");
    }
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let value = |count: usize| bits[at..at + count].iter().fold(0u16, |sum, bit| sum << 1 | u16::from(*bit));
        let digit = match value(5) {
            digit @ 0..=2 => {
                at += 5;
                digit
            }
            _ => {
                let digit = value(6) - 0x19 + 3;
                at += 6;
                digit
            }
        };
        status = status * 10 + digit;
    }
    status
}

#[test]
fn an_open_body_is_answered_and_reset_without_error() {
    let server = start();
    let mut frames = Frames::to(&server);
    for stream in [1, 3, 5] {
        frames.ask(stream, 0, &post(&[("expect", "100-continue"), ("content-length", "1000000")]));
        let seen = frames.until(stream, |frame| frame.kind == RST_STREAM);
        assert_eq!(status(&seen[0]), 307, "the first answer is the last: no 100");
        assert_eq!(seen.iter().filter(|frame| frame.kind == HEADERS).count(), 1);
        let before = &seen[seen.len() - 2];
        assert_eq!(before.flags & END_STREAM, END_STREAM, "the answer is whole before the reset");
        assert_eq!(seen.last().map(|frame| &frame.payload[..]), Some(&[0, 0, 0, 0][..]), "NO_ERROR");
        assert!(!seen.iter().any(|frame| frame.kind == WINDOW_UPDATE));
    }
    assert_eq!(server.handle.counts().of(307), 3);
}

#[test]
fn a_body_that_comes_is_read_to_its_end() {
    let server = start();
    let mut frames = Frames::to(&server);
    frames.ask(1, 0, &post(&[]));
    assert_eq!(status(&frames.until(1, |frame| frame.flags & END_STREAM != 0)[0]), 307, "before the body");
    frames.send(SETTINGS, ACK, 0, &[]);
    let mut credit = 1 << 20; // as its SETTINGS say, once they are acknowledged
    for number in 1..=200 {
        while credit.min(frames.credit) < 16_000 {
            let frame = frames.next();
            credit += if frame.stream == 1 { frame.credit() } else { 0 };
        }
        frames.send(DATA, u8::from(number == 200), 1, &[b'x'; 16_000]);
        (credit, frames.credit) = (credit - 16_000, frames.credit - 16_000);
    }
    frames.ask(3, END_STREAM, &post(&[]));
    let seen = frames.until(3, |frame| frame.flags & END_STREAM != 0);
    assert_eq!(status(&seen[0]), 307);
    assert_eq!(server.handle.counts().lingered[1], 1);
}

#[test]
fn fields_of_the_connection_do_not_appear() {
    let server = start();
    let mut frames = Frames::to(&server);
    frames.ask(1, END_STREAM, &post(&[]));
    let seen = frames.until(1, |frame| frame.flags & END_STREAM != 0);
    assert_eq!(status(&seen[0]), 307);
    let block = String::from_utf8_lossy(&seen[0].payload).into_owned();
    assert!(!block.contains("connection") && !block.contains("transfer-encoding"));
}

#[test]
fn two_hosts_are_refused() {
    let server = start();
    let mut frames = Frames::to(&server);
    for (stream, host, expected) in [(1, "other.test", 400), (3, "t.test", 307), (5, "T.test", 307)] {
        frames.ask(stream, END_STREAM, &post(&[("host", host)]));
        assert_eq!(status(&frames.until(stream, |frame| frame.flags & END_STREAM != 0)[0]), expected, "{host}");
    }
}

#[test]
fn what_is_refused_is_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let log = Some(Log { path: path.clone(), format: LogFormat::Json, queries: Queries::Hidden });
    let server = start_with(Settings { log, ..quick() });
    let mut frames = Frames::to(&server);
    frames.ask(1, END_STREAM, &post(&[("host", "other.test")]));
    assert_eq!(status(&frames.until(1, |frame| frame.flags & END_STREAM != 0)[0]), 400);
    drop((frames, server));
    let text = std::fs::read_to_string(&path).expect("written before the end");
    let expected = r#","address":"127.0.0.1","method":"POST","host":"t.test","path":"/old","protocol":"HTTP/2.0","status":400,"refused":"The host field and the authority differ."}"#;
    assert!(text.trim_end().ends_with(expected), "{text}");
}

#[test]
fn lingering_streams_take_the_slots_of_all_that_linger() {
    // One place for each address: the second stream, of which nothing is known, goes to the first.
    let linger = Linger { per_address: 1, window: Duration::from_secs(60), ..quick().linger };
    let server = start_with(Settings { linger, ..quick() });
    let mut frames = Frames::to(&server);
    frames.ask(1, 0, &post(&[]));
    frames.until(1, |frame| frame.flags & END_STREAM != 0);
    frames.ask(3, 0, &post(&[]));
    let began = std::time::Instant::now();
    let reset = loop {
        let frame = frames.next();
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    assert_eq!((reset.stream, &reset.payload[..]), (1, &[0, 0, 0, 0][..]), "as slow as the other, and here before it");
    assert!(began.elapsed() < Duration::from_secs(2), "not because it stalled");
    assert_eq!(server.handle.counts().lingered[2], 1);
}
