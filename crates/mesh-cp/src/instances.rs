//! The control planes that share a store: each is known to the others for as long as it lives.
//!
//! A control plane holds a role of its own for its life, and has a record that tells the others its name. Whoever gets
//! that role knows that it has ended, soon after it was killed, without clocks or heartbeats. All wait for the roles of
//! all others; who gets one ends the subscriptions of the control plane that is gone, and deregisters its proxies if
//! they do not come back. With a store of this process alone every other control plane is an earlier run, and gone.
//!
//! One of them is the leader and does what needs doing once, now and then.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use base::report;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use prometheus_client::metrics::gauge::Gauge;
use runtime::tasks::Shutdown;
use serde_json::json;
use store::{Change, Draft, Event, Key, Leadership, Op, Record, Store, StoreError};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::dp_server::DpServer;
use crate::insights::Insights;
use crate::resources::ResourceError;

/// Records of control planes.
const COLLECTION: &str = "ControlPlane";

/// Who does what needs doing once.
const LEADER: &str = "leader";

/// Time that proxies of a control plane that is gone have to come back. Envoy waits at most 30 s between attempts.
pub(crate) const COMEBACK: Duration = Duration::from_secs(60);

/// How long proxies are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Those of a control plane that is gone, before they are deregistered.
    pub(crate) comeback: Duration,
    /// Any, before it is removed.
    pub(crate) cleanup_age: Duration,
}

/// A control plane whose role is free has ended, or has lost its connection for a moment and wants it back: so long it
/// has to take it.
const GRACE: Duration = Duration::from_secs(1);

/// How often the leader looks for proxies that are gone for long, at least.
const LONGEST_CLEANUP_PERIOD: Duration = Duration::from_secs(300);

/// Pause between attempts while the store is away.
const RETRY: Duration = Duration::from_secs(1);

/// This control plane among all.
#[derive(Debug)]
pub(crate) struct Instances {
    id: String,
    store: Store,
    insights: Arc<Insights>,
    dp_server: Arc<DpServer>,
    leads: Gauge,
    patience: Patience,
}

/// Being known to the others.
#[derive(Debug)]
pub(crate) struct Membership(Leadership);

fn role(instance: &str) -> String {
    format!("control-plane/{instance}")
}

fn key(instance: &str) -> Key {
    Key::new(COLLECTION, "", instance)
}

/// Makes the control plane `instance` known. Nobody may be able to take it for gone before anything is written in its
/// name, so this comes first.
pub(crate) async fn join(store: &Store, instance: &str) -> Result<Membership, StoreError> {
    let held = store.lead(&role(instance)).await?;
    let draft = Draft::new(key(instance), json!({ "version": env!("CARGO_PKG_VERSION") }).to_string());
    store.commit(vec![Op::Put(draft, None)]).await?;
    Ok(Membership(held))
}

impl Instances {
    pub(crate) fn new(
        store: Store,
        insights: Arc<Insights>,
        dp_server: Arc<DpServer>,
        leads: Gauge,
        patience: Patience,
    ) -> Arc<Self> {
        let id = insights.instance().to_owned();
        Arc::new(Self { id, store, insights, dp_server, leads, patience })
    }

    /// Stays known to the others until shutdown, also after the store was away.
    pub(crate) async fn stay(self: Arc<Self>, membership: Membership, mut shutdown: Shutdown) {
        let mut membership = membership;
        loop {
            tokio::select! {
                () = membership.0.lost() => {}
                () = shutdown.wait() => return,
            }
            warn!("The store has lost this control plane; it joins again");
            membership = loop {
                let attempt = tokio::select! {
                    joined = join(&self.store, &self.id) => joined,
                    () = shutdown.wait() => return,
                };
                match attempt {
                    Ok(joined) => break joined,
                    Err(error) => debug!(error = %report(&error), "Joining failed"),
                }
                if !shutdown.pause(RETRY).await {
                    return;
                }
            };
            // Somebody may have taken this control plane for gone in between.
            self.insights.write_again();
        }
    }

    /// Waits for its turn to lead, leads, and waits again when it has lost that.
    pub(crate) async fn lead(self: Arc<Self>, mut shutdown: Shutdown) {
        while !shutdown.is_shutdown() {
            let leadership = tokio::select! {
                leadership = self.store.lead(LEADER) => leadership,
                () = shutdown.wait() => return,
            };
            match leadership {
                Ok(mut leadership) => {
                    info!("This control plane leads");
                    self.leads.set(1);
                    tokio::select! {
                        () = leadership.lost() => warn!("This control plane does not lead any more"),
                        () = self.clean_up() => {}
                        () = shutdown.wait() => return,
                    }
                    self.leads.set(0);
                }
                Err(error) => debug!(error = %report(&error), "Leading failed"),
            }
            shutdown.pause(RETRY).await;
        }
    }

    /// Removes proxies that nobody has seen for long.
    async fn clean_up(&self) {
        let period = (self.patience.cleanup_age / 10).clamp(Duration::from_secs(1), LONGEST_CLEANUP_PERIOD);
        loop {
            if let Err(error) = self.dp_server.remove_forgotten(self.patience.cleanup_age).await {
                warn!(error = %report(&error), "Proxies that are gone for long are not removed; it will be tried again");
            }
            pause(period).await;
        }
    }

    /// Looks after the control planes that end, or have ended, until shutdown.
    pub(crate) async fn look_after_others(self: Arc<Self>, mut shutdown: Shutdown) {
        while !shutdown.is_shutdown() {
            tokio::select! {
                result = self.others() => if let Err(error) = result {
                    warn!(error = %report(&error), "What control planes left that are gone is not tidied up; it will be tried again");
                },
                () = shutdown.wait() => return,
            }
            shutdown.pause(RETRY).await;
        }
    }

    async fn others(&self) -> Result<(), ResourceError> {
        let mut watch = self.store.watch().await?;
        let mut known: HashSet<String> = [self.id.clone()].into();
        let mut watched = FuturesUnordered::new();
        // Those whose record is gone, or which had none.
        let mut found: BTreeSet<String> = self.insights.instances().await?;
        found.extend(self.dp_server.registering_instances().await?);
        loop {
            for instance in std::mem::take(&mut found) {
                if known.insert(instance.clone()) {
                    watched.push(self.wind_up(instance));
                }
            }
            tokio::select! {
                event = watch.next() => match event {
                    Some(event) => found = instances_in(&event),
                    None => return Ok(()),
                },
                Some(ended) = watched.next() => {
                    known.remove(&ended?);
                }
            }
        }
    }

    /// Waits until the control plane is gone, and then ends what it began. Others may be about to do the same, and find
    /// nothing left to do.
    async fn wind_up(&self, instance: String) -> Result<String, ResourceError> {
        let key = key(&instance);
        let had_record = self.store.get(&key).await?.is_some();
        loop {
            let gone = self.gone(&instance).await?;
            self.insights.close_of(&instance).await?;
            // If it was only away for long, it can come back, and its proxies with it.
            drop(gone);
            pause(self.patience.comeback).await;
            if had_record && self.store.get(&key).await?.is_none() {
                return Ok(instance);
            }
            if let Ok(gone) = tokio::time::timeout(GRACE, self.store.lead(&role(&instance))).await {
                let _gone = gone?;
                self.dp_server.deregister_absent(&instance).await?;
                return match self.store.commit(vec![Op::Delete(key, None)]).await {
                    Ok(_) | Err(StoreError::NotFound(_)) => Ok(instance),
                    Err(error) => Err(error.into()),
                };
            }
        }
    }

    /// Returns with the role of a control plane that is gone.
    async fn gone(&self, instance: &str) -> Result<Leadership, StoreError> {
        let role = role(instance);
        loop {
            drop(self.store.lead(&role).await?);
            pause(GRACE).await;
            if let Ok(gone) = tokio::time::timeout(GRACE, self.store.lead(&role)).await {
                return gone;
            }
        }
    }
}

async fn pause(time: Duration) {
    tokio::time::sleep_until(Instant::now() + time).await;
}

fn instances_in(event: &Event) -> BTreeSet<String> {
    let name = |record: &Arc<Record>| {
        let key = &record.draft.key;
        (&*key.collection == COLLECTION).then(|| key.name.to_string())
    };
    match event {
        Event::Snapshot { records, .. } => records.iter().filter_map(name).collect(),
        Event::Changes(committed) => committed
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Put(record) => name(record),
                Change::Delete(_) => None,
            })
            .collect(),
    }
}
