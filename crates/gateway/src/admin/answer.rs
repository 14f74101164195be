//! Answers: a status and a document, and the headers that all of them have.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use gateway_model::error::DaoError;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName,
    HeaderValue, ORIGIN, SERVER,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::COMPATIBLE_VERSION;

const JSON: &str = "application/json; charset=utf-8";

const LATENCY: HeaderName = HeaderName::from_static("x-kong-admin-latency");

/// A body above this size is written in parts of this size.
const PART: usize = 64 * 1024;

/// What is answered to a call of the Admin API.
#[derive(Debug, PartialEq)]
pub struct Answer {
    status: u16,
    content: Content,
    headers: Vec<(HeaderName, String)>,
}

#[derive(Debug, PartialEq)]
enum Content {
    None,
    Json(Value),
    Text(&'static str, String),
    Parts(Parts),
}

/// JSON that is made as it is written.
struct Parts {
    length: usize,
    next: Box<dyn FnMut(usize) -> Option<String> + Send>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("length", &self.length).finish_non_exhaustive()
    }
}

/// What is still to be made is only the same as itself.
impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Answer {
    /// A document.
    pub fn json(status: u16, document: Value) -> Self {
        Self { status, content: Content::Json(document), headers: Vec::new() }
    }

    /// A document that is JSON already.
    pub fn json_text(status: u16, document: String) -> Self {
        Self { status, content: Content::Text(JSON, document), headers: Vec::new() }
    }

    /// A document that is JSON already and so many bytes long. `next` makes the next part of it, of about the size it is
    /// called with.
    pub fn json_parts(
        status: u16,
        length: usize,
        mut next: impl FnMut(usize) -> Option<String> + Send + 'static,
    ) -> Self {
        if length <= PART {
            return Self::json_text(status, std::iter::from_fn(|| next(PART)).collect());
        }
        Self { status, content: Content::Parts(Parts { length, next: Box::new(next) }), headers: Vec::new() }
    }

    /// `{"message": …}`
    pub fn message(status: u16, text: impl Into<String>) -> Self {
        Self::json(status, json!({ "message": text.into() }))
    }

    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, content: Content::None, headers: Vec::new() }
    }

    /// With one more header.
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn ok(document: Value) -> Self {
        Self::json(200, document)
    }

    pub(super) fn text(text: String) -> Self {
        Self { status: 200, content: Content::Text("text/plain; charset=UTF-8", text), headers: Vec::new() }
    }

    /// A page as web servers show it.
    pub(super) fn html(status: u16, reason: &str) -> Self {
        let page = format!(
            "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1>\
             </center>\r\n</body>\r\n</html>\r\n"
        );
        Self { status, content: Content::Text("text/html; charset=UTF-8", page), headers: Vec::new() }
    }

    pub(super) fn not_found() -> Self {
        Self::message(404, "Not found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::message(405, "Method not allowed")
    }

    /// What a path can be asked for.
    pub(super) fn allow(methods: &[&str]) -> Self {
        let mut all = methods.to_vec();
        all.push("OPTIONS");
        if methods.contains(&"GET") {
            all.push("HEAD");
        }
        all.sort_unstable();
        let list = all.join(", ");
        Self::empty(204).header(ALLOW, list.clone()).header(ACCESS_CONTROL_ALLOW_METHODS, list)
    }

    pub(super) fn is_no_content(&self) -> bool {
        self.status == 204
    }

    /// What a browser asks before it calls.
    pub(super) fn preflight(&mut self, request: &HeaderMap) {
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
        self.headers.push((ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or("Content-Type").to_owned()));
    }

    pub(super) fn into_response(self, request: &HeaderMap, origins: &[String], took: Duration) -> Response {
        let (content_type, length, body) = match self.content {
            Content::None => (None, 0, Body::empty()),
            Content::Json(document) => whole(JSON, document.to_string()),
            Content::Text(content_type, text) => whole(content_type, text),
            Content::Parts(Parts { length, next }) => (Some(JSON), length, made(next)),
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut put = |name: HeaderName, value: &str| {
            // A header that came with the request may hold what is not text; then it is not repeated.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        if let Some(content_type) = content_type {
            put(CONTENT_TYPE, content_type);
        }
        if self.status != 204 && self.status != 304 {
            put(CONTENT_LENGTH, &length.to_string());
        }
        put(ACCESS_CONTROL_ALLOW_ORIGIN, origin(request, origins));
        put(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        put(LATENCY, &took.as_millis().to_string());
        put(SERVER, &format!("kong/{COMPATIBLE_VERSION}"));
        for (name, value) in self.headers {
            put(name, &value);
        }
        *response.body_mut() = body;
        response
    }
}

/// The type, length and body of a text.
fn whole(content_type: &'static str, text: String) -> (Option<&'static str>, usize, Body) {
    let length = text.len();
    let body = if length > PART { in_parts(text.into()) } else { Body::from(text) };
    (Some(content_type), length, body)
}

/// A large body part by part: a whole configuration written at once would keep the processor from others for a while.
fn in_parts(mut body: Bytes) -> Body {
    parts(move || (!body.is_empty()).then(|| body.split_to(body.len().min(PART))))
}

/// A body that is made part by part: all of it may be as large as everything that the node knows.
fn made(mut next: Box<dyn FnMut(usize) -> Option<String> + Send>) -> Body {
    parts(move || next(PART).map(Bytes::from))
}

fn parts(next: impl FnMut() -> Option<Bytes> + Send + 'static) -> Body {
    Body::from_stream(futures_util::stream::unfold(next, |mut next| async move {
        std::thread::yield_now();
        next().map(|part| (Ok::<_, Infallible>(part), next))
    }))
}

fn origin<'a>(request: &'a HeaderMap, origins: &'a [String]) -> &'a str {
    let asked = request.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    match origins.first() {
        None => asked.unwrap_or("*"),
        Some(first) => asked.filter(|asked| origins.iter().any(|origin| origin == asked)).unwrap_or(first),
    }
}

impl From<DaoError> for Answer {
    fn from(error: DaoError) -> Self {
        match &error {
            DaoError::Database(text) => tracing::error!(error = %text, "The store failed"),
            DaoError::Unavailable { text, .. } => tracing::warn!(error = %text, "The database is not available"),
            _ => {}
        }
        Self::json(error.status(), error.body())
    }
}
