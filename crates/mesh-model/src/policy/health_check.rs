//! Canonical `HealthCheck`.

use std::time::Duration;

/// Active checks by the client's proxy. The older `activeChecks` form reads as a TCP check without payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// Time between checks.
    pub interval: Duration,
    /// Time a check may take.
    pub timeout: Duration,
    /// Failures that make an endpoint unhealthy.
    pub unhealthy_threshold: u32,
    /// Successes that make it healthy.
    pub healthy_threshold: u32,
    /// `initialJitter`
    pub initial_jitter: Option<Duration>,
    /// `intervalJitter`
    pub interval_jitter: Option<Duration>,
    /// `intervalJitterPercent`
    pub interval_jitter_percent: Option<u32>,
    /// `healthyPanicThreshold`, in hundredths of a percent.
    pub healthy_panic_threshold: Option<u32>,
    /// `failTrafficOnPanic`
    pub fail_traffic_on_panic: bool,
    /// `eventLogPath`
    pub event_log_path: Option<String>,
    /// `alwaysLogHealthCheckFailures`
    pub always_log_failures: Option<bool>,
    /// `noTrafficInterval`
    pub no_traffic_interval: Option<Duration>,
    /// `reuseConnection`
    pub reuse_connection: Option<bool>,
    /// TCP check; also used when neither is configured.
    pub tcp: Option<TcpHealthCheck>,
    /// HTTP check, for services of an HTTP protocol.
    pub http: Option<HttpHealthCheck>,
    /// The oldest dialect's `passiveChecks`: `(unhealthyThreshold, penaltyInterval)`.
    pub passive: Option<(u32, Duration)>,
}

/// Bytes sent and bytes expected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpHealthCheck {
    /// Payload.
    pub send: Vec<u8>,
    /// Fragments that must come back in this order.
    pub receive: Vec<Vec<u8>>,
}

/// A request and the statuses that are healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpHealthCheck {
    /// Path; `/` unless said otherwise.
    pub path: String,
    /// Headers added.
    pub headers: Vec<HealthCheckHeader>,
    /// Healthy statuses; empty means 200.
    pub expected_statuses: Vec<u32>,
    /// Speak HTTP/1.1 instead of the HTTP/2 used between proxies.
    pub use_http1: bool,
}

/// A header of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HealthCheckHeader {
    /// Name.
    pub key: String,
    /// Value.
    pub value: String,
    /// Added next to existing values; true unless said otherwise.
    pub append: bool,
}
