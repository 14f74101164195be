//! The tables, and how files of earlier versions get them.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor, query, query_scalar};

/// Each entry takes the schema from the version before to its own, counted from 1. Entries are only ever added.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE revision (value INTEGER NOT NULL) STRICT;
    INSERT INTO revision VALUES (0);
    CREATE TABLE record (
        collection TEXT NOT NULL,
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        labels TEXT NOT NULL,
        secondary_keys TEXT NOT NULL,
        parent TEXT,
        referred TEXT NOT NULL,
        expires TEXT,
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        created TEXT NOT NULL,
        modified TEXT NOT NULL,
        PRIMARY KEY (collection, scope, name)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE record RENAME COLUMN parent TO parents;
    UPDATE record SET parents = iif(parents IS NULL, '[]', '[' || parents || ']');
",
];

/// Why a file's schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error("it has schema version {found}, this program understands up to {known}; use the program that wrote it")]
    TooNew { found: i64, known: i64 },
    #[error("it is another program's database")]
    Foreign,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Brings the schema up to date, all or nothing.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let found = version(connection).await?;
    let known = i64::try_from(MIGRATIONS.len()).expect("it is a short list");
    if found > known {
        return Err(SchemaError::TooNew { found, known });
    }
    for (migration, version) in MIGRATIONS.iter().zip(1..).filter(|(_, version)| *version > found) {
        (&mut *connection).execute(*migration).await?;
        query("UPDATE schema SET version = ?").bind(version).execute(&mut *connection).await?;
    }
    query("COMMIT").execute(connection).await?;
    Ok(())
}

/// 0 for a new file, which gets its version table.
async fn version(connection: &mut SqliteConnection) -> Result<i64, SchemaError> {
    let tables: Vec<String> = query_scalar("SELECT name FROM sqlite_schema").fetch_all(&mut *connection).await?;
    if tables.is_empty() {
        query("CREATE TABLE schema (version INTEGER NOT NULL) STRICT").execute(&mut *connection).await?;
        query("INSERT INTO schema VALUES (0)").execute(&mut *connection).await?;
    } else if !tables.iter().any(|table| table == "schema") {
        return Err(SchemaError::Foreign);
    }
    Ok(query_scalar("SELECT version FROM schema").fetch_one(connection).await?)
}
