//! The tree of known keys, and values that are to replace some of its leaves.

use serde_json::{Map, Value};

use super::Origin;
use crate::Problems;

/// A leaf's new value.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) path: Vec<String>,
    /// What the value may mean, the likeliest first: text of a variable can be read in several ways.
    pub(super) readings: Vec<Value>,
    pub(super) origin: Origin,
}

impl Override {
    pub(super) fn complain(&self, reason: &str, problems: &mut Problems) {
        let path = self.path.join(".");
        match &self.origin {
            Origin::Env(variable) => problems.add(path, format!("{reason} (set by {variable})")),
            Origin::Default | Origin::File => problems.add(path, reason),
        }
    }
}

/// All leaves with their paths. An empty map is a leaf, and so is a list.
pub(super) fn leaves(tree: &Value) -> Vec<(Vec<String>, &Value)> {
    let mut found = Vec::new();
    add_leaves(tree, &mut Vec::new(), &mut found);
    found
}

/// Replaces the value at `path`, whose parents exist.
pub(super) fn set(tree: &mut Value, path: &[String], value: Value) {
    let mut place = tree;
    for key in path {
        let Some(next) = place.get_mut(key) else { return };
        place = next;
    }
    *place = value;
}

/// The changes that `content`, which is a file's, makes to `known`.
pub(super) fn collect(known: &Value, content: Value, overrides: &mut Vec<Override>, problems: &mut Problems) {
    collect_below(known, content, &mut Vec::new(), overrides, problems);
}

/// What a leaf must be, in words, to take the place of `default`; `None` if `value` is that.
pub(super) fn mismatch(default: &Value, value: &Value) -> Option<&'static str> {
    match (default, value) {
        (Value::Null, _)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::String(_), Value::String(_))
        | (Value::Array(_), Value::Array(_))
        | (Value::Object(_), Value::Object(_)) => None,
        (Value::Number(default), Value::Number(value)) if default.is_f64() || !value.is_f64() => None,
        (Value::Bool(_), _) => Some("must be true or false"),
        (Value::String(_), _) => Some("must be text"),
        (Value::Array(_), _) => Some("must be a list"),
        (Value::Object(_), _) => Some("must be a map"),
        (Value::Number(default), _) if default.is_f64() => Some("must be a number"),
        (Value::Number(_), _) => Some("must be a whole number"),
    }
}

/// `did you mean "port"?`, if one of the `known` names is near.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let nearest = known
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.filter(|(similarity, _)| *similarity > 0.8).map(|(_, candidate)| format!("did you mean {candidate:?}?"))
}

fn add_leaves<'a>(tree: &'a Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Value)>) {
    match tree {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                path.push(key.clone());
                add_leaves(value, path, found);
                path.pop();
            }
        }
        leaf => found.push((path.clone(), leaf)),
    }
}

fn collect_below(
    known: &Value,
    content: Value,
    path: &mut Vec<String>,
    overrides: &mut Vec<Override>,
    problems: &mut Problems,
) {
    match (known, content) {
        // A key without a value leaves the default.
        (_, Value::Null) => {}
        (Value::Object(known), Value::Object(content)) if !known.is_empty() => {
            for (key, value) in content {
                path.push(key);
                let key = path.last().expect("it was pushed just now");
                match known.get(key) {
                    Some(known) => collect_below(known, value, path, overrides, problems),
                    None => unknown_key(known, path, problems),
                }
                path.pop();
            }
        }
        (known, content) => match mismatch(known, &content) {
            Some(complaint) => problems.add(path.join("."), complaint),
            None => {
                let (path, readings) = (path.clone(), vec![content]);
                overrides.push(Override { path, readings, origin: Origin::File });
            }
        },
    }
}

fn unknown_key(known: &Map<String, Value>, path: &[String], problems: &mut Problems) {
    let key = path.last().map_or("", String::as_str);
    match hint(key, known.keys().map(String::as_str)) {
        Some(hint) => problems.add_with_hint(path.join("."), "is not a known key", hint),
        None => problems.add(path.join("."), "is not a known key"),
    }
}
