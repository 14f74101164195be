use insta::assert_snapshot;

use crate::support::Bench;

#[tokio::test]
async fn resources_are_deleted() {
    let bench = Bench::new()
        .on("DELETE /meshes/demo/traffic-routes/web", 200, "{}")
        .on("DELETE /meshes/demo", 200, "")
        .on("DELETE /zones/a", 405, r#"{"title":"Method not allowed","detail":"read-only"}"#);
    assert_snapshot!(bench.run("delete traffic-route web -m demo").await, @r#"
    > DELETE /meshes/demo/traffic-routes/web
    deleted TrafficRoute "web"
    "#);
    assert_snapshot!(bench.run("delete mesh demo").await, @r#"
    > DELETE /meshes/demo
    deleted Mesh "demo"
    "#);
    assert_snapshot!(bench.run("delete dataplane nobody").await, @r#"
    > DELETE /meshes/default/dataplanes/nobody
    ! Error: there is no Dataplane with name "nobody"
    (failed)
    "#);
    assert_snapshot!(bench.run("delete zone a").await, @r#"
    > DELETE /zones/a
    ! Error: failed to delete Zone with the name "a": Method not allowed (read-only)
    (failed)
    "#);
}
