//! JSON in and out of Lua.

use mlua::{Lua, LuaString, Value};
use serde_json::{Map, Number, Value as Json};

use super::Host;

/// How deep values may be nested.
const DEPTH: usize = 128;

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add_pure("json_encode", |_, value: Value| match from_lua(&value) {
        Ok(json) => Ok((Some(json.to_string()), None)),
        Err(error) => Ok((None, Some(error))),
    })?;
    host.add_pure("json_decode", |lua, text: LuaString| match serde_json::from_slice::<Json>(&text.as_bytes()) {
        Ok(json) => Ok((to_lua(lua, &json)?, None)),
        Err(error) => Ok((Value::Nil, Some(error.to_string()))),
    })
}

/// A document as Lua has it; null is `ngx.null`.
pub(in crate::functions) fn to_lua(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(elements) => {
            let list = lua.create_table_with_capacity(elements.len(), 0)?;
            for element in elements {
                list.raw_push(to_lua(lua, element)?)?;
            }
            Value::Table(list)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, value) in fields {
                table.raw_set(name.as_str(), to_lua(lua, value)?)?;
            }
            Value::Table(table)
        }
    })
}

/// A value of Lua's as a document; the error says what is none.
pub(in crate::functions) fn from_lua(value: &Value) -> Result<Json, String> {
    convert(value, DEPTH)
}

fn convert(value: &Value, depth: usize) -> Result<Json, String> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Boolean(flag) => Json::Bool(*flag),
        Value::Integer(number) => Json::from(*number),
        Value::Number(number) => convert_number(*number)?,
        Value::String(text) => Json::String(text.to_string_lossy()),
        Value::LightUserData(pointer) if pointer.0.is_null() => Json::Null,
        Value::Table(table) => {
            let depth = depth.checked_sub(1).ok_or("it is nested too deep")?;
            let length = table.raw_len();
            let mut fields = Map::new();
            let mut elements = 0;
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair.map_err(|error| error.to_string())?;
                let name = match key {
                    Value::String(name) => name.to_string_lossy(),
                    Value::Integer(number) => {
                        elements += usize::from(number >= 1);
                        number.to_string()
                    }
                    Value::Number(number) => convert_number(number)?.to_string(),
                    other => return Err(format!("a {} cannot be the name of a field", other.type_name())),
                };
                fields.insert(name, convert(&value, depth)?);
            }
            if length > 0 && elements == fields.len() && elements == length {
                let element = |index: usize| fields.swap_remove(&index.to_string()).unwrap_or_default();
                Json::Array((1..=length).map(element).collect())
            } else {
                Json::Object(fields)
            }
        }
        other => return Err(format!("a {} cannot be written as JSON", other.type_name())),
    })
}

/// A number without a fraction is an integer.
fn convert_number(number: f64) -> Result<Json, String> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        return Ok(Json::from(number as i64));
    }
    Number::from_f64(number).map(Json::Number).ok_or_else(|| "it has a number that is not finite".to_owned())
}
