use insta::assert_snapshot;
use tokio::net::TcpListener;

use crate::support::Bench;

#[tokio::test]
async fn a_control_plane_that_is_not_there() {
    // A port that was free a moment ago, and on which nobody listens now.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = format!(
        "controlPlanes: [{{name: gone, coordinates: {{apiServer: {{url: '{gone}'}}}}}}]\n\
         contexts: [{{name: gone, controlPlane: gone}}]\ncurrentContext: gone\n"
    );
    let bench = Bench::new().file(".kumactl/config", &config);
    let text = bench.run("get meshes").await.to_string().replace(&gone, "GONE");
    assert_snapshot!(text, @r#"
    ! Error: could not list the resources of type Mesh: could not connect to the Control Plane "gone" at GONE/: Connection refused (os error 111)
    ! Is kuma-cp running there? Another address: kumactl config control-planes add --name NAME --address URL
    (failed)
    "#);
    let version = bench.run("version").await;
    assert!(version.success, "{version}");
    assert!(version.stderr.starts_with("Unable to connect to control plane: could not connect"), "{version}");
}

#[tokio::test]
async fn refusals_are_shown_with_their_causes() {
    let body = r#"{"type":"/std-errors","status":400,"title":"Could not process a resource","detail":"Resource is not valid",
        "details":"Resource is not valid","invalid_parameters":[{"field":"mesh","reason":"r"}],"causes":[{"field":"mesh","message":"Mesh is not found"}]}"#;
    let bench = Bench::new().on("GET /meshes", 400, body).on("GET /zones", 503, "upstream is down\n").on(
        "GET /global-secrets",
        200,
        "<html>",
    );
    assert_snapshot!(bench.run("get meshes").await, @"
    > GET /meshes
    ! Error: could not list the resources of type Mesh: Could not process a resource (Resource is not valid)
    ! * mesh: Mesh is not found
    (failed)
    ");
    assert_snapshot!(bench.run("get zones").await, @"
    > GET /zones
    ! Error: could not list the resources of type Zone: the Control Plane answered 503 (upstream is down)
    (failed)
    ");
    assert_snapshot!(bench.run("get global-secrets").await, @"
    > GET /global-secrets
    ! Error: could not list the resources of type GlobalSecret: http://CP/ does not seem to be a control plane: an answer that is not JSON
    (failed)
    ");
}

#[tokio::test]
async fn contexts_that_do_not_exist() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("get meshes --context nope").await, @r#"
    ! Error: there is no context with name "nope"
    (failed)
    "#);
    let bench = Bench::new().file(".kumactl/config", "currentContext: lost\n");
    assert_snapshot!(bench.run("get meshes").await, @r#"
    ! Error: the configuration's currentContext is "lost", but there is no context with that name
    (failed)
    "#);
    let bench = Bench::new().file(".kumactl/config", "");
    assert_snapshot!(bench.run("get meshes").await, @"
    ! Error: there is no active Control Plane. Use `kumactl config control-planes add` to add one
    (failed)
    ");
}

#[tokio::test]
async fn arguments_that_are_wrong() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("config control-planes add --address http://x").await, @"
    ! Error: the following required arguments were not provided:
    !   --name <NAME>
    ! 
    ! Usage: kumactl config control-planes add --name <NAME> --address <URL>
    ! 
    ! For more information, try '--help'.
    (failed)
    ");
    assert_snapshot!(bench.run("get meshes --api-timeout soon").await, @"
    ! Error: invalid value 'soon' for '--api-timeout <DURATION>': expected a duration like 30s, 10m or 720h
    ! 
    ! For more information, try '--help'.
    (failed)
    ");
    let schema = bench.run("install database-schema --target=postgres").await.stdout;
    assert!(schema.contains("CREATE TABLE"), "{schema}");
}
