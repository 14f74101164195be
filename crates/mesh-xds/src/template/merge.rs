//! One message on top of another.

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

/// Sets the fields of `patch` in `message`: lists grow, maps are joined, messages are merged, and what has a
/// value of its own (also durations and wrapped numbers) is replaced.
pub(super) fn merge(message: &mut DynamicMessage, patch: &DynamicMessage) {
    for (field, new) in patch.fields() {
        let old = if message.has_field(&field) { message.get_field_mut(&field) } else { &mut Value::Bool(false) };
        match (old, new) {
            (Value::Message(old), Value::Message(new)) if !is_value(new) => merge(old, new),
            (Value::List(old), Value::List(new)) => old.extend(new.iter().cloned()),
            (Value::Map(old), Value::Map(new)) => {
                old.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())))
            }
            _ => message.set_field(&field, new.clone()),
        }
    }
}

/// Durations, wrapped numbers and packed messages are values; a part of one means nothing.
fn is_value(message: &DynamicMessage) -> bool {
    message.descriptor().package_name() == "google.protobuf"
}
