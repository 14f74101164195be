//! `Mesh` in all dialects.

mod authority;
mod observability;

use super::reader::{Cursor, Object};
use super::tags::{self, Rules};
use crate::mesh::{CaBackend, CaSource, DataSource, Mesh, Mtls};

pub(super) use observability::prometheus;

pub(super) fn read(mesh: &Object<'_, '_>) -> Mesh {
    let mtls = mesh.field("mtls").object(mtls);
    let logging = mesh.field("logging").section(observability::logging);
    let tracing = mesh.field("tracing").section(observability::tracing);
    let metrics = mesh.field("metrics").section(observability::metrics);
    mesh.field("constraints").object(constraints);
    let (locality_aware, zone_egress) = mesh.field("routing").section(routing);
    let passthrough = mesh.field("networking").object(passthrough).unwrap_or(true);
    let skip_initial_policies = mesh.field("skipCreatingInitialPolicies").strings();
    mesh.field("meshServices").object(|services| {
        services.field("mode").choice(&[
            ("Disabled", ()),
            ("Everywhere", ()),
            ("ReachableBackends", ()),
            ("Exclusive", ()),
        ]);
    });
    if zone_egress && mtls.as_ref().is_none_or(|mtls| mtls.enabled_backend.is_none()) {
        mesh.here().problem_at("mtls", "has to be set when zoneEgress enabled");
    }
    Mesh { mtls, logging, tracing, metrics, locality_aware, zone_egress, passthrough, skip_initial_policies }
}

fn routing(routing: &Object<'_, '_>) -> (bool, bool) {
    routing.field("defaultForbidMeshExternalServiceAccess").flag();
    (routing.field("localityAwareLoadBalancing").flag(), routing.field("zoneEgress").flag())
}

fn passthrough(networking: &Object<'_, '_>) -> bool {
    let outbound = networking.field("outbound").object(|outbound| outbound.field("passthrough").boolean());
    outbound.flatten().unwrap_or(true)
}

fn constraints(constraints: &Object<'_, '_>) {
    constraints.field("dataplaneProxy").object(|proxy| {
        for list in ["requirements", "restrictions"] {
            proxy.field(list).list(|rule| rule.object(|rule| tags::tags(&rule.field("tags"), Rules::SELECTOR)));
        }
    });
}

/// `{enabledBackend, backends}`, or the oldest dialect's `{enabled, ca}`.
fn mtls(mtls: &Object<'_, '_>) -> Mtls {
    if mtls.has("ca") || mtls.has("enabled") {
        return oldest_mtls(mtls);
    }
    mtls.field("skipValidation").flag();
    let mut names = Names::default();
    let backends = mtls.field("backends").list(|backend| {
        backend.object(|backend| {
            names.add(&backend.field("name"));
            authority::read(backend)
        })
    });
    let enabled = mtls.field("enabledBackend");
    names.check_choice(&enabled, "has to be set to one of the backends in the mesh");
    Mtls { enabled_backend: enabled.filled(), backends }
}

/// Names of the secrets that hold the provided authority of the oldest dialect, which has no words for them.
const OLDEST_PROVIDED_CERT: &str = "provided-ca-cert";
const OLDEST_PROVIDED_KEY: &str = "provided-ca-key";

fn oldest_mtls(mtls: &Object<'_, '_>) -> Mtls {
    let provided = mtls.field("ca").section(|ca| {
        ca.field("builtin").object(|_| ());
        ca.field("provided").object(|_| ()).is_some() && {
            if ca.has("builtin") {
                ca.here().problem("must have only one type defined: builtin, provided");
            }
            true
        }
    });
    let source = if provided {
        CaSource::Provided {
            cert: DataSource::Secret(OLDEST_PROVIDED_CERT.to_owned()),
            key: DataSource::Secret(OLDEST_PROVIDED_KEY.to_owned()),
        }
    } else {
        CaSource::Builtin
    };
    let backend = CaBackend { source, ..authority::defaults("ca-1") };
    let enabled_backend = mtls.field("enabled").flag().then(|| backend.name.clone());
    Mtls { enabled_backend, backends: vec![backend] }
}

/// Names of back ends, which must be distinct.
#[derive(Debug, Default)]
struct Names(Vec<String>);

impl Names {
    fn add(&mut self, name: &Cursor<'_, '_>) {
        let text = name.text();
        if self.0.contains(&text) {
            name.problem(format!("{text:?} name is already used for another backend"));
        }
        self.0.push(text);
    }

    fn check_choice(&self, choice: &Cursor<'_, '_>, message: &str) {
        if choice.filled().is_some_and(|name| !self.0.contains(&name)) {
            choice.problem(message);
        }
    }
}
