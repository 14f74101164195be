//! Which route, and where its service wants the request.

use std::sync::Arc;

use crate::config::{Config, RouteRuntime, ServiceRuntime};
use crate::pdk::Context;

/// A request that a route matched.
pub(super) struct Routed<'a> {
    pub(super) route: &'a RouteRuntime,
    pub(super) service: Option<Arc<ServiceRuntime>>,
    /// What is stripped off the path.
    pub(super) prefix: Option<Vec<u8>>,
}

/// Finds the route, and notes in the context what follows from it.
pub(super) fn route<'a>(_config: &'a Config, _context: &mut Context) -> Option<Routed<'a>> {
    None
}
