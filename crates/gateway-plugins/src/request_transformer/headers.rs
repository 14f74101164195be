//! Changes of header fields.

use std::borrow::Cow;

use gateway_proxy::pdk::{Context, headers};

use super::changes::{Change, Changes};
use super::{Failure, scope_with};
use crate::template::TemplateError;

const HOST: &str = "host";
const CONTENT_LENGTH: &str = "content-length";

/// Fields that belong to a connection, or say where the body ends: those are the gateway's.
const OWN: [&str; 8] =
    ["connection", CONTENT_LENGTH, "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Makes the changes. `Host` cannot be removed, renamed or added, only replaced.
pub(super) fn change(changes: &Changes, context: &mut Context) -> Result<(), Failure> {
    let had_length = context.request.headers.contains(CONTENT_LENGTH);
    // Templates see the fields as they came.
    let original = changes.is_dynamic().then(|| context.request.headers.clone());
    for name in changes.remove.iter().filter(|name| *name != HOST) {
        context.request.headers.remove(name);
    }
    let render = |change: &Change, context: &Context| -> Result<Vec<u8>, TemplateError> {
        let headers = original.as_ref().unwrap_or(&context.request.headers);
        Ok(escape_breaks(change.value.render(&scope_with(context, headers))?))
    };
    for change in changes.rename.iter().filter(|change| change.name != HOST) {
        let name = super::text(Cow::Owned(render(change, context)?)).to_ascii_lowercase();
        rename(context, &change.name, &name);
    }
    for change in &changes.replace {
        if change.name == HOST {
            context.target.host_header = Some(render(change, context)?.into());
        } else if context.request.headers.contains(&change.name) && may_set(&change.name) {
            let value = render(change, context)?;
            context.request.headers.set(&change.name, value);
        }
    }
    for change in changes.add.iter().filter(|change| may_set(&change.name)) {
        if !context.request.headers.contains(&change.name) {
            let value = render(change, context)?;
            context.request.headers.append(&change.name, value);
        }
    }
    for change in changes.append.iter().filter(|change| may_set(&change.name)) {
        let value = render(change, context)?;
        context.request.headers.append(&change.name, value);
    }
    if had_length && !context.request.headers.contains(CONTENT_LENGTH) {
        // Without its length there is no body.
        context.replaced_body = Some(Vec::new());
    }
    Ok(())
}

fn rename(context: &mut Context, old: &str, new: &str) {
    let fields = &mut context.request.headers;
    let values: Vec<Vec<u8>> = fields.get_all(old).map(<[u8]>::to_vec).collect();
    let Some(first) = values.first() else { return };
    fields.remove(old);
    if new == HOST {
        context.target.host_header = Some(first.clone().into());
    } else if may_set(new) && headers::is_name(new.as_bytes()) {
        fields.remove(new);
        for value in values {
            fields.append(new, value);
        }
    }
}

fn may_set(name: &str) -> bool {
    name != HOST && !OWN.contains(&name)
}

/// A value cannot begin another field.
fn escape_breaks(value: Cow<'_, [u8]>) -> Vec<u8> {
    if headers::is_value(&value) {
        return value.into_owned();
    }
    let mut escaped = Vec::with_capacity(value.len() + 8);
    for byte in &*value {
        match byte {
            b'\r' => escaped.extend_from_slice(b"%0D"),
            b'\n' => escaped.extend_from_slice(b"%0A"),
            0 => escaped.extend_from_slice(b"%00"),
            other => escaped.push(*other),
        }
    }
    escaped
}
