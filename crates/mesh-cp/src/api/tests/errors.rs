//! The bodies of errors, to the letter.

use serde_json::json;

use super::TestApi;

#[tokio::test]
async fn errors_have_the_old_and_the_new_spelling() {
    let api = TestApi::start().await;
    let missing = api.get("/meshes/default/dataplanes/web-1").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.headers["content-type"], "application/json");
    assert_eq!(
        missing.json,
        json!({
            "type": "/std-errors",
            "status": 404,
            "title": "Could not retrieve a resource",
            "detail": "Not found",
            "details": "Not found",
        })
    );

    let document = json!({ "type": "Mesh", "name": "b" });
    let refused = api.put("/meshes/a", &document).await;
    let reason = "name from the URL has to be the same as in body";
    assert_eq!(
        refused.json,
        json!({
            "type": "/std-errors",
            "status": 400,
            "title": "Could not process a resource",
            "detail": "Resource is not valid",
            "invalid_parameters": [{ "field": "name", "reason": reason }],
            "details": "Resource is not valid",
            "causes": [{ "field": "name", "message": reason }],
        })
    );
}

#[tokio::test]
async fn every_route_has_its_titles() {
    let api = TestApi::start().await;
    for (method, path, status, title) in [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/meshes/nowhere", 404, "Could not retrieve a resource"),
        ("GET", "/meshes/nowhere/dataplanes", 404, "Failed to retrieve Mesh"),
        ("GET", "/meshes/nowhere/dataplanes+insights", 404, "Failed to retrieve Mesh"),
        ("GET", "/meshes/nowhere/dataplanes/x/policies", 404, "Failed to retrieve Mesh"),
        ("GET", "/meshes/default/dataplanes/x/rules", 404, "Could not retrieve a resource"),
        ("GET", "/meshes/default/traffic-logs/x/dataplanes", 404, "Could not retrieve a resource"),
        ("GET", "/mesh-insights/nowhere", 404, "Could not retrieve insights"),
        ("GET", "/meshes/default/service-insights/x", 404, "Could not retrieve a resource"),
        ("DELETE", "/meshes/nowhere", 404, "Could not delete a resource"),
        ("POST", "/meshes/default", 405, "Method Not Allowed"),
        ("PATCH", "/meshes/default/dataplanes/x", 405, "Method Not Allowed"),
        ("PUT", "/meshes", 405, "Method Not Allowed"),
        ("DELETE", "/config", 405, "Method Not Allowed"),
        ("GET", "/tokens/dataplane", 405, "Method Not Allowed"),
    ] {
        let answer = api.call(method, path, None).await;
        assert_eq!((answer.status, &answer.json["title"]), (status, &json!(title)), "{method} {path}: {}", answer.text);
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_read_only_api_refuses_writes() {
    let api = TestApi::with(|tree| tree["apiServer"]["readOnly"] = json!(true)).await;
    let document = json!({ "type": "Mesh", "name": "a" });
    assert_eq!(api.put("/meshes/a", &document).await.status, 405);
    assert_eq!(api.delete("/meshes/default").await.status, 405);
    assert_eq!(api.get("/meshes/default").await.status, 200);
}

#[tokio::test]
async fn head_answers_like_get_without_body() {
    let api = TestApi::start().await;
    let head = api.call("HEAD", "/meshes/default", None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(api.call("HEAD", "/meshes/nowhere", None).await.status, 404);
}
