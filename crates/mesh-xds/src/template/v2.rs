//! Envoy's former API, in which older templates are written, turned into the present one as far as types
//! and fields have only moved.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// Former type names and the present ones.
const TYPES: &[(&str, &str)] = &[
    ("envoy.api.v2.ClusterLoadAssignment", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
    ("envoy.api.v2.Cluster", "envoy.config.cluster.v3.Cluster"),
    ("envoy.api.v2.Listener", "envoy.config.listener.v3.Listener"),
    ("envoy.api.v2.RouteConfiguration", "envoy.config.route.v3.RouteConfiguration"),
    ("envoy.api.v2.auth.", "envoy.extensions.transport_sockets.tls.v3."),
    ("envoy.config.accesslog.v2.FileAccessLog", "envoy.extensions.access_loggers.file.v3.FileAccessLog"),
    ("envoy.config.filter.http.fault.v2.", "envoy.extensions.filters.http.fault.v3."),
    ("envoy.config.filter.http.lua.v2.", "envoy.extensions.filters.http.lua.v3."),
    ("envoy.config.filter.http.router.v2.", "envoy.extensions.filters.http.router.v3."),
    (
        "envoy.config.filter.network.http_connection_manager.v2.",
        "envoy.extensions.filters.network.http_connection_manager.v3.",
    ),
    ("envoy.config.filter.network.rbac.v2.", "envoy.extensions.filters.network.rbac.v3."),
    ("envoy.config.filter.network.tcp_proxy.v2.", "envoy.extensions.filters.network.tcp_proxy.v3."),
];

/// Former names of filters, their present names, and the types of their configurations.
const FILTERS: &[(&str, &str, &str)] = &[
    (
        "envoy.http_connection_manager",
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    ),
    ("envoy.tcp_proxy", "envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
    ("envoy.router", "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
    ("envoy.fault", "envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
    ("envoy.file_access_log", "envoy.access_loggers.file", "envoy.extensions.access_loggers.file.v3.FileAccessLog"),
];

/// `text` with former type names replaced. Lines stay where they are.
pub(super) fn type_names(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (former, present) in TYPES {
        if text.contains(former) {
            text = Cow::Owned(text.replace(former, present));
        }
    }
    text
}

/// Moves fields to where they are now; tells whether there was anything to move.
pub(super) fn reshape(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => reshape_all(items.iter_mut()),
        Value::Object(fields) => {
            let moved = reshape_all(fields.values_mut());
            let moved = hosts(fields) || moved;
            let moved = tls_context(fields) || moved;
            filter_config(fields) || moved
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Every one of them, also after the first that moved.
fn reshape_all<'a>(values: impl Iterator<Item = &'a mut Value>) -> bool {
    values.filter_map(|value| reshape(value).then_some(())).count() > 0
}

/// `hosts` of a cluster became `load_assignment`.
fn hosts(fields: &mut Map<String, Value>) -> bool {
    if fields.contains_key("load_assignment") || fields.contains_key("loadAssignment") {
        return false;
    }
    let Some(Value::Array(hosts)) = fields.get_mut("hosts") else { return false };
    let endpoint = |address: Value| json!({ "endpoint": { "address": address } });
    let endpoints: Vec<_> = std::mem::take(hosts).into_iter().map(endpoint).collect();
    fields.shift_remove("hosts");
    let name = fields.get("name").cloned().unwrap_or_default();
    fields.insert(
        "load_assignment".to_owned(),
        json!({ "cluster_name": name, "endpoints": [{ "lb_endpoints": endpoints }] }),
    );
    true
}

/// `tls_context` of a cluster or a filter chain became a transport socket.
fn tls_context(fields: &mut Map<String, Value>) -> bool {
    let Some(mut context) = fields.shift_remove("tls_context").or_else(|| fields.shift_remove("tlsContext")) else {
        return false;
    };
    let kind = if fields.contains_key("filters") { "DownstreamTlsContext" } else { "UpstreamTlsContext" };
    if let Some(context) = context.as_object_mut() {
        let name = format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}");
        context.shift_insert(0, "@type".to_owned(), name.into());
    }
    fields.insert(
        "transport_socket".to_owned(),
        json!({ "name": "envoy.transport_sockets.tls", "typed_config": context }),
    );
    true
}

/// `config` of a well-known filter became `typed_config`, and the filter got a longer name.
fn filter_config(fields: &mut Map<String, Value>) -> bool {
    let Some(name) = fields.get("name").and_then(Value::as_str) else { return false };
    let Some((_, present, kind)) = FILTERS.iter().find(|(former, present, _)| name == *former || name == *present)
    else {
        return false;
    };
    let renamed = name != *present;
    fields.insert("name".to_owned(), (*present).into());
    if fields.contains_key("typed_config") || fields.contains_key("typedConfig") {
        return renamed;
    }
    let mut config = fields.shift_remove("config").unwrap_or_else(|| json!({}));
    if let Some(config) = config.as_object_mut() {
        config.shift_insert(0, "@type".to_owned(), format!("type.googleapis.com/{kind}").into());
    }
    fields.insert("typed_config".to_owned(), config);
    true
}
