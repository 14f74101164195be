//! What the control plane says of itself.

use mesh_model::{KINDS, Kind, Scope};
use serde_json::{Map, Value, json};

use super::Api;
use super::auth::Caller;
use super::error::ApiError;

/// The release of Kuma whose interfaces are spoken; clients compare it with their own.
pub const COMPATIBLE_RELEASE: &str = "2.14.3";

pub(super) fn index(api: &Api) -> Value {
    let identity = api.identity();
    json!({
        "hostname": identity.hostname,
        // Clients up to 1.x look for `tagline`, later ones for `product`.
        "tagline": "Kuma",
        "product": "Kuma",
        "version": COMPATIBLE_RELEASE,
        "instanceId": identity.instance_id,
        "clusterId": identity.cluster_id,
        "gui": "The gui is not part of this build",
        "basedOnKuma": COMPATIBLE_RELEASE,
        "higuma": env!("CARGO_PKG_VERSION"),
    })
}

/// What the GUI of the old releases asks for before anything else.
pub(super) fn gui(api: &Api) -> Value {
    let port = api.config().api.http.map_or(0, |address| address.port());
    json!({ "apiUrl": "/api", "apiServerPort": port, "environment": "universal", "version": COMPATIBLE_RELEASE })
}

pub(super) fn config(api: &Api, caller: &Caller) -> Result<Value, ApiError> {
    caller.require(&api.config().access.control_plane_metadata, "access the control plane metadata")?;
    Ok(api.config().shown())
}

/// Which Envoy goes with which release of `kuma-dp`. Releases that asked are long gone; the last one that
/// did gets what it expects.
pub(super) fn versions() -> Value {
    json!({ "kumaDp": { "1.0.8": { "envoy": "1.16.2" }, COMPATIBLE_RELEASE: { "envoy": "1.40.0" } } })
}

pub(super) fn policies(api: &Api) -> Value {
    let policies: Vec<Value> = KINDS
        .iter()
        .filter(|kind| kind.policy)
        .map(|kind| {
            json!({
                "name": kind.name,
                "readOnly": is_read_only(api, kind),
                "path": kind.path,
                "displayName": kind.display_plural,
                "singularDisplayName": kind.display,
                "pluralDisplayName": kind.display_plural,
                "isExperimental": false,
                "isTargetRefBased": false,
                "isInbound": false,
                "isOutbound": false,
            })
        })
        .collect();
    json!({ "policies": policies })
}

pub(super) fn resource_types(api: &Api) -> Value {
    let resources: Vec<Value> = KINDS
        .iter()
        .map(|kind| {
            let mut entry = Map::new();
            entry.insert("name".into(), kind.name.into());
            entry.insert("scope".into(), if kind.scope == Scope::Mesh { "Mesh" } else { "Global" }.into());
            entry.insert("readOnly".into(), is_read_only(api, kind).into());
            entry.insert("path".into(), kind.path.into());
            entry.insert("singularDisplayName".into(), kind.display.into());
            entry.insert("pluralDisplayName".into(), kind.display_plural.into());
            entry.insert("shortName".into(), "".into());
            entry.insert("includeInFederation".into(), (!kind.read_only).into());
            if kind.policy {
                let policy = json!({
                    "isTargetRef": false,
                    "hasToTargetRef": false,
                    "hasFromTargetRef": false,
                    "hasRulesTargetRef": false,
                    "isFromAsRules": false,
                });
                entry.insert("policy".into(), policy);
            }
            Value::Object(entry)
        })
        .collect();
    json!({ "resources": resources })
}

fn is_read_only(api: &Api, kind: &Kind) -> bool {
    kind.read_only || api.config().api.read_only
}
