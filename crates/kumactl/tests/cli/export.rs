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
    > GET /meshes?size=1000
    > GET /meshes?size=1000&offset=1
    > GET /global-secrets?size=1000
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
