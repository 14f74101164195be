//! What the plugins that log have in common: the record of an exchange, and queues.

mod queue;
mod record;

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
pub(crate) mod testing;

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use gateway_model::schema::{Element, Field};
use gateway_proxy::pdk::{Context, Outcome, Phases, Plugin, RequestId};
use serde_json::Value;

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
            let record = Bytes::from(record::write(context, outcome));
            *last = Some((context.id, record.clone()));
            record
        }
    })
}

/// As a plugin a queue gets the records of all exchanges.
impl Plugin for Queue {
    fn phases(&self) -> Phases {
        Phases { log: true, ..Phases::default() }
    }

    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        self.push(record(context, outcome));
    }
}

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

/// The field by which Lua would change records. There is no Lua in them, so it has to stay empty.
pub(crate) fn custom_fields() -> Field {
    let text = || Element::string().len_min(1);
    Field::map("custom_fields_by_lua", text(), text())
        .custom(check_custom_fields)
        .description("Lua code as a key-value map")
}

fn check_custom_fields(fields: &Value) -> Result<(), String> {
    match fields.as_object() {
        Some(fields) if !fields.is_empty() => {
            Err("log records cannot be changed by Lua here: leave custom_fields_by_lua empty".to_owned())
        }
        _ => Ok(()),
    }
}
