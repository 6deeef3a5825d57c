//! The control socket: how another `byway` speaks to a running server.
//!
//! A Unix socket that only its owner may open. One line asks (`reload`, or `reload force`); the answer is one line with the exit
//! code and then what is to be printed, up to the end. A signal could ask as well, but it could not say what came of it.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::{Exit, Failure};

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Read the rules again.
    Reload,
    /// The same, whatever vanishes.
    ReloadForced,
}

impl Request {
    const ALL: [Request; 2] = [Request::Reload, Request::ReloadForced];

    fn line(self) -> &'static str {
        match self {
            Request::Reload => "reload",
            Request::ReloadForced => "reload force",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How the asking program ends.
    pub(crate) exit: Exit,
    /// What it prints.
    pub(crate) text: String,
}

/// A socket that is removed when the server ends.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens the socket and answers on a thread of its own.
pub(crate) fn listen(path: &Path, answer: impl Fn(Request) -> Answer + Send + 'static) -> Result<Control, Failure> {
    let refused = |error: io::Error| {
        Failure::no_verdict(format!("the control socket {} cannot be opened: {error}", path.display()))
    };
    remove_if_dead(path).map_err(refused)?;
    let listener = UnixListener::bind(path).map_err(refused)?;
    let control = Control { path: path.to_owned() };
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(refused)?;
    let thread = std::thread::Builder::new().name("byway-control".to_owned());
    let spawned = thread.spawn(move || {
        for stream in listener.incoming() {
            // Whoever hangs up early wanted no answer.
            let _ = stream.and_then(|stream| serve(&stream, &answer));
        }
    });
    spawned.map(|_| control).map_err(refused)
}

/// Removes a socket that nobody listens on any more. What is not a socket is left alone, and binding to it fails.
fn remove_if_dead(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    match UnixStream::connect(path) {
        Err(error) if is_socket && error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

fn serve(stream: &UnixStream, answer: &impl Fn(Request) -> Answer) -> io::Result<()> {
    // Nobody may hold up the next one by saying nothing.
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream.take(64)).read_line(&mut line)?;
    let request = Request::ALL.into_iter().find(|request| request.line() == line.trim_end());
    let answer = match request {
        Some(request) => answer(request),
        None => Answer { exit: Exit::Usage, text: format!("the server does not know `{}`\n", line.trim_end()) },
    };
    let mut stream = stream;
    stream.write_all(format!("{}\n{}", answer.exit as u8, answer.text).as_bytes())
}

/// Asks a running server, and waits for what comes of it.
pub(crate) fn ask(path: &Path, request: Request) -> Result<Answer, Failure> {
    let gone = |error: &io::Error| match error.kind() {
        ErrorKind::NotFound => Failure::no_verdict(format!("there is no socket {}", path.display()))
            .help("start the server with `--control` and this path"),
        ErrorKind::ConnectionRefused => Failure::no_verdict(format!("no server listens at {}", path.display())),
        _ => Failure::no_verdict(format!("the server at {} cannot be asked: {error}", path.display())),
    };
    let mut stream = UnixStream::connect(path).map_err(|error| gone(&error))?;
    let mut text = String::new();
    let asked =
        stream.write_all(format!("{}\n", request.line()).as_bytes()).and_then(|()| stream.read_to_string(&mut text));
    asked.map_err(|error| gone(&error))?;
    let (exit, text) = text.split_once('\n').unwrap_or_default();
    let exit = [Exit::Done, Exit::Something, Exit::Usage, Exit::NoVerdict]
        .into_iter()
        .find(|known| (*known as u8).to_string() == exit);
    match exit {
        Some(exit) => Ok(Answer { exit, text: text.to_owned() }),
        None => Err(Failure::no_verdict(format!("the server at {} went away before it answered", path.display()))),
    }
}
