//! Redirected traffic: the listeners that take it, and the clusters of what no outbound or inbound claims.

use proto::envoy::config::cluster::v3::Cluster;
use proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType, LbPolicy};
use proto::envoy::config::core::v3::{BindConfig, TrafficDirection};
use proto::envoy::config::listener::v3::{FilterChain, Listener};
use proto::{Resource, TypeUrl};

use crate::timeouts::Timeouts;
use crate::{cluster, names, tcp, wire};

/// A listener or a cluster for redirected traffic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Passthrough {
    Listener {
        direction: Direction,
        port: u16,
        /// Otherwise connections that nothing claims are closed.
        open: bool,
    },
    Cluster(Direction),
}

/// Which way traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound:passthrough:ipv4",
            Self::Outbound => "outbound:passthrough:ipv4",
        }
    }
}

impl Passthrough {
    pub(crate) fn encode(&self) -> Resource {
        match *self {
            Self::Listener { direction, port, open } => listener(direction, port, open),
            Self::Cluster(direction) => original_destination(direction),
        }
    }
}

fn listener(direction: Direction, port: u16, open: bool) -> Resource {
    let name = direction.name();
    let split = [(name.into(), 1)];
    let proxy = tcp::Proxy {
        stat_prefix: names::metric(name),
        split: if open { &split } else { &[] },
        idle: Timeouts::inbound().tcp_idle,
        max_connect_attempts: None,
        access_log: Vec::new(),
    };
    let traffic = match direction {
        Direction::Inbound => TrafficDirection::Inbound,
        Direction::Outbound => TrafficDirection::Outbound,
    };
    let listener = Listener {
        name: name.to_owned(),
        address: Some(wire::address("0.0.0.0", port)),
        traffic_direction: traffic as i32,
        use_original_dst: Some(true),
        filter_chains: vec![FilterChain { filters: vec![proxy.filter()], ..FilterChain::default() }],
        ..Listener::default()
    };
    Resource::encode(TypeUrl::Listener, name, &listener)
}

fn original_destination(direction: Direction) -> Resource {
    let name = direction.name();
    let source =
        BindConfig { source_address: Some(wire::socket(cluster::source("0.0.0.0"), 0)), ..BindConfig::default() };
    let cluster = Cluster {
        connect_timeout: Some(wire::duration(Timeouts::outbound(None).connect)),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::OriginalDst as i32)),
        lb_policy: LbPolicy::ClusterProvided as i32,
        upstream_bind_config: (direction == Direction::Inbound).then_some(source),
        ..cluster::named(name)
    };
    Resource::encode(TypeUrl::Cluster, name, &cluster)
}
