//! A client that asks one request after the other on one connection, and keeps what came as bytes.
//!
//! It is no HTTP client: it must read answers in which a server was made to write a line break into Location.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::answer::Answer;
use super::ask::Ask;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head that is read.
const HEAD_LIMIT: usize = 256 * 1024;

/// A connection to a server, opened again where the server closes it.
pub(crate) struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

/// What was read.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) answer: Answer,
    pub(crate) has_body: bool,
}

impl Wire {
    pub(crate) fn new(address: SocketAddr) -> Wire {
        Wire { address, stream: None, out: Vec::new(), buffer: Vec::new() }
    }

    /// Asks; once more on a new connection, where the old one had been closed meanwhile.
    pub(crate) fn ask(&mut self, ask: &Ask) -> io::Result<Heard> {
        let was_open = self.stream.is_some();
        match self.try_ask(ask) {
            Err(_) if was_open => {
                self.stream = None;
                self.try_ask(ask)
            }
            other => other,
        }
    }

    fn try_ask(&mut self, ask: &Ask) -> io::Result<Heard> {
        self.out.clear();
        ask.bytes(&mut self.out);
        let is_new = self.stream.is_none();
        if is_new {
            self.stream = Some(connect(self.address)?);
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        self.buffer.clear();
        let heard = stream.write_all(&self.out).and_then(|()| read(stream, &mut self.buffer, ask.method == "HEAD"));
        match heard {
            Ok((heard, true)) => Ok(heard),
            Ok((heard, false)) => {
                self.stream = None;
                Ok(heard)
            }
            // Of a connection that stood open it may be the last request's end.
            Err(error) if is_new && is_closed(&error) && self.buffer.is_empty() => {
                self.stream = None;
                Ok(Heard { answer: Answer::Closed, has_body: false })
            }
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }
}

/// Whether the other side ended the connection.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads one answer, and whether the connection lives on.
fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, is_head: bool) -> io::Result<(Heard, bool)> {
    let end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end;
        }
        if buffer.len() > HEAD_LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long"));
        }
        more(stream, buffer)?;
    };
    let head = buffer[..end].to_vec();
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "no answer of HTTP/1");
    let status =
        head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    let status: u16 = status.filter(|_| head.starts_with(b"HTTP/1.")).ok_or_else(bad)?;
    let value = |name: &[u8]| field(&head, name);
    let body = end + 4;
    let has_no_body = is_head || status == 204 || status == 304 || status < 200;
    let is_chunked = value(b"transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    let length: Option<usize> =
        value(b"content-length").and_then(|value| std::str::from_utf8(&value).ok()?.trim().parse().ok());
    let mut lives = !value(b"connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    let has_body = match (has_no_body, is_chunked, length) {
        (true, ..) => false,
        (_, true, _) => chunks(stream, buffer, body)?,
        (_, _, Some(length)) => {
            while buffer.len() < body + length {
                more(stream, buffer)?;
            }
            length > 0
        }
        (_, _, None) => {
            lives = false;
            while more(stream, buffer).is_ok() {}
            buffer.len() > body
        }
    };
    // A Location that an error was left with sends nobody anywhere.
    let answer = match value(b"location").filter(|_| (300..400).contains(&status)) {
        Some(location) => Answer::Redirect(status, location),
        None => Answer::Status(status),
    };
    Ok((Heard { answer, has_body }, lives))
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            buffer.extend_from_slice(&piece[..count]);
            Ok(())
        }
    }
}

/// Reads a chunked body to its end; whether it had a byte.
fn chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>, mut at: usize) -> io::Result<bool> {
    let mut has_body = false;
    loop {
        let end = loop {
            match memchr::memmem::find(&buffer[at..], b"\r\n") {
                Some(end) => break at + end,
                None => more(stream, buffer)?,
            }
        };
        let digits = std::str::from_utf8(&buffer[at..end]).unwrap_or_default();
        let digits = digits.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if size > 1 << 30 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        at = end + 2 + size + 2;
        while buffer.len() < at {
            more(stream, buffer)?;
        }
        if size == 0 {
            return Ok(has_body);
        }
        has_body = true;
    }
}

/// The value of a field: the bytes behind the colon and one blank. Lines that begin with no name of a field are what a value
/// smuggled in, and belong to it.
fn field(head: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut found: Option<Vec<u8>> = None;
    let mut rest = head;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let is_field = colon < line.len()
            && colon > 0
            && line[..colon].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        match &mut found {
            None if is_field && line[..colon].eq_ignore_ascii_case(name) => {
                let value = &line[colon + 1..];
                found = Some(value.strip_prefix(b" ").unwrap_or(value).to_vec());
            }
            Some(value) if !is_field && name == b"location" => {
                value.extend_from_slice(b"\r\n");
                value.extend_from_slice(line);
            }
            Some(_) => return found,
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_location_belongs_to_it() {
        let head = b"HTTP/1.1 302 Moved\r\nServer: x\r\nLocation: /a\r\n/evil b\r\nContent-Length: 0";
        assert_eq!(field(head, b"location").as_deref(), Some(&b"/a\r\n/evil b"[..]));
        assert_eq!(field(head, b"content-length").as_deref(), Some(&b"0"[..]));
        assert_eq!(field(head, b"x-none"), None);
    }
}
