use gateway_model::typed::Consumer;
use gateway_proxy::pdk::{RequestId, Tls};
use serde_json::{Value, json};

use super::testing::{exchange, with_outcome};
use crate::testing::Lab;

fn record(context: &gateway_proxy::pdk::Context) -> Value {
    let mut value = Value::Null;
    with_outcome(200, |outcome| value = serde_json::from_slice(&super::record(context, outcome)).unwrap());
    value
}

#[test]
fn records_are_complete() {
    let lab = Lab::new();
    let mut exchange = exchange(&lab);
    let consumer = json!({ "id": "consumer-id", "username": "bob", "created_at": 1_767_323_045.0 });
    exchange.context.consumer = Some(std::sync::Arc::new(serde_json::from_value::<Consumer>(consumer).unwrap()));
    exchange.context.target.path = b"/up".to_vec();
    let expected = json!({
        "request": {
            "id": "00000000000000000000000000000abc", "method": "GET", "uri": "/a?x=1&x=2&flag&q=a%20b",
            "url": "http://example.com:8000/a?x=1&x=2&flag&q=a%20b", "size": 100,
            "querystring": { "x": ["1", "2"], "flag": true, "q": "a b" },
            "headers": { "host": "example.com", "authorization": "REDACTED", "x-dup": ["a", "b"] },
        },
        "response": { "status": 200, "headers": { "content-type": "text/plain" }, "size": 200 },
        "latencies": { "request": 12, "kong": 2, "proxy": 10, "receive": 1 },
        "tries": [
            {
                "ip": "127.0.0.1", "port": 81, "balancer_start": 1_767_323_045_001_i64,
                "balancer_start_ns": 1_767_323_045_001_000_000_i64, "balancer_latency": 2,
                "balancer_latency_ns": 2_500_000, "keepalive": false, "state": "failed", "code": 502,
            },
            {
                "ip": "127.0.0.1", "port": 82, "balancer_start": 1_767_323_045_001_i64,
                "balancer_start_ns": 1_767_323_045_001_000_000_i64, "balancer_latency": 2,
                "balancer_latency_ns": 2_500_000, "keepalive": true,
            },
        ],
        "upstream_uri": "/up?x=1&x=2&flag&q=a%20b", "upstream_status": "200", "source": "upstream",
        "route": {
            "id": "route-id", "name": "route", "protocols": ["http", "https"], "strip_path": true,
            "preserve_host": false, "request_buffering": true, "response_buffering": true,
        },
        "service": {
            "id": "service-id", "name": "service", "protocol": "http", "host": "upstream.example", "port": 80,
            "enabled": true,
        },
        "consumer": { "id": "consumer-id", "username": "bob", "created_at": 1_767_323_045 },
        "authenticated_entity": { "id": "credential-id" }, "client_ip": "127.0.0.1",
        "started_at": 1_767_323_045_000_i64, "workspace_name": "default",
    });
    assert_eq!(record(&exchange.context), expected);
}

#[test]
fn what_is_unknown_is_left_out() {
    let lab = Lab::new();
    let mut exchange = lab.request("GET", "/");
    exchange.context.id = RequestId::new(1);
    let tls = Tls { sni: None, version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
    exchange.context.client.tls = Some(std::sync::Arc::new(tls));
    let record = record(&exchange.context);
    assert!(["route", "service", "consumer", "authenticated_entity"].iter().all(|name| record.get(name).is_none()));
    assert_eq!(record["request"]["tls"]["version"], "TLSv1.3");
    assert_eq!(record["upstream_status"], "200");
    assert_eq!(record["request"]["url"], "https://example.com:8000/");
}

#[test]
fn several_loggers_share_a_record() {
    let lab = Lab::new();
    let mut exchange = exchange(&lab);
    exchange.context.id = RequestId::new(2);
    with_outcome(200, |outcome| {
        let first = super::record(&exchange.context, outcome);
        assert_eq!(first.as_ptr(), super::record(&exchange.context, outcome).as_ptr());
    });
}
