//! Which control plane this is.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::{Draft, Key, Op, StoreError};
use uuid::Uuid;

use crate::api::Identity;
use crate::resources::Resources;

/// The identity of this run: the machine's name, an id of its own, and the id that all runs on one store share.
pub(crate) async fn of_this_run(resources: &Resources) -> Result<Identity, StoreError> {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let id = Uuid::new_v4().to_string();
    Ok(Identity { instance_id: format!("{hostname}-{}", &id[..4]), hostname, cluster_id: cluster_id(resources).await? })
}

async fn cluster_id(resources: &Resources) -> Result<String, StoreError> {
    let store = resources.store();
    let key = Key { collection: "Config".into(), scope: "".into(), name: "kuma-cluster-id".into() };
    let draft = Draft {
        key: key.clone(),
        body: json!({ "config": Uuid::new_v4().to_string() }).to_string().into(),
        labels: BTreeMap::new(),
        unique: Vec::new(),
        parents: Vec::new(),
        references: Vec::new(),
        expires: None,
    };
    match store.commit(vec![Op::Create(draft)]).await {
        Ok(_) | Err(StoreError::Exists(_)) => {}
        Err(error) => return Err(error),
    }
    let record = store.get(&key).await?.ok_or(StoreError::NotFound(key))?;
    let body: Value = serde_json::from_str(&record.draft.body).unwrap_or_default();
    Ok(body["config"].as_str().unwrap_or_default().to_owned())
}
