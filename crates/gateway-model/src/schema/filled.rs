//! Documents while they are completed and checked: what was given by field, and defaults where they are.

use serde_json::{Map, Value};

use super::field::{Field, Kind, Schema};
use super::process::{self, Source};
use super::validate::{self, Error};
use super::view::View;

/// Something with values by name.
pub trait Document {
    /// The value of this name.
    fn get(&self, name: &str) -> Option<&Value>;
}

impl Document for Map<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }
}

/// What a field is that nothing is given for.
#[derive(Clone, Debug)]
pub(crate) struct Unset {
    /// Its name as it begins an entry of an object.
    key: Box<str>,
    fallback: Fallback,
}

#[derive(Clone, Debug)]
enum Fallback {
    /// It is not the same in every document.
    Generated,
    /// It is not there.
    Absent,
    Value {
        value: Value,
        /// As JSON.
        text: Box<str>,
        checked: Result<(), Error>,
    },
}

impl Unset {
    pub(super) fn new(field: &Field) -> Self {
        let fallback = if is_generated(field) {
            Fallback::Generated
        } else {
            match process::missing(field, &mut Nothing) {
                Ok(None) => Fallback::Absent,
                Ok(Some(value)) => {
                    let checked = validate::field(field, None, &value);
                    Fallback::Value { text: value.to_string().into(), checked, value }
                }
                Err(_) => Fallback::Generated,
            }
        };
        Self { key: format!("{}:", Value::from(field.name())).into(), fallback }
    }

    /// Whether it is the same in every document.
    pub(super) fn is_constant(&self) -> bool {
        !matches!(self.fallback, Fallback::Generated)
    }
}

/// For what needs no source.
struct Nothing;

impl Source for Nothing {
    fn now_ms(&mut self) -> u64 {
        0
    }

    fn random(&mut self, _: &mut [u8]) {}
}

/// Whether something within the field is made anew for every document.
fn is_generated(field: &Field) -> bool {
    let within = |schema: &Schema| schema.0.fields.iter().any(|field| field.flags.auto || is_generated(field));
    field.flags.auto || matches!(&field.kind, Kind::Record(schema) if within(schema))
}

/// A document that was completed as a whole.
#[derive(Debug)]
pub(crate) struct Filled<'s> {
    /// The schema that its defaults are of.
    completed: View<'s>,
    /// The schema it is checked by; the fields are at the same places.
    view: View<'s>,
    /// What is not as it is when nothing is given, in the order of the fields.
    given: Vec<Option<Value>>,
    /// What no field takes.
    others: Map<String, Value>,
}

/// Where a value comes from.
pub(super) enum Content<'d> {
    Given(&'d Value),
    Unset {
        value: &'d Value,
        /// What the schema says to it, if that is known.
        checked: Option<&'d Result<(), Error>>,
    },
}

/// Where the times of a document are within its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) created: Option<(usize, usize)>,
    pub(crate) updated: Option<(usize, usize)>,
}

impl<'s> Filled<'s> {
    /// Puts what was given where it belongs; what no field takes is given back.
    pub(super) fn sorted(view: View<'s>, input: Map<String, Value>) -> (Self, Map<String, Value>) {
        let mut given: Vec<Option<Value>> = Vec::with_capacity(view.len());
        given.resize_with(view.len(), || None);
        let mut others = Map::new();
        for (name, value) in input {
            match view.record().index.get(&name) {
                Some(at) => given[at] = Some(value),
                None => {
                    others.insert(name, value);
                }
            }
        }
        (Self { completed: view, view, given, others: Map::new() }, others)
    }

    pub(super) fn take(&mut self, at: usize) -> Option<Value> {
        self.given[at].take()
    }

    pub(super) fn put(&mut self, at: usize, value: Option<Value>) {
        self.given[at] = value;
    }

    pub(super) fn with_others(self, others: Map<String, Value>) -> Self {
        Self { others, ..self }
    }

    /// The same document, to be checked by a schema with the same fields at the same places.
    pub(crate) fn viewed(self, view: View<'s>) -> Self {
        Self { view, ..self }
    }

    pub(crate) fn view(&self) -> View<'s> {
        self.view
    }

    /// Puts in a value in place of the one that is there.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.view.record().index.get(name) {
            Some(at) => self.given[at] = Some(value),
            None => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }

    fn at(&self, at: usize) -> Option<&Value> {
        match (&self.given[at], &self.completed.record().unset()[at].fallback) {
            (Some(value), _) | (None, Fallback::Value { value, .. }) => Some(value),
            (None, Fallback::Absent | Fallback::Generated) => None,
        }
    }

    /// Calls `visit` with everything that is there, in order, but for defaults that are known to be right.
    pub(super) fn each_unsure(&self, visit: &mut dyn FnMut(&str, Option<&Field>, Content<'_>)) {
        let unset = self.completed.record().unset();
        let record = self.view.record();
        let same = std::ptr::eq(self.completed.record(), record);
        let known = |at: usize| same || !(self.completed.is_specialised() || record.replaces(at));
        for (at, ((field, given), unset)) in self.view.fields().zip(&self.given).zip(unset).enumerate() {
            match (given, &unset.fallback) {
                (Some(value), _) => visit(field.name(), Some(field), Content::Given(value)),
                (None, Fallback::Value { checked: Ok(()), .. }) if known(at) => {}
                (None, Fallback::Value { value, checked, .. }) => {
                    let checked = known(at).then_some(checked);
                    visit(field.name(), Some(field), Content::Unset { value, checked });
                }
                (None, Fallback::Absent | Fallback::Generated) => {}
            }
        }
        for (name, value) in &self.others {
            visit(name, None, Content::Given(value));
        }
    }

    /// The document by itself.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        let mut map = Map::with_capacity(self.given.len() + self.others.len());
        let unset = self.completed.record().unset();
        for ((field, given), unset) in self.view.fields().zip(self.given).zip(unset) {
            match (given, &unset.fallback) {
                (Some(value), _) => map.insert(field.name().to_owned(), value),
                (None, Fallback::Value { value, .. }) => map.insert(field.name().to_owned(), value.clone()),
                (None, Fallback::Absent | Fallback::Generated) => continue,
            };
        }
        map.extend(self.others);
        map
    }

    /// What was given for a field.
    pub(crate) fn given_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.view.record().index.get(name)?;
        self.given[at].as_mut()
    }

    /// Appends the document as JSON, and tells where in `out` its times are.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Times {
        let mut times = Times::default();
        out.push(b'{');
        let mut between = "";
        let unset = self.completed.record().unset();
        for ((field, given), unset) in self.view.fields().zip(&self.given).zip(unset) {
            let text = match (given, &unset.fallback) {
                (Some(_), _) => "",
                (None, Fallback::Value { text, .. }) => text,
                (None, Fallback::Absent | Fallback::Generated) => continue,
            };
            out.extend_from_slice(between.as_bytes());
            out.extend_from_slice(unset.key.as_bytes());
            out.extend_from_slice(text.as_bytes());
            if let Some(value) = given {
                times.write(field.name(), value, out);
            }
            between = ",";
        }
        for (name, value) in &self.others {
            out.extend_from_slice(between.as_bytes());
            write_text(name, out);
            out.push(b':');
            times.write(name, value, out);
            between = ",";
        }
        out.push(b'}');
        times
    }
}

/// Appends an object as JSON, and tells where in `out` its times are.
pub(crate) fn write_object(document: &Map<String, Value>, out: &mut Vec<u8>) -> Times {
    let mut times = Times::default();
    out.push(b'{');
    let mut between = "";
    for (name, value) in document {
        out.extend_from_slice(between.as_bytes());
        write_text(name, out);
        out.push(b':');
        times.write(name, value, out);
        between = ",";
    }
    out.push(b'}');
    times
}

impl Times {
    fn write(&mut self, name: &str, value: &Value, out: &mut Vec<u8>) {
        let start = out.len();
        write_json(value, out);
        match name {
            "created_at" => self.created = Some((start, out.len())),
            "updated_at" => self.updated = Some((start, out.len())),
            _ => {}
        }
    }
}

/// Appends a value as JSON. Most values are texts that can be copied.
fn write_json(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_json(item, out);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            out.push(b'{');
            for (at, (name, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write_json(value, out);
            }
            out.push(b'}');
        }
        Value::Number(_) => serde_json::to_writer(out, value).expect(JSON),
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect(JSON);
    }
}

const JSON: &str = "values are JSON, and writing to memory does not fail";

impl Document for Filled<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match self.view.record().index.get(name) {
            Some(at) => self.at(at),
            None => self.others.get(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_written_as_they_are_otherwise() {
        let value = json!({
            "id": "a\"\\\u{1}/ä\u{7f}", "created_at": 1, "list": [null, true, false, -1, 0.5, "", [], {}],
            "map": {"\n": {"": "x"}, "b": [{"c": 1}]}, "updated_at": 1.25,
        });
        let Value::Object(document) = value else { panic!("it is an object") };
        let mut out = b"before".to_vec();
        let times = write_object(&document, &mut out);
        let text = String::from_utf8(out).expect("JSON is text");
        assert_eq!(text["before".len()..], Value::Object(document).to_string());
        let at = |place: Option<(usize, usize)>| place.map(|(start, end)| &text[start..end]);
        assert_eq!((at(times.created), at(times.updated)), (Some("1"), Some("1.25")));
    }
}
