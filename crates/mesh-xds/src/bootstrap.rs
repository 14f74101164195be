//! The configuration Envoy starts with: who it is and where its control plane is. Pure; what is served over
//! the network is made from a [`BootstrapRequest`] and the control plane's [`BootstrapParams`].
//!
//! The oldest launchers asked for Envoy's v2 configuration, which no Envoy of today reads and which could not
//! name the v3 resources served here: they get the same v3 bootstrap.

pub mod features;
mod request;

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub use request::{
    BootstrapRequest, EnvoyVersion, KumaDpVersion, MetricsResources, RequestError, Resources, SpireResources, Version,
};

/// Cluster of the control plane.
pub const ADS_CLUSTER: &str = "ads_cluster";
/// Cluster of the launcher's access log receiver.
pub const ACCESS_LOG_CLUSTER: &str = "access_log_sink";
/// Mode of the admin interface's socket: 0600.
const OWNER_ONLY: u32 = 0o600;
/// Static secret with which the control plane's certificate is verified.
pub const CONTROL_PLANE_VALIDATION: &str = "cp_validation_ctx";

/// What the control plane contributes to every bootstrap.
#[derive(Clone, Debug)]
pub struct BootstrapParams {
    /// Host Envoy connects to: the configured one, or the one the request was sent to.
    pub xds_host: String,
    /// Port Envoy connects to.
    pub xds_port: u16,
    /// How long a connection attempt may take.
    pub xds_connect_timeout: Duration,
    /// PEM of what the control plane's certificate is verified with, unless the request brings its own.
    pub ca_pem: String,
    /// Address of Envoy's admin interface.
    pub admin_address: String,
    /// `networking.admin.port` of the Dataplane; takes precedence over a port in the request.
    pub dataplane_admin_port: Option<u16>,
    /// Port of the admin interface when neither Dataplane nor request name one; 0 turns it off.
    pub default_admin_port: u16,
    /// Whether the admin interface is a Unix socket in the launcher's work directory, when neither Dataplane nor
    /// request name a port.
    pub admin_unix_socket: bool,
    /// Where Envoy logs access to its admin interface; empty turns that log off.
    pub admin_access_log_path: String,
}

/// Where Envoy's admin interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Nowhere.
    Off,
    /// On a port of [`BootstrapParams::admin_address`].
    Port(u16),
    /// On a Unix socket that only its owner may use.
    Socket(String),
}

impl BootstrapParams {
    /// Where the admin interface of a proxy is. A launcher that turns it off has the last word.
    pub fn admin(&self, request: &BootstrapRequest) -> Admin {
        if request.admin_port == Some(0) {
            return Admin::Off;
        }
        let named = self.dataplane_admin_port.or(request.admin_port);
        if named.is_none() && self.admin_unix_socket && !request.workdir.is_empty() {
            return Admin::Socket(format!("{}/kuma-envoy-admin.sock", request.workdir.trim_end_matches('/')));
        }
        match named.unwrap_or(self.default_admin_port) {
            0 => Admin::Off,
            port => Admin::Port(port),
        }
    }
}

/// Envoy's bootstrap (v3, JSON form). `service` identifies the proxy's workload and becomes `node.cluster`.
pub fn render(request: &BootstrapRequest, params: &BootstrapParams, service: &str) -> Value {
    let mut bootstrap = json!({
        "node": {
            "id": request.node_id(),
            "cluster": service,
            "metadata": metadata(request, params),
        },
        "dynamicResources": {
            "ldsConfig": over_ads(),
            "cdsConfig": over_ads(),
            "adsConfig": ads(request),
        },
        "staticResources": {
            "clusters": [access_log_cluster(request, params), ads_cluster(params)],
            "secrets": [control_plane_validation(request, params)],
        },
        "layeredRuntime": { "layers": [{
            "name": "kuma",
            "staticLayer": {
                "re2.max_program_size.error_level": u32::MAX,
                "re2.max_program_size.warn_level": 1000,
            },
        }] },
        "statsConfig": { "statsTags": STATS_TAGS.map(|(name, regex)| json!({ "tagName": name, "regex": regex })) },
        "defaultRegexEngine": {
            "name": "envoy.regex_engines.google_re2",
            "typedConfig": { "@type": "type.googleapis.com/envoy.extensions.regex_engines.v3.GoogleRE2" },
        },
    });
    let address = match params.admin(request) {
        Admin::Off => None,
        Admin::Port(port) => Some(json!({ "socketAddress": { "address": params.admin_address, "portValue": port } })),
        Admin::Socket(path) => Some(json!({ "pipe": { "path": path, "mode": OWNER_ONLY } })),
    };
    if let Some(address) = address {
        bootstrap["admin"] = admin(params, &address);
    }
    bootstrap
}

/// The YAML form of a bootstrap.
pub fn to_yaml(bootstrap: &Value) -> String {
    serde_norway::to_string(bootstrap).expect("maps with text keys, lists and scalars have a YAML form")
}

/// The answer to a bootstrap request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapAnswer {
    /// Value of the `Content-Type` header.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl BootstrapAnswer {
    /// The form that the request's `Accept` header asks for: JSON around the YAML when it names JSON, else bare YAML.
    /// `address` is the proxy's `networking.address`.
    pub fn new(bootstrap: &Value, accept: Option<&str>, address: &str) -> Self {
        let yaml = to_yaml(bootstrap);
        if !accept.is_some_and(|accept| accept.contains("application/json")) {
            return Self { content_type: "text/x-yaml", body: yaml };
        }
        let body = json!({
            "bootstrap": STANDARD.encode(yaml),
            "kumaSidecarConfiguration": { "networking": { "address": address }, "metrics": { "aggregate": [] } },
        });
        Self { content_type: "application/json", body: body.to_string() }
    }
}

/// The pipe in `workdir` that Envoy writes access logs for TCP receivers to. Cut to what fits the address of
/// a Unix socket.
pub fn access_log_socket(workdir: &str, name: &str, mesh: &str) -> String {
    const LONGEST: usize = 98;
    let mut path = format!("{}/kuma-al-{name}-{mesh}", workdir.trim_end_matches('/'));
    path.truncate(path.floor_char_boundary(LONGEST));
    path.push_str(".sock");
    path
}

const STATS_TAGS: [(&str, &str); 6] = [
    ("name", r"^grpc\.((.+)\.)"),
    ("status", r"^grpc.*streams_closed(_([0-9]+))"),
    ("kafka_name", r"^kafka(\.(\S*[0-9]))\."),
    ("kafka_type", r"^kafka\..*\.(.*?(?=_duration|$))"),
    ("worker", r"(worker_([0-9]+)\.)"),
    ("listener", r"((.+?)\.)rbac\."),
];

fn metadata(request: &BootstrapRequest, params: &BootstrapParams) -> Map<String, Value> {
    let mut metadata = Map::new();
    let mut put = |key: &str, value: Value| {
        metadata.insert(key.to_owned(), value);
    };
    put("version", json!(request.version));
    put("features", json!(request.features));
    put("workdir", json!(request.workdir));
    put("metricsCertPath", json!(request.metrics_resources.cert_path));
    put("metricsKeyPath", json!(request.metrics_resources.key_path));
    put("systemCaPath", json!(request.system_ca_path));
    put("ipv6Enabled", json!(request.ipv6_enabled));
    put("accessLogSocketPath", json!(request.access_log_socket()));
    put("dataplane.proxyType", json!(request.proxy_type()));
    if !request.dataplane_resource.is_empty() {
        put("dataplane.resource", json!(request.dataplane_resource));
    }
    if !request.spire_resources.socket_path.is_empty() {
        put("spireAgent.socketPath", json!(request.spire_resources.socket_path));
    }
    match params.admin(request) {
        Admin::Off => {}
        Admin::Port(port) => {
            put("dataplane.admin.port", json!(port.to_string()));
            put("dataplane.admin.address", json!(params.admin_address));
        }
        Admin::Socket(path) => put("dataplane.admin.socketPath", json!(path)),
    }
    if request.dns_port != 0 {
        put("dataplane.dns.port", json!(request.dns_port.to_string()));
    }
    if request.readiness_port != 0 {
        put("dataplane.readinessReporter.port", json!(request.readiness_port.to_string()));
    }
    if request.app_probe_proxy_enabled {
        put("dataplane.appProbeProxy.enabled", json!("true"));
    }
    if !request.dataplane_token_path.is_empty() {
        put("dataplaneTokenPath", json!(request.dataplane_token_path));
    }
    if !request.dynamic_metadata.is_empty() {
        put("dynamicMetadata", json!(request.dynamic_metadata));
    }
    if !request.dataplane_config.is_null() {
        put("transparentProxy", request.dataplane_config.clone());
    }
    if !request.otel_env.is_null() {
        put("otelEnvInventory", request.otel_env.clone());
    }
    metadata
}

fn over_ads() -> Value {
    json!({ "ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3" })
}

fn ads(request: &BootstrapRequest) -> Value {
    let mut service = json!({ "envoyGrpc": { "clusterName": ADS_CLUSTER } });
    let token = request.dataplane_token.expose().trim();
    if !token.is_empty() {
        service["initialMetadata"] = json!([{ "key": "authorization", "value": token }]);
    }
    json!({
        "apiType": if request.wants_delta() { "DELTA_GRPC" } else { "GRPC" },
        "transportApiVersion": "V3",
        // The node is larger than most requests, and the control plane keeps it for the life of a stream.
        "setNodeOnFirstMessageOnly": true,
        "grpcServices": [service],
    })
}

fn access_log_cluster(request: &BootstrapRequest, params: &BootstrapParams) -> Value {
    let address = json!({ "pipe": { "path": request.access_log_socket() } });
    http2_cluster(ACCESS_LOG_CLUSTER, "STATIC", &address, params)
}

fn ads_cluster(params: &BootstrapParams) -> Value {
    let ip = host_ip(&params.xds_host);
    let host = ip.map_or_else(|| params.xds_host.clone(), |ip| ip.to_string());
    let address = json!({ "socketAddress": { "address": host, "portValue": params.xds_port } });
    let kind = if ip.is_some() { "STATIC" } else { "STRICT_DNS" };
    let mut cluster = http2_cluster(ADS_CLUSTER, kind, &address, params);
    let mut tls = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "commonTlsContext": {
            "tlsParams": { "tlsMinimumProtocolVersion": "TLSv1_2" },
            "validationContextSdsSecretConfig": { "name": CONTROL_PLANE_VALIDATION },
            "alpnProtocols": ["h2"],
        },
    });
    if ip.is_none() {
        tls["sni"] = json!(host);
        // `localhost` has both families nearly everywhere, while a control plane may listen on one.
        cluster["dnsLookupFamily"] = json!("V4_PREFERRED");
    }
    cluster["transportSocket"] = json!({ "name": "envoy.transport_sockets.tls", "typedConfig": tls });
    cluster
}

fn http2_cluster(name: &str, kind: &str, address: &Value, params: &BootstrapParams) -> Value {
    const HTTP: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": name,
        "type": kind,
        "connectTimeout": seconds(params.xds_connect_timeout),
        "loadAssignment": {
            "clusterName": name,
            "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": address } }] }],
        },
        "typedExtensionProtocolOptions": {
            HTTP: {
                "@type": format!("type.googleapis.com/{HTTP}"),
                "explicitHttpConfig": { "http2ProtocolOptions": {} },
            },
        },
        "upstreamConnectionOptions": {
            "tcpKeepalive": { "keepaliveInterval": 10, "keepaliveProbes": 3, "keepaliveTime": 10 },
        },
    })
}

fn control_plane_validation(request: &BootstrapRequest, params: &BootstrapParams) -> Value {
    let ca = if request.ca_cert.is_empty() { &params.ca_pem } else { &request.ca_cert };
    let host = host_ip(&params.xds_host).map_or_else(|| params.xds_host.clone(), |ip| ip.to_string());
    let names = ["DNS", "IP_ADDRESS"].map(|kind| json!({ "sanType": kind, "matcher": { "exact": host } }));
    json!({
        "name": CONTROL_PLANE_VALIDATION,
        "validationContext": {
            "trustedCa": { "inlineBytes": STANDARD.encode(ca) },
            "matchTypedSubjectAltNames": names,
        },
    })
}

fn admin(params: &BootstrapParams, address: &Value) -> Value {
    let mut admin = json!({ "address": address });
    if !params.admin_access_log_path.is_empty() {
        admin["accessLog"] = json!([{
            "name": "envoy.access_loggers.file",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": params.admin_access_log_path,
            },
        }]);
    }
    admin
}

/// The address when `host` is one, with or without the brackets of a URL.
fn host_ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// The JSON form of a protobuf duration.
fn seconds(duration: Duration) -> String {
    let nanos = duration.subsec_nanos();
    if nanos == 0 {
        return format!("{}s", duration.as_secs());
    }
    let fraction = format!("{nanos:09}");
    format!("{}.{}s", duration.as_secs(), fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests;
