//! Metrics of the proxy itself, for Prometheus to scrape.

use mesh_model::Protocol;
use mesh_model::policy::{HttpMatch, HttpModify, PathRewrite, StringMatch};
use proto::envoy::config::cluster::v3::Cluster;
use proto::envoy::config::core::v3::{CidrRange, TrafficDirection};
use proto::envoy::config::endpoint::v3::LbEndpoint;
use proto::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch, Listener};
use proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use proto::{Resource, TypeUrl};

use crate::route::Rule;
use crate::timeouts::Timeouts;
use crate::{cluster, http, names, tls, wire};

/// Cluster of Envoy's administration interface.
pub(crate) const ADMIN: &str = "kuma:envoy:admin";
/// Listener that scrapers connect to.
pub(crate) const LISTENER: &str = "kuma:metrics:prometheus";

/// What scraping takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Metrics {
    /// Envoy's administration interface on a port.
    Admin { address: String, port: u16 },
    /// Envoy's administration interface on a Unix socket.
    AdminSocket { path: String },
    /// A listener that shows only the metrics of it.
    Listener {
        address: String,
        port: u16,
        path: String,
        /// Mesh whose members alone may scrape, other than from the proxy's own address.
        members_of: Option<String>,
    },
}

impl Metrics {
    pub(crate) fn encode(&self) -> Resource {
        match self {
            Self::Admin { address, port } => admin(&[address], cluster::host(address, *port)),
            Self::AdminSocket { path } => admin(&[], cluster::pipe(path)),
            Self::Listener { address, port, path, members_of } => listener(address, *port, path, members_of.as_deref()),
        }
    }
}

fn admin(addresses: &[&str], endpoint: LbEndpoint) -> Resource {
    let cluster = Cluster {
        connect_timeout: Some(wire::duration(Timeouts::inbound().connect)),
        cluster_discovery_type: Some(cluster::discovery(addresses)),
        load_assignment: Some(cluster::assignment(ADMIN, vec![endpoint])),
        ..cluster::named(ADMIN)
    };
    Resource::encode(TypeUrl::Cluster, ADMIN, &cluster)
}

fn listener(address: &str, port: u16, path: &str, members_of: Option<&str>) -> Resource {
    let plain = FilterChain { filters: vec![proxy(path)], ..FilterChain::default() };
    let chains = match members_of {
        None => vec![plain],
        Some(mesh) => vec![
            FilterChain { filter_chain_match: Some(from(address)), ..plain.clone() },
            FilterChain { transport_socket: Some(tls::server(mesh)), ..plain },
        ],
    };
    let listener = Listener {
        name: LISTENER.to_owned(),
        address: Some(wire::address(address, port)),
        traffic_direction: TrafficDirection::Inbound as i32,
        filter_chains: chains,
        ..Listener::default()
    };
    Resource::encode(TypeUrl::Listener, LISTENER, &listener)
}

fn from(address: &str) -> FilterChainMatch {
    let bits = if address.contains(':') { 128 } else { 32 };
    let range = CidrRange { address_prefix: address.to_owned(), prefix_len: Some(bits) };
    FilterChainMatch { source_prefix_ranges: vec![range], ..FilterChainMatch::default() }
}

/// One path only: whatever else the interface offers stays out of reach.
fn proxy(path: &str) -> Filter {
    let rule = Rule {
        matches: HttpMatch { path: Some(StringMatch::Exact(path.to_owned())), ..HttpMatch::default() },
        modify: HttpModify { path: Some(PathRewrite::Prefix("/stats/prometheus".to_owned())), ..HttpModify::default() },
        split: vec![(ADMIN.into(), 1)],
    };
    let timeouts = Timeouts::outbound(None);
    let routes = RouteConfiguration {
        virtual_hosts: vec![VirtualHost {
            name: LISTENER.to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![rule.route(timeouts.request, false)],
            ..VirtualHost::default()
        }],
        validate_clusters: Some(false),
        ..RouteConfiguration::default()
    };
    http::filter(&http::manager(&names::metric(LISTENER), &timeouts, Protocol::Http, Vec::new(), routes))
}
