//! Entries that wait for a slow receiver.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use runtime::tasks::{Shutdown, Tasks};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, error, warn};

/// How long the last entries may take once nobody waits for the receiver any more.
const LAST_CHANCE: Duration = Duration::from_secs(5);

/// How entries wait.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Settings {
    /// The most entries of a delivery.
    pub(crate) max_batch_size: usize,
    /// How long to wait for a full batch, in seconds.
    pub(crate) max_coalescing_delay: f64,
    /// The most entries that wait; the oldest give way.
    pub(crate) max_entries: usize,
    /// The most bytes that wait.
    pub(crate) max_bytes: Option<usize>,
    /// How long a batch is tried, in seconds.
    pub(crate) max_retry_time: f64,
    /// The wait after the first failure, in seconds.
    pub(crate) initial_retry_delay: f64,
    /// The longest wait, in seconds.
    pub(crate) max_retry_delay: f64,
    /// 1, or -1 for deliveries side by side.
    pub(crate) concurrency_limit: i32,
}

impl Settings {
    /// Up to `batch` entries as soon as they are there, tried once.
    pub(crate) fn prompt(batch: usize) -> Self {
        Self {
            max_batch_size: batch,
            max_coalescing_delay: 0.0,
            max_entries: 10_000,
            max_bytes: None,
            max_retry_time: 0.0,
            initial_retry_delay: 0.01,
            max_retry_delay: 1.0,
            concurrency_limit: 1,
        }
    }
}

/// Takes batches to where they belong.
pub(crate) trait Deliver: Send + Sync + 'static {
    /// Delivers all of a batch, or says why not.
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>>;
}

/// A queue, and the task that empties it. What waits when the queue is dropped, or when the node ends, is delivered
/// still if that takes one attempt.
#[derive(Debug)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    max_entries: usize,
    max_bytes: usize,
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Bytes>,
    bytes: usize,
    /// Entries lost since the last that found room.
    lost: u64,
    closed: bool,
}

impl Queue {
    /// Starts the task, named like the plugin. To be called on the main runtime.
    pub(crate) fn start(tasks: &Tasks, name: &'static str, settings: Settings, to: impl Deliver) -> Self {
        let shared = Arc::new(Shared {
            name,
            max_entries: settings.max_entries.max(1),
            max_bytes: settings.max_bytes.unwrap_or(usize::MAX),
            waiting: Mutex::default(),
            news: Notify::new(),
        });
        let courier = Courier {
            shared: Arc::clone(&shared),
            settings: Arc::new(settings),
            to: Arc::new(to),
            tasks: tasks.clone(),
            shutdown: tasks.shutdown(),
        };
        tasks.spawn_detached(name, courier.run());
        Self(shared)
    }

    /// Adds an entry; the oldest give way when there is no room.
    pub(crate) fn push(&self, entry: Bytes) {
        let shared = &self.0;
        let mut waiting = shared.waiting.lock();
        if entry.len() > shared.max_bytes {
            drop(waiting);
            warn!(plugin = shared.name, bytes = entry.len(), "Log entry is larger than its queue");
            return;
        }
        let lost_before = waiting.lost;
        while waiting.entries.len() >= shared.max_entries || waiting.bytes + entry.len() > shared.max_bytes {
            let Some(oldest) = waiting.entries.pop_front() else { break };
            waiting.bytes -= oldest.len();
            waiting.lost += 1;
        }
        let begins_to_lose = lost_before == 0 && waiting.lost > 0;
        waiting.bytes += entry.len();
        waiting.entries.push_back(entry);
        drop(waiting);
        if begins_to_lose {
            warn!(plugin = shared.name, "Log queue is full, the oldest entries are lost");
        }
        shared.news.notify_one();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.waiting.lock().closed = true;
        self.0.news.notify_one();
    }
}

struct Courier<D> {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    to: Arc<D>,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl<D: Deliver> Courier<D> {
    async fn run(mut self) {
        loop {
            let (some, closed) = self.state();
            if !some && (closed || self.shutdown.is_shutdown()) {
                return;
            }
            if !some {
                tokio::select! {
                    () = self.shared.news.notified() => {}
                    () = self.shutdown.wait() => {}
                }
                continue;
            }
            self.coalesce().await;
            let batch = self.take();
            if self.settings.concurrency_limit < 0 {
                let delivery = self.delivery(batch);
                self.tasks.spawn_detached(self.shared.name, delivery);
            } else {
                self.delivery(batch).await;
            }
        }
    }

    /// Whether there are entries, and whether the queue is closed.
    fn state(&self) -> (bool, bool) {
        let waiting = self.shared.waiting.lock();
        (!waiting.entries.is_empty(), waiting.closed)
    }

    /// Waits until the batch is full, or long enough.
    async fn coalesce(&mut self) {
        let until = Instant::now() + seconds(self.settings.max_coalescing_delay);
        loop {
            let enough = {
                let waiting = self.shared.waiting.lock();
                waiting.closed || waiting.entries.len() >= self.settings.max_batch_size
            };
            if enough || self.shutdown.is_shutdown() || Instant::now() >= until {
                return;
            }
            tokio::select! {
                () = self.shared.news.notified() => {}
                () = self.shutdown.wait() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn take(&self) -> Vec<Bytes> {
        let mut waiting = self.shared.waiting.lock();
        let count = waiting.entries.len().min(self.settings.max_batch_size.max(1));
        let batch: Vec<Bytes> = waiting.entries.drain(..count).collect();
        waiting.bytes -= batch.iter().map(Bytes::len).sum::<usize>();
        let lost = std::mem::take(&mut waiting.lost);
        drop(waiting);
        if lost > 0 {
            warn!(plugin = self.shared.name, lost, "Log entries were lost");
        }
        batch
    }

    /// Delivers a batch, again and again if need be.
    fn delivery(&self, batch: Vec<Bytes>) -> impl Future<Output = ()> + Send + 'static {
        let (to, settings, shared) = (Arc::clone(&self.to), Arc::clone(&self.settings), Arc::clone(&self.shared));
        let mut shutdown = self.shutdown.clone();
        async move {
            let until = Instant::now() + seconds(settings.max_retry_time);
            let first = seconds(settings.initial_retry_delay);
            let mut waits = Backoff::new(first, seconds(settings.max_retry_delay), batch.len() as u64);
            loop {
                let ending = shutdown.is_shutdown() || shared.waiting.lock().closed;
                let attempt = to.deliver(&batch);
                let delivered = if ending {
                    let timely = tokio::time::timeout(LAST_CHANCE, attempt).await;
                    timely.unwrap_or_else(|_| Err("the receiver took too long at the end".to_owned()))
                } else {
                    attempt.await
                };
                let Err(reason) = delivered else { return };
                let wait = waits.next_delay();
                if ending || Instant::now() + wait > until {
                    error!(plugin = shared.name, entries = batch.len(), %reason, "Log entries were not delivered");
                    return;
                }
                debug!(plugin = shared.name, %reason, "Log entries are tried again");
                // The end cuts the wait short, for a last attempt.
                drop(tokio::time::timeout(wait, shutdown.wait()).await);
            }
        }
    }
}

/// A year at most, which is long enough for everything.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 31_536_000.0))
}
