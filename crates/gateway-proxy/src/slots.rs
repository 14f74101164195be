//! Numbered places, so that one value can be exchanged without touching those who refer to it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::quality::RandomState;

/// Values by number, as one configuration sees them.
pub(crate) type Places<T> = Arc<Vec<Option<Arc<T>>>>;

/// Values by key and by number. A key keeps its number as long as it is there.
#[derive(Debug)]
pub(crate) struct Slots<K, T> {
    numbers: HashMap<K, usize, RandomState>,
    free: Vec<usize>,
    places: Places<T>,
}

impl<K, T> Default for Slots<K, T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), free: Vec::new(), places: Arc::default() }
    }
}

impl<K: Eq + Hash, T> Slots<K, T> {
    /// The number of `key`.
    pub(crate) fn number(&self, key: &K) -> Option<usize> {
        self.numbers.get(key).copied()
    }

    /// Puts a value in the place of `key`, a new one if it has none, and tells its number.
    pub(crate) fn put(&mut self, key: K, value: Arc<T>) -> usize {
        let places = Arc::make_mut(&mut self.places);
        let free = &mut self.free;
        let number = *self.numbers.entry(key).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                places.push(None);
                places.len() - 1
            })
        });
        places[number] = Some(value);
        number
    }

    /// Frees the place of `key`.
    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(number) = self.numbers.remove(key) {
            Arc::make_mut(&mut self.places)[number] = None;
            self.free.push(number);
        }
    }

    /// The keys that have places.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.numbers.keys()
    }

    /// All places as they are now.
    pub(crate) fn places(&self) -> Places<T> {
        Arc::clone(&self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_and_a_free_one_is_used_again() {
        let mut slots = Slots::default();
        let before = slots.put("a", Arc::new(1));
        slots.put("b", Arc::new(2));
        let snapshot = slots.places();
        assert_eq!(slots.put("a", Arc::new(3)), before);
        assert_eq!(snapshot[before].as_deref(), Some(&1));
        slots.remove(&"a");
        assert_eq!(slots.put("c", Arc::new(4)), before);
        assert_eq!(slots.number(&"a"), None);
    }
}
