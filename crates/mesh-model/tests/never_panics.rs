//! No input makes reading panic, and what is accepted once is accepted again.

#![expect(clippy::unwrap_used, reason = "what these tests read is their own")]

use std::path::Path;
use std::sync::LazyLock;

use mesh_model::{Draft, KINDS, parse};
use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// Words that lead deep into the readers.
const WORDS: &[&str] = &[
    "sources",
    "destinations",
    "match",
    "conf",
    "networking",
    "inbound",
    "outbound",
    "tags",
    "interface",
    "port",
    "kuma.io/service",
    "service",
    "mtls",
    "backends",
    "type",
    "name",
    "split",
    "weight",
    "http",
    "listeners",
    "builtin",
    "provided",
    "10s",
    "0s",
    "-1s",
    "127.0.0.1:80:81",
    ":80",
    "[::1]:80",
    "*",
    "",
    "\u{0}",
    "é",
    "99999999999999999999",
    "1e400",
    "NaN",
    "selectors",
    "parameters",
    "modifications",
    "rules",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        word().prop_map(Value::from),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((word(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// All sound documents of the cases.
fn documents() -> &'static [Value] {
    static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(read_documents);
    &DOCUMENTS
}

fn read_documents() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folders = std::fs::read_dir(root).unwrap().map(|folder| folder.unwrap().path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    files.map(|file| serde_norway::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

/// How many values there are in `value`.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0_usize,
    }
}

/// Puts `new` in the place of the value with that number, counted from the outside in.
fn replace(value: &mut Value, number: usize, new: Value) {
    if number == 0 {
        *value = new;
        return;
    }
    let mut left = number - 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        let below = size(child);
        if left < below {
            return replace(child, left, new);
        }
        left -= below;
    }
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(body in json()) {
        for kind in KINDS {
            if let Err(problems) = parse(kind, &body) {
                prop_assert!(!problems.is_empty());
            }
        }
        if let Err(problems) = Draft::from_document(body) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn changed_documents_are_read_or_refused(
        which in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), json()), 1..4),
    ) {
        let documents = documents();
        let mut document = documents[which.index(documents.len())].clone();
        for (place, new) in changes {
            let number = place.index(size(&document));
            replace(&mut document, number, new);
        }
        if let Ok(draft) = Draft::from_document(document) {
            let first = parse(draft.kind, &draft.body).map(|spec| format!("{spec:?}"));
            let second = parse(draft.kind, &draft.body).map(|spec| format!("{spec:?}"));
            prop_assert_eq!(first, second);
        }
    }
}
