//! Lists in pages, by tags, below a parent.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use store::Query;

use super::{Dao, failed, key, offset};

/// How many documents a page has unless told.
pub const DEFAULT_SIZE: usize = 100;

/// The most tags of a filter.
const MAX_TAGS: usize = 5;

/// Which part of which list.
#[derive(Clone, Debug, Default)]
pub struct PageQuery {
    /// How many documents at most.
    pub size: usize,
    /// Where the page before ended, as that one said.
    pub offset: Option<String>,
    /// Only documents with these tags.
    pub tags: Option<TagFilter>,
    /// Only documents that refer to this kind and id.
    pub parent: Option<(&'static str, String)>,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The documents as reads show them.
    pub rows: Vec<Fields>,
    /// What to ask for to get the rest, if there is more.
    pub offset: Option<String>,
}

/// Tags to filter by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagFilter {
    /// All of them.
    All(Vec<String>),
    /// One of them at least.
    Any(Vec<String>),
}

impl TagFilter {
    /// Reads `a,b` (all of them) or `a/b` (any of them).
    ///
    /// # Errors
    /// [`DaoError::InvalidOptions`].
    pub fn parse(text: &str, entity: &EntitySchema) -> Result<Self, DaoError> {
        let invalid =
            |message: String| DaoError::InvalidOptions(Fields::from_iter([("tags".to_owned(), message.into())]));
        if text.is_empty() {
            return Err(invalid("cannot be null".to_owned()));
        }
        if !entity.has_tags() {
            return Err(invalid(format!("cannot be used with '{}'", entity.name())));
        }
        let separator = if text.contains(',') { ',' } else { '/' };
        // One separator may stand at the end. What follows it is a tag then, one that no document has.
        let tags: Vec<&str> = text.split(separator).collect();
        let named = tags.strip_suffix(&[""]).unwrap_or(&tags);
        if named.is_empty() || named.iter().any(|tag| !is_tag(tag)) {
            return Err(invalid("invalid filter syntax".to_owned()));
        }
        if tags.len() > MAX_TAGS {
            return Err(invalid(format!("cannot query more than {MAX_TAGS} tags")));
        }
        let tags = tags.into_iter().map(str::to_owned).collect();
        Ok(if separator == ',' { Self::All(tags) } else { Self::Any(tags) })
    }

    fn into_labels(self) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let labels = |tags: Vec<String>| tags.into_iter().map(|tag| (tag, String::new())).collect();
        match self {
            Self::All(tags) => (labels(tags), BTreeMap::new()),
            Self::Any(tags) => (BTreeMap::new(), labels(tags)),
        }
    }
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_ascii() || (' '..='~').contains(&c) && c != ',' && c != '/')
}

impl Dao {
    /// A part of a list, in the order of ids.
    ///
    /// # Errors
    /// An offset that makes no sense, or the store's failure.
    pub async fn page(&self, entity: &EntitySchema, query: PageQuery) -> Result<Page, DaoError> {
        let after = match &query.offset {
            Some(offset) if self.read_only => match offset::read_in_one_kind(offset, entity.name())? {
                Some(id) => Some(id),
                None => return Ok(Page::default()),
            },
            Some(offset) => Some(offset::read(offset)?),
            None => None,
        };
        let (labels, any_labels) = query.tags.map(TagFilter::into_labels).unwrap_or_default();
        let list = Query {
            labels,
            any_labels,
            naming: query.parent.map(|(kind, id)| key(kind, &id)),
            after: after.map(|id| (Arc::default(), id.into())),
            limit: query.size + 1,
            uncounted: true,
            ..Query::all(entity.name())
        };
        let mut records = self.store.list(list).await.map_err(failed)?.records;
        let more = records.len() > query.size;
        records.truncate(query.size);
        let last = records.last().filter(|_| more).map(|last| &*last.draft.key.name);
        let offset = last.map(|id| match self.read_only {
            true => offset::write_in_one_kind(entity.name(), id),
            false => offset::write(id),
        });
        Ok(Page { rows: self.shown_all(entity, &records)?, offset })
    }
}
