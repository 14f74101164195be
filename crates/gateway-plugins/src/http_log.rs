//! http-log: records of requests, sent to an HTTP server.

mod schema;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateway_proxy::pdk::{Definition, Environment, Plugin};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::functions::Expressions;
use crate::log::{CustomFields, Deliver, Logger, Queue, Settings, milliseconds};
pub(crate) use schema::schema;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct HttpLog;

impl Definition for HttpLog {
    fn name(&self) -> &'static str {
        "http-log"
    }

    fn priority(&self) -> i32 {
        12
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let custom = Expressions::new(config.custom_fields_by_lua.clone(), &environment.plugin);
        let settings = config.queue.clone();
        let receiver = Receiver::new(config)?;
        let queue = Queue::start(&environment.node.tasks, "http-log", settings, receiver);
        Ok(Logger::new(queue, custom))
    }
}

#[derive(Deserialize)]
struct Config {
    http_endpoint: String,
    method: Option<String>,
    content_type: Option<String>,
    timeout: Option<f64>,
    keepalive: Option<f64>,
    headers: Option<BTreeMap<String, String>>,
    queue: Settings,
    custom_fields_by_lua: CustomFields,
}

/// The server.
struct Receiver {
    client: Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    /// A single record is sent as it is, not as a list, when batches have one at most.
    single: bool,
}

impl Receiver {
    fn new(config: Config) -> Result<Self, String> {
        let url = Url::parse(&config.http_endpoint).map_err(|error| format!("http_endpoint: {error}"))?;
        let client = Client::builder()
            .timeout(milliseconds(config.timeout, 10_000.0))
            .pool_idle_timeout(milliseconds(config.keepalive, 60_000.0))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, text) in config.headers.unwrap_or_default() {
            let name = HeaderName::try_from(&name).map_err(|error| format!("headers: '{name}': {error}"))?;
            let value = HeaderValue::try_from(&text).map_err(|error| format!("headers: '{name}': {error}"))?;
            headers.insert(name, value);
        }
        let kind = config.content_type.unwrap_or_else(|| "application/json".to_owned());
        headers.insert(CONTENT_TYPE, HeaderValue::try_from(kind).map_err(|error| format!("content_type: {error}"))?);
        let method = Method::try_from(config.method.as_deref().unwrap_or("POST"));
        Ok(Self {
            client,
            method: method.map_err(|error| format!("method: {error}"))?,
            url,
            headers,
            single: config.queue.max_batch_size <= 1,
        })
    }

    fn body(&self, batch: &[Bytes]) -> Bytes {
        if let [one] = batch
            && self.single
        {
            return one.clone();
        }
        let mut body = vec![b'['];
        for (at, record) in batch.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            body.extend_from_slice(record);
        }
        body.push(b']');
        body.into()
    }
}

impl Deliver for Receiver {
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let request = self.client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
            let response = request.body(self.body(batch)).send().await.map_err(|error| reasons(&error))?;
            let status = response.status();
            if status.is_success() || status.is_redirection() {
                Ok(())
            } else {
                Err(format!("the server answered {status}"))
            }
        })
    }
}

/// An error with its causes, without the URL, which may have a password in it.
fn reasons(error: &reqwest::Error) -> String {
    let mut text = "the server was not reached".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
