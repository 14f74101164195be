//! The control plane's way to the admin interface.

use mesh_xds::{AdminAccess, Cache, ProxyMetadata, SecretKey};
use serde_json::Value;

use crate::world::{World, json};

const MESH: &str = "type: Mesh\nname: default\n---\n";

fn world(address: &str, inbound: u16) -> World {
    let dataplane = format!(
        "type: Dataplane\nname: web\nnetworking:\n  address: {address}\n  inbound: [{{port: {inbound}, tags: {{kuma.io/service: web}}}}]\n"
    );
    let mut world = World::parse(&format!("{MESH}{dataplane}")).expect("the documents are valid");
    world.metadata = ProxyMetadata { admin_port: 9901, admin_shown: true, ..ProxyMetadata::default() };
    world
}

/// The listener, if the proxy has it.
fn listener(world: &World) -> Option<Value> {
    let built = world.build(0, &mut Cache::default());
    let resource = built.resources.iter().find(|one| &*one.name == "kuma:envoy:admin" && one.kind.short() == "lds");
    let has_certificates = [SecretKey::AdminCa, SecretKey::AdminIdentity].iter().all(|key| built.secrets.contains(key));
    assert_eq!(resource.is_some(), has_certificates);
    Some(json(resource?)["resource"].clone())
}

#[test]
fn only_control_planes_read_three_paths_and_change_nothing() {
    let listener = listener(&world("10.0.0.1", 80)).unwrap();
    let address = &listener["address"]["socketAddress"];
    assert_eq!((&address["address"], &address["portValue"]), (&"10.0.0.1".into(), &9901.into()));
    let chains = listener["filterChains"].as_array().unwrap();
    assert_eq!(chains.len(), 1);
    let tls = &chains[0]["transportSocket"]["typedConfig"];
    assert_eq!(tls["requireClientCertificate"], true);
    let validation = &tls["commonTlsContext"]["combinedValidationContext"];
    assert_eq!(validation["validationContextSdsSecretConfig"]["name"], "envoy_admin:ca");
    let names = &validation["defaultValidationContext"]["matchTypedSubjectAltNames"];
    assert_eq!(names[0]["matcher"]["exact"], mesh_xds::CONTROL_PLANE);
    let routes = &chains[0]["filters"][0]["typedConfig"]["routeConfig"]["virtualHosts"][0]["routes"];
    let paths: Vec<_> =
        routes.as_array().unwrap().iter().map(|route| route["match"]["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/config_dump", "/stats", "/clusters"]);
    for route in routes.as_array().unwrap() {
        let method = &route["match"]["headers"][0];
        assert_eq!((&method["name"], &method["stringMatch"]["exact"]), (&":method".into(), &"GET".into()));
    }
}

#[test]
fn there_is_no_listener_where_the_interface_is_itself_or_nothing_may_be() {
    assert!(listener(&world("127.0.0.1", 80)).is_none(), "the interface is there");
    assert!(listener(&world("10.0.0.1", 9901)).is_none(), "an inbound is there");
    let mut off = world("10.0.0.1", 80);
    off.metadata.admin_port = 0;
    assert!(listener(&off).is_none(), "there is no interface");
    let mut secretless = world("10.0.0.1", 80);
    secretless.metadata.admin_shown = false;
    assert!(listener(&secretless).is_none(), "there are no certificates");
}

#[test]
fn the_way_follows_from_where_the_interface_is() {
    let metadata = |address: Option<&str>, socket: Option<&str>| ProxyMetadata {
        admin_port: 9901,
        admin_address: address.map(str::to_owned),
        admin_socket: socket.map(str::to_owned),
        admin_shown: true,
        ..ProxyMetadata::default()
    };
    assert_eq!(metadata(None, None).admin("10.0.0.1"), AdminAccess::MutualTls);
    assert_eq!(metadata(None, None).admin("127.0.0.1"), AdminAccess::Plain);
    assert_eq!(metadata(Some("0.0.0.0"), None).admin("10.0.0.1"), AdminAccess::Plain);
    assert_eq!(metadata(None, None).admin("host.example"), AdminAccess::None);
    assert_eq!(metadata(None, Some("/tmp/s")).admin("10.0.0.1"), AdminAccess::None);
}
