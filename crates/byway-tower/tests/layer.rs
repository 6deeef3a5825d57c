//! The layer: alone, and in a real axum server on loopback with uploads that are written before anything is read.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::QueryPolicy;
use byway_core::place::{Code, Place, Places};
use byway_core::pool::{Balance, Down, Member, MemberState, Pool};
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::split::{By, Draws, Given, Key, Split, Variant};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::surroundings::Outlook;
use byway_core::target::Target;
use byway_core::window::{Span, Window};
use byway_core::{Action, Builder, Rule, RuleSet};
use byway_tower::{ClientAddress, Edge, RedirectLayer, Unmet};
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
    let layer = RedirectLayer::new(rules("/new/*"), || 0).expect("it asks for nothing");
    let got = answer(&layer, request("/old/a?b=1", "body")).await;
    assert_eq!(
        (got.status(), got.headers()["location"].to_str().ok()),
        (http::StatusCode::TEMPORARY_REDIRECT, Some("/new/a?b=1"))
    );
    assert_eq!(got.headers()["cache-control"], "no-store");
    assert!(String::from_utf8_lossy(got.body()).contains("href=\"/new/a?b=1\""));
    let got = answer(&layer, request("/other", "body")).await;
    assert_eq!((got.status().as_u16(), &got.body()[..]), (200, &b"inside: body"[..]));
    layer.replace(rules("/newer/*")).expect("it asks for nothing");
    assert_eq!(answer(&layer, request("/old/a", "")).await.headers()["location"], "/newer/a");
}

#[tokio::test]
async fn an_answer_without_a_body_to_wait_for_has_a_length() {
    use http_body::Body;
    let layer = RedirectLayer::new(rules("/new/*"), || 0).expect("it asks for nothing");
    let inside = service_fn(async |_| Ok::<_, std::convert::Infallible>(Response::new(Page::default())));
    let request = Request::get("/old/a").body(Empty::<bytes::Bytes>::new()).expect("a request");
    let response = layer.layer(inside).oneshot(request).await.expect("infallible");
    assert!(response.body().size_hint().exact().is_some_and(|length| length > 50));
}

/// Rules that ask for more than a request says.
fn asking(what: &str) -> RuleSet {
    let mut builder = Builder::new(1);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    let source = Source::parse("/old").expect("a source");
    let target = Target::parse("/new", &source).expect("a target");
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    let mut rule = Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep });
    let condition = |key: &str, name, value: &str| {
        let subject = Subject::parse(key, name).expect("a subject");
        Condition::new(subject, Test::Is(value.to_owned()), false).expect("a condition")
    };
    let conditions = match what {
        "place" => vec![condition("country", None, "DE")],
        "split" => vec![condition("split", Some("form"), "b")],
        _ => Vec::new(),
    };
    rule.conditions = &conditions;
    match what {
        "split" => builder.define_split(Split {
            name: "form".to_owned(),
            by: By::Cookie { name: "form".to_owned(), given: Given::ByUs },
            variants: vec![Variant { name: "b".to_owned(), from: 0, until: 1_000 }],
            control: "control".to_owned(),
            start: None,
            end: None,
            consent: None,
            key: Key::of(b"form"),
            exposure: None,
        }),
        "window" => rule.window = Some(builder.define_window(Window { name: "w".to_owned(), when: "w".to_owned() })),
        "pool" => {
            let member = |name: &str| Member { origin: format!("https://{name}.test"), weight: 1 };
            rule.pool = Some(builder.define_pool(Pool {
                name: "p".to_owned(),
                tiers: vec![vec![member("a"), member("b"), member("c")]],
                balance: Balance::RoundRobin,
                down: Down::LastStandby,
                slow_start: 0,
                health: None,
            }));
        }
        _ => {}
    }
    builder.push(table, &rule).expect("a rule");
    builder.finish()
}

/// Addresses that begin with 192 are German.
#[derive(Debug)]
struct Here;

impl Places for Here {
    fn place(&self, address: IpAddr) -> Place {
        let is_here = matches!(address, IpAddr::V4(address) if address.octets()[0] == 192);
        Place { country: is_here.then(|| Code::new("DE")).flatten(), ..Place::default() }
    }
}

#[derive(Debug)]
struct Always;

impl Draws for Always {
    fn draw(&self) -> u64 {
        7
    }
}

#[tokio::test]
async fn rules_that_ask_for_what_nobody_knows_are_refused() {
    let first = RedirectLayer::new(rules("/new/*"), || 0).expect("it asks for nothing");
    for (what, unmet) in
        [("place", Unmet::Places), ("split", Unmet::Draws), ("window", Unmet::Outlook), ("pool", Unmet::Outlook)]
    {
        assert_eq!(RedirectLayer::new(asking(what), || 0).map(|_| ()), Err(unmet), "{what}");
        assert_eq!(first.replace(asking(what)), Err(unmet), "{what}");
    }
    assert_eq!(answer(&first, request("/old/a", "")).await.headers()["location"], "/new/a", "the old ones stay");
}

#[tokio::test]
async fn places_and_draws_are_asked() {
    let layer = RedirectLayer::at(asking("place"), Edge::new(|| 0).places(Here)).expect("all is known");
    for (address, status) in [([192, 0, 2, 1], 307), ([203, 0, 113, 1], 200)] {
        let mut asked = request("/old", "");
        asked.extensions_mut().insert(ClientAddress(address.into()));
        let got = answer(&layer, asked).await;
        assert_eq!(got.status().as_u16(), status, "{address:?}");
        assert_eq!(got.headers()["cache-control"], "no-store", "nobody may keep it for others");
    }
    let layer = RedirectLayer::at(asking("split"), Edge::new(|| 0).draws(Always)).expect("all is known");
    let got = answer(&layer, Request::get("/old").header("host", "t.test").body(Full::default()).expect("one")).await;
    assert_eq!(got.status().as_u16(), 307);
    assert!(got.headers()["set-cookie"].to_str().is_ok_and(|cookie| cookie.starts_with("form=b; ")), "{got:?}");
}

#[tokio::test]
async fn windows_and_pools_stand_as_the_edge_says() {
    let clock = Arc::new(AtomicI64::new(10));
    let now = clock.clone();
    let edge = Edge::new(move || now.load(SeqCst)).outlook(|rules, _| {
        let state = |_: &str, origin: &str| MemberState { up: origin != "https://b.test", ..MemberState::UNSEEN };
        Outlook::of(rules, |_| vec![Span { from: 10, until: 20 }], state)
    });
    let layer = RedirectLayer::at(asking("window"), edge).expect("all is known");
    for (second, status) in [(10, 307), (19, 307), (20, 200), (9, 200)] {
        clock.store(second, SeqCst);
        assert_eq!(answer(&layer, request("/old", "")).await.status().as_u16(), status, "{second}");
    }
    layer.replace(asking("pool")).expect("all is known");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let got = answer(&layer, request("/old", "")).await;
        seen.push(got.headers()["location"].to_str().expect("text").to_owned());
    }
    seen[..2].sort();
    assert_eq!(seen[..2], ["https://a.test/new", "https://c.test/new"], "in turn, and never to the one that is down");
    assert_ne!(seen[2], seen[3]);
}

fn serve() -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let app = Router::new().route("/new/echo", post(async |body: String| body));
            let app = app.layer(RedirectLayer::new(rules("/new/*"), || 0).expect("it asks for nothing"));
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
