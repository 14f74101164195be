//! What the command line does without a running node.

use std::sync::Arc;

use base::SystemClock;

use crate::conf::Conf;
use crate::dao::Dao;
use crate::declarative::{self, Loader};
use crate::node::{NodeError, database_file, enabled, open_store, registry};

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

/// Opens the database, which makes it what this version needs.
pub fn open(conf: &Conf) -> Result<(), NodeError> {
    blocking(async { open_store(conf, Arc::new(SystemClock)).await.map(drop) })
}

/// Whether there is a database.
pub fn exists(conf: &Conf) -> bool {
    database_file(conf).exists()
}

/// Deletes the database.
pub fn reset(conf: &Conf) -> std::io::Result<()> {
    let file = database_file(conf);
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

async fn dao(conf: &Conf) -> Result<Dao, NodeError> {
    let definitions = enabled(conf)?;
    let store = open_store(conf, Arc::new(SystemClock)).await?;
    Ok(Dao::new(store, Arc::new(registry(conf, &definitions)), Arc::new(SystemClock)))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn told(error: NodeError) -> String {
    base::report(&error).to_string()
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime of one thread can be made").block_on(work)
}
