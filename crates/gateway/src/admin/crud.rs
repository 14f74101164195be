//! What every kind of documents has: lists, documents by id or name, those below a parent, and the parent.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::{Api, Call, body};
use crate::dao::{By, Page, PageQuery, is_uuid};

/// What stays as it is in an escaped argument.
const ARGUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Api {
    /// `/services`
    pub(super) async fn collection(&self, call: &Call<'_>, entity: &EntitySchema) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        if !call.reads() {
            let document = dao.insert(entity, self.given(call, entity, None)?).await?;
            return Ok(Answer::json(201, Value::Object(document)));
        }
        if entity.name() == "consumers" && call.query.get("custom_id").is_some() {
            return self.consumer_by_custom_id(call, entity).await;
        }
        let size = call.query.size()?;
        let tags = call.query.tags(entity)?;
        let query = PageQuery { size, offset: call.query.offset(), tags, parent: None };
        let mut page = dao.page(entity, query).await?;
        self.decorate(entity, &mut page.rows).await?;
        let mut next = String::new();
        for name in ["tags", "size"] {
            if let Some(value) = call.query.get(name) {
                next.push_str(&format!("&{name}={}", utf8_percent_encode(value, ARGUMENT)));
            }
        }
        Ok(Answer::ok(list(call, page, &next)))
    }

    /// `/services/{services}`
    pub(super) async fn single(&self, call: &Call<'_>, entity: &EntitySchema) -> Result<Answer, Answer> {
        if entity.name() == "certificates" && !is_uuid(call.segment(0)) {
            return self.certificate_by_name(call, entity).await;
        }
        self.by(call, entity, By::segment(entity, call.segment(0))).await
    }

    /// A document that is there or not.
    pub(super) async fn by(&self, call: &Call<'_>, entity: &EntitySchema, by: By<'_>) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        match *call.method {
            Method::PUT => Ok(Answer::ok(dao.upsert(entity, by, self.given(call, entity, None)?).await?.into())),
            Method::PATCH => {
                let current = dao.select(entity, by).await?;
                let changes = self.given(call, entity, current.as_ref())?;
                // Which kind of plugin is changed has to be known before anything else.
                if current.is_none() && entity.name() == "plugins" && !changes.contains_key("name") {
                    return Err(Answer::not_found());
                }
                Ok(Answer::ok(dao.update(entity, by, changes).await?.into()))
            }
            Method::DELETE => {
                dao.delete(entity, by).await?;
                Ok(Answer::empty(204))
            }
            _ => {
                let document = dao.select(entity, by).await?.ok_or_else(Answer::not_found)?;
                let mut rows = vec![document];
                self.decorate(entity, &mut rows).await?;
                Ok(Answer::ok(rows.pop().unwrap_or_default().into()))
            }
        }
    }

    /// `/routes/{routes}/service`
    pub(super) async fn foreign(
        &self,
        call: &Call<'_>,
        child: &EntitySchema,
        field: &str,
        parent: &EntitySchema,
    ) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        let by = By::segment(child, call.segment(0));
        let document = dao.select(child, by).await?.ok_or_else(Answer::not_found)?;
        let owner = document.get(field).and_then(|reference| reference.get("id")).and_then(Value::as_str);
        match (call.method, owner) {
            (&Method::PUT, None) => {
                let owner = dao.insert(parent, self.given(call, parent, None)?).await?;
                let link = json!({ field: { "id": owner.get("id") } });
                dao.update(child, by, into_fields(link)).await?;
                Ok(Answer::ok(owner.into()))
            }
            (_, None) => Err(Answer::not_found()),
            (&Method::DELETE, Some(_)) => Err(Answer::method_not_allowed()),
            (&Method::PUT, Some(id)) => {
                Ok(Answer::ok(dao.upsert(parent, By::Id(id), self.given(call, parent, None)?).await?.into()))
            }
            (&Method::PATCH, Some(id)) => {
                let current = dao.select(parent, By::Id(id)).await?;
                let changes = self.given(call, parent, current.as_ref())?;
                Ok(Answer::ok(dao.update(parent, By::Id(id), changes).await?.into()))
            }
            (_, Some(id)) => {
                let mut owner = dao.select(parent, By::Id(id)).await?.ok_or_else(Answer::not_found)?;
                if parent.name() == "certificates" {
                    owner.insert("snis".to_owned(), Value::Null);
                }
                Ok(Answer::ok(owner.into()))
            }
        }
    }

    /// `/services/{services}/routes`
    pub(super) async fn children(
        &self,
        call: &Call<'_>,
        parent: &EntitySchema,
        child: &EntitySchema,
        field: &str,
    ) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        let owner = self.owner(call, parent).await?;
        if !call.reads() {
            let mut given = self.given(call, child, None)?;
            given.insert(field.to_owned(), json!({ "id": owner }));
            return Ok(Answer::json(201, dao.insert(child, given).await?.into()));
        }
        let parent = Some((parent.name(), owner));
        let query = PageQuery { size: call.query.size()?, offset: call.query.offset(), tags: None, parent };
        let mut page = dao.page(child, query).await?;
        self.decorate(child, &mut page.rows).await?;
        Ok(Answer::ok(list(call, page, "")))
    }

    /// `/services/{services}/routes/{routes}`
    pub(super) async fn child(
        &self,
        call: &Call<'_>,
        parent: &EntitySchema,
        child: &EntitySchema,
        field: &'static str,
    ) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        let owner = self.owner(call, parent).await?;
        let segment = call.segment(1);
        if child.name() == "acls" && !is_uuid(segment) {
            return self.acl_by_group(call, child, &owner, segment).await;
        }
        let by = By::segment(child, segment);
        if call.method == Method::PUT {
            let mut given = self.given(call, child, None)?;
            given.insert(field.to_owned(), json!({ "id": owner }));
            return Ok(Answer::ok(dao.upsert(child, by, given).await?.into()));
        }
        let document = dao.select(child, by).await?.filter(|document| refers(document, field, &owner));
        let document = document.ok_or_else(Answer::not_found)?;
        self.existing(call, child, document, Some(field)).await
    }

    /// A document that is there: shown, changed or deleted. A change says by its path what `owner` refers to.
    pub(super) async fn existing(
        &self,
        call: &Call<'_>,
        entity: &EntitySchema,
        document: Fields,
        owner: Option<&str>,
    ) -> Result<Answer, Answer> {
        let dao = &self.parts.dao;
        let id = id_of(&document).to_owned();
        match *call.method {
            Method::PATCH | Method::PUT => {
                let mut changes = self.given(call, entity, Some(&document))?;
                if let Some((owner, reference)) = owner.and_then(|owner| document.get_key_value(owner)) {
                    changes.entry(owner).or_insert_with(|| reference.clone());
                }
                Ok(Answer::ok(dao.update(entity, By::Id(&id), changes).await?.into()))
            }
            Method::DELETE => {
                dao.delete(entity, By::Id(&id)).await?;
                Ok(Answer::empty(204))
            }
            _ => Ok(Answer::ok(document.into())),
        }
    }

    /// The id of the document that the first segment names.
    pub(super) async fn owner(&self, call: &Call<'_>, parent: &EntitySchema) -> Result<String, Answer> {
        let segment = call.segment(0);
        if parent.name() == "certificates" && !is_uuid(segment) {
            return self.certificate_named(segment).await?.ok_or_else(|| Answer::message(404, "SNI not found"));
        }
        let by = By::segment(parent, segment);
        let owner = self.parts.dao.select(parent, by).await?.ok_or_else(Answer::not_found)?;
        Ok(id_of(&owner).to_owned())
    }

    /// The document that the body is.
    pub(super) fn given(
        &self,
        call: &Call<'_>,
        entity: &EntitySchema,
        current: Option<&Fields>,
    ) -> Result<Fields, Answer> {
        body::document(call.headers, &call.body, Some(entity), current)
    }
}

/// A page as it is answered; `arguments` are those that the next one needs too.
pub(super) fn list(call: &Call<'_>, page: Page, arguments: &str) -> Value {
    let mut answer = Map::new();
    let next = page
        .offset
        .as_ref()
        .map(|offset| format!("{}?offset={}{arguments}", call.path, utf8_percent_encode(offset, ARGUMENT)));
    answer.insert("data".to_owned(), page.rows.into_iter().map(Value::Object).collect());
    if let Some(offset) = page.offset {
        answer.insert("offset".to_owned(), offset.into());
    }
    answer.insert("next".to_owned(), next.into());
    Value::Object(answer)
}

pub(super) fn id_of(document: &Fields) -> &str {
    document.get("id").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn refers(document: &Fields, field: &str, id: &str) -> bool {
    let reference = document.get(field).and_then(|reference| reference.get("id")).and_then(Value::as_str);
    reference.is_some_and(|reference| reference.eq_ignore_ascii_case(id))
}

pub(super) fn into_fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// A violation in the words of a store that cannot be written.
pub(super) fn unwritable(field: &str) -> DaoError {
    DaoError::field(field, "does not support insert/upsert/update/delete operations")
}
