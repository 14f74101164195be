use insta::assert_snapshot;
use serde_json::json;

use crate::support::Bench;

const CATALOG: &str = r#"{"apis":{"admin":{"localUrl":"http://CP/admin","publicUrl":""}}}"#;

#[tokio::test]
async fn certificates_of_a_provided_authority() {
    let bench = Bench::new()
        .file("cert", "CERT")
        .file("key", "KEY")
        .on("GET /catalog", 200, CATALOG)
        .on("POST /admin/meshes/default/ca/provided/certificates", 200, r#"{"id":"1"}"#)
        .on("DELETE /admin/meshes/default/ca/provided/certificates/1", 200, "");
    let line = "manage ca provided certificates add --key-file HOME/key --cert-file HOME/cert";
    assert_snapshot!(bench.run(line).await, @r#"
    > GET /catalog
    > POST /admin/meshes/default/ca/provided/certificates {"cert":"CERT","key":"KEY"}
    added certificate "1"
    "#);
    assert_snapshot!(bench.run("manage ca provided certificates delete --id 1").await, @r#"
    > GET /catalog
    > DELETE /admin/meshes/default/ca/provided/certificates/1
    deleted certificate "1"
    "#);
}

#[tokio::test]
async fn certificates_are_listed() {
    let bench = Bench::new();
    let line = "generate tls-certificate --type=client --key-type=ecdsa --cert-file=HOME/cert --key-file=HOME/key";
    assert!(bench.run(line).await.success);
    let certificates = json!([{"id": "1", "cert": bench.read("cert")}, {"id": "2", "cert": "?"}]);
    let bench = Bench::new().on("GET /catalog", 200, CATALOG).on(
        "GET /admin/meshes/demo/ca/provided/certificates",
        200,
        certificates,
    );
    assert_snapshot!(bench.run("manage ca provided certificates list --mesh demo").await, @"
    > GET /catalog
    > GET /admin/meshes/demo/ca/provided/certificates
    ID   COMMON NAME   EXPIRATION
    1    kuma          2036-02-27T12:00:00Z
    2
    ");
}

#[tokio::test]
async fn control_planes_without_an_admin_server() {
    assert_snapshot!(Bench::new().run("manage ca provided certificates list").await, @"
    > GET /catalog
    ! Error: this Control Plane has no admin server; put the certificate and key into Secrets and name them in the Mesh's mtls.backends
    (failed)
    ");
    let bench = Bench::new().on("GET /catalog", 200, r#"{"apis":{"admin":{"localUrl":"","publicUrl":""}}}"#);
    assert_snapshot!(bench.run("manage ca provided certificates list").await, @"
    > GET /catalog
    ! Error: the admin server of this Control Plane is reachable from its own machine only; run kumactl there or enable KUMA_ADMIN_SERVER_PUBLIC_ENABLED
    (failed)
    ");
}
