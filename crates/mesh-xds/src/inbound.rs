//! Listeners of inbounds: what clients of a service connect to.

mod fault;
mod rate_limit;
mod rbac;

use std::sync::Arc;

use mesh_model::mesh::TlsMode;
use mesh_model::policy::{FaultInjection, RateLimit};
use mesh_model::{Protocol, Tags};
use proto::envoy::config::core::v3::TrafficDirection;
use proto::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, listener_filter,
};
use proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use proto::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    ForwardClientCertDetails, SetCurrentClientCertDetails,
};
use proto::envoy::extensions::filters::network::http_connection_manager::v3::{HttpConnectionManager, HttpFilter};
use proto::{Resource, TypeUrl};

pub(crate) use rbac::{Access, Permission};

use crate::timeouts::Timeouts;
use crate::{http, names, route, tcp, tls, wire};

/// An inbound listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Inbound {
    pub(crate) address: String,
    pub(crate) port: u16,
    /// False when redirected connections are handed over by another listener.
    pub(crate) bind: bool,
    pub(crate) tags: Tags,
    pub(crate) service: String,
    /// Cluster of the application.
    pub(crate) cluster: String,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<ServerTls>,
    /// Faults with the tags of those who get them, the most specific first.
    pub(crate) faults: Vec<(Vec<Tags>, FaultInjection)>,
    /// Limits with the tags of those who are limited, the most specific first.
    pub(crate) limits: Vec<(Vec<Tags>, RateLimit)>,
}

/// Mutual TLS and who may pass it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerTls {
    pub(crate) mesh: Arc<str>,
    pub(crate) mode: TlsMode,
    pub(crate) access: Access,
}

impl Inbound {
    pub(crate) fn name(&self) -> String {
        names::inbound_listener(&self.address, self.port)
    }

    pub(crate) fn encode(&self) -> Resource {
        let name = self.name();
        let permissive = self.tls.as_ref().is_some_and(|tls| tls.mode == TlsMode::Permissive);
        let listener = Listener {
            name: name.clone(),
            address: Some(wire::address(&self.address, self.port)),
            traffic_direction: TrafficDirection::Inbound as i32,
            filter_chains: self.filter_chains(&name),
            listener_filters: permissive.then(tls_inspector).into_iter().collect(),
            metadata: Some(wire::tags_metadata(&self.tags)),
            bind_to_port: (!self.bind).then_some(false),
            ..Listener::default()
        };
        Resource::encode(TypeUrl::Listener, name, &listener)
    }

    fn filter_chains(&self, listener: &str) -> Vec<FilterChain> {
        let Some(server) = &self.tls else {
            return vec![FilterChain { filters: vec![self.proxy()], ..FilterChain::default() }];
        };
        let mutual = FilterChain {
            filters: self.guarded(listener, server),
            transport_socket: Some(tls::server(&server.mesh)),
            ..FilterChain::default()
        };
        match server.mode {
            TlsMode::Strict => vec![mutual],
            TlsMode::Permissive => vec![
                FilterChain { filters: vec![self.proxy()], ..chain_for("raw_buffer", &[]) },
                // The application's own TLS is bytes to us.
                FilterChain { filters: vec![self.tcp_proxy()], ..chain_for("tls", &[]) },
                FilterChain { filter_chain_match: chain_for("tls", &[tls::ALPN]).filter_chain_match, ..mutual },
            ],
        }
    }

    fn proxy(&self) -> Filter {
        if self.protocol.is_http() { self.http_proxy(None) } else { self.tcp_proxy() }
    }

    /// Filters for members of the mesh.
    fn guarded(&self, listener: &str, server: &ServerTls) -> Vec<Filter> {
        if self.protocol.is_http() && server.access == Access::Refused {
            return vec![self.http_proxy(Some(rbac::refusal()))];
        }
        vec![rbac::filter(listener, &server.mesh, &server.access), self.proxy()]
    }

    fn tcp_proxy(&self) -> Filter {
        let proxy = tcp::Proxy {
            stat_prefix: names::metric(&self.cluster),
            split: &[(self.cluster.as_str().into(), 1)],
            idle: Timeouts::inbound().tcp_idle,
            max_connect_attempts: None,
            access_log: Vec::new(),
        };
        proxy.filter()
    }

    fn http_proxy(&self, first: Option<HttpFilter>) -> Filter {
        let mut filters: Vec<_> = first.into_iter().collect();
        filters.extend(self.faults.iter().map(|(sources, fault)| fault::filter(sources, fault)));
        filters.extend((!self.limits.is_empty()).then(rate_limit::filter));
        let manager = HttpConnectionManager {
            forward_client_cert_details: ForwardClientCertDetails::SanitizeSet as i32,
            set_current_client_cert_details: Some(SetCurrentClientCertDetails {
                uri: true,
                ..SetCurrentClientCertDetails::default()
            }),
            internal_address_config: Some(http::private_networks()),
            ..http::manager(&names::metric(&self.cluster), &Timeouts::inbound(), self.protocol, filters, self.routes())
        };
        http::filter(&manager)
    }

    fn routes(&self) -> RouteConfiguration {
        let default = route::to_cluster(&self.cluster, Timeouts::inbound().request);
        let mut routes: Vec<_> =
            self.limits.iter().map(|(sources, limit)| rate_limit::route(sources, limit, default.clone())).collect();
        routes.push(default);
        RouteConfiguration {
            name: format!("inbound:{}", self.service),
            request_headers_to_remove: vec![route::TAGS_HEADER.to_owned()],
            virtual_hosts: vec![VirtualHost {
                name: self.service.clone(),
                domains: vec!["*".to_owned()],
                routes,
                ..VirtualHost::default()
            }],
            validate_clusters: Some(false),
            ..RouteConfiguration::default()
        }
    }
}

fn chain_for(transport: &str, applications: &[&str]) -> FilterChain {
    let matched = FilterChainMatch {
        transport_protocol: transport.to_owned(),
        application_protocols: applications.iter().map(|&name| name.to_owned()).collect(),
        ..FilterChainMatch::default()
    };
    FilterChain { filter_chain_match: Some(matched), ..FilterChain::default() }
}

fn tls_inspector() -> ListenerFilter {
    let config = wire::any("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", &TlsInspector::default());
    ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".to_owned(),
        config_type: Some(listener_filter::ConfigType::TypedConfig(config)),
        ..ListenerFilter::default()
    }
}
