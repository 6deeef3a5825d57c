//! Sending one request over HTTP/1.1, plain or in TLS, each phase within its limit.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer::{Answer, Extent, Times};
use crate::fault::{Blame, Fault, Phase};
use crate::tls::{Stream, Trust};

/// What may be used up by one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for finding addresses.
    pub resolve: Duration,
    /// Time for opening a connection, over all addresses of the host.
    pub connect: Duration,
    /// Time from sending to the end of the answer's head.
    pub first_byte: Duration,
    /// Time for the answer's body.
    pub body_time: Duration,
    /// The longest head of an answer in bytes, at least 8,192.
    pub head: usize,
    /// How much of an answer's body is read.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(15),
            body_time: Duration::from_secs(10),
            head: 64 * 1024,
            body: 64 * 1024,
        }
    }
}

/// One request, as it is to be sent. Host and User-Agent are added where they are missing, nothing else.
///
/// ```
/// let ask = byway_net::Ask::get("http://127.0.0.1:8307/old".parse().unwrap());
/// assert_eq!(ask.method, "GET");
/// ```
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Where to: absolute, `http` or `https`.
    pub uri: Uri,
    /// Further fields.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Ask {
    /// A GET without further fields.
    pub fn get(uri: Uri) -> Ask {
        Ask { method: Method::GET, uri, fields: HeaderMap::new(), body: Bytes::new() }
    }
}

/// Sends requests, each on a connection of its own.
#[derive(Clone, Debug)]
pub struct Transport {
    limits: Limits,
    agent: HeaderValue,
    trust: Trust,
}

impl Transport {
    /// A transport that names itself so in User-Agent; a name that no field can hold becomes `byway`.
    pub fn new(agent: &str, limits: Limits) -> Transport {
        let agent = HeaderValue::from_str(agent).unwrap_or(HeaderValue::from_static("byway"));
        Transport { limits, agent, trust: Trust::default() }
    }

    /// The same transport, which trusts these certificates (PEM) as well as those of the system.
    #[must_use]
    pub fn trusting(mut self, pem: Vec<u8>) -> Transport {
        self.trust = Trust::with(pem);
        self
    }

    /// Sends one request and reads one answer; a redirect is an answer like any other.
    ///
    /// It needs a tokio runtime with I/O and time. The fault says in which phase it happened and whose it is.
    pub async fn send(&self, ask: Ask) -> Result<Answer, Fault> {
        let mut times = Times::default();
        let (host, port) = place(&ask.uri)?;
        let addresses = timed(&mut times.resolve, self.resolve(host, port)).await?;
        let (stream, address) = timed(&mut times.connect, self.connect(&addresses)).await?;
        let stream = match ask.uri.scheme_str() {
            Some("https") => timed(&mut times.tls, self.trust.wrap(stream, host, self.limits.connect)).await?,
            _ => Box::new(stream) as Stream,
        };
        let request = self.request(ask)?;
        let (head, mut body) = timed(&mut times.first_byte, self.exchange(stream, request)).await?;
        let (body, extent) = timed(&mut times.body, self.read(&mut body)).await?;
        Ok(Answer { status: head.status.as_u16(), fields: head.headers, body, extent, address, times })
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let limit = self.limits.resolve;
        match timeout(limit, tokio::net::lookup_host((bare, port))).await {
            Err(_) => Err(Fault::late(Phase::Resolve, limit)),
            Ok(Err(error)) => Err(Fault::new(Phase::Resolve, Blame::Network, error)),
            Ok(Ok(found)) => Ok(found.collect()),
        }
    }

    /// Tries the addresses in turn, within one limit.
    async fn connect(&self, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Fault> {
        let all = async {
            let mut last = Fault::new(Phase::Resolve, Blame::Network, "the host has no address");
            for &address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok((stream, address)),
                    Err(error) => last = connect_fault(address, &error),
                }
            }
            Err(last)
        };
        let limit = self.limits.connect;
        timeout(limit, all).await.unwrap_or_else(|_| Err(Fault::late(Phase::Connect, limit)))
    }

    fn request(&self, ask: Ask) -> Result<Request<Full<Bytes>>, Fault> {
        let target = ask.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::new(Full::new(ask.body));
        *request.method_mut() = ask.method;
        *request.uri_mut() = target.parse().map_err(|error| Fault::new(Phase::Prepare, Blame::Us, error))?;
        let authority = ask.uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(authority).map_err(|error| Fault::new(Phase::Prepare, Blame::Us, error))?;
        *request.headers_mut() = ask.fields;
        request.headers_mut().entry(HOST).or_insert(host);
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.agent.clone());
        Ok(request)
    }

    async fn exchange(
        &self,
        stream: Stream,
        request: Request<Full<Bytes>>,
    ) -> Result<(http::response::Parts, Incoming), Fault> {
        let limit = self.limits.first_byte;
        let exchange = async {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(self.limits.head.max(8_192));
            let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
            // The connection ends with the answer, or when nobody reads it any more.
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        match timeout(limit, exchange).await {
            Err(_) => Err(Fault::late(Phase::FirstByte, limit)),
            Ok(Err(error)) => Err(Fault::of_hyper(Phase::FirstByte, &error)),
            Ok(Ok(response)) => Ok(response.into_parts()),
        }
    }

    /// Reads up to the limits. A body that breaks off is still an answer with a head; it is cut.
    async fn read(&self, body: &mut Incoming) -> Result<(Bytes, Extent), Fault> {
        let mut read = BytesMut::new();
        let reading = async {
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return Extent::Cut };
                let data = frame.into_data().unwrap_or_default();
                let room = self.limits.body - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return Extent::Cut;
                }
            }
            Extent::Whole
        };
        let extent = timeout(self.limits.body_time, reading).await.unwrap_or(Extent::Cut);
        Ok((read.freeze(), extent))
    }
}

fn place(uri: &Uri) -> Result<(&str, u16), Fault> {
    let us = |what: &str| Fault::new(Phase::Prepare, Blame::Us, what);
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(us("the URL begins with neither http:// nor https://")),
    }
    let authority = uri.authority().ok_or_else(|| us("the URL has no host"))?;
    if authority.as_str().contains('@') {
        return Err(us("the URL has a user name; send it as a field"));
    }
    Ok((authority.host(), authority.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })))
}

/// Refusing is an answer of sorts: somebody is there.
fn connect_fault(address: SocketAddr, error: &std::io::Error) -> Fault {
    let blame = match error.kind() {
        std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::ConnectionReset => Blame::Peer,
        _ => Blame::Network,
    };
    Fault::new(Phase::Connect, blame, format_args!("{address}: {error}"))
}

async fn timed<T>(time: &mut Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    *time = began.elapsed();
    done
}
