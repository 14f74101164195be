//! JSON documents that may be large, read step by step.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Config;
use super::config::Node;
use super::given::{Given, Name};
use super::kinds::is_kind;
use crate::registry::Registry;

/// The most fields of an entity that are looked through for each further one; more are hashed.
const FEW: usize = 32;

/// What a text holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// An object.
    Config(Config),
    /// Anything else.
    Other(Value),
}

/// The value of a whole text. `pause` is called again and again, at least for each of its entities.
///
/// # Errors
/// The text is no JSON.
pub fn read_json(registry: &Registry, text: &[u8], pause: &mut dyn FnMut()) -> serde_json::Result<Json> {
    let mut source = serde_json::Deserializer::from_slice(text);
    let read = Top(&mut Reader { registry, names: HashMap::default(), fields: 0, pause }).deserialize(&mut source)?;
    source.end()?;
    Ok(read)
}

struct Reader<'r> {
    registry: &'r Registry,
    /// The names that occurred in entities, and whether lists of entities are called so.
    names: HashMap<Name, bool, foldhash::fast::RandomState>,
    /// How many fields the entity before had.
    fields: usize,
    pause: &'r mut dyn FnMut(),
}

impl Reader<'_> {
    /// Called for each item of a list or an object, of which so many came before: pauses at some of them.
    fn step(&mut self, before: usize) {
        if before.is_multiple_of(8) {
            (self.pause)();
        }
    }

    fn name(&mut self, name: &str) -> (Name, bool) {
        if let Some((name, lists)) = self.names.get_key_value(name) {
            return (Name::clone(name), *lists);
        }
        let (name, lists) = (Name::from(name), is_kind(self.registry, name));
        self.names.insert(Name::clone(&name), lists);
        (name, lists)
    }
}

/// Implements what is the same for all that can be anything.
macro_rules! scalars {
    ($value:ty, $of:path) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any valid JSON value")
        }

        fn visit_unit<E: Error>(self) -> Result<$value, E> {
            Ok($of(Value::Null))
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<$value, E> {
            Ok($of(Value::Bool(value)))
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<$value, E> {
            Ok($of(value.into()))
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<$value, E> {
            Ok($of(value.into()))
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<$value, E> {
            Ok($of(Number::from_f64(value).map_or(Value::Null, Value::Number)))
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<$value, E> {
            Ok($of(value.into()))
        }

        fn visit_string<E: Error>(self, value: String) -> Result<$value, E> {
            Ok($of(value.into()))
        }
    };
}

/// The whole of a text.
struct Top<'a, 'r>(&'a mut Reader<'r>);

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Json, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = Json;

    scalars!(Json, Json::Other);

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Json, A::Error> {
        Plain(self.0).visit_seq(items).map(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut config = Config::default();
        while let Some(name) = entries.next_key::<String>()? {
            self.0.step(config.0.len());
            let node = entries.next_value_seed(Part { reader: self.0, is: Is::List })?;
            config.0.insert(name, node);
        }
        Ok(Json::Config(config))
    }
}

/// Where a part of a configuration stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    /// Where lists of entities are.
    List,
    /// In such a list.
    Entity,
}

struct Part<'a, 'r> {
    reader: &'a mut Reader<'r>,
    is: Is,
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Node, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_, '_> {
    type Value = Node;

    scalars!(Node, Node::Value);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        if self.is == Is::Entity {
            return Plain(self.reader).visit_seq(items).map(Node::Value);
        }
        let mut list = Vec::with_capacity(1);
        while let Some(item) = items.next_element_seed(Part { reader: self.reader, is: Is::Entity })? {
            self.reader.step(list.len());
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let Self { reader, is } = self;
        if is == Is::List {
            return Plain(reader).visit_map(entries).map(Node::Value);
        }
        // Those of a list mostly have as many fields.
        let mut given: Vec<(Name, Node)> = Vec::with_capacity(reader.fields);
        (reader.pause)();
        while let Some((name, lists)) = entries.next_key_seed(Called(reader))? {
            let node = if lists {
                entries.next_value_seed(Part { reader, is: Is::List })?
            } else {
                Node::Value(entries.next_value_seed(Plain(reader))?)
            };
            match given.iter_mut().find(|(other, _)| *other == name) {
                Some((_, there)) => *there = node,
                None => given.push((name, node)),
            }
            if given.len() > FEW {
                return many(reader, given, entries);
            }
        }
        reader.fields = given.len();
        Ok(Node::Record(Given::new(given)))
    }
}

/// The rest of an object with many entries, which is hardly an entity.
fn many<'de, A: MapAccess<'de>>(
    reader: &mut Reader<'_>,
    given: Vec<(Name, Node)>,
    mut entries: A,
) -> Result<Node, A::Error> {
    let mut map: Map<String, Value> =
        given.into_iter().map(|(name, node)| ((*name).to_owned(), node.into_value())).collect();
    while let Some(name) = entries.next_key::<String>()? {
        reader.step(map.len());
        map.insert(name, entries.next_value_seed(Plain(reader))?);
    }
    Ok(Node::Value(Value::Object(map)))
}

/// The name of a field.
struct Called<'a, 'r>(&'a mut Reader<'r>);

impl<'de> DeserializeSeed<'de> for Called<'_, '_> {
    type Value = (Name, bool);

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(Name, bool), D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Called<'_, '_> {
    type Value = (Name, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(Name, bool), E> {
        Ok(self.0.name(name))
    }
}

/// A value as it is.
struct Plain<'a, 'r>(&'a mut Reader<'r>);

impl<'de> DeserializeSeed<'de> for Plain<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_, '_> {
    type Value = Value;

    scalars!(Value, std::convert::identity);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // Most lists are of one.
        let mut list = Vec::with_capacity(1);
        while let Some(item) = items.next_element_seed(Plain(self.0))? {
            self.0.step(list.len());
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            self.0.step(map.len());
            map.insert(name, entries.next_value_seed(Plain(self.0))?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entities::RouterFlavor;

    fn read(text: &str) -> Result<Value, String> {
        let registry = Registry::new(RouterFlavor::default(), []);
        let mut parts = 0;
        match read_json(&registry, text.as_bytes(), &mut || parts += 1).map_err(|error| error.to_string())? {
            Json::Config(config) => Ok(Value::Object(config.into_map())),
            Json::Other(value) => Ok(value),
        }
    }

    #[test]
    fn texts_are_read_as_they_are_elsewhere() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let entity = |depth: usize| {
            let lists = r#"{"name": "a", "routes": ["#.repeat(depth) + &"]}".repeat(depth);
            format!(r#"{{"services": [{lists}]}}"#)
        };
        let many: Map<String, Value> =
            (0..100).map(|at| (format!("f{}", at % 60), json!([{"routes": [at]}]))).collect();
        let texts = [
            r#"{"a": [1, -1, 0.5, 1e400, 18446744073709551615, null, true, "\u00e4\n"], "a": {"b": {}}, "c": []}"#,
            r#" {"z": 1, "y": 2, "z": 3} "#,
            r#"{"services": [{"name": 1, "routes": [], "n\u0061me": 2, "x": null}, 5, [], [{"a": 1}], {}, {"a": {"routes": [{}]}}]}"#,
            r#"{"services": [{"routes": [{"a": 1}], "name": "b", "routes": {"a": 2}}], "routes": {"services": []}}"#,
            &json!({"routes": [many, {"name": "b"}]}).to_string(),
            r#"[{"services": [{"name": "a"}]}]"#,
            r#""text""#,
            "12",
            "{} x",
            "[1,]",
            "",
            "nul",
            r#"{"services": [{"name": }]}"#,
            r#"{"services": [{3: 4}]}"#,
            &deep,
            &entity(30),
            &entity(100),
        ];
        for text in texts {
            let usual: Result<Value, String> = serde_json::from_str(text).map_err(|error| error.to_string());
            let read = read(text);
            assert_eq!(read.as_ref().map(Value::to_string), usual.as_ref().map(Value::to_string), "{text}");
        }
    }
}
