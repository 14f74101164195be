//! Values as the reference's schemas see them: where an empty list and an empty object are the same.

use serde_json::{Map, Number, Value};

use super::filled::Document;

/// A list, or an empty object that stands for one.
pub(crate) fn as_list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(map) if map.is_empty() => Some(&[]),
        _ => None,
    }
}

/// Whether something is there: not null, not an empty string, list or object.
pub(crate) fn is_nonempty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => true,
    }
}

/// What stands at a dotted path; null on the way counts as absent.
pub(crate) fn get_path<'a>(document: &'a dyn Document, path: &str) -> Option<&'a Value> {
    // They are short, and most are names.
    match path.bytes().position(|byte| byte == b'.') {
        None => document.get(path),
        Some(dot) => get_path(document.get(&path[..dot])?.as_object()?, &path[dot + 1..]),
    }
}

/// Puts an error at a dotted path of a tree of errors; an error that is there for one of the parents stays.
pub(crate) fn set_error(errors: &mut Map<String, Value>, path: &str, error: Value) {
    match path.split_once('.') {
        None => {
            errors.insert(path.to_owned(), error);
        }
        Some((head, rest)) => {
            let below = errors.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                set_error(below, rest, error);
            }
        }
    }
}

/// Whether two values are the same, `1` and `1.0` among them.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// `{vault://…}`
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("{vault://") && text.ends_with('}') && text.len() > 10
}

/// A value inside a message.
pub(crate) fn display(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => display_number(number),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(_) | Value::Object(_) => "table".to_owned(),
    }
}

/// A number as messages show it: no decimals if it has none, 14 digits at most.
pub(crate) fn display_number(number: &Number) -> String {
    if let Some(number) = number.as_i64() {
        return number.to_string();
    }
    let number = number.as_f64().unwrap_or_default();
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    let text = format!("{number:.13e}");
    // 14 significant digits, then the shortest plain form of that.
    text.parse::<f64>().map_or(text, |rounded| rounded.to_string())
}

/// `'a', 'b'`
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}
