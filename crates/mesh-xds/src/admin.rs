//! Envoy's administration interface for the control plane: what shows how a proxy is configured and does, nothing that
//! changes it, and for nobody else.

use mesh_model::Protocol;
use mesh_model::policy::{HttpMatch, HttpModify, StringMatch};
use proto::envoy::config::core::v3::TrafficDirection;
use proto::envoy::config::listener::v3::{FilterChain, Listener};
use proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use proto::{Resource, TypeUrl};

use crate::metrics::ADMIN;
use crate::route::Rule;
use crate::timeouts::Timeouts;
use crate::{http, names, tls, wire};

/// Name of the listener.
pub(crate) const LISTENER: &str = "kuma:envoy:admin";

/// The name by which the control plane's certificate is known to proxies.
pub const CONTROL_PLANE: &str = "kuma://control-plane";

/// What can be asked for.
const PATHS: [&str; 3] = ["/config_dump", "/stats", "/clusters"];

/// Where the control plane reaches the interface of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Admin {
    pub(crate) address: String,
    pub(crate) port: u16,
}

impl Admin {
    pub(crate) fn encode(&self) -> Resource {
        let timeouts = Timeouts::outbound(None);
        let rule = |path: &str| Rule {
            matches: HttpMatch {
                method: Some(StringMatch::Exact("GET".to_owned())),
                path: Some(StringMatch::Exact(path.to_owned())),
                ..HttpMatch::default()
            },
            modify: HttpModify::default(),
            split: vec![(ADMIN.into(), 1)],
        };
        let routes = RouteConfiguration {
            virtual_hosts: vec![VirtualHost {
                name: LISTENER.to_owned(),
                domains: vec!["*".to_owned()],
                routes: PATHS.iter().map(|path| rule(path).route(timeouts.request, false)).collect(),
                ..VirtualHost::default()
            }],
            validate_clusters: Some(false),
            ..RouteConfiguration::default()
        };
        let manager = http::manager(&names::metric(LISTENER), &timeouts, Protocol::Http, Vec::new(), routes);
        let listener = Listener {
            name: LISTENER.to_owned(),
            address: Some(wire::address(&self.address, self.port)),
            traffic_direction: TrafficDirection::Inbound as i32,
            filter_chains: vec![FilterChain {
                filters: vec![http::filter(&manager)],
                transport_socket: Some(tls::admin_server(CONTROL_PLANE)),
                ..FilterChain::default()
            }],
            ..Listener::default()
        };
        Resource::encode(TypeUrl::Listener, LISTENER, &listener)
    }
}
