//! What code keeps from phase to phase, and what plugins tell each other.

use gateway_proxy::pdk::Context;
use mlua::{Lua, Table, Value};
use serde_json::Map;

use super::frame;
use super::host::json;

/// Tables of one request; they stay with its context.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// `kong.ctx.shared`
    pub(super) shared: Table,
    /// `kong.ctx.plugin` of each plugin, by its id.
    pub(super) plugins: Table,
    /// `ngx.ctx`
    pub(super) request: Table,
    /// What other plugins see of `shared`.
    told: Map<String, serde_json::Value>,
}

impl Tables {
    /// Those of the request, made when first asked for.
    pub(super) fn of<'a>(lua: &Lua, context: &'a mut Context) -> mlua::Result<&'a mut Self> {
        if context.kept::<Self>().is_none() {
            let (shared, plugins, request) = (lua.create_table()?, lua.create_table()?, lua.create_table()?);
            context.keep(Self { shared, plugins, request, told: Map::new() });
        }
        Ok(context.kept_mut().expect("it was kept above"))
    }
}

/// Shows code what other plugins said since.
pub(super) fn import(lua: &Lua) -> mlua::Result<()> {
    frame::with(|frame| {
        let context = &mut frame.context;
        let mut said = context.shared.as_deref().cloned().unwrap_or_default();
        if let Some(groups) = &context.groups {
            said.insert(GROUPS.to_owned(), groups.clone().into());
        }
        if said.is_empty() && context.kept::<Tables>().is_none() {
            return Ok(());
        }
        let tables = Tables::of(lua, context)?;
        for (name, value) in &said {
            if tables.told.get(name) != Some(value) {
                tables.shared.raw_set(name.as_str(), json::to_lua(lua, value)?)?;
            }
        }
        for name in tables.told.keys().filter(|name| !said.contains_key(*name)) {
            tables.shared.raw_set(name.as_str(), Value::Nil)?;
        }
        tables.told = said;
        Ok(())
    })
}

/// The name under which groups stand that somebody vouches for.
const GROUPS: &str = "authenticated_groups";

/// Tells other plugins what code said.
pub(super) fn export() -> mlua::Result<()> {
    frame::with(|frame| {
        let context = &mut frame.context;
        let Some(tables) = context.kept_mut::<Tables>() else { return Ok(()) };
        let mut said = Map::new();
        for pair in tables.shared.pairs::<Value, Value>() {
            // What is no data, such as functions, only code of this kind can use.
            let (Value::String(name), value) = pair? else { continue };
            if let Ok(value) = json::from_lua(&value) {
                said.insert(name.to_string_lossy(), value);
            }
        }
        tables.told = said.clone();
        context.groups = said.shift_remove(GROUPS).as_ref().and_then(groups);
        context.shared = (!said.is_empty()).then(|| Box::new(said));
        Ok(())
    })
}

fn groups(value: &serde_json::Value) -> Option<Vec<String>> {
    let names = value.as_array()?.iter().filter_map(serde_json::Value::as_str);
    Some(names.map(str::to_owned).collect())
}
