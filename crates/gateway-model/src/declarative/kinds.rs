//! What refers to what among the kinds of a node.

use std::collections::HashMap;

use uuid::Uuid;

use super::marks::Roles;
use super::{Head, ids};
use crate::entity::{EntitySchema, ForeignField};
use crate::registry::Registry;

/// Kinds that are never changed on their way to the store. They are the numerous ones.
const STORED_AS_CHECKED: [&str; 7] = ["services", "routes", "consumers", "plugins", "upstreams", "targets", "snis"];

/// A kind that is only made of the others.
const TAGS: &str = "tags";

/// Whether a configuration may have entities of this kind.
pub(super) fn is_kind(registry: &Registry, name: &str) -> bool {
    name != TAGS && registry.entity(name).is_some()
}

/// All kinds a configuration may have, each after those it refers to.
#[derive(Debug)]
pub(super) struct Kinds<'r> {
    all: Vec<Kind<'r>>,
    by_name: HashMap<&'static str, usize, foldhash::fast::FixedState>,
}

/// One kind.
#[derive(Debug)]
pub(super) struct Kind<'r> {
    pub(super) entity: &'r EntitySchema,
    pub(super) name: &'static str,
    pub(super) foreign: Vec<ForeignField>,
    /// The kinds that may stand inside, and their fields that refer to this one.
    pub(super) children: Vec<(usize, &'static str)>,
    /// The field that names documents, and whether no two have the same.
    pub(super) endpoint: Option<(&'static str, bool)>,
    /// The fields that are unique each for itself.
    pub(super) unique: Vec<&'static str>,
    /// Whether its ids are UUIDs.
    pub(super) has_uuid: bool,
    /// What its derived ids are derived from, beside the names.
    pub(super) namespace: Uuid,
    /// Whether documents may change on their way to the store.
    pub(super) transformed: bool,
    /// What a store has to know of documents, if it can be marked in them.
    pub(super) roles: Option<Roles>,
}

impl Kind<'_> {
    /// Whether documents of a configuration with this head may change on their way to the store.
    pub(super) fn is_open(&self, head: &Head) -> bool {
        self.transformed && head.transform
    }
}

impl<'r> Kinds<'r> {
    pub(super) fn new(registry: &'r Registry) -> Self {
        let mut kinds = Self { all: Vec::new(), by_name: HashMap::default() };
        for entity in registry.entities().filter(|entity| entity.name() != TAGS) {
            kinds.add(registry, entity, 0);
        }
        for at in 0..kinds.all.len() {
            let foreign = kinds.all[at].foreign.clone();
            for field in foreign {
                let parent = kinds.by_name.get(field.reference).copied();
                // A list inside of a parent must not be mistaken for a field of the parent.
                let own = |kind: &Kind<'_>, name| kind.entity.fields().iter().any(|field| field.name() == name);
                let name = kinds.all[at].name;
                if let Some(parent) = parent.filter(|parent| !own(&kinds.all[*parent], name)) {
                    kinds.all[parent].children.push((at, field.name));
                }
            }
        }
        kinds
    }

    /// Adds a kind behind those it refers to. `depth` ends circles.
    fn add(&mut self, registry: &'r Registry, entity: &'r EntitySchema, depth: usize) {
        if self.by_name.contains_key(entity.name()) || depth > 32 {
            return;
        }
        let foreign: Vec<ForeignField> = entity.foreign_fields().collect();
        for field in foreign.iter().filter(|field| field.reference != entity.name()) {
            if let Some(parent) = registry.entity(field.reference) {
                self.add(registry, parent, depth + 1);
            }
        }
        if self.by_name.contains_key(entity.name()) {
            return;
        }
        let unique: Vec<&'static str> = entity
            .unique_keys()
            .filter_map(|fields| match &*fields {
                [field] => Some(*field),
                _ => None,
            })
            .collect();
        let id = entity.fields().iter().find(|field| field.name() == "id");
        self.by_name.insert(entity.name(), self.all.len());
        self.all.push(Kind {
            name: entity.name(),
            children: Vec::new(),
            endpoint: entity.endpoint().map(|field| (field, unique.contains(&field))),
            has_uuid: entity.key_fields() == ["id"] && id.is_some_and(|id| id.flags.uuid),
            namespace: ids::namespace(entity.name()),
            transformed: !STORED_AS_CHECKED.contains(&entity.name()),
            roles: Roles::new(entity),
            unique,
            foreign,
            entity,
        });
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, at: usize) -> &Kind<'r> {
        &self.all[at]
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}
