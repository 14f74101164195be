//! The store that forgets everything when the process ends.

use std::future::ready;
use std::sync::{Arc, Weak};

use base::Clock;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::counter::Counters;
use crate::record::{Committed, Key, Op, Record};
use crate::shared::{Expire, Shared};
use crate::state::State;
use crate::{Backend, Increment, Leadership, Page, Query, Store, StoreError, Watch};

/// An empty store in memory.
pub fn open(clock: Arc<dyn Clock>) -> Store {
    Arc::new_cyclic(|this: &Weak<Memory>| Memory {
        this: this.clone(),
        writing: Mutex::new(()),
        counters: Counters::new(Arc::clone(&clock)),
        shared: Arc::new(Shared::new(clock, State::default())),
    })
}

#[derive(Debug)]
struct Memory {
    this: Weak<Self>,
    /// Held from attempt to publication.
    writing: Mutex<()>,
    shared: Arc<Shared>,
    counters: Counters,
}

impl Memory {
    fn commit(&self, ops: Vec<Op>) -> Result<Arc<Committed>, StoreError> {
        let _writing = self.writing.lock();
        let (outcome, (expired, result)) = self.shared.attempt(|overlay| (overlay.expire(), overlay.transact(ops)));
        if !outcome.records.is_empty() {
            self.shared.publish(outcome, expired.into_iter().chain(result.as_ref().ok().cloned()));
        }
        result
    }
}

impl Expire for Memory {
    fn expire(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        // Every commit deletes what has expired, even one of no steps.
        Box::pin(ready(Self::commit(self, Vec::new()).map(drop)))
    }
}

impl Backend for Memory {
    fn commit(&self, ops: Vec<Op>) -> BoxFuture<'_, Result<Arc<Committed>, StoreError>> {
        Box::pin(async move { Self::commit(self, ops) })
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
