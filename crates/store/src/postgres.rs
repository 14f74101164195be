//! The store in a PostgreSQL database, for several instances.
//!
//! Each instance has the state in memory, as the other back ends do: readers and watchers never ask the server. The
//! database is the durable log of that state, and the place where instances agree on what comes next: one row has the
//! revision, and whoever moves it has committed. One task an instance decides groups of transactions, writes each
//! with one statement that does nothing if the revision is not the expected one, and publishes. What others write it
//! learns from the log: a notification says when to look, and what the log says is true.

mod connect;
mod counters;
mod database;
mod failure;
mod frame;
mod listener;
mod reachable;
mod request;
mod roles;
mod schema;
mod settings;
mod writer;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::thread::Builder;

use base::Clock;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::record::{Committed, Key, Op, Record};
use crate::shared::{Expire, Shared};
use crate::{Backend, Increment, Leadership, Page, Query, Store, StoreError, Watch};
use counters::{Call, Counters};
use database::Database;
use listener::Hint;
use reachable::Reachable;
use request::{Queue, Request};
use roles::{Candidate, Roles};
use writer::Writer;

pub use settings::{Endpoint, Settings, Tls, TlsMode};

/// What [`migrate`] did. The versions are equal when there was nothing to do; 0 is an empty database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema's version before.
    pub from: u32,
    /// And after.
    pub to: u32,
}

/// The state of a database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaStatus {
    /// There is none yet.
    Absent,
    /// [`migrate`] brings it up to date.
    Older {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// It is this program's.
    Current,
    /// It is a later program's.
    Newer {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// There are tables of the store's names that are another program's.
    Foreign,
}

/// Opens the store in a database that [`migrate`] has prepared.
///
/// It is closed when the last handle is dropped, without waiting for anything.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses us, [`StoreError::Schema`] when the
/// schema is not this version's, and [`StoreError::Corrupt`] when the content is damaged.
pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    // Tells this instance from others, also those that start at the same moment.
    let seed = RandomState::new().hash_one(std::process::id());
    let reachable = Arc::new(Reachable::default());
    let (queue, requests) = Queue::new(settings.commit_timeout, Arc::clone(&reachable));
    let (counters, calls) = Counters::new(&settings);
    let (roles, candidates) = Roles::new();
    let (opened, opening) = oneshot::channel();
    let inbox = Inbox { requests, calls, candidates };
    let instance = Instance { settings: Arc::new(settings), clock, seed, reachable: Arc::clone(&reachable) };
    Builder::new()
        .name("store-postgres".to_owned())
        .spawn(move || instance.work_until_closed(inbox, opened))
        .map_err(unavailable)?;
    let shared = opening.await.map_err(unavailable)??;
    Ok(Arc::new_cyclic(|this: &Weak<Postgres>| Postgres {
        this: this.clone(),
        shared,
        queue,
        counters,
        roles,
        reachable,
    }))
}

/// Brings the schema up to date, all or nothing. Several may try at once.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses, and [`StoreError::Schema`] when the
/// schema is a later version's or another program's.
pub async fn migrate(settings: &Settings) -> Result<Migrated, StoreError> {
    Ok(schema::migrate(&settings.primary).await?)
}

/// How the schema is.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses.
pub async fn status(settings: &Settings) -> Result<SchemaStatus, StoreError> {
    Ok(schema::status(&settings.primary).await?)
}

/// Removes the store's tables with all that is in them. Nothing happens when there are none.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses, and [`StoreError::Schema`] when the
/// tables are another program's.
pub async fn reset(settings: &Settings) -> Result<(), StoreError> {
    Ok(schema::reset(&settings.primary).await?)
}

/// SQL for `psql` that does what [`migrate`] does.
pub fn schema_sql() -> String {
    schema::sql()
}

/// What comes in from the handles. When they are gone, everything ends.
struct Inbox {
    requests: mpsc::Receiver<Request>,
    calls: mpsc::Receiver<Call>,
    candidates: mpsc::Receiver<Candidate>,
}

/// What works behind the handles.
struct Instance {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    seed: u64,
    reachable: Arc<Reachable>,
}

impl Instance {
    /// Has a thread of its own, so that no runtime of a caller can end under a commit, or is held up by a large one.
    fn work_until_closed(self, inbox: Inbox, opened: oneshot::Sender<Result<Arc<Shared>, StoreError>>) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.work(inbox, opened)),
            Err(error) => drop(opened.send(Err(unavailable(error)))),
        }
    }

    async fn work(self, inbox: Inbox, opened: oneshot::Sender<Result<Arc<Shared>, StoreError>>) {
        let Self { settings, clock, seed, reachable } = self;
        let database = match Database::open(Arc::clone(&settings), Arc::clone(&clock), seed).await {
            Ok(database) => database,
            Err(failure) => return drop(opened.send(Err(failure.into()))),
        };
        let shared = Arc::clone(database.shared());
        let (hints, hinted) = watch::channel(Hint::default());
        let (channel, named) = watch::channel(None);
        let writer = Writer::new(database, reachable, hinted, channel, seed);
        drop(opened.send(Ok(shared)));
        let mut others = JoinSet::new();
        others.spawn(listener::listen(Arc::clone(&settings), named, hints, seed));
        others.spawn(counters::count(Arc::clone(&settings), clock, seed, inbox.calls));
        tokio::join!(writer.run(inbox.requests), roles::elect(settings, seed, inbox.candidates));
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

#[derive(Debug)]
struct Postgres {
    this: Weak<Self>,
    shared: Arc<Shared>,
    queue: Queue,
    counters: Counters,
    roles: Roles,
    reachable: Arc<Reachable>,
}

impl Expire for Postgres {
    fn expire(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        // Every commit deletes what has expired, even one of no steps.
        let handed_in = self.queue.hand_in(Vec::new());
        Box::pin(async move { handed_in?.wait().await.map(drop) })
    }
}

impl Backend for Postgres {
    fn commit(&self, ops: Vec<Op>) -> BoxFuture<'_, Result<Arc<Committed>, StoreError>> {
        Box::pin(async move { self.queue.hand_in(ops)?.wait().await })
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
        Box::pin(self.counters.add(increments))
    }

    fn lead<'a>(&'a self, role: &'a str) -> BoxFuture<'a, Result<Leadership, StoreError>> {
        Box::pin(self.roles.lead(role))
    }

    fn reachable(&self) -> bool {
        self.reachable.get()
    }
}
