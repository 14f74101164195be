//! What was given for an entity.

use std::collections::HashSet;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::config::Node;
use crate::schema::{Document, Input};

/// The name of a field. Those of many entities are the same.
pub(super) type Name = Arc<str>;

/// Names that occurred.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Name, foldhash::fast::RandomState>);

impl Names {
    pub(super) fn get(&mut self, name: &str) -> Name {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name = Name::from(name);
        self.0.insert(Arc::clone(&name));
        name
    }
}

/// What was given for an entity, in order. Entities are given with few fields, which are sooner looked through than a
/// name is hashed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Given {
    entries: Vec<(Name, Node)>,
    /// The id that was made for it when none was given. It is not among what was given, but what comes of that has it.
    made: Option<String>,
}

impl Given {
    /// No two of the entries have the same name.
    pub(super) fn new(entries: Vec<(Name, Node)>) -> Self {
        Self { entries, made: None }
    }

    pub(super) fn from_map(map: Map<String, Value>, names: &mut Names) -> Self {
        Self::new(map.into_iter().map(|(name, value)| (names.get(&name), Node::Value(value))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        match &self.entries.iter().find(|(other, _)| **other == *name)?.1 {
            Node::Value(value) => Some(value),
            Node::List(_) | Node::Record(_) => None,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| &**name)
    }

    pub(super) fn insert(&mut self, name: Name, value: Value) {
        match self.entries.iter_mut().find(|(other, _)| *other == name) {
            Some((_, there)) => *there = Node::Value(value),
            None => self.entries.push((name, Node::Value(value))),
        }
    }

    /// Gives it an id.
    pub(super) fn make_id(&mut self, id: String) {
        self.made = Some(id);
    }

    /// Takes out what is called so; the rest stays in order.
    pub(super) fn remove(&mut self, name: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(other, _)| **other == *name)?;
        Some(self.entries.remove(at).1)
    }

    /// Makes plain values of the lists of entities that nobody took out.
    pub(super) fn flatten(&mut self) {
        for (_, node) in &mut self.entries {
            if !matches!(node, Node::Value(_)) {
                *node = Node::Value(std::mem::take(node).into_value());
            }
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, node)| match node {
            Node::Value(value) => (&**name, value),
            Node::List(_) | Node::Record(_) => (&**name, &Value::Null),
        })
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        let made = self.made.map(|id| (ID.to_owned(), Value::String(id)));
        self.entries.into_iter().map(|(name, node)| ((*name).to_owned(), node.into_value())).chain(made).collect()
    }
}

const ID: &str = "id";

/// The name of a field that was given, or made.
#[derive(Debug)]
pub(super) enum FieldName {
    Given(Name),
    Id,
}

impl AsRef<str> for FieldName {
    fn as_ref(&self) -> &str {
        match self {
            Self::Given(name) => name,
            Self::Id => ID,
        }
    }
}

impl Document for Given {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }
}

impl Input for Given {
    type Name = FieldName;

    fn entries(self) -> impl Iterator<Item = (FieldName, Value)> {
        let made = self.made.map(|id| (FieldName::Id, Value::String(id)));
        self.entries.into_iter().map(|(name, node)| (FieldName::Given(name), node.into_value())).chain(made)
    }

    fn into_map(self) -> Map<String, Value> {
        Self::into_map(self)
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        let mut map = target.serialize_map(Some(self.entries.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
