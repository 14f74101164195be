//! The gateway's documents in a store: checked by their schemas, found by id or by name, told apart by what must be
//! unique, kept together by what refers to what.
//!
//! A collection of the store is a kind of documents, a record's name the document's id.

mod certificates;
mod document;
mod foreign;
mod marks;
mod offset;
mod page;
mod plugins;
mod rim;
mod tags;
mod targets;
mod whole;
mod write;

use std::sync::Arc;

use base::Clock;
use futures_util::future::BoxFuture;
use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use gateway_model::registry::Registry;
use serde_json::Value;
use store::{Key, Query, Record, Revision, Store, StoreError};

pub use document::draft;
pub use page::{DEFAULT_SIZE, Page, PageQuery, TagFilter};
pub use rim::Rim;
pub use tags::TagRow;
pub(crate) use whole::Whole;

/// What is waited for between a commit and its answer: that the revision is in force.
pub type AfterWrite = Arc<dyn Fn(Revision) -> BoxFuture<'static, ()> + Send + Sync>;

/// Access to all documents. Cheap to clone.
#[derive(Clone)]
pub struct Dao {
    store: Store,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    read_only: bool,
    after_write: Option<AfterWrite>,
}

impl std::fmt::Debug for Dao {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dao").field("store", &self.store).field("read_only", &self.read_only).finish_non_exhaustive()
    }
}

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The one of this id.
    Id(&'a str),
    /// The one whose endpoint key has this value.
    Name(&'a str),
}

impl<'a> By<'a> {
    /// What a path's segment means: a UUID is an id, anything else a name where the kind has names.
    pub fn segment(entity: &EntitySchema, segment: &'a str) -> Self {
        if entity.endpoint().is_none() || is_uuid(segment) { Self::Id(segment) } else { Self::Name(segment) }
    }
}

/// Whether it is a UUID with dashes, in any case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

impl Dao {
    /// The documents in `store`, of the kinds that `registry` knows.
    pub fn new(store: Store, registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Self {
        Self { store, registry, clock, read_only: false, after_write: None }
    }

    /// The same documents without writes: they are checked and then refused.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// Every write waits for this before it returns.
    pub fn after_write(self, hook: AfterWrite) -> Self {
        Self { after_write: Some(hook), ..self }
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The kinds of documents.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Where the documents are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The clock that documents get their times from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The kind called `name`.
    ///
    /// # Panics
    /// When there is none: names come from the registry or are those of the core.
    pub fn entity(&self, name: &str) -> &EntitySchema {
        self.registry.entity(name).unwrap_or_else(|| panic!("there is no kind of documents called {name}"))
    }

    /// The document as reads show it, if there is one.
    ///
    /// # Errors
    /// A malformed id or name, or the store's failure.
    pub async fn select(&self, entity: &EntitySchema, by: By<'_>) -> Result<Option<Fields>, DaoError> {
        let record = self.record(entity, by).await?;
        record.map(|record| self.shown(entity, &record)).transpose()
    }

    /// The document whose unique field has this value, if there is one.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn select_unique(
        &self,
        entity: &EntitySchema,
        field: &str,
        value: &str,
    ) -> Result<Option<Fields>, DaoError> {
        let record = self.store.find(entity.name(), field, value).await.map_err(failed)?;
        record.map(|record| self.shown(entity, &record)).transpose()
    }

    /// All documents of a kind that refer to the one of `parent` with this id, in the order of ids.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn referring(&self, entity: &EntitySchema, parent: &str, id: &str) -> Result<Vec<Fields>, DaoError> {
        let naming = Some(key(parent, id));
        let records = self.store.list(Query { naming, ..Query::all(entity.name()) }).await.map_err(failed)?.records;
        self.shown_all(entity, &records)
    }

    /// All documents of a kind as they are stored, in the order of their ids.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn all_stored(&self, entity: &EntitySchema) -> Result<Vec<Fields>, DaoError> {
        let records = self.store.list(Query::all(entity.name())).await.map_err(failed)?.records;
        records.iter().map(|record| document::stored(record)).collect()
    }

    /// The record behind a document.
    async fn record(&self, entity: &EntitySchema, by: By<'_>) -> Result<Option<Arc<Record>>, DaoError> {
        match by {
            By::Id(id) => {
                entity.check_id(id)?;
                self.store.get(&key(entity.name(), id)).await.map_err(failed)
            }
            By::Name(name) => {
                entity.check_endpoint(name)?;
                let field = entity.endpoint().unwrap_or("id");
                self.store.find(entity.name(), field, name).await.map_err(failed)
            }
        }
    }

    /// What is said when it is not there.
    fn absent(entity: &EntitySchema, by: By<'_>) -> DaoError {
        match by {
            By::Id(id) => DaoError::NotFound(Fields::from_iter([("id".to_owned(), id.into())])),
            By::Name(name) => {
                let field = entity.endpoint().unwrap_or("id");
                DaoError::NotFoundByField(Fields::from_iter([(field.to_owned(), name.into())]))
            }
        }
    }

    /// What reads show of records of one kind.
    fn shown_all(&self, entity: &EntitySchema, records: &[Arc<Record>]) -> Result<Vec<Fields>, DaoError> {
        records.iter().map(|record| self.shown(entity, record)).collect()
    }

    /// What reads show of a record.
    fn shown(&self, entity: &EntitySchema, record: &Record) -> Result<Fields, DaoError> {
        let mut shown = document::shown(entity, &document::stored(record)?, record.draft.expires, self.clock.now());
        if self.read_only && shown.get("ttl").is_some_and(Value::is_null) {
            shown.shift_remove("ttl");
        }
        Ok(shown)
    }
}

/// The store's key of a document. Ids are the same in lower and upper case.
pub fn key(entity: &str, id: &str) -> Key {
    Key { collection: entity.into(), scope: Arc::default(), name: id.to_ascii_lowercase().into() }
}

/// An error of the store that says nothing about the documents.
#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn failed(error: StoreError) -> DaoError {
    let text = base::report(&error);
    match error {
        StoreError::Unavailable(_) => DaoError::Unavailable { in_doubt: false, text },
        StoreError::InDoubt(_) => DaoError::Unavailable { in_doubt: true, text },
        _ => DaoError::Database(text),
    }
}
