//! What a proxy says of itself on its first request.

use std::sync::Arc;

use base::Problems;
use mesh_xds::ProxyMetadata;
use proto::envoy::config::core::v3::Node;
use serde_json::{Map, Value};

use crate::index::ProxyId;

/// A proxy's introduction.
#[derive(Clone, Debug)]
pub(super) struct Introduction {
    pub(super) proxy: ProxyId,
    pub(super) metadata: ProxyMetadata,
    /// Its Dataplane, JSON or YAML, if it registers itself.
    pub(super) resource: Option<String>,
    /// `version` of the metadata, for its insight.
    pub(super) version: Value,
}

impl Introduction {
    /// Reads a node. Its id is `<mesh>.<name>`; names of meshes have no dot.
    pub(super) fn read(node: &Node) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let (mesh, name) = node.id.split_once('.').unwrap_or_default();
        if mesh.is_empty() || name.is_empty() {
            problems.add_with_hint("node.id", format!("{:?} names no proxy", node.id), "use <mesh>.<name>");
        }
        let metadata = node.metadata.as_ref().map(json).unwrap_or_default();
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(kind) = text("dataplane.proxyType").filter(|kind| kind != "dataplane") {
            problems.add_with_hint(
                "node.metadata[\"dataplane.proxyType\"]",
                format!("{kind:?} is not served"),
                "only proxies of type dataplane are",
            );
        }
        let version = metadata.get("version").cloned().unwrap_or_default();
        let within = |path: &str| version.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let port = |key: &str| text(key).and_then(|port| port.parse().ok());
        let features = metadata.get("features").and_then(Value::as_array);
        problems.into_result(Self {
            proxy: ProxyId { mesh: Arc::from(mesh), name: Arc::from(name) },
            metadata: ProxyMetadata {
                admin_port: port("dataplane.admin.port").unwrap_or(0),
                admin_socket: text("dataplane.admin.socketPath").filter(|path| !path.is_empty()),
                admin_address: text("dataplane.admin.address"),
                admin_shown: false,
                access_log_socket: text("accessLogSocketPath").or_else(|| {
                    let workdir = text("workdir").filter(|workdir| !workdir.is_empty())?;
                    Some(mesh_xds::bootstrap::access_log_socket(&workdir, name, mesh))
                }),
                readiness_port: port("dataplane.readinessReporter.port"),
                system_ca_path: text("systemCaPath").filter(|path| !path.is_empty()),
                features: features.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
                dp_version: within("/kumaDp/version"),
                envoy_version: within("/envoy/version"),
            },
            resource: text("dataplane.resource").filter(|resource| !resource.trim().is_empty()),
            version,
        })
    }
}

fn json(fields: &prost_types::Struct) -> Map<String, Value> {
    fields.fields.iter().map(|(key, value)| (key.clone(), json_value(value))).collect()
}

fn json_value(value: &prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => (*number).into(),
        Some(Kind::StringValue(text)) => text.clone().into(),
        Some(Kind::BoolValue(flag)) => (*flag).into(),
        Some(Kind::StructValue(fields)) => Value::Object(json(fields)),
        Some(Kind::ListValue(list)) => list.values.iter().map(json_value).collect(),
    }
}
