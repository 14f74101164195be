//! Insights as records: `DataplaneInsight` resources that live and die with their Dataplane.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::Kind;
use serde_json::Value;
use store::{Draft, Key};

use crate::index::ProxyId;
use crate::resources::{self, Document, ResourceError, Resources};

fn kind(name: &str) -> &'static Kind {
    Kind::by_name(name).expect("the table has proxies and their insights")
}

pub(super) fn draft(proxy: &ProxyId, insight: &Value) -> Draft {
    let document = Document {
        kind: kind("DataplaneInsight"),
        mesh: proxy.mesh.to_string(),
        name: proxy.name.to_string(),
        labels: BTreeMap::new(),
        body: insight.clone(),
        written_type: None,
    };
    let parents = vec![resources::key(kind("Dataplane"), &proxy.mesh, &proxy.name)];
    Draft { parents, ..document.draft() }
}

pub(super) fn key(proxy: &ProxyId) -> Key {
    resources::key(kind("DataplaneInsight"), &proxy.mesh, &proxy.name)
}

pub(super) async fn all(resources: &Resources) -> Result<Vec<(ProxyId, Value)>, ResourceError> {
    let records = resources.all(kind("DataplaneInsight"), None).await?;
    let id = |key: &Key| ProxyId { mesh: Arc::clone(&key.scope), name: Arc::clone(&key.name) };
    Ok(records.iter().map(|record| (id(&record.draft.key), resources::spec_value(record))).collect())
}
