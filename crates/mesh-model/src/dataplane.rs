//! The canonical `Dataplane`.

use crate::tags::{self, Protocol, Tags};

/// A proxy: what it serves and what it wants to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataplane {
    /// `networking.address`; for the `interface` dialect the address of the first inbound.
    pub address: String,
    /// `networking.advertisedAddress`: what others connect to instead of `address`.
    pub advertised_address: Option<String>,
    /// Services offered.
    pub inbounds: Vec<Inbound>,
    /// Set when the proxy stands beside a gateway and offers nothing.
    pub gateway: Option<Gateway>,
    /// Services consumed.
    pub outbounds: Vec<Outbound>,
    /// `networking.transparentProxying`
    pub transparent: Option<TransparentProxying>,
    /// `networking.admin.port`
    pub admin_port: Option<u16>,
}

impl Dataplane {
    /// The tag sets this proxy acts as when it is the source of traffic: one per inbound, or the gateway's.
    pub fn source_tags(&self) -> impl Iterator<Item = &Tags> {
        self.gateway.iter().map(|gateway| &gateway.tags).chain(self.inbounds.iter().map(|inbound| &inbound.tags))
    }

    /// The service that identifies this proxy: its gateway's, or that of its first inbound.
    pub fn identifying_service(&self) -> &str {
        self.source_tags().next().map_or("", tags::service)
    }

    /// The services of this proxy, each once, in order of appearance.
    pub fn services(&self) -> Vec<&str> {
        let mut services = Vec::new();
        for service in self.source_tags().map(tags::service) {
            if !service.is_empty() && !services.contains(&service) {
                services.push(service);
            }
        }
        services
    }
}

/// A service offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    /// Address the proxy listens on; `Dataplane::address` unless the inbound names one.
    pub address: String,
    /// Port the proxy listens on.
    pub port: u16,
    /// Address of the application; `127.0.0.1` unless the inbound names one.
    pub service_address: String,
    /// Port of the application; `port` unless the inbound names one.
    pub service_port: u16,
    /// Tags, the service among them.
    pub tags: Tags,
    /// `name`
    pub name: Option<String>,
    /// Whether the application takes traffic (`health.ready`, `state`).
    pub ready: bool,
    /// `serviceProbe.tcp` present.
    pub service_probe: bool,
}

impl Inbound {
    /// The service offered.
    pub fn service(&self) -> &str {
        tags::service(&self.tags)
    }

    /// Protocol of the application.
    pub fn protocol(&self) -> Protocol {
        tags::protocol(&self.tags)
    }
}

/// A gateway whose inbound traffic does not pass the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Tags, the service among them.
    pub tags: Tags,
    /// Configured by the mesh (`type: BUILTIN`) instead of delegated to another product.
    pub builtin: bool,
}

/// A service consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// Address the proxy listens on for the application; `127.0.0.1` unless the outbound names one.
    pub address: String,
    /// Port the proxy listens on for the application.
    pub port: u16,
    /// What is reached: the service, and further tags that narrow it.
    pub tags: Tags,
}

impl Outbound {
    /// The service reached.
    pub fn service(&self) -> &str {
        tags::service(&self.tags)
    }
}

/// `networking.transparentProxying`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransparentProxying {
    /// `redirectPortInbound`
    pub inbound_port: u16,
    /// `redirectPortOutbound` (oldest dialect: `redirectPort`)
    pub outbound_port: u16,
    /// `directAccessServices`
    pub direct_access: Vec<String>,
    /// `reachableServices`
    pub reachable: Vec<String>,
}
