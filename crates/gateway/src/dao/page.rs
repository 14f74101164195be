//! Lists in pages, by tags, below a parent.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gateway_model::entity::EntitySchema;
use gateway_model::error::{DaoError, Fields};
use serde_json::{Value, json};
use store::{Query, Record};

use super::{Dao, failed, key};

/// How many documents a page has unless told.
pub const DEFAULT_SIZE: usize = 100;

/// The most tags of a filter.
const MAX_TAGS: usize = 5;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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

/// A tag of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagRow {
    pub entity: String,
    pub id: String,
    pub tag: String,
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
        // One separator may stand at the end.
        let tags: Vec<&str> = text.strip_suffix(separator).unwrap_or(text).split(separator).collect();
        if tags.iter().any(|tag| !is_tag(tag)) {
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
        let after = query.offset.as_deref().map(read_offset).transpose()?;
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
        let offset = records.last().filter(|_| more).map(|last| write_offset(&last.draft.key.name));
        Ok(Page { rows: self.shown_all(entity, &records)?, offset })
    }

    /// The tags of all documents, or where one tag is, in pages.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn tags(
        &self,
        tag: Option<&str>,
        size: usize,
        offset: Option<&str>,
    ) -> Result<(Vec<TagRow>, Option<String>), DaoError> {
        let mut rows = Vec::new();
        for entity in self.registry.entities().filter(|entity| entity.has_tags()) {
            let labels = tag.iter().map(|tag| ((*tag).to_owned(), String::new())).collect();
            let records = self.store.list(Query { labels, ..Query::all(entity.name()) }).await.map_err(failed)?.records;
            rows.extend(records.iter().flat_map(|record| tag_rows(record, tag)));
        }
        rows.sort();
        let start = match offset {
            Some(offset) => {
                let last = decode(offset)?;
                rows.iter().position(|row| json!([row.entity, row.id, row.tag]) == last).map_or(rows.len(), |at| at + 1)
            }
            None => 0,
        };
        let mut rest = rows.split_off(start);
        let more = rest.len() > size;
        rest.truncate(size);
        let offset = rest.last().filter(|_| more).map(|row| encode(&json!([row.entity, row.id, row.tag])));
        Ok((rest, offset))
    }
}

fn tag_rows(record: &Record, tag: Option<&str>) -> impl Iterator<Item = TagRow> {
    let entity = record.draft.key.collection.to_string();
    let id = record.draft.key.name.to_string();
    let tags = record.draft.labels.keys().filter(move |each| tag.is_none_or(|tag| tag == each.as_str()));
    let row = move |tag: &String| TagRow { entity: entity.clone(), id: id.clone(), tag: tag.clone() };
    tags.map(row).collect::<Vec<_>>().into_iter()
}

fn write_offset(id: &str) -> String {
    encode(&json!([id]))
}

fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn read_offset(offset: &str) -> Result<String, DaoError> {
    match decode(offset)?.get(0) {
        Some(Value::String(id)) => Ok(id.clone()),
        _ => Err(DaoError::InvalidOffset { offset: offset.to_owned(), reason: "bad offset string" }),
    }
}

fn decode(offset: &str) -> Result<Value, DaoError> {
    let invalid = |reason| DaoError::InvalidOffset { offset: offset.to_owned(), reason };
    let bytes = BASE64.decode(offset).map_err(|_| invalid("bad base64 encoding"))?;
    serde_json::from_slice(&bytes).map_err(|_| invalid("bad json encoding"))
}
