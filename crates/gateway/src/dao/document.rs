//! Documents as records, and records as documents.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use jiff::Timestamp;
use serde_json::Value;
use store::{Draft, Record};

use super::key;

/// What goes into the store for a complete document.
pub fn draft(entity: &EntitySchema, document: &Fields, expires: Option<Timestamp>) -> Draft {
    let body = serde_json::to_string(document).expect("documents are JSON");
    let facts = entity.facts(document);
    let keys = |of: Vec<(&str, String)>| of.into_iter().map(|(kind, id)| key(kind, &id)).collect();
    Draft {
        key: key(entity.name(), &facts.id),
        body: body.into(),
        labels: facts.tags.into_iter().map(|tag| (tag, String::new())).collect(),
        unique: facts.unique,
        parents: keys(facts.parents),
        references: keys(facts.references),
        expires,
    }
}

/// The id that a field refers to.
pub(super) fn foreign_id<'a>(document: &'a Fields, field: &str) -> Option<&'a str> {
    document.get(field)?.get("id")?.as_str()
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
    if entity.name() == "targets" {
        // Those of a configuration are kept as they were given; what is no address stays as it is.
        drop(super::targets::normalise(&mut shown));
    }
    if entity.has_ttl() {
        let left = expires.map(|at| at.duration_since(now).as_secs().max(0));
        shown.insert("ttl".to_owned(), left.map_or(Value::Null, Value::from));
    }
    shown
}
