//! Versioned documents in collections: keys, unique secondary keys, references, labels, expiry, paging,
//! transactions, a monotonic revision and a watch without gaps. It has no domain noun.
//!
//! Back ends are values behind one trait ([`Backend`]) and are done when the suite in `conformance` passes (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;
mod counter;
mod error;
mod leadership;
mod query;
mod record;
mod shared;
mod state;
mod watch;

pub mod memory;
pub mod postgres;
pub mod sqlite;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use counter::Increment;
pub use error::{SchemaMismatch, StoreError, TooLarge};
pub use leadership::Leadership;
pub use query::{Page, Query};
pub use record::{Amendment, Change, Committed, Content, Draft, Key, Op, Record, Revision};
pub use watch::{Event, Watch};

/// Where records live. All methods may be called at any time from any task.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Applies all of `ops`, in order, or none, and returns once it is durable.
    ///
    /// Once polled it may take effect even when the future is dropped before it is ready.
    fn commit(&self, ops: Vec<Op>) -> BoxFuture<'_, Result<Arc<Committed>, StoreError>>;
    /// The record of that key; sees every commit that returned before the call.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Arc<Record>>, StoreError>>;
    /// The record that has the secondary key `field` of that value; sees every commit that returned before the call.
    fn find<'a>(
        &'a self,
        collection: &'a str,
        field: &'a str,
        value: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<Record>>, StoreError>>;
    /// Part of a collection; sees every commit that returned before the call.
    fn list(&self, query: Query) -> BoxFuture<'_, Result<Page, StoreError>>;
    /// A new watcher. It does not keep the store alive.
    fn watch(&self) -> BoxFuture<'_, Result<Watch, StoreError>>;
    /// Adds to counters that all instances share, and returns what each came to, in the order of `increments`.
    ///
    /// They are no records, and a crash of the machine may take the last of them.
    fn add(&self, increments: Vec<Increment>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>>;
    /// Waits until this instance has `role`, which one instance at most has at a time.
    fn lead<'a>(&'a self, role: &'a str) -> BoxFuture<'a, Result<Leadership, StoreError>>;
    /// Whether, as far as is known, a commit would find what it needs.
    fn reachable(&self) -> bool;
}

/// The handle everybody shares.
pub type Store = Arc<dyn Backend>;
