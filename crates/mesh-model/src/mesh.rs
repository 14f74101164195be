//! The canonical `Mesh`.

use std::time::Duration;

/// A mesh: its certificate authorities and its observability back ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mesh {
    /// Mutual TLS; `None` when the section is absent.
    pub mtls: Option<Mtls>,
    /// Access log back ends.
    pub logging: Logging,
    /// Tracing back ends.
    pub tracing: Tracing,
    /// Metrics back ends.
    pub metrics: Metrics,
    /// `routing.localityAwareLoadBalancing`
    pub locality_aware: bool,
    /// `routing.zoneEgress`
    pub zone_egress: bool,
    /// `networking.outbound.passthrough`, true unless said otherwise.
    pub passthrough: bool,
    /// `skipCreatingInitialPolicies`
    pub skip_initial_policies: Vec<String>,
}

impl Mesh {
    /// The certificate authority that issues identities, when mutual TLS is on.
    pub fn enabled_ca(&self) -> Option<&CaBackend> {
        let mtls = self.mtls.as_ref()?;
        let enabled = mtls.enabled_backend.as_deref()?;
        mtls.backends.iter().find(|backend| backend.name == enabled)
    }

    /// The access log back end of that name, or the default one for `None`.
    pub fn logging_backend(&self, name: Option<&str>) -> Option<&LoggingBackend> {
        let name = name.filter(|name| !name.is_empty()).or(self.logging.default_backend.as_deref())?;
        self.logging.backends.iter().find(|backend| backend.name == name)
    }
}

/// `mtls`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mtls {
    /// Name of the back end in use; `None` leaves mutual TLS off. The oldest dialect's
    /// `enabled: true, ca.builtin` reads as a back end `ca-1` that is enabled.
    pub enabled_backend: Option<String>,
    /// Every configured certificate authority.
    pub backends: Vec<CaBackend>,
}

/// One certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaBackend {
    /// Unique within the mesh.
    pub name: String,
    /// Where its key comes from.
    pub source: CaSource,
    /// Whether plain traffic is still accepted.
    pub mode: TlsMode,
    /// Lifetime of issued workload certificates (`dpCert.rotation.expiration`); 24 h unless said otherwise.
    pub leaf_lifetime: Duration,
    /// Lifetime of a generated root (`conf.caCert.expiration`); 10 years unless said otherwise.
    pub root_lifetime: Duration,
}

/// Where a certificate authority's key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaSource {
    /// Generated and kept by the control plane.
    Builtin,
    /// Given by the user.
    Provided {
        /// PEM certificate.
        cert: DataSource,
        /// PEM private key.
        key: DataSource,
    },
}

/// A value that is given in place or kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// `secret`: name of a Secret of the mesh.
    Secret(String),
    /// `file`: path on the control plane's host.
    File(String),
    /// `inline`: the bytes (base64 on the wire).
    Inline(Vec<u8>),
    /// `inlineString`: the text itself.
    InlineString(String),
}

/// Whether inbounds insist on mutual TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Only mutual TLS is accepted.
    #[default]
    Strict,
    /// Plain traffic is accepted next to mutual TLS, for migrations.
    Permissive,
}

/// `logging`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// Used when a TrafficLog names none.
    pub default_backend: Option<String>,
    /// Every configured back end.
    pub backends: Vec<LoggingBackend>,
}

/// One access log back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingBackend {
    /// Unique within the mesh.
    pub name: String,
    /// Envoy format string with `%KUMA_*%` placeholders; `None` for the default of the protocol.
    pub format: Option<String>,
    /// Where lines go.
    pub sink: LogSink,
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSink {
    /// Appended to a file on the proxy's host.
    File {
        /// The file.
        path: String,
    },
    /// Shipped by `kuma-dp` to a TCP server.
    Tcp {
        /// `host:port`
        address: String,
    },
}

/// `tracing`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracing {
    /// Used when a TrafficTrace names none.
    pub default_backend: Option<String>,
    /// Every configured back end.
    pub backends: Vec<TracingBackend>,
}

/// One tracing back end.
#[derive(Clone, Debug, PartialEq)]
pub struct TracingBackend {
    /// Unique within the mesh.
    pub name: String,
    /// Percentage of requests that are traced; 100 unless said otherwise.
    pub sampling: f64,
    /// `zipkin` or `datadog`.
    pub kind: String,
    /// Collector URL (zipkin) or `address:port` (datadog).
    pub collector: String,
}

impl Eq for TracingBackend {}

/// `metrics`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Name of the back end in use.
    pub enabled_backend: Option<String>,
    /// Every configured back end.
    pub backends: Vec<MetricsBackend>,
}

/// One metrics back end (`prometheus`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsBackend {
    /// Unique within the mesh.
    pub name: String,
    /// Port proxies expose metrics on; 5670 unless said otherwise.
    pub port: u16,
    /// Path; `/metrics` unless said otherwise.
    pub path: String,
    /// Expose without mutual TLS.
    pub skip_mtls: bool,
}
