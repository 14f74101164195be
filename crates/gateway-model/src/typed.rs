//! The documents of the core entities as types, read from what the schemas have checked.

mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use smallvec::SmallVec;

/// A reference to another entity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct Ref {
    /// Its id.
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
}

/// Protocols of services, routes and plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Grpc,
    Grpcs,
    Http,
    Https,
    Tcp,
    Tls,
    TlsPassthrough,
    Udp,
}

impl Protocol {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::TlsPassthrough => "tls_passthrough",
            Self::Udp => "udp",
        }
    }
}

/// An API behind the gateway.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Service {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub name: Option<Arc<str>>,
    pub created_at: Option<f64>,
    pub protocol: Protocol,
    #[serde(deserialize_with = "text::one")]
    pub host: Arc<str>,
    pub port: u16,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub path: Option<Arc<str>>,
    /// Further tries after a failed one.
    pub retries: Option<u32>,
    /// Milliseconds.
    pub connect_timeout: Option<u64>,
    /// Milliseconds between two writes.
    pub write_timeout: Option<u64>,
    /// Milliseconds between two reads.
    pub read_timeout: Option<u64>,
    pub client_certificate: Option<Ref>,
    pub tls_verify: Option<bool>,
    pub tls_verify_depth: Option<u32>,
    /// Ids.
    pub ca_certificates: Option<Vec<Arc<str>>>,
    #[serde(default = "yes")]
    pub enabled: bool,
    pub tags: Option<Vec<Arc<str>>>,
}

/// What selects a service. There may be a hundred thousand: what most of them lack, or have one of, takes little room.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Route {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub name: Option<Arc<str>>,
    pub created_at: Option<f64>,
    pub service: Option<Ref>,
    #[serde(default, deserialize_with = "text::few")]
    pub protocols: SmallVec<[Protocol; 16]>,
    #[serde(default, deserialize_with = "text::list")]
    pub methods: Box<[Arc<str>]>,
    #[serde(default, deserialize_with = "text::list")]
    pub hosts: Box<[Arc<str>]>,
    #[serde(default, deserialize_with = "text::list")]
    pub paths: SmallVec<[Arc<str>; 1]>,
    #[serde(default, deserialize_with = "nullable")]
    pub headers: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    #[serde(default, deserialize_with = "text::list")]
    pub snis: Box<[Arc<str>]>,
    #[serde(default, deserialize_with = "nullable")]
    pub sources: Box<[Endpoint]>,
    #[serde(default, deserialize_with = "nullable")]
    pub destinations: Box<[Endpoint]>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub expression: Option<Arc<str>>,
    pub priority: Option<u64>,
    pub regex_priority: Option<i64>,
    #[serde(default, deserialize_with = "text::handling")]
    pub path_handling: Option<Arc<str>>,
    #[serde(default = "yes")]
    pub strip_path: bool,
    #[serde(default)]
    pub preserve_host: bool,
    #[serde(default = "yes")]
    pub request_buffering: bool,
    #[serde(default = "yes")]
    pub response_buffering: bool,
    pub https_redirect_status_code: Option<u16>,
    pub tags: Option<Box<[Arc<str>]>>,
}

/// An address, a port, or both, of a stream route.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Endpoint {
    /// An address or a CIDR.
    #[serde(default, deserialize_with = "text::perhaps")]
    pub ip: Option<Arc<str>>,
    pub port: Option<u16>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Consumer {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub username: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub custom_id: Option<Arc<str>>,
    pub created_at: Option<f64>,
    pub tags: Option<Vec<Arc<str>>>,
}

/// A plugin put somewhere.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Plugin {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "text::one")]
    pub name: Arc<str>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub instance_name: Option<Arc<str>>,
    pub route: Option<Ref>,
    pub service: Option<Ref>,
    pub consumer: Option<Ref>,
    #[serde(default)]
    pub config: serde_json::Value,
    #[serde(default, deserialize_with = "nullable")]
    pub protocols: Vec<Protocol>,
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A named group of targets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Upstream {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "text::one")]
    pub name: Arc<str>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub algorithm: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_on: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_fallback: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_on_header: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_fallback_header: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_on_cookie: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_on_cookie_path: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_on_query_arg: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_fallback_query_arg: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_on_uri_capture: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub hash_fallback_uri_capture: Option<Arc<str>>,
    pub slots: Option<u32>,
    pub healthchecks: Option<Healthchecks>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub host_header: Option<Arc<str>>,
    pub client_certificate: Option<Ref>,
    #[serde(default, deserialize_with = "nullable")]
    pub use_srv_name: bool,
}

/// How an upstream's targets are watched.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Healthchecks {
    #[serde(default, deserialize_with = "nullable")]
    pub active: ActiveChecks,
    #[serde(default, deserialize_with = "nullable")]
    pub passive: PassiveChecks,
    /// Percent of weight that must be available.
    #[serde(default, deserialize_with = "nullable")]
    pub threshold: f64,
}

/// Probes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ActiveChecks {
    #[serde(rename = "type", default, deserialize_with = "text::perhaps")]
    pub kind: Option<Arc<str>>,
    /// Seconds.
    pub timeout: Option<f64>,
    pub concurrency: Option<u32>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub http_path: Option<Arc<str>>,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub https_sni: Option<Arc<str>>,
    pub https_verify_certificate: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    pub headers: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub healthy: Thresholds,
    #[serde(default, deserialize_with = "nullable")]
    pub unhealthy: Thresholds,
}

/// Verdicts out of the traffic itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PassiveChecks {
    #[serde(rename = "type", default, deserialize_with = "text::perhaps")]
    pub kind: Option<Arc<str>>,
    #[serde(default, deserialize_with = "nullable")]
    pub healthy: Thresholds,
    #[serde(default, deserialize_with = "nullable")]
    pub unhealthy: Thresholds,
}

/// Counts and codes that turn a target one way or the other; 0 ignores the event.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Thresholds {
    /// Seconds; 0 for no probes.
    #[serde(default, deserialize_with = "nullable")]
    pub interval: f64,
    #[serde(default, deserialize_with = "nullable")]
    pub successes: u32,
    #[serde(default, deserialize_with = "nullable")]
    pub http_failures: u32,
    #[serde(default, deserialize_with = "nullable")]
    pub tcp_failures: u32,
    #[serde(default, deserialize_with = "nullable")]
    pub timeouts: u32,
    #[serde(default, deserialize_with = "nullable")]
    pub http_statuses: Vec<u16>,
}

/// A member of an upstream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Target {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    pub upstream: Ref,
    /// `host:port`.
    #[serde(deserialize_with = "text::one")]
    pub target: Arc<str>,
    pub weight: Option<u32>,
    pub created_at: Option<f64>,
}

/// A certificate with its key, and perhaps a second pair of another type.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Certificate {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "text::one")]
    pub cert: Arc<str>,
    pub key: base::Secret,
    #[serde(default, deserialize_with = "text::perhaps")]
    pub cert_alt: Option<Arc<str>>,
    pub key_alt: Option<base::Secret>,
}

/// A certificate authority that upstreams are verified with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CaCertificate {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "text::one")]
    pub cert: Arc<str>,
}

/// A server name and its certificate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sni {
    #[serde(deserialize_with = "text::one")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "text::one")]
    pub name: Arc<str>,
    pub certificate: Ref,
}

fn yes() -> bool {
    true
}

/// `null` as the type's default.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
