//! A node without a database: everything is looked at, nothing is written.

use serde_json::json;

use super::{Api, NOBODY, id};

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

#[tokio::test]
async fn pages_are_told_apart_by_kind_and_id() {
    let writable = Api::new();
    for (number, name) in [(1, "a"), (2, "b")] {
        writable.create("/services", json!({ "id": id(number), "name": name, "host": "h" })).await;
    }
    let api = writable.read_only();
    let first = api.read("/services?size=1").await;
    let offset = "c2VydmljZXN8MGRjNmY0NWItOGY4ZC00MGQyLWE1MDQtNDczNTQ0ZWUxOTBifCp8MDAwMDAwMDEtMTExMS00MTExLTgxMTEtMTEx\
                  MTExMTExMTExAA";
    assert_eq!(first["offset"], offset);
    let second = api.read(&format!("/services?offset={offset}")).await;
    assert_eq!((&second["data"][0]["name"], &second["next"]), (&json!("b"), &json!(null)));
    assert_eq!(api.read(&format!("/consumers?offset={offset}")).await["data"], json!([]));
    assert_eq!(api.refused("GET", "/services?offset=!", json!({})).await.1, json!(7));
}

#[tokio::test]
async fn a_page_of_tags_is_about_one_kind() {
    let writable = Api::new();
    for number in [1, 2] {
        writable.create("/services", json!({ "id": id(number), "host": "h", "tags": ["x", "y"] })).await;
    }
    writable.create("/consumers", json!({ "id": id(3), "username": "c", "tags": ["x"] })).await;
    let api = writable.read_only();
    let first = api.read("/tags").await;
    assert_eq!(first, json!({ "data": [], "offset": "workspaces|nil", "next": "/tags?offset=workspaces%7Cnil" }));
    for (start, all) in [("/tags?size=1", 5), ("/tags", 5), ("/tags/x", 3), ("/tags/none", 0)] {
        let (mut next, mut seen) = (Some(start.to_owned()), Vec::new());
        while let Some(path) = next {
            let page = api.read(&path).await;
            let mut kinds: Vec<_> = page["data"].as_array().unwrap().iter().map(|row| &row["entity_name"]).collect();
            kinds.dedup();
            assert!(kinds.len() < 2, "{page}");
            seen.extend(page["data"].as_array().unwrap().iter().cloned());
            next = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(seen.len(), all, "{start}");
    }
    for offset in ["x", "nothing|nil", "services|!", "services|YWJj"] {
        assert_eq!(api.refused("GET", &format!("/tags?offset={offset}"), json!({})).await.1, json!(7), "{offset}");
    }
}
