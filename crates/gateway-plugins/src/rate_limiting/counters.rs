//! Counters that all workers share.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use gateway_proxy::pdk::Environment;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::period::Period;

/// Power of two.
const SHARDS: usize = 16;

/// How many identifiers a shard remembers; when there are more, some are forgotten and begin anew.
const CAPACITY: usize = 16 * 1024;

/// How many scopes may be kept after their plugins are gone, in case they come back.
const SPARE_SCOPES: usize = 1024;

/// The node's counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    scopes: Mutex<HashMap<ScopeKey, Arc<Scope>>>,
}

/// Route and service that a plugin is put on.
type ScopeKey = (Option<Arc<str>>, Option<Arc<str>>);

impl Counters {
    /// The counters of all plugins at the same place; they outlive a change of the plugins.
    pub(crate) fn scope(&self, environment: &Environment) -> Arc<Scope> {
        let mut scopes = self.scopes.lock();
        let key = (environment.route.clone(), environment.service.clone());
        if scopes.len() >= SPARE_SCOPES && !scopes.contains_key(&key) {
            scopes.retain(|_, scope| Arc::strong_count(scope) > 1);
        }
        Arc::clone(scopes.entry(key).or_default())
    }
}

/// Counters of identifiers.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// Locked for one look-up at a time.
#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Box<[u8]>, Entry, RandomState>,
    /// With how many entries those of the past are looked for.
    sweep_at: usize,
}

/// The current window of each period.
#[derive(Clone, Copy, Debug, Default)]
struct Entry([Window; 6]);

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    start: i64,
    count: u64,
}

/// A limit and its period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) period: Period,
    pub(crate) limit: f64,
}

/// What counting a request came to.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Whether the request is one too many.
    pub(crate) exceeded: bool,
    /// For each limit, the window with the requests before this one.
    windows: SmallVec<[Window; 6]>,
}

impl Verdict {
    /// What counting came to elsewhere: `counts` are those of the limits' windows before the request.
    pub(crate) fn of(exceeded: bool, limits: &[Limit], counts: impl IntoIterator<Item = u64>, now: i64) -> Self {
        let window = |(limit, count): (&Limit, u64)| Window { start: limit.period.start(now), count };
        Self { exceeded, windows: limits.iter().zip(counts).map(window).collect() }
    }

    /// What is left for each limit after this request, and when its window began.
    pub(crate) fn remaining(&self, limits: &[Limit]) -> impl Iterator<Item = (f64, i64)> {
        limits.iter().zip(&self.windows).map(|(limit, window)| {
            let remaining = window.left(limit) - if self.exceeded { 0.0 } else { 1.0 };
            (remaining.max(0.0), window.start)
        })
    }
}

impl Window {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
    fn left(&self, limit: &Limit) -> f64 {
        limit.limit - self.count as f64
    }
}

impl Scope {
    /// Counts a request unless it is too many for one of the limits. `now` is in Unix seconds.
    pub(crate) fn count(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Verdict {
        let shard = (self.hasher.hash_one(identifier) >> 48) as usize % SHARDS;
        let mut shard = self.shards[shard].lock();
        if let Some(entry) = shard.entries.get_mut(identifier) {
            return entry.count(limits, now);
        }
        shard.make_room(now);
        let mut entry = Entry::default();
        let verdict = entry.count(limits, now);
        shard.entries.insert(identifier.into(), entry);
        verdict
    }
}

impl Entry {
    fn count(&mut self, limits: &[Limit], now: i64) -> Verdict {
        let windows: SmallVec<[Window; 6]> = limits
            .iter()
            .map(|limit| {
                let window = &mut self.0[limit.period as usize];
                let start = limit.period.start(now);
                if window.start != start {
                    *window = Window { start, count: 0 };
                }
                *window
            })
            .collect();
        let exceeded = limits.iter().zip(&windows).any(|(limit, window)| window.left(limit) <= 0.0);
        if !exceeded {
            for limit in limits {
                self.0[limit.period as usize].count += 1;
            }
        }
        Verdict { exceeded, windows }
    }

    fn is_past(&self, now: i64) -> bool {
        Period::ALL
            .into_iter()
            .zip(&self.0)
            .all(|(period, window)| window.count == 0 || window.start != period.start(now))
    }
}

impl Shard {
    /// Forgets entries of the past now and then, and a quarter of all when there are still too many. What that
    /// costs is shared by as many requests as there are entries to go through.
    fn make_room(&mut self, now: i64) {
        if self.entries.len() < self.sweep_at {
            return;
        }
        self.entries.retain(|_, entry| !entry.is_past(now));
        if self.entries.len() > CAPACITY / 4 * 3 {
            let mut number = 0;
            self.entries.retain(|_, _| {
                number += 1;
                number % 4 != 0
            });
        }
        self.sweep_at = (2 * self.entries.len()).clamp(64, CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: [Limit; 1] = [Limit { period: Period::Minute, limit: 2.0 }];

    #[test]
    fn entries_of_the_past_are_forgotten() {
        let scope = Scope::default();
        for number in 0..10_000_u32 {
            scope.count(&number.to_be_bytes(), &MINUTE, i64::from(number) * 60);
        }
        let entries: usize = scope.shards.iter().map(|shard| shard.lock().entries.len()).sum();
        assert!(entries <= 64 * SHARDS, "{entries}");
    }

    #[test]
    fn memory_is_bounded_within_a_window() {
        let scope = Scope::default();
        for number in 0..(SHARDS * CAPACITY * 5 / 4) as u32 {
            scope.count(&number.to_be_bytes(), &MINUTE, 0);
        }
        assert!(scope.shards.iter().all(|shard| shard.lock().entries.len() <= CAPACITY));
    }

    #[test]
    fn workers_together_admit_no_more_than_the_limit() {
        let scope = Scope::default();
        let limits = [Limit { period: Period::Hour, limit: 1000.0 }];
        let admitted: usize = std::thread::scope(|threads| {
            let workers: Vec<_> = (0..4)
                .map(|_| threads.spawn(|| (0..500).filter(|_| !scope.count(b"a", &limits, 0).exceeded).count()))
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1000);
    }
}
