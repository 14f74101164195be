use proptest::prelude::*;

use super::*;
use crate::dataplane::Inbound;
use crate::tags::{PROTOCOL, SERVICE};

fn inbound(service: &str, port: u16, protocol: &str, ready: bool) -> Inbound {
    let tags = [(SERVICE, service), (PROTOCOL, protocol)];
    Inbound {
        address: "10.0.0.1".to_owned(),
        port,
        tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        ready,
        ..Inbound::default()
    }
}

fn proxy(inbounds: Vec<Inbound>) -> Dataplane {
    Dataplane { address: "10.0.0.1".to_owned(), inbounds, ..Dataplane::default() }
}

fn change(service: &str, protocol_changed: bool) -> ServiceChange {
    ServiceChange { service: service.into(), protocol_changed }
}

#[test]
fn endpoints_come_and_go_with_their_proxy() {
    let mut context = MeshContext::default();
    let name: Arc<str> = "web-1".into();
    let web = proxy(vec![inbound("web", 80, "http", true), inbound("admin", 81, "tcp", true)]);
    assert_eq!(context.set_dataplane(&name, None, Some(&web)), [change("admin", true), change("web", true)]);
    assert_eq!(context.services["web"].protocol, Protocol::Http);
    assert_eq!(context.set_dataplane(&name, Some(&web), Some(&web)), []);

    let moved = proxy(vec![inbound("web", 8080, "http", true)]);
    assert_eq!(context.set_dataplane(&name, Some(&web), Some(&moved)), [change("admin", true), change("web", false)]);
    assert_eq!(context.services["web"].endpoints[0].port, 8080);
    assert_eq!(context.set_dataplane(&name, Some(&moved), None), [change("web", true)]);
    assert!(context.services.is_empty());
}

#[test]
fn an_inbound_that_is_not_ready_is_no_endpoint() {
    let mut context = MeshContext::default();
    let asleep = proxy(vec![inbound("web", 80, "http", false)]);
    assert_eq!(context.set_dataplane(&"web-1".into(), None, Some(&asleep)), []);
    assert!(context.services.is_empty());
}

#[test]
fn others_connect_to_the_advertised_address() {
    let mut context = MeshContext::default();
    let mut web = proxy(vec![inbound("web", 80, "http", true), inbound("local", 81, "http", true)]);
    web.advertised_address = Some("node.example.com".to_owned());
    web.inbounds[1].address = "10.0.0.9".to_owned();
    context.set_dataplane(&"web-1".into(), None, Some(&web));
    assert_eq!(context.services["web"].endpoints[0].address, "node.example.com");
    // An address of an inbound's own is not the one that is advertised.
    assert_eq!(context.services["local"].endpoints[0].address, "10.0.0.9");
}

#[test]
fn a_service_speaks_what_all_its_endpoints_speak() {
    let mut context = MeshContext::default();
    let (grpc, tcp) = (proxy(vec![inbound("a", 1, "grpc", true)]), proxy(vec![inbound("a", 2, "tcp", true)]));
    context.set_dataplane(&"one".into(), None, Some(&grpc));
    assert_eq!(context.set_dataplane(&"two".into(), None, Some(&tcp)), [change("a", true)]);
    assert_eq!(context.services["a"].protocol, Protocol::Tcp);
    assert_eq!(context.set_dataplane(&"two".into(), Some(&tcp), None), [change("a", true)]);
    assert_eq!(context.services["a"].protocol, Protocol::Grpc);
}

fn any_inbound() -> impl Strategy<Value = Inbound> {
    let service = proptest::sample::select(vec!["web", "backend", "search"]);
    let protocol = proptest::sample::select(vec!["tcp", "http", "http2", "grpc"]);
    (service, 1_u16..5, protocol, any::<bool>())
        .prop_map(|(service, port, protocol, ready)| inbound(service, port, protocol, ready))
}

fn any_change() -> impl Strategy<Value = (usize, Option<Dataplane>)> {
    let dataplane = proptest::collection::vec(any_inbound(), 0..4).prop_map(proxy);
    (0_usize..4, proptest::option::weighted(0.7, dataplane))
}

proptest! {
    /// Changing proxies one by one leads to what building from the final proxies gives, and exactly the
    /// services that changed are reported.
    #[test]
    fn step_by_step_is_as_good_as_from_scratch(changes in proptest::collection::vec(any_change(), 0..24)) {
        let names: Vec<Arc<str>> = ["a", "b", "c", "d"].into_iter().map(Arc::from).collect();
        let mut proxies: Vec<Option<Dataplane>> = vec![None; names.len()];
        let mut context = MeshContext::default();
        for (which, after) in changes {
            let previous = context.services.clone();
            let reported = context.set_dataplane(&names[which], proxies[which].as_ref(), after.as_ref());
            proxies[which] = after;

            let differs = |service: &Arc<str>| previous.get(service) != context.services.get(service);
            let services = previous.keys().chain(context.services.keys());
            let changed: std::collections::BTreeSet<_> = services.filter(|service| differs(service)).cloned().collect();
            let named: std::collections::BTreeSet<_> = reported.iter().map(|change| change.service.clone()).collect();
            prop_assert_eq!(named, changed);
            for change in reported {
                let protocol = |services: &BTreeMap<Arc<str>, Arc<Service>>| {
                    services.get(&change.service).map(|service| service.protocol)
                };
                prop_assert_eq!(change.protocol_changed, protocol(&previous) != protocol(&context.services));
            }
        }

        let mut scratch = MeshContext::default();
        for (name, proxy) in names.iter().zip(&proxies).rev() {
            scratch.set_dataplane(name, None, proxy.as_ref());
        }
        prop_assert_eq!(scratch.services, context.services);
    }
}
