//! The layer: alone, and in a real axum server on loopback with uploads that are written before anything is read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use byway_core::dialect::QueryPolicy;
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Rule, RuleSet};
use byway_tower::RedirectLayer;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

fn rules(to: &str) -> RuleSet {
    let mut builder = Builder::new(1);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    let source = Source::parse("/old/*").expect("a source");
    let target = Target::parse(to, &source).expect("a target");
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    builder
        .push(table, &Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep }))
        .expect("a rule");
    builder.finish()
}

type Page = Full<bytes::Bytes>;

async fn answer(layer: &RedirectLayer, request: Request<Page>) -> Response<bytes::Bytes> {
    let inside = service_fn(async |request: Request<Page>| {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, std::convert::Infallible>(Response::new(Full::new([b"inside: ".as_slice(), &body].concat().into())))
    });
    let (parts, body) = layer.layer(inside).oneshot(request).await.expect("infallible").into_parts();
    Response::from_parts(parts, body.collect().await.expect("infallible").to_bytes())
}

fn request(target: &str, body: &'static str) -> Request<Page> {
    Request::post(target).header("host", "t.test").body(Full::from(body)).expect("a request")
}

#[tokio::test]
async fn redirects_are_answered_and_the_rest_is_untouched() {
    let layer = RedirectLayer::new(rules("/new/*"), || 0);
    let got = answer(&layer, request("/old/a?b=1", "body")).await;
    assert_eq!(
        (got.status(), got.headers()["location"].to_str().ok()),
        (http::StatusCode::TEMPORARY_REDIRECT, Some("/new/a?b=1"))
    );
    assert_eq!(got.headers()["cache-control"], "no-store");
    assert!(String::from_utf8_lossy(got.body()).contains("href=\"/new/a?b=1\""));
    let got = answer(&layer, request("/other", "body")).await;
    assert_eq!((got.status().as_u16(), &got.body()[..]), (200, &b"inside: body"[..]));
    layer.replace(rules("/newer/*"));
    assert_eq!(answer(&layer, request("/old/a", "")).await.headers()["location"], "/newer/a");
}

#[tokio::test]
async fn an_answer_without_a_body_to_wait_for_has_a_length() {
    use http_body::Body;
    let layer = RedirectLayer::new(rules("/new/*"), || 0);
    let inside = service_fn(async |_| Ok::<_, std::convert::Infallible>(Response::new(Page::default())));
    let request = Request::get("/old/a").body(Empty::<bytes::Bytes>::new()).expect("a request");
    let response = layer.layer(inside).oneshot(request).await.expect("infallible");
    assert!(response.body().size_hint().exact().is_some_and(|length| length > 50));
}

fn serve() -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let app = Router::new().route("/new/echo", post(async |body: String| body));
            let app = app.layer(RedirectLayer::new(rules("/new/*"), || 0));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("the test waits");
            axum::serve(listener, app).await.expect("it serves for ever");
        });
    });
    receiver.recv().expect("an address")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    stream
}

/// Reads until the text ends in what is expected.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.ends_with(end) {
        let read = stream.read(&mut piece).expect("no reset");
        assert!(read > 0, "closed early: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    text
}

#[test]
fn a_client_that_writes_everything_first_is_redirected_and_arrives() {
    let address = serve();
    for round in 0..6 {
        let mut stream = connect(address);
        let body = vec![b'x'; 4 << 20];
        write!(stream, "POST /old/echo HTTP/1.1\r\nHost: t.test\r\nContent-Length: {}\r\n\r\n", body.len())
            .expect("sent");
        stream.write_all(&body).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let got = read_until(&mut stream, "0\r\n\r\n");
        assert!(got.starts_with("HTTP/1.1 307 ") && got.to_lowercase().contains("location: /new/echo\r\n"), "{got}");
        write!(stream, "POST /new/echo HTTP/1.1\r\nHost: t.test\r\nContent-Length: 5\r\n\r\nhello")
            .expect("the connection lives on");
        assert!(read_until(&mut stream, "hello").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn who_waits_for_100_continue_is_not_made_to_send() {
    let mut stream = connect(serve());
    stream
        .write_all(b"POST /old/echo HTTP/1.1\r\nHost: t.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .expect("sent");
    let mut got = String::new();
    stream.read_to_string(&mut got).expect("closed after the answer");
    assert!(got.starts_with("HTTP/1.1 307 ") && got.to_lowercase().contains("connection: close"), "{got}");
}
