//! The SQLite file behind a state.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, query, query_as, query_scalar};

use super::file::{Claim, claim};
use super::row::{self, Row};
use super::schema::{SchemaError, migrate};
use super::unavailable;
use crate::StoreError;
use crate::record::{Record, Revision};
use crate::state::State;
use crate::state::overlay::Outcome;

/// Who else could be busy with the file: somebody who looks into it with another program.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The log does not stay larger than that once it was, in bytes.
const MAX_LOG: &str = "67108864";

/// Why the file could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the disk is full, nothing can be written to {}", path.display())]
    Full {
        path: PathBuf,
        #[source]
        cause: sqlx::Error,
    },
    #[error("{} is read-only", path.display())]
    ReadOnly {
        path: PathBuf,
        #[source]
        cause: sqlx::Error,
    },
    #[error("the disk does not take what is written to {}: it is full, a quota is reached, or it fails", path.display())]
    Disk {
        path: PathBuf,
        #[source]
        cause: sqlx::Error,
    },
    #[error("cannot write to {}", path.display())]
    Other {
        path: PathBuf,
        #[source]
        cause: sqlx::Error,
    },
}

impl WriteError {
    fn of(path: &Path, cause: sqlx::Error) -> Self {
        const SQLITE_READONLY: i32 = 8;
        const SQLITE_IOERR: i32 = 10;
        const SQLITE_FULL: i32 = 13;
        const SQLITE_CANTOPEN: i32 = 14;
        let path = path.to_owned();
        match class(&cause) {
            Some(SQLITE_FULL) => Self::Full { path, cause },
            Some(SQLITE_READONLY) => Self::ReadOnly { path, cause },
            Some(SQLITE_IOERR | SQLITE_CANTOPEN) => Self::Disk { path, cause },
            _ => Self::Other { path, cause },
        }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Database {
    /// `None` after an error that leaves the connection in doubt; the next write connects again.
    connection: Option<SqliteConnection>,
    revision: Revision,
    /// After the connection, so that it is given up after it.
    claim: Claim,
}

impl Database {
    /// Opens the file, and returns what is in it.
    pub(super) async fn open(path: &Path) -> Result<(Self, State), StoreError> {
        let claim = claim(path).map_err(unavailable)?;
        let corrupt = |error: &(dyn std::error::Error + 'static)| {
            StoreError::Corrupt(format!("{}: {}", claim.path.display(), base::report(error)))
        };
        let database = |error: sqlx::Error| {
            if damaged(&error) { corrupt(&error) } else { unavailable(WriteError::of(&claim.path, error)) }
        };

        let mut connection = connect(&claim.path).await.map_err(database)?;
        migrate(&mut connection).await.map_err(|error| match error {
            SchemaError::Database(error) => database(error),
            refused => corrupt(&refused),
        })?;
        let revision: i64 =
            query_scalar("SELECT value FROM revision").fetch_one(&mut connection).await.map_err(database)?;
        let revision = revision.cast_unsigned();
        let rows: Vec<Row> =
            query_as("SELECT * FROM record").fetch(&mut connection).try_collect().await.map_err(database)?;
        let records: Vec<Record> =
            rows.into_iter().map(Record::try_from).collect::<Result<_, _>>().map_err(|error| corrupt(&error))?;
        let state = State::restore(revision, records);
        Ok((Self { connection: Some(connection), revision, claim }, state))
    }

    /// Makes the outcome durable, or changes nothing.
    pub(super) async fn write(&mut self, outcome: &Outcome) -> Result<(), WriteError> {
        self.try_write(outcome).await.map_err(|cause| WriteError::of(&self.claim.path, cause))
    }

    async fn try_write(&mut self, outcome: &Outcome) -> Result<(), sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.claim.path).await?,
        };
        query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        let written = match write(&mut connection, self.revision, outcome).await {
            Ok(()) => query("COMMIT").execute(&mut connection).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => self.revision = outcome.revision,
            // SQLite may have rolled back by itself, then this fails and it does not matter. If it matters, the next
            // BEGIN fails.
            Err(_) => drop(query("ROLLBACK").execute(&mut connection).await),
        }
        self.connection = Some(connection);
        written
    }

    #[cfg(test)]
    pub(super) async fn run(&mut self, sql: &'static str) {
        let connection = self.connection.as_mut().expect("it is connected");
        query(sql).execute(connection).await.expect("the test's statement is valid");
    }

    pub(super) async fn close(self) {
        let Some(connection) = self.connection else { return };
        if let Err(error) = connection.close().await {
            tracing::warn!(error = %base::report(&error), "The store's file was not closed cleanly; nothing is lost");
        }
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode that is an fsync for every commit: acknowledged is durable, also without power.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", MAX_LOG)
        .disable_statement_logging()
        .connect()
        .await
}

async fn write(connection: &mut SqliteConnection, from: Revision, outcome: &Outcome) -> Result<(), sqlx::Error> {
    let moved = query("UPDATE revision SET value = ? WHERE value = ?")
        .bind(outcome.revision.cast_signed())
        .bind(from.cast_signed())
        .execute(&mut *connection)
        .await?;
    if moved.rows_affected() != 1 {
        return Err(sqlx::Error::Protocol(format!(
            "the file is no longer at revision {from}: something else wrote to it; restart the process"
        )));
    }
    for (key, record) in &outcome.records {
        match record {
            Some(record) => row::replace(record).execute(&mut *connection).await?,
            None => row::delete(key).execute(&mut *connection).await?,
        };
    }
    Ok(())
}

/// Whether the file is to blame, not the circumstances.
fn damaged(error: &sqlx::Error) -> bool {
    const SQLITE_CORRUPT: i32 = 11;
    const SQLITE_NOTADB: i32 = 26;
    match error {
        sqlx::Error::Database(_) => matches!(class(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB)),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::RowNotFound => true,
        _ => false,
    }
}

/// The class of SQLite's errors that it belongs to.
fn class(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    // The lower byte of an extended code.
    Some(code & 0xff)
}
