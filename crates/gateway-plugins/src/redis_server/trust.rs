//! Whose certificates Redis servers may show.

use std::sync::{Arc, OnceLock};

use gateway_proxy::pdk::Node;

#[derive(Debug, Default)]
struct Authorities(OnceLock<Arc<str>>);

/// Makes these (PEM) the authorities of the node's plugins, before any is compiled: servers whose certificates are to be
/// verified have to show one that they signed. Only the first ones count.
pub fn trust_authorities(node: &Node, authorities: Arc<str>) {
    node.shared(Authorities::default).0.get_or_init(|| authorities);
}

pub(super) fn authorities(node: &Node) -> Option<Arc<str>> {
    node.shared(Authorities::default).0.get().cloned()
}
