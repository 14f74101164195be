//! Creating, replacing, changing and deleting.

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::{Draft, Key, Op, StoreError};

use super::certificates::SniChange;
use super::document::{self, draft, stored};
use super::{By, Dao, Rim, failed, key};

/// How often a change is tried again because somebody else changed the document at the same time.
const MAX_ATTEMPTS: usize = 16;

/// The longest life of a document that expires, in seconds.
const MAX_TTL: f64 = 100_000_000.0;

/// What a writer said about a document's expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ttl {
    Unsaid,
    Never,
    At(Timestamp),
}

impl Dao {
    /// Creates a document and shows it.
    ///
    /// # Errors
    /// What is wrong with it, or that it clashes with others.
    pub async fn insert(&self, entity: &EntitySchema, mut given: Fields) -> Result<Fields, DaoError> {
        let snis = self.snis_of(entity, &mut given, None).await?;
        self.prepare(entity, &mut given, None).await?;
        let ttl = take_ttl(entity, &mut given);
        let document = self.complete(entity, given)?;
        let expires = self.expiry(ttl)?.or(None);
        if self.read_only {
            return Err(unsupported(entity, "create", None));
        }
        let mut steps = vec![Op::Create(draft(entity, &document, expires))];
        self.sni_steps(&document, &snis, &mut steps)?;
        self.commit(entity, &document, steps).await?;
        Ok(self.answer(entity, &document, expires, snis))
    }

    /// Creates or replaces a document and shows it.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub async fn upsert(&self, entity: &EntitySchema, by: By<'_>, mut given: Fields) -> Result<Fields, DaoError> {
        let current = self.record(entity, by).await?;
        let id = match (by, &current) {
            (By::Id(id), _) => Some(id.to_ascii_lowercase()),
            (By::Name(name), current) => {
                given.insert(entity.endpoint().unwrap_or("id").to_owned(), name.into());
                current.as_ref().map(|record| record.draft.key.name.to_string())
            }
        };
        if let Some(id) = &id {
            given.insert("id".to_owned(), id.as_str().into());
        }
        let snis = self.snis_of(entity, &mut given, id.as_deref()).await?;
        self.prepare(entity, &mut given, None).await?;
        let ttl = take_ttl(entity, &mut given);
        let document = self.complete(entity, given)?;
        let expires = self.expiry(ttl)?;
        if self.read_only {
            return Err(unsupported(entity, "create or update", Some(by)));
        }
        // A document is replaced as a whole, the names of a certificate too.
        let snis = match snis {
            SniChange::Unsaid if entity.name() == "certificates" => SniChange::To(Vec::new()),
            other => other,
        };
        let mut steps = vec![Op::Put(draft(entity, &document, expires), None)];
        self.drop_snis(&document, &snis, &mut steps).await?;
        self.sni_steps(&document, &snis, &mut steps)?;
        self.commit(entity, &document, steps).await?;
        Ok(self.answer(entity, &document, expires, snis))
    }

    /// Changes a document and shows it.
    ///
    /// # Errors
    /// As [`Self::insert`], and that there is none.
    pub async fn update(&self, entity: &EntitySchema, by: By<'_>, changes: Fields) -> Result<Fields, DaoError> {
        let mut attempts = 0;
        loop {
            match self.try_update(entity, by, changes.clone()).await {
                Err(Refusal::ChangedMeanwhile) if attempts < MAX_ATTEMPTS => attempts += 1,
                Err(Refusal::ChangedMeanwhile) => {
                    return Err(DaoError::Database(format!("{} changes all the time", entity.name())));
                }
                Err(Refusal::Error(error)) => return Err(error),
                Ok(shown) => return Ok(shown),
            }
        }
    }

    async fn try_update(&self, entity: &EntitySchema, by: By<'_>, mut changes: Fields) -> Result<Fields, Refusal> {
        let Some(record) = self.record(entity, by).await? else { return Err(Self::absent(entity, by).into()) };
        let current = stored(&record)?;
        changes.shift_remove("id");
        let id = record.draft.key.name.as_ref();
        let snis = self.snis_of(entity, &mut changes, Some(id)).await?;
        self.prepare(entity, &mut changes, Some(&current)).await?;
        let ttl = take_ttl(entity, &mut changes);
        let mut document = entity.update(&current, changes, &mut Rim::new(self.clock.clone()))?;
        normalise_ids(entity, &mut document);
        let expires = match ttl {
            TtlValue::Unsaid => record.draft.expires,
            given => self.expiry(given)?,
        };
        if self.read_only {
            return Err(unsupported(entity, "update", Some(by)).into());
        }
        let mut steps = vec![Op::Put(draft(entity, &document, expires), Some(record.version))];
        self.drop_snis(&document, &snis, &mut steps).await?;
        self.sni_steps(&document, &snis, &mut steps)?;
        self.commit_or_conflict(entity, &document, steps).await?;
        let snis = match snis {
            SniChange::Unsaid if entity.name() == "certificates" => SniChange::To(self.snis_named(id).await?),
            other => other,
        };
        Ok(self.answer(entity, &document, expires, snis))
    }

    /// Deletes a document and what depends on it; says whether there was one.
    ///
    /// # Errors
    /// Something else refers to it, or it is not possible without a database.
    pub async fn delete(&self, entity: &EntitySchema, by: By<'_>) -> Result<bool, DaoError> {
        let Some(record) = self.record(entity, by).await? else { return Ok(false) };
        if self.read_only {
            return Err(unsupported(entity, "remove", Some(by)));
        }
        self.check_unreferenced(entity, &record.draft.key.name).await?;
        let key = record.draft.key.clone();
        let mut steps = Vec::new();
        if entity.name() == "certificates" {
            let certificate = Fields::from_iter([("id".to_owned(), key.name.as_ref().into())]);
            self.drop_snis(&certificate, &SniChange::To(Vec::new()), &mut steps).await?;
        }
        steps.push(Op::Delete(key, None));
        match self.store.commit(steps).await {
            Ok(committed) => {
                self.wait_for(committed.revision).await;
                Ok(true)
            }
            Err(StoreError::NotFound(_)) => Ok(false),
            Err(error) => Err(self.explain(entity, &Fields::new(), &[], error).await),
        }
    }

    /// What every write does with what it was given before the schema sees it.
    async fn prepare(
        &self,
        entity: &EntitySchema,
        given: &mut Fields,
        current: Option<&Fields>,
    ) -> Result<(), DaoError> {
        match entity.name() {
            "targets" => super::targets::normalise(given)?,
            "plugins" => {
                self.resolve(entity, given).await?;
                self.check_protocols(given, current).await?;
            }
            _ => {}
        }
        self.resolve(entity, given).await
    }

    fn complete(&self, entity: &EntitySchema, given: Fields) -> Result<Fields, DaoError> {
        let mut document = entity.insert(given, &mut Rim::new(self.clock.clone()))?;
        normalise_ids(entity, &mut document);
        Ok(document)
    }

    async fn commit(&self, entity: &EntitySchema, document: &Fields, steps: Vec<Op>) -> Result<(), DaoError> {
        match self.commit_or_conflict(entity, document, steps).await {
            Ok(()) => Ok(()),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::ChangedMeanwhile) => {
                Err(DaoError::Database(format!("{} was changed at the same time", entity.name())))
            }
        }
    }

    async fn commit_or_conflict(
        &self,
        entity: &EntitySchema,
        document: &Fields,
        steps: Vec<Op>,
    ) -> Result<(), Refusal> {
        match self.store.commit(steps.clone()).await {
            Ok(committed) => {
                self.wait_for(committed.revision).await;
                Ok(())
            }
            Err(StoreError::Conflict(_)) => Err(Refusal::ChangedMeanwhile),
            Err(error) => Err(self.explain(entity, document, &steps, error).await.into()),
        }
    }

    pub(super) async fn wait_for(&self, revision: store::Revision) {
        if let Some(hook) = &self.after_write {
            hook(revision).await;
        }
    }

    fn answer(&self, entity: &EntitySchema, document: &Fields, expires: Option<Timestamp>, snis: SniChange) -> Fields {
        let mut shown = document::shown(entity, document, expires, self.clock.now());
        if entity.name() == "certificates" {
            let mut names = match snis {
                SniChange::To(names) => names,
                SniChange::Unsaid => Vec::new(),
            };
            names.sort();
            shown.insert("snis".to_owned(), json!(names));
        }
        shown
    }

    pub(super) fn expiry(&self, ttl: TtlValue) -> Result<Option<Timestamp>, DaoError> {
        Ok(match self.read_ttl(ttl)? {
            Ttl::Unsaid | Ttl::Never => None,
            Ttl::At(at) => Some(at),
        })
    }

    fn read_ttl(&self, ttl: TtlValue) -> Result<Ttl, DaoError> {
        let value = match ttl {
            TtlValue::Unsaid => return Ok(Ttl::Unsaid),
            TtlValue::Given(Value::Null) => return Ok(Ttl::Never),
            TtlValue::Given(value) => value,
        };
        let seconds = value.as_f64().filter(|ttl| ttl.fract() == 0.0 && (0.0..=MAX_TTL).contains(ttl));
        let Some(seconds) = seconds else {
            let text = format!("must be an integer between 0 and {MAX_TTL}");
            return Err(DaoError::InvalidOptions(Fields::from_iter([("ttl".to_owned(), text.into())])));
        };
        if seconds == 0.0 {
            return Ok(Ttl::Never);
        }
        Ok(Ttl::At(self.clock.now() + SignedDuration::from_secs_f64(seconds)))
    }

    /// No certificate authority goes as long as a service trusts it.
    async fn check_unreferenced(&self, entity: &EntitySchema, id: &str) -> Result<(), DaoError> {
        if entity.name() != "ca_certificates" {
            return Ok(());
        }
        for (collection, path) in [("services", "/ca_certificates"), ("plugins", "/config/ca_certificates")] {
            let all = self.store.list(store::Query::all(collection)).await.map_err(failed)?;
            for record in all.records.iter().filter(|record| record.draft.body.contains(id)) {
                let document = Value::Object(stored(record)?);
                let refers = |list: &Value| list.as_array().is_some_and(|ids| ids.iter().any(|each| each == id));
                if document.pointer(path).is_some_and(refers) {
                    let by = &record.draft.key.name;
                    return Err(DaoError::ReferencedByOthers(format!(
                        "ca certificate {id} is still referenced by {collection} (id = {by})"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Whether the store refused because of this record.
pub(super) fn is_about(error: &StoreError, draft: &Draft) -> bool {
    match error {
        StoreError::Exists(key) => *key == draft.key,
        StoreError::NotUnique { field, value, owner } => {
            owner.collection == draft.key.collection
                && *owner != draft.key
                && draft.unique.iter().any(|(f, v)| f == field && v == value)
        }
        StoreError::MissingReference(key) => draft.parents.contains(key) || draft.references.contains(key),
        _ => false,
    }
}

/// Why an attempt came to nothing.
#[derive(Debug)]
enum Refusal {
    ChangedMeanwhile,
    Error(DaoError),
}

impl From<DaoError> for Refusal {
    fn from(error: DaoError) -> Self {
        Self::Error(error)
    }
}

/// The `ttl` of a body.
#[derive(Debug)]
pub(super) enum TtlValue {
    Unsaid,
    Given(Value),
}

fn take_ttl(entity: &EntitySchema, given: &mut Fields) -> TtlValue {
    if !entity.has_ttl() {
        return TtlValue::Unsaid;
    }
    given.shift_remove("ttl").map_or(TtlValue::Unsaid, TtlValue::Given)
}

fn unsupported(entity: &EntitySchema, operation: &'static str, by: Option<By<'_>>) -> DaoError {
    let by = match by {
        Some(By::Name(_)) => entity.endpoint().map(str::to_owned),
        Some(By::Id(_)) | None => None,
    };
    DaoError::Unsupported { operation, entity: entity.name().to_owned(), by }
}

/// Ids are kept in lower case, so that they are the same however they are written.
fn normalise_ids(entity: &EntitySchema, document: &mut Fields) {
    let lower = |value: Option<&mut Value>| {
        if let Some(Value::String(id)) = value {
            id.make_ascii_lowercase();
        }
    };
    lower(document.get_mut("id"));
    for foreign in entity.foreign_fields() {
        lower(document.get_mut(foreign.name).and_then(|reference| reference.get_mut("id")));
    }
}

/// The key of a document that is written.
pub(super) fn key_in(entity: &str, document: &Fields) -> Key {
    key(entity, document.get("id").and_then(Value::as_str).unwrap_or_default())
}
