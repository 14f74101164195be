//! Policies for traffic of one proxy to one service.

use std::sync::Arc;

use mesh_model::context::Policies;
use mesh_model::policy::Connection;
use mesh_model::{Dataplane, matching};

/// The most specific policy. Most meshes have no policies of most kinds, and this is asked for every kind
/// and outbound of every proxy, so nothing is done for those.
pub(crate) fn outbound<'a, C>(
    policies: &'a Policies<Connection<C>>,
    dataplane: &Dataplane,
    service: &str,
) -> Option<&'a Arc<Connection<C>>> {
    if policies.is_empty() {
        return None;
    }
    matching::outbound(policies, dataplane, service).map(|named| &named.policy)
}
