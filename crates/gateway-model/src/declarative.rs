//! Declarative configurations: a whole gateway in one YAML or JSON document.
//!
//! Children stand inside of their parents or beside them with a reference; ids that are not given are derived from
//! names, so that the same document always means the same entities. [`parse`] checks all of it and either returns
//! every entity, complete, or everything that is wrong.

mod check;
mod entity;
mod error;
mod export;
mod flatten;
mod ids;
mod kinds;
mod known;
mod marks;
mod migrate;
mod text;
mod unique;

use serde_json::{Map, Value};

use crate::registry::Registry;
use crate::schema::Source;

pub use entity::Entity;
pub use error::ConfigError;
pub use export::export;
pub use known::Known;
pub use marks::Fact;
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
    config: Map<String, Value>,
    options: Options,
    known: &Known,
    source: &mut dyn Source,
) -> Result<Declared, ConfigError> {
    let kinds = kinds::Kinds::new(registry);
    let raw = options.flatten_errors.then(|| config.clone());
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

impl Declared {
    /// The answer to who brought it, `{kind: {id: document}}` as JSON, as it was before passwords became hashes.
    pub fn answer(&self, source: &mut dyn Source) -> String {
        let mut answer = String::with_capacity(self.entities.iter().map(|entity| entity.body.len() + 64).sum());
        answer.push('{');
        let shown = self.entities.iter().filter(|entity| entity.kind != "workspaces");
        let mut last = None;
        for entity in shown {
            source.pause();
            if last == Some(entity.kind) {
                answer.push(',');
            } else {
                answer.push_str(if last.is_some() { "}," } else { "" });
                write_text(entity.kind, &mut answer);
                answer.push_str(":{");
                last = Some(entity.kind);
            }
            write_text(entity.id(), &mut answer);
            answer.push(':');
            entity.show(&mut answer);
        }
        answer.push_str(if last.is_some() { "}}" } else { "}" });
        answer
    }
}

/// Appends a text as JSON. Kinds and ids have nothing to escape, but for the keys of some kinds.
fn write_text(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests;
