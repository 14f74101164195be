//! What is unique, what refers to what, and what goes with what.

use serde_json::{Value, json};

use super::{Api, NOBODY, id};

#[tokio::test]
async fn names_are_unique() {
    for api in Api::on_each_store().await {
        api.create("/services", json!({ "id": id(1), "name": "s", "host": "h" })).await;
        let got = api.call("POST", "/services", json!({ "name": "s", "host": "h" })).await;
        assert_eq!(got.status, 409);
        let error = got.json();
        assert_eq!((&error["code"], &error["fields"]), (&json!(5), &json!({ "name": "s" })));
        assert_eq!(error["message"], "UNIQUE violation detected on '{name=\"s\"}'");
        let (status, code, message) = api.refused("POST", "/services", json!({ "id": id(1), "host": "h" })).await;
        assert_eq!((status, code), (400, json!(3)));
        assert_eq!(message, format!("primary key violation on key '{{id=\"{}\"}}'", id(1)));
        for _ in 0..2 {
            api.create("/services", json!({ "host": "h" })).await;
        }
    }
}

#[tokio::test]
async fn a_plugin_stands_once_in_a_place() {
    for api in Api::on_each_store().await {
        api.create("/plugins", json!({ "name": "key-auth" })).await;
        let got = api.call("POST", "/plugins", json!({ "name": "key-auth" })).await;
        assert_eq!(got.status, 409);
        let place = json!({ "name": "key-auth", "consumer": null, "route": null, "service": null });
        assert_eq!(got.json()["fields"], place);
        let service = api.create("/services", json!({ "name": "s", "host": "h" })).await;
        api.create("/services/s/plugins", json!({ "name": "key-auth" })).await;
        let got = api.call("POST", "/plugins", json!({ "name": "key-auth", "service": { "name": "s" } })).await;
        assert_eq!((got.status, &got.json()["fields"]["service"]["id"]), (409, &service["id"]));
    }
}

#[tokio::test]
async fn references_by_name() {
    for api in Api::on_each_store().await {
        let service = api.create("/services", json!({ "name": "s", "host": "h" })).await;
        let route = api.create("/routes", json!({ "paths": ["/"], "service": { "name": "s" } })).await;
        assert_eq!(route["service"], json!({ "id": service["id"] }));
        let got = api.call("POST", "/routes", json!({ "paths": ["/"], "service": { "name": "nope" } })).await;
        assert_eq!((got.status, &got.json()["code"]), (400, &json!(13)));
        assert_eq!(
            got.json()["fields"]["service"]["name"],
            "the foreign key cannot be resolved with '{name=\"nope\"}' for an existing 'services' entity"
        );
    }
}

#[tokio::test]
async fn references_to_nothing() {
    for api in Api::on_each_store().await {
        let got = api.call("POST", "/routes", json!({ "paths": ["/"], "service": { "id": NOBODY } })).await;
        let error = got.json();
        assert_eq!(
            (got.status, &error["code"], &error["fields"]),
            (400, &json!(4), &json!({ "service": { "id": NOBODY } }))
        );
        let message =
            format!("the foreign key '{{id=\"{NOBODY}\"}}' does not reference an existing 'services' entity.");
        assert_eq!(error["message"], message);
    }
}

#[tokio::test]
async fn what_is_unique_is_looked_at_before_references() {
    for api in Api::on_each_store().await {
        api.create("/routes", json!({ "name": "r", "paths": ["/"] })).await;
        let document = json!({ "name": "r", "paths": ["/"], "service": { "id": NOBODY } });
        assert_eq!(api.call("POST", "/routes", document).await.status, 409);
    }
}

#[tokio::test]
async fn services_with_routes_stay() {
    for api in Api::on_each_store().await {
        api.create("/services", json!({ "name": "s", "host": "h" })).await;
        api.create("/services/s/routes", json!({ "name": "r", "paths": ["/"] })).await;
        let got = api.delete("/services/s").await;
        let error = got.json();
        assert_eq!(
            (got.status, &error["code"], &error["fields"]),
            (400, &json!(4), &json!({ "@referenced_by": "routes" }))
        );
        assert_eq!(error["message"], "an existing 'routes' entity references this 'services' entity");
        assert_eq!(api.delete("/routes/r").await.status, 204);
        assert_eq!(api.delete("/services/s").await.status, 204);
    }
}

#[tokio::test]
async fn plugins_and_credentials_go_with_what_they_are_on() {
    for api in Api::on_each_store().await {
        api.create("/services", json!({ "name": "s", "host": "h" })).await;
        api.create("/routes", json!({ "name": "r", "paths": ["/"] })).await;
        api.create("/consumers", json!({ "username": "c" })).await;
        let place = json!({ "name": "rate-limiting", "config": { "minute": 1 } });
        for path in ["/services/s/plugins", "/routes/r/plugins", "/consumers/c/plugins"] {
            api.create(path, place.clone()).await;
        }
        api.create("/consumers/c/key-auth", json!({})).await;
        for (path, left) in [("/services/s", 2), ("/consumers/c", 1), ("/routes/r", 0)] {
            assert_eq!(api.delete(path).await.status, 204);
            assert_eq!(api.column("/plugins", "id").await.len(), left, "{path}");
        }
        assert_eq!(api.column("/key-auths", "id").await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn authorities_that_services_trust_stay() {
    for api in Api::on_each_store().await {
        let authority = super::authority();
        let authority = api.create("/ca_certificates", json!({ "id": id(1), "cert": authority })).await;
        let service = json!({ "id": id(2), "url": "https://h", "ca_certificates": [authority["id"]] });
        api.create("/services", service).await;
        let got = api.delete(&format!("/ca_certificates/{}", id(1))).await;
        assert_eq!((got.status, &got.json()["code"]), (400, &json!(19)));
        let message = format!("ca certificate {} is still referenced by services (id = {})", id(1), id(2));
        assert_eq!(got.json()["message"], json!(message));
    }
}

#[tokio::test]
async fn credentials_that_expire() {
    for api in Api::on_each_store().await {
        api.create("/consumers", json!({ "username": "c" })).await;
        let key = api.create("/consumers/c/key-auth", json!({ "key": "k", "ttl": 60 })).await;
        assert_eq!(key["ttl"], 60);
        api.clock.advance(std::time::Duration::from_secs(20));
        assert_eq!(api.read("/key-auths/k").await["ttl"], 40);
        api.clock.advance(std::time::Duration::from_secs(41));
        assert_eq!(api.get("/key-auths/k").await.status, 404);
        let got = api.call("POST", "/consumers/c/key-auth", json!({ "ttl": -1 })).await;
        assert_eq!((got.status, &got.json()["code"]), (400, &json!(11)));
        assert_eq!(api.create("/consumers/c/key-auth", json!({})).await["ttl"], Value::Null);
    }
}

#[tokio::test]
async fn protocols_of_plugins_and_routes_meet() {
    for api in Api::on_each_store().await {
        api.create("/routes", json!({ "name": "r", "paths": ["/"], "protocols": ["https"] })).await;
        let plugin = |protocol: &str| json!({ "name": "key-auth", "route": { "name": "r" }, "protocols": [protocol] });
        let (status, code, message) = api.refused("POST", "/plugins", plugin("http")).await;
        assert_eq!((status, code), (400, json!(2)));
        assert_eq!(message, "schema violation (protocols: must match the associated route's protocols)");
        api.create("/plugins", plugin("https")).await;
    }
}
