//! Requests limited on the server's side, by each proxy for itself.

use std::time::Duration;

use mesh_model::Tags;
use mesh_model::policy::RateLimit;
use proto::envoy::config::core::v3::RuntimeFractionalPercent;
use proto::envoy::config::route::v3::Route;
use proto::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use proto::envoy::r#type::v3::fractional_percent::DenominatorType;
use proto::envoy::r#type::v3::{FractionalPercent, HttpStatus, TokenBucket};

use crate::{route, wire};

const FILTER: &str = "envoy.filters.http.local_ratelimit";
const TYPE: &str = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";

/// The filter itself; limits are on routes.
pub(super) fn filter() -> HttpFilter {
    let config = LocalRateLimit { stat_prefix: "rate_limit".to_owned(), ..LocalRateLimit::default() };
    wire::http_filter(FILTER, TYPE, &config)
}

/// `route` for these sources, limited.
pub(super) fn route(sources: &[Tags], limit: &RateLimit, route: Route) -> Route {
    let mut route = route;
    if let Some(matched) = &mut route.r#match {
        matched.headers.push(route::from_sources(sources));
    }
    route.typed_per_filter_config.insert(FILTER.to_owned(), wire::any(TYPE, &config(limit)));
    route
}

fn config(limit: &RateLimit) -> LocalRateLimit {
    // Envoy refuses shorter intervals and an empty bucket.
    const SHORTEST: Duration = Duration::from_millis(50);
    let always = || {
        let hundred = FractionalPercent { numerator: 100, denominator: DenominatorType::Hundred as i32 };
        Some(RuntimeFractionalPercent { default_value: Some(hundred), ..RuntimeFractionalPercent::default() })
    };
    LocalRateLimit {
        stat_prefix: "rate_limit".to_owned(),
        status: i32::try_from(limit.status)
            .ok()
            .filter(|code| (400..600).contains(code))
            .map(|code| HttpStatus { code }),
        token_bucket: Some(TokenBucket {
            max_tokens: limit.requests.max(1),
            tokens_per_fill: Some(limit.requests.max(1)),
            fill_interval: Some(wire::duration(limit.interval.max(SHORTEST))),
        }),
        filter_enabled: always(),
        filter_enforced: always(),
        response_headers_to_add: limit
            .headers
            .iter()
            .map(|(name, value, append)| wire::header_option(name, value, *append))
            .collect(),
        ..LocalRateLimit::default()
    }
}
