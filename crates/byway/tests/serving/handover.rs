//! A restart under load: the socket stays with a parent, as systemd keeps it, one byway ends and the next begins, and nobody is
//! refused.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::running::put;

/// How many requests are asked at least, over all restarts.
const REQUESTS: u64 = 4_000;
const RESTARTS: usize = 4;

/// A byway that is given the listening socket as file descriptor 3; a shell moves it there and says whose it is.
fn start(folder: &Path, listener: &TcpListener, notify: &Path) -> Child {
    let script = format!(
        "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ NOTIFY_SOCKET={} exec {} serve --workers 2",
        notify.display(),
        env!("CARGO_BIN_EXE_byway")
    );
    let mut command = Command::new("sh");
    let socket = OwnedFd::from(listener.try_clone().expect("a copy of the socket"));
    command.args(["-c", &script]).current_dir(folder).stdin(socket).stderr(Stdio::null());
    command.spawn().expect("a shell")
}

/// What was told before `word`, and it.
fn wait_for(notified: &UnixDatagram, word: &str) {
    let mut buffer = [0; 4096];
    loop {
        let length = notified.recv(&mut buffer).expect("the server tells how it is");
        if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == word) {
            return;
        }
    }
}

/// Whether a request on a connection of its own was answered by 307.
fn is_answered(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let patience = Some(Duration::from_secs(30));
    if stream.set_read_timeout(patience).is_err()
        || stream.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").is_err()
    {
        return false;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 307 ")
}

#[test]
fn a_restart_under_load_refuses_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n");
    let notify = folder.path().join("notify");
    let notified = UnixDatagram::bind(&notify).expect("a socket");
    notified.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a bound port");
    let mut server = start(folder.path(), &listener, &notify);
    wait_for(&notified, "READY=1");
    let (asked, lost, is_over) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (asked, lost, is_over) = (asked.clone(), lost.clone(), is_over.clone());
            std::thread::spawn(move || {
                while !is_over.load(Relaxed) {
                    lost.fetch_add(u64::from(!is_answered(address)), Relaxed);
                    asked.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for restart in 1..=RESTARTS {
        while asked.load(Relaxed) < REQUESTS * restart as u64 / (RESTARTS as u64 + 1) {
            std::thread::yield_now();
        }
        let pid = server.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        wait_for(&notified, "STOPPING=1");
        assert!(server.wait().expect("it ends").success());
        server = start(folder.path(), &listener, &notify);
        wait_for(&notified, "READY=1");
    }
    while asked.load(Relaxed) < REQUESTS {
        std::thread::yield_now();
    }
    is_over.store(true, Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!(lost.load(Relaxed), 0, "of {}", asked.load(Relaxed));
}
