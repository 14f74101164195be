//! Creating, reading, changing, replacing and deleting documents.

use serde_json::{Value, json};

use super::{Api, NOBODY, id, not_found};

#[tokio::test]
async fn created_documents_are_complete() {
    for api in Api::on_each_store().await {
        let service = api.create("/services", json!({ "url": "https://example.org:8443/base" })).await;
        assert_eq!(service["protocol"], "https");
        assert_eq!(
            (&service["port"], &service["path"], &service["retries"]),
            (&json!(8443), &json!("/base"), &json!(5))
        );
        assert_eq!(service["name"], Value::Null);
        assert_eq!(service["created_at"], api.clock_seconds());
        assert_eq!(api.read(&format!("/services/{}", service["id"].as_str().unwrap())).await, service);
    }
}

#[tokio::test]
async fn documents_are_found_by_id_and_name() {
    for api in Api::on_each_store().await {
        let service =
            api.create("/services", json!({ "id": id(0xab), "name": "s 1".replace(' ', "-"), "host": "h" })).await;
        for path in ["/services/s-1", "/services/s%2D1", &format!("/services/{}", id(0xab).to_uppercase())] {
            assert_eq!(api.read(path).await, service, "{path}");
        }
        for path in ["/services/S-1".to_owned(), format!("/services/{NOBODY}")] {
            let got = api.get(&path).await;
            assert_eq!((got.status, got.json()), (404, not_found()));
        }
        let (status, code, message) = api.refused("GET", "/services/a%20b", json!({})).await;
        assert_eq!((status, code), (400, json!(10)), "{message}");
    }
}

#[tokio::test]
async fn kinds_without_names_want_ids() {
    let (status, code, message) = Api::new().refused("GET", "/ca_certificates/x", json!({})).await;
    assert_eq!((status, code), (400, json!(1)));
    assert_eq!(message, "invalid primary key: '{id=\"expected a valid UUID\"}'");
}

#[tokio::test]
async fn patch_merges() {
    for api in Api::on_each_store().await {
        api.create("/upstreams", json!({ "name": "u", "tags": ["a"] })).await;
        let changes = json!({ "healthchecks": { "active": { "http_path": "/x" } }, "tags": ["b"] });
        let changed = api.call("PATCH", "/upstreams/u", changes).await.json();
        assert_eq!(changed["healthchecks"]["active"]["http_path"], "/x");
        assert_eq!(changed["healthchecks"]["active"]["concurrency"], 10);
        assert_eq!(changed["tags"], json!(["b"]));
        assert_eq!(api.call("PATCH", "/upstreams/u", json!({ "tags": null })).await.json()["tags"], Value::Null);
    }
}

#[tokio::test]
async fn patch_keeps_the_id_and_moves_the_time() {
    for api in Api::on_each_store().await {
        let service = api.create("/services", json!({ "name": "s", "host": "h" })).await;
        api.clock.advance(std::time::Duration::from_secs(5));
        let changed = api.call("PATCH", "/services/s", json!({ "id": id(9), "host": "i" })).await.json();
        assert_eq!((&changed["id"], &changed["created_at"]), (&service["id"], &service["created_at"]));
        assert_eq!(changed["updated_at"], api.clock_seconds());
    }
}

#[tokio::test]
async fn patch_of_what_is_not_there() {
    for api in Api::on_each_store().await {
        let (status, code, message) = api.refused("PATCH", "/services/nope", json!({ "port": 1 })).await;
        assert_eq!((status, code), (404, json!(6)));
        assert_eq!(message, "could not find the entity with '{name=\"nope\"}'");
        let (.., message) = api.refused("PATCH", &format!("/services/{NOBODY}"), json!({})).await;
        assert_eq!(message, format!("could not find the entity with primary key '{{id=\"{NOBODY}\"}}'"));
        let got = api.call("PATCH", &format!("/plugins/{NOBODY}"), json!({ "enabled": true })).await;
        assert_eq!((got.status, got.json()), (404, not_found()));
    }
}

#[tokio::test]
async fn put_creates_and_replaces() {
    for api in Api::on_each_store().await {
        let first = api.call("PUT", "/services/s", json!({ "host": "a", "tags": ["x"], "name": "other" })).await;
        assert_eq!(first.status, 200);
        let first = first.json();
        assert_eq!(first["name"], "s", "the path tells the name");
        let second = api.call("PUT", "/services/s", json!({ "host": "b" })).await.json();
        assert_eq!((&second["id"], &second["host"]), (&first["id"], &json!("b")));
        assert_eq!(second["tags"], Value::Null, "what is not said falls back");

        let path = format!("/services/{}", id(6));
        let third = api.call("PUT", &path, json!({ "id": id(7), "host": "c" })).await.json();
        assert_eq!(third["id"], json!(id(6)), "the path tells the id");
        assert_eq!(api.column("/services", "id").await.len(), 2);
    }
}

#[tokio::test]
async fn put_with_a_name_that_is_none() {
    let (status, code, _) = Api::new().refused("PUT", "/services/bad%2Fname", json!({ "host": "x" })).await;
    assert_eq!((status, code), (400, json!(10)));
}

#[tokio::test]
async fn delete_is_done_however_often() {
    for api in Api::on_each_store().await {
        api.create("/services", json!({ "name": "s", "host": "h" })).await;
        for _ in 0..2 {
            assert_eq!(api.delete("/services/s").await.status, 204);
        }
        assert_eq!(api.get("/services/s").await.status, 404);
    }
}

#[tokio::test]
async fn wrong_documents_are_told_field_by_field() {
    for api in Api::on_each_store().await {
        let got = api.call("POST", "/services", json!({ "host": "x", "port": -1, "foo": 1 })).await;
        assert_eq!(got.status, 400);
        assert_eq!(
            got.json(),
            json!({
                "code": 2,
                "name": "schema violation",
                "message": "2 schema violations (foo: unknown field; port: value should be between 0 and 65535)",
                "fields": { "foo": "unknown field", "port": "value should be between 0 and 65535" },
            })
        );
    }
}

#[tokio::test]
async fn concurrent_changes_are_all_kept() {
    let api = std::sync::Arc::new(Api::new());
    api.create("/upstreams", json!({ "name": "u" })).await;
    let fields = ["hash_on_header", "hash_fallback_header", "hash_on_query_arg", "hash_on_cookie"];
    let changes =
        fields.map(|field| {
            let api = api.clone();
            async move {
                api.call("PATCH", "/upstreams/u", json!({ field: "x".to_owned() + &field.len().to_string() })).await
            }
        });
    for got in futures_util::future::join_all(changes).await {
        assert_eq!(got.status, 200, "{}", got.text);
    }
    let upstream = api.read("/upstreams/u").await;
    assert!(fields.iter().all(|field| upstream[*field].is_string()), "{upstream}");
}

#[tokio::test]
async fn writes_are_answered_once_they_are_in_force() {
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let hook = seen.clone();
    let api = Api::with(|dao| {
        dao.after_write(std::sync::Arc::new(move |revision| {
            let hook = hook.clone();
            Box::pin(async move { hook.store(revision, std::sync::atomic::Ordering::SeqCst) })
        }))
    });
    api.create("/services", json!({ "name": "s", "host": "h" })).await;
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 1);
    api.delete("/services/s").await;
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 2);
}

impl Api {
    fn clock_seconds(&self) -> i64 {
        base::Clock::now(&*self.clock).as_second()
    }
}
