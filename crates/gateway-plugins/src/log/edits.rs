//! Changes of the record of one exchange, made while it goes on.

use std::cell::RefCell;
use std::rc::Rc;

use gateway_proxy::pdk::Context;
use serde_json::{Map, Value};

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Always.
    Set,
    /// If the field is not there.
    Add,
    /// If the field is there.
    Replace,
}

/// The changes of a request, in order; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits(Rc<RefCell<Vec<(String, Value, Mode)>>>);

impl Edits {
    /// Those of the request, for more.
    pub(crate) fn of(context: &mut Context) -> Self {
        if let Some(edits) = context.kept::<Self>() {
            return edits.clone();
        }
        let edits = Self::default();
        context.keep(edits.clone());
        edits
    }

    /// Adds a change of the field that the dotted name says; null takes it out.
    pub(crate) fn push(&self, name: String, value: Value, mode: Mode) {
        self.0.borrow_mut().push((name, value, mode));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Makes the changes that can be made.
    pub(super) fn apply(&self, record: &mut Value) {
        for (name, value, mode) in &*self.0.borrow() {
            if let Err(error) = put(record, name, value.clone(), *mode) {
                tracing::warn!(error, "Field of a log record was not set");
            }
        }
    }
}

/// Puts a value where the dotted name says, with objects on the way where there is nothing.
pub(crate) fn put(record: &mut Value, name: &str, value: Value, mode: Mode) -> Result<(), String> {
    let (way, last) = name.rsplit_once('.').map_or((None, name), |(way, last)| (Some(way), last));
    let mut at = record;
    for part in way.into_iter().flat_map(|way| way.split('.')) {
        let fields = at.as_object_mut().ok_or_else(|| format!("{name}: what is above {part} has no fields"))?;
        if mode == Mode::Replace && !fields.contains_key(part) {
            return Ok(());
        }
        at = fields.entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
    let fields = at.as_object_mut().ok_or_else(|| format!("{name}: what is above {last} has no fields"))?;
    let counts = match mode {
        Mode::Set => true,
        Mode::Add => !fields.contains_key(last),
        Mode::Replace => fields.contains_key(last),
    };
    match value {
        _ if !counts => {}
        Value::Null => drop(fields.shift_remove(last)),
        value => drop(fields.insert(last.to_owned(), value)),
    }
    Ok(())
}
