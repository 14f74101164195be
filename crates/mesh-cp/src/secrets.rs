//! What the control plane itself keeps as secrets: bytes under a name, in a mesh or globally.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_model::Kind;
use serde_json::{Value, json};
use store::{Op, Record, StoreError};

use crate::resources::{Document, Outcome, ResourceError, Resources, spec_value};

/// The kind for `mesh`: secrets of a mesh, or global ones when it is empty.
pub fn kind(mesh: &str) -> &'static Kind {
    let name = if mesh.is_empty() { "GlobalSecret" } else { "Secret" };
    Kind::by_name(name).expect("the table has secrets")
}

/// A secret as a document that can be written.
pub fn document(mesh: &str, name: &str, data: &[u8]) -> Document {
    Document {
        kind: kind(mesh),
        mesh: mesh.to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        body: json!({ "data": STANDARD.encode(data) }),
        written_type: None,
    }
}

/// The bytes of the secret `name`, `None` if there is none. `mesh` is empty for global secrets.
pub async fn read(resources: &Resources, mesh: &str, name: &str) -> Result<Option<Vec<u8>>, ResourceError> {
    match resources.get(kind(mesh), mesh, name).await {
        Ok(record) => Ok(Some(data(&record))),
        Err(ResourceError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates or replaces the secret `name`. `mesh` is empty for global secrets.
pub async fn write(resources: &Resources, mesh: &str, name: &str, data: &[u8]) -> Result<Outcome, ResourceError> {
    resources.write(&document(mesh, name, data)).await
}

/// Creates the secret `name`; of several control planes that try, one wins.
pub async fn create(resources: &Resources, mesh: &str, name: &str, data: &[u8]) -> Result<(), ResourceError> {
    let draft = document(mesh, name, data).draft();
    match resources.store().commit(vec![Op::Create(draft)]).await {
        Ok(_) | Err(StoreError::Exists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The bytes a secret's record holds; empty when they are not base64.
pub fn data(record: &Record) -> Vec<u8> {
    let body = spec_value(record);
    let text = body.get("data").and_then(Value::as_str).unwrap_or_default();
    STANDARD.decode(text).unwrap_or_default()
}
