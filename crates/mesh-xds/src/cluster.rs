//! Clusters: the application behind an inbound, and the destinations of outbounds.

mod breaker;
mod health;
mod protocol;

use std::sync::Arc;

use mesh_model::Protocol;
use mesh_model::policy::{CircuitBreaker, HashFunction, HealthCheck, LoadBalancer};
use proto::envoy::config::cluster::v3::Cluster;
use proto::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbConfig, LbPolicy, LeastRequestLbConfig, RingHashLbConfig,
    ring_hash_lb_config,
};
use proto::envoy::config::core::v3::BindConfig;
use proto::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use proto::{Resource, TypeUrl};

pub(crate) use protocol::{HttpVersion, protocol_options};

use crate::timeouts::Timeouts;
use crate::{names, tls, wire};

/// The application behind an inbound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Local {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// Connections come from a reserved loopback address, so that redirection rules tell them apart.
    pub(crate) transparent: bool,
}

impl Local {
    pub(crate) fn encode(&self) -> Resource {
        let timeouts = Timeouts::inbound();
        let http = match self.protocol {
            Protocol::Http => Some(HttpVersion::One),
            Protocol::Http2 | Protocol::Grpc => Some(HttpVersion::Two),
            Protocol::Tcp | Protocol::Tls | Protocol::Kafka => None,
        };
        let mut cluster = Cluster {
            connect_timeout: Some(wire::duration(timeouts.connect)),
            load_assignment: Some(assignment(&self.name, vec![host(&self.address, self.port)])),
            cluster_discovery_type: Some(discovery(&[&self.address])),
            typed_extension_protocol_options: http
                .map(|version| protocol_options(version, Some(&timeouts)))
                .into_iter()
                .collect(),
            ..named(&self.name)
        };
        if self.transparent && !is_loopback(&self.address) {
            cluster.upstream_bind_config = Some(BindConfig {
                source_address: Some(wire::socket(source(&self.address), 0)),
                ..BindConfig::default()
            });
        }
        Resource::encode(TypeUrl::Cluster, self.name.as_str(), &cluster)
    }
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The reserved source address of the family of `address`.
pub(crate) fn source(address: &str) -> &'static str {
    if address.contains(':') { "::6" } else { "127.0.0.6" }
}

/// A destination in the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    pub(crate) name: Arc<str>,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) timeouts: Timeouts,
    pub(crate) load_balancer: Option<LoadBalancer>,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) health_check: Option<HealthCheck>,
}

/// Who is expected at the other end of mutual TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientTls {
    pub(crate) mesh: Arc<str>,
    pub(crate) service: String,
    pub(crate) sni: String,
}

impl Destination {
    pub(crate) fn encode(&self) -> Resource {
        let idle = self.protocol.is_http().then_some(&self.timeouts);
        let mut cluster = Cluster {
            connect_timeout: Some(wire::duration(self.timeouts.connect)),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32)),
            eds_cluster_config: Some(EdsClusterConfig { eds_config: Some(wire::ads()), ..EdsClusterConfig::default() }),
            transport_socket: self.tls.as_ref().map(|tls| tls::client(&tls.mesh, &tls.service, &tls.sni)),
            // Proxies speak HTTP/2 with each other whatever their applications speak.
            typed_extension_protocol_options: [protocol_options(HttpVersion::Two, idle)].into(),
            ..named(&self.name)
        };
        self.policies().apply(&mut cluster);
        Resource::encode(TypeUrl::Cluster, Arc::clone(&self.name), &cluster)
    }

    fn policies(&self) -> Policies<'_> {
        Policies {
            protocol: self.protocol,
            load_balancer: self.load_balancer.as_ref(),
            circuit_breaker: self.circuit_breaker.as_ref(),
            health_check: self.health_check.as_ref(),
        }
    }
}

/// Policies that act on a cluster of any discovery type.
#[derive(Debug)]
pub(crate) struct Policies<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) load_balancer: Option<&'a LoadBalancer>,
    pub(crate) circuit_breaker: Option<&'a CircuitBreaker>,
    pub(crate) health_check: Option<&'a HealthCheck>,
}

impl Policies<'_> {
    pub(crate) fn apply(&self, cluster: &mut Cluster) {
        if let Some(balancer) = self.load_balancer {
            balance(balancer, cluster);
        }
        if let Some(policy) = self.health_check {
            health::apply(policy, self.protocol, cluster);
        }
        if let Some(policy) = self.circuit_breaker {
            breaker::apply(policy, cluster);
        }
    }
}

fn balance(balancer: &LoadBalancer, cluster: &mut Cluster) {
    let (policy, config) = match balancer {
        LoadBalancer::RoundRobin => (LbPolicy::RoundRobin, None),
        LoadBalancer::Random => (LbPolicy::Random, None),
        LoadBalancer::Maglev => (LbPolicy::Maglev, None),
        LoadBalancer::LeastRequest { choices } => {
            let config = LeastRequestLbConfig { choice_count: Some((*choices).max(2)), ..Default::default() };
            (LbPolicy::LeastRequest, (*choices > 0).then_some(LbConfig::LeastRequestLbConfig(config)))
        }
        LoadBalancer::RingHash { function, min_size, max_size } => {
            let function = match function {
                HashFunction::XxHash => ring_hash_lb_config::HashFunction::XxHash,
                HashFunction::MurmurHash2 => ring_hash_lb_config::HashFunction::MurmurHash2,
            };
            let config = RingHashLbConfig {
                hash_function: function as i32,
                minimum_ring_size: (*min_size > 0).then_some((*min_size).min(LARGEST_RING)),
                maximum_ring_size: (*max_size > 0).then_some((*max_size).min(LARGEST_RING)),
            };
            (LbPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config)))
        }
    };
    cluster.lb_policy = policy as i32;
    cluster.lb_config = config;
}

/// Envoy refuses larger rings.
const LARGEST_RING: u64 = 8_388_608;

/// A cluster with its name in statistics.
pub(crate) fn named(name: &str) -> Cluster {
    let metric = names::metric(name);
    let alt_stat_name = if metric == name { String::new() } else { metric };
    Cluster { name: name.to_owned(), alt_stat_name, ..Cluster::default() }
}

/// IP addresses are static, anything else is resolved by Envoy.
pub(crate) fn discovery(addresses: &[&str]) -> ClusterDiscoveryType {
    let kind = if addresses.iter().all(|address| wire::is_ip(address)) {
        DiscoveryType::Static
    } else {
        DiscoveryType::StrictDns
    };
    ClusterDiscoveryType::Type(kind as i32)
}

/// Endpoints that are part of the cluster.
pub(crate) fn assignment(name: &str, endpoints: Vec<LbEndpoint>) -> ClusterLoadAssignment {
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints: endpoints, ..LocalityLbEndpoints::default() }],
        ..ClusterLoadAssignment::default()
    }
}

/// One endpoint.
pub(crate) fn host(address: &str, port: u16) -> LbEndpoint {
    endpoint(wire::address(address, port))
}

/// One endpoint on a Unix socket.
pub(crate) fn pipe(path: &str) -> LbEndpoint {
    endpoint(wire::pipe(path))
}

fn endpoint(address: proto::envoy::config::core::v3::Address) -> LbEndpoint {
    let endpoint = Endpoint { address: Some(address), ..Endpoint::default() };
    LbEndpoint { host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)), ..LbEndpoint::default() }
}
