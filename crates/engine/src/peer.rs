//! What is known of a client's connection.

use std::any::Any;
use std::cell::OnceCell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The two ends of a client's connection. One value a connection, shared by its requests.
pub struct Peer {
    /// The other end of the connection.
    pub addr: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What a PROXY protocol header said of source and destination.
    pub proxied: Option<Proxied>,
    /// What the TLS handshake came to.
    pub tls: Option<Arc<TlsSession>>,
    /// Whether the connection speaks HTTP/2.
    pub http2: bool,
    /// The listener's [`ListenerSpec::tag`](crate::worker::ListenerSpec::tag).
    pub tag: u32,
    /// Room for what the user of the engine works out once a connection.
    pub extension: OnceCell<Box<dyn Any>>,
    text: Box<str>,
}

/// Addresses out of a PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Who connected to the proxy in front of us.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// What a TLS handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// The server name the client asked for, lower case.
    pub sni: Option<Box<str>>,
    /// `TLSv1.3`
    pub version: &'static str,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: &'static str,
    /// Whether `h2` was negotiated.
    pub http2: bool,
    /// The client's certificates in DER, its own first.
    pub certificates: Vec<Vec<u8>>,
}

impl Peer {
    /// A plain HTTP/1 connection between these ends.
    pub fn new(addr: SocketAddr, local: SocketAddr, tag: u32) -> Self {
        Self {
            addr,
            local,
            proxied: None,
            tls: None,
            http2: false,
            tag,
            extension: OnceCell::new(),
            text: addr.ip().to_canonical().to_string().into(),
        }
    }

    /// The other end's address: IPv4 as such even if the socket is one for IPv6.
    pub fn ip(&self) -> IpAddr {
        self.addr.ip().to_canonical()
    }

    /// [`Self::ip`] as text, made once a connection.
    pub fn ip_text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("addr", &self.addr)
            .field("local", &self.local)
            .field("proxied", &self.proxied)
            .field("tls", &self.tls)
            .field("http2", &self.http2)
            .finish_non_exhaustive()
    }
}
