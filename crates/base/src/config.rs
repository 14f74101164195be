//! Configuration from defaults, then a YAML file, then environment variables, each overriding the former.
//!
//! The defaults, serialized, are the tree of known keys: a key that is not in it is a problem, and so is a
//! value of another type than the default's. All problems are found at once. A default that is `null`
//! takes any value that deserializes, and one that is an empty map takes any keys. Secrets must be empty
//! by default, since they do not serialize.

mod env;
mod file;
mod tree;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Problems;
pub use env::variable_name;
pub use file::{MAX_FILE, read_file};
use tree::Override;

/// Where configuration comes from.
#[derive(Clone, Debug)]
pub struct Sources<'a, E> {
    /// The content of the YAML file, if there is one.
    pub file: Option<&'a str>,
    /// The environment, as `std::env::vars()` has it.
    pub environment: E,
    /// What variables begin with, without the underscore: `KUMA`.
    pub prefix: &'a str,
    /// Further variables and the paths of the values they set, for names that do not follow from the path.
    pub aliases: &'a [(&'a str, &'a str)],
}

/// Configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The effective values.
    pub value: T,
    /// Where each value came from, by path.
    pub origins: BTreeMap<String, Origin>,
    /// What is probably a mistake but does no harm: variables with the prefix that set nothing.
    pub warnings: Problems,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File,
    /// This environment variable.
    Env(String),
}

/// Reads configuration. The error lists everything that is wrong, with the path (`store.postgres.port`)
/// and, where one is to blame, the variable.
pub fn load<T, E>(sources: Sources<'_, E>) -> Result<Loaded<T>, Problems>
where
    T: Serialize + DeserializeOwned + Default,
    E: IntoIterator<Item = (String, String)>,
{
    let defaults = serde_json::to_value(T::default()).expect("configuration types serialize to JSON");
    let mut problems = Problems::default();
    let mut warnings = Problems::default();

    let mut overrides = Vec::new();
    if let Some(text) = sources.file {
        match file::parse(text) {
            Ok(content) => tree::collect(&defaults, content, &mut overrides, &mut problems),
            Err(part) => problems.0.extend(part.0),
        }
    }
    let variables = env::Variables::new(&defaults, sources.prefix, sources.aliases);
    variables.collect(sources.environment, &mut overrides, &mut problems, &mut warnings);

    let mut origins: BTreeMap<String, Origin> =
        tree::leaves(&defaults).into_iter().map(|(path, _)| (path.join("."), Origin::Default)).collect();
    let mut effective = defaults.clone();
    for change in overrides {
        match accept::<T>(&defaults, &change) {
            Ok(value) => {
                tree::set(&mut effective, &change.path, value);
                origins.insert(change.path.join("."), change.origin);
            }
            Err(reason) => change.complain(&reason, &mut problems),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    match serde_json::from_value(effective) {
        Ok(value) => Ok(Loaded { value, origins, warnings }),
        Err(error) => {
            problems.add("", error.to_string());
            Err(problems)
        }
    }
}

/// The value in the form that `T` takes at this place, found out by trying it alone: so each value that
/// does not fit is found, and not only the first.
fn accept<T: DeserializeOwned>(defaults: &Value, change: &Override) -> Result<Value, String> {
    let mut first_error = None;
    for value in &change.readings {
        let mut trial = defaults.clone();
        tree::set(&mut trial, &change.path, value.clone());
        match serde_json::from_value::<T>(trial) {
            Ok(_) => return Ok(value.clone()),
            Err(error) => {
                first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }
    Err(first_error.unwrap_or_else(|| "has no value".to_owned()))
}

#[cfg(test)]
mod tests;
