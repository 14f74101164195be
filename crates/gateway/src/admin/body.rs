//! Bodies: which kinds are taken, how large they may be, and what they say.

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use gateway_model::entity::EntitySchema;
use gateway_model::error::Fields;
use gateway_model::form::{self, FormError, FormValue};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::answer::Answer;

/// The largest body in bytes.
pub const MAX_BODY: usize = 10 * 1024 * 1024;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// Reads a body to its end, wanted or not: what is left of it would stand where the connection's next call begins.
pub(super) async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, Answer> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Answer::message(400, "Cannot read the body")),
    }
}

/// The body of a write; other methods have none that counts. YAML is taken if said so.
pub(super) fn taken(
    method: &Method,
    headers: &HeaderMap,
    body: Result<Bytes, Answer>,
    yaml: bool,
) -> Result<Bytes, Answer> {
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        return Ok(Bytes::new());
    }
    let body = body?;
    let taken = match content_type(headers) {
        None => body.is_empty(),
        Some(kind) if [JSON, FORM, MULTIPART].iter().any(|prefix| kind.starts_with(prefix)) => true,
        Some(kind) => yaml && ["application/yaml", "text/yaml"].iter().any(|prefix| kind.starts_with(prefix)),
    };
    if taken { Ok(body) } else { Err(Answer::html(415, "Unsupported Media Type")) }
}

fn too_large() -> Answer {
    Answer::message(413, format!("The body is larger than {MAX_BODY} bytes"))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// The document that a body is. `current` is the one it changes, if it does.
pub(super) fn document(
    headers: &HeaderMap,
    body: &Bytes,
    entity: Option<&EntitySchema>,
    current: Option<&Fields>,
) -> Result<Fields, Answer> {
    let Some(kind) = content_type(headers) else { return Ok(Fields::new()) };
    let pairs = if kind.starts_with(JSON) {
        return json(body);
    } else if kind.starts_with(MULTIPART) {
        multipart(kind, body)
    } else if kind.starts_with(FORM) {
        form::parse(body).map_err(too_many)?
    } else {
        return Ok(Fields::new());
    };
    form::decode(pairs, entity, current).map_err(too_many)
}

fn too_many(error: FormError) -> Answer {
    Answer::message(400, error.to_string())
}

fn json(body: &Bytes) -> Result<Fields, Answer> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(document)) => Ok(document),
        // Lists are documents with numbers for names.
        Ok(Value::Array(items)) => {
            let named = items.into_iter().enumerate().map(|(at, item)| ((at + 1).to_string(), item));
            Ok(named.collect())
        }
        _ => Err(Answer::message(400, "Cannot parse JSON body")),
    }
}

/// The parts of a multipart form; none when it is not one.
fn multipart(kind: &str, body: &Bytes) -> Vec<(String, FormValue)> {
    let Ok(boundary) = multer::parse_boundary(kind) else { return Vec::new() };
    let body = body.clone();
    let chunks = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(chunks, boundary);
    let read = async {
        let mut pairs = Vec::new();
        while let Ok(Some(part)) = form.next_field().await {
            let Some(name) = part.name().map(str::to_owned) else { continue };
            let is_json = part.content_type().is_some_and(|kind| kind.essence_str() == JSON);
            let Ok(content) = part.bytes().await else { break };
            let value = match serde_json::from_slice(&content) {
                Ok(value) if is_json => FormValue::Json(value),
                _ => FormValue::Text(String::from_utf8_lossy(&content).into_owned()),
            };
            // Of parts with the same name the last counts.
            pairs.retain(|(other, _)| *other != name);
            pairs.push((name, value));
            if pairs.len() > form::MAX_FIELDS {
                break;
            }
        }
        pairs
    };
    // All of it is in memory.
    read.now_or_never().unwrap_or_default()
}
