//! Numbers about proxies, services and meshes, computed from what is stored and what is live.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::{Dataplane, KINDS, Kind, Scope, Spec, Tags};
use serde_json::{Map, Value, json};
use store::Record;

use super::Api;
use super::error::ApiError;
use super::paging::ListQuery;
use crate::resources::{ResourceError, from_record, render, spec_value};

const RETRIEVE: &str = "Could not retrieve insights";

/// A proxy with its run-time state.
pub(super) struct Proxy {
    pub(super) record: Arc<Record>,
    pub(super) dataplane: Arc<Dataplane>,
    pub(super) insight: Option<Value>,
}

/// How many of something there are, and how they do.
#[derive(Clone, Copy, Debug, Default)]
struct Stat {
    online: usize,
    offline: usize,
    degraded: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Online,
    Offline,
    Degraded,
}

impl Stat {
    fn add(&mut self, status: Status) {
        match status {
            Status::Online => self.online += 1,
            Status::Offline => self.offline += 1,
            Status::Degraded => self.degraded += 1,
        }
    }

    fn total(self) -> usize {
        self.online + self.offline + self.degraded
    }

    fn of<'a>(proxies: impl IntoIterator<Item = &'a Proxy>) -> Self {
        let mut stat = Self::default();
        proxies.into_iter().for_each(|proxy| stat.add(proxy.status()));
        stat
    }

    fn json(self) -> Value {
        json!({
            "total": self.total(),
            "online": self.online,
            "offline": self.offline,
            "partiallyDegraded": self.degraded,
        })
    }

    /// The status of a service whose proxies these are.
    fn word(self) -> &'static str {
        match (self.online, self.total()) {
            (_, 0) => "not_available",
            (online, total) if online == total => "online",
            (0, _) if self.degraded == 0 => "offline",
            _ => "partially_degraded",
        }
    }
}

impl Proxy {
    fn is_connected(&self) -> bool {
        let subscriptions = self.insight.as_ref().and_then(|insight| insight.get("subscriptions")?.as_array());
        subscriptions.is_some_and(|all| {
            all.iter()
                .any(|one| one.get("connectTime").is_some() && one.get("disconnectTime").is_none_or(Value::is_null))
        })
    }

    fn status(&self) -> Status {
        let ready = self.dataplane.inbounds.iter().filter(|inbound| inbound.ready).count();
        match self.dataplane.inbounds.len() {
            _ if !self.is_connected() => Status::Offline,
            all if ready == all => Status::Online,
            _ if ready == 0 => Status::Offline,
            _ => Status::Degraded,
        }
    }

    fn is_gateway(&self, builtin: bool) -> bool {
        self.dataplane.gateway.as_ref().is_some_and(|gateway| gateway.builtin == builtin)
    }

    /// A field of the insight, by path.
    fn at(&self, pointer: &str) -> Option<&Value> {
        self.insight.as_ref()?.pointer(pointer)
    }

    /// A version out of the last subscription.
    fn version(&self, program: &str) -> &str {
        let last = self.at("/subscriptions").and_then(Value::as_array).and_then(|all| all.last());
        let version = last.and_then(|one| one.pointer(&format!("/version/{program}/version"))).and_then(Value::as_str);
        version.filter(|version| !version.is_empty()).unwrap_or("unknown")
    }
}

/// The proxies of a mesh, or of all meshes, with what is known of them.
pub(super) async fn proxies(api: &Api, mesh: Option<&str>) -> Result<Vec<Proxy>, ApiError> {
    let stored: BTreeMap<_, _> = records(api, kind("DataplaneInsight"), mesh)
        .await?
        .into_iter()
        .map(|record| ((Arc::clone(&record.draft.key.scope), Arc::clone(&record.draft.key.name)), record))
        .collect();
    let proxy = |record: Arc<Record>| {
        let Ok(Spec::Dataplane(dataplane)) = from_record(&record).map(|resource| resource.spec) else { return None };
        let key = &record.draft.key;
        let stored = stored.get(&(Arc::clone(&key.scope), Arc::clone(&key.name))).map(|record| spec_value(record));
        let insight = api.live().dataplane_insight(&key.scope, &key.name, stored);
        Some(Proxy { record, dataplane, insight })
    };
    Ok(records(api, kind("Dataplane"), mesh).await?.into_iter().filter_map(proxy).collect())
}

/// The computed resource of that name, if the kind is computed; `None` leaves it to the store.
pub(super) async fn one(api: &Api, of: &Kind, mesh: &str, name: &str) -> Result<Option<Value>, ApiError> {
    let not_found = || ApiError::not_found("Could not retrieve a resource");
    Ok(match of.name {
        "MeshInsight" => {
            let record = api.resources().get(kind("Mesh"), "", name).await.map_err(failed)?;
            Some(mesh_insight(api, &record).await?)
        }
        "ServiceInsight" => {
            super::crud::require_mesh(api, mesh).await?;
            let all = services(api, Some(mesh)).await?;
            Some(all.into_iter().find(|one| one["name"] == name).ok_or_else(not_found)?)
        }
        "DataplaneInsight" => {
            let stored = match api.resources().get(of, mesh, name).await {
                Ok(record) => Some(spec_value(&record)),
                Err(ResourceError::NotFound) => None,
                Err(error) => return Err(failed(error)),
            };
            match api.live().dataplane_insight(mesh, name, stored) {
                Some(insight) => {
                    let record = api.resources().get(kind("Dataplane"), mesh, name).await.map_err(failed)?;
                    Some(as_resource("DataplaneInsight", &record, insight))
                }
                None => None,
            }
        }
        _ => None,
    })
}

/// All computed resources of a kind, if it is computed; `None` leaves it to the store.
pub(super) async fn all(
    api: &Api,
    of: &Kind,
    mesh: Option<&str>,
    query: &ListQuery,
) -> Result<Option<Vec<Value>>, ApiError> {
    let is_wanted = |item: &Value| {
        let name = item["name"].as_str().unwrap_or_default();
        let is_type = query.types.is_empty() || query.types.iter().any(|wanted| item["serviceType"] == **wanted);
        is_type && query.name.as_ref().is_none_or(|part| name.contains(part.as_str()))
    };
    let items = match of.name {
        "MeshInsight" => {
            let mut insights = Vec::new();
            for record in records(api, kind("Mesh"), None).await? {
                insights.push(mesh_insight(api, &record).await?);
            }
            insights
        }
        "ServiceInsight" => services(api, mesh).await?,
        "DataplaneInsight" => {
            let with_insight = |proxy: Proxy| Some(as_resource("DataplaneInsight", &proxy.record, proxy.insight?));
            proxies(api, mesh).await?.into_iter().filter_map(with_insight).collect()
        }
        _ => return Ok(None),
    };
    Ok(Some(items.into_iter().filter(is_wanted).collect()))
}

fn as_resource(kind: &str, record: &Record, body: Value) -> Value {
    let mut answer: Map<String, Value> =
        render(record).into_iter().filter(|(field, _)| IDENTITY.contains(&field.as_str())).collect();
    answer.insert("type".into(), kind.into());
    if let Value::Object(fields) = body {
        answer.extend(fields);
    }
    Value::Object(answer)
}

/// What every answered resource starts with.
pub(super) const IDENTITY: &[&str] = &["type", "mesh", "name", "creationTime", "modificationTime", "labels"];

/// The numbers of one mesh.
pub(super) async fn mesh_insight(api: &Api, mesh: &Record) -> Result<Value, ApiError> {
    let name = &mesh.draft.key.name;
    let proxies = proxies(api, Some(name)).await?;
    let (mut policies, mut resources) = (Map::new(), Map::new());
    for kind in KINDS.iter().filter(|kind| kind.scope == Scope::Mesh && !kind.read_only) {
        let total = api.resources().count(kind, Some(name)).await.map_err(failed)?;
        if total > 0 {
            resources.insert(kind.name.into(), json!({ "total": total }));
            // Older clients look for secrets among the policies.
            if kind.policy || kind.name == "Secret" {
                policies.insert(kind.name.into(), json!({ "total": total }));
            }
        }
    }
    let external = resources.get("ExternalService").and_then(|one| one["total"].as_u64()).unwrap_or(0);
    let internal = by_service(&proxies).len() as u64;
    let gateways = |builtin| proxies.iter().filter(move |proxy| proxy.is_gateway(builtin));
    let body = json!({
        "lastSync": api.now().to_string(),
        "dataplanes": Stat::of(&proxies).json(),
        "dataplanesByType": {
            "standard": Stat::of(proxies.iter().filter(|proxy| proxy.dataplane.gateway.is_none())).json(),
            "gateway": Stat::of(gateways(true).chain(gateways(false))).json(),
            "gatewayBuiltin": Stat::of(gateways(true)).json(),
            "gatewayDelegated": Stat::of(gateways(false)).json(),
        },
        "policies": policies,
        "resources": resources,
        "dpVersions": {
            "kumaDp": by(&proxies, |proxy| vec![proxy.version("kumaDp")]),
            "envoy": by(&proxies, |proxy| vec![proxy.version("envoy")]),
        },
        "mTLS": {
            "issuedBackends": by(&proxies, |proxy| proxy.at("/mTLS/issuedBackend").and_then(Value::as_str).into_iter().collect()),
            "supportedBackends": by(&proxies, |proxy| {
                let all = proxy.at("/mTLS/supportedBackends").and_then(Value::as_array);
                all.into_iter().flatten().filter_map(Value::as_str).collect()
            }),
        },
        "services": { "total": internal + external, "internal": internal, "external": external },
    });
    Ok(as_resource("MeshInsight", mesh, body))
}

fn by<'a>(proxies: &'a [Proxy], keys: impl Fn(&'a Proxy) -> Vec<&'a str>) -> Value {
    let mut stats: BTreeMap<&str, Stat> = BTreeMap::new();
    for proxy in proxies {
        for key in keys(proxy) {
            stats.entry(key).or_default().add(proxy.status());
        }
    }
    stats.into_iter().map(|(key, stat)| (key.to_owned(), stat.json())).collect()
}

/// The proxies of each service. A proxy counts once for each service it offers.
fn by_service(proxies: &[Proxy]) -> BTreeMap<(&str, &str), Vec<&Proxy>> {
    let mut services: BTreeMap<(&str, &str), Vec<&Proxy>> = BTreeMap::new();
    for proxy in proxies {
        for service in proxy.dataplane.services() {
            services.entry((&proxy.record.draft.key.scope, service)).or_default().push(proxy);
        }
    }
    services
}

/// The insights of all services, by mesh and name.
async fn services(api: &Api, mesh: Option<&str>) -> Result<Vec<Value>, ApiError> {
    let proxies = proxies(api, mesh).await?;
    let mut items: BTreeMap<(String, String), Value> = BTreeMap::new();
    for ((mesh, name), of_service) in by_service(&proxies) {
        items.insert((mesh.to_owned(), name.to_owned()), internal_service(api, mesh, name, &of_service));
    }
    for record in records(api, kind("ExternalService"), mesh).await? {
        let Ok(Spec::ExternalService(service)) = from_record(&record).map(|resource| resource.spec) else { continue };
        let (mesh, name) = (&*record.draft.key.scope, mesh_model::tags::service(&service.tags));
        items.entry((mesh.to_owned(), name.to_owned())).or_insert_with(|| {
            let mut insight = service_insight(mesh, name, "external", Stat::default(), &record, &service.tags);
            insight["addressPort"] = spec_value(&record)["networking"]["address"].clone();
            insight
        });
    }
    Ok(items.into_values().collect())
}

fn internal_service(api: &Api, mesh: &str, name: &str, proxies: &[&Proxy]) -> Value {
    let kind = match proxies {
        all if all.iter().any(|proxy| proxy.is_gateway(true)) => "gateway_builtin",
        all if all.iter().any(|proxy| proxy.is_gateway(false)) => "gateway_delegated",
        _ => "internal",
    };
    let record = &proxies[0].record;
    let tags = Tags::new();
    let stat = Stat::of(proxies.iter().copied());
    let mut insight = service_insight(mesh, name, kind, stat, record, &tags);
    if kind == "internal" {
        insight["addressPort"] = format!("{name}.mesh:80").into();
    }
    insight["modificationTime"] = api.now().to_string().into();
    let mut issued: BTreeMap<&str, usize> = BTreeMap::new();
    for backend in proxies.iter().filter_map(|proxy| proxy.at("/mTLS/issuedBackend").and_then(Value::as_str)) {
        *issued.entry(backend).or_default() += 1;
    }
    insight["issuedBackends"] = json!(issued);
    insight
}

fn service_insight(mesh: &str, name: &str, kind: &str, stat: Stat, record: &Record, tags: &Tags) -> Value {
    json!({
        "type": "ServiceInsight",
        "mesh": mesh,
        "name": name,
        "creationTime": record.created.to_string(),
        "modificationTime": record.modified.to_string(),
        "serviceType": kind,
        "status": if kind == "external" { "not_available" } else { stat.word() },
        "dataplanes": { "total": stat.total(), "online": stat.online, "offline": stat.total() - stat.online },
        "zones": tags.get(mesh_model::ZONE).into_iter().collect::<Vec<_>>(),
    })
}

/// How many resources there are of each global kind.
pub(super) async fn global_counts(api: &Api) -> Result<Value, ApiError> {
    let mut resources = Map::new();
    for kind in KINDS.iter().filter(|kind| kind.scope == Scope::Global && !kind.read_only) {
        let total = api.resources().count(kind, None).await.map_err(failed)?;
        resources.insert(kind.name.into(), json!({ "total": total }));
    }
    Ok(json!({ "type": "GlobalInsights", "creationTime": api.now().to_string(), "resources": resources }))
}

/// The numbers of a dashboard over everything.
pub(super) async fn global(api: &Api) -> Result<Value, ApiError> {
    let proxies = proxies(api, None).await?;
    let services = services(api, None).await?;
    let of_kind = |kind: &str| {
        let of_kind: Vec<_> = services.iter().filter(|one| one["serviceType"] == kind).collect();
        let with = |status: &str| of_kind.iter().filter(|one| one["status"] == status).count();
        json!({
            "total": of_kind.len(),
            "online": with("online"),
            "offline": with("offline"),
            "partiallyDegraded": with("partially_degraded"),
        })
    };
    let (mut resources, mut policies) = (Map::new(), 0);
    for kind in KINDS.iter().filter(|kind| !kind.read_only) {
        let total = api.resources().count(kind, None).await.map_err(failed)?;
        resources.insert(kind.name.into(), json!({ "total": total }));
        policies += if kind.policy { total } else { 0 };
    }
    let count = |kind: &str| resources.get(kind).map_or(0, |one| one["total"].as_u64().unwrap_or(0));
    let zones = |kind: &str| json!({ "total": count(kind), "online": 0 });
    Ok(json!({
        "createdAt": api.now().to_string(),
        "services": {
            "internal": of_kind("internal"),
            "external": { "total": of_kind("external")["total"] },
            "gatewayBuiltin": of_kind("gateway_builtin"),
            "gatewayDelegated": of_kind("gateway_delegated"),
        },
        "zones": {
            "controlPlanes": zones("Zone"),
            "zoneIngresses": zones("ZoneIngress"),
            "zoneEgresses": zones("ZoneEgress"),
        },
        "dataplanes": {
            "standard": Stat::of(proxies.iter().filter(|proxy| proxy.dataplane.gateway.is_none())).json(),
            "gatewayBuiltin": Stat::of(proxies.iter().filter(|proxy| proxy.is_gateway(true))).json(),
            "gatewayDelegated": Stat::of(proxies.iter().filter(|proxy| proxy.is_gateway(false))).json(),
        },
        "policies": { "total": policies },
        "meshes": { "total": count("Mesh") },
        "resources": resources,
    }))
}

async fn records(api: &Api, kind: &Kind, mesh: Option<&str>) -> Result<Vec<Arc<Record>>, ApiError> {
    api.resources().all(kind, mesh).await.map_err(failed)
}

fn failed(error: ResourceError) -> ApiError {
    ApiError::resource(RETRIEVE, error)
}

pub(super) fn kind(name: &str) -> &'static Kind {
    Kind::by_name(name).expect("the table has every kind that is named here")
}
