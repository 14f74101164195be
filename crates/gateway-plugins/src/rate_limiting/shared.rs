//! Counting together with other nodes.

use std::sync::Arc;
use std::time::Duration;

use gateway_proxy::pdk::Environment;
use smallvec::SmallVec;

use super::counters::{Limit, Verdict};
use super::synced::{Registry, Synced};
use crate::redis_server::{Servers, Settings};
use crate::shared_counters::{Counter, Names, SharedCounters, Unavailable};

/// The shortest time between two looks at the server when a node counts ahead, and the longest.
const SYNC: (f64, f64) = (0.02, 86_400.0);

/// Counters of several nodes.
#[derive(Debug)]
pub(super) enum Shared {
    /// Every request is counted where all see it at once.
    Exact(Exact),
    /// The node counts ahead.
    Synced(Arc<Synced>),
}

/// Counters that nobody has a copy of.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    pub(super) counters: SharedCounters,
    pub(super) names: Names,
}

impl Shared {
    /// In the cluster's database.
    pub(super) fn database(environment: &Environment) -> Result<Self, String> {
        let counters = SharedCounters::database(&environment.node)?;
        Ok(Self::Exact(Exact { counters, names: names(environment) }))
    }

    /// In a Redis server, which hears of requests every `sync_rate` seconds, or of each at once if that is not above
    /// zero.
    pub(super) fn redis(settings: &Settings, sync_rate: f64, environment: &Environment) -> Result<Self, String> {
        let node = &environment.node;
        let server = node.shared(Servers::default).get(settings, node)?;
        let exact = Exact { counters: SharedCounters::Redis(Arc::clone(&server)), names: names(environment) };
        if sync_rate > 0.0 {
            let rate = Duration::from_secs_f64(sync_rate.clamp(SYNC.0, SYNC.1));
            let synced = node.shared(Registry::default).get(exact, &server, rate, node);
            return Ok(Self::Synced(synced));
        }
        Ok(Self::Exact(exact))
    }

    /// Counts a request as [`Self::count`] does, if that needs no waiting.
    pub(super) fn count_at_once(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Option<Verdict> {
        match self {
            Self::Exact(_) => None,
            Self::Synced(synced) => synced.count_at_once(identifier, limits, now),
        }
    }

    /// Counts a request unless it is too many for one of the limits. `now` is in Unix seconds.
    pub(super) async fn count(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Result<Verdict, Unavailable> {
        match self {
            Self::Exact(exact) => exact.count(identifier, limits, now).await,
            Self::Synced(synced) => synced.count(identifier, limits, now).await,
        }
    }
}

impl Exact {
    pub(super) async fn count(&self, identifier: &[u8], limits: &[Limit], now: i64) -> Result<Verdict, Unavailable> {
        let counters = self.name(identifier, limits, now);
        let maxima: SmallVec<[f64; 6]> = limits.iter().map(|limit| limit.limit).collect();
        let admission = self.counters.admit(&counters, &maxima).await?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        let before = admission.before.iter().map(|count| *count as u64);
        Ok(Verdict::of(!admission.admitted, limits, before, now))
    }

    /// The counter of each limit.
    pub(super) fn name(&self, identifier: &[u8], limits: &[Limit], now: i64) -> SmallVec<[Counter; 6]> {
        let name = |limit: &Limit| self.names.counter(identifier, limit.period, limit.period.start(now), None);
        limits.iter().map(name).collect()
    }
}

fn names(environment: &Environment) -> Names {
    Names::new("ratelimit", environment)
}
