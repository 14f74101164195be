use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Bench, list};

fn overviews() -> Value {
    let inbound = |ready: bool| json!({"port": 80, "tags": {"kuma.io/service": "web"}, "health": {"ready": ready}});
    let open = json!({"subscriptions": [{"connectTime": "2026-03-01T11:00:00Z"}]});
    json!([
        {
            "mesh": "default", "name": "web-1",
            "dataplane": {"networking": {"inbound": [inbound(true)]}},
            "dataplaneInsight": {
                "subscriptions": [
                    {
                        "connectTime": "2026-02-01T10:00:00Z", "disconnectTime": "2026-02-02T10:00:00Z",
                        "status": {"total": {"responsesSent": "10", "responsesRejected": "1"}},
                    },
                    {
                        "connectTime": "2026-03-01T10:00:00Z",
                        "status": {"lastUpdateTime": "2026-03-01T11:30:00Z", "total": {"responsesSent": "20", "responsesRejected": "2"}},
                        "version": {
                            "kumaDp": {"version": "2.14.3"},
                            "envoy": {"version": "1.40.0", "kumaDpCompatible": false},
                            "dependencies": {"coredns": "1.11.1", "opa": "1.0"},
                        },
                    },
                ],
                "mTLS": {
                    "certificateExpirationTime": "2026-03-02T10:00:00Z", "lastCertificateRegeneration": "2026-03-01T10:00:00Z",
                    "certificateRegenerations": 3, "issuedBackend": "ca-1", "supportedBackends": ["ca-1", "ca-2"],
                },
            },
        },
        {"mesh": "default", "name": "web-2", "dataplane": {"networking": {"inbound": [inbound(true), inbound(false)]}}, "dataplaneInsight": open},
        {"mesh": "default", "name": "web-3", "dataplane": {"networking": {"inbound": [inbound(false)]}}, "dataplaneInsight": open},
        {"mesh": "default", "name": "web-4", "dataplane": {"networking": {"gateway": {"tags": {"kuma.io/service": "edge"}}}}},
        {
            "mesh": "default", "name": "web-5", "dataplaneInsight": open,
            "dataplane": {"networking": {
                "inbound": [{"port": 81, "state": "NotReady"}, {"port": 82, "state": "Ignored"}, {"port": 83, "health": {}}],
                "listeners": [{"port": 84, "type": "ZoneEgress", "state": "NotReady"}, {"port": 85, "type": "ZoneIngress"}],
            }},
        },
    ])
}

#[tokio::test]
async fn dataplanes() {
    let bench = Bench::new().on("GET /meshes/default/dataplanes+insights", 200, list(overviews(), Value::Null)).on(
        "GET /meshes/demo/dataplanes+insights?tag=kuma.io%2Fservice%3Aweb&tag=v%3A1&gateway=true",
        200,
        list(json!([]), Value::Null),
    );
    assert_snapshot!(bench.run("inspect dataplanes").await, @"
    > GET /meshes/default/dataplanes+insights
    MESH      NAME    TAGS                   STATUS               LAST CONNECTED AGO   LAST UPDATED AGO   TOTAL UPDATES   TOTAL ERRORS   CERT REGENERATED AGO   CERT EXPIRATION       CERT REGENERATIONS   CERT BACKEND   SUPPORTED CERT BACKENDS   KUMA-DP VERSION   ENVOY VERSION   DEPENDENCIES VERSIONS       NOTES
    default   web-1   kuma.io/service=web    Online               2h                   30m                30              3              2h                     2026-03-02 10:00:00   3                    ca-1           ca-1,ca-2                 2.14.3            1.40.0          coredns: 1.11.1, opa: 1.0
    default   web-2   kuma.io/service=web    Partially degraded   1h                   never              0               0              never                  -                     0                    -                                                                          -                           inbound[port=80,svc=web] is not ready
    default   web-3   kuma.io/service=web    Offline              1h                   never              0               0              never                  -                     0                    -                                                                          -                           inbound[port=80,svc=web] is not ready
    default   web-4   kuma.io/service=edge   Offline              never                never              0               0              never                  -                     0                    -                                                                          -
    default   web-5                          Partially degraded   1h                   never              0               0              never                  -                     0                    -                                                                          -                           inbound[port=81,svc=] is not ready;inbound[port=83,svc=] is not ready;listener[port=84,type=ZoneEgress] is not ready
    ");
    assert_snapshot!(bench.run("inspect dataplanes -m demo --tag kuma.io/service=web --tag v=1 --gateway").await, @"
    > GET /meshes/demo/dataplanes+insights?tag=kuma.io%2Fservice%3Aweb&tag=v%3A1&gateway=true
    MESH   NAME   TAGS   STATUS   LAST CONNECTED AGO   LAST UPDATED AGO   TOTAL UPDATES   TOTAL ERRORS   CERT REGENERATED AGO   CERT EXPIRATION   CERT REGENERATIONS   CERT BACKEND   SUPPORTED CERT BACKENDS   KUMA-DP VERSION   ENVOY VERSION   DEPENDENCIES VERSIONS   NOTES
    ");
    assert_snapshot!(bench.run("inspect dataplanes -m demo --tag kuma.io/service=web --tag v=1 --gateway -o json").await, @r#"
    > GET /meshes/demo/dataplanes+insights?tag=kuma.io%2Fservice%3Aweb&tag=v%3A1&gateway=true
    {
      "total": 0,
      "items": [],
      "next": null
    }
    "#);
}

#[tokio::test]
async fn one_dataplane() {
    let policies = json!({"total": 3, "kind": "SidecarDataplane", "items": [
        {"type": "dataplane", "name": "", "matchedPolicies": {"TrafficTrace": [{"name": "backends-eu"}]}},
        {"type": "inbound", "name": "127.0.0.1:10010:10011", "service": "backend", "matchedPolicies": {"TrafficPermission": [{"name": "allow-all"}]}},
        {"type": "outbound", "name": "127.0.0.1:10006", "service": "gateway", "matchedPolicies": {"Timeout": [{"name": "t"}], "TrafficRoute": [{"name": "r"}]}},
        {"type": "service", "name": "gateway", "matchedPolicies": {"HealthCheck": [{"name": "h"}]}},
    ]});
    let bench = Bench::new()
        .on("GET /meshes/default/dataplanes/backend-1/policies", 200, policies)
        .on("GET /meshes/default/dataplanes/backend-1/xds?include_eds=true", 200, json!({"configs": []}))
        .on("GET /meshes/default/dataplanes/backend-1/stats", 200, "server.live: 1\n")
        .on("GET /meshes/default/dataplanes/backend-1/clusters", 200, "a::added_via_api::true\n");
    assert_snapshot!(bench.run("inspect dataplane backend-1").await, @"
    > GET /meshes/default/dataplanes/backend-1/policies
    DATAPLANE:
      TrafficTrace
        backends-eu

    INBOUND 127.0.0.1:10010:10011(backend):
      TrafficPermission
        allow-all

    OUTBOUND 127.0.0.1:10006(gateway):
      Timeout
        t
      TrafficRoute
        r

    SERVICE gateway:
      HealthCheck
        h
    ");
    assert_snapshot!(bench.run("inspect dataplane backend-1 --type config-dump --include-eds").await, @r#"
    > GET /meshes/default/dataplanes/backend-1/xds?include_eds=true
    {
      "configs": []
    }
    "#);
    assert_snapshot!(bench.run("inspect dataplane backend-1 --type=stats").await, @"
    > GET /meshes/default/dataplanes/backend-1/stats
    server.live: 1
    ");
    assert_snapshot!(bench.run("inspect dataplane backend-1 --type=clusters").await, @"
    > GET /meshes/default/dataplanes/backend-1/clusters
    a::added_via_api::true
    ");
    assert_snapshot!(bench.run("inspect dataplane backend-1 --include-eds").await, @"
    ! Error: --include-eds goes with --type=config-dump only
    (failed)
    ");
    assert_snapshot!(bench.run("inspect dataplane nobody").await, @"
    > GET /meshes/default/dataplanes/nobody/policies
    ! Error: Could not retrieve a resource (Not found)
    (failed)
    ");
}

#[tokio::test]
async fn a_policy() {
    let affected = json!({"total": 2, "items": [
        {"dataplane": {"mesh": "default", "name": "web-1"}, "attachments": [{"type": "dataplane"}]},
        {"dataplane": {"mesh": "default", "name": "backend-1"}, "attachments": [
            {"type": "inbound", "name": "127.0.0.1:80:81", "service": "backend"},
            {"type": "outbound", "name": "127.0.0.1:82", "service": "redis"},
            {"type": "service", "name": "redis"},
        ]},
    ]});
    let bench = Bench::new().on("GET /meshes/default/health-checks/h/dataplanes", 200, affected);
    assert_snapshot!(bench.run("inspect healthcheck h").await, @"
    > GET /meshes/default/health-checks/h/dataplanes
    Affected data plane proxies:

      backend-1:
        inbound 127.0.0.1:80:81(backend)
        outbound 127.0.0.1:82(redis)
        service redis

      web-1:
        dataplane
    ");
}

#[tokio::test]
async fn meshes_and_services() {
    let meshes = json!([{
        "name": "default", "dataplanes": {"total": 100, "online": 90},
        "policies": {"TrafficRoute": {"total": 2}, "Retry": {"total": 5}}, "resources": {"ExternalService": {"total": 9}},
    }]);
    let services = json!([
        {"name": "backend", "status": "partially_degraded", "dataplanes": {"total": 10, "online": 5}},
        {"name": "web", "status": "online", "dataplanes": {"total": 20, "online": 20}},
        {"name": "orders", "status": "offline", "dataplanes": {"total": 5}},
        {"name": "api", "status": "not_available"},
        {"name": "idle"},
    ]);
    let bench = Bench::new().on("GET /mesh-insights", 200, list(meshes, Value::Null)).on(
        "GET /meshes/default/service-insights",
        200,
        list(services, Value::Null),
    );
    assert_snapshot!(bench.run("inspect meshes").await, @"
    > GET /mesh-insights
    MESH      DATAPLANES   TRAFFIC PERMISSIONS   TRAFFIC ROUTES   CIRCUIT BREAKERS   HEALTH CHECKS   FAULT INJECTIONS   EXTERNAL SERVICES   TRAFFIC TRACES   TRAFFIC LOGS   PROXY TEMPLATES   RATE LIMITS
    default   90/100       0                     2                0                  0               0                  9                   0                0              0                 0
    ");
    assert_snapshot!(bench.run("inspect services").await, @"
    > GET /meshes/default/service-insights
    SERVICE   STATUS               DATAPLANES
    backend   Partially degraded   5/10
    web       Online               20/20
    orders    Offline              0/5
    api       Offline              0/0
    idle      Offline              0/0
    ");
}

#[tokio::test]
async fn zones_and_their_proxies() {
    let subscription = json!({
        "connectTime": "2026-03-01T10:00:00Z", "config": "{\"store\":{\"type\":\"sqlite\"}}",
        "status": {"total": {"responsesSent": "42"}},
        "version": {"kumaCp": {"version": "2.14.3"}, "kumaDp": {"version": "2.14.2"}, "envoy": {"version": "1.40.0"}},
    });
    let insight = json!({"subscriptions": [subscription]});
    let zones = json!([
        {"name": "east", "zone": {"enabled": true}, "zoneInsight": insight},
        {"name": "west", "zone": {"enabled": false}, "zoneInsight": insight},
        {"name": "north"},
    ]);
    let bench = Bench::new()
        .on("GET /zones+insights", 200, list(zones, Value::Null))
        .on(
            "GET /zoneingresses+insights",
            200,
            list(json!([{"name": "in", "zoneIngressInsight": insight}]), Value::Null),
        )
        .on("GET /zoneegressoverviews", 200, list(json!([{"name": "out", "zoneEgressInsight": insight}]), Value::Null));
    assert_snapshot!(bench.run("inspect zones").await, @"
    > GET /zones+insights
    NAME    STATUS    LAST CONNECTED AGO   LAST UPDATED AGO   TOTAL UPDATES   TOTAL ERRORS   ZONE-CP VERSION   BACKEND
    east    Online    2h                   never              42              0              2.14.3            sqlite
    west    Offline   2h                   never              42              0              2.14.3            sqlite
    north   Offline   never                never              0               0
    ");
    assert_snapshot!(bench.run("inspect zone-ingresses").await, @"
    > GET /zoneingresses+insights
    NAME   STATUS   LAST CONNECTED AGO   LAST UPDATED AGO   TOTAL UPDATES   TOTAL ERRORS   KUMA-DP VERSION   ENVOY VERSION
    in     Online   2h                   never              42              0              2.14.2            1.40.0
    ");
    assert_snapshot!(bench.run("inspect zoneegresses").await, @"
    > GET /zoneegressoverviews
    NAME   STATUS   LAST CONNECTED AGO   LAST UPDATED AGO   TOTAL UPDATES   TOTAL ERRORS   KUMA-DP VERSION   ENVOY VERSION
    out    Online   2h                   never              42              0              2.14.2            1.40.0
    ");
}
