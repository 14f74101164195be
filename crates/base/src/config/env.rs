//! Environment variables, named after the paths of the values they set.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Origin;
use super::tree::{self, Override};
use crate::Problems;

/// The longest value of a variable that is read, in bytes.
const MAX_VALUE: usize = 64 * 1024;

/// The variable for a path: `apiServer.http.port` is set by `KUMA_API_SERVER_HTTP_PORT`.
pub fn variable_name(prefix: &str, path: &[impl AsRef<str>]) -> String {
    let mut name = prefix.to_owned();
    for key in path {
        name.push('_');
        push_upper_snake(key.as_ref(), &mut name);
    }
    name
}

/// The variables that set something.
#[derive(Debug)]
pub(super) struct Variables<'a> {
    prefix: String,
    by_name: BTreeMap<String, Target<'a>>,
}

#[derive(Debug)]
struct Target<'a> {
    path: Vec<String>,
    default: &'a Value,
    /// Whether the name follows from the path; such a variable wins over an alias.
    canonical: bool,
}

impl<'a> Variables<'a> {
    pub(super) fn new(defaults: &'a Value, prefix: &str, aliases: &[(&str, &str)]) -> Self {
        let mut by_name = BTreeMap::new();
        let leaves = tree::leaves(defaults);
        for (variable, path) in aliases {
            let target = leaves.iter().find(|(leaf, _)| leaf.iter().map(String::as_str).eq(path.split('.')));
            if let Some((path, default)) = target {
                by_name.insert((*variable).to_owned(), Target { path: path.clone(), default, canonical: false });
            }
        }
        for (path, default) in leaves {
            by_name.insert(variable_name(prefix, &path), Target { path, default, canonical: true });
        }
        Self { prefix: format!("{prefix}_"), by_name }
    }

    /// The changes that an environment makes. Variables with the prefix that set nothing are warned of.
    pub(super) fn collect(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &mut Vec<Override>,
        problems: &mut Problems,
        warnings: &mut Problems,
    ) {
        let mut found: Vec<(&Target<'a>, Override)> = Vec::new();
        let ours = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(&self.prefix) || self.by_name.contains_key(name.as_str()));
        for (name, text) in BTreeMap::from_iter(ours) {
            let Some(target) = self.by_name.get(&name) else {
                self.warn(name, warnings);
                continue;
            };
            let empty = text.is_empty() && !matches!(target.default, Value::String(_) | Value::Array(_));
            if empty {
                continue;
            }
            match readings(target.default, &text) {
                Ok(readings) => {
                    let path = target.path.clone();
                    found.push((target, Override { path, readings, origin: Origin::Env(name) }));
                }
                Err(complaint) => problems.add(target.path.join("."), format!("{complaint} (set by {name})")),
            }
        }
        // Later changes win.
        found.sort_by_key(|(target, _)| target.canonical);
        overrides.extend(found.into_iter().map(|(_, change)| change));
    }

    fn warn(&self, name: String, warnings: &mut Problems) {
        let message = "is not a known environment variable and sets nothing";
        match tree::hint(&name, self.by_name.keys().map(String::as_str)) {
            Some(hint) => warnings.add_with_hint(name, message, hint),
            None => warnings.add(name, message),
        }
    }
}

/// What a variable's text may mean in the place of `default`, the likeliest first.
fn readings(default: &Value, text: &str) -> Result<Vec<Value>, String> {
    if text.len() > MAX_VALUE {
        return Err(format!("must not be longer than {MAX_VALUE} bytes"));
    }
    let plain = Value::String(text.to_owned());
    let reading = match default {
        Value::String(_) => plain,
        Value::Bool(_) => boolean(text).map(Value::Bool).ok_or("must be true or false")?,
        Value::Number(_) => scalar(text)
            .filter(|value| tree::mismatch(default, value).is_none())
            .ok_or_else(|| tree::mismatch(default, &plain).unwrap_or("must be a number"))?,
        Value::Array(_) => {
            let items = || text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let texts = items().map(|item| Value::String(item.to_owned())).collect();
            let scalars = items().map(|item| scalar(item).unwrap_or_else(|| item.into())).collect();
            return Ok(vec![Value::Array(texts), Value::Array(scalars)]);
        }
        Value::Object(_) => Value::Object(entries(text).ok_or("must be a list such as name:value,name:value")?),
        Value::Null => return Ok([Some(plain), scalar(text)].into_iter().flatten().collect()),
    };
    Ok(vec![reading])
}

/// The forms that Go reads.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn scalar(text: &str) -> Option<Value> {
    match text.trim() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        text => {
            let number = text.parse::<i64>().ok().map(Value::from);
            let number = number.or_else(|| text.parse::<u64>().ok().map(Value::from));
            number.or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number))
        }
    }
}

fn entries(text: &str) -> Option<Map<String, Value>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once(':').map(|(key, value)| (key.trim().to_owned(), value.trim().into()))).collect()
}

/// `tlsCertFile` becomes `TLS_CERT_FILE`, and `dnsCacheTTL` becomes `DNS_CACHE_TTL`.
fn push_upper_snake(key: &str, name: &mut String) {
    let mut characters = key.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(character) = characters.next() {
        let starts_word = character.is_ascii_uppercase()
            && before.is_some_and(|before| {
                let last_of_acronym = characters.peek().is_some_and(char::is_ascii_lowercase);
                before.is_ascii_lowercase() || before.is_ascii_digit() || before.is_ascii_uppercase() && last_of_acronym
            });
        if starts_word {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
        before = Some(character);
    }
}
