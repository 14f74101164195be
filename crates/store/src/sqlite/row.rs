//! A record as a row.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::error::Error as JsonError;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{FromRow, query};

use crate::record::{Draft, Key, Record};

/// Writes the record, whether or not there is one of that key.
pub(super) fn replace(record: &Record) -> Query<'_, Sqlite, SqliteArguments> {
    let Record { draft, version, revision, created, modified } = record;
    query("REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&*draft.key.collection)
        .bind(&*draft.key.scope)
        .bind(&*draft.key.name)
        .bind(&*draft.body)
        .bind(json(&draft.labels))
        .bind(json(&draft.unique))
        .bind(json(&draft.parents.iter().map(parts).collect::<Vec<_>>()))
        .bind(json(&draft.references.iter().map(parts).collect::<Vec<_>>()))
        .bind(draft.expires.map(|at| at.to_string()))
        .bind(version.cast_signed())
        .bind(revision.cast_signed())
        .bind(created.to_string())
        .bind(modified.to_string())
}

/// Deletes the record of that key, if there is one.
pub(super) fn delete(key: &Key) -> Query<'_, Sqlite, SqliteArguments> {
    query("DELETE FROM record WHERE collection = ? AND scope = ? AND name = ?")
        .bind(&*key.collection)
        .bind(&*key.scope)
        .bind(&*key.name)
}

/// A row of `SELECT * FROM record`.
#[derive(Debug)]
pub(super) struct Row {
    key: Key,
    body: Arc<str>,
    labels: String,
    secondary_keys: String,
    parents: String,
    referred: String,
    expires: Option<String>,
    version: i64,
    revision: i64,
    created: String,
    modified: String,
}

/// Which part of a row is not what this program wrote.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("{key}: column {column}")]
    Json {
        key: Key,
        column: &'static str,
        #[source]
        cause: JsonError,
    },
    #[error("{key}: column {column}")]
    Time {
        key: Key,
        column: &'static str,
        #[source]
        cause: jiff::Error,
    },
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row as _;
        let text = |column| row.try_get::<&str, _>(column);
        Ok(Self {
            key: Key::new(text("collection")?, text("scope")?, text("name")?),
            body: text("body")?.into(),
            labels: row.try_get("labels")?,
            secondary_keys: row.try_get("secondary_keys")?,
            parents: row.try_get("parents")?,
            referred: row.try_get("referred")?,
            expires: row.try_get("expires")?,
            version: row.try_get("version")?,
            revision: row.try_get("revision")?,
            created: row.try_get("created")?,
            modified: row.try_get("modified")?,
        })
    }
}

impl TryFrom<Row> for Record {
    type Error = RowError;

    fn try_from(row: Row) -> Result<Self, RowError> {
        let key = &row.key;
        let bad = |column| move |cause| RowError::Json { key: key.clone(), column, cause };
        let time = |column, text: &str| {
            text.parse::<Timestamp>().map_err(|cause| RowError::Time { key: key.clone(), column, cause })
        };
        let parents: Vec<[Arc<str>; 3]> = serde_json::from_str(&row.parents).map_err(bad("parents"))?;
        let references: Vec<[Arc<str>; 3]> = serde_json::from_str(&row.referred).map_err(bad("referred"))?;
        Ok(Self {
            version: row.version.cast_unsigned(),
            revision: row.revision.cast_unsigned(),
            created: time("created", &row.created)?,
            modified: time("modified", &row.modified)?,
            draft: Draft {
                labels: serde_json::from_str(&row.labels).map_err(bad("labels"))?,
                unique: serde_json::from_str(&row.secondary_keys).map_err(bad("secondary_keys"))?,
                parents: parents.into_iter().map(from_parts).collect(),
                references: references.into_iter().map(from_parts).collect(),
                expires: row.expires.as_deref().map(|text| time("expires", text)).transpose()?,
                key: row.key.clone(),
                body: row.body,
            },
        })
    }
}

fn parts(key: &Key) -> [&str; 3] {
    [&key.collection, &key.scope, &key.name]
}

fn from_parts([collection, scope, name]: [Arc<str>; 3]) -> Key {
    Key { collection, scope, name }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings, lists of them and maps of them are JSON")
}
