//! The records of a store that keeps them in memory, and what must hold between them.
//!
//! A [`State`] only changes by the outcome of an [`Overlay`](overlay::Overlay): the overlay runs transactions on
//! top of an unchanged state, so that a back end can make their outcome durable before anybody sees it.

mod hints;
mod index;
mod order;
pub(crate) mod overlay;
mod owners;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;

use crate::query::{Page, Query};
use crate::record::{Key, Record, Revision};
use index::Index;
use order::in_order;
use owners::Owners;

/// Every record, with the indexes that checks need.
#[derive(Debug, Default)]
pub(crate) struct State {
    revision: Revision,
    records: BTreeMap<Key, Arc<Record>>,
    index: Index,
    expiries: BTreeSet<(Timestamp, Key)>,
}

impl State {
    /// The state that consists of `records` as of `revision`.
    pub(crate) fn restore(revision: Revision, records: impl IntoIterator<Item = Record>) -> Self {
        let mut state = Self { revision, ..Self::default() };
        let records = records.into_iter().map(|record| (record.draft.key.clone(), Arc::new(record)));
        state.insert_many(in_order(records), None);
        state
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key, now: Timestamp) -> Option<Arc<Record>> {
        self.records.get(key).filter(|record| !record.expired(now)).cloned()
    }

    pub(crate) fn list(&self, query: &Query, now: Timestamp) -> Page {
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        let mut page = Page::default();
        for record in self.within(query).filter(|record| !record.expired(now) && query.admits(record)) {
            if page.total >= query.offset && page.records.len() < limit {
                page.records.push(record.clone());
            }
            page.total += 1;
            if query.uncounted && page.records.len() == limit {
                break;
            }
        }
        if query.uncounted {
            page.total = 0;
        }
        page
    }

    pub(crate) fn find(&self, collection: &str, field: &str, value: &str, now: Timestamp) -> Option<Arc<Record>> {
        let has =
            |key: &Key| self.records.get(key).is_some_and(|record| record.draft.has_unique(collection, field, value));
        let owner = self.index.owners(self.index.hash(collection, field, value)).find(|key| has(key))?;
        self.get(owner, now)
    }

    /// Every record as of the revision, thus also those that have expired but are not deleted yet.
    pub(crate) fn all(&self) -> Vec<Arc<Record>> {
        self.records.values().cloned().collect()
    }

    /// When the next record vanishes; may be in the past.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Takes over what an overlay on this state came to.
    pub(crate) fn apply(&mut self, outcome: overlay::Outcome) {
        let overlay::Outcome { revision, records, owners } = outcome;
        self.revision = revision;
        let records = in_order(records);
        if records.len() > self.records.len() {
            records.iter().for_each(|(key, _)| self.remove(key));
            self.insert_many(records.into_iter().filter_map(|(key, record)| Some((key, record?))).collect(), owners);
            return;
        }
        for (key, record) in records {
            match record {
                Some(record) => self.insert(key, record),
                None => self.remove(&key),
            }
        }
    }

    /// The records that the query's collection, scope, cursor and relation leave, in order.
    fn within<'a>(&'a self, query: &'a Query) -> Box<dyn Iterator<Item = &'a Arc<Record>> + 'a> {
        let inside = move |key: &Key| {
            key.collection == query.collection && query.scope.as_ref().is_none_or(|scope| key.scope == *scope)
        };
        let range = (query.first(), Bound::Unbounded);
        match &query.naming {
            None => {
                Box::new(self.records.range(range).take_while(move |(key, _)| inside(key)).map(|(_, record)| record))
            }
            Some(named) => {
                let namers = self.index.namers(named, range).take_while(move |key| inside(key));
                Box::new(namers.filter_map(|key| self.records.get(key)))
            }
        }
    }

    fn expired_by(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.expiries.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| key)
    }

    /// Puts in sorted records, of which none is there yet. It pays if they are more than what is there. `owners` may be
    /// those of their secondary keys.
    fn insert_many(&mut self, records: Vec<(Key, Arc<Record>)>, owners: Option<Owners>) {
        self.index.extend(records.iter().map(|(_, record)| &record.draft), owners);
        let expiring = records.iter().filter_map(|(key, record)| Some((record.draft.expires?, key.clone())));
        self.expiries.extend(expiring);
        let before = std::mem::replace(&mut self.records, records.into_iter().collect());
        self.records.extend(before);
    }

    fn insert(&mut self, key: Key, record: Arc<Record>) {
        let new = Arc::clone(&record);
        if let Some(replaced) = self.records.insert(key, record) {
            self.forget(&replaced);
        }
        self.index.insert(&new.draft);
        if let Some(at) = new.draft.expires {
            self.expiries.insert((at, new.draft.key.clone()));
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(gone) = self.records.remove(key) {
            self.forget(&gone);
        }
    }

    /// Takes a record that is no longer there out of the indexes.
    fn forget(&mut self, gone: &Record) {
        self.index.remove(&gone.draft);
        if let Some(at) = gone.draft.expires {
            self.expiries.remove(&(at, gone.draft.key.clone()));
        }
    }
}
