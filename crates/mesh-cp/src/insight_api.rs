//! What a running control plane knows about proxies that is not stored yet.

use std::fmt;

use serde_json::Value;

/// The run-time state of connected proxies.
pub trait LiveInsights: Send + Sync + fmt::Debug {
    /// The body of the proxy's `DataplaneInsight` (`subscriptions`, `mTLS`, ...) as of now; `None` when this
    /// instance knows nothing newer than the store.
    fn dataplane_insight(&self, mesh: &str, name: &str) -> Option<Value>;
}

/// Knows nothing: everything comes from the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLiveInsights;

impl LiveInsights for NoLiveInsights {
    fn dataplane_insight(&self, _mesh: &str, _name: &str) -> Option<Value> {
        None
    }
}
