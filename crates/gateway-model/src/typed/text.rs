//! Texts that are shared, and short lists, read without a copy in between: a large configuration has hundreds of
//! thousands.

use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use smallvec::{Array, SmallVec};

/// A text.
pub(super) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

/// A text or null.
pub(super) fn perhaps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    Option::<Text>::deserialize(deserializer).map(|text| text.map(|text| text.0))
}

/// One of the two ways to handle paths, which all routes share, or null.
pub(super) fn handling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    static USUAL: LazyLock<[Arc<str>; 2]> = LazyLock::new(|| ["v0", "v1"].map(Arc::from));

    struct Reader;

    impl Visitor<'_> for Reader {
        type Value = Option<Arc<str>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or null")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(USUAL.iter().find(|usual| ***usual == *text).map_or_else(|| text.into(), Arc::clone)))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Reader)
}

/// Texts, none for null.
pub(super) fn list<'de, D: Deserializer<'de>, C: FromIterator<Arc<str>>>(deserializer: D) -> Result<C, D::Error> {
    deserializer.deserialize_any(List::<Text, Arc<str>, C>(PhantomData))
}

/// Values of a list that is mostly short, none for null.
pub(super) fn few<'de, D, A>(deserializer: D) -> Result<SmallVec<A>, D::Error>
where
    D: Deserializer<'de>,
    A: Array<Item: Deserialize<'de>>,
{
    deserializer.deserialize_any(List::<A::Item, A::Item, SmallVec<A>>(PhantomData))
}

/// Reads `T`s and collects them as `U`s.
struct List<T, U, C>(PhantomData<(T, U, C)>);

impl<'de, T: Deserialize<'de> + Into<U>, U, C: FromIterator<U>> Visitor<'de> for List<T, U, C> {
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or null")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<C, S::Error> {
        iter::from_fn(|| elements.next_element::<T>().transpose()).map(|element| element.map(T::into)).collect()
    }

    fn visit_unit<E: Error>(self) -> Result<C, E> {
        Ok(iter::empty().collect())
    }
}

struct Text(Arc<str>);

impl From<Text> for Arc<str> {
    fn from(text: Text) -> Self {
        text.0
    }
}

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
    use std::sync::Arc;

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
        let route = |handling: serde_json::Value| {
            serde_json::from_value::<Route>(
                json!({"id": "i", "paths": ["/a", "/b"], "protocols": null, "path_handling": handling}),
            )
        };
        let handling = |value| route(value).unwrap().path_handling;
        assert_eq!([handling(json!(null)), handling(json!("v1"))], [None, Some("v1".into())]);
        assert!(Arc::ptr_eq(&handling(json!("v0")).unwrap(), &handling(json!("v0")).unwrap()));
        assert!(route(json!(1)).is_err());
        assert_eq!((route(json!("x")).unwrap().paths.len(), route(json!("x")).unwrap().protocols.len()), (2, 0));
        assert!(serde_json::from_value::<Route>(json!({"id": "i", "protocols": ["gopher"]})).is_err());
        assert!(serde_json::from_value::<Route>(json!({"id": "i", "paths": "/a"})).is_err());
        assert!(serde_json::from_value::<Route>(json!({"name": "no id"})).is_err());
        assert!(serde_json::from_value::<Route>(json!({"id": 1})).is_err());
    }
}
