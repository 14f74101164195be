//! What a data plane launcher asks for.

use std::collections::BTreeMap;

use base::{Problems, Secret};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::features;

/// Body of `POST /bootstrap`. Every key of the current protocol; the oldest one, which had `mesh`, `name`,
/// `adminPort` and `dataplaneTokenPath`, is a subset. Unknown keys are ignored, `null` means absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BootstrapRequest {
    /// Mesh of the proxy.
    pub mesh: String,
    /// Name of the proxy.
    pub name: String,
    /// `dataplane` (also when empty), `ingress` or `egress`.
    pub proxy_type: String,
    /// Port of Envoy's admin interface; 0 turns it off, absent leaves the choice to the control plane.
    pub admin_port: Option<u16>,
    /// Token the proxy authenticates with.
    #[serde(deserialize_with = "nullable")]
    pub dataplane_token: Secret,
    /// File the token came from, on the proxy's machine.
    pub dataplane_token_path: String,
    /// The whole resource, JSON or YAML, of a proxy that registers itself.
    pub dataplane_resource: String,
    /// Versions of launcher and Envoy.
    #[serde(deserialize_with = "nullable")]
    pub version: Version,
    /// PEM of the authority the launcher trusts; takes precedence over the control plane's own.
    pub ca_cert: String,
    /// Free metadata.
    #[serde(deserialize_with = "nullable")]
    pub dynamic_metadata: BTreeMap<String, String>,
    /// Port of Envoy's DNS filter; 0 when there is none.
    pub dns_port: u16,
    /// Port of the launcher's readiness endpoint; 0 when there is none.
    pub readiness_port: u16,
    /// Whether the launcher proxies application probes. The wire calls it the opposite of what it means.
    #[serde(rename = "appProbeProxyDisabled")]
    pub app_probe_proxy_enabled: bool,
    /// `linux`, `windows`, ...
    pub operating_system: String,
    /// What the launcher can do.
    #[serde(deserialize_with = "nullable")]
    pub features: Vec<String>,
    /// Memory limits.
    #[serde(deserialize_with = "nullable")]
    pub resources: Resources,
    /// Directory of pipes and sockets shared by launcher and Envoy.
    pub workdir: String,
    /// Access log pipe as launchers before `workdir` named it.
    pub access_log_socket_path: String,
    /// Certificate and key the metrics endpoint is served with.
    #[serde(deserialize_with = "nullable")]
    pub metrics_resources: MetricsResources,
    /// Bundle of the operating system's trusted authorities.
    pub system_ca_path: String,
    /// Transparent proxy settings, passed through to the node's metadata.
    pub dataplane_config: Value,
    /// Whether the proxy's machine has IPv6.
    pub ipv6_enabled: bool,
    /// Socket of a SPIRE agent.
    #[serde(deserialize_with = "nullable")]
    pub spire_resources: SpireResources,
    /// OpenTelemetry settings found in the launcher's environment, passed through to the node's metadata.
    pub otel_env: Value,
}

/// Versions of launcher and Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Version {
    /// The launcher.
    #[serde(deserialize_with = "nullable")]
    pub kuma_dp: KumaDpVersion,
    /// Envoy.
    #[serde(deserialize_with = "nullable")]
    pub envoy: EnvoyVersion,
}

/// Version of the launcher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KumaDpVersion {
    /// `2.14.3`
    pub version: String,
    /// Tag it was built from.
    pub git_tag: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// When it was built.
    pub build_date: String,
}

/// Version of Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvoyVersion {
    /// `1.40.0`
    pub version: String,
    /// `<commit>/1.40.0/Clean/RELEASE/BoringSSL`
    pub build: String,
    /// Whether the launcher supports this Envoy.
    pub kuma_dp_compatible: bool,
}

/// Memory limits of the proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resources {
    /// Bytes Envoy's heap may take; 0 when not known.
    pub max_heap_size_bytes: u64,
}

/// Files the metrics endpoint is served with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetricsResources {
    /// PEM certificate.
    pub cert_path: String,
    /// PEM key.
    pub key_path: String,
}

/// Where a SPIRE agent listens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SpireResources {
    /// Unix socket.
    pub socket_path: String,
}

/// Why a body is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not JSON, or a key has the wrong type.
    #[error("the bootstrap request is not valid JSON of the expected form")]
    Malformed(#[from] serde_json::Error),
    /// Keys are missing or contradict each other.
    #[error("the bootstrap request is not valid")]
    Invalid(#[from] Problems),
}

impl BootstrapRequest {
    /// Reads and checks a body. The caller limits its size.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let request: Self = serde_json::from_slice(body)?;
        let mut problems = Problems::default();
        if request.name.is_empty() {
            problems.add("name", "cannot be empty");
        }
        match request.proxy_type.as_str() {
            "" | "dataplane" if request.mesh.is_empty() => problems.add("mesh", "cannot be empty"),
            "" | "dataplane" | "ingress" | "egress" => {}
            _ => problems.add("proxyType", "must be one of: dataplane, ingress, egress"),
        }
        Ok(problems.into_result(request)?)
    }

    /// `proxyType` with its default.
    pub fn proxy_type(&self) -> &str {
        if self.proxy_type.is_empty() { "dataplane" } else { &self.proxy_type }
    }

    /// Node id of the proxy: `<mesh>.<name>`, without a mesh for zone proxies.
    pub fn node_id(&self) -> String {
        format!("{}.{}", self.mesh, self.name)
    }

    /// Whether Envoy is to use the incremental protocol.
    pub fn wants_delta(&self) -> bool {
        self.features.iter().any(|feature| feature == features::DELTA_GRPC)
    }

    /// The pipe Envoy writes access logs to that the launcher forwards over TCP.
    pub fn access_log_socket(&self) -> String {
        if !self.workdir.is_empty() {
            super::access_log_socket(&self.workdir, &self.name, &self.mesh)
        } else if !self.access_log_socket_path.is_empty() {
            self.access_log_socket_path.clone()
        } else {
            super::access_log_socket("/tmp", &self.name, &self.mesh)
        }
    }
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
