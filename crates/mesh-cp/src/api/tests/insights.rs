//! Overviews, insights and inspection, with proxies in every state.

use std::sync::Arc;

use serde_json::{Value, json};

use super::TestApi;
use crate::insight_api::LiveInsights;

/// `web-1` and `db-1` are connected, `web-2` was, nothing is known of others.
#[derive(Debug)]
struct Fake;

impl LiveInsights for Fake {
    fn dataplane_insight(&self, _mesh: &str, name: &str, stored: Option<Value>) -> Option<Value> {
        let connected = json!({ "id": "1", "connectTime": "2026-01-01T00:00:00Z", "version": { "kumaDp": { "version": "2.14.3" } } });
        let mtls = json!({ "issuedBackend": "ca-1", "supportedBackends": ["ca-1", "ca-2"] });
        match name {
            "web-1" | "db-1" => Some(json!({ "subscriptions": [connected], "mTLS": mtls })),
            "web-2" => {
                let mut ended = connected;
                ended["disconnectTime"] = json!("2026-01-01T00:01:00Z");
                Some(json!({ "subscriptions": [ended] }))
            }
            _ => stored,
        }
    }
}

async fn with_proxies() -> TestApi {
    let api = TestApi::with_live(|_| {}, Arc::new(Fake)).await;
    let inbound = |port: u16, service: &str, ready: bool| json!({ "port": port, "servicePort": port + 1, "tags": { "kuma.io/service": service }, "health": { "ready": ready } });
    let outbound = json!([{ "port": 3000, "tags": { "kuma.io/service": "db" } }]);
    for (name, inbound, outbound) in [
        ("web-1", json!([inbound(80, "web", true)]), outbound.clone()),
        ("web-2", json!([inbound(80, "web", true)]), outbound),
        ("db-1", json!([inbound(81, "db", true), inbound(82, "db-admin", false)]), json!([])),
    ] {
        let body = json!({
            "type": "Dataplane", "mesh": "default", "name": name,
            "networking": { "address": "10.0.0.1", "inbound": inbound, "outbound": outbound },
        });
        let put = api.put(&format!("/meshes/default/dataplanes/{name}"), &body).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }
    let external = json!({
        "type": "ExternalService", "mesh": "default", "name": "es",
        "networking": { "address": "httpbin.org:80" }, "tags": { "kuma.io/service": "httpbin" },
    });
    assert_eq!(api.put("/meshes/default/external-services/es", &external).await.status, 201);
    api
}

#[tokio::test]
async fn overviews_show_the_proxy_and_its_live_state() {
    let api = with_proxies().await;
    for path in ["dataplanes+insights/web-1", "dataplane+insights/web-1", "dataplanes/web-1/_overview"] {
        let overview = api.get(&format!("/meshes/default/{path}")).await.json;
        assert_eq!(overview["type"], "DataplaneOverview", "{path}");
        assert_eq!(overview["name"], "web-1");
        assert_eq!(overview["dataplane"]["networking"]["inbound"][0]["port"], 80);
        assert_eq!(overview["dataplaneInsight"]["subscriptions"][0]["id"], "1");
        assert!(overview.get("networking").is_none());
    }
    let mesh = api.get("/meshes/default/_overview").await.json;
    assert_eq!((&mesh["type"], &mesh["meshInsight"]["dataplanes"]["online"]), (&json!("MeshOverview"), &json!(1)));
    let meshes = api.get("/meshes/_overview").await.json;
    assert_eq!(meshes["items"][0]["meshInsight"]["dataplanes"]["total"], 3);
    let insight = api.get("/meshes/default/dataplane-insights/web-1").await.json;
    assert_eq!((&insight["type"], &insight["mTLS"]["issuedBackend"]), (&json!("DataplaneInsight"), &json!("ca-1")));
    assert_eq!(api.get("/dataplane-insights").await.json["total"], 3);
}

#[tokio::test]
async fn insights_count_proxies_by_state() {
    let api = with_proxies().await;
    let mesh = api.get("/mesh-insights/default").await.json;
    assert_eq!(mesh["dataplanes"], json!({ "total": 3, "online": 1, "offline": 1, "partiallyDegraded": 1 }));
    assert_eq!(mesh["services"], json!({ "total": 4, "internal": 3, "external": 1 }));
    assert_eq!(mesh["policies"]["Secret"]["total"], 1);
    assert_eq!(mesh["resources"]["Dataplane"]["total"], 3);
    assert_eq!(mesh["dpVersions"]["kumaDp"]["2.14.3"]["total"], 3);
    assert_eq!(mesh["mTLS"]["issuedBackends"]["ca-1"]["total"], 2);

    let services = api.get("/service-insights").await.json;
    let status = |name: &str| {
        let all = services["items"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(services["total"], 4);
    assert_eq!(
        [status("web"), status("db"), status("httpbin")],
        ["partially_degraded", "partially_degraded", "not_available"]
    );
    let address = |name: &str| {
        let all = services["items"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["addressPort"].clone()
    };
    assert_eq!((address("db"), address("httpbin")), (json!("db.mesh:80"), json!("httpbin.org:80")));
    let one = api.get("/meshes/default/service-insights/web").await.json;
    assert_eq!(one["dataplanes"], json!({ "total": 2, "online": 1, "offline": 1 }));
    assert_eq!(api.get("/service-insights?type=external").await.json["total"], 1);
    assert_eq!(api.get("/service-insights?name=db&size=1").await.json["items"].as_array().unwrap().len(), 1);

    let global = api.get("/global-insight").await.json;
    assert_eq!(global["dataplanes"]["standard"]["total"], 3);
    assert_eq!(global["services"]["internal"]["partiallyDegraded"], 3);
    assert_eq!(global["meshes"]["total"], 1);
    let counts = api.get("/global-insights").await.json;
    assert_eq!((&counts["type"], &counts["resources"]["Mesh"]["total"]), (&json!("GlobalInsights"), &json!(1)));
}

#[tokio::test]
async fn policies_can_be_inspected_from_both_sides() {
    let api = with_proxies().await;
    let from_web = json!([{ "match": { "kuma.io/service": "web" } }]);
    let to_db = json!([{ "match": { "kuma.io/service": "db" } }]);
    for (kind, path, conf) in [
        ("TrafficPermission", "traffic-permissions", Value::Null),
        ("TrafficRoute", "traffic-routes", json!({ "destination": { "kuma.io/service": "db" } })),
        ("CircuitBreaker", "circuit-breakers", json!({ "detectors": { "totalErrors": { "consecutive": 5 } } })),
    ] {
        let mut body =
            json!({ "type": kind, "mesh": "default", "name": "p", "sources": from_web, "destinations": to_db });
        if !conf.is_null() {
            body["conf"] = conf;
        }
        let put = api.put(&format!("/meshes/default/{path}/p"), &body).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }
    let of_db = api.get("/meshes/default/dataplanes/db-1/policies").await.json;
    assert_eq!(of_db["total"], 1, "{of_db}");
    assert_eq!((&of_db["items"][0]["type"], &of_db["items"][0]["name"]), (&json!("inbound"), &json!("10.0.0.1:81:82")));
    assert_eq!(of_db["items"][0]["matchedPolicies"]["TrafficPermission"][0]["name"], "p");

    let template = json!({
        "type": "ProxyTemplate", "mesh": "default", "name": "t",
        "selectors": from_web, "conf": { "imports": ["default-proxy"] },
    });
    let put = api.put("/meshes/default/proxytemplates/t", &template).await;
    assert_eq!(put.status, 201, "{}", put.text);
    let of_web = api.get("/meshes/default/dataplanes/web-1/policies").await.json;
    let types: Vec<_> = of_web["items"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
    assert_eq!(types, ["dataplane", "outbound", "service"]);

    let by_permission = api.get("/meshes/default/traffic-permissions/p/dataplanes").await.json;
    assert_eq!(by_permission["items"][0]["dataplane"], json!({ "mesh": "default", "name": "db-1" }));
    let by_route = api.get("/meshes/default/traffic-routes/p/dataplanes").await.json;
    assert_eq!(by_route["total"], 2);
    assert_eq!(
        by_route["items"][0]["attachments"],
        json!([{ "type": "outbound", "name": "127.0.0.1:3000", "service": "db" }])
    );
    assert_eq!(api.get("/meshes/default/dataplanes/web-1/rules").await.json["total"], 0);
}
