//! Older formats.

use serde_json::Value;

use crate::schema::filled::Filled;

/// Brings a route's paths from the formats before 3.0, where a path with special characters was an expression, into
/// that of 3.0, where expressions begin with `~`.
pub(super) fn route(document: &mut Filled<'_>) {
    let Some(Value::Array(paths)) = document.given_mut("paths") else { return };
    for path in paths {
        if let Value::String(text) = path
            && !text.starts_with('~')
            && !text.bytes().all(is_plain)
        {
            text.insert(0, '~');
        }
    }
}

/// A character that no expression is needed for.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte)
}
