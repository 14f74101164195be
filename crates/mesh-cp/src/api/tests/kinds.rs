//! Every kind of the table can be created, replaced, read, listed and deleted, or says why not.

use mesh_model::{KINDS, Kind, Scope};
use serde_json::{Map, Value, json};

use super::TestApi;

/// Fields of a valid resource of each kind; a new kind needs a line here.
fn sample(kind: &str) -> Option<Value> {
    let any = json!([{ "match": { "kuma.io/service": "*" } }]);
    let policy = |conf: Value| json!({ "sources": any, "destinations": any, "conf": conf });
    Some(match kind {
        "CircuitBreaker" => policy(json!({ "interval": "5s", "detectors": { "totalErrors": { "consecutive": 20 } } })),
        "Dataplane" => {
            json!({ "networking": { "address": "192.168.0.1", "inbound": [{ "port": 80, "tags": { "kuma.io/service": "web" } }] } })
        }
        "ExternalService" => {
            json!({ "networking": { "address": "httpbin.org:80" }, "tags": { "kuma.io/service": "httpbin" } })
        }
        "FaultInjection" => json!({
            "sources": any,
            "destinations": [{ "match": { "kuma.io/service": "*", "kuma.io/protocol": "http" } }],
            "conf": { "abort": { "httpStatus": 500, "percentage": 50 } },
        }),
        "GlobalSecret" | "Secret" => json!({ "data": "dGVzdAo=" }),
        "HealthCheck" => {
            policy(json!({ "interval": "10s", "timeout": "2s", "unhealthyThreshold": 3, "healthyThreshold": 1 }))
        }
        "Mesh" => json!({}),
        "MeshGateway" => json!({
            "selectors": any,
            "conf": { "listeners": [{ "port": 80, "protocol": "HTTP", "tags": { "port": "http-80" } }] },
        }),
        "MeshGatewayRoute" => json!({
            "selectors": any,
            "conf": { "http": { "rules": [{
                "matches": [{ "path": { "match": "PREFIX", "value": "/" } }],
                "backends": [{ "destination": { "kuma.io/service": "web" }, "weight": 1 }],
            }] } },
        }),
        "ProxyTemplate" => json!({ "selectors": any, "conf": { "imports": ["default-proxy"] } }),
        "RateLimit" => policy(json!({ "http": { "requests": 5, "interval": "10s" } })),
        "Retry" => policy(json!({ "http": { "numRetries": 5 } })),
        "Timeout" => policy(json!({ "connectTimeout": "10s" })),
        "TrafficLog" => policy(json!({})),
        "TrafficPermission" => json!({ "sources": any, "destinations": any }),
        "TrafficRoute" => policy(json!({ "destination": { "kuma.io/service": "*" } })),
        "TrafficTrace" => json!({ "selectors": any, "conf": {} }),
        "VirtualOutbound" => json!({
            "selectors": any,
            "conf": { "host": "{{.service}}.mesh", "port": "80", "parameters": [{ "name": "service", "tagKey": "kuma.io/service" }] },
        }),
        "Zone" => json!({ "enabled": true }),
        "ZoneEgress" => json!({ "zone": "z", "networking": { "address": "10.0.0.1", "port": 10002 } }),
        "ZoneIngress" => json!({ "zone": "z", "networking": { "address": "10.0.0.1", "port": 10001 } }),
        _ => return None,
    })
}

/// Path of the collection, path of `sample`, and the whole document.
fn document(kind: &Kind, fields: &Value) -> (String, String, Value) {
    let mut document = Map::new();
    document.insert("type".into(), kind.name.into());
    document.insert("name".into(), "sample".into());
    let collection = match kind.scope {
        Scope::Mesh => {
            document.insert("mesh".into(), "default".into());
            format!("/meshes/default/{}", kind.path)
        }
        Scope::Global => format!("/{}", kind.path),
    };
    document.extend(fields.as_object().unwrap().clone());
    (collection.clone(), format!("{collection}/sample"), Value::Object(document))
}

#[tokio::test]
async fn every_stored_kind_can_be_created_replaced_read_listed_and_deleted() {
    let api = TestApi::start().await;
    for kind in KINDS.iter().filter(|kind| !kind.read_only) {
        let fields = sample(kind.name).unwrap_or_else(|| panic!("{} needs a sample", kind.name));
        let (collection, path, document) = document(kind, &fields);

        let created = api.put(&path, &document).await;
        assert_eq!((created.status, &created.json), (201, &json!({})), "PUT {path}: {}", created.text);
        let replaced = api.put(&path, &document).await;
        assert_eq!(replaced.status, 200, "PUT {path} again: {}", replaced.text);

        let read = api.get(&path).await;
        assert_eq!(read.status, 200, "GET {path}");
        for (field, value) in document.as_object().unwrap() {
            assert_eq!(&read.json[field], value, "GET {path}: {field}");
        }
        assert!(read.json["creationTime"].is_string() && read.json["modificationTime"].is_string(), "GET {path}");

        let all = format!("/{}", kind.path);
        for list in [&collection, &all] {
            let listed = api.get(list).await;
            let hit = listed.json["items"].as_array().unwrap().contains(&read.json);
            assert!(listed.status == 200 && hit, "GET {list}: {}", listed.text);
        }

        let deleted = api.delete(&path).await;
        assert_eq!((deleted.status, &deleted.json), (200, &json!({})), "DELETE {path}");
        for method in ["GET", "DELETE"] {
            assert_eq!(api.call(method, &path, None).await.status, 404, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_computed_kind_can_be_listed_and_refuses_writes() {
    let api = TestApi::start().await;
    for kind in KINDS.iter().filter(|kind| kind.read_only) {
        let (collection, path, document) = document(kind, &json!({}));
        let listed = api.get(&collection).await;
        assert_eq!(listed.status, 200, "GET {collection}: {}", listed.text);
        for method in ["PUT", "DELETE"] {
            let refused = api.call(method, &path, Some(&document)).await;
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.json["status"], 405, "{method} {path}: {}", refused.text);
        }
    }
}

#[tokio::test]
async fn every_kind_refuses_unknown_meshes_wrong_names_unknown_fields_and_bad_json() {
    let api = TestApi::start().await;
    for kind in KINDS.iter().filter(|kind| !kind.read_only) {
        let (_, path, document) = document(kind, &sample(kind.name).unwrap());

        let other = path.replace("/sample", "/other");
        let refused = api.put(&other, &document).await;
        assert_eq!(refused.status, 400, "PUT {other}");
        assert_eq!(refused.json["causes"][0]["field"], "name", "PUT {other}: {}", refused.text);

        let mut unknown = document.clone();
        unknown["noSuchField"] = json!(1);
        let refused = api.put(&path, &unknown).await;
        assert_eq!(refused.status, 400, "PUT {path} with an unknown field");

        if kind.scope == Scope::Mesh {
            let nowhere = path.replace("/default/", "/nowhere/");
            let mut moved = document.clone();
            moved["mesh"] = json!("nowhere");
            let refused = api.put(&nowhere, &moved).await;
            assert_eq!((refused.status, &refused.json["details"]), (400, &json!("Mesh is not found")), "PUT {nowhere}");
            assert_eq!(refused.json["causes"][0]["field"], "mesh", "PUT {nowhere}");
            assert_eq!(api.get(&nowhere).await.status, 404, "GET {nowhere}");
        }
    }
}
