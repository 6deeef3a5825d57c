//! How a command speaks to a running server: the admin API through its Unix socket.
//!
//! One request on one connection, HTTP/1.1 with a JSON body; what the API answers is in `admin/openapi.json`. A signal could ask
//! for a reload as well, but it could not say what came of it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::disk::in_words;
use crate::exit::{Exit, Failure};

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How the asking program ends.
    pub(crate) exit: Exit,
    /// What it prints.
    pub(crate) text: String,
}

/// The longest answer that is read.
const ANSWER: u64 = 64 << 20;

/// Sends a request to the API of the server behind a socket, and waits for what comes of it: its status and its body.
pub(crate) fn call(path: &Path, method: &str, target: &str, body: &Value) -> Result<(u16, Value), Failure> {
    let broken = |error: &io::Error| gone(path, error);
    let strange = || Failure::no_verdict(format!("the server at {} gave no answer that is understood", path.display()));
    let mut stream = UnixStream::connect(path).map_err(|error| broken(&error))?;
    let content = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        content.len()
    );
    let mut answer = Vec::new();
    let sent = stream.write_all(format!("{head}{content}").as_bytes());
    sent.and_then(|()| stream.take(ANSWER).read_to_end(&mut answer)).map_err(|error| broken(&error))?;
    let answer = String::from_utf8(answer).map_err(|_| strange())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(strange)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(strange)?;
    Ok((status, serde_json::from_str(body).map_err(|_| strange())?))
}

/// Asks for a reload.
pub(crate) fn reload(path: &Path, body: &Value) -> Result<(Answer, Value), Failure> {
    let (status, value) = call(path, "POST", "/v1/reload", body)?;
    let exit = value["exit"].as_u64().and_then(|exit| {
        [Exit::Done, Exit::Something, Exit::Usage, Exit::NoVerdict].into_iter().find(|known| *known as u64 == exit)
    });
    match (exit, value["text"].as_str()) {
        (Some(exit), Some(text)) => Ok((Answer { exit, text: text.to_owned() }, value)),
        _ => Err(refused(path, status, &value)),
    }
}

/// What is said of a request that the API did not carry out.
pub(crate) fn refused(path: &Path, status: u16, value: &Value) -> Failure {
    let detail = value["detail"].as_str().unwrap_or("it does not say why");
    Failure::no_verdict(format!("the server at {} answered {status}: {detail}", path.display()))
}

fn gone(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => Failure::no_verdict(format!("there is no socket {path}"))
            .help("start the server with `--control` and this path"),
        ErrorKind::ConnectionRefused => Failure::no_verdict(format!("no server listens at {path}")),
        ErrorKind::PermissionDenied => Failure::no_verdict(format!("the socket {path} is for its owner alone"))
            .help("run this as the user that the server runs as"),
        _ => Failure::no_verdict(format!("the server at {path} cannot be asked: {}", in_words(error))),
    }
}
