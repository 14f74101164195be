mod facts;
mod forms;
mod reuse;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::entities::RouterFlavor;
use crate::error::Fields;
use crate::registry::PluginSchema;
use crate::schema::{Element, Field, Schema};

/// A time that stands still, and bytes that count.
struct Fixed(u8);

impl Source for Fixed {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fn registry() -> Registry {
    use crate::entity::{EntitySchema, Transformation};
    use crate::types;
    let keys = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("key").unique().auto(),
        types::tags(),
    ]);
    let passwords = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("username").required().unique(),
        Field::string("password").required(),
    ]);
    let guard = PluginSchema::new("guard", 1000)
        .no_consumer()
        .protocols_http()
        .config(Schema::record([Field::array("names", Element::string()).default_value(json!(["x"]))]))
        .entity(EntitySchema::new("guard_keys", keys).endpoint_key("key").cache_key(&["key"]))
        .entity(
            EntitySchema::new("guard_passwords", passwords)
                .endpoint_key("username")
                .cache_key(&["username"])
                .transformation(Transformation {
                    input: &["password"],
                    needs: &[],
                    on_write: |document| {
                        let hashed = format!("hash of {}", document["password"].as_str().unwrap_or_default());
                        Fields::from_iter([("password".to_owned(), Value::String(hashed))])
                    },
                }),
        );
    let limit =
        PluginSchema::new("limit", 900).protocols_http().config(Schema::record([Field::integer("minute").gt(0)]));
    Registry::new(RouterFlavor::TraditionalCompatible, [guard, limit])
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn parse_value(config: Value, flatten_errors: bool) -> Result<Declared, ConfigError> {
    parse(&registry(), object(config), Options { flatten_errors }, &Known::default(), &mut Fixed(0))
}

fn declared(config: Value) -> Declared {
    parse_value(config, false).unwrap_or_else(|error| panic!("{error}"))
}

fn answer(config: Value) -> Value {
    serde_json::from_str(&answer_of(&declared(config))).expect("the answer is JSON")
}

/// The same in parts of any size, and as long as it is said to be.
fn answer_of(declared: &Declared) -> String {
    let whole = declared.clone().into_answer(&mut Fixed(0)).part(usize::MAX / 2).expect("there always is an answer");
    for size in [1, 700] {
        let mut answer = declared.clone().into_answer(&mut Fixed(0));
        assert_eq!(answer.length(), whole.len(), "{whole}");
        let parts: String = std::iter::from_fn(|| answer.part(size)).collect();
        assert_eq!(parts, whole);
    }
    whole
}

/// The message without what all begin with, and the fields.
fn refused(config: Value) -> (String, Value) {
    let body = parse_value(config, false).expect_err("it is wrong").body();
    assert_eq!((body["code"].clone(), body["name"].as_str()), (json!(14), Some("invalid declarative configuration")));
    let message = body["message"].as_str().expect("there is a message");
    let rest = message.strip_prefix("declarative config is invalid: ").expect("messages begin so");
    (rest.to_owned(), body["fields"].clone())
}

/// What is not about entities, and the list of entities.
fn flattened(config: Value) -> (Value, Value) {
    let body = parse_value(config, true).expect_err("it is wrong").body();
    (body["fields"].clone(), body["flattened_errors"].clone())
}

fn with(kinds: Value) -> Value {
    let mut config = object(kinds);
    config.insert("_format_version".to_owned(), json!("3.0"));
    Value::Object(config)
}

#[test]
fn children_are_taken_out_of_parents() {
    let answer = answer(with(json!({
        "services": [{
            "name": "shop", "url": "http://shop.example:81/base",
            "routes": [{"name": "cart", "paths": ["/cart"], "plugins": [{"name": "limit", "config": {"minute": 5}}]}],
        }],
        "routes": [{"name": "flat", "paths": ["/flat"], "service": "shop"}],
    })));
    let (id, shop) = object(answer["services"].clone()).into_iter().next().expect("there is one");
    assert_eq!((&shop["host"], &shop["port"], &shop["path"]), (&json!("shop.example"), &json!(81), &json!("/base")));
    let routes = object(answer["routes"].clone());
    assert!(routes.values().all(|route| route["service"] == json!({ "id": id })));
    let cart = routes.values().find(|route| route["name"] == "cart").expect("it is there");
    let (_, plugin) = object(answer["plugins"].clone()).into_iter().next().expect("there is one");
    assert_eq!((&plugin["route"], &plugin["service"]), (&json!({"id": cart["id"]}), &Value::Null));
}

#[test]
fn ids_follow_from_names() {
    let answer = answer(with(json!({
        "services": [{"name": "ysvc", "host": "h", "routes": [{"name": "yroute", "paths": ["/y"]}]}],
        "consumers": [{"username": "c1", "plugins": [{"name": "limit"}]}],
        "upstreams": [{"name": "up1", "targets": [{"target": "127.0.0.1:18080"}]}],
        "plugins": [{"name": "guard"}],
    })));
    let has = |kind: &str, id: &str| assert!(answer[kind].get(id).is_some(), "{kind} have no {id}: {}", answer[kind]);
    has("services", "48d7cf3f-7dc4-5fb8-ada4-4a69de8fc84d");
    has("routes", "16daf245-b214-53bb-81b8-06237cfae899");
    has("consumers", "4d5e7c0d-0a40-57eb-bebf-ffe8337d5e4b");
    has("upstreams", "85b92587-e1f9-522f-9495-6e2d3b1f379e");
    has("targets", "0e6ebbdb-6092-5b0b-a101-db4522b0f45c");
}

#[test]
fn nameless_entities_have_ids_of_their_content() {
    let config = with(json!({"services": [{"host": "a"}, {"host": "a"}, {"host": "b"}]}));
    let (first, second) = (answer(config.clone()), answer(config));
    assert_eq!(first, second);
    assert_eq!(object(first["services"].clone()).len(), 3);
}

#[test]
fn passwords_are_hashed_unless_told_otherwise() {
    let config = |transform: bool| {
        let users = json!([{"username": "u", "guard_passwords": [{"username": "n", "password": "p"}]}]);
        json!({"_format_version": "3.0", "_transform": transform, "consumers": users})
    };
    let password = |declared: &Declared| {
        let entity = declared.entities.iter().find(|entity| entity.kind == "guard_passwords").cloned();
        entity.expect("it is there").document()["password"].clone()
    };
    let plain = declared(config(true));
    assert_eq!(password(&plain), "hash of p");
    assert!(answer_of(&plain).contains(r#""password":"p""#), "who wrote it sees what was written");
    assert_eq!(password(&declared(config(false))), "p");
}

/// A clock that shows this time, in milliseconds.
struct At(u64);

impl Source for At {
    fn now_ms(&mut self) -> u64 {
        self.0
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

#[test]
fn what_is_loaded_again_keeps_the_time_it_was_made() {
    let load = |at: u64, known: &Known, host: &str| {
        let config = with(json!({
            "services": [{"name": "a", "host": host}, {"name": "b", "host": "b", "created_at": 5}],
            "upstreams": [{"name": "u"}],
            "consumers": [{"username": "c", "guard_passwords": [{"username": "n", "password": "p"}]}],
        }));
        let mut declared =
            parse(&registry(), object(config), Options::default(), known, &mut At(at)).expect("it is valid");
        let known = known.keep_times(&mut declared, &mut At(at));
        (declared, known)
    };
    let times = |declared: &Declared| {
        let time = |document: &Map<String, Value>, name| document.get(name).map_or(String::new(), Value::to_string);
        let each = declared.entities.iter().map(|entity| {
            let document = entity.document();
            format!("{} {} {}", entity.kind, time(&document, "created_at"), time(&document, "updated_at"))
        });
        each.collect::<Vec<_>>()
    };
    let (first, known) = load(1_999_125, &Known::default(), "h");
    let (again, known) = load(1_000_000_000_000, &known, "h");
    // Of what says itself when it was made, it is told when it was loaded.
    let own = |entity: &&Entity| !entity.body.contains(r#""created_at":5"#);
    let bodies = |declared: &Declared| {
        declared.entities.iter().filter(own).map(|entity| entity.body.clone()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(&first), bodies(&again));
    assert_eq!(answer_of(&first).matches("1999.125").count(), answer_of(&again).matches("1999.125").count());
    let (changed, _) = load(1_000_000_500_000, &known, "other");
    let (before, after) = (times(&again), times(&changed));
    let new: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(new, ["services 1000000500 1000000500", "services 5 1000000500"]);
}

#[test]
fn kinds_come_after_those_they_refer_to() {
    let declared = declared(with(json!({
        "routes": [{"name": "r", "paths": ["/"], "service": "s"}],
        "guard_keys": [{"key": "k", "consumer": "c"}],
        "consumers": [{"username": "c"}],
        "services": [{"name": "s", "host": "h"}],
    })));
    let place = |kind: &str| declared.entities.iter().position(|entity| entity.kind == kind);
    assert!(place("services") < place("routes"));
    assert!(place("consumers") < place("guard_keys"));
}

#[test]
fn head_is_checked() {
    let text = |text: &str| (format!("{{_format_version=\"{text}\"}}"), json!({"_format_version": text}));
    assert_eq!(refused(json!({})), text("required field missing"));
    assert_eq!(refused(json!({"_format_version": 3.0})), text("expected a string"));
    assert_eq!(refused(json!({"_format_version": "4.0"})), text("expected one of: 1.1, 2.1, 3.0"));
    assert_eq!(refused(with(json!({"_transform": 1}))).1, json!({"_transform": "expected a boolean"}));
    assert_eq!(refused(with(json!({"_comment": 1}))).1, json!({"_comment": "expected a string"}));
    assert_eq!(answer(with(json!({"_comment": "why", "_ignore": [1], "services": []}))), json!({}));
}

#[test]
fn what_is_unknown_is_said() {
    assert_eq!(
        refused(with(json!({"bogus": [1]}))),
        ("{bogus=\"unknown field\"}".to_owned(), json!({"bogus": "unknown field"}))
    );
    let (_, fields) = refused(with(json!({"services": [{"host": "h", "foo": 1}]})));
    assert_eq!(fields, json!({"services": [{"foo": "unknown field"}]}));
}

#[test]
fn lists_hold_entities() {
    assert_eq!(refused(with(json!({"services": "x"}))).1, json!({"services": "expected an array"}));
    assert_eq!(refused(with(json!({"services": [1]}))).1, json!({"services": ["expected a record"]}));
    assert_eq!(answer(with(json!({"services": {}, "routes": null}))), json!({}));
    let (_, fields) = refused(with(json!({"services": [{"host": "h", "routes": "x"}]})));
    assert_eq!(fields, json!({"services": [{"routes": "expected an array"}]}));
}

#[test]
fn errors_are_shown_where_they_are() {
    let (message, fields) = refused(with(json!({
        "services": [{"host": "h", "routes": [{"paths": ["/ok"]}, {"paths": ["x"]}]}],
        "upstreams": [{"name": "u", "hash_on": "header"}],
    })));
    assert_eq!(
        fields["services"],
        json!([{"routes": [null, {"paths": ["should start with: / (fixed path) or ~/ (regex path)"]}]}])
    );
    let upstreams = "upstreams={{[\"@entity\"]={\"failed conditional validation given value of field 'hash_on'\"},\
                     hash_on_header=\"required field missing\"}}";
    let services = "services={{routes={[2]={paths={\"should start with: / (fixed path) or ~/ (regex path)\"}}}}}";
    assert_eq!(message, format!("{{{services},{upstreams}}}"));
}

#[test]
fn dangling_references_are_named() {
    let text = "invalid reference 'service: gone' (no such entry in 'services')";
    let route = json!({"name": "r", "paths": ["/"], "service": "gone"});
    assert_eq!(refused(with(json!({"routes": [route]}))).1, json!({"routes": {"r": [text]}}));
    let long = json!({"name": "r", "paths": ["/"], "service": {"id": "00000000-0000-0000-0000-000000000000"}});
    let text =
        "invalid reference 'service: {\"id\":\"00000000-0000-0000-0000-000000000000\"}' (no such entry in 'services')";
    assert_eq!(refused(with(json!({"routes": [long]}))).1, json!({"routes": {"r": [text]}}));
    // Beside other errors they are malformed keys.
    let config = with(json!({"routes": [{"name": "r", "paths": ["x"], "service": "gone"}]}));
    let expected = json!({"routes": [{"paths": ["should start with: / (fixed path) or ~/ (regex path)"], "service": {"id": "missing primary key"}}]});
    assert_eq!(refused(config).1, expected);
}

#[test]
fn long_references_need_an_id() {
    let config = with(json!({
        "services": [{"name": "s", "host": "h"}],
        "routes": [{"name": "r", "paths": ["/"], "service": {"name": "s"}}],
    }));
    assert_eq!(refused(config).1, json!({"routes": [{"service": {"id": "missing primary key"}}]}));
    let id = "11111111-1111-4111-8111-111111111111";
    let config = with(json!({
        "services": [{"id": id, "host": "h"}],
        "routes": [{"name": "r", "paths": ["/"], "service": {"id": id}}],
    }));
    assert!(answer(config)["routes"].to_string().contains(id));
}

#[test]
fn nobody_refers_elsewhere_from_inside() {
    let config = with(
        json!({"certificates": [], "consumers": [{"username": "c", "guard_keys": [{"key": "k", "consumer": "gone"}]}]}),
    );
    assert_eq!(refused(config).1, json!({"consumers": [{"guard_keys": [{"consumer": "value must be null"}]}]}));
    let (_, fields) =
        refused(with(json!({"consumers": [{"username": "c"}], "plugins": [{"name": "guard", "consumer": "c"}]})));
    assert_eq!(fields, json!({"plugins": [{"consumer": "value must be null"}]}));
}

#[test]
fn names_and_ids_are_unique() {
    let taken = |kind: &str, field: &str, value: &str| {
        format!("uniqueness violation: '{kind}' entity with {field} set to '{value}' already declared")
    };
    let (message, fields) =
        refused(with(json!({"services": [{"name": "d", "host": "a"}, {"name": "d", "host": "b"}]})));
    assert_eq!(fields, json!({"services": [null, taken("services", "name", "d")]}));
    assert_eq!(message, format!("{{services={{[2]=\"{}\"}}}}", taken("services", "name", "d")));
    let (_, fields) = refused(with(json!({"plugins": [{"name": "limit"}, {"name": "limit"}]})));
    let text = fields["plugins"][1].as_str().expect("the second is refused");
    assert!(text.starts_with("uniqueness violation: 'plugins' entity with primary key set to '"), "{text}");
    let users = json!([{"username": "a", "custom_id": "1"}, {"username": "b", "custom_id": "1"}]);
    let (_, fields) = refused(with(json!({"consumers": users})));
    assert_eq!(fields, json!({"consumers": {"b": taken("consumers", "custom_id", "1")}}));
}

#[test]
fn errors_by_entity() {
    let (fields, list) = flattened(with(json!({
        "bogus": 1,
        "services": [{
            "id": "11111111-1111-4111-8111-111111111111", "name": "s", "tags": ["t"], "protocol": "tcp", "path": "/x",
            "host": "h", "routes": [{"name": "r", "paths": ["x"]}],
        }],
    })));
    assert_eq!(fields, json!({"bogus": "unknown field"}));
    let service = json!({"id": "11111111-1111-4111-8111-111111111111"});
    assert_eq!(
        list,
        json!([
            {
                "entity_type": "route",
                "entity_name": "r",
                "entity": {"name": "r", "paths": ["x"], "service": service},
                "errors": [{"type": "field", "field": "paths.1", "message": "should start with: / (fixed path) or ~/ (regex path)"}],
            },
            {
                "entity_type": "service",
                "entity_name": "s",
                "entity_id": "11111111-1111-4111-8111-111111111111",
                "entity_tags": ["t"],
                "entity": {
                    "id": "11111111-1111-4111-8111-111111111111", "name": "s", "tags": ["t"], "protocol": "tcp",
                    "path": "/x", "host": "h",
                },
                "errors": [
                    {"type": "field", "field": "path", "message": "value must be null"},
                    {
                        "type": "entity",
                        "message": "failed conditional validation given value of field 'protocol'",
                    },
                ],
            },
        ])
    );
}

#[test]
fn errors_by_entity_show_derived_ids() {
    let (fields, list) = flattened(with(json!({"consumers": [{"username": "d"}, {"username": "d"}]})));
    assert_eq!(fields, json!({}));
    let id = "d98c608d-74cc-5de3-99a7-f12d27a8e9b3";
    let text = "uniqueness violation: 'consumers' entity with username set to 'd' already declared";
    assert_eq!(
        list,
        json!([{
            "entity_type": "consumer", "entity_id": id, "entity": {"username": "d", "id": id},
            "errors": [{"type": "entity", "message": text}],
        }])
    );
    // What is wrong with no entity in particular is an empty object.
    assert_eq!(flattened(with(json!({"services": 1}))).1, json!({}));
}

#[test]
fn old_formats_mark_expressions() {
    let paths = |format: &str| {
        let routes = json!([{"name": "r", "paths": ["/plain-1.0/x", "/a/\\d+"]}]);
        let answer = answer(json!({"_format_version": format, "routes": routes}));
        object(answer["routes"].clone()).into_iter().next().expect("there is one").1["paths"].clone()
    };
    assert_eq!(paths("2.1"), json!(["/plain-1.0/x", "~/a/\\d+"]));
    assert_eq!(paths("1.1"), paths("2.1"));
}

#[test]
fn texts_are_json_or_yaml() {
    let yaml = "_format_version: '3.0'\nservices:\n- name: a\n  host: h\n";
    let json = r#"{"_format_version": "3.0", "services": [{"name": "a", "host": "h"}]}"#;
    assert_eq!(read_text(yaml), read_text(json));
    let why = |text: &str| read_text(text).expect_err("it is wrong").fields()["error"].clone();
    assert_eq!(why("foo"), "failed parsing declarative configuration: expected an object");
    assert_eq!(why("12"), "failed parsing declarative configuration: expected an object");
    assert_eq!(why(""), "failed parsing declarative configuration: expected an object");
    assert_eq!(why("a: [b"), "failed parsing declarative configuration: 1:5: did not find expected ',' or ']'");
    assert_eq!(hash_of_text("a"), "0cc175b9c0f1b6a831c399e269772661");
}

#[test]
fn aliases_do_not_explode() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        let refer = format!("*a{before}, ").repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", refer.trim_end_matches(", ")));
    }
    assert!(read_text(&text).is_err());
}

#[test]
fn lines_name_places() {
    let error = parse_value(with(json!({"routes": [{"name": "r", "paths": ["x"]}]})), false).expect_err("it is wrong");
    assert_eq!(error.lines(), ["routes.1.paths.1: should start with: / (fixed path) or ~/ (regex path)"]);
}

fn entities() -> impl Strategy<Value = Value> {
    let service = ("[a-z]{1,8}", 0_u16.., prop::option::of(0_u32..32767), prop::collection::vec("[a-z]{1,4}", 0..3));
    let services = prop::collection::vec(service, 0..6).prop_map(|all| {
        let each = all.into_iter().enumerate().map(|(at, (name, port, retries, tags))| {
            let route = json!({"name": format!("r{at}"), "paths": [format!("/{name}")]});
            let plugin = json!({"name": "limit", "config": {"minute": u32::from(port) + 1}});
            json!({
                "name": format!("{name}{at}"), "host": name, "port": port, "retries": retries, "tags": tags,
                "routes": [route], "plugins": [plugin],
            })
        });
        each.collect::<Value>()
    });
    let users = prop::collection::btree_set("[a-z]{1,6}", 0..4).prop_map(|names| {
        let each = names.into_iter().map(|name| {
            let password = json!({"username": name, "password": format!("p{name}")});
            json!({"username": name, "guard_keys": [{"key": format!("key-{name}")}], "guard_passwords": [password]})
        });
        each.collect::<Value>()
    });
    (services, users).prop_map(|(services, users)| with(json!({"services": services, "consumers": users})))
}

proptest! {
    #[test]
    fn what_is_exported_reads_the_same(config in entities()) {
        let registry = registry();
        let declared = declared(config);
        let documents = declared.entities.iter().map(|entity| (entity.kind, entity.document()));
        let text = export(&registry, documents);
        let again = parse(&registry, read_text(&text).expect("it is YAML"), Options::default(), &Known::default(), &mut Fixed(0));
        let again = again.unwrap_or_else(|error| panic!("{error} in {text}"));
        let list = |declared: &Declared| {
            declared.entities.iter().map(|entity| (entity.kind, entity.document())).collect::<Vec<_>>()
        };
        prop_assert_eq!(list(&again), list(&declared));
    }

    #[test]
    fn nothing_panics(text in "[\\[\\]{}:,\\-\"'&*!|>%@ a-z0-9_\n]{0,200}") {
        if let Ok(config) = read_text(&text) {
            let result = parse(&registry(), config, Options { flatten_errors: true }, &Known::default(), &mut Fixed(0));
            prop_assert!(result.is_ok() || result.is_err_and(|error| !error.to_string().is_empty()));
        }
    }
}
