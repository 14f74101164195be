//! Documents as records, and records as documents.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use gateway_model::schema::OnDelete;
use jiff::Timestamp;
use serde_json::Value;
use store::{Draft, Record};

use super::key;

/// What goes into the store for a complete document.
pub fn draft(entity: &EntitySchema, document: &Fields, expires: Option<Timestamp>) -> Draft {
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
    let body = serde_json::to_string(document).expect("documents are JSON");
    let mut draft = Draft::new(key(entity.name(), id), body);
    if let Some(Value::Array(tags)) = document.get("tags") {
        draft.labels = tags.iter().filter_map(Value::as_str).map(|tag| (tag.to_owned(), String::new())).collect();
    }
    draft.unique = entity.unique_keys().filter_map(|fields| unique(document, &fields)).collect();
    for foreign in entity.foreign_fields() {
        let Some(id) = foreign_id(document, foreign.name) else { continue };
        match foreign.on_delete {
            OnDelete::Cascade => draft.parents.push(key(foreign.reference, id)),
            OnDelete::Restrict => draft.references.push(key(foreign.reference, id)),
            OnDelete::SetNull => {}
        }
    }
    draft.expires = expires;
    draft
}

/// The id that a field refers to.
pub(super) fn foreign_id<'a>(document: &'a Fields, field: &str) -> Option<&'a str> {
    document.get(field)?.get("id")?.as_str()
}

/// The secondary key of these fields; none when there is nothing to be unique.
fn unique(document: &Fields, fields: &[&str]) -> Option<(String, String)> {
    match fields {
        [field] => match document.get(*field)? {
            Value::Null => None,
            Value::String(text) => Some(((*field).to_owned(), text.clone())),
            other => Some(((*field).to_owned(), other.to_string())),
        },
        fields => {
            let values = fields.iter().map(|field| match document.get(*field) {
                Some(Value::Object(key)) => key.get("id").cloned().unwrap_or_default(),
                value => value.cloned().unwrap_or_default(),
            });
            Some((fields.join(","), Value::Array(values.collect()).to_string()))
        }
    }
}

/// The values of a secondary key's fields.
pub(super) fn unique_values(document: &Fields, secondary: &str) -> Fields {
    let value = |field: &str| (field.to_owned(), document.get(field).cloned().unwrap_or_default());
    secondary.split(',').map(value).collect()
}

/// The document of a record, as it was written.
pub(super) fn stored(record: &Record) -> Result<Fields, DaoError> {
    let damaged = |error| DaoError::Database(format!("{} is not a document: {error}", record.draft.key));
    serde_json::from_str(&record.draft.body).map_err(damaged)
}

/// The document as reads show it.
pub(super) fn shown(entity: &EntitySchema, stored: &Fields, expires: Option<Timestamp>, now: Timestamp) -> Fields {
    let mut shown = entity.present(stored);
    if entity.has_ttl() {
        let left = expires.map(|at| at.duration_since(now).as_secs().max(0));
        shown.insert("ttl".to_owned(), left.map_or(Value::Null, Value::from));
    }
    shown
}
