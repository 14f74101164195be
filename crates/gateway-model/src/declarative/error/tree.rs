//! Messages by place: names of fields and positions in lists.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

/// Words that cannot be written without brackets.
const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// A message, or what is below.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Text(String),
    Below {
        /// By position, from 0.
        items: BTreeMap<usize, Self>,
        fields: BTreeMap<String, Self>,
    },
}

impl Default for Tree {
    fn default() -> Self {
        Self::Below { items: BTreeMap::new(), fields: BTreeMap::new() }
    }
}

impl Tree {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Below { items, fields } if items.is_empty() && fields.is_empty())
    }

    /// What is at a field; a message that stood here gives way.
    pub(crate) fn field(&mut self, name: &str) -> &mut Self {
        self.fields_mut().entry(name.to_owned()).or_default()
    }

    /// What is at a position, from 0; a message that stood here gives way.
    pub(crate) fn item(&mut self, at: usize) -> &mut Self {
        if matches!(self, Self::Text(_)) {
            *self = Self::default();
        }
        match self {
            Self::Below { items, .. } => items.entry(at).or_default(),
            Self::Text(_) => unreachable!("it was replaced"),
        }
    }

    fn fields_mut(&mut self) -> &mut BTreeMap<String, Self> {
        if matches!(self, Self::Text(_)) {
            *self = Self::default();
        }
        match self {
            Self::Below { fields, .. } => fields,
            Self::Text(_) => unreachable!("it was replaced"),
        }
    }

    pub(crate) fn set_text(&mut self, text: &str) {
        *self = Self::Text(text.to_owned());
    }

    /// Adds a message to a list of them.
    pub(crate) fn push_text(&mut self, text: &str) {
        let next = match self {
            Self::Below { items, .. } => items.last_key_value().map_or(0, |(at, _)| at + 1),
            Self::Text(_) => 0,
        };
        self.item(next).set_text(text);
    }

    /// Adds messages as the schemas give them.
    pub(crate) fn add(&mut self, messages: Value) {
        match messages {
            Value::Object(map) => {
                for (name, value) in map {
                    self.field(&name).add(value);
                }
            }
            Value::Array(list) => {
                for (at, value) in list.into_iter().enumerate().filter(|(_, value)| !value.is_null()) {
                    self.item(at).add(value);
                }
            }
            Value::String(text) => *self = Self::Text(text),
            other => self.set_text(&other.to_string()),
        }
    }

    /// Lists as lists, with null where there is no message.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Below { items, fields } if fields.is_empty() && !items.is_empty() => {
                let length = items.last_key_value().map_or(0, |(at, _)| at + 1);
                (0..length).map(|at| items.get(&at).map_or(Value::Null, Self::to_json)).collect()
            }
            Self::Below { items, fields } => {
                let items = items.iter().map(|(at, below)| ((at + 1).to_string(), below.to_json()));
                let fields = fields.iter().map(|(name, below)| (name.clone(), below.to_json()));
                Value::Object(items.chain(fields).collect::<Map<_, _>>())
            }
        }
    }

    /// One line, as a table of Lua: lists first, then fields by name.
    pub(crate) fn to_lua(&self) -> String {
        let mut out = String::new();
        self.write_lua(&mut out);
        out
    }

    fn write_lua(&self, out: &mut String) {
        let (items, fields) = match self {
            Self::Text(text) => return write_string(text, out),
            Self::Below { items, fields } => (items, fields),
        };
        out.push('{');
        let mut dense = 0;
        let mut first = true;
        let mut comma = |out: &mut String| {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
        };
        for (at, below) in items {
            comma(out);
            if *at == dense {
                dense += 1;
            } else {
                write!(out, "[{}]=", at + 1).expect("writing to a string does not fail");
            }
            below.write_lua(out);
        }
        for (name, below) in fields {
            comma(out);
            write_name(name, out);
            out.push('=');
            below.write_lua(out);
        }
        out.push('}');
    }
}

fn write_name(name: &str, out: &mut String) {
    let starts = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    let plain = starts && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    if plain && !KEYWORDS.contains(&name) {
        out.push_str(name);
    } else {
        out.push('[');
        write_string(name, out);
        out.push(']');
    }
}

fn write_string(text: &str, out: &mut String) {
    if text.contains('\n') && !text.contains('\r') && !text.contains("]]") {
        // Lua drops the first line break of a long string.
        out.push_str(if text.starts_with('\n') { "[[\n" } else { "[[" });
        out.push_str(text);
        out.push_str("]]");
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\000"),
            c => out.push(c),
        }
    }
    out.push('"');
}
