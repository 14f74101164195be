//! References: by unique fields in place of ids, and to what does not exist.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use serde_json::{Value, json};
use store::{Key, Op, StoreError};

use super::document::{foreign_id, unique_values};
use super::{Dao, failed};

impl Dao {
    /// Puts ids in place of references like `{"service": {"name": "x"}}`.
    pub(super) async fn resolve(&self, entity: &EntitySchema, given: &mut Fields) -> Result<(), DaoError> {
        for foreign in entity.foreign_fields() {
            let Some(Value::Object(reference)) = given.get(foreign.name) else { continue };
            if reference.contains_key("id") {
                continue;
            }
            let parent = self.entity(foreign.reference);
            let by = parent.fields().iter().filter(|field| field.is_unique()).find_map(|field| {
                let value = reference.get(field.name())?.as_str()?;
                Some((field.name(), value))
            });
            let Some((field, value)) = by else { continue };
            let Some(found) = self.store.find(parent.name(), field, value).await.map_err(failed)? else {
                return Err(DaoError::unresolved(foreign.name, field, &value.into(), parent.name()));
            };
            let id = json!({ "id": found.draft.key.name.as_ref() });
            given.insert(foreign.name.to_owned(), id);
        }
        Ok(())
    }

    /// What the store's refusal of these steps means. `document` is the one that is written.
    pub(super) async fn explain(
        &self,
        entity: &EntitySchema,
        document: &Fields,
        steps: &[Op],
        error: StoreError,
    ) -> DaoError {
        match error {
            StoreError::Exists(_) => DaoError::PrimaryKeyViolation(entity.key_of(document)),
            StoreError::NotUnique { field, owner, .. } if &*owner.collection == entity.name() => {
                DaoError::UniqueViolation(unique_values(document, &field))
            }
            // What is unique is looked at first, as people are used to.
            StoreError::MissingReference(missing) => match self.taken(steps).await {
                Ok(Some(field)) => DaoError::UniqueViolation(unique_values(document, &field)),
                Ok(None) => missing_reference(entity, document, &missing),
                Err(error) => failed(error),
            },
            StoreError::InUse { key, by } => {
                DaoError::ForeignKeyReferenced { by: by.collection.to_string(), entity: key.collection.to_string() }
            }
            other => failed(other),
        }
    }

    /// The secondary key of a step's document that another document has.
    async fn taken(&self, steps: &[Op]) -> Result<Option<String>, StoreError> {
        for step in steps {
            let (Op::Create(draft) | Op::Put(draft, _)) = step else { continue };
            for (field, value) in &draft.unique {
                let owner = self.store.find(&draft.key.collection, field, value).await?;
                if owner.is_some_and(|owner| owner.draft.key != draft.key) {
                    return Ok(Some(field.clone()));
                }
            }
        }
        Ok(None)
    }
}

fn missing_reference(entity: &EntitySchema, document: &Fields, missing: &Key) -> DaoError {
    let refers = |field: &str| foreign_id(document, field).is_some_and(|id| id.eq_ignore_ascii_case(&missing.name));
    let field = entity
        .foreign_fields()
        .find(|foreign| foreign.reference == &*missing.collection && refers(foreign.name))
        .map_or("", |foreign| foreign.name);
    DaoError::ForeignKeyMissing {
        field: field.to_owned(),
        key: Fields::from_iter([("id".to_owned(), missing.name.as_ref().into())]),
        entity: missing.collection.to_string(),
    }
}
