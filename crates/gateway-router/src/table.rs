//! A map that many read while one changes it: a change copies one of many parts.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::FixedState;

/// Into how many parts a large map is cut, and from what size on.
const PARTS: usize = 64;
const LARGE: usize = 256;

type Part<K, V> = Arc<HashMap<K, V, FixedState>>;

/// An immutable map. Clones share everything; [`insert`](Self::insert) and [`remove`](Self::remove) copy the part they
/// touch when it is shared. A small map is one part.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    parts: Box<[Part<K, V>]>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { parts: Box::new([Arc::default()]) }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Table<K, V> {
    /// The value of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.parts[self.part(key)].get(key)
    }

    /// Puts a value in, and gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.part_for(&key).insert(key, value)
    }

    /// The value of `key`, a new one if there is none, to be changed.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.part_for(&key).entry(key).or_default()
    }

    /// The value of `key`, to be changed. Copies the part it would be in.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let part = self.part(key);
        Arc::make_mut(&mut self.parts[part]).get_mut(key)
    }

    /// Takes a value out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let part = self.part(key);
        let part = &mut self.parts[part];
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
        self.parts.iter().all(|part| part.is_empty())
    }

    /// The part that a new key is put into.
    fn part_for(&mut self, key: &K) -> &mut HashMap<K, V, FixedState> {
        if self.parts.len() == 1 && self.parts[0].len() >= LARGE {
            self.split();
        }
        let part = self.part(key);
        Arc::make_mut(&mut self.parts[part])
    }

    fn part<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        if self.parts.len() == 1 {
            return 0;
        }
        // Another seed than within the parts, where equal top bits would cost.
        (FixedState::with_seed(0x6875_6967).hash_one(key) >> 48) as usize % PARTS
    }

    fn split(&mut self) {
        let empty = Arc::default();
        let all = std::mem::replace(&mut self.parts, (0..PARTS).map(|_| Arc::clone(&empty)).collect());
        for (key, value) in all.iter().flat_map(|part| part.iter()) {
            let part = self.part(key);
            Arc::make_mut(&mut self.parts[part]).insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had_however_large_the_map_grows() {
        let mut table = Table::default();
        table.insert(0, "zero");
        let before = table.clone();
        for number in 1..2000 {
            table.insert(number, "other");
        }
        assert_eq!((before.len(), table.len()), (1, 2000));
        assert!((0..2000).all(|number| table.get(&number).is_some()));
        assert_eq!(table.remove(&0), Some("zero"));
        assert_eq!((before.get(&0), table.get(&0)), (Some(&"zero"), None));
        assert_eq!(table.iter().count(), 1999);
    }

    #[test]
    fn what_is_changed_in_place_is_changed_in_one_clone_only() {
        for count in [10, 1000] {
            let mut table = Table::default();
            for number in 0..count {
                *table.get_or_default(number) += number;
            }
            let before = table.clone();
            *table.get_mut(&7).unwrap() = 0;
            assert_eq!((before.get(&7), table.get(&7), table.len()), (Some(&7), Some(&0), count));
            assert_eq!(table.get_mut(&count), None);
        }
    }
}
