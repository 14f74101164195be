//! Listeners of outbounds: what the own application connects to.

mod access_log;
mod retry;

use std::sync::Arc;

use mesh_model::policy::Retry;
use mesh_model::{Protocol, Tags};
use proto::envoy::config::core::v3::TrafficDirection;
use proto::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use proto::{Resource, TypeUrl};

pub(crate) use access_log::{AccessLog, Ends};

use crate::route::{self, Rule};
use crate::timeouts::Timeouts;
use crate::{http, names, tcp, wire};

/// An outbound listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Outbound {
    pub(crate) address: String,
    pub(crate) port: u16,
    /// False when redirected connections are handed over by another listener.
    pub(crate) bind: bool,
    pub(crate) tags: Tags,
    pub(crate) service: String,
    pub(crate) protocol: Protocol,
    /// HTTP rules, the first that matches wins; the last takes everything. Of other protocols only the
    /// last counts.
    pub(crate) rules: Vec<Rule>,
    /// The host of requests becomes that of the endpoint, which is outside the mesh.
    pub(crate) external: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Option<Retry>,
    /// Value of [`route::TAGS_HEADER`], when servers want it.
    pub(crate) source_tags: Option<Arc<str>>,
    pub(crate) log: Option<AccessLog>,
}

impl Outbound {
    pub(crate) fn name(&self) -> String {
        names::outbound_listener(&self.address, self.port)
    }

    pub(crate) fn encode(&self) -> Resource {
        let name = self.name();
        let filter = if self.protocol.is_http() { self.http_proxy() } else { self.tcp_proxy() };
        let listener = Listener {
            name: name.clone(),
            address: Some(wire::address(&self.address, self.port)),
            traffic_direction: TrafficDirection::Outbound as i32,
            filter_chains: vec![FilterChain { filters: vec![filter], ..FilterChain::default() }],
            metadata: Some(wire::tags_metadata(&self.tags)),
            bind_to_port: (!self.bind).then_some(false),
            ..Listener::default()
        };
        Resource::encode(TypeUrl::Listener, name, &listener)
    }

    fn tcp_proxy(&self) -> Filter {
        let proxy = tcp::Proxy {
            stat_prefix: names::metric(&self.service),
            split: self.rules.last().map_or(&[], |rule| &rule.split),
            idle: self.timeouts.tcp_idle,
            max_connect_attempts: self.retry.as_ref().and_then(|retry| retry.tcp_max_connect_attempts),
            access_log: self.log.iter().map(AccessLog::tcp).collect(),
        };
        proxy.filter()
    }

    fn http_proxy(&self) -> Filter {
        let manager = HttpConnectionManager {
            access_log: self.log.iter().map(AccessLog::http).collect(),
            internal_address_config: Some(http::private_networks()),
            ..http::manager(&names::metric(&self.service), &self.timeouts, self.protocol, Vec::new(), self.routes())
        };
        http::filter(&manager)
    }

    fn routes(&self) -> RouteConfiguration {
        let routes = self.rules.iter().map(|rule| rule.route(self.timeouts.request, self.external));
        let header = self.source_tags.iter().map(|tags| wire::header_option(route::TAGS_HEADER, tags, false));
        RouteConfiguration {
            name: format!("outbound:{}", self.service),
            request_headers_to_add: header.collect(),
            virtual_hosts: vec![VirtualHost {
                name: self.service.clone(),
                domains: vec!["*".to_owned()],
                routes: routes.collect(),
                retry_policy: self.retry.as_ref().and_then(|retry| retry::policy(retry, self.protocol)),
                ..VirtualHost::default()
            }],
            validate_clusters: Some(false),
            ..RouteConfiguration::default()
        }
    }
}
