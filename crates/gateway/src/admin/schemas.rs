//! Introspection: what documents may hold, and whether one would be taken.

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Api, Call, body};
use crate::dao::Rim;

impl Api {
    /// `/schemas/{name}`
    pub(super) fn schema(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let name = call.segment(0);
        let schema = self.parts.dao.registry().entity_json(name);
        schema.map(Answer::ok).ok_or_else(|| no("entity", name))
    }

    /// `/schemas/plugins/{name}`
    pub(super) fn schema_of_plugin(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let name = call.segment(0);
        let schema = self.parts.dao.registry().plugin_json(name);
        schema.map(Answer::ok).ok_or_else(|| no("plugin", name))
    }

    /// `/plugins/schema/{name}`
    pub(super) fn plugin_config_schema(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let name = call.segment(0);
        let schema = self.parts.dao.registry().plugin_config_json(name);
        schema.map(Answer::ok).ok_or_else(|| no("plugin", name))
    }

    /// `/schemas/vaults/{name}`
    pub(super) fn schema_of_vault(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let name = call.segment(0);
        let schema = self.parts.dao.registry().vault_json(name);
        schema.map(Answer::ok).ok_or_else(|| no("vault", name))
    }

    /// `/schemas/{db_entity_name}/validate` and those of plugins and vaults
    pub(super) fn validate(&self, call: &Call<'_>, name: &str) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        let entity = dao.registry().entity(name).ok_or_else(|| no("entity", name))?;
        let given = body::document(call.headers, &call.body, None, None)?;
        entity.validate(given, &mut Rim::new(dao.clock().clone()))?;
        Ok(Answer::message(200, "schema validation successful"))
    }

    /// `/plugins/enabled`
    pub(super) fn plugins_enabled(&self) -> Answer {
        let names: Vec<Value> = self.parts.dao.registry().plugins().map(|plugin| plugin.name().into()).collect();
        Answer::ok(json!({ "enabled_plugins": names }))
    }
}

fn no(kind: &str, name: &str) -> Answer {
    Answer::message(404, format!("No {kind} named '{name}'"))
}
