//! Tables of resources, from the REST objects as the control plane answers them, in any dialect.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mesh_model::{Kind, Scope};
use serde_json::Value;

use super::Table;
use super::age::age_of;

/// A table of resources of one kind.
pub(crate) fn table(kind: &Kind, items: &[Value], now: Timestamp) -> Table {
    let columns = columns(kind);
    let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
    let mut table = Table::new(&titles);
    for item in items {
        table.row(columns.iter().map(|column| (column.cell)(item, now)).collect());
    }
    table
}

struct Column {
    title: &'static str,
    cell: fn(&Value, Timestamp) -> String,
}

const MESH: Column = Column { title: "MESH", cell: |item, _| text(&item["mesh"]) };
const NAME: Column = Column { title: "NAME", cell: |item, _| text(&item["name"]) };
const AGE: Column = Column { title: "AGE", cell: |item, now| age_of(&item["modificationTime"], now) };

fn columns(kind: &Kind) -> Vec<Column> {
    let tags = Column { title: "TAGS", cell: |item, _| tags(item) };
    let address = Column { title: "ADDRESS", cell: |item, _| address(item) };
    match (kind.name, kind.scope) {
        ("Dataplane" | "ExternalService", _) => vec![MESH, NAME, tags, address, AGE],
        ("Mesh", _) => vec![
            NAME,
            Column { title: "mTLS", cell: |item, _| mtls(&item["mtls"]) },
            Column { title: "LOCALITY", cell: |item, _| on_off(&item["routing"]["localityAwareLoadBalancing"]) },
            Column { title: "ZONEEGRESS", cell: |item, _| on_off(&item["routing"]["zoneEgress"]) },
            AGE,
        ],
        (_, Scope::Mesh) => vec![MESH, NAME, AGE],
        (_, Scope::Global) => vec![NAME, AGE],
    }
}

/// A text, number or truth value as text; nothing for anything else.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}

/// The items of an array; none for anything else.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// All tags of a data plane proxy or external service: `k=v1,v2 k2=v`, sorted.
pub(crate) fn tags(item: &Value) -> String {
    let networking = &item["networking"];
    let inbounds = items(&networking["inbound"]).iter().map(|inbound| &inbound["tags"]);
    let sets = inbounds.chain([&networking["gateway"]["tags"], &item["tags"]]);
    let mut merged: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (key, value) in sets.filter_map(Value::as_object).flatten() {
        merged.entry(key).or_default().insert(text(value));
    }
    let join = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join(",");
    merged.into_iter().map(|(key, values)| format!("{key}={}", join(values))).collect::<Vec<_>>().join(" ")
}

/// The address that others use; in the oldest dialect it is the first part of the first inbound's `interface`.
fn address(item: &Value) -> String {
    let networking = &item["networking"];
    let given = |field: &str| networking[field].as_str().filter(|address| !address.is_empty());
    match given("advertisedAddress").or_else(|| given("address")) {
        Some(address) => address.to_owned(),
        None => interface_address(text(&networking["inbound"][0]["interface"]).as_str()).to_owned(),
    }
}

/// `127.0.0.1` of `127.0.0.1:80:8080`, `::1` of `[::1]:80:8080`.
fn interface_address(interface: &str) -> &str {
    match interface.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => interface.split(':').next().unwrap_or_default(),
    }
}

/// `off`, or `<type>/<backend>` of the back end in use.
fn mtls(mtls: &Value) -> String {
    if let Some(enabled) = mtls["enabledBackend"].as_str().filter(|name| !name.is_empty()) {
        let backend = items(&mtls["backends"]).iter().find(|backend| backend["name"] == enabled);
        let kind = backend.map(|backend| text(&backend["type"])).unwrap_or_default();
        return format!("{kind}/{enabled}");
    }
    // The oldest dialect has one unnamed certificate authority.
    if mtls["enabled"] == true {
        let provided = mtls["ca"].get("provided").is_some();
        return if provided { "provided".into() } else { "builtin".into() };
    }
    "off".into()
}

fn on_off(value: &Value) -> String {
    if *value == true { "on".into() } else { "off".into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_are_merged_and_sorted() {
        let dataplane = json!({"networking": {"inbound": [
            {"tags": {"version": "v2", "service": "web"}},
            {"tags": {"version": "v1", "service": "web"}},
        ]}});
        assert_eq!(tags(&dataplane), "service=web version=v1,v2");
        assert_eq!(
            tags(&json!({"networking": {"gateway": {"tags": {"kuma.io/service": "edge"}}}})),
            "kuma.io/service=edge"
        );
        assert_eq!(tags(&json!({"tags": {"kuma.io/service": "api"}, "networking": 7})), "kuma.io/service=api");
        assert_eq!(tags(&json!({})), "");
    }

    #[test]
    fn addresses_of_all_dialects_are_found() {
        assert_eq!(address(&json!({"networking": {"address": "10.0.0.1"}})), "10.0.0.1");
        let advertised = json!({"networking": {"address": "10.0.0.1", "advertisedAddress": "192.168.0.1"}});
        assert_eq!(address(&advertised), "192.168.0.1");
        assert_eq!(address(&json!({"networking": {"address": "10.0.0.1", "advertisedAddress": ""}})), "10.0.0.1");
        assert_eq!(address(&json!({"networking": {"inbound": [{"interface": "10.0.0.2:80:8080"}]}})), "10.0.0.2");
        assert_eq!(address(&json!({"networking": {"inbound": [{"interface": "[::1]:80:8080"}]}})), "::1");
        assert_eq!(address(&json!({})), "");
    }

    #[test]
    fn mtls_names_the_back_end_in_use() {
        let backends = json!([{"name": "ca-1", "type": "builtin"}, {"name": "ca-2", "type": "provided"}]);
        assert_eq!(mtls(&json!({"enabledBackend": "ca-2", "backends": backends})), "provided/ca-2");
        assert_eq!(mtls(&json!({"backends": backends})), "off");
        assert_eq!(mtls(&json!({"enabled": true, "ca": {"builtin": {}}})), "builtin");
        assert_eq!(mtls(&json!({"enabled": true, "ca": {"provided": {}}})), "provided");
        assert_eq!(mtls(&Value::Null), "off");
    }
}
