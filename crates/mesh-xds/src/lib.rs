//! From a mesh and one proxy of it to Envoy's configuration. Pure: the same input gives the same bytes.

pub mod bootstrap;

mod admin;
mod cache;
mod cluster;
mod destinations;
mod endpoints;
mod external;
mod http;
mod inbound;
mod matched;
mod metrics;
mod names;
mod outbound;
mod passthrough;
mod route;
mod secrets;
mod sidecar;
mod tcp;
mod template;
mod timeouts;
mod tls;
mod wire;

pub use admin::CONTROL_PLANE;
pub use cache::Cache;
pub use endpoints::endpoints;
pub use secrets::{admin_ca_secret, admin_identity_secret, identity_secret, mesh_ca_secret};

use std::net::IpAddr;
use std::sync::Arc;

use base::Problems;
use mesh_model::{Dataplane, MeshContext, Tags};
use proto::Resource;

/// The proxy that is configured.
#[derive(Clone, Debug)]
pub struct Proxy<'a> {
    /// Its mesh.
    pub mesh: &'a MeshContext,
    /// Its name.
    pub name: &'a str,
    /// What it declares.
    pub dataplane: &'a Dataplane,
    /// What its node metadata says.
    pub metadata: &'a ProxyMetadata,
}

/// What matters of the node metadata a proxy connects with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyMetadata {
    /// `dataplane.admin.port`; 0 or absent means the admin interface is off.
    pub admin_port: u16,
    /// `dataplane.admin.socketPath`, in place of a port.
    pub admin_socket: Option<String>,
    /// `dataplane.admin.address`
    pub admin_address: Option<String>,
    /// Whether there are certificates for showing the admin interface to the control plane on the proxy's address.
    pub admin_shown: bool,
    /// `accessLogSocketPath`, or derived from `workdir`: where `kuma-dp` takes access logs for TCP sinks.
    pub access_log_socket: Option<String>,
    /// `dataplane.readinessReporter.port`
    pub readiness_port: Option<u16>,
    /// `systemCaPath`: authorities of the proxy's machine, for services outside the mesh.
    pub system_ca_path: Option<String>,
    /// `features`
    pub features: Vec<String>,
    /// `version.kumaDp.version`
    pub dp_version: String,
    /// `version.envoy.version`
    pub envoy_version: String,
}

/// What a proxy gets, apart from what changes without its own configuration changing.
#[derive(Clone, Debug, Default)]
pub struct ProxyResources {
    /// Clusters, listeners and routes.
    pub resources: Vec<Arc<Resource>>,
    /// The endpoint assignments its clusters refer to.
    pub endpoints: Vec<EndpointsKey>,
    /// The secrets its listeners and clusters refer to.
    pub secrets: Vec<SecretKey>,
    /// What could not be configured, e.g. a raw resource of a ProxyTemplate that does not parse. The rest
    /// of the configuration is complete.
    pub problems: Problems,
}

/// An endpoint assignment, shared by every proxy of the mesh that names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointsKey {
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// Tags the endpoints have; the service among them.
    pub tags: Arc<Tags>,
}

/// A secret delivered over SDS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKey {
    /// `mesh_ca:secret:<mesh>`: trust anchors of the mesh.
    MeshCa,
    /// `identity_cert:secret:<mesh>`: certificate and key of the proxy.
    Identity,
    /// `envoy_admin:ca`: the authority of control planes.
    AdminCa,
    /// `envoy_admin:cert`: certificate and key of the proxy's admin interface.
    AdminIdentity,
}

impl ProxyMetadata {
    /// Where the control plane reaches the admin interface of a proxy at `address`.
    pub fn admin(&self, address: &str) -> AdminAccess {
        let own = self.admin_address.as_deref().unwrap_or("127.0.0.1");
        let is_anywhere = own.parse::<IpAddr>().is_ok_and(|own| own.is_unspecified());
        if self.admin_port == 0 || self.admin_socket.is_some() {
            AdminAccess::None
        } else if own == address || is_anywhere {
            AdminAccess::Plain
        } else if self.admin_shown && wire::is_ip(address) {
            AdminAccess::MutualTls
        } else {
            AdminAccess::None
        }
    }
}

/// How the control plane reaches an admin interface, at the proxy's address and the interface's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAccess {
    /// Not at all.
    None,
    /// It is there itself.
    Plain,
    /// A part of it is, for the control plane alone.
    MutualTls,
}

/// Everything that `proxy` is configured with. Resources that equal those of other proxies come out of
/// `cache` and are shared with them.
pub fn build(proxy: &Proxy<'_>, cache: &mut Cache) -> ProxyResources {
    sidecar::Sidecar::new(proxy, cache).build()
}
