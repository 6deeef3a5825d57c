//! One HTTP/1.1 connection, from its first byte to its last: the loop that makes early answers arrive.
//!
//! It is byway's own, since what an early answer needs (who waits for `100 Continue`, whether a body byte was seen, half-close,
//! reading on within a budget) is what HTTP libraries hide, and since it is cheaper: one read and one write per request or per
//! pipelined batch, nothing allocated when warm, no timer registered. Reads go into the thread's buffer and are parsed there; an
//! idle connection holds no buffer at all.
//!
//! The states are few: a head, a body that nobody wants, and the goodbye (half-closed, discarding for a while, so that the kernel
//! does not reset away an answer that the client has not read: RFC 9112 §9.6). The stream may be anything that reads and writes.

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::access_log::Line;
use crate::answer::{Answer, To};
use crate::asked::Effective;
use crate::body::{Body, Fed};
use crate::converse::Wire;
use crate::core::{Core, Incoming, Lingers, Peer, Refused};
use crate::counters::Lingered;
use crate::head::{self, BadHead, Framing, Glimpse, Head, Persistence, Version};
use crate::plan::{Plan, Rest};
use crate::settings::Settings;
use crate::slots::{Phase, Slot};

/// Answers to pipelined requests are sent when so much has been gathered.
const BATCH: usize = 64 * 1024;

/// The first bytes of HTTP/2 without TLS (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection in HTTP/1.1, as a future that ends with it.
pub(crate) struct Connection<S> {
    /// Taken only when the connection is handed over to HTTP/2.
    stream: Option<S>,
    core: Rc<Core>,
    slot: Rc<Slot>,
    peer: Peer,
    state: State,
    /// What arrived and belongs to what comes next.
    input: Vec<u8>,
    scanned: usize,
    /// What could not be written yet.
    output: Vec<u8>,
    /// Something was written that the stream may keep back until it is flushed.
    unflushed: bool,
    /// Whole requests may still stand in the input: answering stopped because enough was gathered.
    batch_was_full: bool,
    begun: Begun,
}

enum State {
    /// Between requests, or within a head.
    Head,
    /// The answer has left; the body is read to its end.
    Body(Reading),
    /// Half-close as soon as all is written.
    Closing,
    /// Half-closed: discarding until the client closes or the time is up.
    Discarding,
    /// Over.
    Done,
}

/// A body that is read and thrown away.
struct Reading {
    body: Body,
    bytes: u64,
    then: Persistence,
    line: Option<Line>,
}

/// Whether anything of HTTP/1.1 was seen, after which a preface is no preface.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

/// How a connection's HTTP/1.1 part ended.
pub(crate) enum Ended<S> {
    /// It is over.
    Over,
    /// The client speaks HTTP/2; these bytes were read already.
    Http2(S, Vec<u8>),
}

impl<S: Wire> Connection<S> {
    pub(crate) fn new(stream: S, core: Rc<Core>, slot: Rc<Slot>, peer: Peer) -> Connection<S> {
        Connection {
            stream: Some(stream),
            core,
            slot,
            peer,
            state: State::Head,
            input: Vec::new(),
            scanned: 0,
            output: Vec::new(),
            unflushed: false,
            batch_was_full: false,
            begun: Begun::No,
        }
    }

    /// Goes on as far as it can. `Err` is the end of a connection that broke.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.slot.take_due() {
            self.time_is_up();
        }
        loop {
            let flushed = self.flush(cx)?;
            match self.state {
                State::Done => return Poll::Ready(Ok(())),
                // A body is read on while its answer waits for room: the client may read only after it has written.
                // One that never reads, and pipelines, waits once a batch of answers stands unread: its memory is ours.
                State::Body(_) if self.output.len() <= BATCH => {}
                State::Closing => {
                    ready!(flushed);
                    ready!(Pin::new(self.stream()?).poll_shutdown(cx))?;
                    self.state = State::Discarding;
                    self.slot.wait(Phase::Goodbye, self.core.clock.after(self.core.settings.linger.discard));
                }
                _ => ready!(flushed),
            }
            if std::mem::take(&mut self.batch_was_full) {
                let input = std::mem::take(&mut self.input);
                self.handle(&input, cx)?;
                continue;
            }
            match ready!(self.read(cx))? {
                0 => self.end_of_input(),
                read => self.take(read, cx)?,
            }
        }
    }

    fn stream(&mut self) -> std::io::Result<&mut S> {
        self.stream.as_mut().ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }

    /// Writes what could not be written before, and lets go what the stream keeps back.
    fn flush(&mut self, cx: &mut Context<'_>) -> std::io::Result<Poll<()>> {
        while !self.output.is_empty() {
            let Some(stream) = &mut self.stream else { break };
            self.unflushed = S::KEEPS_BACK;
            match Pin::new(stream).poll_write(cx, &self.output) {
                Poll::Ready(written) => self.output.drain(..written?).for_each(drop),
                Poll::Pending => return Ok(Poll::Pending),
            }
            if let (true, State::Head) = (self.output.is_empty(), &self.state) {
                self.wait_for_head(true);
            }
        }
        if self.unflushed
            && let Some(stream) = &mut self.stream
        {
            match Pin::new(stream).poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return Ok(Poll::Pending),
            }
            self.unflushed = false;
        }
        Ok(Poll::Ready(()))
    }

    /// Says the end where the stream has a word for it, as far as that can be said at once: nobody is waited for.
    fn say_goodbye(&mut self, cx: &mut Context<'_>) {
        if let (true, Some(stream)) = (S::KEEPS_BACK, &mut self.stream) {
            let _ = Pin::new(stream).poll_shutdown(cx);
        }
    }

    /// Reads into the thread's buffer. A read that fills less than the buffer tells tokio that nothing more is there, which
    /// saves the read that would find out.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let core = self.core.clone();
        let mut buffer = core.read_buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        match Pin::new(self.stream()?).poll_read(cx, &mut buffer) {
            Poll::Ready(result) => Poll::Ready(result.map(|()| buffer.filled().len())),
            Poll::Pending => {
                if let State::Body(_) = self.state {
                    let (now, room) = (core.clock.tick(), core.linger_room());
                    core.slots.linger(&self.slot, now, room, &core.lingerers);
                }
                Poll::Pending
            }
        }
    }

    /// The other side closed its end, or vanished.
    fn end_of_input(&mut self) {
        if let State::Body(reading) = &mut self.state {
            let (line, bytes) = (reading.line.take(), reading.bytes);
            self.core.linger_ended(line, Lingered::Broken, bytes);
        }
        self.state = State::Done;
    }

    /// The tick found this connection's deadline past.
    fn time_is_up(&mut self) {
        match &mut self.state {
            State::Head if self.input.is_empty() || !self.output.is_empty() => self.state = State::Done,
            State::Head => {
                let core = self.core.clone();
                let mut out = core.write_buffer.borrow_mut();
                out.clear();
                let input = std::mem::take(&mut self.input);
                self.refuse(BadHead::TimedOut, &input, &mut out);
                self.scanned = 0;
                self.output.extend_from_slice(&out);
            }
            State::Body(_) => self.cut(Lingered::Cut),
            State::Closing | State::Discarding | State::Done => self.state = State::Done,
        }
    }

    /// The body's budget is spent, or its framing is broken.
    fn cut(&mut self, how: Lingered) {
        if let State::Body(reading) = &mut self.state {
            let (line, bytes) = (reading.line.take(), reading.bytes);
            self.core.linger_ended(line, how, bytes);
        }
        self.core.slots.linger_over(&self.slot, &self.core.lingerers);
        self.close();
    }

    fn close(&mut self) {
        self.state = State::Closing;
        self.slot.wait(Phase::Goodbye, self.core.clock.after(self.core.settings.linger.discard));
    }

    /// Handles what was read into the thread's buffer.
    fn take(&mut self, read: usize, cx: &mut Context<'_>) -> std::io::Result<()> {
        let core = self.core.clone();
        let buffer = core.read_buffer.borrow();
        let arrived = &buffer[..read];
        if self.input.is_empty() {
            return self.handle(arrived, cx);
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(arrived);
        self.handle(&input, cx)
    }

    /// Goes through bytes, answers what is whole, keeps what is not, and sends the answers in one write.
    fn handle(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> std::io::Result<()> {
        let core = self.core.clone();
        let mut out = core.write_buffer.borrow_mut();
        out.clear();
        let mut at = 0;
        while at < bytes.len() && out.len() < BATCH {
            let taken = match &mut self.state {
                State::Head => self.take_head(&bytes[at..], &mut out),
                State::Body(_) => Some(self.take_body(&bytes[at..])),
                State::Closing | State::Discarding | State::Done => Some(bytes.len() - at),
            };
            match taken {
                Some(taken) => at += taken,
                None => break,
            }
        }
        if at < bytes.len() {
            self.batch_was_full = out.len() >= BATCH;
            self.input.extend_from_slice(&bytes[at..]);
        }
        if let State::Head = self.state {
            self.wait_for_head(!out.is_empty());
        }
        self.send(&out, cx)
    }

    /// Sets the deadline for the next head. Its time runs from its first byte: later bytes do not prolong it.
    fn wait_for_head(&self, answered: bool) {
        let (clock, settings) = (&self.core.clock, &self.core.settings);
        if self.input.is_empty() {
            self.slot.wait(Phase::Idle, clock.after(settings.idle_time));
        } else if answered || self.slot.phase() != Phase::Busy {
            self.slot.wait(Phase::Busy, clock.after(settings.header_time));
        }
    }

    /// Writes at once what the kernel takes, and keeps the rest.
    fn send(&mut self, out: &[u8], cx: &mut Context<'_>) -> std::io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        self.unflushed = S::KEEPS_BACK;
        if self.output.is_empty()
            && let Poll::Ready(result) = Pin::new(self.stream()?).poll_write(cx, out)
        {
            written = result?;
        }
        if written < out.len() {
            self.output.extend_from_slice(&out[written..]);
            self.slot.wait(Phase::Busy, self.core.clock.after(self.core.settings.header_time));
        }
        Ok(())
    }

    /// Takes a head from the front of the bytes and answers it; `None` where it is not whole yet.
    fn take_head(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        if self.begun == Begun::No && is_preface(bytes) {
            return None;
        }
        if self.scanned == 0 && bytes.starts_with(b"\r\n") {
            return Some(head::empty_lines(bytes));
        }
        if self.scanned == 0 && !head::may_begin(bytes) {
            self.refuse(BadHead::Syntax("This is no request."), bytes, out);
            return Some(bytes.len());
        }
        let core = self.core.clone();
        let length = match head::find_end(bytes, &mut self.scanned, &core.settings) {
            Ok(Some(length)) => length,
            Ok(None) => return None,
            Err(bad) => {
                self.refuse(bad, bytes, out);
                return Some(bytes.len());
            }
        };
        self.scanned = 0;
        self.begun = Begun::Yes;
        let (head_bytes, rest) = bytes.split_at(length);
        let mut room = [MaybeUninit::uninit(); Settings::FIELDS_MOST];
        let taken = match head::parse(head_bytes, &mut room, &core.settings) {
            Ok(head) => self.answer(&head, rest, out),
            Err(bad) => Err(bad),
        };
        Some(
            length
                + taken.unwrap_or_else(|bad| {
                    self.refuse(bad, head_bytes, out);
                    rest.len()
                }),
        )
    }

    /// Answers a request at the end of its head, and says how much of what follows was its body.
    fn answer(&mut self, head: &Head<'_>, rest: &[u8], out: &mut Vec<u8>) -> Result<usize, BadHead> {
        let core = self.core.clone();
        let (via, client) = core.way(&self.peer, &head.fields);
        let effective = Effective::of(head.method, head.target, head.host, &via)?;
        let plan = Plan::of(head, rest, &core);
        let incoming = Incoming {
            method: head.method,
            version: match head.version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            effective,
            fields: &head.fields,
            peer: self.peer,
            client,
            content_length: match head.framing {
                Framing::None => None,
                Framing::Length(length) => Some(length),
                Framing::Chunked => None,
            },
            began: core.moment(),
        };
        let to = To { method: head.method, version: head.version, persistence: plan.persistence };
        let lingers = if plan.awaits_body() { Lingers::Yes } else { Lingers::No };
        let line = core.decide(&incoming, lingers, |answer| answer.write(to, &core.clock, out));
        self.follow(plan, line);
        Ok(plan.taken)
    }

    /// Goes where the plan says once the answer is written.
    fn follow(&mut self, plan: Plan, line: Option<Line>) {
        if plan.awaits_body() {
            self.core.counters.lingers();
        }
        match plan.body {
            Rest::Spared => {
                self.core.linger_ended(line, Lingered::Spared, 0);
                self.close();
            }
            Rest::Broken => {
                self.core.linger_ended(line, Lingered::Broken, plan.taken as u64);
                self.close();
            }
            Rest::Coming(body) => {
                self.state = State::Body(Reading { body, bytes: plan.taken as u64, then: plan.persistence, line });
            }
            Rest::None if plan.persistence == Persistence::Close => self.close(),
            Rest::None => {}
        }
    }

    /// Reads on through a body, and says how much of the bytes belonged to it.
    fn take_body(&mut self, bytes: &[u8]) -> usize {
        let State::Body(reading) = &mut self.state else { return 0 };
        let fed = reading.body.feed(bytes);
        let taken = if let Fed::Done(taken) = fed { taken } else { bytes.len() };
        reading.bytes += taken as u64;
        self.slot.lingered(taken as u64);
        let over = reading.bytes > self.core.settings.linger.body;
        match fed {
            Fed::Broken => self.cut(Lingered::Broken),
            Fed::More if over => self.cut(Lingered::Cut),
            Fed::More => {}
            Fed::Done(_) => self.body_read(),
        }
        taken
    }

    fn body_read(&mut self) {
        let State::Body(reading) = std::mem::replace(&mut self.state, State::Head) else { return };
        self.core.linger_ended(reading.line, Lingered::Read, reading.bytes);
        self.core.slots.linger_over(&self.slot, &self.core.lingerers);
        if reading.then == Persistence::Close || self.core.stopping.get() {
            self.close();
        }
    }

    /// Answers a head that is refused, and ends the connection. The bytes are for the log: whatever of the head is here.
    fn refuse(&mut self, bad: BadHead, bytes: &[u8], out: &mut Vec<u8>) {
        let seen = Glimpse::of(bytes);
        let to = To { method: seen.method, version: Version::Http11, persistence: Persistence::Close };
        let answer = Answer::refused(bad);
        answer.write(to, &self.core.clock, out);
        self.core.refused(&Refused { peer: self.peer, seen, host: "", bad }, &answer);
        self.input.clear();
        self.close();
    }
}

impl<S: Wire> Future for Connection<S> {
    type Output = Ended<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<S>> {
        self.slot.keep_waker(cx.waker());
        let advanced = self.advance(cx);
        if self.begun == Begun::No && self.input.starts_with(PREFACE) && matches!(self.state, State::Head) {
            let input = std::mem::take(&mut self.input);
            return Poll::Ready(self.stream.take().map_or(Ended::Over, |stream| Ended::Http2(stream, input)));
        }
        // A connection that broke is over like any other: there is nobody left to tell.
        advanced.map(|_| {
            self.end_of_input();
            self.say_goodbye(cx);
            Ended::Over
        })
    }
}

fn is_preface(bytes: &[u8]) -> bool {
    let length = bytes.len().min(PREFACE.len());
    bytes[..length] == PREFACE[..length]
}
