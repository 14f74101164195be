//! What plugins answer on the Admin API besides entities.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gateway_plugins::{CacheAnswer, CacheEndpoint};
use gateway_proxy::pdk::Node;
use http::Method;

use crate::admin::{AdminAnswer, PluginEndpoints};

/// The endpoints of this node's plugins.
#[derive(Debug)]
pub(super) struct Endpoints {
    cache: CacheEndpoint,
}

impl Endpoints {
    pub(super) fn new(node: &Arc<Node>) -> Self {
        Self { cache: CacheEndpoint::new(Arc::clone(node)) }
    }

    fn cache(&self, method: &Method, segments: &[String]) -> Option<AdminAnswer> {
        let answer = match (method.as_str(), segments) {
            ("DELETE", []) => self.cache.clear(),
            ("GET" | "HEAD", [key]) => self.cache.get(None, key),
            ("GET" | "HEAD", [plugin, key]) => self.cache.get(Some(plugin), key),
            ("DELETE", [key]) => self.cache.delete(None, key),
            ("DELETE", [plugin, key]) => self.cache.delete(Some(plugin), key),
            _ => return None,
        };
        match answer {
            CacheAnswer::Entry(entry) => Some(AdminAnswer::json(200, entry)),
            CacheAnswer::Done => Some(AdminAnswer::empty(204)),
            CacheAnswer::Absent => None,
        }
    }
}

impl PluginEndpoints for Endpoints {
    fn call<'a>(
        &'a self,
        method: &'a Method,
        pattern: &'a str,
        segments: &'a [String],
        _: bytes::Bytes,
    ) -> BoxFuture<'a, Option<AdminAnswer>> {
        let answer = if pattern.starts_with("/proxy-cache") { self.cache(method, segments) } else { None };
        Box::pin(std::future::ready(answer))
    }
}
