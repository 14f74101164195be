//! Checking values and records.

use serde_json::{Map, Value};

use super::check::{Check, Match};
use super::entity_check;
use super::field::{Field, Kind, Record};
use super::filled::Filled;
use super::value::{as_list, is_reference};
use super::view::View;

/// The key of messages about an entity as a whole.
pub(crate) const ENTITY: &str = "@entity";

const REQUIRED: &str = "required field missing";

/// A message, or for nested values an object or a list of them.
pub(crate) type Error = Value;

fn message(text: impl Into<String>) -> Error {
    Value::String(text.into())
}

/// Whether a document is new or one with changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// Every required field is there.
    Full,
    /// Required fields may be absent, and messages say that this is an update.
    Update,
}

/// Checks a record: its fields, then across them. Gives the errors by field.
///
/// # Errors
/// A tree of messages.
pub(crate) fn record(
    view: View<'_>,
    document: &Map<String, Value>,
    completeness: Completeness,
) -> Result<(), Map<String, Value>> {
    let mut errors = Map::new();
    for (name, value) in document {
        match view.field(name) {
            Some(field) => {
                if let Err(err) = self::field(field, None, value) {
                    errors.insert(name.clone(), err);
                }
            }
            None if view.tolerates(name) => {}
            None => {
                errors.insert(name.clone(), message("unknown field"));
            }
        }
    }
    if completeness == Completeness::Full {
        for field in view.fields() {
            if field.is_required() && document.get(field.name()).is_none() {
                errors.insert(field.name().to_owned(), message(REQUIRED));
            }
        }
    }
    for check in view.checks() {
        entity_check::run(check, view, document, completeness, &mut errors);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks a document that was completed as a whole: its fields, then across them. Gives the errors by field.
///
/// # Errors
/// A tree of messages.
pub(crate) fn filled(document: &Filled<'_>) -> Result<(), Map<String, Value>> {
    let view = document.view();
    let record = view.record();
    let ahead = document.ahead();
    let mut errors = Map::new();
    let mut wrong = ahead.wrong.iter().peekable();
    for (at, value) in document.given() {
        while let Some((place, err)) = wrong.next_if(|(place, _)| *place <= at) {
            if *place < at {
                errors.insert(record.fields[*place].name().to_owned(), err.clone());
            }
        }
        let field = &record.fields[at];
        if let Err(err) = self::field(field, None, value) {
            errors.insert(field.name().to_owned(), err);
        }
    }
    for (place, err) in wrong {
        errors.insert(record.fields[*place].name().to_owned(), err.clone());
    }
    for name in document.others().keys().filter(|name| !view.tolerates(name)) {
        errors.insert(name.clone(), message("unknown field"));
    }
    for at in ahead.needed.iter().filter(|at| document.at(**at).is_none()) {
        errors.insert(record.fields[*at].name().to_owned(), message(REQUIRED));
    }
    for (check, foreseen) in view.checks().zip(&ahead.checks) {
        entity_check::run_foreseen(check, foreseen, document, &mut errors);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks one value. `over` holds checks in place of the field's own of the same kind.
///
/// # Errors
/// A message, or a tree of them.
pub(crate) fn field(field: &Field, over: Option<&Match>, value: &Value) -> Result<(), Error> {
    let checks = Checks { field, over };
    if value.is_null() {
        return checks.null();
    }
    if checks.any(|check| matches!(check, Check::Eq(Value::Null))) {
        return Err(message(field.err.unwrap_or("value must be null")));
    }
    match &field.kind {
        Kind::String => {
            let Some(text) = value.as_str() else { return Err(message("expected a string")) };
            if field.flags.referenceable && is_reference(text) {
                return Ok(());
            }
        }
        Kind::Integer => {
            let whole = value.as_number().is_some_and(|number| {
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
            });
            if !whole {
                return Err(message("expected an integer"));
            }
        }
        Kind::Number if !value.is_number() => return Err(message("expected a number")),
        Kind::Boolean if !value.is_boolean() => return Err(message("expected a boolean")),
        Kind::Number | Kind::Boolean | Kind::Json => {}
        Kind::Array(element) => elements(element, over, value, "expected an array")?,
        Kind::Set(element) => elements(element, over, value, "expected a set")?,
        Kind::Map(keys, values) => map(keys, values, value)?,
        Kind::Record(schema) => nested(&schema.0, value)?,
        Kind::Abstract => return Err(message("error in schema definition: abstract field was not specialized")),
        Kind::Foreign { reference, .. } => foreign(reference, value)?,
    }
    checks.run(value)
}

/// Whether [`field`] has nothing to say, told without saying it.
pub(crate) fn holds(field: &Field, over: &Match, value: &Value) -> bool {
    let checks = Checks { field, over: Some(over) };
    let simple = match (&field.kind, value) {
        (_, Value::Null) => return checks.null().is_ok(),
        (Kind::String, Value::String(text)) => !field.flags.referenceable || !is_reference(text),
        (Kind::Boolean, Value::Bool(_)) | (Kind::Number, Value::Number(_)) => true,
        (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => {
            let each = over.elements.as_deref();
            let fits = |item: &Value| match each {
                _ if item.is_null() => false,
                Some(over) => holds(element, over, item),
                None => self::field(element, None, item).is_ok(),
            };
            if !items.iter().all(fits) {
                return false;
            }
            true
        }
        _ => false,
    };
    if !simple || checks.any(|check| matches!(check, Check::Eq(Value::Null))) {
        return self::field(field, Some(over), value).is_ok();
    }
    let own = field.checks.iter().filter(|check| !checks.hidden(check));
    over.checks.iter().chain(own).all(|check| check.holds(value))
}

/// The checks of a field with others laid over.
struct Checks<'a> {
    field: &'a Field,
    over: Option<&'a Match>,
}

impl Checks<'_> {
    /// Whether one of the effective checks is such.
    fn any(&self, is: impl Fn(&Check) -> bool) -> bool {
        match self.over {
            None => self.field.checks.iter().any(is),
            Some(over) => over.checks.iter().any(&is) || self.field.checks.iter().any(|c| !self.hidden(c) && is(c)),
        }
    }

    fn hidden(&self, check: &Check) -> bool {
        self.over.is_some_and(|over| over.checks.iter().any(|other| other.rank() == check.rank()))
    }

    /// What there is to say about null.
    fn null(&self) -> Result<(), Error> {
        if self.any(|check| matches!(check, Check::Ne(Value::Null))) {
            return Err(message(self.field.err.unwrap_or("value must not be null")));
        }
        let own = self.field.checks.iter().filter(|check| !self.hidden(check));
        for check in self.over.iter().flat_map(|over| &over.checks).chain(own) {
            if let Check::Eq(wanted) = check
                && !wanted.is_null()
            {
                return Err(message(format!("value must be {}", super::value::display(wanted))));
            }
        }
        if self.field.is_required() || self.over.is_some_and(|over| over.required) {
            return Err(message(REQUIRED));
        }
        Ok(())
    }

    /// Runs them all; the first that fails is the error.
    fn run(&self, value: &Value) -> Result<(), Error> {
        let result = match self.over {
            None => self.own(value),
            Some(over) => self.merged(over, value),
        };
        result.map_err(|text| message(self.field.err.map_or(text, str::to_owned)))
    }

    fn own(&self, value: &Value) -> Result<(), String> {
        const LEN_MIN: Check = Check::LenMin(1);
        let checks = &self.field.checks;
        let empty = matches!(self.field.kind, Kind::String) && value.as_str() == Some("");
        if !empty || checks.iter().any(|check| matches!(check, Check::LenMin(_))) {
            return checks.iter().try_for_each(|check| check.run(value));
        }
        checks.iter().take_while(|check| check.rank() < LEN_MIN.rank()).try_for_each(|check| check.run(value))?;
        LEN_MIN.run(value)
    }

    fn merged(&self, over: &Match, value: &Value) -> Result<(), String> {
        let own = self.field.checks.iter().filter(|check| !self.hidden(check));
        let mut checks: Vec<&Check> = over.checks.iter().chain(own).collect();
        checks.sort_by_key(|check| check.rank());
        checks.into_iter().try_for_each(|check| check.run(value))
    }
}

/// Checks a list; errors stand at their elements' places.
fn elements(element: &Field, over: Option<&Match>, value: &Value, wrong: &'static str) -> Result<(), Error> {
    let Some(items) = as_list(value) else { return Err(message(wrong)) };
    let over = over.and_then(|over| over.elements.as_deref());
    let mut errors = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if let Err(err) = required(element, over, item) {
            errors.resize(at, Value::Null);
            errors.push(err);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Value::Array(errors)) }
}

/// Elements, keys and values of maps must not be null.
fn required(field: &Field, over: Option<&Match>, value: &Value) -> Result<(), Error> {
    if value.is_null() { Err(message(REQUIRED)) } else { self::field(field, over, value) }
}

/// Checks a map; the first error stands for all.
fn map(keys: &Field, values: &Field, value: &Value) -> Result<(), Error> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                // Keys are strings; only their checks matter.
                required(keys, None, &Value::String(key.clone()))?;
                required(values, None, value)?;
            }
            Ok(())
        }
        Value::Array(items) if items.is_empty() => Ok(()),
        Value::Array(_) => Err(message("expected a string")),
        _ => Err(message("expected a map")),
    }
}

/// Checks a nested record.
fn nested(record: &Record, value: &Value) -> Result<(), Error> {
    match value {
        Value::Object(map) => self::record(View::of(record), map, Completeness::Full).map_err(Value::Object),
        Value::Array(items) if items.is_empty() => {
            self::record(View::of(record), &Map::new(), Completeness::Full).map_err(Value::Object)
        }
        Value::Array(items) => Err(items.iter().map(|_| message("unknown field")).collect()),
        _ => Err(message("expected a record")),
    }
}

/// Checks a reference: an object with an `id`. Of one without, what else it has is looked at as a document of that kind.
fn foreign(reference: &str, value: &Value) -> Result<(), Error> {
    let text = match value.get("id") {
        None | Some(Value::Bool(false)) => "missing primary key",
        Some(Value::Null) => REQUIRED,
        Some(Value::String(id)) if id.is_empty() => "length must be at least 1",
        Some(id @ Value::String(_)) => match Check::Uuid.run(id) {
            Ok(()) => return Ok(()),
            Err(_) => "expected a valid UUID",
        },
        Some(_) => "expected a string",
    };
    let empty = Map::new();
    let document = match value {
        Value::Object(document) => Some(document),
        Value::Array(items) if items.is_empty() => Some(&empty),
        _ => None,
    };
    if let Some(document) = document
        && let Some(kind) = crate::entities::referred(reference)
    {
        kind.check_some(document).map_err(Value::Object)?;
    }
    Err(Value::Object(Map::from_iter([("id".to_owned(), message(text))])))
}
