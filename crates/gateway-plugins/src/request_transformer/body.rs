//! Changes of bodies.

use gateway_proxy::pdk::{Context, Headers};
use serde_json::{Map, Value};

use super::changes::Changes;
use super::{Failure, query, scope, text};
use crate::arguments::Arguments;
use crate::body::Multipart;
use crate::json_fields::Fields;
use crate::template::Scope;

/// Bodies that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Multipart,
    Form,
}

impl Kind {
    /// What the content type says.
    pub(super) fn of(headers: &Headers) -> Option<Self> {
        let content_type = headers.get_str("content-type")?.to_ascii_lowercase();
        let names = [
            ("application/json", Self::Json),
            ("multipart/form-data", Self::Multipart),
            ("application/x-www-form-urlencoded", Self::Form),
        ];
        names.into_iter().find(|(name, _)| content_type.contains(name)).map(|(_, kind)| kind)
    }
}

/// The body with the changes made; `None` to leave it.
pub(super) fn change(
    changes: &Changes,
    kind: Kind,
    body: &[u8],
    context: &Context,
) -> Result<Option<Vec<u8>>, Failure> {
    let scope = scope(context);
    match kind {
        Kind::Json => json(changes, body, &scope),
        Kind::Form => form(changes, body, &scope),
        Kind::Multipart => {
            let content_type = context.request.headers.get_str("content-type").unwrap_or_default();
            multipart(changes, content_type, body, &scope)
        }
    }
}

fn json(changes: &Changes, body: &[u8], scope: &Scope<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let empty = body.is_empty();
    let value = if empty { Value::Object(Map::new()) } else { serde_json::from_slice(body).unwrap_or(Value::Null) };
    if value.is_null() && body.trim_ascii() != b"null" {
        return Ok(None);
    }
    let mut fields = match Fields::new(value) {
        Ok(fields) => fields,
        // Text can be asked for fields, although it has none.
        Err(Value::String(_)) if only_replaces(changes) => return Ok(None),
        Err(_) => return Err(Failure::NoFields),
    };
    let mut changed = false;
    if !empty {
        for name in &changes.remove {
            fields.remove(name);
            changed = true;
        }
        for change in &changes.rename {
            let new = text(change.value.render(scope)?);
            match fields.remove(&change.name) {
                Some(value) => fields.set(&new, value),
                None => drop(fields.remove(&new)),
            }
            changed = true;
        }
        for change in &changes.replace {
            let value = text(change.value.render(scope)?);
            if fields.has(&change.name) {
                fields.set(&change.name, value.into());
                changed = true;
            }
        }
    }
    for change in &changes.add {
        let value = text(change.value.render(scope)?);
        if !fields.has(&change.name) {
            fields.set(&change.name, value.into());
            changed = true;
        }
    }
    for change in &changes.append {
        fields.append(&change.name, text(change.value.render(scope)?).into());
        changed = true;
    }
    Ok(changed.then(|| fields.write()))
}

fn only_replaces(changes: &Changes) -> bool {
    changes.remove.is_empty() && changes.rename.is_empty() && changes.add.is_empty() && changes.append.is_empty()
}

fn form(changes: &Changes, body: &[u8], scope: &Scope<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let mut arguments = Arguments::read(body);
    let changed = query::change(changes, &mut arguments, scope)?;
    let untouched = body.is_empty() && changes.add.is_empty() && changes.append.is_empty();
    Ok((changed && !untouched).then(|| arguments.write()))
}

/// Nothing can be appended to parts.
fn multipart(
    changes: &Changes,
    content_type: &str,
    body: &[u8],
    scope: &Scope<'_>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(mut parts) = Multipart::read(content_type, body) else { return Ok(None) };
    let mut changed = false;
    if !body.is_empty() {
        for change in &changes.rename {
            let new = text(change.value.render(scope)?);
            if let Some(value) = parts.get_bytes(&change.name).map(<[u8]>::to_vec) {
                parts.set(&new, &value);
                parts.remove(&change.name);
                changed = true;
            }
        }
        for name in &changes.remove {
            parts.remove(name);
            changed = true;
        }
        for change in &changes.replace {
            let value = change.value.render(scope)?;
            if parts.get_bytes(&change.name).is_some() {
                parts.remove(&change.name);
                parts.set(&change.name, &value);
                changed = true;
            }
        }
    }
    for change in &changes.add {
        let value = change.value.render(scope)?;
        if parts.get_bytes(&change.name).is_none() {
            parts.set(&change.name, &value);
            changed = true;
        }
    }
    Ok(changed.then(|| parts.write()))
}
