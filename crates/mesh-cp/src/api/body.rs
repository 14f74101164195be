//! Reading request bodies: bounded, and forgiving about the content type.

use axum::body::{Body, to_bytes};
use http::request::Parts;
use http::{StatusCode, header};
use serde_json::{Map, Value};

use super::error::ApiError;

/// Largest body that is read, in bytes.
pub(super) const LIMIT: usize = 4 * 1024 * 1024;
/// Deepest nesting of a body that is accepted.
const MAX_DEPTH: usize = 64;

/// The JSON object in a body; YAML if the content type says so.
pub(super) async fn object(parts: &Parts, body: Body) -> Result<Map<String, Value>, ApiError> {
    let bytes = bytes(body).await?;
    let value = if is_yaml(parts) {
        serde_norway::from_slice::<Value>(&bytes)
            .map_err(|error| ApiError::bad_request(format!("the body is not YAML: {error}")))?
    } else {
        serde_json::from_slice::<Value>(&bytes)
            .map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))?
    };
    if depth(&value) > MAX_DEPTH {
        return Err(ApiError::bad_request(format!("the body is nested deeper than {MAX_DEPTH} levels")));
    }
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(ApiError::bad_request("the body must be a JSON object")),
    }
}

async fn bytes(body: Body) -> Result<bytes::Bytes, ApiError> {
    to_bytes(body, LIMIT).await.map_err(|error| {
        if std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            let detail = format!("the body is larger than {LIMIT} bytes");
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large", detail);
        }
        ApiError::bad_request("the body could not be read")
    })
}

fn is_yaml(parts: &Parts) -> bool {
    parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("yaml"))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
