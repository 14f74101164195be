//! Letting proxies in: their token, and the Dataplane of those that bring one.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Problems, report};
use mesh_model::{Dataplane, Kind, Spec};
use parking_lot::Mutex;
use serde_json::Value;
use store::{Op, Record, StoreError};
use tracing::{info, warn};

use crate::index::ProxyId;
use crate::resources::{self, Document, REGISTERED, ResourceError, Resources};
use crate::tokens::{Reason, Tokens};

/// The label that names a proxy's workload.
pub(super) const WORKLOAD: &str = "kuma.io/workload";

/// Largest Dataplane a proxy may bring.
const RESOURCE_LIMIT: usize = 256 * 1024;

/// Why a proxy is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// It showed no token.
    #[error("a dataplane token is required; generate one with `kumactl generate dataplane-token`")]
    NoToken,
    /// Its token is not good at all.
    #[error("{0}")]
    BadToken(String),
    /// Its token is good, but not for what it wants to be.
    #[error("{0}")]
    WrongToken(String),
    /// What it says of itself is not valid.
    #[error("the proxy's description is not valid: {}", .0.to_string().replace('\n', "; "))]
    Invalid(#[from] Problems),
    /// Its mesh does not exist.
    #[error("mesh {0:?} does not exist; create it before its proxies connect")]
    NoMesh(Arc<str>),
    /// Its Dataplane could not be written or read.
    #[error("{}", report(.0))]
    Resource(ResourceError),
}

/// What an attempt to deregister a proxy came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deregistered {
    Yes,
    /// There was no reason to, or not any more.
    No,
    /// The store could not be reached.
    Unavailable,
}

#[derive(Debug)]
pub(super) struct Registrar {
    resources: Resources,
    tokens: Tokens,
    authenticate: bool,
    /// This control plane, as the owner of what it registers.
    instance: String,
    /// The latest session of every connected proxy.
    sessions: Mutex<HashMap<ProxyId, u64>>,
}

impl Registrar {
    pub(super) fn new(resources: Resources, tokens: Tokens, authenticate: bool, instance: String) -> Self {
        Self { resources, tokens, authenticate, instance, sessions: Mutex::default() }
    }

    /// Checks a proxy's token. `dataplane` is what the proxy declares, or what is stored of it.
    pub(super) async fn authenticate(
        &self,
        proxy: &ProxyId,
        token: Option<&str>,
        dataplane: Option<&Dataplane>,
        workload: Option<&str>,
    ) -> Result<(), Denied> {
        if !self.authenticate {
            return Ok(());
        }
        let token = token.map(bare).filter(|token| !token.is_empty()).ok_or(Denied::NoToken)?;
        // A proxy whose Dataplane is not known yet has no tags: a token bound to tags does not let it in.
        let unknown = Dataplane::default();
        let dataplane = dataplane.unwrap_or(&unknown);
        match self.tokens.validate_dataplane(token, &proxy.mesh, &proxy.name, dataplane, workload).await {
            Err(Reason::Store(error)) => Err(Denied::Resource(error)),
            Err(Reason::Mismatch(reason)) => Err(Denied::WrongToken(reason)),
            Err(reason) => Err(Denied::BadToken(report(&reason))),
            Ok(()) => Ok(()),
        }
    }

    /// The Dataplane in a proxy's words, checked.
    pub(super) fn read(&self, proxy: &ProxyId, text: &str) -> Result<(Document, Arc<Dataplane>), Denied> {
        let mut problems = Problems::default();
        if text.len() > RESOURCE_LIMIT {
            problems.add("dataplane.resource", format!("is longer than {RESOURCE_LIMIT} bytes"));
            return Err(problems.into());
        }
        let value: Value = serde_norway::from_str(text).map_err(|error| {
            problems.add("dataplane.resource", format!("is not valid YAML: {error}"));
            Denied::Invalid(std::mem::take(&mut problems))
        })?;
        let Value::Object(mut fields) = value else {
            problems.add("dataplane.resource", "must be an object");
            return Err(problems.into());
        };
        // What a template leaves out is what the proxy was started with.
        fields.entry("type").or_insert_with(|| "Dataplane".into());
        fields.entry("mesh").or_insert_with(|| (&*proxy.mesh).into());
        fields.entry("name").or_insert_with(|| (&*proxy.name).into());
        let document = Document::at(kind(), &proxy.mesh, &proxy.name, fields)?;
        match document.check()? {
            Spec::Dataplane(dataplane) => Ok((document, dataplane)),
            _ => {
                problems.add("type", "must be Dataplane");
                Err(problems.into())
            }
        }
    }

    /// The stored Dataplane of a proxy.
    pub(super) async fn stored(&self, proxy: &ProxyId) -> Result<Option<Arc<Dataplane>>, Denied> {
        let record = match self.resources.get(kind(), &proxy.mesh, &proxy.name).await {
            Ok(record) => record,
            Err(ResourceError::NotFound) => return Ok(None),
            Err(error) => return Err(Denied::Resource(error)),
        };
        match resources::from_record(&record)?.spec {
            Spec::Dataplane(dataplane) => Ok(Some(dataplane)),
            _ => Ok(None),
        }
    }

    /// Fails unless the proxy's mesh exists.
    pub(super) async fn require_mesh(&self, proxy: &ProxyId) -> Result<(), Denied> {
        match self.resources.require_mesh(&proxy.mesh).await {
            Ok(_) => Ok(()),
            Err(ResourceError::MeshNotFound) => Err(Denied::NoMesh(Arc::clone(&proxy.mesh))),
            Err(error) => Err(Denied::Resource(error)),
        }
    }

    /// Stores what a proxy declares of itself, in the name of this control plane. Returns false when that is stored
    /// already, the store cannot be reached, and so it is not yet known as ours: try again.
    pub(super) async fn register(&self, document: &Document) -> Result<bool, Denied> {
        let mut draft = document.draft();
        draft.labels.insert(REGISTERED.to_owned(), self.instance.clone());
        let failed = |error: StoreError| Denied::Resource(error.into());
        let store = self.resources.store();
        let stored = store.get(&draft.key).await.map_err(failed)?;
        // A proxy that comes back to the same control plane costs no write.
        if stored.as_ref().is_some_and(|record| record.draft == draft) {
            return Ok(true);
        }
        let is_declared = stored.is_some_and(|record| record.draft.body == draft.body);
        match store.commit(vec![Op::Put(draft, None)]).await {
            Ok(_) => Ok(true),
            Err(StoreError::Unavailable(_) | StoreError::InDoubt(_)) if is_declared => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Notes that `session` of `proxy` is connected.
    pub(super) fn connected(&self, proxy: &ProxyId, session: u64) {
        let mut sessions = self.sessions.lock();
        let latest = sessions.entry(proxy.clone()).or_default();
        *latest = session.max(*latest);
    }

    /// Notes that `session` has ended; whether the proxy has no other.
    pub(super) fn disconnected(&self, proxy: &ProxyId, session: u64) -> bool {
        let mut sessions = self.sessions.lock();
        if sessions.get(proxy) != Some(&session) {
            return false;
        }
        sessions.remove(proxy);
        true
    }

    pub(super) fn is_connected(&self, proxy: &ProxyId) -> bool {
        self.sessions.lock().contains_key(proxy)
    }

    /// Removes the Dataplane of a proxy that had registered itself with the control plane `owner` and is not
    /// connected to this one. One that has registered with another in the meantime is that one's.
    pub(super) async fn deregister(&self, proxy: &ProxyId, owner: &str) -> Deregistered {
        if self.is_connected(proxy) {
            return Deregistered::No;
        }
        let record = match self.resources.get(kind(), &proxy.mesh, &proxy.name).await {
            Ok(record) if record.draft.labels.get(REGISTERED).is_some_and(|one| one == owner) => record,
            _ => return Deregistered::No,
        };
        let delete = Op::Delete(record.draft.key.clone(), Some(record.version));
        match self.resources.store().commit(vec![delete]).await {
            Ok(_) => {
                info!(mesh = %proxy.mesh, dataplane = %proxy.name, "Deregistered a proxy");
                Deregistered::Yes
            }
            Err(StoreError::Unavailable(_) | StoreError::InDoubt(_)) => Deregistered::Unavailable,
            // It has registered with another control plane in the meantime, or is gone.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => Deregistered::No,
            Err(error) => {
                warn!(mesh = %proxy.mesh, dataplane = %proxy.name, error = %report(&error), "A proxy could not be deregistered");
                Deregistered::No
            }
        }
    }

    /// Every proxy that registered itself, with the control plane that registered it.
    pub(super) async fn registered(&self) -> Result<Vec<(ProxyId, String)>, ResourceError> {
        let records = self.resources.all(kind(), None).await?;
        let id = |key: &store::Key| ProxyId { mesh: Arc::clone(&key.scope), name: Arc::clone(&key.name) };
        let registered =
            |record: Arc<Record>| Some((id(&record.draft.key), record.draft.labels.get(REGISTERED)?.clone()));
        Ok(records.into_iter().filter_map(registered).collect())
    }

    /// Removes a Dataplane, whoever wrote it.
    pub(super) async fn remove(&self, proxy: &ProxyId) -> Result<(), ResourceError> {
        match self.resources.delete(kind(), &proxy.mesh, &proxy.name).await {
            Ok(_) | Err(ResourceError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.resources.store().reachable()
    }

    /// This control plane.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }
}

fn kind() -> &'static Kind {
    Kind::by_name("Dataplane").expect("the table has proxies")
}

/// The token without the scheme that some clients put before it.
fn bare(token: &str) -> &str {
    token.trim().strip_prefix("Bearer ").unwrap_or(token).trim()
}
