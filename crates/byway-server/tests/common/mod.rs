//! A server on loopback with a handful of rules, and a client that says exactly what it is told to.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of what is shared")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use byway_core::dialect::QueryPolicy;
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Rule, RuleSet};
use byway_server::{Handle, Linger, ListenAddr, Listener, Live, Server, Settings};

/// The rules of most tests: `/old`, a prefix, a permanent move, and two replies.
pub fn rules() -> RuleSet {
    rules_of(&[
        ("/old", 307, "https://t.test/new"),
        ("/docs/*", 307, "/new/*"),
        ("/moved", 308, "https://t.test/moved"),
        ("/gone", 410, ""),
        ("/later", 503, ""),
    ])
}

pub fn rules_of(rules: &[(&str, u16, &str)]) -> RuleSet {
    let mut builder = Builder::new(1);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    for &(from, status, to) in rules {
        let source = Source::parse(from).expect("a source");
        let action = match RedirectStatus::from_number(status) {
            Some(status) => Action::Redirect {
                status: StatusByMethod::always(status),
                target: Target::parse(to, &source).expect("a target"),
                query: QueryPolicy::Keep,
            },
            None => Action::Reply {
                status: ReplyStatus::from_number(status).expect("a reply"),
                retry_after: (status == 503).then_some(byway_core::rule::RetryAfter::Seconds(7)),
            },
        };
        builder.push(table, &Rule::new(source, action)).expect("a rule");
    }
    builder.finish()
}

/// Limits that tests can wait for.
pub fn quick() -> Settings {
    Settings {
        threads: 1,
        tick: Duration::from_millis(20),
        header_time: Duration::from_secs(5),
        stop_time: Duration::from_secs(2),
        linger: Linger { window: Duration::from_millis(200), discard: Duration::from_millis(300), ..Linger::default() },
        ..Settings::default()
    }
}

pub struct Running {
    pub handle: Handle,
    pub address: SocketAddr,
}

pub fn start() -> Running {
    start_with(quick())
}

pub fn start_with(settings: Settings) -> Running {
    start_rules(settings, rules())
}

pub fn start_rules(settings: Settings, rules: RuleSet) -> Running {
    start_listener(settings, rules, |listener| listener)
}

/// A server whose listener is made something more than plain.
pub fn start_listener(settings: Settings, rules: RuleSet, more: impl FnOnce(Listener) -> Listener) -> Running {
    let live = Live::new(rules, settings.threads());
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = more(Listener::open(&any, settings.threads()).expect("a free port"));
    let ListenAddr::Tcp(address) = *listener.address() else { panic!("it is no Unix socket") };
    let handle = Server::start(settings, live, vec![listener]).expect("a server");
    Running { handle, address }
}

/// A client of bytes.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub struct Got {
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status line")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.split("\r\n").filter_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert!(values.next().is_none(), "two {name}: {}", self.head);
        value
    }

    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

impl Client {
    pub fn to(running: &Running) -> Client {
        let stream = TcpStream::connect(running.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
        stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a time limit");
        Client { stream, buffer: Vec::new() }
    }

    pub fn send(&mut self, text: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(text.as_ref()).expect("the server reads");
        self
    }

    pub fn finish_sending(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).expect("half-closed");
        self
    }

    pub fn receive(&mut self) -> Got {
        self.receive_for("GET")
    }

    pub fn receive_for(&mut self, method: &str) -> Got {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more(), "closed within a head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).expect("a head in ASCII");
        let mut got = Got { head, body: Vec::new() };
        let length = got.field("content-length").map_or(0, |length| length.parse().expect("a length"));
        if method != "HEAD" {
            while self.buffer.len() < length {
                assert!(self.more(), "closed within a body");
            }
            got.body = self.buffer.drain(..length).collect();
        }
        got
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        let read = self.stream.read(&mut piece).expect("neither reset nor silence");
        self.buffer.extend_from_slice(&piece[..read]);
        read > 0
    }

    /// Whether the server has closed its side, with nothing more to say.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.more()
    }
}

/// One request, one answer, on a connection of its own.
pub fn ask(running: &Running, request: impl AsRef<[u8]>) -> Got {
    Client::to(running).send(request).receive()
}
