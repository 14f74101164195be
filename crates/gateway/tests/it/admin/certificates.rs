//! Certificates and the names they are for.

use serde_json::{Value, json};

use super::{Api, certificate, id};

async fn with_names(names: Value) -> Vec<Api> {
    let apis: Vec<Api> = Api::on_each_store().await.collect();
    for api in &apis {
        let (cert, key) = certificate();
        let made = api.create("/certificates", json!({ "id": id(1), "cert": cert, "key": key, "snis": names })).await;
        assert_eq!(made["id"], json!(id(1)));
    }
    apis
}

#[tokio::test]
async fn names_are_documents_too() {
    for api in with_names(json!(["b.com", "a.com"])).await {
        let shown = api.read(&format!("/certificates/{}", id(1))).await;
        assert_eq!(shown["snis"], json!(["a.com", "b.com"]));
        assert_eq!(api.read("/certificates/a.com").await, shown);
        assert_eq!(api.read("/snis/a.com").await["certificate"], json!({ "id": id(1) }));
        assert_eq!(api.column(&format!("/certificates/{}/snis", id(1)), "name").await.len(), 2);
        let got = api.get("/certificates/c.com").await;
        assert_eq!((got.status, got.json()), (404, json!({ "message": "SNI not found" })));
    }
}

#[tokio::test]
async fn patch_replaces_the_names() {
    for api in with_names(json!(["a.com", "b.com"])).await {
        let path = format!("/certificates/{}", id(1));
        let kept = api.read("/snis/b.com").await;
        let changed = api.call("PATCH", &path, json!({ "snis": ["b.com", "c.com"] })).await;
        assert_eq!((changed.status, &changed.json()["snis"]), (200, &json!(["b.com", "c.com"])));
        assert_eq!(api.read("/snis/b.com").await, kept, "what stays is not touched");
        assert_eq!(api.get("/snis/a.com").await.status, 404);
        assert_eq!(api.call("PATCH", &path, json!({ "tags": ["t"] })).await.json()["snis"], json!(["b.com", "c.com"]));
        assert_eq!(api.call("PATCH", &path, json!({ "snis": null })).await.json()["snis"], json!([]));
    }
}

#[tokio::test]
async fn put_without_names_clears_them() {
    for api in with_names(json!(["a.com"])).await {
        let (cert, key) = certificate();
        let got = api.call("PUT", "/certificates/a.com", json!({ "cert": cert, "key": key })).await;
        assert_eq!((got.status, &got.json()["snis"], &got.json()["id"]), (200, &json!([]), &json!(id(1))));
        assert_eq!(api.get("/snis/a.com").await.status, 404);
    }
}

#[tokio::test]
async fn put_by_a_name_adds_it_to_those_that_are_said() {
    for api in with_names(json!(["a.com"])).await {
        let (cert, key) = certificate();
        for (path, names, all) in [
            ("/certificates/a.com", json!(["b.com"]), json!(["a.com", "b.com"])),
            ("/certificates/c.com", json!(["d.com", "c.com"]), json!(["c.com", "d.com"])),
            ("/certificates/e.com", json!([]), json!(["e.com"])),
        ] {
            let got = api.call("PUT", path, json!({ "cert": cert, "key": key, "snis": names })).await;
            assert_eq!((got.status, &got.json()["snis"]), (200, &all), "{path}");
        }
    }
}

#[tokio::test]
async fn names_belong_to_one_certificate() {
    for api in with_names(json!(["a.com"])).await {
        let (cert, key) = certificate();
        let refused = |snis: Value| {
            let (cert, key, api) = (cert.clone(), key.clone(), &api);
            async move { api.refused("POST", "/certificates", json!({ "cert": cert, "key": key, "snis": snis })).await.2 }
        };
        let told = refused(json!(["a.com"])).await;
        let expected = format!("a.com already associated with existing certificate '{}'", id(1));
        assert_eq!(told, format!("schema violation (snis: {expected})"));
        assert_eq!(refused(json!(["d.com", "d.com"])).await, "schema violation (snis: d.com is duplicated)");
        assert_eq!(api.column("/certificates", "id").await.len(), 1);
    }
}

#[tokio::test]
async fn certificates_go_with_their_names_unless_they_are_needed() {
    for api in with_names(json!(["a.com"])).await {
        let service = json!({ "name": "s", "url": "https://h", "client_certificate": { "id": id(1) } });
        api.create("/services", service).await;
        let path = format!("/certificates/{}", id(1));
        let got = api.delete(&path).await;
        assert_eq!((got.status, &got.json()["fields"]), (400, &json!({ "@referenced_by": "services" })));
        assert_eq!(api.get("/snis/a.com").await.status, 200, "a refused deletion takes nothing");
        api.delete("/services/s").await;
        assert_eq!(api.delete(&path).await.status, 204);
        assert_eq!(api.get("/snis/a.com").await.status, 404);
    }
}
