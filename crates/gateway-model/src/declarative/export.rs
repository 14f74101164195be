//! Entities as a configuration.

use serde_json::{Map, Value, json};

use super::kinds::Kinds;
use crate::error::Fields;
use crate::registry::Registry;

/// The YAML that [`super::parse`] reads these documents from again. They are in their stored form, and their
/// references are ids. Documents of kinds that `registry` does not know are left out.
pub fn export<'a>(registry: &Registry, documents: impl IntoIterator<Item = (&'a str, Fields)>) -> String {
    let kinds = Kinds::new(registry);
    let mut lists: Vec<Vec<Value>> = vec![Vec::new(); kinds.len()];
    for (name, mut document) in documents {
        let Some(at) = kinds.find(name) else { continue };
        let kind = kinds.get(at);
        for foreign in &kind.foreign {
            if let Some(id) = document.get(foreign.name).and_then(|key| key.get("id")).cloned() {
                document.insert(foreign.name.to_owned(), id);
            }
        }
        lists[at].push(Value::Object(document));
    }
    let mut config =
        Map::from_iter([("_format_version".to_owned(), json!("3.0")), ("_transform".to_owned(), json!(false))]);
    for (at, list) in lists.into_iter().enumerate().filter(|(_, list)| !list.is_empty()) {
        config.insert(kinds.get(at).name.to_owned(), Value::Array(list));
    }
    serde_norway::to_string(&Value::Object(config)).expect("JSON is always YAML")
}
