//! A map that many read while one changes it: a change copies one of many parts.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::FixedState;
use std::collections::HashMap;

const PARTS: usize = 64;

/// An immutable map in parts. Clones share all parts; [`insert`](Self::insert) and [`remove`](Self::remove) copy the
/// one they touch when it is shared.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    parts: Box<[Arc<HashMap<K, V, FixedState>>]>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Arc::default()).collect() }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Table<K, V> {
    /// The value of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.parts[part(key)].get(key)
    }

    /// Puts a value in, and gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        Arc::make_mut(&mut self.parts[part(&key)]).insert(key, value)
    }

    /// Takes a value out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let part = &mut self.parts[part(key)];
        if part.contains_key(key) { Arc::make_mut(part).remove(key) } else { None }
    }

    /// Everything, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Hashed with another seed than within the parts, where equal top bits would cost.
fn part<Q: Hash + ?Sized>(key: &Q) -> usize {
    (FixedState::with_seed(0x6875_6967).hash_one(key) >> 48) as usize % PARTS
}
