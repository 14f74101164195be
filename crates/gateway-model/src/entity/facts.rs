//! What a store has to know of a document.

use serde_json::Value;

use super::EntitySchema;
use crate::schema::{Document, Kind, OnDelete};

/// What a store has to know of a document besides its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its id; empty for kinds that have none.
    pub id: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Fields, or lists of fields with commas between them, whose value no two documents share, and the value.
    pub unique: Vec<(String, String)>,
    /// What it goes with: kinds and ids.
    pub parents: Vec<(&'static str, String)>,
    /// What stays as long as it is there: kinds and ids.
    pub references: Vec<(&'static str, String)>,
    /// For how many seconds it lives, as it was given.
    pub ttl: Option<Value>,
}

impl EntitySchema {
    /// What there is to know of a complete document.
    pub fn facts(&self, document: &dyn Document) -> Facts {
        let mut facts = Facts {
            id: document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            ttl: document.get("ttl").cloned(),
            ..Facts::default()
        };
        if let Some(Value::Array(tags)) = document.get("tags") {
            facts.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        for field in self.fields() {
            if field.is_unique() {
                match document.get(field.name()) {
                    None | Some(Value::Null) => {}
                    Some(Value::String(text)) => push(&mut facts.unique, (field.name().to_owned(), text.clone())),
                    Some(other) => push(&mut facts.unique, (field.name().to_owned(), other.to_string())),
                }
            }
            if let Kind::Foreign { reference, on_delete } = field.kind() {
                let id = document.get(field.name()).and_then(|key| key.get("id")).and_then(Value::as_str);
                match (id, on_delete) {
                    (Some(id), OnDelete::Cascade) => push(&mut facts.parents, (*reference, id.to_owned())),
                    (Some(id), OnDelete::Restrict) => push(&mut facts.references, (*reference, id.to_owned())),
                    (_, OnDelete::SetNull) | (None, _) => {}
                }
            }
        }
        for fields in &self.unique {
            let values = fields.iter().map(|field| match document.get(field) {
                Some(Value::Object(key)) => key.get("id").cloned().unwrap_or_default(),
                value => value.cloned().unwrap_or_default(),
            });
            push(&mut facts.unique, (fields.join(","), Value::Array(values.collect()).to_string()));
        }
        facts
    }
}

/// Adds to a list that mostly stays at one, and is kept.
fn push<T>(list: &mut Vec<T>, item: T) {
    list.reserve_exact(1);
    list.push(item);
}
