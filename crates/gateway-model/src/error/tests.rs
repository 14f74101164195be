use serde_json::json;

use super::*;

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

#[test]
fn one_violation_stands_alone_several_are_counted() {
    assert_eq!(DaoError::field("host", "expected a string").message(), "schema violation (host: expected a string)");
    let two = DaoError::SchemaViolation(fields(json!({"b": "x", "a": {"d": "z"}, "@entity": ["e"]})));
    assert_eq!(two.message(), "3 schema violations (e; a.d: z; b: x)");
}

#[test]
fn lists_count_from_one_and_deeper_trees_are_printed() {
    let error = DaoError::SchemaViolation(fields(json!({
        "paths": [null, "bad"],
        "config": {"add": {"headers": ["invalid value: x"], "end": "y"}},
    })));
    assert_eq!(
        error.message(),
        "2 schema violations (config.add: {\n  [\"end\"] = \"y\",\n  headers = {\n    \"invalid value: x\"\n  }\n}; \
         paths.2: bad)"
    );
}

#[test]
fn keys_are_printed_in_one_line() {
    let error = DaoError::UniqueViolation(fields(json!({"service": null, "name": "a", "route": {"id": "1"}})));
    assert_eq!(error.message(), "UNIQUE violation detected on '{name=\"a\",route={id=\"1\"},service=null}'");
    assert_eq!(error.status(), 409);
    assert_eq!(error.body()["fields"]["route"]["id"], "1");
}

#[test]
fn unresolved_references_name_both_sides() {
    let error = DaoError::unresolved("service", "name", &json!("nope"), "services");
    assert_eq!(
        error.message(),
        "foreign key unresolved (service.name: the foreign key cannot be resolved with '{name=\"nope\"}' for an \
         existing 'services' entity)"
    );
}

#[test]
fn options_replace_fields() {
    let error = DaoError::InvalidOptions(fields(json!({"tags": "cannot be null"})));
    assert_eq!(error.message(), "invalid option (tags: cannot be null)");
    assert_eq!(
        error.body(),
        json!({"code": 11, "name": "invalid options",
        "message": "invalid option (tags: cannot be null)", "options": {"tags": "cannot be null"}})
    );
}

#[test]
fn the_storage_s_text_stays_inside() {
    let error = DaoError::Database("disk is on fire".to_owned());
    assert_eq!((error.status(), error.body()), (500, json!({"message": "An unexpected error occurred"})));
}

#[test]
fn a_database_that_is_away_is_told_without_its_text() {
    for (in_doubt, part) in [(false, "nothing was changed"), (true, "see whether it was made")] {
        let error = DaoError::Unavailable { in_doubt, text: "connection refused by 10.1.2.3".to_owned() };
        let body = error.body();
        assert_eq!((error.status(), body.as_object().unwrap().len()), (503, 1));
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(part) && !message.contains("10.1.2.3"), "{message}");
    }
}
