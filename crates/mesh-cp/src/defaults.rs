//! What exists without anybody writing it: the default mesh, what comes with every new mesh, the keys that
//! sign tokens of zones and users.

use std::collections::BTreeMap;

use mesh_model::{Kind, Mesh};
use serde_json::{Value, json};

use crate::config::Config;
use crate::resources::{Document, ResourceError, Resources};
use crate::{secrets, tokens};

/// Name of the mesh that exists from the start.
pub const DEFAULT_MESH: &str = "default";

/// What is created together with a mesh: the key that signs tokens of its data plane proxies, and with
/// `routing` the policies that allow and route all traffic.
pub async fn of_new_mesh(name: &str, mesh: &Mesh, routing: bool) -> Result<Vec<Document>, ResourceError> {
    let key = tokens::keys::generate().await.map_err(ResourceError::Defaults)?;
    let mut documents = vec![secrets::document(name, &tokens::keys::first_dataplane_key(name), key.as_bytes())];
    if routing {
        let skipped = |kind: &str| mesh.skip_initial_policies.iter().any(|skip| skip == "*" || skip == kind);
        documents.extend(routing_policies(name).into_iter().filter(|policy| !skipped(policy.kind.name)));
    }
    Ok(documents)
}

fn routing_policies(mesh: &str) -> Vec<Document> {
    let policy = |kind: &str, prefix: &str, conf: Option<Value>| {
        let any = json!([{ "match": { "kuma.io/service": "*" } }]);
        let mut body = json!({ "sources": any, "destinations": any });
        if let Some(conf) = conf {
            body["conf"] = conf;
        }
        Document {
            kind: Kind::by_name(kind).expect("the table has the routing policies"),
            mesh: mesh.to_owned(),
            name: format!("{prefix}-all-{mesh}"),
            labels: BTreeMap::new(),
            body,
            written_type: None,
        }
    };
    let backoff = json!({ "baseInterval": "0.025s", "maxInterval": "0.250s" });
    let retry = json!({ "numRetries": 5, "perTryTimeout": "16s", "backOff": backoff });
    vec![
        policy("TrafficPermission", "allow", None),
        policy(
            "TrafficRoute",
            "route",
            Some(json!({ "loadBalancer": { "roundRobin": {} }, "destination": { "kuma.io/service": "*" } })),
        ),
        policy(
            "Timeout",
            "timeout",
            Some(json!({
                "connectTimeout": "5s",
                "tcp": { "idleTimeout": "3600s" },
                "http": { "requestTimeout": "15s", "idleTimeout": "3600s", "streamIdleTimeout": "1800s" },
            })),
        ),
        policy(
            "CircuitBreaker",
            "circuit-breaker",
            Some(json!({
                "thresholds": { "maxConnections": 1024, "maxPendingRequests": 1024, "maxRequests": 1024, "maxRetries": 3 },
            })),
        ),
        policy("Retry", "retry", Some(json!({ "http": retry, "grpc": retry, "tcp": { "maxConnectAttempts": 5 } }))),
    ]
}

/// Makes sure that what every control plane has exists: signing keys, the administrator's token and the
/// default mesh. Safe to call at every start.
pub async fn ensure(resources: &Resources, config: &Config, tokens: &tokens::Tokens) -> Result<(), ResourceError> {
    tokens.ensure_global_keys().await?;
    if config.api.bootstrap_admin_token {
        tokens.ensure_admin_token().await?;
    }
    let Some(document) = &config.default_mesh else { return Ok(()) };
    match resources.require_mesh(&document.name).await {
        Err(ResourceError::MeshNotFound) => {
            // Another control plane may have done it at the same time.
            if resources.write(document).await?.created {
                tracing::info!(mesh = %document.name, "Default mesh created");
            }
            Ok(())
        }
        other => other.map(|_| ()),
    }
}
