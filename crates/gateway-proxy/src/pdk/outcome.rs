//! What came of an exchange, for the log phase.

use std::net::SocketAddr;

use engine::message::ResponseHead;

/// Who made the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The upstream.
    #[default]
    Service,
    /// A plugin, on purpose.
    Exit,
    /// The gateway, because something went wrong.
    Error,
}

impl Source {
    /// As log records have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "upstream",
            Self::Exit => "exit",
            Self::Error => "error",
        }
    }
}

/// Durations in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latencies {
    /// From the first byte of the request to the last of the answer.
    pub request: f64,
    /// In the gateway.
    pub kong: f64,
    /// Until the upstream's head was there; negative 1 without upstream.
    pub proxy: f64,
    /// Receiving the answer's body.
    pub receive: f64,
}

/// One attempt to reach an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// Where to.
    pub address: SocketAddr,
    /// Unix time in milliseconds.
    pub start_ms: i64,
    /// What choosing the address took, in nanoseconds.
    pub balancer_latency_ns: u64,
    /// Why it failed: `failed`, with the status code the client would have seen.
    pub failed: Option<u16>,
    /// Whether an idle connection was used again.
    pub keepalive: bool,
}

/// An exchange that is over.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The head as it was sent.
    pub response: &'a ResponseHead,
    /// Bytes received: head and body.
    pub request_size: u64,
    /// Bytes sent: head and body.
    pub response_size: u64,
    /// Durations.
    pub latencies: Latencies,
    /// Attempts, in order.
    pub tries: &'a [Try],
    /// The upstream's own status.
    pub upstream_status: Option<u16>,
    /// When the request began: Unix time in milliseconds.
    pub started_ms: i64,
}
