//! A resource as written in a file, understood well enough to be sent.

use anyhow::bail;
use base::Problems;
use mesh_model::{Draft, KINDS, Kind, Scope};
use serde_json::{Map, Value};

/// A resource that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) kind: &'static Kind,
    /// Empty for kinds of global scope.
    pub(crate) mesh: String,
    pub(crate) name: String,
    /// The REST object, in the dialect it was written in.
    pub(crate) object: Value,
}

impl Manifest {
    /// Reads a resource in the universal or the Kubernetes form and checks it. `default_mesh` is the mesh of
    /// resources that name none, if somebody chose it.
    pub(crate) fn from_value(mut value: Value, default_mesh: Option<&str>) -> anyhow::Result<Self> {
        let Value::Object(object) = &mut value else { bail!("a resource must be a mapping with a \"type\"") };
        let title = title(object);
        if let Some(mesh) = default_mesh.filter(|_| lacks_mesh(object)) {
            object.insert("mesh".into(), mesh.into());
        }
        let draft = match Draft::from_document(value) {
            Ok(draft) => draft,
            Err(problems) => bail!("{title} is not valid{}", list(problems)),
        };
        if let Err(problems) = mesh_model::parse(draft.kind, &draft.body) {
            bail!("{title} is not valid{}", list(problems));
        }
        Ok(Self { object: rest_object(&draft), kind: draft.kind, mesh: draft.mesh, name: draft.name })
    }
}

/// What to call a resource that may not be one.
fn title(object: &Map<String, Value>) -> String {
    let text = |field: &str| object.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("name").or_else(|| object.get("metadata")?.get("name")?.as_str());
    match (text("type").or(text("kind")), name) {
        (Some(kind), Some(name)) => format!("{kind} {name:?}"),
        (Some(kind), None) => kind.to_owned(),
        (None, Some(name)) => format!("the resource {name:?}"),
        (None, None) => "the resource".to_owned(),
    }
}

/// Whether the resource belongs to a mesh and does not say to which.
fn lacks_mesh(object: &Map<String, Value>) -> bool {
    let kind = object.get("type").and_then(Value::as_str).and_then(Kind::by_name);
    kind.is_some_and(|kind| kind.scope == Scope::Mesh) && object.get("mesh").is_none_or(Value::is_null)
}

fn rest_object(draft: &Draft) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), draft.kind.name.into());
    if draft.kind.scope == Scope::Mesh {
        object.insert("mesh".into(), draft.mesh.as_str().into());
    }
    object.insert("name".into(), draft.name.as_str().into());
    if !draft.labels.is_empty() {
        let labels = draft.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
        object.insert("labels".into(), Value::Object(labels.collect()));
    }
    if let Value::Object(body) = &draft.body {
        object.extend(body.iter().map(|(field, value)| (field.clone(), value.clone())));
    }
    Value::Object(object)
}

/// Problems as a list below the sentence that introduces them, with what this program can do about them.
fn list(problems: Problems) -> String {
    let lines = problems.0.into_iter().map(|mut problem| {
        if problem.path == "mesh" && problem.message == "cannot be empty" {
            problem.hint = Some("write \"mesh: default\" or use --mesh".into());
        } else if problem.path == "type" {
            let known: Vec<_> = KINDS.iter().filter(|kind| !kind.read_only).map(|kind| kind.name).collect();
            problem.hint = Some(format!("known are {}", known.join(", ")));
        }
        format!("\n* {problem}")
    });
    lines.collect()
}

#[cfg(test)]
mod tests;
