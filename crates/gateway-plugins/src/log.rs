//! What the plugins that log have in common: the record of an exchange, and queues.

pub(crate) mod edits;
mod queue;
mod record;

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
pub(crate) mod testing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_model::schema::{Element, Field};
use gateway_proxy::pdk::{Context, Outcome, Phases, Plugin, RequestId};
use serde_json::Value;

use crate::functions::{Expressions, check_expression};
use edits::Edits;
pub(crate) use queue::{Deliver, Queue, Settings};

thread_local! {
    /// The record of this worker's last exchange, for when several plugins log it.
    static LAST: RefCell<Option<(RequestId, Bytes)>> = const { RefCell::new(None) };
}

/// An exchange as a JSON object in one line, without the line's end.
pub(crate) fn record(context: &Context, outcome: &Outcome<'_>) -> Bytes {
    LAST.with_borrow_mut(|last| match last {
        Some((id, record)) if *id == context.id => record.clone(),
        _ => {
            let mut record = Bytes::from(record::write(context, outcome));
            if let Some(edits) = context.kept::<Edits>().filter(|edits| !edits.is_empty()) {
                let mut fields: Value = serde_json::from_slice(&record).expect("it was written as JSON");
                edits.apply(&mut fields);
                record = fields.to_string().into();
            }
            *last = Some((context.id, record.clone()));
            record
        }
    })
}

/// The same with fields that the operator's code makes.
pub(crate) fn record_with(custom: Option<&Expressions>, context: &Context, outcome: &Outcome<'_>) -> Bytes {
    let record = record(context, outcome);
    let Some(custom) = custom else { return record };
    let mut fields: Value = serde_json::from_slice(&record).expect("it was written as JSON");
    custom.put_into(&mut fields, context, outcome);
    fields.to_string().into()
}

/// A plugin whose queue gets the records of all exchanges.
#[derive(Debug)]
pub(crate) struct Logger {
    queue: Queue,
    custom: Option<Expressions>,
}

impl Logger {
    /// `custom` makes fields of records.
    pub(crate) fn new(queue: Queue, custom: Option<Expressions>) -> Arc<Self> {
        Arc::new(Self { queue, custom })
    }
}

impl Plugin for Logger {
    fn phases(&self) -> Phases {
        Phases { log: true, ..Phases::default() }
    }

    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        self.queue.push(record_with(self.custom.as_ref(), context, outcome));
    }
}

/// Code by the name of the field it makes.
pub(crate) type CustomFields = Option<BTreeMap<Box<str>, Box<str>>>;

/// Records, each with a line's end.
pub(crate) fn lines(batch: &[Bytes]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(batch.iter().map(|line| line.len() + 1).sum());
    for line in batch {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines
}

/// A configured time; a millisecond at least, and a year at most.
pub(crate) fn milliseconds(time: Option<f64>, default: f64) -> Duration {
    Duration::from_secs_f64((time.unwrap_or(default) / 1000.0).clamp(0.001, 31_536_000.0))
}

/// How long a receiver may take.
pub(crate) fn timeout() -> Field {
    Field::number("timeout")
        .default_value(10_000)
        .description("An optional timeout in milliseconds when sending data to the upstream server.")
}

/// The field with code that makes fields of records.
pub(crate) fn custom_fields() -> Field {
    let text = || Element::string().len_min(1);
    Field::map("custom_fields_by_lua", text(), text().custom(check_expression))
        .description("Lua code as a key-value map")
}
