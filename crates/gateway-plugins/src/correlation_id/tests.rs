use serde_json::json;

use super::CorrelationId;
use crate::testing::{Lab, configuration, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({ "header_name": "Kong-Request-ID", "generator": "uuid#counter", "echo_downstream": false });
    assert_eq!(shown("correlation-id", json!({})), expected);
    let error = configuration("correlation-id", json!({ "generator": "x" })).unwrap_err();
    assert_eq!(error["fields"]["config"]["generator"], "expected one of: uuid, uuid#counter, tracker");
}

#[test]
fn plugins_count_together() {
    let lab = Lab::new();
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let plugin = lab.plugin(&CorrelationId, json!({}));
            let mut request = lab.request("GET", "/");
            assert!(request.access(&*plugin).is_none());
            assert!(!plugin.phases().header_filter);
            request.upstream("Kong-Request-ID").unwrap().to_owned()
        })
        .collect();
    let (first, second) = (ids[0].strip_suffix("#1").unwrap(), ids[1].strip_suffix("#2").unwrap());
    assert_eq!(first, second);
    assert!(first.parse::<uuid::Uuid>().is_ok());
}

#[test]
fn a_given_id_is_kept_and_told() {
    let lab = Lab::new();
    let config = json!({ "echo_downstream": true, "header_name": "X-Id", "generator": "uuid" });
    let plugin = lab.plugin(&CorrelationId, config);
    let mut given = lab.request("GET", "/").header("x-id", "given");
    assert!(given.access(&*plugin).is_none());
    assert_eq!(given.upstream("x-id"), Some("given"));
    assert_eq!(given.filter_headers(&*plugin, &[("X-Id", "up")]).headers.get_str("x-id"), Some("given"));

    let mut empty = lab.request("GET", "/").header("X-Id", "");
    assert!(empty.access(&*plugin).is_none());
    let id = empty.upstream("x-id").unwrap().to_owned();
    assert!(id.parse::<uuid::Uuid>().is_ok());
    assert_eq!(empty.filter_headers(&*plugin, &[]).headers.get_str("x-id"), Some(&*id));
    let unseen = lab.request("GET", "/").filter_headers(&*plugin, &[]);
    assert!(unseen.headers.contains("x-id"));
}

#[test]
fn trackers_tell_where_and_when() {
    let lab = Lab::new();
    let plugin = lab.plugin(&CorrelationId, json!({ "generator": "tracker" }));
    let mut request = lab.request("GET", "/");
    assert!(request.access(&*plugin).is_none());
    let expected = format!("127.0.0.1-8000-{}-40000-1-1767323045.000", std::process::id());
    assert_eq!(request.upstream("kong-request-id"), Some(&*expected));
}

#[test]
fn names_are_checked() {
    let lab = Lab::new();
    let config = configuration("correlation-id", json!({ "header_name": "a b" })).unwrap();
    let refused = gateway_proxy::pdk::Definition::compile(&CorrelationId, &config, &lab.environment());
    assert!(refused.unwrap_err().contains("'a b' is not a header name"));
}
