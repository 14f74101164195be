//! What the command line does without a running node.

use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;

use crate::conf::Conf;
use crate::dao::Dao;
use crate::database;
use crate::declarative::{self, Loader};
use crate::node::{NodeError, enabled, registry};

pub use store::postgres::{Migrated, SchemaStatus};

/// How long the database may take for all entities at once.
const WHOLE: Duration = Duration::from_secs(600);

/// Checks a declarative configuration. The error lists everything that is wrong.
pub fn parse(conf: &Conf, text: &str) -> Result<(), String> {
    let definitions = enabled(conf).map_err(told)?;
    declarative::check(&registry(conf, &definitions), text)
}

/// Puts the entities of a declarative configuration into the database; what is there and not in it stays.
pub fn import(conf: &Conf, text: &str) -> Result<(), String> {
    blocking(async {
        let dao = dao(conf).await.map_err(told)?;
        Loader::new(dao).import_text(text).await
    })
}

/// The entities of the database as a declarative configuration.
pub fn export(conf: &Conf) -> Result<String, String> {
    blocking(async {
        let dao = dao(conf).await.map_err(told)?;
        Loader::new(dao).export().await
    })
}

/// Opens the embedded database, which makes it what this version needs.
pub fn open(conf: &Conf) -> Result<(), NodeError> {
    blocking(async { database::open(conf, Arc::new(SystemClock)).await.map(drop) })
}

/// Whether there is an embedded database.
pub fn exists(conf: &Conf) -> bool {
    database::file(conf).exists()
}

/// Deletes the embedded database.
pub fn remove(conf: &Conf) -> std::io::Result<()> {
    let file = database::file(conf);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = file.clone().into_os_string();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// How a PostgreSQL database is prepared.
pub fn status(conf: &Conf) -> Result<SchemaStatus, NodeError> {
    blocking(database::status(conf))
}

/// How long somebody else who prepares the same database is waited for, unless somebody says otherwise.
pub const USUAL_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Prepares a PostgreSQL database for this version. Several may try at once: the others wait for the first, no longer
/// than `lock_timeout`.
pub fn migrate(conf: &Conf, lock_timeout: Duration) -> Result<Migrated, NodeError> {
    blocking(async {
        let busy = || NodeError::Setting {
            setting: "database",
            reason: format!("another node is performing database changes, for {} s already", lock_timeout.as_secs()),
        };
        tokio::time::timeout(lock_timeout, database::migrate(conf)).await.unwrap_or_else(|_| Err(busy()))
    })
}

/// Deletes everything of ours in a PostgreSQL database.
pub fn reset(conf: &Conf) -> Result<(), NodeError> {
    blocking(database::reset(conf))
}

async fn dao(conf: &Conf) -> Result<Dao, NodeError> {
    let definitions = enabled(conf)?;
    let mut conf = conf.clone();
    if let Some(settings) = &mut conf.postgres {
        settings.primary.statement_timeout = WHOLE;
        settings.commit_timeout = WHOLE;
    }
    let store = database::open(&conf, Arc::new(SystemClock)).await?;
    Ok(Dao::new(store, Arc::new(registry(&conf, &definitions)), Arc::new(SystemClock)))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn told(error: NodeError) -> String {
    base::report(&error).to_string()
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime of one thread can be made").block_on(work)
}
