//! Code of the operator's that makes values for other plugins.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_proxy::pdk::{Context, Outcome};
use mlua::{Function, Table, Value as LuaValue};
use serde_json::Value;

use super::frame::{self, Frame, Phase};
use super::host::json;
use super::state::{self, Codes, State};
use super::{copy, syntax, tables};
use crate::log::edits::{Mode, put};

/// Values by name, made when an exchange is logged.
#[derive(Debug)]
pub(crate) struct Expressions {
    /// The id of the plugin they are for.
    plugin: Arc<str>,
    all: Vec<(Box<str>, Arc<Codes>)>,
}

impl Expressions {
    /// Code that returns a value, by the name of what the value is put in: `a.b` is the field `b` in the field `a`.
    /// Nothing where there is no code.
    pub(crate) fn new(codes: Option<BTreeMap<Box<str>, Box<str>>>, plugin: &Arc<str>) -> Option<Self> {
        let codes = codes.filter(|codes| !codes.is_empty())?;
        let all = codes.into_iter().map(|(name, code)| (name, Arc::new(Codes(vec![code])))).collect();
        Some(Self { plugin: Arc::clone(plugin), all })
    }

    /// Puts the values into `record`, and takes fields out whose value is nil. What fails changes nothing.
    pub(crate) fn put_into(&self, record: &mut Value, context: &Context, outcome: &Outcome<'_>) {
        let mut frame = Frame::new(Phase::Log, &self.plugin, copy(context));
        frame.response = Some(outcome.response.clone());
        let (made, _) =
            frame::within(frame, || self.all.iter().map(|(name, codes)| (name, evaluate(codes))).collect::<Vec<_>>());
        for (name, value) in made {
            let put =
                value.map_err(|error| syntax::message(&error)).and_then(|value| put(record, name, value, Mode::Set));
            if let Err(error) = put {
                tracing::error!(id = &*self.plugin, field = &**name, error, "Field of a log record was not made");
            }
        }
    }
}

/// Whether `code` can be compiled.
pub(crate) fn check(code: &Value) -> Result<(), String> {
    syntax::check(code.as_str().unwrap_or_default()).map_err(|error| format!("Error parsing function: {error}"))
}

fn evaluate(codes: &Arc<Codes>) -> mlua::Result<Value> {
    let state = State::of_worker()?;
    let slots = state.prepared(codes)?;
    state::wind_up();
    tables::import(&state.lua)?;
    let code: Function = slots.get::<Table>(1)?.get("run")?;
    let value: LuaValue = code.call(())?;
    json::from_lua(&value).map_err(mlua::Error::RuntimeError)
}
