//! Between store records and resources. A record's body is `{"type"?, "labels"?, "spec"}`: what was written.

use std::sync::Arc;

use base::Problems;
use mesh_model::{KINDS, Kind, Meta, Resource, Scope};
use serde_json::{Map, Value};
use store::{Key, Record};

/// Marks records of proxies that registered themselves. It is nobody's label and never answered.
pub(crate) const REGISTERED: &str = "kuma.io/registered-by-proxy";

/// The key of a resource.
pub fn key(kind: &Kind, mesh: &str, name: &str) -> Key {
    let scope = if kind.scope == Scope::Mesh { mesh } else { "" };
    Key { collection: kind.name.into(), scope: scope.into(), name: name.into() }
}

/// The kind of meshes.
pub(super) fn mesh_kind() -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == "Mesh").expect("the table has meshes")
}

/// The resource a record holds. Fails when its collection is no kind or this version no longer understands
/// what was written.
pub fn from_record(record: &Record) -> Result<Resource, Problems> {
    let key = &record.draft.key;
    let Some(kind) = Kind::by_name(&key.collection) else {
        let mut problems = Problems::default();
        problems.add("type", format!("{} is not a known kind", key.collection));
        return Err(problems);
    };
    let body = spec_value(record);
    let spec = mesh_model::parse(kind, &body)?;
    Ok(Resource {
        meta: Meta {
            kind,
            mesh: Arc::clone(&key.scope),
            name: Arc::clone(&key.name),
            labels: labels(record).map(|(key, value)| (key.clone(), value.clone())).collect(),
            created: record.created,
            modified: record.modified,
        },
        body: Arc::new(body),
        spec,
    })
}

/// The fields of a resource as written.
pub fn spec_value(record: &Record) -> Value {
    stored(record).remove("spec").unwrap_or_else(|| Value::Object(Map::new()))
}

/// The resource as the API answers it: identity and times, then the fields as written.
pub fn render(record: &Record) -> Map<String, Value> {
    let mut stored = stored(record);
    let key = &record.draft.key;
    let mut answer = Map::new();
    answer.insert("type".into(), stored.remove("type").unwrap_or_else(|| (&*key.collection).into()));
    if !key.scope.is_empty() {
        answer.insert("mesh".into(), (&*key.scope).into());
    }
    answer.insert("name".into(), (&*key.name).into());
    answer.insert("creationTime".into(), record.created.to_string().into());
    answer.insert("modificationTime".into(), record.modified.to_string().into());
    // Clients of the old dialects know no labels: computed ones are shown to those who write labels.
    if stored.remove("labels").is_some() {
        let labels = labels(record).map(|(key, value)| (key.clone(), value.clone()));
        answer.insert("labels".into(), labels.collect());
    }
    if let Some(Value::Object(fields)) = stored.remove("spec") {
        answer.extend(fields);
    }
    answer
}

/// The labels of a resource, computed ones included.
fn labels(record: &Record) -> impl Iterator<Item = (&String, &String)> {
    record.draft.labels.iter().filter(|(key, _)| *key != REGISTERED)
}

fn stored(record: &Record) -> Map<String, Value> {
    match serde_json::from_str(&record.draft.body) {
        Ok(Value::Object(stored)) => stored,
        _ => Map::new(),
    }
}
