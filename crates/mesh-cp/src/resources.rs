//! The one way resources are written and read: names, dialects, rules across resources, what comes with
//! a new mesh. HTTP, registering proxies and the control plane's own defaults all write through here.

mod document;
mod error;
mod record;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::{Kind, Scope, Spec};
use serde_json::Value;
use store::{Change, Committed, Key, Op, Page, Query, Record, Revision, Store};

pub use document::Document;
pub use error::ResourceError;
pub(crate) use record::REGISTERED;
pub use record::{from_record, key, render, spec_value};

use crate::defaults;

/// How often a write is tried again after somebody else changed the same mesh in between.
const ATTEMPTS: usize = 8;

/// What the operator decides about writes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `defaults.createMeshRoutingResources`: a new mesh allows all traffic and routes it.
    pub create_routing_resources: bool,
    /// `store.unsafeDelete`: a mesh may be deleted while it has data plane proxies.
    pub unsafe_delete: bool,
}

/// Reads and writes resources. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Resources {
    store: Store,
    settings: Arc<Settings>,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The resource did not exist before.
    pub created: bool,
    /// The change id; that of the last accepted change if this one changed nothing.
    pub revision: Revision,
    /// What the writer should know although the write was accepted.
    pub warnings: Vec<String>,
}

/// Which resources of a kind to list.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only names that contain this.
    pub name: Option<String>,
    /// Only resources with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// How many to skip.
    pub offset: usize,
    /// How many at most; 0 for all.
    pub limit: usize,
}

impl Resources {
    /// Resources kept in `store`.
    pub fn new(store: Store, settings: Settings) -> Self {
        Self { store, settings: Arc::new(settings) }
    }

    /// The store behind.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Creates or replaces a resource. `body` holds its fields in any dialect, without `type`, `mesh`, `name`
    /// and `labels`; `mesh` is empty for kinds of global scope.
    pub async fn put(
        &self,
        kind: &'static Kind,
        mesh: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        body: &Value,
    ) -> Result<Outcome, ResourceError> {
        let Value::Object(fields) = body.clone() else {
            return Err(ResourceError::invalid("", "must be an object"));
        };
        let document = Document::from_parts(kind, mesh, name, labels, fields)?;
        self.write(&document).await
    }

    /// Creates or replaces a resource.
    pub async fn write(&self, document: &Document) -> Result<Outcome, ResourceError> {
        let spec = document.check()?;
        let mut attempt = 1;
        loop {
            let result = match &spec {
                Spec::Mesh(mesh) => self.write_mesh(document, mesh).await,
                _ => self.commit(document, vec![Op::Put(document.draft(), None)]).await,
            };
            match result {
                Err(ResourceError::Conflict(_)) if attempt < ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    async fn write_mesh(&self, document: &Document, mesh: &mesh_model::Mesh) -> Result<Outcome, ResourceError> {
        let draft = document.draft();
        let old = self.store.get(&draft.key).await?;
        rules::check_mesh(self, &document.name, mesh, old.as_deref()).await?;
        let ops = match old {
            Some(old) => vec![Op::Put(draft, Some(old.version))],
            None => {
                let companions =
                    defaults::of_new_mesh(&document.name, mesh, self.settings.create_routing_resources).await?;
                let companions = companions.iter().map(|companion| Op::Create(companion.draft()));
                std::iter::once(Op::Create(draft)).chain(companions).collect()
            }
        };
        self.commit(document, ops).await
    }

    async fn commit(&self, document: &Document, ops: Vec<Op>) -> Result<Outcome, ResourceError> {
        let committed = self.store.commit(ops).await?;
        Ok(Outcome {
            created: created(&committed, &document.key()),
            revision: committed.revision,
            warnings: Vec::new(),
        })
    }

    /// The resource of that name.
    pub async fn get(&self, kind: &Kind, mesh: &str, name: &str) -> Result<Arc<Record>, ResourceError> {
        let key = key(kind, mesh, name);
        self.store.get(&key).await?.ok_or(ResourceError::NotFound)
    }

    /// Resources of a kind, by mesh and name; of every mesh for `None`.
    pub async fn list(&self, kind: &Kind, mesh: Option<&str>, selection: &Selection) -> Result<Page, ResourceError> {
        let query = Query {
            collection: kind.name.into(),
            scope: mesh.filter(|_| kind.scope == Scope::Mesh).map(Into::into),
            name_contains: selection.name.clone(),
            labels: selection.labels.clone(),
            offset: selection.offset,
            limit: selection.limit,
            ..Query::default()
        };
        Ok(self.store.list(query).await?)
    }

    /// Every resource of a kind in a mesh, or in all meshes.
    pub async fn all(&self, kind: &Kind, mesh: Option<&str>) -> Result<Vec<Arc<Record>>, ResourceError> {
        Ok(self.list(kind, mesh, &Selection::default()).await?.records)
    }

    /// How many resources of a kind there are in a mesh, or in all meshes.
    pub async fn count(&self, kind: &Kind, mesh: Option<&str>) -> Result<usize, ResourceError> {
        Ok(self.list(kind, mesh, &Selection { limit: 1, ..Selection::default() }).await?.total)
    }

    /// Deletes a resource, and with a mesh everything in it.
    pub async fn delete(&self, kind: &Kind, mesh: &str, name: &str) -> Result<Revision, ResourceError> {
        let record = self.get(kind, mesh, name).await?;
        rules::check_delete(self, kind, mesh, name).await?;
        Ok(self.store.commit(vec![Op::Delete(record.draft.key.clone(), None)]).await?.revision)
    }

    /// Fails with [`ResourceError::MeshNotFound`] unless the mesh exists.
    pub async fn require_mesh(&self, mesh: &str) -> Result<Arc<Record>, ResourceError> {
        self.get(record::mesh_kind(), "", mesh).await.map_err(|error| match error {
            ResourceError::NotFound => ResourceError::MeshNotFound,
            other => other,
        })
    }

    fn unsafe_delete(&self) -> bool {
        self.settings.unsafe_delete
    }
}

fn created(committed: &Committed, key: &Key) -> bool {
    committed
        .changes
        .iter()
        .any(|change| matches!(change, Change::Put(record) if record.draft.key == *key && record.version == 1))
}
