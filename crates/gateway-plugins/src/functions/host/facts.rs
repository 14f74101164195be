//! What code can ask about the exchange and the node.

use gateway_proxy::Flavor;
use gateway_proxy::pdk::{Documents, Node, Source, Trust, Version};
use mlua::{IntoLua as _, Lua, LuaString, Value};

use super::Host;
use crate::functions::frame::{Frame, Phase};

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add("phase", |_, frame, ()| Ok(frame.phase.as_str()))?;
    host.add("get", |lua, frame, name: String| get(lua, frame, &name))?;
    host.add("variable", |lua, frame, name: String| variable(lua, frame, &name))?;
    host.add("node_id", |_, frame, ()| Ok(frame.context.node.id.clone()))?;
    host.add("hostname", |_, frame, ()| Ok(frame.context.node.hostname.clone()))?;
    host.add("plugin_id", |_, frame, ()| Ok(frame.plugin.to_string()))?;
    host.add("prefix", |_, frame, ()| Ok(frame.context.node.prefix.display().to_string()))?;
    host.add("configuration", |lua, frame, name: String| configuration(lua, &frame.context.node, &name))?;
    host.add("is_trusted", |_, frame, address: String| {
        let settings = frame.context.node.settings();
        Ok(address.parse().is_ok_and(|address| settings.is_some_and(|settings| settings.trusts(address))))
    })?;
    host.add_pure("version", |_, ()| Ok(VERSION))?;
    host.add_pure("pid", |_, ()| Ok(std::process::id()))?;
    host.add_pure("random_hex", |_, ()| Ok(uuid::Uuid::new_v4().simple().to_string()))?;
    host.add("log", |_, frame, (level, message): (String, LuaString)| {
        log(frame, &level, &message.to_string_lossy());
        Ok(())
    })
}

/// A setting of the node, as far as code may want to know it.
fn configuration(lua: &Lua, node: &Node, name: &str) -> mlua::Result<Value> {
    let Some(settings) = node.settings() else { return Ok(Value::Nil) };
    let on = |flag| if flag { "on" } else { "off" };
    match name {
        // Code asks whether there is a database, and which one of those it knows of.
        "database" => if Documents::of(node).is_some() { "postgres" } else { "off" }.into_lua(lua),
        "prefix" => node.prefix.display().to_string().into_lua(lua),
        "real_ip_header" if *settings.real_ip_header == *"x-real-ip" => "X-Real-IP".into_lua(lua),
        "real_ip_header" => (&*settings.real_ip_header).into_lua(lua),
        "real_ip_recursive" => on(settings.real_ip_recursive).into_lua(lua),
        "trusted_ips" => {
            lua.create_sequence_from(settings.trusted_ips.iter().map(ToString::to_string)).map(Value::Table)
        }
        "router_flavor" => match settings.router_flavor {
            Flavor::Traditional => "traditional",
            Flavor::TraditionalCompatible => "traditional_compatible",
            Flavor::Expressions => "expressions",
        }
        .into_lua(lua),
        "allow_debug_header" => settings.allow_debug_header.into_lua(lua),
        _ => Ok(Value::Nil),
    }
}

/// The version whose library this is.
const VERSION: &str = "3.9.3";

fn log(frame: &Frame, level: &str, words: &str) {
    let (plugin, id) = (&*frame.plugin, frame.context.id.as_str());
    match level {
        "emerg" | "alert" | "crit" | "err" => tracing::error!(plugin, request = id, words, "Code says"),
        "warn" => tracing::warn!(plugin, request = id, words, "Code says"),
        "notice" | "info" => tracing::info!(plugin, request = id, words, "Code says"),
        _ => tracing::debug!(plugin, request = id, words, "Code says"),
    }
}

fn get(lua: &Lua, frame: &Frame, name: &str) -> mlua::Result<Value> {
    let context = &frame.context;
    let client = &context.client;
    let own_scheme = if client.tls.is_some() { "https" } else { "http" };
    let trusted = |field| context.request.headers.get(field).filter(|_| client.trust == Trust::Trusted);
    let host = || {
        let host = context.request.headers.get_str("host").unwrap_or("");
        let end = host.rfind(':').filter(|colon| !host[*colon..].contains(']')).unwrap_or(host.len());
        host[..end].to_ascii_lowercase()
    };
    let raw_path = context.request.path();
    match name {
        "scheme" => own_scheme.into_lua(lua),
        "host" => host().into_lua(lua),
        "port" => client.local.port().into_lua(lua),
        "forwarded_scheme" => context.forwarded_scheme().into_lua(lua),
        "forwarded_host" => context.forwarded_host().to_ascii_lowercase().into_lua(lua),
        "forwarded_port" => context.forwarded_port().into_lua(lua),
        "forwarded_path" => match trusted("x-forwarded-path") {
            Some(path) => bytes(lua, path),
            None => bytes(lua, &gateway_router::path::normalize(raw_path)),
        },
        "forwarded_prefix" => match trusted("x-forwarded-prefix") {
            Some(prefix) => bytes(lua, prefix),
            None => bytes(lua, &prefix(frame)),
        },
        "http_version" => http_version(context.request.version).into_lua(lua),
        "method" => context.request.method.as_str().into_lua(lua),
        "path" => bytes(lua, &gateway_router::path::normalize(raw_path)),
        "raw_path" => bytes(lua, raw_path),
        "raw_query" => bytes(lua, frame.query()),
        "start_time" => context.now_ms().into_lua(lua),
        "peer_ip" => client.peer.ip().to_string().into_lua(lua),
        "peer_port" => client.peer.port().into_lua(lua),
        "client_ip" => client.ip.to_string().into_lua(lua),
        "client_port" => client.port.into_lua(lua),
        "protocol" => client.protocol.as_str().into_lua(lua),
        "forwarded_protocol" => match trusted("x-forwarded-proto") {
            Some(scheme) => bytes(lua, scheme),
            None => client.protocol.as_str().into_lua(lua),
        },
        "status" => match &frame.response {
            Some(head) => head.status.into_lua(lua),
            None => frame.status.unwrap_or(0).into_lua(lua),
        },
        "service_status" => match &frame.response {
            Some(head) if context.source == Source::Service => head.status.into_lua(lua),
            _ => Ok(Value::Nil),
        },
        "source" => source(context.source).into_lua(lua),
        "headers_sent" => matches!(frame.phase, Phase::BodyFilter | Phase::Log).into_lua(lua),
        _ => Ok(Value::Nil),
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Service => "service",
        Source::Exit => "exit",
        Source::Error => "error",
    }
}

fn http_version(version: Version) -> f64 {
    match version {
        Version::Http10 => 1.0,
        Version::Http11 => 1.1,
        Version::Http2 => 2.0,
    }
}

/// What the route strips off the path; for a regular expression the whole path stands in.
fn prefix(frame: &Frame) -> Vec<u8> {
    let path = gateway_router::path::normalize(frame.context.request.path());
    let Some(route) = frame.context.route.as_deref().filter(|route| route.strip_path) else {
        return b"/".to_vec();
    };
    let plain = route.paths.iter().filter(|prefix| path.starts_with(prefix.as_bytes()));
    match plain.max_by_key(|prefix| prefix.len()) {
        Some(prefix) => prefix.as_bytes().to_vec(),
        None if route.paths.is_empty() => b"/".to_vec(),
        None => path.into_owned(),
    }
}

/// A variable of the server's.
fn variable(lua: &Lua, frame: &Frame, name: &str) -> mlua::Result<Value> {
    let context = &frame.context;
    let field = |name: &str| match context.request.headers.get(&name.replace('_', "-")) {
        Some(value) => bytes(lua, value),
        None => Ok(Value::Nil),
    };
    if let Some(name) = name.strip_prefix("http_") {
        return field(name);
    }
    if let Some(name) = name.strip_prefix("cookie_") {
        return context.cookie(name).into_lua(lua);
    }
    if let Some(name) = name.strip_prefix("arg_") {
        return match crate::query::argument(frame.query(), name) {
            crate::query::Argument::One(value) => value.into_owned().into_lua(lua),
            _ => Ok(Value::Nil),
        };
    }
    if let Some(name) = name.strip_prefix("sent_http_") {
        let head = frame.response.as_ref().and_then(|head| head.headers.get(&name.replace('_', "-")));
        return head.map_or(Ok(Value::Nil), |value| bytes(lua, value));
    }
    match name {
        "uri" => get(lua, frame, "path"),
        "request_uri" => bytes(lua, &context.request.target),
        "request_method" => get(lua, frame, "method"),
        "args" | "query_string" if frame.query().is_empty() => Ok(Value::Nil),
        "args" | "query_string" => bytes(lua, frame.query()),
        "is_args" => if frame.query().is_empty() { "" } else { "?" }.into_lua(lua),
        "scheme" | "host" | "status" => get(lua, frame, name),
        "remote_addr" => get(lua, frame, "client_ip"),
        "remote_port" => context.client.port.to_string().into_lua(lua),
        "realip_remote_addr" => get(lua, frame, "peer_ip"),
        "server_port" => context.client.local.port().to_string().into_lua(lua),
        "server_addr" => context.client.local.ip().to_string().into_lua(lua),
        "server_protocol" => match context.request.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
        .into_lua(lua),
        "request_id" | "kong_request_id" => context.id.as_str().into_lua(lua),
        "content_type" | "content_length" => field(name),
        "upstream_uri" => {
            let target = &context.target;
            bytes(lua, &[&target.path[..], &target.query].concat())
        }
        "upstream_host" => match &context.target.host_header {
            Some(host) => bytes(lua, host),
            None => "".into_lua(lua),
        },
        "upstream_scheme" => if context.target.tls { "https" } else { "http" }.into_lua(lua),
        "https" => if context.client.tls.is_some() { "on" } else { "" }.into_lua(lua),
        "hostname" => context.node.hostname.as_str().into_lua(lua),
        "ssl_server_name" => context.client.tls.as_ref().and_then(|tls| tls.sni.as_deref()).into_lua(lua),
        "ssl_protocol" => context.client.tls.as_ref().map(|tls| tls.version).into_lua(lua),
        "ssl_cipher" => context.client.tls.as_ref().map(|tls| tls.cipher).into_lua(lua),
        _ => Ok(Value::Nil),
    }
}

fn bytes(lua: &Lua, bytes: &[u8]) -> mlua::Result<Value> {
    lua.create_string(bytes).map(Value::String)
}
