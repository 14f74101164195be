//! Parameters of a request: its body's before its query's.

use std::borrow::Cow;

use gateway_proxy::pdk::{Context, Method};

use crate::body::{Field, Fields};
use crate::query::{self, Argument};

/// The parameters.
pub(super) struct Params<'a> {
    query: &'a [u8],
    body: Option<Fields>,
}

/// Whether the body of such a request is looked at.
pub(super) fn has_body(context: &Context) -> bool {
    matches!(context.request.method, Method::Post | Method::Put | Method::Patch)
        && crate::body::has_fields(&context.request.headers)
}

impl<'a> Params<'a> {
    pub(super) fn new(context: &'a Context, body: Option<Fields>) -> Self {
        let query = if context.service.is_some() {
            query::of(&context.target.query)
        } else {
            context.request.query().unwrap_or_default()
        };
        Self { query, body }
    }

    /// The text of a parameter that is there once.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.body.as_ref().map_or(Field::Absent, |body| body.get(name)) {
            Field::Text(value) => return Some(value),
            Field::Absent => {}
            Field::Other | Field::Many => return None,
        }
        match query::argument(self.query, name) {
            Argument::One(value) => Some(value),
            Argument::Absent | Argument::Bare | Argument::Many => None,
        }
    }

    /// Like [`get`](Self::get), without what is only blank.
    pub(super) fn filled(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).filter(|value| !value.trim().is_empty())
    }

    /// The body, to be changed.
    pub(super) fn into_body(self) -> Option<Fields> {
        self.body
    }
}
