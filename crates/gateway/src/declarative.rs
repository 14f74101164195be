//! Declarative configurations and the store: from a text to what is served, and back.

mod endpoint;
mod request;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base::SystemClock;
use gateway_model::declarative::{self, ConfigError, Declared, EMPTY_HASH, Known, Options};
use gateway_model::error::{DaoError, Fields};
use gateway_model::registry::Registry;
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::Value;
use store::{Draft, Op};

use crate::dao::{Dao, Rim};

/// Checks a configuration without loading it.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn check(registry: &Registry, text: &str) -> Result<(), String> {
    let config = declarative::read_text(text).map_err(told)?;
    let mut rim = Rim::new(Arc::new(SystemClock));
    declarative::parse(registry, config, Options::default(), &mut rim).map(drop).map_err(told)
}

/// Loads configurations into a store, one at a time. While one is wrong, what was there before stays.
#[derive(Debug)]
pub struct Loader {
    dao: Dao,
    hash: Mutex<String>,
    /// What was loaded last. Held while the next is loaded.
    known: tokio::sync::Mutex<Known>,
}

/// Why a configuration is not in force.
#[derive(Debug)]
enum Refusal {
    Config(Box<ConfigError>),
    Store(DaoError),
}

impl Loader {
    /// A loader into the store of `dao`, which may refuse single writes.
    pub fn new(dao: Dao) -> Self {
        Self { dao, hash: Mutex::new(EMPTY_HASH.to_owned()), known: tokio::sync::Mutex::default() }
    }

    /// What tells the configuration in force from others: 32 hexadecimal digits, all 0 at first.
    pub fn hash(&self) -> String {
        self.hash.lock().clone()
    }

    /// Makes a text, YAML or JSON, the whole configuration. Returns once it is in force.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each; then nothing has changed.
    pub async fn load_text(&self, text: &str) -> Result<(), String> {
        let config = declarative::read_text(text).map_err(told)?;
        let hash = declarative::hash_of_text(text);
        self.load(config, hash, Options::default()).await.map(drop).map_err(|refusal| match refusal {
            Refusal::Config(error) => told(*error),
            Refusal::Store(error) => error.to_string(),
        })
    }

    /// Puts the entities of a text into the store, all or none. What is there and not in it stays.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each; then nothing has changed.
    pub async fn import_text(&self, text: &str) -> Result<(), String> {
        let config = declarative::read_text(text).map_err(told)?;
        let declared = self.parse(config, Options::default()).await.map_err(told)?;
        let now = self.dao.clock().now();
        let drafts = self.dao.drafts(&declared.entities).map_err(|error| error.to_string())?;
        let steps = declared.entities.iter().zip(drafts).map(|(entity, draft)| {
            let ttl = entity.facts.ttl.as_ref().and_then(Value::as_f64);
            let expires = ttl.map(|seconds| now + SignedDuration::from_secs_f64(seconds));
            Op::Put(Draft { expires, ..draft }, None)
        });
        let steps = steps.collect();
        self.dao.store().commit(steps).await.map(drop).map_err(|error| base::report(&error))
    }

    /// All documents as a configuration in YAML.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn export(&self) -> Result<String, String> {
        let registry = self.dao.registry();
        let mut documents = Vec::new();
        for entity in registry.entities() {
            let stored = self.dao.all_stored(entity).await.map_err(|error| error.to_string())?;
            documents.extend(stored.into_iter().map(|document| (entity.name(), document)));
        }
        Ok(declarative::export(registry, documents))
    }

    /// Checks a configuration and puts it into force.
    async fn load(&self, config: Fields, hash: String, options: Options) -> Result<Declared, Refusal> {
        let mut known = self.known.lock().await;
        let mut declared = self.parse(config, options).await.map_err(|error| Refusal::Config(Box::new(error)))?;
        let next = known.keep_times(&mut declared);
        self.dao.replace_all(&declared.entities).await.map_err(Refusal::Store)?;
        *known = next;
        *self.hash.lock() = hash;
        Ok(declared)
    }

    /// Checks a configuration on a thread that has nothing else to do.
    async fn parse(&self, config: Fields, options: Options) -> Result<Declared, ConfigError> {
        let registry = Arc::clone(self.dao.registry());
        let mut rim = Rim::new(Arc::clone(self.dao.clock()));
        let work = move || declarative::parse(&registry, config, options, &mut rim);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(error = %base::report(&error), "Reading a declarative configuration was cut short");
                Err(ConfigError::text("error", "reading the configuration was cut short"))
            }
        }
    }
}

/// One line for each thing that is wrong.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn told(error: ConfigError) -> String {
    error.lines().join("\n")
}
