//! Configurations as they are read, before they are looked at.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::given::Given;

/// A configuration as it was read. Lists of entities are kept in a form that is smaller than that of other values, as
/// there may be very many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config(pub(super) IndexMap<String, Node, foldhash::fast::RandomState>);

/// A part of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Value(Value),
    /// A list of entities, perhaps.
    List(Vec<Self>),
    /// An entity, perhaps.
    Record(Given),
}

impl Default for Node {
    fn default() -> Self {
        Self::Value(Value::Null)
    }
}

impl Node {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::List(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Record(given) => Value::Object(given.into_map()),
        }
    }
}

impl Config {
    /// Whether something is called so.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes out what is called so; the rest stays in order.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).map(Node::into_value)
    }

    /// Puts in a text. What is called so already is replaced.
    pub fn put(&mut self, name: &str, text: String) {
        self.0.insert(name.to_owned(), Node::Value(Value::String(text)));
    }

    /// Puts in all of another one. What is called the same is replaced.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The same as a plain document.
    pub fn into_map(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, node)| (name, node.into_value())).collect()
    }
}

impl From<Map<String, Value>> for Config {
    fn from(map: Map<String, Value>) -> Self {
        Self(map.into_iter().map(|(name, value)| (name, Node::Value(value))).collect())
    }
}
