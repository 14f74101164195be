//! Declarative configurations and the store: from a text to what is served, and back.

mod endpoint;
mod request;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base::SystemClock;
use gateway_model::declarative::{self, Config, ConfigError, Declared, EMPTY_HASH, Entity, Known, Options};
use gateway_model::error::DaoError;
use gateway_model::registry::Registry;
use jiff::SignedDuration;
use parking_lot::Mutex;
use store::{Draft, Op};

use crate::dao::{Dao, Rim, Whole};
use crate::pace::Pace;

/// Checks a configuration without loading it.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn check(registry: &Registry, text: &str) -> Result<(), String> {
    let config = declarative::read_text(text).map_err(told)?;
    let mut rim = Rim::new(Arc::new(SystemClock));
    declarative::parse(registry, config, Options::default(), &Known::default(), &mut rim).map(drop).map_err(told)
}

/// Loads configurations into a store, one at a time. While one is wrong, what was there before stays.
#[derive(Debug)]
pub struct Loader {
    dao: Dao,
    hash: Mutex<String>,
    /// What was loaded last. Held while the next is loaded.
    loaded: tokio::sync::Mutex<Loaded>,
}

/// A configuration that was loaded.
#[derive(Debug, Default)]
struct Loaded {
    known: Arc<Known>,
    /// What was put into the store, if that is sure.
    whole: Option<Whole>,
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
        Self { dao, hash: Mutex::new(EMPTY_HASH.to_owned()), loaded: tokio::sync::Mutex::default() }
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
        self.load((config.into(), hash), Options::default(), (text.len(), Pace::new())).await.map(drop).map_err(
            |refusal| match refusal {
                Refusal::Config(error) => told(*error),
                Refusal::Store(error) => error.to_string(),
            },
        )
    }

    /// Puts the entities of a text into the store, all or none. What is there and not in it stays.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each; then nothing has changed.
    pub async fn import_text(&self, text: &str) -> Result<(), String> {
        let config = declarative::read_text(text).map_err(told)?;
        let known = Arc::<Known>::default();
        let parsed =
            self.parse(config.into(), Options::default(), [Arc::clone(&known), known], (text.len(), Pace::new())).await;
        let mut declared = parsed.map_err(told)?.0;
        let now = self.dao.clock().now();
        let ttl = |entity: &Entity| entity.ttl()?.as_f64();
        let ttls: Vec<Option<f64>> = declared.entities.iter().map(ttl).collect();
        let drafts = self.dao.drafts(&mut declared.entities).map_err(|error| error.to_string())?;
        let steps = ttls.into_iter().zip(drafts).map(|(ttl, draft)| {
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

    /// Checks a configuration from so many bytes and puts it into force. What it became is given back with what goes on at its pace.
    async fn load(
        &self,
        (config, hash): (Config, String),
        options: Options,
        (bytes, pace): (usize, Pace),
    ) -> Result<(Declared, Rim), Refusal> {
        let mut loaded = self.loaded.lock().await;
        // Only what the store is sure to have can be the same as before.
        let same = match loaded.whole {
            Some(_) => Arc::clone(&loaded.known),
            None => Arc::default(),
        };
        let parsed = self.parse(config, options, [same, Arc::clone(&loaded.known)], (bytes, pace)).await;
        let (mut declared, known, rim) = parsed.map_err(|error| Refusal::Config(Box::new(error)))?;
        let whole = self.dao.replace_all(&mut declared.entities, loaded.whole.as_ref()).await;
        let whole = whole.map_err(Refusal::Store)?;
        let before = std::mem::replace(&mut *loaded, Loaded { known: Arc::new(known), whole });
        *self.hash.lock() = hash;
        // Large, and nobody should wait for it to be taken apart.
        drop(tokio::task::spawn_blocking(move || drop(before)));
        Ok((declared, rim))
    }

    /// Checks a configuration: what was loaded last, as far as it can be the same, and as far as it lends its times.
    async fn parse(
        &self,
        config: Config,
        options: Options,
        [same, times]: [Arc<Known>; 2],
        (bytes, pace): (usize, Pace),
    ) -> Result<(Declared, Known, Rim), ConfigError> {
        let registry = Arc::clone(self.dao.registry());
        let mut rim = Rim::paced(Arc::clone(self.dao.clock()), pace);
        let work = move || {
            let mut declared = declarative::parse(&registry, config, options, &same, &mut rim)?;
            let known = times.keep_times(&mut declared, &mut rim);
            Ok((declared, known, rim))
        };
        aside(bytes, work).await.unwrap_or_else(|| Err(ConfigError::text("error", CUT_SHORT)))
    }
}

/// What is told when the node stops meanwhile.
const CUT_SHORT: &str = "reading the configuration was cut short";

/// The largest text, in bytes, that is read where the call is: going to another thread would take longer.
const SMALL: usize = 8 * 1024;

/// Does what takes a while on a thread that has nothing else to do; what is about a text of few `bytes` at once. None if
/// that is the end.
async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if bytes <= SMALL {
        return Some(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| tracing::error!(error = %base::report(error), "A declarative configuration was cut short"))
        .ok()
}

/// One line for each thing that is wrong.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn told(error: ConfigError) -> String {
    error.lines().join("\n")
}
