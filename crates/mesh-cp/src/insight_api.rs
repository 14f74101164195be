//! What a running control plane knows about proxies that is not stored yet.

use std::fmt;

use serde_json::Value;

/// The run-time state of connected proxies.
pub trait LiveInsights: Send + Sync + fmt::Debug {
    /// The body of the proxy's `DataplaneInsight` (`subscriptions`, `mTLS`, ...) as of now, given what is stored of
    /// it; `None` when nobody knows anything.
    fn dataplane_insight(&self, mesh: &str, name: &str, stored: Option<Value>) -> Option<Value>;
}

/// Knows nothing: everything comes from the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLiveInsights;

impl LiveInsights for NoLiveInsights {
    fn dataplane_insight(&self, _mesh: &str, _name: &str, stored: Option<Value>) -> Option<Value> {
        stored
    }
}
