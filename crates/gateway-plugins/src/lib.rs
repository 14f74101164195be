//! The plugins, a folder each.

use std::sync::Arc;

use gateway_model::registry::PluginSchema;
use gateway_proxy::pdk::{Answer, Definition};

mod acl;
mod arguments;
mod auth;
mod basic_auth;
mod body;
mod bot_detection;
mod correlation_id;
mod cors;
mod file_log;
mod functions;
mod hmac_auth;
mod http_log;
mod ip_restriction;
mod json_fields;
mod jwt;
mod key_auth;
mod log;
mod oauth2;
pub mod prometheus;
mod proxy_cache;
mod query;
mod rate_limiting;
mod redirect;
mod redis_server;
mod request_size_limiting;
mod request_termination;
mod request_transformer;
mod response_ratelimiting;
mod response_transformer;
mod schema;
mod session;
mod shared_counters;
mod standard_webhooks;
mod syslog;
mod tcp_log;
mod template;
mod text;
mod udp_log;

pub use proxy_cache::{CacheAnswer, CacheEndpoint};
pub use redis_server::trust_authorities;

#[cfg(test)]
mod testing;

pub use prometheus::metrics;

/// Every kind of plugin there is, in no order.
pub fn definitions() -> Vec<Arc<dyn Definition>> {
    vec![
        Arc::new(acl::Acl),
        Arc::new(basic_auth::BasicAuth),
        Arc::new(bot_detection::BotDetection),
        Arc::new(correlation_id::CorrelationId),
        Arc::new(cors::Cors),
        Arc::new(functions::PRE),
        Arc::new(functions::POST),
        Arc::new(hmac_auth::HmacAuth),
        Arc::new(ip_restriction::IpRestriction),
        Arc::new(jwt::Jwt),
        Arc::new(key_auth::KeyAuth),
        Arc::new(oauth2::OAuth2),
        Arc::new(proxy_cache::ProxyCache),
        Arc::new(rate_limiting::RateLimiting),
        Arc::new(redirect::Redirect),
        Arc::new(request_size_limiting::RequestSizeLimiting),
        Arc::new(request_termination::RequestTermination),
        Arc::new(request_transformer::RequestTransformer),
        Arc::new(response_transformer::ResponseTransformer),
        Arc::new(file_log::FileLog),
        Arc::new(http_log::HttpLog),
        Arc::new(prometheus::Prometheus),
        Arc::new(syslog::Syslog),
        Arc::new(tcp_log::TcpLog),
        Arc::new(udp_log::UdpLog),
        Arc::new(response_ratelimiting::ResponseRateLimiting),
        Arc::new(session::Sessions),
        Arc::new(standard_webhooks::StandardWebhooks),
    ]
}

/// What each of [`definitions`] may be told, and the entities it brings.
pub fn schemas() -> Vec<PluginSchema> {
    schemas_with(&["local", "cluster", "redis"])
}

/// [`schemas`] for a node without a database: there is nothing that a cluster could count in.
pub fn schemas_without_database() -> Vec<PluginSchema> {
    schemas_with(&["local", "redis"])
}

/// `policies` are where requests may be counted.
fn schemas_with(policies: &[&'static str]) -> Vec<PluginSchema> {
    vec![
        acl::schema(),
        basic_auth::schema(),
        bot_detection::schema(),
        correlation_id::schema(),
        cors::schema(),
        functions::pre_function(),
        functions::post_function(),
        hmac_auth::schema(),
        ip_restriction::schema(),
        jwt::schema(),
        key_auth::schema(),
        oauth2::schema(),
        proxy_cache::schema(),
        rate_limiting::schema(policies),
        redirect::schema(),
        request_size_limiting::schema(),
        request_termination::schema(),
        request_transformer::schema(),
        response_transformer::schema(),
        file_log::schema(),
        http_log::schema(),
        prometheus::schema(),
        syslog::schema(),
        tcp_log::schema(),
        udp_log::schema(),
        response_ratelimiting::schema(policies),
        session::schema(),
        standard_webhooks::schema(),
    ]
}

/// A configured number as the status of an error, which is from 400 to 599.
fn error_status(number: f64) -> Option<u16> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range checked first")]
    (400.0..600.0).contains(&number).then_some(number as u16)
}

/// A refusal with a configured status; without one it is the gateway that is at fault.
fn refusal(status: Option<u16>, message: impl Into<String>) -> Box<Answer> {
    Box::new(match status {
        Some(status) => Answer::error(status, message),
        None => Answer::error(500, "An unexpected error occurred"),
    })
}

/// Lower case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
