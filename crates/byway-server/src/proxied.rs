//! The PROXY protocol, versions 1 and 2: a load balancer says in front of the first byte who connected to it.
//!
//! A listener that asks for it takes it from trusted proxies only, and takes nothing else: who sends no header, one that is broken
//! or one that is too long, is hung up on. The header is read whole before a byte of what follows is looked at.

use std::io;

use byway_core::Scheme;
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::core::Peer;

/// The longest header. Version 1 has at most 107 bytes; what balancers put into version 2 is a few hundred.
const LONGEST: usize = 4_096;

/// Reads the header. Returns who the client is, and what was read beyond the header.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), peer: Peer) -> io::Result<(Peer, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match ProxyHeader::parse(&bytes, ParseConfig::default()) {
            Ok((_, length)) if length > LONGEST => return Err(io::ErrorKind::InvalidData.into()),
            Ok((header, length)) => {
                let peer = client(&header, peer);
                bytes.drain(..length);
                return Ok((peer, bytes));
            }
            Err(Error::BufferTooShort) if bytes.len() < LONGEST => {}
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Whom a header speaks of. Where it names nobody (a health check of the proxy's own), it is the proxy.
///
/// That the client spoke TLS is said by version 2 where it is asked to; else a connection to port 443 that arrives here in the
/// clear was decrypted on its way.
fn client(header: &ProxyHeader<'_>, peer: Peer) -> Peer {
    let Some(proxied) = header.proxied_address() else { return peer };
    let local_port = proxied.destination.port();
    let spoke_tls = match header.ssl() {
        Some(ssl) => ssl.client_ssl(),
        None => local_port == Scheme::Https.default_port(),
    };
    Peer {
        address: Some(proxied.source.ip().to_canonical()),
        local_port,
        scheme: if spoke_tls { Scheme::Https } else { peer.scheme },
        ..peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_header::{ProxiedAddress, SslInfo, Tlv};

    fn parsed(bytes: &[u8]) -> io::Result<(Peer, Vec<u8>)> {
        let peer = Peer { address: None, local_port: 8_307, listener: 0, scheme: Scheme::Http, is_trusted: true };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut bytes = bytes;
        runtime.block_on(read(&mut bytes, peer))
    }

    fn text(address: &str) -> String {
        format!("PROXY TCP4 {address} 10.0.0.9 5555 443\r\nGET /")
    }

    #[test]
    fn both_versions_say_who_connected() {
        let (peer, rest) = parsed(text("1.2.3.4").as_bytes()).expect("version 1");
        assert_eq!((peer.address, peer.local_port, peer.scheme), (Some([1, 2, 3, 4].into()), 443, Scheme::Https));
        assert_eq!(rest, b"GET /");
        let address = || ProxiedAddress::stream(([1, 2, 3, 4], 5).into(), ([10, 0, 0, 9], 80).into());
        let mut header = ProxyHeader::with_address(address());
        header.append_tlv(Tlv::Ssl(SslInfo::new(true, false, false, 0)));
        let mut bytes = Vec::new();
        header.encode_v2(&mut bytes).expect("written");
        let (peer, rest) = parsed(&bytes).expect("version 2");
        assert_eq!((peer.address, peer.scheme, rest.len()), (Some([1, 2, 3, 4].into()), Scheme::Https, 0));
        let mut bytes = Vec::new();
        ProxyHeader::with_address(address()).encode_v2(&mut bytes).expect("written");
        assert_eq!(parsed(&bytes).expect("version 2").0.scheme, Scheme::Http);
    }

    #[test]
    fn the_proxy_itself_is_nobody_else() {
        let mut local = Vec::new();
        ProxyHeader::with_local().encode_v2(&mut local).expect("written");
        for bytes in [b"PROXY UNKNOWN\r\n".as_slice(), &local] {
            let (peer, _) = parsed(bytes).expect("a header");
            assert_eq!((peer.address, peer.local_port), (None, 8_307));
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 5_000]].concat();
        let mut huge = Vec::from(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".as_slice());
        huge.resize(70_000, 0);
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], text("1.2.3.400").as_bytes(), b"PROXY TCP4 1.2", b"", &long, &huge] {
            assert!(parsed(bytes).is_err(), "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
        }
    }
}
