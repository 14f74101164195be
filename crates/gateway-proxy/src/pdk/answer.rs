//! Answers that the gateway gives itself.

use engine::headers::Headers;

/// An answer of the gateway or of a plugin, instead of the upstream's.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields besides those the gateway adds.
    pub headers: Headers,
    /// The body.
    pub content: Content,
}

/// The body of an [`Answer`].
#[derive(Clone, Debug)]
pub enum Content {
    /// None.
    Empty,
    /// A message in the form the client prefers (JSON, HTML, XML or text), with the request's id.
    Error(String),
    /// `{"message": ...}` or any other JSON, compact, `application/json; charset=utf-8`.
    Json(serde_json::Value),
    /// These bytes; their type, if they have one, is in the headers.
    Bytes(Vec<u8>),
}

impl Answer {
    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Headers::new(), content: Content::Empty }
    }

    /// A message in the form the client prefers.
    #[cold]
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self { status, headers: Headers::new(), content: Content::Error(message.into()) }
    }

    /// A JSON body, compact.
    pub fn json(status: u16, body: serde_json::Value) -> Self {
        Self { status, headers: Headers::new(), content: Content::Json(body) }
    }

    /// `{"message": ...}`, compact, without the request's id.
    pub fn message(status: u16, message: impl Into<String>) -> Self {
        Self::json(status, serde_json::json!({ "message": message.into() }))
    }

    /// A body of bytes.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::empty(status).with_body(body).with("Content-Type", content_type)
    }

    /// With this field added.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, value);
        self
    }

    fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.content = Content::Bytes(body.into());
        self
    }
}
