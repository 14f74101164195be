//! The task that resolves names.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Record;
use super::names::{Entry, Names};
use super::resolve::{Client, Found};

/// Names asked for at once.
const CONCURRENCY: usize = 256;
/// A subscribed name is not asked for more often than this.
const SHORTEST: Duration = Duration::from_millis(500);
/// Answers from the hosts file do not change.
const HOSTS_TTL: Duration = Duration::from_secs(3600);

/// What fills the cache.
pub struct Service {
    names: Weak<Names>,
    client: Client,
    requests: mpsc::Receiver<Arc<Entry>>,
    due: BinaryHeap<Due>,
}

/// A subscribed name and when to ask for it again.
struct Due(Reverse<Instant>, Weak<Entry>);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Service {
    pub(super) fn new(names: &Arc<Names>, client: Client, requests: mpsc::Receiver<Arc<Entry>>) -> Self {
        // The names hold the sender of the requests: they end the service, not the other way round.
        Self { names: Arc::downgrade(names), client, requests, due: BinaryHeap::new() }
    }

    /// Resolves until nobody has the names any more.
    pub async fn run(self) {
        let Self { names, client, mut requests, mut due } = self;
        let mut running = FuturesUnordered::new();
        loop {
            let next = due.peek().map(|Due(Reverse(at), _)| *at);
            tokio::select! {
                request = requests.recv(), if running.len() < CONCURRENCY => match request {
                    Some(entry) => running.push(resolve(&names, &client, entry)),
                    None => return,
                },
                Some((entry, found)) = running.next() => {
                    let Some(names) = names.upgrade() else { return };
                    let entry: Arc<Entry> = entry;
                    if let Some(again) = names.store(&entry, found)
                        && !entry.scheduled.swap(true, Ordering::AcqRel)
                    {
                        due.push(Due(Reverse(Instant::now() + again.max(SHORTEST)), Arc::downgrade(&entry)));
                    }
                }
                () = wait(next), if running.len() < CONCURRENCY => {
                    let Some(entry) = due.pop().and_then(|Due(_, entry)| entry.upgrade()) else { continue };
                    entry.scheduled.store(false, Ordering::Release);
                    if entry.is_subscribed() && !entry.pending.swap(true, Ordering::AcqRel) {
                        running.push(resolve(&names, &client, entry));
                    }
                }
            }
        }
    }
}

async fn resolve(names: &Weak<Names>, client: &Client, entry: Arc<Entry>) -> (Arc<Entry>, Found) {
    let listed = names.upgrade().and_then(|names| names.listed(&entry.name));
    let found = match listed {
        Some(answer) => Ok((answer, Record::A, HOSTS_TTL)),
        None => client.resolve(&entry.name, entry.last()).await,
    };
    (entry, found)
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
