use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use base::{Clock as _, SystemClock};
use engine::tls::client::{Settings as TlsSettings, Verify};
use engine::tls::{Alpn, Certificate, CertificateTable};
use gateway_router::{Headers, Request};
use pki::tls::{KeyType, Role};
use proptest::prelude::*;
use runtime::tasks::Tasks;
use serde_json::{Value, json};

use super::*;
use crate::pdk::{Environment, Phases, Plugin};

/// A plugin that does nothing, but has a name for itself.
#[derive(Debug)]
struct Named;

#[derive(Debug)]
struct Marker(#[expect(dead_code, reason = "read through Debug")] String);

impl Definition for Named {
    fn name(&self) -> &'static str {
        "named"
    }

    fn priority(&self) -> i32 {
        1
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        match config["mark"].as_str() {
            Some(mark) => Ok(Arc::new(Marker(mark.to_owned()))),
            None => Err("there is no mark".to_owned()),
        }
    }
}

impl Plugin for Marker {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }
}

fn compiler() -> Compiler {
    let tls = Configurations::default();
    let unverified = tls.get(&TlsSettings { verify: Verify::Off, identity: None, alpn: Alpn::None }).unwrap();
    let own =
        pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &["localhost".to_owned()], SystemClock.now()).unwrap();
    let own = Certificate::from_pem(&own.cert_pem, own.key_pem.expose()).unwrap();
    let default_identity = ServerIdentity::new(own, None);
    Compiler::new(Surroundings {
        settings: Arc::default(),
        node: Arc::new(Node::new("host", "id", "1", "/nowhere", Arc::new(SystemClock), Tasks::new())),
        definitions: vec![Arc::new(Named)],
        names: Names::new(engine::dns::Settings::default(), Arc::new(SystemClock)).unwrap().0,
        certificates: Certificates::new(CertificateTable::new(default_identity.clone())),
        default_identity,
        probe_tls: ProbeTls { verified: Arc::clone(&unverified), unverified },
        references: References::new([("MARK".to_owned(), "from-environment".to_owned())]),
    })
}

/// What is stored, by collection and id.
type Stored = BTreeMap<(&'static str, String), Value>;

fn apply(compiler: &mut Compiler, stored: &Stored) -> Vec<Problem> {
    let texts: Vec<_> =
        stored.iter().map(|((collection, id), document)| (*collection, id, document.to_string())).collect();
    compiler.apply(texts.iter().map(|(collection, id, document)| Change::Put {
        collection,
        id,
        document,
        expires_ms: None,
    }))
}

struct NoFields;

impl Headers for NoFields {
    fn any(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// What a request for `path` meets: its route, its service and the plugins for three consumers.
fn met(compiler: &Compiler, path: &str) -> Option<String> {
    let config = compiler.config(1);
    let end = "127.0.0.1:1".parse().unwrap();
    let request = Request {
        method: "GET",
        host: b"",
        path: path.as_bytes(),
        query: b"",
        headers: &NoFields,
        tls: false,
        sni: None,
        source: end,
        destination: end,
    };
    let matched = config.router.find(&request)?;
    let route = matched.payload;
    let service = route.service.map(|at| config.services[at].as_ref().expect("a route's service has its place"));
    let chain = config.chains[route.chain].as_ref().expect("a route's chain has its place");
    let plugins: Vec<_> = chain
        .0
        .iter()
        .flat_map(|slot| {
            [None, Some("c0"), Some("c1")]
                .map(|consumer| slot.pick(consumer).map(|picked| format!("{:?}", picked.plugin)))
        })
        .collect();
    Some(format!("{} {:?} {plugins:?}", route.document.id, service.map(|service| service.document.port)))
}

/// A step: what is written, or taken away with what depends on it.
#[derive(Clone, Debug)]
enum Step {
    Service(usize, u16, bool),
    Route(usize, Option<usize>),
    Plugin(usize, Option<usize>, Option<usize>, Option<usize>, u8, bool),
    Delete(&'static str, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let some = || proptest::option::of(0_usize..3);
    prop_oneof![
        2 => (0_usize..3, 1_u16..4, proptest::bool::weighted(0.8))
            .prop_map(|(id, port, enabled)| Step::Service(id, port, enabled)),
        3 => (0_usize..6, some()).prop_map(|(id, service)| Step::Route(id, service)),
        2 => (0_usize..6, some(), some(), proptest::option::of(0_usize..2), any::<u8>(), proptest::bool::weighted(0.8))
            .prop_map(|(id, route, service, consumer, mark, enabled)| Step::Plugin(
                id, route, service, consumer, mark, enabled
            )),
        2 => (proptest::sample::select(&["services", "routes", "plugins"][..]), 0_usize..6)
            .prop_map(|(of, id)| Step::Delete(of, id)),
    ]
}

/// Does a step on what is stored, as a store with its references and its uniqueness would, and tells the changes.
fn perform(step: &Step, stored: &mut Stored) -> Vec<(&'static str, String, Option<Value>)> {
    let reference = |prefix: &str, id: Option<usize>| id.map(|id| json!({ "id": format!("{prefix}{id}") }));
    let there = |stored: &Stored, collection, of: &Option<Value>| {
        of.as_ref()
            .is_none_or(|of| stored.contains_key(&(collection, of["id"].as_str().unwrap_or_default().to_owned())))
    };
    let (collection, id, document) = match step.clone() {
        Step::Service(id, port, enabled) => {
            let id = format!("s{id}");
            let document = json!({"id": id, "protocol": "http", "host": "127.0.0.1", "port": port, "enabled": enabled});
            ("services", id, document)
        }
        Step::Route(id, service) => {
            let service = reference("s", service);
            if !there(stored, "services", &service) {
                return Vec::new();
            }
            let document = json!({"id": format!("r{id}"), "paths": [format!("/r{id}")], "protocols": ["http"], "service": service});
            ("routes", format!("r{id}"), document)
        }
        Step::Plugin(id, route, service, consumer, mark, enabled) => {
            let (route, service, consumer) = (reference("r", route), reference("s", service), reference("c", consumer));
            let same = |other: &Value| {
                other["id"] != format!("p{id}")
                    && (&other["route"], &other["service"], &other["consumer"])
                        == (&json!(route), &json!(service), &json!(consumer))
            };
            let taken = stored.iter().any(|((of, _), other)| *of == "plugins" && same(other));
            if taken || !there(stored, "routes", &route) || !there(stored, "services", &service) {
                return Vec::new();
            }
            let document = json!({"id": format!("p{id}"), "name": "named", "config": {"mark": mark.to_string()}, "enabled": enabled,
                "route": route, "service": service, "consumer": consumer, "protocols": ["http"]});
            ("plugins", format!("p{id}"), document)
        }
        Step::Delete(collection, id) => return delete(collection, id, stored),
    };
    stored.insert((collection, id.clone()), document.clone());
    vec![(collection, id, Some(document))]
}

fn delete(collection: &'static str, id: usize, stored: &mut Stored) -> Vec<(&'static str, String, Option<Value>)> {
    let id = format!("{}{id}", &collection[..1]);
    let (field, used) = match collection {
        "services" => {
            ("service", stored.iter().any(|((of, _), other)| *of == "routes" && other["service"]["id"] == id))
        }
        "routes" => ("route", false),
        _ => ("none", false),
    };
    if used || stored.remove(&(collection, id.clone())).is_none() {
        return Vec::new();
    }
    let with_it: Vec<_> = stored
        .iter()
        .filter(|((of, _), other)| *of == "plugins" && other[field]["id"] == id)
        .map(|(key, _)| key.clone())
        .collect();
    let mut changes: Vec<_> = with_it
        .into_iter()
        .map(|key| {
            stored.remove(&key);
            (key.0, key.1, None)
        })
        .collect();
    changes.push((collection, id, None));
    changes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happened before, requests meet what a compiler that was only ever told the present would make of it.
    #[test]
    fn changes_come_to_the_same_as_the_present(
        batches in proptest::collection::vec(
            (proptest::collection::vec(step(), 1..5), prop::option::of(any::<bool>())),
            1..20,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let mut compiler = compiler();
        let mut stored = Stored::new();
        for (steps, order) in batches {
            let mut changes: Vec<_> = steps.iter().flat_map(|step| perform(step, &mut stored)).collect();
            // Changes may come in any order, but for those of the same document.
            match order {
                Some(true) => changes.sort_by_key(|(collection, _, _)| *collection),
                Some(false) => changes.sort_by_key(|(collection, _, _)| Reverse(*collection)),
                None => {}
            }
            let texts: Vec<_> = changes.into_iter().map(|(of, id, document)| (of, id, document.map(|document| document.to_string()))).collect();
            let problems = compiler.apply(texts.iter().map(|(collection, id, document)| match document {
                Some(document) => Change::Put { collection, id, document, expires_ms: None },
                None => Change::Delete { collection, id },
            }));
            prop_assert!(problems.is_empty(), "{:?}", problems);
            let mut fresh = self::compiler();
            prop_assert!(apply(&mut fresh, &stored).is_empty());
            for path in ["/r0", "/r1", "/r2", "/r3", "/r4", "/r5"] {
                prop_assert_eq!(met(&compiler, path), met(&fresh, path), "{}", path);
            }
            let known: BTreeSet<_> = compiler.known().map(|(collection, id)| (collection, id.to_string())).collect();
            prop_assert!(known.iter().eq(stored.keys()));
            let (config, anew) = (compiler.config(1), fresh.config(1));
            prop_assert_eq!(config.router.len(), anew.router.len());
            let routes = stored.keys().filter(|(collection, _)| *collection == "routes").count();
            prop_assert!(config.chains.iter().flatten().count() <= routes);
        }
    }
}

#[tokio::test]
async fn a_reference_is_followed_and_a_broken_plugin_refuses() {
    let mut compiler = compiler();
    let plugin = |config: Value| {
        Stored::from([
            (("routes", "r".to_owned()), json!({"id": "r", "paths": ["/r"], "protocols": ["http"]})),
            (("plugins", "p".to_owned()), json!({"id": "p", "name": "named", "config": config, "protocols": ["http"]})),
        ])
    };
    apply(&mut compiler, &plugin(json!({"mark": "{vault://env/mark}"})));
    assert!(met(&compiler, "/r").unwrap().contains("from-environment"));
    for broken in [json!({"mark": "{vault://env/none}"}), json!({})] {
        apply(&mut compiler, &plugin(broken));
        assert!(met(&compiler, "/r").unwrap().contains("Refusing"));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_rest_is_in_force() {
    let mut compiler = compiler();
    let problems = apply(
        &mut compiler,
        &Stored::from([
            (("routes", "bad".to_owned()), json!({"id": "bad", "paths": ["~/("], "protocols": ["http"]})),
            (("routes", "good".to_owned()), json!({"id": "good", "paths": ["/good"], "protocols": ["http"]})),
            (("services", "s".to_owned()), json!({"id": "s"})),
        ]),
    );
    let ids: Vec<_> = problems.iter().map(|problem| &*problem.id).collect();
    assert_eq!(ids, ["s", "bad"]);
    assert!(met(&compiler, "/good").is_some());
}

fn put<'a>((collection, id): (&'a str, &'a str), document: &'a str) -> Change<'a> {
    Change::Put { collection, id, document, expires_ms: None }
}

#[tokio::test]
async fn a_service_that_is_switched_off_takes_its_routes_along_and_brings_them_back() {
    let service = |enabled: bool| {
        json!({"id": "s", "protocol": "http", "host": "127.0.0.1", "port": 1, "enabled": enabled}).to_string()
    };
    let route = |id: usize, service: Option<&str>| {
        let service = service.map(|id| json!({ "id": id }));
        json!({"id": format!("r{id}"), "paths": [format!("/r{id}")], "protocols": ["http"], "service": service})
            .to_string()
    };
    let (on, off) = (service(true), service(false));
    let routes: Vec<_> = (0..5).map(|id| (format!("r{id}"), route(id, Some("s")))).collect();
    let mut compiler = compiler();
    // A route may come before its service.
    let changes = routes.iter().map(|(id, document)| put(("routes", id), document));
    compiler.apply(changes.chain([put(("services", "s"), &on)]));
    let there = |compiler: &Compiler| -> Vec<bool> {
        ["/r0", "/r1", "/r2", "/r3", "/r4"].iter().map(|path| met(compiler, path).is_some()).collect()
    };
    assert_eq!(there(&compiler), [true; 5]);
    // One goes, one comes to stand alone: what is left of the service's routes is known all the same.
    let alone = route(3, None);
    compiler.apply([Change::Delete { collection: "routes", id: "r1" }, put(("routes", "r3"), &alone)]);
    compiler.apply([put(("services", "s"), &off)]);
    assert_eq!(there(&compiler), [false, false, false, true, false]);
    // Off and on again in one go is nothing, and so is what is put and deleted at once.
    let again = route(1, Some("s"));
    compiler.apply([
        put(("services", "s"), &on),
        put(("services", "s"), &off),
        put(("routes", "r1"), &again),
        put(("services", "s"), &on),
        Change::Delete { collection: "routes", id: "r1" },
    ]);
    assert_eq!(there(&compiler), [true, false, true, true, true]);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_leaves_the_one_before_in_force() {
    let mut compiler = compiler();
    let good = json!({"id": "r", "paths": ["/good"], "protocols": ["http"]}).to_string();
    compiler.apply([put(("routes", "r"), &good)]);
    let problems = compiler.apply([put(("routes", "r"), "{}")]);
    assert_eq!((problems.len(), &*problems[0].collection, &*problems[0].id), (1, "routes", "r"));
    assert!(met(&compiler, "/good").is_some());
}

#[tokio::test]
async fn everything_that_something_was_made_of_is_known() {
    let mut compiler = compiler();
    let upstream = json!({"id": "u", "name": "up"}).to_string();
    let target = json!({"id": "t", "target": "127.0.0.1:1", "upstream": {"id": "u"}}).to_string();
    let mark = json!({"upstream": "u", "target": "127.0.0.1:1", "address": null, "healthy": true,
        "at": "2026-01-02T03:04:05Z"})
    .to_string();
    let consumer = json!({"id": "c", "username": "ann"}).to_string();
    let all = [
        ("upstreams", "u", upstream),
        ("targets", "t", target),
        ("target_marks", "m", mark),
        ("consumers", "c", consumer),
    ];
    let problems = compiler.apply(all.iter().map(|(of, id, document)| put((*of, *id), document)));
    assert!(problems.is_empty(), "{problems:?}");
    let known = |compiler: &Compiler| -> BTreeSet<_> {
        compiler.known().map(|(collection, id)| (collection.to_owned(), id.to_string())).collect()
    };
    assert_eq!(known(&compiler), all.iter().map(|(of, id, _)| ((*of).to_owned(), (*id).to_owned())).collect());
    let gone = known(&compiler);
    compiler.apply(gone.iter().map(|(collection, id)| Change::Delete { collection, id }));
    assert!(known(&compiler).is_empty());
}
