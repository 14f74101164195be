//! Bodies with named fields: forms, multipart forms, JSON objects.

mod multipart;

use std::borrow::Cow;

use gateway_proxy::pdk::Headers;
use serde_json::{Map, Value};

use crate::query::{self, Argument};
pub(crate) use multipart::Multipart;

/// A body that fields can be taken from.
#[derive(Debug)]
pub(crate) enum Fields {
    /// `application/x-www-form-urlencoded`
    Form(Vec<u8>),
    /// `application/json`
    Json(Map<String, Value>),
    /// `multipart/form-data`
    Multipart(Multipart),
}

/// A field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Absent,
    /// There, and no text.
    Other,
    Text(Cow<'a, str>),
    /// There several times, or a list.
    Many,
}

/// Whether bodies of this content type have fields.
pub(crate) fn has_fields(headers: &Headers) -> bool {
    headers.get_str("content-type").is_some_and(|kind| kind_of(kind).is_some())
}

impl Fields {
    /// Reads a body; `None` when it has no fields or is not what it says.
    pub(crate) fn read(headers: &Headers, body: &[u8]) -> Option<Self> {
        let content_type = headers.get_str("content-type")?;
        match kind_of(content_type)? {
            Kind::Form => Some(Self::Form(body.to_vec())),
            Kind::Json => serde_json::from_slice(body).ok().map(Self::Json),
            Kind::Multipart => Multipart::read(content_type, body).map(Self::Multipart),
        }
    }

    /// The field `name`.
    pub(crate) fn get(&self, name: &str) -> Field<'_> {
        match self {
            Self::Form(body) => match query::argument(body, name) {
                Argument::Absent => Field::Absent,
                Argument::Bare => Field::Other,
                Argument::One(value) => Field::Text(value),
                Argument::Many => Field::Many,
            },
            Self::Json(object) => match object.get(name) {
                None => Field::Absent,
                Some(Value::String(text)) => Field::Text(Cow::Borrowed(text)),
                Some(Value::Array(_) | Value::Object(_)) => Field::Many,
                Some(_) => Field::Other,
            },
            Self::Multipart(parts) => parts.get(name).map_or(Field::Absent, Field::Text),
        }
    }

    /// The body without the field `name`.
    pub(crate) fn without(self, name: &str) -> Vec<u8> {
        match self {
            Self::Form(body) => query::without(&body, name),
            Self::Json(mut object) => {
                object.shift_remove(name);
                Value::Object(object).to_string().into_bytes()
            }
            Self::Multipart(mut parts) => {
                parts.remove(name);
                parts.write()
            }
        }
    }
}

/// A body as JSON: an object of its fields, or whatever JSON it is; null for any other.
pub(crate) fn as_json(headers: &Headers, body: &[u8]) -> Value {
    let Some(kind) = headers.get_str("content-type").and_then(kind_of) else {
        return Value::Null;
    };
    match (kind, Fields::read(headers, body)) {
        (Kind::Json, _) => serde_json::from_slice(body).unwrap_or_default(),
        (_, Some(Fields::Form(body))) => query::as_json(&body),
        (_, Some(Fields::Multipart(parts))) => parts.as_json(),
        _ => Value::Null,
    }
}

enum Kind {
    Form,
    Json,
    Multipart,
}

fn kind_of(content_type: &str) -> Option<Kind> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    if is("application/x-www-form-urlencoded") {
        Some(Kind::Form)
    } else if is("application/json") {
        Some(Kind::Json)
    } else if is("multipart/form-data") {
        Some(Kind::Multipart)
    } else {
        None
    }
}
