//! What was loaded last, so that loading it again changes nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use gateway_model::declarative::{Declared, Entity};
use gateway_model::error::Fields;
use serde_json::Value;

/// For each entity a hash of what it says, and when it was made. Times are generated for entities that do not say,
/// and must not make each load of the same configuration another one.
#[derive(Debug, Default)]
pub(super) struct Known {
    entities: HashMap<u64, (u64, Value), RandomState>,
}

impl Known {
    /// Gives entities that have not changed the times they had; returns what is known afterwards.
    pub(super) fn keep_times(&self, declared: &mut Declared) -> Self {
        let hasher = self.entities.hasher().clone();
        let mut entities = HashMap::with_capacity_and_hasher(declared.entities.len(), hasher.clone());
        for entity in &mut declared.entities {
            let key = hasher.hash_one((entity.kind, entity.id()));
            let content = content(&hasher, &entity.document);
            let created = entity.document.get("created_at").cloned().unwrap_or_default();
            let generated = entity.document.get("updated_at").is_none_or(|updated| *updated == created);
            let made = match self.entities.get(&key) {
                Some((before, made)) if *before == content && generated && !created.is_null() => {
                    set_times(entity, made);
                    made.clone()
                }
                _ => created,
            };
            entities.insert(key, (content, made));
        }
        Self { entities }
    }
}

fn set_times(entity: &mut Entity, made: &Value) {
    for document in [Some(&mut entity.document), entity.given.as_mut()].into_iter().flatten() {
        for name in ["created_at", "updated_at"] {
            if let Some(time) = document.get_mut(name) {
                time.clone_from(made);
            }
        }
    }
}

/// A hash of a document without its times.
fn content(hasher: &RandomState, document: &Fields) -> u64 {
    let mut state = hasher.build_hasher();
    for (name, value) in document.iter().filter(|(name, _)| !matches!(name.as_str(), "created_at" | "updated_at")) {
        name.hash(&mut state);
        add(value, &mut state);
    }
    state.finish()
}

fn add(value: &Value, state: &mut impl Hasher) {
    match value {
        Value::Null => state.write_u8(0),
        Value::Bool(flag) => (1_u8, flag).hash(state),
        Value::Number(number) => (2_u8, number).hash(state),
        Value::String(text) => (3_u8, text).hash(state),
        Value::Array(items) => {
            (4_u8, items.len()).hash(state);
            items.iter().for_each(|item| add(item, state));
        }
        Value::Object(map) => {
            (5_u8, map.len()).hash(state);
            map.iter().for_each(|(name, value)| {
                name.hash(state);
                add(value, state);
            });
        }
    }
}
