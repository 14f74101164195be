//! Resources: create, replace, read, list, delete.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use mesh_model::{Kind, Scope, Spec, Tags};
use serde_json::{Value, json};
use store::Record;

use super::auth::Caller;
use super::error::ApiError;
use super::paging::{Gateway, ListQuery};
use super::{Api, body, insights, json_response};
use crate::resources::{Document, ResourceError, Selection, from_record, render};

const RETRIEVE: &str = "Could not retrieve a resource";
const PROCESS: &str = "Could not process a resource";
const DELETE: &str = "Could not delete a resource";

/// A resource by its path.
#[derive(Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) kind: &'static Kind,
    pub(super) mesh: &'a str,
    pub(super) name: &'a str,
}

pub(super) async fn get(api: &Api, caller: &Caller, at: Address<'_>) -> Result<Response, ApiError> {
    check_access(api, caller, at.kind)?;
    if let Some(computed) = insights::one(api, at.kind, at.mesh, at.name).await? {
        return Ok(json_response(StatusCode::OK, &computed));
    }
    let record = read(api, at).await?;
    Ok(json_response(StatusCode::OK, &render(&record)))
}

/// The record of a resource whose mesh exists.
pub(super) async fn read(api: &Api, at: Address<'_>) -> Result<std::sync::Arc<Record>, ApiError> {
    if at.kind.scope == Scope::Mesh {
        require_mesh(api, at.mesh).await?;
    }
    api.resources().get(at.kind, at.mesh, at.name).await.map_err(|error| ApiError::resource(RETRIEVE, error))
}

pub(super) async fn put(
    api: &Api,
    caller: &Caller,
    at: Address<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    check_writable(api, at.kind)?;
    check_access(api, caller, at.kind)?;
    let document = body::object(parts, body).await?;
    let document =
        Document::at(at.kind, at.mesh, at.name, document).map_err(|problems| ApiError::invalid(PROCESS, problems))?;
    let outcome = api.resources().write(&document).await.map_err(|error| ApiError::resource(PROCESS, error))?;
    let status = if outcome.created { StatusCode::CREATED } else { StatusCode::OK };
    let answer = if outcome.warnings.is_empty() { json!({}) } else { json!({ "warnings": outcome.warnings }) };
    Ok(json_response(status, &answer))
}

pub(super) async fn delete(api: &Api, caller: &Caller, at: Address<'_>) -> Result<Response, ApiError> {
    check_writable(api, at.kind)?;
    check_access(api, caller, at.kind)?;
    api.resources().delete(at.kind, at.mesh, at.name).await.map_err(|error| ApiError::resource(DELETE, error))?;
    Ok(json_response(StatusCode::OK, &json!({})))
}

pub(super) async fn list(
    api: &Api,
    caller: &Caller,
    kind: &'static Kind,
    mesh: Option<&str>,
    parts: &Parts,
) -> Result<Value, ApiError> {
    check_access(api, caller, kind)?;
    let query = ListQuery::parse(parts)?;
    if let Some(mesh) = mesh {
        require_mesh(api, mesh).await?;
    }
    if let Some(computed) = insights::all(api, kind, mesh, &query).await? {
        return Ok(query.page(api, parts, computed));
    }
    let (records, total) = select(api, kind, mesh, &query).await?;
    let items = records.iter().map(|record| Value::Object(render(record))).collect();
    Ok(query.answer(api, parts, items, total))
}

/// The records on the page that `query` asks for, and how many there are on all pages.
pub(super) async fn select(
    api: &Api,
    kind: &'static Kind,
    mesh: Option<&str>,
    query: &ListQuery,
) -> Result<(Vec<std::sync::Arc<Record>>, usize), ApiError> {
    let looks_inside = !query.tags.is_empty() || query.gateway.is_some();
    let paging = if looks_inside { (0, 0) } else { (query.offset, query.size) };
    let selection =
        Selection { name: query.name.clone(), labels: query.labels.clone(), offset: paging.0, limit: paging.1 };
    let page =
        api.resources().list(kind, mesh, &selection).await.map_err(|error| ApiError::resource(RETRIEVE, error))?;
    if !looks_inside {
        return Ok((page.records, page.total));
    }
    let hits: Vec<_> = page.records.into_iter().filter(|record| matches(record, query)).collect();
    let total = hits.len();
    Ok((hits.into_iter().skip(query.offset).take(query.size).collect(), total))
}

/// Whether the tags of a resource, and what kind of gateway it is, are what the query asks for. Kinds
/// without tags are not filtered.
fn matches(record: &Record, query: &ListQuery) -> bool {
    match from_record(record).map(|resource| resource.spec) {
        Ok(Spec::Dataplane(dataplane)) => {
            let gateway = dataplane.gateway.as_ref();
            let is_wanted = match query.gateway {
                None => true,
                Some(Gateway::Any) => gateway.is_some(),
                Some(Gateway::None) => gateway.is_none(),
                Some(Gateway::Builtin) => gateway.is_some_and(|gateway| gateway.builtin),
                Some(Gateway::Delegated) => gateway.is_some_and(|gateway| !gateway.builtin),
            };
            is_wanted && query.tags.iter().all(|tag| dataplane.source_tags().any(|tags| has(tags, tag)))
        }
        Ok(Spec::ExternalService(service)) => query.tags.iter().all(|tag| has(&service.tags, tag)),
        _ => true,
    }
}

/// The values of tags are searched for a part of them.
fn has(tags: &Tags, (key, value): &(String, String)) -> bool {
    let key = if key == "service" { mesh_model::SERVICE } else { key };
    tags.get(key).is_some_and(|one| one.contains(value.as_str()))
}

pub(super) async fn require_mesh(api: &Api, mesh: &str) -> Result<(), ApiError> {
    match api.resources().require_mesh(mesh).await {
        Ok(_) => Ok(()),
        Err(ResourceError::MeshNotFound) => Err(ApiError::not_found("Failed to retrieve Mesh")),
        Err(error) => Err(ApiError::resource(RETRIEVE, error)),
    }
}

fn check_access(api: &Api, caller: &Caller, kind: &Kind) -> Result<(), ApiError> {
    if matches!(kind.name, "Secret" | "GlobalSecret") {
        caller
            .require(&api.config().access.admin_resources, &format!("access the resource of type {:?}", kind.name))?;
    }
    Ok(())
}

fn check_writable(api: &Api, kind: &Kind) -> Result<(), ApiError> {
    if api.config().api.read_only {
        return Err(ApiError::method("GET, HEAD", "This API is read-only: apiServer.readOnly is set"));
    }
    if kind.read_only {
        let detail = format!("{} is computed by the control plane and can only be read", kind.name);
        return Err(ApiError::method("GET, HEAD", detail));
    }
    Ok(())
}
