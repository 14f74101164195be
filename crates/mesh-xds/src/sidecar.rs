//! What one sidecar or delegated gateway gets, part by part.

use std::collections::HashSet;
use std::sync::Arc;

use mesh_model::mesh::TlsMode;
use mesh_model::policy::ProxyTemplate;
use mesh_model::tags::{ZONE, service};
use mesh_model::{Tags, dataplane, matching};
use proto::{Resource, TypeUrl};

use crate::admin::{self, Admin};
use crate::cache::Input;
use crate::cluster::Local;
use crate::destinations::Destinations;
use crate::inbound::{Access, Inbound, Permission, ServerTls};
use crate::metrics::{self, Metrics};
use crate::outbound::{AccessLog, Ends, Outbound};
use crate::passthrough::{Direction, Passthrough};
use crate::{AdminAccess, Cache, Proxy, ProxyResources, SecretKey, matched, names, template, wire};

/// Import of a ProxyTemplate that keeps what proxies get without one.
const DEFAULT_IMPORT: &str = "default-proxy";

/// A resource and the part of the configuration that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) origin: Origin,
    pub(crate) resource: Arc<Resource>,
}

/// Parts of the configuration, by which modifications select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Admin,
    Inbound,
    Outbound,
    Transparent,
    Prometheus,
    Raw,
    Modification,
}

impl Origin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Transparent => "transparent",
            Self::Prometheus => "prometheus",
            Self::Raw => "proxy-template-raw",
            Self::Modification => "proxy-template-modifications",
        }
    }
}

/// Collects the resources of one proxy.
#[derive(Debug)]
pub(crate) struct Sidecar<'a> {
    proxy: &'a Proxy<'a>,
    cache: &'a mut Cache,
    out: ProxyResources,
    placed: Vec<Placed>,
    taken: [HashSet<Arc<str>>; TypeUrl::ALL.len()],
}

impl<'a> Sidecar<'a> {
    pub(crate) fn new(proxy: &'a Proxy<'a>, cache: &'a mut Cache) -> Self {
        Self { proxy, cache, out: ProxyResources::default(), placed: Vec::new(), taken: Default::default() }
    }

    pub(crate) fn build(mut self) -> ProxyResources {
        let template = matching::dataplane(&self.proxy.mesh.policies.proxy_templates, self.proxy.dataplane);
        let imports = |template: &ProxyTemplate| template.imports.iter().any(|import| import == DEFAULT_IMPORT);
        if template.is_none_or(|named| imports(&named.policy.conf)) {
            self.transparent();
            self.inbounds();
            self.outbounds();
            self.admin();
            self.metrics();
        }
        if let Some(named) = template {
            self.raw_resources(&named.name, &named.policy.conf);
            self.modifications(&named.name, &named.policy.conf);
        }
        self.secrets();
        self.out.resources = self.placed.into_iter().map(|placed| placed.resource).collect();
        self.out
    }

    /// Resources in users' own words replace generated ones. A bad one is reported and left out.
    fn raw_resources(&mut self, template: &str, conf: &ProxyTemplate) {
        for (index, raw) in conf.resources.iter().enumerate() {
            match self.cache.raw(&raw.resource) {
                Ok(resource) => {
                    if !self.add_resource(Origin::Raw, Arc::clone(&resource)) {
                        self.replace(resource);
                    }
                }
                Err(problem) => {
                    let path = format!("ProxyTemplate {template}: conf.resources[{index}] ({})", raw.name);
                    self.problem(path, problem);
                }
            }
        }
    }

    fn replace(&mut self, resource: Arc<Resource>) {
        let same = |old: &&mut Placed| old.resource.kind == resource.kind && old.resource.name == resource.name;
        if let Some(old) = self.placed.iter_mut().find(same) {
            *old = Placed { origin: Origin::Raw, resource };
        }
    }

    /// Changes to all of the above, in their order. Clusters that are gone need no endpoints.
    fn modifications(&mut self, template: &str, conf: &ProxyTemplate) {
        for (index, modification) in conf.modifications.iter().enumerate() {
            if let Err(problem) = template::apply(modification, &mut self.placed) {
                self.problem(format!("ProxyTemplate {template}: conf.modifications[{index}]"), problem);
            }
        }
        if !conf.modifications.is_empty() {
            let clusters = self.placed.iter().filter(|placed| placed.resource.kind == TypeUrl::Cluster);
            let clusters: HashSet<_> = clusters.map(|placed| &placed.resource.name).collect();
            self.out.endpoints.retain(|key| clusters.contains(&key.cluster));
        }
    }

    /// Adds the resource of `input`; of several with one name the first stays.
    fn add(&mut self, origin: Origin, input: Input) {
        let resource = self.cache.resource(input);
        self.add_resource(origin, resource);
    }

    fn add_resource(&mut self, origin: Origin, resource: Arc<Resource>) -> bool {
        let new = self.taken[resource.kind as usize].insert(Arc::clone(&resource.name));
        if new {
            self.placed.push(Placed { origin, resource });
        }
        new
    }

    fn is_taken(&self, kind: TypeUrl, name: &str) -> bool {
        self.taken[kind as usize].contains(name)
    }

    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.out.problems.add(path, message);
    }

    fn transparent(&mut self) {
        let Some(transparent) = &self.proxy.dataplane.transparent else { return };
        if transparent.outbound_port != 0 {
            let open = self.proxy.mesh.mesh.passthrough;
            self.redirected(Direction::Outbound, transparent.outbound_port, open);
        }
        if transparent.inbound_port != 0 {
            self.redirected(Direction::Inbound, transparent.inbound_port, true);
        }
    }

    fn redirected(&mut self, direction: Direction, port: u16, open: bool) {
        if open {
            self.add(Origin::Transparent, Input::Passthrough(Passthrough::Cluster(direction)));
        }
        self.add(Origin::Transparent, Input::Passthrough(Passthrough::Listener { direction, port, open }));
    }

    /// Listeners take part in redirection instead of binding their ports.
    fn binds(&self) -> bool {
        self.proxy.dataplane.transparent.is_none()
    }

    fn inbounds(&mut self) {
        if self.proxy.dataplane.gateway.is_some() {
            return;
        }
        let unmatched = self.access_without_permission();
        for (index, inbound) in self.proxy.dataplane.inbounds.iter().enumerate() {
            let path = format!("networking.inbound[{index}]");
            if let Some(problem) = unusable(&inbound.address, inbound.port) {
                self.problem(path, problem);
                continue;
            }
            let listener = self.inbound(inbound, &unmatched);
            if self.is_taken(TypeUrl::Listener, &listener.name()) {
                self.problem(path, "another inbound has the same address and port");
                continue;
            }
            let local = Input::Local(Local {
                name: listener.cluster.clone(),
                address: inbound.service_address.clone(),
                port: inbound.service_port,
                protocol: inbound.protocol(),
                transparent: !self.binds(),
            });
            self.add(Origin::Inbound, local);
            self.add(Origin::Inbound, Input::Inbound(listener));
        }
    }

    fn inbound(&self, inbound: &dataplane::Inbound, unmatched: &Access) -> Inbound {
        let policies = &self.proxy.mesh.policies;
        let http = inbound.protocol().is_http();
        let faults = http.then(|| matching::inbound_all(&policies.fault_injections, &inbound.tags));
        let limits = http.then(|| matching::inbound_all(&policies.rate_limits, &inbound.tags));
        Inbound {
            address: inbound.address.clone(),
            port: inbound.port,
            bind: self.binds(),
            service: inbound.service().to_owned(),
            cluster: names::local_cluster(inbound.service_port),
            protocol: inbound.protocol(),
            tls: self.server_tls(&inbound.tags, unmatched),
            faults: faults
                .into_iter()
                .flatten()
                .map(|named| (named.policy.sources.clone(), named.policy.conf.clone()))
                .collect(),
            limits: limits
                .into_iter()
                .flatten()
                .map(|named| (named.policy.sources.clone(), named.policy.conf.clone()))
                .collect(),
            tags: inbound.tags.clone(),
        }
    }

    fn server_tls(&self, tags: &Tags, unmatched: &Access) -> Option<ServerTls> {
        let mode: TlsMode = self.proxy.mesh.mesh.enabled_ca()?.mode;
        let permission = matching::inbound(&self.proxy.mesh.policies.traffic_permissions, tags);
        let permission =
            permission.map(|named| Permission { name: named.name.to_string(), sources: named.policy.sources.clone() });
        let access = permission.map_or_else(|| unmatched.clone(), Access::Permitted);
        Some(ServerTls { mesh: Arc::clone(&self.proxy.mesh.name), mode, access })
    }

    /// What an inbound without a permission does depends on whether another one of the proxy has any.
    fn access_without_permission(&self) -> Access {
        let permissions = &self.proxy.mesh.policies.traffic_permissions;
        let permitted = |inbound: &dataplane::Inbound| matching::inbound(permissions, &inbound.tags).is_some();
        if self.proxy.dataplane.inbounds.iter().any(permitted) { Access::Closed } else { Access::Refused }
    }

    fn outbounds(&mut self) {
        let source_tags = self.source_tags();
        for (index, outbound) in self.proxy.dataplane.outbounds.iter().enumerate() {
            let path = format!("networking.outbound[{index}]");
            let name = names::outbound_listener(&outbound.address, outbound.port);
            if let Some(problem) = unusable(&outbound.address, outbound.port) {
                self.problem(path, problem);
            } else if outbound.service().is_empty() {
                self.problem(path, "it names no service");
            } else if self.is_taken(TypeUrl::Listener, &name) {
                self.problem(path, "another outbound has the same address and port");
            } else if self.collides(outbound) {
                self.problem(path, "an inbound has the same address and port");
            } else {
                self.outbound(outbound, source_tags.clone());
            }
        }
    }

    /// With redirection nothing is bound, so nothing collides.
    fn collides(&self, outbound: &dataplane::Outbound) -> bool {
        let inbounds = &self.proxy.dataplane.inbounds;
        let same = |inbound: &dataplane::Inbound| inbound.address == outbound.address && inbound.port == outbound.port;
        self.binds() && self.proxy.dataplane.gateway.is_none() && inbounds.iter().any(same)
    }

    fn outbound(&mut self, outbound: &dataplane::Outbound, source_tags: Option<Arc<str>>) {
        let service = outbound.service().to_owned();
        let destinations = Destinations::resolve(self.proxy, outbound);
        for (cluster, tags) in destinations.clusters() {
            self.destination(&destinations, cluster, tags);
        }
        let policies = &self.proxy.mesh.policies;
        let retry = matched::outbound(&policies.retries, self.proxy.dataplane, &service);
        let listener = Outbound {
            address: outbound.address.clone(),
            port: outbound.port,
            bind: self.binds(),
            tags: outbound.tags.clone(),
            protocol: destinations.protocol,
            external: destinations.external,
            timeouts: destinations.timeouts.clone(),
            retry: retry.map(|policy| policy.conf.clone()),
            source_tags: source_tags.filter(|_| destinations.protocol.is_http()),
            log: self.access_log(&service),
            rules: destinations.rules,
            service,
        };
        self.add(Origin::Outbound, Input::Outbound(listener));
    }

    fn destination(&mut self, destinations: &Destinations, cluster: &Arc<str>, tags: &Arc<Tags>) {
        if self.is_taken(TypeUrl::Cluster, cluster) {
            return;
        }
        match destinations.cluster(self.proxy, cluster, tags) {
            Ok(input) => {
                if matches!(input, Input::Destination(_)) {
                    let key = crate::EndpointsKey { cluster: Arc::clone(cluster), tags: Arc::clone(tags) };
                    self.out.endpoints.push(key);
                }
                self.add(Origin::Outbound, input);
            }
            Err(problem) => self.problem(format!("ExternalService {}", service(tags)), problem),
        }
    }

    /// The control plane's way to the administration interface, where that is not there already.
    fn admin(&mut self) {
        let Proxy { dataplane, metadata, .. } = self.proxy;
        let (address, port) = (&dataplane.address, metadata.admin_port);
        if metadata.admin(address) != AdminAccess::MutualTls {
            return;
        }
        let taken = |other: &str, other_port| other == address && other_port == port;
        let inbound = dataplane.inbounds.iter().any(|inbound| taken(&inbound.address, inbound.port));
        let outbound = dataplane.outbounds.iter().any(|outbound| taken(&outbound.address, outbound.port));
        if inbound || outbound {
            self.problem(admin::LISTENER, format!("port {port} is taken"));
            return;
        }
        let interface = self.admin_interface();
        self.add(Origin::Admin, Input::Metrics(interface));
        self.add(Origin::Admin, Input::Admin(Admin { address: address.clone(), port }));
        self.out.secrets.extend([SecretKey::AdminCa, SecretKey::AdminIdentity]);
    }

    fn admin_interface(&self) -> Metrics {
        let metadata = self.proxy.metadata;
        match &metadata.admin_socket {
            Some(path) => Metrics::AdminSocket { path: path.clone() },
            None => Metrics::Admin {
                address: metadata.admin_address.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
                port: metadata.admin_port,
            },
        }
    }

    /// Metrics come from the administration interface, so that there are none without one.
    fn metrics(&mut self) {
        let Proxy { mesh, dataplane, metadata, .. } = self.proxy;
        let metrics = &mesh.mesh.metrics;
        let enabled = metrics.enabled_backend.as_deref();
        let backend = metrics.backends.iter().find(|backend| Some(backend.name.as_str()) == enabled);
        let reachable = metadata.admin_port != 0 || metadata.admin_socket.is_some();
        let Some(backend) = backend.filter(|_| reachable) else { return };
        let (address, port) = (&dataplane.address, backend.port);
        let taken = |other: &str, other_port| other == address && other_port == port;
        let inbound = dataplane.inbounds.iter().any(|inbound| taken(&inbound.address, inbound.port));
        let outbound = dataplane.outbounds.iter().any(|outbound| taken(&outbound.address, outbound.port));
        if let Some(problem) = unusable(address, port) {
            self.problem(metrics::LISTENER, problem);
        } else if inbound || outbound || port == metadata.admin_port {
            self.problem(metrics::LISTENER, format!("port {port} is taken"));
        } else {
            let admin = self.admin_interface();
            let members_of = mesh.mesh.enabled_ca().filter(|_| !backend.skip_mtls).map(|_| mesh.name.to_string());
            let (address, path) = (address.clone(), backend.path.clone());
            self.add(Origin::Prometheus, Input::Metrics(admin));
            self.add(Origin::Prometheus, Input::Metrics(Metrics::Listener { address, port, path, members_of }));
        }
    }

    /// Servers match faults and limits by the tags of their clients.
    fn source_tags(&self) -> Option<Arc<str>> {
        let policies = &self.proxy.mesh.policies;
        let wanted = !policies.fault_injections.is_empty() || !policies.rate_limits.is_empty();
        wanted.then(|| names::tags_header(self.proxy.dataplane.source_tags()).into())
    }

    fn access_log(&self, service: &str) -> Option<AccessLog> {
        let mesh = self.proxy.mesh;
        let dataplane = self.proxy.dataplane;
        let policy = matched::outbound(&mesh.policies.traffic_logs, dataplane, service)?;
        let backend = mesh.mesh.logging_backend(policy.conf.backend.as_deref())?;
        let zone = dataplane.source_tags().find_map(|tags| tags.get(ZONE)).cloned().unwrap_or_default();
        let ends = Ends {
            mesh: mesh.name.to_string(),
            source_address: dataplane.address.clone(),
            source_service: dataplane.identifying_service().to_owned(),
            destination_service: service.to_owned(),
            zone,
        };
        AccessLog::new(backend, self.proxy.metadata.access_log_socket.as_deref(), ends)
    }

    fn secrets(&mut self) {
        if self.proxy.mesh.mesh.enabled_ca().is_some() {
            self.out.secrets.extend([SecretKey::MeshCa, SecretKey::Identity]);
        }
    }
}

/// Why Envoy would refuse to listen there.
fn unusable(address: &str, port: u16) -> Option<&'static str> {
    if !wire::is_ip(address) {
        Some("its address is not an IP address")
    } else if port == 0 {
        Some("its port is 0")
    } else {
        None
    }
}
