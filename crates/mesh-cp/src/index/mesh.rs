//! One mesh in the index: its context, its connected proxies, and what of them has to be built anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use base::Secret;
use jiff::Timestamp;
use mesh_model::context::{Policies, PolicySet};
use mesh_model::mesh::CaBackend;
use mesh_model::policy::Named;
use mesh_model::{Dataplane, Kind, Mesh, MeshContext, Resource, Spec};
use mesh_xds::{Cache, Proxy, ProxyMetadata, SecretKey};
use pki::PkiError;
use pki::ca::CertificateAuthority;
use proto::{Resource as Encoded, TypeUrl};
use tracing::error;
use xds::{TypeSet, View};

use super::assignments::{Assignments, Swap};
use super::concern::Concern;
use super::engine::Flushed;
use super::identity::{Authority, Issued};
use super::proxy::Connected;
use super::{ProxyId, Views, external};
use crate::admin_access::AdminAuthority;

#[derive(Debug)]
pub(super) struct MeshState {
    name: Arc<str>,
    exists: bool,
    context: MeshContext,
    dataplanes: HashMap<Arc<str>, Arc<Dataplane>>,
    /// Policies and external services by kind and name.
    policies: BTreeMap<(&'static str, Arc<str>), Resource>,
    proxies: HashMap<Arc<str>, Connected>,
    assignments: Assignments,
    /// `data` (base64) of the mesh's secrets, for what refers to them by name.
    secrets: HashMap<Arc<str>, Secret>,
    authority: Option<Authority>,
    /// Of admin interfaces.
    admin: Option<Arc<AdminAuthority>>,
    cache: Cache,
    dirty: Dirty,
    /// Proxies built since what nobody uses any more was last dropped.
    built_since_sweep: usize,
}

/// What changed since the last flush.
#[derive(Debug, Default)]
struct Dirty {
    /// Whom the mesh or a policy concerns.
    concern: Concern,
    /// The policies in `context` are not those of `policies`.
    policies: bool,
    /// The certificate authority has to be resolved (again).
    authority: bool,
    /// Proxies whose own declaration or metadata changed.
    proxies: BTreeSet<Arc<str>>,
    /// Services whose endpoints changed.
    services: BTreeSet<Arc<str>>,
    /// Services whose clients need other listeners and clusters.
    protocols: BTreeSet<Arc<str>>,
}

impl MeshState {
    pub(super) fn new(name: Arc<str>, admin: Option<Arc<AdminAuthority>>) -> Self {
        Self {
            context: MeshContext { name: Arc::clone(&name), ..MeshContext::default() },
            name,
            exists: false,
            dataplanes: HashMap::new(),
            policies: BTreeMap::new(),
            proxies: HashMap::new(),
            assignments: Assignments::default(),
            secrets: HashMap::new(),
            authority: None,
            admin,
            cache: Cache::default(),
            dirty: Dirty::default(),
            built_since_sweep: 0,
        }
    }

    pub(super) fn is_vacant(&self) -> bool {
        !self.exists
            && self.secrets.is_empty()
            && self.proxies.is_empty()
            && self.dataplanes.is_empty()
            && self.policies.is_empty()
    }

    pub(super) fn put(&mut self, resource: Resource) {
        match &resource.spec {
            Spec::Mesh(mesh) => self.put_mesh(Arc::clone(mesh)),
            Spec::Dataplane(dataplane) => self.set_dataplane(&resource.meta.name, Some(dataplane)),
            Spec::Other => {}
            _ => {
                self.dirty.concern.add(&resource);
                let key = (resource.meta.kind.name, Arc::clone(&resource.meta.name));
                if let Some(old) = self.policies.insert(key, resource) {
                    self.dirty.concern.add(&old);
                }
                self.dirty.policies = true;
            }
        }
    }

    pub(super) fn delete(&mut self, kind: &str, name: &Arc<str>) {
        match kind {
            "Mesh" => {
                self.exists = false;
                self.authority = None;
                self.dirty.concern.everybody();
            }
            "Dataplane" => self.set_dataplane(name, None),
            _ => {
                let Some(kind) = Kind::by_name(kind) else { return };
                if let Some(old) = self.policies.remove(&(kind.name, Arc::clone(name))) {
                    self.dirty.concern.add(&old);
                    self.dirty.policies = true;
                }
            }
        }
    }

    fn put_mesh(&mut self, mesh: Arc<Mesh>) {
        if self.context.mesh.enabled_ca() != mesh.enabled_ca() || !self.exists {
            self.dirty.authority = true;
        }
        self.exists = true;
        self.context.mesh = mesh;
        self.dirty.concern.everybody();
    }

    fn set_dataplane(&mut self, name: &Arc<str>, after: Option<&Arc<Dataplane>>) {
        let before = match after {
            Some(dataplane) => self.dataplanes.insert(Arc::clone(name), Arc::clone(dataplane)),
            None => self.dataplanes.remove(name),
        };
        if before.as_ref() == after {
            return;
        }
        for change in self.context.set_dataplane(name, before.as_deref(), after.map(|after| &**after)) {
            if change.protocol_changed {
                self.dirty.protocols.insert(Arc::clone(&change.service));
            }
            self.dirty.services.insert(change.service);
        }
        self.dirty.proxies.insert(Arc::clone(name));
    }

    /// A secret of the mesh was written or, for `None`, deleted.
    pub(super) fn set_secret(&mut self, name: &Arc<str>, data: Option<Secret>) {
        match data {
            Some(data) => drop(self.secrets.insert(Arc::clone(name), data)),
            None => drop(self.secrets.remove(name)),
        }
        if !self.context.external_services.is_empty() {
            self.dirty.policies = true;
            self.dirty.concern.everybody();
        }
        self.retry_authority();
    }

    /// The authority may come from a secret that changed, or be there now.
    pub(super) fn retry_authority(&mut self) {
        if self.context.mesh.enabled_ca().is_some() {
            self.dirty.authority = true;
        }
    }

    pub(super) fn set_authority(&mut self, backend: &CaBackend, authority: Arc<CertificateAuthority>) {
        if self.context.mesh.enabled_ca() != Some(backend) {
            return;
        }
        if self.authority.as_ref().is_some_and(|known| known.is(backend, &authority)) {
            return;
        }
        self.authority = Some(Authority::new(&self.name, backend.clone(), authority));
        self.dirty.concern.everybody();
    }

    pub(super) fn connect(&mut self, name: &Arc<str>, session: u64, metadata: ProxyMetadata) -> Views {
        self.dirty.proxies.insert(Arc::clone(name));
        let proxy = self.proxies.entry(Arc::clone(name)).or_default();
        proxy.connect(session, metadata)
    }

    pub(super) fn disconnect(&mut self, name: &Arc<str>, session: u64) {
        if self.proxies.get(name).is_some_and(|proxy| proxy.session == session) {
            self.proxies.remove(name);
        }
    }

    pub(super) fn flush(&mut self, now: Timestamp, flushed: &mut Flushed) {
        let backend = self.context.mesh.enabled_ca().filter(|_| self.exists);
        if std::mem::take(&mut self.dirty.authority) {
            flushed.authorities_wanted.extend(backend.map(|backend| (Arc::clone(&self.name), backend.clone())));
        }
        match backend {
            None => self.authority = None,
            // Without its authority the mesh cannot be what it is declared to be: proxies keep what they
            // have, and what changed stays to be done.
            Some(backend) if !self.authority.as_ref().is_some_and(|known| known.backend == *backend) => return,
            Some(_) => {}
        }
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.policies {
            self.collect_policies();
        }
        let swap = self.assignments.refresh(&self.context, &dirty.services);
        self.publish(&dirty, &swap, now, flushed);
        // Looking through everything costs as much as building it: once for each time all has been built.
        if self.built_since_sweep > 0 && self.built_since_sweep >= self.proxies.len() {
            self.built_since_sweep = 0;
            self.cache.sweep();
            self.assignments.sweep(self.proxies.values().flat_map(|proxy| &proxy.endpoints));
        }
    }

    fn publish(&mut self, dirty: &Dirty, swap: &Swap, now: Timestamp, flushed: &mut Flushed) {
        let mut memo = HashMap::new();
        let mut proxies = std::mem::take(&mut self.proxies);
        for (name, proxy) in &mut proxies {
            let concerned = dirty.proxies.contains(name)
                || proxy.consumes(&dirty.protocols)
                || self.dataplanes.get(name).is_some_and(|dataplane| {
                    consumes(dataplane, &dirty.protocols) || dirty.concern.includes(dataplane)
                });
            if concerned || proxy.rotation_due(now) {
                self.rebuild(name, proxy, now, flushed);
            } else if !swap.is_empty() {
                proxy.swap_endpoints(swap, &mut memo);
            }
            if let Some(due) = proxy.rotate_at() {
                flushed.next_rotation = Some(flushed.next_rotation.map_or(due, |other| other.min(due)));
            }
        }
        self.proxies = proxies;
    }

    fn rebuild(&mut self, name: &Arc<str>, proxy: &mut Connected, now: Timestamp, flushed: &mut Flushed) {
        let Some(dataplane) = self.dataplanes.get(name).filter(|_| self.exists).cloned() else {
            // Not declared yet, or not any more: the proxy keeps what it has and waits.
            return;
        };
        self.built_since_sweep += 1;
        let built = mesh_xds::build(
            &Proxy { mesh: &self.context, name, dataplane: &dataplane, metadata: &proxy.metadata },
            &mut self.cache,
        );
        let mut view = View::default();
        let mut by_kind: [Vec<Arc<Encoded>>; TypeUrl::ALL.len()] = Default::default();
        let assignments = built.endpoints.into_iter().map(|key| self.assignments.get(&self.context, key));
        (proxy.endpoints, by_kind[TypeUrl::Endpoint as usize]) = assignments.unzip();
        proxy.endpoints.shrink_to_fit();
        by_kind[TypeUrl::Secret as usize] = self.secrets(name, &dataplane, proxy, &built.secrets, now, flushed);
        // After the generated ones, because the last of a name stays and users' own words count.
        for resource in built.resources {
            by_kind[resource.kind as usize].push(resource);
        }
        for (kind, resources) in TypeUrl::ALL.into_iter().zip(by_kind) {
            view.set(kind, self.assignments.intern(TypeSet::new(resources)));
        }
        if proxy.problems != built.problems {
            proxy.problems.clone_from(&built.problems);
            flushed.problems.push((self.id(name), built.problems));
        }
        proxy.publish(view);
    }

    fn secrets(
        &self,
        name: &Arc<str>,
        dataplane: &Dataplane,
        proxy: &mut Connected,
        wanted: &[SecretKey],
        now: Timestamp,
        flushed: &mut Flushed,
    ) -> Vec<Arc<Encoded>> {
        if self.authority.is_none() {
            proxy.identity = None;
        }
        let mut secrets = Vec::with_capacity(wanted.len());
        for key in wanted {
            match (key, &self.authority, &self.admin) {
                (SecretKey::MeshCa, Some(authority), _) => secrets.push(Arc::clone(&authority.secret)),
                (SecretKey::Identity, Some(authority), _) => {
                    match authority.identity(dataplane, proxy.identity.as_ref(), now) {
                        Ok((identity, fresh)) => {
                            secrets.push(Arc::clone(&identity.secret));
                            if fresh {
                                let backends = self.backends();
                                flushed.issued.push(Issued::new(self.id(name), authority, &identity, backends));
                            }
                            proxy.identity = Some(identity);
                        }
                        Err(error) => self.not_issued(name, &error),
                    }
                }
                (SecretKey::AdminCa, _, Some(admin)) => secrets.push(Arc::clone(admin.secret())),
                (SecretKey::AdminIdentity, _, Some(admin)) => {
                    if proxy.admin.as_ref().is_none_or(|identity| !identity.is_for(&dataplane.address)) {
                        match admin.identity(&dataplane.address, now) {
                            Ok(identity) => proxy.admin = Some(identity),
                            Err(error) => self.not_issued(name, &error),
                        }
                    }
                    secrets.extend(proxy.admin.as_ref().map(|identity| Arc::clone(identity.secret())));
                }
                (SecretKey::MeshCa | SecretKey::Identity, None, _)
                | (SecretKey::AdminCa | SecretKey::AdminIdentity, _, None) => {}
            }
        }
        secrets
    }

    fn not_issued(&self, name: &str, error: &PkiError) {
        error!(mesh = %self.name, dataplane = %name, error = %base::report(error), "No certificate could be issued");
    }

    fn backends(&self) -> Vec<String> {
        let backends = self.context.mesh.mtls.iter().flat_map(|mtls| &mtls.backends);
        backends.map(|backend| backend.name.clone()).collect()
    }

    fn id(&self, name: &Arc<str>) -> ProxyId {
        ProxyId { mesh: Arc::clone(&self.name), name: Arc::clone(name) }
    }

    fn collect_policies(&mut self) {
        let mut set = PolicySet::default();
        self.context.external_services.clear();
        for resource in self.policies.values() {
            match &resource.spec {
                Spec::TrafficPermission(policy) => push(&mut set.traffic_permissions, resource, policy),
                Spec::TrafficRoute(policy) => push(&mut set.traffic_routes, resource, policy),
                Spec::TrafficLog(policy) => push(&mut set.traffic_logs, resource, policy),
                Spec::HealthCheck(policy) => push(&mut set.health_checks, resource, policy),
                Spec::CircuitBreaker(policy) => push(&mut set.circuit_breakers, resource, policy),
                Spec::Timeout(policy) => push(&mut set.timeouts, resource, policy),
                Spec::Retry(policy) => push(&mut set.retries, resource, policy),
                Spec::FaultInjection(policy) => push(&mut set.fault_injections, resource, policy),
                Spec::RateLimit(policy) => push(&mut set.rate_limits, resource, policy),
                Spec::TrafficTrace(policy) => push(&mut set.traffic_traces, resource, policy),
                Spec::ProxyTemplate(policy) => push(&mut set.proxy_templates, resource, policy),
                Spec::ExternalService(service) => {
                    let service = external::with_secrets(service, &self.secrets);
                    push(&mut self.context.external_services, resource, &service);
                }
                Spec::Mesh(_) | Spec::Dataplane(_) | Spec::Other => {}
            }
        }
        self.context.policies = Arc::new(set);
    }
}

/// Whether one of `services` is among those that `dataplane` consumes.
fn consumes(dataplane: &Dataplane, services: &BTreeSet<Arc<str>>) -> bool {
    !services.is_empty() && dataplane.outbounds.iter().any(|outbound| services.contains(outbound.service()))
}

/// The map is sorted by name, so the list is.
fn push<P>(list: &mut Policies<P>, resource: &Resource, policy: &Arc<P>) {
    let meta = &resource.meta;
    list.push(Named { name: Arc::clone(&meta.name), created: meta.created, policy: Arc::clone(policy) });
}
