//! Documents of every dialect, read into the canonical form. The pages of all four generations are here, and
//! further cases for what their examples leave out.

#![expect(clippy::unwrap_used, reason = "what these tests read is their own")]

use std::path::{Path, PathBuf};

use mesh_model::{Draft, Kind, parse};
use serde_json::Value;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files = Vec::new();
    for dialect in std::fs::read_dir(root).unwrap() {
        files.extend(std::fs::read_dir(dialect.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    files.sort();
    files
}

fn document(path: &Path) -> Value {
    serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn case_name(path: &Path) -> String {
    let dialect = path.parent().and_then(Path::file_name).unwrap().to_string_lossy();
    format!("{dialect}-{}", path.file_stem().unwrap().to_string_lossy())
}

#[test]
fn documents_have_their_canonical_form() {
    for path in cases() {
        let draft = Draft::from_document(document(&path)).unwrap();
        let spec = parse(draft.kind, &draft.body).unwrap_or_else(|problems| panic!("{}: {problems}", path.display()));
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_debug_snapshot!(case_name(&path), spec);
        });
    }
}

#[test]
fn every_kind_that_users_write_has_a_case() {
    let covered: Vec<_> = cases().iter().map(|path| Draft::from_document(document(path)).unwrap().kind.name).collect();
    let uncovered: Vec<_> =
        mesh_model::KINDS.iter().filter(|kind| !kind.read_only && !covered.contains(&kind.name)).collect();
    assert_eq!(uncovered, Vec::<&Kind>::new());
}

/// Every object of every document refuses a field it does not know, and names it.
#[test]
fn unknown_fields_are_named_wherever_they_are() {
    for path in cases() {
        let draft = Draft::from_document(document(&path)).unwrap();
        for place in objects(&draft.body, "") {
            let mut body = draft.body.clone();
            let object = body.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            object.insert("surprise".into(), Value::Bool(true));
            let problems = parse(draft.kind, &body).expect_err(&format!("{}{place}", path.display()));
            let is_named = problems.0.iter().any(|problem| problem.path.contains("surprise"));
            assert!(is_named, "{}{place}: {problems}", path.display());
        }
    }
}

/// JSON pointers of all objects in `value`.
fn objects(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
            let below = fields.iter().flat_map(|(key, value)| objects(value, &format!("{at}/{}", escape(key))));
            below.chain([at.to_owned()]).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, value)| objects(value, &format!("{at}/{index}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// The older spellings mean the same as today's.
#[test]
fn dialects_of_one_document_agree() {
    let canonical = |dialect: &str, case: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cases/{dialect}/{case}.yaml"));
        let draft = Draft::from_document(document(&path)).unwrap();
        format!("{:#?}", parse(draft.kind, &draft.body).unwrap())
    };
    for case in ["traffic_permission", "traffic_route", "traffic_log", "proxy_template"] {
        assert_eq!(canonical("0.2", case), canonical("2.x", case), "{case}");
        assert_eq!(canonical("0.4", case), canonical("2.x", case), "{case}");
    }
    assert_eq!(canonical("0.2", "dataplane"), canonical("0.4", "dataplane"));
    assert_eq!(canonical("0.4", "dataplane"), canonical("2.x", "dataplane_2"));
    assert_eq!(canonical("0.4", "traffic_trace"), canonical("2.x", "traffic_trace"));
}
