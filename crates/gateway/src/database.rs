//! The database of the settings: opened, prepared, looked at, emptied.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::backoff::Backoff;
use store::postgres::{Migrated, SchemaStatus, Settings};
use store::{SchemaMismatch, Store, StoreError};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::conf::{Conf, Database};
use crate::node::NodeError;
use crate::node::certificates::write_combined;

/// How long a server that does not answer is waited for at start, besides what one attempt takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What of a database has to be done before nodes can use it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unprepared {
    /// It is empty.
    #[error("Database needs bootstrapping; run 'kong migrations bootstrap'")]
    Absent,
    /// An earlier version prepared it.
    #[error(
        "New migrations available; run 'kong migrations up' to proceed (the database has schema version {found}, this \
         version needs {known})"
    )]
    Older {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// A later version prepared it.
    #[error(
        "the database was migrated by a later version (schema version {found}, this version knows {known}); start that \
         version"
    )]
    Newer {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// It holds something else.
    #[error(
        "the database has tables of the same names that are another program's; set another pg_database or pg_schema"
    )]
    Foreign,
}

impl From<SchemaMismatch> for Unprepared {
    fn from(mismatch: SchemaMismatch) -> Self {
        match mismatch {
            SchemaMismatch::Absent => Self::Absent,
            SchemaMismatch::Older { found, known } => Self::Older { found, known },
            SchemaMismatch::Newer { found, known } => Self::Newer { found, known },
            SchemaMismatch::Foreign => Self::Foreign,
        }
    }
}

/// Opens the database; the embedded one is made what this version needs. A server that is not there is waited for, for
/// some seconds.
///
/// # Errors
/// It does not answer, cannot be read, or is not prepared.
pub(crate) async fn open(conf: &Conf, clock: Arc<dyn Clock>) -> Result<Store, NodeError> {
    match conf.database {
        Database::Off => Ok(store::memory::open(clock)),
        Database::Sqlite => Ok(store::sqlite::open(&file(conf), clock).await?),
        Database::Postgres => {
            let settings = settings(conf)?;
            patiently(settings, || store::postgres::open(settings.clone(), Arc::clone(&clock))).await
        }
    }
}

/// How a PostgreSQL database is prepared; waits as [`open`] does.
///
/// # Errors
/// The server does not answer.
pub(crate) async fn status(conf: &Conf) -> Result<SchemaStatus, NodeError> {
    let settings = settings(conf)?;
    patiently(settings, || store::postgres::status(settings)).await
}

/// Prepares a PostgreSQL database for this version; waits as [`open`] does.
///
/// # Errors
/// The server does not answer, or the database cannot be prepared.
pub(crate) async fn migrate(conf: &Conf) -> Result<Migrated, NodeError> {
    let settings = settings(conf)?;
    patiently(settings, || store::postgres::migrate(settings)).await
}

/// Deletes everything in a PostgreSQL database that is ours; waits as [`open`] does.
///
/// # Errors
/// The server does not answer or refuses.
pub(crate) async fn reset(conf: &Conf) -> Result<(), NodeError> {
    let settings = settings(conf)?;
    patiently(settings, || store::postgres::reset(settings)).await
}

/// Where the embedded database is.
pub(crate) fn file(conf: &Conf) -> PathBuf {
    conf.prefix.join("kong.db")
}

/// Where the server is, with the files that connecting to it needs.
fn settings(conf: &Conf) -> Result<&Settings, NodeError> {
    write_combined(conf)?;
    let missing = || NodeError::Setting { setting: "database", reason: "is not postgres".to_owned() };
    conf.postgres.as_ref().ok_or_else(missing)
}

/// Does it, and does it again as long as the server is not there and there is patience left.
async fn patiently<T, F>(settings: &Settings, mut attempt: impl FnMut() -> F) -> Result<T, NodeError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let end = Instant::now() + PATIENCE;
    let mut told = false;
    let mut pauses = Backoff::new(PAUSE / 8, PAUSE, std::process::id().into());
    loop {
        let error = match attempt().await {
            Err(StoreError::Unavailable(error)) => error,
            other => return Ok(other?),
        };
        let address = format!("{}:{}", settings.primary.host, settings.primary.port);
        let pause = pauses.next_delay();
        if Instant::now() + pause >= end {
            return Err(NodeError::DatabaseAway { address, source: error });
        }
        if !std::mem::replace(&mut told, true) {
            warn!(server = address, error = %base::report(&*error), "Database is not available; trying again");
        }
        #[expect(clippy::disallowed_methods, reason = "a server that starts has no event to wait for")]
        sleep(pause).await;
    }
}
