//! Which requests are the same.

use gateway_proxy::pdk::{Context, Version};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::memory::Key;
use crate::query;

/// What of a request counts besides consumer, route, method and path.
#[derive(Debug)]
pub(super) struct Vary {
    /// Arguments of the query; none for all.
    pub(super) arguments: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) ignore_case: bool,
}

impl Vary {
    /// A digest of the request.
    pub(super) fn key(&self, context: &Context) -> Key {
        let mut text = Vec::with_capacity(256);
        if let Some(route) = &context.route {
            if let Some(consumer) = &context.consumer {
                text.extend_from_slice(consumer.id.as_bytes());
                text.push(b':');
            }
            text.extend_from_slice(route.id.as_bytes());
        } else {
            text.extend_from_slice(b"default");
        }
        let method = context.request.method.as_str();
        text.push(b'|');
        text.extend_from_slice(method.as_bytes());
        text.push(b'|');
        let line = self.line(context, method);
        text.extend_from_slice(&line);
        text.push(b'|');
        text.extend_from_slice(self.arguments(context).as_bytes());
        text.push(b'|');
        text.extend_from_slice(self.fields(context).as_bytes());
        Sha256::digest(&text).into()
    }

    /// The request line up to the query.
    fn line(&self, context: &Context, method: &str) -> Vec<u8> {
        let mut line = [method.as_bytes(), b" ", context.request.path()].concat();
        if context.request.query().is_none() {
            line.extend_from_slice(match context.request.version {
                Version::Http10 => b" HTTP/1.0",
                Version::Http11 => b" HTTP/1.1",
                Version::Http2 => b" HTTP/2.0",
            });
        }
        if self.ignore_case {
            line.make_ascii_lowercase();
        }
        line
    }

    fn arguments(&self, context: &Context) -> String {
        let all = match query::as_json(context.request.query().unwrap_or_default()) {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        if self.arguments.is_empty() {
            let mut names: Vec<&str> = all.keys().map(String::as_str).collect();
            names.sort_unstable();
            return written(names.into_iter(), &all);
        }
        written(self.arguments.iter().map(String::as_str), &all)
    }

    fn fields(&self, context: &Context) -> String {
        let mut all = Map::new();
        for name in &self.headers {
            for value in context.request.headers.get_all(name) {
                query::add(&mut all, name, Value::String(String::from_utf8_lossy(value).into_owned()));
            }
        }
        written(self.headers.iter().map(String::as_str), &all)
    }
}

/// `name=value:name=one,two:bare`, without what is not there.
fn written<'a>(names: impl Iterator<Item = &'a str>, all: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parts = names.filter_map(|name| match all.get(name)? {
        Value::Bool(_) => Some(name.to_owned()),
        Value::Array(values) => {
            let mut values: Vec<String> = values.iter().map(text).collect();
            values.sort_unstable();
            Some(format!("{name}={}", values.join(",")))
        }
        value => Some(format!("{name}={}", text(value))),
    });
    parts.collect::<Vec<_>>().join(":")
}
