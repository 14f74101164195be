//! Documents while they are completed and checked: what was given by field, and defaults where they are.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::ahead::Ahead;
use super::field::Field;
use super::process::{self, Input};
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

/// A document that was completed as a whole.
#[derive(Debug)]
pub(crate) struct Filled<'s> {
    /// The schema that its defaults are of.
    completed: View<'s>,
    /// The schema it is checked by; the fields are at the same places.
    view: View<'s>,
    /// What is not as it is when nothing is given, by the places of the fields, in order.
    given: Vec<(usize, Held<'s>)>,
    places: Places,
    /// What no field takes.
    others: Map<String, Value>,
}

/// The place of a field, and where its value is in a text.
pub(crate) type Written = (usize, (usize, usize));

/// What a field holds.
#[derive(Debug)]
pub(super) enum Held<'s> {
    /// Nothing: it will be made, or could not be.
    Nothing,
    Own(Value),
    /// A value that many documents share.
    Lent(&'s Value),
}

impl Held<'_> {
    fn get(&self) -> Option<&Value> {
        match self {
            Held::Nothing => None,
            Held::Own(value) => Some(value),
            Held::Lent(value) => Some(value),
        }
    }

    fn into_value(self) -> Option<Value> {
        match self {
            Held::Nothing => None,
            Held::Own(value) => Some(value),
            Held::Lent(value) => Some(value.clone()),
        }
    }
}

/// Some places of fields. More than 64 share what tells them apart: that a place is not among them is sure, that it is
/// may be wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places(u64);

impl Places {
    pub(super) fn with(self, at: usize) -> Self {
        Self(self.0 | 1 << (at % 64))
    }

    pub(super) fn may_have(self, at: usize) -> bool {
        self.0 >> (at % 64) & 1 == 1
    }

    pub(super) fn may_meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Where a part of a text begins and ends. There may be very many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// None in texts of more than 4 GiB.
    pub(crate) fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: start.try_into().ok()?, end: end.try_into().ok()? })
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.start()..self.end()]
    }
}

/// Where the times of a document are within its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) created: Option<Span>,
    pub(crate) updated: Option<Span>,
}

impl<'s> Filled<'s> {
    /// A document that nothing is given for, and nothing is made for.
    pub(super) fn empty(view: View<'s>) -> Self {
        Self { completed: view, view, given: Vec::new(), places: Places::default(), others: Map::new() }
    }

    /// Puts what was given where it belongs, and keeps places for what is to be made.
    pub(super) fn sorted(view: View<'s>, input: impl Input) -> Self {
        let generated = &view.record().defaults().generated;
        let input = input.entries();
        let mut document =
            Self { given: Vec::with_capacity(input.size_hint().0 + generated.len() + 1), ..Self::empty(view) };
        for (name, value) in input {
            match view.record().index.get(name.as_ref()) {
                Some(at) => {
                    document.places = document.places.with(at);
                    document.given.push((at, Held::Own(value)));
                }
                None => {
                    document.others.insert(name.as_ref().to_owned(), value);
                }
            }
        }
        let given = document.given.len();
        for at in generated {
            if !(document.places.may_have(*at) && document.given[..given].iter().any(|(other, _)| other == at)) {
                document.given.push((*at, Held::Nothing));
            }
        }
        document.places = generated.iter().fold(document.places, |places, at| places.with(*at));
        document.given.sort_unstable_by_key(|(at, _)| *at);
        document
    }

    /// Completes what was given and what is to be made, in the order of the fields.
    pub(super) fn complete<E>(
        &mut self,
        mut complete: impl FnMut(&Field, Option<Value>) -> Result<Option<Value>, E>,
    ) -> Result<(), E> {
        for (at, held) in &mut self.given {
            let field = &self.view.record().fields[*at];
            if held.get().is_some_and(|value| process::is_complete(field, value)) {
                continue;
            }
            let value = std::mem::replace(held, Held::Nothing).into_value();
            if let Some(value) = complete(field, value)? {
                *held = Held::Own(value);
            }
        }
        Ok(())
    }

    /// The same document, to be checked by a schema with the same fields at the same places.
    pub(crate) fn viewed(self, view: View<'s>) -> Self {
        Self { view, ..self }
    }

    pub(crate) fn view(&self) -> View<'s> {
        self.view
    }

    /// What is known of it as of all such documents.
    pub(super) fn ahead(&self) -> Cow<'s, Ahead> {
        self.view.record().ahead(self.completed, self.view)
    }

    /// What was given or made, by the places of the fields, in order.
    pub(super) fn given(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.given.iter().filter_map(|(at, held)| Some((*at, held.get()?)))
    }

    /// What no field takes.
    pub(super) fn others(&self) -> &Map<String, Value> {
        &self.others
    }

    /// The places of what may be given.
    pub(super) fn places(&self) -> Places {
        self.places
    }

    /// Puts in a value in place of the one that is there.
    pub(crate) fn set(&mut self, name: &str, value: &'s Value) {
        let Some(at) = self.view.record().index.get(name) else {
            self.others.insert(name.to_owned(), value.clone());
            return;
        };
        self.places = self.places.with(at);
        match self.given.binary_search_by_key(&at, |(at, _)| *at) {
            Ok(found) => self.given[found].1 = Held::Lent(value),
            Err(next) => self.given.insert(next, (at, Held::Lent(value))),
        }
    }

    /// The value of the field at this place.
    pub(crate) fn at(&self, at: usize) -> Option<&Value> {
        let held = if self.places.may_have(at) { self.held(at) } else { None };
        held.or_else(|| self.completed.record().defaults().value(at))
    }

    fn held(&self, at: usize) -> Option<&Value> {
        // Few are given, and the first among them are asked for the most.
        self.given.iter().find(|(place, _)| *place >= at).filter(|(place, _)| *place == at)?.1.get()
    }

    /// The document by itself.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        let defaults = self.completed.record().defaults();
        let mut map = Map::with_capacity(self.view.len() + self.others.len());
        let mut given = self.given.into_iter().peekable();
        for (at, field) in self.view.fields().enumerate() {
            let held = given.next_if(|(place, _)| *place == at).and_then(|(_, held)| held.into_value());
            if let Some(value) = held.or_else(|| defaults.value(at).cloned()) {
                map.insert(field.name().to_owned(), value);
            }
        }
        map.extend(self.others);
        map
    }

    /// What was given for a field.
    pub(crate) fn given_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.view.record().index.get(name)?;
        match &mut self.given.iter_mut().find(|(place, _)| *place == at)?.1 {
            Held::Own(value) => Some(value),
            Held::Nothing | Held::Lent(_) => None,
        }
    }

    /// Appends the document as JSON, and tells where in `out` its times are, and in `written` where the values are that
    /// were given or made.
    pub(crate) fn write(&self, out: &mut String, written: &mut Vec<Written>) -> Times {
        let mut times = Times::default();
        let defaults = self.completed.record().defaults();
        out.push('{');
        let mut next = 0;
        for (at, value) in self.given() {
            out.push_str(defaults.text(next, at));
            out.push_str(&defaults.all[at].key);
            let start = out.len();
            times.write(self.view.record().fields[at].name(), value, out);
            written.push((at, (start, out.len())));
            out.push(',');
            next = at + 1;
        }
        out.push_str(defaults.text(next, defaults.all.len()));
        for (name, value) in &self.others {
            write_text(name, out);
            out.push(':');
            times.write(name, value, out);
            out.push(',');
        }
        // There is a comma behind each entry.
        if out.ends_with(',') {
            out.pop();
        }
        out.push('}');
        times
    }
}

/// Appends an object as JSON, and tells where in `out` its times are.
pub(crate) fn write_object(document: &Map<String, Value>, out: &mut String) -> Times {
    let mut times = Times::default();
    out.push('{');
    let mut between = "";
    for (name, value) in document {
        out.push_str(between);
        write_text(name, out);
        out.push(':');
        times.write(name, value, out);
        between = ",";
    }
    out.push('}');
    times
}

impl Times {
    fn write(&mut self, name: &str, value: &Value, out: &mut String) {
        let start = out.len();
        write_json(value, out);
        match name {
            "created_at" => self.created = Span::new(start, out.len()),
            "updated_at" => self.updated = Span::new(start, out.len()),
            _ => {}
        }
    }
}

/// Appends a value as JSON. Most values are texts that can be copied.
fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (at, (name, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => write!(out, "{number}").expect(MEMORY),
            (None, Some(number)) => write!(out, "{number}").expect(MEMORY),
            (None, None) => out.push_str(&value.to_string()),
        },
    }
}

fn write_text(text: &str, out: &mut String) {
    // All of it is looked at, which takes less than to stop at the first that is not plain.
    if text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

const MEMORY: &str = "writing to memory does not fail";

impl Document for Filled<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match self.view.record().index.get(name) {
            Some(at) => self.at(at),
            None if self.others.is_empty() => None,
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
            "id": "a\"\\\u{1}/ä\u{7f}", "created_at": 1, "list": [null, true, false, -1, 0.5, 1e300, 18446744073709551615_u64, i64::MIN, "", [], {}],
            "map": {"\n": {"": "x"}, "b": [{"c": 1}]}, "updated_at": 1.25,
        });
        let Value::Object(document) = value else { panic!("it is an object") };
        let mut text = "before".to_owned();
        let times = write_object(&document, &mut text);
        assert_eq!(text["before".len()..], Value::Object(document).to_string());
        let at = |place: Option<Span>| place.map(|span| span.of(&text));
        assert_eq!((at(times.created), at(times.updated)), (Some("1"), Some("1.25")));
    }
}
