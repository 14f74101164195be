//! The plugins, a folder each.

use std::sync::Arc;

use gateway_model::registry::PluginSchema;
use gateway_proxy::pdk::Definition;

mod acl;
mod auth;
mod basic_auth;
mod body;
mod cors;
mod key_auth;
mod query;
mod rate_limiting;
mod schema;
mod text;

#[cfg(test)]
mod testing;

/// Every kind of plugin there is, in no order.
pub fn definitions() -> Vec<Arc<dyn Definition>> {
    vec![
        Arc::new(acl::Acl),
        Arc::new(basic_auth::BasicAuth),
        Arc::new(cors::Cors),
        Arc::new(key_auth::KeyAuth),
        Arc::new(rate_limiting::RateLimiting),
    ]
}

/// What each of [`definitions`] may be told, and the entities it brings.
pub fn schemas() -> Vec<PluginSchema> {
    vec![acl::schema(), basic_auth::schema(), cors::schema(), key_auth::schema(), rate_limiting::schema()]
}

/// Lower case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
