//! A resource as somebody writes it: taken out of a whole document, checked, made a store draft.

use std::collections::BTreeMap;

use base::Problems;
use mesh_model::document::Draft as Written;
use mesh_model::{Kind, Scope, Spec};
use serde_json::{Map, Value};
use store::{Draft, Key};

use super::record;

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
        let said = document.get("type").and_then(Value::as_str);
        let written_type = said.filter(|word| *word != kind.name).map(str::to_owned);
        let written = Written::from_document(Value::Object(document))?;
        written.check_address(kind, mesh, name)?;
        let Written { mesh, name, labels, body, .. } = written;
        Ok(Self { kind, mesh, name, labels, body, written_type })
    }

    /// The same from its parts. Names and labels are checked like those of a document.
    pub fn from_parts(
        kind: &'static Kind,
        mesh: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        body: Map<String, Value>,
    ) -> Result<Self, Problems> {
        let mut document = body;
        document.insert("type".into(), kind.name.into());
        document.insert("name".into(), name.into());
        if kind.scope == Scope::Mesh {
            document.insert("mesh".into(), mesh.into());
        }
        document.insert("labels".into(), labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
        Self::at(kind, mesh, name, document)
    }

    /// The canonical form; every problem with the fields otherwise.
    pub fn check(&self) -> Result<Spec, Problems> {
        mesh_model::parse(self.kind, &self.body)
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
        let mesh = (self.kind.scope == Scope::Mesh).then(|| record::key(record::mesh_kind(), "", &self.mesh));
        Draft {
            key: self.key(),
            body: Value::Object(stored).to_string().into(),
            labels: self.all_labels(),
            unique: Vec::new(),
            parents: mesh.into_iter().collect(),
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
