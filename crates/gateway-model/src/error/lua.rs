//! Values printed the way Lua's pretty printers do, which is how messages show anything nested.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Names that cannot be written without brackets.
const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Several lines, indented by two spaces; lists first, then fields by name.
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_pretty(value, 0, &mut out);
    out
}

fn write_pretty(value: &Value, depth: usize, out: &mut String) {
    let entries: Vec<(Option<String>, &Value)> = match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.is_null())
            .scan(true, |dense, (at, item)| {
                *dense &= at == 0 || !items[at - 1].is_null();
                Some((if *dense { None } else { Some(format!("[{}]", at + 1)) }, item))
            })
            .collect(),
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            names.into_iter().map(|name| (Some(field(name)), &map[name])).collect()
        }
        other => return write_plain(other, out),
    };
    if entries.is_empty() {
        out.push_str("{\n}");
        return;
    }
    out.push('{');
    for (at, (name, value)) in entries.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n("  ", depth + 1));
        if let Some(name) = name {
            out.push_str(name);
            out.push_str(" = ");
        }
        write_pretty(value, depth + 1, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
    out.push('}');
}

/// One line: `{id="x"}`, fields by name.
pub fn key(map: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_key(map, &mut out);
    out
}

fn write_key(map: &Map<String, Value>, out: &mut String) {
    let mut names: Vec<&String> = map.keys().collect();
    names.sort();
    out.push('{');
    for (at, name) in names.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&field(name));
        out.push('=');
        match &map[name] {
            Value::Object(map) => write_key(map, out),
            other => write_plain(other, out),
        }
    }
    out.push('}');
}

/// A name as a key of a table.
fn field(name: &str) -> String {
    let identifier = name
        .bytes()
        .enumerate()
        .all(|(at, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()));
    if identifier && !name.is_empty() && !KEYWORDS.contains(&name) {
        return name.to_owned();
    }
    let mut out = String::from("[");
    write_string(name, &mut out);
    out.push(']');
    out
}

fn write_plain(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_string(text, out),
        other => write!(out, "{other}").expect("writing to a string does not fail"),
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out.push('"');
}
