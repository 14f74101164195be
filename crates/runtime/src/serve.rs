//! HTTP/1.1 and HTTP/2 servers, plain or over TLS, with limits on every connection and an orderly end.
//!
//! A request finds its peer in its extensions: [`PeerAddr`] always, [`PeerCertificates`] when the client
//! showed any. Limits on bodies are `axum::extract::DefaultBodyLimit` on the routes.

mod connection;
mod listener;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::tasks::Tasks;
use connection::Server;
pub use listener::{BindError, Listener};

/// Limits of one server. The defaults suit a control plane's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time a new connection has for its TLS handshake, and after that for the head of its first request.
    pub header_timeout: Duration,
    /// Time an HTTP/1.1 connection may be idle between requests, or take for a later request's head.
    pub idle_timeout: Duration,
    /// Largest head of a request, in bytes; at least 8192.
    pub max_header_bytes: u32,
    /// Most requests at a time on one HTTP/2 connection.
    pub max_streams: u32,
    /// After so long without a frame an HTTP/2 peer is asked for a sign of life.
    pub ping_interval: Duration,
    /// Time the peer has to give that sign before the connection is closed.
    pub ping_timeout: Duration,
    /// Bytes of an answer that are held for a slow HTTP/2 peer, for each stream.
    pub send_buffer: usize,
    /// Most connections at a time; further ones wait in the backlog.
    pub max_connections: usize,
    /// Time open requests have to end after shutdown has begun.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_header_bytes: 32 * 1024,
            max_streams: 128,
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(10),
            send_buffer: 64 * 1024,
            max_connections: 65_536,
            drain: Duration::from_secs(5),
        }
    }
}

/// The other end of a request's connection; an IPv4 address is one even if it arrived at an IPv6 socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The client's certificate and its chain, verified as the TLS configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

/// Serves plain HTTP until shutdown begins; requests under way are then given [`Options::drain`].
pub async fn serve_http(listener: Listener, router: Router, options: Options, tasks: Tasks) -> Result<(), Infallible> {
    serve(listener, Security::Plain, router, options, tasks).await
}

/// As [`serve_http`], over TLS.
pub async fn serve_https(
    listener: Listener,
    tls: Arc<ServerConfig>,
    router: Router,
    options: Options,
    tasks: Tasks,
) -> Result<(), Infallible> {
    serve(listener, Security::Tls(tls.into()), router, options, tasks).await
}

/// As [`serve_http`] and [`serve_https`] on one port: a connection's first byte tells which.
pub async fn serve_either(
    listener: Listener,
    tls: Arc<ServerConfig>,
    router: Router,
    options: Options,
    tasks: Tasks,
) -> Result<(), Infallible> {
    serve(listener, Security::Either(tls.into()), router, options, tasks).await
}

#[derive(Clone)]
enum Security {
    Plain,
    Tls(TlsAcceptor),
    Either(TlsAcceptor),
}

async fn serve(
    listener: Listener,
    security: Security,
    router: Router,
    options: Options,
    tasks: Tasks,
) -> Result<(), Infallible> {
    let server = Arc::new(Server::new(security, router, options));
    let slots = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut shutdown = tasks.shutdown();
    loop {
        let (stream, peer, slot) = tokio::select! {
            accepted = listener.accept(&slots) => accepted,
            () = shutdown.wait() => return Ok(()),
        };
        let server = Arc::clone(&server);
        let shutdown = tasks.shutdown();
        tasks.spawn_detached("connection", async move {
            if let Err(error) = server.connection(stream, peer, shutdown).await {
                debug!(%peer, error = base::report(error.as_ref()), "Connection failed");
            }
            drop(slot);
        });
    }
}

#[cfg(test)]
mod tests;
