//! Whole documents: what users write and read, with identity and fields in one object.

use std::collections::BTreeMap;

use base::Problems;
use serde_json::{Map, Value};

use crate::resource::Resource;
use crate::{Kind, Scope};

/// Longest name, in characters.
pub const MAX_NAME: usize = 253;
/// Longest name of a mesh, in characters: it is part of host names.
pub const MAX_MESH_NAME: usize = 63;
/// Fields of a document that are not part of the body.
const META: [&str; 7] = ["type", "mesh", "name", "labels", "creationTime", "modificationTime", "kri"];
/// In the Kubernetes form, the label that names the mesh.
const MESH_LABEL: &str = "kuma.io/mesh";

/// A resource as somebody wrote it, taken apart but not yet read.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its mesh; empty for kinds of global scope.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its fields, in the dialect they were written in; what [`crate::parse`] reads.
    pub body: Value,
}

impl Draft {
    /// Takes a document apart: one with the fields next to `type`, `mesh` and `name`, one with the fields
    /// below `spec`, or one in the Kubernetes form.
    pub fn from_document(document: Value) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let Value::Object(document) = document else {
            problems.add("", "must be an object");
            return Err(problems);
        };
        let flat = if document.contains_key("apiVersion") { from_kubernetes(document) } else { from_nested(document) };
        Self::from_flat(flat, problems)
    }

    fn from_flat(document: Map<String, Value>, mut problems: Problems) -> Result<Self, Problems> {
        let kind = kind(&document, &mut problems);
        let name = text(&document, "name", &mut problems);
        let mesh = text(&document, "mesh", &mut problems);
        let labels = labels(document.get("labels").unwrap_or(&Value::Null), &mut problems);
        let Some(kind) = kind else { return Err(problems) };

        let longest = if kind.name == "Mesh" { MAX_MESH_NAME } else { MAX_NAME };
        check_name("name", &name, longest, &mut problems);
        let mesh = match kind.scope {
            // The oldest dialect gave a mesh itself as its mesh.
            Scope::Global => String::new(),
            Scope::Mesh => {
                check_name("mesh", &mesh, MAX_MESH_NAME, &mut problems);
                mesh
            }
        };
        let body = document.into_iter().filter(|(field, _)| !META.contains(&field.as_str())).collect();
        problems.into_result(Self { kind, mesh, name, labels, body: Value::Object(body) })
    }

    /// Whether the document is about what its address says.
    pub fn check_address(&self, kind: &Kind, mesh: &str, name: &str) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let mut expect = |field: &str, same: bool| {
            if !same {
                problems.add(field, format!("{field} from the URL has to be the same as in body"));
            }
        };
        expect("name", self.name == name);
        expect("type", self.kind.name == kind.name);
        expect("mesh", kind.scope == Scope::Global || self.mesh == mesh);
        problems.into_result(())
    }
}

impl Resource {
    /// The document that is answered: identity and times first, then the fields as they were written.
    pub fn document(&self) -> Value {
        let meta = &self.meta;
        let mut document = Map::new();
        document.insert("type".into(), meta.kind.name.into());
        if meta.kind.scope == Scope::Mesh {
            document.insert("mesh".into(), (*meta.mesh).into());
        }
        document.insert("name".into(), (*meta.name).into());
        document.insert("creationTime".into(), meta.created.to_string().into());
        document.insert("modificationTime".into(), meta.modified.to_string().into());
        if !meta.labels.is_empty() {
            let labels = meta.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            document.insert("labels".into(), Value::Object(labels.collect()));
        }
        if let Value::Object(body) = &*self.body {
            document.extend(body.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Value::Object(document)
    }
}

/// The kind that `type` names. Older documents write `Secret` for secrets of no mesh, too.
fn kind(document: &Map<String, Value>, problems: &mut Problems) -> Option<&'static Kind> {
    let word = text(document, "type", problems);
    if word.is_empty() {
        problems.add("type", "cannot be empty");
        return None;
    }
    let has_mesh = document.get("mesh").is_some_and(|mesh| !mesh.is_null());
    let name = if word == "Secret" && !has_mesh { "GlobalSecret" } else { word.as_str() };
    let kind = Kind::by_name(name);
    if kind.is_none() {
        problems.add("type", format!("unknown type {word:?}"));
    }
    kind
}

fn text(document: &Map<String, Value>, field: &str, problems: &mut Problems) -> String {
    match document.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => {
            problems.add(field, "must be a string");
            String::new()
        }
    }
}

fn check_name(field: &str, name: &str, longest: usize, problems: &mut Problems) {
    if problems.0.iter().any(|problem| problem.path == field) {
        return;
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if name.is_empty() {
        problems.add(field, "cannot be empty");
    } else if name.len() > longest {
        problems.add(field, format!("cannot be longer than {longest} characters"));
    } else if !name.bytes().all(allowed) {
        problems.add(
            field,
            "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols.",
        );
    }
}

fn labels(said: &Value, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let entries = match said {
        Value::Null => return labels,
        Value::Object(entries) => entries,
        _ => {
            problems.add("labels", "must be an object");
            return labels;
        }
    };
    for (key, value) in entries {
        let path = format!("labels[{key:?}]");
        let Value::String(value) = value else {
            problems.add(path, "must be a string");
            continue;
        };
        if !is_label_key(key) {
            problems.add(
                path,
                "name must be at most 63 alphanumeric characters, '-', '_' or '.', and start and end with an \
                 alphanumeric character, after an optional domain and '/'",
            );
        } else if !is_label_value(value) {
            problems.add(
                path,
                "must be at most 63 alphanumeric characters, '-', '_' or '.', and start and end with an \
                 alphanumeric character",
            );
        } else {
            labels.insert(key.clone(), value.clone());
        }
    }
    labels
}

fn is_label_key(key: &str) -> bool {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    let is_domain = |domain: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        (1..=MAX_NAME).contains(&domain.len()) && domain.bytes().all(allowed)
    };
    !name.is_empty() && is_label_value(name) && domain.is_none_or(is_domain)
}

fn is_label_value(value: &str) -> bool {
    let at_end = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && at_end(value.bytes().next())
        && at_end(value.bytes().last())
}

/// Lifts the fields below `spec`, if that is the only field besides those of identity.
fn from_nested(mut document: Map<String, Value>) -> Map<String, Value> {
    let is_nested = document.get("spec").is_some_and(Value::is_object)
        && document.keys().all(|field| field == "spec" || META.contains(&field.as_str()));
    if is_nested && let Some(Value::Object(spec)) = document.shift_remove("spec") {
        lift(spec, &mut document);
    }
    document
}

/// Lets a field of identity inside `spec` stay a field of it, where it is reported as unknown.
fn lift(spec: Map<String, Value>, document: &mut Map<String, Value>) {
    let misplaced: Map<String, Value> =
        spec.iter().filter(|(field, _)| META.contains(&field.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    document.extend(spec.into_iter().filter(|(field, _)| !META.contains(&field.as_str())));
    if !misplaced.is_empty() {
        document.insert("spec".into(), Value::Object(misplaced));
    }
}

/// `apiVersion`, `kind`, `mesh`, `metadata` and `spec` as one flat document.
fn from_kubernetes(mut document: Map<String, Value>) -> Map<String, Value> {
    let mut take = |field: &str| document.shift_remove(field).filter(|value| !value.is_null());
    take("apiVersion");
    let metadata = take("metadata").unwrap_or_default();
    let label = metadata.pointer("/labels").and_then(|labels| labels.get(MESH_LABEL)).cloned();
    let mut flat = Map::new();
    let fields = [
        ("type", take("kind")),
        ("mesh", take("mesh").or(label)),
        ("name", metadata.get("name").cloned()),
        ("labels", metadata.get("labels").cloned()),
    ];
    flat.extend(fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))));
    match take("spec") {
        Some(Value::Object(spec)) => lift(spec, &mut flat),
        Some(other) => drop(flat.insert("spec".into(), other)),
        None => {}
    }
    // What is left is unknown to every kind, and reported as such.
    flat.extend(document);
    flat
}

#[cfg(test)]
mod tests;
