//! A resource as somebody writes it: taken apart from a whole document, checked, made a store draft.

use std::collections::BTreeMap;

use base::Problems;
use mesh_model::{Kind, Scope, Spec};
use serde_json::{Map, Value};
use store::{Draft, Key};

use super::record;

/// Longest name, in characters.
const MAX_NAME: usize = 253;
/// Longest name of a mesh, in characters: it is part of host names.
const MAX_MESH_NAME: usize = 63;
/// Fields of a document that are not part of the body. Those after `labels` are answered, never taken.
const META: &[&str] = &["type", "mesh", "name", "labels", "creationTime", "modificationTime", "kri"];

/// A resource as somebody writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its mesh; empty for kinds of global scope.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its fields in the dialect they were written in.
    pub body: Value,
    /// The `type` it was written with where that is not the name of the kind.
    pub written_type: Option<String>,
}

impl Document {
    /// Takes a document for `kind`, `mesh` and `name` of its address apart. What the document says of itself
    /// must agree with the address.
    pub fn at(kind: &'static Kind, mesh: &str, name: &str, document: Map<String, Value>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let said = |field: &str| document.get(field).unwrap_or(&Value::Null);
        if !is_type_of(kind, said("type")) {
            problems.add("type", "type from the URL has to be the same as in body");
        }
        if said("name").as_str() != Some(name) {
            problems.add("name", "name from the URL has to be the same as in body");
        }
        if !is_mesh_of(kind, mesh, name, said("mesh")) {
            problems.add("mesh", "mesh from the URL has to be the same as in body");
        }
        let labels = labels(said("labels"), &mut problems);
        let written_type = said("type").as_str().filter(|word| *word != kind.name).map(str::to_owned);
        let body = document.into_iter().filter(|(field, _)| !META.contains(&field.as_str())).collect();
        problems.into_result(Self {
            kind,
            mesh: mesh.to_owned(),
            name: name.to_owned(),
            labels,
            body: Value::Object(body),
            written_type,
        })
    }

    /// The canonical form; every problem with names, labels and fields otherwise.
    pub fn check(&self) -> Result<Spec, Problems> {
        let mut problems = Problems::default();
        check_name("name", &self.name, self.longest_name(), &mut problems);
        if self.kind.scope == Scope::Mesh {
            check_name("mesh", &self.mesh, MAX_MESH_NAME, &mut problems);
        }
        match mesh_model::parse(self.kind, &self.body) {
            Ok(spec) => problems.into_result(spec),
            Err(fields) => {
                problems.0.extend(fields.0);
                Err(problems)
            }
        }
    }

    fn longest_name(&self) -> usize {
        if *self.kind == *record::mesh_kind() { MAX_MESH_NAME } else { MAX_NAME }
    }

    /// The key in the store.
    pub fn key(&self) -> Key {
        record::key(self.kind, &self.mesh, &self.name)
    }

    /// What goes into the store.
    pub fn draft(&self) -> Draft {
        let mut stored = Map::new();
        if let Some(word) = &self.written_type {
            stored.insert("type".into(), word.clone().into());
        }
        if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|(key, value)| (key.clone(), value.clone().into()));
            stored.insert("labels".into(), Value::Object(labels.collect()));
        }
        stored.insert("spec".into(), self.body.clone());
        let parent = (self.kind.scope == Scope::Mesh).then(|| record::key(record::mesh_kind(), "", &self.mesh));
        Draft {
            key: self.key(),
            body: Value::Object(stored).to_string().into(),
            labels: self.all_labels(),
            unique: Vec::new(),
            parent,
            references: Vec::new(),
            expires: None,
        }
    }

    /// The labels that can be filtered by: those written and those that follow from what the resource is.
    fn all_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        let mut computed = |key: &str, value: &str| {
            labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        };
        computed("kuma.io/display-name", &self.name);
        computed("kuma.io/env", "universal");
        computed("kuma.io/origin", "zone");
        if !self.mesh.is_empty() {
            computed("kuma.io/mesh", &self.mesh);
        }
        labels
    }
}

/// The documents write global secrets as `type: Secret` too.
fn is_type_of(kind: &Kind, said: &Value) -> bool {
    let said = said.as_str().unwrap_or_default();
    said == kind.name || (kind.name == "GlobalSecret" && said == "Secret")
}

/// Resources of global scope name no mesh, but the oldest dialect gave a mesh itself as its mesh, and zone
/// documents show the default one.
fn is_mesh_of(kind: &Kind, mesh: &str, name: &str, said: &Value) -> bool {
    match kind.scope {
        Scope::Mesh => said.as_str() == Some(mesh),
        Scope::Global => said.is_null() || said.as_str().is_some_and(|said| ["", "default", name].contains(&said)),
    }
}

fn labels(said: &Value, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    match said {
        Value::Null => {}
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(value) if is_label(value) && !key.is_empty() && key.len() <= MAX_NAME => {
                        labels.insert(key.clone(), value.clone());
                    }
                    Value::String(_) => problems.add(
                        format!("labels[{key:?}]"),
                        "must consist of at most 63 alphanumeric characters, '-', '_' or '.', and start and end with an alphanumeric character",
                    ),
                    _ => problems.add(format!("labels[{key:?}]"), "must be a string"),
                }
            }
        }
        _ => problems.add("labels", "must be an object of strings"),
    }
    labels
}

fn is_label(value: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && ends(value.as_bytes().first())
        && ends(value.as_bytes().last())
}

fn check_name(field: &str, name: &str, longest: usize, problems: &mut Problems) {
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
