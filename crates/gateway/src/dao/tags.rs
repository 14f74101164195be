//! Which tags there are, and on what.

use gateway_model::entity::EntitySchema;
use gateway_model::error::DaoError;
use serde_json::json;
use store::{Query, Record};

use super::{Dao, failed, offset};

/// The kind that the first page is about where each page is about one kind. Nothing of it is ever shown.
const FIRST_KIND: &str = "workspaces";

/// What stands for "from the start" behind a kind.
const START: &str = "nil";

/// A tag of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagRow {
    pub entity: String,
    pub id: String,
    pub tag: String,
}

/// Tags, and where the next page of them begins.
type TagPage = (Vec<TagRow>, Option<String>);

impl Dao {
    /// The tags of all documents, or where one tag is, in pages.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn tags(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Result<TagPage, DaoError> {
        if self.read_only {
            return self.tags_by_kind(tag, size, offset).await;
        }
        let mut rows = Vec::new();
        for entity in self.tagged_kinds() {
            let records = self.store.list(tagged(entity, tag)).await.map_err(failed)?.records;
            rows.extend(records.iter().flat_map(|record| tag_rows(record, tag)));
        }
        rows.sort();
        let start = match offset {
            Some(offset) => {
                let last = offset::decode(offset)?;
                rows.iter().position(|row| json!([row.entity, row.id, row.tag]) == last).map_or(rows.len(), |at| at + 1)
            }
            None => 0,
        };
        let mut rest = rows.split_off(start);
        let more = rest.len() > size;
        rest.truncate(size);
        let offset = rest.last().filter(|_| more).map(|row| offset::encode(&json!([row.entity, row.id, row.tag])));
        Ok((rest, offset))
    }

    /// As the reference lists them without a database: a page is about one kind of documents, `size` counts those, and
    /// the offset says which kind was last.
    async fn tags_by_kind(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Result<TagPage, DaoError> {
        let Some(offset) = offset else { return Ok((Vec::new(), Some(format!("{FIRST_KIND}|{START}")))) };
        let bad = || offset::invalid(offset, "bad offset string");
        let (kind, token) = offset.split_once('|').ok_or_else(bad)?;
        let mut after = match token {
            START => None,
            token => Some(offset::read_in_one_kind(token, kind)?.ok_or_else(bad)?),
        };
        let known = self.tagged_kinds().any(|entity| entity.name() == kind);
        if kind != FIRST_KIND && !known {
            return Err(bad());
        }
        let mut rows: Option<(&str, Vec<TagRow>)> = None;
        let rest = self.tagged_kinds().skip_while(|entity| known && entity.name() != kind);
        for entity in rest.skip(usize::from(known && after.is_none())) {
            let list = Query {
                after: after.take().map(|id| (Default::default(), id.into())),
                limit: size + 1,
                uncounted: true,
                ..tagged(entity, tag)
            };
            let mut records = self.store.list(list).await.map_err(failed)?.records;
            if records.is_empty() {
                continue;
            }
            if let Some((kind, rows)) = rows {
                return Ok((rows, Some(format!("{kind}|{START}"))));
            }
            let more = records.len() > size;
            records.truncate(size);
            let found = records.iter().flat_map(|record| tag_rows(record, tag)).collect();
            if let Some(last) = records.last().filter(|_| more) {
                let token = offset::write_in_one_kind(entity.name(), &last.draft.key.name);
                return Ok((found, Some(format!("{}|{token}", entity.name()))));
            }
            rows = Some((entity.name(), found));
        }
        Ok((rows.map(|(_, rows)| rows).unwrap_or_default(), None))
    }

    fn tagged_kinds(&self) -> impl Iterator<Item = &EntitySchema> {
        self.registry.entities().filter(|entity| entity.has_tags())
    }
}

fn tagged(entity: &EntitySchema, tag: Option<&str>) -> Query {
    let labels = tag.iter().map(|tag| ((*tag).to_owned(), String::new())).collect();
    Query { labels, ..Query::all(entity.name()) }
}

fn tag_rows(record: &Record, tag: Option<&str>) -> impl Iterator<Item = TagRow> {
    let entity = record.draft.key.collection.to_string();
    let id = record.draft.key.name.to_string();
    let tags = record.draft.labels.keys().filter(move |each| tag.is_none_or(|tag| tag == each.as_str()));
    let row = move |tag: &String| TagRow { entity: entity.clone(), id: id.clone(), tag: tag.clone() };
    tags.map(row).collect::<Vec<_>>().into_iter()
}
