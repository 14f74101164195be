//! Forms: `application/x-www-form-urlencoded` and multipart fields as documents, typed by schemas.

mod infer;

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::Value;

use crate::entity::EntitySchema;
use crate::error::Fields;

/// The most fields a form or a query may have.
pub const MAX_FIELDS: usize = 1000;

/// A form that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// There are more than [`MAX_FIELDS`].
    #[error("Too many arguments")]
    TooManyFields,
}

/// What a field of a form holds.
#[derive(Clone, Debug, PartialEq)]
pub enum FormValue {
    /// Text, to be typed by a schema.
    Text(String),
    /// A part of a multipart form that is JSON, or a name without a value, which is true.
    Json(Value),
}

/// Takes a urlencoded body or a query apart. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// [`FormError::TooManyFields`].
pub fn parse(encoded: &[u8]) -> Result<Vec<(String, FormValue)>, FormError> {
    let mut pairs = Vec::new();
    for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MAX_FIELDS {
            return Err(FormError::TooManyFields);
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = unescape(halves.next().unwrap_or_default());
        let value = match halves.next() {
            Some(value) => FormValue::Text(unescape(value)),
            None => FormValue::Json(Value::Bool(true)),
        };
        if !name.is_empty() {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

fn unescape(text: &[u8]) -> String {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        Cow::Owned(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect())
    } else {
        Cow::Borrowed(text)
    };
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

/// Makes a document of the fields of a form: dots and brackets in names nest, repeated names make lists, and with a
/// kind of documents the values get the types of its fields. What kind of plugin a configuration is for is said by the
/// form's `name`, or by that of the `current` document.
///
/// # Errors
/// [`FormError::TooManyFields`].
pub fn decode(
    pairs: impl IntoIterator<Item = (String, FormValue)>,
    entity: Option<&EntitySchema>,
    current: Option<&Fields>,
) -> Result<Fields, FormError> {
    let mut root = Node::default();
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        if at == MAX_FIELDS {
            return Err(FormError::TooManyFields);
        }
        root.put(&steps(&name), value);
    }
    Ok(match entity {
        Some(entity) => infer::document(root, entity, current),
        None => infer::plain_fields(root),
    })
}

/// A part of a field's name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    /// From 1.
    Index(u32),
    Append,
}

/// How deep names may nest; what follows is part of the last name.
const DEPTH: usize = 16;

/// Takes a field's name apart: `a.b[1][c]` and so on. A dot at either end makes it a plain name.
fn steps(name: &str) -> Vec<Step> {
    if name.starts_with('.') || name.ends_with('.') {
        return vec![Step::Name(name.to_owned())];
    }
    let mut steps = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        if steps.len() >= DEPTH {
            steps.push(Step::Name(rest.to_owned()));
            break;
        }
        if let Some((inner, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            steps.push(match inner {
                "" => Step::Append,
                inner => match inner.parse() {
                    Ok(index) if index > 0 => Step::Index(index),
                    _ => Step::Name(inner.to_owned()),
                },
            });
            rest = after.strip_prefix('.').unwrap_or(after);
            continue;
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..].find(['.', '[']).map_or(rest.len(), |at| at + first);
        // An opening bracket that nothing closes is no bracket.
        let end = if rest[end..].starts_with('[') && !rest[end..].contains(']') { rest.len() } else { end };
        steps.push(Step::Name(rest[..end].to_owned()));
        rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
    }
    steps
}

/// A form as a tree.
#[derive(Clone, Debug, Default)]
struct Node {
    values: Vec<FormValue>,
    named: indexmap::IndexMap<String, Self>,
    indexed: std::collections::BTreeMap<u32, Self>,
}

impl Node {
    fn put(&mut self, steps: &[Step], value: FormValue) {
        match steps {
            [] | [Step::Append] => self.values.push(value),
            [Step::Name(name), rest @ ..] => self.named.entry(name.clone()).or_default().put(rest, value),
            [Step::Index(index), rest @ ..] => self.indexed.entry(*index).or_default().put(rest, value),
            [Step::Append, rest @ ..] => {
                let next = self.indexed.last_key_value().map_or(1, |(index, _)| index.saturating_add(1));
                self.indexed.entry(next).or_default().put(rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
