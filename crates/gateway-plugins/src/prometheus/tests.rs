use std::sync::Arc;

use gateway_model::typed::Consumer;
use gateway_proxy::pdk::Source;
use serde_json::json;

use super::{Connections, Prometheus, Sources, TargetHealth, metrics, set_sources};
use crate::log::testing::{exchange, log};
use crate::testing::{Lab, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "per_consumer": false, "status_code_metrics": false, "ai_metrics": false, "latency_metrics": false,
        "bandwidth_metrics": false, "upstream_health_metrics": false,
    });
    assert_eq!(shown("prometheus", json!({})), expected);
}

#[test]
fn the_node_is_told_before_the_plugin_is_there() {
    let lab = Lab::new();
    assert!(metrics(&lab.node).contains("kong_node_info"));
    let plugin = lab.plugin(&Prometheus, json!({}));
    assert!(!plugin.phases().log, "nothing is counted unless it is asked for");
    let text = metrics(&lab.node);
    assert!(text.contains("# TYPE kong_node_info gauge\nkong_node_info{node_id=\"node-id\",version=\"3.9.3\"} 1\n"));
    assert!(!text.contains("kong_http_requests_total") && !text.contains("kong_datastore_reachable"), "{text}");
}

fn lines<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(part) && !line.starts_with('#')).collect()
}

#[test]
fn requests_are_counted() {
    let lab = Lab::new();
    let config = json!({ "status_code_metrics": true, "bandwidth_metrics": true, "per_consumer": true });
    let plugin = lab.plugin(&Prometheus, config);
    let mut exchange = exchange(&lab);
    log(&*plugin, &exchange, 200);
    log(&*plugin, &exchange, 200);
    exchange.context.source = Source::Exit;
    log(&*plugin, &exchange, 401);
    let consumer = json!({ "id": "id", "username": "b\"ob" });
    exchange.context.consumer = Some(Arc::new(serde_json::from_value::<Consumer>(consumer).unwrap()));
    log(&*plugin, &exchange, 401);
    let text = metrics(&lab.node);
    let labels = "service=\"service\",route=\"route\"";
    let expected = [
        format!(
            "kong_http_requests_total{{{labels},code=\"200\",source=\"service\",workspace=\"default\",consumer=\"\"}} 2"
        ),
        format!(
            "kong_http_requests_total{{{labels},code=\"401\",source=\"kong\",workspace=\"default\",consumer=\"\"}} 1"
        ),
        format!(
            "kong_http_requests_total{{{labels},code=\"401\",source=\"kong\",workspace=\"default\",consumer=\"b\\\"ob\"}} 1"
        ),
    ];
    assert_eq!(lines(&text, "kong_http_requests_total"), expected);
    let bandwidth = lines(&text, "kong_bandwidth_bytes");
    assert_eq!(
        bandwidth[0],
        format!("kong_bandwidth_bytes{{{labels},direction=\"egress\",workspace=\"default\",consumer=\"\"}} 600")
    );
    assert!(bandwidth[1].contains("ingress") && bandwidth[1].ends_with(" 300") && bandwidth.len() == 4);
    assert!(!text.contains("latency_ms"));
}

#[test]
fn latencies_are_histograms() {
    let lab = Lab::new();
    let plugin = lab.plugin(&Prometheus, json!({ "latency_metrics": true }));
    log(&*plugin, &lab.request("GET", "/"), 404);
    assert!(!metrics(&lab.node).contains("latency_ms"), "nobody's route");
    let exchange = lab.request("GET", "/").routed();
    log(&*plugin, &exchange, 200);
    log(&*plugin, &exchange, 200);
    let text = metrics(&lab.node);
    let labels = "service=\"\",route=\"route\",workspace=\"default\"";
    let own = lines(&text, "kong_kong_latency_ms");
    assert_eq!(own[0], format!("kong_kong_latency_ms_bucket{{{labels},le=\"1\"}} 0"));
    assert_eq!(own[1], format!("kong_kong_latency_ms_bucket{{{labels},le=\"2\"}} 2"));
    assert_eq!(own[17], format!("kong_kong_latency_ms_bucket{{{labels},le=\"+Inf\"}} 2"));
    assert_eq!(own[18], format!("kong_kong_latency_ms_count{{{labels}}} 2"));
    assert_eq!(own[19], format!("kong_kong_latency_ms_sum{{{labels}}} 4"));
    assert!(text.contains(&format!("kong_request_latency_ms_sum{{{labels}}} 24.8\n")));
    assert!(text.contains(&format!("kong_upstream_latency_ms_bucket{{{labels},le=\"25\"}} 2\n")));
}

#[derive(Debug)]
struct Fixed;

impl Sources for Fixed {
    fn connections(&self) -> Connections {
        Connections { accepted: 9, handled: 9, active: 3, reading: 0, writing: 1, waiting: 2 }
    }

    fn requests(&self) -> u64 {
        20
    }

    fn datastore_reachable(&self) -> bool {
        true
    }

    fn targets(&self, each: &mut dyn FnMut(TargetHealth<'_>)) {
        each(TargetHealth { upstream: "up", target: "h:80", address: "10.0.0.1:80", state: "unhealthy" });
    }
}

#[test]
fn the_node_tells_of_itself() {
    let lab = Lab::new();
    set_sources(&lab.node, Arc::new(Fixed));
    lab.plugin(&Prometheus, json!({}));
    assert!(!metrics(&lab.node).contains("kong_upstream_target_health"));
    lab.plugin(&Prometheus, json!({ "upstream_health_metrics": true }));
    let text = metrics(&lab.node);
    let labels = "upstream=\"up\",target=\"h:80\",address=\"10.0.0.1:80\"";
    for line in [
        "kong_datastore_reachable 1".to_owned(),
        "kong_nginx_timers{state=\"running\"} 0".to_owned(),
        "kong_nginx_connections_total{node_id=\"node-id\",subsystem=\"http\",state=\"active\"} 3".to_owned(),
        "kong_nginx_requests_total{node_id=\"node-id\",subsystem=\"http\"} 20".to_owned(),
        format!("kong_upstream_target_health{{{labels},state=\"healthy\",subsystem=\"http\"}} 0"),
        format!("kong_upstream_target_health{{{labels},state=\"unhealthy\",subsystem=\"http\"}} 1"),
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
}
