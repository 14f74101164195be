//! What a call of `/config` brings.

use bytes::Bytes;
use futures_util::FutureExt;
use gateway_model::declarative::{self, Config as Parsed, ConfigError, Json};
use gateway_model::registry::Registry;
use serde_json::Value;

use crate::pace::Pace;

/// The most parts of a form that are looked at.
const MAX_PARTS: usize = 1000;

/// A configuration and what to do with it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) config: Config,
    /// Do nothing if it is in force already.
    pub(super) check_hash: bool,
    /// Report errors by entity too.
    pub(super) flatten_errors: bool,
    /// How what is left to do goes on.
    pub(super) pace: Pace,
}

/// How the configuration came.
#[derive(Debug)]
pub(super) enum Config {
    Document(Parsed, String),
    Text(String),
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum BadRequest {
    NotJson,
    Missing,
}

impl Request {
    /// Reads a body of this type, and the URL's arguments.
    pub(super) fn read(
        registry: &Registry,
        content_type: Option<&str>,
        body: &Bytes,
        query: &[(String, String)],
    ) -> Result<Self, BadRequest> {
        let (kind, mut pace) = (content_type.unwrap_or_default(), Pace::new());
        let mut params = Parsed::default();
        query.iter().for_each(|(name, value)| params.put(name, value.clone()));
        if kind.to_ascii_lowercase().starts_with("application/json") {
            match declarative::read_json(registry, body, &mut || pace.step()) {
                Ok(Json::Config(document)) => params.extend(document),
                Ok(Json::Other(Value::Array(_))) => {}
                _ => return Err(BadRequest::NotJson),
            }
        } else if kind.starts_with("multipart/form-data") {
            multipart(kind, body).into_iter().for_each(|(name, part)| params.put(&name, part));
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            let pairs = form_urlencoded::parse(body).take(MAX_PARTS);
            pairs.for_each(|(name, value)| params.put(&name, value.into_owned()));
        }
        let check_hash = params.take("check_hash").is_some_and(|value| is_one(&value));
        let flatten_errors = params.take("flatten_errors").is_some_and(|value| is_truthy(&value));
        let text = || String::from_utf8_lossy(body).into_owned();
        let config = if params.has("_format_version") {
            Config::Document(params, declarative::hash_of_text(body))
        } else {
            match params.take("config").filter(|config| !config.is_null()) {
                Some(Value::String(text)) => Config::Text(text),
                Some(other) => Config::Text(other.to_string()),
                None if body.is_empty() => return Err(BadRequest::Missing),
                None => Config::Text(text()),
            }
        };
        Ok(Self { config, check_hash, flatten_errors, pace })
    }
}

impl Config {
    /// The hash by which it can be told that it is in force already; only texts have one.
    pub(super) fn hash(&self) -> Option<String> {
        match self {
            Self::Document(..) => None,
            Self::Text(text) => Some(declarative::hash_of_text(text)),
        }
    }

    pub(super) fn read(self) -> Result<(Parsed, String), ConfigError> {
        match self {
            Self::Document(document, hash) => Ok((document, hash)),
            Self::Text(text) => Ok((declarative::read_text(&text)?.into(), declarative::hash_of_text(&text))),
        }
    }
}

fn is_one(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "1",
        value => value.as_f64() == Some(1.0),
    }
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => ["true", "1", "on", "yes"].contains(&text.to_ascii_lowercase().as_str()),
        value => is_one(value),
    }
}

/// The parts of a form as texts; none when it is malformed.
fn multipart(kind: &str, body: &Bytes) -> Vec<(String, String)> {
    let Ok(boundary) = multer::parse_boundary(kind) else { return Vec::new() };
    let body = body.clone();
    let chunks = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(chunks, boundary);
    let read = async {
        let mut parts = Vec::new();
        while let Ok(Some(part)) = form.next_field().await {
            let Some(name) = part.name().map(str::to_owned) else { continue };
            let Ok(content) = part.bytes().await else { break };
            parts.push((name, String::from_utf8_lossy(&content).into_owned()));
            if parts.len() >= MAX_PARTS {
                break;
            }
        }
        parts
    };
    // All of it is in memory, so nothing is waited for.
    read.now_or_never().unwrap_or_default()
}
