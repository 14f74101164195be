//! The connection to the receiver of lines.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::log::{Deliver, lines};

/// How long a used connection is looked at before it is used again.
const LOOK: Duration = Duration::from_millis(1);

/// Who gets the lines.
pub(super) struct Receiver {
    host: String,
    port: u16,
    timeout: Duration,
    keepalive: Duration,
    tls: Option<Tls>,
    idle: Mutex<Option<Idle>>,
}

/// How TLS is spoken.
pub(super) struct Tls {
    pub(super) name: ServerName<'static>,
    pub(super) config: Arc<ClientConfig>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was used before.
struct Idle {
    stream: Box<dyn Stream>,
    since: Instant,
}

impl Receiver {
    pub(super) fn new(host: String, port: u16, timeout: Duration, keepalive: Duration, tls: Option<Tls>) -> Self {
        Self { host, port, timeout, keepalive, tls, idle: Mutex::default() }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        Ok(Box::new(connector.connect(tls.name.clone(), stream).await?))
    }

    async fn send(&self, lines: &[u8]) -> io::Result<()> {
        let mut idle = self.idle.lock().await;
        // A connection that the receiver has closed takes no lines; they go over a new one then.
        if let Some(used) = idle.take().filter(|used| used.since.elapsed() < self.keepalive) {
            let mut stream = used.stream;
            if !is_closed(&mut *stream).await && write(&mut *stream, lines).await.is_ok() {
                *idle = Some(Idle { stream, since: Instant::now() });
                return Ok(());
            }
        }
        let mut stream = self.connect().await?;
        write(&mut *stream, lines).await?;
        *idle = Some(Idle { stream, since: Instant::now() });
        Ok(())
    }
}

/// Whether the other end has closed the connection. Takes the moment it needs to learn of that.
async fn is_closed(stream: &mut dyn Stream) -> bool {
    let mut answer = [0; 64];
    matches!(tokio::time::timeout(LOOK, stream.read(&mut answer)).await, Ok(Ok(0) | Err(_)))
}

async fn write(stream: &mut dyn Stream, lines: &[u8]) -> io::Result<()> {
    stream.write_all(lines).await?;
    stream.flush().await
}

impl Deliver for Receiver {
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>> {
        let lines = lines(batch);
        Box::pin(async move {
            let sent = tokio::time::timeout(self.timeout, self.send(&lines)).await;
            let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            sent.map_err(|error| format!("{}:{}: {error}", self.host, self.port))
        })
    }
}
