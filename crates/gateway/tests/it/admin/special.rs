//! What only some kinds have, and what the node tells about itself.

use serde_json::{Value, json};

use super::{Api, NOBODY, not_found};

#[tokio::test]
async fn consumers_by_custom_id() {
    let api = Api::new();
    let consumer = api.create("/consumers", json!({ "username": "c", "custom_id": "x" })).await;
    assert_eq!(api.read("/consumers?custom_id=x").await, json!({ "data": [consumer], "next": null }));
    assert_eq!(api.read("/consumers?custom_id=y").await, json!({ "data": [], "next": null }));
    for query in ["custom_id=", "custom_id=x&custom_id=y"] {
        let got = api.get(&format!("/consumers?{query}")).await;
        assert_eq!((got.status, got.json()), (400, json!({ "message": "custom_id must be an unempty string" })));
    }
}

#[tokio::test]
async fn targets_are_kept_as_address_and_port() {
    let api = Api::new();
    let upstream = api.create("/upstreams", json!({ "name": "u" })).await;
    for (given, kept) in [
        ("a.com", "a.com:8000"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("::1", "[0000:0000:0000:0000:0000:0000:0000:0001]:8000"),
    ] {
        let target = api.create("/upstreams/u/targets", json!({ "target": given })).await;
        assert_eq!(target["target"], kept);
        assert_eq!(target["upstream"], json!({ "id": upstream["id"] }));
        assert_eq!(api.read(&format!("/upstreams/u/targets/{kept}")).await, target);
    }
    let got = api.call("POST", "/upstreams/u/targets", json!({ "target": "a.com:8000" })).await;
    assert_eq!(got.status, 409);
    let fields = json!({ "target": "a.com:8000", "upstream": { "id": upstream["id"] } });
    assert_eq!(got.json()["fields"], fields);
    let (_, code, message) = api.refused("POST", "/upstreams/u/targets", json!({ "target": "a:b" })).await;
    assert_eq!(code, json!(2));
    assert_eq!(message, "schema violation (target: Invalid target; not a valid hostname or ip address)");
}

#[tokio::test]
async fn targets_are_listed_from_the_newest() {
    let api = Api::new();
    api.create("/upstreams", json!({ "name": "u" })).await;
    for name in ["a:1", "b:1", "c:1"] {
        api.create("/upstreams/u/targets", json!({ "target": name })).await;
        api.clock.advance(std::time::Duration::from_millis(5));
    }
    assert_eq!(api.column("/upstreams/u/targets", "target").await, ["c:1", "b:1", "a:1"].map(Value::from));
    let page = api.read("/upstreams/u/targets?size=2").await;
    assert_eq!((&page["offset"], &page["next"]), (&json!("2"), &json!("/upstreams/u/targets?offset=2")));
    assert_eq!(api.column("/upstreams/u/targets?offset=2", "target").await, [json!("a:1")]);
    assert_eq!(api.column("/upstreams/u/targets/all", "target").await.len(), 3);
}

#[tokio::test]
async fn replacing_a_target_changes_it() {
    let api = Api::new();
    api.create("/upstreams", json!({ "name": "u" })).await;
    api.create("/upstreams/u/targets", json!({ "target": "a:1", "weight": 5, "tags": ["t"] })).await;
    let put = api.call("PUT", "/upstreams/u/targets/a:1", json!({ "weight": 7 })).await.json();
    assert_eq!((&put["weight"], &put["tags"]), (&json!(7), &json!(["t"])));
    let got = api.call("PUT", "/upstreams/u/targets/b:1", json!({ "weight": 7 })).await;
    assert_eq!((got.status, got.json()), (404, not_found()));
    for method in ["GET", "POST", "PATCH"] {
        let path = if method == "PATCH" { format!("/targets/{NOBODY}") } else { "/targets".to_owned() };
        assert_eq!(api.call(method, &path, json!({})).await.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn health_of_targets() {
    let api = Api::new();
    api.create("/upstreams", json!({ "name": "u" })).await;
    api.create("/upstreams/u/targets", json!({ "target": "a:1", "weight": 5 })).await;
    let health = api.read("/upstreams/u/health").await;
    assert_eq!(health["data"][0]["data"]["host"], "a");
    assert_eq!(health["data"][0]["data"]["nodeWeight"], 5);
    assert_eq!(health["data"][0]["health"], "HEALTHCHECKS_OFF");
    assert!(health["node_id"].is_string());
    assert!(api.read("/upstreams/u/health?balancer_health=1").await["data"]["id"].is_string());
    assert_eq!(api.call("PUT", "/upstreams/u/targets/a:1/unhealthy", json!({})).await.status, 204);
    for path in ["/upstreams/u/targets/b:1/healthy", "/upstreams/v/targets/a:1/healthy"] {
        assert_eq!(api.call("PUT", path, json!({})).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn introspection() {
    let api = Api::new();
    assert_eq!(api.read("/schemas/services").await["fields"][0]["id"]["type"], "string");
    assert!(api.read("/schemas/plugins/key-auth").await["fields"].is_array());
    assert!(api.read("/plugins/schema/key-auth").await["fields"].is_array());
    for (path, message) in [
        ("/schemas/nope", "No entity named 'nope'"),
        ("/schemas/plugins/nope", "No plugin named 'nope'"),
        ("/schemas/vaults/nope", "No vault named 'nope'"),
        ("/schemas/filters/nope", "Filter 'nope' not found"),
    ] {
        let got = api.get(path).await;
        assert_eq!((got.status, got.json()), (404, json!({ "message": message })), "{path}");
    }
    let enabled = api.read("/plugins/enabled").await;
    assert!(enabled["enabled_plugins"].as_array().unwrap().contains(&json!("key-auth")));
}

#[tokio::test]
async fn documents_are_checked_without_writing() {
    let api = Api::new();
    let route = json!({ "paths": ["/"], "service": { "id": NOBODY } });
    let got = api.call("POST", "/schemas/routes/validate", route).await;
    assert_eq!((got.status, got.json()), (200, json!({ "message": "schema validation successful" })));
    assert_eq!(api.refused("POST", "/schemas/plugins/validate", json!({ "name": "nope" })).await.1, json!(2));
    let got = api.form("POST", "/schemas/services/validate", "host=h&port=80").await;
    assert_eq!(got.json()["fields"], json!({ "port": "expected an integer" }), "forms are not typed here");
    assert_eq!(api.column("/routes", "id").await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_node() {
    let api = Api::new();
    api.create("/plugins", json!({ "name": "key-auth" })).await;
    api.create("/plugins", json!({ "name": "cors", "enabled": false })).await;
    let root = api.read("/").await;
    assert_eq!((&root["version"], &root["edition"]), (&json!("3.9.3"), &json!("community")));
    let mut used: Vec<_> = root["plugins"]["enabled_in_cluster"].as_array().unwrap().iter().collect();
    used.sort_by_key(|name| name.as_str());
    assert_eq!(used, ["cors", "key-auth"], "those switched off too");
    assert_eq!(root["plugins"]["available_on_server"]["key-auth"], json!({ "version": "3.9.3", "priority": 1250 }));
    let kong = |status: &Value| status["memory"]["lua_shared_dicts"]["kong"]["capacity"].clone();
    for (query, capacity) in [
        ("", json!("5.00 MiB")),
        ("?unit=k&scale=0", json!("5120 KiB")),
        ("?unit=b", json!(5_242_880)),
        ("?unit=g&scale=3", json!("0.005 GiB")),
    ] {
        assert_eq!(kong(&api.read(&format!("/status{query}")).await), capacity, "{query}");
    }
    let got = api.get("/status?unit=x").await;
    assert_eq!(
        (got.status, &got.json()["message"]),
        (400, &json!("invalid unit 'x' (expected 'k/K', 'm/M', or 'g/G')"))
    );
    assert_eq!(api.get("/status?scale=-1").await.status, 400);
    assert_eq!(api.get("/config").await.status, 400);
    assert_eq!(api.get("/clustering/status").await.status, 400);
    assert_eq!(api.get("/cache/x").await.status, 404);
    assert!(api.read("/timers").await["stats"].is_object());
}

#[tokio::test]
async fn what_needs_wasm() {
    let api = Api::new();
    for (method, path) in [("GET", "/filter-chains"), ("OPTIONS", "/filter-chains/x"), ("GET", "/routes/r/filters/all")]
    {
        assert_eq!(api.send(method, path, None, "").await.status, 400, "{method} {path}");
    }
    assert_eq!(api.send("OPTIONS", "/routes/r/filters/all", None, "").await.status, 204);
    assert_eq!(api.delete("/filter-chains").await.status, 405);
}

#[tokio::test]
async fn log_levels() {
    let api = Api::new();
    assert_eq!(api.read("/debug/node/log-level").await, json!({ "message": "log level: notice" }));
    let put = |path: &'static str, body: Value| {
        let api = &api;
        async move { api.call("PUT", path, body).await.json()["message"].as_str().unwrap().to_owned() }
    };
    assert_eq!(put("/debug/node/log-level/loud", json!({})).await, "unknown log level: loud");
    let told = put("/debug/node/log-level/debug", json!({ "timeout": -1 })).await;
    assert_eq!(told, "timeout must be greater than or equal to 0");
    assert_eq!(put("/debug/node/log-level/debug", json!({ "timeout": 0 })).await, "log level changed");
    assert_eq!(put("/debug/cluster/log-level/debug", json!({})).await, "log level is already debug");
    assert_eq!(put("/debug/node/log-level/loud", json!({ "timeout": -1 })).await, "unknown log level: loud");
    assert_eq!(api.read("/").await["configuration"]["log_level"], "debug");
}
