//! What is refused, and in which words. Each file holds a sound body, and changes to it with the problems that
//! they cause: `with` maps JSON pointers to new values, `null` removing the field or adding a null element.

#![expect(clippy::unwrap_used, reason = "what these tests read is their own")]

use std::collections::BTreeMap;
use std::path::Path;

use mesh_model::{Kind, parse};
use serde_json::Value;

#[derive(Debug)]
struct Table {
    kind: &'static Kind,
    body: Value,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    changes: Vec<(String, Value)>,
    problems: Vec<String>,
}

fn tables() -> BTreeMap<String, Table> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), table(&path))).collect()
}

fn table(path: &Path) -> Table {
    let file: Value = serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let case = |case: &Value| {
        let changes = case["with"].as_object().unwrap().clone().into_iter().collect();
        let problems = case["problems"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        Case { changes, problems: problems.collect() }
    };
    Table {
        kind: Kind::by_name(file["kind"].as_str().unwrap()).unwrap(),
        body: file["body"].clone(),
        cases: file["cases"].as_array().unwrap().iter().map(case).collect(),
    }
}

fn change(body: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match body.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")) {
        Value::Object(fields) if value.is_null() => drop(fields.shift_remove(&key)),
        Value::Object(fields) => drop(fields.insert(key, value)),
        Value::Array(items) => {
            let index: usize = key.parse().unwrap();
            items.resize(items.len().max(index + 1), Value::Null);
            items[index] = value;
        }
        other => panic!("{parent} is {other}"),
    }
}

#[test]
fn what_is_wrong_is_refused_with_place_and_reason() {
    for (file, table) in tables() {
        parse(table.kind, &table.body).unwrap_or_else(|problems| panic!("{file}: the sound body: {problems}"));
        for Case { changes, problems: expected } in table.cases {
            let mut body = table.body.clone();
            for (pointer, value) in &changes {
                change(&mut body, pointer, value.clone());
            }
            let problems = parse(table.kind, &body).expect_err(&format!("{file}: {changes:?}"));
            let lines: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
            assert_eq!(lines, expected, "{file}: {changes:?}");
        }
    }
}

#[test]
fn every_kind_that_users_write_has_refusals() {
    let tables = tables();
    let covered: Vec<_> = tables.values().map(|table| table.kind.name).collect();
    let uncovered: Vec<_> =
        mesh_model::KINDS.iter().filter(|kind| !kind.read_only && !covered.contains(&kind.name)).collect();
    assert_eq!(uncovered, Vec::<&Kind>::new());
}

#[test]
fn huge_and_deep_bodies_are_refused() {
    let zone = Kind::by_name("Zone").unwrap();
    let deep = (0..70).fold(Value::Bool(true), |inner, _| Value::Array(vec![inner]));
    let problems = parse(zone, &serde_json::json!({"enabled": deep})).unwrap_err();
    assert_eq!(problems.to_string(), "must not be nested deeper than 64 levels");
    let wide = Value::Array(vec![Value::Null; 100_001]);
    let problems = parse(zone, &serde_json::json!({"enabled": wide})).unwrap_err();
    assert_eq!(problems.to_string(), "must not hold more than 100000 values");
    assert_eq!(parse(zone, &Value::Null).unwrap_err().to_string(), "must be an object");
}
