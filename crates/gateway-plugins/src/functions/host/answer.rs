//! The answer: the upstream's as it is changed, or one of the code's own.

use gateway_proxy::pdk::{Answer, Content, Headers};
use mlua::{Lua, LuaString, Table, Value};

use super::{Host, flat, put};
use crate::functions::frame::{Exit, Frame};

/// The longest body that code can print or hold back.
const BODY_LIMIT: usize = 8 << 20;

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add("response_fields", |lua, frame, ()| flat(lua, frame.response_fields()))?;
    host.add("response_field", |lua, frame, name: String| {
        frame.response_fields().get(&name).map(|value| lua.create_string(value)).transpose()
    })?;
    host.add("response_values", |lua, frame, name: String| values(lua, frame, &name))?;
    host.add("set_response_field", |_, frame, (name, values): (String, Vec<LuaString>)| {
        put(frame.response_fields(), &name, &values, false)
    })?;
    host.add("add_response_field", |_, frame, (name, values): (String, Vec<LuaString>)| {
        put(frame.response_fields(), &name, &values, true)
    })?;
    host.add("held_body", |lua, frame, ()| {
        let held = frame.context.detour.as_ref().and_then(|detour| detour.held_body.as_deref());
        held.map(|body| lua.create_string(body)).transpose()
    })?;
    host.add("set_status", |_, frame, status: u16| {
        match &mut frame.response {
            Some(head) => {
                head.status = status.clamp(100, 999);
                head.reason = None;
            }
            None => frame.status = Some(status.clamp(100, 999)),
        }
        Ok(())
    })?;
    host.add("part", |lua, frame, ()| Ok((lua.create_string(&frame.part)?, frame.last)))?;
    host.add("set_part", |_, frame, part: LuaString| {
        frame.part.clear();
        frame.part.extend_from_slice(&part.as_bytes());
        Ok(())
    })?;
    host.add("whole_body", whole_body)?;
    host.add("print", |_, frame, text: LuaString| {
        let printed = frame.printed.get_or_insert_default();
        printed.extend_from_slice(&text.as_bytes());
        within_limit(printed)
    })?;
    host.add("printed", |_, frame, ()| Ok(frame.printed.is_some()))?;
    host.add("finish_early", |_, frame, ()| {
        frame.exit.get_or_insert(Exit::Early);
        Ok(())
    })?;
    host.add("respond", respond)?;
    host.add("respond_printed", |_, frame, status: u16| {
        let body = frame.printed.take().unwrap_or_default();
        let answer = bytes(frame.status.unwrap_or(status), body, Headers::new());
        frame.exit = Some(Exit::Answer(answer));
        Ok(())
    })
}

/// Nothing, one value or a list of them.
fn values(lua: &Lua, frame: &mut Frame, name: &str) -> mlua::Result<Value> {
    let fields = frame.response_fields();
    let mut all = fields.get_all(name);
    match (all.next(), all.next()) {
        (None, _) => Ok(Value::Nil),
        (Some(value), None) => lua.create_string(value).map(Value::String),
        (Some(_), Some(_)) => {
            let list = lua.create_table()?;
            for value in fields.get_all(name) {
                list.raw_push(lua.create_string(value)?)?;
            }
            Ok(Value::Table(list))
        }
    }
}

/// Parts held back until the body is complete.
#[derive(Debug)]
struct Held(Vec<u8>);

/// The whole body with its last part; nothing before, and then the part is held back.
fn whole_body(lua: &Lua, frame: &mut Frame, (): ()) -> mlua::Result<Option<LuaString>> {
    let mut body = match frame.context.kept_mut::<Held>() {
        Some(Held(held)) => std::mem::take(held),
        None => Vec::new(),
    };
    body.append(&mut frame.part);
    within_limit(&body)?;
    if !frame.last {
        frame.context.keep(Held(body));
        return Ok(None);
    }
    frame.part = body;
    lua.create_string(&frame.part).map(Some)
}

fn within_limit(body: &[u8]) -> mlua::Result<()> {
    if body.len() > BODY_LIMIT {
        return Err(mlua::Error::RuntimeError(format!("the body is longer than {BODY_LIMIT} bytes")));
    }
    Ok(())
}

type Response = (u16, String, LuaString, Option<Table>);

/// Notes the answer. It is in JSON already, bytes, a page of the server's, a message in the form the client prefers, or
/// nothing.
fn respond(_: &Lua, frame: &mut Frame, (status, kind, body, fields): Response) -> mlua::Result<()> {
    let mut headers = Headers::new();
    if let Some(fields) = fields {
        for pair in fields.pairs::<String, Vec<LuaString>>() {
            let (name, values) = pair?;
            // The length is the body's.
            if !name.eq_ignore_ascii_case("content-length") {
                put(&mut headers, &name, &values, false)?;
            }
        }
    }
    let typed = headers.contains("content-type");
    let content = match &*kind {
        "json" => {
            if !typed {
                headers.append("Content-Type", "application/json; charset=utf-8");
            }
            Content::Bytes(body.as_bytes().to_vec())
        }
        "raw" => {
            name_charset(&mut headers);
            Content::Bytes(body.as_bytes().to_vec())
        }
        // Its type is what it is meant to be.
        "page" => Content::Bytes(body.as_bytes().to_vec()),
        "error" => Content::Error(body.to_string_lossy()),
        _ => Content::Empty,
    };
    frame.exit = Some(Exit::Answer(Box::new(Answer { status, headers, content })));
    Ok(())
}

fn bytes(status: u16, body: Vec<u8>, headers: Headers) -> Box<Answer> {
    Box::new(Answer { status, headers, content: Content::Bytes(body) })
}

/// Text that does not say so is in UTF-8.
fn name_charset(headers: &mut Headers) {
    const TEXT: [&str; 6] =
        ["text/html", "text/plain", "text/xml", "text/vnd.wap.wml", "application/javascript", "application/rss+xml"];
    let Some(kind) = headers.get_str("content-type").filter(|kind| TEXT.contains(kind)) else { return };
    let named = format!("{kind}; charset=UTF-8");
    headers.set("Content-Type", named);
}
