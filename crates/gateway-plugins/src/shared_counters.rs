//! Counters that nodes share: in a Redis server, or in the cluster's database.
//!
//! Those in Redis have the names and values that other gateways of the same kind use, so that they can count together.

mod scripts;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use gateway_proxy::pdk::counters::{Counters as Database, Increment};
use gateway_proxy::pdk::{Environment, Node};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

use crate::hex;
use crate::rate_limiting::period::Period;
use crate::redis_server::{Link, Server, Servers, Settings, Unavailable as NoRedis};

/// The longest part of a counter's name; longer ones are replaced by their hash.
const MAX_PART: usize = 128;

/// What stands for a service or route that a plugin is not put on.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// The counters of a policy.
#[derive(Clone, Debug)]
pub(crate) enum SharedCounters {
    /// In a Redis server.
    Redis(Arc<Server>),
    /// In the cluster's database. It has whole numbers only.
    Database(Database),
}

/// Why nothing was counted; it may have been all the same. Details are in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared counters are not available")]
pub(crate) struct Unavailable;

impl From<NoRedis> for Unavailable {
    fn from(_: NoRedis) -> Self {
        Self
    }
}

/// Values of counters, in the order in which these were named.
pub(crate) type Values = SmallVec<[f64; 6]>;

/// A counter of one period; it ends by itself when the period is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    name: Arc<str>,
    /// Seconds that it lasts at least.
    lifetime: i64,
    /// Unix seconds at which it may end.
    ends: i64,
}

/// Names counters of the plugins at one place, which share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Names(Arc<str>);

impl Names {
    /// `kind` is that of the counters: `ratelimit`.
    pub(crate) fn new(kind: &str, environment: &Environment) -> Self {
        let route = environment.route.as_deref().unwrap_or(NOBODY);
        let service = environment.service.as_deref().unwrap_or(NOBODY);
        Self(format!("{kind}:{route}:{service}:").into())
    }

    /// The counter of a period that began at `start` (Unix seconds). `name` tells several of the same caller and period
    /// apart.
    pub(crate) fn counter(&self, caller: &[u8], period: Period, start: i64, name: Option<&str>) -> Counter {
        let (prefix, caller, word) = (&self.0, part(caller), period.word());
        let name = match name {
            None => format!("{prefix}{caller}:{start}000:{word}"),
            Some(name) => format!("{prefix}{caller}:{start}000:{}:{word}", part(name.as_bytes())),
        };
        Counter { name: name.into(), lifetime: period.lifetime(), ends: start + period.lifetime() }
    }
}

/// As it is where that is a short text, or its hash.
fn part(bytes: &[u8]) -> impl fmt::Display {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= MAX_PART && !text.contains('\0') => text.to_owned(),
        _ => hex(&Sha256::digest(bytes)),
    }
}

/// Whether there was room for a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Admission {
    /// Whether every counter was below its limit; otherwise nothing was counted.
    pub(crate) admitted: bool,
    /// The counters before the request.
    pub(crate) before: Values,
}

impl SharedCounters {
    /// The counters of the policy `redis`.
    pub(crate) fn redis(settings: &Settings, node: &Node) -> Result<Self, String> {
        node.shared(Servers::default).get(settings, node).map(Self::Redis)
    }

    /// The counters of the policy `cluster`.
    pub(crate) fn database(node: &Node) -> Result<Self, String> {
        let missing = "policy: 'cluster' needs a database that nodes share; use 'local' or 'redis'";
        Database::of(node).map(Self::Database).ok_or_else(|| missing.to_owned())
    }

    /// Adds 1 to all counters unless one has reached its limit.
    ///
    /// In the database a request that is refused is counted nevertheless if another node's came between.
    pub(crate) async fn admit(&self, counters: &[Counter], limits: &[f64]) -> Result<Admission, Unavailable> {
        match self {
            Self::Redis(server) => {
                let answer: Vec<i64> = server.run(&scripts::admit(counters, limits)).await?;
                let (admitted, before) = answer.split_first().ok_or(Unavailable)?;
                Ok(Admission { admitted: *admitted == 1, before: before.iter().map(|count| *count as f64).collect() })
            }
            Self::Database(database) => {
                let is_full = |before: &Values| before.iter().zip(limits).any(|(before, limit)| before >= limit);
                // With a single limit it does no harm to count what is refused.
                if counters.len() > 1 {
                    let before = change(database, counters, 0).await?;
                    if is_full(&before) {
                        return Ok(Admission { admitted: false, before });
                    }
                }
                let after = change(database, counters, 1).await?;
                let before = after.iter().map(|after| (after - 1.0).max(0.0)).collect();
                Ok(Admission { admitted: !is_full(&before), before })
            }
        }
    }

    /// What the counters have come to.
    pub(crate) async fn read(&self, counters: &[Counter]) -> Result<Values, Unavailable> {
        match self {
            Self::Redis(server) => {
                let values: Vec<Option<f64>> = server.run(&scripts::read(counters)).await?;
                Ok(values.into_iter().map(Option::unwrap_or_default).collect())
            }
            Self::Database(database) => change(database, counters, 0).await,
        }
    }

    /// Adds to all counters. In the database what is no whole number counts as the next greater one, and nothing is
    /// taken back.
    pub(crate) async fn add(&self, counters: Vec<Counter>, amount: f64) -> Result<(), Unavailable> {
        match self {
            Self::Redis(server) => {
                let additions: Vec<_> = counters.into_iter().map(|counter| (counter, amount)).collect();
                let _totals: Vec<f64> = server.run(&scripts::add(&additions)).await?;
            }
            Self::Database(database) => {
                // What is negative or not a number is 0, which only reads.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
                change(database, &counters, amount.ceil() as u64).await?;
            }
        }
        Ok(())
    }
}

/// Adds to counters in Redis, each its own amount, and tells what they came to.
pub(crate) async fn push(link: &Link, additions: &[(Counter, f64)]) -> Result<Vec<f64>, Unavailable> {
    let totals: Vec<f64> = link.run(&scripts::add(additions)).await?;
    if totals.len() == additions.len() { Ok(totals) } else { Err(Unavailable) }
}

async fn change(database: &Database, counters: &[Counter], by: u64) -> Result<Values, Unavailable> {
    let increments = counters.iter().map(|counter| Increment {
        key: Arc::clone(&counter.name),
        by,
        expires: Timestamp::from_second(counter.ends).unwrap_or(Timestamp::MAX),
    });
    let values = database.add(increments.collect()).await.map_err(|_| Unavailable)?;
    Ok(values.into_iter().map(|count| count as f64).collect())
}
