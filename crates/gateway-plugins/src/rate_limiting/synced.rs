//! Counters that a node keeps for itself and brings together with those in Redis now and then.
//!
//! A window's count is what Redis told last and what was counted here since. Only the first request of a caller waits for
//! Redis; callers that are quiet for a while are forgotten, and asked for again.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use foldhash::fast::RandomState;
use gateway_proxy::pdk::Node;
use parking_lot::Mutex;
use runtime::tasks::Shutdown;
use smallvec::SmallVec;

use super::counters::{Limit, Verdict};
use super::period::Period;
use super::shared::Exact;
use crate::redis_server::{Link, Server};
use crate::shared_counters::{Counter, Names, Unavailable, push};

/// Power of two.
const SHARDS: usize = 16;

/// How many callers a shard remembers; the requests of further ones are counted in Redis, each at once.
const CAPACITY: usize = 16 * 1024;

/// How many counters are brought to Redis in one step, during which it does nothing else.
const STEP: usize = 64;

/// The node's counters of this kind, which outlive a change of the plugins.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<HashMap<Key, Weak<Synced>>>);

/// A server by its settings' address, what is counted there, and how often it hears of it.
type Key = (usize, Names, Duration);

impl Registry {
    /// The counters at a place, and the task that brings them to `server`.
    pub(super) fn get(&self, exact: Exact, server: &Arc<Server>, rate: Duration, node: &Arc<Node>) -> Arc<Synced> {
        let mut known = self.0.lock();
        let key = (Arc::as_ptr(server) as usize, exact.names.clone(), rate);
        if let Some(synced) = known.get(&key).and_then(Weak::upgrade) {
            return synced;
        }
        known.retain(|_, synced| synced.strong_count() > 0);
        let counts = Arc::new(Counts::new(exact));
        let synced = Arc::new(Synced(Arc::clone(&counts)));
        let courier = Courier {
            counts,
            users: Arc::downgrade(&synced),
            link: server.link(),
            rate,
            clock: Arc::clone(&node.clock),
            shutdown: node.tasks.shutdown(),
        };
        node.tasks.spawn_detached("rate-limiting", courier.run());
        known.insert(key, Arc::downgrade(&synced));
        synced
    }
}

/// Counters that plugins at one place have.
#[derive(Debug)]
pub(super) struct Synced(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    exact: Exact,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    /// Nobody brings anything to Redis any more. Read and written with a shard locked, so that nothing is left in it.
    ended: AtomicBool,
}

type Shard = HashMap<Box<[u8]>, Entry, RandomState>;

/// The window of each period that was last used.
#[derive(Clone, Copy, Debug, Default)]
struct Entry([Option<Window>; 6]);

#[derive(Clone, Copy, Debug)]
struct Window {
    start: i64,
    /// What Redis told.
    known: u64,
    /// What was counted here and Redis has not told yet.
    since: u64,
}

impl Synced {
    /// Counts a request if all its windows are known here.
    pub(super) fn count_at_once(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Option<Verdict> {
        self.0.count(identifier, limits, now)
    }

    /// Counts a request, with what Redis tells of windows that are not known here.
    pub(super) async fn count(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Result<Verdict, Unavailable> {
        let counts = &*self.0;
        if counts.has_room_for(identifier) {
            let counters = counts.exact.name(identifier, limits, now);
            let values = counts.exact.counters.read(&counters).await?;
            counts.learn(identifier, limits, &values, now);
            if let Some(verdict) = counts.count(identifier, limits, now) {
                return Ok(verdict);
            }
        }
        counts.exact.count(identifier, limits, now).await
    }
}

impl Counts {
    fn new(exact: Exact) -> Self {
        Self { exact, hasher: RandomState::default(), shards: Default::default(), ended: AtomicBool::new(false) }
    }

    fn shard(&self, identifier: &[u8]) -> &Mutex<Shard> {
        &self.shards[(self.hasher.hash_one(identifier) >> 48) as usize % SHARDS]
    }

    fn has_room_for(&self, identifier: &[u8]) -> bool {
        let shard = self.shard(identifier).lock();
        !self.ended.load(Ordering::Relaxed) && (shard.len() < CAPACITY || shard.contains_key(identifier))
    }

    fn count(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Option<Verdict> {
        let mut shard = self.shard(identifier).lock();
        let entry = shard.get_mut(identifier).filter(|_| !self.ended.load(Ordering::Relaxed))?;
        let counts: Option<SmallVec<[u64; 6]>> = limits
            .iter()
            .map(|limit| {
                let window = entry.0[limit.period as usize]?;
                (window.start == limit.period.start(now)).then_some(window.known.saturating_add(window.since))
            })
            .collect();
        let counts = counts?;
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
        let exceeded = limits.iter().zip(&counts).any(|(limit, count)| *count as f64 >= limit.limit);
        if !exceeded {
            for limit in limits {
                if let Some(window) = &mut entry.0[limit.period as usize] {
                    window.since += 1;
                }
            }
        }
        Some(Verdict::of(exceeded, limits, counts, now))
    }

    /// Remembers what Redis told of windows that were not known.
    fn learn(&self, identifier: &[u8], limits: &[Limit], values: &[f64], now: i64) {
        let mut shard = self.shard(identifier).lock();
        if shard.len() >= CAPACITY && !shard.contains_key(identifier) {
            return;
        }
        let entry = shard.entry(identifier.into()).or_default();
        for (limit, value) in limits.iter().zip(values) {
            let (start, known) = (limit.period.start(now), whole(*value));
            let window = &mut entry.0[limit.period as usize];
            if window.is_none_or(|window| window.start < start) {
                *window = Some(Window { start, known, since: 0 });
            }
        }
    }

    /// Brings to Redis what was counted, and forgets callers of whom there was nothing. What cannot be brought stays.
    async fn sync(&self, link: &Link, now: i64) -> Result<(), Unavailable> {
        for shard in &self.shards {
            let news = news(&mut shard.lock(), now);
            for step in news.chunks(STEP) {
                let additions: Vec<(Counter, f64)> = step.iter().map(|news| self.addition(news)).collect();
                let totals = push(link, &additions).await?;
                let mut shard = shard.lock();
                for (news, total) in step.iter().zip(totals) {
                    let window =
                        shard.get_mut(&news.identifier).and_then(|entry| entry.0[news.period as usize].as_mut());
                    // One that has begun anew meanwhile owes nothing.
                    if let Some(window) = window.filter(|window| window.start == news.start) {
                        window.known = whole(total);
                        window.since = window.since.saturating_sub(news.count);
                    }
                }
            }
        }
        Ok(())
    }

    fn addition(&self, news: &News) -> (Counter, f64) {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
        let count = news.count as f64;
        (self.exact.names.counter(&news.identifier, news.period, news.start, None), count)
    }

    /// From now on every request is counted in Redis at once.
    fn end(&self) {
        for shard in &self.shards {
            let _locked = shard.lock();
            self.ended.store(true, Ordering::Relaxed);
        }
    }
}

/// What Redis does not know of a window.
struct News {
    identifier: Box<[u8]>,
    period: Period,
    start: i64,
    count: u64,
}

/// What there is to tell of a shard; the rest of it is forgotten. Of windows that are over nothing needs to be told.
fn news(shard: &mut Shard, now: i64) -> Vec<News> {
    let mut all = Vec::new();
    shard.retain(|identifier, entry| {
        let before = all.len();
        for (period, window) in Period::ALL.into_iter().zip(&entry.0) {
            if let Some(Window { start, since: count @ 1.., .. }) = *window
                && start == period.start(now)
            {
                all.push(News { identifier: identifier.clone(), period, start, count });
            }
        }
        all.len() > before
    });
    all
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn whole(value: f64) -> u64 {
    value as u64
}

/// Brings counts to Redis until nobody needs them any more.
struct Courier {
    counts: Arc<Counts>,
    users: Weak<Synced>,
    link: Link,
    rate: Duration,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
}

impl Courier {
    async fn run(mut self) {
        loop {
            let is_last = !self.shutdown.pause(self.rate).await || self.users.strong_count() == 0;
            if is_last {
                self.counts.end();
            }
            // What is away is told by the link.
            let _brought = self.counts.sync(&self.link, self.clock.now().as_second()).await.is_ok();
            if is_last {
                return;
            }
        }
    }
}
