//! Everything of one mesh that proxies are configured from: immutable, shared, replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::{
    CircuitBreaker, Connection, ExternalService, FaultInjection, HealthCheck, Named, ProxyTemplate, RateLimit, Retry,
    Selected, Timeout, TrafficLog, TrafficPermission, TrafficRoute, TrafficTrace,
};
use crate::tags::{Protocol, Tags};
use crate::{Dataplane, Mesh};

/// Policies of one kind, sorted by name.
pub type Policies<P> = Vec<Named<Arc<P>>>;

/// One mesh at one revision.
#[derive(Clone, Debug, Default)]
pub struct MeshContext {
    /// Name of the mesh.
    pub name: Arc<str>,
    /// The mesh itself.
    pub mesh: Arc<Mesh>,
    /// Endpoints by service; kept up to date by the owner with [`MeshContext::set_dataplane`].
    pub services: BTreeMap<Arc<str>, Arc<Service>>,
    /// Services outside the mesh, sorted by name.
    pub external_services: Policies<ExternalService>,
    /// Policies, each list sorted by name.
    pub policies: Arc<PolicySet>,
}

/// A service as clients see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// What all its endpoints speak.
    pub protocol: Protocol,
    /// Sorted by address, then port. Endpoints that are not ready are left out.
    pub endpoints: Vec<Endpoint>,
}

/// One inbound of one proxy, as an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The proxy it belongs to.
    pub dataplane: Arc<str>,
    /// What clients connect to.
    pub address: String,
    /// What clients connect to.
    pub port: u16,
    /// All its tags, the service among them.
    pub tags: Arc<Tags>,
}

/// Every policy of a mesh.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the kind of its name")]
pub struct PolicySet {
    pub traffic_permissions: Policies<Connection<TrafficPermission>>,
    pub traffic_routes: Policies<Connection<TrafficRoute>>,
    pub traffic_logs: Policies<Connection<TrafficLog>>,
    pub health_checks: Policies<Connection<HealthCheck>>,
    pub circuit_breakers: Policies<Connection<CircuitBreaker>>,
    pub timeouts: Policies<Connection<Timeout>>,
    pub retries: Policies<Connection<Retry>>,
    pub fault_injections: Policies<Connection<FaultInjection>>,
    pub rate_limits: Policies<Connection<RateLimit>>,
    pub traffic_traces: Policies<Selected<TrafficTrace>>,
    pub proxy_templates: Policies<Selected<ProxyTemplate>>,
}

impl MeshContext {
    /// Replaces what the proxy `name` contributes to services: `before` is what it was (if it was), `after`
    /// what it is (if it still is). Returns the services whose endpoints changed.
    pub fn set_dataplane(
        &mut self,
        name: &Arc<str>,
        before: Option<&Dataplane>,
        after: Option<&Dataplane>,
    ) -> Vec<ServiceChange> {
        let mut touched: BTreeMap<Arc<str>, Vec<Endpoint>> = BTreeMap::new();
        for inbound in before.iter().flat_map(|dataplane| &dataplane.inbounds) {
            touched.entry(inbound.service().into()).or_default();
        }
        for (service, endpoint) in after.iter().flat_map(|dataplane| endpoints(name, dataplane)) {
            touched.entry(service.into()).or_default().push(endpoint);
        }
        touched.into_iter().filter_map(|(service, endpoints)| self.set_endpoints(service, name, endpoints)).collect()
    }

    fn set_endpoints(&mut self, service: Arc<str>, of: &Arc<str>, new: Vec<Endpoint>) -> Option<ServiceChange> {
        let old = self.services.get(&service).cloned().unwrap_or_default();
        let mut endpoints: Vec<_> = old.endpoints.iter().filter(|one| one.dataplane != *of).cloned().collect();
        endpoints.extend(new);
        endpoints.sort_by(|a, b| (&a.address, a.port, &a.dataplane).cmp(&(&b.address, b.port, &b.dataplane)));
        if endpoints == old.endpoints {
            return None;
        }
        let protocol = endpoints
            .iter()
            .map(|endpoint| crate::tags::protocol(&endpoint.tags))
            .reduce(Protocol::common)
            .unwrap_or_default();
        let protocol_changed = protocol != old.protocol || endpoints.is_empty() != old.endpoints.is_empty();
        if endpoints.is_empty() {
            self.services.remove(&service);
        } else {
            self.services.insert(Arc::clone(&service), Arc::new(Service { protocol, endpoints }));
        }
        Some(ServiceChange { service, protocol_changed })
    }
}

/// What a change of a proxy did to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceChange {
    /// The service.
    pub service: Arc<str>,
    /// Clients need new listeners and clusters too, not only new endpoints.
    pub protocol_changed: bool,
}

fn endpoints<'a>(name: &'a Arc<str>, dataplane: &'a Dataplane) -> impl Iterator<Item = (&'a str, Endpoint)> {
    dataplane.inbounds.iter().filter(|inbound| inbound.ready).map(move |inbound| {
        let address = dataplane
            .advertised_address
            .as_ref()
            .filter(|_| inbound.address == dataplane.address)
            .unwrap_or(&inbound.address);
        let endpoint = Endpoint {
            dataplane: Arc::clone(name),
            address: address.clone(),
            port: inbound.port,
            tags: Arc::new(inbound.tags.clone()),
        };
        (inbound.service(), endpoint)
    })
}

#[cfg(test)]
mod tests;
