//! A user interface in a browser: every call from another origin, lists with their own page size, forms checked before
//! they are sent.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::admin::{Api, Got, not_found};

const ORIGIN: &str = "http://manager.example:8002";

/// Sends as a page of [`ORIGIN`] does.
async fn send(api: &Api, method: &str, path: &str, body: Value) -> Got {
    let mut request = Request::builder().method(method).uri(path).header("origin", ORIGIN);
    let mut content = Body::empty();
    if !body.is_null() {
        request = request.header("content-type", "application/json");
        content = Body::from(body.to_string());
    }
    let got = api.request(request.body(content).unwrap()).await;
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN, "{method} {path}");
    assert_eq!(got.header("access-control-allow-credentials"), "true", "{method} {path}");
    got
}

/// Asks as the browser does before the page may send.
async fn preflight(api: &Api, method: &str, path: &str) -> Got {
    let request = Request::builder().method("OPTIONS").uri(path).header("origin", ORIGIN);
    let request = request.header("access-control-request-method", method);
    let request = request.header("access-control-request-headers", "content-type");
    api.request(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_write_is_allowed_by_its_preflight() {
    let api = Api::new();
    for (method, path) in [
        ("POST", "/services"),
        ("PATCH", "/services/cart"),
        ("PUT", "/services/cart"),
        ("DELETE", "/services/cart"),
        ("POST", "/services/cart/routes"),
        ("PATCH", "/routes/web"),
        ("POST", "/consumers/mobile/key-auth"),
        ("DELETE", "/consumers/mobile/acls/apps"),
        ("POST", "/schemas/services/validate"),
        ("POST", "/schemas/plugins/validate"),
        ("PUT", "/upstreams/cart/targets/10.0.0.1:80/unhealthy"),
    ] {
        let got = preflight(&api, method, path).await;
        assert_eq!(got.status, 204, "{path}");
        assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
        assert_eq!(got.header("access-control-allow-credentials"), "true");
        assert_eq!(got.header("access-control-allow-headers"), "content-type");
        let allowed: Vec<_> = got.header("access-control-allow-methods").split(", ").collect();
        assert!(allowed.contains(&method), "{method} {path}: {allowed:?}");
    }
}

#[tokio::test]
async fn a_service_is_made_shown_changed_and_deleted() {
    let api = Api::new();
    // Forms send what was left empty as null.
    let form = json!({"name": "cart", "host": "cart.example", "path": null, "tags": null, "client_certificate": null});
    assert_eq!(send(&api, "POST", "/schemas/services/validate", form.clone()).await.status, 200);
    let made = send(&api, "POST", "/services", form.clone()).await;
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();

    let page = send(&api, "GET", "/services?size=30", Value::Null).await.json();
    assert_eq!((&page["data"][0]["id"], &page["next"]), (&json!(id), &Value::Null));
    for below in ["routes", "plugins"] {
        let got = send(&api, "GET", &format!("/services/{id}/{below}?size=30"), Value::Null).await;
        assert_eq!((got.status, got.json()), (200, json!({"data": [], "next": null})));
    }
    let change = json!({"retries": 9, "tags": ["shop"]});
    let changed = send(&api, "PATCH", &format!("/services/{id}"), change).await.json();
    assert_eq!((&changed["retries"], &changed["host"]), (&json!(9), &json!("cart.example")));
    let found = send(&api, "GET", "/services?size=30&tags=shop", Value::Null).await.json();
    assert_eq!(found["data"].as_array().unwrap().len(), 1);

    let taken = send(&api, "POST", "/services", form).await;
    assert_eq!((taken.status, taken.json()["fields"]["name"].clone()), (409, json!("cart")));
    assert_eq!(send(&api, "DELETE", &format!("/services/{id}"), Value::Null).await.status, 204);
    let gone = send(&api, "GET", &format!("/services/{id}"), Value::Null).await;
    assert_eq!((gone.status, gone.json()), (404, not_found()));
}

#[tokio::test]
async fn mistakes_in_forms_are_told_by_field() {
    let api = Api::new();
    let wrong = json!({"name": "a b", "port": 99_999});
    let got = send(&api, "POST", "/schemas/services/validate", wrong).await;
    assert_eq!(got.status, 400);
    let fields = got.json()["fields"].clone();
    assert_eq!(fields["host"], "required field missing");
    assert_eq!(fields["port"], "value should be between 0 and 65535");
    assert!(fields["name"].as_str().unwrap().starts_with("invalid value 'a b'"));
    let wrong = json!({"name": "key-auth", "config": {"key_names": 1}});
    let got = send(&api, "POST", "/schemas/plugins/validate", wrong).await;
    assert_eq!((got.status, got.json()["fields"]["config"]["key_names"].clone()), (400, json!("expected an array")));
    assert_eq!(send(&api, "GET", "/services", Value::Null).await.json()["data"], json!([]), "nothing was written");
}

#[tokio::test]
async fn forms_are_built_from_schemas() {
    let api = Api::new();
    let root = send(&api, "GET", "/", Value::Null).await.json();
    assert_eq!(root["edition"], "community");
    for name in root["plugins"]["available_on_server"].as_object().unwrap().keys() {
        assert_eq!(send(&api, "GET", &format!("/schemas/plugins/{name}"), Value::Null).await.status, 200, "{name}");
    }
    for entity in [
        "services",
        "routes",
        "consumers",
        "upstreams",
        "targets",
        "certificates",
        "ca_certificates",
        "snis",
        "vaults",
        "keys",
        "key_sets",
        "plugins",
    ] {
        let schema = send(&api, "GET", &format!("/schemas/{entity}"), Value::Null).await.json();
        let fields = schema["fields"].as_array().unwrap_or_else(|| panic!("{entity}"));
        for field in fields {
            let (name, field) = field.as_object().unwrap().iter().next().unwrap();
            assert!(field["type"].is_string(), "{entity}.{name}");
        }
    }
    // What only the other edition has is missing, and says so to the browser as well.
    for path in ["/userinfo", "/workspaces", "/licenses", "/rbac/users", "/consumer_groups"] {
        assert_eq!(send(&api, "GET", path, Value::Null).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn lists_are_turned_page_by_page() {
    let api = Api::new();
    for number in 0..5 {
        api.create("/consumers", json!({"username": format!("u{number}")})).await;
    }
    let mut path = "/consumers?size=2".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = send(&api, "GET", &path, Value::Null).await.json();
        sizes.push(page["data"].as_array().unwrap().len());
        match (page["next"].as_str(), page["offset"].as_str()) {
            (Some(next), Some(_)) => path = next.to_owned(),
            (None, None) => break,
            other => panic!("next and offset come together: {other:?}"),
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn health_of_upstreams_is_shown() {
    let api = Api::new();
    api.create("/upstreams", json!({"name": "cart"})).await;
    api.create("/upstreams/cart/targets", json!({"target": "10.0.0.1:80"})).await;
    let health = send(&api, "GET", "/upstreams/cart/health", Value::Null).await;
    assert_eq!(health.status, 200);
    assert_eq!(health.json()["data"][0]["target"], "10.0.0.1:80");
    assert!(health.json()["data"][0]["health"].is_string());
    assert_eq!(send(&api, "GET", "/upstreams/nothing/health", Value::Null).await.status, 404);
}
