//! The plugins, a folder each.

use std::sync::Arc;

use gateway_proxy::pdk::Definition;

#[cfg(test)]
mod testing;

/// Every kind of plugin there is, in no order.
pub fn definitions() -> Vec<Arc<dyn Definition>> {
    vec![]
}
