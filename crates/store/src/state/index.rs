//! From a secondary key to its owner, and from a record to the records that name it.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::Bound;
use std::sync::Arc;

use crate::record::{Draft, Key};

/// Collection, field and value of a secondary key.
pub(super) type UniqueKey = (Arc<str>, String, String);

/// Who names what.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) owners: Holders<UniqueKey>,
    /// Those that have it as a parent or as a reference.
    pub(super) namers: Holders<Key>,
}

impl Index {
    pub(super) fn insert(&mut self, draft: &Draft) {
        for unique in unique_keys(draft) {
            self.owners.insert(unique, &draft.key);
        }
        for named in draft.named() {
            self.namers.insert(named.clone(), &draft.key);
        }
    }

    pub(super) fn remove(&mut self, draft: &Draft) {
        for unique in unique_keys(draft) {
            self.owners.remove(&unique, &draft.key);
        }
        for named in draft.named() {
            self.namers.remove(named, &draft.key);
        }
    }
}

pub(super) fn unique_keys(draft: &Draft) -> impl Iterator<Item = UniqueKey> {
    draft.unique.iter().map(|(field, value)| (draft.key.collection.clone(), field.clone(), value.clone()))
}

/// A map from something to the records that name it.
#[derive(Debug)]
pub(super) struct Holders<K>(HashMap<K, BTreeSet<Key>>);

impl<K> Default for Holders<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Holders<K> {
    pub(super) fn of(&self, named: &K) -> impl Iterator<Item = &Key> {
        self.0.get(named).into_iter().flatten()
    }

    /// Those within `range`, in order.
    pub(super) fn from<'a>(
        &'a self,
        named: &K,
        range: (Bound<Key>, Bound<Key>),
    ) -> impl Iterator<Item = &'a Key> + use<'a, K> {
        self.0.get(named).into_iter().flat_map(move |holders| holders.range(range.clone()))
    }

    fn insert(&mut self, named: K, holder: &Key) {
        self.0.entry(named).or_default().insert(holder.clone());
    }

    fn remove(&mut self, named: &K, holder: &Key) {
        if let Some(holders) = self.0.get_mut(named) {
            holders.remove(holder);
            if holders.is_empty() {
                self.0.remove(named);
            }
        }
    }
}
