//! One receiver of access logs: a queue, and the task that empties it over TCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::pause::{backoff, pause};

/// Bytes and lines that wait for one receiver; what comes on top is dropped.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_LINES: usize = 4096;
const BATCH: usize = 256;
const CONNECT: Duration = Duration::from_secs(5);
const WRITE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct Receiver {
    address: String,
    queue: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    dropped: u64,
}

impl Receiver {
    /// A receiver, and the task that serves it until the receiver is dropped.
    pub(super) fn new(address: String) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, lines) = mpsc::channel(MAX_LINES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let task = serve(address.clone(), lines, Arc::clone(&waiting));
        (Self { address, queue, waiting, dropped: 0 }, task)
    }

    /// Queues a line, or drops and counts it.
    pub(super) fn ship(&mut self, line: Bytes) {
        let length = line.len();
        if self.waiting.load(Ordering::Relaxed) + length <= MAX_BYTES {
            self.waiting.fetch_add(length, Ordering::Relaxed);
            if self.queue.try_send(line).is_ok() {
                return;
            }
            self.waiting.fetch_sub(length, Ordering::Relaxed);
        }
        self.dropped += 1;
        if self.dropped.is_power_of_two() {
            tracing::warn!(receiver = self.address, lines = self.dropped, "Access log lines are dropped: buffer full");
        }
    }
}

async fn serve(address: String, mut lines: mpsc::Receiver<Bytes>, waiting: Arc<AtomicUsize>) {
    let mut backoff = backoff(FIRST_PAUSE, LONGEST_PAUSE);
    let mut connection: Option<TcpStream> = None;
    let mut batch = Vec::new();
    let mut text = Vec::new();
    while lines.recv_many(&mut batch, BATCH).await > 0 {
        for line in batch.drain(..) {
            waiting.fetch_sub(line.len(), Ordering::Relaxed);
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        loop {
            let mut stream = match connection.take().filter(is_open) {
                Some(stream) => stream,
                None => connect(&address, &mut backoff).await,
            };
            match tokio::time::timeout(WRITE, stream.write_all(&text)).await {
                Ok(Ok(())) => {
                    connection = Some(stream);
                    backoff.reset();
                    break;
                }
                // What was written of the batch is written again: a line twice is better than a line less.
                Ok(Err(error)) => tracing::info!(receiver = address, %error, "Access log receiver broke off"),
                Err(_) => tracing::info!(receiver = address, "Access log receiver takes no more"),
            }
            pause(backoff.next_delay()).await;
        }
        text.clear();
        text.shrink_to(LARGEST_KEPT);
    }
}

/// A batch of long lines must not hold memory for ever.
const LARGEST_KEPT: usize = 64 * 1024;

/// Whether the peer has not closed: without asking, the first write after its end would be lost.
fn is_open(stream: &TcpStream) -> bool {
    let mut ignored = [0; 512];
    loop {
        match stream.try_read(&mut ignored) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

async fn connect(address: &str, backoff: &mut base::Backoff) -> TcpStream {
    loop {
        let error = match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return stream,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        tracing::info!(receiver = address, error, "Access log receiver is not reachable");
        pause(backoff.next_delay()).await;
    }
}
