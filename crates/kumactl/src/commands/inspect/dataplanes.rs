//! The table of data plane proxies.

use jiff::Timestamp;
use serde_json::Value;

use super::overview::{Subscriptions, number, status};
use crate::output::Table;
use crate::output::age::{age_of, timestamp};
use crate::output::resource::{items, tags, text};

pub(super) fn table(overviews: &[Value], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "MESH",
        "NAME",
        "TAGS",
        "STATUS",
        "LAST CONNECTED AGO",
        "LAST UPDATED AGO",
        "TOTAL UPDATES",
        "TOTAL ERRORS",
        "CERT REGENERATED AGO",
        "CERT EXPIRATION",
        "CERT REGENERATIONS",
        "CERT BACKEND",
        "SUPPORTED CERT BACKENDS",
        "KUMA-DP VERSION",
        "ENVOY VERSION",
        "DEPENDENCIES VERSIONS",
        "NOTES",
    ]);
    for overview in overviews {
        table.row(row(overview, now));
    }
    table
}

fn row(overview: &Value, now: Timestamp) -> Vec<String> {
    let (dataplane, insight) = (&overview["dataplane"], &overview["dataplaneInsight"]);
    let subscriptions = Subscriptions::of(insight);
    let mut cells = vec![
        text(&overview["mesh"]),
        text(&overview["name"]),
        tags(dataplane),
        health(dataplane, subscriptions.is_online()),
    ];
    cells.extend(subscriptions.cells(now));
    cells.extend(certificate(&insight["mTLS"], now));
    let (kuma_dp, envoy) = (subscriptions.version("kumaDp"), subscriptions.version("envoy"));
    cells.extend([
        text(&kuma_dp["version"]),
        text(&envoy["version"]),
        dependencies(subscriptions.version("dependencies")),
        notes(kuma_dp, envoy),
    ]);
    cells
}

/// The connection's state, made worse by inbounds that are not ready.
fn health(dataplane: &Value, online: bool) -> String {
    let inbounds = items(&dataplane["networking"]["inbound"]);
    let ready = |inbound: &&Value| {
        inbound["health"]["ready"].as_bool() != Some(false)
            && !matches!(inbound["state"].as_str(), Some("NotReady" | "Ignored"))
    };
    let ready = inbounds.iter().filter(ready).count();
    match (online, ready) {
        (true, some) if some < inbounds.len() && some > 0 => "Partially degraded".into(),
        (true, 0) if !inbounds.is_empty() => status(false),
        (online, _) => status(online),
    }
}

/// The cells CERT REGENERATED AGO, CERT EXPIRATION, CERT REGENERATIONS, CERT BACKEND, SUPPORTED CERT BACKENDS.
fn certificate(mtls: &Value, now: Timestamp) -> [String; 5] {
    let never = || "never".to_owned();
    if mtls.is_null() {
        return [never(), "-".into(), "0".into(), "-".into(), String::new()];
    }
    let expiration = timestamp(&mtls["certificateExpirationTime"]);
    let supported: Vec<_> = items(&mtls["supportedBackends"]).iter().map(text).collect();
    [
        age_of(&mtls["lastCertificateRegeneration"], now),
        expiration.map_or_else(|| "-".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        number(&mtls["certificateRegenerations"]).to_string(),
        text(&mtls["issuedBackend"]),
        supported.join(","),
    ]
}

/// `coredns=1.11.1`, sorted as on the wire.
fn dependencies(versions: &Value) -> String {
    let versions = versions.as_object().into_iter().flatten();
    versions.map(|(name, version)| format!("{name}={}", text(version))).collect::<Vec<_>>().join(" ")
}

/// What the control plane warns of.
fn notes(kuma_dp: &Value, envoy: &Value) -> String {
    let mut notes = Vec::new();
    if kuma_dp["kumaCpCompatible"] == false {
        notes.push("kuma-dp is not compatible with kuma-cp");
    }
    if envoy["kumaDpCompatible"] == false {
        notes.push("Envoy is not compatible with kuma-dp");
    }
    notes.join("; ")
}
