//! The status API: what load balancers and collectors ask, and nothing that changes anything.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use gateway_model::declarative::EMPTY_HASH;
use http::{StatusCode, header};
use serde_json::json;

use super::facts::Facts;
use crate::admin::Node as _;

pub(super) fn router(facts: Arc<Facts>) -> Router {
    let (metrics, readiness) = (Arc::clone(&facts), Arc::clone(&facts));
    Router::new()
        .route("/status", get(move || async move { status(&facts) }))
        .route("/status/ready", get(move || async move { ready(&readiness) }))
        .route("/metrics", get(move || async move { render(&metrics) }))
}

fn status(facts: &Facts) -> Response {
    let of = facts.connections();
    let mut body = json!({
        "server": {
            "connections_accepted": of.accepted,
            "connections_active": of.active,
            "connections_handled": of.handled,
            "connections_reading": of.reading,
            "connections_waiting": of.waiting,
            "connections_writing": of.writing,
            "total_requests": of.requests,
        },
    });
    match facts.configuration_hash() {
        Some(hash) => body["configuration_hash"] = hash.into(),
        None => body["database"] = json!({ "reachable": facts.database_reachable() }),
    }
    Json(body).into_response()
}

/// A node without a database is ready once it has a configuration, be it an empty one that was given; another one while
/// it has its database.
fn ready(facts: &Facts) -> Response {
    let missing = match facts.configuration_hash() {
        Some(hash) if hash == EMPTY_HASH => "no configuration available (empty configuration present)",
        None if !facts.database_reachable() => "failed to connect to database",
        _ => return Json(json!({ "message": "ready" })).into_response(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "message": missing }))).into_response()
}

fn render(facts: &Facts) -> Response {
    match facts.metrics() {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], text).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "message": "Not found" }))).into_response(),
    }
}
