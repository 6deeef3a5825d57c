//! A server that a test started: where it listens, what it says, how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use byway_net::{Ask, Limits, Transport};

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server; dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    said: Receiver<String>,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
}

impl Running {
    /// Starts `byway serve` in a folder and waits until it listens on a port of its choice.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
        command.arg("serve").args(arguments).args(["--listen", "127.0.0.1:0"]);
        let spawned =
            command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the binary runs");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // A test that has seen enough listens no more.
                let _ = say.send(line);
            }
        });
        let mut running = Running { child, said, base: String::new() };
        let line = running.wait_for("listening on http://");
        running.base = line.trim_start_matches("listening on ").to_owned();
        running
    }

    /// The first line from now on that has this in it.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => before.push(line),
                Err(error) => panic!("`{part}` was not said ({error}); said was:\n{}", before.join("\n")),
            }
        }
    }

    /// Sends a signal, as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Tells it to stop with this signal, and how it ended.
    pub(crate) fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.child.wait().expect("it ends")
    }

    /// Status and Location of the answer to a request.
    pub(crate) fn ask(&self, method: &str, target: &str) -> Asked {
        self.ask_with(method, target, &[], "")
    }

    /// The same with fields and a body.
    pub(crate) fn ask_with(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Asked {
        ask_of(&self.base, method, target, fields, body)
    }

    /// Status and Location alone, as a case says them.
    pub(crate) fn gets(&self, method: &str, target: &str) -> String {
        let Asked { status, location, .. } = self.ask(method, target);
        format!("{status} {}", location.unwrap_or_default()).trim_end().to_owned()
    }
}

/// The answer of whoever listens at a base, as `http://127.0.0.1:PORT`.
pub(crate) fn ask_of(base: &str, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Asked {
    let mut ask = Ask::get(format!("{base}{target}").parse().expect("a URL"));
    ask.method = method.parse().expect("a method");
    ask.body = body.to_owned().into();
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().expect("a name");
        ask.fields.insert(name, value.parse().expect("a value"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(Transport::new("test", Limits::default()).send(ask)).expect("an answer");
    let location: Vec<String> = answer.locations().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    assert!(location.len() <= 1, "{location:?}");
    Asked {
        status: answer.status,
        location: location.into_iter().next(),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// Runs `byway` to its end.
pub(crate) fn byway(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byway")).args(arguments).current_dir(folder).output().expect("the binary runs")
}

/// What a program printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Replaces a file as deployments do: written beside, renamed.
pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    let beside = folder.join(format!("{name}.new"));
    fs::write(&beside, text).expect("a file");
    fs::rename(beside, folder.join(name)).expect("a name");
}
