//! TLS: what is spoken, with which certificates, and how a connection gets there.
//!
//! rustls speaks 1.2 and 1.3 and offers `h2` and `http/1.1`; which certificate is shown is asked of `Certificates`, which are
//! swapped whole when their files change. A set that cannot be used changes nothing, is counted, and is the caller's to report.
//! After the handshake a connection is read like any other.

mod certificates;
mod self_signed;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::stream::Prefixed;
use certificates::Certificates;
pub use certificates::{CertificateError, CertificateFault, CertificateFiles, CertificateInfo};

/// How long before its end a certificate is spoken of.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// TLS as listeners speak it; clones share their certificates.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: Vec<CertificateFiles>,
    current: ArcSwap<Certificates>,
    failed: AtomicU64,
}

impl Tls {
    /// TLS with certificates from files. The first pair is shown to clients that name no host, or one that no certificate is for.
    ///
    /// The error is that of the first file that is missing, unreadable, expired, or does not fit the other.
    pub fn of_files(files: Vec<CertificateFiles>, now: SystemTime) -> Result<Tls, CertificateError> {
        let certificates = Certificates::read(&files, now)?;
        Tls::new(files, certificates)
    }

    /// TLS with a certificate that is made now, for these hosts and addresses, and that nobody trusts unless told to.
    ///
    /// ```
    /// let tls = byway_server::tls::Tls::self_signed(&["localhost", "127.0.0.1"]).unwrap();
    /// assert_eq!(tls.certificates()[0].names, ["localhost", "127.0.0.1"]);
    /// ```
    pub fn self_signed(names: &[&str]) -> Result<Tls, CertificateError> {
        Tls::new(Vec::new(), self_signed::make(names)?)
    }

    fn new(files: Vec<CertificateFiles>, certificates: Certificates) -> Result<Tls, CertificateError> {
        let shared =
            Arc::new(Shared { files, current: ArcSwap::from_pointee(certificates), failed: AtomicU64::new(0) });
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(CertificateError::of_rustls)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(shared.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets are sealed with keys of this process: any thread resumes what another began, and nothing is kept.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(CertificateError::of_rustls)?;
        Ok(Tls { config: Arc::new(config), shared })
    }

    /// Reads the files again. On an error the certificates in use stay in use.
    pub fn reload(&self, now: SystemTime) -> Result<(), CertificateError> {
        if self.shared.files.is_empty() {
            return Ok(());
        }
        match Certificates::read(&self.shared.files, now) {
            Ok(certificates) => {
                self.shared.current.store(Arc::new(certificates));
                Ok(())
            }
            Err(error) => {
                self.shared.failed.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    /// The same certificates, for listeners that speak HTTP/1.1 alone.
    #[must_use]
    pub(crate) fn for_http1(&self) -> Tls {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Tls { config: Arc::new(config), shared: self.shared.clone() }
    }

    /// The files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        self.shared.files.iter().flat_map(|pair| [pair.cert.clone(), pair.key.clone()]).collect()
    }

    /// What is known of the certificates in use, in the order in which they were named.
    pub fn certificates(&self) -> Vec<CertificateInfo> {
        self.shared.current.load().infos()
    }

    /// How often certificates were read again and could not be used.
    pub fn failed_reloads(&self) -> u64 {
        self.shared.failed.load(Relaxed)
    }

    /// Speaks TLS on a fresh connection, of which some bytes may have been read already. Who speaks HTTP in the clear is told so.
    pub(crate) async fn accept<S>(&self, mut first: Vec<u8>, mut stream: S) -> io::Result<TlsStream<Prefixed<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if first.is_empty() && stream.read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first.first() != Some(&HANDSHAKE) {
            if first.first().is_some_and(u8::is_ascii_alphabetic) {
                stream.write_all(IN_THE_CLEAR).await?;
                stream.shutdown().await?;
            }
            return Err(io::ErrorKind::InvalidData.into());
        }
        TlsAcceptor::from(self.config.clone()).accept(Prefixed::new(first, stream)).await
    }
}

/// The type of the first record of TLS (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

const IN_THE_CLEAR: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nThis port speaks TLS: begin the URL with https\n";

/// Whether HTTP/2 was agreed on.
pub(crate) fn agreed_on_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

impl ResolvesServerCert for Shared {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().key_for(hello.server_name()))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.certificates()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_the_plain_answer_is_right() {
        let text = str::from_utf8(IN_THE_CLEAR).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
