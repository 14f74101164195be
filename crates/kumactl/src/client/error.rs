//! What can go wrong between this program and a control plane.

use std::error::Error as StdError;
use std::fmt;

use serde::Deserialize;
use thiserror::Error;

/// Longest part of an unreadable answer that is shown, in characters.
const EXCERPT: usize = 500;

#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("could not connect to the Control Plane {name:?} at {url}: {reason}\n{}", advice(reason))]
    Unreachable { name: String, url: String, reason: String },
    #[error(
        "the Control Plane {name:?} at {url} did not answer in time\n\
         Longer waits: --api-timeout. Another address: kumactl config control-planes add --name NAME --address URL"
    )]
    Timeout { name: String, url: String },
    #[error("{url} does not seem to be a control plane: {found}")]
    NotAnApi { url: String, found: &'static str },
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ClientError {
    /// The status when the control plane itself refused.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.status),
            _ => None,
        }
    }
}

/// What to try after a connection failed for `reason`.
fn advice(reason: &str) -> &'static str {
    if reason.contains("certificate") {
        "Trust its certificate: kumactl config control-planes add --overwrite --ca-cert-file FILE \
         (or --skip-verify) with the same --name and --address"
    } else {
        "Is kuma-cp running there? Another address: kumactl config control-planes add --name NAME --address URL"
    }
}

/// A refusal by the control plane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    title: String,
    details: String,
    causes: Vec<(String, String)>,
}

/// The body of a refusal in either spelling.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    title: String,
    #[serde(alias = "detail")]
    details: serde_json::Value,
    causes: Vec<Cause>,
    invalid_parameters: Vec<Cause>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cause {
    field: String,
    #[serde(alias = "reason")]
    message: String,
}

impl ApiError {
    pub(crate) fn from_answer(status: u16, body: &[u8]) -> Self {
        parse_body(status, body).unwrap_or_else(|| {
            let text: String = String::from_utf8_lossy(body).trim().chars().take(EXCERPT).collect();
            Self { status, title: format!("the Control Plane answered {status}"), details: text, causes: Vec::new() }
        })
    }
}

fn parse_body(status: u16, body: &[u8]) -> Option<ApiError> {
    // Answers carry both spellings at once, which an alias would take for a double field.
    let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    if value.contains_key("details") {
        value.shift_remove("detail");
    }
    let body: Body = serde_json::from_value(value.into()).ok()?;
    if body.title.is_empty() {
        return None;
    }
    let causes = if body.causes.is_empty() { body.invalid_parameters } else { body.causes };
    Some(ApiError {
        status,
        title: body.title,
        details: body.details.as_str().unwrap_or_default().to_owned(),
        causes: causes.into_iter().map(|cause| (cause.field, cause.message)).collect(),
    })
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if !self.details.is_empty() {
            write!(f, " ({})", self.details)?;
        }
        self.causes.iter().try_for_each(|(field, message)| write!(f, "\n* {field}: {message}"))
    }
}

impl StdError for ApiError {}

/// The cause at the bottom, which is the one that says what happened: `Connection refused (os error 111)`.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        let old = br#"{"title":"T","details":"D","causes":[{"field":"f","message":"m"}]}"#;
        let new = br#"{"type":"/std-errors","status":400,"title":"T","detail":"D","invalid_parameters":[{"field":"f","reason":"m"}]}"#;
        let both = br#"{"title":"T","detail":"D","details":"D","invalid_parameters":[{"field":"f","reason":"m"}],"causes":[{"field":"f","message":"m"}]}"#;
        for body in [old.as_slice(), new, both] {
            assert_eq!(ApiError::from_answer(400, body).to_string(), "T (D)\n* f: m");
        }
    }

    #[test]
    fn answers_of_others_are_shown_as_they_are() {
        assert_eq!(
            ApiError::from_answer(502, b"Bad Gateway\n").to_string(),
            "the Control Plane answered 502 (Bad Gateway)"
        );
        assert_eq!(ApiError::from_answer(500, b"").to_string(), "the Control Plane answered 500");
        assert_eq!(ApiError::from_answer(500, b"{}").to_string(), "the Control Plane answered 500 ({})");
    }
}
