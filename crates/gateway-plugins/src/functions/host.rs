//! What Rust offers to the library in Lua, which in turn is what code of the operator's sees.

mod answer;
mod bytes;
mod facts;
mod identity;
pub(super) mod json;
mod regexes;
mod request;
mod times;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, Table};

use super::frame::{self, Frame};

/// The table `host`.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let host = Host { lua, table: lua.create_table()? };
    facts::offer(&host)?;
    request::offer(&host)?;
    answer::offer(&host)?;
    identity::offer(&host)?;
    bytes::offer(&host)?;
    times::offer(&host)?;
    regexes::offer(&host)?;
    json::offer(&host)?;
    Ok(host.table)
}

/// The table while it is filled.
struct Host<'a> {
    lua: &'a Lua,
    table: Table,
}

impl Host<'_> {
    /// Adds a function that works on the request.
    fn add<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        function: impl Fn(&Lua, &mut Frame, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let function = self.lua.create_function(move |lua, args| frame::with(|frame| function(lua, frame, args)))?;
        self.table.raw_set(name, function)
    }

    /// Adds a function that needs no request.
    fn add_pure<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        function: impl Fn(&Lua, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        self.table.raw_set(name, self.lua.create_function(function)?)
    }
}

/// Fields as a flat list: name, value, name, value.
fn flat(lua: &Lua, fields: &gateway_proxy::pdk::Headers) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(2 * fields.len(), 0)?;
    for (name, value) in fields.iter() {
        list.raw_push(lua.create_string(name)?)?;
        list.raw_push(lua.create_string(value)?)?;
    }
    Ok(list)
}

/// Puts `values` in place of all fields `name`, or adds them. What cannot stand in a head is an error.
fn put(
    fields: &mut gateway_proxy::pdk::Headers,
    name: &str,
    values: &[mlua::LuaString],
    add: bool,
) -> mlua::Result<()> {
    use gateway_proxy::pdk::headers;
    let wrong = |what: &str| mlua::Error::RuntimeError(format!("the field {name:?} has {what}"));
    if !headers::is_name(name.as_bytes()) {
        return Err(wrong("a name that is no token"));
    }
    if values.iter().any(|value| !headers::is_value(&value.as_bytes())) {
        return Err(wrong("a value with a line break or NUL"));
    }
    let mut values = values.iter();
    if !add {
        match values.next() {
            Some(first) => fields.set(name, &*first.as_bytes()),
            None => drop(fields.remove(name)),
        }
    }
    for value in values {
        fields.append(name, &*value.as_bytes());
    }
    Ok(())
}
