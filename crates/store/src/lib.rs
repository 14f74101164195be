//! Versioned documents in collections: keys, unique secondary keys, references, labels, expiry, paging,
//! transactions, a monotonic revision and a watch without gaps. It has no domain noun.
//!
//! Back ends are values behind one trait ([`Backend`]) and are done when [`conformance`] passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A monotonic number of accepted transactions; the change id of a write.
pub type Revision = u64;

/// Who a record is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The collection.
    pub collection: Arc<str>,
    /// What the name is unique within; empty for records of no scope.
    pub scope: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// What a caller writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Who it is.
    pub key: Key,
    /// The document, JSON.
    pub body: Arc<str>,
    /// Labels or tags to filter by.
    pub labels: BTreeMap<String, String>,
    /// Secondary keys, unique within the collection: `("username", "bob")`.
    pub unique: Vec<(String, String)>,
    /// Deleting this record deletes it too.
    pub parent: Option<Key>,
    /// These records cannot be deleted as long as it exists.
    pub references: Vec<Key>,
    /// When it vanishes by itself.
    pub expires: Option<Timestamp>,
}

/// What is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// As written.
    pub draft: Draft,
    /// 1 at creation, one more with every update.
    pub version: u64,
    /// The transaction that wrote it last.
    pub revision: Revision,
    /// First write.
    pub created: Timestamp,
    /// Last write.
    pub modified: Timestamp,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    /// Fails with [`StoreError::Exists`] when the key is taken.
    Create(Draft),
    /// Creates or replaces; with `Some(version)` only that version.
    Put(Draft, Option<u64>),
    /// Deletes, and what has it as parent; fails when absent or referred to. With `Some(version)` only that version.
    Delete(Key, Option<u64>),
}

/// What a transaction did, in order; cascades included.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Created (`version == 1`) or replaced.
    Put(Arc<Record>),
    /// Gone.
    Delete(Key),
}

/// An accepted transaction. One that changed nothing keeps the revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its revision.
    pub revision: Revision,
    /// What it did.
    pub changes: Vec<Change>,
}

/// What to list. Order is by scope, then name.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The collection.
    pub collection: Arc<str>,
    /// Only this scope.
    pub scope: Option<Arc<str>>,
    /// Only names that contain this.
    pub name_contains: Option<String>,
    /// Only records with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// How many to skip.
    pub offset: usize,
    /// How many at most; 0 for all.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Arc<Record>>,
    /// How many match in all.
    pub total: usize,
}

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum Event {
    /// Everything there is: first, and again when the watcher fell behind.
    Snapshot {
        /// State as of this revision.
        revision: Revision,
        /// Every record of every collection, sorted by key.
        records: Vec<Arc<Record>>,
    },
    /// One transaction after the last event, without gap.
    Changes(Arc<Committed>),
}

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such record.
    #[error("{0:?} not found")]
    NotFound(Key),
    /// The key is taken.
    #[error("{0:?} already exists")]
    Exists(Key),
    /// The record is at another version than expected.
    #[error("{0:?} was changed in the meantime")]
    Conflict(Key),
    /// A secondary key is taken by another record.
    #[error("{field} {value:?} is taken by {owner:?}")]
    NotUnique {
        /// Name of the secondary key.
        field: String,
        /// Its value.
        value: String,
        /// Who has it.
        owner: Key,
    },
    /// A parent or a referred record does not exist.
    #[error("{0:?} does not exist")]
    MissingReference(Key),
    /// The record is referred to.
    #[error("{key:?} is in use by {by:?}")]
    InUse {
        /// What was to be deleted.
        key: Key,
        /// Who refers to it.
        by: Key,
    },
    /// The back end cannot be reached or cannot write; nothing was changed.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The stored data or its schema is not what this version understands.
    #[error("the store's content is not usable: {0}")]
    Corrupt(String),
}

/// Where records live. All methods may be called at any time from any task.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Applies all of `ops` or none, and returns once it is durable.
    fn commit(&self, ops: Vec<Op>) -> BoxFuture<'_, Result<Arc<Committed>, StoreError>>;
    /// The record of that key; sees every commit that returned before the call.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Arc<Record>>, StoreError>>;
    /// Part of a collection; sees every commit that returned before the call.
    fn list(&self, query: Query) -> BoxFuture<'_, Result<Page, StoreError>>;
    /// A new watcher.
    fn watch(&self) -> BoxFuture<'_, Result<Watch, StoreError>>;
}

/// The handle everybody shares.
pub type Store = Arc<dyn Backend>;

/// A stream of [`Event`]s that starts with a snapshot and never has a gap.
#[derive(Debug)]
pub struct Watch {}

impl Watch {
    /// The next event; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::pending().await
    }
}
