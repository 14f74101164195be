//! What only some kinds of documents have.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use gateway_model::types::check_tag;
use http::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::crud::{id_of, into_fields, list, unwritable};
use super::{Api, Call};
use crate::dao::{By, Page};

impl Api {
    /// What is shown of documents besides themselves: the names of certificates.
    pub(super) async fn decorate(&self, entity: &EntitySchema, rows: &mut [Fields]) -> Result<(), Answer> {
        if entity.name() == "certificates" {
            for row in rows {
                let names = self.parts.dao.snis_named(id_of(row)).await?;
                row.insert("snis".to_owned(), json!(names));
            }
        }
        Ok(())
    }

    /// `/consumers?custom_id=…`
    pub(super) async fn consumer_by_custom_id(&self, call: &Call<'_>, entity: &EntitySchema) -> Result<Answer, Answer> {
        let mut values = call.query.all("custom_id");
        let custom_id = values.next().unwrap_or_default();
        if custom_id.is_empty() || values.next().is_some() {
            return Err(Answer::message(400, "custom_id must be an unempty string"));
        }
        let consumer = self.parts.dao.select_unique(entity, "custom_id", custom_id).await?;
        Ok(Answer::ok(list(call, Page { rows: consumer.into_iter().collect(), offset: None }, "")))
    }

    /// The id of the certificate that has this name.
    pub(super) async fn certificate_named(&self, name: &str) -> Result<Option<String>, Answer> {
        let sni = self.parts.dao.select(self.entity("snis"), By::Name(name)).await?;
        Ok(sni.and_then(|sni| sni.get("certificate")?.get("id")?.as_str().map(str::to_owned)))
    }

    /// `/certificates/{certificates}` by the name of a server.
    pub(super) async fn certificate_by_name(&self, call: &Call<'_>, entity: &EntitySchema) -> Result<Answer, Answer> {
        let name = call.segment(0);
        let owner = self.certificate_named(name).await?;
        if call.method != Method::PUT {
            let id = owner.ok_or_else(|| Answer::message(404, "SNI not found"))?;
            return self.by(call, entity, By::Id(&id)).await;
        }
        let mut given = self.given(call, entity, None)?;
        // Names that are said are joined by that of the path; without any the certificate has none.
        if let Some(Value::Array(names)) = given.get_mut("snis")
            && !names.iter().any(|other| other == name)
        {
            names.push(name.into());
        }
        let document = match &owner {
            Some(id) => self.parts.dao.upsert(entity, By::Id(id), given).await?,
            None => self.parts.dao.insert(entity, given).await?,
        };
        Ok(Answer::ok(document.into()))
    }

    /// `/consumers/{consumers}/acls/{acls}` by the group.
    pub(super) async fn acl_by_group(
        &self,
        call: &Call<'_>,
        entity: &EntitySchema,
        consumer: &str,
        group: &str,
    ) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        let acls = dao.referring(entity, "consumers", consumer).await?;
        let found = acls.into_iter().find(|acl| acl.get("group").and_then(Value::as_str) == Some(group));
        if call.method == Method::PUT {
            let mut given = self.given(call, entity, None)?;
            given.extend(into_fields(json!({ "consumer": { "id": consumer } })));
            given.entry("group").or_insert_with(|| group.into());
            let document = match &found {
                Some(acl) => dao.upsert(entity, By::Id(id_of(acl)), given).await?,
                None => dao.insert(entity, given).await?,
            };
            return Ok(Answer::ok(document.into()));
        }
        self.existing(call, entity, found.ok_or_else(Answer::not_found)?, None).await
    }

    /// `/tags` and `/tags/{tags}`
    pub(super) async fn tags(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        if !call.reads() {
            return Err(unwritable("tags").into());
        }
        let tag = call.segments.first();
        if let Some(tag) = tag {
            check_tag(&Value::String(tag.clone()))
                .map_err(|message| DaoError::InvalidUnique { field: "tag".to_owned(), message })?;
        }
        let size = call.query.size()?;
        let offset = call.query.offset();
        let (rows, offset) = self.parts.dao.tags(tag.map(String::as_str), size, offset.as_deref()).await?;
        let rows = rows
            .into_iter()
            .map(|row| into_fields(json!({ "entity_name": row.entity, "entity_id": row.id, "tag": row.tag })))
            .collect();
        Ok(Answer::ok(list(call, Page { rows, offset }, "")))
    }
}
