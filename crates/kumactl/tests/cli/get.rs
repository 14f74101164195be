use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Bench, list};

fn dataplanes() -> Value {
    json!([
        {
            "type": "Dataplane", "mesh": "default", "name": "redis-1",
            "creationTime": "2026-02-01T12:00:00Z", "modificationTime": "2026-03-01T10:30:00Z",
            "networking": {
                "address": "10.0.0.7",
                "inbound": [
                    {"port": 6379, "tags": {"kuma.io/service": "redis", "version": "v2"}},
                    {"port": 6380, "tags": {"kuma.io/service": "redis", "version": "v1"}},
                ],
            },
        },
        {
            "type": "Dataplane", "mesh": "default", "name": "backend-1",
            "networking": {"inbound": [{"interface": "127.0.0.1:9000:6379", "tags": {"service": "backend"}}]},
        },
    ])
}

#[tokio::test]
async fn dataplanes_as_a_table() {
    let bench = Bench::new().on("GET /meshes/default/dataplanes", 200, list(dataplanes(), Value::Null));
    assert_snapshot!(bench.run("get dataplanes").await, @"
    > GET /meshes/default/dataplanes
    MESH      NAME        TAGS                                  ADDRESS     AGE
    default   redis-1     kuma.io/service=redis version=v1,v2   10.0.0.7    1h
    default   backend-1   service=backend                       127.0.0.1   never
    ");
}

#[tokio::test]
async fn meshes_as_a_table() {
    let meshes = json!([
        {"type": "Mesh", "name": "default", "modificationTime": "2026-02-26T12:00:00Z"},
        {
            "type": "Mesh", "name": "demo", "modificationTime": "2026-03-01T11:59:30Z",
            "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]},
            "routing": {"localityAwareLoadBalancing": true, "zoneEgress": true},
        },
    ]);
    let bench = Bench::new().on("GET /meshes", 200, list(meshes, Value::Null));
    assert_snapshot!(bench.run("get meshes").await, @"
    > GET /meshes
    NAME      mTLS           LOCALITY   ZONEEGRESS   AGE
    default   off            off        off          3d
    demo      builtin/ca-1   on         on           30s
    ");
}

#[tokio::test]
async fn lists_of_other_kinds() {
    let bench = Bench::new()
        .on("GET /meshes/demo/traffic-permissions", 200, list(json!([{"mesh": "demo", "name": "all"}]), Value::Null))
        .on("GET /meshes/demo/health-checks", 200, list(json!([]), Value::Null))
        .on("GET /zones", 200, list(json!([{"name": "east"}]), Value::Null));
    assert_snapshot!(bench.run("get traffic-permissions --mesh demo").await, @"
    > GET /meshes/demo/traffic-permissions
    MESH   NAME   AGE
    demo   all    never
    ");
    assert_snapshot!(bench.run("--mesh=demo get healthchecks").await, @"
    > GET /meshes/demo/health-checks
    MESH   NAME   AGE
    ");
    assert_snapshot!(bench.run("get zones").await, @"
    > GET /zones
    NAME   AGE
    east   never
    ");
}

#[tokio::test]
async fn pages_say_how_to_go_on() {
    let next = json!("http://CP/meshes/default/dataplanes?offset=2&size=2");
    let bench = Bench::new().on("GET /meshes/default/dataplanes?size=2", 200, list(dataplanes(), next)).on(
        "GET /meshes/default/dataplanes?offset=2",
        200,
        list(json!([]), Value::Null),
    );
    assert_snapshot!(bench.run("get dataplanes --size 2").await, @"
    > GET /meshes/default/dataplanes?size=2
    MESH      NAME        TAGS                                  ADDRESS     AGE
    default   redis-1     kuma.io/service=redis version=v1,v2   10.0.0.7    1h
    default   backend-1   service=backend                       127.0.0.1   never

    Rerun command with --offset=2 argument to retrieve more resources
    ");
    assert_snapshot!(bench.run("get dataplanes --offset 2").await, @"
    > GET /meshes/default/dataplanes?offset=2
    MESH   NAME   TAGS   ADDRESS   AGE
    ");
}

#[tokio::test]
async fn lists_as_yaml_and_json() {
    let items = json!([{"type": "TrafficPermission", "mesh": "default", "name": "all", "sources": [{"match": {"service": "*"}}]}]);
    let bench = Bench::new().on("GET /meshes/default/traffic-permissions", 200, list(items, Value::Null));
    assert_snapshot!(bench.run("get traffic-permissions -o yaml").await, @"
    > GET /meshes/default/traffic-permissions
    total: 1
    items:
    - type: TrafficPermission
      mesh: default
      name: all
      sources:
      - match:
          service: '*'
    next: null
    ");
    assert_snapshot!(bench.run("get traffic-permissions -ojson").await, @r#"
    > GET /meshes/default/traffic-permissions
    {
      "total": 1,
      "items": [
        {
          "type": "TrafficPermission",
          "mesh": "default",
          "name": "all",
          "sources": [
            {
              "match": {
                "service": "*"
              }
            }
          ]
        }
      ],
      "next": null
    }
    "#);
}

#[tokio::test]
async fn one_resource() {
    let item = json!({"type": "Secret", "mesh": "default", "name": "sample", "data": "dGVzdA=="});
    let bench = Bench::new().on("GET /meshes/default/secrets/sample", 200, &item).on(
        "GET /meshes/default/secrets/a%2Fb%3Fc",
        200,
        &item,
    );
    assert_snapshot!(bench.run("get secret sample").await, @"
    > GET /meshes/default/secrets/sample
    MESH      NAME     AGE
    default   sample   never
    ");
    assert_snapshot!(bench.run("get secret sample --output=yaml").await, @"
    > GET /meshes/default/secrets/sample
    type: Secret
    mesh: default
    name: sample
    data: dGVzdA==
    ");
    assert!(bench.run("get secret a/b?c").await.success);
}

#[tokio::test]
async fn nothing_found() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("get dataplane nobody -m demo").await, @"
    > GET /meshes/demo/dataplanes/nobody
    ! Error: No resources found in demo mesh
    (failed)
    ");
    assert_snapshot!(bench.run("get mesh nobody").await, @"
    > GET /meshes/nobody
    ! Error: No resources found
    (failed)
    ");
}

#[tokio::test]
async fn misuse_says_what_to_write() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("get dataplane").await, @r#"
    ! Error: "dataplane" needs a name; all of them: kumactl get dataplanes
    (failed)
    "#);
    assert_snapshot!(bench.run("get dataplanes web-1").await, @r#"
    ! Error: "dataplanes" lists and takes no name; one resource: kumactl get dataplane web-1
    (failed)
    "#);
    assert_snapshot!(bench.run("get dataplane web-1 --size 3").await, @"
    ! Error: --size and --offset are for lists: kumactl get dataplanes
    (failed)
    ");
    let unknown = bench.run("get dataplnes").await;
    assert!(unknown.stderr.starts_with("Error: invalid value 'dataplnes'"), "{unknown}");
    assert!(unknown.stderr.contains("a similar value exists: 'dataplanes'"), "{unknown}");
    assert!(!unknown.success);
}

#[tokio::test]
async fn words_have_other_spellings() {
    let secret = json!({"type": "GlobalSecret", "name": "gs"});
    let bench = Bench::new()
        .on("GET /global-secrets", 200, list(json!([secret]), Value::Null))
        .on("GET /global-secrets/gs", 200, &secret)
        .on("GET /zoneingresses", 200, list(json!([]), Value::Null))
        .on("GET /meshes/default/traffic-permissions", 200, list(json!([]), Value::Null));
    assert_snapshot!(bench.run("get globalsecrets").await, @"
    > GET /global-secrets
    NAME   AGE
    gs     never
    ");
    for line in ["get globalsecret gs", "get zone-ingresses", "get trafficpermissions"] {
        let ran = bench.run(line).await;
        assert!(ran.success, "{line}: {ran}");
    }
}
