//! Answers in memory, for all workers.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use gateway_proxy::pdk::Headers;
use parking_lot::Mutex;

/// Power of two.
const SHARDS: usize = 16;

/// Bytes that the answers of a shard take together: an eighth of a gibibyte for all.
const CAPACITY: usize = (128 << 20) / SHARDS;

/// The longest body that is kept.
pub(super) const BODY_LIMIT: usize = CAPACITY / 2;

/// What an entry takes besides its body and fields.
const OVERHEAD: usize = 256;

/// A digest of all that makes requests the same.
pub(super) type Key = [u8; 32];

/// An answer that was kept.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    /// When it came: Unix seconds.
    pub(super) stored: i64,
    /// For how many seconds it is fresh.
    pub(super) ttl: f64,
    /// When it is forgotten: Unix seconds.
    pub(super) forget: f64,
}

impl Entry {
    fn size(&self) -> usize {
        OVERHEAD + self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// The node's memory of answers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    /// Plugins in force, by their ids.
    plugins: Mutex<HashMap<Arc<str>, Weak<()>>>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Key, Arc<Entry>>,
    size: usize,
}

impl Shard {
    fn remove(&mut self, key: &Key) -> bool {
        let removed = self.entries.remove(key);
        if let Some(entry) = &removed {
            self.size -= entry.size();
        }
        removed.is_some()
    }

    /// Forgets what is over; and when that is not enough, the oldest, until a quarter is free.
    fn make_room(&mut self, now: i64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
        let over: Vec<Key> =
            self.entries.iter().filter(|(_, entry)| entry.forget <= now as f64).map(|(key, _)| *key).collect();
        for key in &over {
            self.remove(key);
        }
        if self.size <= CAPACITY / 4 * 3 {
            return;
        }
        let mut ages: Vec<(i64, Key)> = self.entries.iter().map(|(key, entry)| (entry.stored, *key)).collect();
        ages.sort_unstable();
        for (_, key) in ages {
            if self.size <= CAPACITY / 4 * 3 {
                break;
            }
            self.remove(&key);
        }
    }
}

impl Memory {
    /// Notes that a plugin is in force as long as the answer lives.
    pub(super) fn enlist(&self, plugin: &Arc<str>) -> Arc<()> {
        let token = Arc::new(());
        let mut plugins = self.plugins.lock();
        plugins.retain(|_, token| token.strong_count() > 0);
        plugins.insert(Arc::clone(plugin), Arc::downgrade(&token));
        token
    }

    /// Whether a plugin is in force.
    pub(super) fn knows(&self, plugin: &str) -> bool {
        self.plugins.lock().get(plugin).is_some_and(|token| token.strong_count() > 0)
    }

    /// The answer under `key`. `now` is in Unix seconds.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    pub(super) fn get(&self, key: &Key, now: i64) -> Option<Arc<Entry>> {
        self.shard(key).lock().entries.get(key).filter(|entry| entry.forget > now as f64).map(Arc::clone)
    }

    /// Keeps an answer.
    pub(super) fn put(&self, key: Key, entry: Entry, now: i64) {
        let mut shard = self.shard(&key).lock();
        shard.remove(&key);
        if shard.size + entry.size() > CAPACITY {
            shard.make_room(now);
        }
        if shard.size + entry.size() <= CAPACITY {
            shard.size += entry.size();
            shard.entries.insert(key, Arc::new(entry));
        }
    }

    /// Forgets an answer; whether there was one.
    pub(super) fn remove(&self, key: &Key) -> bool {
        self.shard(key).lock().remove(key)
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock() = Shard::default();
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        &self.shards[(self.hasher.hash_one(key) >> 48) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stored: i64, length: usize) -> Entry {
        let headers = Headers::new();
        Entry { status: 200, headers, body: vec![0; length], stored, ttl: 9.0, forget: stored as f64 + 9.0 }
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let memory = Memory::default();
        memory.put([1; 32], entry(0, 1), 0);
        assert!(memory.get(&[1; 32], 8).is_some());
        assert!(memory.get(&[1; 32], 9).is_none());
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let memory = Memory::default();
        let key = |number: u8| [number; 32];
        for number in 0..=255 {
            memory.put(key(number), entry(i64::from(number), 1 << 20), i64::from(number) - 9);
        }
        assert!(memory.shards.iter().all(|shard| shard.lock().size <= CAPACITY));
        assert!(memory.get(&key(255), 0).is_some());
        memory.clear();
        assert!(memory.shards.iter().all(|shard| shard.lock().size == 0));
    }
}
