//! Retries of requests.

use mesh_model::Protocol;
use mesh_model::policy::{Backoff, GrpcRetry, HttpRetry, Retry, StringMatch};
use proto::envoy::config::route::v3::RetryPolicy;
use proto::envoy::config::route::v3::retry_policy::RetryBackOff;

use crate::wire;

/// What is retried unless a policy says otherwise.
const HTTP: &str = "gateway-error,connect-failure,refused-stream";
const GRPC: &str = "cancelled,connect-failure,gateway-error,refused-stream,reset,resource-exhausted,unavailable";

/// The retry policy of a virtual host.
pub(super) fn policy(retry: &Retry, protocol: Protocol) -> Option<RetryPolicy> {
    match protocol {
        Protocol::Http | Protocol::Http2 => retry.http.as_ref().map(http),
        Protocol::Grpc => retry.grpc.as_ref().map(grpc),
        Protocol::Tcp | Protocol::Tls | Protocol::Kafka => None,
    }
}

fn http(retry: &HttpRetry) -> RetryPolicy {
    let statuses = !retry.retriable_status_codes.is_empty();
    let mut conditions = match retry.retry_on.as_slice() {
        [] => HTTP.to_owned(),
        conditions => conditions.join(","),
    };
    if statuses && !conditions.contains("retriable-status-codes") {
        conditions.push_str(",retriable-status-codes");
    }
    let method = |method: &String| wire::header_matcher(":method", &StringMatch::Exact(method.clone()));
    RetryPolicy {
        retry_on: conditions,
        num_retries: retry.num_retries,
        per_try_timeout: retry.per_try_timeout.map(wire::duration),
        retry_back_off: retry.back_off.as_ref().map(back_off),
        retriable_status_codes: retry.retriable_status_codes.clone(),
        retriable_request_headers: retry.retriable_methods.iter().map(method).collect(),
        ..RetryPolicy::default()
    }
}

fn grpc(retry: &GrpcRetry) -> RetryPolicy {
    let conditions = if retry.retry_on.is_empty() { GRPC.to_owned() } else { retry.retry_on.join(",") };
    RetryPolicy {
        retry_on: conditions,
        num_retries: retry.num_retries,
        per_try_timeout: retry.per_try_timeout.map(wire::duration),
        retry_back_off: retry.back_off.as_ref().map(back_off),
        ..RetryPolicy::default()
    }
}

/// Envoy wants a pause of at least a millisecond, and the longest not below the first.
fn back_off(pause: &Backoff) -> RetryBackOff {
    let base = pause.base.max(std::time::Duration::from_millis(1));
    RetryBackOff {
        base_interval: Some(wire::duration(base)),
        max_interval: pause.max.map(|max| wire::duration(max.max(base))),
    }
}
