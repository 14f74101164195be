//! From a secondary key to its owner, and from a record to the records that name it.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::ops::{Bound, RangeBounds};

use foldhash::quality::RandomState;

use super::owners::Owners;
use crate::record::{Draft, Key};

/// Who names what. What it says are hints, to be confirmed by what the records say.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// What hashes secondary keys: collection, field and value.
    hasher: RandomState,
    owners: Owners,
    namers: Namers,
}

impl Index {
    /// Puts in what sorted drafts name: for many at once this is much faster than one after the other. `owners` may be
    /// the owners of their secondary keys already.
    pub(super) fn extend<'d>(&mut self, drafts: impl Iterator<Item = &'d Draft> + Clone, owners: Option<Owners>) {
        let unique = drafts.clone().map(|draft| draft.unique.len()).sum();
        match owners.filter(|owners| owners.len() == unique && self.owners.len() == 0) {
            Some(owners) => self.owners = owners,
            None => {
                self.owners.reserve(unique);
                drafts.clone().for_each(|draft| self.insert_unique(draft));
            }
        }
        let mut namers: HashMap<&Key, Vec<Key>, RandomState> = HashMap::default();
        for draft in drafts {
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
            self.owners.remove(unique, &draft.key);
        }
        for named in draft.named() {
            self.namers.remove(named, &draft.key);
        }
    }

    /// Who may have the secondary key of that hash.
    pub(super) fn owners(&self, unique: u64) -> impl Iterator<Item = &Key> + use<'_> {
        self.owners.of(unique)
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

/// The records that name another one, as a parent or as a reference.
#[derive(Debug, Default)]
struct Namers(HashMap<Key, Naming, RandomState>);

/// Mostly it is one.
#[derive(Debug)]
enum Naming {
    One(Key),
    Many(BTreeSet<Key>),
}

impl Namers {
    fn of<'a>(&'a self, named: &Key, range: Range) -> impl Iterator<Item = &'a Key> + use<'a> {
        let (one, many) = match self.0.get(named) {
            Some(Naming::One(key)) => (range.contains(key).then_some(key), None),
            Some(Naming::Many(keys)) => (None, Some(keys.range(range))),
            None => (None, None),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, named: Key, namer: &Key) {
        match self.0.entry(named) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Naming::One(namer.clone()));
            }
            std::collections::hash_map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Naming::One(key) if key == namer => {}
                Naming::One(key) => {
                    let both = BTreeSet::from([key.clone(), namer.clone()]);
                    entry.insert(Naming::Many(both));
                }
                Naming::Many(keys) => {
                    keys.insert(namer.clone());
                }
            },
        }
    }

    /// Puts in namers that are sorted.
    fn extend(&mut self, named: &Key, namers: Vec<Key>) {
        let Some(naming) = self.0.get_mut(named) else {
            let naming = match <[Key; 1]>::try_from(namers) {
                Ok([one]) => Naming::One(one),
                Err(many) => Naming::Many(many.into_iter().collect()),
            };
            self.0.insert(named.clone(), naming);
            return;
        };
        let mut many: BTreeSet<Key> = namers.into_iter().collect();
        match naming {
            Naming::One(key) => {
                many.insert(key.clone());
            }
            Naming::Many(keys) => many.append(keys),
        }
        *naming = Naming::Many(many);
    }

    fn remove(&mut self, named: &Key, namer: &Key) {
        let emptied = match self.0.get_mut(named) {
            Some(Naming::One(key)) => key == namer,
            Some(Naming::Many(keys)) => {
                keys.remove(namer);
                keys.is_empty()
            }
            None => false,
        };
        if emptied {
            self.0.remove(named);
        }
    }
}
