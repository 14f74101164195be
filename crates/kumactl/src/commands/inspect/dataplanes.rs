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
    let (status, notes) = health(&dataplane["networking"], subscriptions.is_online());
    let mut cells = vec![text(&overview["mesh"]), text(&overview["name"]), tags(dataplane), status];
    cells.extend(subscriptions.cells(now));
    cells.extend(certificate(&insight["mTLS"], now));
    cells.extend([
        text(&subscriptions.version("kumaDp")["version"]),
        text(&subscriptions.version("envoy")["version"]),
        dependencies(subscriptions.version("dependencies")),
        notes.join(";"),
    ]);
    cells
}

/// The connection's state, made worse by inbounds and listeners that are not ready, and which those are.
fn health(networking: &Value, online: bool) -> (String, Vec<String>) {
    // What is behind a gateway is not its own.
    if !networking["gateway"].is_null() {
        return (status(online), Vec::new());
    }
    let (inbounds, listeners) = (items(&networking["inbound"]), items(&networking["listeners"]));
    let count = inbounds.len() + listeners.len();
    let notes: Vec<_> =
        inbounds.iter().filter_map(inbound_note).chain(listeners.iter().filter_map(listener_note)).collect();
    let status = match notes.len() {
        0 => status(online),
        failing if online && failing < count => "Partially degraded".to_owned(),
        _ => status(false),
    };
    (status, notes)
}

fn inbound_note(inbound: &Value) -> Option<String> {
    // A false on the wire may be left out.
    let failing = inbound["health"].is_object() && inbound["health"]["ready"] != true || inbound["state"] == "NotReady";
    let (port, service) = (text(&inbound["port"]), text(&inbound["tags"]["kuma.io/service"]));
    failing.then(|| format!("inbound[port={port},svc={service}] is not ready"))
}

fn listener_note(listener: &Value) -> Option<String> {
    let (port, kind) = (text(&listener["port"]), text(&listener["type"]));
    (listener["state"] == "NotReady").then(|| format!("listener[port={port},type={kind}] is not ready"))
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

/// `coredns: 1.11.1, other: 2`, in the order of the wire.
fn dependencies(versions: &Value) -> String {
    let versions = versions.as_object().into_iter().flatten();
    let versions: Vec<_> = versions.map(|(name, version)| format!("{name}: {}", text(version))).collect();
    if versions.is_empty() { "-".into() } else { versions.join(", ") }
}
