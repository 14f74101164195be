//! Every documented resource of every release is stored and answered as documented.

use mesh_model::{Kind, Scope};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TestApi;

const RELEASES: &[(&str, &str)] = &[
    ("0.2", include_str!("documented/0.2.yaml")),
    ("0.3.2", include_str!("documented/0.3.2.yaml")),
    ("0.4", include_str!("documented/0.4.yaml")),
    ("2.x", include_str!("documented/2.x.yaml")),
];

#[derive(Deserialize)]
struct Example {
    path: Option<String>,
    document: Value,
}

impl Example {
    fn path(&self) -> String {
        let text = |field: &str| self.document[field].as_str().unwrap();
        let kind = Kind::by_name(text("type")).unwrap();
        self.path.clone().unwrap_or_else(|| match kind.scope {
            Scope::Mesh => format!("/meshes/{}/{}/{}", text("mesh"), kind.path, text("name")),
            Scope::Global => format!("/{}/{}", kind.path, text("name")),
        })
    }
}

/// The first place where `got` lacks what `want` has.
fn missing(want: &Value, got: &Value, at: &str) -> Option<String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => want.iter().find_map(|(field, value)| match got.get(field) {
            Some(got) => missing(value, got, &format!("{at}/{field}")),
            None => Some(format!("{at}/{field} is absent")),
        }),
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => want
            .iter()
            .zip(got)
            .enumerate()
            .find_map(|(index, (want, got))| missing(want, got, &format!("{at}[{index}]"))),
        _ => (want != got).then(|| format!("{at}: {got} instead of {want}")),
    }
}

#[tokio::test]
async fn every_documented_resource_is_stored_and_answered_as_written() {
    let api = TestApi::start().await;
    let mut replayed = 0;
    for (release, examples) in RELEASES {
        api.delete("/meshes/mesh-1").await;
        for example in serde_norway::from_str::<Vec<Example>>(examples).unwrap() {
            let (path, document) = (example.path(), &example.document);
            if let Some(mesh) = document["mesh"].as_str() {
                let mesh = api.put(&format!("/meshes/{mesh}"), &json!({ "type": "Mesh", "name": mesh })).await;
                assert!(mesh.status < 300, "{}", mesh.text);
            }
            let created = api.put(&path, document).await;
            assert_eq!(created.status, 201, "{release} {path}: {}", created.text);
            assert_eq!(api.put(&path, document).await.status, 200, "{release} {path}");
            let read = api.get(&path).await;
            assert_eq!(missing(document, &read.json, ""), None, "{release} {path}");
            let (collection, _) = path.rsplit_once('/').unwrap();
            let list = api.get(collection).await;
            assert!(list.json["items"].as_array().unwrap().contains(&read.json), "{release} {collection}");
            assert_eq!(api.delete(&path).await.status, 200, "{release} {path}");
            assert_eq!(api.get(&path).await.status, 404, "{release} {path}");
            replayed += 1;
        }
    }
    assert!(replayed > 40, "{replayed}");
}

#[tokio::test]
async fn every_documented_computed_answer_has_its_keys() {
    let api = TestApi::start().await;
    for (path, keys) in [
        (
            "/config",
            "adminServer apiServer bootstrapServer dataplaneTokenServer defaults discovery environment general \
             guiServer monitoringAssignmentServer reports runtime sdsServer store xdsServer",
        ),
        ("/", "hostname tagline product version instanceId clusterId"),
        ("/catalog", "apis"),
        ("/versions", "kumaDp"),
        ("/policies", "policies"),
        ("/_resources", "resources"),
        ("/who-am-i", "name groups"),
        ("/global-insights", "type creationTime resources"),
        ("/global-insight", "createdAt services zones dataplanes policies resources meshes"),
        ("/mesh-insights", "total items next"),
        (
            "/mesh-insights/default",
            "type name creationTime modificationTime lastSync dataplanes dataplanesByType policies dpVersions mTLS services",
        ),
        ("/service-insights", "total items next"),
        ("/zones+insights", "total items next"),
        ("/zoneingresses+insights", "total items next"),
        ("/zoneegressoverviews", "total items next"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        for key in keys.split_whitespace() {
            assert!(answer.json.get(key).is_some(), "{path} lacks {key}");
        }
    }
    assert_eq!(api.get("/status/zones").await.json, json!([]));
    let config = api.get("/config").await.json;
    assert_eq!(config["apiServer"]["port"], 5681);
    assert_eq!(config["store"]["postgres"]["password"], "*****");
    let names: Vec<_> = api.get("/policies").await.json["policies"].as_array().unwrap().clone();
    assert_eq!(names.len(), 15);
}
