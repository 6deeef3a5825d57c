//! TLS: what is spoken, which certificate is shown, how it is changed, and that early answers hold.

mod common;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use byway_server::Settings;
use byway_server::forwarded::{Family, Trust};
use byway_server::listen::ProxyProtocol;
use byway_server::tls::{CertificateFault, CertificateFiles, Tls};
use common::{Running, quick, rules_of, start_listener};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Writes a certificate for these names and its key, and gives back where, and what a client has to trust.
fn made(folder: &Path, file: &str, names: &[&str], days: i64) -> (CertificateFiles, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(1_000 * 86_400)).into();
    params.not_after = match u64::try_from(days) {
        Ok(days) => (now + Duration::from_secs(days * 86_400)).into(),
        Err(_) => (now - Duration::from_secs(days.unsigned_abs() * 86_400)).into(),
    };
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let files = CertificateFiles { cert: folder.join(format!("{file}.pem")), key: folder.join(format!("{file}.key")) };
    fs::write(&files.cert, certificate.pem()).expect("written");
    fs::write(&files.key, key.serialize_pem()).expect("written");
    (files, certificate.der().clone())
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect_after(
    before: &[u8],
    server: &Running,
    name: &str,
    trusted: &CertificateDer<'static>,
    alpn: &[&str],
) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
    let connection = ClientConnection::new(Arc::new(config), name.to_owned().try_into().expect("a name"));
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(before).expect("sent");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a limit");
    StreamOwned::new(connection.expect("a client"), stream)
}

fn connect(server: &Running, name: &str, trusted: &CertificateDer<'static>, alpn: &[&str]) -> Stream {
    connect_after(b"", server, name, trusted, alpn)
}

fn serving(tls: Tls, settings: Settings) -> Running {
    let rules = rules_of(&[("https://t.test/*", 307, "https://new.test/*"), ("http://t.test/*", 410, "")]);
    start_listener(settings, rules, |listener| listener.with_tls(tls))
}

fn head(stream: &mut Stream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"</a>\n") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).expect("an answer");
        assert_ne!(read, 0, "closed: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(text).expect("text")
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: t.test\r\n\r\n";

#[test]
fn requests_are_answered_on_one_connection_and_its_end_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, trusted) = made(folder.path(), "t", &["t.test"], 90);
    let tls = Tls::of_files(vec![files], SystemTime::now()).expect("certificates");
    let server = serving(tls, quick());
    let mut stream = connect(&server, "t.test", &trusted, &["http/1.1"]);
    for _ in 0..3 {
        stream.write_all(GET).expect("sent");
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 307 ") && head.contains("Location: https://new.test/a\r\n"), "{head}");
    }
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n").expect("sent");
    head(&mut stream);
    assert_eq!(stream.read(&mut [0; 10]).expect("close_notify, not a cut"), 0);
    assert_eq!((server.handle.counts().handshakes, server.handle.counts().failed_handshakes), (1, 0));
}

#[test]
fn idle_connections_are_closed_with_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, trusted) = made(folder.path(), "t", &["t.test"], 90);
    let tls = Tls::of_files(vec![files], SystemTime::now()).expect("certificates");
    let server = serving(tls, Settings { idle_time: Duration::from_millis(100), ..quick() });
    let mut stream = connect(&server, "t.test", &trusted, &[]);
    stream.write_all(GET).expect("sent");
    head(&mut stream);
    assert_eq!(stream.read(&mut [0; 10]).expect("close_notify, not a cut"), 0);
}

#[test]
fn a_client_that_writes_everything_first_gets_its_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, trusted) = made(folder.path(), "t", &["t.test"], 90);
    let server = serving(Tls::of_files(vec![files], SystemTime::now()).expect("certificates"), quick());
    let mut stream = connect(&server, "t.test", &trusted, &[]);
    for _ in 0..2 {
        stream.write_all(b"POST /a HTTP/1.1\r\nHost: t.test\r\nContent-Length: 8388608\r\n\r\n").expect("sent");
        for _ in 0..128 {
            stream.write_all(&[b'x'; 65_536]).expect("sent");
        }
        assert!(head(&mut stream).starts_with("HTTP/1.1 307 "));
    }
    stream.write_all(GET).expect("sent");
    head(&mut stream);
    assert_eq!(server.handle.counts().lingered[1], 2);
}

#[test]
fn many_pipelined_answers_all_leave() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, trusted) = made(folder.path(), "t", &["t.test"], 90);
    let server = serving(Tls::of_files(vec![files], SystemTime::now()).expect("certificates"), quick());
    let mut stream = connect(&server, "t.test", &trusted, &[]);
    stream.write_all(&GET.repeat(2_000)).expect("sent");
    let (mut seen, mut text) = (0, Vec::new());
    while seen < 2_000 {
        let mut piece = [0; 65_536];
        let read = stream.read(&mut piece).expect("answers");
        assert_ne!(read, 0);
        text.extend_from_slice(&piece[..read]);
        seen = text.windows(12).filter(|twelve| *twelve == b"HTTP/1.1 307").count();
    }
}

#[test]
fn http2_is_agreed_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, trusted) = made(folder.path(), "t", &["t.test"], 90);
    let server = serving(Tls::of_files(vec![files], SystemTime::now()).expect("certificates"), quick());
    let mut stream = connect(&server, "t.test", &trusted, &["h2", "http/1.1"]);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).expect("a frame");
    assert_eq!((frame[3], stream.conn.alpn_protocol()), (4, Some(&b"h2"[..])), "SETTINGS");
}

#[test]
fn the_name_chooses_the_certificate_and_files_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, trusted) = made(folder.path(), "first", &["t.test"], 90);
    let (wild, wild_trusted) = made(folder.path(), "wild", &["*.example.com"], 90);
    let tls = Tls::of_files(vec![first.clone(), wild], SystemTime::now()).expect("certificates");
    let server = serving(tls.clone(), quick());
    let shakes = |name: &str, trusted: &CertificateDer<'static>| {
        let mut stream = connect(&server, name, trusted, &[]);
        stream.write_all(GET).and_then(|()| stream.read_exact(&mut [0; 1])).is_ok()
    };
    assert!(shakes("t.test", &trusted) && shakes("www.example.com", &wild_trusted));
    assert!(!shakes("www.example.com", &trusted), "it is another certificate");
    fs::write(&first.key, "nonsense").expect("written");
    let error = tls.reload(SystemTime::now()).expect_err("no key");
    assert!(matches!(error.fault, CertificateFault::NotPem(_)), "{error}");
    assert!(shakes("t.test", &trusted), "the old ones stay");
    assert_eq!(tls.failed_reloads(), 1);
    let (_, renewed) = made(folder.path(), "first", &["t.test"], 91);
    tls.reload(SystemTime::now()).expect("certificates");
    assert!(shakes("t.test", &renewed) && !shakes("t.test", &trusted));
}

#[test]
fn what_is_wrong_with_a_pair_is_said_when_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let (good, _) = made(at, "good", &["t.test"], 5);
    let (other, _) = made(at, "other", &["t.test"], 90);
    let (old, _) = made(at, "old", &["t.test"], -1);
    fs::write(at.join("empty"), "").expect("written");
    fs::write(at.join("cut"), &fs::read(&good.cert).expect("read")[..200]).expect("written");
    fs::write(at.join("locked"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .expect("written");
    let chain = [fs::read(&good.cert).expect("read"), fs::read(&old.cert).expect("read")].concat();
    fs::write(at.join("chain"), chain).expect("written");
    let said = |cert: &Path, key: &Path| {
        let pair = CertificateFiles { cert: cert.to_owned(), key: key.to_owned() };
        let error = Tls::of_files(vec![pair], SystemTime::now()).expect_err("something is wrong");
        assert!(error.help().is_some() || matches!(error.fault, CertificateFault::Missing), "{error}");
        error.to_string().replace(&format!("{}/", at.display()), "")
    };
    assert_eq!(said(&at.join("none"), &good.key), "none is not there");
    assert_eq!(said(&good.cert, &other.key), "the key in other.key does not fit the certificate in good.pem");
    assert!(said(&old.cert, &old.key).starts_with("a certificate in old.pem expired at 20"));
    assert!(said(&at.join("chain"), &good.key).starts_with("a certificate in chain expired at 20"));
    assert_eq!(said(&good.key, &good.cert), "good.key holds no certificate");
    assert_eq!(said(&good.cert, &good.cert), "good.pem holds no private key");
    assert_eq!(said(&at.join("empty"), &good.key), "empty is not PEM: there is no `-----BEGIN` in it");
    assert_eq!(said(&at.join("cut"), &good.key), "cut is not PEM: a section has no end: the file is cut off");
    assert_eq!(said(&good.cert, &at.join("locked")), "locked is encrypted, and nobody is there to type the password");
    let tls = Tls::of_files(vec![good], SystemTime::now()).expect("it is good");
    let info = &tls.certificates()[0];
    assert_eq!(info.names, ["t.test"]);
    assert!(info.left(SystemTime::now()) < byway_server::tls::EXPIRES_SOON, "it is spoken of");
}

#[test]
fn who_speaks_in_the_clear_is_told_and_who_says_nothing_is_cut() {
    let tls = Tls::self_signed(&["localhost"]).expect("a certificate");
    let server = serving(tls, Settings { handshake_time: Duration::from_millis(100), ..quick() });
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(GET).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("https"), "{text}");
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00", b"\x80\x2e\x01"] {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.write_all(bytes).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        let waits = stream.read_to_end(&mut Vec::new()).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(!waits, "hung up on");
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.handle.counts().failed_handshakes < 4 {
        assert!(Instant::now() < deadline, "each is counted");
        std::thread::yield_now();
    }
    assert_eq!(server.handle.counts().handshakes, 0);
}

#[test]
fn tls_follows_the_proxy_protocol() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, trusted) = made(folder.path(), "t", &["t.test"], 90);
    let tls = Tls::of_files(vec![files], SystemTime::now()).expect("certificates");
    let trust = Trust::parse(["127.0.0.0/8"], Family::XForwarded).expect("a network");
    let rules = rules_of(&[("https://t.test/*", 307, "https://new.test/*")]);
    let server = start_listener(Settings { trust, ..quick() }, rules, |listener| {
        listener.with_tls(tls).with_proxy_protocol(ProxyProtocol::Required)
    });
    let mut stream = connect_after(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 80\r\n", &server, "t.test", &trusted, &[]);
    stream.write_all(GET).expect("sent");
    assert!(head(&mut stream).starts_with("HTTP/1.1 307 "));
}
