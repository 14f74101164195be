use insta::assert_snapshot;

use crate::support::Bench;

const MESH: &str = "type: Mesh\nname: demo\n";
const DATAPLANE: &str = "\
type: Dataplane
mesh: default
name: redis-1
networking:
  inbound:
  - interface: 127.0.0.1:9000:6379
    tags:
      service: redis
";

#[tokio::test]
async fn each_resource_is_reported() {
    let bench = Bench::new().stdin(DATAPLANE).on("PUT /meshes/default/dataplanes/redis-1", 201, "");
    assert_snapshot!(bench.run("apply -f -").await, @r#"
    > PUT /meshes/default/dataplanes/redis-1 {"type":"Dataplane","mesh":"default","name":"redis-1","networking":{"inbound":[{"interface":"127.0.0.1:9000:6379","tags":{"service":"redis"}}]}}
    resource type="Dataplane" mesh="default" name="redis-1" Created
    "#);
    let again =
        Bench::new().stdin(DATAPLANE).on("PUT /meshes/default/dataplanes/redis-1", 200, "{}").run("apply").await;
    assert_eq!(again.stdout, "resource type=\"Dataplane\" mesh=\"default\" name=\"redis-1\" Updated\n");
}

#[tokio::test]
async fn documents_are_applied_in_order() {
    let bench = Bench::new()
        .file("all.yaml", &format!("{MESH}---\n{DATAPLANE}---\n# nothing\n"))
        .file("more.json", r#"{"type": "Mesh", "name": "third"}"#)
        .on("PUT /meshes/demo", 201, "{}")
        .on("PUT /meshes/third", 200, "{}")
        .on("PUT /meshes/default/dataplanes/redis-1", 200, r#"{"warnings":["tags are old"]}"#);
    assert_snapshot!(bench.run("apply -f HOME/all.yaml -f HOME/more.json").await, @r#"
    > PUT /meshes/demo {"type":"Mesh","name":"demo"}
    > PUT /meshes/default/dataplanes/redis-1 {"type":"Dataplane","mesh":"default","name":"redis-1","networking":{"inbound":[{"interface":"127.0.0.1:9000:6379","tags":{"service":"redis"}}]}}
    > PUT /meshes/third {"type":"Mesh","name":"third"}
    resource type="Mesh" mesh="" name="demo" Created
    resource type="Dataplane" mesh="default" name="redis-1" Updated
    resource type="Mesh" mesh="" name="third" Updated
    ! Warning: tags are old
    "#);
}

#[tokio::test]
async fn directories_are_applied_by_name() {
    let bench = Bench::new()
        .file("dir/2.yml", "type: Mesh\nname: two\n")
        .file("dir/1.yaml", "type: Mesh\nname: one\n")
        .file("dir/README.md", "no resource")
        .file("dir/below/3.yaml", "type: Mesh\nname: three\n")
        .file("empty/README.md", "no resource")
        .on("PUT /meshes/one", 201, "")
        .on("PUT /meshes/two", 201, "");
    assert_snapshot!(bench.run("apply -f HOME/dir").await, @r#"
    > PUT /meshes/one {"type":"Mesh","name":"one"}
    > PUT /meshes/two {"type":"Mesh","name":"two"}
    resource type="Mesh" mesh="" name="one" Created
    resource type="Mesh" mesh="" name="two" Created
    "#);
    assert_snapshot!(bench.run("apply -f HOME/empty").await, @"
    ! Error: HOME/empty holds no .yaml, .yml or .json file
    (failed)
    ");
    assert_snapshot!(bench.run("apply -f HOME/absent.yaml").await, @"
    ! Error: could not read HOME/absent.yaml: No such file or directory (os error 2)
    (failed)
    ");
}

#[tokio::test]
async fn addresses_are_fetched() {
    let bench = Bench::new().on("GET /files/mesh.yaml", 200, MESH).on("PUT /meshes/demo", 201, "");
    assert_snapshot!(bench.run("apply -f http://CP/files/mesh.yaml").await, @r#"
    > GET /files/mesh.yaml
    > PUT /meshes/demo {"type":"Mesh","name":"demo"}
    resource type="Mesh" mesh="" name="demo" Created
    "#);
    assert_snapshot!(bench.run("apply -f http://CP/files/absent.yaml").await, @"
    > GET /files/absent.yaml
    ! Error: could not read http://CP/files/absent.yaml: the server answered 404 Not Found
    (failed)
    ");
}

#[tokio::test]
async fn templates_are_filled_in() {
    let template = "type: {{ type }}\nname: {{name}}\n";
    let bench = Bench::new().stdin(template).on("PUT /meshes/meshinit", 201, "");
    assert_snapshot!(bench.run("apply -f - -v name=meshinit -v type=Mesh").await, @r#"
    > PUT /meshes/meshinit {"type":"Mesh","name":"meshinit"}
    resource type="Mesh" mesh="" name="meshinit" Created
    "#);
    assert_snapshot!(bench.run("apply -f - -v name=meshinit").await, @r#"
    ! Error: stdin: no value for the template variable "type": add -v type=VALUE
    (failed)
    "#);
    assert_snapshot!(bench.run("apply -f -").await, @"
    ! Error: stdin: not a resource: a key must be text
    ! If the file is a template, give its variables with -v KEY=VALUE
    (failed)
    ");
    assert_snapshot!(bench.run("apply -f - -v name").await, @"
    ! Error: invalid value 'name' for '--var <KEY=VALUE>': expected key=value
    ! 
    ! For more information, try '--help'.
    (failed)
    ");
}

#[tokio::test]
async fn a_dry_run_prints_and_sends_nothing() {
    let bench = Bench::new().stdin(&format!("{MESH}---\n{DATAPLANE}"));
    assert_snapshot!(bench.run("apply --dry-run -f -").await, @"
    type: Mesh
    name: demo
    ---
    type: Dataplane
    mesh: default
    name: redis-1
    networking:
      inbound:
      - interface: 127.0.0.1:9000:6379
        tags:
          service: redis
    ");
}

#[tokio::test]
async fn nothing_is_sent_when_one_document_is_wrong() {
    let bench = Bench::new().file("all.yaml", &format!("{MESH}---\ntype: Mesh\nnam: x\n"));
    assert_snapshot!(bench.run("apply -f HOME/all.yaml").await, @"
    ! Error: HOME/all.yaml (document 2): Mesh is not valid
    ! * name: cannot be empty
    (failed)
    ");
    let bench = Bench::new().stdin("type: Mesh\nname: [\n");
    assert_snapshot!(bench.run("apply -f -").await, @"
    ! Error: stdin: line 3: did not find expected node content
    (failed)
    ");
    let bench = Bench::new().stdin("# nothing\n");
    assert_snapshot!(bench.run("apply -f -").await, @"
    ! Error: no resource found in -
    (failed)
    ");
    let bench = Bench::new().stdin("type: Dataplane\nmesh: default\nname: x\nnetworking:\n  inbound: 0\n");
    assert_snapshot!(bench.run("apply -f -").await, @r#"
    ! Error: stdin: Dataplane "x" is not valid
    ! * networking.address: address can't be empty
    ! * networking.inbound: must be a list
    (failed)
    "#);
}

#[tokio::test]
async fn refusals_name_the_document() {
    let refusal = r#"{"title":"Could not process a resource","details":"Resource is not valid","causes":[{"field":"mesh","message":"Mesh is not found"}]}"#;
    let bench = Bench::new().file("all.yaml", &format!("{MESH}---\n{DATAPLANE}")).on("PUT /meshes/demo", 200, "{}").on(
        "PUT /meshes/default/dataplanes/redis-1",
        400,
        refusal,
    );
    assert_snapshot!(bench.run("apply -f HOME/all.yaml").await, @r#"
    > PUT /meshes/demo {"type":"Mesh","name":"demo"}
    > PUT /meshes/default/dataplanes/redis-1 {"type":"Dataplane","mesh":"default","name":"redis-1","networking":{"inbound":[{"interface":"127.0.0.1:9000:6379","tags":{"service":"redis"}}]}}
    resource type="Mesh" mesh="" name="demo" Updated
    ! Error: could not apply Dataplane "redis-1" of HOME/all.yaml (document 2): Could not process a resource (Resource is not valid)
    ! * mesh: Mesh is not found
    (failed)
    "#);
}
