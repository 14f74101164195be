//! Canonical `CircuitBreaker`.

use std::time::Duration;

/// Limits and outlier detection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CircuitBreaker {
    /// Time between ejection sweeps.
    pub interval: Option<Duration>,
    /// First ejection's length.
    pub base_ejection_time: Option<Duration>,
    /// Share of endpoints that may be ejected.
    pub max_ejection_percent: Option<u32>,
    /// Tell local errors from upstream ones.
    pub split_external_and_local_errors: bool,
    /// What ejects; empty means no outlier detection.
    pub detectors: Detectors,
    /// Connection limits.
    pub thresholds: Option<Thresholds>,
}

/// Detectors; `Some` means configured, its `None`s mean Envoy's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Detectors {
    /// `totalErrors`: any error.
    pub total_errors: Option<Detector>,
    /// `gatewayErrors`: 502, 503, 504.
    pub gateway_errors: Option<Detector>,
    /// `localErrors`: connect failures and resets.
    pub local_errors: Option<Detector>,
    /// `standardDeviation`: requestVolume, minimumHosts, factor in thousandths.
    pub standard_deviation: Option<(Option<u32>, Option<u32>, Option<u32>)>,
    /// `failure`: requestVolume, minimumHosts, threshold in percent.
    pub failure: Option<(Option<u32>, Option<u32>, Option<u32>)>,
}

/// A detector of consecutive errors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Detector {
    /// How many in a row.
    pub consecutive: Option<u32>,
}

/// Limits of the DEFAULT priority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// Connections.
    pub max_connections: Option<u32>,
    /// Waiting requests.
    pub max_pending_requests: Option<u32>,
    /// Concurrent retries.
    pub max_retries: Option<u32>,
    /// Concurrent requests.
    pub max_requests: Option<u32>,
}
