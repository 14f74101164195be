//! What holds for any document.

use gateway_model::entities::RouterFlavor;
use gateway_model::error::Fields;
use gateway_model::registry::Registry;
use gateway_model::schema::Source;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

struct Still;

impl Source for Still {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// Names and values that schemas know, among anything else.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("4e3ad2e4-0bc4-4638-8e34-c84a417ba39b".to_owned()),
        prop::sample::select(vec![
            "http",
            "https",
            "grpc",
            "tcp",
            "tls_passthrough",
            "/",
            "/a",
            "~/a",
            "a.b",
            "*.a",
            "a:80",
            "1.2.3.4",
            "::1",
            "",
            "none",
            "header",
            "ip",
            "cookie",
            "env",
            "{vault://env/x}",
            "round-robin",
            "latency",
            "x y",
            "%zz",
            "http://h",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..500).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names(), inner), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "id",
            "name",
            "host",
            "url",
            "port",
            "path",
            "protocol",
            "protocols",
            "paths",
            "hosts",
            "methods",
            "headers",
            "snis",
            "sources",
            "destinations",
            "ip",
            "service",
            "route",
            "upstream",
            "target",
            "weight",
            "username",
            "custom_id",
            "tags",
            "algorithm",
            "hash_on",
            "hash_fallback",
            "healthchecks",
            "active",
            "passive",
            "healthy",
            "unhealthy",
            "cert",
            "key",
            "cert_alt",
            "key_alt",
            "jwk",
            "pem",
            "kid",
            "prefix",
            "config",
            "created_at",
            "certificate",
            "private_key",
            "public_key",
            "expression",
            "priority",
            "strip_path",
            "timeout",
        ])
        .prop_map(str::to_owned),
        "[a-z_.@]{0,6}",
    ]
}

fn document() -> impl Strategy<Value = Fields> {
    prop::collection::vec((names(), json()), 0..8).prop_map(|pairs| pairs.into_iter().collect::<Map<_, _>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn anything_is_judged_and_what_passes_stays(given in document(), changes in document()) {
        for flavor in [RouterFlavor::TraditionalCompatible, RouterFlavor::Expressions] {
            let registry = Registry::new(flavor, []);
            for entity in registry.entities() {
                let stored = match entity.insert(given.clone(), &mut Still) {
                    Ok(stored) => stored,
                    Err(error) => {
                        prop_assert!(!error.message().is_empty());
                        continue;
                    }
                };
                // An upstream's default hash_on is not the same as one that is given.
                if entity.name() != "upstreams" {
                    prop_assert_eq!(entity.insert(stored.clone(), &mut Still), Ok(stored.clone()), "{}", entity.name());
                }
                let shown = entity.present(&stored);
                prop_assert!(shown.len() >= entity.fields().len());
                if let Err(error) = entity.update(&stored, changes.clone(), &mut Still) {
                    prop_assert!(error.message().contains("violation"));
                }
            }
        }
    }

    #[test]
    fn small_documents_that_may_pass(host in "[a-z]{1,8}(\\.[a-z]{1,8})?", path in "/[a-z]{0,8}", port in 0_u16..) {
        let registry = Registry::new(RouterFlavor::default(), []);
        let services = registry.entity("services").expect("there are services");
        let given = json!({"host": host, "path": path, "port": port});
        let Value::Object(given) = given else { unreachable!("an object") };
        let stored = services.insert(given, &mut Still).expect("a valid service");
        prop_assert_eq!(services.insert(stored.clone(), &mut Still), Ok(stored));
    }
}
