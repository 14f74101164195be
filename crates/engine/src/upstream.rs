//! Connections to upstreams: what they lead to, how they are made, and a worker's idle ones.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::channel::{Channel, H1};
use crate::forward::{ForwardError, Kind, Stage};
use crate::io::Io;
use crate::worker::Worker;

mod pool;

pub use pool::PoolSettings;
pub(crate) use pool::Pools;

/// Where a connection leads, with all that tells it from others. Made once per change of configuration or address,
/// and cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    addr: SocketAddr,
    tls: Option<TlsClient>,
    http2: bool,
    key: u64,
}

/// TLS towards an upstream.
#[derive(Clone)]
pub struct TlsClient {
    /// Trust, client certificate and ALPN (`h2` for HTTP/2).
    pub config: Arc<ClientConfig>,
    /// The name sent and checked.
    pub name: ServerName<'static>,
    /// Tells apart what must not share connections; the same for the same `config` and `name`.
    pub identity: u64,
}

impl Endpoint {
    /// An upstream that speaks HTTP/1.1, or HTTP/2 from the first byte.
    pub fn new(addr: SocketAddr, tls: Option<TlsClient>, http2: bool) -> Self {
        let identity = tls.as_ref().map(|tls| tls.identity);
        let key = pool::key(addr, identity, http2);
        Self(Arc::new(Inner { addr, tls, http2, key }))
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.0.http2
    }

    /// Whether it is reached over TLS.
    pub fn is_tls(&self) -> bool {
        self.0.tls.is_some()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("addr", &self.0.addr)
            .field("tls", &self.0.tls.as_ref().map(|tls| &tls.name))
            .field("http2", &self.0.http2)
            .finish()
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A number for [`TlsClient::identity`] that no other call returns.
pub fn new_identity() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A connection to an upstream, for one request. Dropped, it is closed; [`Exchange::relay`] and its like put it back.
///
/// [`Exchange::relay`]: crate::exchange::Exchange::relay
#[derive(Debug)]
pub struct Connection {
    pub(crate) channel: Channel,
    pub(crate) endpoint: Endpoint,
    /// Requests before this one.
    pub(crate) requests: u32,
    /// Whether it can be used again once this response has been read.
    pub(crate) keep: bool,
    /// Whether a body is still on its way up.
    pub(crate) uploading: bool,
    /// Whether that body is the client's, as it comes, and what was buffered has been sent.
    pub(crate) streaming: bool,
    /// Whether the end of that body has been put into the channel.
    pub(crate) upload_ended: bool,
    connecting: Option<(Instant, Instant)>,
}

impl Connection {
    /// Whether it has carried a request before. One that fails before its response may have been closed by the
    /// upstream at the wrong moment.
    pub fn is_reused(&self) -> bool {
        self.requests > 0
    }

    /// Where it leads.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// When connecting began and ended, handshake included; `None` if it was not for this request.
    pub fn connecting(&self) -> Option<(Instant, Instant)> {
        self.connecting
    }
}

/// An idle connection to `endpoint`, or a new one within `timeout`.
pub(crate) async fn connect(
    worker: &Rc<Worker>,
    endpoint: &Endpoint,
    timeout: Duration,
) -> Result<Connection, ForwardError> {
    if let Some((io, requests)) = worker.pools.take(endpoint.0.key) {
        return Ok(Connection {
            channel: Channel::H1(H1::new(io, worker)),
            endpoint: endpoint.clone(),
            requests,
            keep: false,
            uploading: false,
            streaming: false,
            upload_ended: false,
            connecting: None,
        });
    }
    // Apart, as this is rare and its state large.
    Box::pin(connect_new(worker, endpoint, timeout)).await
}

async fn connect_new(worker: &Rc<Worker>, endpoint: &Endpoint, timeout: Duration) -> Result<Connection, ForwardError> {
    let started = Instant::now();
    worker.counters.connects.up();
    let io = match tokio::time::timeout(timeout, open(endpoint)).await {
        Ok(Ok(io)) => io,
        Ok(Err(error)) => return Err(ForwardError::connect(error)),
        Err(_) => return Err(ForwardError::new(Stage::Connect, Kind::Timeout, None)),
    };
    Ok(Connection {
        channel: Channel::H1(H1::new(io, worker)),
        endpoint: endpoint.clone(),
        requests: 0,
        keep: false,
        uploading: false,
        streaming: false,
        upload_ended: false,
        connecting: Some((started, Instant::now())),
    })
}

async fn open(endpoint: &Endpoint) -> io::Result<Io> {
    let stream = TcpStream::connect(endpoint.0.addr).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &endpoint.0.tls else {
        return Ok(Io::Plain(stream));
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
    let stream = connector.connect(tls.name.clone(), stream).await?;
    Ok(Io::ClientTls(Box::new(stream)))
}

/// Puts the connection back after a response that was read to its end, if it may be used again.
pub(crate) fn release(worker: &Worker, connection: Connection) {
    let Connection { channel, endpoint, requests, keep, uploading, .. } = connection;
    match channel {
        Channel::H1(channel) => {
            let clean = keep && !uploading && channel.is_ended() && channel.is_sent() && channel.input.is_empty();
            let io = channel.into_io();
            if clean && !worker.is_draining() {
                worker.pools.give(endpoint.0.key, io, requests + 1);
            }
        }
    }
}
