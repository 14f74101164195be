//! Older formats.

use serde_json::Value;

use crate::error::Fields;

/// Brings a route's paths from the formats before 3.0, where a path with special characters was an expression, into
/// that of 3.0, where expressions begin with `~`.
pub(super) fn route(document: &mut Fields) {
    let Some(Value::Array(paths)) = document.get_mut("paths") else { return };
    for path in paths {
        if let Value::String(text) = path
            && !text.starts_with('~')
        {
            *text = migrated(text);
        }
    }
}

fn migrated(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte);
    if path.bytes().all(plain) { decoded(path, false) } else { format!("~{}", decoded(path, true)) }
}

/// With percent signs undone, except for characters that mean something in a URL. In an expression a character that
/// means something there gets a backslash.
fn decoded(path: &str, expression: bool) -> String {
    const RESERVED: &[u8] = b"!#$&'()*+,/:;=?@[]%";
    const SPECIAL: &[u8] = b".^$*+-?()[]{}\\|";
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match code {
            Some(code) if RESERVED.contains(&code) || (code >= 0x80 && !expression) || code < 0x20 => {
                bytes.extend(rest[..3].to_ascii_uppercase());
                rest = &rest[3..];
            }
            Some(code) => {
                if expression && SPECIAL.contains(&code) {
                    bytes.push(b'\\');
                }
                bytes.push(code);
                rest = &rest[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    // Bytes that are no text stay encoded.
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}
