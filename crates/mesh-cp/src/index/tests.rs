use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::clock::ManualClock;
use base::{Clock, Problems};
use jiff::Timestamp;
use mesh_xds::ProxyMetadata;
use pki::ca::CertificateAuthority;
use prost::Message as _;
use proto::TypeUrl;
use proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use serde_json::{Value, json};
use store::{Event, Watch};
use xds::{TypeSet, View};

use super::engine::{Engine, Flushed};
use super::{ProxyId, Views};
use crate::resources::{Document, Resources, Settings};

/// An engine that follows a memory store, flushed by hand.
struct World {
    resources: Resources,
    watch: Watch,
    engine: Engine,
    clock: Arc<ManualClock>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap()));
        let resources = Resources::new(store::memory::open(clock.clone()), Settings::default());
        let watch = resources.store().watch().await.unwrap();
        Self { resources, watch, engine: Engine::new(None), clock }
    }

    /// With the mesh `default`, and `web` on port 8001, which consumes `backend`.
    async fn with_web() -> Self {
        let mut world = Self::new().await;
        world.put("Mesh", "default", json!({})).await;
        let outbound = json!([{ "port": 9001, "tags": { "kuma.io/service": "backend" } }]);
        world.put("Dataplane", "web", dataplane("web", 8001, &outbound)).await;
        world
    }

    async fn put(&mut self, kind: &str, name: &str, body: Value) {
        let kind = mesh_model::Kind::by_name(kind).unwrap();
        let mesh = if kind.name == "Mesh" { "" } else { "default" };
        let document = Document {
            kind,
            mesh: mesh.to_owned(),
            name: name.to_owned(),
            labels: BTreeMap::new(),
            body,
            written_type: None,
        };
        let revision = self.resources.write(&document).await.unwrap().revision;
        self.follow(revision).await;
    }

    async fn delete(&mut self, kind: &str, name: &str) {
        let kind = mesh_model::Kind::by_name(kind).unwrap();
        let mesh = if kind.name == "Mesh" { "" } else { "default" };
        let revision = self.resources.delete(kind, mesh, name).await.unwrap();
        self.follow(revision).await;
    }

    async fn follow(&mut self, revision: u64) {
        loop {
            let event = self.watch.next().await.unwrap();
            self.engine.apply(&event);
            if event.revision() >= revision {
                return;
            }
        }
    }

    fn connect(&mut self, name: &str) -> Views {
        self.engine.connect(&proxy(name), 1, ProxyMetadata::default())
    }

    fn flush(&mut self) -> Flushed {
        self.engine.flush(self.clock.now())
    }

    /// Answers the wish for an authority, as the task does.
    fn give_authority(&mut self, flushed: &Flushed) -> Arc<CertificateAuthority> {
        let (mesh, backend) = flushed.authorities_wanted.first().expect("an authority is wanted");
        let ca = Arc::new(CertificateAuthority::generate(mesh, backend.root_lifetime, self.clock.now()).unwrap());
        self.engine.set_authority(mesh, backend, Arc::clone(&ca));
        ca
    }
}

fn proxy(name: &str) -> ProxyId {
    ProxyId { mesh: "default".into(), name: name.into() }
}

fn dataplane(service: &str, port: u16, outbound: &Value) -> Value {
    let inbound = json!([{ "port": port, "servicePort": port + 1000, "tags": { "kuma.io/service": service } }]);
    json!({ "networking": { "address": "127.0.0.1", "inbound": inbound, "outbound": outbound } })
}

fn mtls() -> Value {
    json!({ "mtls": { "enabledBackend": "ca-1", "backends": [{ "name": "ca-1", "type": "builtin" }] } })
}

fn view(views: &Views) -> Arc<View> {
    Arc::clone(&views.borrow())
}

fn names(set: &TypeSet) -> Vec<String> {
    set.iter().map(|resource| resource.name.to_string()).collect()
}

fn ports(view: &View, cluster: &str) -> Vec<u32> {
    use proto::envoy::config::core::v3::address::Address;
    use proto::envoy::config::core::v3::socket_address::PortSpecifier;
    use proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
    let resource = view.get(TypeUrl::Endpoint).get(cluster).expect("the cluster has an assignment");
    let assignment = ClusterLoadAssignment::decode(resource.value.clone()).unwrap();
    let endpoints = assignment.endpoints.into_iter().flat_map(|locality| locality.lb_endpoints);
    endpoints
        .map(|endpoint| {
            let Some(HostIdentifier::Endpoint(endpoint)) = endpoint.host_identifier else { panic!("no endpoint") };
            let Some(Address::SocketAddress(address)) = endpoint.address.unwrap().address else { panic!("no socket") };
            let Some(PortSpecifier::PortValue(port)) = address.port_specifier else { panic!("no port") };
            port
        })
        .collect()
}

#[tokio::test]
async fn a_proxy_that_connects_before_it_is_declared_gets_its_configuration_when_it_is() {
    let mut world = World::new().await;
    world.put("Mesh", "default", json!({})).await;
    let views = world.connect("web");
    world.flush();
    assert!(!view(&views).is_ready());
    world.put("Dataplane", "web", dataplane("web", 8001, &json!([]))).await;
    world.flush();
    assert_eq!(names(view(&views).get(TypeUrl::Listener)), ["inbound:127.0.0.1:8001"]);
}

#[tokio::test]
async fn an_endpoint_that_changes_reaches_those_who_use_it_and_nobody_else() {
    let mut world = World::with_web().await;
    world.put("Dataplane", "backend-1", dataplane("backend", 7001, &json!([]))).await;
    let (mut web, mut backend) = (world.connect("web"), world.connect("backend-1"));
    world.flush();
    assert_eq!(ports(&view(&web), "backend"), [7001]);
    let before = view(&web);
    web.mark_unchanged();
    backend.mark_unchanged();
    world.put("Dataplane", "backend-2", dataplane("backend", 7002, &json!([]))).await;
    world.flush();
    assert!(web.has_changed().unwrap() && !backend.has_changed().unwrap());
    let after = view(&web);
    assert_eq!(ports(&after, "backend"), [7001, 7002]);
    assert!(Arc::ptr_eq(before.get(TypeUrl::Listener), after.get(TypeUrl::Listener)));
    assert!(Arc::ptr_eq(before.get(TypeUrl::Cluster), after.get(TypeUrl::Cluster)));
}

#[tokio::test]
async fn proxies_that_want_the_same_share_it_before_and_after_a_change() {
    let mut world = World::with_web().await;
    let outbound = json!([{ "port": 9001, "tags": { "kuma.io/service": "backend" } }]);
    world.put("Dataplane", "web-2", dataplane("web", 8002, &outbound)).await;
    world.put("Dataplane", "backend-1", dataplane("backend", 7001, &json!([]))).await;
    let (one, two) = (world.connect("web"), world.connect("web-2"));
    world.flush();
    let shared = |kind| Arc::ptr_eq(view(&one).get(kind), view(&two).get(kind));
    assert!(shared(TypeUrl::Endpoint));
    world.put("Dataplane", "backend-1", dataplane("backend", 7009, &json!([]))).await;
    world.flush();
    assert_eq!(ports(&view(&two), "backend"), [7009]);
    assert!(shared(TypeUrl::Endpoint));
}

#[tokio::test]
async fn a_service_that_starts_to_speak_http_gives_its_clients_http_listeners() {
    let mut world = World::with_web().await;
    let views = world.connect("web");
    world.flush();
    let before = view(&views).get(TypeUrl::Listener).get("outbound:127.0.0.1:9001").unwrap().version;
    let mut backend = dataplane("backend", 7001, &json!([]));
    backend["networking"]["inbound"][0]["tags"]["kuma.io/protocol"] = json!("http");
    world.put("Dataplane", "backend-1", backend).await;
    world.flush();
    assert_ne!(view(&views).get(TypeUrl::Listener).get("outbound:127.0.0.1:9001").unwrap().version, before);
}

#[tokio::test]
async fn mutual_tls_waits_for_its_authority_and_then_comes_whole() {
    let mut world = World::with_web().await;
    let views = world.connect("web");
    world.flush();
    let plain = view(&views);
    world.put("Mesh", "default", mtls()).await;
    let flushed = world.flush();
    assert!(Arc::ptr_eq(&plain, &view(&views)), "nothing is sent that the proxy could not complete");
    world.give_authority(&flushed);
    let flushed = world.flush();
    let secrets = names(view(&views).get(TypeUrl::Secret));
    assert_eq!(secrets, ["identity_cert:secret:default", "mesh_ca:secret:default"]);
    assert_eq!(flushed.issued.len(), 1);
    world.put("Mesh", "default", json!({})).await;
    world.flush();
    assert!(view(&views).get(TypeUrl::Secret).is_empty());
}

#[tokio::test]
async fn a_certificate_is_replaced_at_four_fifths_of_its_life_and_nothing_else_is_sent() {
    let mut world = World::with_web().await;
    world.put("Mesh", "default", mtls()).await;
    let mut views = world.connect("web");
    let flushed = world.flush();
    world.give_authority(&flushed);
    let due = world.flush().next_rotation.expect("a certificate is to be replaced");
    let before = view(&views);
    world.clock.advance(Duration::from_secs(24 * 3600 * 4 / 5 - 60));
    world.flush();
    views.mark_unchanged();
    assert!(due > world.clock.now());
    world.clock.advance(Duration::from_secs(61));
    let flushed = world.flush();
    assert!(views.has_changed().unwrap());
    assert_eq!(flushed.issued.len(), 1);
    let after = view(&views);
    let identity = |view: &View| view.get(TypeUrl::Secret).get("identity_cert:secret:default").unwrap().version;
    assert_ne!(identity(&before), identity(&after));
    assert!(Arc::ptr_eq(before.get(TypeUrl::Listener), after.get(TypeUrl::Listener)));
}

#[tokio::test]
async fn a_proxy_keeps_its_certificate_until_its_tags_change() {
    let mut world = World::with_web().await;
    world.put("Mesh", "default", mtls()).await;
    let views = world.connect("web");
    let flushed = world.flush();
    world.give_authority(&flushed);
    assert_eq!(world.flush().issued.len(), 1);
    world.put("TrafficPermission", "any", any_to_any()).await;
    assert_eq!(world.flush().issued.len(), 0);
    let mut other = dataplane("web", 8001, &json!([]));
    other["networking"]["inbound"][0]["tags"]["version"] = json!("2");
    world.put("Dataplane", "web", other).await;
    assert_eq!(world.flush().issued.len(), 1);
    assert!(view(&views).is_ready());
}

fn any_to_any() -> Value {
    let any = json!([{ "match": { "kuma.io/service": "*" } }]);
    json!({ "sources": any, "destinations": any })
}

#[tokio::test]
async fn what_a_fresh_snapshot_lacks_is_gone() {
    let mut world = World::with_web().await;
    world.put("Dataplane", "backend-1", dataplane("backend", 7001, &json!([]))).await;
    let views = world.connect("web");
    world.flush();
    world.delete("Dataplane", "backend-1").await;
    let mut late = world.resources.store().watch().await.unwrap();
    let snapshot = late.next().await.unwrap();
    assert!(matches!(snapshot, Event::Snapshot { .. }));
    let mut lagging = World::with_web().await;
    lagging.put("Dataplane", "backend-1", dataplane("backend", 7001, &json!([]))).await;
    let lagging_views = lagging.connect("web");
    lagging.flush();
    assert_eq!(ports(&view(&lagging_views), "backend"), [7001]);
    lagging.engine.apply(&snapshot);
    lagging.flush();
    assert!(ports(&view(&lagging_views), "backend").is_empty());
    world.flush();
    assert!(ports(&view(&views), "backend").is_empty());
}

#[tokio::test]
async fn a_change_that_means_nothing_for_a_proxy_sends_nothing() {
    let mut world = World::with_web().await;
    let mut views = world.connect("web");
    world.flush();
    views.mark_unchanged();
    world.put("TrafficPermission", "any", any_to_any()).await;
    world.put("Dataplane", "other", dataplane("other", 7003, &json!([]))).await;
    world.flush();
    assert!(!views.has_changed().unwrap());
}

#[tokio::test]
async fn a_policy_concerns_those_whom_it_selects_before_or_after() {
    let mut world = World::with_web().await;
    let outbound = json!([{ "port": 9002, "tags": { "kuma.io/service": "backend" } }]);
    world.put("Dataplane", "other", dataplane("other", 8003, &outbound)).await;
    let (mut web, mut other) = (world.connect("web"), world.connect("other"));
    world.flush();
    let breaker = |source: &str, limit: u32| {
        json!({
            "sources": [{ "match": { "kuma.io/service": source } }],
            "destinations": [{ "match": { "kuma.io/service": "backend" } }],
            "conf": { "thresholds": { "maxConnections": limit } },
        })
    };
    let mut changed = |world: &mut World| {
        world.flush();
        let changed = (web.has_changed().unwrap(), other.has_changed().unwrap());
        web.mark_unchanged();
        other.mark_unchanged();
        changed
    };
    changed(&mut world);
    world.put("CircuitBreaker", "cb", breaker("web", 7)).await;
    assert_eq!(changed(&mut world), (true, false));
    world.put("CircuitBreaker", "cb", breaker("other", 7)).await;
    assert_eq!(changed(&mut world), (true, true));
    world.put("CircuitBreaker", "cb", breaker("*", 8)).await;
    assert_eq!(changed(&mut world), (true, true));
    world.delete("CircuitBreaker", "cb").await;
    assert_eq!(changed(&mut world), (true, true));
}

#[tokio::test]
async fn a_raw_resource_that_is_wrong_is_reported_until_it_is_mended() {
    let mut world = World::with_web().await;
    let views = world.connect("web");
    world.flush();
    let before = names(view(&views).get(TypeUrl::Cluster));
    let template = |resource: &str| {
        json!({
            "selectors": [{ "match": { "kuma.io/service": "web" } }],
            "conf": { "imports": ["default-proxy"], "resources": [{ "name": "raw", "version": "1", "resource": resource }] },
        })
    };
    let bad = "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: raw\nconnect_timout: 1s\n";
    world.put("ProxyTemplate", "raw", template(bad)).await;
    let flushed = world.flush();
    assert_eq!(flushed.problems.len(), 1);
    assert!(flushed.problems[0].1.to_string().contains("connect_timout"), "{:?}", flushed.problems);
    assert_eq!(names(view(&views).get(TypeUrl::Cluster)), before);
    world.put("ProxyTemplate", "raw", template(&bad.replace("timout", "timeout"))).await;
    assert_eq!(world.flush().problems[0].1, Problems::default());
    assert!(names(view(&views).get(TypeUrl::Cluster)).contains(&"raw".to_owned()));
}

#[tokio::test]
async fn insights_are_no_reason_to_look_at_proxies() {
    let mut world = World::with_web().await;
    let insight = crate::insights::Insights::new("cp".to_owned(), world.resources.clone(), world.clock.clone(), 1);
    insight.connected(&proxy("web"), 1, Value::Null);
    insight.flush().await;
    let event = world.watch.next().await.unwrap();
    assert!(!world.engine.apply(&event), "{event:?}");
}

#[tokio::test]
async fn of_two_sessions_only_the_end_of_the_later_one_counts() {
    let mut world = World::with_web().await;
    let first = world.engine.connect(&proxy("web"), 1, ProxyMetadata::default());
    let second = world.engine.connect(&proxy("web"), 2, ProxyMetadata::default());
    world.engine.disconnect(&proxy("web"), 1);
    world.flush();
    assert!(view(&second).is_ready());
    world.engine.disconnect(&proxy("web"), 2);
    assert!(first.has_changed().is_err(), "the stream of a proxy that is gone ends");
}

#[tokio::test]
async fn a_mesh_that_is_deleted_leaves_nothing_behind() {
    let mut world = World::with_web().await;
    world.delete("Dataplane", "web").await;
    world.delete("Mesh", "default").await;
    world.flush();
    let state = format!("{:?}", world.engine);
    assert!(!state.contains("MeshState {"), "{state}");
}
