//! Canonical `Timeout`.

use std::time::Duration;

/// Timeouts towards a destination; `None` means the product's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timeout {
    /// `connectTimeout`
    pub connect: Option<Duration>,
    /// `tcp.idleTimeout`
    pub tcp_idle: Option<Duration>,
    /// `http.requestTimeout`
    pub http_request: Option<Duration>,
    /// `http.idleTimeout`
    pub http_idle: Option<Duration>,
    /// `http.streamIdleTimeout`, or the older `grpc.streamIdleTimeout`
    pub stream_idle: Option<Duration>,
    /// `http.maxStreamDuration`, or the older `grpc.maxStreamDuration`
    pub max_stream_duration: Option<Duration>,
}
