//! Upstreams: balancers that follow names, and the checks of their targets.

mod group;
mod hashing;
mod marks;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use engine::balance::{AddressSpec, Balancer, GroupStatus};
use engine::dns::{Names, Subscription, literal};
use engine::health::probe::{self, ProbeTls};
use engine::tls::client::ClientIdentity;
use gateway_model::typed::{Target, Upstream};
use runtime::tasks::Tasks;
use tokio::sync::watch;
use tracing::info;

pub(crate) use hashing::Hashing;
pub use marks::TargetMark;
use marks::{Marks, Pending};

/// An upstream as requests need it. The balancer changes with the addresses of its targets; the rest with the
/// configuration.
pub(crate) struct UpstreamRuntime {
    pub(crate) balancer: Arc<ArcSwap<Balancer>>,
    pub(crate) hashing: Option<Hashing>,
    pub(crate) host_header: Option<Arc<str>>,
    pub(crate) identity: Option<ClientIdentity>,
}

impl UpstreamRuntime {
    /// How its targets are.
    pub(crate) fn status(&self) -> GroupStatus {
        self.balancer.load().status()
    }
}

impl fmt::Debug for UpstreamRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRuntime").finish_non_exhaustive()
    }
}

/// What keeps balancers up to date.
pub(crate) struct Upstreams {
    names: Arc<Names>,
    tasks: Tasks,
    probe_tls: ProbeTls,
    kept: HashMap<Arc<str>, Kept>,
    marks: Marks,
}

/// One upstream's balancer, and what ends with it.
struct Kept {
    balancer: Arc<ArcSwap<Balancer>>,
    /// To the prober and to whoever follows the names.
    published: Arc<watch::Sender<Arc<Balancer>>>,
    probing: bool,
    pending: Pending,
    /// Ends the follower of the names when it is dropped.
    _follower: watch::Sender<()>,
}

/// What a target's name stands for.
struct Resolved {
    addresses: Vec<AddressSpec>,
    /// `A`, `SRV`, or why there is nothing.
    source: Arc<str>,
}

impl Upstreams {
    pub(crate) fn new(names: Arc<Names>, tasks: Tasks, probe_tls: ProbeTls) -> Self {
        Self { names, tasks, probe_tls, kept: HashMap::new(), marks: Marks::default() }
    }

    /// The upstream as its documents say now. Addresses that stay keep their health.
    pub(crate) fn put(
        &mut self,
        document: &Arc<Upstream>,
        targets: Vec<Arc<Target>>,
        identity: Option<ClientIdentity>,
    ) -> UpstreamRuntime {
        let subscriptions = self.subscribe(&targets);
        let group = group::group(document, &targets, |name, port, weight| resolved(&subscriptions, name, port, weight));
        let now = Instant::now();
        let before = self.kept.remove(&document.id);
        let next = match &before {
            Some(kept) => kept.balancer.load().rebuild(&group, now),
            None => Balancer::new(
                &group,
                Some(Arc::new(|event| {
                    info!(
                        upstream = &*event.group,
                        target = &*event.target,
                        port = event.port,
                        healthy = event.healthy,
                        "Target's health changed"
                    )
                })),
                now,
            ),
        };
        let active = group.checks.as_ref().and_then(|checks| checks.active.as_ref());
        let (balancer, published, probing, pending) = match before {
            Some(kept) => (kept.balancer, kept.published, kept.probing, kept.pending),
            None => (
                Arc::new(ArcSwap::new(Arc::clone(&next))),
                Arc::new(watch::Sender::new(Arc::clone(&next))),
                false,
                self.marks.first(&document.id, active.is_some_and(group::looks_after_unhealthy)),
            ),
        };
        marks::settle(&pending, &next);
        balancer.store(Arc::clone(&next));
        published.send_replace(next);
        let wanted = active.is_some();
        if wanted && !probing {
            self.tasks.spawn_detached("prober", probe::run(published.subscribe(), self.probe_tls.clone()));
        }
        let (follower, ended) = watch::channel(());
        if !subscriptions.is_empty() {
            let follow = Follow {
                document: Arc::clone(document),
                targets,
                subscriptions,
                balancer: Arc::clone(&balancer),
                published: Arc::clone(&published),
                pending: Arc::clone(&pending),
            };
            self.tasks.spawn_detached("target names", follow.run(ended));
        }
        let kept = Kept {
            balancer: Arc::clone(&balancer),
            published,
            probing: probing || wanted,
            pending,
            _follower: follower,
        };
        self.kept.insert(Arc::clone(&document.id), kept);
        UpstreamRuntime {
            balancer,
            hashing: Hashing::of(document),
            host_header: document.host_header.clone(),
            identity,
        }
    }

    /// Forgets an upstream, with its probes.
    pub(crate) fn remove(&mut self, id: &str) {
        self.kept.remove(id);
    }

    /// Somebody said how a target is.
    pub(crate) fn put_mark(&mut self, id: &str, mark: TargetMark) {
        self.marks.put(id, mark);
    }

    /// What was said does not count any longer; the target stays as it is.
    pub(crate) fn remove_mark(&mut self, id: &str) {
        let upstream = self.marks.remove(id);
        if let Some(kept) = upstream.and_then(|upstream| self.kept.get(&upstream)) {
            kept.pending.lock().remove(id);
        }
    }

    /// The ids of all marks.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &Arc<str>> {
        self.marks.ids()
    }

    /// Puts the marks since the last time on their targets.
    pub(crate) fn apply_marks(&mut self) {
        for (id, mark) in self.marks.take_fresh() {
            if let Some(kept) = self.kept.get(&mark.upstream) {
                kept.pending.lock().insert(id, mark);
                marks::settle(&kept.pending, &kept.balancer.load());
            }
        }
    }

    fn subscribe(&self, targets: &[Arc<Target>]) -> HashMap<Box<str>, Subscription> {
        let names = targets.iter().map(|target| group::split_target(&target.target).0);
        names
            .filter(|name| literal(name).is_none())
            .filter_map(|name| Some((name.into(), self.names.subscribe(name).ok()?)))
            .collect()
    }
}

/// Rebuilds a balancer whenever a name of its targets gets other addresses.
struct Follow {
    document: Arc<Upstream>,
    targets: Vec<Arc<Target>>,
    subscriptions: HashMap<Box<str>, Subscription>,
    balancer: Arc<ArcSwap<Balancer>>,
    published: Arc<watch::Sender<Arc<Balancer>>>,
    pending: Pending,
}

impl Follow {
    async fn run(mut self, mut ended: watch::Receiver<()>) {
        loop {
            let changes = self.subscriptions.values_mut().map(|subscription| Box::pin(subscription.changed()));
            tokio::select! {
                _ = futures_util::future::select_all(changes) => {}
                _ = ended.changed() => return,
            }
            let group = group::group(&self.document, &self.targets, |name, port, weight| {
                resolved(&self.subscriptions, name, port, weight)
            });
            let next = self.balancer.load().rebuild(&group, Instant::now());
            // The configuration may have put another follower in charge while this was computed.
            if ended.has_changed().is_err() {
                return;
            }
            self.balancer.store(Arc::clone(&next));
            marks::settle(&self.pending, &next);
            self.published.send_replace(next);
        }
    }
}

fn resolved(subscriptions: &HashMap<Box<str>, Subscription>, name: &str, port: u16, weight: u32) -> Resolved {
    if let Some(ip) = literal(name) {
        let address = AddressSpec { name: name.into(), port, weight, ips: [ip].into_iter().collect() };
        let record = if ip.is_ipv6() { "AAAA" } else { "A" };
        return Resolved { addresses: vec![address], source: record.into() };
    }
    match subscriptions.get(name).and_then(Subscription::current) {
        Some(Ok(answer)) => {
            let addresses = answer.endpoints.iter().map(|endpoint| AddressSpec {
                name: Arc::clone(&endpoint.name),
                port: endpoint.port.unwrap_or(port),
                // A target that is given nothing stays so whatever its records weigh.
                weight: if weight == 0 { 0 } else { endpoint.weight.unwrap_or(weight) },
                ips: endpoint.ips.clone(),
            });
            Resolved { addresses: addresses.collect(), source: answer.record.into() }
        }
        Some(Err(error)) => Resolved { addresses: Vec::new(), source: error.to_string().into() },
        None => Resolved { addresses: Vec::new(), source: "not resolved yet".into() },
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}
