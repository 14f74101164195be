//! Writing insights to the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::report;
use futures_util::StreamExt as _;
use futures_util::stream;
use runtime::tasks::Shutdown;
use serde_json::Value;
use store::{Op, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Insights, closed, stored};
use crate::index::ProxyId;
use crate::resources::ResourceError;

/// After a proxy came or went, others may follow: wait this long and write them together.
const GATHER: Duration = Duration::from_millis(200);

/// Writes under way at once; the store groups them.
const CONCURRENCY: usize = 64;

impl Insights {
    /// Writes what changed every `period`, soon after a proxy came or went, and a last time at shutdown.
    pub async fn keep_flushed(self: Arc<Self>, period: Duration, mut shutdown: Shutdown) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_shutdown() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.presence.notified() => {
                    shutdown.pause(GATHER).await;
                },
                () = shutdown.wait() => {}
            }
            self.flush().await;
        }
    }

    /// Writes what changed.
    pub async fn flush(&self) {
        let changed = self.collect();
        let results = stream::iter(changed)
            .map(|(proxy, insight)| async move {
                let result = self.write(&proxy, &insight).await;
                (proxy, result)
            })
            .buffer_unordered(CONCURRENCY);
        results.for_each(|(proxy, result)| async move { self.written(&proxy, result) }).await;
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

    async fn write(&self, proxy: &ProxyId, insight: &Value) -> Result<(), StoreError> {
        let draft = stored::draft(proxy, insight);
        self.resources.store().commit(vec![Op::Put(draft, None)]).await.map(drop)
    }

    fn written(&self, proxy: &ProxyId, result: Result<(), StoreError>) {
        let mut proxies = self.proxies.lock();
        let Some(entry) = proxies.get_mut(proxy) else { return };
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
                warn!(mesh = %proxy.mesh, dataplane = %proxy.name, error = %report(&error), "An insight could not be stored; it will be tried again");
            }
        }
    }

    /// Closes the subscriptions that an earlier run of this control plane left open.
    pub async fn close_stale(&self) -> Result<(), ResourceError> {
        let mut count = 0;
        for (proxy, insight) in stored::all(&self.resources).await? {
            let open = |subscription: &Value| subscription.get("disconnectTime").is_none_or(Value::is_null);
            if !insight["subscriptions"].as_array().is_some_and(|all| all.iter().any(open)) {
                continue;
            }
            let mut insight = insight;
            insight["subscriptions"] = closed(&insight, self.clock.now()).into();
            self.write(&proxy, &insight).await?;
            count += 1;
        }
        if count > 0 {
            info!(count, "Closed the subscriptions that an earlier run left open");
        }
        Ok(())
    }
}
