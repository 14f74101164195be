//! The Admin API: every kind of documents the registry knows, and what the node tells about itself.
//!
//! One handler looks the path up in a table made from the registry at start; `/endpoints`, `OPTIONS` and the methods
//! that a path refuses come out of the same table.

mod answer;
mod body;
mod crud;
mod kinds;
mod node;
mod query;
mod schemas;
mod table;
mod targets;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use gateway_model::entity::EntitySchema;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::dao::Dao;
use answer::Answer;
use query::Args;
use table::{Action, Table};

pub use answer::Answer as AdminAnswer;
pub use body::MAX_BODY;
pub use node::{Connections, LuaMemory, Node, SHARED_MEMORY, SharedMemory, StaticNode};
pub use targets::{Address, BalancerHealth, Health, NoHealth, SetHealthError, TargetHealth};

/// What the Admin API serves.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The documents.
    pub dao: Dao,
    /// What only the node knows.
    pub node: Arc<dyn Node>,
    /// The health of targets.
    pub health: Arc<dyn Health>,
    /// `/config`, when the node has no database.
    pub config: Option<Arc<dyn ConfigEndpoint>>,
    /// Endpoints that plugins bring besides entities.
    pub plugins: Option<Arc<dyn PluginEndpoints>>,
    /// Origins that browsers may call from; with none all may.
    pub origins: Vec<String>,
}

/// `/config` of a node without a database.
pub trait ConfigEndpoint: Send + Sync + std::fmt::Debug {
    /// The configuration in force, as YAML.
    fn current(&self) -> futures_util::future::BoxFuture<'_, Answer>;

    /// Replaces everything. The body has been read, not looked into; `query` are the arguments of the URL.
    fn load<'a>(
        &'a self,
        content_type: Option<&'a str>,
        body: bytes::Bytes,
        query: &'a [(String, String)],
    ) -> futures_util::future::BoxFuture<'a, Answer>;
}

/// Endpoints of plugins that are no entities: `/acme`, `/proxy-cache`.
pub trait PluginEndpoints: Send + Sync + std::fmt::Debug {
    /// Answers a call; `pattern` is the endpoint as `/endpoints` lists it, `segments` are what stands for its
    /// placeholders. `None` for the plain answer.
    fn call<'a>(
        &'a self,
        method: &'a Method,
        pattern: &'a str,
        segments: &'a [String],
        body: bytes::Bytes,
    ) -> futures_util::future::BoxFuture<'a, Option<Answer>>;
}

/// The Admin API as a service for an HTTP server.
pub fn router(parts: Parts) -> Router {
    let table = Table::new(parts.dao.registry());
    let api = Arc::new(Api { parts, table });
    Router::new().fallback(move |request: Request| {
        let api = api.clone();
        async move { api.serve(request).await }
    })
}

#[derive(Debug)]
struct Api {
    parts: Parts,
    table: Table,
}

/// A call as handlers see it.
#[derive(Debug)]
struct Call<'a> {
    method: &'a Method,
    /// The endpoint as `/endpoints` lists it.
    pattern: &'a str,
    headers: &'a HeaderMap,
    /// The path as it came, without a slash at the end.
    path: &'a str,
    /// What stands for the endpoint's placeholders.
    segments: Vec<String>,
    query: Args,
    body: bytes::Bytes,
}

impl Call<'_> {
    fn segment(&self, at: usize) -> &str {
        self.segments.get(at).map_or("", String::as_str)
    }

    /// Whether it is one of the methods that read: GET or HEAD.
    fn reads(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }
}

impl Api {
    async fn serve(&self, request: Request) -> Response {
        let start = Instant::now();
        let (head, body) = request.into_parts();
        let body = body::collect(&head.headers, body).await;
        let mut answer = self.answer(&head, body).await;
        if head.method == Method::OPTIONS && answer.is_no_content() {
            answer.preflight(&head.headers);
        }
        answer.into_response(&head.headers, &self.parts.origins, start.elapsed())
    }

    async fn answer(&self, head: &http::request::Parts, body: Result<bytes::Bytes, Answer>) -> Answer {
        if head.method == Method::TRACE {
            return Answer::html(405, "Not Allowed");
        }
        let raw = head.uri.path();
        let path = match raw.strip_suffix('/') {
            Some(stripped) if !stripped.is_empty() => stripped,
            _ => raw,
        };
        let Some(segments) = split(path) else { return Answer::not_found() };
        let Some((endpoint, segments)) = self.table.find(&segments) else { return Answer::not_found() };
        let query = match Args::parse(head.uri.query().unwrap_or_default()) {
            Ok(query) => query,
            Err(answer) => return answer,
        };
        let method = &head.method;
        if method != Method::OPTIONS && method != Method::HEAD && !endpoint.methods.contains(&method.as_str()) {
            return Answer::method_not_allowed();
        }
        let body = match body::taken(method, &head.headers, body, matches!(endpoint.action, Action::Config)) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        match endpoint.action {
            Action::Absent => return Answer::not_found(),
            Action::Wasm => return without_wasm(),
            _ => {}
        }
        if method == Method::OPTIONS {
            return Answer::allow(&endpoint.methods);
        }
        if method == Method::HEAD && !endpoint.methods.contains(&"GET") {
            return Answer::empty(200);
        }
        let headers = &head.headers;
        let call = Call { method, pattern: &endpoint.pattern, headers, path, segments, query, body };
        self.act(endpoint.action, &call).await.unwrap_or_else(|answer| answer)
    }

    async fn act(&self, action: Action, call: &Call<'_>) -> Result<Answer, Answer> {
        match action {
            Action::Absent => Ok(Answer::not_found()),
            Action::Wasm | Action::Filters => Ok(without_wasm()),
            Action::Root => self.root().await,
            Action::Endpoints => Ok(Answer::ok(serde_json::json!({ "data": self.table.patterns() }))),
            Action::Status => self.status(call),
            Action::StatusDns => Ok(Answer::message(501, "not implemented with the legacy DNS client")),
            Action::Timers => Ok(self.timers()),
            Action::CacheKey if call.reads() => Ok(Answer::not_found()),
            Action::Cache | Action::CacheKey => Ok(Answer::empty(204)),
            Action::Config => Ok(self.config(call).await),
            Action::Clustering => Ok(Answer::message(
                400,
                "this endpoint is only available when Kong is configured to run as Control Plane for the cluster",
            )),
            Action::LogLevel => Ok(Answer::message(200, format!("log level: {}", self.parts.node.log_level()))),
            Action::SetLogLevel => self.set_log_level(call),
            Action::Metrics => Ok(self.parts.node.metrics().map_or_else(Answer::not_found, Answer::text)),
            Action::Tags | Action::Tag => self.tags(call).await,
            Action::PluginsEnabled => Ok(self.plugins_enabled()),
            Action::PluginConfigSchema => self.plugin_config_schema(call),
            Action::Schema => self.schema(call),
            Action::SchemaOfPlugin => self.schema_of_plugin(call),
            Action::SchemaOfVault => self.schema_of_vault(call),
            Action::SchemaOfFilter => Ok(Answer::message(404, format!("Filter '{}' not found", call.segment(0)))),
            Action::Validate => self.validate(call, call.segment(0)),
            Action::ValidatePlugin => self.validate(call, "plugins"),
            Action::ValidateVault => self.validate(call, "vaults"),
            Action::Collection(entity) => self.collection(call, self.entity(entity)).await,
            Action::Entity(entity) => self.single(call, self.entity(entity)).await,
            Action::Foreign { child, field, parent } => {
                self.foreign(call, self.entity(child), field, self.entity(parent)).await
            }
            Action::Children { parent, child, field } => {
                self.children(call, self.entity(parent), self.entity(child), field).await
            }
            Action::Child { parent, child, field } => {
                self.child(call, self.entity(parent), self.entity(child), field).await
            }
            Action::Targets => self.targets(call).await,
            Action::AllTargets => self.all_targets(call).await,
            Action::Target => self.target(call).await,
            Action::UpstreamHealth => self.upstream_health(call).await,
            Action::SetHealth { healthy } => self.set_health(call, healthy).await,
            Action::Plugin => Ok(self.plugin_endpoint(call).await),
        }
    }

    fn entity(&self, name: &str) -> &EntitySchema {
        self.parts.dao.entity(name)
    }

    async fn config(&self, call: &Call<'_>) -> Answer {
        let Some(config) = &self.parts.config else {
            let text = "this endpoint is only available when Kong is configured to not use a database";
            return Answer::message(400, text);
        };
        if call.reads() {
            return config.current().await;
        }
        let content_type = call.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        config.load(content_type, call.body.clone(), call.query.pairs()).await
    }

    async fn plugin_endpoint(&self, call: &Call<'_>) -> Answer {
        if let Some(plugins) = &self.parts.plugins {
            let answer = plugins.call(call.method, call.pattern, &call.segments, call.body.clone()).await;
            if let Some(answer) = answer {
                return answer;
            }
        }
        match (call.pattern, call.method.as_str()) {
            ("/acme", "PATCH") => Answer::message(202, "Renewal process started successfully"),
            ("/acme", _) => Answer::message(400, "Plugin has not been initialized"),
            (_, "DELETE") => match call.segments.len() {
                0 => Answer::empty(204),
                _ => Answer::html(404, "Not Found"),
            },
            _ => Answer::html(404, "Not Found"),
        }
    }
}

fn without_wasm() -> Answer {
    Answer::message(400, "this endpoint is only available when wasm is enabled")
}

/// The decoded segments of a path; none when it is not a path of ours.
fn split(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix('/')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    rest.split('/')
        .map(|segment| (!segment.is_empty()).then(|| percent_decode_str(segment).decode_utf8_lossy().into_owned()))
        .collect()
}
