//! Faults injected on the server's side.

use mesh_model::Tags;
use mesh_model::policy::FaultInjection;
use proto::envoy::extensions::filters::common::fault::v3::fault_delay::FaultDelaySecifier;
use proto::envoy::extensions::filters::common::fault::v3::fault_rate_limit::{FixedLimit, LimitType};
use proto::envoy::extensions::filters::common::fault::v3::{FaultDelay, FaultRateLimit};
use proto::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;
use proto::envoy::extensions::filters::http::fault::v3::{FaultAbort, HttpFault};
use proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use proto::envoy::r#type::v3::FractionalPercent;
use proto::envoy::r#type::v3::fractional_percent::DenominatorType;

use crate::{route, wire};

/// A filter that hits requests of these sources.
pub(super) fn filter(sources: &[Tags], fault: &FaultInjection) -> HttpFilter {
    let config = HttpFault {
        headers: vec![route::from_sources(sources)],
        abort: fault.abort.as_ref().map(|abort| FaultAbort {
            percentage: Some(share(abort.ppm)),
            error_type: Some(ErrorType::HttpStatus(abort.status.clamp(200, 599))),
            ..FaultAbort::default()
        }),
        delay: fault.delay.as_ref().filter(|delay| !delay.value.is_zero()).map(|delay| FaultDelay {
            percentage: Some(share(delay.ppm)),
            fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(wire::duration(delay.value))),
        }),
        response_rate_limit: fault.response_bandwidth.as_ref().map(|bandwidth| FaultRateLimit {
            percentage: Some(share(bandwidth.ppm)),
            // Envoy counts in KiB/s. The number goes over unchanged, as it does in the reference, so that limits
            // that were found by trying keep their effect.
            limit_type: Some(LimitType::FixedLimit(FixedLimit { limit_kbps: bandwidth.kbps.max(1) })),
        }),
        ..HttpFault::default()
    };
    wire::http_filter("envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault", &config)
}

fn share(ppm: u32) -> FractionalPercent {
    FractionalPercent { numerator: ppm.min(1_000_000), denominator: DenominatorType::Million as i32 }
}
