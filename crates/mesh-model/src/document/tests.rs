use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{Meta, Spec};

fn draft(document: Value) -> Draft {
    Draft::from_document(document).unwrap()
}

fn problems(document: Value) -> Vec<String> {
    Draft::from_document(document).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn fields_next_to_the_identity_are_the_body() {
    let draft = draft(json!({
        "type": "TrafficLog", "mesh": "mesh-1", "name": "tl-1", "labels": {"team": "a"},
        "creationTime": "2020-01-01T00:00:00Z", "conf": {"backend": "file"},
    }));
    assert_eq!(draft.kind.name, "TrafficLog");
    assert_eq!((draft.mesh.as_str(), draft.name.as_str()), ("mesh-1", "tl-1"));
    assert_eq!(draft.labels["team"], "a");
    assert_eq!(draft.body, json!({"conf": {"backend": "file"}}));
}

#[test]
fn nested_and_kubernetes_forms_give_the_same_draft() {
    let flat = draft(json!({"type": "TrafficLog", "mesh": "m", "name": "n", "conf": {}}));
    assert_eq!(draft(json!({"type": "TrafficLog", "mesh": "m", "name": "n", "spec": {"conf": {}}})), flat);
    let kubernetes = json!({
        "apiVersion": "kuma.io/v1alpha1", "kind": "TrafficLog", "mesh": "m",
        "metadata": {"name": "n"}, "spec": {"conf": {}},
    });
    assert_eq!(draft(kubernetes), flat);
}

#[test]
fn the_mesh_of_a_kubernetes_object_may_be_a_label() {
    let draft = draft(json!({
        "apiVersion": "kuma.io/v1alpha1", "kind": "TrafficLog",
        "metadata": {"name": "n", "labels": {"kuma.io/mesh": "m"}}, "spec": {},
    }));
    assert_eq!(draft.mesh, "m");
}

#[test]
fn identity_below_spec_stays_in_the_body_to_be_reported() {
    let draft = draft(json!({"type": "Zone", "name": "z", "spec": {"enabled": true, "name": "other"}}));
    assert_eq!(draft.body, json!({"enabled": true, "spec": {"name": "other"}}));
}

#[test]
fn global_kinds_have_no_mesh_even_if_one_is_written() {
    assert_eq!(draft(json!({"type": "Mesh", "name": "mesh-1", "mesh": "mesh-1"})).mesh, "");
}

#[test]
fn a_secret_without_mesh_is_a_global_one() {
    assert_eq!(draft(json!({"type": "Secret", "name": "s", "data": "YQ=="})).kind.name, "GlobalSecret");
    assert_eq!(draft(json!({"type": "Secret", "mesh": "m", "name": "s", "data": "YQ=="})).kind.name, "Secret");
}

#[test]
fn every_problem_of_the_identity_is_reported() {
    assert_eq!(problems(json!([])), ["must be an object"]);
    assert_eq!(problems(json!({})), ["type: cannot be empty"]);
    assert_eq!(problems(json!({"type": "Sidecar", "name": "a"})), ["type: unknown type \"Sidecar\""]);
    assert_eq!(problems(json!({"type": "Retry"})), ["name: cannot be empty", "mesh: cannot be empty"]);
    assert_eq!(problems(json!({"type": "Zone", "name": 5})), ["name: must be a string"]);
    assert_eq!(
        problems(json!({"type": "Zone", "name": "Zone 1"})),
        ["name: invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols."]
    );
    assert_eq!(
        problems(json!({"type": "Zone", "name": "z".repeat(254)})),
        ["name: cannot be longer than 253 characters"]
    );
    assert_eq!(
        problems(json!({"type": "Mesh", "name": "m".repeat(64)})),
        ["name: cannot be longer than 63 characters"]
    );
    let labels = problems(json!({"type": "Zone", "name": "z", "labels": {"a": 1, "b": "-", "/c": "d"}}));
    assert_eq!(labels.len(), 3);
    assert_eq!(labels[0], "labels[\"a\"]: must be a string");
    assert_eq!(problems(json!({"type": "Zone", "name": "z", "labels": []})), ["labels: must be an object"]);
}

#[test]
fn the_address_and_the_document_must_agree() {
    let draft = draft(json!({"type": "Retry", "mesh": "m", "name": "r"}));
    let retry = Kind::by_name("Retry").unwrap();
    assert_eq!(draft.check_address(retry, "m", "r"), Ok(()));
    let other = draft.check_address(Kind::by_name("Timeout").unwrap(), "n", "s").unwrap_err();
    let lines: Vec<_> = other.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "name: name from the URL has to be the same as in body",
            "type: type from the URL has to be the same as in body",
            "mesh: mesh from the URL has to be the same as in body",
        ]
    );
}

#[test]
fn a_resource_is_answered_as_it_was_written() {
    let body = json!({"conf": {"backend": "file", "weight": 1.0}, "sources": [], "empty": {}});
    let resource = Resource {
        meta: Meta {
            kind: Kind::by_name("TrafficLog").unwrap(),
            mesh: Arc::from("m"),
            name: Arc::from("n"),
            labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            created: Timestamp::UNIX_EPOCH,
            modified: Timestamp::UNIX_EPOCH,
        },
        body: Arc::new(body),
        spec: Spec::Other,
    };
    assert_eq!(
        resource.document().to_string(),
        concat!(
            r#"{"type":"TrafficLog","mesh":"m","name":"n","creationTime":"1970-01-01T00:00:00Z","#,
            r#""modificationTime":"1970-01-01T00:00:00Z","labels":{"team":"a"},"#,
            r#""conf":{"backend":"file","weight":1.0},"sources":[],"empty":{}}"#
        )
    );
}
