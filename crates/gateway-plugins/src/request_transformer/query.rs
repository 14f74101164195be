//! Changes of queries and forms.

use gateway_proxy::pdk::Target;

use super::changes::Changes;
use crate::arguments::{Argument, Arguments};
use crate::template::{Scope, TemplateError};

/// Makes the changes; whether there were any to make.
pub(super) fn change(changes: &Changes, arguments: &mut Arguments, scope: &Scope<'_>) -> Result<bool, TemplateError> {
    let mut changed = !changes.remove.is_empty() || !changes.rename.is_empty();
    for name in &changes.remove {
        arguments.remove(name.as_bytes());
    }
    for change in &changes.rename {
        let new = change.value.render(scope)?;
        match arguments.remove(change.name.as_bytes()) {
            Some(values) => arguments.set(&new, values),
            None => drop(arguments.remove(&new)),
        }
    }
    for change in &changes.replace {
        let value = Argument::Text(change.value.render(scope)?.into_owned());
        if arguments.contains(change.name.as_bytes()) {
            arguments.set(change.name.as_bytes(), vec![value]);
            changed = true;
        }
    }
    for change in &changes.add {
        let value = Argument::Text(change.value.render(scope)?.into_owned());
        if !arguments.contains(change.name.as_bytes()) {
            arguments.push(change.name.as_bytes(), value);
            changed = true;
        }
    }
    for change in &changes.append {
        let value = Argument::Text(change.value.render(scope)?.into_owned());
        arguments.append(change.name.as_bytes(), value);
        changed = true;
    }
    Ok(changed)
}

/// Puts a query in force.
pub(super) fn put(target: &mut Target, arguments: Arguments) {
    target.query.clear();
    if !arguments.is_empty() {
        target.query.push(b'?');
        target.query.extend_from_slice(&arguments.write_sorted());
    }
}
