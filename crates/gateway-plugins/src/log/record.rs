//! The record of an exchange.

use std::borrow::Cow;

use engine::headers::Headers;
use gateway_model::typed::{Consumer, Route, Service};
use gateway_proxy::pdk::{Context, Outcome, Source, Try};
use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Value, json};

use crate::arguments::{Argument, Arguments};

/// Fields of requests whose values are nobody's business.
const SECRET: [&str; 2] = ["authorization", "proxy-authorization"];

/// As JSON in one line.
pub(super) fn write(context: &Context, outcome: &Outcome<'_>) -> Vec<u8> {
    serde_json::to_vec(&Record::new(context, outcome)).expect("a record has text for keys and plain values")
}

#[derive(Serialize)]
struct Record<'a> {
    request: Request<'a>,
    response: Response<'a>,
    latencies: Latencies,
    tries: Tries<'a>,
    upstream_uri: Cow<'a, str>,
    /// Empty if there was none.
    upstream_status: String,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_entity: Option<Value>,
    client_ip: String,
    started_at: i64,
    workspace_name: &'static str,
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    method: &'a str,
    uri: Cow<'a, str>,
    url: String,
    querystring: Query,
    headers: Fields<'a>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Value>,
}

#[derive(Serialize)]
struct Response<'a> {
    status: u16,
    headers: Fields<'a>,
    size: u64,
}

#[derive(Serialize)]
struct Latencies {
    request: i64,
    kong: i64,
    proxy: i64,
    receive: i64,
}

struct Tries<'a>(&'a [Try]);

struct Fields<'a> {
    headers: &'a Headers,
    hide: bool,
}

struct Query(Arguments);

impl<'a> Record<'a> {
    fn new(context: &'a Context, outcome: &'a Outcome<'_>) -> Self {
        let request = &context.request;
        let uri = String::from_utf8_lossy(&request.target);
        let scheme = if context.client.tls.is_some() { "https" } else { "http" };
        let host = request.headers.get_str("host").map_or("", without_port);
        let upstream = [&context.target.path[..], &context.target.query].concat();
        Self {
            request: Request {
                id: context.id.as_str(),
                method: request.method.as_str(),
                url: format!("{scheme}://{host}:{}{uri}", context.client.local.port()),
                uri,
                querystring: Query(Arguments::read(request.query().unwrap_or_default())),
                headers: Fields { headers: &request.headers, hide: true },
                size: outcome.request_size,
                tls: context
                    .client
                    .tls
                    .as_ref()
                    .map(|tls| json!({ "version": tls.version, "cipher": tls.cipher, "client_verify": "NONE" })),
            },
            response: Response {
                status: outcome.response.status,
                headers: Fields { headers: &outcome.response.headers, hide: false },
                size: outcome.response_size,
            },
            latencies: Latencies {
                request: outcome.latencies.request.round() as i64,
                kong: outcome.latencies.kong.round() as i64,
                proxy: outcome.latencies.proxy.round() as i64,
                receive: outcome.latencies.receive.round() as i64,
            },
            tries: Tries(outcome.tries),
            upstream_uri: String::from_utf8_lossy(&upstream).into_owned().into(),
            upstream_status: outcome.upstream_status.map_or_else(String::new, |status| status.to_string()),
            source: Source::as_str(context.source),
            route: context.route.as_deref().map(route),
            service: context.service.as_deref().map(service),
            consumer: context.consumer.as_deref().map(consumer),
            authenticated_entity: context.credential.as_ref().map(|credential| json!({ "id": &*credential.id })),
            client_ip: context.client.ip.to_string(),
            started_at: outcome.started_ms,
            workspace_name: "default",
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

impl Serialize for Tries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tries = serializer.serialize_seq(Some(self.0.len()))?;
        for attempt in self.0 {
            let mut entry = json!({
                "ip": attempt.address.ip().to_string(), "port": attempt.address.port(),
                "balancer_start": attempt.start_ms, "balancer_start_ns": attempt.start_ms.saturating_mul(1_000_000),
                "balancer_latency": attempt.balancer_latency_ns / 1_000_000,
                "balancer_latency_ns": attempt.balancer_latency_ns, "keepalive": attempt.keepalive,
            });
            if let Some(code) = attempt.failed {
                entry["state"] = "failed".into();
                entry["code"] = code.into();
            }
            tries.serialize_element(&entry)?;
        }
        tries.end()
    }
}

/// Names in lower case; several values are a list.
impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            if self.headers.iter().take(at).any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                continue;
            }
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if self.hide && SECRET.contains(&&*name) {
                map.serialize_entry(&name, "REDACTED")?;
                continue;
            }
            let others: Vec<_> = self.headers.get_all(&name).skip(1).map(String::from_utf8_lossy).collect();
            let first = String::from_utf8_lossy(value);
            if others.is_empty() {
                map.serialize_entry(&name, &first)?;
            } else {
                let all: Vec<_> = std::iter::once(first).chain(others).collect();
                map.serialize_entry(&name, &all)?;
            }
        }
        map.end()
    }
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |value: &Argument| match value {
            Argument::Bare => Value::Bool(true),
            Argument::Text(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
        };
        let mut map = serializer.serialize_map(None)?;
        for (name, values) in self.0.iter() {
            let name = String::from_utf8_lossy(name);
            match values {
                [one] => map.serialize_entry(&name, &value(one))?,
                several => map.serialize_entry(&name, &several.iter().map(value).collect::<Vec<_>>())?,
            }
        }
        map.end()
    }
}

fn route(route: &Route) -> Value {
    let protocols: Vec<_> = route.protocols.iter().map(|protocol| protocol.as_str()).collect();
    let strings = |list: &[std::sync::Arc<str>]| match list {
        [] => Value::Null,
        list => list.iter().map(|text| &**text).collect(),
    };
    let mut value = json!({
        "id": &*route.id, "name": route.name.as_deref(), "created_at": number(route.created_at),
        "protocols": protocols, "methods": strings(&route.methods), "hosts": strings(&route.hosts),
        "paths": strings(&route.paths), "snis": strings(&route.snis), "strip_path": route.strip_path,
        "preserve_host": route.preserve_host, "request_buffering": route.request_buffering,
        "response_buffering": route.response_buffering, "regex_priority": route.regex_priority,
        "path_handling": route.path_handling.as_deref(),
        "https_redirect_status_code": route.https_redirect_status_code,
        "service": route.service.as_ref().map(|service| json!({ "id": &*service.id })),
        "expression": route.expression.as_deref(), "priority": route.priority,
        "tags": route.tags.as_deref().map_or(Value::Null, strings),
    });
    leave_out_nulls(&mut value);
    value
}

fn service(service: &Service) -> Value {
    let mut value = json!({
        "id": &*service.id, "name": service.name.as_deref(), "created_at": number(service.created_at),
        "protocol": service.protocol.as_str(), "host": &*service.host, "port": service.port,
        "path": service.path.as_deref(), "retries": service.retries, "connect_timeout": service.connect_timeout,
        "write_timeout": service.write_timeout, "read_timeout": service.read_timeout, "enabled": service.enabled,
        "tls_verify": service.tls_verify, "tls_verify_depth": service.tls_verify_depth,
        "tags": service.tags.as_deref().map(|tags| tags.iter().map(|tag| &**tag).collect::<Value>()),
    });
    leave_out_nulls(&mut value);
    value
}

fn consumer(consumer: &Consumer) -> Value {
    let mut value = json!({
        "id": &*consumer.id, "username": consumer.username.as_deref(), "custom_id": consumer.custom_id.as_deref(),
        "created_at": number(consumer.created_at),
        "tags": consumer.tags.as_deref().map(|tags| tags.iter().map(|tag| &**tag).collect::<Value>()),
    });
    leave_out_nulls(&mut value);
    value
}

/// A time without a fraction where there is none.
fn number(time: Option<f64>) -> Value {
    match time {
        Some(time) if time.fract() == 0.0 && time.abs() < 1e15 => (time as i64).into(),
        other => other.into(),
    }
}

fn leave_out_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
    }
}
