//! From an outbound to clusters: what a TrafficRoute makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::policy::{ExternalService, HttpMatch, HttpModify, LoadBalancer, Split, TrafficRoute};
use mesh_model::tags::{self, SERVICE, service};
use mesh_model::{MeshContext, Protocol, Tags, dataplane};

use crate::cache::Input;
use crate::cluster::{ClientTls, Destination};
use crate::external::{Endpoint, External};
use crate::route::Rule;
use crate::timeouts::Timeouts;
use crate::{Proxy, matched, names};

/// Where an outbound leads.
#[derive(Debug)]
pub(crate) struct Destinations {
    pub(crate) rules: Vec<Rule>,
    pub(crate) protocol: Protocol,
    /// All of it leads out of the mesh.
    pub(crate) external: bool,
    pub(crate) timeouts: Timeouts,
    load_balancer: Option<LoadBalancer>,
    clusters: BTreeMap<Arc<str>, Arc<Tags>>,
}

impl Destinations {
    /// Follows the most specific TrafficRoute; without one the outbound leads to what it names.
    pub(crate) fn resolve(proxy: &Proxy<'_>, outbound: &dataplane::Outbound) -> Self {
        let policies = &proxy.mesh.policies;
        let route = matched::outbound(&policies.traffic_routes, proxy.dataplane, outbound.service());
        let timeout = matched::outbound(&policies.timeouts, proxy.dataplane, outbound.service());
        let mut clusters = BTreeMap::new();
        let rules = match route {
            Some(policy) => rules(&policy.conf, &outbound.tags, &mut clusters),
            None => vec![implicit(&outbound.tags, &mut clusters)],
        };
        let external = !clusters.is_empty() && clusters.values().all(|tags| is_external(proxy.mesh, tags));
        Self {
            rules,
            protocol: protocol(proxy.mesh, &clusters),
            external,
            timeouts: Timeouts::outbound(timeout.map(|policy| &policy.conf)),
            load_balancer: route.and_then(|policy| policy.conf.load_balancer.clone()),
            clusters,
        }
    }

    /// The clusters with the tags of their endpoints.
    pub(crate) fn clusters(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Tags>)> {
        self.clusters.iter()
    }

    /// What a cluster is made of, or why it cannot be made.
    pub(crate) fn cluster(&self, proxy: &Proxy<'_>, name: &Arc<str>, tags: &Tags) -> Result<Input, &'static str> {
        let mesh = proxy.mesh;
        let policies = &mesh.policies;
        let service = service(tags);
        let breaker = matched::outbound(&policies.circuit_breakers, proxy.dataplane, service);
        let health = matched::outbound(&policies.health_checks, proxy.dataplane, service);
        let (name, timeouts, load_balancer) = (Arc::clone(name), self.timeouts.clone(), self.load_balancer.clone());
        let circuit_breaker = breaker.map(|policy| policy.conf.clone());
        let health_check = health.map(|policy| policy.conf.clone());
        if is_external(mesh, tags) {
            let endpoints =
                external(mesh, tags).map(|service| Endpoint::new(service, proxy.metadata)).collect::<Result<_, _>>()?;
            let protocol = external_protocol(mesh, tags);
            let external =
                External { name, protocol, endpoints, timeouts, load_balancer, circuit_breaker, health_check };
            return Ok(Input::External(external));
        }
        let tls = mesh.mesh.enabled_ca().map(|_| ClientTls {
            mesh: Arc::clone(&mesh.name),
            service: service.to_owned(),
            sni: names::sni(&mesh.name, tags),
        });
        let protocol = mesh.services.get(service).map_or(Protocol::Tcp, |service| service.protocol);
        Ok(Input::Destination(Destination {
            name,
            protocol,
            tls,
            timeouts,
            load_balancer,
            circuit_breaker,
            health_check,
        }))
    }
}

fn rules(route: &TrafficRoute, requested: &Tags, clusters: &mut BTreeMap<Arc<str>, Arc<Tags>>) -> Vec<Rule> {
    let http = route.http.iter().map(|rule| (&rule.matches, &rule.modify, &rule.split));
    let default = (&HttpMatch::default(), &HttpModify::default(), &route.split);
    http.chain([default])
        .map(|(matches, modify, split)| Rule {
            matches: matches.clone(),
            modify: modify.clone(),
            split: weighted(split, requested, clusters),
        })
        .collect()
}

fn implicit(requested: &Tags, clusters: &mut BTreeMap<Arc<str>, Arc<Tags>>) -> Rule {
    let whole = Split { weight: 1, destination: requested.clone() };
    Rule {
        matches: HttpMatch::default(),
        modify: HttpModify::default(),
        split: weighted(&[whole], requested, clusters),
    }
}

/// The shares of a split as clusters, which are noted. Shares of nothing are dropped.
fn weighted(split: &[Split], requested: &Tags, clusters: &mut BTreeMap<Arc<str>, Arc<Tags>>) -> Vec<(Arc<str>, u32)> {
    let sum: u64 = split.iter().map(|share| u64::from(share.weight)).sum();
    let mut shares: Vec<(Arc<str>, u32)> = Vec::with_capacity(split.len());
    for share in split.iter().filter(|share| share.weight > 0) {
        let tags = requested_or_named(&share.destination, requested);
        let name: Arc<str> = names::cluster(&tags).into();
        clusters.entry(Arc::clone(&name)).or_insert_with(|| Arc::new(tags));
        shares.push((name, fit(share.weight, sum)));
    }
    shares
}

/// Envoy adds weights up in 32 bits.
fn fit(weight: u32, sum: u64) -> u32 {
    const LARGEST: u64 = u32::MAX as u64 / 2;
    if sum <= LARGEST {
        return weight;
    }
    u32::try_from(u64::from(weight) * LARGEST / sum).expect("at most the largest").max(1)
}

/// A destination whose service is `*` is the one that was asked for, narrowed.
fn requested_or_named(destination: &Tags, requested: &Tags) -> Tags {
    let named = destination.iter().filter(|(_, value)| *value != "*");
    let named = named.map(|(key, value)| (key.clone(), value.clone()));
    if destination.get(SERVICE).is_some_and(|service| service != "*") {
        return named.collect();
    }
    requested.clone().into_iter().chain(named).collect()
}

fn external<'a>(mesh: &'a MeshContext, tags: &'a Tags) -> impl Iterator<Item = &'a ExternalService> {
    let selected = |service: &ExternalService| {
        tags.iter().all(|(key, value)| service.tags.get(key).is_some_and(|own| own == value))
    };
    mesh.external_services.iter().map(|named| &*named.policy).filter(move |service| selected(service))
}

/// A service of the mesh goes before one of the same name outside.
fn is_external(mesh: &MeshContext, tags: &Tags) -> bool {
    !mesh.services.contains_key(service(tags)) && external(mesh, tags).next().is_some()
}

fn external_protocol(mesh: &MeshContext, tags: &Tags) -> Protocol {
    external(mesh, tags).map(|service| tags::protocol(&service.tags)).reduce(Protocol::common).unwrap_or_default()
}

/// What all destinations speak. One without endpoints says nothing.
fn protocol(mesh: &MeshContext, clusters: &BTreeMap<Arc<str>, Arc<Tags>>) -> Protocol {
    let known = clusters.values().filter_map(|tags| {
        let inside = mesh.services.get(service(tags)).map(|service| service.protocol);
        inside.or_else(|| is_external(mesh, tags).then(|| external_protocol(mesh, tags)))
    });
    known.reduce(Protocol::common).unwrap_or_default()
}
