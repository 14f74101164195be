//! From a resource's words, in any dialect, to its canonical form.

mod dataplane;
mod mesh;
mod net;
mod path;
mod policy;
mod reader;
mod tags;
mod zone;

use std::sync::Arc;

use base::Problems;
use serde_json::Value;

use self::reader::{Cursor, Object, Report};
use crate::{Kind, Spec};

/// Deepest nesting of a body.
const MAX_DEPTH: usize = 64;
/// Most values (of any type) in a body.
const MAX_VALUES: usize = 100_000;

/// Reads and validates the body of a resource (its fields without `type`, `mesh`, `name`, `labels` and times),
/// in any dialect. All problems are reported, with the reference's field paths and messages.
pub fn parse(kind: &'static Kind, body: &Value) -> Result<Spec, Problems> {
    check_size(body)?;
    let report = Report::default();
    let spec = Cursor::root(body, &report).object(|body| read(kind, body));
    let problems = report.into_problems();
    match spec {
        Some(spec) => problems.into_result(spec),
        None => Err(problems),
    }
}

fn read(kind: &Kind, body: &Object<'_, '_>) -> Spec {
    match kind.name {
        "Mesh" => Spec::Mesh(Arc::new(mesh::read(body))),
        "Dataplane" => Spec::Dataplane(Arc::new(dataplane::read(body))),
        "TrafficPermission" => Spec::TrafficPermission(Arc::new(policy::traffic_permission(body))),
        "TrafficRoute" => Spec::TrafficRoute(Arc::new(policy::traffic_route(body))),
        "TrafficLog" => Spec::TrafficLog(Arc::new(policy::traffic_log(body))),
        "TrafficTrace" => Spec::TrafficTrace(Arc::new(policy::traffic_trace(body))),
        "HealthCheck" => Spec::HealthCheck(Arc::new(policy::health_check(body))),
        "CircuitBreaker" => Spec::CircuitBreaker(Arc::new(policy::circuit_breaker(body))),
        "Timeout" => Spec::Timeout(Arc::new(policy::timeout(body))),
        "Retry" => Spec::Retry(Arc::new(policy::retry(body))),
        "FaultInjection" => Spec::FaultInjection(Arc::new(policy::fault_injection(body))),
        "RateLimit" => Spec::RateLimit(Arc::new(policy::rate_limit(body))),
        "ProxyTemplate" => Spec::ProxyTemplate(Arc::new(policy::proxy_template(body))),
        "ExternalService" => Spec::ExternalService(Arc::new(policy::external_service(body))),
        _ => {
            check_only(kind, body);
            Spec::Other
        }
    }
}

/// Kinds that configure no proxy by themselves: reading them is checking them.
fn check_only(kind: &Kind, body: &Object<'_, '_>) {
    match kind.name {
        "VirtualOutbound" => policy::virtual_outbound(body),
        "MeshGateway" => policy::gateway(body),
        "MeshGatewayRoute" => policy::gateway_route(body),
        "Zone" => zone::zone(body),
        "ZoneIngress" => zone::ingress(body),
        "ZoneEgress" => zone::egress(body),
        "Secret" | "GlobalSecret" => secret(body),
        // What remains is written by the control plane itself.
        _ => body.accept_rest(),
    }
}

fn secret(secret: &Object<'_, '_>) {
    let data = secret.field("data");
    if data.raw().is_none_or(|data| data.as_str() == Some("")) {
        data.problem("cannot be empty");
    }
    data.bytes();
}

/// Bounds the work that a body can cause.
fn check_size(body: &Value) -> Result<(), Problems> {
    let mut values = 0;
    measure(body, 0, &mut values).map_err(|message| {
        let mut problems = Problems::default();
        problems.add("", message);
        problems
    })
}

fn measure(value: &Value, depth: usize, values: &mut usize) -> Result<(), String> {
    *values += 1;
    if depth > MAX_DEPTH {
        return Err(format!("must not be nested deeper than {MAX_DEPTH} levels"));
    }
    if *values > MAX_VALUES {
        return Err(format!("must not hold more than {MAX_VALUES} values"));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| measure(item, depth + 1, values)),
        Value::Object(fields) => fields.values().try_for_each(|field| measure(field, depth + 1, values)),
        _ => Ok(()),
    }
}
