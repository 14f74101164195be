//! Errors as the API answers them: one body that carries the old and the new spelling.

use axum::response::{IntoResponse, Response};
use base::{Problem, Problems};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::json_response;
use crate::resources::ResourceError;

/// A refused request.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    title: String,
    detail: String,
    violations: Vec<Problem>,
    /// Methods that would have been possible.
    allow: Option<&'static str>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), violations: Vec::new(), allow: None }
    }

    /// The resource (or the route) does not exist.
    pub(crate) fn not_found(title: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, title, "Not found")
    }

    /// The request itself is not understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", detail)
    }

    /// Fields are wrong.
    pub(crate) fn invalid(title: impl Into<String>, problems: Problems) -> Self {
        Self { violations: problems.0, ..Self::new(StatusCode::BAD_REQUEST, title, "Resource is not valid") }
    }

    /// One field is wrong.
    pub(crate) fn field(title: impl Into<String>, detail: &str, field: &str, message: impl Into<String>) -> Self {
        let mut problems = Problems::default();
        problems.add(field, message);
        Self { detail: detail.to_owned(), ..Self::invalid(title, problems) }
    }

    /// The path exists, the method does not; `allow` lists those that do.
    pub(crate) fn method(allow: &'static str, detail: impl Into<String>) -> Self {
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", detail) }
    }

    /// A resource could not be read or written; `title` says which of both.
    pub(crate) fn resource(title: &str, error: ResourceError) -> Self {
        match error {
            ResourceError::NotFound => Self::not_found(title),
            ResourceError::MeshNotFound => Self::field(title, "Mesh is not found", "mesh", "mesh is not found"),
            ResourceError::Invalid(problems) => Self::invalid(title, problems),
            ResourceError::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "Conflict", "Resource was changed in the meantime")
            }
            ResourceError::Store(store::StoreError::Unavailable(_)) => {
                tracing::error!(error = %base::report(&error), "Store does not answer");
                let detail = "The store is not available; nothing was changed. Try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail)
            }
            ResourceError::Store(store::StoreError::InDoubt(_)) => {
                tracing::error!(error = %base::report(&error), "Store went away during a write");
                let detail =
                    "The store became unavailable during the write, which may have taken effect. Try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail)
            }
            ResourceError::Store(_) | ResourceError::Defaults(_) => Self::internal(title, &error),
        }
    }

    /// Something broke that the caller can do nothing about; the reason goes to the log only.
    pub(crate) fn internal(title: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %base::report(error), "Request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, title, "Internal Server Error")
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> (StatusCode, Value) {
        (self.status, self.body())
    }

    /// The body: `invalid_parameters` and `detail` for clients since 2.3, `causes` and `details` for older ones.
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("type".into(), "/std-errors".into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("title".into(), self.title.clone().into());
        body.insert("detail".into(), self.detail.clone().into());
        let list = |message: &str| -> Value {
            self.violations.iter().map(|one| json!({ "field": one.path, message: text(one) })).collect()
        };
        if !self.violations.is_empty() {
            body.insert("invalid_parameters".into(), list("reason"));
        }
        body.insert("details".into(), self.detail.clone().into());
        if !self.violations.is_empty() {
            body.insert("causes".into(), list("message"));
        }
        Value::Object(body)
    }
}

fn text(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{} ({hint})", problem.message),
        None => problem.message.clone(),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status, &self.body());
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
