//! Changes of JSON bodies.

use serde_json::{Number, Value};

use super::{Config, Section, Type, pair};
use crate::json_fields::Fields;
use crate::template::number;

/// The changes, in the order in which they are made.
#[derive(Debug)]
pub(super) struct BodyChanges {
    remove: Vec<String>,
    rename: Vec<(String, String)>,
    replace: Vec<(String, Value)>,
    add: Vec<(String, Value)>,
    append: Vec<(String, Value)>,
}

impl BodyChanges {
    pub(super) fn new(config: &Config) -> Self {
        let renamed = config.rename.json.iter().map(|entry| pair(entry)).filter(|(_, new)| !new.is_empty());
        Self {
            remove: config.remove.json.iter().map(|entry| pair(entry).0.to_owned()).collect(),
            rename: renamed.map(|(old, new)| (old.to_owned(), new.to_owned())).collect(),
            replace: values(&config.replace),
            add: values(&config.add),
            append: values(&config.append),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.rename.is_empty()
            && self.replace.is_empty()
            && self.add.is_empty()
            && self.append.is_empty()
    }

    /// The body with the changes made; `None` for what has no fields.
    pub(super) fn make(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut fields = Fields::new(serde_json::from_slice(body).ok()?).ok()?;
        for name in &self.remove {
            fields.remove(name);
        }
        for (old, new) in &self.rename {
            if let Some(value) = fields.remove(old) {
                fields.set(new, value);
            }
        }
        for (name, value) in &self.replace {
            if fields.has(name) {
                fields.set(name, value.clone());
            }
        }
        for (name, value) in &self.add {
            if !fields.has(name) {
                fields.set(name, value.clone());
            }
        }
        for (name, value) in &self.append {
            fields.append(name, value.clone());
        }
        Some(fields.write())
    }
}

/// Names and values, each of the type at the same place. What is no value of its type is left out.
fn values(section: &Section) -> Vec<(String, Value)> {
    let entries = section.json.iter().map(|entry| pair(entry)).enumerate();
    entries
        .filter_map(|(at, (name, text))| Some((name.to_owned(), typed(text, section.json_types.get(at).copied())?)))
        .collect()
}

fn typed(text: &str, kind: Option<Type>) -> Option<Value> {
    match kind {
        Some(Type::Number) => number(text).and_then(Number::from_f64).map(Value::Number),
        Some(Type::Boolean) => Some(Value::Bool(text == "true")),
        None | Some(Type::String) => Some(Value::String(plain(text))),
    }
}

/// Text as it stands in JSON, but for quotes: `\` is `\\`. Nothing is `null`.
fn plain(text: &str) -> String {
    if text.is_empty() {
        return "null".to_owned();
    }
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].replace("\\\"", "\"")
}
