//! Pools and windows while serving: a member that dies is sent nobody after its checks, bodies arrive at the one that is up, and
//! what is opened by hand outlives a restart.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use byway_testkit::testbed;

use crate::running::{Running, byway, put, text};

/// What reached an origin: method, target, content type, body.
type Arrived = (String, String, String, String);

/// An origin that notes what reaches it; it can be stopped, and then refuses connections.
struct Origin {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    arrived: Mutex<Receiver<Arrived>>,
}

impl Origin {
    fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (tell, arrived) = channel();
        let stopped = is_stopped.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(SeqCst) {
                    return;
                }
                let tell = tell.clone();
                std::thread::spawn(move || answer(&stream, &tell));
            }
        });
        Origin { address, is_stopped, arrived: Mutex::new(arrived) }
    }

    fn stop(&self) {
        self.is_stopped.store(true, SeqCst);
        // The one that wakes it up finds nobody.
        drop(TcpStream::connect(self.address));
    }

    /// The next that is no health check.
    fn next(&self) -> Arrived {
        let arrived = self.arrived.lock().expect("one test asks");
        loop {
            let found = arrived.recv_timeout(std::time::Duration::from_secs(30)).expect("something arrives");
            if found.1 != "/healthz" {
                return found;
            }
        }
    }
}

fn answer(stream: &TcpStream, tell: &Sender<Arrived>) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut kind, mut length, mut expects) = (String::new(), String::new(), 0, false);
    let _ = reader.read_line(&mut line);
    loop {
        let mut field = String::new();
        if reader.read_line(&mut field).unwrap_or(0) == 0 || field.trim().is_empty() {
            break;
        }
        let (name, value) = field.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => value.trim().clone_into(&mut kind),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "expect" => expects = true,
            _ => {}
        }
    }
    let mut stream = stream;
    if expects {
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // A test that has seen enough listens no more.
    let _ = tell.send((method, target, kind, text(&body)));
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}

fn rules(folder: &Path, origins: [&Origin; 2]) {
    let [first, second] = origins.map(|origin| origin.address);
    let text = format!(
        "[server]\nstate = \"state\"\n\n[pool.p]\nmembers = [\"http://{first}\", \"http://{second}\"]\n\
         health = {{ path = \"/healthz\", interval = \"100ms\", timeout = \"1s\", fall = 2, rise = 2 }}\n\n\
         [window.w]\nfrom = 2020-01-01T00:00:00Z\nuntil = 2020-01-01T01:00:00Z\n\n\
         [[redirect]]\nfrom = \"/c/*\"\nto = \"/d/*\"\npool = \"p\"\n\n\
         [[reply]]\nfrom = \"/m/*\"\nstatus = 503\nretry_after = \"window\"\nwindow = \"w\"\n"
    );
    put(folder, "byway.toml", &text);
}

#[test]
fn a_member_that_dies_is_sent_nobody_after_its_checks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Origin::start(), Origin::start());
    rules(folder.path(), [&first, &second]);
    let server = Running::start(folder.path(), &["byway.toml", "--control", "control.sock"]);
    assert_eq!(server.gets("POST", "/c/x?y=%2F"), format!("307 http://{}/d/x?y=%2F", first.address));
    first.stop();
    server.wait_for(&format!("pool p: http://{} is down", first.address));
    for _ in 0..50 {
        assert_eq!(server.gets("POST", "/c/x"), format!("307 http://{}/d/x", second.address));
    }
    let listed = byway(folder.path(), &["pool", "list", "--control", "control.sock"]);
    assert_eq!(listed.status.code(), Some(1), "{}", text(&listed.stderr));
    assert!(text(&listed.stdout).contains("  down: "), "{}", text(&listed.stdout));
    let member = second.address.to_string();
    let drained = byway(folder.path(), &["pool", "drain", "p", &member, "--control", "control.sock"]);
    assert_eq!(drained.status.code(), Some(0), "{}", text(&drained.stderr));
    assert_eq!(server.gets("POST", "/c/x"), "503");
    let restored = byway(folder.path(), &["pool", "restore", "p", "--control", "control.sock"]);
    assert_eq!(restored.status.code(), Some(0), "{}", text(&restored.stderr));
    assert_eq!(server.gets("GET", "/c/x"), format!("307 http://{}/d/x", second.address));
    let unknown = byway(folder.path(), &["pool", "drain", "q", "--control", "control.sock"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
}

#[test]
fn bodies_reach_the_member_that_is_up_as_clients_sent_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Origin::start(), Origin::start());
    rules(folder.path(), [&first, &second]);
    let server = Running::start(folder.path(), &["byway.toml"]);
    let url = format!("{}/c/order?id=7%2F8", server.base);
    let python = format!(
        "import urllib.request as u, http.client as h, json, urllib.parse as p\nimport requests\n\
         requests.post({url:?}, data='item=kettle', headers={{'Content-Type': 'application/x-www-form-urlencoded'}})"
    );
    let node = format!("fetch({url:?}, {{method: 'POST', body: new URLSearchParams({{item: 'kettle'}})}})");
    let clients: [(&str, Vec<&str>); 3] = [
        ("curl", vec!["-sL", "--data", "item=kettle", &url]),
        ("python3", vec!["-c", &python]),
        ("node", vec!["-e", &node]),
    ];
    for (program, arguments) in clients {
        let Some(program) = testbed::find(program) else { continue };
        let done = Command::new(&program).args(&arguments).output().expect("the client runs");
        if text(&done.stderr).contains("No module named") {
            continue;
        }
        assert!(done.status.success(), "{}: {}", program.display(), text(&done.stderr));
        let (method, target, kind, body) = first.next();
        assert_eq!((method.as_str(), target.as_str(), body.as_str()), ("POST", "/d/order?id=7%2F8", "item=kettle"));
        assert!(kind.starts_with("application/x-www-form-urlencoded"), "{}: {kind}", program.display());
    }
}

#[test]
fn a_window_opened_by_hand_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Origin::start(), Origin::start());
    rules(folder.path(), [&first, &second]);
    let server = Running::start(folder.path(), &["byway.toml", "--control", "control.sock"]);
    assert_eq!(server.gets("GET", "/m/x"), "404");
    let without_end = byway(folder.path(), &["maintenance", "start", "w", "--control", "control.sock"]);
    assert_eq!(without_end.status.code(), Some(2), "{}", text(&without_end.stderr));
    let started = byway(folder.path(), &["maintenance", "start", "w", "--for", "1h", "--control", "control.sock"]);
    assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
    assert_eq!(server.gets("GET", "/m/x"), "503");
    assert!(server.end("TERM").success());
    let server = Running::start(folder.path(), &["byway.toml"]);
    assert_eq!(server.gets("GET", "/m/x"), "503");
    let explained = byway(folder.path(), &["explain", "/m/x"]);
    assert!(text(&explained.stdout).contains("503 Service Unavailable"), "{}", text(&explained.stdout));
    // Without a socket the file is written, and the server sees it.
    let stopped = byway(folder.path(), &["maintenance", "stop", "w"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
    let listed = byway(folder.path(), &["maintenance", "list"]);
    assert_eq!(listed.status.code(), Some(0), "{}", text(&listed.stdout));
    assert!(text(&listed.stdout).contains("closed"), "{}", text(&listed.stdout));
}
