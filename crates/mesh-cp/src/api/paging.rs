//! Query parameters of lists, and the `{"total", "items", "next"}` they answer.

use std::collections::BTreeMap;

use http::request::Parts;
use http::uri::Scheme;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::{Api, host};

/// Items of a page unless the caller says otherwise.
const DEFAULT_SIZE: usize = 100;
/// Most items of a page.
const MAX_SIZE: usize = 1000;

/// What a caller asks of a list.
#[derive(Debug, Default)]
pub(super) struct ListQuery {
    pub(super) size: usize,
    pub(super) offset: usize,
    pub(super) name: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    /// `tag=key:value`: every one must be had.
    pub(super) tags: Vec<(String, String)>,
    pub(super) gateway: Option<Gateway>,
    /// `type=` of service insights.
    pub(super) types: Vec<String>,
    /// All parameters but `offset`, for the link to the next page.
    rest: Vec<(String, String)>,
}

/// `gateway=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gateway {
    Any,
    None,
    Builtin,
    Delegated,
}

impl ListQuery {
    pub(super) fn parse(parts: &Parts) -> Result<Self, ApiError> {
        let mut query = Self { size: DEFAULT_SIZE, ..Self::default() };
        for (key, value) in pairs(parts)? {
            match key.as_str() {
                "size" => query.size = size(&value)?,
                "offset" => query.offset = offset(&value)?,
                "name" => query.name = Some(value.clone()),
                "tag" => query.tags.push(tag(&value)?),
                "gateway" => query.gateway = Some(gateway(&value)?),
                "type" => query.types.extend(value.split(',').map(str::to_owned)),
                _ => {
                    if let Some(filter) = key.strip_prefix("filter[") {
                        let label = filter.strip_prefix("labels.").and_then(|rest| rest.strip_suffix(']'));
                        let label = label.ok_or_else(|| bad("filter", "only filter[labels.KEY]=VALUE is supported"))?;
                        query.labels.insert(label.to_owned(), value.clone());
                    }
                }
            }
            if key != "offset" {
                query.rest.push((key, value));
            }
        }
        Ok(query)
    }

    /// One page out of all `items`.
    pub(super) fn page(&self, api: &Api, parts: &Parts, items: Vec<Value>) -> Value {
        let total = items.len();
        let page = items.into_iter().skip(self.offset).take(self.size).collect();
        self.answer(api, parts, page, total)
    }

    /// A page of `total` items.
    pub(super) fn answer(&self, api: &Api, parts: &Parts, items: Vec<Value>, total: usize) -> Value {
        let end = self.offset.saturating_add(items.len());
        let next = (end < total && !items.is_empty()).then(|| self.link(api, parts, end));
        list(items, total, next)
    }

    fn link(&self, api: &Api, parts: &Parts, offset: usize) -> String {
        let path = parts.uri.path();
        let mut link = match &api.config().api.root_url {
            Some(root) => format!("{}{path}", root.trim_end_matches('/')),
            None => {
                let scheme = if is_https(parts) { Scheme::HTTPS } else { Scheme::HTTP };
                format!("{scheme}://{}{path}", host(parts).unwrap_or("localhost"))
            }
        };
        link.push('?');
        for (key, value) in &self.rest {
            link.push_str(&encode(key));
            link.push('=');
            link.push_str(&encode(value));
            link.push('&');
        }
        link.push_str(&format!("offset={offset}"));
        link
    }
}

/// The body of every list.
pub(super) fn list(items: Vec<Value>, total: usize, next: Option<String>) -> Value {
    let mut list = Map::new();
    list.insert("total".into(), total.into());
    list.insert("items".into(), Value::Array(items));
    list.insert("next".into(), next.into());
    Value::Object(list)
}

fn is_https(parts: &Parts) -> bool {
    let forwarded = parts.headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let tls = parts.extensions.get::<super::Peer>().is_some_and(|peer| peer.tls);
    forwarded.map_or(tls, |scheme| scheme.eq_ignore_ascii_case("https"))
}

fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, ApiError> {
    axum::extract::Query::try_from_uri(&parts.uri)
        .map(|axum::extract::Query(pairs)| pairs)
        .map_err(|_| ApiError::bad_request("the query string cannot be read"))
}

fn size(value: &str) -> Result<usize, ApiError> {
    let invalid =
        |message: String| ApiError::field("Could not retrieve resources", "Invalid page size", "size", message);
    match value.parse::<i64>() {
        Err(_) => Err(invalid("invalid format".to_owned())),
        Ok(..=0) => Err(invalid("must be greater than 0".to_owned())),
        Ok(size) => usize::try_from(size)
            .ok()
            .filter(|size| *size <= MAX_SIZE)
            .ok_or_else(|| invalid(format!("invalid page size of {size}. Maximum page size is {MAX_SIZE}"))),
    }
}

fn offset(value: &str) -> Result<usize, ApiError> {
    value
        .parse()
        .map_err(|_| ApiError::field("Could not retrieve resources", "Invalid offset", "offset", "invalid format"))
}

fn tag(value: &str) -> Result<(String, String), ApiError> {
    let (key, value) = value.split_once(':').ok_or_else(|| bad("tag", "must be key:value"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn gateway(value: &str) -> Result<Gateway, ApiError> {
    match value {
        "true" | "" => Ok(Gateway::Any),
        "false" => Ok(Gateway::None),
        "builtin" => Ok(Gateway::Builtin),
        "delegated" => Ok(Gateway::Delegated),
        _ => Err(bad("gateway", "must be one of true, false, builtin, delegated")),
    }
}

fn bad(field: &str, message: &str) -> ApiError {
    ApiError::field("Could not retrieve resources", "Invalid query parameter", field, message)
}

/// Percent encoding of what has a meaning in a query.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'[' | b']' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
