//! Canonical `FaultInjection`. Percentages are in millionths, so that `50.5` is exact.

use std::time::Duration;

/// Faults injected on the destination's side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultInjection {
    /// Answer with a status.
    pub abort: Option<Abort>,
    /// Wait first.
    pub delay: Option<Delay>,
    /// Limit the response's speed.
    pub response_bandwidth: Option<Bandwidth>,
}

/// Answer with a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Abort {
    /// HTTP status.
    pub status: u32,
    /// Share of requests, in millionths.
    pub ppm: u32,
}

/// Wait first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Delay {
    /// How long.
    pub value: Duration,
    /// Share of requests, in millionths.
    pub ppm: u32,
}

/// Limit the response's speed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// Kilobits a second.
    pub kbps: u64,
    /// Share of requests, in millionths.
    pub ppm: u32,
}
