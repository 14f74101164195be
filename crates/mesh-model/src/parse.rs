//! From a resource's words, in any dialect, to its canonical form.

mod dataplane;
mod mesh;
mod net;
mod path;
mod policy;
mod reader;
mod tags;

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
        _ => {
            body.accept_rest();
            Spec::Other
        }
    }
}

/// Bounds the work that a body can cause.
fn check_size(body: &Value) -> Result<(), Problems> {
    let mut values = 0;
    let mut level = vec![body];
    for depth in 0.. {
        values += level.len();
        let problem = if level.is_empty() {
            return Ok(());
        } else if depth > MAX_DEPTH {
            format!("must not be nested deeper than {MAX_DEPTH} levels")
        } else if values > MAX_VALUES {
            format!("must not hold more than {MAX_VALUES} values")
        } else {
            level = level.into_iter().flat_map(children).collect();
            continue;
        };
        let mut problems = Problems::default();
        problems.add("", problem);
        return Err(problems);
    }
    Ok(())
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}
