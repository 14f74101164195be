//! Who is connected and how far it is: live, in memory, at the cost of an atomic add per message; written to
//! the store now and then, so that history survives a restart and other control planes know.
//!
//! A proxy's stored insight holds the subscriptions of all control planes it was connected to. Each writes its own
//! and keeps the others' as they are.

pub(crate) mod admin;
mod flush;
mod merge;
mod stored;
mod subscription;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::{Clock, Problems};
use mesh_xds::ProxyMetadata;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::index::{Issued, ProxyId};
use crate::resources::Resources;
pub use subscription::Subscription;

/// Insights of every proxy that is connected, or was until a moment ago.
#[derive(Debug)]
pub struct Insights {
    instance: String,
    resources: Resources,
    clock: Arc<dyn Clock>,
    /// Subscriptions kept per proxy.
    limit: usize,
    proxies: Mutex<HashMap<ProxyId, Proxy>>,
    /// Something was counted since the last flush.
    counted: AtomicBool,
    /// A proxy came or went: worth a flush now.
    presence: Notify,
}

#[derive(Debug, Default)]
struct Proxy {
    subscriptions: Vec<Arc<Subscription>>,
    certificate: Option<Certificate>,
    /// Where its admin interface is.
    admin: Value,
    /// What of its configuration had to be left out.
    problems: Problems,
    /// Something other than a count changed since it was last stored.
    dirty: bool,
    /// [`Subscription::updated`] of the newest message that is stored.
    stored: i64,
}

#[derive(Debug)]
struct Certificate {
    issued: jiff::Timestamp,
    expires: jiff::Timestamp,
    regenerations: u32,
    backend: String,
    supported: Vec<String>,
}

impl Insights {
    /// Insights of the control plane `instance` that keep `limit` subscriptions a proxy.
    pub fn new(instance: String, resources: Resources, clock: Arc<dyn Clock>, limit: usize) -> Self {
        Self {
            instance,
            resources,
            clock,
            limit: limit.max(1),
            proxies: Mutex::default(),
            counted: AtomicBool::new(false),
            presence: Notify::new(),
        }
    }

    /// The control plane whose they are.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Opens a subscription of `proxy`; `version` is the `version` of its node metadata.
    pub fn connected(&self, proxy: &ProxyId, generation: u64, version: Value) -> Arc<Subscription> {
        let subscription = Arc::new(Subscription::new(self.instance.clone(), generation, self.clock.now(), version));
        let mut proxies = self.proxies.lock();
        let entry = proxies.entry(proxy.clone()).or_default();
        entry.subscriptions.push(Arc::clone(&subscription));
        entry.dirty = true;
        entry.trim(self.limit);
        drop(proxies);
        self.presence.notify_one();
        subscription
    }

    /// Notes where the admin interface of a connected proxy is; any control plane may want to ask there.
    pub(crate) fn admin_is_at(&self, proxy: &ProxyId, metadata: &ProxyMetadata) {
        if let Some(entry) = self.proxies.lock().get_mut(proxy) {
            entry.admin = admin::written(metadata);
        }
    }

    /// Closes a subscription.
    pub fn disconnected(&self, proxy: &ProxyId, subscription: &Subscription) {
        subscription.close(self.clock.now());
        if let Some(entry) = self.proxies.lock().get_mut(proxy) {
            entry.dirty = true;
        }
        self.presence.notify_one();
    }

    /// Notes that something was counted in a subscription. Cheap: called for every message.
    pub fn counted(&self) {
        if !self.counted.load(Ordering::Relaxed) {
            self.counted.store(true, Ordering::Release);
        }
    }

    /// Notes that a certificate was issued.
    pub(crate) fn certificate_issued(&self, issued: &Issued) {
        let mut proxies = self.proxies.lock();
        let entry = proxies.entry(issued.proxy.clone()).or_default();
        let regenerations = entry.certificate.as_ref().map_or(0, |old| old.regenerations) + 1;
        entry.certificate = Some(Certificate {
            issued: issued.at,
            expires: issued.expires,
            regenerations,
            backend: issued.backend.clone(),
            supported: issued.supported.clone(),
        });
        entry.dirty = true;
        self.counted();
    }

    /// Notes what of a proxy's configuration had to be left out; empty when it is whole again.
    pub(crate) fn problems(&self, proxy: &ProxyId, problems: Problems) {
        if let Some(entry) = self.proxies.lock().get_mut(proxy) {
            entry.problems = problems;
            entry.dirty = true;
            self.counted();
        }
    }

    /// Everything is to be written again: somebody took this control plane for gone.
    pub(crate) fn write_again(&self) {
        self.proxies.lock().values_mut().for_each(|proxy| proxy.dirty = true);
        self.presence.notify_one();
    }

    /// Forgets a proxy whose Dataplane is gone.
    pub fn forget(&self, proxy: &ProxyId) {
        self.proxies.lock().remove(proxy);
    }

    /// The insight of a proxy as of now: what is stored of it, with what this control plane knows better.
    pub fn merged(&self, mesh: &str, name: &str, stored: Option<Value>) -> Option<Value> {
        let id = ProxyId { mesh: mesh.into(), name: name.into() };
        match self.proxies.lock().get(&id) {
            Some(proxy) => Some(merge::merged(stored, &proxy.render(), self.limit)),
            None => stored,
        }
    }
}

impl Proxy {
    fn is_online(&self) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.is_open())
    }

    fn updated(&self) -> i64 {
        self.subscriptions.iter().map(|subscription| subscription.updated()).max().unwrap_or(0)
    }

    /// Keeps the newest subscriptions; open ones stay whatever their number.
    fn trim(&mut self, limit: usize) {
        let mut surplus = self.subscriptions.len().saturating_sub(limit);
        self.subscriptions.retain(|subscription| {
            let drop = surplus > 0 && !subscription.is_open();
            surplus -= usize::from(drop);
            !drop
        });
    }

    /// What this control plane knows, in the form of a `DataplaneInsight` without its type, mesh and name.
    fn render(&self) -> Value {
        let subscriptions: Vec<Value> = self.subscriptions.iter().map(|one| one.render()).collect();
        let mut insight = json!({ "subscriptions": subscriptions });
        if let Some(certificate) = &self.certificate {
            insight["mTLS"] = json!({
                "certificateExpirationTime": certificate.expires.to_string(),
                "lastCertificateRegeneration": certificate.issued.to_string(),
                "certificateRegenerations": certificate.regenerations,
                "issuedBackend": certificate.backend,
                "supportedBackends": certificate.supported,
            });
        }
        if !self.admin.is_null() {
            insight["metadata"] = self.admin.clone();
        }
        if !self.problems.is_empty() {
            let problems: Vec<_> = self.problems.0.iter().map(ToString::to_string).collect();
            insight["configurationProblems"] = json!(problems);
        }
        insight
    }
}
