use insta::assert_snapshot;

use crate::support::Bench;

const TWO: &str = "\
controlPlanes:
- name: test1
  coordinates:
    apiServer:
      url: https://test1.internal:5681
- name: test2
  coordinates:
    apiServer:
      url: https://test2.internal:5681
      authType: tokens
      authConf:
        token: s3cret
contexts:
- name: test1
  controlPlane: test1
  defaults:
    mesh: demo
- name: test2
  controlPlane: test2
currentContext: test1
";

const INDEX: &str = r#"{"product":"Kuma","version":"2.14.3"}"#;

#[tokio::test]
async fn control_planes_are_listed() {
    let bench = Bench::new().file(".kumactl/config", TWO);
    assert_snapshot!(bench.run("config control-planes list").await, @"
    ACTIVE   NAME    ADDRESS
    *        test1   https://test1.internal:5681
             test2   https://test2.internal:5681
    ");
    assert_snapshot!(bench.run("config control-planes list --context=test2").await, @"
    ACTIVE   NAME    ADDRESS
             test1   https://test1.internal:5681
    *        test2   https://test2.internal:5681
    ");
    assert_snapshot!(bench.run("config control-planes list --no-config").await, @"
    ACTIVE   NAME    ADDRESS
    *        local   http://localhost:5681
    ");
}

#[tokio::test]
async fn the_view_hides_credentials() {
    let bench = Bench::new().file(".kumactl/config", TWO);
    assert_snapshot!(bench.run("config view").await, @"
    controlPlanes:
    - name: test1
      coordinates:
        apiServer:
          url: https://test1.internal:5681
    - name: test2
      coordinates:
        apiServer:
          url: https://test2.internal:5681
          authType: tokens
          authConf:
            token: '*****'
    contexts:
    - name: test1
      controlPlane: test1
      defaults:
        mesh: demo
    - name: test2
      controlPlane: test2
    currentContext: test1
    ");
}

#[tokio::test]
async fn control_planes_are_added_checked_and_replaced() {
    let bench = Bench::new().file(".kumactl/config", TWO).on("GET /", 200, INDEX);
    assert_snapshot!(bench.run("config control-planes add --name example --address http://CP").await, @r#"
    > GET /
    added Control Plane "example"
    switched active Control Plane to "example"
    "#);
    assert_snapshot!(bench.run("config control-planes add --name example --address http://CP").await, @r#"
    ! Error: Control Plane with name "example" already exists. Use --overwrite to replace an existing one.
    (failed)
    "#);
    let line = "config control-planes add --name example --address http://cp.internal:5681 --overwrite --skip-check \
                --headers abc=xyz --headers def=pqr --auth-type=tokens --auth-conf token=t \
                --admin-client-cert /c.pem --admin-client-key /k.pem";
    assert_snapshot!(bench.run(line).await, @r#"
    added Control Plane "example"
    switched active Control Plane to "example"
    "#);
    assert_snapshot!(bench.read(".kumactl/config"), @"
    controlPlanes:
    - name: test1
      coordinates:
        apiServer:
          url: https://test1.internal:5681
    - name: test2
      coordinates:
        apiServer:
          url: https://test2.internal:5681
          authType: tokens
          authConf:
            token: s3cret
    - name: example
      coordinates:
        apiServer:
          url: http://cp.internal:5681
          addHeaders:
          - key: abc
            value: xyz
          - key: def
            value: pqr
          authType: tokens
          authConf:
            token: t
    contexts:
    - name: test1
      controlPlane: test1
      defaults:
        mesh: demo
    - name: test2
      controlPlane: test2
    - name: example
      controlPlane: example
      credentials:
        admin:
          clientCert: /c.pem
          clientKey: /k.pem
    currentContext: example
    ");
}

#[tokio::test]
async fn a_first_control_plane_creates_the_file() {
    let bench = Bench::new();
    let line =
        "--config-file HOME/new/dir/config config control-planes add --name=prod --address=http://p:5681 --skip-check";
    assert!(bench.run(line).await.success);
    assert_snapshot!(bench.read("new/dir/config"), @"
    controlPlanes:
    - name: local
      coordinates:
        apiServer:
          url: http://localhost:5681
    - name: prod
      coordinates:
        apiServer:
          url: http://p:5681
    contexts:
    - name: local
      controlPlane: local
    - name: prod
      controlPlane: prod
    currentContext: prod
    ");
}

#[tokio::test]
async fn what_is_no_control_plane_is_not_added() {
    let bench = Bench::new().on("GET /", 200, r#"{"product":"OtherProduct","version":"1"}"#);
    assert_snapshot!(bench.run("config control-planes add --name x --address http://CP").await, @"
    > GET /
    ! Error: this CLI is for Kuma but the control plane you're connected to is OtherProduct. Please use the CLI for your control plane
    (failed)
    ");
    assert_snapshot!(bench.run("config control-planes add --name x --address localhost:5681").await, @r#"
    ! Error: --address: "localhost:5681" is not an address like http://localhost:5681
    (failed)
    "#);
    assert_snapshot!(bench.run("config control-planes add --name x --address http://CP --auth-type=ldap").await, @r#"
    ! Error: authentication plugin of type "ldap" is not found; there is "tokens"
    (failed)
    "#);
    let old = Bench::new().on("GET /", 200, r#"{"tagline":"Kuma","version":"0.3.2"}"#);
    assert!(old.run("config control-planes add --name x --address http://CP").await.success);
}

#[tokio::test]
async fn control_planes_are_switched_and_removed() {
    let bench = Bench::new().file(".kumactl/config", TWO);
    assert_snapshot!(bench.run("config control-planes switch --name test2").await, @r#"switched active Control Plane to "test2""#);
    assert_snapshot!(bench.run("config control-planes switch --name test3").await, @r#"
    ! Error: there is no Control Plane with name "test3"
    (failed)
    "#);
    assert_snapshot!(bench.run("config control-planes remove --name test2").await, @r#"
    removed Control Plane "test2"
    switched active Control Plane to "test1"
    "#);
    assert_snapshot!(bench.run("config control-planes remove --name test2").await, @r#"
    ! Error: there is no Control Plane with name "test2"
    (failed)
    "#);
    assert_snapshot!(bench.run("config control-planes remove --name test1").await, @r#"
    removed Control Plane "test1"
    there is no active Control Plane left. Use `kumactl config control-planes add` to add a Control Plane and make it active
    "#);
}

#[tokio::test]
async fn a_context_chooses_mesh_headers_and_token() {
    let config = "\
controlPlanes:
- name: cp
  coordinates: {apiServer: {url: 'http://CP/below', headers: [{key: x, value: y}], authType: tokens, authConf: {token: abc}}}
contexts:
- {name: here, controlPlane: cp, defaults: {mesh: demo}}
- {name: there, controlPlane: cp}
currentContext: here
";
    let bench = Bench::new().file(".kumactl/config", config);
    assert_snapshot!(bench.run("get timeout t").await, @"
    > GET /below/meshes/demo/timeouts/t [Bearer abc]
    ! Error: No resources found in demo mesh
    (failed)
    ");
    assert_snapshot!(bench.run("get timeout t --context there").await, @"
    > GET /below/meshes/default/timeouts/t [Bearer abc]
    ! Error: No resources found in default mesh
    (failed)
    ");
    assert_snapshot!(bench.run("get timeout t --mesh other").await, @"
    > GET /below/meshes/other/timeouts/t [Bearer abc]
    ! Error: No resources found in other mesh
    (failed)
    ");
}
