//! Texts as configurations.

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::ConfigError;

/// The largest text that is read, in bytes: what a node's memory can hold ten times over, far above real ones.
pub const MAX_TEXT_BYTES: usize = 512 * 1024 * 1024;

/// The MD5 of a text, in hexadecimal. It tells configurations apart and protects nothing.
pub fn hash_of_text(text: impl AsRef<[u8]>) -> String {
    let digest = Md5::digest(text);
    digest.iter().fold(String::with_capacity(32), |mut hex, byte| {
        for digit in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(digit), 16).expect("a nibble is a digit"));
        }
        hex
    })
}

/// Reads JSON, or else YAML.
///
/// # Errors
/// The text is neither, is too large, or is no object.
pub fn read_text(text: &str) -> Result<Map<String, Value>, ConfigError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(failed(&format!("{} bytes are more than the limit of {MAX_TEXT_BYTES}", text.len())));
    }
    if text.trim_start().starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str(text)
    {
        return object(json);
    }
    match serde_norway::from_str(text) {
        Ok(yaml) => object(yaml),
        Err(error) => Err(failed(&yaml_error(text, &error))),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, ConfigError> {
    match value {
        Value::Object(map) => Ok(map),
        // An empty list and an empty object are the same to many writers.
        Value::Array(items) if items.is_empty() => Ok(Map::new()),
        _ => Err(failed("expected an object")),
    }
}

fn failed(why: &str) -> ConfigError {
    ConfigError::text("error", &format!("failed parsing declarative configuration: {why}"))
}

/// `line:column: what`, with the place of the last word before the text stops to make sense.
fn yaml_error(text: &str, error: &serde_norway::Error) -> String {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    let what = what.split(", while").next().unwrap_or(what);
    let Some(at) = error.location() else { return what.to_owned() };
    let before = text.get(..at.index().min(text.len())).unwrap_or(text).trim_end();
    let separates = |c: char| c.is_whitespace() || "[]{},:".contains(c);
    let start = before.rfind(separates).map_or(0, |separator| separator + 1).min(before.len().saturating_sub(1));
    let line_start = before.get(..start).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
    let line = before[..line_start].matches('\n').count() + 1;
    let column = before.get(line_start..start).unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}: {what}")
}
