use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;

use super::{Options, PeerAddr, PeerCertificates, Security};
use crate::tasks::{BoxError, Shutdown};

/// What all connections of a server share.
pub(super) struct Server {
    security: Security,
    router: Router,
    http: auto::Builder<TokioExecutor>,
    options: Options,
}

/// The first byte of every TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Plain text that rustls holds for a slow peer, and windows in which a peer may send ahead.
const TLS_SEND_BUFFER: usize = 16 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// The smallest limit on heads that the HTTP/1.1 codec takes.
const SMALLEST_HEAD: u32 = 8192;

impl Server {
    pub(super) fn new(security: Security, router: Router, options: Options) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        let max_header_bytes = options.max_header_bytes.max(SMALLEST_HEAD);
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(options.idle_timeout)
            .max_buf_size(max_header_bytes as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(options.ping_interval)
            .keep_alive_timeout(options.ping_timeout)
            .max_concurrent_streams(options.max_streams)
            .max_header_list_size(max_header_bytes)
            .max_send_buf_size(options.send_buffer)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Self { security, router: router.with_state(()), http, options }
    }

    /// Serves one connection to its end.
    pub(super) async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        shutdown: Shutdown,
    ) -> Result<(), BoxError> {
        let acceptor = match &self.security {
            Security::Plain => None,
            Security::Tls(acceptor) => Some(acceptor),
            Security::Either(acceptor) => self.starts_with_tls(&stream).await?.then_some(acceptor),
        };
        let Some(acceptor) = acceptor else {
            return self.http(stream, peer, None, shutdown).await;
        };
        let stream = self.in_time(accept_tls(acceptor, stream)).await?;
        let certificates = peer_certificates(&stream);
        self.http(stream, peer, certificates, shutdown).await
    }

    async fn starts_with_tls(&self, stream: &TcpStream) -> io::Result<bool> {
        let mut first = [0];
        let read = self.in_time(stream.peek(&mut first)).await?;
        Ok(read == 1 && first[0] == TLS_HANDSHAKE)
    }

    async fn in_time<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match timeout(self.options.header_timeout, step).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not begin in time")),
        }
    }

    async fn http<S>(
        &self,
        stream: S,
        peer: SocketAddr,
        certificates: Option<PeerCertificates>,
        mut shutdown: Shutdown,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let used = Arc::new(AtomicBool::new(false));
        let handler = Handler { router: self.router.clone(), peer, certificates, used: Arc::clone(&used) };
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), handler));

        // HTTP/2 has no limit on the time until its first frame, so the first request is waited for here.
        let first_request = Instant::now() + self.options.header_timeout;
        tokio::select! {
            result = connection.as_mut() => return result,
            () = shutdown.wait() => return drain(connection, self.options.drain).await,
            () = tokio::time::sleep_until(first_request) => {}
        }
        if !used.load(Ordering::Relaxed) {
            return Ok(());
        }
        tokio::select! {
            result = connection.as_mut() => result,
            () = shutdown.wait() => drain(connection, self.options.drain).await,
        }
    }
}

type Connection<'a, S> = auto::Connection<'a, TokioIo<S>, Handler, TokioExecutor>;

/// Takes no further requests, and lets those under way end if they do so in time.
async fn drain<S>(mut connection: Pin<&mut Connection<'_, S>>, deadline: Duration) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connection.as_mut().graceful_shutdown();
    match timeout(deadline, connection).await {
        Ok(result) => result,
        Err(_) => Ok(()),
    }
}

async fn accept_tls(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    acceptor.accept_with(stream, |connection| connection.set_buffer_limit(Some(TLS_SEND_BUFFER))).await
}

fn peer_certificates(stream: &TlsStream<TcpStream>) -> Option<PeerCertificates> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates().map(|chain| PeerCertificates(chain.into()))
}

/// Hands a connection's requests to the router, with what is known about the peer.
struct Handler {
    router: Router,
    peer: SocketAddr,
    certificates: Option<PeerCertificates>,
    /// Whether there was a request yet.
    used: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Handler {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as tower::Service<Request<Body>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.used.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddr(self.peer));
        if let Some(certificates) = &self.certificates {
            request.extensions_mut().insert(certificates.clone());
        }
        // A router is always ready.
        self.router.clone().call(request)
    }
}
