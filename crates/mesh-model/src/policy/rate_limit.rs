//! Canonical `RateLimit`.

use std::time::Duration;

/// Requests an interval, counted by each proxy of the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Requests allowed.
    pub requests: u32,
    /// In this time.
    pub interval: Duration,
    /// Status of a refusal; 429 unless said otherwise.
    pub status: u32,
    /// Headers of a refusal: name, value, append.
    pub headers: Vec<(String, String, bool)>,
}
