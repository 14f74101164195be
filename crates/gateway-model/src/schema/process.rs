//! Completing documents: shorthands, generated values, defaults, and merging changes into what is there.

use serde_json::{Map, Value};

use super::field::{Field, Kind, Record, Schema};
use super::filled::{Document, Filled};
use super::validate::{self, Error};
use super::value::{display, same};
use super::view::View;

/// Where generated values come from.
pub trait Source {
    /// The time of the write, in milliseconds since 1970.
    fn now_ms(&mut self) -> u64;

    /// Fills `buffer` with random bytes.
    fn random(&mut self, buffer: &mut [u8]);

    /// Called now and then during long work: others may be let go first.
    fn pause(&mut self) {}
}

/// Whether a document is written as a whole or as changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What is absent becomes its default.
    Whole,
    /// What is absent stays so.
    Changes,
}

/// What was given for a document.
pub(crate) trait Input: Document + Sized {
    type Name: AsRef<str>;

    /// Names and values. No two have the same name.
    fn entries(self) -> impl Iterator<Item = (Self::Name, Value)>;

    /// The same as an object.
    fn into_map(self) -> Map<String, Value>;
}

impl Input for Map<String, Value> {
    type Name = String;

    fn entries(self) -> impl Iterator<Item = (String, Value)> {
        self.into_iter()
    }

    fn into_map(self) -> Self {
        self
    }
}

/// Completes a document that is written as a whole: as [`record`] does, with defaults left where they are.
///
/// # Errors
/// As [`record`].
pub(crate) fn whole_record<'s>(
    view: View<'s>,
    input: impl Input,
    source: &mut dyn Source,
) -> Result<Filled<'s>, Map<String, Value>> {
    let mut document = if view.shorthands().iter().any(|shorthand| input.get(shorthand.name).is_some()) {
        let mut input = input.into_map();
        expand(view.shorthands(), &mut input)?;
        Filled::sorted(view, input)
    } else {
        Filled::sorted(view, input)
    };
    document.complete(|field, value| {
        let value = match value {
            Some(Value::String(text)) if field.flags.legacy && field.flags.uuid && text.is_empty() => Some(Value::Null),
            value => value,
        };
        let value = if field.flags.auto { generate(field, value, Mode::Whole, source) } else { value };
        complete(field, value, Mode::Whole, source)
    })?;
    Ok(document)
}

/// Completes a document: shorthands are expanded, then every field of the schema has its value, in its order.
/// What the schema does not know follows.
///
/// # Errors
/// A shorthand is wrong. Its error stands under its own name, however deep the record it belongs to.
pub(crate) fn record(
    view: View<'_>,
    mut input: Map<String, Value>,
    mode: Mode,
    source: &mut dyn Source,
) -> Result<Map<String, Value>, Map<String, Value>> {
    expand(view.shorthands(), &mut input)?;
    let mut output = Map::with_capacity(view.len());
    for field in view.fields() {
        let value = match (input.swap_remove(field.name), mode) {
            (Some(Value::String(text)), _) if field.flags.legacy && field.flags.uuid && text.is_empty() => {
                Some(Value::Null)
            }
            (value, _) => value,
        };
        let value = if field.flags.auto { generate(field, value, mode, source) } else { value };
        if let Some(value) = complete(field, value, mode, source)? {
            output.insert(field.name.to_owned(), value);
        }
    }
    output.extend(input);
    Ok(output)
}

/// The value of a field that is filled in.
fn generate(field: &Field, value: Option<Value>, mode: Mode, source: &mut dyn Source) -> Option<Value> {
    let whole = mode == Mode::Whole;
    match (&field.kind, &value) {
        (Kind::String, None) if whole && field.flags.uuid => Some(Value::String(uuid(source))),
        (Kind::String, None) if whole => Some(Value::String(token(source))),
        (Kind::String, _) => value,
        _ => {
            let unset = value.as_ref().is_none_or(Value::is_null);
            match field.name {
                "created_at" if whole && unset => Some(now(field, source)),
                "updated_at" => Some(now(field, source)),
                _ => value,
            }
        }
    }
}

/// The time in the unit of the field: whole seconds, or seconds with milliseconds.
fn now(field: &Field, source: &mut dyn Source) -> Value {
    let ms = source.now_ms();
    if matches!(field.kind, Kind::Integer) || ms.is_multiple_of(1000) {
        return Value::from(ms / 1000);
    }
    Value::from(ms as f64 / 1000.0)
}

fn uuid(source: &mut dyn Source) -> String {
    let mut bytes = [0; 16];
    source.random(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// 32 letters and digits.
fn token(source: &mut dyn Source) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = String::with_capacity(32);
    while token.len() < 32 {
        let mut bytes = [0; 48];
        source.random(&mut bytes);
        // Bytes past the last multiple of 62 would make some characters likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(*byte % 62)]));
        token.extend(fair.take(32 - token.len()));
    }
    token
}

/// Whether a value that is given for a field of a whole document certainly stays as it is.
pub(super) fn is_complete(field: &Field, value: &Value) -> bool {
    let items = match (&field.kind, value) {
        (Kind::String, _) => return !(field.flags.auto || field.flags.uuid),
        (Kind::Boolean, _) => return !field.flags.auto,
        (Kind::Array(element), Value::Array(_)) => element,
        (Kind::Set(element), Value::Array(items)) if items.len() < 2 => element,
        _ => return false,
    };
    !field.flags.auto && matches!(items.kind, Kind::String | Kind::Boolean)
}

/// Completes a field's value; none if it stays absent.
fn complete(
    field: &Field,
    value: Option<Value>,
    mode: Mode,
    source: &mut dyn Source,
) -> Result<Option<Value>, Map<String, Value>> {
    let value = match (&field.kind, value) {
        (_, None) if mode == Mode::Changes => return Ok(None),
        (_, None) => return missing(field, source),
        (Kind::Record(schema), Some(Value::Object(map))) => {
            let view = View::of(&schema.0);
            Value::Object(record(view, map, mode, source)?)
        }
        (Kind::Record(schema), Some(Value::Array(items))) if items.is_empty() => {
            Value::Object(record(View::of(&schema.0), Map::new(), mode, source)?)
        }
        (Kind::Array(element), Some(value)) => items(element, value, source)?,
        (Kind::Set(element), Some(value)) => match items(element, value, source)? {
            Value::Array(items) => Value::Array(distinct(items)),
            other => other,
        },
        (Kind::Map(_, values), Some(Value::Object(mut map))) if has_records(values) => {
            for value in map.values_mut() {
                let taken = complete(values, Some(value.take()), Mode::Whole, source)?;
                *value = taken.unwrap_or(Value::Null);
            }
            Value::Object(map)
        }
        (Kind::Map(..), Some(Value::Array(items))) if items.is_empty() => Value::Object(Map::new()),
        (Kind::Foreign { .. }, Some(value)) => key_only(value),
        (Kind::Integer | Kind::Number, Some(value)) => whole(value),
        (Kind::String, Some(Value::String(text))) if field.flags.uuid => Value::String(lower(text)),
        (_, Some(value)) => value,
    };
    Ok(Some(value))
}

/// What an absent field becomes.
pub(super) fn missing(field: &Field, source: &mut dyn Source) -> Result<Option<Value>, Map<String, Value>> {
    match &field.kind {
        // A default of a record may leave fields out.
        Kind::Record(schema) if field.is_required() => {
            let given = match &field.default {
                Some(Value::Object(map)) => map.clone(),
                _ => Map::new(),
            };
            record(View::of(&schema.0), given, Mode::Whole, source).map(|map| Some(Value::Object(map)))
        }
        _ => match &field.default {
            Some(default) => Ok(Some(default.clone())),
            None if field.is_required() => Ok(None),
            None => Ok(Some(Value::Null)),
        },
    }
}

/// A list with its elements completed; an empty object stands for an empty list.
fn items(element: &Field, value: Value, source: &mut dyn Source) -> Result<Value, Map<String, Value>> {
    match value {
        Value::Array(items) if has_records(element) => {
            // Lists are replaced as a whole, so their records are whole even in changes.
            items
                .into_iter()
                .map(|item| complete(element, Some(item), Mode::Whole, source).map(|item| item.unwrap_or(Value::Null)))
                .collect::<Result<Value, _>>()
        }
        Value::Array(items) if matches!(element.kind, Kind::Integer | Kind::Number) => {
            Ok(items.into_iter().map(whole).collect())
        }
        Value::Object(map) if map.is_empty() => Ok(Value::Array(Vec::new())),
        other => Ok(other),
    }
}

/// A number without decimals as an integer: there is but one way to write it.
fn whole(value: Value) -> Value {
    /// What fits a double exactly.
    const MOST: f64 = 9_007_199_254_740_992.0;
    match value.as_f64() {
        Some(number) if !value.is_i64() && number.fract() == 0.0 && number.abs() <= MOST => Value::from(number as i64),
        _ => value,
    }
}

fn has_records(field: &Field) -> bool {
    match &field.kind {
        Kind::Record(_) => true,
        Kind::Array(inner) | Kind::Set(inner) | Kind::Map(_, inner) => has_records(inner),
        _ => false,
    }
}

/// The first of each.
fn distinct(items: Vec<Value>) -> Vec<Value> {
    if items.len() < 2 {
        return items;
    }
    // Tables are never equal to each other in the reference, so only plain values are compared.
    if items.len() > 32 {
        let mut seen = std::collections::HashSet::new();
        return items
            .into_iter()
            .filter(|item| item.is_object() || item.is_array() || seen.insert(item.to_string()))
            .collect();
    }
    let mut kept: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        if item.is_object() || item.is_array() || !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// A well-formed reference without anything but its key.
fn key_only(value: Value) -> Value {
    match value {
        Value::Object(mut map) => match map.swap_remove("id") {
            Some(Value::String(id)) => {
                map.clear();
                map.insert("id".to_owned(), Value::String(lower(id)));
                Value::Object(map)
            }
            Some(id) => {
                map.insert("id".to_owned(), id);
                Value::Object(map)
            }
            None => Value::Object(map),
        },
        other => other,
    }
}

/// UUIDs are the same in either case, and are kept in one.
fn lower(mut uuid: String) -> String {
    uuid.make_ascii_lowercase();
    uuid
}

/// Replaces shorthands by what they stand for.
fn expand(shorthands: &[Field], input: &mut Map<String, Value>) -> Result<(), Map<String, Value>> {
    if input.is_empty() {
        return Ok(());
    }
    let mut errors = Map::new();
    for shorthand in shorthands {
        let Some(value) = input.get(shorthand.name) else { continue };
        if let Err(err) = validate::field(shorthand, None, value).and_then(|()| agrees(shorthand, value, input)) {
            errors.insert(shorthand.name.to_owned(), err);
            continue;
        }
        let Some(value) = input.shift_remove(shorthand.name) else { continue };
        match (&shorthand.expand, &shorthand.deprecation) {
            (Some(expand), deprecation) => merge_expanded(input, expand(&value), deprecation.is_some()),
            (None, Some(deprecation)) => put(input, deprecation.replaced_with, value),
            (None, None) => {}
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// A deprecated name and its replacement must not contradict each other.
fn agrees(shorthand: &Field, value: &Value, input: &Map<String, Value>) -> Result<(), Error> {
    let Some(deprecation) = &shorthand.deprecation else { return Ok(()) };
    let new = at(input, deprecation.replaced_with);
    match new {
        Some(new) if !value.is_null() && !new.is_null() && !same(new, value) => Err(Value::String(format!(
            "both deprecated and new field are used but their values mismatch: {} = {} vs {} = {}",
            shorthand.name,
            display(value),
            deprecation.replaced_with.join("."),
            display(new)
        ))),
        _ => Ok(()),
    }
}

/// What stands at a path.
fn at<'a>(map: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    match path {
        [] => None,
        [last] => map.get(*last),
        [head, rest @ ..] => at(map.get(*head)?.as_object()?, rest),
    }
}

/// Puts a value at a path, unless there is one.
fn put(map: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            let slot = map.entry(*last).or_insert(Value::Null);
            if slot.is_null() {
                *slot = value;
            }
        }
        [head, rest @ ..] => {
            let below = map.entry(*head).or_insert_with(|| Value::Object(Map::new()));
            if below.is_null() {
                *below = Value::Object(Map::new());
            }
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// Puts what a shorthand expands to into the document; of deprecated ones what is there wins.
fn merge_expanded(input: &mut Map<String, Value>, new: Map<String, Value>, yields: bool) {
    for (name, value) in new {
        match (input.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(value)) => merge_expanded(there, value, yields),
            (Some(there), value) => {
                if !yields || there.is_null() {
                    *there = value;
                }
            }
            (None, value) => {
                input.insert(name, value);
            }
        }
    }
}

/// Lays changes over a document: records are merged field by field, anything else is replaced.
pub(crate) fn merge(view: View<'_>, changes: Map<String, Value>, current: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = current.clone();
    overlay(view, changes, &mut merged);
    merged
}

fn overlay(view: View<'_>, changes: Map<String, Value>, target: &mut Map<String, Value>) {
    for (name, value) in changes {
        let nested = view.field(&name).and_then(|field| match &field.kind {
            Kind::Record(schema) => Some(schema),
            _ => None,
        });
        match (nested, value, target.get_mut(&name)) {
            (Some(schema), Value::Object(changes), Some(Value::Object(target))) => {
                overlay(View::of(&schema.0), changes, target);
            }
            (_, value, Some(slot)) => *slot = value,
            (_, value, None) => {
                target.insert(name, value);
            }
        }
    }
}

/// Fills what is absent from a document's records after a merge.
pub(crate) fn fill(
    view: View<'_>,
    document: Map<String, Value>,
    source: &mut dyn Source,
) -> Result<Map<String, Value>, Map<String, Value>> {
    let mut document = document;
    let mut output = Map::with_capacity(view.len());
    for field in view.fields() {
        let value = document.swap_remove(field.name);
        let value = match (&field.kind, value) {
            (Kind::Record(schema), Some(Value::Object(map))) => {
                Some(Value::Object(fill(View::of(&schema.0), map, source)?))
            }
            (_, Some(value)) => Some(value),
            (_, None) => missing(field, source)?,
        };
        if let Some(value) = value {
            output.insert(field.name.to_owned(), value);
        }
    }
    output.extend(document);
    Ok(output)
}

/// A document as reads show it: all fields, null where nothing is set, deprecated names beside their replacements.
pub(crate) fn present(view: View<'_>, document: &Map<String, Value>) -> Map<String, Value> {
    let mut output = Map::with_capacity(view.len() + view.shorthands().len());
    for field in view.fields() {
        let value = document.get(field.name).unwrap_or(&Value::Null);
        output.insert(field.name.to_owned(), shown(field, value));
    }
    for shorthand in view.shorthands() {
        let value = match (&shorthand.shown_from, &shorthand.deprecation) {
            (Some(read), _) => read(document),
            (None, Some(deprecation)) if !deprecation.replaced_with.is_empty() => {
                at(document, deprecation.replaced_with).cloned().unwrap_or_default()
            }
            _ => continue,
        };
        output.insert(shorthand.name.to_owned(), value);
    }
    output
}

fn shown(field: &Field, value: &Value) -> Value {
    match (&field.kind, value) {
        (Kind::Record(schema), Value::Object(map)) => Value::Object(present(View::of(&schema.0), map)),
        (Kind::Record(schema), Value::Null) if field.is_required() => Value::Object(blank(schema)),
        (Kind::Array(element) | Kind::Set(element), Value::Array(items)) if has_records(element) => {
            items.iter().map(|item| shown(element, item)).collect()
        }
        (Kind::Map(_, values), Value::Object(map)) if has_records(values) => {
            map.iter().map(|(key, value)| (key.clone(), shown(values, value))).collect()
        }
        _ => value.clone(),
    }
}

/// A record with nothing but defaults.
fn blank(schema: &Schema) -> Map<String, Value> {
    struct Nothing;
    impl Source for Nothing {
        fn now_ms(&mut self) -> u64 {
            0
        }
        fn random(&mut self, _: &mut [u8]) {}
    }
    let record: &Record = &schema.0;
    let whole = self::record(View::of(record), Map::new(), Mode::Whole, &mut Nothing).unwrap_or_default();
    present(View::of(record), &whole)
}
