//! Issuing tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base::Problems;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use pki::jwt::{DataplaneClaims, UserClaims, ZoneClaims};
use serde_json::{Map, Value};

use super::auth::Caller;
use super::error::ApiError;
use super::route::TokenKind;
use super::{Api, body};
use crate::tokens::{DEFAULT_LIFETIME, IssueError};

const INVALID: &str = "Invalid request";
const FAILED: &str = "Could not issue a token";

pub(super) async fn issue(
    api: &Api,
    caller: &Caller,
    kind: TokenKind,
    parts: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let access = &api.config().access;
    let (allowed, action) = match kind {
        TokenKind::Dataplane => (&access.generate_dp_token, "generate dataplane token"),
        TokenKind::Zone | TokenKind::ZoneIngress => (&access.generate_zone_token, "generate zone token"),
        TokenKind::User => (&access.generate_user_token, "generate user token"),
    };
    caller.require(allowed, action)?;
    issue_unchecked(api, kind, body::object(parts, body).await?).await
}

/// Issues a token to a caller who may have one.
pub(super) async fn issue_unchecked(
    api: &Api,
    kind: TokenKind,
    request: Map<String, Value>,
) -> Result<Response, ApiError> {
    // The documents show a token for a zone that is asked for at the path of data plane tokens.
    let kind = match kind {
        TokenKind::Dataplane if request.contains_key("zone") && !request.contains_key("mesh") => TokenKind::Zone,
        other => other,
    };
    let mut fields = Fields { request, problems: Problems::default() };
    let issued = match kind {
        TokenKind::Dataplane => {
            let (claims, valid_for) = dataplane(&mut fields);
            fields.finish()?;
            api.tokens().issue_dataplane(claims, valid_for).await
        }
        TokenKind::Zone | TokenKind::ZoneIngress => {
            let (claims, valid_for) = zone(&mut fields, kind);
            fields.finish()?;
            api.tokens().issue_zone(claims, valid_for).await
        }
        TokenKind::User => {
            if !api.config().api.enable_user_token_issuer {
                return Err(ApiError::new(StatusCode::BAD_REQUEST, FAILED, "issuing of user tokens is disabled"));
            }
            let (claims, valid_for) = user(&mut fields);
            fields.finish()?;
            api.tokens().issue_user(claims, valid_for).await
        }
    };
    issued.map(plain_text).map_err(refused)
}

fn dataplane(fields: &mut Fields) -> (DataplaneClaims, Duration) {
    let claims = DataplaneClaims {
        name: fields.text("name"),
        mesh: fields.required("mesh"),
        tags: fields.tags("tags"),
        proxy_type: fields.text("type"),
        workload: fields.text("workload"),
    };
    if !["", "dataplane", "ingress"].contains(&claims.proxy_type.as_str()) {
        fields.problems.add("type", "must be either dataplane or ingress");
    }
    (claims, fields.lifetime(false))
}

fn zone(fields: &mut Fields, kind: TokenKind) -> (ZoneClaims, Duration) {
    let mut scope = fields.texts("scope");
    if scope.is_empty() {
        scope = match kind {
            TokenKind::ZoneIngress => vec!["ingress".to_owned()],
            _ => vec!["ingress".to_owned(), "egress".to_owned()],
        };
    }
    if scope.iter().any(|one| !["ingress", "egress", "cp"].contains(&one.as_str())) {
        fields.problems.add("scope", "must be a list of ingress, egress, cp");
    }
    (ZoneClaims { zone: fields.required("zone"), scope }, fields.lifetime(false))
}

fn user(fields: &mut Fields) -> (UserClaims, Duration) {
    let claims = UserClaims { name: fields.required("name"), groups: fields.texts("groups") };
    (claims, fields.lifetime(true))
}

fn plain_text(token: String) -> Response {
    let mut response = token.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn refused(error: IssueError) -> ApiError {
    match error {
        IssueError::NoKey => {
            ApiError::new(StatusCode::NOT_FOUND, FAILED, "there is no signing key: does the mesh exist?")
        }
        IssueError::BadKey(_) => ApiError::internal(FAILED, &error),
        IssueError::Store(error) => ApiError::resource(FAILED, error),
    }
}

/// The fields of a request, read with their problems collected.
struct Fields {
    request: Map<String, Value>,
    problems: Problems,
}

impl Fields {
    fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::invalid(INVALID, self.problems)) }
    }

    fn text(&mut self, field: &str) -> String {
        match self.request.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                self.problems.add(field, "must be a string");
                String::new()
            }
        }
    }

    fn required(&mut self, field: &str) -> String {
        let before = self.problems.0.len();
        let text = self.text(field);
        if text.is_empty() && self.problems.0.len() == before {
            self.problems.add(field, "cannot be empty");
        }
        text
    }

    fn texts(&mut self, field: &str) -> Vec<String> {
        let list = match self.request.get(field) {
            None | Some(Value::Null) => return Vec::new(),
            Some(list) => texts(list),
        };
        list.unwrap_or_else(|| {
            self.problems.add(field, "must be a list of strings");
            Vec::new()
        })
    }

    fn tags(&mut self, field: &str) -> BTreeMap<String, Vec<String>> {
        let tags = match self.request.get(field) {
            None | Some(Value::Null) => return BTreeMap::new(),
            Some(Value::Object(tags)) => {
                tags.iter().map(|(tag, values)| Some((tag.clone(), texts(values)?))).collect::<Option<_>>()
            }
            Some(_) => None,
        };
        tags.unwrap_or_else(|| {
            self.problems.add(field, "must be an object whose values are lists of strings");
            BTreeMap::new()
        })
    }

    fn lifetime(&mut self, required: bool) -> Duration {
        let text = if required { self.required("validFor") } else { self.text("validFor") };
        if text.is_empty() {
            return DEFAULT_LIFETIME;
        }
        base::duration::parse(&text).filter(|lifetime| !lifetime.is_zero()).unwrap_or_else(|| {
            self.problems.add("validFor", "must be a duration like 720h");
            DEFAULT_LIFETIME
        })
    }
}

fn texts(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
}
