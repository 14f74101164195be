//! A connection that is opened when it is needed, and again after it broke.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::Backoff;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisConnectionInfo, RedisError, ScriptInvocation};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use super::Unavailable;

/// How many scripts may be under way on a connection; further ones are refused.
const MAX_WAITING: usize = 8192;

/// How long to leave a server alone after the first failure to reach it, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How often trouble is told.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// How TLS is spoken.
pub(super) struct Tls {
    pub(super) name: ServerName<'static>,
    pub(super) config: Arc<ClientConfig>,
}

/// What it takes to reach a server, and whether it could be reached.
pub(super) struct Dialer {
    host: String,
    port: u16,
    timeout: Duration,
    login: RedisConnectionInfo,
    tls: Option<Tls>,
    /// When trouble was last told, until it is over.
    complained: Mutex<Option<Instant>>,
}

impl Dialer {
    pub(super) fn new(
        host: String,
        port: u16,
        timeout: Duration,
        login: RedisConnectionInfo,
        tls: Option<Tls>,
    ) -> Self {
        Self { host, port, timeout, login, tls, complained: Mutex::default() }
    }

    async fn dial(&self) -> Result<Open, String> {
        let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else { return self.begin(stream).await };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream).await;
        self.begin(stream.map_err(|error| format!("TLS: {error}"))?).await
    }

    async fn begin(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Open, String> {
        // Time is kept by those who wait: a script's time includes that for connecting.
        let config = AsyncConnectionConfig::default().set_response_timeout(None);
        let begun = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
        let (mut connection, driver) = begun.map_err(|error| error.to_string())?;
        #[expect(clippy::disallowed_methods, reason = "it belongs to the connection and ends with it or the worker")]
        let driver = tokio::spawn(driver).abort_handle();
        let open = Open { connection: connection.clone(), driver };
        // A server that accepts connections may still be unable to answer.
        let answer: Result<(), _> = redis::cmd("PING").query_async(&mut connection).await;
        answer.map_err(|error| error.to_string())?;
        Ok(open)
    }

    fn complain(&self, error: &str) {
        let mut complained = self.complained.lock();
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINTS) {
            *complained = Some(Instant::now());
            warn!(host = self.host, port = self.port, error, "Redis is not available");
        }
    }

    fn is_well(&self) {
        if self.complained.lock().take().is_some() {
            info!(host = self.host, port = self.port, "Redis is available again");
        }
    }
}

/// A connection and the task that serves it, which ends with this.
struct Open {
    connection: MultiplexedConnection,
    driver: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A connection, whether open or not.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    /// With its number, by which it is told from a later one.
    open: Mutex<(u64, Option<Open>)>,
    attempts: tokio::sync::Mutex<Attempts>,
    waiting: AtomicUsize,
}

struct Attempts {
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl Link {
    pub(super) fn new(dialer: Arc<Dialer>) -> Self {
        let seed = Arc::as_ptr(&dialer) as usize as u64;
        let attempts = Attempts { backoff: Backoff::new(PAUSES.0, PAUSES.1, seed), not_before: None };
        Self {
            dialer,
            open: Mutex::new((0, None)),
            attempts: tokio::sync::Mutex::new(attempts),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Runs a script. One whose connection breaks is run a second time over a new one, so that a server's end of an idle
    /// connection does no harm; that it may then have been run twice is the lesser evil.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        let _place = self.wait_in_line()?;
        let mut broken = false;
        loop {
            let (number, mut connection) = self.connection().await?;
            let error = match timeout(self.dialer.timeout, script.invoke_async(&mut connection)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.close(number);
                    self.dialer.complain("it does not answer in time");
                    return Err(Unavailable);
                }
            };
            if is_broken(&error) {
                self.close(number);
                if !std::mem::replace(&mut broken, true) {
                    continue;
                }
            }
            self.dialer.complain(&error.to_string());
            return Err(Unavailable);
        }
    }

    /// The open connection, or a new one.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Unavailable> {
        if let Some(connection) = self.opened() {
            return Ok(connection);
        }
        // One tries, the others wait for what comes of it.
        let mut attempts = self.attempts.lock().await;
        if let Some(connection) = self.opened() {
            return Ok(connection);
        }
        if attempts.not_before.is_some_and(|time| Instant::now() < time) {
            return Err(Unavailable);
        }
        let dialed = timeout(self.dialer.timeout, self.dialer.dial()).await;
        match dialed.unwrap_or_else(|_| Err("it does not answer in time".to_owned())) {
            Ok(open) => {
                attempts.backoff.reset();
                attempts.not_before = None;
                self.dialer.is_well();
                let connection = open.connection.clone();
                let mut place = self.open.lock();
                place.0 += 1;
                place.1 = Some(open);
                Ok((place.0, connection))
            }
            Err(error) => {
                attempts.not_before = Some(Instant::now() + attempts.backoff.next_delay());
                self.dialer.complain(&error);
                Err(Unavailable)
            }
        }
    }

    fn opened(&self) -> Option<(u64, MultiplexedConnection)> {
        let place = self.open.lock();
        place.1.as_ref().map(|open| (place.0, open.connection.clone()))
    }

    /// Closes the connection of that number, unless there is a later one.
    fn close(&self, number: u64) {
        let mut place = self.open.lock();
        if place.0 == number {
            place.1 = None;
        }
    }

    fn wait_in_line(&self) -> Result<Place<'_>, Unavailable> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.dialer.complain("too much waits for it");
            return Err(Unavailable);
        }
        Ok(place)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("host", &self.dialer.host).field("port", &self.dialer.port).finish_non_exhaustive()
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
