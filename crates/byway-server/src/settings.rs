//! Every limit and choice of the server, with its default and the reason for it.
//!
//! The settings are plain data: reading them from text is the business of whoever starts the server. Times are [`Duration`]s so
//! that tests can make them short.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use byway_core::Scheme;
use byway_core::host::{HostPattern, normalise};

use crate::forwarded::Trust;

/// How the server behaves.
///
/// ```
/// let settings = byway_server::Settings { connections: 100, ..Default::default() };
/// assert_eq!(settings.header_time.as_secs(), 10);
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that serve, each with its own runtime and its own listening socket; 0 is one per core.
    pub threads: usize,
    /// Connections open at a time, over all threads. Beyond it the one that has been idle longest is closed.
    pub connections: usize,
    /// The longest request line in bytes; above it 414. RFC 9110 §4.1 asks for at least 8,000.
    pub request_line: usize,
    /// The longest head in bytes, request line included; above it 431.
    pub head: usize,
    /// How many fields a head may have, at most [`Settings::FIELDS_MOST`]; above it 431.
    pub fields: usize,
    /// How long a head may take from its first byte to its last; then 408.
    pub header_time: Duration,
    /// How long a connection may stay open between requests.
    pub idle_time: Duration,
    /// How long a client may take from connecting to the end of the TLS handshake, PROXY protocol included.
    pub handshake_time: Duration,
    /// Whose word counts about who the client is; nobody's by default.
    pub trust: Trust,
    /// What answers over https say about https; nothing by default.
    pub hsts: Option<Hsts>,
    /// Clients that get 307 where the rules say 308: beginnings of `User-Agent`, for those that stop at 308.
    pub downgrade_308: Vec<String>,
    /// What is read on after an answer that left before the request's body was there.
    pub linger: Linger,
    /// How often deadlines are looked at. They are exact to this, and cost nothing per request.
    pub tick: Duration,
    /// How long open requests and bodies may take to finish once the server is told to stop.
    pub stop_time: Duration,
    /// HTTP/2 streams open at a time on one connection.
    pub streams: u32,
    /// What a request gets that no rule takes.
    pub unmatched: Unmatched,
    /// The access log; none by default.
    pub log: Option<Log>,
    /// Whether it is measured how long answers take: two readings of a clock per request.
    pub timing: Timing,
    /// Whether answers of imported rules carry fields that their server does not send.
    pub added: Added,
}

/// Whether answers of imported rules carry the `Cache-Control` and `Vary` that byway's own rules have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Added {
    /// They do: nothing is kept by accident.
    #[default]
    Sent,
    /// They say what their server says, and no more.
    LeftOut,
}

/// Whether it is measured how long answers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// It is not.
    #[default]
    Off,
    /// It is, in [`crate::Counts::times`].
    On,
}

impl Settings {
    /// The most fields a head may have, whatever the settings say: room for them lies on the stack.
    pub const FIELDS_MOST: usize = 128;

    /// The number of serving threads, at least one.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            threads => threads,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            threads: 0,
            connections: 10_000,
            request_line: 16 * 1024,
            head: 32 * 1024,
            fields: 100,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            handshake_time: Duration::from_secs(10),
            trust: Trust::default(),
            hsts: None,
            downgrade_308: Vec::new(),
            linger: Linger::default(),
            tick: Duration::from_millis(250),
            stop_time: Duration::from_secs(10),
            streams: 128,
            unmatched: Unmatched::default(),
            log: None,
            timing: Timing::Off,
            added: Added::Sent,
        }
    }
}

/// `Strict-Transport-Security` (RFC 6797), for some hosts. It goes with answers over https alone, where it means something.
#[derive(Clone, Debug)]
pub struct Hsts {
    /// The value.
    pub value: String,
    /// The hosts that say so.
    pub hosts: Vec<HostPattern<'static>>,
}

impl Hsts {
    /// The value for a request, if its host is one of these. An address is none (RFC 6797 §8.1.1).
    pub(crate) fn of(&self, scheme: Scheme, host: &str) -> Option<&str> {
        let host = normalise(host).ok().filter(|_| scheme == Scheme::Https)?;
        let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        (!is_address && self.hosts.iter().any(|pattern| pattern.matches(&host))).then_some(&self.value)
    }
}

/// What reading on after an early answer may cost.
#[derive(Clone, Debug)]
pub struct Linger {
    /// How many bytes must arrive in every window.
    pub window_bytes: u64,
    /// The length of a window.
    pub window: Duration,
    /// How many bytes of one body are read at most. A `Content-Length` above it gets `Connection: close` with the answer.
    pub body: u64,
    /// How long what still arrives is discarded after the half-close, before the connection is closed.
    pub discard: Duration,
    /// Which part of the connection slots may linger: one in so many.
    pub slots_one_in: usize,
    /// How many connections of one address may linger. Unix sockets have no address and no such limit.
    pub per_address: usize,
}

impl Default for Linger {
    fn default() -> Linger {
        Linger {
            window_bytes: 16 * 1024,
            window: Duration::from_secs(10),
            body: 4 << 30,
            discard: Duration::from_secs(5),
            slots_one_in: 4,
            per_address: 16,
        }
    }
}

/// What a request gets that no rule takes.
#[derive(Clone)]
pub enum Unmatched {
    /// This status and a plain page that names it. 204 and 304 have no content.
    Status(u16),
    /// A fixed page.
    Page(Page),
    /// A page made for the request, for demonstrations and health checks.
    Pages(Arc<dyn Pages>),
}

impl Default for Unmatched {
    fn default() -> Unmatched {
        Unmatched::Status(404)
    }
}

impl fmt::Debug for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmatched::Status(status) => f.debug_tuple("Status").field(status).finish(),
            Unmatched::Page(page) => f.debug_tuple("Page").field(page).finish(),
            Unmatched::Pages(_) => f.write_str("Pages(…)"),
        }
    }
}

/// A page, ready to be sent.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its status.
    pub status: u16,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Arc<[u8]>,
}

/// Makes pages for requests that no rule takes.
///
/// ```
/// use byway_server::settings::{Asked, Page, Pages};
/// struct Arrived;
/// impl Pages for Arrived {
///     fn page(&self, asked: &Asked<'_>) -> Option<Page> {
///         let text = format!("{} arrived with {} bytes\n", asked.method, asked.content_length.unwrap_or(0));
///         Some(Page { status: 200, content_type: "text/plain", body: text.into_bytes().into() })
///     }
/// }
/// ```
pub trait Pages: Send + Sync {
    /// The page for a request; `None` is the plain 404.
    fn page(&self, asked: &Asked<'_>) -> Option<Page>;
}

/// What is known of a request when its answer leaves: its head. The body may still be on its way.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as sent.
    pub path: &'a str,
    /// The query as sent, without `?`.
    pub query: Option<&'a str>,
    /// The length that the head announces; `None` where it announces none.
    pub content_length: Option<u64>,
}

/// The access log: one line a request.
#[derive(Clone, Debug)]
pub struct Log {
    /// The file, appended to; reopened on [`crate::Handle::reopen_log`].
    pub path: PathBuf,
    /// What a line looks like.
    pub format: LogFormat,
    /// Whether queries are written. They often hold secrets.
    pub queries: Queries,
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The Common Log Format.
    Common,
    /// Common, with Referer and User-Agent.
    Combined,
    /// One JSON object with rule identity, group, generation, linger result and microseconds.
    Json,
}

/// Whether queries are written to the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queries {
    /// Left out.
    Hidden,
    /// Written.
    Shown,
}
