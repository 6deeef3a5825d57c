//! SIGTERM with an open HTTP/2 connection: GOAWAY, what is open finishes, and the end is a clean one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::running::{Running, put};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// ACK of SETTINGS and PING, and END_STREAM.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A connection in HTTP/2, by its frames.
struct Frames {
    stream: TcpStream,
    /// What every GOAWAY said so far.
    goaways: Vec<Vec<u8>>,
}

impl Frames {
    fn to(server: &Running) -> Frames {
        let stream = TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let mut frames = Frames { stream, goaways: Vec::new() };
        frames.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).expect("sent");
    }

    fn ask(&mut self, stream: u32, flags: u8, method: &str) {
        let mut block = Vec::new();
        for (name, value) in [(":method", method), (":scheme", "http"), (":authority", "t.test"), (":path", "/a")] {
            block.push(0);
            for text in [name, value] {
                block.push(text.len() as u8);
                block.extend(text.as_bytes());
            }
        }
        self.send(HEADERS, flags | END_HEADERS, stream, &block);
    }

    /// The next frame; nothing at the end of the connection.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
            read => read.expect("a frame, or the end"),
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).expect("its payload");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == PING && head[4] & ACK == 0 {
            self.send(PING, ACK, 0, &payload);
        }
        if head[3] == GOAWAY {
            self.goaways.push(payload.clone());
        }
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame that this holds for; none of those before it resets a stream.
    fn until(&mut self, is_it: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().expect("the connection is open");
            assert_ne!(frame.kind, RST_STREAM, "stream {}", frame.stream);
            if is_it(&frame) {
                return frame;
            }
        }
    }
}

#[test]
fn goaway_is_said_and_what_is_open_finishes() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n");
    let server = Running::start(folder.path(), &["--access-log", "access.log", "--access-log-format", "json"]);
    let mut frames = Frames::to(&server);
    frames.until(|frame| frame.kind == SETTINGS);
    frames.send(SETTINGS, ACK, 0, &[]);
    // An upload that is on its way when the server is told to stop.
    frames.ask(1, 0, "POST");
    frames.send(DATA, 0, 1, &[b'x'; 1_000]);
    frames.until(|frame| (frame.kind, frame.stream) == (HEADERS, 1));
    server.signal("TERM");
    let goaway = frames.until(|frame| frame.kind == GOAWAY);
    assert_eq!(&goaway.payload[4..8], &[0, 0, 0, 0], "NO_ERROR");
    // It crossed the word on its way, so it is answered (RFC 9113 §6.8); the server waits for the answer to its PING.
    frames.send(DATA, END_STREAM, 1, &[b'x'; 1_000]);
    frames.ask(3, END_STREAM, "GET");
    frames.until(|frame| (frame.kind, frame.stream) == (HEADERS, 3));
    while let Some(frame) = frames.next() {
        assert_ne!(frame.kind, RST_STREAM, "stream {}", frame.stream);
    }
    let last = frames.goaways.last().expect("the one that was waited for");
    assert_eq!(&last[..8], [0, 0, 0, 3, 0, 0, 0, 0], "both were answered");
    let base = server.base.trim_start_matches("http://").to_owned();
    assert_eq!(server.end("CONT").code(), Some(0));
    assert!(TcpStream::connect(base).is_err());
    let log = std::fs::read_to_string(folder.path().join("access.log")).expect("the log");
    let upload = log.lines().find(|line| line.contains("\"POST\"")).expect("a line");
    assert!(upload.contains("2000"), "its body was read to the end: {upload}");
    assert_eq!(log.lines().count(), 2, "{log}");
}
