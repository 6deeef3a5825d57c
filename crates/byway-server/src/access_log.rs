//! The access log: one line a request, gathered per thread and written by one.
//!
//! Lines gather in a buffer of the serving thread and go to the writer when the buffer is full or at the next tick, so that no
//! request waits for a disk. If the disk cannot keep up, lines are dropped and counted rather than kept without end. Everything
//! that a client sent is escaped: a log is read by people and terminals.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use byway_core::{Decision, Fields};

use crate::answer::{Answer, push_number};
use crate::clock::Clock;
use crate::core::{Incoming, Refused};
use crate::counters::Lingered;
use crate::head::Glimpse;
use crate::live::Generation;
use crate::settings::{Log, LogFormat, Queries};

/// A buffer is handed to the writer when it is so long.
const FULL: usize = 32 * 1024;
/// Buffers that may wait for the writer, over all threads.
const WAITING: usize = 256;

/// One thread's lines on their way to the writer.
pub(crate) struct LogBuffer {
    format: LogFormat,
    queries: Queries,
    lines: Vec<u8>,
    spare: Vec<u8>,
    writer: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// A line that is not finished: how the body ended is not known yet.
pub(crate) struct Line {
    text: Vec<u8>,
    began: Option<Instant>,
}

enum Message {
    Lines(Vec<u8>),
    Reopen,
    Close,
}

impl LogBuffer {
    /// Begins a line with all that is known when the answer leaves.
    pub(crate) fn line(
        &mut self,
        incoming: &Incoming<'_>,
        generation: &Generation,
        decision: &Decision<'_>,
        answer: &Answer<'_>,
        clock: &Clock,
    ) -> Line {
        let mut text = std::mem::take(&mut self.spare);
        text.clear();
        match self.format {
            LogFormat::Json => self.json(incoming, generation, decision, answer, clock, &mut text),
            LogFormat::Common => self.common(incoming, answer, clock, &mut text),
            LogFormat::Combined => {
                self.common(incoming, answer, clock, &mut text);
                for name in ["referer", "user-agent"] {
                    text.push(b' ');
                    quoted_field(incoming.fields, name, &mut text);
                }
            }
        }
        Line { text, began: incoming.began }
    }

    /// A whole line for a request that was refused before anything was decided: what is known of it, and why.
    pub(crate) fn refused(&mut self, refused: &Refused<'_>, answer: &Answer<'_>, clock: &Clock) {
        let mut text = std::mem::take(&mut self.spare);
        text.clear();
        match self.format {
            LogFormat::Json => self.json_refused(refused, answer, clock, &mut text),
            LogFormat::Common | LogFormat::Combined => {
                self.common_refused(refused, answer, clock, &mut text);
                if self.format == LogFormat::Combined {
                    text.extend_from_slice(b" \"-\" \"-\"");
                }
                text.extend_from_slice(b" \"");
                escape(refused.bad.reason().as_bytes(), &mut text);
                text.push(b'"');
            }
        }
        self.finish_text(&mut text);
    }

    /// Ends a line.
    pub(crate) fn finish(&mut self, line: &mut Line, how: Lingered, bytes: u64) {
        let text = &mut line.text;
        if self.format == LogFormat::Json {
            text.extend_from_slice(b",\"linger\":\"");
            text.extend_from_slice(how.as_str().as_bytes());
            text.extend_from_slice(b"\",\"body_read\":");
            push_number(bytes, text);
            text.extend_from_slice(b",\"micros\":");
            push_number(line.began.map_or(0, |began| began.elapsed().as_micros() as u64), text);
            text.push(b'}');
        }
        self.finish_text(text);
    }

    fn finish_text(&mut self, text: &mut Vec<u8>) {
        text.push(b'\n');
        self.lines.extend_from_slice(text);
        self.spare = std::mem::take(text);
        if self.lines.len() >= FULL {
            self.flush();
        }
    }

    /// Hands what was gathered to the writer.
    pub(crate) fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = std::mem::replace(&mut self.lines, Vec::with_capacity(FULL + FULL / 4));
        if let Err(TrySendError::Full(Message::Lines(lines)) | TrySendError::Disconnected(Message::Lines(lines))) =
            self.writer.try_send(Message::Lines(lines))
        {
            self.lost.fetch_add(memchr::memchr_iter(b'\n', &lines).count() as u64, Relaxed);
        }
    }

    /// `host - - [time] "request" status bytes`
    fn common(&self, incoming: &Incoming<'_>, answer: &Answer<'_>, clock: &Clock, out: &mut Vec<u8>) {
        begin_common(incoming.client, clock, out);
        escape(incoming.method.as_bytes(), out);
        out.push(b' ');
        escape(incoming.effective.path, out);
        if let (Queries::Shown, Some(query)) = (self.queries, incoming.effective.query) {
            out.push(b'?');
            escape(query, out);
        }
        out.push(b' ');
        out.extend_from_slice(incoming.version.as_bytes());
        out.extend_from_slice(b"\" ");
        push_number(u64::from(answer.status), out);
        match answer.content.len() {
            Some(length) if incoming.method != "HEAD" => {
                out.push(b' ');
                push_number(length as u64, out);
            }
            _ => out.extend_from_slice(b" -"),
        }
    }

    /// The same for a request that was refused; `-` stands for a request line that is none.
    fn common_refused(&self, refused: &Refused<'_>, answer: &Answer<'_>, clock: &Clock, out: &mut Vec<u8>) {
        let Glimpse { method, version, .. } = refused.seen;
        begin_common(refused.peer.address, clock, out);
        match method {
            "" => out.push(b'-'),
            method => {
                let (path, query) = self.target_of(refused);
                escape(method.as_bytes(), out);
                out.push(b' ');
                escape(path, out);
                if let Some(query) = query {
                    out.push(b'?');
                    escape(query, out);
                }
                if !version.is_empty() {
                    out.push(b' ');
                    escape(version.as_bytes(), out);
                }
            }
        }
        out.extend_from_slice(b"\" ");
        push_number(u64::from(answer.status), out);
        match answer.content.len() {
            Some(length) if method != "HEAD" => {
                out.push(b' ');
                push_number(length as u64, out);
            }
            _ => out.extend_from_slice(b" -"),
        }
    }

    fn json_refused(&self, refused: &Refused<'_>, answer: &Answer<'_>, clock: &Clock, out: &mut Vec<u8>) {
        begin_json(refused.peer.address, clock, out);
        let (path, query) = self.target_of(refused);
        let Glimpse { method, version, .. } = refused.seen;
        let known = [
            ("method", method.as_bytes()),
            ("host", refused.host.as_bytes()),
            ("path", path),
            ("query", query.unwrap_or_default()),
            ("protocol", version.as_bytes()),
        ];
        for (name, value) in known {
            if !value.is_empty() {
                json_text(name, value, out);
            }
        }
        out.extend_from_slice(b",\"status\":");
        push_number(u64::from(answer.status), out);
        json_text("refused", refused.bad.reason().as_bytes(), out);
        out.push(b'}');
    }

    /// Path and query of what was refused; the query only where queries are written.
    fn target_of<'r>(&self, refused: &Refused<'r>) -> (&'r [u8], Option<&'r [u8]>) {
        let target = refused.seen.target;
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        let query = target.get(end + 1..).filter(|_| self.queries == Queries::Shown);
        (&target[..end], query)
    }

    fn json(
        &self,
        incoming: &Incoming<'_>,
        generation: &Generation,
        decision: &Decision<'_>,
        answer: &Answer<'_>,
        clock: &Clock,
        out: &mut Vec<u8>,
    ) {
        begin_json(incoming.client, clock, out);
        if incoming.client != incoming.peer.address {
            out.extend_from_slice(b",\"peer\":\"");
            push_address(incoming.peer.address, out);
            out.push(b'"');
        }
        json_text("scheme", incoming.effective.scheme.as_str().as_bytes(), out);
        json_text("method", incoming.method.as_bytes(), out);
        json_text("host", incoming.effective.host.as_bytes(), out);
        json_text("path", incoming.effective.path, out);
        if let (Queries::Shown, Some(query)) = (self.queries, incoming.effective.query) {
            json_text("query", query, out);
        }
        json_text("protocol", incoming.version.as_bytes(), out);
        out.extend_from_slice(b",\"status\":");
        push_number(u64::from(answer.status), out);
        if let Some(rule) = decision.rule.map(|rule| generation.rules.rule(rule)) {
            json_text("rule", rule.identity().to_string().as_bytes(), out);
            if rule.place().line > 0 {
                // Several rules may share an identity; their lines they do not share.
                json_text("at", format!("{}:{}", rule.file_name(), rule.place().line).as_bytes(), out);
            }
            if let Some(group) = rule.group() {
                json_text("group", group.as_bytes(), out);
            }
        }
        if !decision.variants.is_empty() {
            json_text("split", decision.variants.as_bytes(), out);
        }
        out.extend_from_slice(b",\"generation\":");
        push_number(generation.number, out);
    }
}

/// `host - - [time] "`
fn begin_common(address: Option<IpAddr>, clock: &Clock, out: &mut Vec<u8>) {
    push_address(address, out);
    out.extend_from_slice(b" - - [");
    clock.write_log_stamp(out);
    out.extend_from_slice(b"] \"");
}

fn begin_json(address: Option<IpAddr>, clock: &Clock, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.write_iso_stamp(out);
    out.extend_from_slice(b"\",\"address\":\"");
    push_address(address, out);
    out.push(b'"');
}

fn push_address(address: Option<IpAddr>, out: &mut Vec<u8>) {
    match address {
        // Writing into a Vec cannot fail.
        Some(address) => drop(write!(out, "{address}")),
        None => out.extend_from_slice(b"unix"),
    }
}

fn quoted_field(fields: &dyn Fields, name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let before = out.len();
    fields.for_each(name, &mut |value| {
        if out.len() == before {
            escape(value, out);
        }
    });
    if out.len() == before {
        out.push(b'-');
    }
    out.push(b'"');
}

/// As nginx and Apache do: quotes, backslashes, controls and everything beyond ASCII as `\xHH`.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=0x1F | 0x7F.. => drop(write!(out, "\\x{byte:02X}")),
            byte => out.push(byte),
        }
    }
}

/// `,"name":"value"`; what is no UTF-8 becomes U+FFFD, what is no plain character is escaped.
fn json_text(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    for chunk in value.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' | '\\' => out.extend_from_slice(&[b'\\', letter as u8]),
                // Controls of either set, and what turns the direction of text around.
                '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                    drop(write!(out, "\\u{:04x}", letter as u32));
                }
                letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
    out.push(b'"');
}

/// The thread that writes the file.
pub(crate) struct LogWriter {
    log: Log,
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LogWriter {
    /// Opens the file and starts the thread.
    pub(crate) fn start(log: &Log) -> io::Result<LogWriter> {
        let file = open(&log.path)?;
        let (sender, receiver) = sync_channel(WAITING);
        let path = log.path.clone();
        let thread =
            std::thread::Builder::new().name("byway-log".into()).spawn(move || write_all(&path, file, &receiver))?;
        Ok(LogWriter { log: log.clone(), sender, lost: Arc::default(), thread: Mutex::new(Some(thread)) })
    }

    /// A buffer for one serving thread.
    pub(crate) fn buffer(&self) -> LogBuffer {
        LogBuffer {
            format: self.log.format,
            queries: self.log.queries,
            lines: Vec::with_capacity(FULL + FULL / 4),
            spare: Vec::new(),
            writer: self.sender.clone(),
            lost: self.lost.clone(),
        }
    }

    /// Opens the file anew: somebody has renamed it.
    pub(crate) fn reopen(&self) {
        // The writer ends only with this value; a full queue is waited for.
        let _ = self.sender.send(Message::Reopen);
    }

    /// Waits until all that was handed over is written; what comes later is lost and counted.
    pub(crate) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = self.sender.send(Message::Close);
            // A writer that panicked has nothing more to write.
            let _ = thread.join();
        }
    }

    /// Lines that were dropped because the disk could not keep up.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.close();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Writes until told to close. A write that fails loses its lines: there is nobody to tell but the next reopen.
fn write_all(path: &Path, mut file: File, messages: &Receiver<Message>) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Lines(lines) => drop(file.write_all(&lines)),
            Message::Close => return,
            Message::Reopen => {
                if let Ok(reopened) = open(path) {
                    file = reopened;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_escaped() {
        let mut text = Vec::new();
        escape(b"a\"b\\c\n\x1b[31m\xe9", &mut text);
        assert_eq!(text, br"a\x22b\x5Cc\x0A\x1B[31m\xE9");
        let mut json = Vec::new();
        json_text("n", "a\"\\\u{1b}\u{202e}é".as_bytes(), &mut json);
        json_text("m", b"\xff!", &mut json);
        assert_eq!(String::from_utf8_lossy(&json), ",\"n\":\"a\\\"\\\\\\u001b\\u202eé\",\"m\":\"\u{FFFD}!\"");
    }
}
