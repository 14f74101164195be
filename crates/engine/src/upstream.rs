//! Connections to upstreams: what they lead to, how they are made, and a worker's idle ones.

use std::fmt;
use std::future::poll_fn;
use std::hint::cold_path;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tracing::debug;

use crate::channel::{Channel, H1, H2, Wire};
use crate::forward::{ForwardError, Kind, Stage};
use crate::io::Io;
use crate::socket::Socket;
use crate::worker::Worker;

mod pool;

use pool::PoolKey;
pub use pool::PoolSettings;
pub(crate) use pool::Pools;

/// What an upstream may send of one response before it has gone on.
const WINDOW: u32 = 256 * 1024;

/// The same for all responses of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Where a connection leads, with all that tells it from others. Made once per change of configuration or address,
/// and cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    addr: SocketAddr,
    tls: Option<TlsClient>,
    http2: bool,
    key: PoolKey,
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
        let key = PoolKey::new(addr, tls.as_ref().map(|tls| tls.identity), http2);
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
    fn new(channel: Channel, endpoint: &Endpoint, requests: u32, connecting: Option<(Instant, Instant)>) -> Box<Self> {
        Box::new(Self {
            channel,
            endpoint: endpoint.clone(),
            requests,
            keep: false,
            uploading: false,
            streaming: false,
            upload_ended: false,
            connecting,
        })
    }

    /// The next request begins.
    fn begin(&mut self) {
        if let Channel::H1(channel) = &mut self.channel {
            channel.received = 0;
            channel.sent = 0;
        }
        self.keep = false;
        self.uploading = false;
        self.streaming = false;
        self.upload_ended = false;
        self.connecting = None;
    }

    /// Whether an idle one can still be used.
    fn is_quiet(&self) -> bool {
        match &self.channel {
            Channel::H1(channel) => channel.io.is_quiet(),
            Channel::H2(_) => false,
        }
    }

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
) -> Result<Box<Connection>, ForwardError> {
    if !endpoint.0.http2
        && let Some(mut connection) = worker.pools.take(&endpoint.0.key)
    {
        connection.begin();
        return Ok(connection);
    }
    cold_path();
    // Apart, as this is rare and its state large.
    Box::pin(connect_within(worker, endpoint, timeout)).await
}

async fn connect_within(
    worker: &Rc<Worker>,
    endpoint: &Endpoint,
    timeout: Duration,
) -> Result<Box<Connection>, ForwardError> {
    match tokio::time::timeout(timeout, connect_new(worker, endpoint, Instant::now())).await {
        Ok(connected) => connected.map_err(ForwardError::connect),
        Err(_) => Err(ForwardError::new(Stage::Connect, Kind::Timeout, None)),
    }
}

async fn connect_new(worker: &Rc<Worker>, endpoint: &Endpoint, started: Instant) -> io::Result<Box<Connection>> {
    if endpoint.0.http2
        && let Some(shared) = worker.pools.shared(&endpoint.0.key)
    {
        match shared.ready().await {
            Ok(ready) => return Ok(Connection::new(Channel::H2(Box::new(H2::client(ready))), endpoint, 1, None)),
            Err(_) => worker.pools.forget(&endpoint.0.key),
        }
    }
    worker.counters.connects.up();
    let io = open(endpoint).await?;
    let channel =
        if endpoint.0.http2 { open_http2(worker, endpoint, io).await? } else { Channel::H1(H1::new(io, worker)) };
    Ok(Connection::new(channel, endpoint, 0, Some((started, Instant::now()))))
}

async fn open(endpoint: &Endpoint) -> io::Result<Io> {
    let stream = TcpStream::connect(endpoint.0.addr).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &endpoint.0.tls else {
        return Ok(Io::Plain(Socket::new(stream)));
    };
    let stream = crate::tls::connect(&tls.config, tls.name.clone(), stream).await?;
    Ok(Io::Tls(Box::new(stream)))
}

/// Begins HTTP/2 and shares the connection with later requests of this worker.
async fn open_http2(worker: &Rc<Worker>, endpoint: &Endpoint, io: Io) -> io::Result<Channel> {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(worker.settings.limits.max_head_bytes).unwrap_or(u32::MAX));
    let wire = Wire::new(io, Vec::new(), &worker.buffers);
    let (send, mut connection) = builder.handshake(wire.clone()).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        let ended = poll_fn(|context| wire.poll_with(Pin::new(&mut connection).poll(context), context)).await;
        if let Err(error) = ended.and_then(|ended| ended.map_err(io::Error::other)) {
            debug!(%error, "A connection to an upstream failed");
        }
    });
    let ready = send.ready().await.map_err(io::Error::other)?;
    worker.pools.share(&endpoint.0.key, ready.clone());
    Ok(Channel::H2(Box::new(H2::client(ready))))
}

/// Puts the connection back after a response that was read to its end, if it may be used again.
pub(crate) fn release(worker: &Worker, mut connection: Box<Connection>) {
    // A connection of HTTP/2 is shared as long as it lives: there is nothing to put back.
    if let Channel::H1(channel) = &connection.channel {
        let clean = connection.keep
            && !connection.uploading
            && channel.is_ended()
            && channel.is_sent()
            && channel.input.is_empty();
        if clean && !worker.is_draining() {
            connection.requests += 1;
            worker.pools.give(connection);
        }
    }
}
