//! Resources together with their run-time state.

use http::request::Parts;
use mesh_model::Kind;
use serde_json::{Map, Value, json};
use store::Record;

use super::error::ApiError;
use super::insights::{self, IDENTITY};
use super::paging::ListQuery;
use super::{Api, crud};
use crate::resources::{ResourceError, render, spec_value};

pub(super) async fn list(api: &Api, kind: &'static Kind, mesh: Option<&str>, parts: &Parts) -> Result<Value, ApiError> {
    let query = ListQuery::parse(parts)?;
    if let Some(mesh) = mesh {
        crud::require_mesh(api, mesh).await?;
    }
    let (records, total) = crud::select(api, kind, mesh, &query).await?;
    let mut items = Vec::with_capacity(records.len());
    for record in &records {
        items.push(overview(api, kind, record).await?);
    }
    Ok(query.answer(api, parts, items, total))
}

pub(super) async fn one(api: &Api, kind: &'static Kind, mesh: &str, name: &str) -> Result<Value, ApiError> {
    let record = crud::read(api, crud::Address { kind, mesh, name }).await?;
    overview(api, kind, &record).await
}

/// `{type, mesh, name, times, "dataplane": fields as written, "dataplaneInsight": state}`
async fn overview(api: &Api, kind: &'static Kind, record: &Record) -> Result<Value, ApiError> {
    let mut answer: Map<String, Value> =
        render(record).into_iter().filter(|(field, _)| IDENTITY.contains(&field.as_str())).collect();
    answer.insert("type".into(), format!("{}Overview", kind.name).into());
    answer.insert(lower_first(kind.name), spec_value(record));
    let (insight_kind, insight) = insight(api, kind, record).await?;
    answer.insert(lower_first(insight_kind), insight);
    Ok(Value::Object(answer))
}

async fn insight(api: &Api, kind: &'static Kind, record: &Record) -> Result<(&'static str, Value), ApiError> {
    let key = &record.draft.key;
    let Some(insight) = kind.insight else {
        return Ok(("MeshInsight", insights::mesh_insight(api, record).await?));
    };
    let stored = match api.resources().get(insights::kind(insight), &key.scope, &key.name).await {
        Ok(stored) => Some(spec_value(&stored)),
        Err(ResourceError::NotFound) => None,
        Err(error) => return Err(ApiError::resource("Could not retrieve insights", error)),
    };
    let known = match kind.name {
        "Dataplane" => api.live().dataplane_insight(&key.scope, &key.name, stored),
        _ => stored,
    };
    Ok((insight, known.unwrap_or_else(|| json!({}))))
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}
