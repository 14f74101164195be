//! From a secondary key to its owner, and from a record to the records that name it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash};
use std::ops::Bound;

use foldhash::quality::RandomState;

use crate::record::{Draft, Key};

/// Who names what. What it says are hints, to be confirmed by what the records say.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By collection, field and value, of which only the hash is kept.
    owners: Holders<u64>,
    /// Those that have it as a parent or as a reference.
    namers: Holders<Key>,
}

impl Index {
    /// The index of a state, which hashes as `self` does.
    pub(super) fn fresh(&self) -> Self {
        Self { owners: Holders(HashMap::with_hasher(self.owners.0.hasher().clone())), namers: Holders::default() }
    }

    /// Makes room for these: many at once are usually all there will be.
    pub(super) fn reserve<'d>(&mut self, drafts: impl IntoIterator<Item = &'d Draft>) {
        self.owners.0.reserve(drafts.into_iter().map(|draft| draft.unique.len()).sum());
    }

    pub(super) fn insert(&mut self, draft: &Draft) {
        for (field, value) in &draft.unique {
            self.owners.insert(self.hash(&draft.key.collection, field, value), &draft.key);
        }
        for named in draft.named() {
            self.namers.insert(named.clone(), &draft.key);
        }
    }

    pub(super) fn remove(&mut self, draft: &Draft) {
        for (field, value) in &draft.unique {
            self.owners.remove(&self.hash(&draft.key.collection, field, value), &draft.key);
        }
        for named in draft.named() {
            self.namers.remove(named, &draft.key);
        }
    }

    /// Who may have that secondary key.
    pub(super) fn owners(&self, collection: &str, field: &str, value: &str) -> impl Iterator<Item = &Key> + use<'_> {
        self.owners.of(&self.hash(collection, field, value), (Bound::Unbounded, Bound::Unbounded))
    }

    /// Who may name that record, in order.
    pub(super) fn namers<'a>(&'a self, named: &Key, range: Range) -> impl Iterator<Item = &'a Key> + use<'a> {
        self.namers.of(named, range)
    }

    fn hash(&self, collection: &str, field: &str, value: &str) -> u64 {
        self.owners.0.hasher().hash_one((collection, field, value))
    }
}

pub(super) type Range = (Bound<Key>, Bound<Key>);

/// A map from something to the records that name it.
#[derive(Debug)]
struct Holders<K>(HashMap<K, Holding, RandomState>);

/// Mostly it is one.
#[derive(Debug)]
enum Holding {
    One(Key),
    Many(BTreeSet<Key>),
}

impl<K> Default for Holders<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash> Holders<K> {
    fn of<'a>(&'a self, named: &K, range: Range) -> impl Iterator<Item = &'a Key> + use<'a, K> {
        let (one, many) = match self.0.get(named) {
            Some(Holding::One(key)) => {
                use std::ops::RangeBounds;
                (range.contains(key).then_some(key), None)
            }
            Some(Holding::Many(keys)) => (None, Some(keys.range(range))),
            None => (None, None),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, named: K, holder: &Key) {
        match self.0.entry(named) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Holding::One(holder.clone()));
            }
            std::collections::hash_map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Holding::One(key) if key == holder => {}
                Holding::One(key) => {
                    let both = BTreeSet::from([key.clone(), holder.clone()]);
                    entry.insert(Holding::Many(both));
                }
                Holding::Many(keys) => {
                    keys.insert(holder.clone());
                }
            },
        }
    }

    fn remove(&mut self, named: &K, holder: &Key) {
        let emptied = match self.0.get_mut(named) {
            Some(Holding::One(key)) => key == holder,
            Some(Holding::Many(keys)) => {
                keys.remove(holder);
                keys.is_empty()
            }
            None => false,
        };
        if emptied {
            self.0.remove(named);
        }
    }
}
