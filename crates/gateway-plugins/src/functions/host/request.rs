//! The request: what it is, and what goes upstream of it.

use std::sync::Arc;
use std::time::Duration;

use gateway_proxy::pdk::Method;
use mlua::{Lua, LuaString, Table, Value};

use super::{Host, flat, put};
use crate::functions::frame::{Frame, ReadBody};

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add("request_fields", |lua, frame, ()| flat(lua, &frame.context.request.headers))?;
    host.add("request_field", |lua, frame, name: String| {
        frame.context.request.headers.get(&name).map(|value| lua.create_string(value)).transpose()
    })?;
    host.add("set_request_field", |_, frame, (name, values): (String, Vec<LuaString>)| {
        set_field(frame, &name, &values, false)
    })?;
    host.add("add_request_field", |_, frame, (name, values): (String, Vec<LuaString>)| {
        set_field(frame, &name, &values, true)
    })?;
    host.add("body", body)?;
    host.add("set", |_, frame, (name, value, other): (String, LuaString, Option<u16>)| {
        set(frame, &name, &value.as_bytes(), other);
        Ok(())
    })?;
    host.add("set_variable", |_, frame, (name, value): (String, LuaString)| {
        Ok(set_variable(frame, &name, &value.as_bytes()))
    })?;
    host.add("clear_query_arg", |_, frame, name: String| {
        let target = &mut frame.context.target;
        if let Some(query) = target.query.strip_prefix(b"?").filter(|query| !query.is_empty()) {
            target.query = [b"?", &crate::query::without(query, &name)[..]].concat();
        }
        Ok(())
    })?;
    host.add("captures", captures)?;
    host.add("has_upstream", |_, frame, name: String| Ok(frame.context.directory.has_upstream(&name)))?;
    host.add("hold_answer", |_, frame, ()| {
        frame.context.detour_mut().hold_answer = true;
        Ok(())
    })?;
    host.add("set_retries", |_, frame, retries: u32| {
        frame.context.detour_mut().retries = Some(retries);
        Ok(())
    })?;
    host.add("set_timeouts", |_, frame, (connect, write, read): (u32, u32, u32)| {
        let timeouts = [connect, write, read].map(|timeout| Duration::from_millis(timeout.into()));
        frame.context.detour_mut().timeouts = Some(timeouts);
        Ok(())
    })
}

fn set_field(frame: &mut Frame, name: &str, values: &[LuaString], add: bool) -> mlua::Result<()> {
    if name.eq_ignore_ascii_case("host") {
        // What goes upstream as `Host` is settled with the target.
        frame.context.target.host_header = values.last().map(|host| Box::from(&*host.as_bytes()));
        return Ok(());
    }
    put(&mut frame.context.request.headers, name, values, add)
}

/// The body, and whether it has to be read first.
fn body(lua: &Lua, frame: &mut Frame, (): ()) -> mlua::Result<(Option<LuaString>, bool)> {
    let read = match (&frame.context.replaced_body, frame.context.kept::<ReadBody>()) {
        (Some(body), _) => body,
        (None, Some(ReadBody(body))) => body,
        (None, None) => return Ok((None, true)),
    };
    Ok((Some(lua.create_string(read)?), false))
}

fn set(frame: &mut Frame, name: &str, value: &[u8], port: Option<u16>) {
    let context = &mut frame.context;
    let text = || String::from_utf8_lossy(value);
    match name {
        "method" => context.request.method = Method::from_token(&text()),
        "path" => {
            context.target.path.clear();
            escape_path(value, &mut context.target.path);
        }
        "query" => {
            context.target.query.clear();
            if !value.is_empty() {
                context.target.query.push(b'?');
                context.target.query.extend(value.iter().filter(|byte| byte.is_ascii_graphic()));
            }
        }
        "scheme" => context.target.tls = value == b"https",
        "target_host" => context.target.host = Some(Arc::from(&*text())),
        "target" => {
            context.target.host = Some(Arc::from(&*text()));
            context.target.port = port.unwrap_or(context.target.port);
            context.target.host_header.get_or_insert_with(|| value.into());
        }
        "body" => context.replaced_body = Some(value.to_vec()),
        _ => {}
    }
}

/// Whether there is such a variable, and it can be set.
fn set_variable(frame: &mut Frame, name: &str, value: &[u8]) -> bool {
    match name {
        "args" => set(frame, "query", value, None),
        "upstream_uri" => match memchr::memchr(b'?', value) {
            Some(mark) => {
                set(frame, "path", &value[..mark], None);
                set(frame, "query", &value[mark + 1..], None);
            }
            None => set(frame, "path", value, None),
        },
        "upstream_host" => frame.context.target.host_header = Some(value.into()),
        "upstream_scheme" => set(frame, "scheme", value, None),
        _ => return false,
    }
    true
}

/// A path for a request line: what is not allowed there is escaped, what is escaped already stays.
fn escape_path(path: &[u8], out: &mut Vec<u8>) {
    for &byte in path {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

fn captures(lua: &Lua, frame: &mut Frame, (): ()) -> mlua::Result<Table> {
    let (named, unnamed) = (lua.create_table()?, lua.create_table()?);
    let context = &frame.context;
    for (name, text) in &context.captures {
        let text = Value::String(lua.create_string(text.as_bytes())?);
        match name.parse::<usize>() {
            Ok(number) => unnamed.raw_set(number, text)?,
            Err(_) => named.raw_set(&**name, text)?,
        }
    }
    let all = lua.create_table()?;
    all.raw_set("named", named)?;
    all.raw_set("unnamed", unnamed)?;
    Ok(all)
}
