//! The state that a back end publishes, its readers and its watchers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::query::{Page, Query};
use crate::record::{Committed, Key, Record};
use crate::state::State;
use crate::state::overlay::{Outcome, Overlay};
use crate::{Event, StoreError, Watch};

/// How many transactions a watcher may be behind before it gets a snapshot instead.
pub(crate) const WATCH_CAPACITY: usize = 1024;

/// How often a watcher looks for expired records while there are any to come. The moment itself is known, but
/// clocks get set.
const EXPIRY_TICK: Duration = Duration::from_millis(250);

/// How long a watcher lets expired records be that the back end could not delete.
const EXPIRY_RETRY: Duration = Duration::from_secs(5);

/// A back end as its watchers need it.
pub(crate) trait Expire: Send + Sync {
    /// Deletes what has expired. What is returned does not keep the back end alive.
    fn expire(&self) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// Published state. Reading it needs no back end.
#[derive(Debug)]
pub(crate) struct Shared {
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    /// Sent to with the state's lock held, which is what makes snapshot and changes fit together.
    commits: broadcast::Sender<News>,
    /// How much later than others this instance deletes what expires, so that not all try at once.
    patience: Duration,
}

/// What watchers are told.
#[derive(Clone, Debug)]
enum News {
    Commit(Arc<Committed>),
    /// The state is another one, and nobody knows how it came about.
    Replaced,
}

impl Shared {
    pub(crate) fn new(clock: Arc<dyn Clock>, state: State) -> Self {
        Self::patient(clock, state, Duration::ZERO)
    }

    /// As [`Self::new`], of one instance among several.
    pub(crate) fn patient(clock: Arc<dyn Clock>, state: State, patience: Duration) -> Self {
        Self { clock, state: RwLock::new(state), commits: broadcast::Sender::new(WATCH_CAPACITY), patience }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Record>> {
        self.state.read().get(key, self.clock.now())
    }

    pub(crate) fn find(&self, collection: &str, field: &str, value: &str) -> Option<Arc<Record>> {
        self.state.read().find(collection, field, value, self.clock.now())
    }

    pub(crate) fn list(&self, query: &Query) -> Page {
        self.state.read().list(query, self.clock.now())
    }

    /// Runs `transactions` on top of the state and returns what they came to, without anybody seeing it.
    pub(crate) fn attempt<T>(&self, transactions: impl FnOnce(&mut Overlay<'_>) -> T) -> (Outcome, T) {
        let state = self.state.read();
        let mut overlay = Overlay::new(&state, self.clock.now());
        let result = transactions(&mut overlay);
        (overlay.finish(), result)
    }

    /// Shows to readers and watchers what was attempted last. There must be one writer at a time.
    pub(crate) fn publish(&self, outcome: Outcome, commits: impl IntoIterator<Item = Arc<Committed>>) {
        let mut state = self.state.write();
        state.apply(outcome);
        for commit in commits.into_iter().filter(|commit| !commit.changes.is_empty()) {
            // Having no watcher is not an error.
            drop(self.commits.send(News::Commit(commit)));
        }
    }

    /// Shows another state. Watchers start over with a snapshot.
    pub(crate) fn replace(&self, other: State) {
        let before = {
            let mut state = self.state.write();
            drop(self.commits.send(News::Replaced));
            std::mem::replace(&mut *state, other)
        };
        // Large, and nobody should wait for it to be taken apart.
        drop(before);
    }

    /// A watcher of `backend`, whose state this is. It makes the back end delete what expires.
    pub(crate) fn watch(shared: &Arc<Self>, backend: Weak<dyn Expire>) -> Watch {
        let (snapshot, commits) = shared.subscribe();
        let follower =
            Follower { first: Some(snapshot), commits, shared: Arc::downgrade(shared), backend, failed: false };
        Watch::new(futures_util::stream::unfold(follower, async |mut follower| {
            let event = follower.next().await?;
            Some((event, follower))
        }))
    }

    fn subscribe(&self) -> (Event, broadcast::Receiver<News>) {
        let state = self.state.read();
        let snapshot = Event::Snapshot { revision: state.revision(), records: state.all() };
        (snapshot, self.commits.subscribe())
    }

    /// How long until it is worth looking for expired records.
    fn until_expiry(&self) -> Option<Duration> {
        let next = self.state.read().next_expiry()?;
        Some(until(self.clock.now(), next).clamp(Duration::from_millis(1), EXPIRY_TICK) + self.patience)
    }
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

/// A watcher's position.
struct Follower {
    first: Option<Event>,
    commits: broadcast::Receiver<News>,
    shared: Weak<Shared>,
    backend: Weak<dyn Expire>,
    /// Whether the back end could not delete what had expired.
    failed: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let wait = self.shared.upgrade().and_then(|shared| shared.until_expiry());
            let received = match wait.map(|wait| if self.failed { EXPIRY_RETRY } else { wait }) {
                None => self.commits.recv().await,
                Some(wait) => match tokio::time::timeout(wait, self.commits.recv()).await {
                    Ok(received) => received,
                    Err(_) => {
                        self.expire().await;
                        continue;
                    }
                },
            };
            match received {
                Ok(News::Commit(commit)) => return Some(Event::Changes(commit)),
                Ok(News::Replaced) => return self.start_over(),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "Watcher is behind, starting over with a snapshot");
                    return self.start_over();
                }
            }
        }
    }

    fn start_over(&mut self) -> Option<Event> {
        let (snapshot, commits) = self.shared.upgrade()?.subscribe();
        self.commits = commits;
        Some(snapshot)
    }

    async fn expire(&mut self) {
        let Some(expiring) = self.backend.upgrade().map(|backend| backend.expire()) else { return };
        let result = expiring.await;
        let was_failed = std::mem::replace(&mut self.failed, result.is_err());
        if let (Err(error), false) = (result, was_failed) {
            tracing::warn!(error = %base::report(&error), "Expired records cannot be deleted for now");
        }
    }
}
