//! Where the server listens: addresses as people write them, and the sockets that come of them.
//!
//! Each serving thread has a socket of its own on the same port (`SO_REUSEPORT`), so that the kernel spreads connections and no
//! thread wakes for another's. Such sockets would also share a port with a second byway in silence; so a first socket without
//! the option asks whether the port is free. Unix sockets have no such option: their threads accept from copies of one socket.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::converse::Entrance;
use crate::tls::Tls;

/// Where to listen.
///
/// ```
/// use byway_server::listen::ListenAddr;
/// assert_eq!("127.0.0.1:8307".parse::<ListenAddr>().unwrap().to_string(), "http://127.0.0.1:8307");
/// assert_eq!("[::1]:0".parse::<ListenAddr>().unwrap().to_string(), "http://[::1]:0");
/// assert_eq!("unix:/run/byway.sock".parse::<ListenAddr>().unwrap().to_string(), "unix:/run/byway.sock");
/// assert!("8307x".parse::<ListenAddr>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddr {
    /// An address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl ListenAddr {
    /// Where `byway serve` listens unless told otherwise: loopback only.
    pub const DEFAULT: &'static str = "127.0.0.1:8307";
}

impl std::str::FromStr for ListenAddr {
    type Err = InvalidListenAddr;

    fn from_str(text: &str) -> Result<ListenAddr, InvalidListenAddr> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(InvalidListenAddr { text: text.into() }),
                path => Ok(ListenAddr::Unix(path.into())),
            };
        }
        let text_or_all = match text.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => text.to_string(),
        };
        match text_or_all.to_socket_addrs().ok().and_then(|mut found| found.next()) {
            Some(address) => Ok(ListenAddr::Tcp(address)),
            None => Err(InvalidListenAddr { text: text.into() }),
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddr::Tcp(address) => write!(f, "http://{address}"),
            ListenAddr::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Text that names no place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidListenAddr {
    /// The text.
    pub text: String,
}

impl fmt::Display for InvalidListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no address to listen on; write `127.0.0.1:8307`, `[::1]:8307`, `:8307` or `unix:/path.sock`",
            self.text
        )
    }
}

impl std::error::Error for InvalidListenAddr {}

/// A socket that could not be opened.
#[derive(Debug)]
pub struct ListenError {
    /// Where.
    pub address: ListenAddr,
    /// Why, as far as one can do something about it.
    pub why: ListenFault,
    /// What the system said.
    pub error: io::Error,
}

/// Why a socket could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenFault {
    /// Something else listens there.
    InUse,
    /// The port or the path is not for this user.
    NotPermitted,
    /// The address is not one of this machine, or something else.
    Other,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenError { address, why, error } = self;
        match why {
            ListenFault::InUse => write!(f, "cannot listen on {address}: something else listens there already"),
            ListenFault::NotPermitted => write!(f, "cannot listen on {address}: not permitted ({error})"),
            ListenFault::Other => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {}

/// Open sockets of one address, one for each serving thread.
#[derive(Debug)]
pub struct Listener {
    address: ListenAddr,
    sockets: Vec<Socket>,
    tls: Option<Tls>,
    proxy_protocol: ProxyProtocol,
}

/// Whether connections begin with the PROXY protocol, version 1 or 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They begin with HTTP or TLS.
    #[default]
    No,
    /// They do, and come from trusted proxies ([`crate::Settings::trust`]); others are hung up on.
    Required,
}

impl Listener {
    /// Opens the sockets of one address for so many threads. They accept nothing before the server starts.
    ///
    /// ```
    /// let listener = byway_server::Listener::open(&"127.0.0.1:0".parse().unwrap(), 2).unwrap();
    /// assert_ne!(listener.address().to_string(), "http://127.0.0.1:0");
    /// ```
    pub fn open(address: &ListenAddr, threads: usize) -> Result<Listener, ListenError> {
        let opened = match address {
            ListenAddr::Tcp(tcp) => open_tcp(*tcp, threads),
            ListenAddr::Unix(path) => open_unix(path, threads).map(|sockets| (address.clone(), sockets)),
        };
        let (address, sockets) = opened.map_err(|error| blame(address, error))?;
        Ok(Listener { address, sockets, tls: None, proxy_protocol: ProxyProtocol::No })
    }

    /// A socket that somebody else opened, as systemd does: all threads accept from it, and it stays open with its owner when
    /// this server ends.
    pub fn adopt_tcp(socket: std::net::TcpListener, threads: usize) -> io::Result<Listener> {
        let address = ListenAddr::Tcp(socket.local_addr()?);
        let socket = Socket::from(socket);
        // Accepted sockets inherit it.
        socket.set_tcp_nodelay(true)?;
        Listener::shared(address, socket, threads)
    }

    /// The same for a socket in the file system.
    pub fn adopt_unix(socket: std::os::unix::net::UnixListener, threads: usize) -> io::Result<Listener> {
        let path = socket.local_addr()?.as_pathname().map(Path::to_owned);
        Listener::shared(ListenAddr::Unix(path.unwrap_or_default()), Socket::from(socket), threads)
    }

    fn shared(address: ListenAddr, socket: Socket, threads: usize) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let mut sockets = vec![socket];
        while sockets.len() < threads {
            sockets.push(sockets[0].try_clone()?);
        }
        Ok(Listener { address, sockets, tls: None, proxy_protocol: ProxyProtocol::No })
    }

    /// The same, speaking TLS.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Listener {
        Listener { tls: Some(tls), ..self }
    }

    /// The same, with or without the PROXY protocol in front.
    #[must_use]
    pub fn with_proxy_protocol(self, proxy_protocol: ProxyProtocol) -> Listener {
        Listener { proxy_protocol, ..self }
    }

    /// Where it listens as a URL, with the real port.
    ///
    /// ```
    /// use byway_server::{Listener, tls::Tls};
    /// let listener = Listener::open(&"127.0.0.1:0".parse().unwrap(), 1).unwrap();
    /// assert!(listener.url().starts_with("http://127.0.0.1:"));
    /// let listener = listener.with_tls(Tls::self_signed(&["localhost"]).unwrap());
    /// assert!(listener.url().starts_with("https://127.0.0.1:"));
    /// ```
    pub fn url(&self) -> String {
        match (&self.tls, &self.address) {
            (Some(_), ListenAddr::Tcp(address)) => format!("https://{address}"),
            (_, address) => address.to_string(),
        }
    }

    pub(crate) fn entrance(&self) -> Entrance {
        Entrance { tls: self.tls.clone(), proxy_protocol: self.proxy_protocol }
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> &ListenAddr {
        &self.address
    }

    pub(crate) fn into_sockets(self) -> Vec<Socket> {
        self.sockets
    }
}

pub(crate) fn blame(address: &ListenAddr, error: io::Error) -> ListenError {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => ListenFault::InUse,
        io::ErrorKind::PermissionDenied => ListenFault::NotPermitted,
        _ => ListenFault::Other,
    };
    ListenError { address: address.clone(), why, error }
}

/// Connections that wait to be accepted, per socket; the kernel caps it.
const BACKLOG: i32 = 4_096;

fn open_tcp(address: SocketAddr, threads: usize) -> io::Result<(ListenAddr, Vec<Socket>)> {
    if address.port() != 0 {
        let probe = tcp_socket(address)?;
        probe.bind(&address.into())?;
    }
    let mut address = address;
    let mut sockets = Vec::with_capacity(threads);
    for _ in 0..threads.max(1) {
        let socket = tcp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        if let Some(bound) = socket.local_addr()?.as_socket() {
            address.set_port(bound.port());
        }
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok((ListenAddr::Tcp(address), sockets))
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?; // accepted sockets inherit it
    Ok(socket)
}

fn open_unix(path: &Path, threads: usize) -> io::Result<Vec<Socket>> {
    remove_if_dead(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    let mut sockets = vec![socket];
    while sockets.len() < threads {
        sockets.push(sockets[0].try_clone()?);
    }
    Ok(sockets)
}

/// Removes a socket that nobody listens on any more. Anything else at this path is left alone, and binding to it fails.
pub(crate) fn remove_if_dead(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}
