//! Counters that all workers share.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use gateway_proxy::pdk::Environment;
use parking_lot::Mutex;

use crate::rate_limiting::period::Period;

/// Power of two.
const SHARDS: usize = 16;

/// How many counters a shard remembers; when there are more, some are forgotten and begin anew.
const CAPACITY: usize = 16 * 1024;

/// How many scopes may be kept after their plugins are gone, in case they come back.
const SPARE_SCOPES: usize = 1024;

/// The node's counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    scopes: Mutex<HashMap<ScopeKey, Arc<Scope>>>,
}

/// Route and service that a plugin is put on.
type ScopeKey = (Option<Arc<str>>, Option<Arc<str>>);

impl Counters {
    /// The counters of all plugins at the same place; they outlive a change of the plugins.
    pub(super) fn scope(&self, environment: &Environment) -> Arc<Scope> {
        let mut scopes = self.scopes.lock();
        let key = (environment.route.clone(), environment.service.clone());
        if scopes.len() >= SPARE_SCOPES && !scopes.contains_key(&key) {
            scopes.retain(|_, scope| Arc::strong_count(scope) > 1);
        }
        Arc::clone(scopes.entry(key).or_default())
    }
}

/// Counters by caller and name of the limit; locked for one look-up at a time.
type Shard = HashMap<Box<[u8]>, Entry, RandomState>;

/// The counters at one place.
#[derive(Debug, Default)]
pub(super) struct Scope {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// What was used in the current window of each period.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry([Window; 6]);

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    start: i64,
    used: f64,
}

impl Entry {
    /// What was used in the periods that `now` (Unix seconds) is in.
    pub(super) fn of(used: impl IntoIterator<Item = (Period, f64)>, now: i64) -> Self {
        let mut entry = Self::default();
        for (period, used) in used {
            entry.0[period as usize] = Window { start: period.start(now), used };
        }
        entry
    }

    /// What was used in the period that `now` (Unix seconds) is in.
    pub(super) fn used(&self, period: Period, now: i64) -> f64 {
        let window = self.0[period as usize];
        if window.start == period.start(now) { window.used } else { 0.0 }
    }

    fn is_past(&self, now: i64) -> bool {
        Period::ALL.into_iter().all(|period| self.used(period, now) == 0.0)
    }
}

impl Scope {
    /// A caller's counters for one limit.
    pub(super) fn look(&self, key: &[u8]) -> Entry {
        self.shard(key).lock().get(key).copied().unwrap_or_default()
    }

    /// Counts `amount` in all periods. `now` is in Unix seconds.
    pub(super) fn add(&self, key: &[u8], amount: f64, now: i64) {
        let mut shard = self.shard(key).lock();
        if !shard.contains_key(key) && shard.len() >= CAPACITY {
            shard.retain(|_, entry| !entry.is_past(now));
            let mut number = 0;
            if shard.len() > CAPACITY / 4 * 3 {
                shard.retain(|_, _| {
                    number += 1;
                    number % 4 != 0
                });
            }
        }
        let entry = shard.entry(key.into()).or_default();
        for period in Period::ALL {
            let window = &mut entry.0[period as usize];
            let start = period.start(now);
            if window.start != start {
                *window = Window { start, used: 0.0 };
            }
            window.used += amount;
        }
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        &self.shards[(self.hasher.hash_one(key) >> 48) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let scope = Scope::default();
        for number in 0..(SHARDS * CAPACITY * 5 / 4) as u32 {
            scope.add(&number.to_be_bytes(), 1.0, 0);
        }
        assert!(scope.shards.iter().all(|shard| shard.lock().len() <= CAPACITY));
    }

    #[test]
    fn a_period_begins_anew() {
        let scope = Scope::default();
        scope.add(b"a", 2.0, 59);
        scope.add(b"a", 1.5, 60);
        let entry = scope.look(b"a");
        assert_eq!((entry.used(Period::Minute, 60), entry.used(Period::Hour, 60)), (1.5, 3.5));
        assert_eq!(entry.used(Period::Minute, 120), 0.0);
    }
}
