//! From the store to the workers: every change is compiled once and put into force as a whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway_proxy::{Change, Compiler, Config};
use runtime::tasks::Shutdown;
use store::{Event, Key, Record, Revision, Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{error, info};

use crate::pace::Pace;

/// How often configurations that were replaced are looked at.
const SWEEP: Duration = Duration::from_millis(100);

/// What is in force, and where to wait for it.
#[derive(Clone, Debug)]
pub struct InForce {
    /// What requests are served with.
    pub config: Arc<ArcSwap<Config>>,
    revision: watch::Receiver<Revision>,
}

impl InForce {
    /// Returns once the store's state of `revision`, or a later one, serves requests.
    pub async fn wait(&self, revision: Revision) {
        let mut seen = self.revision.clone();
        // An error means that the node stops, and then nobody waits for anything any more.
        let _stopped = seen.wait_for(|applied| *applied >= revision).await.is_err();
    }
}

/// Compiles what the store holds, and everything that changes in it, until shutdown.
pub(super) struct Applier {
    store: Store,
    compiler: Compiler,
    in_force: Arc<ArcSwap<Config>>,
    /// What was in force before, as long as requests use it. Taking a large configuration apart takes a while: that is
    /// this task's work, and not that of the worker with the last request.
    replaced: Vec<Arc<Config>>,
    revision: watch::Sender<Revision>,
    /// Compilers of other settings.
    replacements: mpsc::Receiver<Compiler>,
}

impl Applier {
    /// An applier that nothing was put into force by, and what it puts there later.
    pub(super) fn new(store: Store, compiler: Compiler, replacements: mpsc::Receiver<Compiler>) -> (Self, InForce) {
        let in_force = Arc::new(ArcSwap::from_pointee(compiler.config(0)));
        let (revision, receiver) = watch::channel(0);
        let handle = InForce { config: Arc::clone(&in_force), revision: receiver };
        (Self { store, compiler, in_force, replaced: Vec::new(), revision, replacements }, handle)
    }

    /// The task.
    pub(super) async fn run(mut self, mut shutdown: Shutdown) -> Result<(), StoreError> {
        let mut events = self.store.watch().await?;
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = sweep.tick(), if !self.replaced.is_empty() => {
                    tokio::task::block_in_place(|| self.sweep());
                    continue;
                }
                Some(compiler) = self.replacements.recv() => {
                    self.compiler = compiler;
                    // A new watcher begins with everything there is.
                    events = self.store.watch().await?;
                    continue;
                }
                () = shutdown.wait() => return Ok(()),
            };
            let Some(event) = event else { return Ok(()) };
            // Compiling a large configuration takes a while, and other tasks share this thread.
            tokio::task::block_in_place(|| self.apply(&event));
        }
    }

    fn apply(&mut self, event: &Event) {
        let mut pace = Pace::new();
        let problems = match event {
            Event::Snapshot { records, .. } => {
                let gone = self.lacking(records);
                let gone = gone.iter().map(|(collection, id)| Change::Delete { collection, id });
                let puts = records.iter().map(|record| put(record));
                self.compiler.apply_in_steps(gone.chain(puts), || pace.step())
            }
            Event::Changes(committed) => {
                let changes = committed.changes.iter().map(|change| match change {
                    store::Change::Put(record) => put(record),
                    store::Change::Delete(key) => delete(key),
                });
                self.compiler.apply_in_steps(changes, || pace.step())
            }
        };
        for problem in &problems {
            error!(%problem, "Not in force");
        }
        let revision = event.revision();
        self.replaced.push(self.in_force.swap(Arc::new(self.compiler.config(revision))));
        self.revision.send_replace(revision);
        info!(revision, "Configuration in force");
    }

    /// What the compiler has of documents that a snapshot lacks.
    fn lacking(&self, records: &[Arc<Record>]) -> Vec<(&'static str, Arc<str>)> {
        let mut known = self.compiler.known().peekable();
        if known.peek().is_none() {
            return Vec::new();
        }
        let there: HashSet<(&str, &str)> =
            records.iter().map(|record| (&*record.draft.key.collection, &*record.draft.key.name)).collect();
        let gone = known.filter(|(collection, id)| !there.contains(&(*collection, &***id)));
        gone.map(|(collection, id)| (collection, Arc::clone(id))).collect()
    }

    /// Drops the configurations that no request uses any more.
    fn sweep(&mut self) {
        self.replaced.retain(|config| Arc::strong_count(config) > 1);
    }
}

fn delete(key: &Key) -> Change<'_> {
    Change::Delete { collection: &key.collection, id: &key.name }
}

fn put(record: &Record) -> Change<'_> {
    Change::Put {
        collection: &record.draft.key.collection,
        id: &record.draft.key.name,
        document: &record.draft.body,
        expires_ms: record.draft.expires.map(|at| at.as_millisecond()),
    }
}

#[cfg(test)]
mod tests;
