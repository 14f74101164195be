//! A store under test, and how the cases talk to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::ManualClock;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::{Change, Committed, Draft, Event, Key, Op, Page, Query, Record, Store, StoreError, Watch};

/// Nothing here takes long; this is when a case gives up.
const PATIENCE: Duration = Duration::from_secs(20);

type Open = Box<dyn Fn(Arc<dyn Clock>) -> BoxFuture<'static, Store> + Send + Sync>;

/// A store of its own for each case, with a clock that the case moves.
pub struct Lab {
    open: Open,
    store: Option<Store>,
    pub(super) clock: Arc<ManualClock>,
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Lab {
    /// Opens a store; it must be empty. For cases of durability `open` is called again, after the store was
    /// dropped, and must open the same one. What the store needs, such as a folder, lives as long as `open`.
    pub async fn new<F>(open: impl Fn(Arc<dyn Clock>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Store> + Send + 'static,
    {
        let start = "2026-02-03T04:05:06Z".parse().expect("it is a time");
        let open: Open = Box::new(move |clock| open(clock).boxed());
        let mut lab = Self { open, store: None, clock: Arc::new(ManualClock::new(start)) };
        lab.reopen().await;
        lab
    }

    pub(super) async fn reopen(&mut self) {
        drop(self.store.take());
        self.store = Some((self.open)(self.clock.clone()).await);
    }

    /// Another instance of the store.
    pub(super) async fn another(&self) -> Store {
        (self.open)(self.clock.clone()).await
    }

    /// Drops the store.
    pub(super) fn close(&mut self) {
        self.store = None;
    }

    pub(super) fn store(&self) -> &Store {
        self.store.as_ref().expect("the case closed the store")
    }

    pub(super) fn after(&self, seconds: i64) -> Timestamp {
        self.clock.now() + jiff::SignedDuration::from_secs(seconds)
    }

    pub(super) async fn try_commit(&self, ops: impl IntoIterator<Item = Op>) -> Result<Arc<Committed>, StoreError> {
        self.store().commit(ops.into_iter().collect()).await
    }

    pub(super) async fn commit(&self, ops: impl IntoIterator<Item = Op>) -> Arc<Committed> {
        self.try_commit(ops).await.expect("the transaction is valid")
    }

    pub(super) async fn refused(&self, ops: impl IntoIterator<Item = Op>) -> StoreError {
        let before = self.everything().await;
        let error = self.try_commit(ops).await.expect_err("the transaction is not valid");
        assert_eq!(self.everything().await, before, "a refused transaction changes nothing");
        error
    }

    /// Puts a draft and returns its record.
    pub(super) async fn put(&self, draft: Draft) -> Arc<Record> {
        let key = draft.key.clone();
        self.commit([Op::Put(draft, None)]).await;
        self.get(&key).await.expect("it was put")
    }

    pub(super) async fn delete(&self, key: &Key) -> Arc<Committed> {
        self.commit([Op::Delete(key.clone(), None)]).await
    }

    pub(super) async fn get(&self, key: &Key) -> Option<Arc<Record>> {
        self.store().get(key).await.expect("the store is there")
    }

    pub(super) async fn exists(&self, key: &Key) -> bool {
        self.get(key).await.is_some()
    }

    /// The name of what has that secondary key.
    pub(super) async fn find(&self, field: &str, value: &str) -> Option<String> {
        let found = self.store().find("thing", field, value).await.expect("the store is there");
        found.map(|record| record.draft.key.name.to_string())
    }

    pub(super) async fn list(&self, query: Query) -> Page {
        self.store().list(query).await.expect("the store is there")
    }

    /// The names of what a query finds.
    pub(super) async fn names(&self, query: Query) -> Vec<String> {
        let page = self.list(query).await;
        page.records.iter().map(|record| record.draft.key.name.to_string()).collect()
    }

    pub(super) async fn watch(&self) -> Watch {
        self.store().watch().await.expect("the store is there")
    }

    /// The first event of a new watcher.
    pub(super) async fn everything(&self) -> Vec<Arc<Record>> {
        match next(&mut self.watch().await).await {
            Event::Snapshot { records, .. } => records,
            Event::Changes(_) => panic!("a watcher's first event is a snapshot"),
        }
    }

    /// The current revision.
    pub(super) async fn revision(&self) -> u64 {
        next(&mut self.watch().await).await.revision()
    }

    /// A watcher that has seen its snapshot.
    pub(super) async fn watch_changes(&self) -> Watch {
        let mut watch = self.watch().await;
        assert!(matches!(next(&mut watch).await, Event::Snapshot { .. }), "a watcher starts with a snapshot");
        watch
    }
}

/// The next event, which must come.
pub(super) async fn next(watch: &mut Watch) -> Event {
    soon(watch.next()).await.expect("the store is there")
}

/// The next event, which must be a transaction.
pub(super) async fn next_changes(watch: &mut Watch) -> Arc<Committed> {
    match next(watch).await {
        Event::Changes(committed) => committed,
        Event::Snapshot { .. } => panic!("this watcher is not behind"),
    }
}

/// Waits, but not for ever.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it should have happened by now")
}

/// `put a/b/name@version` or `delete a/b/name` for each change.
pub(super) fn told(committed: &Committed) -> Vec<String> {
    let told = committed.changes.iter().map(|change| match change {
        Change::Put(record) => format!("put {}@{}", record.draft.key.name, record.version),
        Change::Delete(key) => format!("delete {}", key.name),
    });
    told.collect()
}

/// A key in the usual collection and scope.
pub fn key(name: &str) -> Key {
    Key::new("thing", "scope", name)
}

/// A draft in the usual collection and scope.
pub fn draft(name: &str) -> Draft {
    Draft::new(key(name), "{}")
}

impl Draft {
    pub(super) fn body(self, body: &str) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(super) fn label(mut self, label: &str, value: &str) -> Self {
        self.labels.insert(label.to_owned(), value.to_owned());
        self
    }

    pub(super) fn unique(mut self, field: &str, value: &str) -> Self {
        self.unique.push((field.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn below(mut self, parent: &str) -> Self {
        self.parents.push(key(parent));
        self
    }

    pub(super) fn referring(mut self, name: &str) -> Self {
        self.references.push(key(name));
        self
    }

    pub(super) fn until(self, expires: Timestamp) -> Self {
        Self { expires: Some(expires), ..self }
    }
}
