//! Values of expressions.

use std::borrow::Cow;

use gateway_proxy::pdk::Headers;
use serde_json::{Map, Value as Json};

use crate::query::{self, Argument};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Cow<'a, [u8]>),
    Table(Table<'a>),
    /// The function `type`, the only one with a name.
    Type,
}

/// Something that can be indexed.
#[derive(Clone, Debug)]
pub(super) enum Table<'a> {
    Headers(&'a Headers),
    Query(&'a [u8]),
    Captures(&'a [(Box<str>, Box<str>)]),
    Object(&'a Map<String, Json>),
    Array(&'a [Json]),
    /// Several values of a field or argument.
    List(Vec<Cow<'a, [u8]>>),
    Empty,
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }

    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Nil | Self::Boolean(false))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Table(_) => "table",
            Self::Type => "function",
        }
    }

    /// As it stands in a rendered template.
    pub(super) fn into_text(self) -> Cow<'a, [u8]> {
        match self {
            Self::Nil | Self::Boolean(false) => Cow::Borrowed(b""),
            Self::Boolean(true) => Cow::Borrowed(b"true"),
            Self::Number(number) => Cow::Owned(number_text(number).into_bytes()),
            Self::Text(text) => text,
            Self::Table(Table::List(values)) => Cow::Owned(values.join(&b", "[..])),
            Self::Table(_) => Cow::Borrowed(b"table"),
            Self::Type => Cow::Borrowed(b"function"),
        }
    }

    /// A number, or text that is one.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => number(std::str::from_utf8(text).ok()?),
            _ => None,
        }
    }
}

impl<'a> Table<'a> {
    /// The value at `key`, nil without one.
    pub(super) fn get(&self, key: &Value<'_>) -> Value<'a> {
        let name = match key {
            Value::Text(text) => String::from_utf8_lossy(text),
            Value::Number(number) => Cow::Owned(number_text(*number)),
            _ => return Value::Nil,
        };
        match self {
            Self::Headers(headers) => header(headers, &name),
            Self::Query(text) => argument(text, &name),
            Self::Captures(groups) => {
                groups.iter().find(|(group, _)| **group == *name).map_or(Value::Nil, |(_, text)| Value::text(text))
            }
            Self::Object(object) => object.get(&*name).map_or(Value::Nil, json),
            Self::Array(items) => position(key).and_then(|at| items.get(at)).map_or(Value::Nil, json),
            Self::List(values) => {
                position(key).and_then(|at| values.get(at)).map_or(Value::Nil, |text| Value::Text(text.clone()))
            }
            Self::Empty => Value::Nil,
        }
    }

    /// How many elements a list has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Array(items) => items.len(),
            Self::List(values) => values.len(),
            _ => 0,
        }
    }
}

fn position(key: &Value<'_>) -> Option<usize> {
    match key {
        Value::Number(number) if *number >= 1.0 && number.fract() == 0.0 && *number < 1e9 => Some(*number as usize - 1),
        _ => None,
    }
}

/// `x_one` stands for `X-One`, unless a field is really called so.
fn header<'a>(headers: &'a Headers, name: &str) -> Value<'a> {
    let values = |name: &str| {
        let values: Vec<_> =
            headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v).collect();
        several(values.into_iter().map(Cow::Borrowed).collect())
    };
    match values(name) {
        Value::Nil if name.contains('_') => values(&name.replace('_', "-")),
        found => found,
    }
}

fn argument<'a>(text: &'a [u8], name: &str) -> Value<'a> {
    let into_bytes = |text: Cow<'a, str>| match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    match query::argument(text, name) {
        Argument::Absent => Value::Nil,
        Argument::Bare => Value::Boolean(true),
        Argument::One(value) => Value::Text(into_bytes(value)),
        Argument::Many => {
            let values = query::arguments(text, name).map(|value| Cow::Owned(value.into_owned().into_bytes()));
            Value::Table(Table::List(values.collect()))
        }
    }
}

fn several(mut values: Vec<Cow<'_, [u8]>>) -> Value<'_> {
    match values.len() {
        0 => Value::Nil,
        1 => Value::Text(values.remove(0)),
        _ => Value::Table(Table::List(values)),
    }
}

fn json(value: &Json) -> Value<'_> {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => number.as_f64().map_or(Value::Nil, Value::Number),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::Table(Table::Array(items)),
        Json::Object(object) => Value::Table(Table::Object(object)),
    }
}

/// Text as a number, the way Lua reads it: decimal or hexadecimal.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number = if let Some(hexadecimal) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        u64::from_str_radix(hexadecimal, 16).ok()? as f64
    } else if digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')) {
        digits.parse().ok()?
    } else {
        return None;
    };
    Some(if negative { -number } else { number })
}

/// A number with 14 digits at most: `3`, `0.1`, `1e+20`.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    if !number.is_finite() {
        let name = if number.is_nan() { "nan" } else { "inf" };
        return if number.is_sign_negative() { format!("-{name}") } else { name.to_owned() };
    }
    let scientific = format!("{number:.13e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the format's exponent is a number");
    if (-5..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or(0);
        return trim_zeros(&format!("{number:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}
