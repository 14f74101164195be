use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Bench, list};

const INDEX: &str =
    r#"{"product":"Kuma","version":"2.14.3","hostname":"cp\n-1","clusterId":"c","instanceId":"cp-1-ab"}"#;

#[tokio::test]
async fn an_export_can_be_applied() {
    let first = list(
        json!([{"type": "Mesh", "name": "a", "creationTime": "2026-01-01T00:00:00Z"}]),
        json!("http://CP/meshes?size=1000&offset=1"),
    );
    let secrets = json!([
        {"type": "Secret", "mesh": "a", "name": "dataplane-token-signing-key-a-1", "data": "eA=="},
        {"type": "Secret", "mesh": "a", "name": "mine", "data": "eA=="},
    ]);
    let bench = Bench::new()
        .on("GET /meshes?size=1000", 200, first)
        .on("GET /meshes?size=1000&offset=1", 200, list(json!([{"type": "Mesh", "name": "b"}]), Value::Null))
        .on("GET /", 200, INDEX)
        .on("GET /global-secrets?size=1000", 200, list(json!([]), Value::Null))
        .on("GET /secrets?size=1000", 200, list(secrets, Value::Null));
    assert_snapshot!(bench.run("export").await, @"
    > GET /
    > GET /global-secrets?size=1000
    > GET /meshes?size=1000
    > GET /meshes?size=1000&offset=1
    > GET /secrets?size=1000
    # Product: Kuma, Version: 2.14.3, Hostname: cp�-1, ClusterId: c, InstanceId: cp-1-ab
    ---
    type: Mesh
    name: a
    ---
    type: Mesh
    name: b
    ---
    type: Secret
    mesh: a
    name: mine
    data: eA==
    ");
    assert!(bench.run("export -p federation -f universal -a").await.stdout.contains("signing-key"));
    assert_snapshot!(bench.run("export --format kubernetes").await, @"
    ! Error: --format=kubernetes is not supported by this release; universal is
    (failed)
    ");
}

/// A mesh whose authority is in its secrets.
fn secured() -> Value {
    let conf = json!({"cert": {"secret": "cert"}, "key": {"secret": "key"}});
    let backend = json!({"name": "ca-1", "type": "provided", "conf": conf});
    json!({"type": "Mesh", "name": "a", "mtls": {"enabledBackend": "ca-1", "backends": [backend]}})
}

#[tokio::test]
async fn what_needs_secrets_comes_after_them_and_keys_of_user_tokens_last() {
    let global = json!([
        {"type": "GlobalSecret", "name": "user-token-signing-key-1", "data": "eA=="},
        {"type": "GlobalSecret", "name": "zone-token-signing-key-1", "data": "eA=="},
    ]);
    let secrets = json!([{"type": "Secret", "mesh": "a", "name": "cert", "data": "eA=="}]);
    let bench = Bench::new()
        .on("GET /meshes?size=1000", 200, list(json!([secured()]), Value::Null))
        .on("GET /", 200, INDEX)
        .on("GET /global-secrets?size=1000", 200, list(global, Value::Null))
        .on("GET /secrets?size=1000", 200, list(secrets, Value::Null));
    let export = bench.run("export -a").await.stdout;
    let order: Vec<&str> = export.lines().filter_map(|line| line.strip_prefix("name: ")).collect();
    assert_eq!(order, ["a", "zone-token-signing-key-1", "cert", "a", "user-token-signing-key-1"], "{export}");
    assert_eq!(export.matches("skipCreatingInitialPolicies").count(), 1, "{export}");
}

#[tokio::test]
async fn a_mesh_that_exists_is_not_founded_again() {
    let text = format!("type: Mesh\nname: a\nskipCreatingInitialPolicies: ['*']\n---\n{}", secured());
    for (status, writes) in [(200, 1), (404, 2)] {
        let bench = Bench::new().stdin(&text).on("GET /meshes/a", status, "{}").on("PUT /meshes/a", 200, "{}");
        let said = bench.run("apply -f -").await.stdout;
        assert_eq!(said.matches("resource type=\"Mesh\"").count(), writes, "{status}: {said}");
    }
}
