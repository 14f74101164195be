//! Timeouts after defaults.

use std::time::Duration;

use mesh_model::policy::Timeout;

/// Timeouts of one direction, none left open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) tcp_idle: Duration,
    pub(crate) http_idle: Duration,
    /// Zero is no limit.
    pub(crate) request: Duration,
    /// Zero is no limit.
    pub(crate) stream_idle: Duration,
    pub(crate) max_stream_duration: Option<Duration>,
}

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(3600);
const REQUEST: Duration = Duration::from_secs(15);
const STREAM_IDLE: Duration = Duration::from_secs(30 * 60);

impl Timeouts {
    /// Towards a destination. What no policy says is what a new mesh of the reference says.
    pub(crate) fn outbound(policy: Option<&Timeout>) -> Self {
        let get = |field: fn(&Timeout) -> Option<Duration>| policy.and_then(field);
        Self {
            connect: get(|p| p.connect).filter(|value| !value.is_zero()).unwrap_or(CONNECT),
            tcp_idle: get(|p| p.tcp_idle).unwrap_or(IDLE),
            http_idle: get(|p| p.http_idle).unwrap_or(IDLE),
            request: get(|p| p.http_request).unwrap_or(REQUEST),
            stream_idle: get(|p| p.stream_idle).unwrap_or(STREAM_IDLE),
            max_stream_duration: get(|p| p.max_stream_duration).filter(|value| !value.is_zero()),
        }
    }

    /// Towards the own application: twice as patient as the clients are, and without a limit on requests,
    /// so that it is always the client's side that gives up first.
    pub(crate) fn inbound() -> Self {
        Self {
            connect: CONNECT * 2,
            tcp_idle: IDLE * 2,
            http_idle: IDLE * 2,
            request: Duration::ZERO,
            stream_idle: STREAM_IDLE * 2,
            max_stream_duration: None,
        }
    }
}
