use base::SystemClock;
use mesh_model::policy::Connection;
use serde_json::json;
use std::sync::Arc;

use super::*;
use crate::secrets;

fn with(settings: Settings) -> Resources {
    Resources::new(store::memory::open(Arc::new(SystemClock)), settings)
}

fn kind(name: &str) -> &'static Kind {
    Kind::by_name(name).unwrap()
}

async fn put(resources: &Resources, of: &str, mesh: &str, name: &str, body: Value) -> Result<Outcome, ResourceError> {
    resources.put(kind(of), mesh, name, &BTreeMap::new(), &body).await
}

fn paths(error: ResourceError) -> Vec<String> {
    match error {
        ResourceError::Invalid(problems) => problems.0.into_iter().map(|problem| problem.path).collect(),
        other => panic!("{other}"),
    }
}

fn builtin(enabled: &str) -> Value {
    let backend = |name: &str| json!({ "name": name, "type": "builtin" });
    json!({ "mtls": { "enabledBackend": enabled, "backends": [backend("ca-1"), backend("ca-2")] } })
}

fn dataplane() -> Value {
    json!({ "networking": { "address": "10.0.0.1", "inbound": [{ "port": 80, "tags": { "kuma.io/service": "web" } }] } })
}

async fn names(resources: &Resources, of: &str, mesh: &str) -> Vec<String> {
    let all = resources.all(kind(of), Some(mesh)).await.unwrap();
    all.iter().map(|record| record.draft.key.name.to_string()).collect()
}

#[tokio::test]
async fn a_new_mesh_gets_its_signing_key_and_nothing_that_allows_traffic() {
    let resources = with(Settings::default());
    assert!(put(&resources, "Mesh", "", "m", json!({})).await.unwrap().created);
    assert_eq!(names(&resources, "Secret", "m").await, ["dataplane-token-signing-key-m-1"]);
    assert_eq!(names(&resources, "TrafficPermission", "m").await, [""; 0]);
    let key = secrets::read(&resources, "m", "dataplane-token-signing-key-m-1").await.unwrap().unwrap();
    pki::jwt::SigningKey::from_pem(std::str::from_utf8(&key).unwrap()).unwrap();
}

#[tokio::test]
async fn routing_resources_are_made_where_asked_for_and_valid() {
    let resources = with(Settings { create_routing_resources: true, ..Settings::default() });
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    for (of, name) in [
        ("TrafficPermission", "allow-all-m"),
        ("TrafficRoute", "route-all-m"),
        ("Timeout", "timeout-all-m"),
        ("CircuitBreaker", "circuit-breaker-all-m"),
        ("Retry", "retry-all-m"),
    ] {
        let record = resources.get(kind(of), "m", name).await.unwrap();
        let spec = from_record(&record).unwrap().spec;
        if let Spec::TrafficPermission(permission) = spec {
            let Connection { sources, destinations, .. } = &*permission;
            assert_eq!((sources.len(), destinations.len()), (1, 1));
        }
    }
    let skip = json!({ "skipCreatingInitialPolicies": ["TrafficPermission"] });
    put(&resources, "Mesh", "", "n", skip).await.unwrap();
    assert_eq!(names(&resources, "TrafficPermission", "n").await, [""; 0]);
    assert_eq!(names(&resources, "TrafficRoute", "n").await, ["route-all-n"]);
    put(&resources, "Mesh", "", "o", json!({ "skipCreatingInitialPolicies": ["*"] })).await.unwrap();
    assert_eq!(names(&resources, "Retry", "o").await, [""; 0]);
}

#[tokio::test]
async fn the_authority_can_be_changed_only_while_mutual_tls_is_off() {
    let resources = with(Settings::default());
    put(&resources, "Mesh", "", "m", builtin("ca-1")).await.unwrap();
    let refused = put(&resources, "Mesh", "", "m", builtin("ca-2")).await.unwrap_err();
    assert_eq!(paths(refused), ["mtls.enabledBackend"]);
    put(&resources, "Mesh", "", "m", builtin("ca-1")).await.unwrap();
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    assert!(!put(&resources, "Mesh", "", "m", builtin("ca-2")).await.unwrap().created);
}

#[tokio::test]
async fn a_provided_authority_needs_its_secrets_and_keeps_them() {
    let resources = with(Settings::default());
    let conf = json!({ "cert": { "secret": "cert" }, "key": { "secret": "key" } });
    let backend = json!({ "name": "ca-1", "type": "provided", "conf": conf });
    let mesh = |enabled: &str| json!({ "mtls": { "enabledBackend": enabled, "backends": [backend] } });
    let refused = put(&resources, "Mesh", "", "m", mesh("ca-1")).await.unwrap_err();
    assert_eq!(paths(refused), ["mtls.backends[0].conf.cert.secret"]);

    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    secrets::write(&resources, "m", "cert", b"c").await.unwrap();
    secrets::write(&resources, "m", "key", b"k").await.unwrap();
    put(&resources, "Mesh", "", "m", mesh("ca-1")).await.unwrap();
    assert_eq!(paths(resources.delete(kind("Secret"), "m", "cert").await.unwrap_err()), ["name"]);
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    resources.delete(kind("Secret"), "m", "cert").await.unwrap();
}

#[tokio::test]
async fn a_mesh_with_proxies_cannot_be_deleted_and_takes_the_rest_with_it() {
    let resources = with(Settings::default());
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    put(&resources, "Dataplane", "m", "d", dataplane()).await.unwrap();
    assert_eq!(paths(resources.delete(kind("Mesh"), "", "m").await.unwrap_err()), ["mesh"]);
    resources.delete(kind("Dataplane"), "m", "d").await.unwrap();
    resources.delete(kind("Mesh"), "", "m").await.unwrap();
    assert_eq!(resources.count(kind("Secret"), None).await.unwrap(), 0);

    let resources = with(Settings { unsafe_delete: true, ..Settings::default() });
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    put(&resources, "Dataplane", "m", "d", dataplane()).await.unwrap();
    resources.delete(kind("Mesh"), "", "m").await.unwrap();
    assert_eq!(resources.count(kind("Dataplane"), None).await.unwrap(), 0);
}

#[tokio::test]
async fn names_and_labels_are_checked_for_every_writer() {
    let resources = with(Settings::default());
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    for name in ["", "Upper", "a/b", &"x".repeat(254)] {
        let refused = put(&resources, "Dataplane", "m", name, dataplane()).await.unwrap_err();
        assert_eq!(paths(refused), ["name"], "{name:?}");
    }
    assert_eq!(paths(put(&resources, "Mesh", "", &"x".repeat(64), json!({})).await.unwrap_err()), ["name"]);
    let labels = BTreeMap::from([("team".to_owned(), "not a label".to_owned())]);
    let refused = resources.put(kind("Dataplane"), "m", "d", &labels, &dataplane()).await.unwrap_err();
    assert_eq!(paths(refused), ["labels[\"team\"]"]);
    assert_eq!(paths(put(&resources, "Dataplane", "m", "d", json!([])).await.unwrap_err()), [""]);
    let nowhere = put(&resources, "Dataplane", "nowhere", "d", dataplane()).await.unwrap_err();
    assert!(matches!(nowhere, ResourceError::MeshNotFound), "{nowhere}");
}

#[tokio::test]
async fn labels_are_answered_to_those_who_write_some_and_filtered_by_for_all() {
    let resources = with(Settings::default());
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    put(&resources, "Dataplane", "m", "plain", dataplane()).await.unwrap();
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    resources.put(kind("Dataplane"), "m", "labelled", &labels, &dataplane()).await.unwrap();

    let plain = resources.get(kind("Dataplane"), "m", "plain").await.unwrap();
    assert!(!render(&plain).contains_key("labels"));
    let labelled = resources.get(kind("Dataplane"), "m", "labelled").await.unwrap();
    assert_eq!(render(&labelled)["labels"]["team"], "a");
    assert_eq!(render(&labelled)["labels"]["kuma.io/mesh"], "m");

    let mut registered = labelled.draft.clone();
    registered.labels.insert(REGISTERED.to_owned(), "true".to_owned());
    resources.store().commit(vec![Op::Put(registered, None)]).await.unwrap();
    let registered = resources.get(kind("Dataplane"), "m", "labelled").await.unwrap();
    assert_eq!(render(&registered)["labels"], render(&labelled)["labels"], "the mark is nobody's label");

    let by = |key: &str, value: &str| Selection {
        labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..Selection::default()
    };
    let count = async |selection| resources.list(kind("Dataplane"), None, &selection).await.unwrap().total;
    assert_eq!(count(by("kuma.io/mesh", "m")).await, 2);
    assert_eq!(count(by("team", "a")).await, 1);
}

#[tokio::test]
async fn writers_of_one_mesh_at_the_same_time_all_succeed() {
    let resources = with(Settings::default());
    put(&resources, "Mesh", "", "m", json!({})).await.unwrap();
    let writers = (0..6).map(|index| {
        let body = json!({ "metrics": { "backends": [{ "name": format!("p-{index}"), "type": "prometheus" }] } });
        put(&resources, "Mesh", "", "m", body)
    });
    let outcomes = futures_util::future::join_all(writers).await;
    assert!(outcomes.into_iter().all(|outcome| !outcome.unwrap().created));
}

#[tokio::test]
async fn what_is_too_large_for_the_store_is_the_writers_mistake() {
    let resources = with(Settings::default());
    let huge = "QUFB".repeat(5 * 1024 * 1024);
    let refused = put(&resources, "GlobalSecret", "", "s", json!({ "data": huge })).await.unwrap_err();
    assert!(
        matches!(&refused, ResourceError::Invalid(problems) if problems.to_string().contains("limit")),
        "{refused}"
    );
}
