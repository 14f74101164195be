//! What is marked in the texts of entities is what a store has to know of their documents.

use super::reuse::config;
use super::*;
use crate::entity::Facts;

/// What a store is told of an entity, sort by sort.
fn told(entity: &mut Entity) -> Facts {
    let mut facts = Facts { id: entity.id().to_owned(), ttl: entity.ttl().cloned(), ..Facts::default() };
    let kinds = registry();
    let kind = |name: &str| kinds.entity(name).expect("it is known").name();
    entity.take_facts(&mut |fact| match fact {
        Fact::Tag(tag) => facts.tags.push(tag),
        Fact::Unique(field, value) => facts.unique.push((field.to_owned(), value.to_owned())),
        Fact::Parent(name, id) => facts.parents.push((kind(name), id.to_owned())),
        Fact::Reference(name, id) => facts.references.push((kind(name), id.to_owned())),
    });
    facts
}

fn compare(declared: &mut Declared) {
    let registry = registry();
    for entity in &mut declared.entities {
        let known = registry.entity(entity.kind).expect("it is known").facts(&entity.document());
        assert_eq!(told(entity), known, "{}", entity.body);
    }
}

#[test]
fn what_needs_escapes_is_told_as_it_is() {
    let mut declared = declared(with(json!({
        "services": [{
            "name": "a~ä", "host": "h", "tags": ["x \"y\"", "ä\\", "z"],
            "routes": [{"name": "r", "paths": ["/"], "tags": []}, {"paths": ["/b"], "tags": null}],
        }],
        "consumers": [
            {"username": "\"\\\n", "custom_id": "\u{1}", "guard_keys": [{"key": "k\t"}, {"key": "plain", "tags": ["t"]}]},
            {"custom_id": "c", "id": "4E3AD2E4-0BC4-4638-8E34-C84A417BA39B"},
        ],
        "upstreams": [{"name": "u", "targets": [{"target": "a:80"}]}],
    })));
    let marked = declared.entities.iter().filter(|entity| entity.is_marked()).map(|entity| entity.kind);
    // Nothing is marked in what has escapes in such places, in what may change on its way to the store, and in targets,
    // which are unique by two fields.
    assert_eq!(marked.collect::<Vec<_>>(), ["consumers", "services", "routes", "routes", "upstreams"],);
    compare(&mut declared);
}

proptest! {
    #[test]
    fn entities_tell_what_their_documents_are(configs in prop::collection::vec(config(), 1..4)) {
        let mut known = Known::default();
        for (at, config) in configs.into_iter().enumerate() {
            // Times of different lengths.
            let at = 999_999_990_500 + 333 * at as u64 * 50;
            let parsed = parse(&registry(), object(config), Options::default(), &Known::default(), &mut At(at));
            let Ok(mut declared) = parsed else { continue };
            known = known.keep_times(&mut declared, &mut At(at));
            compare(&mut declared);
        }
    }
}
