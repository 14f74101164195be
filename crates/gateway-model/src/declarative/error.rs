//! What is wrong with a configuration.

mod by_entity;
mod tree;

use serde_json::{Map, Value, json};

use super::kinds::Kinds;

pub(super) use tree::Tree;

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    fields: Value,
    by_entity: Option<Vec<Value>>,
}

impl ConfigError {
    /// One message at one place.
    pub fn text(place: &str, message: &str) -> Self {
        let mut tree = Tree::default();
        tree.field(place).set_text(message);
        Self::new(&tree, None)
    }

    pub(super) fn new(tree: &Tree, by_entity: Option<Vec<Value>>) -> Self {
        let message = format!("declarative config is invalid: {}", tree.to_lua());
        Self { message, fields: tree.to_json(), by_entity }
    }

    /// The messages by place, as a tree.
    pub fn fields(&self) -> &Value {
        &self.fields
    }

    /// The body it is answered with, with status 400.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "code": 14,
            "name": "invalid declarative configuration",
            "message": self.message,
            "fields": self.fields,
        });
        if let Some(list) = &self.by_entity {
            // An empty list cannot be told from an empty object where this comes from.
            body["flattened_errors"] = if list.is_empty() { json!({}) } else { Value::Array(list.clone()) };
        }
        body
    }

    /// One line for each message, with its place, for people at a terminal.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        collect_lines(&self.fields, &mut String::new(), &mut lines);
        lines
    }
}

fn collect_lines(value: &Value, place: &mut String, lines: &mut Vec<String>) {
    let length = place.len();
    let mut below = |name: &str, value: &Value, place: &mut String| {
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(name);
        collect_lines(value, place, lines);
        place.truncate(length);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| below(name, value, place)),
        Value::Array(items) => {
            let set = items.iter().enumerate().filter(|(_, item)| !item.is_null());
            set.for_each(|(at, value)| below(&(at + 1).to_string(), value, place));
        }
        Value::String(text) => lines.push(format!("{place}: {text}")),
        other => lines.push(format!("{place}: {other}")),
    }
}

/// Errors, and what is needed to tell whose they are.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) tree: Tree,
    /// Ids that were derived, by the way to the entity.
    pub(super) ids: Vec<(Vec<(&'static str, usize)>, String)>,
}

impl Failure {
    pub(super) fn into_error(self, kinds: &Kinds<'_>, raw: Option<Map<String, Value>>) -> ConfigError {
        let Some(mut raw) = raw else { return ConfigError::new(&self.tree, None) };
        for (way, id) in self.ids {
            if let Some(entity) = find(&mut raw, &way) {
                entity.insert("id".to_owned(), Value::String(id));
            }
        }
        let (rest, list) = by_entity::split(kinds, self.tree, raw);
        ConfigError::new(&rest, Some(list))
    }
}

fn find<'a>(root: &'a mut Map<String, Value>, way: &[(&'static str, usize)]) -> Option<&'a mut Map<String, Value>> {
    way.iter().try_fold(root, |map, (name, at)| map.get_mut(*name)?.as_array_mut()?.get_mut(*at)?.as_object_mut())
}
