//! What was loaded last, so that loading it again changes nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::{Declared, Entity};

/// For each entity a hash of what it says, and when it was made. Times are generated for entities that do not say,
/// and must not make each load of the same configuration another one.
#[derive(Debug, Default)]
pub struct Known {
    entities: HashMap<u64, (u64, Option<Box<str>>), RandomState>,
}

impl Known {
    /// Gives entities that have not changed the times they had; returns what is known afterwards.
    pub fn keep_times(&self, declared: &mut Declared) -> Self {
        let hasher = self.entities.hasher().clone();
        let mut entities = HashMap::with_capacity_and_hasher(declared.entities.len(), hasher.clone());
        for entity in &mut declared.entities {
            let key = if entity.facts.id.is_empty() {
                hasher.hash_one((entity.kind, &*entity.id()))
            } else {
                hasher.hash_one((entity.kind, &*entity.facts.id))
            };
            let content = content(&hasher, entity);
            let generated = entity.updated().is_none_or(|updated| entity.created() == Some(updated));
            let known = self.entities.get(&key).filter(|(before, _)| *before == content && generated);
            let made = match known {
                Some((_, Some(made))) if entity.created().is_some() => {
                    if entity.created() != Some(made) {
                        entity.set_times(made);
                    }
                    Some(made.clone())
                }
                _ => entity.created().map(Box::from),
            };
            entities.insert(key, (content, made));
        }
        Self { entities }
    }
}

/// A hash of a document without its times.
fn content(hasher: &RandomState, entity: &Entity) -> u64 {
    let mut state = hasher.build_hasher();
    for part in entity.without_times() {
        state.write(part.as_bytes());
        state.write_u8(0xff);
    }
    state.finish()
}
