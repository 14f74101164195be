//! The index without its task: events and commands go in, views come out at a flush.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base::{Problems, Secret, report};
use jiff::Timestamp;
use mesh_model::Resource;
use mesh_model::mesh::CaBackend;
use mesh_xds::ProxyMetadata;
use pki::ca::CertificateAuthority;
use store::{Change, Event, Key, Record};
use tracing::error;

use super::identity::Issued;
use super::mesh::MeshState;
use super::{ProxyId, Views};
use crate::admin_access::AdminAuthority;
use crate::resources;

/// Kinds that proxies are configured from; everything else in the store passes by.
const RELEVANT: [&str; 14] = [
    "CircuitBreaker",
    "Dataplane",
    "ExternalService",
    "FaultInjection",
    "HealthCheck",
    "Mesh",
    "ProxyTemplate",
    "RateLimit",
    "Retry",
    "Timeout",
    "TrafficLog",
    "TrafficPermission",
    "TrafficRoute",
    "TrafficTrace",
];

/// Kind that authorities and services outside the mesh are made of.
const SECRET: &str = "Secret";

fn is_relevant(collection: &str) -> bool {
    collection == SECRET || RELEVANT.contains(&collection)
}

/// All state of the index.
#[derive(Debug, Default)]
pub(super) struct Engine {
    meshes: BTreeMap<Arc<str>, MeshState>,
    /// What the store holds of the relevant collections, to find out what a fresh snapshot lacks.
    known: BTreeMap<Key, u64>,
    /// Of admin interfaces; without it they are not shown.
    admin: Option<Arc<AdminAuthority>>,
}

/// What a flush leaves to be done outside.
#[derive(Debug, Default)]
pub(super) struct Flushed {
    /// Certificate authorities without which a mesh cannot be configured.
    pub(super) authorities_wanted: Vec<(Arc<str>, CaBackend)>,
    /// Certificates that were issued.
    pub(super) issued: Vec<Issued>,
    /// Proxies whose configuration is not complete any more, or complete again (empty).
    pub(super) problems: Vec<(ProxyId, Problems)>,
    /// When the next certificate is to be replaced.
    pub(super) next_rotation: Option<Timestamp>,
}

impl Engine {
    pub(super) fn new(admin: Option<Arc<AdminAuthority>>) -> Self {
        Self { admin, ..Self::default() }
    }

    /// Takes in what the store says; whether that may concern a proxy. Most writes do not: they are insights.
    pub(super) fn apply(&mut self, event: &Event) -> bool {
        match event {
            Event::Snapshot { records, .. } => {
                self.replace(records);
                true
            }
            Event::Changes(committed) => {
                for change in &committed.changes {
                    match change {
                        Change::Put(record) => self.put(record),
                        Change::Delete(key) => self.delete(key),
                    }
                }
                committed.changes.iter().any(|change| is_relevant(&change.key().collection))
            }
        }
    }

    fn replace(&mut self, records: &[Arc<Record>]) {
        let present: HashSet<&Key> = records.iter().map(|record| &record.draft.key).collect();
        let gone: Vec<Key> = self.known.keys().filter(|key| !present.contains(key)).cloned().collect();
        gone.iter().for_each(|key| self.delete(key));
        records.iter().for_each(|record| self.put(record));
    }

    fn put(&mut self, record: &Arc<Record>) {
        let key = &record.draft.key;
        if &*key.collection == SECRET {
            let data = resources::spec_value(record)["data"].as_str().map(Secret::new);
            self.state(&key.scope).set_secret(&key.name, data);
            return;
        }
        if !is_relevant(&key.collection) || self.known.get(key) == Some(&record.revision) {
            return;
        }
        self.known.insert(key.clone(), record.revision);
        match resources::from_record(record) {
            Ok(resource) => self.mesh(&resource).put(resource),
            // Written by a newer version or by hand: what was understood before stays in force.
            Err(error) => error!(?key, error = %report(&error), "A stored resource is not understood"),
        }
    }

    fn delete(&mut self, key: &Key) {
        if &*key.collection == SECRET {
            if let Some(state) = self.meshes.get_mut(&key.scope) {
                state.set_secret(&key.name, None);
            }
            return;
        }
        if self.known.remove(key).is_none() {
            return;
        }
        let mesh = if &*key.collection == "Mesh" { &key.name } else { &key.scope };
        if let Some(state) = self.meshes.get_mut(mesh) {
            state.delete(&key.collection, &key.name);
        }
    }

    fn mesh(&mut self, resource: &Resource) -> &mut MeshState {
        let meta = &resource.meta;
        self.state(if meta.kind.name == "Mesh" { &meta.name } else { &meta.mesh })
    }

    fn state(&mut self, mesh: &Arc<str>) -> &mut MeshState {
        let admin = &self.admin;
        self.meshes.entry(Arc::clone(mesh)).or_insert_with(|| MeshState::new(Arc::clone(mesh), admin.clone()))
    }

    pub(super) fn connect(&mut self, proxy: &ProxyId, session: u64, metadata: ProxyMetadata) -> Views {
        let metadata = ProxyMetadata { admin_shown: self.admin.is_some(), ..metadata };
        self.state(&proxy.mesh).connect(&proxy.name, session, metadata)
    }

    pub(super) fn disconnect(&mut self, proxy: &ProxyId, session: u64) {
        if let Some(state) = self.meshes.get_mut(&proxy.mesh) {
            state.disconnect(&proxy.name, session);
        }
    }

    pub(super) fn set_authority(&mut self, mesh: &str, backend: &CaBackend, authority: Arc<CertificateAuthority>) {
        if let Some(state) = self.meshes.get_mut(mesh) {
            state.set_authority(backend, authority);
        }
    }

    pub(super) fn retry_authority(&mut self, mesh: &str) {
        if let Some(state) = self.meshes.get_mut(mesh) {
            state.retry_authority();
        }
    }

    /// Publishes everything that changed to the proxies it concerns.
    pub(super) fn flush(&mut self, now: Timestamp) -> Flushed {
        let mut flushed = Flushed::default();
        for state in self.meshes.values_mut() {
            state.flush(now, &mut flushed);
        }
        self.meshes.retain(|_, state| !state.is_vacant());
        flushed
    }
}
