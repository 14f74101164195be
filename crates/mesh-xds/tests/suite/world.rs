//! A mesh read from documents, and readable renderings of what its proxies get.

use std::sync::{Arc, LazyLock};

use mesh_model::policy::Named;
use mesh_model::{Dataplane, Kind, MeshContext, Spec};
use mesh_xds::{Cache, Proxy, ProxyMetadata, ProxyResources};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use proto::Resource;
use serde_json::Value;

/// A mesh with its proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) mesh: MeshContext,
    pub(crate) dataplanes: Vec<(Arc<str>, Arc<Dataplane>)>,
    pub(crate) metadata: ProxyMetadata,
}

impl World {
    /// Reads YAML documents, each with `type` and `name`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut world = Self { metadata: metadata(), ..Self::default() };
        world.mesh.name = "default".into();
        for document in text.split("\n---\n").filter(|document| !document.trim().is_empty()) {
            let document: Value = serde_norway::from_str(document).map_err(|error| error.to_string())?;
            world.add(document)?;
        }
        Ok(world)
    }

    fn add(&mut self, mut document: Value) -> Result<(), String> {
        let fields = document.as_object_mut().ok_or("a document is not an object")?;
        let mut take = |field: &str| match fields.shift_remove(field) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (kind, name, _) = (take("type"), take("name"), take("mesh"));
        let kind = Kind::by_name(&kind).ok_or_else(|| format!("unknown type {kind:?}"))?;
        let spec =
            mesh_model::parse(kind, &document).map_err(|problems| format!("{} {name}: {problems}", kind.name))?;
        let name: Arc<str> = name.into();
        let policies = Arc::make_mut(&mut self.mesh.policies);
        match spec {
            Spec::Mesh(mesh) => self.mesh.mesh = mesh,
            Spec::Dataplane(dataplane) => {
                self.mesh.set_dataplane(&name, None, Some(&dataplane));
                self.dataplanes.push((name, dataplane));
            }
            Spec::ExternalService(policy) => push(&mut self.mesh.external_services, name, policy),
            Spec::TrafficPermission(policy) => push(&mut policies.traffic_permissions, name, policy),
            Spec::TrafficRoute(policy) => push(&mut policies.traffic_routes, name, policy),
            Spec::TrafficLog(policy) => push(&mut policies.traffic_logs, name, policy),
            Spec::HealthCheck(policy) => push(&mut policies.health_checks, name, policy),
            Spec::CircuitBreaker(policy) => push(&mut policies.circuit_breakers, name, policy),
            Spec::Timeout(policy) => push(&mut policies.timeouts, name, policy),
            Spec::Retry(policy) => push(&mut policies.retries, name, policy),
            Spec::FaultInjection(policy) => push(&mut policies.fault_injections, name, policy),
            Spec::RateLimit(policy) => push(&mut policies.rate_limits, name, policy),
            Spec::TrafficTrace(policy) => push(&mut policies.traffic_traces, name, policy),
            Spec::ProxyTemplate(policy) => push(&mut policies.proxy_templates, name, policy),
            Spec::Other => return Err(format!("{} configures no proxy", kind.name)),
        }
        Ok(())
    }

    /// Builds the proxy of that index.
    pub(crate) fn build(&self, index: usize, cache: &mut Cache) -> ProxyResources {
        let (name, dataplane) = &self.dataplanes[index];
        mesh_xds::build(&Proxy { mesh: &self.mesh, name, dataplane, metadata: &self.metadata }, cache)
    }

    /// All that the first proxy gets, as YAML.
    pub(crate) fn render(&self) -> String {
        let built = self.build(0, &mut Cache::default());
        let mut resources: Vec<_> = built.resources.iter().map(|resource| Resource::clone(resource)).collect();
        resources.extend(built.endpoints.iter().map(|key| mesh_xds::endpoints(&self.mesh, key)));
        resources.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        let mut rendered = serde_json::json!({ "resources": resources.iter().map(json).collect::<Vec<_>>() });
        if !built.secrets.is_empty() {
            rendered["secrets"] =
                built.secrets.iter().map(|key| format!("{key:?}").into()).collect::<Vec<Value>>().into();
        }
        if !built.problems.is_empty() {
            rendered["problems"] =
                built.problems.0.iter().map(|problem| problem.to_string().into()).collect::<Vec<Value>>().into();
        }
        serde_norway::to_string(&rendered).expect("JSON is YAML")
    }
}

fn push<P>(list: &mut Vec<Named<Arc<P>>>, name: Arc<str>, policy: Arc<P>) {
    list.push(Named { name, created: Default::default(), policy });
    list.sort_by(|a, b| a.name.cmp(&b.name));
}

fn metadata() -> ProxyMetadata {
    ProxyMetadata {
        admin_port: 9901,
        access_log_socket: Some("/tmp/kuma-al-web-default.sock".to_owned()),
        ..ProxyMetadata::default()
    }
}

/// A resource as JSON with sorted keys.
pub(crate) fn json(resource: &Resource) -> Value {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(proto::ALL_DESCRIPTORS).expect("made by the build"));
    let name = resource.kind.as_str().trim_start_matches("type.googleapis.com/");
    let message = DynamicMessage::decode(POOL.get_message_by_name(name).expect("a served type"), &*resource.value)
        .expect("well formed");
    let options = SerializeOptions::new();
    let mut value = message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON");
    value["@type"] = resource.kind.as_str().into();
    sort(&mut value);
    serde_json::json!({ "name": &*resource.name, "resource": value })
}

fn sort(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.sort_keys();
            fields.values_mut().for_each(sort);
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}
