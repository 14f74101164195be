//! Declarative configurations: a whole gateway in one YAML or JSON document.
//!
//! Children stand inside of their parents or beside them with a reference; ids that are not given are derived from
//! names, so that the same document always means the same entities. [`parse`] checks all of it and either returns
//! every entity, complete, or everything that is wrong.

mod answer;
mod check;
mod config;
mod entity;
mod error;
mod export;
mod flatten;
mod given;
mod ids;
mod kinds;
mod known;
mod marks;
mod migrate;
mod read;
mod text;
mod unique;

use crate::registry::Registry;
use crate::schema::Source;

pub use answer::Answer;
pub use config::Config;
pub use entity::Entity;
pub use error::ConfigError;
pub use export::export;
pub use known::Known;
pub use marks::Fact;
pub use read::{Json, read_json};
pub use text::{MAX_TEXT_BYTES, hash_of_text, read_text};

/// The hash of a node that has not been configured.
pub const EMPTY_HASH: &str = "00000000000000000000000000000000";

/// The formats that are understood.
const FORMATS: [&str; 3] = ["1.1", "2.1", "3.0"];

/// A checked configuration.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Every entity, those of a kind together; what is referred to comes before what refers to it.
    pub entities: Vec<Entity>,
    /// The value of `_format_version`.
    pub format: String,
    /// Whether passwords were plain and are hashed now.
    pub transform: bool,
}

/// How to report errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Also list the errors entity by entity.
    pub flatten_errors: bool,
}

/// Checks a configuration. What is the same as in the one that is `known`, by the same registry, comes out as it did.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(
    registry: &Registry,
    config: impl Into<Config>,
    options: Options,
    known: &Known,
    source: &mut dyn Source,
) -> Result<Declared, ConfigError> {
    let kinds = kinds::Kinds::new(registry);
    let config = config.into();
    let raw = options.flatten_errors.then(|| config.clone().into_map());
    let mut head = Head::default();
    let mut tree = error::Tree::default();
    let items = flatten::flatten(&kinds, config, &mut head, &mut tree, source);
    match check::check(&kinds, items, &head, tree, known, source) {
        Ok(entities) => Ok(Declared { entities, format: head.format, transform: head.transform }),
        Err(failure) => Err(failure.into_error(&kinds, raw)),
    }
}

/// What a configuration says about itself.
#[derive(Debug)]
struct Head {
    format: String,
    transform: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self { format: String::new(), transform: true }
    }
}

#[cfg(test)]
mod tests;
