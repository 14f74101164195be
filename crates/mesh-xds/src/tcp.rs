//! Proxying of bytes.

use std::sync::Arc;
use std::time::Duration;

use proto::envoy::config::accesslog::v3::AccessLog;
use proto::envoy::config::listener::v3::Filter;
use proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use proto::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::{
    ClusterSpecifier, WeightedCluster, weighted_cluster,
};

use crate::wire;

/// A cluster that is never defined: connections that have nowhere to go are closed.
const NOWHERE: &str = "kuma:no-destination";

/// A TCP proxy filter.
#[derive(Debug)]
pub(crate) struct Proxy<'a> {
    pub(crate) stat_prefix: String,
    /// Clusters with weights, none of them 0.
    pub(crate) split: &'a [(Arc<str>, u32)],
    pub(crate) idle: Duration,
    pub(crate) max_connect_attempts: Option<u32>,
    pub(crate) access_log: Vec<AccessLog>,
}

impl Proxy<'_> {
    pub(crate) fn filter(self) -> Filter {
        let config = TcpProxy {
            stat_prefix: self.stat_prefix,
            cluster_specifier: Some(cluster_specifier(self.split)),
            idle_timeout: Some(wire::duration(self.idle)),
            max_connect_attempts: self.max_connect_attempts.filter(|attempts| *attempts > 0),
            access_log: self.access_log,
            ..TcpProxy::default()
        };
        let type_name = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
        wire::network_filter("envoy.filters.network.tcp_proxy", type_name, &config)
    }
}

fn cluster_specifier(split: &[(Arc<str>, u32)]) -> ClusterSpecifier {
    match split {
        [] => ClusterSpecifier::Cluster(NOWHERE.to_owned()),
        [(cluster, _)] => ClusterSpecifier::Cluster(cluster.to_string()),
        split => {
            let weight = |(cluster, weight): &(Arc<str>, u32)| weighted_cluster::ClusterWeight {
                name: cluster.to_string(),
                weight: *weight,
                ..Default::default()
            };
            ClusterSpecifier::WeightedClusters(WeightedCluster { clusters: split.iter().map(weight).collect() })
        }
    }
}
