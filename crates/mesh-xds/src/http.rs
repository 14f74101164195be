//! The HTTP connection manager as inbounds and outbounds share it.

use mesh_model::Protocol;
use proto::envoy::config::core::v3::{CidrRange, HttpProtocolOptions};
use proto::envoy::config::listener::v3::Filter;
use proto::envoy::config::route::v3::RouteConfiguration;
use proto::envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
use proto::envoy::extensions::filters::http::grpc_stats::v3::filter_config::PerMethodStatSpecifier;
use proto::envoy::extensions::filters::http::router::v3::Router;
use proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    InternalAddressConfig, RouteSpecifier,
};
use proto::envoy::extensions::filters::network::http_connection_manager::v3::{HttpConnectionManager, HttpFilter};

use crate::timeouts::Timeouts;
use crate::wire;

/// Private networks and this host.
const PRIVATE: [(&str, u32); 7] = [
    ("10.0.0.0", 8),
    ("192.168.0.0", 16),
    ("172.16.0.0", 12),
    ("fc00::", 7),
    ("fd00::", 8),
    ("127.0.0.1", 32),
    ("::1", 128),
];
/// This host.
const LOOPBACK: [(&str, u32); 2] = [("127.0.0.1", 32), ("::1", 128)];

/// A connection manager with its routes in place: `filters`, those of the protocol, and the router. Only this
/// host is internal to it.
pub(crate) fn manager(
    stat_prefix: &str,
    timeouts: &Timeouts,
    protocol: Protocol,
    mut filters: Vec<HttpFilter>,
    routes: RouteConfiguration,
) -> HttpConnectionManager {
    filters.extend((protocol == Protocol::Grpc).then(grpc_stats));
    let router = "envoy.extensions.filters.http.router.v3.Router";
    filters.push(wire::http_filter("envoy.filters.http.router", router, &Router::default()));
    HttpConnectionManager {
        stat_prefix: stat_prefix.to_owned(),
        http_filters: filters,
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: Some(wire::duration(timeouts.http_idle)),
            ..HttpProtocolOptions::default()
        }),
        stream_idle_timeout: Some(wire::duration(timeouts.stream_idle)),
        internal_address_config: Some(internal(&LOOPBACK)),
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        ..HttpConnectionManager::default()
    }
}

/// The filter of a connection manager.
pub(crate) fn filter(manager: &HttpConnectionManager) -> Filter {
    let type_name = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    wire::network_filter("envoy.filters.network.http_connection_manager", type_name, manager)
}

fn grpc_stats() -> HttpFilter {
    let config = FilterConfig {
        emit_filter_state: true,
        per_method_stat_specifier: Some(PerMethodStatSpecifier::StatsForAllMethods(true)),
        ..FilterConfig::default()
    };
    wire::http_filter(
        "envoy.filters.http.grpc_stats",
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        &config,
    )
}

/// The addresses that count as internal to traffic between services: of private networks, as the mesh has them.
/// Requests from other addresses lose the headers that only Envoys are to set.
pub(crate) fn private_networks() -> InternalAddressConfig {
    internal(&PRIVATE)
}

fn internal(ranges: &[(&str, u32)]) -> InternalAddressConfig {
    let range =
        |&(address, bits): &(&str, u32)| CidrRange { address_prefix: address.to_owned(), prefix_len: Some(bits) };
    InternalAddressConfig { cidr_ranges: ranges.iter().map(range).collect(), ..InternalAddressConfig::default() }
}
