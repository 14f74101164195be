//! What was loaded last, so that loading it again changes nothing, and costs little.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use foldhash::quality::RandomState;
use serde_json::Value;

use super::entity::{Id, Standing, without_times};
use super::given::Given;
use super::{Declared, Entity};
use crate::schema::Source;
use crate::schema::filled::Times;

/// How many places are put in at a time.
const CHUNK: usize = 64;

/// All hashes of this process are made by the same.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A hash of a kind and an id.
pub(super) fn key(kind: &str, id: &str) -> u64 {
    HASHER.hash_one((kind, id))
}

/// The entities that were loaded last.
///
/// Times are generated for entities that do not say, and must not make each load of the same configuration another one.
/// And entities that are given as they were before need not be checked, completed and written down again.
#[derive(Debug, Default)]
pub struct Known {
    /// By hashes of kind and id.
    places: HashMap<u64, usize, foldhash::fast::RandomState>,
    entities: Vec<Was>,
}

/// An entity as it was loaded.
#[derive(Debug)]
struct Was {
    /// A hash of all that it was made of.
    origin: Option<NonZeroU64>,
    body: Arc<str>,
    id: Id,
    times: Times,
}

impl Known {
    /// The entity of this kind, whose id has this key, if it was made of the same.
    pub(super) fn find(&self, kind: &'static str, key: u64, origin: NonZeroU64) -> Option<Entity> {
        let place = *self.places.get(&key)?;
        let was = self.entities.get(place).filter(|was| was.origin == Some(origin))?;
        let Was { body, id, times, .. } = was;
        Some(Entity {
            kind,
            body: Arc::clone(body),
            id: id.clone(),
            key,
            standing: Standing::Same(place),
            shown: None,
            times: *times,
            origin: Some(origin),
        })
    }

    /// A hash of all that an entity is made of: `head` of the configuration it is from, what was given, and the field
    /// that refers to the entity around it with that one's id.
    pub(super) fn origin(head: &str, given: &Given, parent: Option<(&str, &str)>) -> NonZeroU64 {
        let mut state = HASHER.build_hasher();
        (head, parent).hash(&mut state);
        hash_object(given.iter(), &mut state);
        NonZeroU64::new(state.finish()).unwrap_or(NonZeroU64::MIN)
    }

    /// Gives entities that have not changed the times they had; returns what is known afterwards.
    pub fn keep_times(&self, declared: &mut Declared, source: &mut dyn Source) -> Self {
        let mut next = Self { places: HashMap::default(), entities: Vec::with_capacity(declared.entities.len()) };
        for entity in &mut declared.entities {
            source.pause();
            if let Standing::Open { before, .. } = &mut entity.standing {
                *before = self.places.get(&entity.key).copied();
                if let Some(was) = before.map(|place| &self.entities[place]) {
                    was.lend_time(entity);
                }
            }
            next.entities.push(Was {
                origin: entity.origin,
                body: Arc::clone(&entity.body),
                id: entity.id.clone(),
                times: entity.times,
            });
        }
        // All of it at once: what is put here and there between other work is waited for each time.
        next.places.reserve(declared.entities.len());
        for (chunk, entities) in declared.entities.chunks(CHUNK).enumerate() {
            source.pause();
            next.places.extend(entities.iter().zip(chunk * CHUNK..).map(|(entity, place)| (entity.key, place)));
        }
        next
    }
}

impl Was {
    /// Gives the entity that takes the place of this one its time, if it differs in nothing else.
    fn lend_time(&self, entity: &mut Entity) {
        if let Some(made) = self.times.created.map(|span| span.of(&self.body))
            && entity.created().is_some_and(|created| created != made)
            && entity.has_generated_times()
            && without_times(&self.body, self.times) == entity.without_times()
        {
            entity.set_times(made);
        }
    }
}

fn hash_object<'d>(object: impl ExactSizeIterator<Item = (&'d str, &'d Value)>, state: &mut impl Hasher) {
    state.write_usize(object.len());
    for (name, value) in object {
        name.hash(state);
        hash_value(value, state);
    }
}

/// Values that differ hash differently, also in what tells `1` from `1.0` and in the order of fields.
fn hash_value(value: &Value, state: &mut impl Hasher) {
    match value {
        Value::Null => state.write_u8(0),
        Value::Bool(flag) => state.write_u8(1 + u8::from(*flag)),
        Value::Number(number) => {
            let (kind, bits) = match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => (3, number),
                (None, Some(number)) => (4, number.cast_unsigned()),
                (None, None) => (5, number.as_f64().unwrap_or_default().to_bits()),
            };
            state.write_u8(kind);
            state.write_u64(bits);
        }
        Value::String(text) => {
            state.write_u8(6);
            text.hash(state);
        }
        Value::Array(items) => {
            state.write_u8(7);
            state.write_usize(items.len());
            items.iter().for_each(|item| hash_value(item, state));
        }
        Value::Object(map) => {
            state.write_u8(8);
            hash_object(map.iter().map(|(name, value)| (name.as_str(), value)), state);
        }
    }
}
