//! `Retry`.

use std::time::Duration;

use crate::parse::reader::{Cursor, Object};
use crate::policy::{Backoff, GrpcRetry, HttpRetry, Retry};

/// Conditions of HTTP retries, in the product's spelling and in Envoy's. The order is that of their numbers.
const HTTP_CONDITIONS: [(&str, &str); 10] = [
    ("all_5xx", "5xx"),
    ("gateway_error", "gateway-error"),
    ("reset", "reset"),
    ("connect_failure", "connect-failure"),
    ("envoy_ratelimited", "envoy-ratelimited"),
    ("retriable_4xx", "retriable-4xx"),
    ("refused_stream", "refused-stream"),
    ("retriable_status_codes", "retriable-status-codes"),
    ("retriable_headers", "retriable-headers"),
    ("http3_post_connect_failure", "http3-post-connect-failure"),
];

/// Conditions of gRPC retries, likewise.
const GRPC_CONDITIONS: [(&str, &str); 5] = [
    ("cancelled", "cancelled"),
    ("deadline_exceeded", "deadline-exceeded"),
    ("internal", "internal"),
    ("resource_exhausted", "resource-exhausted"),
    ("unavailable", "unavailable"),
];

const METHODS: [(&str, &str); 10] = [
    ("NONE", ""),
    ("CONNECT", "CONNECT"),
    ("DELETE", "DELETE"),
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("OPTIONS", "OPTIONS"),
    ("PATCH", "PATCH"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("TRACE", "TRACE"),
];

const EMPTY: &str = "field cannot be empty";

pub(super) fn read(policy: &Object<'_, '_>) -> Retry {
    let conf = policy.field("conf");
    if !conf.is_present() {
        conf.problem("has to be defined");
    }
    conf.section(|fields| {
        let result = Retry {
            http: fields.field("http").object(http),
            grpc: fields.field("grpc").object(grpc),
            tcp_max_connect_attempts: fields.field("tcp").object(tcp).flatten(),
        };
        if !["http", "grpc", "tcp"].into_iter().any(|name| fields.has(name)) {
            conf.problem("missing protocol [grpc|http|tcp] configuration");
        }
        result
    })
}

fn http(conf: &Object<'_, '_>) -> HttpRetry {
    let result = HttpRetry {
        num_retries: num_retries(&conf.field("numRetries")),
        per_try_timeout: conf.field("perTryTimeout").positive_duration(),
        back_off: conf.field("backOff").object(back_off),
        retriable_status_codes: conf.field("retriableStatusCodes").list(|code| code.u32()),
        retriable_methods: conf.field("retriableMethods").list(method),
        retry_on: conf.field("retryOn").list(|condition| http_condition(condition, conf)),
    };
    if result == HttpRetry::default() && !conf.has("retryOn") && !conf.has("retriableMethods") {
        conf.here().problem(EMPTY);
    }
    result
}

fn method(field: &Cursor<'_, '_>) -> Option<String> {
    let method = field.choice(&METHODS)?;
    if method.is_empty() {
        field.problem(EMPTY);
    }
    Some(method.to_owned())
}

fn http_condition(field: &Cursor<'_, '_>, conf: &Object<'_, '_>) -> Option<String> {
    let condition = field.choice(&HTTP_CONDITIONS)?;
    if condition == "retriable-status-codes" && !conf.has("retriableStatusCodes") {
        field.problem("retriableStatusCodes cannot be empty when this option is specified");
    }
    Some(condition.to_owned())
}

fn grpc(conf: &Object<'_, '_>) -> GrpcRetry {
    let conditions = conf.field("retryOn");
    let result = GrpcRetry {
        num_retries: num_retries(&conf.field("numRetries")),
        per_try_timeout: conf.field("perTryTimeout").positive_duration(),
        back_off: conf.field("backOff").object(back_off),
        retry_on: conditions.list(|condition| condition.choice(&GRPC_CONDITIONS).map(str::to_owned)),
    };
    if result == GrpcRetry::default() && !conditions.is_present() {
        conf.here().problem(EMPTY);
    }
    report_repeated(&conditions, &result.retry_on);
    result
}

fn report_repeated(field: &Cursor<'_, '_>, conditions: &[String]) {
    for (name, condition) in GRPC_CONDITIONS {
        let indexes: Vec<_> = conditions.iter().enumerate().filter(|(_, one)| *one == condition).collect();
        if indexes.len() > 1 {
            let indexes: Vec<_> = indexes.into_iter().map(|(index, _)| index.to_string()).collect();
            field.problem(format!("repeated value {name:?} at indexes [{}]", indexes.join(", ")));
        }
    }
}

fn tcp(conf: &Object<'_, '_>) -> Option<u32> {
    let field = conf.field("maxConnectAttempts");
    if !field.is_present() || field.u32() == Some(0) {
        field.problem("has to be greater than 0");
        return None;
    }
    field.u32()
}

fn num_retries(field: &Cursor<'_, '_>) -> Option<u32> {
    let retries = field.u32();
    if retries == Some(0) {
        field.problem("has to be greater than 0 when defined");
    }
    retries
}

fn back_off(conf: &Object<'_, '_>) -> Backoff {
    let field = conf.field("baseInterval");
    if !field.is_present() {
        field.problem("has to be defined");
    }
    let base = field.duration();
    if base == Some(Duration::ZERO) {
        field.problem("has to be greater than 0");
    }
    Backoff { base: base.unwrap_or_default(), max: conf.field("maxInterval").positive_duration() }
}
