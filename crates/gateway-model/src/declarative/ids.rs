//! Ids of entities that come without: the same for the same content.

use md5::{Digest, Md5};
use serde_json::Value;
use uuid::{Builder, Uuid, uuid};

use super::given::Given;
use super::kinds::Kind;

/// What all derived ids begin with.
const ROOT: Uuid = uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5");

/// Where a workspace would stand in a key.
const ANY_WORKSPACE: &str = "*";

/// Kinds that a plain name tells apart, although they are cached by it too.
const PLAINLY_NAMED: [&str; 2] = ["snis", "key_sets"];

/// What the ids of a kind are derived from.
pub(super) fn namespace(kind: &str) -> Uuid {
    Uuid::new_v5(&ROOT, kind.as_bytes())
}

/// The id that follows from what names the entity, if anything does. `parent` is the field that refers to the entity
/// around it, and that one's id.
pub(super) fn derived(kind: &Kind<'_>, given: &Given, parent: Option<(&str, &str)>) -> Option<String> {
    let key = key(kind, given, parent)?;
    Some(text(Uuid::new_v5(&kind.namespace, key.as_bytes())))
}

fn key(kind: &Kind<'_>, given: &Given, parent: Option<(&str, &str)>) -> Option<String> {
    let cache = kind.entity.cache_fields();
    if !cache.is_empty() && !PLAINLY_NAMED.contains(&kind.name) {
        return cache_key(kind, cache, given, parent);
    }
    let (endpoint, unique) = kind.endpoint?;
    let mut key = given.get(endpoint)?.as_str()?.to_owned();
    if !unique {
        for field in kind.foreign.iter().filter(|field| field.on_delete == crate::schema::OnDelete::Cascade) {
            let of = parent.map(|(_, id)| id).or_else(|| given.get(field.name)?.as_str())?;
            key.push(':');
            key.push_str(of);
        }
        key.push(':');
        key.push_str(ANY_WORKSPACE);
    }
    Some(key)
}

/// None when something that will be generated would be part of it.
fn cache_key(kind: &Kind<'_>, fields: &[&str], given: &Given, parent: Option<(&str, &str)>) -> Option<String> {
    let mut key = format!("{}:{ANY_WORKSPACE}", kind.name);
    for name in fields {
        let field = kind.entity.fields().iter().find(|field| field.name() == *name)?;
        if field.flags.auto {
            return None;
        }
        let part = match (given.get(name), parent) {
            (Some(Value::String(text)), _) => text.as_str(),
            (Some(_), _) => continue,
            (None, Some((field, id))) if field == *name => id,
            (None, _) if field.is_required() => return None,
            (None, _) => "",
        };
        key.push(':');
        key.push_str(part);
    }
    Some(key)
}

/// An id in the form of a random one that nevertheless is the same for the same content, so that reading a
/// configuration again changes nothing. `turn` tells equal entities apart.
pub(super) fn of_content(kind: &Kind<'_>, given: &Given, parent: Option<&str>, turn: usize) -> String {
    let mut hash = Md5::new();
    hash.update(kind.name);
    hash.update(parent.unwrap_or_default());
    hash.update(serde_json::to_vec(given).expect("a document is always JSON"));
    hash.update(turn.to_le_bytes());
    text(Builder::from_random_bytes(hash.finalize().into()).into_uuid())
}

fn text(id: Uuid) -> String {
    id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}
