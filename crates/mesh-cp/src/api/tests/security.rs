//! Who may do what.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use tower::ServiceExt as _;

use super::{LOCAL, REMOTE, TestApi};
use crate::api::{Peer, admin_router, gui_router, router};

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_string())).unwrap()
}

#[tokio::test]
async fn secrets_and_tokens_are_for_administrators() {
    let api = TestApi::start().await;
    let secret = json!({ "type": "Secret", "mesh": "default", "name": "s", "data": "dGVzdAo=" });
    let user = json!({ "name": "u", "validFor": "1h" });
    let proxy = json!({ "mesh": "default" });
    for (method, path, body) in [
        ("PUT", "/meshes/default/secrets/s", &secret),
        ("GET", "/meshes/default/secrets/s", &Value::Null),
        ("GET", "/meshes/default/secrets", &Value::Null),
        ("GET", "/secrets", &Value::Null),
        ("GET", "/global-secrets", &Value::Null),
        ("GET", "/globalsecrets/admin-user-token", &Value::Null),
        ("POST", "/tokens/dataplane", &proxy),
        ("POST", "/tokens", &proxy),
        ("POST", "/tokens/user", &user),
        ("DELETE", "/meshes/default/secrets/s", &Value::Null),
    ] {
        let remote = api.send(REMOTE, request(method, path, &[], body)).await;
        assert_eq!((remote.status, &remote.json["title"]), (403, &json!("Access Denied")), "{method} {path}");
        let local = api.send(LOCAL, request(method, path, &[], body)).await;
        assert!(local.status < 300, "{method} {path}: {}", local.text);
    }
    let remote = api.send(REMOTE, request("GET", "/meshes", &[], &Value::Null)).await;
    assert_eq!(remote.status, 200);
}

#[tokio::test]
async fn a_call_through_a_proxy_or_a_foreign_page_is_not_local() {
    let api = TestApi::start().await;
    for headers in [
        [("x-forwarded-for", "203.0.113.9")],
        [("forwarded", "for=203.0.113.9")],
        [("host", "evil.example")],
        [("origin", "http://evil.example")],
        [("sec-fetch-site", "cross-site")],
    ] {
        let answer = api.send(LOCAL, request("GET", "/global-secrets", &headers, &Value::Null)).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    let same_origin = [("origin", "http://localhost:5681"), ("sec-fetch-site", "same-origin")];
    let answer = api.send(LOCAL, request("GET", "/global-secrets", &same_origin, &Value::Null)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_user_token_says_who_is_calling() {
    let api = TestApi::start().await;
    let body = json!({ "name": "john", "groups": ["team-a"], "validFor": "1h" });
    let token = api.call("POST", "/tokens/user", Some(&body)).await.text;
    let bearer = format!("Bearer {token}");
    let who = api.send(REMOTE, request("GET", "/who-am-i", &[("authorization", &bearer)], &Value::Null)).await;
    assert_eq!(who.json, json!({ "name": "john", "groups": ["team-a", "mesh-system:authenticated"] }));

    let nobody = api.send(REMOTE, request("GET", "/who-am-i", &[], &Value::Null)).await;
    assert_eq!(nobody.json["name"], "mesh-system:anonymous");
    let admin = api.get("/who-am-i").await;
    assert_eq!(admin.json["name"], "mesh-system:admin");

    for token in ["Bearer x.y.z", "Bearer ", &bearer[..bearer.len() - 4]] {
        let refused = api.send(LOCAL, request("GET", "/meshes", &[("authorization", token)], &Value::Null)).await;
        assert_eq!((refused.status, &refused.json["detail"]), (401, &json!("Unauthenticated")), "{token}");
    }
}

#[tokio::test]
async fn the_bootstrap_token_makes_an_administrator_until_it_is_revoked() {
    use base64::Engine as _;
    let api = TestApi::start().await;
    let secret = api.get("/global-secrets/admin-user-token").await.json["data"].as_str().unwrap().to_owned();
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let token = String::from_utf8(decode(&secret)).unwrap();
    let bearer = format!("Bearer {token}");
    let list = || request("GET", "/global-secrets", &[("authorization", &bearer)], &Value::Null);
    assert_eq!(api.send(REMOTE, list()).await.status, 200);

    let payload = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    let id = serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned();
    let data = base64::engine::general_purpose::STANDARD.encode(format!("other,{id}"));
    let revocations = json!({ "type": "GlobalSecret", "name": "user-token-revocations", "data": data });
    assert_eq!(api.put("/global-secrets/user-token-revocations", &revocations).await.status, 201);
    assert_eq!(api.send(REMOTE, list()).await.status, 401);
}

#[tokio::test]
async fn token_requests_name_what_is_wrong() {
    let api = TestApi::start().await;
    for (path, body, field) in [
        ("/tokens/dataplane", json!({ "name": "a" }), "mesh"),
        ("/tokens/dataplane", json!({ "mesh": "default", "type": "gateway" }), "type"),
        ("/tokens/dataplane", json!({ "mesh": "default", "validFor": "soon" }), "validFor"),
        ("/tokens/dataplane", json!({ "mesh": "default", "tags": { "a": "b" } }), "tags"),
        ("/tokens/zone", json!({ "validFor": "1h" }), "zone"),
        ("/tokens/zone", json!({ "zone": "z", "scope": ["moon"] }), "scope"),
        ("/tokens/user", json!({ "name": "u" }), "validFor"),
        ("/tokens/user", json!({ "validFor": "1h" }), "name"),
    ] {
        let refused = api.call("POST", path, Some(&body)).await;
        assert_eq!(refused.status, 400, "{path} {body}");
        assert_eq!(refused.json["causes"][0]["field"], field, "{path} {body}: {}", refused.text);
    }
    let nowhere = api.call("POST", "/tokens/dataplane", Some(&json!({ "mesh": "nowhere" }))).await;
    assert_eq!(nowhere.status, 404, "{}", nowhere.text);
    let by_put = api.put("/tokens/dataplane", &json!({ "zone": "us-east", "validFor": "720h" })).await;
    assert_eq!((by_put.status, by_put.text.split('.').count()), (200, 3), "{}", by_put.text);
}

#[tokio::test]
async fn the_admin_server_issues_tokens_and_keeps_provided_authorities() {
    let api = TestApi::start().await;
    let call = |method: &'static str, path: &'static str, body: Value| {
        let router = admin_router(api.api.clone());
        api.send_to(router, LOCAL, request(method, path, &[], &body))
    };
    let token = call("POST", "/tokens", json!({ "name": "dp-echo-1", "mesh": "default" })).await;
    assert_eq!((token.status, &token.headers["content-type"].to_str().unwrap()), (200, &"text/plain"));
    assert_eq!(token.text.split('.').count(), 3);

    let path = "/meshes/default/ca/provided/certificates";
    let bad = call("POST", path, json!({ "cert": "x", "key": "y" })).await;
    assert_eq!((bad.status, &bad.json["causes"][0]["field"]), (400, &json!("cert")), "{}", bad.text);
    let lifetime = std::time::Duration::from_secs(3600);
    let ca = pki::CertificateAuthority::generate("default", lifetime, jiff::Timestamp::UNIX_EPOCH.max(api.api.now()))
        .unwrap();
    let cert = ca.cert_pem().to_owned();
    let key = ca.key_pem().expose().to_owned();
    let added = call("POST", path, json!({ "cert": cert, "key": key })).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let list = call("GET", path, Value::Null).await;
    assert_eq!(list.json, json!([{ "id": added.json["id"], "cert": cert }]));
    let mesh = |enabled: bool| json!({ "type": "Mesh", "name": "default", "mtls": { "enabled": enabled, "ca": { "provided": {} } } });
    let on = api.put("/meshes/default", &mesh(true)).await;
    assert_eq!(on.status, 200, "{}", on.text);
    let used = call("DELETE", "/meshes/default/ca/provided/certificates/ca-1", Value::Null).await;
    assert_eq!(used.status, 400, "{}", used.text);
    assert_eq!(api.put("/meshes/default", &mesh(false)).await.status, 200);
    assert_eq!(call("DELETE", "/meshes/default/ca/provided/certificates/ca-1", Value::Null).await.status, 200);
    assert_eq!(call("GET", path, Value::Null).await.json, json!([]));
    assert_eq!(call("GET", "/meshes", Value::Null).await.status, 404);
    assert_eq!(call("GET", "/meshes/default/secrets", Value::Null).await.json["total"], 1);
}

#[tokio::test]
async fn pages_of_other_sites_may_call_only_if_configured() {
    let api = TestApi::with(|tree| tree["apiServer"]["corsAllowedDomains"] = json!([".*\\.example"])).await;
    let origin = |origin: &'static str| request("OPTIONS", "/meshes", &[("origin", origin)], &Value::Null);
    let allowed = api.send(LOCAL, origin("https://a.example")).await;
    assert_eq!(
        (allowed.status, &allowed.headers["access-control-allow-origin"].to_str().unwrap()),
        (204, &"https://a.example")
    );
    for other in ["https://a.example.evil", "https://evil"] {
        assert!(!api.send(LOCAL, origin(other)).await.headers.contains_key("access-control-allow-origin"), "{other}");
    }
}

#[tokio::test]
async fn with_client_certificates_only_their_bearers_are_administrators() {
    let api = TestApi::with(|tree| {
        tree["apiServer"]["authn"]["type"] = json!("clientCerts");
        tree["apiServer"]["authn"]["localhostIsAdmin"] = json!(false);
    })
    .await;
    let address = REMOTE.parse().unwrap();
    for (has_certificate, status) in [(true, 200), (false, 403)] {
        let mut call = request("GET", "/global-secrets", &[], &Value::Null);
        call.extensions_mut().insert(Peer { address, tls: true, has_certificate });
        let (parts, _) = router(api.api.clone()).oneshot(call).await.unwrap().into_parts();
        assert_eq!(parts.status, status, "{has_certificate}");
    }
    assert_eq!(api.get("/global-secrets").await.status, 403);
}

#[tokio::test]
async fn everything_can_be_below_a_base_path() {
    let api = TestApi::with(|tree| tree["apiServer"]["basePath"] = json!("/kuma")).await;
    for (path, status) in
        [("/kuma", 200), ("/kuma/", 200), ("/kuma/meshes/default", 200), ("/meshes", 404), ("/kumameshes", 404)]
    {
        assert_eq!(api.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_old_gui_port_has_facts_and_the_api() {
    let api = TestApi::start().await;
    for path in ["/", "/config", "/api/meshes/default", "/api"] {
        let call = request("GET", path, &[], &Value::Null);
        assert_eq!(api.send_to(gui_router(api.api.clone()), LOCAL, call).await.status, 200, "{path}");
    }
}
