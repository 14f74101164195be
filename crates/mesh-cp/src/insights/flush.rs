//! Writing insights to the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::report;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use runtime::tasks::Shutdown;
use serde_json::Value;
use store::{Op, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Insights, merge, stored};
use crate::index::ProxyId;
use crate::resources::{self, ResourceError};

/// After a proxy came or went, others may follow: wait this long and write them together.
const GATHER: Duration = Duration::from_millis(200);

/// Writes under way at once; the store groups them.
const CONCURRENCY: usize = 64;

/// How often a write is tried again after another control plane wrote the same insight in between.
const ATTEMPTS: usize = 8;

impl Insights {
    /// Writes what changed every `period`, soon after a proxy came or went, and a last time at shutdown, with which
    /// all subscriptions end.
    pub async fn keep_flushed(self: Arc<Self>, period: Duration, mut shutdown: Shutdown) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_shutdown() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.presence.notified() => {
                    shutdown.pause(GATHER).await;
                },
                () = shutdown.wait() => self.close_all(),
            }
            self.flush().await;
        }
    }

    fn close_all(&self) {
        let now = self.clock.now();
        for proxy in self.proxies.lock().values_mut().filter(|proxy| proxy.is_online()) {
            proxy.subscriptions.iter().for_each(|subscription| subscription.close(now));
            proxy.dirty = true;
        }
    }

    /// Writes what changed. While the store cannot be reached it all stays in memory, where it grows by nothing: a
    /// proxy has a bounded number of subscriptions, and there are no new proxies without a store.
    pub async fn flush(&self) {
        if !self.resources.store().reachable() {
            return;
        }
        let changed = self.collect();
        let results = stream::iter(changed)
            .map(|(proxy, insight)| async move {
                let result = self.write(&proxy, |stored| Some(merge::merged(stored, &insight, self.limit))).await;
                (proxy, result)
            })
            .buffer_unordered(CONCURRENCY);
        let failures = results.fold(Vec::new(), async |mut failures, (proxy, result)| {
            failures.extend(self.written(&proxy, result));
            failures
        });
        let failures = failures.await;
        if let Some(first) = failures.first() {
            warn!(count = failures.len(), error = %report(first), "Insights could not be stored; they will be tried again");
        }
    }

    /// Everything that is not yet in the store, with the flags taken.
    fn collect(&self) -> Vec<(ProxyId, Value)> {
        let counted = self.counted.swap(false, Ordering::AcqRel);
        let mut proxies = self.proxies.lock();
        let changed =
            proxies.iter_mut().filter(|(_, proxy)| proxy.dirty || (counted && proxy.updated() > proxy.stored));
        changed
            .map(|(id, proxy)| {
                proxy.dirty = false;
                proxy.stored = proxy.updated();
                (id.clone(), proxy.render())
            })
            .collect()
    }

    /// Replaces a stored insight by what `change` makes of it, unless that is nothing. Others may be writing it too:
    /// nothing of theirs is overwritten.
    async fn write(&self, proxy: &ProxyId, change: impl Fn(Option<Value>) -> Option<Value>) -> Result<(), StoreError> {
        let store = self.resources.store();
        let mut attempt = 1;
        loop {
            let record = store.get(&stored::key(proxy)).await?;
            let stored = record.as_deref().map(resources::spec_value);
            let Some(insight) = change(stored) else { return Ok(()) };
            let draft = stored::draft(proxy, &insight);
            let op = match record {
                Some(record) => Op::Put(draft, Some(record.version)),
                None => Op::Create(draft),
            };
            match store.commit(vec![op]).await {
                Err(StoreError::Conflict(_) | StoreError::Exists(_)) if attempt < ATTEMPTS => attempt += 1,
                result => return result.map(drop),
            }
        }
    }

    /// Takes note of what a write came to; returns the error if it was one and is worth another attempt.
    fn written(&self, proxy: &ProxyId, result: Result<(), StoreError>) -> Option<StoreError> {
        let mut proxies = self.proxies.lock();
        let entry = proxies.get_mut(proxy)?;
        match result {
            // The stored insight now says all there is to say.
            Ok(()) if !entry.dirty && !entry.is_online() => {
                proxies.remove(proxy);
            }
            Ok(()) => {}
            // The Dataplane is not declared yet, or was deleted: there is nothing an insight could belong to.
            Err(StoreError::MissingReference(_)) if !entry.is_online() => {
                proxies.remove(proxy);
            }
            Err(StoreError::MissingReference(_)) => {}
            Err(error) => {
                entry.dirty = true;
                return Some(error);
            }
        }
        None
    }

    /// Ends the subscriptions that the control plane `instance` left open when it ended.
    pub(crate) async fn close_of(&self, instance: &str) -> Result<(), ResourceError> {
        let now = self.clock.now();
        let open = stored::all(&self.resources)
            .await?
            .into_iter()
            .filter(|(_, insight)| merge::connected_to(insight).any(|one| one == instance));
        let proxies: Vec<ProxyId> = open.map(|(proxy, _)| proxy).collect();
        let count = proxies.len();
        stream::iter(proxies)
            .map(Ok::<_, StoreError>)
            .try_for_each_concurrent(CONCURRENCY, async |proxy| {
                match self.write(&proxy, |stored| merge::closed(&stored?, instance, now)).await {
                    Err(StoreError::MissingReference(_)) => Ok(()),
                    result => result,
                }
            })
            .await?;
        if count > 0 {
            info!(instance, count, "Closed the subscriptions that a control plane left open");
        }
        Ok(())
    }

    /// The control planes that stored insights name as connected to.
    pub(crate) async fn instances(&self) -> Result<BTreeSet<String>, ResourceError> {
        let all = stored::all(&self.resources).await?;
        Ok(all.iter().flat_map(|(_, insight)| merge::connected_to(insight)).map(str::to_owned).collect())
    }

    /// Proxies of which the store knows that they were connected, and to nobody since `before` at least.
    pub(crate) async fn offline_since(&self, before: Timestamp) -> Result<Vec<ProxyId>, ResourceError> {
        let all = stored::all(&self.resources).await?;
        let gone = all.into_iter().filter(|(_, insight)| merge::offline_since(insight).is_some_and(|at| at < before));
        Ok(gone.map(|(proxy, _)| proxy).collect())
    }

    /// Whether a proxy is connected to any control plane but `besides`, as far as the store knows.
    pub(crate) async fn is_connected_elsewhere(&self, proxy: &ProxyId, besides: &str) -> Result<bool, ResourceError> {
        let record = self.resources.store().get(&stored::key(proxy)).await?;
        let insight = record.as_deref().map(resources::spec_value).unwrap_or_default();
        Ok(merge::connected_to(&insight).any(|one| one != besides))
    }
}
