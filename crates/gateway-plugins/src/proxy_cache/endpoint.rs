//! The cache on the Admin API.

use std::sync::Arc;

use gateway_proxy::pdk::Node;
use serde_json::{Map, Value, json};

use super::memory::{Entry, Key, Memory};
use crate::query;

/// The endpoints `/proxy-cache` and below.
#[derive(Debug)]
pub struct CacheEndpoint {
    memory: Arc<Memory>,
    node: Arc<Node>,
}

/// What is answered.
#[derive(Debug, PartialEq)]
pub enum CacheAnswer {
    /// 200 with this document.
    Entry(Value),
    /// 204
    Done,
    /// 404 without a message of the Admin API's own.
    Absent,
}

impl CacheEndpoint {
    /// The endpoints of a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self { memory: node.shared(Memory::default), node }
    }

    /// `DELETE /proxy-cache`
    pub fn clear(&self) -> CacheAnswer {
        self.memory.clear();
        CacheAnswer::Done
    }

    /// `GET /proxy-cache/{cache_key}`, or below a plugin.
    pub fn get(&self, plugin: Option<&str>, key: &str) -> CacheAnswer {
        let now = self.node.clock.now().as_second();
        let entry = self.key(plugin, key).and_then(|key| self.memory.get(&key, now));
        entry.map_or(CacheAnswer::Absent, |entry| CacheAnswer::Entry(document(&entry)))
    }

    /// `DELETE /proxy-cache/{cache_key}`, or below a plugin.
    pub fn delete(&self, plugin: Option<&str>, key: &str) -> CacheAnswer {
        let removed = self.key(plugin, key).is_some_and(|key| self.memory.remove(&key));
        if removed { CacheAnswer::Done } else { CacheAnswer::Absent }
    }

    fn key(&self, plugin: Option<&str>, text: &str) -> Option<Key> {
        if !plugin.is_none_or(|plugin| self.memory.knows(plugin)) || text.len() != 64 {
            return None;
        }
        let mut key = Key::default();
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(key)
    }
}

fn document(entry: &Entry) -> Value {
    let mut headers = Map::new();
    for (name, value) in entry.headers.iter() {
        let value = Value::String(String::from_utf8_lossy(value).into_owned());
        query::add(&mut headers, &String::from_utf8_lossy(name), value);
    }
    json!({
        "status": entry.status,
        "headers": headers,
        "body": String::from_utf8_lossy(&entry.body),
        "body_len": entry.body.len(),
        "req_body": "",
        "timestamp": entry.stored,
        "ttl": entry.ttl,
        "version": 1,
    })
}
