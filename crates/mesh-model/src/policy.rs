//! Canonical legacy policies: who they select, and their configuration.

mod circuit_breaker;
mod external_service;
mod fault_injection;
mod health_check;
mod proxy_template;
mod rate_limit;
mod retry;
mod timeout;
mod traffic_route;

pub use circuit_breaker::{CircuitBreaker, Detector, Detectors, Thresholds};
pub use external_service::{ExternalService, ExternalTls};
pub use fault_injection::{Abort, Bandwidth, Delay, FaultInjection};
pub use health_check::{HealthCheck, HealthCheckHeader, HttpHealthCheck, TcpHealthCheck};
pub use proxy_template::{ProxyTemplate, RawResource};
pub use rate_limit::RateLimit;
pub use retry::{Backoff, GrpcRetry, HttpRetry, Retry};
pub use timeout::Timeout;
pub use traffic_route::{
    HashFunction, HeaderMatch, HttpMatch, HttpModify, HttpRoute, LoadBalancer, PathRewrite, Split, StringMatch,
    TrafficRoute,
};

use std::sync::Arc;

use jiff::Timestamp;

use crate::tags::Tags;

/// A policy between sources and destinations.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection<C> {
    /// Who connects: any of these tag sets.
    pub sources: Vec<Tags>,
    /// Who is connected to: any of these tag sets.
    pub destinations: Vec<Tags>,
    /// What applies.
    pub conf: C,
}

/// A policy on proxies.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected<C> {
    /// Which proxies: any of these tag sets.
    pub selectors: Vec<Tags>,
    /// What applies.
    pub conf: C,
}

/// A policy as it takes part in matching.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<P> {
    /// Unique within mesh and kind.
    pub name: Arc<str>,
    /// Breaks ties: the later one wins.
    pub created: Timestamp,
    /// The policy.
    pub policy: P,
}

/// `TrafficPermission` has no configuration: to exist is to allow.
pub type TrafficPermission = ();

/// `TrafficLog`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficLog {
    /// Back end of the mesh; `None` means its default.
    pub backend: Option<String>,
}

/// `TrafficTrace`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficTrace {
    /// Back end of the mesh; `None` means its default.
    pub backend: Option<String>,
}
