//! Who calls, where the request goes, and what code keeps.

use std::sync::Arc;

use gateway_model::typed::{Consumer, Route, Service};
use gateway_proxy::pdk::Authenticated;
use mlua::{Lua, Table, Value};
use serde_json::json;

use super::{Host, json};
use crate::functions::frame::Frame;
use crate::functions::tables::Tables;
use crate::log::edits::{Edits, Mode};

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add("consumer", |lua, frame, ()| {
        frame.context.consumer.as_deref().map(|consumer| json::to_lua(lua, &consumer_document(consumer))).transpose()
    })?;
    host.add("credential", |lua, frame, ()| {
        let document = frame.context.credential.as_ref().map(|credential| {
            compact(json!({ "id": &*credential.id, "identifier": credential.identifier.as_deref() }))
        });
        document.map(|document| json::to_lua(lua, &document)).transpose()
    })?;
    host.add("load_consumer", |lua, frame, (name, by_name): (String, bool)| {
        let directory = &frame.context.directory;
        let found = if by_name { directory.consumer_by_id_or_name(&name) } else { directory.consumer(&name) };
        found.map(|consumer| json::to_lua(lua, &consumer_document(consumer))).transpose()
    })?;
    host.add("authenticate", authenticate)?;
    host.add("route", |lua, frame, ()| {
        frame.context.route.as_deref().map(|route| json::to_lua(lua, &route_document(route))).transpose()
    })?;
    host.add("service", |lua, frame, ()| {
        frame.context.service.as_deref().map(|service| json::to_lua(lua, &service_document(service))).transpose()
    })?;
    host.add("edit_record", |_, frame, (name, value, mode): (String, Value, String)| {
        let value = json::from_lua(&value).map_err(mlua::Error::RuntimeError)?;
        let mode = match &*mode {
            "add" => Mode::Add,
            "replace" => Mode::Replace,
            _ => Mode::Set,
        };
        Edits::of(&mut frame.context).push(name, value, mode);
        Ok(())
    })?;
    host.add("shared", |lua, frame, ()| Ok(Tables::of(lua, &mut frame.context)?.shared.clone()))?;
    host.add("request_context", |lua, frame, ()| Ok(Tables::of(lua, &mut frame.context)?.request.clone()))?;
    host.add("plugin_context", |lua, frame, ()| {
        let plugin = Arc::clone(&frame.plugin);
        let plugins = &Tables::of(lua, &mut frame.context)?.plugins;
        if let Some(own) = plugins.raw_get::<Option<Table>>(&*plugin)? {
            return Ok(own);
        }
        let own = lua.create_table()?;
        plugins.raw_set(&*plugin, &own)?;
        Ok(own)
    })
}

/// Takes the caller for this consumer, which need not be one of the gateway's.
fn authenticate(
    _: &Lua,
    frame: &mut Frame,
    (consumer, credential): (Option<Table>, Option<Table>),
) -> mlua::Result<()> {
    let text = |table: &Table, name: &str| -> mlua::Result<Option<Arc<str>>> {
        match table.raw_get::<Value>(name)? {
            Value::String(text) => Ok(Some(Arc::from(text.to_string_lossy()))),
            _ => Ok(None),
        }
    };
    let consumer = match consumer {
        None => None,
        Some(table) => {
            let id = text(&table, "id")?.unwrap_or_else(|| "".into());
            let known = frame.context.directory.consumer(&id).map(Arc::clone);
            Some(match known {
                Some(known) => known,
                None => Arc::new(Consumer {
                    username: text(&table, "username")?,
                    custom_id: text(&table, "custom_id")?,
                    id,
                    created_at: None,
                    tags: None,
                }),
            })
        }
    };
    frame.context.consumer = consumer;
    frame.context.credential = match credential {
        None => None,
        Some(table) => Some(Authenticated { id: text(&table, "id")?.unwrap_or_else(|| "".into()), identifier: None }),
    };
    Ok(())
}

fn consumer_document(consumer: &Consumer) -> serde_json::Value {
    compact(json!({
        "id": &*consumer.id,
        "username": consumer.username.as_deref(),
        "custom_id": consumer.custom_id.as_deref(),
        "created_at": consumer.created_at,
        "tags": consumer.tags.as_deref(),
    }))
}

fn route_document(route: &Route) -> serde_json::Value {
    let list = |names: &[Arc<str>]| (!names.is_empty()).then(|| names.to_vec());
    let protocols: Vec<&str> = route.protocols.iter().map(|protocol| protocol.as_str()).collect();
    compact(json!({
        "id": &*route.id,
        "name": route.name.as_deref(),
        "created_at": route.created_at,
        "service": route.service.as_ref().map(|service| json!({ "id": &*service.id })),
        "protocols": protocols,
        "methods": list(&route.methods),
        "hosts": list(&route.hosts),
        "paths": list(&route.paths),
        "headers": (!route.headers.is_empty()).then_some(&route.headers),
        "snis": list(&route.snis),
        "expression": route.expression.as_deref(),
        "priority": route.priority,
        "regex_priority": route.regex_priority,
        "path_handling": route.path_handling.as_deref(),
        "strip_path": route.strip_path,
        "preserve_host": route.preserve_host,
        "request_buffering": route.request_buffering,
        "response_buffering": route.response_buffering,
        "https_redirect_status_code": route.https_redirect_status_code,
        "tags": route.tags.as_deref(),
    }))
}

fn service_document(service: &Service) -> serde_json::Value {
    compact(json!({
        "id": &*service.id,
        "name": service.name.as_deref(),
        "created_at": service.created_at,
        "protocol": service.protocol.as_str(),
        "host": &*service.host,
        "port": service.port,
        "path": service.path.as_deref(),
        "retries": service.retries,
        "connect_timeout": service.connect_timeout,
        "write_timeout": service.write_timeout,
        "read_timeout": service.read_timeout,
        "tls_verify": service.tls_verify,
        "tls_verify_depth": service.tls_verify_depth,
        "enabled": service.enabled,
        "tags": service.tags.as_deref(),
    }))
}

/// Without what is null: in Lua that is not there.
fn compact(mut document: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    document
}
