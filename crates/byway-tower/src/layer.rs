//! The layer, the service that it makes, and the future of its answers.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use byway_core::decision::{FieldLines, Storing};
use byway_core::host::split_authority;
use byway_core::path::{PathQuery, TargetForm, request_target};
use byway_core::{Decision, Fields, Outcome, RuleSet, Scheme, Scratch};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer;
use crate::body::AnswerBody;
use crate::edge::{Edge, Served, Unmet};

/// Wraps services so that redirects are answered before them. Clones share their rules.
#[derive(Clone)]
pub struct RedirectLayer {
    served: Arc<RwLock<Arc<Served>>>,
    discard: u64,
}

/// The address of the client, as an extension of the request. Whoever knows it puts it there: rules that ask for an address see
/// `0.0.0.0` without it.
///
/// ```
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(byway_tower::ClientAddress([192, 0, 2, 1].into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl RedirectLayer {
    /// How much of a request's body is thrown away at most, unless told otherwise: 4 GiB.
    pub const DISCARD: u64 = 4 << 30;

    /// A layer with these rules and this clock: now, in seconds since 1970. Rules that begin and end ask for it; the layer has
    /// none of its own.
    ///
    /// The error names what the rules ask for beyond the time: [`RedirectLayer::at`] takes an [`Edge`] that knows it.
    pub fn new(rules: RuleSet, now: impl Fn() -> i64 + Send + Sync + 'static) -> Result<RedirectLayer, Unmet> {
        RedirectLayer::at(rules, Edge::new(now))
    }

    /// A layer with these rules, for which the edge knows places, draws, windows and pools.
    ///
    /// The error names what the rules ask for and the edge does not know.
    pub fn at(rules: RuleSet, edge: Edge) -> Result<RedirectLayer, Unmet> {
        let served = Arc::new(RwLock::new(Arc::new(Served::new(rules, edge)?)));
        Ok(RedirectLayer { served, discard: RedirectLayer::DISCARD })
    }

    /// Sets how many bytes of a request's body are thrown away at most, so that the client can read the answer.
    #[must_use]
    pub fn discard(self, bytes: u64) -> RedirectLayer {
        RedirectLayer { discard: bytes, ..self }
    }

    /// Replaces the rules in all clones and in the services made of them. Requests on their way keep the old ones.
    ///
    /// The error names what the new rules ask for and the layer does not know; the old ones then stay.
    pub fn replace(&self, rules: RuleSet) -> Result<(), Unmet> {
        let served = Served::new(rules, self.served().edge())?;
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
        Ok(())
    }

    fn served(&self) -> Arc<Served> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer to a request, or else what its passing says of the answer of the service inside.
    fn decide<B>(&self, request: &Request<B>) -> Result<Response<Bytes>, Option<Box<Passing>>> {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
            static TURN: Cell<u32> = const { Cell::new(0) };
        }
        let served = self.served();
        let Some(seen) = Seen::of(request) else { return Err(None) };
        SCRATCH.with_borrow_mut(|scratch| {
            served.around(TURN.replace(TURN.get().wrapping_add(1)), |around| {
                let decision = served.rules.decide(&seen.request(request), around, scratch);
                answer::response(&decision, request.method().as_str()).ok_or_else(|| Passing::of(&decision))
            })
        })
    }
}

/// What a request that passed says of the answer it gets inside.
struct Passing {
    /// Fields that are added.
    fields: HeaderMap,
    storing: Storing,
}

impl Passing {
    /// `None` where it says nothing, which is nearly always.
    fn of(decision: &Decision<'_>) -> Option<Box<Passing>> {
        debug_assert_eq!(decision.outcome, Outcome::Pass, "everything else has a response");
        if decision.vary.is_empty() && decision.fields == FieldLines::default() && decision.storing == Storing::Allowed
        {
            return None;
        }
        let mut fields = HeaderMap::new();
        if let (false, Ok(vary)) = (decision.vary.is_empty(), HeaderValue::from_str(decision.vary)) {
            fields.append(header::VARY, vary);
        }
        answer::append(decision.fields, &mut fields);
        Some(Box::new(Passing { fields, storing: decision.storing }))
    }

    fn say(self, to: &mut HeaderMap) {
        for (name, value) in &self.fields {
            to.append(name.clone(), value.clone());
        }
        if self.storing == Storing::Forbidden {
            to.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

impl fmt::Debug for RedirectLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedirectLayer").field("rules", &self.served().rules.len()).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RedirectLayer {
    type Service = Redirects<S>;

    fn layer(&self, inside: S) -> Redirects<S> {
        Redirects { layer: self.clone(), inside }
    }
}

/// A service that answers redirects and leaves the rest to the one inside.
#[derive(Clone, Debug)]
pub struct Redirects<S> {
    layer: RedirectLayer,
    inside: S,
}

impl<S, B, R> Service<Request<B>> for Redirects<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
    R: Body<Data = Bytes>,
{
    type Response = Response<AnswerBody<R, B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inside.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.decide(&request) {
            Ok(response) => {
                let response = Some(with_body(response, request, self.layer.discard));
                ResponseFuture { kind: Kind::Answered { response } }
            }
            Err(passing) => ResponseFuture { kind: Kind::Passed { future: self.inside.call(request), passing } },
        }
    }
}

/// Gives an answer the body that the request's body asks for.
fn with_body<R, B: Body>(response: Response<Bytes>, request: Request<B>, limit: u64) -> Response<AnswerBody<R, B>> {
    let (mut parts, page) = response.into_parts();
    let expects = request
        .headers()
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let over = request.body().is_end_stream();
    let body = match request.version() {
        // Reading would make the server send 100 and the client its body.
        Version::HTTP_11 if expects && !over => {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            AnswerBody::page(page)
        }
        Version::HTTP_11 if !over => {
            return Response::from_parts(parts, AnswerBody::discarding(page, request.into_body(), limit));
        }
        _ => AnswerBody::page(page),
    };
    Response::from_parts(parts, body)
}

/// What the rules are told of a request, where it has the form that they need.
struct Seen<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
    path_query: PathQuery<'a>,
    fields: MapFields<'a>,
}

impl<'a> Seen<'a> {
    /// A target or a Host that rules cannot be asked about belongs to the service inside.
    fn of<B>(request: &'a Request<B>) -> Option<Seen<'a>> {
        let uri = request.uri();
        let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        let host = request.headers().get(header::HOST).map(|host| host.to_str()).transpose().ok()?;
        let authority = uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default();
        let (host, port) = if authority.is_empty() { ("", None) } else { split_authority(authority).ok()? };
        let TargetForm::Origin(path_query) = request_target(uri.path_and_query()?.as_str().as_bytes()).ok()? else {
            return None;
        };
        let port = port.unwrap_or(scheme.default_port());
        Some(Seen { scheme, host, port, path_query, fields: MapFields(request.headers()) })
    }

    fn request<B>(&'a self, request: &'a Request<B>) -> byway_core::Request<'a> {
        let address =
            request.extensions().get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ClientAddress(address)| *address);
        byway_core::Request {
            method: request.method().as_str(),
            scheme: self.scheme,
            host: self.host,
            port: self.port,
            path: self.path_query.path,
            query: self.path_query.query,
            fields: &self.fields,
            address,
            local_port: self.port,
        }
    }
}

struct MapFields<'a>(&'a HeaderMap);

impl Fields for MapFields<'_> {
    fn for_each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        self.0.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }
}

pin_project! {
    /// The answer of [`Redirects`], on its way.
    pub struct ResponseFuture<F, R, B> {
        #[pin]
        kind: Kind<F, R, B>,
    }
}

pin_project! {
    #[project = KindParts]
    enum Kind<F, R, B> {
        Answered { response: Option<Response<AnswerBody<R, B>>> },
        Passed { #[pin] future: F, passing: Option<Box<Passing>> },
    }
}

impl<F, R, B, E> Future for ResponseFuture<F, R, B>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<AnswerBody<R, B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindParts::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending, // polled after it was ready: there will be no other answer
            },
            KindParts::Passed { future, passing } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some(passing) = passing.take() {
                    passing.say(response.headers_mut());
                }
                Poll::Ready(Ok(response.map(AnswerBody::inside)))
            }
        }
    }
}
