//! Documents, and what is said about them.

use gateway_model::entities::RouterFlavor;
use gateway_model::entity::{EntitySchema, Transformation};
use gateway_model::error::Fields;
use gateway_model::registry::{PluginSchema, Registry};
use gateway_model::schema::{Element, EntityCheck, Field, Match, Schema, Source};
use gateway_model::types;
use serde_json::{Value, json};

/// Counts up in place of randomness; the time stands still.
#[derive(Default)]
struct Steady(u8);

impl Source for Steady {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_123
    }

    fn random(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn registry() -> Registry {
    Registry::new(
        RouterFlavor::TraditionalCompatible,
        [key_auth(), rate_limiting(), acl(), ip_restriction(), jwt(), request_termination(), response_ratelimiting()],
    )
}

fn key_auth() -> PluginSchema {
    PluginSchema::new("key-auth", 1250).no_consumer().protocols_http().config(Schema::record([
        Field::array("key_names", types::header_name("")).required().default_value(vec!["apikey"]),
        Field::boolean("hide_credentials").required().default_value(false),
        Field::string("anonymous"),
    ]))
}

const LIMITS: [&str; 6] = ["second", "minute", "hour", "day", "month", "year"];

fn rate_limiting() -> PluginSchema {
    let others = [
        Field::string("limit_by").default_value("consumer").one_of([
            "consumer",
            "credential",
            "ip",
            "service",
            "header",
            "path",
        ]),
        types::header_name("header_name"),
        types::path("path"),
        Field::string("policy").default_value("local").len_min(0).one_of(["local", "redis"]),
        Field::record("redis", types::redis()).required(),
    ];
    let config = Schema::record(LIMITS.map(|name| Field::number(name).gt(0)).into_iter().chain(others));
    let config = types::with_redis_shorthands(config, "rate-limiting");
    let redis = |field| EntityCheck::conditional("config.policy", Match::eq("redis"), field, Match::required());
    PluginSchema::new("rate-limiting", 910)
        .protocols_http()
        .config_field(Field::record("config", config).custom(check_order))
        .check(EntityCheck::at_least_one_of([
            "config.second",
            "config.minute",
            "config.hour",
            "config.day",
            "config.month",
            "config.year",
        ]))
        .check(redis("config.redis.host"))
        .check(redis("config.redis.port"))
        .check(EntityCheck::conditional(
            "config.limit_by",
            Match::eq("header"),
            "config.header_name",
            Match::required(),
        ))
        .check(EntityCheck::conditional("config.limit_by", Match::eq("path"), "config.path", Match::required()))
}

fn check_order(config: &Value) -> Result<(), String> {
    let set: Vec<(&str, f64)> = LIMITS.iter().filter_map(|name| Some((*name, config.get(*name)?.as_f64()?))).collect();
    for pair in set.windows(2) {
        let ((short, less), (long, more)) = (pair[0], pair[1]);
        if more < less {
            return Err(format!(
                "The limit for {long}({more:.1}) cannot be lower than the limit for {short}({less:.1})"
            ));
        }
    }
    Ok(())
}

fn acl() -> PluginSchema {
    PluginSchema::new("acl", 950)
        .no_consumer()
        .protocols_http()
        .config(Schema::record([
            Field::array("allow", Element::string()),
            Field::array("deny", Element::string()),
            Field::boolean("hide_groups_header").required().default_value(false),
        ]))
        .check(EntityCheck::only_one_of(["config.allow", "config.deny"]))
        .check(EntityCheck::at_least_one_of(["config.allow", "config.deny"]))
}

fn ip_restriction() -> PluginSchema {
    PluginSchema::new("ip-restriction", 990)
        .protocols_all()
        .config(Schema::record([
            Field::array("allow", types::ip_or_cidr("")),
            Field::array("deny", types::ip_or_cidr("")),
        ]))
        .check(EntityCheck::at_least_one_of(["config.allow", "config.deny"]))
}

fn jwt() -> PluginSchema {
    PluginSchema::new("jwt", 1450)
        .no_consumer()
        .protocols_http()
        .config(Schema::record([
            Field::set("claims_to_verify", Element::string().one_of(["exp", "nbf"])),
            Field::number("maximum_expiration").default_value(0).between(0, 31_536_000),
        ]))
        .check(EntityCheck::conditional(
            "config.maximum_expiration",
            Match::gt(0),
            "config.claims_to_verify",
            Match::contains("exp"),
        ))
}

fn request_termination() -> PluginSchema {
    let config = Schema::record([
        Field::integer("status_code").required().default_value(503).between(100, 599),
        Field::string("message"),
        Field::string("content_type"),
        Field::string("body"),
    ]);
    PluginSchema::new("request-termination", 2).protocols_http().config_field(Field::record("config", config).custom(
        |config| {
            let set = |name: &str| config.get(name).is_some_and(|value| !value.is_null());
            if set("message") && (set("content_type") || set("body")) {
                return Err("message cannot be used with content_type or body".to_owned());
            }
            if set("content_type") && !set("body") {
                return Err("content_type requires a body".to_owned());
            }
            Ok(())
        },
    ))
}

fn response_ratelimiting() -> PluginSchema {
    let limits =
        Schema::record(LIMITS.map(|name| Field::number(name).gt(0))).check(EntityCheck::at_least_one_of(LIMITS));
    PluginSchema::new("response-ratelimiting", 900).protocols_http().config(Schema::record([Field::map(
        "limits",
        Element::string(),
        Element::record(limits),
    )
    .required()
    .len_min(1)]))
}

/// What is said about a document: message and fields, or nothing.
fn verdict(registry: &Registry, entity: &str, document: Value) -> Option<(String, Value)> {
    let entity = registry.entity(entity).expect("the fixture names entities that exist");
    match entity.validate(fields(document), &mut Steady::default()) {
        Ok(()) => None,
        Err(error) => Some((error.message(), Value::Object(error.fields().unwrap_or_default()))),
    }
}

#[test]
fn documents_are_judged_as_recorded() {
    let registry = registry();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("fixtures/validation.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("the fixture is JSON");
        let expected = case
            .get("message")
            .map(|message| (message.as_str().expect("messages are strings").to_owned(), case["fields"].clone()));
        let found =
            verdict(&registry, case["entity"].as_str().expect("entities are strings"), case["document"].clone());
        count += 1;
        if found != expected {
            wrong.push(format!(
                "{} {}\n  expected {expected:?}\n  found    {found:?}",
                case["entity"], case["document"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 100, "the fixture has {count} cases");
}

fn insert(registry: &Registry, entity: &str, document: Value) -> Fields {
    let entity = registry.entity(entity).expect("the kind exists");
    entity.insert(fields(document), &mut Steady::default()).expect("the document is valid")
}

/// What is said about a document, nothing if it is right.
fn complaint(entity: &str, document: Value) -> String {
    let registry = registry();
    let entity = registry.entity(entity).expect("the kind exists");
    entity.insert(fields(document), &mut Steady::default()).err().map_or_else(String::new, |error| error.message())
}

fn update(registry: &Registry, entity: &str, current: &Fields, changes: Value) -> Result<Value, String> {
    let entity = registry.entity(entity).expect("the kind exists");
    match entity.update(current, fields(changes), &mut Steady::default()) {
        Ok(document) => Ok(Value::Object(document)),
        Err(error) => Err(error.message()),
    }
}

#[test]
fn new_documents_are_completed_as_recorded() {
    let registry = registry();
    for line in include_str!("fixtures/bodies.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("the fixture is JSON");
        let entity = case["entity"].as_str().expect("entities are strings");
        let mut stored = Value::Object(insert(&registry, entity, case["document"].clone()));
        for name in ["created_at", "updated_at"] {
            let time = if entity == "targets" { json!(1_700_000_000.123) } else { json!(1_700_000_000) };
            assert_eq!(stored[name], time, "{entity}");
            stored[name] = json!("<now>");
        }
        stored["id"] = json!("<uuid>");
        assert_eq!(stored, case["stored"], "{entity}");
        let kind = registry.entity(entity).expect("the kind exists");
        let names: Vec<&str> = kind.fields().iter().map(Field::name).collect();
        let found: Vec<&String> = stored.as_object().expect("documents are objects").keys().collect();
        assert_eq!(found, names, "{entity} has its fields in order");
    }
}

#[test]
fn generated_values_have_their_form() {
    let document = insert(&registry(), "consumers", json!({"username": "a"}));
    let id = document["id"].as_str().expect("ids are strings");
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
    let kept = insert(&registry(), "consumers", json!({"username": "a", "id": id, "created_at": 5, "updated_at": 5}));
    assert_eq!((&kept["id"], &kept["created_at"], &kept["updated_at"]), (&json!(id), &json!(5), &json!(1_700_000_000)));
}

#[test]
fn changes_merge_records_and_replace_the_rest() {
    let registry = registry();
    let current = insert(
        &registry,
        "upstreams",
        json!({"name": "u", "tags": ["a"], "healthchecks": {"active": {"headers": {"x": ["1"], "y": ["2"]}}}}),
    );
    let changes = json!({"tags": ["b", "b"], "healthchecks": {"active": {"timeout": 3, "headers": {"z": ["3"]}}}});
    let updated = update(&registry, "upstreams", &current, changes).expect("valid changes");
    assert_eq!(updated["tags"], json!(["b"]));
    let active = &updated["healthchecks"]["active"];
    assert_eq!((&active["timeout"], &active["headers"]), (&json!(3), &json!({"z": ["3"]})));
    assert_eq!(active["http_path"], json!("/"));
    assert_eq!(updated["healthchecks"]["passive"], current["healthchecks"]["passive"]);
}

#[test]
fn what_changes_break_is_said_of_the_whole() {
    let registry = registry();
    let consumer = insert(&registry, "consumers", json!({"username": "a"}));
    assert_eq!(
        update(&registry, "consumers", &consumer, json!({"username": null})),
        Err("schema violation (when updating, at least one of these fields must be non-empty: 'custom_id', \
             'username')"
            .to_owned())
    );
    let plugin = insert(&registry, "plugins", json!({"name": "request-termination", "config": {"message": "m"}}));
    assert_eq!(
        update(&registry, "plugins", &plugin, json!({"config": {"body": "x"}})),
        Err("schema violation (config: message cannot be used with content_type or body)".to_owned())
    );
    assert_eq!(
        update(&registry, "plugins", &plugin, json!({"config": null})),
        Err("schema violation (config: required field missing)".to_owned())
    );
    let service = insert(&registry, "services", json!({"host": "h"}));
    assert_eq!(
        update(&registry, "services", &service, json!({"foo": 1})),
        Err("schema violation (foo: unknown field)".to_owned())
    );
}

#[test]
fn urls_of_services_replace_their_parts() {
    let registry = registry();
    let service = insert(&registry, "services", json!({"host": "h", "path": "/old", "port": 99}));
    let updated = update(&registry, "services", &service, json!({"url": "https://n"})).expect("valid changes");
    let parts = ["protocol", "host", "port", "path"].map(|name| updated[name].clone());
    assert_eq!(parts, [json!("https"), json!("n"), json!(443), json!(null)]);
}

#[test]
fn hashing_and_algorithm_of_upstreams_follow_each_other() {
    let registry = registry();
    let stored = |document: Value| {
        let document = insert(&registry, "upstreams", document);
        (document["algorithm"].clone(), document["hash_on"].clone())
    };
    assert_eq!(
        stored(json!({"name": "u", "algorithm": "round-robin", "hash_on": "ip"})),
        (json!("consistent-hashing"), json!("ip"))
    );
    assert_eq!(
        stored(json!({"name": "u", "algorithm": "consistent-hashing", "hash_on": "none"})),
        (json!("round-robin"), json!("none"))
    );
    assert_eq!(
        stored(json!({"name": "u", "algorithm": "least-connections", "hash_on": "ip"})),
        (json!("least-connections"), json!("none"))
    );
}

#[test]
fn routes_of_grpc_strip_nothing() {
    let route = insert(&registry(), "routes", json!({"protocols": ["grpc"], "paths": ["/"]}));
    assert_eq!(route["strip_path"], json!(false));
}

#[test]
fn deprecated_names_are_written_through_and_shown() {
    let registry = registry();
    let config = json!({"minute": 5, "policy": "redis", "redis_host": "rh", "redis": {"port": 1}});
    let plugin = insert(&registry, "plugins", json!({"name": "rate-limiting", "config": config}));
    let redis = &plugin["config"]["redis"];
    assert_eq!((&redis["host"], &redis["port"], &redis["timeout"]), (&json!("rh"), &json!(1), &json!(2000)));
    assert!(plugin["config"].get("redis_host").is_none());
    let shown = registry.entity("plugins").expect("the kind exists").present(&plugin);
    assert_eq!((&shown["config"]["redis_host"], &shown["config"]["redis_port"]), (&json!("rh"), &json!(1)));
    let changed = update(&registry, "plugins", &plugin, json!({"config": {"redis_host": "other"}})).expect("valid");
    assert_eq!(changed["config"]["redis"]["host"], json!("other"));
    let both = json!({"minute": 5, "redis_host": "a", "redis": {"host": "b"}});
    let verdict = verdict(&registry, "plugins", json!({"name": "rate-limiting", "config": both}));
    assert_eq!(
        verdict.map(|(message, _)| message),
        Some(
            "schema violation (redis_host: both deprecated and new field are used but their values mismatch: \
             redis_host = a vs redis.host = b)"
                .to_owned()
        )
    );
}

#[test]
fn what_is_shown_is_complete_and_holds_nothing_else() {
    let registry = registry();
    let kind = registry.entity("consumers").expect("the kind exists");
    let shown = kind.present(&fields(json!({"ws_id": "w", "username": "a"})));
    let null = Value::Null;
    assert_eq!((shown.get("ws_id"), shown.get("custom_id")), (None, Some(&null)));
}

#[test]
fn keys_are_checked_as_they_stand_in_paths() {
    let registry = registry();
    let kind = registry.entity("ca_certificates").expect("the kind exists");
    let error = kind.check_id("nope").expect_err("no UUID");
    assert_eq!(error.message(), "invalid primary key: '{id=\"expected a valid UUID\"}'");
    assert_eq!(kind.check_id("4E3AD2E4-0bc4-4638-8e34-c84a417ba39b"), Ok(()));
}

#[test]
fn references_keep_nothing_but_the_key() {
    let id = "4e3ad2e4-0bc4-4638-8e34-c84a417ba39b";
    let sent = json!({"paths": ["/"], "service": {"id": id.to_uppercase(), "name": "x"}});
    assert_eq!(insert(&registry(), "routes", sent)["service"], json!({"id": id}));
}

#[test]
fn numbers_are_written_in_one_way() {
    let service = insert(&registry(), "services", json!({"host": "h", "port": 80.0}));
    assert_eq!(service["port"], json!(80));
}

#[test]
fn a_time_to_live_is_an_option() {
    let tokens = EntitySchema::new("tokens", Schema::record([types::id()])).ttl();
    let registry = Registry::new(RouterFlavor::default(), [key_auth().entity(tokens)]);
    let tokens = registry.entity("tokens").expect("the kind exists");
    let insert = |document: Value| tokens.insert(fields(document), &mut Steady::default());
    let error = insert(json!({"ttl": -1, "foo": 1})).expect_err("no such time");
    assert_eq!(error.message(), "invalid option (ttl: must be an integer between 0 and 100000000)");
    assert_eq!(insert(json!({"ttl": 300})).map(|token| token["ttl"].clone()), Ok(json!(300)));
    assert_eq!(tokens.present(&insert(json!({})).expect("a valid token"))["ttl"], Value::Null);
}

#[test]
fn transformations_see_what_was_sent() {
    let schema = Schema::record([types::id(), types::owner(), Field::string("password").required()]);
    let entity = EntitySchema::new("secrets", schema).transformation(Transformation {
        input: &["password"],
        needs: &["consumer.id"],
        on_write: |document| fields(json!({"password": format!("hash of {}", document["password"])})),
    });
    let registry = Registry::new(RouterFlavor::default(), [key_auth().entity(entity)]);
    let owner = |digit: u8| json!({"id": format!("{digit:08}-0000-0000-0000-000000000000")});
    let stored = insert(&registry, "secrets", json!({"consumer": owner(1), "password": "p"}));
    assert_eq!(stored["password"], json!("hash of \"p\""));
    let kept = update(&registry, "secrets", &stored, json!({"consumer": owner(1)})).expect("nothing new");
    assert_eq!(kept["password"], stored["password"]);
    let new = update(&registry, "secrets", &stored, json!({"consumer": owner(1), "password": "q"}));
    assert_eq!(new.expect("a new password")["password"], json!("hash of \"q\""));
    for half in [json!({"consumer": owner(2)}), json!({"password": "q"})] {
        assert_eq!(
            update(&registry, "secrets", &stored, half),
            Err("schema violation (all or none of these fields must be set: 'password', 'consumer.id')".to_owned())
        );
    }
    let secrets = registry.entity("secrets").expect("the kind exists");
    assert_eq!(secrets.insert_stored(stored.clone(), &mut Steady::default()), Ok(stored));
}

#[test]
fn checks_from_outside_are_run_too() {
    let registry = registry().with_check("routes", EntityCheck::custom(["paths"], |_| Err("not today".into())));
    let verdict = verdict(&registry, "routes", json!({"paths": ["/"]}));
    assert_eq!(verdict.map(|(message, _)| message), Some("schema violation (not today)".to_owned()));
}

#[test]
fn what_stands_in_place_of_a_reference_is_looked_at() {
    let route = |service: Value| {
        let document = fields(json!({"paths": ["/"], "service": service}));
        let registry = registry();
        let routes = registry.entity("routes").expect("a core kind");
        routes.insert(document, &mut Steady::default()).map_err(|error| error.body()["fields"]["service"].clone())
    };
    for (service, told) in [
        (
            json!({"protocol": "foo", "foo": 1}),
            json!({
                "foo": "unknown field",
                "protocol": "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp",
            }),
        ),
        (json!({"host": "h"}), json!({"id": "missing primary key"})),
        (json!({}), json!({"id": "missing primary key"})),
        (json!("s"), json!({"id": "missing primary key"})),
    ] {
        assert_eq!(route(service), Err(told));
    }
}

#[test]
fn grpc_and_grpcs_need_something_to_match_by() {
    let route = |protocols: Value| complaint("routes", json!({"protocols": protocols}));
    let told = |protocol: &str, names: &str| {
        format!("schema violation (must set one of {names} when 'protocols' is '{protocol}')")
    };
    assert_eq!(route(json!(["grpc"])), told("grpc", "'hosts', 'headers', 'paths'"));
    assert_eq!(route(json!(["grpcs"])), told("grpcs", "'hosts', 'headers', 'paths', 'snis'"));
    assert_eq!(route(json!(["grpc", "grpcs"])), told("grpcs", "'hosts', 'headers', 'paths', 'snis'"));
}

#[test]
fn cookies_have_the_names_browsers_take() {
    let upstream = |cookie: &str| complaint("upstreams", json!({"name": "u", "hash_on_cookie": cookie}));
    assert_eq!(upstream("a.b!~"), "");
    for wrong in ["a b", "a<", "a;", "a\u{7}"] {
        assert!(upstream(wrong).contains("hash_on_cookie: contains one or more invalid characters."), "{wrong}");
    }
}

#[test]
fn names_of_certificates_are_checked_with_them() {
    let registry = registry();
    let certificates = registry.entity("certificates").expect("a core kind");
    let check = |snis: Value| certificates.validate(fields(json!({"snis": snis})), &mut Steady::default());
    let complaint = |snis: Value| check(snis).unwrap_err().body()["fields"]["snis"].clone();
    assert_eq!(complaint(json!(["a.test"])), Value::Null);
    assert_eq!(complaint(json!(["120.0.9.32"])), json!(["must not be an IP"]));
    assert_eq!(complaint(json!("a.test")), "expected an array");
}

#[test]
fn names_of_hosts_may_end_in_a_dot() {
    let service = |host: &str| complaint("services", json!({"host": host}));
    assert_eq!(service("example.test."), "");
    for wrong in [".", "a..", ".a", "a..b"] {
        assert_eq!(service(wrong), format!("schema violation (host: invalid value: {wrong})"));
    }
}

#[test]
fn expressions_are_read_before_they_are_kept() {
    let registry = Registry::new(RouterFlavor::Expressions, []);
    let routes = registry.entity("routes").expect("a core kind");
    let route = |expression: &str| {
        let document = fields(json!({"expression": expression}));
        routes.insert(document, &mut Steady::default()).err().map_or_else(String::new, |error| error.message())
    };
    assert_eq!(route("http.path == \"/a\" && net.dst.port == 80"), "");
    for wrong in ["nope", "(http.method == \"GET\") &&", "http.nope == \"x\"", "http.path ~ \"(\"", "http.path == 1"] {
        assert!(route(wrong).starts_with("schema violation (Router Expression failed validation: "), "{wrong}");
    }
}
