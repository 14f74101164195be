//! The YAML file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::Problems;

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// The content of a configuration file. The problem's path is the file's name.
pub fn read_file(path: &Path) -> Result<String, Problems> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE as u64 + 1).read_to_string(&mut text));
    let complaint = match read {
        Err(error) => format!("cannot be read: {error}"),
        Ok(length) if length > MAX_FILE => too_large(),
        Ok(_) => return Ok(text),
    };
    let mut problems = Problems::default();
    problems.add(path.display().to_string(), complaint);
    Err(problems)
}

/// The file's content as a tree; null when it is empty.
pub(super) fn parse(text: &str) -> Result<Value, Problems> {
    let mut problems = Problems::default();
    if text.len() > MAX_FILE {
        problems.add("", too_large());
        return Err(problems);
    }
    match serde_norway::from_str::<serde_norway::Value>(text) {
        Ok(value) => {
            let tree = to_json(value, &mut String::new(), &mut problems);
            if problems.is_empty() && !matches!(tree, Value::Object(_) | Value::Null) {
                problems.add("", "the configuration file must be a map");
            }
            problems.into_result(tree)
        }
        Err(error) => {
            // The parser's message ends with the line and column where it knows them.
            problems.add("", format!("the configuration file is not valid YAML: {error}"));
            Err(problems)
        }
    }
}

fn too_large() -> String {
    format!("is larger than {MAX_FILE} bytes")
}

/// JSON has fewer kinds of values than YAML; those it lacks have no place in configuration.
fn to_json(value: serde_norway::Value, path: &mut String, problems: &mut Problems) -> Value {
    match value {
        serde_norway::Value::Null => Value::Null,
        serde_norway::Value::Bool(value) => Value::Bool(value),
        serde_norway::Value::String(value) => Value::String(value),
        serde_norway::Value::Number(value) => number(&value).unwrap_or_else(|| {
            problems.add(path.clone(), "must be a finite number");
            Value::Null
        }),
        serde_norway::Value::Sequence(items) => {
            let items = items.into_iter().enumerate();
            items.map(|(index, item)| below(path, &format!("[{index}]"), item, problems)).collect()
        }
        serde_norway::Value::Mapping(entries) => {
            let mut map = serde_json::Map::new();
            for (key, value) in entries {
                let Some(key) = text_of(key) else {
                    problems.add(path.clone(), "has a key that is not text");
                    continue;
                };
                let separator = if path.is_empty() { "" } else { "." };
                let value = below(path, &format!("{separator}{key}"), value, problems);
                map.insert(key, value);
            }
            Value::Object(map)
        }
        serde_norway::Value::Tagged(_) => {
            problems.add(path.clone(), "must not have a YAML tag");
            Value::Null
        }
    }
}

fn below(path: &mut String, part: &str, value: serde_norway::Value, problems: &mut Problems) -> Value {
    let length = path.len();
    path.push_str(part);
    let value = to_json(value, path, problems);
    path.truncate(length);
    value
}

fn text_of(key: serde_norway::Value) -> Option<String> {
    match key {
        serde_norway::Value::String(key) => Some(key),
        serde_norway::Value::Number(key) => Some(key.to_string()),
        serde_norway::Value::Bool(key) => Some(key.to_string()),
        _ => None,
    }
}

fn number(value: &serde_norway::Number) -> Option<Value> {
    if let Some(value) = value.as_u64() {
        return Some(value.into());
    }
    if let Some(value) = value.as_i64() {
        return Some(value.into());
    }
    serde_json::Number::from_f64(value.as_f64()?).map(Value::Number)
}
