//! What comes before the first request: PROXY protocol and TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{CommonState, ProtocolVersion};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::ListenerSpec;
use crate::io::Io;
use crate::peer::{Peer, Proxied, TlsSession};
use crate::proxy_protocol;
use crate::socket::Socket;
use crate::tls::{self, Accepted};

/// The first byte of every TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// A connection that requests can come by.
pub(super) struct Established {
    pub(super) io: Io,
    pub(super) peer: Peer,
    /// Whether TLS should be spoken and is not.
    pub(super) plain_on_tls: bool,
}

pub(super) async fn establish(mut socket: TcpStream, addr: SocketAddr, spec: &ListenerSpec) -> io::Result<Established> {
    socket.set_nodelay(true)?;
    let mut peer = Peer::new(addr, socket.local_addr()?, spec.tag);
    if spec.proxy_protocol {
        peer.proxied = read_proxy_header(&mut socket).await?;
    }
    let Some(config) = &spec.tls else {
        return Ok(Established { io: Io::Plain(Socket::new(socket)), peer, plain_on_tls: false });
    };
    let mut first = [0];
    if socket.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        return Ok(Established { io: Io::Plain(Socket::new(socket)), peer, plain_on_tls: true });
    }
    let (Accepted { stream, server_name }, mut session) = tls::accept(config, socket, session).await?;
    session.sni = server_name.map(|name| name.to_ascii_lowercase().into());
    peer.http2 = session.http2 && spec.http2;
    peer.tls = Some(Arc::new(session));
    Ok(Established { io: Io::Tls(Box::new(stream)), peer, plain_on_tls: false })
}

/// Reads the header and not a byte more.
async fn read_proxy_header(socket: &mut TcpStream) -> io::Result<Option<Proxied>> {
    let mut header = Vec::new();
    let mut ahead = [0; 1024];
    loop {
        let count = socket.peek(&mut ahead).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = header.len();
        header.extend_from_slice(&ahead[..count]);
        let parsed = proxy_protocol::parse(&header).map_err(io::Error::other)?;
        // All of an incomplete header belongs to it, and of a complete one as much as it says.
        let taken = parsed.map_or(count, |parsed| parsed.consumed.saturating_sub(before));
        socket.read_exact(&mut ahead[..taken]).await?;
        if let Some(parsed) = parsed {
            return Ok(parsed
                .addresses
                .map(|addresses| Proxied { source: addresses.source, destination: addresses.destination }));
        }
    }
}

/// What was agreed on; the name the client asked for is known elsewhere.
fn session(connection: &CommonState) -> TlsSession {
    TlsSession {
        sni: None,
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "",
        },
        cipher: connection
            .negotiated_cipher_suite()
            .map_or("", |suite| suite.suite().as_str().map_or("", openssl_name)),
        http2: connection.alpn_protocol() == Some(b"h2"),
        certificates: connection
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
    }
}

/// The name OpenSSL, and with it most tools, has for a cipher suite.
fn openssl_name(suite: &'static str) -> &'static str {
    match suite {
        "TLS13_AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
        "TLS13_AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
        "TLS13_CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => "ECDHE-RSA-CHACHA20-POLY1305",
        other => other,
    }
}
