//! Health checks by the client's proxy.

use std::time::Duration;

use mesh_model::Protocol;
use mesh_model::policy::{HealthCheck as Policy, HttpHealthCheck as HttpPolicy, TcpHealthCheck as TcpPolicy};
use proto::envoy::config::cluster::v3::cluster::CommonLbConfig;
use proto::envoy::config::cluster::v3::cluster::common_lb_config::{LocalityConfigSpecifier, ZoneAwareLbConfig};
use proto::envoy::config::cluster::v3::{Cluster, OutlierDetection};
use proto::envoy::config::core::v3::HealthCheck;
use proto::envoy::config::core::v3::health_check::{HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload};
use proto::envoy::r#type::v3::{CodecClientType, Int64Range, Percent};

use crate::wire;

/// Adds what the policy says to the cluster. A policy without an interval has no active part.
pub(super) fn apply(policy: &Policy, protocol: Protocol, cluster: &mut Cluster) {
    if let Some((threshold, penalty)) = policy.passive {
        cluster.outlier_detection = Some(OutlierDetection {
            consecutive_5xx: Some(threshold),
            interval: Some(wire::duration(penalty)),
            ..OutlierDetection::default()
        });
    }
    if policy.interval.is_zero() {
        return;
    }
    // One check only: Envoy wants several to have names, which its former releases do not know.
    let checker = match policy.http.as_ref().filter(|_| protocol.is_http()) {
        Some(check) => HealthChecker::HttpHealthCheck(http_check(check, protocol)),
        None => HealthChecker::TcpHealthCheck(policy.tcp.as_ref().map(tcp_check).unwrap_or_default()),
    };
    cluster.health_checks.push(health_check(policy, checker));
    if let Some(config) = common_lb_config(policy) {
        cluster.common_lb_config = Some(config);
    }
}

fn common_lb_config(policy: &Policy) -> Option<CommonLbConfig> {
    if policy.healthy_panic_threshold.is_none() && !policy.fail_traffic_on_panic {
        return None;
    }
    let zone_aware = ZoneAwareLbConfig { fail_traffic_on_panic: true, ..ZoneAwareLbConfig::default() };
    Some(CommonLbConfig {
        healthy_panic_threshold: policy
            .healthy_panic_threshold
            .map(|hundredths| Percent { value: f64::from(hundredths.min(10_000)) / 100.0 }),
        locality_config_specifier: policy
            .fail_traffic_on_panic
            .then_some(LocalityConfigSpecifier::ZoneAwareLbConfig(zone_aware)),
        ..CommonLbConfig::default()
    })
}

#[expect(deprecated, reason = "the file sink that replaces event_log_path is an extension that not every Envoy has")]
fn health_check(policy: &Policy, checker: HealthChecker) -> HealthCheck {
    // Envoy refuses zeros.
    let positive = |value: Duration, default: Duration| if value.is_zero() { default } else { value };
    HealthCheck {
        interval: Some(wire::duration(policy.interval)),
        timeout: Some(wire::duration(positive(policy.timeout, policy.interval))),
        unhealthy_threshold: Some(policy.unhealthy_threshold.max(1)),
        healthy_threshold: Some(policy.healthy_threshold.max(1)),
        initial_jitter: policy.initial_jitter.map(wire::duration),
        interval_jitter: policy.interval_jitter.map(wire::duration),
        interval_jitter_percent: policy.interval_jitter_percent.unwrap_or_default(),
        event_log_path: policy.event_log_path.clone().unwrap_or_default(),
        always_log_health_check_failures: policy.always_log_failures.unwrap_or_default(),
        no_traffic_interval: policy.no_traffic_interval.filter(|value| !value.is_zero()).map(wire::duration),
        reuse_connection: policy.reuse_connection,
        health_checker: Some(checker),
        ..HealthCheck::default()
    }
}

/// Payloads go over the wire as hexadecimal text.
fn tcp_check(policy: &TcpPolicy) -> TcpHealthCheck {
    TcpHealthCheck {
        send: (!policy.send.is_empty()).then(|| hexadecimal(&policy.send)),
        receive: policy.receive.iter().filter(|bytes| !bytes.is_empty()).map(|bytes| hexadecimal(bytes)).collect(),
        ..TcpHealthCheck::default()
    }
}

fn hexadecimal(bytes: &[u8]) -> Payload {
    let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Payload { payload: Some(payload::Payload::Text(text)) }
}

/// HTTP/1 reaches services of gRPC too: the proxy at the other end takes either and speaks their protocol to them.
fn http_check(policy: &HttpPolicy, protocol: Protocol) -> HttpHealthCheck {
    let codec = match protocol {
        Protocol::Http2 if !policy.use_http1 => CodecClientType::Http2,
        _ => CodecClientType::Http1,
    };
    let path = if policy.path.is_empty() { "/" } else { &policy.path };
    let headers = policy.headers.iter().map(|header| wire::header_option(&header.key, &header.value, header.append));
    // Envoy's ranges are half open and within 100..600.
    let status = |status: &u32| Int64Range { start: i64::from(*status), end: i64::from(*status) + 1 };
    HttpHealthCheck {
        path: path.to_owned(),
        request_headers_to_add: headers.collect(),
        expected_statuses: policy.expected_statuses.iter().filter(|s| (100..600).contains(*s)).map(status).collect(),
        codec_client_type: codec as i32,
        ..HttpHealthCheck::default()
    }
}
