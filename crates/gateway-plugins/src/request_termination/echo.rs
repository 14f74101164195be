//! What is known of a request, as JSON.

use std::sync::Arc;

use gateway_model::typed::{Route, Service};
use gateway_proxy::pdk::Context;
use serde_json::{Map, Value, json};

use crate::{body, query};

/// The echo of a request.
pub(crate) fn echo(context: &Context, message: Option<&str>, body: &[u8]) -> Value {
    let request = &context.request;
    let mut echo = json!({
        "message": message,
        "kong": { "node_id": context.node.id, "worker_pid": std::process::id(), "hostname": context.node.hostname },
        "request": {
            "scheme": if context.client.tls.is_some() { "https" } else { "http" },
            "host": context.forwarded_host(),
            "port": context.client.local.port(),
            "headers": headers(context),
            "query": query::as_json(request.query().unwrap_or_default()),
            "body": body::as_json(&request.headers, body),
            "raw_body": String::from_utf8_lossy(body),
            "method": request.method.as_str(),
            "path": String::from_utf8_lossy(request.path()),
            "uri_captures": captures(context),
        },
        "matched_route": context.route.as_deref().map(route),
        "matched_service": context.service.as_deref().map(service),
    });
    leave_out_nulls(&mut echo);
    leave_out_nulls(&mut echo["request"]);
    echo
}

/// What there is nothing of is not mentioned.
fn leave_out_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
    }
}

/// Lower case names; a list where there are several values.
fn headers(context: &Context) -> Value {
    let mut all = Map::new();
    for (name, value) in context.request.headers.iter() {
        query::add(
            &mut all,
            &String::from_utf8_lossy(name).to_ascii_lowercase(),
            String::from_utf8_lossy(value).into(),
        );
    }
    Value::Object(all)
}

/// What is set of a route.
fn route(route: &Route) -> Value {
    let list = |names: &[Arc<str>]| (!names.is_empty()).then(|| json!(names));
    set([
        ("id", Some(json!(route.id))),
        ("name", route.name.as_ref().map(|name| json!(name))),
        ("service", route.service.as_ref().map(|service| json!({ "id": service.id }))),
        ("protocols", Some(route.protocols.iter().map(|protocol| protocol.as_str()).collect())),
        ("methods", list(&route.methods)),
        ("hosts", list(&route.hosts)),
        ("paths", list(&route.paths)),
        ("snis", list(&route.snis)),
        ("headers", (!route.headers.is_empty()).then(|| json!(route.headers))),
        ("expression", route.expression.as_ref().map(|expression| json!(expression))),
        ("priority", route.priority.map(|priority| json!(priority))),
        ("regex_priority", route.regex_priority.map(|priority| json!(priority))),
        ("path_handling", route.path_handling.as_ref().map(|handling| json!(handling))),
        ("strip_path", Some(json!(route.strip_path))),
        ("preserve_host", Some(json!(route.preserve_host))),
        ("request_buffering", Some(json!(route.request_buffering))),
        ("response_buffering", Some(json!(route.response_buffering))),
        ("https_redirect_status_code", route.https_redirect_status_code.map(|status| json!(status))),
        ("tags", route.tags.as_ref().map(|tags| json!(tags))),
    ])
}

/// What is set of a service.
fn service(service: &Service) -> Value {
    set([
        ("id", Some(json!(service.id))),
        ("name", service.name.as_ref().map(|name| json!(name))),
        ("protocol", Some(json!(service.protocol.as_str()))),
        ("host", Some(json!(service.host))),
        ("port", Some(json!(service.port))),
        ("path", service.path.as_ref().map(|path| json!(path))),
        ("retries", service.retries.map(|retries| json!(retries))),
        ("connect_timeout", service.connect_timeout.map(|timeout| json!(timeout))),
        ("write_timeout", service.write_timeout.map(|timeout| json!(timeout))),
        ("read_timeout", service.read_timeout.map(|timeout| json!(timeout))),
        ("enabled", Some(json!(service.enabled))),
        ("tags", service.tags.as_ref().map(|tags| json!(tags))),
    ])
}

fn set<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn captures(context: &Context) -> Value {
    let (mut named, mut unnamed) = (Map::new(), Vec::new());
    // The whole match, number 0, has no place in a list that begins with 1.
    for (name, text) in context.captures.iter().filter(|(name, _)| **name != *"0") {
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            unnamed.push(Value::from(&**text));
        } else {
            named.insert(name.to_string(), Value::from(&**text));
        }
    }
    json!({ "named": named, "unnamed": unnamed })
}
