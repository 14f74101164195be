//! Documents below others, and those they belong to.

use serde_json::{Value, json};

use super::{Api, NOBODY, id, not_found};

#[tokio::test]
async fn children_belong_to_the_path() {
    for api in Api::on_each_store().await {
        let s = api.create("/services", json!({ "name": "s", "host": "h" })).await;
        api.create("/services", json!({ "name": "t", "host": "h" })).await;
        let given = json!({ "name": "r", "paths": ["/"], "service": { "id": NOBODY } });
        let route = api.create("/services/s/routes", given).await;
        assert_eq!(route["service"], json!({ "id": s["id"] }), "the path wins over the body");
        assert_eq!(api.column("/services/s/routes", "name").await, [json!("r")]);
        assert_eq!(api.column("/services/t/routes", "name").await, [] as [Value; 0]);
        assert_eq!(api.read("/services/s/routes/r").await, route);
        for (method, path) in
            [("GET", "/services/t/routes/r"), ("PATCH", "/services/t/routes/r"), ("DELETE", "/services/t/routes/r")]
        {
            let got = api.call(method, path, json!({})).await;
            assert_eq!((got.status, got.json()), (404, not_found()), "{method} {path}");
        }
        assert_eq!(api.get("/services/nope/routes").await.status, 404);
        assert_eq!(api.call("POST", "/services/nope/routes", json!({})).await.status, 404);
    }
}

#[tokio::test]
async fn put_below_another_parent_moves() {
    for api in Api::on_each_store().await {
        for name in ["s", "t"] {
            api.create("/services", json!({ "name": name, "host": "h" })).await;
        }
        let route = api.create("/services/s/routes", json!({ "name": "r", "paths": ["/"] })).await;
        let moved = api.call("PUT", "/services/t/routes/r", json!({ "paths": ["/x"] })).await;
        assert_eq!((moved.status, &moved.json()["id"]), (200, &route["id"]));
        assert_eq!(api.column("/services/t/routes", "name").await, [json!("r")]);
        assert_eq!(api.column("/services/s/routes", "name").await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn the_document_something_belongs_to() {
    for api in Api::on_each_store().await {
        let service = api.create("/services", json!({ "name": "s", "host": "h" })).await;
        api.create("/services/s/routes", json!({ "name": "r", "paths": ["/"] })).await;
        api.create("/routes", json!({ "name": "free", "paths": ["/"] })).await;
        assert_eq!(api.read("/routes/r/service").await, service);
        let changed = api.call("PATCH", "/routes/r/service", json!({ "port": 81 })).await;
        assert_eq!((changed.status, &changed.json()["port"]), (200, &json!(81)));
        let replaced = api.call("PUT", "/routes/r/service", json!({ "host": "i" })).await.json();
        assert_eq!(
            (&replaced["id"], &replaced["host"], &replaced["name"]),
            (&service["id"], &json!("i"), &Value::Null)
        );
        assert_eq!(api.delete("/routes/r/service").await.status, 405);
        for method in ["GET", "PATCH", "DELETE"] {
            assert_eq!(api.call(method, "/routes/free/service", json!({})).await.status, 404, "{method}");
        }
        let linked = api.call("PUT", "/routes/free/service", json!({ "host": "new" })).await;
        assert_eq!(linked.status, 200);
        assert_eq!(api.read("/routes/free/service").await["id"], linked.json()["id"]);
    }
}

#[tokio::test]
async fn groups_are_found_by_name_below_their_consumer() {
    for api in Api::on_each_store().await {
        api.create("/consumers", json!({ "username": "c" })).await;
        let acl = api.create("/consumers/c/acls", json!({ "group": "g" })).await;
        assert_eq!(api.read("/consumers/c/acls/g").await, acl);
        let put = api.call("PUT", "/consumers/c/acls/h", json!({})).await;
        assert_eq!((put.status, &put.json()["group"]), (200, &json!("h")));
        assert_eq!(api.delete("/consumers/c/acls/g").await.status, 204);
        assert_eq!(api.delete("/consumers/c/acls/g").await.status, 404);
        assert_eq!(api.get("/acls/g").await.status, 400, "elsewhere it is an id");
    }
}

#[tokio::test]
async fn credentials_are_found_by_their_name() {
    for api in Api::on_each_store().await {
        let consumer = api.create("/consumers", json!({ "id": id(1), "username": "c" })).await;
        let key = api.create("/key-auths", json!({ "key": "k", "consumer": { "username": "c" } })).await;
        assert_eq!(api.read("/consumers/c/key-auth/k").await, key);
        assert_eq!(api.read("/key-auths/k/consumer").await, consumer);
        assert_eq!(api.delete("/consumers/c/key-auth/nope").await.status, 404);
        assert_eq!(api.delete("/key-auths/nope").await.status, 204);
    }
}

#[tokio::test]
async fn a_password_is_changed_below_its_owner() {
    let api = Api::new();
    api.create("/consumers", json!({ "username": "bob" })).await;
    let credential = json!({ "username": "b", "password": "p" });
    let made = api.create("/consumers/bob/basic-auth", credential).await;
    let new = json!({ "password": "q" });
    let told = "schema violation (all or none of these fields must be set: 'password', 'consumer.id')";
    assert_eq!(api.refused("PATCH", "/basic-auths/b", new.clone()).await, (400, json!(2), told.to_owned()));
    let changed = api.call("PATCH", "/consumers/bob/basic-auth/b", new).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.json()["password"], made["password"]);
}
