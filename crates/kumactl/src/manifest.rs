//! A resource as written in a file, understood well enough to be sent.

use anyhow::{Context as _, bail};
use base::Problems;
use mesh_model::{KINDS, Kind, Scope};
use serde_json::{Map, Value};

/// Fields that say who a resource is, as opposed to what it means.
const META_FIELDS: [&str; 7] = ["type", "mesh", "name", "labels", "creationTime", "modificationTime", "kri"];
/// In the Kubernetes form, the label that names the mesh.
const MESH_LABEL: &str = "kuma.io/mesh";

/// A resource that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) kind: &'static Kind,
    /// `None` for kinds of global scope.
    pub(crate) mesh: Option<String>,
    pub(crate) name: String,
    /// The REST object.
    pub(crate) object: Value,
}

impl Manifest {
    /// Reads a resource in the universal or the Kubernetes form and checks it. `default_mesh` is the mesh of
    /// resources that name none, if somebody chose it.
    pub(crate) fn from_value(value: Value, default_mesh: Option<&str>) -> anyhow::Result<Self> {
        let Value::Object(object) = value else { bail!("a resource must be a mapping with a \"type\"") };
        let mut object = match object.contains_key("apiVersion") {
            true => from_kubernetes(object)?,
            false => object,
        };
        let kind = kind_of(&object)?;
        let name = text_field(&object, "name")?.context("Name field cannot be empty")?;
        let mesh = match kind.scope {
            Scope::Global => None,
            Scope::Mesh => {
                let mesh = text_field(&object, "mesh")?.or_else(|| default_mesh.map(str::to_owned));
                Some(mesh.with_context(|| {
                    format!("{} {name:?}: Mesh field cannot be empty; write \"mesh: default\" or use --mesh", kind.name)
                })?)
            }
        };
        if let Err(problems) = check(kind, &object) {
            let list: String = problems.0.iter().map(|problem| format!("\n* {problem}")).collect();
            bail!("{} {name:?} is not valid{list}", kind.name);
        }
        if let Some(mesh) = &mesh {
            object.insert("mesh".into(), mesh.as_str().into());
        }
        Ok(Self { kind, mesh, name, object: Value::Object(object) })
    }
}

fn kind_of(object: &Map<String, Value>) -> anyhow::Result<&'static Kind> {
    let word = text_field(object, "type")?.context("Type field cannot be empty")?;
    Kind::by_name(&word).with_context(|| {
        let known: Vec<_> = KINDS.iter().filter(|kind| !kind.read_only).map(|kind| kind.name).collect();
        format!("unknown type {word:?}; known are {}", known.join(", "))
    })
}

/// A text that is there and not empty.
fn text_field(object: &Map<String, Value>, field: &str) -> anyhow::Result<Option<String>> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => bail!("{field}: must be text; write it in quotes: \"{number}\""),
        Some(_) => bail!("{field}: must be text"),
    }
}

fn check(kind: &'static Kind, object: &Map<String, Value>) -> Result<(), Problems> {
    let mut body = object.clone();
    for field in META_FIELDS {
        body.shift_remove(field);
    }
    mesh_model::parse(kind, &Value::Object(body)).map(drop)
}

/// `apiVersion`, `kind`, `metadata`, `mesh`, `spec` to the universal form.
fn from_kubernetes(mut object: Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
    let version = text_field(&object, "apiVersion")?.unwrap_or_default();
    if !version.starts_with("kuma.io/") {
        bail!("apiVersion {version:?} is not one of the mesh's (kuma.io/v1alpha1)");
    }
    let kind = text_field(&object, "kind")?.context("kind: cannot be empty")?;
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata.clone(),
        _ => bail!("metadata: must be a mapping with a \"name\""),
    };
    let name = text_field(&metadata, "name").context("metadata")?.context("metadata.name: cannot be empty")?;
    let labels = metadata.get("labels").filter(|labels| !labels.is_null());
    let label = labels.and_then(|labels| labels.get(MESH_LABEL)).and_then(Value::as_str);
    let mesh = text_field(&object, "mesh")?.or_else(|| label.map(str::to_owned));

    let mut universal = Map::new();
    universal.insert("type".into(), kind.into());
    universal.extend(mesh.map(|mesh| ("mesh".to_owned(), mesh.into())));
    universal.insert("name".into(), name.into());
    universal.extend(labels.map(|labels| ("labels".to_owned(), labels.clone())));
    match object.shift_remove("spec") {
        None | Some(Value::Null) => {}
        Some(Value::Object(spec)) => {
            if let Some(field) = spec.keys().find(|key| META_FIELDS.contains(&key.as_str())) {
                bail!("spec.{field}: unknown field");
            }
            universal.extend(spec);
        }
        Some(_) => bail!("spec: must be a mapping"),
    }
    Ok(universal)
}

#[cfg(test)]
mod tests;
