use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::entities::RouterFlavor;
use crate::registry::{PluginSchema, Registry};
use crate::schema::{Element, EntityCheck, Schema};

/// A time that stands still, and bytes that are always the same.
struct Still;

impl Source for Still {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn registry(flavor: RouterFlavor) -> Registry {
    let config = Schema::record([
        Field::string("mode").one_of(["a", "b"]).default_value("a"),
        Field::integer("size").required(),
        Field::string("secret").referenceable(),
        Field::array("list", Element::string()).default_value(json!([])),
        // A default that its own check refuses.
        Field::integer("odd").default_value(4).between(5, 6),
    ])
    .check(EntityCheck::mutually_required(["secret", "list"]));
    let guard = PluginSchema::new("guard", 1000).no_consumer().protocols_http().config(config);
    Registry::new(flavor, [guard]).with_check("routes", EntityCheck::custom(["paths"], |_| Err("not today".into())))
}

/// As [`EntitySchema::fill`], field by field.
fn plainly(entity: &EntitySchema, given: Fields) -> Result<Fields, DaoError> {
    entity.check_ttl(&given)?;
    let view = entity.view(&given);
    let document = process::record(view, given, Mode::Whole, &mut Still).map_err(DaoError::SchemaViolation)?;
    let view = entity.checked_view(&document)?;
    validate::record(view, &document, Completeness::Full).map_err(DaoError::SchemaViolation)?;
    Ok(document)
}

fn values() -> impl Strategy<Value = Value> {
    let plain = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(80),
        json!(-1.5),
        json!(""),
        json!("a"),
        json!("guard"),
        json!("env"),
        json!("{vault://env/x}"),
        json!("header"),
        json!("4E3AD2E4-0bc4-4638-8e34-c84a417ba39b"),
        json!({"id": "4e3ad2e4-0bc4-4638-8e34-c84a417ba39b"}),
        json!({"size": 1, "secret": "{vault://env/x}"}),
        json!({"size": 1, "odd": 5}),
        json!({"x": ["y"]}),
        json!({}),
        json!([]),
    ]);
    let lists = prop::sample::subsequence(
        vec!["http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "/a", "/b//", "~/x(", "a.b", "GET"],
        1..3,
    );
    prop_oneof![3 => plain, 1 => lists.prop_map(|list| json!(list)), 1 => prop::sample::select(vec![json!("/a"), json!("h")])]
}

proptest! {
    #[test]
    fn defaults_that_stay_where_they_are_make_no_difference(
        given in prop::collection::vec((any::<prop::sample::Index>(), values()), 0..7),
        flavor in prop::sample::select(vec![RouterFlavor::TraditionalCompatible, RouterFlavor::Expressions]),
    ) {
        let registry = registry(flavor);
        for entity in registry.entities() {
            let names = entity.fields().iter().map(Field::name);
            let names: Vec<&str> = names.chain(["name", "protocols", "paths", "url", "ttl", "nobody"]).collect();
            let given: Fields = given.iter().map(|(name, value)| (name.get(&names).to_string(), value.clone())).collect();
            let filled = entity.fill(given.clone(), &mut Still);
            let mut text = String::new();
            if let Ok(document) = &filled {
                document.write(&mut text, &mut Vec::new());
            }
            let plain = plainly(entity, given);
            let filled = filled.map(Filled::into_map);
            match (&filled, &plain) {
                // What no field takes may come in another order.
                (Err(filled), Err(plain)) => {
                    let told = |error: &DaoError| (error.message(), error.fields());
                    prop_assert_eq!(told(filled), told(plain), "{}", entity.name());
                }
                (filled, plain) => prop_assert_eq!(filled, plain, "{}", entity.name()),
            }
            if let Ok(document) = &filled {
                let document = serde_json::to_string(document).expect("a document is JSON");
                prop_assert_eq!(text, document);
            }
        }
    }
}
