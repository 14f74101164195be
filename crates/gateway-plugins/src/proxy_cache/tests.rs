use std::sync::Arc;
use std::time::Duration;

use gateway_proxy::pdk::{Answer, Content, Plugin, Source};
use serde_json::{Value, json};

use super::{CacheAnswer, CacheEndpoint, ProxyCache};
use crate::testing::{Exchange, Lab, configuration, shown};

fn plugin(lab: &Lab, mut config: Value) -> Arc<dyn Plugin> {
    config["strategy"] = "memory".into();
    lab.plugin(&ProxyCache, config)
}

/// The answer out of the cache, or what the client is told of the upstream's.
fn status(exchange: Exchange, plugin: &dyn Plugin, fields: &[(&str, &str)]) -> String {
    match run(exchange, plugin, fields) {
        Ok(answer) => answer.headers.get_str("X-Cache-Status").unwrap_or("none").to_owned(),
        Err(told) => told,
    }
}

fn run(exchange: Exchange, plugin: &dyn Plugin, fields: &[(&str, &str)]) -> Result<Answer, String> {
    let mut exchange = exchange.routed().served();
    if let Some(answer) = exchange.access(plugin) {
        exchange.filter_headers(plugin, &[]);
        assert_eq!(exchange.context.source, Source::Service);
        return Ok(answer);
    }
    let told = exchange.response("X-Cache-Status").unwrap_or("none").to_owned();
    let fields: Vec<_> = [("Content-Type", "application/json")].into_iter().chain(fields.iter().copied()).collect();
    let head = exchange.filter_headers(plugin, &fields);
    for (part, last) in [("bo", false), ("dy", true)] {
        plugin.body_filter(&mut exchange.context, &mut part.as_bytes().to_vec(), last);
    }
    Err(head.headers.get_str("X-Cache-Status").map_or(told, str::to_owned))
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "cache_control": false, "cache_ttl": 300, "content_type": ["text/plain", "application/json"],
        "ignore_uri_case": false, "memory": { "dictionary_name": "kong_db_cache" },
        "request_method": ["GET", "HEAD"], "response_code": [200, 301, 404],
        "response_headers": { "X-Cache-Key": true, "X-Cache-Status": true, "age": true }, "storage_ttl": null,
        "strategy": "memory", "vary_headers": null, "vary_query_params": null,
    });
    assert_eq!(shown("proxy-cache", json!({ "strategy": "memory" })), expected);
}

#[test]
fn there_is_one_memory() {
    let error = configuration("proxy-cache", json!({ "strategy": "redis" })).unwrap_err();
    assert_eq!(error["fields"]["config"]["strategy"], "expected one of: memory");
    let config = json!({ "strategy": "memory", "memory": { "dictionary_name": "x" } });
    let error = configuration("proxy-cache", config).unwrap_err();
    assert_eq!(error["fields"]["@entity"][0], "missing shared dict 'x'");
}

#[test]
fn an_answer_is_given_again_while_it_is_fresh() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({ "cache_ttl": 10 }));
    let request = || lab.request("GET", "/c");
    let fields = [("X-Up", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Connection", "close")];
    assert_eq!(run(request(), &*plugin, &fields).unwrap_err(), "Miss");
    lab.clock.advance(Duration::from_secs(3));
    let again = run(request(), &*plugin, &[]).unwrap();
    assert!(matches!(&again.content, Content::Bytes(body) if body == b"body"));
    assert_eq!(
        (again.status, again.headers.get_str("age"), again.headers.get_str("X-Up")),
        (200, Some("3"), Some("1"))
    );
    assert_eq!((again.headers.get_all("set-cookie").count(), again.headers.contains("connection")), (2, false));
    assert_eq!(again.headers.get_str("X-Cache-Status"), Some("Hit"));
    lab.clock.advance(Duration::from_secs(8));
    assert_eq!(status(request(), &*plugin, &[]), "Miss");
}

#[test]
fn keys_are_those_of_the_reference() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({}));
    let key = |target: &str| {
        let mut request = lab.request("GET", target).routed().served();
        assert!(request.access(&*plugin).is_none());
        request.response("X-Cache-Key").unwrap().to_owned()
    };
    // SHA-256 of `route-id|GET|GET /c HTTP/1.1||`.
    assert_eq!(key("/c"), "d0a556a33b1f996d5b6dd3722a432d363e69fd9d0dd920f80c9b2d175931d9c5");
    assert_eq!(key("/c?x=1&x=2"), key("/c?x=2&x=1"));
    assert_ne!(key("/c?y=2&x=1"), key("/c?x=2&y=1"));
    assert_ne!(key("/c"), key("/c/"));
}

#[test]
fn only_what_counts_makes_requests_differ() {
    let lab = Lab::new();
    let config = json!({ "vary_query_params": ["a"], "vary_headers": ["X-V"], "ignore_uri_case": true });
    let plugin = plugin(&lab, config);
    let request = |target: &str| lab.request("GET", target);
    assert_eq!(status(request("/c?a=1").header("x-v", "1"), &*plugin, &[]), "Miss");
    assert_eq!(status(request("/C?z=9&a=1").header("X-V", "1").header("X-Other", "1"), &*plugin, &[]), "Hit");
    assert_eq!(status(request("/c?a=2").header("x-v", "1"), &*plugin, &[]), "Miss");
    assert_eq!(status(request("/c?a=1").header("x-v", "2"), &*plugin, &[]), "Miss");
    assert_eq!(status(request("/c?a=1"), &*plugin, &[]), "Miss");
}

#[test]
fn not_everything_is_kept() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({}));
    for method in ["POST", "DELETE", "OPTIONS"] {
        assert_eq!(status(lab.request(method, "/"), &*plugin, &[]), "Bypass");
    }
    for _ in 0..2 {
        assert_eq!(status(lab.request("HEAD", "/"), &*plugin, &[]), "Miss");
        assert_eq!(status(lab.request("GET", "/t"), &*plugin, &[("Content-Type", "text/html")]), "Bypass");
    }
    assert_eq!(status(lab.request("GET", "/"), &*plugin, &[("Cache-Control", "private")]), "Miss");
    assert_eq!(status(lab.request("GET", "/").header("Cache-Control", "no-cache"), &*plugin, &[]), "Hit");
}

#[test]
fn cache_control_counts_when_it_is_asked_for() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({ "cache_control": true, "storage_ttl": 100 }));
    let request = |target: &str, control: &str| lab.request("GET", target).header("Cache-Control", control);
    for control in ["private", "no-store", "no-cache", "max-age=0", "public", "max-age=60, private", "s-maxage=0"] {
        assert_eq!(status(lab.request("GET", "/a"), &*plugin, &[("Cache-Control", control)]), "Bypass", "{control}");
    }
    let fields = [("Cache-Control", "public, max-age=60")];
    assert_eq!(status(request("/b", "no-cache"), &*plugin, &fields), "Bypass");
    let answer = lab.request("GET", "/b").header("Cache-Control", "only-if-cached").routed().access(&*plugin).unwrap();
    assert_eq!(answer.status, 504);
    assert_eq!(status(request("/b", "x"), &*plugin, &fields), "Miss");
    lab.clock.advance(Duration::from_secs(2));
    for (control, expected) in
        [("max-age=100", "Hit"), ("max-stale=5", "Hit"), ("max-age=1", "Refresh"), ("min-fresh=1000", "Refresh")]
    {
        assert_eq!(status(request("/b", control), &*plugin, &fields), expected, "{control}");
    }
    lab.clock.advance(Duration::from_secs(90));
    assert_eq!(status(lab.request("GET", "/b"), &*plugin, &[]), "Hit");
    assert_eq!(status(request("/b", "max-stale=5"), &*plugin, &fields), "Refresh");
}

#[test]
fn clients_are_told_what_is_asked_for() {
    let lab = Lab::new();
    let headers = json!({ "age": false, "X-Cache-Status": false, "X-Cache-Key": false });
    let plugin = plugin(&lab, json!({ "response_headers": headers }));
    let mut request = lab.request("GET", "/").routed();
    assert!(request.access(&*plugin).is_none());
    assert!(request.context.response_headers.is_empty());
    assert_eq!(status(lab.request("GET", "/"), &*plugin, &[]), "none");
    let again = run(lab.request("GET", "/"), &*plugin, &[]).unwrap();
    assert!(!again.headers.contains("age") && !again.headers.contains("X-Cache-Status"));
}

#[test]
fn the_cache_can_be_looked_at_and_emptied() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({}));
    let endpoint = CacheEndpoint::new(Arc::clone(&lab.node));
    let fill = || {
        let mut request = lab.request("GET", "/").routed();
        assert!(request.access(&*plugin).is_none());
        let key = request.response("X-Cache-Key").unwrap().to_owned();
        assert_eq!(status(lab.request("GET", "/"), &*plugin, &[]), "Miss");
        key
    };
    let key = fill();
    let CacheAnswer::Entry(entry) = endpoint.get(Some("plugin-id"), &key) else { panic!("nothing there") };
    assert_eq!((&entry["body"], &entry["body_len"], &entry["version"]), (&json!("body"), &json!(4), &json!(1)));
    assert_eq!(endpoint.get(Some("other"), &key), CacheAnswer::Absent);
    assert_eq!(endpoint.get(None, "nope"), CacheAnswer::Absent);
    assert_eq!(endpoint.delete(Some("plugin-id"), &key), CacheAnswer::Done);
    assert_eq!(endpoint.delete(None, &key), CacheAnswer::Absent);
    fill();
    assert_eq!(endpoint.clear(), CacheAnswer::Done);
    assert_eq!(endpoint.get(None, &key), CacheAnswer::Absent);
    drop(plugin);
}
