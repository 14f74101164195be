//! JSON documents that may be large, read step by step.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::pace::Pace;

/// The value of a whole text.
pub(super) fn read(text: &[u8], pace: &mut Pace) -> serde_json::Result<Value> {
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = Paced(pace).deserialize(&mut source)?;
    source.end()?;
    Ok(value)
}

/// A value, each part of which is a step.
struct Paced<'p>(&'p mut Pace);

impl<'de> DeserializeSeed<'de> for Paced<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        self.0.step();
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Paced<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // Most lists are of one.
        let mut list = Vec::with_capacity(1);
        while let Some(item) = items.next_element_seed(Paced(self.0))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            map.insert(name, entries.next_value_seed(Paced(self.0))?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_are_elsewhere() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let texts = [
            r#"{"a": [1, -1, 0.5, 1e400, 18446744073709551615, null, true, "\u00e4\n"], "a": {"b": {}}, "c": []}"#,
            r#" {"z": 1, "y": 2, "z": 3} "#,
            "{} x",
            "[1,]",
            "",
            "nul",
            &deep,
        ];
        for text in texts {
            let read = read(text.as_bytes(), &mut Pace::new()).map_err(|error| error.to_string());
            let usual: Result<Value, String> = serde_json::from_str(text).map_err(|error| error.to_string());
            assert_eq!(read.as_ref().map(Value::to_string), usual.as_ref().map(Value::to_string), "{text}");
        }
    }
}
