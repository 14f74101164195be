use serde_json::json;

use super::*;

fn refusal(value: Value) -> String {
    format!("{:#}", Manifest::from_value(value, None).unwrap_err())
}

#[test]
fn universal_form_is_sent_as_written() {
    let value = json!({"type": "Mesh", "name": "demo", "mtls": {"enabled": true, "ca": {"builtin": {}}}});
    let manifest = Manifest::from_value(value.clone(), Some("ignored")).unwrap();
    assert_eq!((manifest.kind.name, manifest.mesh.as_str(), manifest.name.as_str()), ("Mesh", "", "demo"));
    assert_eq!(manifest.object, value);
}

#[test]
fn the_chosen_mesh_fills_a_gap_only() {
    let dataplane = |mesh: Value| {
        json!({"type": "Dataplane", "mesh": mesh, "name": "web-1", "networking": {
            "address": "127.0.0.1",
            "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}],
        }})
    };
    let mesh_of = |value| Manifest::from_value(value, Some("chosen")).unwrap().object["mesh"].clone();
    assert_eq!(mesh_of(dataplane(Value::Null)), "chosen");
    assert_eq!(mesh_of(dataplane("own".into())), "own");
}

#[test]
fn kubernetes_form_becomes_universal() {
    let manifest = Manifest::from_value(
        json!({
            "apiVersion": "kuma.io/v1alpha1",
            "kind": "TrafficPermission",
            "metadata": {"name": "all", "labels": {"kuma.io/mesh": "demo"}},
            "spec": {
                "sources": [{"match": {"kuma.io/service": "*"}}],
                "destinations": [{"match": {"kuma.io/service": "*"}}],
            },
        }),
        None,
    )
    .unwrap();
    assert_eq!(
        manifest.object,
        json!({
            "type": "TrafficPermission",
            "mesh": "demo",
            "name": "all",
            "labels": {"kuma.io/mesh": "demo"},
            "sources": [{"match": {"kuma.io/service": "*"}}],
            "destinations": [{"match": {"kuma.io/service": "*"}}],
        })
    );
}

#[test]
fn secrets_of_no_mesh_are_global_ones() {
    let secret = json!({"type": "Secret", "name": "x", "data": "dGVzdA=="});
    assert_eq!(Manifest::from_value(secret.clone(), None).unwrap().kind.name, "GlobalSecret");
    let chosen = Manifest::from_value(secret, Some("demo")).unwrap();
    assert_eq!((chosen.kind.name, chosen.mesh.as_str()), ("Secret", "demo"));
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(refusal(json!([])), "a resource must be a mapping with a \"type\"");
    assert!(refusal(json!({"name": "x"})).starts_with("the resource \"x\" is not valid\n* type: cannot be empty"));
    assert_eq!(refusal(json!({"type": "Mesh"})), "Mesh is not valid\n* name: cannot be empty");
    assert_eq!(refusal(json!({"type": "Mesh", "name": 7})), "Mesh is not valid\n* name: must be a string");
    assert_eq!(
        refusal(json!({"type": "Retry", "name": "x"})),
        "Retry \"x\" is not valid\n* mesh: cannot be empty (write \"mesh: default\" or use --mesh)"
    );
    let unknown = refusal(json!({"type": "Mesch", "name": "x"}));
    let start = "Mesch \"x\" is not valid\n* type: unknown type \"Mesch\" (known are CircuitBreaker, ";
    assert!(unknown.starts_with(start), "{unknown}");
}
