//! Listeners for operators: metrics and the admin API, apart from what the world may ask.
//!
//! A small HTTP/1.1 server on a thread of its own, so that a slow operator costs no request and a flood of requests no
//! operator. Everything is bounded: connections, the time of a handshake and of a head, the size and time of a body. What is answered is the
//! business of a [`Desk`]; it may block.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::listen::{ListenAddr, ListenError, Listener, blame, remove_if_dead};
use crate::tls::Tls;

/// Connections at a time; the next waits.
const CONNECTIONS: usize = 32;
/// The longest body of a request.
const BODY: usize = 64 * 1024;
/// How long a head or a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user of this machine, by the Unix socket.
    User {
        /// The number of the user.
        uid: u32,
        /// The process, where the system says it.
        pid: Option<i32>,
    },
    /// Somebody at this address.
    Address(SocketAddr),
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::User { uid, pid: Some(pid) } => write!(f, "uid {uid}, pid {pid}"),
            Who::User { uid, pid: None } => write!(f, "uid {uid}"),
            Who::Address(address) => write!(f, "{address}"),
        }
    }
}

/// A request to an operators' listener, whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub who: Who,
    /// The method.
    pub method: Method,
    /// The path as sent.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: Option<String>,
    /// The fields.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The methods that this path knows, for a 405.
    pub allow: Option<&'static str>,
    /// The content.
    pub body: Vec<u8>,
}

impl Reply {
    /// A plain text.
    pub fn text(status: u16, text: &str) -> Reply {
        Reply { status, content_type: "text/plain; charset=utf-8", allow: None, body: text.into() }
    }
}

/// Answers operators.
pub trait Desk: Send + Sync + 'static {
    /// The answer; it may take its time.
    fn answer(&self, asked: &Asked) -> Reply;
}

/// An open place for operators; nothing is answered before [`Operators::start`].
#[derive(Debug)]
pub struct Door {
    address: ListenAddr,
    socket: Socket,
    tls: Option<Tls>,
}

impl Door {
    /// Opens it. A Unix socket is for its owner alone (mode 0600), from its first moment.
    pub fn open(address: &ListenAddr) -> Result<Door, ListenError> {
        if let ListenAddr::Unix(path) = address {
            let socket = private_socket(path).map_err(|error| blame(address, error))?;
            return Ok(Door { address: address.clone(), socket, tls: None });
        }
        let listener = Listener::open(address, 1)?;
        let address = listener.address().clone();
        match listener.into_sockets().pop() {
            Some(socket) => Ok(Door { address, socket, tls: None }),
            None => Err(blame(&address, io::ErrorKind::NotFound.into())),
        }
    }

    /// The same, speaking TLS; a Unix socket never does.
    #[must_use]
    pub fn with_tls(self, tls: &Tls) -> Door {
        match self.address {
            ListenAddr::Unix(_) => self,
            ListenAddr::Tcp(_) => Door { tls: Some(tls.for_http1()), ..self },
        }
    }

    /// Where it is as a URL, with the real port.
    pub fn url(&self) -> String {
        let url = self.address.to_string();
        if self.tls.is_some() { url.replacen("http://", "https://", 1) } else { url }
    }

    /// Where it is, with the real port.
    pub fn address(&self) -> &ListenAddr {
        &self.address
    }
}

fn private_socket(path: &Path) -> io::Result<Socket> {
    use std::os::unix::fs::PermissionsExt;
    remove_if_dead(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    // Before it listens nobody can connect.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(64)?;
    Ok(socket)
}

/// A listener for operators that runs; dropped, it ends, and its Unix socket is removed.
#[derive(Debug)]
pub struct Operators {
    address: ListenAddr,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Operators {
    /// Answers on a thread of this name.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use byway_server::operators::{Asked, Desk, Door, Operators, Reply};
    /// struct Fine;
    /// impl Desk for Fine {
    ///     fn answer(&self, _: &Asked) -> Reply { Reply::text(200, "fine\n") }
    /// }
    /// let door = Door::open(&"127.0.0.1:0".parse().unwrap()).unwrap();
    /// let operators = Operators::start("metrics", door, Arc::new(Fine)).unwrap();
    /// assert!(operators.address().to_string().starts_with("http://127.0.0.1:"));
    /// ```
    pub fn start(name: &str, door: Door, desk: Arc<dyn Desk>) -> io::Result<Operators> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        let (stop, stopped) = oneshot::channel();
        let (address, url) = (door.address.clone(), door.url());
        let thread = std::thread::Builder::new().name(format!("byway-{name}"));
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(door, desk) => {}
                    _ = stopped => {}
                }
            });
            // A desk that is still at work, as on a reload, is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Operators { address, url, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> &ListenAddr {
        &self.address
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
        if let ListenAddr::Unix(path) = &self.address {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(PathBuf::from(path));
        }
    }
}

async fn accept(door: Door, desk: Arc<dyn Desk>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    match door.address {
        ListenAddr::Unix(_) => {
            let Ok(listener) = UnixListener::from_std(door.socket.into()) else { return };
            loop {
                let Ok(permit) = room.clone().acquire_owned().await else { return };
                let Ok((stream, _)) = listener.accept().await else {
                    pause().await;
                    continue;
                };
                let (uid, pid) = stream.peer_cred().map_or((u32::MAX, None), |found| (found.uid(), found.pid()));
                drop(tokio::spawn(connection(stream, Who::User { uid, pid }, desk.clone(), permit)));
            }
        }
        _ => {
            let Ok(listener) = TcpListener::from_std(door.socket.into()) else { return };
            loop {
                let Ok(permit) = room.clone().acquire_owned().await else { return };
                let Ok((stream, from)) = listener.accept().await else {
                    pause().await;
                    continue;
                };
                let desk = desk.clone();
                let who = Who::Address(from);
                drop(match door.tls.clone() {
                    Some(tls) => tokio::spawn(in_tls(tls, stream, who, desk, permit)),
                    None => tokio::spawn(connection(stream, who, desk, permit)),
                });
            }
        }
    }
}

/// No file descriptor left is worth a pause.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn in_tls(tls: Tls, stream: TcpStream, who: Who, desk: Arc<dyn Desk>, permit: OwnedSemaphorePermit) {
    // Whoever does not come through the handshake is no operator.
    if let Ok(Ok(stream)) = timeout(PATIENCE, tls.accept(Vec::new(), stream)).await {
        connection(stream, who, desk, permit).await;
    }
}

async fn connection<S>(stream: S, who: Who, desk: Arc<dyn Desk>, permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(respond(request, who, desk).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(64)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that broke is over like any other.
    let _ = served.await;
    drop(permit);
}

async fn respond(request: Request<Incoming>, who: Who, desk: Arc<dyn Desk>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    let body = match timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return build(Reply::text(413, "The body is longer than 64 KiB, or broke off.\n"), is_head),
        Err(_) => return build(Reply::text(408, "The body did not arrive in time.\n"), is_head),
    };
    let asked = Asked {
        who,
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        fields: head.headers,
        body,
    };
    let answered = tokio::task::spawn_blocking(move || desk.answer(&asked)).await;
    build(answered.unwrap_or_else(|_| Reply::text(500, "This is a bug of byway.\n")), is_head)
}

fn build(reply: Reply, is_head: bool) -> Response<Full<Bytes>> {
    let length = reply.body.len();
    let content = if is_head { Bytes::new() } else { reply.body.into() };
    let mut response = Response::new(Full::new(content));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(reply.content_type));
    fields.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    fields.insert("x-content-type-options", header::HeaderValue::from_static("nosniff"));
    if is_head {
        fields.insert(header::CONTENT_LENGTH, length.into());
    }
    if let Some(allow) = reply.allow {
        fields.insert(header::ALLOW, header::HeaderValue::from_static(allow));
    }
    response
}
