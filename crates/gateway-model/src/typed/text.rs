//! Texts that are shared, read without a copy in between: a large configuration has hundreds of thousands.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A text.
pub(super) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

/// A text or null.
pub(super) fn perhaps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    Option::<Text>::deserialize(deserializer).map(|text| text.map(|text| text.0))
}

/// Texts, none for null.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<str>>, D::Error> {
    let texts = Option::<Vec<Text>>::deserialize(deserializer)?;
    Ok(texts.unwrap_or_default().into_iter().map(|text| text.0).collect())
}

struct Text(Arc<str>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::typed::Route;

    #[test]
    fn texts_may_be_null_absent_or_escaped() {
        let route = json!({"id": "i", "name": null, "paths": null, "hosts": ["a", "ä\n"], "expression": "e"});
        let routes = [serde_json::from_str::<Route>(&route.to_string()), serde_json::from_value(route)];
        for route in routes {
            let route = route.unwrap();
            assert_eq!((&*route.id, route.name, route.paths.len()), ("i", None, 0));
            assert_eq!((&*route.hosts[1], route.expression.as_deref(), route.tags), ("ä\n", Some("e"), None));
        }
        assert!(serde_json::from_value::<Route>(json!({"name": "no id"})).is_err());
        assert!(serde_json::from_value::<Route>(json!({"id": 1})).is_err());
    }
}
