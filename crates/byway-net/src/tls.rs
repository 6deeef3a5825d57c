//! TLS to a peer: who is trusted, and the handshake.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::fault::{Blame, Fault, Phase};

/// A connection, plain or in TLS.
pub(crate) type Stream = Box<dyn Io>;

/// What a connection can do.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Whose certificates are believed. The system's are read when they are first needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    further: Arc<[u8]>,
    config: Arc<OnceLock<Result<Arc<ClientConfig>, String>>>,
}

impl Trust {
    /// Those of the system, and these (PEM).
    pub(crate) fn with(pem: Vec<u8>) -> Trust {
        Trust { further: pem.into(), config: Arc::default() }
    }

    /// Agrees on TLS over a connection.
    pub(crate) async fn wrap(&self, stream: TcpStream, host: &str, limit: Duration) -> Result<Stream, Fault> {
        let us = |what: String| Fault::new(Phase::Tls, Blame::Us, what);
        let config = self.config.get_or_init(|| config(&self.further)).clone().map_err(us)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(bare).map_err(|error| us(format!("`{host}` can be in no certificate: {error}")))?;
        match timeout(limit, TlsConnector::from(config).connect(name, stream)).await {
            Err(_) => Err(Fault::late(Phase::Tls, limit)),
            Ok(Err(error)) => Err(Fault::new(Phase::Tls, Blame::Peer, error)),
            Ok(Ok(stream)) => Ok(Box::new(stream)),
        }
    }
}

fn config(further: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // A system without certificates is no reason to fail where others are given; the handshake says whom it does not trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(further) {
        let certificate = certificate.map_err(|error| format!("the further certificates cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a further certificate cannot be used: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
