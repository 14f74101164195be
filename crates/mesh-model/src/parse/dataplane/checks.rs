//! Parts of a `Dataplane` that are checked without configuring anything, and checks across its parts.

use crate::Dataplane;
use crate::parse::net;
use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::raw_tags;

const BACKEND_KINDS: [&str; 3] = ["MeshExternalService", "MeshMultiZoneService", "MeshService"];

pub(super) fn networking(networking: &Object<'_, '_>, dataplane: &Dataplane) {
    if let Some(gateway) = &dataplane.gateway {
        let kind = if gateway.builtin { "builtin" } else { "delegated" };
        let is_filled = |name| {
            let list = networking.field(name).raw().and_then(serde_json::Value::as_array);
            list.is_some_and(|list| !list.is_empty())
        };
        if is_filled("inbound") {
            let message = format!("inbound cannot be defined for {kind} gateways");
            networking.here().problem_at("inbound", message);
        }
        if gateway.builtin && is_filled("outbound") {
            networking.here().problem_at("outbound", "outbound cannot be defined for builtin gateways");
        }
        if is_filled("listeners") {
            let message = format!("listeners cannot be defined for {kind} gateways");
            networking.here().problem_at("listeners", message);
        }
    }
    admin(networking, dataplane);
    listeners(&networking.field("listeners"), dataplane);
}

fn admin(networking: &Object<'_, '_>, dataplane: &Dataplane) {
    const LOCAL: [&str; 4] = ["127.0.0.1", "0.0.0.0", "::", "localhost"];
    let Some(admin) = dataplane.admin_port else { return };
    let taken = |address: &str, port: u16| port == admin && LOCAL.contains(&address);
    let problem = |message: &str| {
        networking.field("admin").problem_at("port", message);
    };
    if dataplane
        .inbounds
        .iter()
        .any(|inbound| taken(&inbound.address, inbound.port) || taken(&inbound.service_address, inbound.service_port))
    {
        problem("must differ from inbound");
    }
    if dataplane.outbounds.iter().any(|outbound| taken(&outbound.address, outbound.port)) {
        problem("must differ from outbound");
    }
}

fn listeners(list: &Cursor<'_, '_>, dataplane: &Dataplane) {
    let mut names: Vec<String> = dataplane.inbounds.iter().filter_map(|inbound| inbound.name.clone()).collect();
    let mut taken = Vec::new();
    list.list(|item| {
        item.object(|listener| {
            let kind = listener.field("type");
            if !kind.is_present() {
                kind.problem("type must be ZoneIngress or ZoneEgress");
            }
            kind.choice(&[("Unspecified", ()), ("ZoneIngress", ()), ("ZoneEgress", ())]);
            let field = listener.field("address");
            let address = field.text();
            if address.is_empty() {
                field.problem("address can't be empty");
            } else {
                net::check_address(&field, &address);
            }
            let port = net::port(&listener.field("port"));
            let name = listener.field("name");
            if let Some(text) = name.filled() {
                if names.contains(&text) {
                    name.problem(format!("name {text:?} must be unique across inbounds and listeners"));
                }
                names.push(text);
            }
            listener.field("state").choice(&[("Ready", ()), ("NotReady", ())]);
            if taken.contains(&(address.clone(), port)) {
                item.problem(format!("address:port {address}:{port} is already used by another listener"));
            }
            if dataplane.inbounds.iter().any(|inbound| inbound.address == address && inbound.port == port) {
                item.problem(format!("address:port {address}:{port} collides with an inbound listener"));
            }
            taken.push((address, port));
        })
    });
}

pub(super) fn probes(field: &Cursor<'_, '_>) {
    field.object(|probes| {
        net::port(&probes.field("port"));
        probes.field("endpoints").list(|endpoint| {
            endpoint.object(|endpoint| {
                net::port(&endpoint.field("inboundPort"));
                for name in ["inboundPath", "path"] {
                    let path = endpoint.field(name);
                    if !path.text().starts_with('/') {
                        path.problem("should be a valid URL Path");
                    }
                }
            })
        });
    });
}

/// Whether the probe is one of TCP.
pub(super) fn service_probe(probe: &Object<'_, '_>) -> bool {
    for name in ["interval", "timeout"] {
        let field = probe.field(name);
        if field.duration().is_some_and(|duration| duration.is_zero()) {
            field.problem("must have a positive value");
        }
    }
    for name in ["unhealthyThreshold", "healthyThreshold"] {
        let field = probe.field(name);
        if field.u32() == Some(0) {
            field.problem("must have a positive value");
        }
    }
    probe.field("tcp").object(|_| ()).is_some()
}

/// The name of the service referred to, which serves as its tag.
pub(super) fn backend_ref(reference: &Object<'_, '_>) -> String {
    let kind = reference.field("kind");
    check_backend_kind(&kind);
    let name = reference.field("name").text();
    let labels = raw_tags(&reference.field("labels"));
    if name.is_empty() && labels.is_empty() {
        reference.here().problem("either 'name' or 'labels' should be specified");
    }
    let port = reference.field("port");
    if kind.string() != Some("MeshExternalService") {
        net::port(&port);
    }
    name
}

pub(super) fn reachable_backend(reference: &Object<'_, '_>) {
    check_backend_kind(&reference.field("kind"));
    reference.field("port").u32();
    let name = reference.field("name");
    let named = name.filled().is_some();
    let in_namespace = reference.field("namespace").filled().is_some();
    let labels = reference.field("labels");
    let labelled = !raw_tags(&labels).is_empty();
    if !named && !in_namespace && !labelled {
        name.problem("name or labels are required");
    }
    if !named && in_namespace {
        name.problem("name is required, when namespace is defined");
    }
    if (named || in_namespace) && labelled {
        labels.problem("labels cannot be defined when name is specified");
    }
}

fn check_backend_kind(kind: &Cursor<'_, '_>) {
    if !BACKEND_KINDS.contains(&kind.text().as_str()) {
        kind.problem(format!("invalid value. Available values are: {}", BACKEND_KINDS.join(",")));
    }
}
