//! Canonical `Retry`.

use std::time::Duration;

/// Retries towards a destination, by protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Retry {
    /// For HTTP and HTTP/2.
    pub http: Option<HttpRetry>,
    /// For gRPC.
    pub grpc: Option<GrpcRetry>,
    /// For TCP: `maxConnectAttempts`.
    pub tcp_max_connect_attempts: Option<u32>,
}

/// HTTP retries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpRetry {
    /// How many.
    pub num_retries: Option<u32>,
    /// Time an attempt may take.
    pub per_try_timeout: Option<Duration>,
    /// Pause between attempts.
    pub back_off: Option<Backoff>,
    /// Statuses that are retried.
    pub retriable_status_codes: Vec<u32>,
    /// Methods that are retried; empty means all.
    pub retriable_methods: Vec<String>,
    /// Further conditions in Envoy's spelling (`gateway-error`, `connect-failure`, ...).
    pub retry_on: Vec<String>,
}

/// gRPC retries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrpcRetry {
    /// How many.
    pub num_retries: Option<u32>,
    /// Time an attempt may take.
    pub per_try_timeout: Option<Duration>,
    /// Pause between attempts.
    pub back_off: Option<Backoff>,
    /// Conditions in Envoy's spelling (`cancelled`, `deadline-exceeded`, ...).
    pub retry_on: Vec<String>,
}

/// Exponential pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// First pause.
    pub base: Duration,
    /// Longest pause; Envoy's ten times `base` when absent.
    pub max: Option<Duration>,
}
