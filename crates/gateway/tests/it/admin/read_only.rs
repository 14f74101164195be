//! A node without a database: everything is looked at, nothing is written.

use serde_json::json;

use super::{Api, NOBODY};

#[tokio::test]
async fn writes_are_refused_once_they_are_right() {
    let writable = Api::new();
    writable.create("/services", json!({ "name": "s", "host": "h" })).await;
    let api = writable.read_only();
    for (method, path, message) in [
        ("POST", "/services", "cannot create 'services' entities when not using a database"),
        ("PUT", "/services/s", "cannot create or update 'services' entities by 'name' when not using a database"),
        ("PATCH", "/services/s", "cannot update 'services' entities by 'name' when not using a database"),
        ("DELETE", "/services/s", "cannot remove 'services' entities by 'name' when not using a database"),
    ] {
        let (status, code, told) = api.refused(method, path, json!({ "host": "x" })).await;
        assert_eq!((status, code, told.as_str()), (405, json!(12), message));
    }
    assert_eq!(api.refused("POST", "/services", json!({})).await.0, 400);
    assert_eq!(api.refused("PATCH", &format!("/services/{NOBODY}"), json!({})).await.0, 404);
    assert_eq!(api.delete(&format!("/services/{NOBODY}")).await.status, 204);
    assert_eq!(api.read("/services/s").await["host"], "h");
}

#[tokio::test]
async fn what_can_be_done_nevertheless() {
    let writable = Api::new();
    writable.create("/upstreams", json!({ "name": "u" })).await;
    writable.create("/upstreams/u/targets", json!({ "target": "127.0.0.1:80" })).await;
    let api = writable.read_only();
    assert_eq!(api.call("PUT", "/upstreams/u/targets/127.0.0.1:80/healthy", json!({})).await.status, 204);
    assert_eq!(api.call("POST", "/schemas/services/validate", json!({ "host": "h" })).await.status, 200);
    assert_eq!(api.delete("/cache").await.status, 204);
    let got = api.call("PUT", "/debug/node/log-level/debug", json!({})).await;
    assert_eq!(
        (got.status, got.json()),
        (405, json!({ "message": "cannot change log level when not using a database" }))
    );
}
