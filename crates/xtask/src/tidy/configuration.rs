//! The table of configuration keys in the documents: keys, variables and defaults are those of the program.

use serde_json::Value;

use super::{File, Finding};

const DOCUMENT: &str = "docs/control-plane.md";
const DEFAULTS: &str = "crates/mesh-cp/src/config/defaults.yaml";
const VARIABLES: &str = "crates/mesh-cp/src/config/env.rs";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let file = |path: &str| files.iter().find(|file| file.path == path);
    let (Some(document), Some(defaults), Some(variables)) = (file(DOCUMENT), file(DEFAULTS), file(VARIABLES)) else {
        let missing = File { path: DOCUMENT.to_owned(), text: String::new() };
        return vec![Finding::new(&missing, 0, format!("it, {DEFAULTS} or {VARIABLES} is missing"))];
    };
    let tree: Value = match serde_norway::from_str(&defaults.text) {
        Ok(tree) => tree,
        Err(error) => return vec![Finding::new(defaults, 0, error.to_string())],
    };
    let judge = |row: Row| {
        let key = row.key.clone();
        row.problem(&tree, &variables.text).map(|problem| Finding::new(document, row.line, format!("{key}: {problem}")))
    };
    rows(&document.text).into_iter().filter_map(judge).collect()
}

/// `| `key` | `VARIABLE` | `default` | meaning |`
struct Row {
    line: usize,
    key: String,
    variable: String,
    default: String,
}

fn rows(document: &str) -> Vec<Row> {
    let row = |(index, line): (usize, &str)| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [key, variable, default, _, _] = cells[..] else { return None };
        let (key, variable, default) = (key.to_owned(), variable.to_owned(), default.to_owned());
        variable.starts_with("KUMA_").then_some(Row { line: index + 1, key, variable, default })
    };
    document.lines().enumerate().filter_map(row).collect()
}

impl Row {
    fn problem(&self, tree: &Value, variables: &str) -> Option<String> {
        let Some(value) = tree.pointer(&format!("/{}", self.key.replace('.', "/"))) else {
            return Some("there is no such key".to_owned());
        };
        let default = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if default != self.default {
            return Some(format!("the default is {default:?}"));
        }
        let alias = format!("(\"{}\", \"{}\")", self.variable, self.key);
        let rule = variable(&self.key);
        (self.variable != rule && !variables.contains(&alias)).then(|| format!("the variable is {rule}"))
    }
}

/// `store.postgres.dbName` is `KUMA_STORE_POSTGRES_DB_NAME`.
fn variable(key: &str) -> String {
    let mut name = String::from("KUMA_");
    let mut before = '.';
    for c in key.chars() {
        if c == '.' {
            name.push('_');
        } else {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        before = c;
    }
    name
}
