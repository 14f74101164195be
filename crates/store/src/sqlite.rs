//! The store in one SQLite file, for one process.
//!
//! The file is the durable log of the state in memory: one thread decides transactions against that state, makes
//! them durable, and publishes them; readers and watchers never touch the file. Transactions that arrive while
//! others are being written go into the file together, with one fsync for all.

mod database;
mod file;
mod row;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};

use base::Clock;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::counter::Counters;
use crate::record::{Committed, Key, Op, Record};
use crate::shared::{Expire, Shared};
use crate::{Backend, Increment, Leadership, Page, Query, Store, StoreError, Watch};
use database::Database;
use writer::{Request, Writer};

/// How many transactions may wait for the writer; more wait in their callers.
const QUEUE: usize = 256;

/// Opens the store in the file `path`, and creates it when there is none; its folder must exist.
///
/// One process can have it open; a `.lock` file next to it sees to that. It is closed, durably anyway, when the
/// last handle is dropped, which waits for transactions under way.
///
/// # Errors
/// [`StoreError::Unavailable`] when the file cannot be opened or another process has it, and
/// [`StoreError::Corrupt`] when it is damaged, no store, or written by a later version.
pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    Ok(start(path, clock).await?)
}

async fn start(path: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Sqlite>, StoreError> {
    let counters = Counters::new(Arc::clone(&clock));
    let (requests, queue) = mpsc::channel(QUEUE);
    let (opened, opening) = oneshot::channel();
    let path = path.to_owned();
    let thread = Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || write_until_closed(&path, clock, queue, opened))
        .map_err(unavailable)?;
    let writer = WriterThread { requests, thread: JoinOnDrop(Some(thread)) };
    let shared = opening.await.map_err(unavailable)??;
    Ok(Arc::new_cyclic(|this: &Weak<Sqlite>| Sqlite { this: this.clone(), shared, counters, writer }))
}

/// The writer's thread: a thread of its own, so that it can finish after the runtime of its callers has ended.
fn write_until_closed(
    path: &Path,
    clock: Arc<dyn Clock>,
    queue: mpsc::Receiver<Request>,
    opened: oneshot::Sender<Result<Arc<Shared>, StoreError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => return answer(opened, Err(unavailable(error))),
    };
    runtime.block_on(async {
        let (database, state) = match Database::open(path).await {
            Ok(open) => open,
            Err(error) => return answer(opened, Err(error)),
        };
        let shared = Arc::new(Shared::new(clock, state));
        answer(opened, Ok(shared.clone()));
        Writer::new(shared, database).run(queue).await;
    });
}

/// Answers a caller, who may have stopped waiting.
fn answer<T>(caller: oneshot::Sender<T>, value: T) {
    drop(caller.send(value));
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

#[derive(Debug)]
struct Sqlite {
    this: Weak<Self>,
    shared: Arc<Shared>,
    counters: Counters,
    writer: WriterThread,
}

#[derive(Debug)]
struct WriterThread {
    /// Dropped before `thread`, which ends when there is no sender.
    requests: mpsc::Sender<Request>,
    #[expect(dead_code, reason = "held to wait for the thread when the store is dropped")]
    thread: JoinOnDrop,
}

#[derive(Debug)]
struct JoinOnDrop(Option<JoinHandle<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        let panicked = self.0.take().is_some_and(|thread| thread.join().is_err());
        if panicked {
            tracing::error!("The store's writer ended by a panic");
        }
    }
}

impl Sqlite {
    async fn commit(&self, ops: Vec<Op>) -> Result<Arc<Committed>, StoreError> {
        let (done, result) = oneshot::channel();
        self.writer.requests.send(Request { ops, done }).await.map_err(|_| unavailable(WriterEnded))?;
        result.await.map_err(|_| unavailable(WriterEnded))?
    }
}

/// Only a panic does that.
#[derive(Debug, thiserror::Error)]
#[error("the store's writer has ended unexpectedly; restart the process")]
struct WriterEnded;

impl Expire for Sqlite {
    fn expire(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let (done, result) = oneshot::channel();
        // Every commit deletes what has expired, even one of no steps; thus there is nothing to do if many wait.
        let sent = self.writer.requests.try_send(Request { ops: Vec::new(), done });
        Box::pin(async move {
            match sent {
                Ok(()) => result.await.map_err(|_| unavailable(WriterEnded))?.map(drop),
                Err(_) => Ok(()),
            }
        })
    }
}

impl Backend for Sqlite {
    fn commit(&self, ops: Vec<Op>) -> BoxFuture<'_, Result<Arc<Committed>, StoreError>> {
        Box::pin(Self::commit(self, ops))
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Arc<Record>>, StoreError>> {
        Box::pin(async move { Ok(self.shared.get(key)) })
    }

    fn find<'a>(
        &'a self,
        collection: &'a str,
        field: &'a str,
        value: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<Record>>, StoreError>> {
        Box::pin(async move { Ok(self.shared.find(collection, field, value)) })
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move { Ok(self.shared.list(&query)) })
    }

    fn watch(&self) -> BoxFuture<'_, Result<Watch, StoreError>> {
        Box::pin(async move { Ok(Shared::watch(&self.shared, self.this.clone())) })
    }

    fn add(&self, increments: Vec<Increment>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(async move { Ok(self.counters.add(increments)) })
    }

    fn lead<'a>(&'a self, _role: &'a str) -> BoxFuture<'a, Result<Leadership, StoreError>> {
        Box::pin(async { Ok(Leadership::sole()) })
    }

    fn reachable(&self) -> bool {
        true
    }
}
