//! Which control plane this is, and what it has in common with all that share its store: made by the first of them
//! that needs it.

use std::time::Duration;

use base::Clock;
use pki::PkiError;
use pki::ca::CertificateAuthority;
use serde_json::{Value, json};
use store::{Draft, Key, Op, StoreError};
use uuid::Uuid;

use crate::api::Identity;
use crate::resources::Resources;

/// How long an authority of the control planes is good.
const AUTHORITY_LIFETIME: Duration = Duration::from_hours(10 * 366 * 24);

/// An authority that all control planes have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Authority {
    /// Of the certificates of their servers.
    Servers,
    /// Of those who may ask for proxies' admin interfaces, and of these.
    EnvoyAdmin,
}

impl Authority {
    fn name(self) -> &'static str {
        match self {
            Self::Servers => "control-plane-ca",
            Self::EnvoyAdmin => "envoy-admin-ca",
        }
    }
}

/// Why there is no common authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It cannot be read or written.
    #[error("the control planes' authority cannot be read")]
    Store(#[from] StoreError),
    /// It is not usable.
    #[error("the control planes' authority is not usable")]
    Pki(#[from] PkiError),
}

/// The identity of this run: the machine's name, an id of its own, and the id that all runs on one store share.
pub(crate) async fn of_this_run(resources: &Resources) -> Result<Identity, StoreError> {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let id = Uuid::new_v4().to_string();
    let cluster = common(resources, "kuma-cluster-id", &json!({ "config": Uuid::new_v4().to_string() })).await?;
    let cluster_id = cluster["config"].as_str().unwrap_or_default().to_owned();
    Ok(Identity { instance_id: format!("{hostname}-{}", &id[..8]), hostname, cluster_id })
}

/// The authority that all control planes have in common.
pub(crate) async fn authority(
    resources: &Resources,
    which: Authority,
    clock: &dyn Clock,
) -> Result<CertificateAuthority, AuthorityError> {
    let now = clock.now();
    let new = CertificateAuthority::generate(which.name(), AUTHORITY_LIFETIME, now)?;
    let new = json!({ "cert": new.cert_pem(), "key": new.key_pem().expose() });
    let stored = common(resources, which.name(), &new).await?;
    let text = |field: &str| stored[field].as_str().unwrap_or_default();
    Ok(CertificateAuthority::from_pem(text("cert"), text("key"), now)?)
}

/// What is kept under that name; `first` if that was nothing. Of several that try, one wins and all get the same.
async fn common(resources: &Resources, name: &str, first: &Value) -> Result<Value, StoreError> {
    let store = resources.store();
    let key = Key::new("Config", "", name);
    if store.get(&key).await?.is_none() {
        match store.commit(vec![Op::Create(Draft::new(key.clone(), first.to_string()))]).await {
            Ok(_) | Err(StoreError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let record = store.get(&key).await?.ok_or(StoreError::NotFound(key))?;
    serde_json::from_str(&record.draft.body)
        .map_err(|error| StoreError::Corrupt(format!("{}: {error}", record.draft.key)))
}
