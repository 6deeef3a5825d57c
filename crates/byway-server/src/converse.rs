//! A connection from its first byte to its last: PROXY protocol and TLS where its listener asks for them, then HTTP/1.1 or 2.
//!
//! Until it speaks HTTP a connection holds a slot like any other and has [`crate::Settings::handshake_time`]; what fails before
//! is counted and hung up on, since nobody is there who would read an answer.

use std::io;
use std::rc::Rc;

use byway_core::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Ended};
use crate::core::{Core, Peer};
use crate::http2;
use crate::listen::ProxyProtocol;
use crate::proxied;
use crate::slots::{Phase, Slot};
use crate::stream::{Prefixed, before_due};
use crate::tls::{Tls, agreed_on_http2};

/// What a connection runs over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Whether what was written may still have to be flushed, and the end must be said (`close_notify`, RFC 8446 §6.1).
    const KEEPS_BACK: bool = false;
}

impl Wire for TcpStream {}
impl Wire for UnixStream {}

impl<S: Wire> Wire for Prefixed<S> {
    const KEEPS_BACK: bool = S::KEEPS_BACK;
}

impl<S: Wire> Wire for TlsStream<S> {
    const KEEPS_BACK: bool = true;
}

/// What the connections of a listener begin with.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy_protocol: ProxyProtocol,
}

/// Serves a connection to its end.
pub(crate) async fn converse<S: Wire>(stream: S, peer: Peer, entrance: &Entrance, core: Rc<Core>, slot: Rc<Slot>) {
    match (&entrance.tls, entrance.proxy_protocol) {
        (None, ProxyProtocol::No) => speak(stream, peer, core, slot).await,
        // In a box, so that the task of a plain connection stays small.
        _ => Box::pin(enter(stream, peer, entrance, core, slot)).await,
    }
}

/// HTTP/1.1, or HTTP/2 where the client begins with its preface.
async fn speak<S: Wire>(stream: S, peer: Peer, core: Rc<Core>, slot: Rc<Slot>) {
    let connection = Connection::new(stream, core.clone(), slot.clone(), peer);
    if let Ended::Http2(stream, read) = connection.await {
        Box::pin(http2::serve(stream, read, core, slot, peer)).await;
    }
}

async fn enter<S: Wire>(mut stream: S, peer: Peer, entrance: &Entrance, core: Rc<Core>, slot: Rc<Slot>) {
    slot.wait(Phase::Busy, core.clock.after(core.settings.handshake_time));
    let (peer, first) = match entrance.proxy_protocol {
        ProxyProtocol::No => (peer, Vec::new()),
        ProxyProtocol::Required => match before_due(&slot, announced(&mut stream, peer, &core)).await {
            Some(Ok(announced)) => announced,
            _ => return core.counters.unannounced(),
        },
    };
    slot.belongs_to(peer.lingers_for());
    let Some(tls) = &entrance.tls else {
        slot.wait(Phase::Busy, core.clock.after(core.settings.header_time));
        return speak(Prefixed::new(first, stream), peer, core, slot).await;
    };
    match before_due(&slot, tls.accept(first, stream)).await {
        Some(Ok(stream)) => {
            core.counters.shook_hands();
            slot.wait(Phase::Busy, core.clock.after(core.settings.header_time));
            let peer = Peer { scheme: Scheme::Https, ..peer };
            match agreed_on_http2(&stream) {
                true => http2::serve(stream, Vec::new(), core, slot, peer).await,
                false => speak(stream, peer, core, slot).await,
            }
        }
        _ => core.counters.failed_to_shake_hands(),
    }
}

/// Who the client is by the word of a trusted proxy. Whether the client itself is a proxy that is trusted is asked anew.
async fn announced<S: Wire>(stream: &mut S, peer: Peer, core: &Core) -> io::Result<(Peer, Vec<u8>)> {
    if !peer.is_trusted {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (peer, first) = proxied::read(stream, peer).await?;
    Ok((Peer { is_trusted: core.settings.trust.covers(peer.address), ..peer }, first))
}
