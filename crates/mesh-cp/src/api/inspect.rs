//! Which policies apply to which proxy, seen from either side.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::context::{Policies, PolicySet};
use mesh_model::policy::{Connection, Named};
use mesh_model::{Dataplane, Kind, Spec, matching};
use serde_json::{Map, Value, json};
use store::Record;

use super::error::ApiError;
use super::paging::list;
use super::{Api, crud, insights};
use crate::resources::{from_record, render};

const RETRIEVE: &str = "Could not retrieve policies";

/// A place in a proxy's configuration that policies apply to.
struct Attachment {
    /// `inbound`, `outbound`, `service` or `dataplane`.
    kind: &'static str,
    name: String,
    service: String,
    /// Names of the policies, by kind.
    matched: BTreeMap<&'static str, Vec<Arc<str>>>,
}

/// Every policy that applies to a proxy, by place.
pub(super) async fn policies_of(api: &Api, mesh: &str, name: &str) -> Result<Value, ApiError> {
    let dataplane = dataplane(api, mesh, name).await?;
    let (policies, records) = policies(api, mesh).await?;
    let mut items = Vec::new();
    for attachment in attachments(&policies, &dataplane) {
        let mut matched = Map::new();
        for (kind, names) in &attachment.matched {
            let full = names.iter().filter_map(|name| records.get(&(*kind, Arc::clone(name))));
            matched.insert((*kind).to_owned(), full.map(|record| Value::Object(render(record))).collect());
        }
        let mut item = Map::new();
        item.insert("type".into(), attachment.kind.into());
        item.insert("name".into(), attachment.name.into());
        if !attachment.service.is_empty() {
            item.insert("service".into(), attachment.service.into());
        }
        item.insert("matchedPolicies".into(), Value::Object(matched));
        items.push(Value::Object(item));
    }
    Ok(json!({
        "total": items.len(),
        "kind": "SidecarDataplane",
        "mesh": mesh,
        "name": name,
        "items": items,
    }))
}

/// Rules come from policies with target references, of which there are none.
pub(super) async fn rules_of(api: &Api, mesh: &str, name: &str) -> Result<Value, ApiError> {
    dataplane(api, mesh, name).await?;
    Ok(list(Vec::new(), 0, None))
}

/// Every proxy a policy applies to, and where.
pub(super) async fn dataplanes_of(api: &Api, kind: &'static Kind, mesh: &str, name: &str) -> Result<Value, ApiError> {
    crud::read(api, crud::Address { kind, mesh, name }).await?;
    let (policies, _) = policies(api, mesh).await?;
    let mut items = Vec::new();
    for proxy in insights::proxies(api, Some(mesh)).await? {
        let applies =
            |one: &Attachment| one.matched.get(kind.name).is_some_and(|names| names.iter().any(|one| **one == *name));
        let places: Vec<Value> = attachments(&policies, &proxy.dataplane)
            .iter()
            .filter(|one| applies(one))
            .map(|one| json!({ "type": one.kind, "name": one.name, "service": one.service }))
            .collect();
        if !places.is_empty() {
            items.push(json!({
                "kind": "SidecarDataplane",
                "dataplane": { "mesh": mesh, "name": &*proxy.record.draft.key.name },
                "attachments": places,
            }));
        }
    }
    let total = items.len();
    Ok(list(items, total, None))
}

async fn dataplane(api: &Api, mesh: &str, name: &str) -> Result<Arc<Dataplane>, ApiError> {
    let record = crud::read(api, crud::Address { kind: insights::kind("Dataplane"), mesh, name }).await?;
    match from_record(&record).map(|resource| resource.spec) {
        Ok(Spec::Dataplane(dataplane)) => Ok(dataplane),
        _ => Err(ApiError::not_found(RETRIEVE)),
    }
}

type Records = BTreeMap<(&'static str, Arc<str>), Arc<Record>>;

/// The policies of a mesh, for matching and for answering.
async fn policies(api: &Api, mesh: &str) -> Result<(PolicySet, Records), ApiError> {
    let (mut set, mut records) = (PolicySet::default(), Records::new());
    for kind in mesh_model::KINDS.iter().filter(|kind| kind.policy) {
        let all = api.resources().all(kind, Some(mesh)).await.map_err(|error| ApiError::resource(RETRIEVE, error))?;
        for record in all {
            if let Ok(resource) = from_record(&record) {
                add(&mut set, &record, resource.spec);
                records.insert((kind.name, Arc::clone(&record.draft.key.name)), record);
            }
        }
    }
    Ok((set, records))
}

fn add(set: &mut PolicySet, record: &Record, spec: Spec) {
    fn push<P>(policies: &mut Policies<P>, record: &Record, policy: Arc<P>) {
        policies.push(Named { name: Arc::clone(&record.draft.key.name), created: record.created, policy });
    }
    match spec {
        Spec::TrafficPermission(policy) => push(&mut set.traffic_permissions, record, policy),
        Spec::TrafficRoute(policy) => push(&mut set.traffic_routes, record, policy),
        Spec::TrafficLog(policy) => push(&mut set.traffic_logs, record, policy),
        Spec::HealthCheck(policy) => push(&mut set.health_checks, record, policy),
        Spec::CircuitBreaker(policy) => push(&mut set.circuit_breakers, record, policy),
        Spec::Timeout(policy) => push(&mut set.timeouts, record, policy),
        Spec::Retry(policy) => push(&mut set.retries, record, policy),
        Spec::FaultInjection(policy) => push(&mut set.fault_injections, record, policy),
        Spec::RateLimit(policy) => push(&mut set.rate_limits, record, policy),
        Spec::TrafficTrace(policy) => push(&mut set.traffic_traces, record, policy),
        Spec::ProxyTemplate(policy) => push(&mut set.proxy_templates, record, policy),
        Spec::Mesh(_) | Spec::Dataplane(_) | Spec::ExternalService(_) | Spec::Other => {}
    }
}

/// The places of a proxy that at least one policy applies to, first the proxy as a whole.
fn attachments(set: &PolicySet, dataplane: &Dataplane) -> Vec<Attachment> {
    let mut whole = Attachment::new("dataplane", String::new(), "");
    whole.add("TrafficTrace", matching::dataplane(&set.traffic_traces, dataplane));
    whole.add("ProxyTemplate", matching::dataplane(&set.proxy_templates, dataplane));
    let mut all = vec![whole];
    for inbound in &dataplane.inbounds {
        let mut one = Attachment::new(
            "inbound",
            format!("{}:{}:{}", inbound.address, inbound.port, inbound.service_port),
            inbound.service(),
        );
        one.add("TrafficPermission", matching::inbound(&set.traffic_permissions, &inbound.tags));
        one.add_all("FaultInjection", matching::inbound_all(&set.fault_injections, &inbound.tags));
        one.add_all("RateLimit", matching::inbound_all(&set.rate_limits, &inbound.tags));
        all.push(one);
    }
    for outbound in &dataplane.outbounds {
        let service = outbound.service();
        let mut one = Attachment::new("outbound", format!("{}:{}", outbound.address, outbound.port), service);
        one.add_outbound("TrafficRoute", &set.traffic_routes, dataplane, service);
        one.add_outbound("Timeout", &set.timeouts, dataplane, service);
        all.push(one);
    }
    for outbound in &dataplane.outbounds {
        let service = outbound.service();
        let mut one = Attachment::new("service", service.to_owned(), service);
        one.add_outbound("CircuitBreaker", &set.circuit_breakers, dataplane, service);
        one.add_outbound("HealthCheck", &set.health_checks, dataplane, service);
        one.add_outbound("Retry", &set.retries, dataplane, service);
        one.add_outbound("TrafficLog", &set.traffic_logs, dataplane, service);
        all.push(one);
    }
    all.retain(|one| !one.matched.is_empty());
    all
}

impl Attachment {
    fn new(kind: &'static str, name: String, service: &str) -> Self {
        Self { kind, name, service: service.to_owned(), matched: BTreeMap::new() }
    }

    fn add<P>(&mut self, kind: &'static str, policy: Option<&Named<P>>) {
        self.add_all(kind, policy.into_iter().collect());
    }

    fn add_all<P>(&mut self, kind: &'static str, policies: Vec<&Named<P>>) {
        if !policies.is_empty() {
            self.matched.insert(kind, policies.into_iter().map(|policy| Arc::clone(&policy.name)).collect());
        }
    }

    fn add_outbound<C>(
        &mut self,
        kind: &'static str,
        policies: &Policies<Connection<C>>,
        dataplane: &Dataplane,
        service: &str,
    ) {
        self.add(kind, matching::outbound(policies, dataplane, service));
    }
}
