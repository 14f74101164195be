//! What holds for every mesh.

use std::collections::BTreeSet;
use std::sync::Arc;

use mesh_model::dataplane::{Gateway, Inbound, Outbound, TransparentProxying};
use mesh_model::mesh::{CaBackend, CaSource, Mtls, TlsMode};
use mesh_model::policy::{
    CircuitBreaker, Connection, HealthCheck, HttpMatch, HttpRoute, Named, RateLimit, Retry, Split, StringMatch,
    Timeout, TrafficRoute,
};
use mesh_model::{Dataplane, Mesh, PROTOCOL, SERVICE, Tags};
use mesh_xds::{Cache, ProxyResources};
use proptest::collection::vec;
use proptest::prelude::*;
use proto::{Resource, TypeUrl};

use crate::world::World;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn builds_are_deterministic_and_complete(world in worlds()) {
        for index in 0..world.dataplanes.len() {
            let first = world.build(index, &mut Cache::default());
            let second = world.build(index, &mut Cache::default());
            prop_assert_eq!(bytes(&first), bytes(&second));
            complete(&world, &first)?;
        }
    }

    #[test]
    fn a_cache_that_was_used_before_changes_nothing(worlds in vec(worlds(), 1..4)) {
        let mut cache = Cache::default();
        for world in &worlds {
            for index in 0..world.dataplanes.len() {
                let fresh = world.build(index, &mut Cache::default());
                prop_assert_eq!(bytes(&world.build(index, &mut cache)), bytes(&fresh));
            }
            cache.sweep();
        }
    }

    #[test]
    fn arbitrary_text_as_a_raw_resource_is_reported(text in "[ -~]{0,200}") {
        let world = World::parse(&raw(&text)).map_err(TestCaseError::fail)?;
        let built = world.build(0, &mut Cache::default());
        prop_assert_eq!(built.problems.0.len(), 1);
        prop_assert!(built.resources.is_empty());
    }
}

#[test]
fn equal_outbounds_of_two_proxies_are_one_resource() {
    let proxy = |name: &str, address: &str| {
        format!(
            "type: Dataplane\nname: {name}\nnetworking:\n  address: {address}\n  inbound:\n  - port: 80\n    servicePort: 8080\n    tags:\n      kuma.io/service: web\n  outbound:\n  - port: 10001\n    tags:\n      kuma.io/service: backend\n"
        )
    };
    let text = format!("{}\n---\n{}", proxy("a", "10.0.0.1"), proxy("b", "10.0.0.2"));
    let world = World::parse(&text).unwrap();
    let mut cache = Cache::default();
    let (a, b) = (world.build(0, &mut cache), world.build(1, &mut cache));
    let find = |built: &ProxyResources, name: &str| {
        Arc::clone(built.resources.iter().find(|resource| &*resource.name == name).expect(name))
    };
    for name in ["backend", "outbound:127.0.0.1:10001", "localhost:8080"] {
        assert!(Arc::ptr_eq(&find(&a, name), &find(&b, name)), "{name} is shared");
    }
    assert_eq!(a.endpoints, b.endpoints);
    let known = cache.len();
    drop((a, b));
    cache.sweep();
    assert_eq!(cache.len(), known, "what the last round used stays");
    cache.sweep();
    assert!(cache.is_empty(), "what nobody uses goes");
}

/// Names are unique, what is referred to is there, and every client's cluster has its endpoints.
fn complete(world: &World, built: &ProxyResources) -> Result<(), TestCaseError> {
    let mut names = BTreeSet::new();
    for resource in &built.resources {
        prop_assert!(names.insert((resource.kind, Arc::clone(&resource.name))), "{} is twice there", resource.name);
    }
    for key in &built.endpoints {
        prop_assert!(names.contains(&(TypeUrl::Cluster, Arc::clone(&key.cluster))));
        prop_assert_eq!(&mesh_xds::endpoints(&world.mesh, key).name, &key.cluster);
    }
    prop_assert_eq!(built.secrets.is_empty(), world.mesh.mesh.enabled_ca().is_none());
    Ok(())
}

fn bytes(built: &ProxyResources) -> Vec<Resource> {
    built.resources.iter().map(|resource| Resource::clone(resource)).collect()
}

fn raw(text: &str) -> String {
    let document = serde_json::json!({
        "type": "ProxyTemplate",
        "name": "raw",
        "selectors": [{ "match": { "kuma.io/service": "*" } }],
        "conf": { "resources": [{ "name": "raw", "version": "v1", "resource": format!("x{text}") }] },
    });
    let proxy = "type: Dataplane\nname: a\nnetworking:\n  address: 10.0.0.1\n  inbound:\n  - port: 80\n    servicePort: 8080\n    tags:\n      kuma.io/service: web\n";
    format!("{document}\n---\n{proxy}")
}

fn worlds() -> impl Strategy<Value = World> {
    (meshes(), vec(dataplanes(), 1..5), vec(routes(), 0..3), policies()).prop_map(
        |(mesh, dataplanes, routes, policies)| {
            let mut world = World { ..World::default() };
            world.mesh.name = "default".into();
            world.mesh.mesh = Arc::new(mesh);
            for (index, dataplane) in dataplanes.into_iter().enumerate() {
                let name: Arc<str> = format!("dp-{index}").into();
                let dataplane = Arc::new(dataplane);
                world.mesh.set_dataplane(&name, None, Some(&dataplane));
                world.dataplanes.push((name, dataplane));
            }
            let set = Arc::make_mut(&mut world.mesh.policies);
            set.traffic_routes = routes.into_iter().enumerate().map(|(index, route)| named(index, route)).collect();
            let (permission, timeout, retry, health, breaker, limit) = policies;
            set.traffic_permissions
                .extend(permission.map(|sources| named(0, Connection { sources, ..everywhere(()) })));
            set.timeouts.extend(timeout.map(|conf| named(0, everywhere(conf))));
            set.retries.extend(retry.map(|conf| named(0, everywhere(conf))));
            set.health_checks.extend(health.map(|conf| named(0, everywhere(conf))));
            set.circuit_breakers.extend(breaker.map(|conf| named(0, everywhere(conf))));
            set.rate_limits.extend(limit.map(|conf| named(0, everywhere(conf))));
            world
        },
    )
}

fn named<C>(index: usize, policy: Connection<C>) -> Named<Arc<Connection<C>>> {
    Named { name: format!("policy-{index}").into(), created: Default::default(), policy: Arc::new(policy) }
}

fn everywhere<C>(conf: C) -> Connection<C> {
    let all = || vec![Tags::from([(SERVICE.to_owned(), "*".to_owned())])];
    Connection { sources: all(), destinations: all(), conf }
}

fn meshes() -> impl Strategy<Value = Mesh> {
    (any::<Option<bool>>(), any::<bool>()).prop_map(|(permissive, passthrough)| {
        let mtls = permissive.map(|permissive| Mtls {
            enabled_backend: Some("ca".to_owned()),
            backends: vec![CaBackend {
                name: "ca".to_owned(),
                source: CaSource::Builtin,
                mode: if permissive { TlsMode::Permissive } else { TlsMode::Strict },
                leaf_lifetime: std::time::Duration::from_secs(1),
                root_lifetime: std::time::Duration::from_secs(1),
            }],
        });
        Mesh { mtls, passthrough, ..Mesh::default() }
    })
}

fn dataplanes() -> impl Strategy<Value = Dataplane> {
    let inbound = (addresses(), any::<u16>(), addresses(), any::<u16>(), tags(), any::<bool>()).prop_map(
        |(address, port, service_address, service_port, tags, ready)| Inbound {
            address,
            port,
            service_address,
            service_port,
            tags,
            ready,
            ..Inbound::default()
        },
    );
    let outbound = (addresses(), 0_u16..5, tags()).prop_map(|(address, port, tags)| Outbound { address, port, tags });
    let transparent = (any::<u16>(), any::<u16>()).prop_map(|(inbound_port, outbound_port)| TransparentProxying {
        inbound_port,
        outbound_port,
        ..TransparentProxying::default()
    });
    let gateway = tags().prop_map(|tags| Gateway { tags, builtin: false });
    let parts = (
        addresses(),
        vec(inbound, 0..3),
        vec(outbound, 0..4),
        proptest::option::weighted(0.2, transparent),
        proptest::option::weighted(0.2, gateway),
    );
    parts.prop_map(|(address, inbounds, outbounds, transparent, gateway)| Dataplane {
        address,
        inbounds,
        outbounds,
        transparent,
        gateway,
        ..Dataplane::default()
    })
}

fn addresses() -> impl Strategy<Value = String> {
    prop_oneof![Just("10.0.0.1"), Just("127.0.0.1"), Just("::1"), Just("name.example"), Just("")]
        .prop_map(str::to_owned)
}

fn tags() -> impl Strategy<Value = Tags> {
    let service = prop_oneof![Just("web"), Just("backend"), Just("*"), Just("")];
    let protocol = prop_oneof![Just("tcp"), Just("http"), Just("grpc"), Just("?")];
    let version = proptest::option::of(prop_oneof![Just("v1"), Just("*"), Just("&=,")]);
    (proptest::option::weighted(0.9, service), protocol, version).prop_map(|(service, protocol, version)| {
        let all = [(SERVICE, service), (PROTOCOL, Some(protocol)), ("version", version)];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()
    })
}

fn routes() -> impl Strategy<Value = Connection<TrafficRoute>> {
    let split = || vec((any::<u32>(), tags()).prop_map(|(weight, destination)| Split { weight, destination }), 0..4);
    let path = proptest::option::of(".{0,5}".prop_map(StringMatch::Prefix));
    let rule = (path, split()).prop_map(|(path, split)| HttpRoute {
        matches: HttpMatch { path, ..HttpMatch::default() },
        split,
        ..HttpRoute::default()
    });
    let conf = (split(), vec(rule, 0..3));
    let conf = conf.prop_map(|(split, http)| TrafficRoute { split, http, load_balancer: None });
    (vec(tags(), 1..3), vec(tags(), 1..3), conf).prop_map(|(sources, destinations, conf)| Connection {
        sources,
        destinations,
        conf,
    })
}

type Policies =
    (Option<Vec<Tags>>, Option<Timeout>, Option<Retry>, Option<HealthCheck>, Option<CircuitBreaker>, Option<RateLimit>);

fn policies() -> impl Strategy<Value = Policies> {
    let duration = || any::<Option<std::time::Duration>>();
    let timeout = (duration(), duration()).prop_map(|(connect, stream_idle)| Timeout {
        connect,
        stream_idle,
        ..Timeout::default()
    });
    let health = (any::<std::time::Duration>(), any::<Option<u32>>()).prop_map(|(interval, threshold)| HealthCheck {
        interval,
        healthy_panic_threshold: threshold,
        passive: threshold.map(|threshold| (threshold, interval)),
        ..HealthCheck::default()
    });
    let limit = (any::<u32>(), any::<std::time::Duration>()).prop_map(|(requests, interval)| RateLimit {
        requests,
        interval,
        ..RateLimit::default()
    });
    (
        proptest::option::of(vec(tags(), 0..3)),
        proptest::option::of(timeout),
        proptest::option::of(Just(Retry::default())),
        proptest::option::of(health),
        proptest::option::of(Just(CircuitBreaker::default())),
        proptest::option::of(limit),
    )
}
