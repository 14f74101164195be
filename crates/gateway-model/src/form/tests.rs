use serde_json::json;

use super::*;
use crate::entities::RouterFlavor;
use crate::registry::{PluginSchema, Registry};
use crate::schema::{Element, Field, Schema};
use crate::types;

fn registry() -> Registry {
    let limits = Field::map("limits", Element::string(), Element::record(Schema::record([Field::number("minute")])));
    let config = Schema::record([
        Field::array("key_names", Element::string()),
        Field::boolean("hide_credentials"),
        limits,
        Field::record("redis", types::redis()),
    ]);
    let plugin = PluginSchema::new("key-auth", 1).protocols_http().config(config);
    Registry::new(RouterFlavor::default(), [plugin])
}

fn decoded(entity: &str, form: &str) -> Value {
    let registry = registry();
    let pairs = parse(form.as_bytes()).expect("few fields");
    Value::Object(decode(pairs, registry.entity(entity), None).expect("few fields"))
}

#[test]
fn names_nest_by_dots_and_brackets() {
    let name = |name: &str| Step::Name(name.to_owned());
    assert_eq!(steps("a.b[1][c]"), [name("a"), name("b"), Step::Index(1), name("c")]);
    assert_eq!(steps("paths[]"), [name("paths"), Step::Append]);
    assert_eq!(steps(".a"), [name(".a")]);
    assert_eq!(steps("a."), [name("a.")]);
    assert_eq!(steps("a[b"), [name("a[b")]);
}

#[test]
fn scalars_get_the_type_of_their_field() {
    assert_eq!(
        decoded("services", "host=h&port=80&enabled=false&path=&retries=x"),
        json!({"host": "h", "port": 80, "enabled": false, "path": null, "retries": "x"})
    );
    assert_eq!(decoded("services", "foo=1"), json!({"foo": "1"}));
}

#[test]
fn lists_are_repeated_appended_or_numbered() {
    for form in ["paths=/a&paths=/b", "paths[]=/a&paths[]=/b", "paths%5B2%5D=/b&paths%5B1%5D=/a"] {
        assert_eq!(decoded("routes", form), json!({"paths": ["/a", "/b"]}), "{form}");
    }
    assert_eq!(decoded("routes", "paths=/a"), json!({"paths": ["/a"]}));
    assert_eq!(
        decoded("routes", "sources[1].ip=1.1.1.1&sources[1].port=80"),
        json!({"sources": [{"ip": "1.1.1.1", "port": 80}]})
    );
}

#[test]
fn maps_take_both_notations() {
    for form in ["headers.x-foo=1", "headers[x-foo]=1"] {
        assert_eq!(decoded("routes", form), json!({"headers": {"x-foo": ["1"]}}), "{form}");
    }
}

#[test]
fn configurations_are_typed_by_their_plugin() {
    assert_eq!(
        decoded(
            "plugins",
            "name=key-auth&config.key_names=k&config.hide_credentials=true&config.limits.video.minute=10&\
             config.redis.port=1"
        ),
        json!({"name": "key-auth", "config": {
            "key_names": ["k"], "hide_credentials": true, "limits": {"video": {"minute": 10}}, "redis": {"port": 1},
        }})
    );
    let registry = registry();
    let current = Fields::from_iter([("name".to_owned(), json!("key-auth"))]);
    let pairs = parse(b"config.key_names[]=a+b").expect("one field");
    let changes = decode(pairs, registry.entity("plugins"), Some(&current)).expect("one field");
    assert_eq!(Value::Object(changes), json!({"config": {"key_names": ["a b"]}}));
}

#[test]
fn without_a_kind_all_is_text() {
    let pairs = parse(b"port=80&tags=a&tags=b&flag").expect("few fields");
    assert_eq!(
        Value::Object(decode(pairs, None, None).expect("few fields")),
        json!({"port": "80", "tags": ["a", "b"], "flag": true})
    );
}

#[test]
fn names_may_begin_with_any_character() {
    for form in ["\u{fffd}=1", "\u{e9}[x]=1", "a.\u{1f43b}[]=2"] {
        assert!(decode(parse(form.as_bytes()).unwrap(), None, None).is_ok(), "{form}");
    }
}

#[test]
fn forms_have_a_limit() {
    let form = "a=1&".repeat(MAX_FIELDS);
    assert_eq!(parse(form.as_bytes()).map(|pairs| pairs.len()), Ok(MAX_FIELDS));
    assert_eq!(parse(format!("{form}a=1").as_bytes()), Err(FormError::TooManyFields));
}
