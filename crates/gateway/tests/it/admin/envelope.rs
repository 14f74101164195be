//! What all answers have in common.

use axum::body::Body;
use gateway::admin::MAX_BODY;
use http::Request;
use serde_json::json;

use super::{Api, not_found};

#[tokio::test]
async fn answers_say_who_and_how_long() {
    let got = Api::new().get("/services").await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("server"), "kong/3.9.3");
    assert_eq!(got.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(got.header("content-length"), got.text.len().to_string());
    assert!(got.header("x-kong-admin-latency").parse::<u64>().is_ok());
}

#[tokio::test]
async fn browsers_may_call() {
    let api = Api::new();
    let got = api.get("/").await;
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert_eq!(got.header("access-control-allow-credentials"), "true");
    let request = Request::builder().method("OPTIONS").uri("/services").header("origin", "http://a.com");
    let request = request.header("access-control-request-headers", "X-Foo").body(Body::empty()).unwrap();
    let got = api.request(request).await;
    assert_eq!(got.status, 204);
    assert_eq!(got.header("access-control-allow-origin"), "http://a.com");
    assert_eq!(got.header("access-control-allow-headers"), "X-Foo");
}

#[tokio::test]
async fn options_list_what_a_path_can_be_asked_for() {
    let api = Api::new();
    for (path, methods) in [
        ("/", "GET, HEAD, OPTIONS"),
        ("/services", "GET, HEAD, OPTIONS, POST"),
        ("/services/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/services/x/routes", "GET, HEAD, OPTIONS, POST"),
        ("/services/x/routes/y", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/cache", "DELETE, OPTIONS"),
        ("/schemas/plugins/validate", "OPTIONS, POST"),
        ("/schemas/plugins/cors", "GET, HEAD, OPTIONS"),
        ("/upstreams/u/targets/t/healthy", "OPTIONS, PUT"),
    ] {
        let got = api.send("OPTIONS", path, None, "").await;
        assert_eq!((got.status, got.header("allow")), (204, methods), "{path}");
        assert_eq!(got.header("access-control-allow-methods"), methods);
        assert_eq!(got.header("access-control-allow-headers"), "Content-Type");
    }
    for path in ["/nothing", "/snis/x/certificate", "/targets"] {
        assert_eq!(api.send("OPTIONS", path, None, "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn methods_and_paths_that_are_not_there() {
    let api = Api::new();
    for (method, path) in [("POST", "/"), ("PUT", "/services"), ("POST", "/services/x"), ("FOO", "/")] {
        let got = api.send(method, path, None, "").await;
        assert_eq!((got.status, got.json()), (405, json!({ "message": "Method not allowed" })), "{method} {path}");
    }
    for path in ["/nothing", "//services", "/services//", "/SERVICES", "/services/a/b/c/d", "/default/services"] {
        let got = api.get(path).await;
        assert_eq!((got.status, got.json()), (404, not_found()), "{path}");
    }
    assert_eq!(api.get("/services/").await.status, 200);
}

#[tokio::test]
async fn head_is_get_without_body() {
    let api = Api::new();
    assert_eq!(api.send("HEAD", "/services", None, "").await.status, 200);
    assert_eq!(api.send("HEAD", "/services/x", None, "").await.status, 404);
    assert_eq!(api.send("HEAD", "/upstreams/u/targets/t/healthy", None, "").await.status, 200);
}

#[tokio::test]
async fn kinds_of_bodies() {
    let api = Api::new();
    for (kind, body, status) in [
        (Some("application/json"), r#"{"host":"x.com"}"#, 201),
        (Some("application/jsonx"), r#"{"host":"x.com"}"#, 201),
        (Some("APPLICATION/JSON"), r#"{"host":"x.com"}"#, 415),
        (Some("text/plain"), "host=x.com", 415),
        (Some("application/yaml"), "host: x.com", 415),
        (None, r#"{"host":"x.com"}"#, 415),
        (None, "", 400),
        (Some("application/x-www-form-urlencoded"), "host=x.com&port=81&tags[]=a&tags[]=b", 201),
    ] {
        let got = api.send("POST", "/services", kind, body).await;
        assert_eq!(got.status, status, "{kind:?} {body}");
        if status == 415 {
            assert!(got.text.contains("415 Unsupported Media Type"), "{}", got.text);
        }
    }
    for body in ["{bad", "", "12", "\"text\""] {
        let got = api.send("POST", "/services", Some("application/json"), body).await;
        assert_eq!((got.status, got.json()), (400, json!({ "message": "Cannot parse JSON body" })), "{body}");
    }
}

#[tokio::test]
async fn multipart_bodies() {
    let api = Api::new();
    let part =
        |name: &str, value: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = format!("{}{}{}--X--\r\n", part("host", "mp.com"), part("port", "81"), part("tags[]", "m"));
    let got = api.send("POST", "/services", Some("multipart/form-data; boundary=X"), body).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let service = got.json();
    assert_eq!((&service["host"], &service["port"], &service["tags"]), (&json!("mp.com"), &json!(81), &json!(["m"])));
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let api = Api::new();
    let body = format!(r#"{{"host":"{}"}}"#, "x".repeat(MAX_BODY));
    assert_eq!(api.send("POST", "/services", Some("application/json"), body).await.status, 413);
}

#[tokio::test]
async fn arguments_have_a_limit() {
    let api = Api::new();
    let many = "a=1&".repeat(1001);
    let got = api.get(&format!("/services?{many}")).await;
    assert_eq!((got.status, got.json()), (400, json!({ "message": "Too many arguments" })));
    let got = api.form("POST", "/services", &many).await;
    assert_eq!((got.status, got.json()), (400, json!({ "message": "Too many arguments" })));
}

#[tokio::test]
async fn endpoints_are_listed_sorted() {
    let list = Api::new().read("/endpoints").await;
    let paths: Vec<&str> = list["data"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths[0], "/");
    for path in ["/services/{services}/routes/{routes}", "/consumers/{consumers}/key-auth/{keyauth_credentials}"] {
        assert!(paths.contains(&path), "{path}");
    }
    let at = |path: &str| paths.iter().position(|other| *other == path).unwrap();
    assert!(at("/key-auths") < at("/key-sets") && at("/key-sets") < at("/keys"));
}

#[tokio::test]
async fn bodies_that_nobody_wants_are_read_all_the_same() {
    let api = Api::new();
    for (method, path) in [("PUT", "/services"), ("POST", "/nothing"), ("GET", "/services"), ("DELETE", "/services/x")]
    {
        let (left, chunks) = tokio::sync::mpsc::channel::<Result<&str, std::io::Error>>(1);
        let body = futures_util::stream::unfold(chunks, |mut chunks| async { Some((chunks.recv().await?, chunks)) });
        let call = api.send(method, path, Some("application/json"), Body::from_stream(body));
        let write = async {
            for _ in 0..3 {
                left.send(Ok("{}")).await.expect("the rest of the body is still wanted");
            }
            drop(left);
        };
        tokio::join!(call, write);
    }
}
