//! Whom a policy concerns: only they are built anew when it comes, changes or goes.

use mesh_model::matching::rank;
use mesh_model::policy::{Connection, Selected};
use mesh_model::{Dataplane, Resource, Spec, Tags};

/// Proxies, described by selectors; a sum over policies.
#[derive(Debug, Default)]
pub(super) struct Concern {
    everybody: bool,
    /// Proxies one of which tag sets, as a source of traffic, one of these selects.
    sources: Vec<Tags>,
    /// Proxies with an inbound that one of these selects.
    destinations: Vec<Tags>,
}

impl Concern {
    /// Adds everybody.
    pub(super) fn everybody(&mut self) {
        self.everybody = true;
    }

    /// Adds whom `policy` concerns.
    pub(super) fn add(&mut self, policy: &Resource) {
        match &policy.spec {
            Spec::TrafficRoute(policy) => self.add_clients(policy),
            Spec::TrafficLog(policy) => self.add_clients(policy),
            Spec::HealthCheck(policy) => self.add_clients(policy),
            Spec::CircuitBreaker(policy) => self.add_clients(policy),
            Spec::Timeout(policy) => self.add_clients(policy),
            Spec::Retry(policy) => self.add_clients(policy),
            Spec::TrafficPermission(policy) => self.destinations.extend_from_slice(&policy.destinations),
            Spec::TrafficTrace(policy) => self.add_selected(policy),
            Spec::ProxyTemplate(policy) => self.add_selected(policy),
            // With the first of these every client starts to say who it is.
            Spec::FaultInjection(_) | Spec::RateLimit(_) => self.everybody(),
            // Reached by tags, so by anybody.
            Spec::ExternalService(_) => self.everybody(),
            Spec::Mesh(_) | Spec::Dataplane(_) | Spec::Other => self.everybody(),
        }
    }

    fn add_clients<C>(&mut self, policy: &Connection<C>) {
        self.sources.extend_from_slice(&policy.sources);
    }

    fn add_selected<C>(&mut self, policy: &Selected<C>) {
        if policy.selectors.is_empty() {
            self.everybody();
        }
        self.sources.extend_from_slice(&policy.selectors);
    }

    /// Whether `dataplane` is one of them.
    pub(super) fn includes(&self, dataplane: &Dataplane) -> bool {
        let selects = |selectors: &[Tags], tags: &Tags| selectors.iter().any(|selector| rank(selector, tags).is_some());
        self.everybody
            || dataplane.source_tags().any(|tags| selects(&self.sources, tags))
            || dataplane.inbounds.iter().any(|inbound| selects(&self.destinations, &inbound.tags))
    }
}
