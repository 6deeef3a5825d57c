//! Health checks against members that are well, and against those that are not: over TLS, redirected, by status and body, in time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use byway_core::pool::Health;
use byway_net::{Asked, Monitor, Report, ask};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A member: what it answers, how often it was asked, and when.
struct Member {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Member {
    fn start(body: &'static str, tls: Option<Arc<ServerConfig>>) -> Member {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (status, asked, heads) = (Arc::new(AtomicU16::new(200)), Arc::<AtomicUsize>::default(), Arc::default());
        let member = Member { address, status, asked, heads };
        let (status, asked, heads) = (member.status.clone(), member.asked.clone(), member.heads.clone());
        std::thread::spawn(move || {
            // Noted before the answer: whoever has that may look at once.
            let note = |head: String| {
                asked.fetch_add(1, SeqCst);
                heads.lock().expect("no panic").push((Instant::now(), head));
            };
            for stream in listener.incoming().map_while(Result::ok) {
                match &tls {
                    None => answer(stream, body, &status, note),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).expect("a server");
                        answer(StreamOwned::new(connection, stream), body, &status, note)
                    }
                };
            }
        });
        member
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Notes the head of one request, answers it and closes; `None` where the client broke off.
fn answer<S: Read + Write>(mut stream: S, body: &str, status: &AtomicU16, note: impl Fn(String)) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    note(String::from_utf8(head).ok()?);
    let status = status.load(SeqCst);
    let text = format!(
        "HTTP/1.1 {status} So\r\nLocation: /well\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).ok()
}

fn health() -> Health {
    Health {
        path: "/healthz?deep=1".into(),
        interval: 40,
        timeout: 2_000,
        fall: 2,
        rise: 3,
        jitter: 0,
        statuses: Vec::new(),
        body: None,
        ca: None,
    }
}

fn asked(origin: String, health: Health) -> Asked {
    Asked { pool: "p".into(), origin, health, trusted: None }
}

fn told(asked: &Asked) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(ask("byway/test (health)", asked))
}

#[test]
fn what_is_asked_is_the_path_with_a_name_of_our_own() {
    let member = Member::start("", None);
    assert_eq!(told(&asked(member.url(), health())), Ok(()));
    let heads = member.heads.lock().expect("no panic");
    let head = heads[0].1.to_ascii_lowercase();
    assert!(head.starts_with("get /healthz?deep=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nuser-agent: byway/test (health)\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", member.address)), "{head}");
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let member = Member::start("", None);
    for status in [301, 302, 307, 308] {
        member.status.store(status, SeqCst);
        assert_eq!(told(&asked(member.url(), health())), Err(format!("it answered {status}")));
    }
    assert_eq!(member.asked.load(SeqCst), 4, "one question, one answer");
    let fine = Health { statuses: vec![308], ..health() };
    assert_eq!(told(&asked(member.url(), fine)), Ok(()));
}

#[test]
fn the_statuses_that_were_named_are_the_ones_that_are_well() {
    let member = Member::start("", None);
    let named = Health { statuses: vec![204, 401], ..health() };
    for (status, plain, by_name) in [(200, true, false), (204, true, true), (401, false, true), (503, false, false)] {
        member.status.store(status, SeqCst);
        assert_eq!(told(&asked(member.url(), health())).is_ok(), plain, "{status}");
        assert_eq!(told(&asked(member.url(), named.clone())).is_ok(), by_name, "{status}");
    }
}

#[test]
fn the_body_must_hold_what_was_asked_for() {
    let member = Member::start("status: green, all of it", None);
    let with = |text: &str| Health { body: Some(text.into()), ..health() };
    assert_eq!(told(&asked(member.url(), with("green"))), Ok(()));
    let why = Err("its body does not hold what was asked for".to_owned());
    assert_eq!(told(&asked(member.url(), with("red"))), why);
}

#[test]
fn over_tls_only_whom_its_authority_vouches_for_is_well() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("versions").with_no_client_auth();
    let config = builder.with_single_cert(vec![made.cert.der().clone()], key).expect("a pair");
    let member = Member::start("", Some(Arc::new(config)));
    let port = member.address.port();
    let trusting = |origin: String, trusted| told(&Asked { trusted: Some(trusted), ..asked(origin, health()) });
    let pem = || Ok(made.cert.pem().into_bytes());
    assert_eq!(trusting(format!("https://localhost:{port}"), pem()), Ok(()));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    for (origin, trusted) in [
        (format!("https://localhost:{port}"), Ok(other.cert.pem().into_bytes())),
        // The certificate is for another name.
        (format!("https://127.0.0.1:{port}"), pem()),
    ] {
        let why = trusting(origin.clone(), trusted).expect_err("nobody vouches for it");
        assert!(why.starts_with("agreeing on TLS: "), "{origin}: {why}");
    }
    let unread = Err("ca.pem cannot be read: it is not there".to_owned());
    assert_eq!(
        trusting(format!("https://localhost:{port}"), unread),
        Err("ca.pem cannot be read: it is not there".into())
    );
}

#[test]
fn an_answer_that_does_not_come_in_time_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let hurried = Health { timeout: 60, ..health() };
    let why = told(&asked(origin, hurried)).expect_err("nobody answers");
    assert!(why.contains("nothing within 60ms"), "{why}");
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    assert!(TcpStream::connect(gone).is_err());
    let why = told(&asked(format!("http://{gone}"), health())).expect_err("nobody is there");
    assert!(why.starts_with("connecting: "), "{why}");
}

#[test]
fn a_member_falls_after_failures_in_a_row_and_rises_after_successes() {
    let member = Member::start("", None);
    let (tell, told) = channel();
    let monitor = Monitor::start("byway/test", move |report| drop(tell.send(report))).expect("a thread");
    monitor.ask(vec![asked(member.url(), health())]);
    let next = || -> Report { told.recv_timeout(Duration::from_secs(20)).expect("a report") };
    assert!(next().up);
    member.status.store(503, SeqCst);
    // One question may have been on its way already.
    let failures: Vec<Report> =
        std::iter::from_fn(|| Some(next())).skip_while(|report| report.trouble.is_none()).take(2).collect();
    assert_eq!([failures[0].is_change, failures[1].is_change], [false, true]);
    assert!(failures[0].up && !failures[1].up);
    member.status.store(200, SeqCst);
    let well: Vec<Report> =
        std::iter::from_fn(|| Some(next())).skip_while(|report| report.trouble.is_some()).take(3).collect();
    assert_eq!(
        well.iter().map(|report| (report.up, report.is_change)).collect::<Vec<_>>(),
        [(false, false), (false, false), (true, true)]
    );
    // Whoever is asked no more is left in peace.
    monitor.ask(Vec::new());
    while told.recv_timeout(Duration::from_millis(300)).is_ok() {}
    let before = member.asked.load(SeqCst);
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(member.asked.load(SeqCst), before);
}
