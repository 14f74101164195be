//! From a secondary key to its owner, and from a record to the records that name it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash};
use std::ops::Bound;

use foldhash::quality::RandomState;

use crate::record::{Draft, Key};

/// Who names what. What it says are hints, to be confirmed by what the records say.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// What hashes secondary keys.
    hasher: RandomState,
    /// By the hash of collection, field and value.
    owners: Holders<u64>,
    /// Those that have it as a parent or as a reference.
    namers: Holders<Key>,
}

impl Index {
    /// Puts in what sorted drafts name: for many at once this is much faster than one after the other.
    pub(super) fn extend<'d>(&mut self, drafts: impl Iterator<Item = &'d Draft> + Clone) {
        self.owners.0.reserve(drafts.clone().map(|draft| draft.unique.len()).sum());
        let mut namers: HashMap<&Key, Vec<Key>, RandomState> = HashMap::default();
        for draft in drafts {
            self.insert_unique(draft);
            for named in draft.named() {
                namers.entry(named).or_default().push(draft.key.clone());
            }
        }
        for (named, keys) in namers {
            self.namers.extend(named, keys);
        }
    }

    pub(super) fn insert(&mut self, draft: &Draft) {
        self.insert_unique(draft);
        for named in draft.named() {
            self.namers.insert(named.clone(), &draft.key);
        }
    }

    pub(super) fn remove(&mut self, draft: &Draft) {
        for unique in self.hashes(draft) {
            self.owners.remove(&unique, &draft.key);
        }
        for named in draft.named() {
            self.namers.remove(named, &draft.key);
        }
    }

    /// Who may have the secondary key of that hash.
    pub(super) fn owners(&self, unique: u64) -> impl Iterator<Item = &Key> + use<'_> {
        self.owners.of(&unique, (Bound::Unbounded, Bound::Unbounded))
    }

    /// Who may name that record, in order.
    pub(super) fn namers<'a>(&'a self, named: &Key, range: Range) -> impl Iterator<Item = &'a Key> + use<'a> {
        self.namers.of(named, range)
    }

    /// The hash of a secondary key.
    pub(super) fn hash(&self, collection: &str, field: &str, value: &str) -> u64 {
        self.hasher.hash_one((collection, field, value))
    }

    /// The hashes of all secondary keys of a draft.
    pub(super) fn hashes<'d>(&self, draft: &'d Draft) -> impl Iterator<Item = u64> + use<'d> {
        let hasher = self.hasher.clone();
        let collection = &*draft.key.collection;
        draft.unique.iter().map(move |(field, value)| hasher.hash_one((collection, field.as_str(), value.as_str())))
    }

    fn insert_unique(&mut self, draft: &Draft) {
        for unique in self.hashes(draft) {
            self.owners.insert(unique, &draft.key);
        }
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

    /// Puts in the keys of `holders`, which are sorted.
    fn extend(&mut self, named: &K, holders: Vec<Key>)
    where
        K: Clone,
    {
        let Some(holding) = self.0.get_mut(named) else {
            let holding = match <[Key; 1]>::try_from(holders) {
                Ok([one]) => Holding::One(one),
                Err(many) => Holding::Many(many.into_iter().collect()),
            };
            self.0.insert(named.clone(), holding);
            return;
        };
        let mut many: BTreeSet<Key> = holders.into_iter().collect();
        match holding {
            Holding::One(key) => {
                many.insert(key.clone());
            }
            Holding::Many(keys) => many.append(keys),
        }
        *holding = Holding::Many(many);
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
