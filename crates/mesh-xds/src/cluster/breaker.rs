//! Circuit breakers: connection limits, and the ejection of endpoints that fail.

use mesh_model::policy::{CircuitBreaker, Detectors, Thresholds};
use proto::envoy::config::cluster::v3::{CircuitBreakers, Cluster, OutlierDetection, circuit_breakers};

use crate::wire;

/// Adds what the policy says to the cluster.
pub(super) fn apply(policy: &CircuitBreaker, cluster: &mut Cluster) {
    if let Some(limits) = &policy.thresholds {
        cluster.circuit_breakers = Some(CircuitBreakers { thresholds: vec![thresholds(limits)], ..Default::default() });
    }
    if policy.detectors != Detectors::default() {
        cluster.outlier_detection = Some(outlier_detection(policy));
    }
}

fn thresholds(limits: &Thresholds) -> circuit_breakers::Thresholds {
    circuit_breakers::Thresholds {
        max_connections: limits.max_connections,
        max_pending_requests: limits.max_pending_requests,
        max_requests: limits.max_requests,
        max_retries: limits.max_retries,
        ..Default::default()
    }
}

/// Configured detectors eject always, the others never: Envoy by itself would enable some of them.
fn outlier_detection(policy: &CircuitBreaker) -> OutlierDetection {
    let detectors = &policy.detectors;
    let enforcing = |configured: bool| Some(if configured { 100 } else { 0 });
    let (volume, hosts, factor) = detectors.standard_deviation.unwrap_or_default();
    let (failure_volume, failure_hosts, threshold) = detectors.failure.unwrap_or_default();
    OutlierDetection {
        interval: policy.interval.map(wire::duration),
        base_ejection_time: policy.base_ejection_time.map(wire::duration),
        max_ejection_percent: policy.max_ejection_percent,
        split_external_local_origin_errors: policy.split_external_and_local_errors,
        enforcing_consecutive_5xx: enforcing(detectors.total_errors.is_some()),
        consecutive_5xx: detectors.total_errors.as_ref().and_then(|detector| detector.consecutive),
        enforcing_consecutive_gateway_failure: enforcing(detectors.gateway_errors.is_some()),
        consecutive_gateway_failure: detectors.gateway_errors.as_ref().and_then(|detector| detector.consecutive),
        enforcing_consecutive_local_origin_failure: enforcing(detectors.local_errors.is_some()),
        consecutive_local_origin_failure: detectors.local_errors.as_ref().and_then(|detector| detector.consecutive),
        enforcing_success_rate: enforcing(detectors.standard_deviation.is_some()),
        success_rate_request_volume: volume,
        success_rate_minimum_hosts: hosts,
        success_rate_stdev_factor: factor,
        enforcing_failure_percentage: enforcing(detectors.failure.is_some()),
        failure_percentage_request_volume: failure_volume,
        failure_percentage_minimum_hosts: failure_hosts,
        failure_percentage_threshold: threshold,
        ..OutlierDetection::default()
    }
}
