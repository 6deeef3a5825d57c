//! HTTP/2, agreed on in TLS or known beforehand: the frames are hyper's, the answers are ours.
//!
//! A request is answered from its HEADERS; 100 is never sent. The body is then read on and thrown away within the budget: clients
//! that write everything before they read need credit to the end, and curl 7.88 loses an answer that a reset follows at once. A
//! body that stops coming, or is too long, is ended by `RST_STREAM(NO_ERROR)` (RFC 9113 §8.1), which is what hyper sends when the
//! body is let go. What HTTP/1.1 checks by hand is checked here as well: one host, a valid target, no userinfo.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use byway_core::Fields;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming as OpenBody};
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::access_log::Line;
use crate::answer::Answer;
use crate::asked::Effective;
use crate::core::{Core, Incoming, Lingers, Peer, Refused};
use crate::counters::Lingered;
use crate::forwarded::Lines;
use crate::head::{BadHead, Glimpse};
use crate::slots::{Phase, Slot};
use crate::stream::Prefixed;

/// Resets that a client may have waiting before it is told to calm down (CVE-2023-44487 and its kin).
const RESETS: usize = 64;

/// How much of a body may be on its way unasked, of one stream and of all. curl 7.88 with `-L` reads no more once it has the
/// answer, so whatever it may not send from the beginning it never learns that it may.
const WINDOW: u32 = 1 << 20;

/// As logs write it.
const VERSION: &str = "HTTP/2.0";

/// Serves a connection whose first bytes were read already, to its end.
pub(crate) async fn serve<S>(stream: S, read: Vec<u8>, core: Rc<Core>, slot: Rc<Slot>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let settings = core.settings.clone();
    let service = {
        let (core, slot) = (core.clone(), slot.clone());
        hyper::service::service_fn(move |request: Request<OpenBody>| {
            slot.wait(Phase::Idle, core.clock.after(core.settings.idle_time));
            let (response, line) = respond(&request, &core, peer);
            let body = request.into_body();
            if !body.is_end_stream() {
                core.counters.lingers();
                drop(tokio::task::spawn_local(discard(body, line, core.clone(), slot.clone())));
            }
            async move { Ok::<_, Infallible>(response) }
        })
    };
    let connection = http2::Builder::new(Local)
        .max_concurrent_streams(settings.streams)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS * 4)
        .max_header_list_size(settings.head as u32)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(Prefixed::new(read, stream)), service);
    slot.wait(Phase::Idle, core.clock.after(settings.idle_time));
    let mut connection = pin!(connection);
    poll_fn(|cx| {
        slot.keep_waker(cx.waker());
        if slot.take_due() {
            // The first time it is asked to end; if it does not, it is cut.
            if slot.phase() == Phase::Goodbye {
                return Poll::Ready(());
            }
            slot.wait(Phase::Goodbye, core.clock.after(settings.linger.discard));
            connection.as_mut().graceful_shutdown();
        }
        // A connection that broke is over like any other.
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// A body from which nothing comes for so long has stopped coming: long enough for a client, a network or a machine that pauses.
const STALL: Duration = Duration::from_millis(2_500);

/// The turns in which that is waited for. A server that was not let run finds one of them over when it wakes, not all, and
/// reads what came meanwhile before the next is.
const TURNS: u32 = 5;

/// Reads on until the body is over or its budget is. Letting it go before its end resets the stream with `NO_ERROR`.
async fn discard(mut body: OpenBody, line: Option<Line>, core: Rc<Core>, slot: Rc<Slot>) {
    let linger = &core.settings.linger;
    let (mut bytes, mut window_bytes, mut window_end) = (0, 0, core.clock.after(linger.window));
    let place = Place { slot: Slot::of_stream(slot.address()), core: core.clone() };
    let (turn, mut turns) = (linger.window.min(STALL) / TURNS, 0);
    let how = loop {
        match tokio::time::timeout(turn, place.frame_of(&mut body)).await {
            Ok(Came::Nothing) => break Lingered::Read,
            Ok(Came::Error) => break Lingered::Broken,
            Ok(Came::Bytes(length)) => {
                place.slot.lingered(length);
                (bytes, window_bytes, turns) = (bytes + length, window_bytes + length, 0);
            }
            Err(_) if turns + 1 < TURNS => {
                turns += 1;
                continue;
            }
            Ok(Came::Cut) | Err(_) => break Lingered::Cut,
        }
        let over = core.clock.tick() >= window_end;
        if bytes > linger.body || over && window_bytes < linger.window_bytes {
            break Lingered::Cut;
        }
        if over {
            (window_bytes, window_end) = (0, core.clock.after(linger.window));
        }
        if slot.phase() == Phase::Idle {
            slot.wait(Phase::Idle, core.clock.after(core.settings.idle_time));
        }
    };
    core.linger_ended(line, how, bytes);
}

/// The place of one lingering stream among all that linger; it is given back however the stream ends.
struct Place {
    slot: Rc<Slot>,
    core: Rc<Core>,
}

/// What came of waiting for a body.
enum Came {
    Bytes(u64),
    Nothing,
    Error,
    /// Others needed the place more.
    Cut,
}

impl Place {
    /// The next frame of a body. The place is taken when one has to be waited for.
    async fn frame_of(&self, body: &mut OpenBody) -> Came {
        poll_fn(|cx| {
            self.slot.keep_waker(cx.waker());
            if self.slot.take_due() {
                return Poll::Ready(Came::Cut);
            }
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(None) => Poll::Ready(Came::Nothing),
                Poll::Ready(Some(Err(_))) => Poll::Ready(Came::Error),
                Poll::Ready(Some(Ok(frame))) => {
                    Poll::Ready(Came::Bytes(frame.data_ref().map_or(0, |data| data.len() as u64)))
                }
                Poll::Pending => {
                    let Core { slots, clock, lingerers, .. } = &*self.core;
                    slots.linger(&self.slot, clock.tick(), self.core.linger_room(), lingerers);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.core.slots.linger_over(&self.slot, &self.core.lingerers);
    }
}

type Answered = (Response<Full<Bytes>>, Option<Line>);

fn respond(request: &Request<OpenBody>, core: &Core, peer: Peer) -> Answered {
    let head_only = request.method() == http::Method::HEAD;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let host = match one_host(request) {
        Ok(host) => host,
        Err(bad) => return (refuse(bad, request, peer, core), None),
    };
    let fields = MapFields(request.headers());
    let (via, client) = core.way(&peer, &fields);
    let effective = match Effective::of(request.method().as_str(), target, host, &via) {
        Ok(effective) => effective,
        Err(bad) => return (refuse(bad, request, peer, core), None),
    };
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let incoming = Incoming {
        method: request.method().as_str(),
        version: VERSION,
        effective,
        fields: &fields,
        peer,
        client,
        content_length: length,
        began: core.moment(),
    };
    let mut response = Response::new(Full::default());
    let lingers = if request.body().is_end_stream() { Lingers::No } else { Lingers::Yes };
    let line = core.decide(&incoming, lingers, |answer| response = build(answer, core, head_only));
    (response, line)
}

/// `:authority` and `host`, where both are sent, must be the same (RFC 9113 §8.3.1).
fn one_host(request: &Request<OpenBody>) -> Result<Option<&str>, BadHead> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    let host = host.map(|host| host.to_str()).transpose();
    let authority = request.uri().authority().map(|authority| authority.as_str());
    match (authority, host) {
        (_, Err(_)) => Err(BadHead::Syntax("The host field is not valid.")),
        _ if second.is_some() => Err(BadHead::Syntax("There are two host fields.")),
        (Some(authority), Ok(Some(host))) if !authority.eq_ignore_ascii_case(host) => {
            Err(BadHead::Syntax("The host field and the authority differ."))
        }
        (None, Ok(None)) => Err(BadHead::Syntax("There is no authority.")),
        (authority, Ok(host)) => Ok(authority.or(host)),
    }
}

fn refuse(bad: BadHead, request: &Request<OpenBody>, peer: Peer, core: &Core) -> Response<Full<Bytes>> {
    let answer = Answer::refused(bad);
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let seen = Glimpse { method: request.method().as_str(), target: target.as_bytes(), version: VERSION };
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    core.refused(&Refused { peer, seen, host, bad }, &answer);
    build(&answer, core, request.method() == http::Method::HEAD)
}

fn build(answer: &Answer<'_>, core: &Core, head_only: bool) -> Response<Full<Bytes>> {
    let mut content = Vec::with_capacity(answer.content.len().unwrap_or(0));
    if !head_only {
        answer.content.write(&mut content);
    }
    let mut response = Response::new(Full::new(content.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    // What is not valid in a field is left out; a Location is valid by its type.
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(name, value);
        }
    };
    set(header::DATE, &core.clock.date());
    if let Some(location) = answer.location {
        set(header::LOCATION, location);
    }
    if let Some(length) = answer.content.len() {
        set(header::CONTENT_TYPE, answer.content.media_type());
        set(header::CONTENT_LENGTH, &length.to_string());
    }
    if !answer.cache_control.is_empty() {
        set(header::CACHE_CONTROL, answer.cache_control);
    }
    if answer.status == 405 {
        set(header::ALLOW, crate::answer::ALLOWED);
    }
    if !answer.vary.is_empty() {
        set(header::VARY, answer.vary);
    }
    if let Some(seconds) = answer.retry_after {
        set(header::RETRY_AFTER, &seconds.to_string());
    }
    if let Some(hsts) = answer.hsts {
        set(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    for (name, value) in answer.fields.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            fields.append(name, value);
        }
    }
    response
}

struct MapFields<'a>(&'a HeaderMap);

impl Fields for MapFields<'_> {
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        // HTTP/2 has no Host beside the authority; rules ask for neither by this name.
        self.0.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }
}

impl<'a> Lines<'a> for MapFields<'a> {
    fn lines(&self, name: &str, mut visit: impl FnMut(&'a [u8])) {
        self.0.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }
}

/// Spawns onto this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(async move {
            future.await;
        }));
    }
}
